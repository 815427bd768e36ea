//! A row of an inspection: one way to take one tensor of one checkpoint.

use crate::measures::Measures;
use crate::spectrum::Spectrum;
use rankfall_checkpoints::{Role, Tensor};
use serde::Serialize;

/// The version of the layout of `--json`; raised when a field changes its meaning.
pub const SCHEMA: u32 = 1;

/// What `--json` prints of a tensor. What is undefined, or was not measured, is null.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Row {
    /// The tensor's name; a part of a fused one follows in brackets.
    pub name: String,
    /// Its sizes, outermost first.
    pub shape: Vec<usize>,
    /// The type of its numbers.
    pub dtype: String,
    /// `weight` or `optimizer`.
    pub role: &'static str,
    /// How it was made a matrix, in words.
    pub matrix: Option<String>,
    /// Whether there are numbers.
    pub analysed: bool,
    /// Why there are none.
    pub reason: Option<String>,
    /// The largest singular value.
    pub sigma_max: Option<f64>,
    /// The smallest; below `error_bound` it is not told from zero.
    pub sigma_min: Option<f64>,
    /// Singular values above `tolerance · sigma_max`.
    pub numerical_rank: Option<usize>,
    /// max(rows, columns) · ε, ε of the precision of storage.
    pub tolerance: Option<f64>,
    /// exp(−Σ p ln p) with p = σ/Σσ.
    pub effective_rank: Option<f64>,
    /// What errors of singular values can change it by, to first order.
    pub effective_rank_error: Option<f64>,
    /// Σσ²/σ_max².
    pub stable_rank: Option<f64>,
    /// To first order.
    pub stable_rank_error: Option<f64>,
    /// Σσ.
    pub nuclear_norm: Option<f64>,
    /// A bound.
    pub nuclear_norm_error: Option<f64>,
    /// ln |det| of a square matrix; null where a singular value is not told from zero.
    pub log_abs_det: Option<f64>,
    /// A bound.
    pub log_abs_det_error: Option<f64>,
    /// The exponent of the tail of σ², WeightWatcher's `alpha`.
    pub alpha: Option<f64>,
    /// To first order, x_min being the same.
    pub alpha_error: Option<f64>,
    /// The Kolmogorov–Smirnov distance of that fit, WeightWatcher's `D`.
    pub alpha_distance: Option<f64>,
    /// The lower end of the tail, a σ²: WeightWatcher's `xmin`.
    pub alpha_xmin: Option<f64>,
    /// The edge of Marchenko and Pastur, a σ.
    pub mp_edge: Option<f64>,
    /// Singular values above it.
    pub above_mp: Option<usize>,
    /// Their share of Σσ².
    pub mp_share: Option<f64>,
    /// The largest bound of the absolute error of a singular value.
    pub error_bound: Option<f64>,
    /// `gram` or `bidiagonal`.
    pub method: Option<&'static str>,
    /// The step of training.
    pub step: Option<u64>,
    /// The checkpoint.
    pub file: String,
    /// All of them, descending, where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub singular_values: Option<Vec<f64>>,
    /// What everything was measured on.
    #[serde(skip)]
    pub spectrum: Option<Spectrum>,
}

impl Row {
    /// A row without numbers yet.
    pub fn of(tensor: &Tensor, file: &str, step: Option<u64>) -> Self {
        Row {
            name: tensor.name.clone(),
            shape: tensor.shape.clone(),
            dtype: tensor.dtype.name(),
            role: match tensor.role {
                Role::Weight => "weight",
                Role::Optimizer => "optimizer",
            },
            step,
            file: file.to_owned(),
            ..Row::default()
        }
    }

    /// Fills in what was measured.
    pub fn measured(&mut self, spectrum: Spectrum, measures: &Measures) {
        self.analysed = true;
        self.reason = None;
        self.sigma_max = Some(measures.sigma_max.value);
        self.sigma_min = Some(measures.sigma_min.value);
        self.numerical_rank = Some(measures.numerical_rank);
        self.tolerance = Some(measures.tolerance);
        (self.effective_rank, self.effective_rank_error) = measures.effective_rank.unzip();
        (self.stable_rank, self.stable_rank_error) = measures.stable_rank.unzip();
        (self.nuclear_norm, self.nuclear_norm_error) = Some(measures.nuclear_norm).unzip();
        (self.log_abs_det, self.log_abs_det_error) = measures.log_abs_det.unzip();
        self.alpha = measures.tail.map(|t| t.alpha);
        self.alpha_error = measures.tail.map(|t| t.alpha_error);
        self.alpha_distance = measures.tail.map(|t| t.distance);
        self.alpha_xmin = measures.tail.map(|t| t.xmin);
        self.mp_edge = measures.above_noise.map(|a| a.edge);
        self.above_mp = measures.above_noise.map(|a| a.count);
        self.mp_share = measures.above_noise.map(|a| a.share);
        self.error_bound = Some(measures.error_bound);
        self.method = Some(spectrum.method.name());
        self.spectrum = Some(spectrum);
    }

    /// How many numbers the tensor has.
    #[must_use]
    pub fn numbers(&self) -> u64 {
        self.shape
            .iter()
            .fold(1, |n, &d| n.saturating_mul(d as u64))
    }
}

/// An inspection: what `--json` prints.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Inspection {
    /// [`SCHEMA`].
    pub schema: u32,
    /// In the order of the checkpoints and of their files.
    pub tensors: Vec<Row>,
    /// Sentences a reader must see: files that cannot be read, objects that were left alone.
    pub notes: Vec<String>,
    /// Whether the person stopped it before its end.
    pub interrupted: bool,
}

impl Inspection {
    /// Rows with numbers.
    pub fn analysed(&self) -> impl Iterator<Item = &Row> {
        self.tensors.iter().filter(|row| row.analysed)
    }

    /// Fills in the lists of singular values.
    pub fn list_singular_values(&mut self) {
        for row in &mut self.tensors {
            let values = |s: &Spectrum| s.sigmas.iter().map(|s| s.value).collect();
            row.singular_values = row.spectrum.as_ref().map(values);
        }
    }

    /// The steps of its checkpoints, ascending; those without one are left out.
    #[must_use]
    pub fn steps(&self) -> Vec<u64> {
        let mut steps: Vec<u64> = self.tensors.iter().filter_map(|row| row.step).collect();
        steps.sort_unstable();
        steps.dedup();
        steps
    }
}
