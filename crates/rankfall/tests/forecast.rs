//! What `rankfall predict` says, against runs of the same experiments.

use rankfall::experiment::Experiment;
use rankfall::forecast::settings::RankSetting;
use rankfall::forecast::{Forecast, figure, forecast};
use rankfall::sweep::metrics::Metric;
use std::path::Path;

const SETTING: &str = "
name = \"forecast\"
[data]
kind = \"gaussian\"
samples = 1000
inputs = 5
outputs = 2
[network]
width = 10
[[dynamics]]
label = \"flow\"
kind = \"stochastic-gradient-flow\"
step_size = 0.005
label_noise = 2.0
time_step = 0.01
[run]
seed = 3
time = 1000
trajectories = 32
save = { points = 500 }
";

fn read(sets: &[&str]) -> Experiment {
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    Experiment::from_toml(SETTING, "test", Path::new(""), &sets).unwrap()
}

fn predicted(experiment: &Experiment) -> Forecast {
    forecast(experiment.exact().unwrap()).unwrap()
}

/// Of the first dynamics, at the end.
fn rank_of_w1(experiment: &Experiment) -> usize {
    let forecast = predicted(experiment);
    let mut matrices = forecast.dynamics[0].matrices.iter();
    matrices.find(|m| m.name == "w1").unwrap().rank_at_end
}

/// Singular values of W₁ die when a run says that they do, within the relative error that is
/// stated.
#[test]
fn singular_values_die_when_they_are_predicted_to() {
    let experiment = read(&[]);
    let forecast = predicted(&experiment);
    let one = &forecast.dynamics[0];
    let w1 = one.matrices.iter().find(|m| m.name == "w1").unwrap();
    assert_eq!((w1.survivors, w1.falls.len()), (2, 3));
    let stated = one.error_order.unwrap();
    assert!(stated < 0.15, "{stated}");
    let run = experiment.run().unwrap();
    let flow = run.dynamics("flow").unwrap();
    let curve = |index: u32| flow.log_singular_value("w1", index).unwrap();
    let times = &curve(1).times;
    for fall in &w1.falls {
        let (values, first) = (&curve(fall.index as u32).mean, &curve(1).mean);
        let below = |save: usize| values[save].unwrap() - first[save].unwrap() < (1e-3_f64).ln();
        let measured = (0..times.len())
            .find(|&save| below(save))
            .map(|save| times[save]);
        let measured = measured.expect("it falls within the run");
        let off = (measured / fall.time - 1.0).abs();
        assert!(
            off < stated + 2.0 / measured,
            "σ{}: {measured} for {}",
            fall.index,
            fall.time
        );
        assert!((fall.steps - fall.time / 0.005).abs() < 1e-6 * fall.steps);
        assert!((fall.epochs - fall.steps / 1000.0).abs() < 1e-6 * fall.epochs);
    }
    // A label noise a fifth off is told from it.
    let other = predicted(&read(&["dynamics.0.label_noise=2.5"]));
    let other = other.dynamics[0]
        .matrices
        .iter()
        .find(|m| m.name == "w1")
        .unwrap();
    assert!((other.falls[0].time / w1.falls[0].time - 1.0).abs() > stated);
}

/// With the label noise that is named for a rank, the rank after so many steps is that rank.
#[test]
fn the_label_noise_that_is_named_leaves_the_rank() {
    let experiment = read(&[]);
    let exact = experiment.exact().unwrap();
    let steps = 100_000.0;
    let settings = predicted(&experiment).settings_for_rank(&exact, 3, steps);
    let noise = settings.iter().find(|s| s.key == "label_noise").unwrap();
    let (from, until) = (noise.from.unwrap(), noise.until.unwrap());
    assert!(from < until);
    let rank = |delta: f64| {
        let sets = [
            format!("dynamics.0.label_noise={delta}"),
            "run.time=500".to_owned(),
        ];
        let sets: Vec<&str> = sets.iter().map(String::as_str).collect();
        rank_of_w1(&read(&sets))
    };
    assert_eq!(
        [
            rank(0.98 * from),
            rank((from * until).sqrt()),
            rank(1.02 * until)
        ],
        [4, 3, 2]
    );
}

/// A step that will diverge is said beforehand, and so is why nothing falls.
#[test]
fn divergence_and_reasons_are_said_beforehand() {
    let wide = predicted(&read(&["network.width=10000"]));
    assert!(
        wide.warnings
            .iter()
            .any(|w| w.contains("will probably diverge")),
        "{:?}",
        wide.warnings
    );
    let quiet = predicted(&read(&["dynamics.0.label_noise=0"]));
    assert!(
        quiet.dynamics[0]
            .reason
            .as_ref()
            .unwrap()
            .contains("label noise")
    );
    let low = predicted(&read(&["data.teacher_rank=1", "data.residual_noise=0"]));
    let reason = low.dynamics[0].reason.as_ref().unwrap();
    assert!(reason.contains("rank 1"), "{reason}");
}

