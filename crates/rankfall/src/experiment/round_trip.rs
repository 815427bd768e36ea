//! The resolved copy of any experiment reads back as that experiment.

use super::*;
use proptest::prelude::*;
use proptest::sample::select;
use std::fmt::Debug;

/// Text of TOML.
type Toml = BoxedStrategy<String>;

/// A key and its value, or neither. Numbers and texts are written in Rust as they are in TOML.
fn key(name: &'static str, value: impl Strategy<Value = impl Debug> + 'static) -> Toml {
    let written = prop::option::of(value);
    written
        .prop_map(move |value| value.map_or(String::new(), |value| format!("{name} = {value:?}")))
        .boxed()
}

/// A key of the section at a path with one of the texts that it takes.
fn choice(path: &str, name: &'static str) -> Toml {
    key(name, select(tests::choices(path, name)))
}

/// A table that begins with `head`.
fn table(head: &'static str, keys: Vec<Toml>) -> Toml {
    let whole = move |mut keys: Vec<String>| {
        keys.insert(0, head.to_owned());
        keys.retain(|key| !key.is_empty());
        format!("{{ {} }}", keys.join(", "))
    };
    keys.prop_map(whole).boxed()
}

fn any_positive() -> BoxedStrategy<f64> {
    let odd = select(vec![0.01, 1.0, f64::MIN_POSITIVE]);
    prop_oneof![1e-12..1e12_f64, odd].boxed()
}

fn any_dynamics() -> Toml {
    let step = |name| key(name, prop_oneof![1e-3..10.0_f64, Just(0.01)]);
    let forces = |split: &'static str, common: &'static str| {
        let factors = ["gradient", "own_noise", "repulsion", common];
        let factors = factors.map(|force| key(force, -2.0..3.0));
        let forces = table(split, factors.to_vec());
        forces.prop_map(|forces| format!("integrator = \"lie-euler\", forces = {forces}"))
    };
    let integrator = prop_oneof![
        choice("dynamics.0", "integrator"),
        forces("split = \"regular\"", "common_growth"),
        forces("split = \"antisymmetric\"", "common_decay"),
    ];
    let noise = || key("label_noise", 0.0..1e4);
    let distribution = || choice("dynamics.0", "label_noise_distribution");
    let momentum = prop_oneof![
        key("momentum", 1e-3..0.999),
        (1e-3..0.999).prop_map(|momentum| format!("momentum = {momentum:?}, nesterov = true")),
    ];
    let momentum = momentum.boxed();
    let decay = || key("weight_decay", 0.0..1e3);
    let flow = vec![
        step("step_size"),
        step("time_step"),
        noise(),
        key("batch_size", 1..=1_u64 << 53),
        key("brownian_substeps", 1..1000_u32),
        integrator.boxed(),
    ];
    let label_noise = vec![
        step("step_size"),
        noise(),
        distribution(),
        momentum.clone(),
        decay(),
    ];
    let sgd = vec![
        step("step_size"),
        noise(),
        distribution(),
        key("batch_size", 1..=10_u64),
        choice("dynamics.0", "sampling"),
        momentum.clone(),
        decay(),
    ];
    prop_oneof![
        table(
            "kind = \"gradient-flow\"",
            vec![step("step_size"), step("time_step")]
        ),
        table("kind = \"stochastic-gradient-flow\"", flow),
        table(
            "kind = \"gradient-descent\"",
            vec![step("step_size"), momentum, decay()]
        ),
        table("kind = \"label-noise-gradient-descent\"", label_noise),
        table("kind = \"sgd\"", sgd),
    ]
    .boxed()
}

