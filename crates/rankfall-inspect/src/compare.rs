//! Two checkpoints of one network held against each other, layer by layer.

use crate::plan::{Job, Plan};
use crate::record::Row;
use crate::same::side_by_side;
use crate::source::Tall;
use crate::spectrum::{Failed, Sigma};
use crate::table::{or_dash, real};
use crate::{gram, inspect};
use faer::{Mat, Side};
use rankfall_checkpoints::Values;
use rankfall_report::terminal::{aligned, length};
use serde::Serialize;

/// Leading directions that are compared at most.
pub const MOST_DIRECTIONS: usize = 10;

/// What changed in one layer, from A to B.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LayerChange {
    /// The tensor's name.
    pub name: String,
    /// Its sizes.
    pub shape: Vec<usize>,
    /// How it was made a matrix.
    pub matrix: Option<String>,
    /// Whether both have numbers for it.
    pub compared: bool,
    /// Why not.
    pub reason: Option<String>,
    /// ‖B − A‖_F / ‖A‖_F.
    pub relative_change: Option<f64>,
    /// The largest singular value, in A and in B.
    pub sigma_max: [Option<f64>; 2],
    /// The numerical rank.
    pub numerical_rank: [Option<usize>; 2],
    /// The effective rank.
    pub effective_rank: [Option<f64>; 2],
    /// The stable rank.
    pub stable_rank: [Option<f64>; 2],
    /// Singular values that differ by more than their bounds and the rounding of storage can
    /// explain.
    pub moved: Option<usize>,
    /// How many leading directions were compared: those of A above the edge of Marchenko and
    /// Pastur, at least one and at most [`MOST_DIRECTIONS`].
    pub directions: Option<usize>,
    /// Principal angles between the leading left singular subspaces, ascending, in degrees.
    pub left_angles: Option<Vec<f64>>,
    /// Between the leading right ones.
    pub right_angles: Option<Vec<f64>>,
}

/// What `--compare --json` prints.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CheckpointComparison {
    /// [`crate::record::SCHEMA`].
    pub schema: u32,
    /// The first checkpoint.
    pub from: String,
    /// The second.
    pub to: String,
    /// In the order of the first; what only the second has comes last.
    pub layers: Vec<LayerChange>,
    /// Sentences a reader must see.
    pub notes: Vec<String>,
}

/// Compares two plans, each of one checkpoint.
#[must_use]
pub fn compare(
    a: Plan,
    b: Plan,
    threads: usize,
    watch: &dyn inspect::InspectionWatch,
) -> CheckpointComparison {
    let (from, to) = (a.jobs.clone(), b.jobs.clone());
    let first = inspect::inspect(a, threads, None, watch);
    let second = inspect::inspect(b, threads, None, watch);
    // Where it is taken in another way, its shape is another one.
    let place = |rows: &[Row], of: &Row| {
        let named = |row: &Row| row.name == of.name;
        let same = |row: &Row| named(row) && row.matrix == of.matrix;
        let found = rows.iter().position(same);
        found.or_else(|| rows.iter().position(named))
    };
    let job = |jobs: &[Job], row: usize| jobs.iter().find(|job| job.row == row).cloned();
    let of_first = first.tensors.iter().enumerate().map(|(i, row)| {
        let Some(j) = place(&second.tensors, row) else {
            return without(row, "the second checkpoint has no such tensor");
        };
        change(row, &second.tensors[j], job(&from, i).zip(job(&to, j)))
    });
    let mut layers: Vec<LayerChange> = of_first.collect();
    let new = second.tensors.iter();
    let new = new.filter(|row| place(&first.tensors, row).is_none());
    layers.extend(new.map(|row| without(row, "the first checkpoint has no such tensor")));
    let file = |rows: &[Row]| {
        rows.first()
            .map_or_else(String::new, |row| row.file.clone())
    };
    CheckpointComparison {
        schema: crate::record::SCHEMA,
        from: file(&first.tensors),
        to: file(&second.tensors),
        layers,
        notes: first.notes.into_iter().chain(second.notes).collect(),
    }
}

