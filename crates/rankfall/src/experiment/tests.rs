//! Tests of experiments as a whole: defaults, and refusals with their places.

mod engines;

use super::*;
use crate::save_plan::{SavePlan, Spacing};
use proptest::prelude::*;
use rankfall_core::model::dynamics::{Dynamics, ForceScales, ForceSplit, Integrator, Kind};
use rankfall_core::model::optimizer::Optimizer;
use rankfall_data::ColumnSelector;
use rankfall_nets::activation::Activation;
use rankfall_nets::scalar::Precision;
use rankfall_nets::spectra::SpectrumMethod;
use rankfall_nets::teacher::InputLaw;
use serde::de::IntoDeserializer;
use serde::de::value::StrDeserializer;
use serde::{Deserialize, Serialize};

const SMALLEST: &str = r#"
name = "small"
[data]
kind = "gaussian"
samples = 10
inputs = 3
outputs = 2
[network]
width = 4
[[dynamics]]
kind = "stochastic-gradient-flow"
[run]
time = 1.0
"#;

fn read_text_with(text: &str, sets: &[&str]) -> Result<Experiment, Failure> {
    let sets: Vec<String> = sets.iter().map(|s| (*s).to_owned()).collect();
    Experiment::from_toml(text, "small.toml", Path::new("/folder"), &sets)
}

fn read_with(sets: &[&str]) -> Result<Experiment, Failure> {
    read_text_with(SMALLEST, sets)
}

fn exact_with(sets: &[&str]) -> Result<ExactExperiment, Failure> {
    let exact = read_with(sets)?.exact();
    exact.map_err(|problem| problem.in_file("small.toml"))
}

fn refused(sets: &[&str]) -> String {
    match read_with(sets) {
        Ok(_) => panic!("{sets:?} was accepted"),
        Err(failure) => {
            assert_eq!(failure.kind.code(), 2);
            failure.to_string()
        }
    }
}

/// Cases of a text, one a line: arguments of `--set` with ` & ` between them, then ` => ` and what
/// is said of them, in one or more pieces.
fn cases(text: &str) -> impl Iterator<Item = (Vec<&str>, Vec<&str>)> {
    text.trim().lines().map(|line| {
        let (sets, words) = line.trim().split_once(" => ").expect("a case has a =>");
        (sets.split(" & ").collect(), words.split(" => ").collect())
    })
}

fn expect_words(sets: &[&str], said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "{sets:?}: no {word:?} in {said}");
    }
}

/// The texts that a key of the section at a path takes.
pub(super) fn choices(path: &str, name: &str) -> &'static [&'static str] {
    let section = keys::SECTIONS.iter().find(|section| section.path == path);
    let key = section.and_then(|section| section.find(name));
    key.expect("a key there").takes.choices()
}

#[test]
fn every_choice_is_the_name_of_a_value() {
    fn expect<T: Serialize + Deserialize<'static>>(path: &str, name: &str) {
        assert!(!choices(path, name).is_empty(), "{path}.{name}");
        for &choice in choices(path, name) {
            let named: StrDeserializer<'static, serde::de::value::Error> =
                choice.into_deserializer();
            let value = T::deserialize(named).expect("a value of this name");
            let name = toml::Value::try_from(&value).expect("a name");
            assert_eq!(name.as_str(), Some(choice));
        }
    }
    expect::<InputLaw>("data", "input_law");
    expect::<Activation>("data.teacher", "activation");
    expect::<Activation>("network", "activation");
    expect::<Loss>("network", "loss");
    expect::<Precision>("network", "precision");
    expect::<EngineChoice>("network", "engine");
    expect::<Integrator>("dynamics.0", "integrator");
    expect::<LabelNoise>("dynamics.0", "label_noise_distribution");
    expect::<Sampling>("dynamics.0", "sampling");
    expect::<ForceSplit>("dynamics.0.forces", "split");
    expect::<LabelNoise>("dynamics.0.noise.0", "distribution");
    expect::<Sampling>("dynamics.0.noise.0", "sampling");
    expect::<Spacing>("run.save", "spacing");
    expect::<SpectrumMethod>("run.measure", "spectra");
}

