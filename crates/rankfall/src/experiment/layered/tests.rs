//! Experiments on layers as wholes: defaults, the way to the exact engine, copies, refusals.

use super::*;
use crate::experiment::Asked;
use crate::experiment::document::Problem;
use crate::experiment::tree;
use rankfall_core::model::dynamics::Kind;
use rankfall_nets::activation::Activation;
use rankfall_nets::initialisation::Initialisation;
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

fn asked(text: &str, sets: &[&str]) -> Result<Asked, Problem> {
    let sets: Vec<String> = sets.iter().map(|s| (*s).to_owned()).collect();
    tree(text, &sets).and_then(|root| Asked::from_tree(&root, Path::new("/folder")))
}

fn dense(sets: &[&str]) -> (LayeredExperiment, String) {
    match asked(TWO, sets) {
        Ok(Asked::Dense(experiment, why)) => (*experiment, why),
        other => panic!("{sets:?}: {other:?}"),
    }
}

fn refused(sets: &[&str]) -> String {
    match asked(TWO, sets) {
        Ok(_) => panic!("{sets:?} was accepted"),
        Err(problem) => problem.in_file("two.toml").to_string(),
    }
}

#[test]
fn two_linear_layers_go_to_the_exact_engine() {
    let Ok(Asked::Exact(exact, Some(_))) = asked(TWO, &[]) else {
        panic!("not exact")
    };
    assert_eq!((exact.network.width, exact.run.time), (4, 1.0));
    assert_eq!(exact.dynamics[0].dynamics.label_noise, 0.5);
    assert!(matches!(
        exact.dynamics[0].dynamics.kind,
        Kind::StochasticGradientDescent { batch_size: 5, .. }
    ));
    let reasons = [
        ("network.layers=[3, 4, 4, 2]", "two layers"),
        ("network.activation=relu", "not linear"),
        ("network.bias=true", "biases"),
        ("network.loss=logistic", "squared"),
        ("network.precision=f32", "single precision"),
        ("network.engine=dense", "asks for it"),
        ("network.init.kind=gaussian", ""),
        ("network.init={ kind = \"he\" }", "Gaussian"),
        ("data.held_out=3", "held out"),
        ("dynamics.0.schedule={ kind = \"cosine\" }", "step size"),
        (
            "dynamics.0.noise=[{ kind = \"input-noise\", variance = 1.0 }]",
            "input-noise",
        ),
        ("run.measure={ probe_rows = 3 }", "measure"),
    ];
    for (set, words) in reasons.into_iter().filter(|(_, words)| !words.is_empty()) {
        let (_, why) = dense(&[set]);
        assert!(why.contains(words), "{set}: {why}");
    }
    let sets = ["dynamics.0.momentum=0.5", "dynamics.0.weight_decay=0.1"];
    let Ok(Asked::Exact(exact, _)) = asked(TWO, &sets) else {
        panic!("not exact")
    };
    let optimizer = exact.dynamics[0].dynamics.optimizer;
    assert_eq!((optimizer.momentum, optimizer.weight_decay), (0.5, 0.1));
    // Steps of different size have no time in common.
    let more = "dynamics=[{ kind = \"gradient-descent\" }, { kind = \"sgd\", step_size = 0.1 }]";
    assert!(dense(&[more]).1.contains("time in common"));
}

