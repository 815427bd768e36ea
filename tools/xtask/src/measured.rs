//! Values in the record of a run: paths into its JSON.

use serde_json::Value;

/// The value of `PATH`, `exp PATH` (its exponential), `100 PATH` (in per cent), or of one `less`
/// another. A path has `/` between its steps; a step into a list is a number, `last`, or the `id`,
/// `label` or `name` of an element, with ` of layer N` after a name that several layers have. NaN
/// where it is undefined.
///
/// # Errors
/// What is not there.
pub fn value(record: &Value, expression: &str) -> Result<f64, String> {
    let mut terms = expression.split(" less ").map(|text| term(record, text));
    let first = terms
        .next()
        .unwrap_or_else(|| Err("nothing asked for".into()))?;
    terms.try_fold(first, |total, next| Ok(total - next?))
}

fn term(record: &Value, text: &str) -> Result<f64, String> {
    if let Some(path) = text.strip_prefix("exp ") {
        look_up(record, path).map(f64::exp)
    } else if let Some(path) = text.strip_prefix("100 ") {
        look_up(record, path).map(|share| 100.0 * share)
    } else {
        look_up(record, text)
    }
}

fn look_up(record: &Value, path: &str) -> Result<f64, String> {
    let mut at = record;
    for step in path.split('/') {
        at = match at {
            Value::Array(list) => element(list, step),
            _ => at.get(step),
        }
        .ok_or_else(|| format!("nothing is at {step:?} of {path}"))?;
    }
    match at {
        Value::Null => Ok(f64::NAN),
        _ => at.as_f64().ok_or_else(|| format!("{path} is no number")),
    }
}

fn element<'a>(list: &'a [Value], step: &str) -> Option<&'a Value> {
    if step == "last" {
        return list.last();
    }
    if let Ok(place) = step.parse::<usize>() {
        return list.get(place);
    }
    let (name, layer) = match step.split_once(" of layer ") {
        Some((name, layer)) => (name, Some(layer.parse::<u64>().ok()?)),
        None => (step, None),
    };
    let called = |one: &&Value| {
        let names = ["id", "label", "name"];
        names.iter().any(|key| one[*key] == name) && layer.is_none_or(|layer| one["layer"] == layer)
    };
    list.iter().find(called)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_name() {
        let record = serde_json::json!({"dynamics": [
            {"label": "SGD, noisy", "final": [1.0, 0.0], "share": 0.5, "none": null,
             "matrices": [{"name": "features", "layer": 1, "rank": 3}, {"name": "features", "layer": 2, "rank": 4}]},
        ]});
        let of = |expression: &str| value(&record, expression);
        assert_eq!(of("dynamics/SGD, noisy/final/0"), Ok(1.0));
        assert_eq!(of("exp dynamics/0/final/last"), Ok(1.0));
        assert_eq!(of("100 dynamics/0/share"), Ok(50.0));
        assert_eq!(of("dynamics/0/matrices/features of layer 2/rank"), Ok(4.0));
        assert_eq!(of("dynamics/0/final/0 less dynamics/0/share"), Ok(0.5));
        assert!(of("dynamics/0/none").is_ok_and(f64::is_nan));
        assert!(of("dynamics/SGD/final/0").is_err());
        assert!(of("dynamics/0/final").is_err());
    }
}
