//! What an inspection will do: a row for every tensor, and a job for every row that gets numbers.

use crate::record::Row;
use crate::same;
use crate::view::{self, Fused, MOST_SLICES, Slice, View};
use rankfall_checkpoints::{Checkpoint, Role, Tensor, matches};

/// The largest smaller side whose spectrum is computed: beyond it a matrix of that size squared,
/// and hours, are needed.
pub const LARGEST_SIDE: usize = 20_000;

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// Patterns of names with `*` and `?`; empty for all.
    pub layers: Vec<String>,
    /// Whether what optimisers keep is analysed too.
    pub optimizer: bool,
    /// Whether fused tensors are taken apart.
    pub fused: Fused,
}

/// A spectrum to compute.
#[derive(Clone, Debug)]
pub struct Job {
    /// Which row of the plan.
    pub row: usize,
    /// Which tensor.
    pub tensor: Tensor,
    /// The matrices.
    pub slices: Vec<Slice>,
    /// ε of the precision of storage.
    pub epsilon: f64,
}

impl Job {
    /// Multiplications and additions, about; what moves through memory counts for more.
    #[must_use]
    pub fn cost(&self) -> f64 {
        let double = self.epsilon < f64::from(f32::EPSILON);
        let one = |slice: &Slice| {
            let (m, n) = (slice.sides().0 as f64, slice.sides().1 as f64);
            let (product, values) = if double { (2.0, 8.0) } else { (1.0, 4.0) };
            product * m * n * n + values * n * n * n + 40.0 * m * n
        };
        let pooled: f64 = self.slices.iter().map(|slice| slice.sides().1 as f64).sum();
        // The fit of the tail looks at all pairs of eigenvalues.
        self.slices.iter().map(one).sum::<f64>() + 5.0 * pooled * pooled
    }
}

/// Rows, and jobs for some of them.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// In the order of the files.
    pub rows: Vec<Row>,
    /// In the same order.
    pub jobs: Vec<Job>,
    /// Sentences a reader must see.
    pub notes: Vec<String>,
}

impl Plan {
    /// Adds a row for every tensor of a checkpoint.
    pub fn add(&mut self, checkpoint: &Checkpoint, choice: &Choice) {
        let file = checkpoint.path.display().to_string();
        let copies = same::copies(&checkpoint.tensors);
        for (tensor, copy_of) in checkpoint.tensors.iter().zip(copies) {
            let row = Row::of(tensor, &file, checkpoint.step);
            let views = match why_not(tensor, copy_of, choice) {
                Some(reason) => Err(reason),
                None => view::views(&tensor.name, &tensor.shape, choice.fused),
            };
            match views {
                Ok(views) => self.add_views(tensor, &row, views),
                Err(reason) => self.rows.push(Row {
                    reason: Some(reason),
                    ..row
                }),
            }
        }
        self.notes.extend(inert_note(checkpoint));
    }

    fn add_views(&mut self, tensor: &Tensor, row: &Row, views: Vec<View>) {
        for view in views {
            let mut row = Row {
                matrix: Some(view.words),
                ..row.clone()
            };
            if let Some(part) = view.part {
                row.name = format!("{}[{part}]", row.name);
            }
            let smaller = view.slices.iter().map(|slice| slice.sides().1).max();
            let smaller = smaller.unwrap_or(0);
            if smaller > LARGEST_SIDE || view.slices.len() > MOST_SLICES {
                let what = match smaller > LARGEST_SIDE {
                    true => format!("its smaller side is {smaller}, more than {LARGEST_SIDE}"),
                    false => format!("it is more than {MOST_SLICES} matrices"),
                };
                row.reason = Some(format!("{what}: too much to compute"));
            } else {
                self.jobs.push(Job {
                    row: self.rows.len(),
                    tensor: tensor.clone(),
                    slices: view.slices,
                    epsilon: tensor.dtype.epsilon().unwrap_or(f64::EPSILON),
                });
            }
            self.rows.push(row);
        }
    }
}

/// Why a tensor gets no numbers, whatever its shape.
fn why_not(tensor: &Tensor, copy_of: Option<String>, choice: &Choice) -> Option<String> {
    if !choice.layers.is_empty() && !choice.layers.iter().any(|glob| matches(glob, &tensor.name)) {
        return Some("not chosen by --layers".into());
    }
    if let Some(problem) = &tensor.problem {
        return Some(problem.clone());
    }
    if tensor.role == Role::Optimizer && !choice.optimizer {
        return Some("it belongs to an optimiser (--optimizer analyses it)".into());
    }
    if tensor.dtype.epsilon().is_none() {
        return Some(format!(
            "its numbers are {}, not floating ones",
            tensor.dtype.name()
        ));
    }
    if let Some(other) = &tensor.tied_to {
        return Some(format!(
            "tied: the same numbers in the same place as {other}"
        ));
    }
    copy_of.map(|other| format!("a copy: the same numbers as {other}"))
}

/// What is said of objects that were not executed.
fn inert_note(checkpoint: &Checkpoint) -> Option<String> {
    let mut classes: Vec<&str> = checkpoint.inert.iter().map(|i| i.class.as_str()).collect();
    classes.sort_unstable();
    classes.dedup();
    let shown = classes[..classes.len().min(8)].join(", ");
    let more = if classes.len() > 8 { ", …" } else { "" };
    (!classes.is_empty()).then(|| {
        format!(
            "{}: {} objects of the pickle are not tensors and were left alone, none was executed: {shown}{more}",
            checkpoint.path.display(),
            checkpoint.inert.len(),
        )
    })
}
