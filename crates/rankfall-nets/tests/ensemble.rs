//! Ensembles: the same bits for any number of threads, stopped and resumed or not; what is refused.

mod support;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rankfall_core::ensemble::{Control, EnsembleCheckpoint, RunError, Unattended};
use rankfall_core::model::dynamics::{LabelNoise, Sampling};
use rankfall_core::model::optimizer::Optimizer;
use rankfall_core::simd::instructions::Instructions;
use rankfall_nets::activation::Activation;
use rankfall_nets::ensemble::{
    DataSource, EnsembleError, Trained, TrainingEnsemble, TrainingOutcome,
};
use rankfall_nets::initialisation::{Law, WeightInitialisation};
use rankfall_nets::layout::MeasureError;
use rankfall_nets::loss::Loss;
use rankfall_nets::noise::Noise;
use rankfall_nets::scalar::Precision;
use rankfall_nets::schedule::{RateSchedule, Shape};
use rankfall_nets::teacher::{InputLaw, TeacherSpec};
use rankfall_nets::training::TrainingError;

use support::{bits, classes, ensemble, network, regression, shared, training, values};

fn run<T: Trained>(
    spec: &TrainingEnsemble,
    source: &DataSource<T>,
    threads: usize,
) -> TrainingOutcome<T> {
    spec.run(source, threads, None, &Unattended, Instructions::best())
        .expect("a sound run")
}

/// Everything at once: all noise, momentum, a schedule, features and the Jacobian.
fn everything() -> (TrainingEnsemble, DataSource<f64>) {
    let noise = vec![
        Noise::MiniBatch {
            batch_size: 5,
            sampling: Sampling::Epochs,
        },
        Noise::LabelFlips {
            probability: 0.1,
            matrix: None,
        },
        Noise::InputNoise { variance: 0.01 },
        Noise::WeightNoise { variance: 1e-4 },
        Noise::Dropout { probability: 0.2 },
        Noise::GradientNoise { temperature: 1e-4 },
    ];
    let mut training = training(
        network(&[4, 8, 6, 3], Activation::Relu, true),
        noise,
        0.05,
        240,
    );
    training.loss = Loss::SoftmaxCrossEntropy;
    training.optimizer = Optimizer {
        momentum: 0.9,
        nesterov: true,
        weight_decay: 1e-3,
    };
    training.schedule = RateSchedule {
        warm_up: 20,
        shape: Shape::Cosine {
            steps: 240,
            last: 0.1,
        },
    };
    let mut spec = ensemble(training, 7, 4);
    spec.each_start = true;
    spec.measure.probe_rows = 9;
    spec.measure.jacobian = true;
    let source = DataSource::Shared {
        train: classes(23, 4, 3),
        held_out: Some(classes(11, 4, 3)),
    };
    (spec, source)
}

/// A deep linear network with label noise, whose law is accumulated.
fn linear() -> (TrainingEnsemble, DataSource<f64>) {
    let noise = vec![Noise::LabelNoise {
        variance: 0.3,
        distribution: LabelNoise::Rademacher,
    }];
    let training = training(
        network(&[3, 6, 3, 2], Activation::Linear, false),
        noise,
        0.02,
        300,
    );
    (ensemble(training, 5, 3), shared(regression(20, 3, 2)))
}

fn teacher_student() -> (TrainingEnsemble, DataSource<f64>) {
    let spec = TeacherSpec {
        samples: 15,
        held_out: 30,
        inputs: InputLaw::Sphere,
        teacher: network(&[2, 3, 1], Activation::Relu, false),
        weights: WeightInitialisation::Layers {
            weights: vec![Law::Gaussian(1.0), Law::Signs(1.0)],
            biases: vec![],
        },
        unit_norm: true,
        relevant_inputs: None,
        residual_noise: 0.1,
        observed: None,
    };
    let noise = vec![Noise::MiniBatch {
        batch_size: 1,
        sampling: Sampling::WithReplacement,
    }];
    let training = training(
        network(&[2, 20, 1], Activation::Relu, false),
        noise,
        0.05,
        400,
    );
    (
        ensemble(training, 6, 2),
        DataSource::Teacher { spec, each: true },
    )
}

#[test]
fn threads_change_no_bit() {
    for (spec, source) in [everything(), linear(), teacher_student()] {
        let one = bits(&run(&spec, &source, 1));
        for threads in [2, 3] {
            assert!(
                one == bits(&run(&spec, &source, threads)),
                "{threads} threads"
            );
        }
        let mut other = spec.clone();
        other.training.seed += 1;
        assert!(one != bits(&run(&other, &source, 1)));
        let distinct = one
            .0
            .iter()
            .collect::<std::collections::BTreeSet<_>>()
            .len();
        assert_eq!(distinct, one.0.len(), "trajectories differ from each other");
    }
}

#[test]
fn instructions_change_no_bit_of_a_small_network() {
    let (spec, source) = everything();
    let of = |instructions| {
        let outcome = spec.run(&source, 1, None, &Unattended, instructions);
        bits(&outcome.expect("a sound run"))
    };
    let best = of(Instructions::best());
    for (name, instructions) in Instructions::available() {
        assert!(best == of(instructions), "{name}");
    }
}

