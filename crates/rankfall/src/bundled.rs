//! The experiments that come with the program, by name.

use crate::experiment::suggest::nearest;
use crate::failure::{Failure, quoted};
use rankfall_data::Packaged;

/// An experiment that comes with the program.
#[derive(Debug)]
pub struct BundledExperiment {
    /// Its name, as `rankfall reproduce` takes it and as its file gives it.
    pub name: &'static str,
    /// What it shows, in one line.
    pub shows: &'static str,
    /// The experiment file.
    pub toml: &'static str,
    /// Whether it has a `[sweep]` table.
    pub is_sweep: bool,
    /// The data set from a package that it needs.
    pub needs: Option<&'static str>,
}

/// All of them; the first is what `rankfall reproduce` runs if none is named.
pub const ALL: &[BundledExperiment] = &[
    BundledExperiment {
        name: "paper",
        shows: "label noise lowers the rank, full gradients do not: all five dynamics",
        toml: include_str!("../../../experiments/paper.toml"),
        is_sweep: false,
        needs: None,
    },
    BundledExperiment {
        name: "without-repulsion",
        shows: "the same noise with all forces, and without the repulsion of either split",
        toml: include_str!("../../../experiments/without-repulsion.toml"),
        is_sweep: false,
        needs: None,
    },
    BundledExperiment {
        name: "small-start",
        shows: "the same from small initial weights, past the saddle at the origin",
        toml: include_str!("../../../experiments/small-start.toml"),
        is_sweep: false,
        needs: None,
    },
    BundledExperiment {
        name: "balanced-start",
        shows: "the same from layers that are balanced at the start",
        toml: include_str!("../../../experiments/balanced-start.toml"),
        is_sweep: false,
        needs: None,
    },
    BundledExperiment {
        name: "nearly-rank-deficient-start",
        shows: "the determinant law from a start with a singular value of 1e-8",
        toml: include_str!("../../../experiments/nearly-rank-deficient-start.toml"),
        is_sweep: false,
        needs: None,
    },
    BundledExperiment {
        name: "power-law-inputs",
        shows: "inputs with a power-law spectrum: singular values fall at different rates",
        toml: include_str!("../../../experiments/power-law-inputs.toml"),
        is_sweep: false,
        needs: None,
    },
    BundledExperiment {
        name: "generalisation",
        shows: "few samples of a rank-one teacher: the population loss with and without noise",
        toml: include_str!("../../../experiments/generalisation.toml"),
        is_sweep: false,
        needs: None,
    },
    BundledExperiment {
        name: "classification",
        shows: "classes and softmax: flipped labels lower the rank, full gradients do not",
        toml: include_str!("../../../experiments/classification.toml"),
        is_sweep: false,
        needs: None,
    },
    BundledExperiment {
        name: "plane-step-size-label-noise",
        shows: "a sweep: SGD over step size and label noise, 256 points",
        toml: include_str!("../../../experiments/plane-step-size-label-noise.toml"),
        is_sweep: true,
        needs: None,
    },
    BundledExperiment {
        name: "plane-batch-size-step-size",
        shows: "a sweep: SGD over batch size and step size, 70 points",
        toml: include_str!("../../../experiments/plane-batch-size-step-size.toml"),
        is_sweep: true,
        needs: None,
    },
    BundledExperiment {
        name: "width-and-initial-scale",
        shows: "a sweep: SGD over width and scale of the start, 99 points",
        toml: include_str!("../../../experiments/width-and-initial-scale.toml"),
        is_sweep: true,
        needs: None,
    },
    BundledExperiment {
        name: "teacher-rank-and-inputs",
        shows: "a sweep: which singular values survive, over teacher rank and inputs",
        toml: include_str!("../../../experiments/teacher-rank-and-inputs.toml"),
        is_sweep: true,
        needs: None,
    },
    BundledExperiment {
        name: "deep-linear-2",
        shows: "two linear layers with and without label noise: the start of a row over depth",
        toml: include_str!("../../../experiments/deep-linear-2.toml"),
        is_sweep: false,
        needs: None,
    },
    BundledExperiment {
        name: "deep-linear-3",
        shows: "the same task with three linear layers",
        toml: include_str!("../../../experiments/deep-linear-3.toml"),
        is_sweep: false,
        needs: None,
    },
    BundledExperiment {
        name: "deep-linear-4",
        shows: "the same task with four linear layers",
        toml: include_str!("../../../experiments/deep-linear-4.toml"),
        is_sweep: false,
        needs: None,
    },
    BundledExperiment {
        name: "deep-linear-5",
        shows: "the same task with five linear layers",
        toml: include_str!("../../../experiments/deep-linear-5.toml"),
        is_sweep: false,
        needs: None,
    },
    BundledExperiment {
        name: "diagonal-linear",
        shows: "a diagonal linear network: label noise finds the sparse map",
        toml: include_str!("../../../experiments/diagonal-linear.toml"),
        is_sweep: false,
        needs: None,
    },
    BundledExperiment {
        name: "relu-teacher-student",
        shows: "two ReLU layers and a small teacher: rank of the features and of the Jacobian",
        toml: include_str!("../../../experiments/relu-teacher-student.toml"),
        is_sweep: false,
        needs: None,
    },
    BundledExperiment {
        name: "predicted-ranks",
        shows: "a sweep of predictions: which ranks survive, 10,000 points in seconds",
        toml: include_str!("../../../experiments/predicted-ranks.toml"),
        is_sweep: true,
        needs: None,
    },
    BundledExperiment {
        name: "relu-three-layers",
        shows: "three ReLU layers and a small teacher",
        toml: include_str!("../../../experiments/relu-three-layers.toml"),
        is_sweep: false,
        needs: None,
    },
    BundledExperiment {
        name: "relu-one-dimension",
        shows: "ReLU units through twelve points: which noise makes features sparse",
        toml: include_str!("../../../experiments/relu-one-dimension.toml"),
        is_sweep: false,
        needs: None,
    },
    BundledExperiment {
        name: "digits-network",
        shows: "handwritten digits by three layers: GD, SGD, flipped labels",
        toml: include_str!("../../../experiments/digits-network.toml"),
        is_sweep: false,
        needs: None,
    },
    BundledExperiment {
        name: "noise-zoo",
        shows: "one task under eight kinds of noise, and weight decay",
        toml: include_str!("../../../experiments/noise-zoo.toml"),
        is_sweep: false,
        needs: None,
    },
    BundledExperiment {
        name: "label-noise-in-phases",
        shows: "label noise switched on and off: layers shrink and turn to the teacher",
        toml: include_str!("../../../experiments/label-noise-in-phases.toml"),
        is_sweep: false,
        needs: None,
    },
    BundledExperiment {
        name: "collapsing-neurons",
        shows: "rectifiers under label noise: neurons vanish, the loss becomes flatter",
        toml: include_str!("../../../experiments/collapsing-neurons.toml"),
        is_sweep: false,
        needs: None,
    },
    BundledExperiment {
        name: "rank-and-weight-decay",
        shows: "SGD with momentum: rank over batch size, step and weight decay",
        toml: include_str!("../../../experiments/rank-and-weight-decay.toml"),
        is_sweep: false,
        needs: None,
    },
    BundledExperiment {
        name: "plane-batch-size-weight-decay",
        shows: "a sweep: SGD with momentum over batch size and weight decay, 24 points",
        toml: include_str!("../../../experiments/plane-batch-size-weight-decay.toml"),
        is_sweep: true,
        needs: None,
    },
    BundledExperiment {
        name: "matrix-completion",
        shows: "matrix completion by three layers under L2: noise takes rank, for good",
        toml: include_str!("../../../experiments/matrix-completion.toml"),
        is_sweep: false,
        needs: None,
    },
    BundledExperiment {
        name: "fashion-mnist",
        shows: "Fashion-MNIST by two layers: GD, SGD, flipped labels (needs the package)",
        toml: include_str!("../../../experiments/fashion-mnist.toml"),
        is_sweep: false,
        needs: Some("fashion-mnist"),
    },
];

