//! Networks of all shapes: which engine runs them and why, how they start, copies, refusals.

use super::*;
use crate::experiment::document::InputProblem;
use rankfall_core::model::dynamics::Kind;
use rankfall_nets::initialisation::WeightInitialisation;
use rankfall_nets::noise::Noise;

/// Two linear layers.
const TWO: &str = r#"
name = "two"
[data]
kind = "gaussian"
samples = 10
inputs = 3
outputs = 2
[network]
layers = [3, 4, 2]
init = { kind = "gaussian", scale = 0.5 }
[[dynamics]]
kind = "sgd"
label_noise = 0.5
batch_size = 5
[run]
steps = 100
"#;

fn read(text: &str, sets: &[&str]) -> Result<Experiment, InputProblem> {
    let sets: Vec<String> = sets.iter().map(|s| (*s).to_owned()).collect();
    tree(text, &sets).and_then(|root| Experiment::from_tree(&root, Path::new("/folder")))
}

fn exact(sets: &[&str]) -> ExactExperiment {
    match read(TWO, sets).map(|read| read.engine()) {
        Ok(Ok(EngineInput::Exact(exact))) => *exact,
        other => panic!("{sets:?}: {other:?}"),
    }
}

fn dense(sets: &[&str]) -> (DenseExperiment, String) {
    match read(TWO, sets).map(|read| read.engine()) {
        Ok(Ok(EngineInput::Dense(experiment, why))) => (*experiment, why),
        other => panic!("{sets:?}: {other:?}"),
    }
}

fn refused(sets: &[&str]) -> String {
    match read(TWO, sets) {
        Ok(_) => panic!("{sets:?} was accepted"),
        Err(problem) => problem.in_file("two.toml").to_string(),
    }
}