fn any_data() -> Toml {
    let teacher = prop_oneof![
        key("teacher_rank", 0..=2_u8),
        key(
            "teacher_singular_values",
            prop::collection::vec(0.0..9.0, 1..=2)
        ),
    ];
    let covariance = prop_oneof![
        Just("covariance = \"identity\"".to_owned()),
        any_positive().prop_map(|x| format!("covariance = {{ power_law = {x:?} }}")),
        any_positive().prop_map(|x| {
            let (a, b) = (0.1 * x, -0.3 * x);
            let rows = [[x, a, 0.0], [a, x, b], [0.0, b, x]];
            format!("covariance = {{ matrix = {rows:?} }}")
        }),
    ];
    let gaussian = vec![
        (10..=1_000_000_000_000_u64)
            .prop_map(|n| format!("samples = {n}"))
            .boxed(),
        teacher.boxed(),
        covariance.boxed(),
        key("residual_noise", any_positive()),
        key("each_trajectory", any::<bool>()),
    ];
    let column = prop_oneof![
        (0..9_usize).prop_map(|place| format!("{place}")),
        "[a-z\"\\\\\n]{1,5}".prop_map(|name| format!("{name:?}")),
    ];
    let targets = prop::collection::hash_set(column, 1..4);
    let scaled = select(vec![
        "one_hot = true",
        "one_hot = true, standardize = true",
        "standardize = true, standardize_targets = true",
    ]);
    let file = vec![
        any_path(),
        targets
            .prop_map(|all| format!("targets = [{}]", Vec::from_iter(all).join(", ")))
            .boxed(),
        key("header", any::<bool>()),
        key("delimiter", select(vec![",", "\t", " ", "\\"])),
        scaled.prop_map(str::to_owned).boxed(),
        key("checksum", "[0-9a-f]{8}"),
    ];
    prop_oneof![
        table("kind = \"gaussian\", inputs = 3, outputs = 2", gaussian),
        table("kind = \"file\"", file),
    ]
    .boxed()
}

fn any_path() -> Toml {
    let path = "[a-z \"'\\\\é#]{1,8}x";
    path.prop_map(|name| format!("path = {:?}", format!("/some/folder/{name}")))
        .boxed()
}

fn any_network() -> Toml {
    let each = || key("each_trajectory", any::<bool>());
    let smallest = key("smallest_singular_value", any_positive());
    let scale = || key("scale", any_positive());
    let init = prop_oneof![
        table("kind = \"gaussian\"", vec![scale(), smallest, each()]),
        table("kind = \"balanced\"", vec![scale(), each()]),
        table(
            "kind = \"file\"",
            vec![any_path(), key("checksum", "[0-9a-f]{8}")]
        ),
    ];
    (5..=100_000_000_u64, init)
        .prop_map(|(width, init)| format!("{{ width = {width}, init = {init} }}"))
        .boxed()
}

fn any_run() -> Toml {
    let time = (1e-3..1e9_f64)
        .prop_map(|time| format!("time = {time:?}"))
        .boxed();
    let save = vec![
        key("points", 1..=1_000_000_u64),
        choice("run.save", "spacing"),
    ];
    let save = table("", save)
        .prop_map(|save| format!("save = {save}"))
        .boxed();
    let keys = vec![
        time,
        save,
        key("seed", any::<u64>()),
        key("trajectories", 1..=1_000_000_000_u64),
        key("rank_tolerance", 1e-15..0.999_f64),
        key("keep_trajectories", any::<bool>()),
        key("common_noise", any::<bool>()),
        key("reductions", any::<bool>()),
    ];
    table("", keys)
}

fn any_experiment() -> Toml {
    let label = "[a-zA-Z\"'\\\\éν][a-z \"'\\\\#=éν]{0,20}[a-z]";
    let dynamics = prop::collection::vec((any_dynamics(), label), 1..5);
    let name = "[a-z\"'é][a-z \"'é#=-]{0,20}[a-z]";
    (name, any_data(), any_network(), dynamics, any_run())
        .prop_map(|(name, data, network, dynamics, run)| {
            let labelled = |(i, (table, label)): (usize, &(String, String))| {
                format!("{{ label = {:?}, {}", format!("{i}{label}"), &table[1..])
            };
            let dynamics: Vec<String> = dynamics.iter().enumerate().map(labelled).collect();
            let dynamics = dynamics.join(", ");
            format!("name = {name:?}\ndata = {data}\nnetwork = {network}\ndynamics = [{dynamics}]\nrun = {run}\n")
        })
        .boxed()
}

proptest! {
    #[test]
    fn the_resolved_copy_reads_back_as_the_same_experiment(text in any_experiment()) {
        let read = |text: &str| Experiment::from_toml(text, "copy", Path::new("/elsewhere"), &[])
            .map_err(|failure| TestCaseError::fail(format!("{failure}\n{text}")));
        let experiment = read(&text)?;
        let exact = experiment.exact();
        let exact = exact.map_err(|problem| TestCaseError::fail(format!("{problem:?}\n{text}")))?;
        prop_assert_eq!(&Experiment::from(&exact), &experiment);
        let again = read(&exact.resolved_toml())?;
        prop_assert_eq!(&again, &experiment);
        prop_assert_eq!(again.exact(), Ok(exact));
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
