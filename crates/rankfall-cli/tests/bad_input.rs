//! Wrong input through the real program: exit code 2, and a message with what, where and a way out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// A folder of its own with a valid experiment file `good.toml`.
struct Place {
    folder: TempDir,
}

const GOOD: &str = r#"name = "good"
[data]
kind = "gaussian"
samples = 20
inputs = 3
outputs = 2
[network]
width = 5
[[dynamics]]
kind = "stochastic-gradient-flow"
[[dynamics]]
kind = "gradient-descent"
[run]
time = 1.0
"#;

impl Place {
    fn new() -> Self {
        let place = Place {
            folder: tempfile::tempdir().unwrap(),
        };
        place.write("good.toml", GOOD);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    fn rankfall(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_rankfall"))
            .args(arguments)
            .current_dir(self.folder.path())
            .output()
            .unwrap()
    }

    /// Runs the program on wrong input; the message must have all the words.
    fn refuses(&self, arguments: &[&str], words: &[&str]) {
        let output = self.rankfall(arguments);
        let message = String::from_utf8_lossy(&output.stderr);
        let context = format!("{arguments:?} gave:\n{message}");
        assert_eq!(output.status.code(), Some(2), "{context}");
        for word in words {
            assert!(message.contains(word), "no {word:?}: {context}");
        }
        assert!(output.stdout.is_empty(), "{context}");
        assert!(!self.path("runs").exists(), "{context}");
    }

    /// The same for a change of the good experiment file.
    fn refuses_edit(&self, from: &str, to: &str, words: &[&str]) {
        assert!(GOOD.contains(from));
        self.write("edited.toml", GOOD.replace(from, to));
        self.refuses(&["run", "edited.toml"], words);
    }

    /// The same for `--set`.
    fn refuses_set(&self, set: &str, words: &[&str]) {
        self.refuses(&["run", "good.toml", "--set", set], words);
    }
}

#[test]
fn files_that_are_no_experiment() {
    let place = Place::new();
    place.write("binary", [0x7f, b'E', b'L', b'F', 0, 1, 2]);
    place.write("latin1.toml", b"name = \"caf\xe9\"\n");
    place.write("text.toml", "Dear diary,\n");
    place.write("empty.toml", "");
    place.write("half.toml", &GOOD[..GOOD.len() / 2 - 3]);
    let cases: &[(&str, &[&str])] = &[
        (
            "none.toml",
            &["rankfall: cannot read", "none.toml", "rankfall new"],
        ),
        ("paper", &["bundled experiment", "rankfall reproduce paper"]),
        (".", &["is a folder", "experiment.toml"]),
        ("binary", &["not a text file", "zero bytes"]),
        ("latin1.toml", &["not a text file", "byte 12 is not UTF-8"]),
        ("text.toml", &["text.toml:1:", "not TOML"]),
        (
            "empty.toml",
            &["empty.toml: `name` is missing", "for instance"],
        ),
        ("half.toml", &["half.toml:"]),
        ("good.toml/below", &["cannot read"]),
    ];
    for (file, words) in cases {
        place.refuses(&["run", file], words);
    }
}

#[cfg(unix)]
#[test]
fn endless_files_are_not_read_to_the_end() {
    Place::new().refuses(&["run", "/dev/zero"], &["longer than 64 MiB"]);
}

#[test]
fn keys_and_values_that_are_not_known() {
    let place = Place::new();
    let unknown: &[(&str, &str, &[&str])] = &[
        (
            "width",
            "widht",
            &["edited.toml:8:1", "\"widht\"", "`width`", "known there"],
        ),
        ("[run]", "[runs]", &["unknown key \"runs\"", "`run`"]),
        (
            "width = 5",
            "width = 5\nseed = 1",
            &["\"seed\"", "it belongs in [run]"],
        ),
        (
            "time = 1.0",
            "time = 1.0\nlearning_rate = 0.1",
            &["it", "learning_rate"],
        ),
        (
            "\"gaussian\"",
            "\"gausian\"",
            &["edited.toml:3:8", "did you mean \"gaussian\""],
        ),
        (
            "\"gradient-descent\"",
            "\"gradient-decent\"",
            &["`dynamics.1.kind`", "\"gradient-descent\""],
        ),
        (
            "\"gradient-descent\"",
            "\"stochastic-gradient-descent\"",
            &["did you mean \"sgd\""],
        ),
        (
            "kind = \"gradient-descent\"",
            "kind = \"gradient-descent\"\nlearning_rate = 0.1",
            &["\"learning_rate\"", "did you mean `step_size`"],
        ),
    ];
    for (from, to, words) in unknown {
        place.refuses_edit(from, to, words);
    }
}

#[test]
fn keys_that_are_missing_or_twice() {
    let place = Place::new();
    let cases: &[(&str, &str, &[&str])] = &[
        ("name = \"good\"", "", &["`name` is missing"]),
        (
            "width = 5",
            "",
            &[
                "edited.toml:7:1",
                "`network.width` is missing",
                "width = 10",
            ],
        ),
        ("time = 1.0", "", &["`run.time` is missing"]),
        ("[run]\ntime = 1.0", "", &["`run` is missing"]),
        ("samples = 20", "", &["`data.samples` is missing"]),
        (
            "kind = \"gradient-descent\"",
            "",
            &["`dynamics.1.kind` is missing", "gradient-flow"],
        ),
        (
            "width = 5",
            "width = 5\nwidth = 6",
            &["edited.toml:9:1", "not TOML", "duplicate"],
        ),
        (
            "[[dynamics]]\nkind = \"stochastic-gradient-flow\"\n[[dynamics]]",
            "[dynamics]",
            &["double brackets"],
        ),
    ];
    for (from, to, words) in cases {
        place.refuses_edit(from, to, words);
    }
    let labelled = "kind = \"gradient-descent\"\nlabel = \"stochastic gradient flow\"";
    let first = "kind = \"stochastic-gradient-flow\"";
    let twice = GOOD
        .replace("kind = \"gradient-descent\"", labelled)
        .replace(
            first,
            &format!("{first}\nlabel = \"stochastic gradient flow\""),
        );
    place.write("twice.toml", twice);
    place.refuses(&["run", "twice.toml"], &["`dynamics.1`", "of another one"]);
}

#[test]
fn values_out_of_range() {
    let place = Place::new();
    let cases: &[(&str, &[&str])] = &[
        (
            "network.width=0",
            &[
                "--set \"network.width=0\"",
                "`network.width` is 0",
                "from 1",
            ],
        ),
        ("network.width=-3", &["is -3"]),
        ("network.width=1e30", &["to 100000000"]),
        (
            "network.width=99999999999999999999999999999999999999999",
            &["to 100000000"],
        ),
        ("network.width=2.5", &["2.5", "whole number"]),
        (
            "dynamics.0.step_size=-0.01",
            &["`dynamics.0.step_size` is -0.01", "greater than 0"],
        ),
        ("dynamics.0.step_size=0", &["greater than 0"]),
        ("dynamics.0.step_size=nan", &["finite"]),
        ("dynamics.0.step_size=1e-300", &["more than 2^53 steps"]),
        ("dynamics.0.label_noise=-1", &["must not be negative"]),
        ("dynamics.0.batch_size=0", &["from 1"]),
        ("run.time=0", &["greater than 0"]),
        ("run.time=soon", &["the text \"soon\"", "a number"]),
        ("run.time='\"10\"'", &["a number"]),
        ("run.trajectories=0", &["from 1 to 1000000000"]),
        ("run.trajectories=2000000000", &["from 1 to 1000000000"]),
        ("run.save={ points = 0 }", &["`run.save.points`", "from 1"]),
        ("run.save=100", &["must be a table", "points = 200"]),
        ("run.rank_tolerance=2", &["between 0 and 1"]),
        ("run.seed=-1", &["from 0 to 18446744073709551615"]),
        ("run.common_noise=1", &["true or false"]),
        ("data.samples=0", &["from 1"]),
        ("data.teacher_rank=9", &["from 0 to 2"]),
        ("name=a/b", &["a label, not a path", "--out"]),
        ("name=..", &["a label, not a path"]),
        ("name=", &["`name` is empty"]),
        (
            "data.covariance={ matrix = [[1.0]] }",
            &["has 1 rows, but data.inputs = 3"],
        ),
    ];
    for (set, words) in cases {
        place.refuses_set(set, words);
    }
}

#[test]
fn numbers_and_flags_of_another_spelling() {
    let place = Place::new();
    let cases: &[(&str, &[&str])] = &[
        ("run.seed=007", &["`run.seed`", "no leading zeros: write 7"]),
        ("dynamics.0.step_size=.5", &["write 0.5"]),
        ("run.time=5.", &["write 5"]),
        ("dynamics.0.step_size=0,01", &["write 0.01"]),
        (
            "run.seed=1e17",
            &[
                "is 1e17",
                "with all their digits",
                "write 100000000000000000",
            ],
        ),
        ("run.seed=2e19", &["is 2e19", "to 18446744073709551615"]),
        ("run.common_noise=True", &["write true, in small letters"]),
        (
            "run.time=1e300",
            &["`run.time` is 1e300,", "2^53 steps of 0.01"],
        ),
        (
            "dynamics.0.step_size=1e-3..1e-1",
            &[
                "the text \"1e-3..1e-1\"",
                "one run has one value",
                "rankfall sweep FILE --over 'dynamics.0.step_size=log(1e-3,1e-1,16)'",
            ],
        ),
        ("run.seed=1,2", &["--over 'run.seed=1,2'"]),
        ("run.seed=[1,2]", &["is a list", "--over 'run.seed=1,2'"]),
    ];
    for (set, words) in cases {
        let output = place.rankfall(&["run", "good.toml", "--set", set]);
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(!message.contains("remove the quotes"), "{message}");
        place.refuses_set(set, words);
    }
    for (line, words) in [
        (
            "seed = 007",
            &["edited.toml:15:8", "not TOML", "write 7"][..],
        ),
        ("seed = \"007\"", &["edited.toml:15:8", "write 7"]),
        ("seed = \"7\"", &["remove the quotes: 7"]),
        ("rank_tolerance = .5", &["not TOML", "write 0.5"]),
        ("seed = 1 .. 5", &["--over 'run.seed=linear(1,5,16)'"]),
        ("common_noise = True", &["write true"]),
        ("seed: 3", &["write it with =, as in seed = 3"]),
        ("seed = None", &["leave the key out"]),
    ] {
        place.refuses_edit("time = 1.0", &format!("time = 1.0\n{line}"), words);
    }
    place.refuses_edit(
        "\"gaussian\"",
        "gaussian",
        &["text is in quotes: \"gaussian\""],
    );
    place.refuses_edit(
        "kind = \"gradient-descent\"",
        "kind = \"gradient-descent\"\nstep_size = 1e-3..1e-1",
        &["--over 'dynamics.1.step_size=log(1e-3,1e-1,16)'"],
    );
}

#[test]
fn words_of_other_libraries_get_a_true_answer() {
    let place = Place::new();
    for word in ["adam", "AdamW", "rmsprop", "adagrad"] {
        let set = format!("dynamics.1.kind={word}");
        let output = place.rankfall(&["run", "good.toml", "--set", &set]);
        assert!(!String::from_utf8_lossy(&output.stderr).contains("did you mean"));
        let words = [
            "`dynamics.1.kind`",
            "not here",
            "momentum",
            "known values: gradient-flow",
        ];
        place.refuses_set(&set, &words);
    }
    place.refuses_set(
        "dynamics.1.kind=lbfgs",
        &["none of its values", "known values"],
    );
    place.refuses_set(
        "run.colour=red",
        &["unknown key \"colour\" in [run]\n", "known there: seed"],
    );
    place.refuses(
        &["reproduce", "blah"],
        &["no bundled experiment is called \"blah\"\n", "--list"],
    );
}

/// The good experiment as PowerShell's `>` writes it, with and without its mark.
#[test]
fn utf16_is_read() {
    let place = Place::new();
    for (name, mark) in [("mark", "\u{feff}"), ("none", "")] {
        let text = format!("{mark}{}", GOOD.replace('\n', "\r\n"));
        let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        place.write(&format!("{name}.toml"), &bytes);
        let output = place.rankfall(&["run", &format!("{name}.toml"), "-q", "--out", name]);
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{name}: {message}");
        place.write("cut.toml", &bytes[..bytes.len() - 1]);
        place.refuses(&["run", "cut.toml"], &["UTF-16", "save it as UTF-8"]);
    }
}

#[test]
fn keys_of_another_kind() {
    let place = Place::new();
    let cases: &[(&str, &[&str])] = &[
        (
            "dynamics.1.time_step=0.1",
            &["`dynamics.1.time_step`", "step_size", "gradient-flow"],
        ),
        (
            "dynamics.1.label_noise=1",
            &["has no noise", "label-noise-gradient-descent"],
        ),
        (
            "dynamics.1.batch_size=1",
            &["stochastic-gradient-flow, slow-flow and sgd"],
        ),
        ("dynamics.0.sampling=epochs", &["only to sgd"]),
        (
            "dynamics.0.label_noise_distribution=rademacher",
            &["Brownian"],
        ),
        ("data.path=x.csv", &["only to file and gram"]),
        (
            "network.init={ kind = \"file\", scale = 1.0 }",
            &["`network.init.scale`"],
        ),
    ];
    for (set, words) in cases {
        place.refuses_set(set, words);
    }
}

#[test]
fn overrides_that_lead_nowhere() {
    let place = Place::new();
    let cases: &[(&str, &[&str])] = &[
        ("run.time", &["no `=`", "--set key=value"]),
        ("=1", &["not a dotted key"]),
        ("run..time=1", &["not a dotted key"]),
        (
            "dynamics.7.step_size=0.1",
            &["no `dynamics.7`", "2 items, at positions 0 to 1"],
        ),
        ("dynamics.-1.step_size=0.1", &["not a position"]),
        (
            "dynamics.step_size=0.1",
            &["\"step_size\" is not a position"],
        ),
        ("run.tiem=1", &["unknown key \"tiem\"", "`time`"]),
        ("runn.time=1", &["unknown key \"runn\"", "`run`"]),
        (
            "run.time.end=1",
            &["`run.time` is a number, so it has no `end`"],
        ),
    ];
    for (set, words) in cases {
        place.refuses_set(set, words);
    }
}

#[test]
fn command_lines_that_make_no_sense() {
    let place = Place::new();
    let cases: &[(&[&str], &[&str])] = &[
        (&[], &["Usage"]),
        (&["rum"], &["rum", "run"]),
        (&["run"], &["EXPERIMENT.toml"]),
        (&["run", "good.toml", "--thread", "2"], &["--threads"]),
        (
            &["run", "good.toml", "--trajectories", "10"],
            &[
                "unexpected argument '--trajectories'",
                "--set run.trajectories=10",
            ],
        ),
        (
            &["run", "good.toml", "--over", "run.seed=1,2"],
            &["'--over' is an option of rankfall sweep"],
        ),
        (&["run", "good.toml", "--threads", "0"], &["--threads"]),
        (
            &["run", "good.toml", "--resume", "--force"],
            &["--resume", "--force"],
        ),
        (
            &["reproduce", "papr"],
            &["\"papr\"", "did you mean paper", "--list"],
        ),
        (
            &["reproduce", "paper", "--set", "run.tiem=1"],
            &["--set", "`time`"],
        ),
        (&["new", "--kind", "rows"], &["gaussian", "file", "gram"]),
        (&["completions", "tcsh"], &["bash"]),
    ];
    for (arguments, words) in cases {
        place.refuses(arguments, words);
    }
}

#[test]
fn folders_that_cannot_be_plotted() {
    let place = Place::new();
    place.refuses(&["plot", "nowhere"], &["nowhere", "not a run folder"]);
    place.refuses(&["plot", "."], &["not a run folder"]);
    place.refuses(&["plot", "good.toml"], &["not a folder"]);
    fs::create_dir(place.path("run")).unwrap();
    place.write("run/experiment.toml", GOOD);
    place.write("run/summary.json", "{");
    place.refuses(&["plot", "run"], &["cannot read run/summary.json"]);
    place.write("run/running", "");
    place.refuses(&["plot", "run"], &["not finished", "--resume"]);
}

#[test]
fn an_unknown_key_shown_with_escapes_cannot_write_to_the_terminal() {
    let place = Place::new();
    place.write("escape.toml", format!("\"\\u001b[31mred\" = 1\n{GOOD}"));
    let output = place.rankfall(&["run", "escape.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(!output.stderr.contains(&0x1b));
}

#[test]
fn help_lists_and_templates_are_printed_and_succeed() {
    let place = Place::new();
    let succeeds = |arguments: &[&str]| {
        let output = place.rankfall(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(output.stderr.is_empty());
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(succeeds(&["--help"]).contains("rankfall reproduce"));
    assert!(succeeds(&["run", "--help"]).contains("--set"));
    assert!(succeeds(&["--version"]).contains(env!("CARGO_PKG_VERSION")));
    assert!(succeeds(&["reproduce", "--list"]).contains("generalisation"));
    assert!(succeeds(&["completions", "zsh"]).contains("rankfall"));
    assert!(succeeds(&["new", "--kind", "gram"]).contains("sxx"));
}

#[test]
fn the_experiments_folder_is_what_is_bundled() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments");
    let mut files: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    files.sort();
    let mut names: Vec<&str> = rankfall::bundled::ALL.iter().map(|b| b.name).collect();
    // These need the data files beside them, so they are run by path.
    names.extend(["digits", "digits-classification", "linnerud"]);
    names.sort();
    assert_eq!(files, names);
}
