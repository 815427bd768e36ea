//! Small networks have steps of their own on vector registers; they have the bits of the generic
//! path.

#[path = "support/setups.rs"]
mod setups;

use rankfall_core::model::dynamics::{Dynamics, ForceScales, Integrator, Kind};
use rankfall_core::model::network::Start;
use rankfall_core::model::optimizer::Optimizer;
use rankfall_core::model::setup::{Setup, Source};
use rankfall_core::model::synthetic::{Covariance, Synthetic};
use rankfall_core::random::normals::Streams;
use rankfall_core::simd::instructions::Instructions;
use rankfall_core::simd::lanes::{BLOCK, Lanes, Words};
use rankfall_core::step::stepper::BlockStepper;
use rankfall_core::trajectories::lane_problem::LaneProblem;
use rankfall_core::trajectories::state::State;

/// Every shape that is compiled, and some beside them.
fn shapes() -> Vec<(usize, usize)> {
    let compiled = (1..=8).flat_map(|p| (1..=p.min(3)).map(move |k| (p, k)));
    compiled.chain([(1, 2), (9, 1), (4, 4)]).collect()
}

fn setup(inputs: usize, outputs: usize) -> Setup {
    let recipe = Synthetic {
        samples: 40,
        inputs,
        outputs,
        covariance: Covariance::PowerLaw(0.5),
        residual_noise: 0.1,
        ..setups::recipe()
    };
    let width = inputs + outputs + 1;
    Setup {
        each_start: true,
        ..setups::setup(setups::problem(&recipe, 5), setups::gaussian(0.5), width, 6)
    }
}

/// State and last increment after steps in pieces of these lengths: of a stochastic gradient flow,
/// or of gradient descent.
fn after(
    setup: &Setup,
    integrator: Option<Integrator>,
    label_noise: f64,
    instructions: Instructions,
    pieces: &[u64],
) -> (State<BLOCK>, Vec<Lanes<BLOCK>>) {
    let step_size = 0.004;
    let flow = |integrator| Kind::StochasticGradientFlow {
        integrator,
        time_step: step_size,
        batch_size: 1,
        forces: ForceScales::default(),
        brownian_substeps: 1,
    };
    let dynamics = Dynamics {
        kind: integrator.map_or(Kind::GradientDescent, flow),
        step_size,
        label_noise,
        optimizer: Optimizer::default(),
        classes: None,
    };
    let Source::Shared(problem) = &setup.source else {
        unreachable!("the problem is shared")
    };
    let starts: Vec<Start> = (0..BLOCK as u64)
        .map(|trajectory| setup.start(problem, trajectory).expect("a start"))
        .collect();
    let problems = LaneProblem::new(&std::array::from_fn(|_| problem.clone()), instructions);
    let streams = Streams {
        seed: setup.seed,
        dynamics: 0,
        trajectories: Words(std::array::from_fn(|lane| lane as u64)),
        instructions,
    };
    let mut stepper = BlockStepper::new(&dynamics, &problems, &streams).expect("takes steps");
    let mut state = State::new(&starts, instructions);
    for &steps in pieces {
        stepper.advance(&mut state, &problems, steps);
    }
    (state, stepper.increment().to_vec())
}

fn bits(numbers: &[Lanes<BLOCK>]) -> Vec<[u64; BLOCK]> {
    numbers.iter().map(|x| x.0.map(f64::to_bits)).collect()
}

/// Both noises are so strong that columns are checked often and that some increments are too large
/// for the series of the exponential; with the stronger one trajectories diverge.
#[test]
fn small_networks_have_the_bits_of_any() {
    let (mut checked, mut diverged) = (0, 0);
    for (inputs, outputs) in shapes() {
        let setup = setup(inputs, outputs);
        for (integrator, label_noise) in [
            (None, 0.0),
            (Some(Integrator::EulerMaruyama), 600.0),
            (Some(Integrator::EulerMaruyama), 1e5),
            (Some(Integrator::LieEuler), 600.0),
            (Some(Integrator::LieEuler), 1e5),
        ] {
            let run = |instructions, pieces: &[u64]| {
                after(&setup, integrator, label_noise, instructions, pieces)
            };
            let (plain, plain_increment) = run(Instructions::portable(), &[400]);
            let (start, _) = run(Instructions::portable(), &[]);
            checked += usize::from(plain.factor.exponent() != start.factor.exponent());
            let lost = |&lane: &usize| plain.diverged(lane).is_some();
            diverged += (0..BLOCK).filter(lost).count();
            for (name, instructions) in Instructions::available() {
                for pieces in [&[400][..], &[1, 6, 250, 143]] {
                    let (state, increment) = run(instructions, pieces);
                    let what = format!(
                        "{inputs} x {outputs} {integrator:?} {label_noise} {name} {pieces:?}"
                    );
                    assert_eq!(everything(&state), everything(&plain), "{what}");
                    assert_eq!(bits(&increment), bits(&plain_increment), "{what}");
                }
            }
        }
    }
    assert!(checked > 60, "columns were checked in {checked} runs");
    assert!(diverged > 100, "{diverged} trajectories diverged");
}

/// Columns, rotation and what became of each lane.
fn everything(state: &State<BLOCK>) -> (Vec<[u64; BLOCK]>, [Option<u64>; BLOCK]) {
    let parts: [&[Lanes<BLOCK>]; 3] = [
        state.factor.mantissa(),
        state.factor.exponent(),
        &state.rotation,
    ];
    let lanes = parts.into_iter().flat_map(bits).collect();
    (lanes, std::array::from_fn(|lane| state.diverged(lane)))
}
