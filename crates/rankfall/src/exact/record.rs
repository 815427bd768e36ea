//! Results of two linear layers, which the exact engine runs.

use super::prediction::PredictedMeans;
use crate::engine::{Measurements, Recorder};
use crate::experiment::{AccountSpec, ExactDynamics, ExactExperiment};
use crate::failure::{Failure, quoted};
use crate::finished::DynamicsOutcome;
use crate::grid::{Grid, SaveTime};
use crate::preparation::ExactProblemInfo;
use crate::results;
use crate::run_folder::weights::NamedArray;
use crate::summarise::{RecordInputs, one_for_many};
use rankfall_core::ensemble::statistics::Statistics;
use rankfall_core::ensemble::{EnsembleSpec, OwnObservable};
use rankfall_core::measure::layout::OWN;
use rankfall_core::model::classification::Flips;
use rankfall_core::model::dynamics::{Dynamics, ForceScales, ForceSplit, Kind};
use rankfall_core::model::network::Weights;
use rankfall_core::model::optimizer::Optimizer;
use rankfall_core::theory::determinant_law_applies;
use rankfall_nets::loss::Loss;
use rankfall_report::record::{
    AdamRecord, DynamicsSummary, EXACT, EXACT_LAW, ForceScalesRecord, OptimizerRecord, Summary,
};

/// Makes results of what the exact engine measured.
pub struct ExactRecorder {
    /// The experiment.
    pub experiment: ExactExperiment,
    /// What is known of its data.
    pub known: ExactProblemInfo,
    /// Quantities of one's own that are measured beside all others.
    pub own: Vec<OwnObservable>,
}

impl Recorder for ExactRecorder {
    type Known = ExactProblemInfo;

    fn name(&self) -> &str {
        &self.experiment.name
    }

    fn resolved_toml(&self) -> String {
        self.experiment.resolved_toml()
    }

    fn labels(&self) -> Vec<&str> {
        let dynamics = self.experiment.dynamics.iter();
        dynamics.map(|spec| spec.label.as_str()).collect()
    }

    fn blocks(&self, dynamics: usize) -> u64 {
        let problem = &self.known.problem;
        let rows = problem.inputs + problem.outputs;
        let spec = &self.experiment.dynamics[dynamics];
        self.experiment.blocks_of(spec, rows)
    }

    fn empty_statistics(&self, dynamics: usize) -> Statistics {
        let mut ensemble = self.ensemble(dynamics);
        let spec = &self.experiment.dynamics[dynamics];
        ensemble.trajectories = self.experiment.trajectories_of(spec);
        ensemble.empty_statistics(&self.known.layout(&ensemble))
    }

    fn known(&self) -> &ExactProblemInfo {
        &self.known
    }

    fn knows_the_same(&self, other: &ExactProblemInfo) -> bool {
        let mut other = other.clone();
        other.problem.data.clone_from(&self.known.problem.data);
        other == self.known
    }