/// Interrupts after some looks, and keeps the checkpoint.
struct Impatient {
    looks: AtomicU64,
    patience: u64,
    kept: Mutex<Option<EnsembleCheckpoint>>,
}

impl Control for Impatient {
    fn interrupted(&self) -> bool {
        self.looks.fetch_add(1, Ordering::SeqCst) >= self.patience
    }
    fn progress(&self, done: u64, total: u64) {
        assert!(done <= total, "{done} of {total}");
    }
    fn checkpoint_interval(&self) -> Duration {
        Duration::from_millis(20)
    }
    fn keep(&self, checkpoint: &EnsembleCheckpoint) -> Result<(), String> {
        *self.kept.lock().expect("no panic") = Some(checkpoint.clone());
        Ok(())
    }
}

/// Ever longer runs are tried until one is not over before it is interrupted.
#[test]
fn stopped_and_resumed_runs_end_with_the_same_bits() {
    for (spec, source) in [everything(), linear(), teacher_student()] {
        let interrupted = (0..8).any(|fourfold| {
            let mut longer = spec.clone();
            longer.training.steps *= 40 << (2 * fourfold);
            longer.training.schedule = RateSchedule::default();
            let steps = longer.training.steps;
            longer.measure.save_steps = vec![0, steps / 3, steps];
            times_interrupted(&longer, &source) > 0
        });
        assert!(interrupted, "never interrupted");
    }
}

/// How often the run was interrupted and resumed; it must end as if it never had been.
fn times_interrupted(spec: &TrainingEnsemble, source: &DataSource<f64>) -> u64 {
    let mut checkpoint: Option<EnsembleCheckpoint> = None;
    let mut interruptions = 0;
    let resumed = loop {
        let control = Impatient {
            looks: AtomicU64::new(0),
            patience: 2 + interruptions % 3,
            kept: Mutex::new(None),
        };
        let threads = 1 + interruptions as usize % 2;
        let resume = checkpoint.as_ref();
        match spec.run(source, threads, resume, &control, Instructions::best()) {
            Ok(outcome) => break outcome,
            Err(error) => assert_eq!(error, RunError::Interrupted),
        }
        checkpoint = control.kept.into_inner().expect("no panic");
        interruptions += 1;
        assert!(checkpoint.is_some());
    };
    assert!(bits(&run(spec, source, 2)) == bits(&resumed));
    interruptions
}

#[test]
fn a_checkpoint_of_another_run_is_refused() {
    let (mut spec, source) = everything();
    spec.training.steps = 1 << 40;
    spec.training.schedule = RateSchedule::default();
    spec.measure.save_steps = vec![0, 1 << 40];
    let control = Impatient {
        looks: AtomicU64::new(0),
        patience: 3,
        kept: Mutex::new(None),
    };
    let error = spec
        .run(&source, 1, None, &control, Instructions::best())
        .err();
    assert_eq!(error, Some(RunError::Interrupted));
    let kept = control.kept.into_inner().expect("no panic").expect("kept");
    let refused = |spec: &TrainingEnsemble| {
        let outcome = spec.run(&source, 1, Some(&kept), &Unattended, Instructions::best());
        assert!(matches!(
            outcome.err(),
            Some(RunError::ForeignCheckpoint(_))
        ));
    };
    let mut more = spec.clone();
    more.trajectories += 1;
    refused(&more);
    let mut wider = spec.clone();
    wider.training.network.layers[1] += 1;
    refused(&wider);
    let single: DataSource<f32> = shared(classes(23, 4, 3).converted());
    let mut precision = spec;
    precision.training.precision = Precision::F32;
    let outcome = precision.run(&single, 1, Some(&kept), &Unattended, Instructions::best());
    assert!(matches!(
        outcome.err(),
        Some(RunError::ForeignCheckpoint(_))
    ));
}

/// A step size far too large: every trajectory is recorded as diverged, none is averaged.
#[test]
fn diverged_trajectories_are_counted() {
    let (mut spec, source) = linear();
    spec.training.step_size = 5.0;
    let outcome = run(&spec, &source, 2);
    let totals = outcome.statistics.totals();
    assert_eq!((totals.survivors(), totals.divergences().count), (0, 5));
    assert!(
        totals
            .divergences()
            .first
            .iter()
            .all(|d| d.step > 0 && d.step < 300)
    );
    assert!(outcome.final_parameters.is_none());
}

/// Without noise one trajectory says it all, unless starts or data differ.
#[test]
fn equal_trajectories_are_run_once() {
    let (mut spec, source) = linear();
    spec.training.noise.clear();
    assert_eq!(run(&spec, &source, 2).trajectories, 1);
    spec.each_start = true;
    assert_eq!(run(&spec, &source, 2).trajectories, 5);
}

