//! An experiment as a session takes it: what may be set in it, and the experiment with settings
//! made.

use crate::protocol::{Choices, Files, KindChoice, Motion, Scales, SettingChoice, Settings};
use rankfall::experiment::{
    ExactData, ExactDynamics, ExactExperiment, Experiment, GaussianData, LinearTeacher,
    NetworkShape,
};
use rankfall::failure::Failure;
use rankfall::preparation::{DataCache, ExactInputs, of_setup, prepare_with};
use rankfall::stability::largest_stable_step;
use rankfall_core::model::dynamics::{
    Dynamics, ForceScales, ForceSplit, Integrator, Kind, LabelNoise, Sampling,
};
use rankfall_core::model::optimizer::Optimizer;
use rankfall_core::theory::stability::curvature;
use std::fmt::Display;
use std::path::Path;

/// Most trajectories of a session: up to here quantiles are exact.
const MOST_TRAJECTORIES: u32 = 1024;
/// Most hidden units; the first of them are shown.
const MOST_WIDTH: u32 = 4096;
/// Most inputs and outputs of drawn data.
const MOST_INPUTS: u32 = 24;
const MOST_OUTPUTS: u32 = 12;
/// Rows of Θ from which on trajectories no longer go in full blocks.
const MOST_ROWS: usize = 79;
/// Trajectories times (p + k)³: what a frame costs.
const MOST_COST: f64 = 2e7;
/// The largest seed: whole numbers of JSON end there.
const MOST_SEED: u64 = 1 << 53;

/// The kinds of dynamics, and what people call them.
const KINDS: [(&str, &str); 5] = [
    ("gradient-flow", "Gradient flow"),
    ("stochastic-gradient-flow", "Stochastic gradient flow"),
    ("gradient-descent", "Gradient descent"),
    (
        "label-noise-gradient-descent",
        "Label-noise gradient descent",
    ),
    ("sgd", "SGD"),
];

/// An experiment of which sessions are made.
pub struct Scenario {
    experiment: ExactExperiment,
    cache: DataCache,
}

/// An experiment with settings made, ready to be simulated.
pub struct ConfiguredExperiment {
    /// The experiment; its dynamics are those of the runs, in their order.
    pub experiment: ExactExperiment,
    /// Data and starts.
    pub prepared: ExactInputs,
}

impl Scenario {
    /// Of an experiment for the exact engine.
    ///
    /// # Errors
    /// Exit code 2 for networks that the exact engine does not run, or only slowly.
    pub fn new(experiment: &Experiment) -> Result<Self, Failure> {
        let experiment = experiment
            .exact()
            .map_err(|problem| problem.in_file("the experiment"))?;
        if !experiment.run.reductions {
            let message =
                "`run.reductions` is false, and a live run has no form without reductions";
            return Err(Failure::input(message).hint("leave it out, or use rankfall run"));
        }
        Ok(Self {
            experiment,
            cache: DataCache::default(),
        })
    }

    /// The settings that a page begins with: the first dynamics with noise, or the first.
    pub fn first_settings(&self) -> Settings {
        let (network, run) = (&self.experiment.network, &self.experiment.run);
        let all = &self.experiment.dynamics;
        let noisy = all.iter().position(|d| !d.dynamics.is_deterministic());
        let (inputs, outputs, teacher_rank) = match &self.experiment.data {
            ExactData::Gaussian(data) => (data.inputs, data.outputs, rank_of(data)),
            _ => (0, 0, None),
        };
        let most = most_trajectories((inputs + outputs).max(1));
        Settings {
            seed: run.seed,
            trajectories: run.trajectories.min(most) as u32,
            width: network.width.min(u64::from(u32::MAX)) as u32,
            inputs: inputs as u32,
            outputs: outputs as u32,
            teacher_rank,
            first: self.motion(noisy.unwrap_or(0)),
            second: None,
            speed: Some(2.0),
            shown: 0,
            paused: false,
        }
    }