#[test]
fn defaults_are_the_documented_ones() {
    let text = TWO.replace("init = { kind = \"gaussian\", scale = 0.5 }\n", "");
    let Ok(Asked::Dense(experiment, _)) = asked(&text, &[]) else {
        panic!("not dense")
    };
    let network = &experiment.network;
    assert_eq!(
        network.init,
        InitChoice::Drawn(Initialisation::PytorchDefault)
    );
    assert_eq!(network.spec.activation, Activation::Linear);
    assert!(!network.spec.bias && !network.each_trajectory);
    let run = &experiment.run;
    assert_eq!(
        (run.seed, run.trajectories, run.rank_tolerance),
        (1, 1, 1e-3)
    );
    assert_eq!(run.measure, MeasureChoice::default());
    assert_eq!(experiment.dynamics[0].label, "SGD");
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
    let cases: [(&str, &[&str]); 25] = [
        (
            "network.activation=rleu",
            &["network.activation", "did you mean \"relu\""],
        ),
        (
            "network.los=squared",
            &["unknown key \"los\"", "did you mean `loss`"],
        ),
        (
            "network.width=4",
            &["`network.width`", "given by `network.layers`"],
        ),
        (
            "network.layers=[3]",
            &["`network.layers`", "inputs, hidden"],
        ),
        ("network.layers=[3, 0, 2]", &["`network.layers.1` is 0"]),
        ("network.layers=[99999999, 99999999]", &["parameters"]),
        ("network.init={ kind = \"hee\" }", &["did you mean \"he\""]),
        (
            "network.init={ kind = \"balanced\", gain = 1.0 }",
            &["`network.init.gain` does not apply"],
        ),
        (
            "network.init={ kind = \"layers\", weights = [{ signs = 1.0 }] }",
            &["one per layer"],
        ),
        (
            "network.init={ kind = \"layers\", weights = [{ sign = 1.0 }] }",
            &["did you mean `signs`"],
        ),
        (
            "dynamics.0.kind=gradient-flow",
            &["`network.width`", "small step_size"],
        ),
        ("dynamics.0.time_step=0.1", &["given by `network.width`"]),
        ("dynamics.0.momentum=1.0", &["below 1"]),
        ("dynamics.0.nesterov=true", &["needs momentum"]),
        (
            "dynamics.0.noise=[{ kind = \"dropuot\" }]",
            &["`dynamics.0.noise.0.kind`", "\"dropout\""],
        ),
        (
            "dynamics.0.noise=[{ kind = \"dropout\" }]",
            &["`dynamics.0.noise.0.probability` is missing"],
        ),
        (
            "dynamics.0.noise=[{ kind = \"dropout\", probability = 1.0 }]",
            &["below 1"],
        ),
        (
            "dynamics.0.noise=[{ kind = \"mini-batch\" }]",
            &["keep one"],
        ),
        (
            "dynamics.0.noise=[{ kind = \"label-noise\", variance = 1.0 }]",
            &["there already"],
        ),
        (
            "dynamics.0.schedule={ kind = \"piecewise\", shares = [0.5], factors = [] }",
            &["1 places for 0"],
        ),
        ("dynamics.0.schedule=cosine", &["must be a table"]),
        ("run.epochs=3", &["exactly one of"]),
        ("run.measure.jacobian=true", &["probe_rows = 100"]),
        ("data.kind=gram", &["needs the rows"]),
        ("sweep={ points = 3 }", &["sweeps are for"]),
    ];
    for (set, words) in cases {
        let message = refused(&[set]);
        for word in words {
            assert!(message.contains(word), "{set}: no {word:?} in {message}");
        }
    }
    let changing = [
        "run={ time = 1.0 }",
        "dynamics.0.schedule={ kind = \"cosine\" }",
    ];
    assert!(refused(&changing).contains("run.steps or run.epochs"));
}

/// Every kind of data, start, schedule and noise reads back from its own copy as it was.
#[test]
fn copies_read_back_as_they_were() {
    let data = [
        "{ kind = \"gaussian\", samples = 9, inputs = 3, outputs = 2, held_out = 4, teacher_rank = 1 }",
        "{ kind = \"teacher\", samples = 5, input_law = \"sphere\", residual_noise = 0.1, each_trajectory = true, \
         teacher = { layers = [3, 2], bias = true, unit_norm = true, relevant_inputs = 2, init = { kind = \"orthogonal\", gain = 2 } } }",
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
            "run={ steps = 100, measure = { probe_rows = 3, jacobian = true } }",
        ]);
        let (experiment, _) = dense(&sets);
        let copy = experiment.resolved_toml();
        let again = asked(&copy, &[]).unwrap_or_else(|p| panic!("{}\n{copy}", p.in_file("copy")));
        let Asked::Dense(again, _) = again else {
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