fn without(row: &Row, reason: &str) -> LayerChange {
    LayerChange {
        name: row.name.clone(),
        shape: row.shape.clone(),
        matrix: row.matrix.clone(),
        reason: Some(reason.to_owned()),
        ..LayerChange::default()
    }
}

fn change(a: &Row, b: &Row, jobs: Option<(Job, Job)>) -> LayerChange {
    let reason = a.reason.as_ref().or(b.reason.as_ref());
    let (Some((from, to)), None) = (jobs, reason) else {
        return without(a, reason.map_or("it was not analysed", String::as_str));
    };
    if a.shape != b.shape {
        return without(a, "its shape is another one in the second checkpoint");
    }
    let measured = numbers(a, &from, &to);
    let mut change = LayerChange {
        compared: true,
        reason: None,
        sigma_max: [a.sigma_max, b.sigma_max],
        numerical_rank: [a.numerical_rank, b.numerical_rank],
        effective_rank: [a.effective_rank, b.effective_rank],
        stable_rank: [a.stable_rank, b.stable_rank],
        moved: moved(a, b, from.epsilon.max(to.epsilon)),
        ..without(a, "")
    };
    match measured {
        Ok((relative, angles)) => {
            change.relative_change = relative;
            change.directions = angles.as_ref().map(|a| a[0].len());
            let angles = angles.map(|[left, right]| (left, right));
            (change.left_angles, change.right_angles) = angles.unzip();
        }
        Err(failed) => (change.compared, change.reason) = (false, Some(failed.to_string())),
    }
    change
}

/// Singular values whose difference is more than both bounds and what rounding to the precision of
/// storage can move a singular value by, half an ε of each number: ½ ε ‖A‖_F at most (Weyl).
fn moved(a: &Row, b: &Row, epsilon: f64) -> Option<usize> {
    let (a, b) = (&a.spectrum.as_ref()?.sigmas, &b.spectrum.as_ref()?.sigmas);
    let norm = |s: &[Sigma]| s.iter().map(|s| s.value * s.value).sum::<f64>().sqrt();
    let rounding = 0.5 * epsilon * (norm(a) + norm(b));
    let is_moved =
        |(a, b): &(&Sigma, &Sigma)| (a.value - b.value).abs() > a.bound + b.bound + rounding;
    Some(a.iter().zip(b).filter(is_moved).count())
}

type Angles = [Vec<f64>; 2];

/// The relative change, and the principal angles where each is one matrix.
fn numbers(row: &Row, a: &Job, b: &Job) -> Result<(Option<f64>, Option<Angles>), Failed> {
    let (first, second) = (a.tensor.values()?, b.tensor.values()?);
    let relative = relative_change(&first, &second, a.tensor.len().unwrap_or(0))?;
    let (&[slice], &[other]) = (&a.slices[..], &b.slices[..]) else {
        return Ok((relative, None));
    };
    let k = row
        .above_mp
        .unwrap_or(0)
        .clamp(1, MOST_DIRECTIONS)
        .min(slice.sides().1);
    let scale = row.sigma_max.filter(|s| *s > 0.0);
    let Some(scale) = scale.map(|s| libm::ldexp(1.0, -libm::frexp(s).1.clamp(-1000, 1000))) else {
        return Ok((relative, None));
    };
    let from = leading(&Tall::new(&first, slice, scale), k)?;
    let to = leading(&Tall::new(&second, other, scale), k)?;
    let [mut long, mut short] = [angles(&from[0], &to[0])?, angles(&from[1], &to[1])?];
    if slice.rows < slice.columns {
        std::mem::swap(&mut long, &mut short);
    }
    Ok((relative, Some([long, short])))
}

fn relative_change(a: &Values, b: &Values, count: usize) -> Result<Option<f64>, Failed> {
    let (mut difference, mut norm) = (0.0, 0.0);
    side_by_side(a, b, count, |a, b| {
        for (x, y) in a.iter().zip(b) {
            difference += (y - x) * (y - x);
            norm += x * x;
        }
        true
    })?;
    Ok((norm > 0.0).then(|| (difference / norm).sqrt()))
}

