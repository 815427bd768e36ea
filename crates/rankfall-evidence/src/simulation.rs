//! Ensembles of the exact engine that claims about two linear layers run.

use std::sync::Arc;

use rankfall_core::ensemble::{EnsembleSpec, OwnObservable, RunError};
use rankfall_core::measure::account::AccountGrid;
use rankfall_core::measure::layout::Layout;
use rankfall_core::model::dynamics::{
    Dynamics, ForceScales, Integrator, Kind, LabelNoise, Sampling,
};
use rankfall_core::model::network::{Initialisation, Weights};
use rankfall_core::model::optimizer::Optimizer;
use rankfall_core::model::problem::Problem;
use rankfall_core::model::setup::{Setup, Source};
use rankfall_core::simd::instructions::Instructions;

use crate::bench::{Bench, Supervised};
use crate::evidence::{Stop, unmeasured};

/// An ensemble to be run.
#[derive(Clone, Debug)]
pub struct Simulation {
    /// What moves the weights.
    pub dynamics: Dynamics,
    /// Tells the noise of several runs apart.
    pub stream: u32,
    /// How many trajectories.
    pub trajectories: u64,
    /// Steps at which everything is measured: 0 first, rising.
    pub save_steps: Vec<u64>,
    /// Whether to use the exact reductions.
    pub reductions: bool,
    /// Quantities of its own that are measured besides.
    pub own: Vec<OwnObservable>,
    /// At which steps log det M is accounted for, if it is.
    pub account: Option<AccountGrid>,
}

/// What an ensemble left.
pub struct Paths {
    layout: Layout,
    /// One list of cells per trajectory.
    cells: Vec<(u64, Vec<f64>)>,
    /// t of every save.
    pub times: Vec<f64>,
    /// Final weights of trajectory 0.
    pub weights: Option<Weights>,
}

impl Simulation {
    /// The stochastic gradient flow by the split Lie–Euler step, noise intensity `nu`, step `h`.
    pub fn flow(nu: f64, h: f64, trajectories: u64, save_steps: Vec<u64>) -> Self {
        Self::of(flow(Integrator::LieEuler, nu, h), trajectories, save_steps)
    }

    /// Any dynamics.
    pub fn of(dynamics: Dynamics, trajectories: u64, save_steps: Vec<u64>) -> Self {
        Self {
            dynamics,
            stream: 0,
            trajectories,
            save_steps,
            reductions: true,
            own: Vec::new(),
            account: None,
        }
    }

    /// With noise of its own.
    #[must_use]
    pub fn stream(mut self, stream: u32) -> Self {
        self.stream = stream;
        self
    }

    /// In plain double precision at full width.
    #[must_use]
    pub fn plain(mut self) -> Self {
        self.reductions = false;
        self
    }

    fn time_unit(&self) -> f64 {
        match self.dynamics.kind {
            Kind::StochasticGradientFlow { time_step, .. } => time_step,
            _ => self.dynamics.step_size,
        }
    }
}

impl Paths {
    /// One observable: for every trajectory its values at all saves.
    ///
    /// # Errors
    /// An observable that is not measured, or that is undefined somewhere.
    pub fn observable(&self, name: &str, index: u32) -> Result<Vec<Vec<f64>>, Stop> {
        let missing = || unmeasured(format!("{name} {index} is not measured here"));
        let place = self.layout.position(name, index).ok_or_else(missing)?;
        let stride = self.layout.observables.len();
        let of = |cells: &Vec<f64>| -> Vec<f64> {
            cells.iter().skip(place).step_by(stride).copied().collect()
        };
        let all: Vec<Vec<f64>> = self.cells.iter().map(|(_, cells)| of(cells)).collect();
        if all.iter().flatten().any(|v| v.is_nan()) {
            return Err(unmeasured(format!("{name} {index} is undefined")));
        }
        Ok(all)
    }

    /// The mean of one observable over the trajectories, at every save; errors as for
    /// [`Self::observable`].
    pub fn mean(&self, name: &str, index: u32) -> Result<Vec<f64>, Stop> {
        let all = self.observable(name, index)?;
        let at = |save: usize| all.iter().map(|v| v[save]).sum::<f64>() / all.len() as f64;
        Ok((0..self.times.len()).map(at).collect())
    }

    /// The largest distance of log det M from a fall at `rate` since the start, at any save of each
    /// trajectory; errors as for [`Self::observable`].
    pub fn misses(&self, rate: f64) -> Result<f64, Stop> {
        let mut worst = 0.0_f64;
        for path in self.observable("log_det", 0)? {
            for (value, t) in path.iter().zip(&self.times) {
                worst = worst.max((value - path[0] + rate * t).abs());
            }
        }
        Ok(worst)
    }

