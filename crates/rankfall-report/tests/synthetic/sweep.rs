//! Made-up sweeps and rates, for pictures and tests.

use rankfall_report::figures::rates::RatesCase;
use rankfall_report::sweep::{SweepAxis, SweepMetric, SweepTable};
use rankfall_report::{SweepPart, SweepReport};

/// The plane of step sizes and label noise; the largest steps diverge.
pub fn report() -> SweepReport {
    SweepReport {
        experiment: "SYNTHETIC SWEEP (not a simulation)".into(),
        seed: 1,
        version: "0.1.0".into(),
        problem: "made up for this picture: n = 1000, p = 5, k = 2, l = 10".into(),
        command: "cargo run -p rankfall-report --example gallery -- FOLDER".into(),
        experiment_toml: "name = \"synthetic\"\n".into(),
        warnings: vec!["These numbers were made up to try the figures.".into()],
        parts: vec![
            part("label-noise gradient descent", plane(16, 16)),
            part("a small grid", plane(6, 4)),
            part("one setting", line(16)),
        ],
    }
}

fn part(dynamics: &str, table: SweepTable) -> SweepPart {
    SweepPart {
        dynamics: dynamics.into(),
        table,
    }
}

fn spaced(count: usize, low: f64, high: f64) -> Vec<f64> {
    let share = |i: usize| i as f64 / (count.max(2) - 1) as f64;
    (0..count)
        .map(|i| low * (high / low).powf(share(i)))
        .collect()
}

fn step_sizes(count: usize) -> SweepAxis {
    SweepAxis {
        name: "dynamics.0.step_size".into(),
        label: "step size η".into(),
        values: spaced(count, 1e-4, 1e-1),
        log: true,
    }
}

/// Step size by label noise.
pub fn plane(steps: usize, noises: usize) -> SweepTable {
    let noise = SweepAxis {
        name: "dynamics.0.label_noise".into(),
        label: "label noise δ".into(),
        values: spaced(noises, 0.05, 20.0),
        log: true,
    };
    table(vec![step_sizes(steps), noise])
}

/// Step size alone.
pub fn line(steps: usize) -> SweepTable {
    table(vec![step_sizes(steps)])
}

fn table(axes: Vec<SweepAxis>) -> SweepTable {
    let mut table = SweepTable {
        axes,
        metrics: vec![],
        seeds: None,
        notes: Vec::new(),
    };
    let settings: Vec<(f64, f64)> = (0..table.points())
        .filter_map(|at| table.setting(at))
        .map(|s| (s[0], s.get(1).copied().unwrap_or(1.0)))
        .collect();
    let metric = |name: &str, label: &str, log: bool, value: &dyn Fn(f64, f64) -> Option<f64>| {
        let values = settings.iter().map(|(eta, delta)| value(*eta, *delta));
        SweepMetric {
            name: name.into(),
            label: label.into(),
            log,
            values: values.collect(),
            std_error: vec![],
            prediction: None,
        }
    };
    let stable = |eta: f64, delta: f64| eta * (1.0 + 0.1 * delta) < 0.06;
    let fallen = |eta: f64, delta: f64| 1.0 - (-8.0 * eta * delta.sqrt() / 0.05).exp();
    let slope = |eta: f64, delta: f64| -0.02 * eta * delta * 50.0;
    let effective = metric(
        "effective_rank",
        "effective rank of W₁",
        false,
        &|e, d| stable(e, d).then(|| 4.8 - 2.8 * fallen(e, d)),
    );
    let surviving = metric("surviving", "surviving singular values", false, &|e, d| {
        stable(e, d).then(|| (7.0 - 5.0 * fallen(e, d)).round())
    });
    let mut slopes = metric("log_det_slope", "slope of log det M", false, &|e, d| {
        stable(e, d).then(|| slope(e, d) * (1.0 + 9.0 * e))
    });
    slopes.prediction = Some(settings.iter().map(|(e, d)| Some(slope(*e, *d))).collect());
    let loss = metric("excess_loss", "excess loss", true, &|e, d| {
        stable(e, d).then_some(0.3 * e * d + 1e-6)
    });
    let diverged = metric("diverged", "fraction diverged", false, &|e, d| {
        Some((30.0 * (e * (1.0 + 0.1 * d) - 0.045)).clamp(0.0, 1.0))
    });
    table.metrics = vec![effective, surviving, slopes, loss, diverged];
    table
}

/// Six networks.
pub fn rates() -> Vec<RatesCase> {
    let case = |title: &str, predicted: &[f64], error: f64| {
        let wobble = |i: usize| error * [0.4, -0.7, 0.1, 0.9, -0.2, -0.5, 0.3][i % 7];
        let measured: Vec<f64> = predicted
            .iter()
            .enumerate()
            .map(|(i, v)| v + wobble(i))
            .collect();
        RatesCase {
            title: format!("{title} (synthetic)"),
            predicted: predicted.to_vec(),
            low: measured.iter().map(|v| v - error).collect(),
            high: measured.iter().map(|v| v + error).collect(),
            measured,
        }
    };
    vec![
        case(
            "p = 5, k = 2",
            &[0.0, 0.0, -0.0183, -0.0207, -0.0222, -0.0681, -0.0689],
            2e-3,
        ),
        case(
            "p = 2, k = 4",
            &[0.0, 0.0, -0.00263, -0.00263, -0.00517, -0.01058],
            3e-4,
        ),
        case(
            "p = 4, k = 3",
            &[0.0, 0.0, 0.0, -0.00143, -0.00711, -0.00958, -0.01262],
            4e-4,
        ),
        case(
            "p = 4, k = 1",
            &[0.0, -0.00298, -0.00536, -0.00894, -0.02372],
            6e-4,
        ),
        case(
            "p = 5, k = 5, rank 1",
            &[0.0, 0.0, -0.01, -0.03, -0.05, -0.05, -0.07],
            3e-3,
        ),
    ]
}
