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

/// A run or a sweep on data that are there, or a run on a package: whether it is a sweep, and what
/// it needs.
type Sort = (bool, Option<&'static str>);
const RUN: Sort = (false, None);
const SWEEP: Sort = (true, None);
const ON_FASHION: Sort = (false, Some("fashion-mnist"));

/// The experiments of these names, each with what it shows.
macro_rules! bundled {
    ($($sort:ident $name:literal: $shows:literal)*) => {
        &[$(BundledExperiment {
            name: $name,
            shows: $shows,
            toml: include_str!(concat!("../../../experiments/", $name, ".toml")),
            is_sweep: $sort.0,
            needs: $sort.1,
        }),*]
    };
}

/// All of them; the first is what `rankfall reproduce` runs if none is named.
pub const ALL: &[BundledExperiment] = bundled! {
    RUN "paper": "label noise lowers the rank, full gradients do not: all five dynamics"
    RUN "without-repulsion":
        "the same noise with all forces, and without the repulsion of either split"
    RUN "small-start": "the same from small initial weights, past the saddle at the origin"
    RUN "balanced-start": "the same from layers that are balanced at the start"
    RUN "nearly-rank-deficient-start":
        "the determinant law from a start with a singular value of 1e-8"
    RUN "power-law-inputs":
        "inputs with a power-law spectrum: singular values fall at different rates"
    RUN "generalisation":
        "few samples of a rank-one teacher: the population loss with and without noise"
    RUN "classification":
        "classes and softmax: flipped labels lower the rank, full gradients do not"
    SWEEP "plane-step-size-label-noise": "a sweep: SGD over step size and label noise, 256 points"
    SWEEP "plane-batch-size-step-size": "a sweep: SGD over batch size and step size, 70 points"
    SWEEP "width-and-initial-scale": "a sweep: SGD over width and scale of the start, 99 points"
    SWEEP "teacher-rank-and-inputs":
        "a sweep: which singular values survive, over teacher rank and inputs"
    RUN "deep-linear-2":
        "two linear layers with and without label noise: the start of a row over depth"
    RUN "deep-linear-3": "the same task with three linear layers"
    RUN "deep-linear-4": "the same task with four linear layers"
    RUN "deep-linear-5": "the same task with five linear layers"
    RUN "diagonal-linear": "a diagonal linear network: label noise finds the sparse map"
    RUN "relu-teacher-student":
        "two ReLU layers and a small teacher: rank of the features and of the Jacobian"
    SWEEP "predicted-ranks": "a sweep of predictions: which ranks survive, 10,000 points in seconds"
    RUN "relu-three-layers": "three ReLU layers and a small teacher"
    RUN "relu-one-dimension": "ReLU units through twelve points: which noise makes features sparse"
    RUN "digits-network": "handwritten digits by three layers: GD, SGD, flipped labels"
    RUN "noise-zoo": "one task under eight kinds of noise, and weight decay"
    RUN "label-noise-in-phases":
        "label noise switched on and off: layers shrink and turn to the teacher"
    RUN "collapsing-neurons":
        "rectifiers under label noise: neurons vanish, the loss becomes flatter"
    RUN "rank-and-weight-decay": "SGD with momentum: rank over batch size, step and weight decay"
    SWEEP "plane-batch-size-weight-decay":
        "a sweep: SGD with momentum over batch size and weight decay, 24 points"
    RUN "matrix-completion":
        "matrix completion by three layers under L2: noise takes rank, for good"
    ON_FASHION "fashion-mnist":
        "Fashion-MNIST by two layers: GD, SGD, flipped labels (needs the package)"
};

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
