//! Means over an ensemble at given times, with their standard errors.
#![allow(dead_code)] // each test file uses a part

use rankfall_core::ensemble::{EnsembleSpec, OwnObservable, Unattended};
use rankfall_core::model::dynamics::{Dynamics, Kind, LabelNoise, Sampling};
use rankfall_core::model::optimizer::Optimizer;
use rankfall_core::model::setup::Setup;
use rankfall_core::simd::instructions::Instructions;

/// What is run.
pub struct Ensemble<'a> {
    pub setup: &'a Setup,
    pub dynamics: Dynamics,
    pub trajectories: u64,
    /// The time of a step.
    pub unit: f64,
    /// When it is looked at, after the start.
    pub times: &'a [f64],
    pub own: Vec<OwnObservable>,
}

/// Of the indices of an observable at each time.
pub struct Means {
    pub mean: Vec<Vec<f64>>,
    pub error: Vec<Vec<f64>>,
}

impl Ensemble<'_> {
    /// Of `count` indices of an observable; no trajectory may be lost.
    pub fn means(self, name: &str, count: usize) -> Means {
        let steps = self.times.iter().map(|t| (t / self.unit).round() as u64);
        let spec = EnsembleSpec {
            dynamics: self.dynamics,
            stream: 0,
            trajectories: self.trajectories,
            save_steps: std::iter::once(0).chain(steps).collect(),
            time_unit: self.unit,
            rank_tolerance: 1e-3,
            keep_trajectories: false,
            reductions: true,
            force_balance: None,
            account: None,
            own_observables: self.own,
        };
        let best = Instructions::best();
        let outcome = spec.run(self.setup, 2, None, &Unattended, best);
        let outcome = outcome.expect("runs");
        let totals = outcome.statistics.totals();
        // One stands for all where they are equal.
        assert!([1, self.trajectories].contains(&totals.survivors()));
        let root = (totals.survivors() as f64).sqrt();
        let layout = &outcome.layout;
        let first = layout.position(name, 1).or(layout.position(name, 0));
        let (all, first) = (layout.observables.len(), first.expect("measured"));
        let of = |f: &dyn Fn(usize) -> f64| -> Vec<Vec<f64>> {
            (1..spec.save_steps.len())
                .map(|save| (0..count).map(|i| f(save * all + first + i)).collect())
                .collect()
        };
        Means {
            mean: of(&|cell| totals.cell(cell).mean),
            error: of(&|cell| totals.cell(cell).deviation / root),
        }
    }
}

impl Means {
    /// Mean and error of everything, time by time.
    pub fn pairs(&self) -> Vec<[f64; 2]> {
        let all = self.mean.iter().flatten().zip(self.error.iter().flatten());
        all.map(|(mean, error)| [*mean, *error]).collect()
    }
}

/// SGD with one row at a step, drawn with replacement, without label noise.
pub fn single_rows(step_size: f64) -> Dynamics {
    Dynamics {
        kind: Kind::StochasticGradientDescent {
            batch_size: 1,
            sampling: Sampling::WithReplacement,
            distribution: LabelNoise::Gaussian,
        },
        step_size,
        label_noise: 0.0,
        optimizer: Optimizer::default(),
        classes: None,
    }
}
