//! The first thing that a stranger makes: the templates of `rankfall new` and the first files of
//! README and pages of documentation show rank falling under noise and staying without.

mod support;

use serde_json::Value;
use support::{Place, npy, npz};

const README: &str = include_str!("../../../README.md");
const OWN_EXPERIMENT: &str = include_str!("../../../docs/2-own-experiment.md");
const EXPERIMENT_FILE: &str = include_str!("../../../docs/experiment-file.md");

/// The first example in a page that is an experiment.
fn first_example(page: &str) -> &str {
    let (_, rest) = page.split_once("```toml\n").unwrap();
    rest.split_once("```").unwrap().0
}

fn run(place: &Place, experiment: &str, sets: &[&str]) -> Value {
    place.write("mine.toml", experiment);
    let mut arguments = vec!["run", "mine.toml", "-q", "--force", "--out", "out"];
    sets.iter().for_each(|set| arguments.extend(["--set", set]));
    place.succeeds(&arguments);
    place.summary("out")
}

fn is_noisy(dynamics: &Value) -> bool {
    dynamics["noise_intensity"].as_f64().unwrap() > 0.0
}

/// Start and end of the numerical rank of a matrix.
fn ends(rank: &Value) -> [f64; 2] {
    ["initial", "final_mean"].map(|end| rank[end].as_f64().unwrap())
}

/// The numerical rank of W₁ falls by one or more wherever there is noise, and stays where there is
/// none.
fn rank_falls_under_noise(summary: &Value) {
    let dynamics = summary["dynamics"].as_array().unwrap();
    assert!(dynamics.iter().any(is_noisy));
    for one in dynamics {
        let [start, end] = ends(&one["numerical_rank"]["w1"]);
        let what = format!("{}: {start} → {end}", one["label"]);
        assert_eq!(one["diverged"], 0, "{what}");
        match is_noisy(one) {
            true => assert!(end <= start - 1.0, "{what}"),
            false => assert_eq!(end, start, "{what}"),
        }
    }
}

fn template(place: &Place, kind: &str) -> String {
    place.succeeds(&["new", "--kind", kind])
}

#[test]
fn the_template_shows_the_effect() {
    let place = Place::new();
    let text = place.succeeds(&["new"]);
    assert_eq!(text, template(&place, "gaussian"));
    rank_falls_under_noise(&run(&place, &text, &[]));
}

#[test]
fn the_template_for_layers_shows_the_effect() {
    let place = Place::new();
    let summary = run(&place, &template(&place, "layers"), &[]);
    for one in summary["dynamics"].as_array().unwrap() {
        let layers = one["matrices"].as_array().unwrap();
        // Gradient descent and SGD, and SGD with label noise: the outer layers.
        for layer in [&layers[0], &layers[2]] {
            let [start, end] = ends(&layer["numerical_rank"]);
            match is_noisy(one) {
                true => assert!(end <= start - 1.0, "{}: {start} → {end}", one["label"]),
                false => assert_eq!(end, start, "{}", one["label"]),
            }
        }
    }
}

/// Two hundred rows of eight inputs that correlate by a half, of different scales and means.
fn correlated() -> Vec<[f64; 9]> {
    let wave = |row: usize, column: usize| {
        // Equidistributed numbers in (−1, 1): multiples of irrational ones.
        let x = (row as f64 + 1.0) * ((column * column + 2) as f64).sqrt() * 1.618;
        2.0 * x.fract() - 1.0
    };
    let row = |i: usize| {
        let common = wave(i, 20);
        let inputs: Vec<f64> = (0..8).map(|j| common + wave(i, j)).collect();
        let target = inputs[0] - 2.0 * inputs[3] + inputs[5] + 0.5 * wave(i, 11);
        std::array::from_fn(|j| match j {
            8 => target,
            j => inputs[j] * (j as f64 + 1.0) * 3.0 + 10.0 * j as f64,
        })
    };
    (0..200).map(row).collect()
}