    /// The dynamics at this place of the experiment, as a page has it.
    pub fn motion(&self, of: usize) -> Motion {
        let dynamics = &self.experiment.dynamics[of].dynamics;
        let forces = match dynamics.kind {
            Kind::StochasticGradientFlow { forces, .. } => forces,
            _ => ForceScales::default(),
        };
        Motion {
            of: of as u32,
            kind: dynamics.kind_name().to_owned(),
            step_size: dynamics.step_size,
            label_noise: dynamics.label_noise,
            batch_size: batch_size(dynamics).unwrap_or(1) as u32,
            forces: Scales {
                split: forces.split.name().to_owned(),
                gradient: forces.gradient,
                own_noise: forces.own_noise,
                common: forces.common,
                repulsion: forces.repulsion,
            },
        }
    }

    /// The experiment with these settings, its data read or drawn.
    ///
    /// # Errors
    /// Exit code 2 for settings out of bounds, and all that an experiment file is refused for.
    pub fn ready(&self, settings: &Settings) -> Result<ConfiguredExperiment, Failure> {
        let mut experiment = self.with(settings)?;
        let mut probe = experiment.clone();
        if !matches!(experiment.data, ExactData::Gram(_)) {
            // Has rows held, for dynamics that come to need them.
            probe.dynamics.push(rows_held(&probe.dynamics[0]));
        }
        let prepared = prepare_with(&mut probe, &self.cache)?;
        probe.dynamics.truncate(experiment.dynamics.len());
        experiment.dynamics = probe.dynamics;
        experiment.data = probe.data;
        let rows = prepared.setup.rows();
        if rows > MOST_ROWS {
            let message = format!(
                "the data have p + k = {rows} inputs and targets; a live run has at most {MOST_ROWS}"
            );
            return Err(Failure::input(message).hint("rankfall run takes any number"));
        }
        let most = most_trajectories(rows);
        if u64::from(settings.trajectories) > most {
            let message = format!(
                "{} trajectories with p + k = {rows} are too many to watch",
                settings.trajectories
            );
            return Err(Failure::input(message).hint(format!("at most {most}")));
        }
        Ok(ConfiguredExperiment {
            experiment,
            prepared,
        })
    }

    fn with(&self, settings: &Settings) -> Result<ExactExperiment, Failure> {
        let mut experiment = self.experiment.clone();
        within("seed", settings.seed, 0, MOST_SEED)?;
        within("trajectories", settings.trajectories, 1, MOST_TRAJECTORIES)?;
        within("width", settings.width, 1, MOST_WIDTH)?;
        experiment.run.seed = settings.seed;
        experiment.run.trajectories = u64::from(settings.trajectories);
        experiment.network.width = u64::from(settings.width);
        if let ExactData::Gaussian(data) = &mut experiment.data {
            set_sizes(data, settings)?;
        }
        match &mut experiment.network.shape {
            NetworkShape::Width(width) => *width = u64::from(settings.width),
            NetworkShape::Layers(layers) => {
                if let [first, width, last] = &mut layers[..] {
                    *width = settings.width as usize;
                    if let ExactData::Gaussian(data) = &experiment.data {
                        (*first, *last) = (data.inputs, data.outputs);
                    }
                }
            }
        }
        let motions = std::iter::once(&settings.first).chain(&settings.second);
        experiment.dynamics = motions
            .map(|motion| self.dynamics(motion))
            .collect::<Result<_, _>>()?;
        if let [first, second] = &mut experiment.dynamics[..]
            && first.label == second.label
        {
            second.label.push_str(" beside it");
        }
        read_back(experiment)
    }

