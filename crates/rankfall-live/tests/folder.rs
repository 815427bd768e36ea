//! The run of a session so far as a run folder: its numbers against those of the run, and that it
//! is read and drawn like any other.

use rankfall::prelude::*;
use rankfall::run;
use rankfall::run_folder::{read_series, read_summary};
use rankfall_live::folder;
use rankfall_live::protocol::Settings;
use rankfall_live::scenario::Scenario;
use rankfall_live::session::Session;
use std::fs;
use std::io::{Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

fn experiment() -> Experiment {
    Experiment::builder("small")
        .gaussian(200, 3, 2)
        .width(6)
        .dynamics(DynamicsBuilder::stochastic_gradient_flow("SGF").label_noise(2.0))
        .dynamics(DynamicsBuilder::gradient_flow("GF"))
        .time(4.0)
        .trajectories(20)
        .save_points(8)
        .seed(5)
        .build()
        .unwrap()
}

fn session_of(of: usize, beside: bool) -> Session {
    let scenario = Arc::new(Scenario::new(&experiment()).unwrap());
    let first = scenario.motion(of);
    let settings = Settings {
        second: beside.then(|| first.clone()),
        first,
        ..scenario.first_settings()
    };
    Session::new(scenario, &settings, 2).unwrap()
}

/// Goes to `time` in steps of half a unit, and looks at each.
fn go_on(session: &mut Session, time: f64) {
    let far = Instant::now() + Duration::from_secs(3600);
    let from = session.time();
    let steps = ((time - from) / 0.5).round() as u32;
    session.frame(None, false);
    for step in 1..=steps {
        session.advance(from + 0.5 * f64::from(step), far);
        session.frame(None, false);
    }
}

/// The folder as somebody has it who unpacked the archive.
fn unpacked(session: &mut Session) -> TempDir {
    let bytes = folder::zipped(session).unwrap();
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let keep = tempfile::tempdir().unwrap();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).unwrap();
        let name = file
            .name()
            .unwrap()
            .strip_prefix("small-live/")
            .unwrap()
            .to_owned();
        let mut content = Vec::new();
        file.read_to_end(&mut content).unwrap();
        fs::write(keep.path().join(name), content).unwrap();
    }
    keep
}

fn figures(folder: &Path) -> Vec<String> {
    let (drawing, _) = run::redraw(folder).unwrap();
    assert!(drawing.warnings.is_empty(), "{:?}", drawing.warnings);
    drawing.files.into_iter().map(|(name, _)| name).collect()
}

#[test]
fn its_series_have_the_bits_of_the_run_and_its_summary_the_ends() {
    let mut session = session_of(0, false);
    go_on(&mut session, 4.0);
    let keep = unpacked(&mut session);
    let summary = read_summary(keep.path()).unwrap();
    let rows = read_series(keep.path(), summary.schema).unwrap();
    let whole = experiment().run().unwrap();
    let mut compared = 0;
    for expected in whole.rows().filter(|row| row.dynamics == "SGF") {
        let same = |row: &&rankfall_report::record::SeriesRow| {
            (&row.observable, row.layer, row.index)
                == (&expected.observable, expected.layer, expected.index)
                && (row.time - expected.time).abs() < 1e-9
        };
        let row = rows.iter().find(same).unwrap();
        assert_eq!(
            (row.mean, row.std_error, row.q05, row.q95),
            (
                expected.mean,
                expected.std_error,
                expected.q05,
                expected.q95
            ),
            "{expected:?}"
        );
        compared += 1;
    }
    assert!(compared > 100, "{compared}");
    let told = &summary.dynamics[0];
    let run = whole.dynamics("SGF").unwrap();
    let expected = run.summary();
    assert_eq!(told.log_det, expected.log_det);
    assert_eq!((told.trajectories, told.steps), (20, 400));
    assert_eq!(told.matrices, expected.matrices);
    assert!(summary.warnings[0].contains("a live run that was not finished, as it was at t = 4"));
    assert!(figures(keep.path()).contains(&"figures/singular_values_theta.svg".to_owned()));
    // It is the experiment, to where it came.
    let again = Experiment::load(&keep.path().join("experiment.toml"), &[]).unwrap();
    let again = again.run().unwrap();
    let again = again.dynamics("SGF").unwrap();
    assert_eq!(again.summary().log_det, told.log_det);
}

#[test]
fn changes_are_among_its_warnings_and_noise_after_a_start_without_is_many_trajectories() {
    let mut session = session_of(1, true);
    go_on(&mut session, 2.0);
    let scenario = Scenario::new(&experiment()).unwrap();
    let noisy = scenario.motion(0);
    session.change(1, &noisy).unwrap();
    go_on(&mut session, 4.0);
    let keep = unpacked(&mut session);
    let summary = read_summary(keep.path()).unwrap();
    let [quiet, told] = &summary.dynamics[..] else {
        panic!("{:?}", summary.dynamics)
    };
    assert_ne!(quiet.label, told.label);
    assert_eq!((quiet.trajectories, told.trajectories), (1, 20));
    assert!(told.kind == "stochastic-gradient-flow" && told.noise_intensity > 0.0);
    assert!(
        quiet
            .reductions
            .iter()
            .any(|words| words.starts_with("trajectories:"))
    );
    assert!(
        !told
            .reductions
            .iter()
            .any(|words| words.starts_with("trajectories:"))
    );
    let changed = &summary.warnings[1];
    assert!(
        changed.starts_with("changed at t = 2: the second run: "),
        "{changed}"
    );
    let rows = read_series(keep.path(), summary.schema).unwrap();
    let fall = |label: &str| {
        let of = rows
            .iter()
            .filter(|row| row.dynamics == label && row.observable == "log_det");
        let means: Vec<f64> = of.map(|row| row.mean.unwrap()).collect();
        means[means.len() - 1] - means[0]
    };
    assert!(fall(&quiet.label).abs() < 1e-3 && fall(&told.label) < -0.1);
    assert!(!figures(keep.path()).is_empty());
}

#[test]
fn there_is_none_before_anything_is_simulated_and_a_long_run_has_a_bounded_number_of_looks() {
    let mut session = session_of(0, false);
    session.frame(None, false);
    let refused = folder::files(&mut session).unwrap_err();
    assert!(
        refused.message.contains("nothing has been simulated"),
        "{refused}"
    );
    go_on(&mut session, 400.0);
    let keep = unpacked(&mut session);
    let rows = read_series(keep.path(), 2).unwrap();
    let times: Vec<f64> = (rows.iter())
        .filter(|row| row.observable == "log_det")
        .map(|row| row.time)
        .collect();
    assert!(
        times.is_sorted() && (100..=256).contains(&times.len()),
        "{}",
        times.len()
    );
    assert_eq!((times[0], times[times.len() - 1]), (0.0, 400.0));
    let widest = times
        .windows(2)
        .map(|pair| pair[1] - pair[0])
        .fold(0.0, f64::max);
    assert!(widest < 10.0, "{widest}");
}
