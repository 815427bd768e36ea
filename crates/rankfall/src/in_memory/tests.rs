//! Runs that are stopped: what they have, that they are not saved as whole ones, and that they go
//! on.

use super::run::Run;
use crate::builder::DynamicsBuilder;
use crate::experiment::Experiment;
use crate::watch::Watch;

/// Stops at the first look.
struct Stop;

impl Watch for Stop {
    fn interrupted(&self) -> bool {
        true
    }
}

#[test]
fn an_interrupted_run_is_not_saved_as_a_whole_one() {
    let experiment = Experiment::builder("long")
        .gaussian(20, 3, 2)
        .width(5)
        .dynamics(DynamicsBuilder::sgd("SGD").step_size(1e-3))
        .time(1e6)
        .save_points(1)
        .build()
        .unwrap();
    let run = experiment.runner().threads(1).watch(&Stop).run().unwrap();
    assert!(run.interrupted && run.left.is_some());
    let folder = tempfile::tempdir().unwrap();
    let refused = run.save(folder.path()).unwrap_err();
    assert!(
        refused.message.contains("stopped before its end"),
        "{refused}"
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// Stops once the second dynamics is under way.
#[derive(Default)]
struct StopInTheMiddle {
    begun: std::sync::atomic::AtomicU64,
    stop: std::sync::atomic::AtomicBool,
}

impl Watch for StopInTheMiddle {
    fn begin(&self, _label: &str) {
        self.begun.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    }
    fn progress(&self, done: u64, total: u64) {
        use std::sync::atomic::Ordering::SeqCst;
        let stop = self.begun.load(SeqCst) == 2 && done > 0 && done < total;
        self.stop.fetch_or(stop, SeqCst);
    }
    fn interrupted(&self) -> bool {
        self.stop.load(std::sync::atomic::Ordering::SeqCst)
    }
}

#[test]
fn a_stopped_run_has_what_it_came_to_and_goes_on_to_the_same_bits() {
    let experiment = |time: f64| {
        Experiment::builder("long")
            .gaussian(20, 3, 2)
            .width(5)
            .dynamics(DynamicsBuilder::gradient_flow("GF"))
            .dynamics(DynamicsBuilder::sgd("SGD").step_size(1e-3).label_noise(0.1))
            .time(time)
            .trajectories(20)
            .save_points(10)
            .build()
            .unwrap()
    };
    // Ever longer ones, until it is stopped in time.
    let mut stopped = None;
    for time in [10.0, 100.0, 1000.0] {
        let experiment = experiment(time);
        let watch = StopInTheMiddle::default();
        let run = experiment.runner().threads(1).watch(&watch).run().unwrap();
        if run.interrupted {
            stopped = Some((experiment, run));
            break;
        }
    }
    let (experiment, part) = stopped.expect("a thousand units of time take longer than a look");
    let whole = experiment.run().unwrap();
    let ended = |run: &Run| {
        run.rows()
            .filter(|row| row.dynamics == "GF")
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(ended(&part), ended(&whole));
    let loss = part.dynamics("SGD").unwrap().loss().unwrap();
    assert!(loss.mean[0].is_some(), "as far as it came");
    assert!(
        part.summary
            .warnings
            .iter()
            .any(|words| words.contains("stopped"))
    );
    let left = part.left.as_ref().unwrap();
    let resumed = experiment.runner().from(left).run().unwrap();
    assert!(resumed.rows().eq(whole.rows()) && !resumed.interrupted);
    let other = Experiment::builder("other")
        .gaussian(20, 3, 2)
        .width(5)
        .dynamics(DynamicsBuilder::gradient_flow("GF"))
        .time(1.0)
        .build()
        .unwrap();
    let Err(refused) = other.runner().from(left).run() else {
        panic!("went on with another experiment")
    };
    assert!(refused.message.contains("not the experiment"), "{refused}");
}