    fn finish(
        &self,
        index: usize,
        measurements: &Measurements,
        seconds: f64,
    ) -> Result<DynamicsOutcome, Failure> {
        let ensemble = self.ensemble(index);
        let (layout, save_steps) = (self.known.layout(&ensemble), &ensemble.save_steps);
        let (run, problem) = (&self.experiment.run, &self.known.problem);
        let spec = &self.experiment.dynamics[index];
        let dynamics = &spec.dynamics;
        let time_of = |step: u64| step as f64 * spec.time_step;
        let names = layout
            .observables
            .iter()
            .map(|o| self.named(o.name, o.index));
        let saves = save_steps.iter().map(|&step| SaveTime::full(time_of(step)));
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
                | Kind::SlowFlow { batch_size }
                | Kind::StochasticGradientDescent { batch_size, .. } => Some(batch_size),
                _ => None,
            },
            optimizer: optimizer_record(&dynamics.optimizer, None),
            forces: dynamics.modified_forces().map(force_record),
            force_split: self.force_split(dynamics),
            steps: save_steps.last().copied().unwrap_or(0),
            trajectories,
            reductions: self.reductions(spec, trajectories),
            seconds,
            ..DynamicsSummary::default()
        };
        let totals = measurements.statistics.totals();
        let foreseen = self.known.predictions.get(index).map(PredictedMeans::of);
        let measured = RecordInputs {
            grid: Grid::new(names, saves.collect()),
            statistics: &measurements.statistics,
            totals: &totals,
            layers: &problem.layers,
            rank_tolerance: run.rank_tolerance,
            jacobian_tolerance: run.rank_tolerance,
            time_of: &time_of,
            law: EXACT_LAW,
            predicted: &|save, observable| foreseen.as_ref()?.at(save, observable),
            lawless: &|_| self.lawless(dynamics),
        };
        let tensors = measurements
            .weights
            .as_ref()
            .map(|weights| self.tensors(index, weights));
        measured.finish(known, run.keep_trajectories, tensors.unwrap_or_default())
    }

    fn summary(&self, finished: &[DynamicsOutcome]) -> Result<Summary, Failure> {
        let reason = match self.experiment.network.loss {
            Loss::Squared => "two linear layers with the squared loss",
            _ => "two linear layers with a loss of classes",
        };
        let known = Summary {
            experiment: self.experiment.name.clone(),
            seed: self.experiment.run.seed,
            engine: EXACT.to_owned(),
            engine_reason: reason.to_owned(),
            problem: self.known.problem.clone(),
            warnings: self.known.warnings.clone(),
            ..Summary::default()
        };
        let mut summary = results::summary(known, finished)?;
        let notes = [self.width_warning(), matched_noise_note(&summary)];
        summary.warnings.extend(notes.into_iter().flatten());
        Ok(summary)
    }
}

impl ExactRecorder {
    /// A dynamics as the numerics take it.
    pub fn ensemble(&self, dynamics: usize) -> EnsembleSpec {
        let save_steps = self.experiment.save_steps().swap_remove(dynamics);
        let mut ensemble = self.experiment.ensemble(dynamics, &save_steps);
        ensemble.own_observables.clone_from(&self.own);
        ensemble
    }

    /// The name of an observable and its index, quantities of one's own under their names.
    fn named(&self, name: &'static str, index: u32) -> (&str, u32) {
        match self.own.get((index as usize).wrapping_sub(1)) {
            Some(own) if name == OWN => (own.name(), 0),
            _ => (name, index),
        }
    }

    /// The split of its forces, where they are scaled or weighed.
    fn force_split(&self, dynamics: &Dynamics) -> Option<String> {
        let Kind::StochasticGradientFlow { forces, .. } = dynamics.kind else {
            return None;
        };
        let told = self.experiment.run.force_balance.is_some() || !forces.is_unmodified();
        told.then(|| forces.split.name().to_owned())
    }

    /// Whether descents are accounted for.
    fn accounts(&self) -> bool {
        let run = &self.experiment.run;
        run.reductions && run.account != AccountSpec::Off
    }

    /// Why nothing is said of the log det of a dynamics, where nothing is.
    fn lawless(&self, dynamics: &Dynamics) -> Option<String> {
        let problem = &self.known.problem;
        let (p, l, k) = (problem.inputs, problem.width(), problem.outputs);
        if determinant_law_applies(dynamics, l, p, k) {
            None
        } else if l < p + k {
            Some("not stated: the determinant law, and the account of a descent, need a width of p + k or more".into())
        } else if dynamics.optimizer.momentum != 0.0 {
            Some(
                "not stated: the determinant law is of flows, and with momentum a step is not a matrix from the left of \
                 the weights, which an account needs: it depends on the velocity as well"
                    .into(),
            )
        } else if !dynamics.is_continuous() {
            (!self.accounts()).then(|| {
                "not computed: the determinant law is of flows, and the account of a descent is off (run.account, or \
                 run.reductions)"
                    .to_owned()
            })
        } else {
            Some("not stated: the determinant law is of flows whose scaled forces sum to zero, as these do not".into())
        }
    }

