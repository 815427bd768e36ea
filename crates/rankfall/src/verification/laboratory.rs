//! Bundled experiments, run in memory, one trajectory at a time.

use crate::bundled;
use crate::dense::engine::measured;
use crate::dense::preparation::prepare;
use crate::experiment::{Descent, EngineInput, Experiment};
use crate::failure::Failure;
use rankfall_core::ensemble::RunError;
use rankfall_evidence::Stop;
use rankfall_evidence::bench::{Supervised, Supervisor};
use rankfall_evidence::experiments::{Experiments, Trajectory};
use rankfall_nets::ensemble::TrainingEnsemble;
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
        let one = |(descent, ensemble): (&Descent, &TrainingEnsemble)| {
            let found = measured(ensemble, &prepared.source, 1, None, &Supervised(self.0));
            let (observables, times, statistics) = found.map_err(|error| match error {
                RunError::Interrupted => Stop::Interrupted,
                other => Stop::Unmeasured(other.to_string()),
            })?;
            let totals = statistics.totals();
            let kept = totals.trajectories().and_then(<[_]>::first);
            Ok(Trajectory {
                dynamics: descent.label.clone(),
                times,
                observables,
                values: kept.map(|(_, values)| values.clone()),
            })
        };
        let descents = dense.dynamics.iter().zip(&prepared.known.ensembles);
        descents.map(one).collect()
    }
}

fn unmeasured(failure: Failure) -> Stop {
    Stop::Unmeasured(failure.message)
}
