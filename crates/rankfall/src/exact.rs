//! Results of two linear layers, which the exact engine runs.

use crate::checkpoint::Finished;
use crate::experiment::{DynamicsSpec, Experiment};
use crate::failure::{Failure, quoted};
use crate::preparation::Known;
use crate::results::Heading;
use crate::run_folder::weights::Tensor;
use crate::summarise::{Grid, Measured, Save, one_for_many};
use rankfall_core::dynamics::{Dynamics, Kind};
use rankfall_core::ensemble::Outcome;
use rankfall_core::network::Weights;
use rankfall_core::optimizer::Optimizer;
use rankfall_core::theory::determinant_law_applies;
use rankfall_report::record::{
    DynamicsSummary, EXACT, EXACT_LAW, ForceScalesRecord, OptimizerRecord, Summary,
};

/// What results are made from, besides the dynamics themselves.
pub struct Results<'a> {
    /// The experiment.
    pub experiment: &'a Experiment,
    /// What is known of its data.
    pub known: &'a Known,
}

impl Results<'_> {
    /// Summary, series and weights of one dynamics, the `index`-th.
    ///
    /// # Errors
    /// Exit code 1 if the summary cannot be encoded.
    pub fn finish(
        &self,
        index: usize,
        save_steps: &[u64],
        outcome: &Outcome,
        seconds: f64,
    ) -> Result<Finished, Failure> {
        let (run, problem) = (&self.experiment.run, &self.known.problem);
        let spec = &self.experiment.dynamics[index];
        let dynamics = &spec.dynamics;
        let time_of = |step: u64| step as f64 * spec.time_step;
        let names = outcome.layout.observables.iter().map(|o| (o.name, o.index));
        let saves = save_steps.iter().map(|&step| Save::full(time_of(step)));
        let trajectories = self.experiment.trajectories_of(spec);
        let known = DynamicsSummary {
            label: spec.label.clone(),
            kind: dynamics.kind_name().to_owned(),
            noise_intensity: dynamics.noise_intensity(problem.samples),
            noise: noise_words(dynamics),
            step_size: dynamics.step_size,
            schedule: "constant".to_owned(),
            label_noise: dynamics.label_noise,
            batch_size: match dynamics.kind {
                Kind::StochasticGradientFlow { batch_size, .. }
                | Kind::StochasticGradientDescent { batch_size, .. } => Some(batch_size),
                _ => None,
            },
            optimizer: optimizer_record(&dynamics.optimizer),
            forces: dynamics.modified_forces().map(|f| ForceScalesRecord {
                gradient: f.gradient,
                own_noise: f.own_noise,
                common_growth: f.common_growth,
                repulsion: f.repulsion,
            }),
            steps: save_steps.last().copied().unwrap_or(0),
            trajectories,
            reductions: self.reductions(spec, trajectories),
            seconds,
            ..DynamicsSummary::default()
        };
        let totals = outcome.statistics.totals();
        let measured = Measured {
            grid: Grid::new(names, saves.collect()),
            statistics: &outcome.statistics,
            totals: &totals,
            layers: &problem.layers,
            rank_tolerance: run.rank_tolerance,
            jacobian_tolerance: run.rank_tolerance,
            time_of: &time_of,
            law: EXACT_LAW,
            lawless: &|_| self.lawless(dynamics),
        };
        let tensors = outcome
            .final_weights
            .as_ref()
            .map(|w| self.tensors(index, w));
        measured.finish(known, run.keep_trajectories, tensors.unwrap_or_default())
    }

    /// Why the determinant law is not stated of a dynamics, where it is not.
    fn lawless(&self, dynamics: &Dynamics) -> Option<String> {
        let problem = &self.known.problem;
        let (p, l, k) = (problem.inputs(), problem.width(), problem.outputs());
        if determinant_law_applies(dynamics, l, p, k) {
            None
        } else if !dynamics.is_continuous() {
            Some("not stated: the determinant law is of flows, and descents are near it for small steps".into())
        } else if l < p + k {
            Some("not stated: the determinant law needs a width of p + k or more".into())
        } else {
            Some("not stated: the determinant law is of a flow whose forces are not scaled".into())
        }
    }

    /// Which exact reductions were used, and why not the others.
    fn reductions(&self, spec: &DynamicsSpec, trajectories: u64) -> Vec<String> {
        let run = &self.experiment.run;
        if !run.reductions {
            let why = "none: switched off by run.reductions = false; full width, original inputs, \
                       plain double precision, so singular values below 10⁻¹⁵ of the largest are \
                       rounding";
            return vec![why.to_owned()];
        }
        let problem = &self.known.problem;
        let (d, l) = (problem.inputs() + problem.outputs(), problem.width());
        let n = problem.samples;
        let samples = if spec.dynamics.needs_rows() {
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
        all.extend(one_for_many(trajectories, run.trajectories));
        all
    }

    fn tensors(&self, index: usize, weights: &Weights) -> Vec<Tensor> {
        let problem = &self.known.problem;
        let prefix = match self.experiment.dynamics.len() {
            1 => String::new(),
            _ => format!("dynamics.{index}."),
        };
        let shapes = [
            [problem.inputs(), problem.width()],
            [problem.width(), problem.outputs()],
        ];
        let named = ["w1", "w2"].into_iter().zip(shapes);
        named
            .zip(rows_first(weights))
            .map(|((name, shape), values)| Tensor {
                name: format!("{prefix}{name}"),
                shape: shape.to_vec(),
                values,
            })
            .collect()
    }

    /// What the run says of itself.
    ///
    /// # Errors
    /// Exit code 1 for a dynamics that cannot be decoded.
    pub fn summary(&self, finished: &[Finished]) -> Result<Summary, Failure> {
        let heading = Heading {
            experiment: &self.experiment.name,
            seed: self.experiment.run.seed,
            engine: EXACT,
            engine_reason: "two linear layers with the squared loss",
            problem: self.known.problem.clone(),
            warnings: &self.known.warnings,
        };
        let mut summary = heading.summary(finished)?;
        let notes = [self.width_warning(), matched_noise_note(&summary)];
        summary.warnings.extend(notes.into_iter().flatten());
        Ok(summary)
    }

    fn width_warning(&self) -> Option<String> {
        let problem = &self.known.problem;
        let (d, l) = (problem.inputs() + problem.outputs(), problem.width());
        (l < d).then(|| {
            format!(
                "the width {l} is below p + k = {d}: log det is that of ΘᵀΘ, which no law holds \
                 constant, not even under gradient flow"
            )
        })
    }
}