#[test]
fn defaults_are_the_promised_ones() {
    let experiment = exact_with(&[]).unwrap();
    let ExactData::Gaussian(data) = &experiment.data else {
        panic!("not Gaussian")
    };
    assert_eq!(data.teacher, LinearTeacher::Gaussian);
    assert_eq!(data.covariance, CovarianceSpec::Identity);
    assert_eq!(data.residual_noise, 0.0);
    assert!(!data.each_trajectory);
    let init = ExactInit::Gaussian {
        scale: 1.0,
        smallest_singular_value: None,
        each_trajectory: false,
    };
    assert_eq!(experiment.network.init, init);
    let dynamics = &experiment.dynamics[0];
    assert_eq!(dynamics.label, "stochastic gradient flow");
    assert_eq!(dynamics.time_step, 0.01);
    let expected = Dynamics {
        kind: Kind::StochasticGradientFlow {
            integrator: Integrator::LieEuler,
            time_step: 0.01,
            batch_size: 1,
            forces: ForceScales::default(),
            brownian_substeps: 1,
        },
        step_size: 0.01,
        label_noise: 0.0,
        optimizer: Optimizer::default(),
        classes: None,
    };
    assert_eq!(dynamics.dynamics, expected);
    let run = RunSpec {
        seed: 1,
        length: Length::Time(1.0),
        trajectories: 1,
        save: SavePlan {
            points: 200,
            spacing: Spacing::Linear,
        },
        rank_tolerance: 1e-3,
        keep_trajectories: false,
        save_weights: None,
        common_noise: false,
        reductions: true,
        force_balance: None,
        account: AccountSpec::Grid(None),
        measure: MeasureChoice::default(),
    };
    assert_eq!((experiment.run, experiment.time), (run, 1.0));
}

#[test]
fn problems_have_their_place() {
    let text = SMALLEST.replace("width = 4", "width = 0");
    let failure = read_text_with(&text, &[]).unwrap_err();
    assert_eq!(
        failure.message,
        "small.toml:9:9: `network.width` is 0, but must be a whole number from 1 to 100000000"
    );
    let text = SMALLEST.replace("width = 4", "  widht = 4");
    let failure = read_text_with(&text, &[]).unwrap_err();
    assert!(
        failure
            .message
            .starts_with("small.toml:9:3: unknown key \"widht\" in [network]")
    );
    assert!(failure.message.contains("did you mean `width`?"));
}

#[test]
fn keys_that_do_not_apply_say_where_they_belong() {
    let all = r#"
        gradient-descent & time_step=0.1 => only to gradient-flow, stochastic
        gradient-flow & integrator=lie-euler => integrated adaptively
        gradient-descent & batch_size=2 => only to stochastic-gradient-flow, slow-flow and sgd
        gradient-flow & batch_size=2 => only to stochastic-gradient-flow, slow-flow and sgd
        stochastic-gradient-flow & sampling=epochs => only to sgd
        gradient-flow & label_noise_distribution=rademacher => only to label-noise
        stochastic-gradient-flow & label_noise_distribution=gaussian => Brownian
        gradient-flow & label_noise=1 => kind = "stochastic-gradient-flow"
        gradient-descent & label_noise=1 => kind = "label-noise-gradient-descent"
    "#;
    for (sets, words) in cases(all) {
        let kind = format!("dynamics.0.kind={}", sets[0]);
        let said = refused(&[&kind, &format!("dynamics.0.{}", sets[1])]);
        expect_words(&sets, &said, &words);
    }
    for kind in keys::DYNAMICS.kinds {
        let kind = format!("dynamics.0.kind={kind}");
        assert!(read_with(&[&kind, "dynamics.0.label_noise=0"]).is_ok());
    }
}

#[test]
fn gradient_flow_takes_a_time_step_as_its_grid() {
    let sets = ["dynamics.0.kind=gradient-flow", "dynamics.0.time_step=0.5"];
    let experiment = exact_with(&sets).unwrap();
    assert_eq!(experiment.dynamics[0].time_step, 0.5);
    assert_eq!(experiment.save_steps(), [[0, 1, 2]]);
}

#[test]
fn labels_are_filled_in_and_distinct() {
    let more = "[[dynamics]]\nkind = \"sgd\"\n[[dynamics]]\nlabel = \"SGD\"\nkind = \"gradient-flow\"\n\
         [[dynamics]]\nkind = \"sgd\"\n[run]";
    let text = SMALLEST.replace("[run]", more);
    let experiment = read_text_with(&text, &[]).unwrap();
    let labels: Vec<_> = experiment
        .dynamics
        .iter()
        .map(DynamicsSpec::label)
        .collect();
    assert_eq!(
        labels,
        ["stochastic gradient flow", "SGD 2", "SGD", "SGD 3"]
    );
    let twice = text.replacen("kind = \"sgd\"", "kind = \"sgd\"\nlabel = \"SGD\"", 1);
    let message = read_text_with(&twice, &[]).unwrap_err().to_string();
    assert!(message.contains("`dynamics.2` has the label \"SGD\" of another one"));
}

