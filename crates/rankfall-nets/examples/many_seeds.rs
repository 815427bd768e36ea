//! How long an ensemble of small networks takes: two-layer ReLU teacher and student, 2-20-1 on 15
//! rows, batch 1, no measurements on the way. `many_seeds SEEDS STEPS` prints seconds.

use std::error::Error;
use std::time::Instant;

use rankfall_core::ensemble::Unattended;
use rankfall_core::model::dynamics::Sampling;
use rankfall_core::model::optimizer::Optimizer;
use rankfall_core::simd::instructions::Instructions;
use rankfall_nets::activation::Activation;
use rankfall_nets::ensemble::{DataSource, TrainingEnsemble};
use rankfall_nets::initialisation::{Law, WeightInitialisation};
use rankfall_nets::layout::MeasureSpec;
use rankfall_nets::loss::Loss;
use rankfall_nets::network::{Architecture, NetworkSpec};
use rankfall_nets::noise::Noise;
use rankfall_nets::scalar::Precision;
use rankfall_nets::schedule::RateSchedule;
use rankfall_nets::teacher::{InputLaw, TeacherSpec};
use rankfall_nets::training::TrainingSpec;

fn network(layers: &[usize]) -> NetworkSpec {
    NetworkSpec {
        layers: layers.to_vec(),
        activation: Activation::Relu,
        bias: false,
        kind: Architecture::Dense,
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut number = || -> Result<u64, Box<dyn Error>> {
        Ok(arguments
            .next()
            .ok_or("usage: many_seeds SEEDS STEPS")?
            .parse()?)
    };
    let (seeds, steps) = (number()?, number()?);
    let teacher = TeacherSpec {
        samples: 15,
        held_out: 0,
        inputs: InputLaw::Sphere,
        teacher: network(&[2, 3, 1]),
        weights: WeightInitialisation::Layers {
            weights: vec![Law::Gaussian(1.0), Law::Signs(1.0)],
            biases: vec![],
        },
        unit_norm: true,
        relevant_inputs: None,
        residual_noise: 0.0,
        observed: None,
    };
    let training = TrainingSpec {
        network: network(&[2, 20, 1]),
        initialisation: WeightInitialisation::Layers {
            weights: vec![Law::Gaussian(0.5), Law::Constant(0.0)],
            biases: vec![],
        },
        loss: Loss::Squared,
        optimizer: Optimizer::default(),
        step_size: 0.05,
        schedule: RateSchedule::default(),
        steps,
        windows: Vec::new(),
        masked: false,
        adam: None,
        noise: vec![Noise::MiniBatch {
            batch_size: 1,
            sampling: Sampling::WithReplacement,
        }],
        precision: Precision::F64,
        seed: 1,
        stream: 0,
    };
    let spec = TrainingEnsemble {
        measure: MeasureSpec::at(vec![0, steps]),
        training,
        trajectories: seeds,
        each_start: true,
        keep_trajectories: false,
        weights: Default::default(),
    };
    let source: DataSource<f64> = DataSource::Teacher {
        spec: teacher,
        each: false,
    };
    let threads = std::thread::available_parallelism()?.get();
    let clock = Instant::now();
    let outcome = spec.run(&source, threads, None, &Unattended, Instructions::best())?;
    assert_eq!(outcome.statistics.totals().survivors(), seeds);
    println!("{:e}", clock.elapsed().as_secs_f64());
    Ok(())
}
