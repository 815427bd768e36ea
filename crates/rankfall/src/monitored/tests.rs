use super::*;
use crate::run;

fn head() -> String {
    let layer = LayerHead {
        name: "fc.weight".into(),
        shape: vec![2, 2],
        dtype: "float32".into(),
        matrix: "as stored".into(),
        tolerance: 2.0 * f64::from(f32::EPSILON),
        kept: vec![1, 2],
        values: 2,
    };
    let head = LogLine::Head(Head {
        schema: LOG_SCHEMA,
        name: "mine".into(),
        model: "Net".into(),
        parameters: 4,
        every: 10,
        layers: vec![layer],
        ..Head::default()
    });
    serde_json::to_string(&head).unwrap()
}

fn measurement(step: u64, smallest: f64) -> String {
    let layer = LayerLine {
        layer: 1,
        log_singular_values: vec![Some(0.0), Some(smallest)],
        numerical_rank: 2,
        effective_rank: Some(1.5),
        ..LayerLine::default()
    };
    let one = LogLine::Measurement(StepMeasurement {
        step,
        loss: Some(0.5),
        layers: vec![layer],
        ..StepMeasurement::default()
    });
    serde_json::to_string(&one).unwrap()
}

fn log() -> String {
    [head(), measurement(0, -1.0), measurement(10, -2.0)].join("\n") + "\n"
}

#[test]
fn a_log_becomes_series_and_summary() {
    let record = MonitorRecord::read(&log()).unwrap();
    let rows = record.rows();
    let smallest: Vec<(f64, Option<f64>)> = rows
        .iter()
        .filter(|r| r.observable == "log_singular_value" && r.index == 2)
        .map(|r| (r.time, r.mean))
        .collect();
    assert_eq!(smallest, [(0.0, Some(-1.0)), (10.0, Some(-2.0))]);
    let summary = record.summary();
    let matrix = &summary.dynamics[0].matrices[0];
    assert_eq!(matrix.called.as_deref(), Some("fc.weight"));
    assert_eq!(matrix.numerical_rank.rank.final_mean, Some(2.0));
    let monitor = summary.monitor.unwrap();
    assert_eq!((monitor.measurements, monitor.measured), (2, vec![2]));
    assert!(summary.warnings[0].contains("not closed"));
}

#[test]
fn a_line_that_was_cut_is_left_out_and_others_are_errors() {
    let whole = log();
    let cut = MonitorRecord::read(&whole[..whole.len() - 20]).unwrap();
    assert_eq!(cut.measurements.len(), 1);
    let broken = whole.replacen("\"measurement\"", "\"what\"", 1);
    assert!(
        MonitorRecord::read(&broken)
            .unwrap_err()
            .message
            .contains("line 2")
    );
    assert!(MonitorRecord::read("").is_err());
    assert!(MonitorRecord::read(&whole.replace("\"schema\":1", "\"schema\":9")).is_err());
}

#[test]
fn what_is_not_finite_is_said_with_its_step() {
    let diverged = StepMeasurement {
        step: 20,
        diverged: Some("3 numbers of fc.weight are NaN or infinite".into()),
        ..StepMeasurement::default()
    };
    let line = serde_json::to_string(&LogLine::Measurement(diverged)).unwrap();
    let summary = MonitorRecord::read(&(log() + &line + "\n"))
        .unwrap()
        .summary();
    assert_eq!(summary.dynamics[0].divergences[0].step, 20);
    assert!(
        summary
            .warnings
            .iter()
            .any(|w| w.contains("fc.weight") && w.contains("20"))
    );
}

/// Whoever draws the folder of a process that was ended makes a finished run of it.
#[test]
fn a_folder_that_was_left_is_finished_by_drawing_it() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("mine");
    let mut folder = MonitorFolder::create(&path, false).unwrap();
    for line in log().lines() {
        folder.append(line).unwrap();
    }
    let living = run::redraw(&path).unwrap_err();
    assert!(living.message.contains("another run"), "{}", living.message);
    drop(folder);
    assert!(is_open(&path));
    let (drawing, _) = run::redraw(&path).unwrap();
    assert!(drawing.warnings.is_empty(), "{:?}", drawing.warnings);
    assert!(!is_open(&path));
    let summary = run_folder::read_summary(&path).unwrap();
    assert_eq!(
        run_folder::read_series(&path, summary.schema)
            .unwrap()
            .len(),
        2 * 9
    );
    // A second time it is a run like others, and a new one is refused its place.
    run::redraw(&path).unwrap();
    assert!(MonitorFolder::create(&path, false).is_err());
    assert!(MonitorFolder::create(&path, true).is_ok());
}
