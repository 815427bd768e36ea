//! One dynamics of an ensemble of the exact engine: what moves it, how many trajectories, what is
//! measured.

use std::ops::Range;
use std::sync::Arc;

use crate::ensemble::own::OwnObservable;
use crate::ensemble::runner::trajectories::trajectories_in;
use crate::ensemble::statistics::Statistics;
use crate::kernels::rowwise;
use crate::measure::account::AccountGrid;
use crate::measure::force_balance::BalanceSettings;
use crate::measure::layout::Layout;
use crate::model::class_problem::ClassProblem;
use crate::model::dynamics::{Dynamics, Integrator, Kind};
use crate::model::problem::Problem;
use crate::model::setup::{Setup, SetupError, Source};
use crate::simd::lanes::BLOCK;
use crate::theory::account_applies;

/// One dynamics of an ensemble, and what is to be saved of it.
#[derive(Clone, Debug)]
pub struct EnsembleSpec {
    /// What moves the weights.
    pub dynamics: Dynamics,
    /// Tells the noise of several dynamics apart; equal streams share their noise.
    pub stream: u32,
    /// How many trajectories.
    pub trajectories: u64,
    /// Steps at which everything is measured: 0 first, rising.
    pub save_steps: Vec<u64>,
    /// t per step.
    pub time_unit: f64,
    /// Relative tolerance of the numerical rank.
    pub rank_tolerance: f64,
    /// Whether every trajectory's measurements are kept.
    pub keep_trajectories: bool,
    /// Whether to use the exact reductions; without them everything is plain double precision at
    /// full width, slow, and wrong once singular values fall below rounding.
    pub reductions: bool,
    /// Steps between two points of the grid on which the forces on the eigenvalues are weighed, at
    /// least 1; none where they are not. Of the stochastic gradient flow, with reductions, only.
    pub force_balance: Option<u64>,
    /// Where the fall of log det M goes is accounted for at these steps; none where it is not. Of
    /// descents without momentum from l ≥ p + k, with reductions, only.
    pub account: Option<AccountGrid>,
    /// Quantities of one's own, measured beside all others under the name
    /// [`crate::measure::layout::OWN`].
    pub own_observables: Vec<OwnObservable>,
}

/// How many trajectories with p + k = `rows` go side by side: a block, or one where it is alone (it
/// has the same bits, and wastes no lanes on nothing) or has rows enough for the registers by
/// itself.
pub fn trajectories_per_block(rows: usize, trajectories: u64) -> u64 {
    if trajectories == 1 || rowwise::applies::<1>(rows) {
        1
    } else {
        BLOCK as u64
    }
}

impl EnsembleSpec {
    /// Trajectories that are run: one where all would be the same.
    pub fn effective_trajectories(&self, setup: &Setup) -> u64 {
        if setup.is_shared() && self.dynamics.is_deterministic() {
            1
        } else {
            self.trajectories
        }
    }

    /// Blocks of trajectories: the units that can be divided among threads and machines.
    pub fn blocks(&self, setup: &Setup) -> u64 {
        let trajectories = self.effective_trajectories(setup);
        trajectories.div_ceil(trajectories_per_block(setup.rows(), trajectories))
    }

    /// How many trajectories a range of blocks has.
    pub fn trajectories_in(&self, setup: &Setup, blocks: &Range<u64>) -> u64 {
        let all = self.effective_trajectories(setup);
        trajectories_in(blocks, all, trajectories_per_block(setup.rows(), all))
    }

    /// Statistics of this ensemble that have taken nothing in, to absorb those of its parts.
    pub fn empty_statistics(&self, layout: &Layout) -> Statistics {
        let of_save: Vec<bool> = layout
            .observables
            .iter()
            .map(|o| {
                let in_nats = ["log_", "contribution_", "account_"];
                in_nats.iter().any(|start| o.name.starts_with(start))
            })
            .collect();
        let cells = of_save.repeat(self.save_steps.len());
        Statistics::new(self.trajectories, cells, self.keep_trajectories)
    }

