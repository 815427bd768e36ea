//! An experiment as the exact engine takes it: two linear layers, their loss, and what moves them.

use super::data::{DataSpec, FileData, GaussianData, GramData, HeldOut, RowData};
use super::descent::{Descent, SchedulePlan};
use super::dynamics::DynamicsSpec;
use super::exact_dynamics::{ExactDynamics, noise_of};
use super::network::{EngineChoice, InitSpec, NetworkSection, NetworkShape};
use super::resolved;
use super::run::RunSpec;
use super::spec::Experiment;
use crate::failure::{Failure, quoted};
use crate::save_plan::save_steps;
use rankfall_core::ensemble::{EnsembleSpec, trajectories_per_block};
use rankfall_core::model::dynamics::Kind;
use rankfall_nets::activation::Activation;
use rankfall_nets::initialisation::WeightInitialisation;
use rankfall_nets::loss::Loss;
use rankfall_nets::network::Architecture;
use rankfall_nets::noise::Noise;
use rankfall_nets::scalar::Precision;
use std::path::{Path, PathBuf};

/// An experiment for the exact engine.
#[derive(Clone, Debug, PartialEq)]
pub struct ExactExperiment {
    /// A label, safe as the name of a folder.
    pub name: String,
    /// Where the data come from.
    pub data: ExactData,
    /// The network and its start.
    pub network: ExactNetwork,
    /// The dynamics, in file order, with distinct labels.
    pub dynamics: Vec<ExactDynamics>,
    /// The end of the time axis, t.
    pub time: f64,
    /// How often, and what is kept.
    pub run: RunSpec,
}

/// Data that the exact engine takes.
#[derive(Clone, Debug, PartialEq)]
pub enum ExactData {
    /// Drawn: Gaussian inputs, a linear teacher, Gaussian residuals.
    Gaussian(GaussianData),
    /// A table in a file.
    File(FileData),
    /// The Gram matrices themselves, in an NPZ file.
    Gram(GramData),
}

/// The two-layer linear network x ↦ W₂ᵀW₁ᵀx with W₁ (p × l) and W₂ (l × k).
#[derive(Clone, Debug, PartialEq)]
pub struct ExactNetwork {
    /// l.
    pub width: u64,
    /// What is minimised.
    pub loss: Loss,
    /// How W₁ and W₂ start.
    pub init: ExactInit,
    /// Its widths, in the way they were written.
    pub shape: NetworkShape,
}

/// How the weights of two linear layers start.
#[derive(Clone, Debug, PartialEq)]
pub enum ExactInit {
    /// Independent entries N(0, scale²).
    Gaussian {
        /// Standard deviation of the entries.
        scale: f64,
        /// Replaces the smallest singular value of Θ₀ where l ≥ p + k.
        smallest_singular_value: Option<f64>,
        /// Each trajectory has its own start.
        each_trajectory: bool,
    },
    /// Balanced: W₁ᵀW₁ = W₂W₂ᵀ.
    Balanced {
        /// Standard deviation of the entries it is drawn from.
        scale: f64,
        /// Each trajectory has its own start.
        each_trajectory: bool,
    },
    /// Two matrices of a file.
    File {
        /// Where it is, absolute.
        path: PathBuf,
        /// Checksum of the file when it was last read, as the resolved copy records it.
        checksum: Option<String>,
    },
}

impl ExactData {
    /// Whether each trajectory has its own data and teacher.
    pub fn each_trajectory(&self) -> bool {
        matches!(self, Self::Gaussian(g) if g.each_trajectory)
    }

    /// The file the data are read from, if they are.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Gaussian(_) => None,
            Self::File(file) => Some(&file.path),
            Self::Gram(gram) => Some(&gram.path),
        }
    }

    /// Records the checksum of the file that was read; nothing to do for drawn data.
    pub fn set_checksum(&mut self, sum: String) {
        match self {
            Self::Gaussian(_) => {}
            Self::File(file) => file.checksum = Some(sum),
            Self::Gram(gram) => gram.checksum = Some(sum),
        }
    }
}

impl ExactInit {
    /// Whether each trajectory has its own start.
    pub fn each_trajectory(&self) -> bool {
        match self {
            Self::Gaussian {
                each_trajectory, ..
            }
            | Self::Balanced {
                each_trajectory, ..
            } => *each_trajectory,
            Self::File { .. } => false,
        }
    }
}

