//! A trajectory that has diverged is unchanged from then on, and its neighbours in a block do not
//! notice it.

#[path = "support/setups.rs"]
mod setups;

use std::sync::Arc;

use rankfall_core::model::dynamics::{
    Dynamics, ForceScales, Integrator, Kind, LabelNoise, Sampling,
};
use rankfall_core::model::network::Start;
use rankfall_core::model::optimizer::Optimizer;
use rankfall_core::model::problem::Problem;
use rankfall_core::model::synthetic::{Covariance, Synthetic};
use rankfall_core::random::normals::Streams;
use rankfall_core::simd::instructions::Instructions;
use rankfall_core::simd::lanes::{BLOCK, Lanes, Words};
use rankfall_core::step::stepper::BlockStepper;
use rankfall_core::trajectories::lane_problem::LaneProblem;
use rankfall_core::trajectories::state::State;

const STEP_SIZE: f64 = 0.002;

/// The lane that diverges, at once.
const LOST: usize = 3;

fn problem(inputs: usize, outputs: usize) -> Arc<Problem> {
    let recipe = Synthetic {
        samples: 30,
        inputs,
        outputs,
        covariance: Covariance::PowerLaw(1.0),
        residual_noise: 0.1,
        ..setups::recipe()
    };
    setups::problem(&recipe, 4)
}

fn start(problem: &Arc<Problem>, scale: f64, trajectory: u64) -> Start {
    let width = problem.inputs + problem.outputs;
    let start = setups::gaussian(scale).start(problem, width, 2, trajectory);
    start.expect("a start")
}

fn flow(integrator: Integrator) -> Kind {
    Kind::StochasticGradientFlow {
        integrator,
        time_step: STEP_SIZE,
        batch_size: 1,
        forces: ForceScales::default(),
        brownian_substeps: 1,
    }
}

fn all_dynamics() -> Vec<Dynamics> {
    let label_noise = |distribution| Kind::LabelNoiseGradientDescent { distribution };
    let kinds = [
        flow(Integrator::EulerMaruyama),
        flow(Integrator::LieEuler),
        flow(Integrator::LieEulerUnsplit),
        flow(Integrator::LieStrang),
        Kind::GradientDescent,
        label_noise(LabelNoise::Gaussian),
        label_noise(LabelNoise::Rademacher),
        Kind::StochasticGradientDescent {
            batch_size: 3,
            sampling: Sampling::WithReplacement,
            distribution: LabelNoise::Gaussian,
        },
    ];
    let dynamics = |kind: &Kind, optimizer| Dynamics {
        kind: kind.clone(),
        step_size: STEP_SIZE,
        label_noise: 50.0,
        optimizer,
        classes: None,
    };
    let with_momentum = Optimizer {
        momentum: 0.5,
        nesterov: true,
        weight_decay: 0.1,
    };
    let plain = kinds
        .iter()
        .map(|kind| dynamics(kind, Optimizer::default()));
    let descents = kinds[4..].iter().map(|kind| dynamics(kind, with_momentum));
    plain.chain(descents).collect()
}

/// The state after so many steps from starts of which that of lane [`LOST`] has this scale.
fn after(dynamics: &Dynamics, problem: &Arc<Problem>, steps: u64, scale: f64) -> State<BLOCK> {
    let scale_of = |lane| if lane == LOST { scale } else { 0.5 };
    let starts: Vec<Start> = (0..BLOCK)
        .map(|lane| start(problem, scale_of(lane), lane as u64))
        .collect();
    let instructions = Instructions::best();
    let problems = LaneProblem::new(&std::array::from_fn(|_| problem.clone()), instructions);
    let streams = Streams {
        seed: 3,
        dynamics: 0,
        trajectories: Words(std::array::from_fn(|lane| lane as u64)),
        instructions,
    };
    let mut stepper = BlockStepper::new(dynamics, &problems, &streams).expect("takes steps");
    let mut state = State::new(&starts, instructions);
    stepper.advance(&mut state, &problems, steps);
    state
}

/// Everything a trajectory is.
fn bits(state: &State<BLOCK>, lane: usize) -> Vec<u64> {
    let parts: [&[Lanes<BLOCK>]; 4] = [
        state.factor.mantissa(),
        state.factor.exponent(),
        &state.rotation,
        &state.velocity,
    ];
    let all = parts.into_iter().flatten();
    all.map(|lanes| lanes.0[lane].to_bits()).collect()
}

#[test]
fn what_has_diverged_stays_and_nobody_notices() {
    for (inputs, outputs) in [(5, 2), (2, 5), (6, 6)] {
        let problem = problem(inputs, outputs);
        for dynamics in all_dynamics() {
            // Enough for the columns of the living to be checked and rotated.
            let [once, often] = [1, 300].map(|steps| after(&dynamics, &problem, steps, 1e6));
            assert_eq!(often.diverged(LOST), Some(0), "{dynamics:?}");
            assert_eq!(bits(&often, LOST), bits(&once, LOST), "{dynamics:?}");
            let start = after(&dynamics, &problem, 0, 1e6);
            let start = bits(&start, LOST);
            assert_eq!(bits(&once, LOST)[..start.len()], start, "{dynamics:?}");
            let undisturbed = after(&dynamics, &problem, 300, 0.5);
            for lane in (0..BLOCK).filter(|&lane| lane != LOST) {
                assert_eq!(often.diverged(lane), None, "{dynamics:?}");
                let same = bits(&often, lane) == bits(&undisturbed, lane);
                assert!(same, "{dynamics:?}, lane {lane}");
                assert_ne!(bits(&often, lane), bits(&once, lane), "{dynamics:?}");
            }
        }
    }
}
