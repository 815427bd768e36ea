//! The resolved copy of any experiment reads back as that experiment.

use super::*;
use crate::save_plan::{SavePlan, Spacing};
use proptest::prelude::*;
use rankfall_core::model::dynamics::{
    Dynamics, ForceScales, ForceSplit, Integrator, Kind, LabelNoise, Sampling,
};
use rankfall_core::model::optimizer::Optimizer;
use rankfall_data::ColumnSelector;
use rankfall_nets::loss::Loss;
use std::path::PathBuf;

fn any_positive() -> impl Strategy<Value = f64> {
    prop_oneof![
        1e-12..1e12_f64,
        Just(0.01),
        Just(1.0),
        Just(f64::MIN_POSITIVE)
    ]
}

fn any_step() -> impl Strategy<Value = f64> {
    prop_oneof![1e-3..10.0_f64, Just(0.01)]
}

fn any_kind() -> impl Strategy<Value = (Kind, f64)> {
    let distribution = prop_oneof![Just(LabelNoise::Gaussian), Just(LabelNoise::Rademacher)];
    let integrator = prop_oneof![
        Just(Integrator::LieEuler),
        Just(Integrator::LieEulerUnsplit),
        Just(Integrator::EulerMaruyama)
    ];
    let sampling = prop_oneof![
        Just(Sampling::WithReplacement),
        Just(Sampling::WithoutReplacement),
        Just(Sampling::Epochs),
        Just(Sampling::Sequential)
    ];
    let splits = prop_oneof![Just(ForceSplit::Regular), Just(ForceSplit::Antisymmetric)];
    let forces = prop_oneof![
        Just(ForceScales::default()),
        (splits, -2.0..2.0, 0.0..3.0, 0.0..3.0).prop_map(|(split, repulsion, gradient, common)| {
            ForceScales {
                split,
                repulsion,
                gradient,
                common,
                ..ForceScales::default()
            }
        })
    ];
    let flow = (
        integrator,
        any_step(),
        1..=1_u64 << 53,
        0.0..10.0,
        forces,
        1..1000_u32,
    );
    let sgd = (1..=10_u64, sampling, distribution.clone(), 0.0..10.0);
    prop_oneof![
        Just((Kind::GradientFlow, 0.0)),
        flow.prop_map(
            |(integrator, time_step, batch_size, noise, forces, brownian_substeps)| {
                let kind = Kind::StochasticGradientFlow {
                    integrator,
                    time_step,
                    batch_size,
                    forces,
                    brownian_substeps,
                };
                (kind, noise)
            }
        ),
        Just((Kind::GradientDescent, 0.0)),
        (distribution, 0.0..1e4).prop_map(|(distribution, noise)| {
            (Kind::LabelNoiseGradientDescent { distribution }, noise)
        }),
        sgd.prop_map(|(batch_size, sampling, distribution, noise)| {
            let kind = Kind::StochasticGradientDescent {
                batch_size,
                sampling,
                distribution,
            };
            (kind, noise)
        }),
    ]
}

fn any_optimizer() -> impl Strategy<Value = Optimizer> {
    let momentum = prop_oneof![Just(0.0), 1e-3..0.999];
    (momentum, any::<bool>(), 0.0..1e3).prop_map(|(momentum, nesterov, weight_decay)| Optimizer {
        momentum,
        nesterov: nesterov && momentum > 0.0,
        weight_decay,
    })
}

fn any_dynamics() -> impl Strategy<Value = ExactDynamics> {
    let label = "[a-zA-Z\"'\\\\éν][a-z \"'\\\\#=éν]{0,20}[a-z]";
    let kind = (any_kind(), any_optimizer());
    (kind, any_step(), any_step(), label).prop_map(
        |(((kind, noise), optimizer), step, grid, label)| {
            let kind_is_flow = matches!(
                kind,
                Kind::GradientFlow | Kind::StochasticGradientFlow { .. }
            );
            let time_step = match kind {
                Kind::StochasticGradientFlow { time_step, .. } => time_step,
                Kind::GradientFlow => grid,
                _ => step,
            };
            ExactDynamics {
                label,
                dynamics: Dynamics {
                    kind,
                    step_size: step,
                    label_noise: noise,
                    optimizer: match kind_is_flow {
                        true => Optimizer::default(),
                        false => optimizer,
                    },
                    classes: None,
                },
                time_step,
                automatic_time_step: false,
            }
        },
    )
}

