//! Bundled experiments, run in memory, one trajectory at a time.

use crate::bundled;
use crate::dense::preparation::{AnySource, prepare};
use crate::experiment::{EngineInput, Experiment};
use crate::failure::Failure;
use rankfall_core::ensemble::RunError;
use rankfall_core::simd::instructions::Instructions;
use rankfall_evidence::Stop;
use rankfall_evidence::bench::{Supervised, Supervisor};
use rankfall_evidence::experiments::{Experiments, Trajectory};
use rankfall_nets::ensemble::{DataSource, Trained, TrainingEnsemble};
use std::path::Path;

/// Runs bundled experiments until its supervisor stops it.
pub struct Laboratory<'a>(pub &'a dyn Supervisor);

impl Experiments for Laboratory<'_> {
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
        let one = |(place, ensemble): (usize, &TrainingEnsemble)| {
            let trajectory = match &prepared.source {
                AnySource::Single(source) => trajectory(ensemble, source, self.0),
                AnySource::Double(source) => trajectory(ensemble, source, self.0),
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

fn trajectory<T: Trained>(
    ensemble: &TrainingEnsemble,
    source: &DataSource<T>,
    supervisor: &dyn Supervisor,
) -> Result<Trajectory, Stop> {
    let supervised = Supervised(supervisor);
    let outcome = ensemble.run(source, 1, None, &supervised, Instructions::best());
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