#[test]
fn the_template_for_tables_shows_the_effect() {
    let place = Place::new();
    let mut table = "a,b,c,d,e,f,g,h,target\n".to_owned();
    for row in correlated() {
        let cells: Vec<String> = row.iter().map(f64::to_string).collect();
        table += &(cells.join(",") + "\n");
    }
    place.write("table.csv", table);
    let summary = run(&place, &template(&place, "file"), &[]);
    rank_of_w1_falls(&summary);
}

#[test]
fn the_template_for_gram_files_shows_the_effect() {
    let place = Place::new();
    let rows = correlated();
    let n = rows.len() as f64;
    // Standardised inputs and a centred target.
    let mean = |j: usize| rows.iter().map(|r| r[j]).sum::<f64>() / n;
    let means: Vec<f64> = (0..9).map(mean).collect();
    let moment = |i: usize, j: usize| {
        rows.iter()
            .map(|r| (r[i] - means[i]) * (r[j] - means[j]))
            .sum::<f64>()
            / n
    };
    let scale = |j: usize| match j {
        8 => 1.0,
        j => moment(j, j).sqrt(),
    };
    let scaled = |i: usize, j: usize| moment(i, j) / scale(i) / scale(j);
    let sxx: Vec<f64> = (0..64).map(|at| scaled(at / 8, at % 8)).collect();
    let sxy: Vec<f64> = (0..8).map(|i| scaled(i, 8)).collect();
    let arrays = [
        ("sxx", npy(&[8, 8], &sxx)),
        ("sxy", npy(&[8, 1], &sxy)),
        ("syy", npy(&[1, 1], &[moment(8, 8)])),
        ("n", npy(&[], &[n])),
    ];
    place.write("gram.npz", npz(&arrays));
    let summary = run(&place, &template(&place, "gram"), &[]);
    rank_of_w1_falls(&summary);
}

/// Of a table nobody knows how far: the effective rank falls to half, the numerical one of the flow
/// by one or more; without noise the effective rank keeps nine tenths and the numerical rank stays.
fn rank_of_w1_falls(summary: &Value) {
    for one in summary["dynamics"].as_array().unwrap() {
        let [start, end] = ends(&one["effective_rank"]["w1"]);
        let numerical = ends(&one["numerical_rank"]["w1"]);
        let what = format!("{}: {start} → {end}, {numerical:?}", one["label"]);
        assert_eq!(one["diverged"], 0, "{what}");
        match is_noisy(one) {
            true => assert!(end < 0.5 * start, "{what}"),
            false => assert!(end > 0.9 * start && numerical[0] == numerical[1], "{what}"),
        }
        if one["kind"] == "stochastic-gradient-flow" {
            assert!(numerical[1] <= numerical[0] - 1.0, "{what}");
        }
    }
}

#[test]
fn the_first_files_of_the_pages_show_the_effect() {
    let place = Place::new();
    rank_falls_under_noise(&run(&place, first_example(OWN_EXPERIMENT), &[]));
    rank_falls_under_noise(&run(&place, first_example(EXPERIMENT_FILE), &[]));
}

/// The run of the README takes long without optimisation: a quarter of its time shows the effect.
#[test]
fn the_file_of_the_readme_shows_the_effect() {
    let place = Place::new();
    let data = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../experiments/data/digits.csv.gz"
    );
    let path = format!("data.path={data:?}");
    let sets = [&path, "run.time=25.0", "run.trajectories=1"];
    let summary = run(&place, first_example(README), &sets);
    for one in summary["dynamics"].as_array().unwrap() {
        let [start, end] = ends(&one["effective_rank"]["w1"]);
        let fall = start - end;
        match is_noisy(one) {
            true => assert!(fall > 4.0, "{start} → {end}"),
            false => assert!(fall < 1.0, "{start} → {end}"),
        }
    }
}