fn any_gaussian() -> impl Strategy<Value = ExactData> {
    let teacher = prop_oneof![
        Just(LinearTeacher::Gaussian),
        (0..=2_usize).prop_map(LinearTeacher::Rank),
        prop::collection::vec(0.0..9.0, 1..=2).prop_map(LinearTeacher::SingularValues),
    ];
    let covariance = prop_oneof![
        Just(CovarianceSpec::Identity),
        any_positive().prop_map(CovarianceSpec::PowerLaw),
        any_positive().prop_map(|x| CovarianceSpec::Matrix(vec![
            vec![x, 0.1 * x, 0.0],
            vec![0.1 * x, x, -0.3 * x],
            vec![0.0, -0.3 * x, x],
        ])),
    ];
    let flags = (any::<bool>(), any_positive());
    (teacher, covariance, flags, 10..=1_000_000_000_000_u64).prop_map(
        |(teacher, covariance, (each_trajectory, residual_noise), samples)| {
            ExactData::Gaussian(GaussianData {
                samples,
                inputs: 3,
                outputs: 2,
                teacher,
                covariance,
                residual_noise,
                classes: false,
                each_trajectory,
            })
        },
    )
}

fn any_path() -> impl Strategy<Value = PathBuf> {
    "[a-z \"'\\\\é#]{1,8}x".prop_map(|name| Path::new("/some/folder").join(name))
}

fn any_file() -> impl Strategy<Value = ExactData> {
    let column = prop_oneof![
        (0..9_usize).prop_map(ColumnSelector::Position),
        "[a-z\"\\\\\n]{1,5}".prop_map(ColumnSelector::Name)
    ];
    let column = || prop::collection::hash_set(format_column(column.clone()), 1..4);
    let options = (any::<Option<bool>>(), any::<bool>(), any::<bool>());
    let delimiter = prop::option::of(prop_oneof![Just(','), Just('\t'), Just(' '), Just('\\')]);
    let checksum = prop::option::of("[0-9a-f]{8}");
    (any_path(), column(), options, delimiter, checksum).prop_map(
        |(path, targets, (header, one_hot, standardize), delimiter, checksum)| {
            ExactData::File(FileData {
                path,
                inputs: None,
                targets: targets.into_iter().map(|HashedColumn(c)| c).collect(),
                header,
                delimiter,
                one_hot,
                standardize,
                standardize_targets: standardize && !one_hot,
                inputs_array: None,
                targets_array: None,
                checksum,
            })
        },
    )
}

/// A column that can be put in a set, to draw distinct ones.
#[derive(Clone, Debug, PartialEq, Eq)]
struct HashedColumn(ColumnSelector);

impl std::hash::Hash for HashedColumn {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        format!("{:?}", self.0).hash(state);
    }
}

fn format_column(
    column: impl Strategy<Value = ColumnSelector>,
) -> impl Strategy<Value = HashedColumn> {
    column.prop_map(HashedColumn)
}

fn any_init() -> impl Strategy<Value = ExactInit> {
    let smallest = prop::option::of(any_positive());
    prop_oneof![
        (any_positive(), smallest, any::<bool>()).prop_map(|(scale, smallest, each)| {
            ExactInit::Gaussian {
                scale,
                smallest_singular_value: smallest,
                each_trajectory: each,
            }
        }),
        (any_positive(), any::<bool>()).prop_map(|(scale, each_trajectory)| ExactInit::Balanced {
            scale,
            each_trajectory
        }),
        (any_path(), prop::option::of("[0-9a-f]{8}"))
            .prop_map(|(path, checksum)| ExactInit::File { path, checksum }),
    ]
}

fn any_run() -> impl Strategy<Value = RunSpec> {
    let spacing = prop_oneof![Just(Spacing::Linear), Just(Spacing::Log)];
    let save = (1..=1_000_000_u64, spacing);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    let counts = (any::<u64>(), 1..=1_000_000_000_u64);
    (counts, 1e-3..1e9_f64, save, 1e-15..0.999_f64, flags).prop_map(
        |((seed, trajectories), time, (points, spacing), rank_tolerance, flags)| RunSpec {
            seed,
            length: Length::Time(time),
            trajectories,
            save: SavePlan { points, spacing },
            rank_tolerance,
            keep_trajectories: flags.0,
            save_weights: None,
            common_noise: flags.1,
            reductions: flags.2,
            // A balance needs the reductions and a stochastic flow, which not every draw has.
            force_balance: None,
            account: AccountSpec::Grid(None),
            measure: MeasureChoice::default(),
        },
    )
}