/// The experiment of that name.
pub fn find(name: &str) -> Option<&'static BundledExperiment> {
    ALL.iter().find(|bundled| bundled.name == name)
}

/// The experiment of that name, or the nearest one in the message.
///
/// # Errors
/// A [`Failure`] with exit code 2 if there is none of that name.
pub fn named(name: &str) -> Result<&'static BundledExperiment, Failure> {
    find(name).ok_or_else(|| {
        let names: Vec<&str> = ALL.iter().map(|b| b.name).collect();
        let nearest = nearest(name, &names);
        let meant = nearest.map_or(String::new(), |near| format!("; did you mean {near}?"));
        let message = format!("no bundled experiment is called {}{meant}", quoted(name));
        Failure::input(message)
            .hint("rankfall reproduce --list shows them all")
            .hint("your own experiment files are run by rankfall run FILE.toml")
    })
}

/// Whether the data an experiment needs are there; else how to get them.
///
/// # Errors
/// In a clause, what is missing and the command that brings it.
pub fn has_data(bundled: &BundledExperiment) -> Result<(), String> {
    let Some(packaged) = bundled.needs.and_then(Packaged::find) else {
        return Ok(());
    };
    match packaged.locate() {
        Some(_) => Ok(()),
        None => Err(format!(
            "{} is not there: {}",
            packaged.name, packaged.install
        )),
    }
}