    /// Whether save times and time per step are what the dynamics has: otherwise laws beside
    /// measurements would be those of other times.
    ///
    /// # Errors
    /// Save steps that fall, or do not begin with 0; time per step that is not positive, or not the
    /// step of a dynamics that has one.
    pub fn check(&self) -> Result<(), SetupError> {
        let rising = self.save_steps.first() == Some(&0)
            && self.save_steps.windows(2).all(|pair| pair[0] <= pair[1]);
        let own = match self.dynamics.kind {
            Kind::GradientFlow | Kind::SlowFlow { .. } => self.time_unit,
            Kind::StochasticGradientFlow { time_step, .. } => time_step,
            _ => self.dynamics.step_size,
        };
        let unit = self.time_unit;
        let refusal = if !self.reductions && matches!(self.dynamics.kind, Kind::SlowFlow { .. }) {
            "the slow flow has no form without reductions".to_owned()
        } else if !rising {
            "save steps must not fall, and begin with 0".to_owned()
        } else if unit.is_nan() || unit <= 0.0 || unit.is_infinite() || unit != own {
            format!("a step is {own} long for the dynamics, and {unit} for the ensemble")
        } else {
            return Ok(());
        };
        Err(SetupError::Description(refusal))
    }

    /// The rows under a loss of classes, where the dynamics has one; `problem` is that of all
    /// trajectories.
    ///
    /// # Errors
    /// Data that differ from trajectory to trajectory; what cannot be had with classes; labels that
    /// fit neither the loss nor the flips.
    pub fn class_problem(
        &self,
        setup: &Setup,
        problem: &Problem,
    ) -> Result<Option<Arc<ClassProblem>>, SetupError> {
        let Some(classification) = &self.dynamics.classes else {
            return Ok(None);
        };
        let only_lie_euler = match self.dynamics.kind {
            Kind::StochasticGradientFlow {
                integrator, forces, ..
            } => {
                let has = matches!(integrator, Integrator::LieEuler | Integrator::EulerMaruyama);
                has && forces.is_unmodified()
            }
            _ => true,
        };
        let refusal = if matches!(self.dynamics.kind, Kind::SlowFlow { .. }) {
            "the slow flow is that of the squared loss"
        } else if !matches!(setup.source, Source::Shared(_)) {
            "a loss of classes needs rows that all trajectories share"
        } else if !only_lie_euler {
            "a loss of classes has the integrators lie-euler and euler-maruyama, and forces as they are"
        } else if self.dynamics.label_noise > 0.0 {
            "labels of classes flip; noise of a variance is added to values"
        } else if self.force_balance.is_some() {
            "the force balance is of the squared loss"
        } else {
            let classes = ClassProblem::new(problem, classification);
            let classes = classes.map_err(|error| SetupError::Description(error.to_string()))?;
            return Ok(Some(Arc::new(classes)));
        };
        Err(SetupError::Description(refusal.to_owned()))
    }

    /// What is measured, in order, for p inputs, k outputs and m columns.
    pub fn layout(&self, inputs: usize, outputs: usize, columns: usize, truth: bool) -> Layout {
        let mut layout = Layout::new(inputs, outputs, columns, truth);
        if self.dynamics.classes.is_some() {
            layout = layout.of_classes();
        }
        // Any number of samples will do to tell whether there is a balance.
        if let Some(settings) = self.balance_settings(1) {
            layout = layout.with_force_balance(&settings.scales);
        }
        if self.account_grid(columns == inputs + outputs).is_some() {
            layout = layout.with_account();
        }
        layout.with_own(self.own_observables.len())
    }

    /// At which steps log det M is accounted for, where it is; `wide` says whether l ≥ p + k.
    pub(crate) fn account_grid(&self, wide: bool) -> Option<AccountGrid> {
        let stated = wide && self.reductions && account_applies(&self.dynamics);
        self.account.filter(|_| stated)
    }

    /// How forces are weighed, where they are.
    pub(crate) fn balance_settings(&self, samples: u64) -> Option<BalanceSettings> {
        let stride = self.force_balance.filter(|_| self.reductions)?;
        match self.dynamics.kind {
            Kind::StochasticGradientFlow {
                time_step, forces, ..
            } => Some(BalanceSettings {
                scales: forces,
                nu: self.dynamics.noise_intensity(samples),
                time_step,
                stride: stride.max(1),
            }),
            _ => None,
        }
    }
}
