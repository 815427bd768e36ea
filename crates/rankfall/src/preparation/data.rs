//! From the `[data]` section to second moments, and to rows where dynamics need them: drawn or
//! read.

use super::checks::{expect_checksum, of_setup};
use super::gaussian::{class_of_outputs, gaussian_words, recipe};
use super::table::{
    constant_warning, data_notes, file_spec, file_words, of_data, scaled_targets_note,
};
use crate::experiment::{ExactData, ExactExperiment, FileData, GaussianData, GramData};
use crate::failure::{Failure, shown_path};
use faer::Mat;
use rankfall_core::model::gram::{Gram, GramAccumulator};
use rankfall_core::model::problem::{LossUnits, Problem, ProblemError, Rows, Truth};
use std::sync::Arc;

/// Rows held for the dynamics that need them may take this much memory.
const ROW_MEMORY: u64 = 4 << 30;

/// Data ready to run on.
#[derive(Clone)]
pub(super) struct ProblemData {
    pub problem: Arc<Problem>,
    pub words: String,
    pub warnings: Vec<String>,
    pub checksum: Option<String>,
}

/// Moments and rows as they were drawn or read.
struct Moments {
    gram: Gram,
    rows: Option<Rows>,
    truth: Option<Truth>,
    /// What targets were divided by, where they were scaled.
    target_scales: Option<Vec<f64>>,
    words: String,
    warnings: Vec<String>,
    checksum: Option<String>,
}

impl Moments {
    /// Moments alone.
    fn of(gram: Gram, words: String) -> Self {
        Self {
            gram,
            rows: None,
            truth: None,
            target_scales: None,
            words,
            warnings: Vec::new(),
            checksum: None,
        }
    }
}

/// Draws or reads the data that an experiment names.
pub(super) fn read(experiment: &ExactExperiment, keep_rows: bool) -> Result<ProblemData, Failure> {
    let data = match &experiment.data {
        ExactData::Gaussian(data) => drawn(data, experiment.run.seed, keep_rows)?,
        ExactData::File(file) => from_file(file, keep_rows)?,
        ExactData::Gram(gram) => from_gram(gram)?,
    };
    let path = experiment.data.path();
    let from = path.map_or(String::new(), |path| format!("{}: ", shown_path(path)));
    let refused = |error: ProblemError| Failure::input(format!("{from}{error}"));
    let units = data.target_scales.as_deref();
    let units = units.map(|scales| loss_units(&data, scales)).transpose();
    let units = units.map_err(refused)?;
    let mut problem = Problem::new(&data.gram, data.rows, data.truth).map_err(refused)?;
    problem.loss_units = units;
    Ok(ProblemData {
        problem: Arc::new(problem),
        words: data.words,
        warnings: data.warnings,
        checksum: data.checksum,
    })
}

/// The units that targets had before they were divided by `scales`, with the loss of the optimum in
/// them: that of the same data with targets as they were.
fn loss_units(data: &Moments, scales: &[f64]) -> Result<LossUnits, ProblemError> {
    let mut gram = data.gram.clone();
    let mut rows = data.rows.clone();
    for (b, &scale) in scales.iter().enumerate() {
        for a in 0..gram.sxy.nrows() {
            gram.sxy[(a, b)] *= scale;
        }
        for (other, &scale_of_other) in scales.iter().enumerate() {
            gram.syy[(b, other)] *= scale * scale_of_other;
        }
    }
    for row in rows
        .iter_mut()
        .flat_map(|rows| rows.y.chunks_exact_mut(scales.len()))
    {
        row.iter_mut()
            .zip(scales)
            .for_each(|(value, scale)| *value *= scale);
    }
    Ok(LossUnits {
        weights: scales.iter().map(|scale| scale * scale).collect(),
        floor: Problem::new(&gram, rows, None)?.loss_floor,
    })
}

fn drawn(data: &GaussianData, seed: u64, keep_rows: bool) -> Result<Moments, Failure> {
    let keep_rows = keep_rows || data.classes;
    let bytes = (data.samples * 8).saturating_mul((data.inputs + data.outputs) as u64);
    if keep_rows && bytes > ROW_MEMORY {
        let message = format!(
            "{} rows would take {:.1} GiB, and mini-batches, Rademacher labels and classes need them all",
            data.samples,
            bytes as f64 / (1u64 << 30) as f64
        );
        return Err(Failure::input(message)
            .hint("use fewer samples, or dynamics that need only the Gram matrices"));
    }
    let draw = recipe(data)
        .draw(seed, 0, keep_rows)
        .map_err(|error| of_setup(error.into()))?;
    let (mut gram, mut rows, mut truth) = (draw.gram, draw.rows, Some(draw.truth));
    if let Some(rows) = rows.as_mut().filter(|_| data.classes) {
        for row in rows.y.chunks_exact_mut(data.outputs) {
            let class = class_of_outputs(row);
            row.fill(0.0);
            match row {
                [one] => *one = class as f64,
                all => all[class] = 1.0,
            }
        }
        let mut sums = GramAccumulator::new(data.inputs, data.outputs);
        let added = sums.add_rows(&rows.x, &rows.y);
        added.map_err(|error| Failure::input(error.to_string()))?;
        (gram, truth) = (sums.gram(), None);
    }
    Ok(Moments {
        rows,
        truth,
        ..Moments::of(gram, gaussian_words(data))
    })
}

fn from_file(file: &FileData, keep_rows: bool) -> Result<Moments, Failure> {
    let spec = file_spec(file);
    let loaded = rankfall_data::load(&spec).map_err(of_data)?;
    expect_checksum(file.checksum.as_deref(), &loaded.sha256, &file.path)?;
    let mut warnings = constant_warning(&loaded);
    warnings.extend(data_notes(&file.path, &loaded.notes));
    let scales = loaded
        .standardization
        .as_ref()
        .map(|s| s.target_scales.clone());
    let target_scales = scales.filter(|_| file.standardize_targets);
    if let Some(scales) = &target_scales {
        warnings.push(scaled_targets_note(&loaded.targets, scales));
    }
    let words = file_words(file, &loaded);
    let mut rows = None;
    if keep_rows {
        let (x, y) = rankfall_data::load_rows(&spec, &loaded, ROW_MEMORY).map_err(of_data)?;
        rows = Some(Rows {
            x: row_major(&x),
            y: row_major(&y),
            count: x.nrows(),
        });
    }
    Ok(Moments {
        warnings,
        rows,
        target_scales,
        checksum: Some(loaded.sha256),
        ..Moments::of(loaded.gram, words)
    })
}

fn row_major(m: &Mat<f64>) -> Vec<f64> {
    let row = |i: usize| (0..m.ncols()).map(move |j| m[(i, j)]);
    (0..m.nrows()).flat_map(row).collect()
}

fn from_gram(gram: &GramData) -> Result<Moments, Failure> {
    let file = rankfall_data::read_gram(&gram.path).map_err(of_data)?;
    expect_checksum(gram.checksum.as_deref(), &file.sha256, &gram.path)?;
    let words = format!(
        "Gram matrices of {} rows from {}",
        file.gram.n,
        shown_path(&gram.path)
    );
    Ok(Moments {
        checksum: Some(file.sha256),
        ..Moments::of(file.gram, words)
    })
}