/// The picture has the tolerance and every curve; without a fall there is none, and it says so.
#[test]
fn the_falls_are_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let forecast = predicted(&read(&[]));
    for name in ["falls.svg", "falls.png"] {
        figure::write(&forecast, &folder.path().join(name)).unwrap();
        assert!(folder.path().join(name).metadata().unwrap().len() > 4000);
    }
    let svg = std::fs::read_to_string(folder.path().join("falls.svg")).unwrap();
    assert!(
        svg.contains("W₁, ν = 0.01") && svg.contains("flow") && svg.contains("time t"),
        "{svg}"
    );
    let elsewhere = figure::write(&forecast, &folder.path().join("falls.jpg"));
    assert!(elsewhere.unwrap_err().to_string().contains(".svg"));
    let level = predicted(&read(&["dynamics.0.label_noise=0"]));
    let nothing = figure::write(&level, &folder.path().join("level.svg"));
    assert!(nothing.unwrap_err().to_string().contains("nothing to draw"));
    assert!(!folder.path().join("level.svg").exists());
}

/// Beside every singular value of every matrix stands what is predicted, of layers too.
#[test]
fn every_singular_value_has_its_prediction() {
    let run = read(&["run.time=20", "run.trajectories=4"]).run().unwrap();
    let flow = run.dynamics("flow").unwrap();
    for (matrix, count) in [("theta", 7), ("w1", 5), ("w2", 2), ("product", 2)] {
        for index in 1..=count {
            let curve = flow.log_singular_value(matrix, index).unwrap();
            assert!(curve.law.iter().all(Option::is_some), "{matrix} {index}");
            // Both start from the same weights.
            let off = curve.mean[0].unwrap() - curve.law[0].unwrap();
            assert!(off.abs() < 1e-12, "{matrix} {index}: {off}");
        }
    }
}