    /// Which exact reductions were used, and why not the others.
    fn reductions(&self, spec: &ExactDynamics, trajectories: u64) -> Vec<String> {
        let run = &self.experiment.run;
        if !run.reductions {
            let why = "none: switched off by run.reductions = false; full width, original inputs, \
                       plain double precision, so singular values below 10⁻¹⁵ of the largest are \
                       rounding";
            return vec![why.to_owned()];
        }
        let problem = &self.known.problem;
        let (d, l) = (problem.inputs + problem.outputs, problem.width());
        let n = problem.samples;
        let samples = if let Kind::SlowFlow { .. } = spec.dynamics.kind {
            format!(
                "noise: averaged over the fast motion around the minimum; the Gram matrices stand for all {n} rows"
            )
        } else if spec.dynamics.classes.is_some() {
            format!(
                "samples: not reduced, gradients of a loss of classes are no function of second moments ({n} rows)"
            )
        } else if spec.dynamics.needs_rows() {
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

    fn tensors(&self, index: usize, weights: &[f64]) -> Vec<NamedArray> {
        let problem = &self.known.problem;
        let prefix = match self.experiment.dynamics.len() {
            1 => String::new(),
            _ => format!("dynamics.{index}."),
        };
        let (p, l, k) = (problem.inputs, problem.width(), problem.outputs);
        let (w1, w2) = weights.split_at((p * l).min(weights.len()));
        let tensor = |name: &str, shape: [usize; 2], values: &[f64]| NamedArray {
            name: format!("{prefix}{name}"),
            shape: shape.to_vec(),
            values: values.to_vec(),
        };
        vec![tensor("w1", [p, l], w1), tensor("w2", [l, k], w2)]
    }

    fn width_warning(&self) -> Option<String> {
        let problem = &self.known.problem;
        let (d, l) = (problem.inputs + problem.outputs, problem.width());
        (l < d).then(|| {
            format!(
                "the width {l} is below p + k = {d}: log det is that of ΘᵀΘ, which no law holds \
                 constant, not even under gradient flow"
            )
        })
    }
}

/// W₁ and then W₂, rows first.
pub fn rows_first(weights: &Weights) -> Vec<f64> {
    let rows = |w: &faer::Mat<f64>| -> Vec<f64> {
        (0..w.nrows())
            .flat_map(|i| (0..w.ncols()).map(move |j| w[(i, j)]))
            .collect()
    };
    [rows(&weights.w1), rows(&weights.w2)].concat()
}

/// Every kind of noise, in words.
fn noise_words(dynamics: &Dynamics) -> Vec<String> {
    let mut words = Vec::new();
    if dynamics.label_noise > 0.0 {
        words.push(format!("label noise of variance {}", dynamics.label_noise));
    }
    let classes = dynamics.classes.as_ref();
    match classes.and_then(|classes| classes.flips.as_ref()) {
        Some(Flips::Symmetric(probability)) => {
            words.push(format!("label flips with probability {probability}"));
        }
        Some(Flips::Matrix(_)) => words.push("label flips by a matrix".to_owned()),
        None => {}
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
pub fn optimizer_record(
    optimizer: &Optimizer,
    adam: Option<AdamRecord>,
) -> Option<OptimizerRecord> {
    (adam.is_some() || !optimizer.is_plain()).then_some(OptimizerRecord {
        momentum: optimizer.momentum,
        nesterov: optimizer.nesterov,
        weight_decay: optimizer.weight_decay,
        adam,
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

fn force_record(forces: ForceScales) -> ForceScalesRecord {
    let of = |split: ForceSplit| (forces.split == split).then_some(forces.common);
    ForceScalesRecord {
        gradient: forces.gradient,
        own_noise: forces.own_noise,
        common_growth: of(ForceSplit::Regular),
        common_decay: of(ForceSplit::Antisymmetric),
        repulsion: forces.repulsion,
    }
}