    /// What a motion is, as the engine takes it.
    ///
    /// # Errors
    /// Exit code 2 for values out of bounds.
    pub fn dynamics(&self, motion: &Motion) -> Result<ExactDynamics, Failure> {
        let Some(own) = self.experiment.dynamics.get(motion.of as usize) else {
            let message = format!("the experiment has no dynamics {}", motion.of);
            return Err(Failure::input(message));
        };
        check(motion)?;
        let same = own.dynamics.kind_name() == motion.kind;
        let mut out = own.clone();
        let old = own.dynamics.clone();
        if !same {
            out.dynamics.kind = fresh_kind(&motion.kind)?;
            out.dynamics.optimizer = match motion.kind.ends_with("flow") {
                true => Optimizer::default(),
                false => old.optimizer,
            };
            let known = KINDS.iter().find(|(kind, _)| *kind == motion.kind);
            out.label = known.map_or(&*motion.kind, |(_, label)| label).to_owned();
        }
        out.dynamics.step_size = motion.step_size;
        out.dynamics.label_noise = match out.dynamics.kind {
            Kind::GradientFlow | Kind::GradientDescent => 0.0,
            _ => motion.label_noise,
        };
        set_details(&mut out.dynamics.kind, motion);
        // Steps of the flow's integrator are η unless the experiment has others.
        let follows = own.time_step == old.step_size && !own.automatic_time_step || !same;
        if follows || !matches!(out.dynamics.kind, Kind::StochasticGradientFlow { .. }) {
            out.set_time_step(motion.step_size);
        }
        Ok(out)
    }

    /// The stream of noise of a motion.
    pub fn stream(&self, motion: &Motion) -> u32 {
        match self.experiment.run.common_noise {
            true => 0,
            false => motion.of,
        }
    }

    /// What may be set in a session that is ready.
    ///
    /// # Errors
    /// Exit code 2 for a start that cannot be made.
    pub fn choices(&self, ready: &ConfiguredExperiment) -> Result<Choices, Failure> {
        let problem = &ready.prepared.known.problem;
        let most = problem.samples.max(1) as f64;
        let drawn = match &self.experiment.data {
            ExactData::Gaussian(data) if data.each_trajectory || data.classes => None,
            ExactData::Gaussian(data) => Some(data),
            _ => None,
        };
        let fixed = |what: &str| match (&self.experiment.data, drawn) {
            (_, Some(_)) => None,
            (ExactData::Gaussian(_), None) => Some(format!("{what} is given by the experiment")),
            _ => Some(format!("{what} is that of the data in the file")),
        };
        let covariance = drawn.is_some_and(|data| {
            matches!(
                data.covariance,
                rankfall::experiment::CovarianceSpec::Matrix(_)
            )
        });
        let inputs = match covariance {
            true => Some("the experiment gives the covariance of its inputs".to_owned()),
            false => fixed("the number of inputs"),
        };
        let given = matches!(
            self.experiment.network.init,
            rankfall::experiment::ExactInit::File { .. }
        )
        .then(|| "the initial weights are those of a file".to_owned());
        let classes = ready.experiment.dynamics[0].dynamics.classes.is_some();
        let setting =
            |name: &str, least: f64, greatest: f64, why_not: Option<String>| SettingChoice {
                name: name.to_owned(),
                least,
                greatest,
                why_not,
            };
        let rank = problem.inputs.min(problem.outputs) as f64;
        let no_noise = classes.then(|| "labels of classes flip; they have no variance".to_owned());
        let settings = vec![
            setting("seed", 0.0, MOST_SEED as f64, None),
            setting("trajectories", 1.0, f64::from(MOST_TRAJECTORIES), None),
            setting("width", 1.0, f64::from(MOST_WIDTH), given.clone()),
            setting(
                "inputs",
                1.0,
                f64::from(MOST_INPUTS),
                given.clone().or(inputs),
            ),
            setting(
                "outputs",
                1.0,
                f64::from(MOST_OUTPUTS),
                given.or(fixed("the number of outputs")),
            ),
            setting("teacher_rank", 1.0, rank, fixed("the teacher")),
            setting("step_size", 1e-5, 10.0, None),
            setting("label_noise", 0.0, 10.0 * most, no_noise),
            setting("batch_size", 1.0, most, None),
        ];
        let kinds = KINDS
            .iter()
            .map(|(kind, label)| self.kind_choice(kind, label, ready))
            .collect::<Result<_, _>>()?;
        Ok(Choices { settings, kinds })
    }