/// Orthonormal bases of the `k` leading singular subspaces: of the longer side, and of the shorter
/// one.
fn leading(tall: &Tall<'_>, k: usize) -> Result<[Mat<f64>; 2], Failed> {
    let gram = gram::matrix(tall, 1)?;
    let n = gram.nrows();
    let eigen = gram
        .self_adjoint_eigen(Side::Lower)
        .map_err(|_| Failed::NotConverged)?;
    let short = Mat::from_fn(n, k, |i, j| eigen.U()[(i, n - 1 - j)]);
    let mut long = Mat::zeros(tall.rows(), k);
    let mut buffer = Vec::new();
    for first in (0..tall.rows()).step_by(crate::source::BLOCK) {
        let count = crate::source::BLOCK.min(tall.rows() - first);
        tall.read(first, count, &mut buffer)?;
        let rows = tall.block(count, &buffer) * &short;
        long.as_mut().subrows_mut(first, count).copy_from(&rows);
    }
    Ok([long.qr().compute_thin_Q(), short])
}

/// Principal angles between two subspaces given by orthonormal bases, ascending, in degrees. Small
/// ones come from their sines, large ones from their cosines (Björck and Golub, Math. Comp. 27
/// (1973), 579–594).
fn angles(a: &Mat<f64>, b: &Mat<f64>) -> Result<Vec<f64>, Failed> {
    let across = a.transpose() * b;
    let rest = b - a * &across;
    let cosines = across.singular_values().map_err(|_| Failed::NotConverged)?;
    let mut sines = rest.singular_values().map_err(|_| Failed::NotConverged)?;
    sines.reverse();
    let angle = |(cosine, sine): (&f64, &f64)| libm::atan2(*sine, *cosine).to_degrees();
    Ok(cosines.iter().zip(&sines).map(angle).collect())
}

const HEADINGS: [&str; 7] = [
    "tensor",
    "change",
    "σ_max",
    "effective rank",
    "rank",
    "moved",
    "largest angles L, R",
];

/// A comparison as a table for people.
#[must_use]
pub fn text(comparison: &CheckpointComparison) -> String {
    let mut out = format!("from {}\nto   {}\n", comparison.from, comparison.to);
    let compared: Vec<&LayerChange> = comparison.layers.iter().filter(|l| l.compared).collect();
    let names = compared.iter().map(|layer| length(&layer.name));
    let names = names.max().unwrap_or(0).max(length(HEADINGS[0]));
    let widths = [names, 9, 17, 17, 11, 12, 20];
    out += &format!("  {}", aligned(&HEADINGS, &widths, 1));
    for layer in &compared {
        out += &format!("  {}", aligned(&cells(layer), &widths, 1));
    }
    out += &format!(
        "{} layers compared, {} not (--json says why)\n",
        compared.len(),
        comparison.layers.len() - compared.len()
    );
    for note in &comparison.notes {
        out += &format!("note: {note}\n");
    }
    out
}

fn cells(layer: &LayerChange) -> [String; 7] {
    let pair = |[a, b]: [Option<f64>; 2]| format!("{} → {}", real(a, 4), real(b, 4));
    let largest = |angles: &Option<Vec<f64>>| {
        let last = angles.as_ref().and_then(|a| a.last());
        or_dash(last, |a| format!("{a:.1}°"))
    };
    let [before, after] = layer.numerical_rank.map(|r| r.unwrap_or(0));
    let (left, right) = (largest(&layer.left_angles), largest(&layer.right_angles));
    [
        layer.name.clone(),
        real(layer.relative_change, 3),
        pair(layer.sigma_max),
        pair(layer.effective_rank),
        format!("{before} → {after}"),
        or_dash(layer.moved, |m| m.to_string()),
        format!("{left}, {right}"),
    ]
}
