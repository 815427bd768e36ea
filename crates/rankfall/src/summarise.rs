//! From the statistics of an ensemble to its summary and its rows of `series.parquet`.

use crate::experiment::ExactDynamics;
use rankfall_core::ensemble::Outcome;
use rankfall_core::observe::{LAW, Layout};
use rankfall_core::optimizer::Optimizer;
use rankfall_core::statistics::{Cell, HISTOGRAM_BIN, Totals};
use rankfall_report::record::{
    Divergence, DynamicsSummary, ForceScalesRecord, LogDetSummary, LossSummary, OptimizerRecord,
    ProblemSummary, RankSummary, Scalar, SeriesRow, SpectraSummary, Spectrum,
};

/// What the summary of one dynamics is made from.
pub struct Material<'a> {
    /// The dynamics as asked for.
    pub spec: &'a ExactDynamics,
    /// What was measured.
    pub outcome: &'a Outcome,
    /// Its statistics over all blocks.
    pub totals: &'a Totals<'a>,
    /// The steps at which it was measured.
    pub save_steps: &'a [u64],
    /// Trajectories run.
    pub trajectories: u64,
    /// Trajectories asked for.
    pub requested: u64,
    /// Sizes of the problem.
    pub problem: &'a ProblemSummary,
    /// Relative tolerance of the numerical rank.
    pub rank_tolerance: f64,
    /// Whether the exact reductions were used.
    pub reduce: bool,
    /// Wall seconds.
    pub seconds: f64,
}