    fn kind_choice(
        &self,
        kind: &str,
        label: &str,
        ready: &ConfiguredExperiment,
    ) -> Result<KindChoice, Failure> {
        let gram = matches!(self.experiment.data, ExactData::Gram(_));
        let setup = &ready.prepared.setup;
        let beginning = setup.initial_condition(0).map_err(of_setup)?;
        let known = curvature(&beginning.problem, &beginning.start);
        let squared = ready.experiment.dynamics[0].dynamics.classes.is_none();
        let why_not = (kind == "sgd" && gram)
            .then(|| "SGD draws rows, and the data are second moments without rows".to_owned());
        let stable_step = match kind {
            "gradient-flow" => None,
            _ if !squared => None,
            _ => {
                let plain = Dynamics {
                    kind: fresh_kind(kind)?,
                    step_size: 1.0,
                    label_noise: 0.0,
                    optimizer: Optimizer::default(),
                    classes: None,
                };
                known.and_then(|known| largest_stable_step(&plain, &beginning.problem, &known))
            }
        };
        let full_gradients = kind == "gradient-flow" || kind == "gradient-descent";
        let no_label_noise = full_gradients.then(|| format!("{label} has no noise"));
        let no_batch_size = match kind {
            "stochastic-gradient-flow" | "sgd" => None,
            _ => Some(format!("{label} uses all rows at every step")),
        };
        let no_forces = match kind {
            "stochastic-gradient-flow" if squared => None,
            "stochastic-gradient-flow" => Some("forces are those of the squared loss".to_owned()),
            _ => Some("forces are scaled in the stochastic gradient flow alone".to_owned()),
        };
        Ok(KindChoice {
            kind: kind.to_owned(),
            label: label.to_owned(),
            why_not,
            no_label_noise,
            no_batch_size,
            no_forces,
            stable_step,
        })
    }

    /// The experiment with these settings as a file, as a command line, and from Python.
    ///
    /// # Errors
    /// Exit code 2 for settings that make no experiment.
    pub fn files(&self, settings: &Settings) -> Result<Files, Failure> {
        let experiment = self.with(settings)?;
        let file = format!("{}.toml", experiment.name);
        Ok(Files {
            toml: experiment.resolved_toml(),
            command: format!("rankfall run {file}"),
            python: format!(
                "import rankfall as rf\n\nrun = rf.Experiment.from_toml(\"{file}\").run()\n\
                 run.plot(\"seed\")\n"
            ),
        })
    }
}

/// Trajectories of so many inputs and outputs that can be watched.
fn most_trajectories(rows: usize) -> u64 {
    let bearable = (MOST_COST / (rows as f64).powi(3)).max(1.0);
    u64::from(MOST_TRAJECTORIES).min(bearable as u64)
}

/// As a file would be read: everything is checked there.
fn read_back(experiment: ExactExperiment) -> Result<ExactExperiment, Failure> {
    let text = experiment.resolved_toml();
    let read = Experiment::from_toml(&text, "these settings", Path::new(""), &[])?;
    read.exact()
        .map_err(|problem| problem.in_file("these settings"))
}

fn within<T: PartialOrd + Display>(
    name: &str,
    value: T,
    least: T,
    greatest: T,
) -> Result<(), Failure> {
    match value >= least && value <= greatest {
        true => Ok(()),
        false => {
            let message = format!("{name} is {value}; it goes from {least} to {greatest}");
            Err(Failure::input(message))
        }
    }
}

fn check(motion: &Motion) -> Result<(), Failure> {
    within("step_size", motion.step_size, 1e-9, 1e3)?;
    within("label_noise", motion.label_noise, 0.0, 1e12)?;
    within("batch_size", motion.batch_size, 1, u32::MAX)?;
    let forces = &motion.forces;
    for (name, value) in [
        ("forces.gradient", forces.gradient),
        ("forces.own_noise", forces.own_noise),
        ("forces.common", forces.common),
        ("forces.repulsion", forces.repulsion),
    ] {
        within(name, value, -10.0, 10.0)?;
    }
    let splits = [ForceSplit::Regular, ForceSplit::Antisymmetric];
    match splits.iter().any(|split| split.name() == forces.split) {
        true => Ok(()),
        false => Err(Failure::input("forces.split is regular or antisymmetric")),
    }
}