impl ExactExperiment {
    /// The resolved copy: every default written out, paths absolute; it reads back as the same
    /// experiment.
    pub fn resolved_toml(&self) -> String {
        resolved::toml(&self.into())
    }

    /// What a reader must know of the engine: nothing where the network is of the paper's form.
    pub fn engine_note(&self) -> Option<String> {
        let squared = self.network.loss == Loss::Squared;
        let classes = matches!(&self.data, ExactData::File(table) if table.one_hot) && squared;
        let accuracy = match classes {
            true => "; network.engine = \"dense\" measures the accuracy besides",
            false => "",
        };
        let loss = match squared {
            true => "squared loss",
            false => "a loss of classes",
        };
        matches!(self.network.shape, NetworkShape::Layers(_)).then(|| {
            format!(
                "two linear layers with {loss}, and every update acts on them from the left: the \
                 exact engine runs them, as network.width would{accuracy}"
            )
        })
    }

    /// Trajectories to run for one dynamics: one where they would all be equal.
    pub fn trajectories_of(&self, dynamics: &ExactDynamics) -> u64 {
        if !dynamics.dynamics.is_deterministic() || self.has_own_starts() {
            self.run.trajectories
        } else {
            1
        }
    }

    /// Blocks of trajectories to run for one dynamics, with p + k = `rows`.
    pub fn blocks_of(&self, dynamics: &ExactDynamics, rows: usize) -> u64 {
        let trajectories = self.trajectories_of(dynamics);
        trajectories.div_ceil(trajectories_per_block(rows, trajectories))
    }

    /// About how much work one step of one trajectory is, to compare units of work with each other.
    pub fn step_cost(&self, dynamics: &ExactDynamics) -> f64 {
        // Only drawn data say their size before they are read; elsewhere all points have the same.
        let (p, k, all) = match &self.data {
            ExactData::Gaussian(data) => {
                (data.inputs as f64, data.outputs as f64, data.samples as f64)
            }
            _ => (1.0, 1.0, 1.0),
        };
        let columns = (p + k).min(self.network.width as f64);
        let of_batch = match dynamics.dynamics.kind {
            Kind::StochasticGradientDescent { batch_size, .. } => Some(batch_size as f64),
            _ => None,
        };
        let rows = match (of_batch, self.network.loss) {
            (Some(batch), Loss::Squared) => batch * (p + k),
            (None, Loss::Squared) => 0.0,
            (batch, _) => batch.unwrap_or(all) * 2.0 * p * k,
        };
        // Products with the columns, and a part that does not depend on sizes.
        2.0 * p * k * columns + rows + 20.0
    }

    /// The `index`-th dynamics as the numerics take it, saving at these steps.
    pub fn ensemble(&self, index: usize, save_steps: &[u64]) -> EnsembleSpec {
        let (run, spec) = (&self.run, &self.dynamics[index]);
        EnsembleSpec {
            dynamics: spec.dynamics.clone(),
            stream: if run.common_noise { 0 } else { index as u32 },
            trajectories: run.trajectories,
            save_steps: save_steps.to_vec(),
            time_unit: spec.time_step,
            rank_tolerance: run.rank_tolerance,
            keep_trajectories: run.keep_trajectories,
            reductions: run.reductions,
            force_balance: run.force_balance.map(|balance| {
                let steps = save_steps.last().copied().unwrap_or(0);
                balance.stride_for(steps)
            }),
            account: run.account.grid(),
            own_observables: Vec::new(),
        }
    }

    /// Whether trajectories differ before their first step: own data or own initial weights.
    pub fn has_own_starts(&self) -> bool {
        self.data.each_trajectory() || self.network.init.each_trajectory()
    }

    /// The steps at which each dynamics saves, in the order of `dynamics`: 0 first, N last.
    pub fn save_steps(&self) -> Vec<Vec<u64>> {
        let steps = self.dynamics.iter().map(|d| d.time_step);
        let first = steps.fold(0.0, f64::max);
        let steps_of = |d: &ExactDynamics| {
            // The number of steps was checked when the file was read.
            save_steps(&self.run.save, self.time, d.time_step, first).unwrap_or_default()
        };
        self.dynamics.iter().map(steps_of).collect()
    }

