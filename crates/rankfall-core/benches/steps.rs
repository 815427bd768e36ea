//! What a step costs: every dynamics and integrator at the sizes of the experiments, in steps of one
//! trajectory per second and thread. `cargo bench -p rankfall-core --bench steps`.

use std::sync::Arc;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use rankfall_core::dynamics::{Dynamics, ForceScales, Integrator, Kind, LabelNoise, Sampling};
use rankfall_core::ensemble::{EnsembleSpec, Unattended};
use rankfall_core::lanes::{BLOCK, Instructions};
use rankfall_core::network::Initialisation;
use rankfall_core::optimizer::Optimizer;
use rankfall_core::problem::Problem;
use rankfall_core::setup::{Setup, Source};
use rankfall_core::synthetic::{Covariance, Synthetic, Teacher};

/// Inputs p, outputs k, width l; (7, 3, 11) fills no vector.
const SIZES: [(usize, usize, usize); 4] = [(5, 2, 10), (7, 3, 11), (20, 5, 50), (64, 10, 128)];

/// Steps of a run, in small networks and at least: keeping the columns apart is to be part of it, and the
/// start and the spectra at its two ends are to be little of it.
const STEPS: [u64; 2] = [4096, 512];

fn problem(inputs: usize, outputs: usize) -> Arc<Problem> {
    let recipe = Synthetic {
        samples: 1000,
        inputs,
        outputs,
        covariance: Covariance::Identity,
        teacher: Teacher::Gaussian,
        residual_noise: 0.0,
    };
    let draw = recipe.draw(1, 0, true).expect("draws");
    Arc::new(Problem::new(&draw.gram, draw.rows, None).expect("a problem"))
}

fn flow(integrator: Integrator) -> Kind {
    Kind::StochasticGradientFlow {
        integrator,
        time_step: 0.002,
        batch_size: 1,
        forces: ForceScales::default(),
        brownian_substeps: 1,
    }
}

fn descents() -> [(&'static str, Kind); 9] {
    let sgd = |batch_size| Kind::StochasticGradientDescent {
        batch_size,
        sampling: Sampling::WithReplacement,
        distribution: LabelNoise::Gaussian,
    };
    [
        ("flow, Euler–Maruyama", flow(Integrator::EulerMaruyama)),
        ("flow, Lie–Euler", flow(Integrator::LieEuler)),
        ("flow, Lie–Euler unsplit", flow(Integrator::LieEulerUnsplit)),
        ("flow, Lie–Strang", flow(Integrator::LieStrang)),
        ("gradient descent", Kind::GradientDescent),
        (
            "label noise, Gaussian",
            Kind::LabelNoiseGradientDescent {
                distribution: LabelNoise::Gaussian,
            },
        ),
        (
            "label noise, signs",
            Kind::LabelNoiseGradientDescent {
                distribution: LabelNoise::Rademacher,
            },
        ),
        ("SGD, batch 1", sgd(1)),
        ("SGD, batch 16", sgd(16)),
    ]
}

/// From a small start, at which no step is too large.
fn setup(problem: Arc<Problem>, width: usize) -> Setup {
    Setup {
        source: Source::Shared(problem),
        initialisation: Initialisation::Gaussian {
            scale: 0.5 / (width as f64).sqrt(),
            smallest_singular_value: None,
        },
        width,
        seed: 1,
        each_start: false,
    }
}

/// A block of trajectories, or two halves of one.
fn spec(kind: Kind, steps: u64) -> EnsembleSpec {
    EnsembleSpec {
        dynamics: Dynamics {
            kind,
            step_size: 0.002,
            label_noise: 1.0,
            optimizer: Optimizer::default(),
        },
        stream: 0,
        trajectories: BLOCK as u64,
        save_steps: vec![0, steps],
        time_unit: 0.002,
        rank_tolerance: 1e-3,
        keep_trajectories: false,
        reductions: true,
        force_balance: None,
    }
}

fn bench(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, setup: &Setup, spec: &EnsembleSpec) {
    let trajectories = spec.effective_trajectories(setup);
    let steps = spec.save_steps.iter().sum::<u64>();
    group.throughput(Throughput::Elements(steps * trajectories));
    group.bench_function(name, |b| {
        b.iter(|| {
            spec.run(setup, 1, None, &Unattended, Instructions::best())
                .expect("runs")
        });
    });
}

fn steps(criterion: &mut Criterion) {
    for (inputs, outputs, width) in SIZES {
        let mut group = criterion.benchmark_group(format!("{inputs}-{outputs}-{width}"));
        group.measurement_time(Duration::from_secs(3));
        group.warm_up_time(Duration::from_secs(1));
        group.sample_size(20);
        let setup = setup(problem(inputs, outputs), width);
        let [most, least] = STEPS;
        let steps = (most / (inputs * outputs / 10) as u64).max(least);
        for (name, kind) in descents() {
            bench(&mut group, name, &setup, &spec(kind, steps));
        }
        group.finish();
    }
}

criterion_group!(benches, steps);
criterion_main!(benches);