#[test]
fn two_linear_layers_go_to_the_exact_engine() {
    let two = exact(&[]);
    assert!(two.engine_note().is_some());
    assert_eq!((two.network.width, two.time), (4, 1.0));
    assert_eq!(two.dynamics[0].dynamics.label_noise, 0.5);
    assert!(matches!(
        two.dynamics[0].dynamics.kind,
        Kind::StochasticGradientDescent { batch_size: 5, .. }
    ));
    let all = r#"
        network.layers=[3, 4, 4, 2] => two layers
        network.activation=relu => its layers are not linear; the exact engine would run it but for network.activation = "relu"
        network.bias=true => but for network.bias = true
        network.loss=logistic => is not among the noises that the exact engine has with classes
        network.precision=f32 => but for network.precision = "f32"
        network.engine=dense => asks for it
        network.init={ kind = "he" } => do not start Gaussian; the exact engine would run it but for network.init.kind = "he"
        network.init.scale=0 => but for network.init.scale = 0
        data.held_out=3 => held out; the exact engine would run it but for data.held_out = 3
        dynamics.0.schedule={ kind = "cosine" } => but for dynamics.0.schedule = { kind = "cosine"
        dynamics.0.noise=[{ kind = "input-noise", variance = 1.0 }] => but for dynamics.0.noise = [{ kind = "input-noise"
        run.measure={ probe_rows = 3 } => but for run.measure = { probe_rows = 3 }
        dynamics=[{ kind = "gradient-descent" }, { kind = "sgd", step_size = 0.1 }] => time in common
    "#;
    for (sets, words) in cases(all) {
        expect_words(&sets, &dense(&sets).1, &words);
    }
    let (_, why) = dense(&["network.bias=true", "network.precision=f32"]);
    assert!(!why.contains("but for"), "{why}");
    let descent = exact(&["dynamics.0.momentum=0.5", "dynamics.0.weight_decay=0.1"]);
    let optimizer = descent.dynamics[0].dynamics.optimizer;
    assert_eq!((optimizer.momentum, optimizer.weight_decay), (0.5, 0.1));
}

/// Width and layers are two ways to write the same: what one takes the other does.
#[test]
fn width_and_layers_mean_the_same() {
    for sets in [
        &[][..],
        &["dynamics=[{ kind = \"gradient-flow\" }]"],
        &["network.init={ kind = \"balanced\" }"],
        &["data.each_trajectory=true"],
        &["run={ epochs = 3 }"],
        &["dynamics.0.schedule={ kind = \"cosine\" }"],
        &["network.activation=relu", "network.init={ }"],
    ] {
        let layers = read(TWO, sets).unwrap();
        let text = TWO.replace("layers = [3, 4, 2]", "width = 4");
        let width = read(&text, sets).unwrap();
        match (layers.engine().unwrap(), width.engine().unwrap()) {
            (EngineInput::Exact(a), EngineInput::Exact(b)) => {
                assert_eq!(
                    (a.network.init, a.network.width),
                    (b.network.init, b.network.width)
                );
                assert_eq!((a.data, a.dynamics, a.time), (b.data, b.dynamics, b.time));
            }
            (EngineInput::Dense(a, why), EngineInput::Dense(b, too)) => {
                assert_eq!((a.spec, a.network.init, why), (b.spec, b.network.init, too));
            }
            other => panic!("{sets:?}: {other:?}"),
        }
    }
}

#[test]
fn how_weights_start_depends_on_the_network_and_not_on_how_it_is_written() {
    let gaussian = InitSpec::Drawn(WeightInitialisation::Gaussian { scale: 1.0 });
    let pytorch = InitSpec::Drawn(WeightInitialisation::PytorchDefault);
    let default = "init = { kind = \"gaussian\", scale = 0.5 }\n";
    for (sets, init) in [
        (&[][..], &gaussian),
        (&["network.precision=f32"], &gaussian),
        (&["network.engine=dense"], &gaussian),
        (&["network.layers=[3, 4, 4, 2]"], &pytorch),
        (&["network.layers=[3, 2]"], &pytorch),
        (&["network.bias=true"], &pytorch),
        (&["network.activation=tanh"], &pytorch),
        (&["network.loss=logistic"], &pytorch),
        (
            &[
                "network.kind=diagonal-linear",
                "network.layers=[3, 3, 1]",
                "data.outputs=1",
            ],
            &pytorch,
        ),
    ] {
        let text = TWO.replace(default, "");
        let network = read(&text, sets).unwrap().network;
        assert_eq!(network.init, *init, "{sets:?}");
        let empty = [sets, &["network.init={ each_trajectory = true }"]].concat();
        let network = read(&text, &empty).unwrap().network;
        assert_eq!(
            (network.init, network.each_trajectory),
            (init.clone(), true)
        );
    }
}

#[test]
fn epochs_are_a_time_where_the_rows_are_known() {
    // Ten rows in batches of five, two steps a pass.
    assert_eq!(exact(&["run={ epochs = 7 }"]).time, 14.0 * 0.01);
    let file = "data={ kind = \"file\", path = \"a.csv\", targets = [0] }";
    let (_, why) = dense(&[file, "network.layers=[3, 4, 1]", "run={ epochs = 7 }"]);
    assert!(why.contains("but for run.epochs = 7"), "{why}");
}

#[test]
fn a_width_is_completed_by_the_data() {
    let relu = ["network={ width = 4, activation = \"relu\" }"];
    assert_eq!(dense(&relu).0.spec.layers, [3, 4, 2]);
    let file = "data={ kind = \"file\", path = \"a.csv\", targets = [0] }";
    let (mut experiment, _) = dense(&[relu[0], file]);
    experiment.set_sizes(7, 1);
    assert_eq!(experiment.spec.layers, [7, 4, 1]);
}

#[test]
fn lengths_become_steps() {
    let relu = "network.activation=relu";
    let steps = |length: &str| {
        let sets = format!("run={{ {length} }}");
        dense(&[relu, &sets]).0.steps(0, 11).unwrap()
    };
    assert_eq!(steps("steps = 7"), 7);
    assert_eq!(steps("time = 1.0"), 100);
    // Batches of 5 of 11 rows: three steps a pass.
    assert_eq!(steps("epochs = 4"), 12);
    let (experiment, _) = dense(&[
        relu,
        "run={ epochs = 4 }",
        "dynamics=[{ kind = \"gradient-descent\" }]",
    ]);
    assert_eq!(experiment.steps(0, 11).unwrap(), 4);
    assert_eq!(experiment.save_steps(0, 11).unwrap(), [0, 1, 2, 3, 4]);
}

#[test]
fn wrong_settings_say_where_and_what_to_do() {
    let all = r#"
        network.activation=rleu => network.activation => did you mean "relu"
        network.los=squared => unknown key "los" => did you mean `loss`
        network.width=4 => `network.width` and `network.layers` are both given => keep one
        network.layers=[3] => `network.layers` => inputs, hidden
        network.layers=[3, 0, 2] => `network.layers.1` is 0
        network.layers=[99999999, 99999999] => parameters
        network.init={ kind = "hee" } => did you mean "he"
        network.init={ kind = "balanced", gain = 1.0 } => `network.init.gain` does not apply
        network.init={ kind = "layers", weights = [{ signs = 1.0 }] } => one per layer
        network.init={ kind = "layers", weights = [{ sign = 1.0 }] } => did you mean `signs`
        network.layers=[4, 4, 2] => 3 inputs => layers[0] = 3
        network.layers=[3, 4, 3] => 2 targets => end with 2
        dynamics.0.time_step=0.1 => only to gradient-flow
        run.force_balance=true => there is none
        dynamics.0.momentum=1.0 => below 1
        dynamics.0.nesterov=true => needs momentum
        dynamics.0.noise=[{ kind = "dropuot" }] => `dynamics.0.noise.0.kind` => "dropout"
        dynamics.0.noise=[{ kind = "dropout" }] => `dynamics.0.noise.0.probability` is missing
        dynamics.0.noise=[{ kind = "dropout", probability = 1.0 }] => below 1
        dynamics.0.noise=[{ kind = "mini-batch" }] => keep one
        dynamics.0.noise=[{ kind = "label-noise", variance = 1.0 }] => there already
        dynamics.0.schedule={ kind = "piecewise", shares = [0.5], factors = [] } => 1 places for 0
        dynamics.0.schedule=cosine => must be a table
        run={ time = 1.0 } & dynamics.0.schedule={ kind = "cosine" } => run.steps or run.epochs
        run.epochs=3 => exactly one of
        run.measure.jacobian=true => probe_rows = 100
        data.kind=gram => `data.samples` does not apply
    "#;
    for (sets, words) in cases(all) {
        expect_words(&sets, &refused(&sets), &words);
    }
}

/// What one engine alone has is refused where it stands if something else is not for that engine.
#[test]
fn what_is_for_one_engine_is_refused_beside_what_is_for_the_other() {
    let all = r#"
        FLOW & network.activation=relu => `dynamics.0.kind` is "stochastic-gradient-flow" => two linear layers => its layers are not linear (network.activation = "relu") => small step_size
        FLOW & network.engine=dense => network.engine asks for it
        GRAM & network.bias=true => `data.kind` is "gram" => needs the rows => biases => kind = "file"
        data.each_trajectory=true & network.bias=true => `data.each_trajectory` is true => teacher network
        network.init.smallest_singular_value=1e-3 & network.layers=[3, 9, 2] & data.held_out=3 => `network.init.smallest_singular_value` => held out
        run.reductions=false & run.measure={ spectra_every = 2 } => `run.reductions` is false
        run.account={ stride = 3 } & network.bias=true => `run.account` is { stride = 3 }
        FLOW & run.force_balance=true & data.held_out=1 => `dynamics.0.kind` => data.held_out = 1
    "#;
    let flow = r#"dynamics=[{ kind = "stochastic-gradient-flow", label_noise = 1 }]"#;
    let gram =
        r#"data={ kind = "gram", path = "g.npz" } & dynamics=[{ kind = "gradient-descent" }]"#;
    let all = all.replace("FLOW", flow).replace("GRAM", gram);
    for (sets, words) in cases(&all) {
        expect_words(&sets, &refused(&sets), &words);
    }
    let text = TWO.replace("kind = \"sgd\"", "kind = \"gradient-flow\"");
    let text = text.replace("label_noise = 0.5\nbatch_size = 5\n", "");
    let problem = read(&text, &["network.bias=true"]).unwrap_err();
    let shown = problem.in_file("two.toml").to_string();
    assert!(shown.contains("two.toml:12:8: "), "{shown}");
    assert!(
        shown.contains("12 | kind = \"gradient-flow\"\n   |        ^^^^^^^^^^^^^^^\n"),
        "{shown}"
    );
}

/// Every kind of data, start, schedule and noise reads back from its own copy as it was.
#[test]
fn copies_read_back_as_they_were() {
    let data = [
        "{ kind = \"gaussian\", samples = 9, inputs = 3, outputs = 2, held_out = 4, teacher_rank = 1 }",
        "{ kind = \"teacher\", samples = 5, input_law = \"sphere\", residual_noise = 0.1, each_trajectory = true, \
         teacher = { layers = [3, 2], bias = true, unit_norm = true, relevant_inputs = 2, init = { kind = \"orthogonal\", gain = 2 } } }",
        "{ kind = \"teacher\", samples = 6, input_law = \"one-hot\", observed = 0.3, teacher = { layers = [3, 2], \
         init = { kind = \"gaussian\" } } }",
        "{ kind = \"rows\", x = [[1, 2, 3]], y = [[4, 5]] }",
        "{ kind = \"file\", path = \"a.csv\", targets = [0], one_hot = true, test_path = \"b.csv\" }",
        "{ kind = \"file\", path = \"a.csv\", targets = [0, 1], held_out = 3, standardize = true }",
        "{ kind = \"bundled\", dataset = \"linnerud\", held_out = 3, checksum = \"abc\" }",
        "{ kind = \"idx\", dataset = \"mnist\", train_rows = 100, test_rows = 10, standardize = true }",
        "{ kind = \"idx\", folder = \"somewhere\" }",
        "{ kind = \"idx\", images = \"a\", labels = \"b\", test_images = \"c\", test_labels = \"d\" }",
        "{ kind = \"cifar\", files = [\"a\", \"b\"], labels = \"fine\", checksum = \"abc\" }",
    ];
    let inits = [
        "{ kind = \"he\" }",
        "{ kind = \"glorot\", each_trajectory = true }",
        "{ kind = \"balanced\", scale = 0.1 }",
        "{ kind = \"file\", path = \"w.safetensors\", checksum = \"abc\" }",
        "{ kind = \"layers\", weights = [{ signs = 1 }, { uniform = 2 }], biases = [{ constant = -1 }, { gaussian = 3 }] }",
    ];
    let dynamics = [
        "{ kind = \"label-noise-gradient-descent\", adam = { beta2 = 0.9 }, weight_decay = 0.1, \
         noise = [{ kind = \"label-noise\", variance = 2, from = 1, until = 3 }] }",
        "{ kind = \"sgd\", label_noise = 1, noise = [{ kind = \"mini-batch\", batch_size = 3, until = 3 }, \
         { kind = \"dropout\", probability = 0.5, from = 2 }] }",
        "{ kind = \"gradient-descent\", schedule = { kind = \"piecewise\", steps = [5, 9], factors = [0.5, 0.1], warm_up = 2 } }",
        "{ kind = \"label-noise-gradient-descent\", label_noise = 2, label_noise_distribution = \"rademacher\" }",
        "{ kind = \"sgd\", momentum = 0.9, nesterov = true, weight_decay = 1e-4, sampling = \"epochs\", \
         schedule = { kind = \"cosine\", last = 0.1, steps = 100 } }",
        "{ kind = \"sgd\", noise = [{ kind = \"label-flips\", matrix = [[0.5, 0.5], [0, 1]] }, \
         { kind = \"dropout\", probability = 0.5 }, { kind = \"weight-noise\", variance = 1 }] }",
        "{ kind = \"gradient-descent\", schedule = { kind = \"piecewise\", shares = [0.5], factors = [0.1] }, \
         noise = [{ kind = \"mini-batch\", batch_size = 3 }, { kind = \"gradient-noise\", temperature = 1e-3 }, \
         { kind = \"input-noise\", variance = 0.5 }, { kind = \"label-flips\", probability = 0.1 }] }",
    ];
    let read_back = |sets: &[&str]| {
        let mut sets = sets.to_vec();
        sets.extend([
            "network.engine=dense",
            "run={ steps = 100, save_weights = { times = [2.5, 0] }, measure = { probe_rows = 3, jacobian = true, \
             neurons = true, sharpness = true, trace_probes = 9 } }",
        ]);
        let (experiment, _) = dense(&sets);
        let copy = experiment.resolved_toml();
        let again = read(&copy, &[]).unwrap_or_else(|p| panic!("{}\n{copy}", p.in_file("copy")));
        let Ok(EngineInput::Dense(again, _)) = again.engine() else {
            panic!("not dense: {copy}")
        };
        assert_eq!(*again, experiment, "{copy}");
    };
    for one in data {
        read_back(&[&format!("data={one}")]);
    }
    for one in inits {
        read_back(&[&format!("network.init={one}")]);
    }
    for one in dynamics {
        read_back(&[&format!("dynamics=[{one}]")]);
    }
}

#[test]
fn short_keys_and_noise_entries_mean_the_same() {
    let short = "dynamics=[{ kind = \"sgd\", batch_size = 3, label_noise = 0.5 }]";
    let long = "dynamics=[{ kind = \"sgd\", noise = [{ kind = \"mini-batch\", batch_size = 3 }, \
                { kind = \"label-noise\", variance = 0.5 }] }]";
    let [a, b] = [short, long].map(|set| dense(&["network.activation=relu", set]).0);
    assert_eq!(a, b);
    assert!(matches!(
        a.dynamics[0].noise[0],
        Noise::MiniBatch { batch_size: 3, .. }
    ));
}

/// Losses of classes go to the exact engine where it has everything else, and are copied as they
/// are.
#[test]
fn two_linear_layers_with_classes_go_to_the_exact_engine() {
    const SOFTMAX: &str = "network.loss=softmax-cross-entropy";
    const FLIPS: &str = "dynamics.0.noise=[{ kind = \"label-flips\", probability = 0.2 }]";
    const QUIET: &str = "dynamics.0.label_noise=0.0";
    let classes = |sets: &[&str]| {
        let all = [&[SOFTMAX, QUIET, "data.classes=true"], sets].concat();
        let read = exact(&all);
        let copy = Experiment::from_toml(&read.resolved_toml(), "copy", Path::new("/"), &[]);
        assert_eq!(
            copy.expect("a copy").engine().expect("an engine"),
            EngineInput::Exact(Box::new(read.clone()))
        );
        read
    };
    let sgd = classes(&[FLIPS]);
    assert!(sgd.dynamics[0].dynamics.labels_flip() && sgd.dynamics[0].dynamics.needs_rows());
    assert!(!classes(&[]).dynamics[0].dynamics.labels_flip());
    let flow = classes(&["dynamics.0={ kind = \"stochastic-gradient-flow\" }", FLIPS]);
    assert!((flow.dynamics[0].dynamics.noise_intensity(10) - 0.01).abs() < 1e-15);
    assert!(flow.dynamics[0].dynamics.labels_flip());
    classes(&[
        "dynamics.0={ kind = \"gradient-flow\" }",
        "network.loss=logistic",
    ]);
    let (_, why) = dense(&["network.loss=logistic", "data.classes=true"]);
    assert!(
        why.contains(
            "label-noise of SGD is not among the noises that the exact engine has with classes"
        ),
        "{why}"
    );
    let all = r#"
        FLOW & dynamics.0.label_noise=1.0 => labels are classes
        FLOW & dynamics.0.integrator=lie-strang => is for the squared loss
        FLOW & dynamics.0.forces={ repulsion = 0.0 } => those of the squared loss
        FLOW & run.force_balance=true => the forces of the squared loss
        dynamics.0={ kind = "slow-flow" } => squared loss
        FLOW & FLIPS & network.loss=squared => under the squared loss labels are values
        FLOW & dynamics.0.noise=[{ kind = "dropout", probability = 0.1 }] => that of its equation
        data={ kind = "gram", path = "moments.npz" } => which needs the rows
        data.classes=true & data.each_trajectory=true => classes are drawn once
    "#;
    let flow = r#"dynamics.0={ kind = "stochastic-gradient-flow" }"#;
    let all = all.replace("FLOW", flow).replace("FLIPS", FLIPS);
    for (sets, words) in cases(&all) {
        let said = refused(&[&[SOFTMAX, QUIET][..], &sets].concat());
        expect_words(&sets, &said, &words);
    }
}
