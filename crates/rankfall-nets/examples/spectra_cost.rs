//! What measuring costs beside training: 784-256-10, batch 64, all spectra every 100 steps, in both
//! precisions. Prints seconds per 100 steps without and with them.

use std::error::Error;
use std::time::Instant;

use rankfall_core::ensemble::Unattended;
use rankfall_core::model::dynamics::Sampling;
use rankfall_core::model::optimizer::Optimizer;
use rankfall_core::random::{Purpose, StreamKey};
use rankfall_core::simd::instructions::Instructions;
use rankfall_nets::activation::Activation;
use rankfall_nets::data::{Dataset, Targets};
use rankfall_nets::ensemble::{DataSource, Trained, TrainingEnsemble};
use rankfall_nets::initialisation::WeightInitialisation;
use rankfall_nets::layout::MeasureSpec;
use rankfall_nets::loss::Loss;
use rankfall_nets::network::{Architecture, NetworkSpec};
use rankfall_nets::noise::Noise;
use rankfall_nets::scalar::Precision;
use rankfall_nets::schedule::RateSchedule;
use rankfall_nets::training::TrainingSpec;

const STEPS: u64 = 1000;

fn main() -> Result<(), Box<dyn Error>> {
    measure::<f32>(Precision::F32)?;
    measure::<f64>(Precision::F64)
}

fn measure<T: Trained>(precision: Precision) -> Result<(), Box<dyn Error>> {
    let mut reader = StreamKey::new(1, Purpose::Inputs, 0).reader(0, 0);
    let x = (0..640 * 784).map(|_| T::of(reader.normal())).collect();
    let classes = (0..640).map(|_| reader.below(10) as u32).collect();
    let source = DataSource::Shared {
        train: Dataset::new(784, x, Targets::Classes(classes))?,
        held_out: None,
    };
    let training = TrainingSpec {
        network: NetworkSpec {
            layers: vec![784, 256, 10],
            activation: Activation::Relu,
            bias: true,
            kind: Architecture::Dense,
        },
        initialisation: WeightInitialisation::He,
        loss: Loss::SoftmaxCrossEntropy,
        optimizer: Optimizer::default(),
        step_size: 0.01,
        schedule: RateSchedule::default(),
        steps: STEPS,
        windows: Vec::new(),
        masked: false,
        adam: None,
        noise: vec![Noise::MiniBatch {
            batch_size: 64,
            sampling: Sampling::Epochs,
        }],
        precision,
        seed: 1,
        stream: 0,
    };
    let mut seconds = [f64::INFINITY; 2];
    for _ in 0..5 {
        for (place, every) in [STEPS, 100].into_iter().enumerate() {
            let mut measure = MeasureSpec::at((0..=STEPS / every).map(|s| s * every).collect());
            measure.losses_every = u64::MAX;
            let spec = TrainingEnsemble {
                measure,
                training: training.clone(),
                trajectories: 1,
                each_start: false,
                keep_trajectories: false,
                weights: Default::default(),
            };
            let clock = Instant::now();
            spec.run(&source, 1, None, &Unattended, Instructions::best())?;
            let share = clock.elapsed().as_secs_f64() * 100.0 / STEPS as f64;
            seconds[place] = seconds[place].min(share);
        }
    }
    // Both runs measure at the start and the end; the second ten times more in ten parts.
    let cost = (seconds[1] - seconds[0]) / 9.0 * 10.0;
    println!(
        "{precision:?}: 100 steps {:.1} ms, spectra of both layers {:.1} ms: {:.1} %",
        1e3 * (seconds[0] - cost / 5.0),
        1e3 * cost,
        100.0 * cost / (seconds[0] - cost / 5.0)
    );
    Ok(())
}