/// Null for what is undefined.
fn defined(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

impl Material<'_> {
    fn layout(&self) -> &Layout {
        &self.outcome.layout
    }

    fn time(&self, save: usize) -> f64 {
        self.save_steps[save] as f64 * self.spec.time_step
    }

    fn cell(&self, save: usize, name: &str, index: u32) -> Option<Cell> {
        let place = self.layout().position(name, index)?;
        Some(
            self.totals
                .cell(save * self.layout().observables.len() + place),
        )
    }

    fn mean(&self, save: usize, name: &str, index: u32) -> Option<f64> {
        self.cell(save, name, index)
            .and_then(|cell| defined(cell.mean))
    }

    fn last(&self) -> usize {
        self.save_steps.len() - 1
    }

    fn scalar(&self, name: &str) -> Scalar {
        Scalar {
            initial: self.mean(0, name, 0),
            final_mean: self.mean(self.last(), name, 0),
        }
    }

    fn loss(&self, name: &str) -> LossSummary {
        let last = self.cell(self.last(), name, 0);
        LossSummary {
            initial: self.mean(0, name, 0),
            final_mean: last.and_then(|cell| defined(cell.mean)),
            final_std: last.and_then(|cell| defined(cell.deviation)),
        }
    }

    fn spectrum(&self, matrix: &str) -> Spectrum {
        let name = format!("log_singular_value_{matrix}");
        let at = |save| {
            let size = self.layout().spectrum_size(matrix) as u32;
            (1..=size)
                .map(|index| self.mean(save, &name, index))
                .collect()
        };
        Spectrum {
            initial: at(0),
            final_mean: at(self.last()),
        }
    }

    fn rank(&self, kind: &str, tolerance: Option<f64>) -> RankSummary {
        let of = |matrix: &str| self.scalar(&format!("{kind}_{matrix}"));
        RankSummary {
            theta: of("theta"),
            tolerance,
            w1: of("w1"),
            w2: of("w2"),
            product: of("product"),
        }
    }

    fn full_rank_possible(&self) -> bool {
        self.problem.width >= self.problem.inputs + self.problem.outputs
    }

    fn log_det(&self) -> LogDetSummary {
        let last = self.cell(self.last(), "log_det", 0);
        let of = if self.full_rank_possible() {
            "M"
        } else {
            "theta_transpose_theta"
        };
        LogDetSummary {
            of: of.to_owned(),
            initial: self.mean(0, "log_det", 0),
            final_mean: last.and_then(|cell| defined(cell.mean)),
            final_std: last.and_then(|cell| defined(cell.deviation)),
            law_final: self.mean(self.last(), LAW, 0),
        }
    }

    /// The entry of `summary.json`.
    pub fn summary(&self) -> DynamicsSummary {
        let dynamics = &self.spec.dynamics;
        let steps = self.save_steps[self.last()];
        let done = steps as f64 * self.trajectories as f64;
        let diverged = self.totals.divergences();
        DynamicsSummary {
            label: self.spec.label.clone(),
            kind: dynamics.kind_name().to_owned(),
            noise_intensity: dynamics.noise_intensity(self.problem.samples),
            step_size: dynamics.step_size,
            label_noise: dynamics.label_noise,
            forces: dynamics.modified_forces().map(|f| ForceScalesRecord {
                gradient: f.gradient,
                own_noise: f.own_noise,
                common_growth: f.common_growth,
                repulsion: f.repulsion,
            }),
            optimizer: optimizer_record(&dynamics.optimizer),
            steps,
            trajectories: self.trajectories,
            diverged: diverged.count,
            divergences: diverged
                .first
                .iter()
                .map(|d| Divergence {
                    trajectory: d.trajectory,
                    step: d.step,
                    time: d.step as f64 * self.spec.time_step,
                    reason: d.reason.name().to_owned(),
                })
                .collect(),
            reductions: self.reductions(),
            seconds: self.seconds,
            trajectory_steps_per_second: done / self.seconds.max(1e-9),
            log_det: self.log_det(),
            log_singular_values: SpectraSummary {
                theta: self.spectrum("theta"),
                w1: self.spectrum("w1"),
                w2: self.spectrum("w2"),
                product: self.spectrum("product"),
            },
            numerical_rank: self.rank("numerical_rank", Some(self.rank_tolerance)),
            effective_rank: self.rank("effective_rank", None),
            stable_rank: self.rank("stable_rank", None),
            loss: self.loss("loss"),
            excess_loss: self.loss("excess_loss"),
            population_loss: self
                .layout()
                .position("population_loss", 0)
                .map(|_| self.loss("population_loss")),
            quantiles: self.quantiles(),
        }
    }

    fn quantiles(&self) -> String {
        if self.outcome.statistics.is_exact() {
            return "type 7, from every trajectory".to_owned();
        }
        format!(
            "from histograms with bins of {HISTOGRAM_BIN} in the natural logarithm: at most {} off \
             for logarithmic quantities, that relative error for the others",
            HISTOGRAM_BIN / 2.0
        )
    }

    /// Which exact reductions were used, and why not the others.
    fn reductions(&self) -> Vec<String> {
        if !self.reduce {
            let why = "none: switched off by run.reductions = false; full width, original inputs, \
                       plain double precision, so singular values below 10⁻¹⁵ of the largest are \
                       rounding";
            return vec![why.to_owned()];
        }
        let ProblemSummary {
            inputs: p,
            outputs: k,
            width: l,
            samples: n,
            ..
        } = *self.problem;
        let d = p + k;
        let samples = if self.spec.dynamics.needs_rows() {
            format!("samples: not reduced, these dynamics draw on single rows ({n} of them)")
        } else {
            format!("samples: the Gram matrices stand for all {n} rows")
        };
        let width = if l > d {
            format!("width: {l} columns reduced to p + k = {d} (Θ₀ = L Qᵀ, Q never changes)")
        } else {
            format!("width: nothing to reduce, the width {l} is at most p + k = {d}")
        };
        let mut all = vec![
            samples,
            width,
            "basis: inputs rotated so that S_xx is diagonal".to_owned(),
            "columns: kept orthogonal by rotations from the right, each with its own exponent"
                .to_owned(),
        ];
        if self.trajectories < self.requested {
            let requested = self.requested;
            all.push(format!(
                "trajectories: one stands for {requested}, which would all be equal"
            ));
        }
        all
    }

    /// The rows of `series.parquet`.
    pub fn series(&self) -> Vec<SeriesRow> {
        let mut rows = Vec::new();
        for observable in &self.layout().observables {
            if observable.name == LAW {
                continue;
            }
            for save in 0..self.save_steps.len() {
                let Some(cell) = self.cell(save, observable.name, observable.index) else {
                    continue;
                };
                let law = (observable.name == "log_det")
                    .then(|| self.mean(save, LAW, 0))
                    .flatten();
                let survivors = self.totals.survivors() as f64;
                let [q05, q25, q50, q75, q95] = cell.quantiles.map(defined);
                rows.push(SeriesRow {
                    dynamics: self.spec.label.clone(),
                    observable: observable.name.to_owned(),
                    index: observable.index,
                    time: self.time(save),
                    mean: defined(cell.mean),
                    std_error: defined(cell.deviation / survivors.sqrt()),
                    q05,
                    q25,
                    q50,
                    q75,
                    q95,
                    law,
                });
            }
        }
        rows
    }
}

/// None for plain descent and the flows.
fn optimizer_record(optimizer: &Optimizer) -> Option<OptimizerRecord> {
    (!optimizer.is_plain()).then_some(OptimizerRecord {
        momentum: optimizer.momentum,
        nesterov: optimizer.nesterov,
        weight_decay: optimizer.weight_decay,
    })
}