#[test]
fn numbers_are_read_kindly() {
    let sets = ["run.trajectories=1e3", "network.width=10.0", "run.time=5"];
    let experiment = exact_with(&sets).unwrap();
    assert_eq!(experiment.run.trajectories, 1000);
    assert_eq!(experiment.network.width, 10);
    assert_eq!(experiment.time, 5.0);
    assert!(refused(&["network.width=10.5"]).contains("must be a whole number"));
    assert!(refused(&["run.time=\"5\""]).contains("remove the quotes: 5"));
    assert!(refused(&["run.time=nan"]).contains("finite"));
    assert!(refused(&["run.time=inf"]).contains("finite"));
    assert!(refused(&["run.trajectories=1e300"]).contains("to 1000000000"));
    assert!(refused(&["run.seed=18446744073709551616"]).contains("18446744073709551615"));
    let experiment = read_with(&["run.seed=18446744073709551615"]).unwrap();
    assert_eq!(experiment.run.seed, u64::MAX);
}

#[test]
fn text_on_the_command_line_needs_no_quotes() {
    assert_eq!(read_with(&["name=2024"]).unwrap().name, "2024");
    assert_eq!(read_with(&["name=\"a b\""]).unwrap().name, "a b");
    let flow = "dynamics.0={ kind = \"gradient-flow\", label = 5 }";
    assert_eq!(read_with(&[flow]).unwrap().dynamics[0].label(), "5");
    let message = refused(&["dynamics.0={ kind = 1 }"]);
    assert!(
        message.contains("is \"1\", which is none of its values"),
        "{message}"
    );
    assert!(
        message.contains("\n |                  ^^^^^^^^^^^^"),
        "{message}"
    );
    let message = refused(&["name=a/b"]);
    assert!(message.starts_with("rankfall: --set \"name=a/b\": `name` is \"a/b\""));
}

#[test]
fn names_are_labels_not_paths() {
    for name in [
        "a/b", "a\\b", "..", "a..b", ".", " ", "", "a\u{7}", " a", "C:x",
    ] {
        assert!(
            refused(&[&format!("name={name:?}")]).contains("`name` is"),
            "{name}"
        );
    }
    assert!(refused(&[&format!("name={}", "x".repeat(101))]).contains("101 characters"));
    assert!(read_with(&[&format!("name={}", "x".repeat(100))]).is_ok());
}

#[test]
fn a_gram_matrix_has_no_rows() {
    let text = SMALLEST
        .replace("\"gaussian\"", "\"gram\"\npath = \"g.npz\"")
        .replace("samples = 10\ninputs = 3\noutputs = 2\n", "");
    let read = |sets: &[&str]| read_text_with(&text, sets);
    let DataSpec::Gram(gram) = read(&[]).unwrap().data else {
        panic!("not a Gram matrix")
    };
    assert_eq!(gram.path, Path::new("/folder/g.npz"));
    let sgd = read(&["dynamics.0.kind=sgd"]).unwrap_err().to_string();
    assert!(sgd.contains("has no rows"), "{sgd}");
    let sets = [
        "dynamics.0.kind=label-noise-gradient-descent",
        "dynamics.0.label_noise=1",
        "dynamics.0.label_noise_distribution=rademacher",
    ];
    let rademacher = read(&sets).unwrap_err().to_string();
    assert!(rademacher.contains("needs the rows"), "{rademacher}");
    assert!(read(&sets[..1]).is_ok());
}

#[test]
fn shapes_are_checked() {
    let all = r#"
        data.teacher_rank=3 => from 0 to 2
        data.teacher_singular_values=[3.0, 2.0, 1.0] => from 1 to 2
        data.teacher_singular_values=[] => from 1 to 2
        data.teacher_singular_values=[-1.0] => must not be negative
        data.covariance=identiy => did you mean "identity"?
        data.covariance={ power_law = -1.0 } => must not be negative
        data.covariance={ matrix = [[1.0]] } => has 1 rows, but data.inputs = 3
        data.covariance={ matrix = [[1, 0, 0], [0, 1], [0, 0, 1]] } => has 2 entries
        data.covariance={ matrix = [[1, 2, 0], [0, 1, 0], [0, 0, 1]] } => not symmetric
        data.covariance={ matrix = [[1, 0, 0], [0, -1, 0], [0, 0, 1]] } => variance -1
        data.covariance={ } => exactly one of
        data.teacher_rank=1 & data.teacher_singular_values=[1] => both
        network.init={ smallest_singular_value = 1e-8 } => inputs + outputs = 5
        network.init=gaussian => must be a table
        dynamics.0.batch_size=0 => from 1 to
        run.rank_tolerance=1 => between 0 and 1
        run.save.points=0 => from 1 to 1000000
        run.save.spacing=logarithmic => did you mean "log"?
        run.time=1e30 => 2^53 steps
    "#;
    for (sets, words) in cases(all) {
        expect_words(&sets, &refused(&sets), &words);
    }
}

