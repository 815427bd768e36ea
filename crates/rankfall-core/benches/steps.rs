//! What a step costs: every dynamics and integrator at the sizes of the experiments, in steps of one
//! trajectory per second and thread. `cargo bench -p rankfall-core --bench steps`.

use std::sync::Arc;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use rankfall_core::dynamics::{Dynamics, ForceScales, Integrator, Kind, LabelNoise, Sampling};
use rankfall_core::lanes::BLOCK;
use rankfall_core::network::Initialisation;
use rankfall_core::optimizer::Optimizer;
use rankfall_core::problem::Problem;
use rankfall_core::synthetic::{Covariance, Synthetic, Teacher};
use rankfall_core::walk::Walk;

/// Inputs p, outputs k, width l; (7, 3, 11) fills no vector.
const SIZES: [(usize, usize, usize); 4] = [(5, 2, 10), (7, 3, 11), (20, 5, 50), (64, 10, 128)];

/// Steps between two looks at the clock, in small networks and at least: keeping the columns apart is to
/// be part of it.
const STEPS: [u64; 2] = [1024, 128];

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

/// A block from a small start, at which no step is too large.
fn walk(problem: &Arc<Problem>, kind: Kind, width: usize) -> Option<Walk> {
    let dynamics = Dynamics {
        kind,
        step_size: 0.002,
        label_noise: 1.0,
        optimizer: Optimizer::default(),
    };
    let small = Initialisation::Gaussian {
        scale: 0.5 / (width as f64).sqrt(),
        smallest_singular_value: None,
    };
    let start = small.start(problem, width, 1, 0).expect("a start");
    Walk::new(&dynamics, problem, &start, 1, 0, 0)
}

fn bench(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, mut walk: Walk) {
    let [steps, least] = STEPS;
    let steps = (steps / (walk.increment().len() as u64 / 10).max(1)).max(least);
    group.throughput(Throughput::Elements(steps * BLOCK as u64));
    group.bench_function(name, |b| {
        b.iter(|| {
            // Steps from one start cost the same; those of a collapsed network might not.
            walk.start_over(0);
            walk.advance(steps);
        });
    });
}

fn steps(criterion: &mut Criterion) {
    for (inputs, outputs, width) in SIZES {
        let mut group = criterion.benchmark_group(format!("{inputs}-{outputs}-{width}"));
        group.measurement_time(Duration::from_secs(3));
        group.warm_up_time(Duration::from_secs(1));
        group.sample_size(20);
        let problem = problem(inputs, outputs);
        for (name, kind) in descents() {
            if let Some(walk) = walk(&problem, kind, width) {
                bench(&mut group, name, walk);
            }
        }
        group.finish();
    }
}

criterion_group!(benches, steps);
criterion_main!(benches);