/// One line per experiment, names aligned.
pub fn list() -> String {
    let longest = ALL.iter().map(|b| b.name.len()).max().unwrap_or(0);
    let line = |b: &BundledExperiment| format!("{:longest$}  {}\n", b.name, b.shows);
    ALL.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{Experiment, tree};
    use std::path::Path;

    #[test]
    fn all_are_valid_and_have_the_name_they_are_listed_under() {
        for bundled in ALL {
            let root = tree(bundled.toml, &[]).unwrap();
            assert_eq!(crate::sweep::is_sweep(&root), bundled.is_sweep);
            let read = Experiment::from_toml(bundled.toml, bundled.name, Path::new("/"), &[]);
            let read = read.unwrap_or_else(|failure| panic!("{failure}"));
            if read.exact().is_ok() {
                assert_eq!(read.run.trajectories, 64);
            }
            assert_eq!(read.name, bundled.name);
        }
    }

    #[test]
    fn noise_intensities_of_the_paper_agree() {
        use rankfall_core::model::dynamics::Kind;
        let paper = Experiment::from_toml(ALL[0].toml, "", Path::new("/"), &[]).unwrap();
        let paper = paper.exact().unwrap();
        let intensity = |d: &crate::experiment::ExactDynamics| match d.dynamics.kind {
            Kind::StochasticGradientFlow { batch_size, .. }
            | Kind::StochasticGradientDescent { batch_size, .. } => {
                d.dynamics.step_size * d.dynamics.label_noise / batch_size as f64
            }
            Kind::LabelNoiseGradientDescent { .. } => {
                d.dynamics.step_size * d.dynamics.label_noise / 1000.0
            }
            _ => 0.0,
        };
        let intensities: Vec<f64> = paper.dynamics.iter().map(intensity).collect();
        assert_eq!(intensities, [0.0, 0.02, 0.0, 0.02, 0.02]);
    }

    #[test]
    fn a_wrong_name_suggests_the_nearest() {
        let failure = named("papr").unwrap_err();
        assert!(failure.message.contains("did you mean paper"));
        assert_eq!(failure.kind.code(), 2);
    }
}
