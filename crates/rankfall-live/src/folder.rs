//! The run so far as a run folder, in one archive.

use crate::run::LiveRun;
use crate::session::Session;
use rankfall::Failure;
use rankfall::engine::{Measurements, Recorder};
use rankfall::exact::record::{ExactRecorder, rows_first};
use rankfall::experiment::{AccountSpec, ExactExperiment, Length};
use rankfall::finished::DynamicsOutcome;
use rankfall::run_folder::packed;
use rankfall::save_plan::{SavePlan, Spacing};
use rankfall_report::record::DynamicsSummary;
use std::io::{Cursor, Write};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// Changes that are told one by one, at most: the last ones.
const MOST_TOLD: usize = 50;

/// The archive: a folder with `experiment.toml`, `summary.json`, `series.parquet` and
/// `final.safetensors`, which `rankfall plot` draws once it is unpacked. The experiment says where
/// the run began; the summary, what moves it now, and among its warnings that it is a live run, and
/// every change.
///
/// # Errors
/// Exit code 2 at t = 0, where there is no run yet.
pub fn zipped(session: &mut Session) -> Result<Vec<u8>, Failure> {
    let name = format!("{}-live", session.experiment().name);
    let cannot =
        |error: &dyn std::fmt::Display| Failure::run(format!("cannot make the archive: {error}"));
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (file, bytes) in files(session)? {
        archive
            .start_file(format!("{name}/{file}"), SimpleFileOptions::default())
            .map_err(|error| cannot(&error))?;
        archive.write_all(&bytes).map_err(|error| cannot(&error))?;
    }
    let done = archive.finish().map_err(|error| cannot(&error))?;
    Ok(done.into_inner())
}

/// The files of that folder.
///
/// # Errors
/// As for [`zipped`].
pub fn files(session: &mut Session) -> Result<Vec<(&'static str, Vec<u8>)>, Failure> {
    let time = session.time();
    if time <= 0.0 {
        return Err(Failure::input("nothing has been simulated yet").hint("let time go on first"));
    }
    let began = until(session.experiment(), time);
    let warnings = warnings(session);
    let recorder = ExactRecorder {
        experiment: now(session, &began),
        known: session.known().clone(),
        own: Vec::new(),
    };
    let mut finished = Vec::new();
    for index in 0..session.runs() {
        let (run, target, threads) = session.run_at(index);
        finished.push(results(&recorder, index, run, target, threads)?);
    }
    let mut summary = recorder.summary(&finished)?;
    for (index, told) in summary.dynamics.iter_mut().enumerate() {
        let (run, steps, _) = session.run_at(index);
        correct(told, run, steps);
    }
    summary.warnings = [warnings, summary.warnings].concat();
    packed::files(&finished, &summary, &began.resolved_toml())
}

/// Tells what the summary cannot know of a run whose dynamics changed on the way.
fn correct(told: &mut DynamicsSummary, run: &LiveRun, steps: u64) {
    let trajectories = run.trajectories();
    told.steps = steps;
    told.trajectory_steps_per_second = steps as f64 * trajectories as f64 / told.seconds.max(1e-9);
    if told.trajectories != trajectories {
        told.trajectories = trajectories;
        told.reductions
            .retain(|words| !words.starts_with("trajectories:"));
    }
    if run.is_changed() {
        // Their times would be those of steps that were all alike.
        told.divergences.clear();
    }
}

/// The experiment as it began, to this time.
fn until(experiment: &ExactExperiment, time: f64) -> ExactExperiment {
    let mut began = experiment.clone();
    began.time = time;
    began.run.length = Length::Time(time);
    began
}

/// The same with what moves the runs now, saved at the start and at the end: what a summary is made
/// of.
fn now(session: &mut Session, began: &ExactExperiment) -> ExactExperiment {
    let mut now = began.clone();
    now.run.save = SavePlan {
        points: 1,
        spacing: Spacing::Linear,
    };
    now.run.force_balance = None;
    now.run.account = AccountSpec::Off;
    now.run.keep_trajectories = false;
    for (index, dynamics) in now.dynamics.iter_mut().enumerate() {
        let label = dynamics.label.clone();
        let (run, ..) = session.run_at(index);
        *dynamics = run.dynamics().clone();
        // Labels stay those of the experiment, where runs are told from each other.
        dynamics.label = label;
    }
    now
}

fn results(
    recorder: &ExactRecorder,
    index: usize,
    run: &mut LiveRun,
    target: u64,
    threads: usize,
) -> Result<DynamicsOutcome, Failure> {
    let statistics = run.from_start(target, threads);
    let first_is_left = {
        let totals = statistics.totals();
        let left = totals.trajectories().and_then(|all| all.first());
        left.is_some_and(|(trajectory, _)| *trajectory == 0)
    };
    let measured = Measurements {
        statistics,
        weights: first_is_left.then(|| rows_first(&run.weights_of_first())),
        weights_then: Vec::new(),
        inert: None,
    };
    let mut finished = recorder.finish(index, &measured, run.seconds())?;
    finished.series = run.series(recorder.labels()[index]);
    Ok(finished)
}

/// That it is a live run, and what was changed on the way.
fn warnings(session: &Session) -> Vec<String> {
    let time = session.time();
    let mut words = vec![format!(
        "a live run that was not finished, as it was at t = {time}: statistics at each time are over the trajectories \
         that were left then, and times are those at which it was looked at"
    )];
    let marks = session.marks();
    let untold = marks.len().saturating_sub(MOST_TOLD);
    if untold > 0 {
        words.push(format!("the first {untold} changes are not listed"));
    }
    let several = session.runs() > 1;
    words.extend(marks[untold..].iter().map(|mark| {
        let which = match (several, mark.run) {
            (false, _) => "",
            (true, 0) => "the first run: ",
            (true, _) => "the second run: ",
        };
        format!("changed at t = {}: {which}{}", mark.time, mark.words)
    }));
    words
}