/// The split in which a motion has its forces; what is checked knows only two.
pub fn split_of(motion: &Motion) -> ForceSplit {
    match motion.forces.split == ForceSplit::Antisymmetric.name() {
        true => ForceSplit::Antisymmetric,
        false => ForceSplit::Regular,
    }
}

fn set_sizes(data: &mut GaussianData, settings: &Settings) -> Result<(), Failure> {
    let changed =
        settings.inputs as usize != data.inputs || settings.outputs as usize != data.outputs;
    if changed {
        within("inputs", settings.inputs, 1, MOST_INPUTS)?;
        within("outputs", settings.outputs, 1, MOST_OUTPUTS)?;
        data.inputs = settings.inputs as usize;
        data.outputs = settings.outputs as usize;
    }
    let most = data.inputs.min(data.outputs);
    match (settings.teacher_rank, &mut data.teacher) {
        (Some(rank), LinearTeacher::SingularValues(values)) if rank as usize == values.len() => {}
        (Some(rank), teacher) => {
            within("teacher_rank", rank as usize, 1, most)?;
            *teacher = LinearTeacher::Rank(rank as usize);
        }
        (None, _) => {}
    }
    Ok(())
}

fn rank_of(data: &GaussianData) -> Option<u32> {
    match &data.teacher {
        LinearTeacher::Gaussian => None,
        LinearTeacher::Rank(rank) => Some(*rank as u32),
        LinearTeacher::SingularValues(values) => Some(values.len() as u32),
    }
}

fn batch_size(dynamics: &Dynamics) -> Option<u64> {
    match dynamics.kind {
        Kind::StochasticGradientFlow { batch_size, .. }
        | Kind::SlowFlow { batch_size }
        | Kind::StochasticGradientDescent { batch_size, .. } => Some(batch_size),
        _ => None,
    }
}

/// A dynamics of this kind with everything as it usually is.
fn fresh_kind(kind: &str) -> Result<Kind, Failure> {
    Ok(match kind {
        "gradient-flow" => Kind::GradientFlow,
        "stochastic-gradient-flow" => Kind::StochasticGradientFlow {
            integrator: Integrator::default(),
            time_step: 1.0,
            batch_size: 1,
            forces: ForceScales::default(),
            brownian_substeps: 1,
        },
        "gradient-descent" => Kind::GradientDescent,
        "label-noise-gradient-descent" => Kind::LabelNoiseGradientDescent {
            distribution: LabelNoise::default(),
        },
        "sgd" => Kind::StochasticGradientDescent {
            batch_size: 1,
            sampling: Sampling::default(),
            distribution: LabelNoise::default(),
        },
        other => {
            let known = KINDS.map(|(kind, _)| kind).join(", ");
            let message = format!("there is no dynamics {}", rankfall::failure::quoted(other));
            return Err(Failure::input(message).hint(format!("there are {known}")));
        }
    })
}

fn set_details(kind: &mut Kind, motion: &Motion) {
    match kind {
        Kind::StochasticGradientFlow {
            batch_size, forces, ..
        } => {
            *batch_size = u64::from(motion.batch_size);
            *forces = ForceScales {
                split: split_of(motion),
                gradient: motion.forces.gradient,
                own_noise: motion.forces.own_noise,
                common: motion.forces.common,
                repulsion: motion.forces.repulsion,
            };
        }
        Kind::StochasticGradientDescent { batch_size, .. } | Kind::SlowFlow { batch_size } => {
            *batch_size = u64::from(motion.batch_size);
        }
        _ => {}
    }
}

/// A dynamics for which rows are held.
fn rows_held(like: &ExactDynamics) -> ExactDynamics {
    let kind = Kind::StochasticGradientDescent {
        batch_size: 1,
        sampling: Sampling::WithReplacement,
        distribution: LabelNoise::default(),
    };
    let dynamics = Dynamics {
        kind,
        step_size: like.dynamics.step_size,
        label_noise: 0.0,
        optimizer: Optimizer::default(),
        classes: like.dynamics.classes.clone(),
    };
    ExactDynamics {
        label: "rows".to_owned(),
        dynamics,
        time_step: like.dynamics.step_size,
        automatic_time_step: false,
    }
}
