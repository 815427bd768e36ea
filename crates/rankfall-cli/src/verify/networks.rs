//! Claims about networks: bundled experiments run in memory, one trajectory at a time.

use super::{Frame, Interruptible, Task, level, threads};
use crate::arguments::VerifyArguments;
use crate::interruption;
use rankfall::bundled;
use rankfall::dense::preparation::{AnySource, prepare};
use rankfall::experiment::{EngineInput, Experiment};
use rankfall::failure::{Failure, shown_path};
use rankfall_core::ensemble::RunError;
use rankfall_core::ensemble::{Checkpoint, Control};
use rankfall_core::simd::instructions::Instructions;
use rankfall_evidence::claim::{Heading, Stop};
use rankfall_evidence::networks::{self, Bench, Claim, Experiments, Trajectory};
use rankfall_nets::ensemble::{EnsembleSpec, Source};
use rankfall_nets::scalar::Scalar;
use std::path::Path;
use std::time::Duration;

/// What is said of the claims.
pub fn headings() -> Vec<Heading> {
    networks::ALL.iter().map(|c| c.heading).collect()
}

/// These claims have experiments of their own.
///
/// # Errors
/// Exit code 2 where one was given.
pub fn no_experiment(arguments: &VerifyArguments) -> Result<(), Failure> {
    match &arguments.experiment {
        None => Ok(()),
        Some(path) => {
            let message = format!(
                "claims about networks are tested on the bundled experiments, not on {}",
                shown_path(path)
            );
            Err(Failure::input(message)
                .hint("leave the file out, or leave out --suite networks for claims about it"))
        }
    }
}

/// Where they are measured.
pub fn bench<'a>(laboratory: &'a Laboratory, arguments: &VerifyArguments) -> Bench<'a> {
    let (level, threads) = (level(arguments.level), threads(arguments));
    let seed = arguments.seed.unwrap_or(1);
    Bench::new(seed, level, threads, &Interruptible, laboratory)
}

/// What is said of all of them.
pub fn frame(bench: &Bench) -> Frame {
    Frame {
        seed: bench.seed,
        setting: format!(
            "the bundled experiments on networks and small regressions of their own, with data, start and noise of the \
             seeds {}, {}, …; the numbers in the gallery are from seed 1",
            bench.seed_of(0),
            bench.seed_of(1)
        ),
        comparisons: networks::comparisons(),
    }
}

/// The claims that were asked for, ready to be measured.
pub fn tasks<'a>(bench: &'a Bench<'a>, asked: &[Heading]) -> Vec<Task<'a>> {
    let chosen = networks::ALL.iter().filter(|c| asked.contains(&c.heading));
    let task = |claim: &'static Claim| Task {
        id: claim.heading.id,
        cost: 1.0,
        find: Box::new(move || networks::find(claim, bench)),
    };
    chosen.map(task).collect()
}

/// Runs bundled experiments.
pub struct Laboratory;

impl Experiments for Laboratory {
    fn available(&self, experiment: &str) -> Result<(), String> {
        let bundled = bundled::named(experiment).map_err(|failure| failure.message)?;
        bundled::has_data(bundled)
    }

    fn run(&self, experiment: &str, seed: u64) -> Result<Vec<Trajectory>, Stop> {
        let bundled = bundled::named(experiment).map_err(unmeasured)?;
        let sets = [
            format!("run.seed={seed}"),
            "run.trajectories=1".to_owned(),
            "run.keep_trajectories=true".to_owned(),
        ];
        let read = Experiment::from_toml(bundled.toml, bundled.name, Path::new("/"), &sets);
        let engine = read.and_then(|read| read.engine()).map_err(unmeasured)?;
        let EngineInput::Dense(mut dense, _) = engine else {
            let message = format!("{experiment} is not for the dense engine");
            return Err(Stop::Unmeasured(message));
        };
        let prepared = prepare(&mut dense).map_err(unmeasured)?;
        let one = |(place, ensemble): (usize, &EnsembleSpec)| {
            let trajectory = match &prepared.source {
                AnySource::Single(source) => trajectory(ensemble, source),
                AnySource::Double(source) => trajectory(ensemble, source),
            };
            trajectory.map(|found| Trajectory {
                dynamics: dense.dynamics[place].label.clone(),
                ..found
            })
        };
        prepared
            .known
            .ensembles
            .iter()
            .enumerate()
            .map(one)
            .collect()
    }
}

fn unmeasured(failure: Failure) -> Stop {
    Stop::Unmeasured(failure.message)
}

fn trajectory<T: Scalar>(ensemble: &EnsembleSpec, source: &Source<T>) -> Result<Trajectory, Stop> {
    let outcome = ensemble.run(source, 1, None, &Silent, Instructions::best());
    let outcome = outcome.map_err(|error| match error {
        RunError::Interrupted => Stop::Interrupted,
        other => Stop::Unmeasured(other.to_string()),
    })?;
    let totals = outcome.statistics.totals();
    let kept = totals.trajectories().and_then(<[_]>::first);
    let observables = outcome.layout.observables.into_iter();
    Ok(Trajectory {
        dynamics: String::new(),
        times: outcome.times,
        observables: observables.map(|o| (o.name, o.index)).collect(),
        values: kept.map(|(_, values)| values.clone()),
    })
}

/// Stops where the program is asked to, and keeps nothing.
struct Silent;

impl Control for Silent {
    fn interrupted(&self) -> bool {
        interruption::requested()
    }
    fn progress(&self, _done: u64, _total: u64) {}
    fn checkpoint_interval(&self) -> Duration {
        Duration::MAX
    }
    fn keep(&self, _checkpoint: &Checkpoint) -> Result<(), String> {
        Ok(())
    }
}
