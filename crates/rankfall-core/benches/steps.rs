//! What a step costs: every dynamics and integrator at the sizes of the experiments, in steps of
//! one trajectory per second and thread. `cargo bench -p rankfall-core --bench steps`.

use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use rankfall_core::ensemble::{EnsembleSpec, Unattended};
use rankfall_core::model::dynamics::{Integrator, Kind, LabelNoise, Sampling};
use rankfall_core::model::setup::Setup;
use rankfall_core::simd::instructions::Instructions;
use rankfall_core::simd::lanes::BLOCK;

mod support;

use support::{ensemble, flow, gaussian_setup};

/// Inputs p, outputs k, width l; (7, 3, 11) fills no vector.
const SIZES: [[usize; 3]; 4] = [[5, 2, 10], [7, 3, 11], [20, 5, 50], [64, 10, 128]];

/// Steps of a run, in small networks and at least: keeping the columns apart is to be part of it,
/// and the start and the spectra at its two ends are to be little of it.
const STEPS: [u64; 2] = [4096, 512];

const STEP_SIZE: f64 = 0.002;

fn dynamics() -> [(&'static str, Kind); 9] {
    let sgd = |batch_size| Kind::StochasticGradientDescent {
        batch_size,
        sampling: Sampling::WithReplacement,
        distribution: LabelNoise::Gaussian,
    };
    [
        (
            "flow, Euler–Maruyama",
            flow(Integrator::EulerMaruyama, STEP_SIZE),
        ),
        ("flow, Lie–Euler", flow(Integrator::LieEuler, STEP_SIZE)),
        (
            "flow, Lie–Euler unsplit",
            flow(Integrator::LieEulerUnsplit, STEP_SIZE),
        ),
        ("flow, Lie–Strang", flow(Integrator::LieStrang, STEP_SIZE)),
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
    for sizes in SIZES {
        let [inputs, outputs, width] = sizes;
        let mut group = criterion.benchmark_group(format!("{inputs}-{outputs}-{width}"));
        group.measurement_time(Duration::from_secs(3));
        group.warm_up_time(Duration::from_secs(1));
        group.sample_size(20);
        // From a small start, at which no step is too large.
        let scale = 0.5 / (width as f64).sqrt();
        let setup = gaussian_setup(1000, sizes, scale, true).expect("a setup");
        let [most, least] = STEPS;
        let steps = (most / (inputs * outputs / 10) as u64).max(least);
        for (name, kind) in dynamics() {
            // A block of trajectories.
            let spec = ensemble(kind, STEP_SIZE, 1.0, BLOCK as u64, vec![0, steps]);
            bench(&mut group, name, &setup, &spec);
        }
        group.finish();
    }
}

criterion_group!(benches, steps);
criterion_main!(benches);