/// `w1` and `w2`, rows first.
pub fn rows_first(weights: &Weights) -> [Vec<f64>; 2] {
    [&weights.w1, &weights.w2].map(|w| {
        (0..w.nrows())
            .flat_map(|i| (0..w.ncols()).map(move |j| w[(i, j)]))
            .collect()
    })
}

/// Every kind of noise, in words.
fn noise_words(dynamics: &Dynamics) -> Vec<String> {
    let mut words = Vec::new();
    if dynamics.label_noise > 0.0 {
        words.push(format!("label noise of variance {}", dynamics.label_noise));
    }
    if let Kind::StochasticGradientDescent { batch_size, .. } = dynamics.kind {
        words.push(match batch_size {
            1 => "single rows".to_owned(),
            rows => format!("mini-batches of {rows} rows"),
        });
    }
    words
}

/// None for plain descent and the flows.
pub fn optimizer_record(optimizer: &Optimizer) -> Option<OptimizerRecord> {
    (!optimizer.is_plain()).then_some(OptimizerRecord {
        momentum: optimizer.momentum,
        nesterov: optimizer.nesterov,
        weight_decay: optimizer.weight_decay,
    })
}

/// Full-batch label noise averages over n rows: says so where its ν is made equal to a flow's.
fn matched_noise_note(summary: &Summary) -> Option<String> {
    let dynamics = &summary.dynamics;
    let flow = dynamics
        .iter()
        .find(|d| d.kind == "stochastic-gradient-flow" && d.noise_intensity > 0.0)?;
    let descent = dynamics.iter().find(|d| {
        d.kind == "label-noise-gradient-descent"
            && d.optimizer.is_none()
            && (d.noise_intensity / flow.noise_intensity - 1.0).abs() < 1e-12
    })?;
    Some(format!(
        "{} averages its label noise over all n = {} rows, ν = ηδ/n; its label variance \
         δ = {} makes ν = {} equal to that of {}",
        quoted(&descent.label),
        summary.problem.samples,
        descent.label_noise,
        descent.noise_intensity,
        quoted(&flow.label)
    ))
}