fn any_experiment() -> impl Strategy<Value = ExactExperiment> {
    let data = prop_oneof![any_gaussian(), any_file()];
    let dynamics = prop::collection::vec(any_dynamics(), 1..5);
    let name = "[a-z\"'é][a-z \"'é#=-]{0,20}[a-z]";
    let network = (5..=100_000_000_u64, any_init());
    (name, data, network, dynamics, any_run()).prop_map(|(name, data, network, dynamics, run)| {
        let numbered = |(i, mut d): (usize, ExactDynamics)| {
            d.label = format!("{i}{}", d.label);
            d
        };
        let Length::Time(time) = run.length else {
            unreachable!()
        };
        ExactExperiment {
            name,
            data,
            network: ExactNetwork {
                width: network.0,
                loss: Loss::Squared,
                init: network.1,
                shape: NetworkShape::Width(network.0),
            },
            dynamics: dynamics.into_iter().enumerate().map(numbered).collect(),
            time,
            run,
        }
    })
}

proptest! {
    #[test]
    fn the_resolved_copy_reads_back_as_the_same_experiment(exact in any_experiment()) {
        let text = exact.resolved_toml();
        let read = Experiment::from_toml(&text, "copy", Path::new("/elsewhere"), &[]);
        let read = read.map_err(|f| TestCaseError::fail(format!("{f}\n{text}")))?;
        prop_assert_eq!(&read, &Experiment::from(&exact));
        prop_assert_eq!(read.exact(), Ok(exact));
    }
}

/// Copies as folders of schema 1 have them, of both ways to write a network.
#[test]
fn copies_of_earlier_versions_read_as_they_were_run() {
    let width = r#"
name = "old"

[data]
kind = "gaussian"
samples = 1000
inputs = 5
outputs = 2
covariance = "identity"
residual_noise = 0.0
each_trajectory = false

[network]
width = 10
init = { kind = "gaussian", scale = 1.0, each_trajectory = false }

[[dynamics]]
label = "gradient flow"
kind = "gradient-flow"
step_size = 0.01
label_noise = 0.0
time_step = 0.01

[[dynamics]]
label = "label-noise gradient descent"
kind = "label-noise-gradient-descent"
step_size = 0.01
label_noise = 2000.0
label_noise_distribution = "gaussian"
momentum = 0.0
nesterov = false
weight_decay = 0.0

[[dynamics]]
label = "SGD"
kind = "sgd"
step_size = 0.01
label_noise = 2.0
batch_size = 1
sampling = "with-replacement"
label_noise_distribution = "gaussian"
momentum = 0.0
nesterov = false
weight_decay = 0.0

[run]
seed = 1
time = 500.0
trajectories = 64
save = { points = 200, spacing = "linear" }
rank_tolerance = 0.001
keep_trajectories = false
common_noise = false
reductions = true
"#;
    let read = Experiment::from_toml(width, "old", Path::new("/"), &[]).unwrap();
    let exact = read.exact().unwrap();
    let kinds: Vec<&str> = exact
        .dynamics
        .iter()
        .map(|d| d.dynamics.kind_name())
        .collect();
    assert_eq!(
        kinds,
        ["gradient-flow", "label-noise-gradient-descent", "sgd"]
    );
    let layers = r#"
name = "old"

[data]
kind = "gaussian"
samples = 40
inputs = 6
outputs = 3
covariance = "identity"
residual_noise = 0.1
each_trajectory = false
held_out = 200

[network]
layers = [6, 12, 3]
kind = "dense"
activation = "linear"
bias = false
loss = "squared"
precision = "f64"
engine = "auto"
init = { kind = "pytorch-default", each_trajectory = false }

[[dynamics]]
label = "SGD"
kind = "sgd"
step_size = 0.01
momentum = 0.0
nesterov = false
weight_decay = 0.0
schedule = { kind = "constant", warm_up = 0 }
noise = [{ kind = "mini-batch", batch_size = 4, sampling = "epochs" }, { kind = "label-noise", variance = 1.5, distribution = "gaussian" }]

[run]
seed = 1
steps = 40000
trajectories = 64
save = { points = 50, spacing = "log" }
rank_tolerance = 0.1
keep_trajectories = false
common_noise = false
measure = { losses_every = 1, spectra_every = 1, spectra = "fast", probe_rows = 0, jacobian = false, jacobian_tolerance = 0.0001 }
"#;
    let read = Experiment::from_toml(layers, "old", Path::new("/"), &[]).unwrap();
    let Ok(EngineInput::Dense(dense, _)) = read.engine() else {
        panic!("not dense")
    };
    assert_eq!(dense.dynamics[0].batch_size(), Some(4));
    let again = Experiment::from_toml(&read.resolved_toml(), "new", Path::new("/"), &[]);
    assert_eq!(again, Ok(read));
}