    /// Checks what depends on the number of rows, once it is known: mini-batches must fit.
    ///
    /// # Errors
    /// A [`Failure`] with exit code 2 that names the dynamics.
    pub fn check_samples(&self, samples: u64) -> Result<(), Failure> {
        for (i, d) in self.dynamics.iter().enumerate() {
            if let Some(size) = d.batch_without_replacement().filter(|size| *size > samples) {
                return Err(Failure::input(format!(
                    "`dynamics.{i}.batch_size` of {} is {size}, but there are only {samples} rows",
                    quoted(&d.label)
                ))
                .hint(REPLACED));
            }
        }
        Ok(())
    }

    /// Checks what depends on inputs and targets, once they are known: layers must begin and end
    /// with them.
    ///
    /// # Errors
    /// A [`Failure`] with exit code 2.
    pub fn check_sizes(&self, inputs: usize, outputs: usize) -> Result<(), Failure> {
        let NetworkShape::Layers(layers) = &self.network.shape else {
            return Ok(());
        };
        match layers[..] {
            [first, width, last] if (first, last) != (inputs, outputs) => {
                let message = format!(
                    "`network.layers`: the data have {inputs} inputs and {outputs} targets; set layers = \
                     [{inputs}, {width}, {outputs}]"
                );
                Err(Failure::input(message))
            }
            _ => Ok(()),
        }
    }
}

/// What to do about mini-batches that are larger than the data.
pub(super) const REPLACED: &str =
    "only sampling = \"with-replacement\" can draw more rows than there are";

impl From<&ExactExperiment> for Experiment {
    fn from(exact: &ExactExperiment) -> Self {
        let data = match exact.data.clone() {
            ExactData::Gaussian(data) => DataSpec::Rows(RowData::Gaussian { data, held_out: 0 }),
            ExactData::File(table) => DataSpec::Rows(RowData::File {
                table,
                held_out: HeldOut::Rows(0),
            }),
            ExactData::Gram(gram) => DataSpec::Gram(gram),
        };
        Experiment {
            name: exact.name.clone(),
            data,
            network: (&exact.network).into(),
            dynamics: exact.dynamics.iter().map(DynamicsSpec::from).collect(),
            run: exact.run.clone(),
        }
    }
}

impl From<&ExactNetwork> for NetworkSection {
    fn from(exact: &ExactNetwork) -> Self {
        let mut smallest = None;
        let init = match exact.init.clone() {
            ExactInit::Gaussian {
                scale,
                smallest_singular_value,
                ..
            } => {
                smallest = smallest_singular_value;
                InitSpec::Drawn(WeightInitialisation::Gaussian { scale })
            }
            ExactInit::Balanced { scale, .. } => {
                InitSpec::Drawn(WeightInitialisation::Balanced { scale })
            }
            ExactInit::File { path, checksum } => InitSpec::File { path, checksum },
        };
        NetworkSection {
            shape: exact.shape.clone(),
            kind: Architecture::Dense,
            activation: Activation::Linear,
            bias: false,
            loss: exact.loss,
            precision: Precision::F64,
            engine: EngineChoice::Auto,
            init,
            smallest_singular_value: smallest,
            each_trajectory: exact.init.each_trajectory(),
        }
    }
}

impl From<&ExactDynamics> for DynamicsSpec {
    fn from(exact: &ExactDynamics) -> Self {
        let dynamics = &exact.dynamics;
        let variance = dynamics.label_noise;
        let labels = |distribution| {
            (variance > 0.0).then_some(Noise::LabelNoise {
                variance,
                distribution,
            })
        };
        let (batches, labels) = match dynamics.kind {
            Kind::GradientFlow | Kind::SlowFlow { .. } | Kind::StochasticGradientFlow { .. } => {
                return DynamicsSpec::Flow(exact.clone());
            }
            Kind::GradientDescent => (None, None),
            Kind::LabelNoiseGradientDescent { distribution } => (None, labels(distribution)),
            Kind::StochasticGradientDescent {
                batch_size,
                sampling,
                distribution,
            } => {
                let batches = Noise::MiniBatch {
                    batch_size,
                    sampling,
                };
                (Some(batches), labels(distribution))
            }
        };
        let classes = dynamics.classes.as_ref();
        let flips = classes.and_then(|classes| classes.flips.as_ref());
        let flips = flips.map(noise_of);
        DynamicsSpec::Descent(Descent {
            label: exact.label.clone(),
            kind: dynamics.kind_name(),
            step_size: dynamics.step_size,
            optimizer: dynamics.optimizer,
            schedule: SchedulePlan::default(),
            noise: batches.into_iter().chain(labels).chain(flips).collect(),
            hours: Vec::new(),
            adam: None,
        })
    }
}