#[test]
fn batches_that_need_distinct_rows_must_fit() {
    let sgd = "dynamics.0.kind=sgd";
    let large = "dynamics.0.batch_size=11";
    for sampling in ["without-replacement", "epochs", "sequential"] {
        let sampling = format!("dynamics.0.sampling={sampling}");
        assert!(refused(&[sgd, large, &sampling]).contains("only 10 rows"));
        let fits = exact_with(&[sgd, "dynamics.0.batch_size=10", &sampling]).unwrap();
        assert!(fits.check_samples(10).is_ok());
        assert!(fits.check_samples(9).is_err());
    }
    assert!(read_with(&[sgd, large]).is_ok());
}

#[test]
fn equal_trajectories_are_run_once() {
    let count = |sets: &[&str]| {
        let sets: Vec<&str> = sets.iter().copied().chain(["run.trajectories=7"]).collect();
        let experiment = exact_with(&sets).unwrap();
        experiment.trajectories_of(&experiment.dynamics[0])
    };
    assert_eq!(count(&["dynamics.0.kind=gradient-flow"]), 1);
    assert_eq!(count(&[]), 1); // no label noise
    assert_eq!(count(&["dynamics.0.label_noise=1"]), 7);
    assert_eq!(count(&["dynamics.0.kind=sgd"]), 7);
    assert_eq!(
        count(&["dynamics.0.kind=sgd", "dynamics.0.sampling=sequential"]),
        1
    );
    assert_eq!(count(&["network.init.each_trajectory=true"]), 7);
    assert_eq!(count(&["data.each_trajectory=true"]), 7);
}

const FILE_DATA: &str = r#"
name = "table"
data = { kind = "file", path = "t.csv", targets = "y" }
network = { width = 2 }
dynamics = [{ kind = "sgd" }]
run = { time = 1 }
"#;

fn read_table(sets: &[&str]) -> Result<Experiment, Failure> {
    read_text_with(FILE_DATA, sets)
}

#[test]
fn tables_have_columns() {
    let experiment = read_table(&["data.inputs=[\"a\", 3]", "data.delimiter=;"]).unwrap();
    let DataSpec::Rows(RowData::File { table: file, .. }) = &experiment.data else {
        panic!("not a file")
    };
    assert_eq!(file.path, Path::new("/folder/t.csv"));
    assert_eq!(file.targets, [ColumnSelector::Name("y".into())]);
    let inputs = [
        ColumnSelector::Name("a".into()),
        ColumnSelector::Position(3),
    ];
    assert_eq!(file.inputs.as_deref(), Some(&inputs[..]));
    assert_eq!(file.delimiter, Some(';'));
    let all = r#"
        data.inputs=["y"] => is in both
        data.targets=[0, 0] => names column 0 again
        data.targets=[] => is empty
        data.targets=[1.5] => is not a column
        data.targets=[-1] => from 0 to
        data.delimiter=ab => one ASCII character
        data.inputs_array=x => only .npz files
        data.path= => `data.path` is empty
        data.samples=3 => only to gaussian
        data.kind=gram => only to file
        data.path=t.npy & data.header=true => is for text files
    "#;
    for (sets, words) in cases(all) {
        expect_words(&sets, &read_table(&sets).unwrap_err().to_string(), &words);
    }
}

#[test]
fn dynamics_need_double_brackets() {
    let text = SMALLEST.replace("[[dynamics]]", "[dynamics]");
    let failure = read_text_with(&text, &[]).unwrap_err();
    assert!(failure.to_string().contains("double brackets"));
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC*") {
        let _ = Experiment::from_toml(&text, "", Path::new(""), &[]);
    }

    #[test]
    fn no_override_makes_the_reader_panic(path in "[a-z0-9.]{0,20}", value in "\\PC*") {
        let _ = read_with(&[&format!("{path}={value}")]);
    }

    #[test]
    fn no_value_at_a_known_key_makes_the_reader_panic(
        at in any::<prop::sample::Index>(),
        value in prop_oneof![
            Just("-1"), Just("0"), Just("1e400"), Just("nan"), Just("\"\""), Just("[]"),
            Just("[[]]"), Just("{}"), Just("{ kind = 1 }"), Just("1979-05-27"), Just("true"),
            Just("9223372036854775808"), Just("-170141183460469231731687303715884105728"),
        ],
    ) {
        let paths = known_paths();
        let set = format!("{}={value}", at.get(&paths));
        let _ = read_with(&[&set]);
        let _ = read_table(&[&set]);
        let relu = ["network={ layers = [3, 4, 2], activation = \"relu\" }", "dynamics.0.kind=sgd", &set];
        let _ = read_with(&relu).map(|read| read.engine());
    }
}

/// The path of every key, as `--set` takes it.
fn known_paths() -> Vec<String> {
    let names = keys::SECTIONS.iter().flat_map(|section| section.names());
    let paths = names.flat_map(keys::settable);
    paths
        .chain(keys::TOP.names().into_iter().map(str::to_owned))
        .collect()
}
