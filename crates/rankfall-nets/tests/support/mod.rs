//! Small runs for the tests of this crate.
#![allow(dead_code)] // each test file uses a part

use rankfall_core::random::{Purpose, StreamKey};
use rankfall_nets::activation::Activation;
use rankfall_nets::data::{Dataset, Targets};
use rankfall_nets::ensemble::{DataSource, TrainingEnsemble, TrainingOutcome};
use rankfall_nets::initialisation::WeightInitialisation;
use rankfall_nets::layout::MeasureSpec;
use rankfall_nets::network::NetworkSpec;
use rankfall_nets::noise::Noise;
use rankfall_nets::scalar::Real;
use rankfall_nets::training::TrainingSpec;

pub fn network(layers: &[usize], activation: Activation, bias: bool) -> NetworkSpec {
    NetworkSpec::dense(layers, activation, bias)
}

pub fn training(
    network: NetworkSpec,
    noise: Vec<Noise>,
    step_size: f64,
    steps: u64,
) -> TrainingSpec {
    let start = WeightInitialisation::Gaussian { scale: 0.6 };
    TrainingSpec {
        noise,
        seed: 11,
        ..TrainingSpec::plain(network, start, step_size, steps)
    }
}

/// Rows with a noisy linear teacher.
pub fn regression(rows: usize, inputs: usize, outputs: usize) -> Dataset<f64> {
    let mut reader = StreamKey::new(4, Purpose::Inputs, 0).reader(0, 0);
    let x: Vec<f64> = (0..rows * inputs).map(|_| reader.normal()).collect();
    let teacher: Vec<f64> = (0..inputs * outputs).map(|_| reader.normal()).collect();
    let mut y = Vec::new();
    for row in x.chunks_exact(inputs) {
        for b in 0..outputs {
            let fit: f64 = row
                .iter()
                .enumerate()
                .map(|(a, v)| v * teacher[a * outputs + b])
                .sum();
            y.push(fit + 0.1 * reader.normal());
        }
    }
    let targets = Targets::Values {
        columns: outputs,
        values: y,
    };
    Dataset::new(inputs, x, targets).expect("sound")
}

/// Rows of classes that depend on the inputs.
pub fn classes(rows: usize, inputs: usize, classes: u32) -> Dataset<f64> {
    let mut reader = StreamKey::new(5, Purpose::Inputs, 0).reader(0, 0);
    let x: Vec<f64> = (0..rows * inputs).map(|_| reader.normal()).collect();
    let class = |row: &[f64]| ((row[0] + row[1]) * 1.5 + 9.0) as u32 % classes;
    let labels = x.chunks_exact(inputs).map(class).collect();
    Dataset::new(inputs, x, Targets::Classes(labels)).expect("sound")
}

pub fn shared<T: Real>(train: Dataset<T>) -> DataSource<T> {
    DataSource::Shared {
        train,
        held_out: None,
    }
}

pub fn ensemble(training: TrainingSpec, trajectories: u64, saves: u64) -> TrainingEnsemble {
    let steps = training.steps;
    TrainingEnsemble {
        measure: MeasureSpec::at((0..=saves).map(|s| s * steps / saves).collect()),
        training,
        trajectories,
        each_start: false,
        keep_trajectories: true,
        weights: Default::default(),
    }
}

/// Every kept measurement as bits, trajectory by trajectory, and the final weights.
pub fn bits<T: Real>(outcome: &TrainingOutcome<T>) -> (Vec<Vec<u64>>, Vec<u64>) {
    let totals = outcome.statistics.totals();
    let kept = totals.trajectories().expect("kept");
    let values = kept
        .iter()
        .map(|(_, v)| v.iter().map(|x| x.to_bits()).collect())
        .collect();
    let parameters = outcome.final_parameters.iter().flatten();
    (values, parameters.map(|p| p.to_f64().to_bits()).collect())
}

/// One measurement of every trajectory.
pub fn values<T: Real>(
    outcome: &TrainingOutcome<T>,
    save: usize,
    name: &str,
    index: u32,
) -> Vec<f64> {
    let size = outcome.layout.observables.len();
    let place = outcome.layout.position(name, index).expect("measured");
    let totals = outcome.statistics.totals();
    let kept = totals.trajectories().expect("kept");
    kept.iter().map(|(_, v)| v[save * size + place]).collect()
}

pub fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let square: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
    (mean, (square / (n - 1.0) / n).sqrt())
}
