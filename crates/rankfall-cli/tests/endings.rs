//! How runs end that came to nothing: what is said before and after, of how many, and how the
//! program exits.

mod support;

use support::Place;

/// Width 10,000 with N(0, 1) weights: the largest curvature is about 2 · 10⁴, which bears a step of
/// 10⁻⁴.
const WIDE: &str = r#"name = "wide"
[data]
kind = "gaussian"
samples = 200
inputs = 5
outputs = 2
[network]
width = 10000
[[dynamics]]
kind = "gradient-flow"
[[dynamics]]
kind = "stochastic-gradient-flow"
label_noise = 1.0
[[dynamics]]
kind = "gradient-descent"
[[dynamics]]
kind = "sgd"
[run]
time = 0.1
trajectories = 3
save = { points = 2 }
"#;

const UNSTABLE: [&str; 3] = [
    "\"stochastic gradient flow\"",
    "\"gradient descent\"",
    "\"SGD\"",
];

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn warnings(place: &Place, folder: &str) -> Vec<String> {
    let summary = place.summary(folder);
    let list = summary["warnings"].as_array().unwrap();
    list.iter()
        .map(|w| w.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_step_far_from_stable_is_said_before_and_all_that_diverged_are_named() {
    let place = Place::new();
    place.write("wide.toml", WIDE);
    let output = place.ends(&["run", "wide.toml", "-q", "--out", "r"], 1, &UNSTABLE);
    let errors = text(&output.stderr);
    let before = |what: &str| {
        let line = errors
            .lines()
            .find(|l| l.contains("warning:") && l.contains(what));
        line.unwrap_or_else(|| panic!("{what}: {errors}"))
            .to_owned()
    };
    for what in UNSTABLE {
        let line = before(what);
        assert!(
            line.contains("will probably diverge") && line.contains("smaller initial weights"),
            "{line}"
        );
        assert!(
            warnings(&place, "r").iter().any(|w| line.ends_with(w)),
            "{line}"
        );
    }
    // 2/λ with λ = λ_max(S_xx) (σ₁(W₁)² + σ₁(W₂)²) to a few per cent: 8·10⁻⁵.
    assert!(
        before(UNSTABLE[0]).contains("time_step = 0.01") && before(UNSTABLE[0]).contains("8.1e-5")
    );
    assert!(!errors.contains("\"gradient flow\""), "{errors}");
    let end = errors
        .lines()
        .find(|l| l.contains("every trajectory of"))
        .unwrap();
    assert!(UNSTABLE.iter().all(|what| end.contains(what)), "{end}");
    // The table: a flow whose law is known has one, whether or not something is left to hold
    // against it.
    let printed = text(&output.stdout);
    let row = |start: &str| {
        let row = printed.lines().find(|l| l.starts_with(start));
        row.unwrap_or_else(|| panic!("{printed}")).to_owned()
    };
    assert!(row("stochastic gradient flow").contains("all diverged"));
    assert!(row("gradient descent").contains("all diverged"));
    let of_wide = warnings(&place, "r").join("\n");
    assert!(
        of_wide.contains("all 3 trajectories of \"SGD\" diverged"),
        "{of_wide}"
    );
    assert!(
        of_wide.contains("the one trajectory of \"gradient descent\" diverged"),
        "{of_wide}"
    );
    assert!(!of_wide.contains("others"), "{of_wide}");
}

#[test]
fn the_step_that_is_named_does_not_diverge() {
    let place = Place::new();
    place.write("wide.toml", WIDE);
    let sets = [
        "--set",
        "dynamics=[{ kind = \"gradient-descent\", step_size = 8e-5 }]",
        "--set",
        "run.time=0.8",
    ];
    let output = place.rankfall(&[&["run", "wide.toml", "-q", "--out", "r"], &sets[..]].concat());
    assert_eq!(
        (output.status.code(), text(&output.stderr)),
        (Some(0), String::new())
    );
    let loss = &place.summary("r")["dynamics"][0]["excess_loss"];
    assert!(loss["final_mean"].as_f64() < loss["initial"].as_f64());
}

#[test]
fn shards_and_their_merging_say_the_same() {
    let place = Place::new();
    place.write("wide.toml", WIDE);
    for shard in ["1/2", "2/2"] {
        let folder = &format!("s{}", &shard[..1]);
        place.ends(
            &["run", "wide.toml", "-q", "--shard", shard, "--out", folder],
            0,
            &["will probably diverge"],
        );
    }
    place.ends(&["merge", "s1", "s2", "--out", "m"], 1, &UNSTABLE);
    place.ends(&["run", "wide.toml", "-q", "--out", "r"], 1, &UNSTABLE);
    assert_eq!(warnings(&place, "m"), warnings(&place, "r"));
}

#[test]
fn a_sweep_says_at_how_many_points_and_ends_by_what_is_left() {
    let place = Place::new();
    place.write(
        "wide.toml",
        WIDE.replace("[[dynamics]]\nkind = \"gradient-flow\"\n", ""),
    );
    let some = [
        "sweep",
        "wide.toml",
        "-q",
        "--out",
        "some",
        "--over",
        "network.width=10,10000",
    ];
    let output = place.ends(
        &some,
        0,
        &[
            "at 1 of 2 points",
            "network.width = 10000",
            "will probably diverge",
        ],
    );
    let said = text(&output.stderr);
    assert_eq!(said.lines().count(), 1, "{said}");
    let printed = text(&output.stdout);
    assert!(
        printed.contains("3 of 6 points of dynamics are without a survivor"),
        "{printed}"
    );
    assert!(!printed.contains("trajectories that survived"), "{printed}");
    let all = [
        "sweep",
        "wide.toml",
        "-q",
        "--out",
        "all",
        "--over",
        "network.width=9000,10000",
    ];
    let output = place.ends(&all, 1, &["every trajectory diverged at every point"]);
    assert!(text(&output.stdout).contains("no trajectory survived at any point"));
}

/// Three linear layers from N(0, 1): a curvature of hundreds at a step of 0.1.
const DEEP: &str = r#"name = "deep"
[data]
kind = "gaussian"
samples = 30
inputs = 4
outputs = 2
[network]
layers = [4, 12, 12, 2]
init = { kind = "gaussian", scale = 1.0 }
[[dynamics]]
kind = "gradient-descent"
step_size = 0.1
[[dynamics]]
kind = "sgd"
step_size = 0.1
[[dynamics]]
label = "small"
kind = "gradient-descent"
step_size = 1e-5
[run]
steps = 50
trajectories = 2
save = { points = 2 }
"#;

#[test]
fn dense_networks_are_warned_of_and_named_too() {
    let place = Place::new();
    place.write("deep.toml", DEEP);
    let words = [
        "\"gradient descent\" will probably diverge: step_size = 0.1",
        "\"SGD\" will probably diverge",
    ];
    let output = place.ends(&["run", "deep.toml", "-q", "--out", "r"], 1, &words);
    let errors = text(&output.stderr);
    assert!(!errors.contains("\"small\""), "{errors}");
    let end = errors
        .lines()
        .find(|l| l.contains("every trajectory of"))
        .unwrap();
    assert!(
        end.contains("\"gradient descent\"") && end.contains("\"SGD\""),
        "{end}"
    );
    let all = warnings(&place, "r").join("\n");
    assert!(
        all.contains("the one trajectory of \"gradient descent\"")
            && all.contains("all 2 trajectories of \"SGD\""),
        "{all}"
    );
}