const ROWS: &str = "
name = \"rows\"
[data]
kind = \"gaussian\"
samples = 200
inputs = 3
outputs = 2
residual_noise = 1.0
[network]
width = 6
init = { kind = \"gaussian\", scale = 0.7 }
[[dynamics]]
label = \"rows\"
kind = \"sgd\"
step_size = 0.0025
batch_size = 1
[[dynamics]]
label = \"both\"
kind = \"sgd\"
step_size = 0.0025
batch_size = 1
label_noise = 0.5
[run]
seed = 3
time = 200
trajectories = 16
save = { points = 4 }
";

fn rows(sets: &[&str]) -> Experiment {
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    Experiment::from_toml(ROWS, "test", Path::new(""), &sets).unwrap()
}

/// Beside SGD on rows that leave residuals a run has the slow flow of their noise, with label noise
/// and without; a forecast has the same numbers.
#[test]
fn the_noise_of_rows_is_in_what_is_predicted() {
    let experiment = rows(&[]);
    let run = experiment.run().unwrap();
    let forecast = predicted(&experiment);
    let mut falls = Vec::new();
    for (label, of_forecast) in ["rows", "both"].into_iter().zip(&forecast.dynamics) {
        let curve = run
            .dynamics(label)
            .unwrap()
            .log_singular_value("theta", 4)
            .unwrap();
        let ends = |values: &[Option<f64>]| [values[0].unwrap(), values[values.len() - 1].unwrap()];
        let ([start, mean], [_, law]) = (ends(&curve.mean), ends(&curve.law));
        println!("{label}: from {start} to {mean}, predicted {law}");
        assert!(
            (mean - law).abs() < 0.05 * (start - law),
            "{label}: {mean} {law} from {start}"
        );
        falls.push(start - law);
        let of_theta = &of_forecast.matrices[0].log_singular_values;
        assert!((of_theta[3] - law).abs() < 1e-4, "{of_theta:?} {law}");
    }
    assert!(falls[0] > 1.5 && falls[1] > 1.3 * falls[0], "{falls:?}");
}

/// Under the noise of rows alone, singular values of W₁ die when a forecast says so, and the step
/// size that it names for a rank leaves that rank.
#[test]
fn the_noise_of_rows_kills_when_it_is_predicted_to() {
    let shared = rows(&["run.time=4000", "run.trajectories=4", "run.save.points=800"]);
    let forecast = predicted(&shared);
    let one = &forecast.dynamics[0];
    assert_eq!(one.noise_intensity, 0.0);
    let w1 = one.matrices.iter().find(|m| m.name == "w1").unwrap();
    assert_eq!((w1.survivors, w1.falls.len()), (2, 1), "{w1:?}");
    let death = w1.falls[0].time;
    let run = shared.run().unwrap();
    let curve = |index| {
        run.dynamics("rows")
            .unwrap()
            .log_singular_value("w1", index)
            .unwrap()
    };
    let (third, first) = (curve(3), curve(1));
    let below =
        |save: &usize| third.mean[*save].unwrap() - first.mean[*save].unwrap() < (1e-3_f64).ln();
    let measured = (0..third.times.len())
        .find(below)
        .map(|save| third.times[save]);
    let measured = measured.expect("it dies within the run");
    println!(
        "dies at t = {measured}, predicted {death}, stated {:?}",
        one.error_order
    );
    assert!((measured / death - 1.0).abs() < one.error_order.unwrap());
    let exact = shared.exact().unwrap();
    let steps = 400_000.0;
    let settings = forecast.settings_for_rank(&exact, 2, steps);
    let of = |key: &str| {
        settings
            .iter()
            .find(|s| s.label == "rows" && s.key == key)
            .unwrap()
    };
    assert!(of("label_noise").reason.as_ref().unwrap().contains("rows"));
    let rank = |key: &str, value: f64| {
        let eta = if key == "step_size" { value } else { 0.0025 };
        let sets = [
            format!("dynamics.0.{key}={value}"),
            format!("run.time={}", eta * steps),
        ];
        let sets: Vec<&str> = sets.iter().map(String::as_str).collect();
        rank_of_w1(&rows(&sets))
    };
    let from = of("step_size").from.unwrap();
    // Without replacement noise falls faster than 1/b.
    let without = [
        "dynamics.0.sampling=without-replacement",
        "dynamics.0.batch_size=20",
    ];
    let alone = rows(&without);
    let settings = predicted(&alone).settings_for_rank(&alone.exact().unwrap(), 2, 7e7);
    let batch = |s: &&RankSetting| s.label == "rows" && s.key == "batch_size";
    let until = settings.iter().find(batch).unwrap().until.unwrap();
    let rank_of_batch = |b: f64| {
        let sets = [
            without[0].to_owned(),
            format!("dynamics.0.batch_size={b}"),
            "run.time=175000".to_owned(),
        ];
        let sets: Vec<&str> = sets.iter().map(String::as_str).collect();
        rank_of_w1(&rows(&sets))
    };
    println!("up to {until} rows a batch");
    assert_eq!(
        [
            rank_of_batch(until.floor()),
            rank_of_batch(until.floor() + 1.0)
        ],
        [2, 3]
    );
    assert_eq!(
        [
            rank("step_size", 0.97 * from),
            rank("step_size", 1.03 * from)
        ],
        [3, 2]
    );
}

#[test]
fn a_sweep_takes_in_its_own_metrics_alone() {
    let read = || read(&["run.time=1", "run.trajectories=2"]);
    let sweep = |axis| read().sweep(&[axis]).unwrap();
    let mut one = sweep("dynamics.0.label_noise=1,2");
    one.absorb(&one.to_bytes().unwrap()).unwrap();
    let other = sweep("dynamics.0.label_noise=1,3").to_bytes().unwrap();
    let refused = one.absorb(&other).unwrap_err().to_string();
    assert!(refused.contains("another sweep: "), "{refused}");
}

/// Beside ranks and losses of a sweep stands the slow flow, of rows with residuals as well; a label
/// noise that is another has another prediction.
#[test]
fn numbers_of_a_sweep_have_their_predictions() {
    let sets = [
        "run.time=200",
        "run.trajectories=32",
        "dynamics.0.step_size=0.0025",
    ];
    let of_labels = read(&sets).sweep(&["dynamics.0.label_noise=1,2"]).unwrap();
    let of_rows = rows(&[]).sweep(&["dynamics.0.label_noise=0,0.5"]).unwrap();
    for (sweep, apart) in [(of_labels, 0.1), (of_rows, 0.05)] {
        let mut found = Vec::new();
        for (point, dynamics, row) in sweep.metrics() {
            let of = |metric| row.metric == metric && dynamics == 0;
            if of(Metric::EffectiveRankTheta) {
                let (value, predicted) = (row.value.unwrap(), row.prediction.unwrap());
                println!(
                    "{point}: {value} ± {:?}, predicted {predicted}",
                    row.std_error
                );
                found.push((value, predicted));
            } else if of(Metric::ExcessLoss)
                || of(Metric::NumericalRankW1)
                || of(Metric::DecayRateW1)
            {
                assert!(row.prediction.is_some(), "{row:?}");
            }
        }
        let [(first, of_first), (second, of_second)] = found[..] else {
            panic!("{found:?}");
        };
        // What noise takes from the rank, a tenth of it at most off.
        assert!((first - of_first).abs() < apart && (second - of_second).abs() < apart);
        assert!(of_first - of_second > 3.0 * apart, "{found:?}");
    }
}