    /// A spectrum of `count` logarithms at one save: for every trajectory, largest first; errors as
    /// for [`Self::observable`].
    pub fn spectrum(&self, name: &str, count: usize, save: usize) -> Result<Vec<Vec<f64>>, Stop> {
        let mut out = vec![Vec::with_capacity(count); self.cells.len()];
        for index in 1..=count as u32 {
            for (own, values) in out.iter_mut().zip(self.observable(name, index)?) {
                own.push(values.get(save).copied().unwrap_or(f64::NAN));
            }
        }
        Ok(out)
    }
}

impl Bench<'_> {
    /// Runs an ensemble, all of whose trajectories must survive: statistics over survivors are not
    /// those of the claim.
    ///
    /// # Errors
    /// An interruption; a setup that is none; trajectories that diverged.
    pub fn run(&self, setup: &Setup, simulation: &Simulation) -> Result<Paths, Stop> {
        let time_unit = simulation.time_unit();
        let spec = EnsembleSpec {
            dynamics: simulation.dynamics.clone(),
            stream: self.stream(simulation.stream),
            trajectories: simulation.trajectories,
            save_steps: simulation.save_steps.clone(),
            time_unit,
            rank_tolerance: 1e-3,
            keep_trajectories: true,
            reductions: simulation.reductions,
            force_balance: None,
            account: simulation.account,
            own_observables: simulation.own.clone(),
        };
        let outcome = spec.run(
            setup,
            self.threads,
            None,
            &Supervised(self.supervisor),
            Instructions::best(),
        );
        let outcome = outcome.map_err(|error| match error {
            RunError::Interrupted => Stop::Interrupted,
            other => unmeasured(other),
        })?;
        let totals = outcome.statistics.totals();
        let lost = totals.divergences();
        if lost.count > 0 {
            return Err(Stop::Unmeasured(format!(
                "{} of {} trajectories diverged, the first at step {} of length {time_unit}",
                lost.count,
                simulation.trajectories,
                lost.earliest.unwrap_or(0)
            )));
        }
        let cells = totals.trajectories().map(<[_]>::to_vec).unwrap_or_default();
        Ok(Paths {
            layout: outcome.layout,
            cells,
            times: simulation
                .save_steps
                .iter()
                .map(|&s| s as f64 * time_unit)
                .collect(),
            weights: outcome.final_weights,
        })
    }

    /// Weights to which gradient flow takes the start of this problem in the time `time`; errors as
    /// for [`Self::run`].
    pub fn after_gradient_flow(&self, setup: &Setup, time: f64) -> Result<Weights, Stop> {
        let flow = dynamics(Kind::GradientFlow, time, 0.0);
        let run = self.run(setup, &Simulation::of(flow, 1, vec![0, 1]))?;
        run.weights
            .ok_or_else(|| unmeasured("gradient flow left no weights"))
    }
}

/// These weights as the start of all trajectories, in this problem.
pub fn started_at(problem: &Arc<Problem>, weights: Weights, seed: u64) -> Setup {
    Setup {
        source: Source::Shared(problem.clone()),
        width: weights.w1.ncols(),
        initialisation: Initialisation::Given(weights),
        seed,
        each_start: false,
    }
}

/// The stochastic gradient flow of noise intensity `nu` with steps of length `h`.
pub fn flow(integrator: Integrator, nu: f64, h: f64) -> Dynamics {
    let kind = Kind::StochasticGradientFlow {
        integrator,
        time_step: h,
        batch_size: 1,
        forces: ForceScales::default(),
        brownian_substeps: 1,
    };
    // ν = ηδ/b, with η = h and b = 1.
    dynamics(kind, h, nu / h)
}

/// Without momentum or weight decay, under the squared loss.
pub fn dynamics(kind: Kind, step_size: f64, label_noise: f64) -> Dynamics {
    Dynamics {
        kind,
        step_size,
        label_noise,
        optimizer: Optimizer::default(),
        classes: None,
    }
}

/// Gradient descent on all rows with Gaussian noise on the labels.
pub const NOISY_LABELS: Kind = Kind::LabelNoiseGradientDescent {
    distribution: LabelNoise::Gaussian,
};

/// Gradient descent on batches, with Gaussian noise on the labels where there is any.
pub fn on_batches(batch_size: u64, sampling: Sampling) -> Kind {
    Kind::StochasticGradientDescent {
        batch_size,
        sampling,
        distribution: LabelNoise::Gaussian,
    }
}

/// SGD on single rows with Gaussian noise of variance `delta` on the labels.
pub fn sgd(eta: f64, delta: f64) -> Dynamics {
    dynamics(on_batches(1, Sampling::WithReplacement), eta, delta)
}

/// 0 and `count` steps evenly up to `last`.
pub fn even_saves(last: u64, count: u64) -> Vec<u64> {
    let mut steps: Vec<u64> = (0..=count).map(|i| last * i / count).collect();
    steps.dedup();
    steps
}
