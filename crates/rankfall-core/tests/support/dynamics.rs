//! Every dynamics that there is, of regressions and of classes.
#![allow(dead_code)] // each test file uses a part

use rankfall_core::model::classification::{ClassLoss, Classification, Flips};
use rankfall_core::model::dynamics::{
    Dynamics, ForceScales, ForceSplit, Integrator, Kind, LabelNoise, Sampling,
};
use rankfall_core::model::optimizer::Optimizer;

fn of_kind(kind: Kind, label_noise: f64) -> Dynamics {
    Dynamics {
        kind,
        step_size: 0.01,
        label_noise,
        optimizer: Optimizer::default(),
        classes: None,
    }
}

pub fn gradient_flow() -> Dynamics {
    of_kind(Kind::GradientFlow, 0.0)
}

pub fn flow(integrator: Integrator) -> Dynamics {
    let kind = Kind::StochasticGradientFlow {
        integrator,
        time_step: 0.01,
        batch_size: 1,
        forces: ForceScales::default(),
        brownian_substeps: 1,
    };
    of_kind(kind, 2.0)
}

/// Lie–Euler steps with the repulsion scaled, and the other forces a little.
fn counterfactual(split: ForceSplit, repulsion: f64) -> Dynamics {
    let mut dynamics = flow(Integrator::LieEuler);
    if let Kind::StochasticGradientFlow {
        forces,
        brownian_substeps,
        ..
    } = &mut dynamics.kind
    {
        *forces = ForceScales {
            split,
            gradient: 0.9,
            own_noise: 1.3,
            common: 0.7,
            repulsion,
        };
        *brownian_substeps = 3;
    }
    dynamics
}

pub fn sgd(sampling: Sampling, distribution: LabelNoise) -> Dynamics {
    let kind = Kind::StochasticGradientDescent {
        batch_size: 3,
        sampling,
        distribution,
    };
    of_kind(kind, 2.0)
}

pub fn with_momentum(
    dynamics: Dynamics,
    momentum: f64,
    nesterov: bool,
    weight_decay: f64,
) -> Dynamics {
    Dynamics {
        optimizer: Optimizer {
            momentum,
            nesterov,
            weight_decay,
        },
        ..dynamics
    }
}

pub fn label_noise_descent(distribution: LabelNoise) -> Dynamics {
    of_kind(Kind::LabelNoiseGradientDescent { distribution }, 200.0)
}

pub fn all_dynamics() -> Vec<Dynamics> {
    vec![
        gradient_flow(),
        flow(Integrator::LieEuler),
        flow(Integrator::LieEulerUnsplit),
        flow(Integrator::EulerMaruyama),
        flow(Integrator::LieStrang),
        counterfactual(ForceSplit::Regular, 0.0),
        counterfactual(ForceSplit::Antisymmetric, 0.0),
        of_kind(Kind::GradientDescent, 0.0),
        label_noise_descent(LabelNoise::Gaussian),
        label_noise_descent(LabelNoise::Rademacher),
        sgd(Sampling::WithReplacement, LabelNoise::Gaussian),
        sgd(Sampling::WithoutReplacement, LabelNoise::Rademacher),
        sgd(Sampling::Epochs, LabelNoise::Gaussian),
        with_momentum(label_noise_descent(LabelNoise::Gaussian), 0.5, false, 0.1),
        with_momentum(sgd(Sampling::Epochs, LabelNoise::Gaussian), 0.7, true, 0.0),
        with_momentum(
            sgd(Sampling::WithReplacement, LabelNoise::Gaussian),
            0.0,
            false,
            0.5,
        ),
        sgd(Sampling::Sequential, LabelNoise::Rademacher),
    ]
}

fn softmax(flips: f64, dynamics: Dynamics) -> Dynamics {
    let flips = (flips > 0.0).then_some(Flips::Symmetric(flips));
    let loss = ClassLoss::SoftmaxCrossEntropy;
    with_classes(Classification { loss, flips }, dynamics)
}

fn logistic(flips: Option<Flips>, dynamics: Dynamics) -> Dynamics {
    let loss = ClassLoss::Logistic;
    with_classes(Classification { loss, flips }, dynamics)
}

fn with_classes(classes: Classification, dynamics: Dynamics) -> Dynamics {
    Dynamics {
        label_noise: 0.0,
        classes: Some(classes),
        ..dynamics
    }
}

/// Each class turns into the one after it with probability 0.3.
fn to_the_next_class(classes: usize) -> Flips {
    let row = |from: usize| {
        let mut row = vec![0.0; classes];
        row[from] = 0.7;
        row[(from + 1) % classes] = 0.3;
        row
    };
    Flips::Matrix((0..classes).map(row).collect())
}

/// Every dynamics that there is with classes, for k outputs.
pub fn class_dynamics(outputs: usize) -> Vec<Dynamics> {
    let noisy = || label_noise_descent(LabelNoise::Gaussian);
    let sampled = |sampling| sgd(sampling, LabelNoise::Gaussian);
    let own = match outputs {
        1 => Flips::Matrix(vec![vec![0.9, 0.1], vec![0.4, 0.6]]),
        _ => to_the_next_class(outputs),
    };
    let mut all = vec![
        logistic(None, gradient_flow()),
        logistic(Some(own.clone()), flow(Integrator::LieEuler)),
        logistic(Some(own.clone()), noisy()),
        logistic(Some(Flips::Symmetric(0.2)), sampled(Sampling::Epochs)),
        logistic(None, sampled(Sampling::WithReplacement)),
    ];
    if outputs > 1 {
        let mut substeps = flow(Integrator::EulerMaruyama);
        if let Kind::StochasticGradientFlow {
            brownian_substeps, ..
        } = &mut substeps.kind
        {
            *brownian_substeps = 3;
        }
        all.extend([
            softmax(0.0, gradient_flow()),
            softmax(0.2, flow(Integrator::LieEuler)),
            softmax(0.0, flow(Integrator::LieEuler)),
            softmax(0.2, substeps),
            softmax(0.0, of_kind(Kind::GradientDescent, 0.0)),
            softmax(0.2, noisy()),
            softmax(0.0, noisy()),
            softmax(0.2, sampled(Sampling::WithoutReplacement)),
            softmax(0.0, sampled(Sampling::Epochs)),
            softmax(
                0.1,
                with_momentum(sampled(Sampling::WithReplacement), 0.5, true, 0.1),
            ),
        ]);
    }
    all
}
