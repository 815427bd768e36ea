//! Every line of the tables in `lessons/README.md`: its settings are run on `lessons/lesson.toml`,
//! and each number of the line is what the program gives: decimals to one unit of the last digit,
//! whole numbers to one half.

mod support;

use serde_json::Value;
use support::Place;

/// One line of a table: the settings, and what is stated under each column head.
struct Row {
    settings: Vec<String>,
    stated: Vec<(String, String)>,
}

fn page(name: &str) -> String {
    let path = format!("{}/../../lessons/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn cells(line: &str) -> Vec<String> {
    let inner = line.trim().trim_start_matches('|').trim_end_matches('|');
    inner
        .split('|')
        .map(|cell| cell.trim().to_owned())
        .collect()
}

/// The lines of all tables whose first column is `--set`.
fn rows(page: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut heads: Vec<String> = Vec::new();
    for line in page.lines() {
        if !line.starts_with('|') {
            heads.clear();
        } else if heads.is_empty() {
            heads = cells(line);
            assert_eq!(heads[0], "`--set`", "{line}");
        } else if !line.starts_with("|---") {
            let cells = cells(line);
            assert_eq!(cells.len(), heads.len(), "{line}");
            let settings = cells[0].split('`').skip(1).step_by(2);
            let stated = heads.iter().cloned().zip(cells.iter().cloned()).skip(1);
            rows.push(Row {
                settings: settings.map(str::to_owned).collect(),
                stated: stated.filter(|(_, text)| !text.is_empty()).collect(),
            });
        }
    }
    rows
}

fn number(value: &Value) -> Option<f64> {
    (!value.is_null()).then(|| value.as_f64().unwrap())
}

/// What a column head stands for, in one entry of `dynamics` of a summary; none where it is
/// undefined.
fn measured(head: &str, dynamics: &Value) -> Option<f64> {
    let log_det = &dynamics["log_det"];
    let last = |matrix: &str, index: usize| {
        number(&dynamics["log_singular_values"][matrix]["final_mean"][index])
    };
    let end = |quantity: &str| number(&dynamics[quantity]["w1"]["final_mean"]);
    match head {
        "log det M" => number(&log_det["final_mean"]),
        "law" => number(&log_det["law_final"]),
        "fall of log det M" => Some(number(&log_det["initial"])? - number(&log_det["final_mean"])?),
        "log det M − law" => {
            Some(number(&log_det["final_mean"])? - number(&log_det["law_final"])?)
        }
        "rank of W₁" => end("numerical_rank"),
        "effective rank of W₁" => end("effective_rank"),
        "smallest σ of W₁" => Some(last("w1", 4)?.exp()),
        "log σ₇(Θ)" => last("theta", 6),
        "log σ₁(W₁) − log σ₁(W₂)" => Some(last("w1", 0)? - last("w2", 0)?),
        "standard deviation of log det M" => number(&log_det["final_std"]),
        "standard deviation of the excess loss" => number(&dynamics["excess_loss"]["final_std"]),
        other => panic!("no quantity is called {other:?}"),
    }
}

/// Whether a number is what is stated: `none`, `< 10⁻¹²`, a decimal to one unit of its last digit,
/// or a whole number to one half.
fn agrees(stated: &str, measured: Option<f64>) -> bool {
    if stated == "none" {
        return measured.is_none();
    }
    let Some(measured) = measured else {
        return false;
    };
    if let Some(exponent) = stated.strip_prefix("< 10⁻") {
        let digit = |c: char| "⁰¹²³⁴⁵⁶⁷⁸⁹".chars().position(|s| s == c).unwrap();
        let power = exponent.chars().fold(0, |n, c| 10 * n + digit(c));
        return measured.abs() < 10f64.powi(-i32::try_from(power).unwrap());
    }
    let value: f64 = stated.replace('−', "-").parse().unwrap();
    let tolerance = match stated.split_once('.') {
        Some((_, digits)) => 10f64.powi(-i32::try_from(digits.len()).unwrap()),
        None => 0.5,
    };
    (measured - value).abs() <= tolerance
}

#[test]
fn every_line_of_the_lessons_gives_its_numbers() {
    let place = Place::new();
    place.write("lesson.toml", page("lesson.toml"));
    let rows = rows(&page("README.md"));
    assert!(rows.len() > 25, "only {} lines found", rows.len());
    let mut wrong = Vec::new();
    for row in &rows {
        let mut arguments = vec!["run", "lesson.toml", "-q", "--force", "--out", "out"];
        row.settings
            .iter()
            .for_each(|set| arguments.extend(["--set", set]));
        place.succeeds(&arguments);
        let summary = place.summary("out");
        for (head, text) in &row.stated {
            let (head, which) = match head.strip_suffix(", without noise") {
                Some(head) => (head, 0),
                None => (head.as_str(), 1),
            };
            let measured = measured(head, &summary["dynamics"][which]);
            if !agrees(text, measured) {
                wrong.push(format!(
                    "{:?}: {head} is {measured:?}, not {text}",
                    row.settings
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A number beside what is stated has to be noticed.
#[test]
fn a_wrong_number_is_noticed() {
    assert!(agrees("−85.5", Some(-85.507)));
    assert!(!agrees("−85.5", Some(-85.7)));
    assert!(!agrees("5", None));
    assert!(!agrees("5", Some(4.0)));
    assert!(agrees("none", None));
    assert!(!agrees("none", Some(1.0)));
    assert!(agrees("< 10⁻¹²", Some(-1e-13)));
    assert!(!agrees("< 10⁻¹²", Some(2e-12)));
}
