//! Folders that older versions left are drawn as those of this one, and stay as they are.

mod support;

use rankfall::run_folder::{read_series, read_summary};
use std::collections::BTreeSet;
use support::Place;

/// Finished runs of schema 1, of either engine, with some of the figures they have.
const FOLDERS: [(&str, &[&str]); 2] = [
    (
        "two",
        &[
            "seed",
            "singular_values_theta",
            "singular_values_w1",
            "eigenvalues",
            "ranks",
            "loss",
            "conservation",
        ],
    ),
    ("net", &["loss", "singular_values", "ranks", "determinants"]),
];

#[test]
fn folders_of_schema_one_are_drawn_and_what_is_in_them_stays() {
    let place = Place::new();
    for (name, figures) in FOLDERS {
        place.copy_fixture(&format!("schema-one/{name}"), name);
        let before = place.everything(name);
        place.succeeds(&["plot", name]);
        for figure in figures {
            let drawn = place.text(&format!("{name}/figures/{figure}.svg"));
            assert!(drawn.contains("<polyline"), "{figure} of {name}");
        }
        let page = place.text(&format!("{name}/report.html"));
        assert!(
            page.contains("layout 1 of summary.json") && page.contains("Predicted and measured")
        );
        let after = place.everything(name);
        assert!(
            before.iter().all(|file| after.contains(file)),
            "{name} changed"
        );
    }
}

#[test]
fn records_of_schema_one_have_the_matrices_and_the_observables_of_this_version() {
    let place = Place::new();
    for (name, _) in FOLDERS {
        place.copy_fixture(&format!("schema-one/{name}"), name);
        let summary = read_summary(&place.path(name)).unwrap();
        let rows = read_series(&place.path(name), summary.schema).unwrap();
        let measured: BTreeSet<(&str, Option<u32>)> = rows
            .iter()
            .map(|row| (row.observable.as_str(), row.layer))
            .collect();
        for one in &summary.dynamics {
            assert!(one.matrices.len() >= 4, "{name}");
            for matrix in &one.matrices {
                let start = matrix.numerical_rank.rank.initial.unwrap();
                assert!(start >= 1.0 && matrix.numerical_rank.tolerance.is_some());
                for quantity in ["numerical_rank", "effective_rank"] {
                    let (observable, layer) = matrix.observable(quantity);
                    assert!(
                        measured.contains(&(observable.as_str(), layer)),
                        "{observable} {layer:?}"
                    );
                }
            }
            assert!(
                one.predictions
                    .iter()
                    .all(|p| p.kind.is_some() != p.reason.is_some())
            );
        }
        // The same experiment has the same rows today, but for what was not recorded then.
        let again = format!("{name}-again");
        let experiment = format!("{name}/experiment.toml");
        place.succeeds(&["run", &experiment, "-q", "--out", &again]);
        let now = read_summary(&place.path(&again)).unwrap();
        let mut rows_now = read_series(&place.path(&again), now.schema).unwrap();
        for row in rows_now
            .iter_mut()
            .filter(|row| row.observable != "log_det")
        {
            row.law = None;
        }
        assert_eq!(rows_now, rows);
        for (then, now) in summary.dynamics.iter().zip(&now.dynamics) {
            expect_near(&then.log_singular_values, &now.log_singular_values);
            let plain = |m: &rankfall_report::record::MatrixSummary| {
                (
                    m.name.clone(),
                    m.layer,
                    m.log_singular_values.clone(),
                    m.numerical_rank,
                    m.stable_rank,
                )
            };
            let all = |d: &rankfall_report::record::DynamicsSummary| {
                d.matrices.iter().map(plain).collect::<Vec<_>>()
            };
            expect_near(&all(then), &all(now));
            expect_near(&then.loss, &now.loss);
            let predicted = |d: &rankfall_report::record::DynamicsSummary| {
                d.predictions
                    .iter()
                    .filter(|p| p.quantity == "log_det")
                    .map(|p| (p.layer, p.predicted, p.kind.clone()))
                    .collect::<Vec<_>>()
            };
            expect_near(&predicted(then), &predicted(now));
        }
    }
}

/// Summaries of schema 1 went through a reader of numbers that was a unit in the last place off.
fn expect_near(then: &impl serde::Serialize, now: &impl serde::Serialize) {
    let (then, now) = (
        serde_json::to_value(then).unwrap(),
        serde_json::to_value(now).unwrap(),
    );
    assert!(is_near(&then, &now), "{then} {now}");
}

fn is_near(then: &serde_json::Value, now: &serde_json::Value) -> bool {
    use serde_json::Value;
    match (then, now) {
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            (a - b).abs() <= 4.0 * f64::EPSILON * a.abs()
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_near(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, a)| b.get(key).is_some_and(|b| is_near(a, b)))
        }
        (a, b) => a == b,
    }
}
