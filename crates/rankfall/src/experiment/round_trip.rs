//! The resolved copy of any experiment reads back as that experiment.

use super::*;
use crate::save_plan::{SavePlan, Spacing};
use proptest::prelude::*;
use rankfall_core::dynamics::{Dynamics, ForceScales, Integrator, Kind, LabelNoise, Sampling};
use rankfall_core::optimizer::Optimizer;

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
    let forces = prop_oneof![
        Just(ForceScales::default()),
        (-2.0..2.0, 0.0..3.0).prop_map(|(repulsion, gradient)| ForceScales {
            repulsion,
            gradient,
            ..ForceScales::default()
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

fn any_dynamics() -> impl Strategy<Value = DynamicsSpec> {
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
            DynamicsSpec {
                label,
                dynamics: Dynamics {
                    kind,
                    step_size: step,
                    label_noise: noise,
                    optimizer: match kind_is_flow {
                        true => Optimizer::default(),
                        false => optimizer,
                    },
                },
                time_step,
                automatic_time_step: false,
            }
        },
    )
}

fn any_gaussian() -> impl Strategy<Value = DataSpec> {
    let teacher = prop_oneof![
        Just(Teacher::Gaussian),
        (0..=2_usize).prop_map(Teacher::Rank),
        prop::collection::vec(0.0..9.0, 1..=2).prop_map(Teacher::SingularValues),
    ];
    let covariance = prop_oneof![
        Just(Covariance::Identity),
        any_positive().prop_map(Covariance::PowerLaw),
        any_positive().prop_map(|x| Covariance::Matrix(vec![
            vec![x, 0.1 * x, 0.0],
            vec![0.1 * x, x, -0.3 * x],
            vec![0.0, -0.3 * x, x],
        ])),
    ];
    let flags = (any::<bool>(), any_positive());
    (teacher, covariance, flags, 10..=1_000_000_000_000_u64).prop_map(
        |(teacher, covariance, (each_trajectory, residual_noise), samples)| {
            DataSpec::Gaussian(GaussianData {
                samples,
                inputs: 3,
                outputs: 2,
                teacher,
                covariance,
                residual_noise,
                each_trajectory,
            })
        },
    )
}

fn any_path() -> impl Strategy<Value = PathBuf> {
    "[a-z \"'\\\\é#]{1,8}x".prop_map(|name| Path::new("/some/folder").join(name))
}

fn any_file() -> impl Strategy<Value = DataSpec> {
    let column = prop_oneof![
        (0..9_u64).prop_map(Column::Position),
        "[a-z\"\\\\\n]{1,5}".prop_map(Column::Name)
    ];
    let column = || prop::collection::hash_set(format_column(column.clone()), 1..4);
    let options = (any::<Option<bool>>(), any::<bool>(), any::<bool>());
    let delimiter = prop::option::of(prop_oneof![Just(','), Just('\t'), Just(' '), Just('\\')]);
    let checksum = prop::option::of("[0-9a-f]{8}");
    (any_path(), column(), options, delimiter, checksum).prop_map(
        |(path, targets, (header, one_hot, standardize), delimiter, checksum)| {
            DataSpec::File(FileData {
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
struct HashedColumn(Column);

impl std::hash::Hash for HashedColumn {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        format!("{:?}", self.0).hash(state);
    }
}

fn format_column(column: impl Strategy<Value = Column>) -> impl Strategy<Value = HashedColumn> {
    column.prop_map(HashedColumn)
}

fn any_init() -> impl Strategy<Value = InitSpec> {
    let smallest = prop::option::of(any_positive());
    prop_oneof![
        (any_positive(), smallest, any::<bool>()).prop_map(|(scale, smallest, each)| {
            InitSpec::Gaussian {
                scale,
                smallest_singular_value: smallest,
                each_trajectory: each,
            }
        }),
        (any_positive(), any::<bool>()).prop_map(|(scale, each_trajectory)| InitSpec::Balanced {
            scale,
            each_trajectory
        }),
        (any_path(), prop::option::of("[0-9a-f]{8}"))
            .prop_map(|(path, checksum)| InitSpec::File { path, checksum }),
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
            time,
            trajectories,
            save: SavePlan { points, spacing },
            rank_tolerance,
            keep_trajectories: flags.0,
            common_noise: flags.1,
            reductions: flags.2,
            // A balance needs the reductions and a stochastic flow, which not every draw has.
            force_balance: None,
        },
    )
}

fn any_experiment() -> impl Strategy<Value = Experiment> {
    let data = prop_oneof![any_gaussian(), any_file()];
    let dynamics = prop::collection::vec(any_dynamics(), 1..5);
    let name = "[a-z\"'é][a-z \"'é#=-]{0,20}[a-z]";
    let network = (5..=100_000_000_u64, any_init());
    (name, data, network, dynamics, any_run()).prop_map(|(name, data, network, dynamics, run)| {
        let numbered = |(i, mut d): (usize, DynamicsSpec)| {
            d.label = format!("{i}{}", d.label);
            d
        };
        Experiment {
            name,
            data,
            network: NetworkSpec {
                width: network.0,
                init: network.1,
            },
            dynamics: dynamics.into_iter().enumerate().map(numbered).collect(),
            run,
        }
    })
}

proptest! {
    #[test]
    fn the_resolved_copy_reads_back_as_the_same_experiment(experiment in any_experiment()) {
        let text = experiment.resolved_toml();
        let read = Experiment::from_toml(&text, "copy", Path::new("/elsewhere"), &[]);
        prop_assert_eq!(read.map_err(|f| format!("{f}\n{text}")), Ok(experiment));
    }
}