#[test]
fn classification_learns_and_times_are_sums_of_rates() {
    let mut training = training(
        network(&[4, 16, 3], Activation::Tanh, true),
        vec![],
        0.5,
        2000,
    );
    training.loss = Loss::SoftmaxCrossEntropy;
    training.schedule.warm_up = 4;
    training.precision = Precision::F32;
    let source: DataSource<f32> = shared(classes(60, 4, 3).converted());
    let outcome = run(&ensemble(training, 1, 2), &source, 1);
    let accuracy = |save| values(&outcome, save, "accuracy", 0)[0];
    assert!(
        accuracy(0) < 0.7 && accuracy(2) > 0.97,
        "{} {}",
        accuracy(0),
        accuracy(2)
    );
    // ½(¼ + ½ + ¾ + 1) + ½ · 996.
    assert_eq!(outcome.times, [0.0, 499.25, 999.25]);
}

#[test]
fn wrong_settings_are_refused_in_words() {
    let message = |change: &dyn Fn(&mut TrainingEnsemble)| {
        let (mut spec, source) = everything();
        change(&mut spec);
        let outcome = spec.run(&source, 1, None, &Unattended, Instructions::best());
        outcome.expect_err("refused").to_string()
    };
    for (change, part) in [
        (
            Box::new(|s: &mut TrainingEnsemble| s.training.network.layers = vec![5, 3])
                as Box<dyn Fn(&mut TrainingEnsemble)>,
            "set layers[0] = 4",
        ),
        (
            Box::new(|s| s.training.network.layers = vec![4, 6, 2]),
            "is of class 2",
        ),
        (
            Box::new(|s| s.training.step_size = f64::NAN),
            "step_size = NaN",
        ),
        (
            Box::new(|s| s.training.steps = 500),
            "the cosine ends at step 240",
        ),
        (Box::new(|s| s.trajectories = 0), "trajectories = 0"),
        (
            Box::new(|s| s.measure.save_steps = vec![0, 5]),
            "save_steps must rise",
        ),
        (Box::new(|s| s.measure.probe_rows = 0), "needs probe_rows"),
        (
            Box::new(|s| s.measure.rank_tolerance = 0.0),
            "between 0 and 1",
        ),
        (
            Box::new(|s| s.training.noise.push(Noise::InputNoise { variance: 1.0 })),
            "input-noise is given twice",
        ),
        (
            Box::new(|s| {
                s.training.noise = vec![Noise::LabelNoise {
                    variance: 1.0,
                    distribution: LabelNoise::Gaussian,
                }]
            }),
            "use label-flips",
        ),
        (
            Box::new(|s| {
                s.training.noise = vec![Noise::MiniBatch {
                    batch_size: 24,
                    sampling: Sampling::Epochs,
                }]
            }),
            "more than the 23 rows",
        ),
        (
            Box::new(|s| s.training.noise = vec![Noise::Dropout { probability: 1.0 }]),
            "below 1",
        ),
        (
            Box::new(|s| {
                s.training.noise = vec![Noise::LabelFlips {
                    probability: 0.0,
                    matrix: Some(vec![vec![0.5, 0.5, 0.0], vec![0.5, 0.6, 0.0], vec![0.0; 3]]),
                }]
            }),
            "row 1 does not",
        ),
    ] {
        let message = message(&*change);
        assert!(message.contains(part), "{message:?} does not say {part:?}");
    }
    let (spec, _) = everything();
    let single: DataSource<f32> = shared(classes(23, 4, 3).converted());
    let outcome = spec.run(&single, 1, None, &Unattended, Instructions::best());
    assert!(matches!(
        outcome.err(),
        Some(RunError::Start(EnsembleError::Training(
            TrainingError::Precision { .. }
        )))
    ));
    let (mut large, source) = everything();
    large.training.network.layers = vec![4, 800, 800, 3];
    large.measure.probe_rows = 100;
    let outcome = large.run(&source, 1, None, &Unattended, Instructions::best());
    assert!(matches!(
        outcome.err(),
        Some(RunError::Start(EnsembleError::Measure(
            MeasureError::Jacobian { .. }
        )))
    ));
}

/// A checkpoint holds trajectories as ranges: a hundred times as many to come take no more bytes.
#[test]
fn a_checkpoint_does_not_grow_with_the_trajectories_to_come() {
    let (mut spec, source) = everything();
    spec.keep_trajectories = false;
    spec.training.steps = 1 << 40;
    spec.training.schedule = RateSchedule::default();
    spec.measure.save_steps = vec![0, 1 << 40];
    let size = |trajectories: u64| {
        let mut spec = spec.clone();
        spec.trajectories = trajectories;
        let control = Impatient {
            looks: AtomicU64::new(0),
            patience: 0,
            kept: Mutex::new(None),
        };
        let error = spec
            .run(&source, 1, None, &control, Instructions::best())
            .err();
        assert_eq!(error, Some(RunError::Interrupted));
        let kept = control.kept.into_inner().expect("no panic").expect("kept");
        serde_json::to_string(&kept).expect("bytes").len()
    };
    // What is under way, or not yet, when it stops may differ by one trajectory's state.
    let (few, many) = (size(2_000), size(200_000));
    assert!(many < few + 50_000, "{few} and {many} bytes as JSON");
}
