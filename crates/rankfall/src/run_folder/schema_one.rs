//! Records of schema 1, as this version has them. There two linear layers and networks given by
//! layers had summaries of their own, and layers were part of the names of observables.

use serde_json::{Map, Value, json};

use rankfall_report::observable::Observable;
use rankfall_report::record::{
    ACCOUNT, DENSE, DynamicsSummary, EXACT, EXACT_LAW, LogDetSummary, MatrixSummary,
    ProblemSummary, SeriesRow, Summary, weights_name,
};

/// What such a summary has under `schema`.
pub const SCHEMA: u32 = 1;

/// What is said where schema 1 has no law: it does not say why.
const NO_LAW: &str = "not stated: there is no law of it in the record";

/// The summary in a `summary.json` of schema 1.
///
/// # Errors
/// Where it is no such summary.
pub fn summary(text: &str) -> Result<Summary, serde_json::Error> {
    let old: Value = serde_json::from_str(text)?;
    let dense = old["engine"] == DENSE;
    let mut dynamics = Vec::new();
    for key in ["experiment", "problem"] {
        there(&old, key)?;
    }
    for one in there(&old, "dynamics")?.as_array().into_iter().flatten() {
        dynamics.push(match dense {
            true => of_layers(one)?,
            false => of_two_layers(one)?,
        });
    }
    let (problem, engine, reason) = match dense {
        true => (
            over(&ProblemSummary::default(), &old["problem"])?,
            DENSE,
            "",
        ),
        false => (two_layers(&old["problem"])?, EXACT, "two linear layers"),
    };
    let known = Summary {
        engine: engine.to_owned(),
        engine_reason: reason.to_owned(),
        ..Summary::default()
    };
    let mut rest = old;
    for taken in ["problem", "dynamics"] {
        rest.as_object_mut().and_then(|all| all.remove(taken));
    }
    Ok(Summary {
        problem,
        dynamics,
        ..over(&known, &rest)?
    })
}

/// A row of a `series.parquet` of schema 1, whose layer is not yet told from its name.
#[must_use]
pub fn row(row: SeriesRow) -> SeriesRow {
    let Observable { name, layer, index } = Observable::measured(&row.observable, row.index);
    SeriesRow {
        observable: name,
        layer,
        index,
        ..row
    }
}

fn there<'a>(old: &'a Value, key: &'static str) -> Result<&'a Value, serde_json::Error> {
    let found = old.get(key);
    found.ok_or_else(|| serde::de::Error::missing_field(key))
}

/// A value with the fields that an old one has as well. By way of text: records are then compiled
/// to be read from one kind of input, not two.
fn over<T: serde::Serialize + serde::de::DeserializeOwned>(
    value: &T,
    old: &Value,
) -> Result<T, serde_json::Error> {
    let mut fields: Value = serde_json::from_str(&serde_json::to_string(value)?)?;
    if let (Some(fields), Some(old)) = (fields.as_object_mut(), old.as_object()) {
        for (key, field) in fields {
            if let Some(found) = old.get(key) {
                *field = found.clone();
            }
        }
    }
    serde_json::from_str(&fields.to_string())
}

fn two_layers(old: &Value) -> Result<ProblemSummary, serde_json::Error> {
    let size = |key: &'static str| serde_json::from_value(there(old, key)?.clone());
    let sizes = [size("inputs")?, size("width")?, size("outputs")?];
    over(&ProblemSummary::two_layers(0, sizes), old)
}

fn of_two_layers(old: &Value) -> Result<DynamicsSummary, serde_json::Error> {
    const NAMED: [(&str, Option<u32>); 4] = [
        ("theta", None),
        ("w1", Some(1)),
        ("w2", Some(2)),
        ("product", None),
    ];
    const RANKS: [&str; 3] = ["numerical_rank", "effective_rank", "stable_rank"];
    let mut one: DynamicsSummary = over(&DynamicsSummary::default(), &without(old, &["log_det"]))?;
    for (name, layer) in NAMED {
        let mut matrix = Map::new();
        let spectrum = &old["log_singular_values"][name];
        matrix.insert("log_singular_values".into(), spectrum.clone());
        for rank in RANKS {
            let mut of = match name {
                "theta" => old[rank].clone(),
                _ => old[rank][name].clone(),
            };
            if let Some(of) = of.as_object_mut() {
                of.insert("tolerance".into(), old[rank]["tolerance"].clone());
            }
            matrix.insert(rank.into(), of);
        }
        one.matrices
            .push(matrix_of(name.to_owned(), layer, matrix.into())?);
    }
    let log_det: LogDetSummary = over(&LogDetSummary::default(), &old["log_det"])?;
    one.predictions = vec![log_det.prediction(EXACT_LAW, NO_LAW)];
    one.log_det = Some(log_det);
    Ok(one)
}

fn of_layers(old: &Value) -> Result<DynamicsSummary, serde_json::Error> {
    let taken = ["log_det_stacks"];
    let mut one: DynamicsSummary = over(&DynamicsSummary::default(), &without(old, &taken))?;
    let decay = [&old["momentum"], &old["weight_decay"]].map(Value::as_f64);
    if decay.iter().flatten().any(|x| *x != 0.0) {
        let [momentum, weight_decay] = decay.map(|x| x.unwrap_or(0.0));
        let optimizer =
            json!({"momentum": momentum, "nesterov": false, "weight_decay": weight_decay});
        one.optimizer = serde_json::from_str(&optimizer.to_string())?;
    }
    for key in ["layers", "product", "features", "jacobian"] {
        let matrices: Vec<(Option<u32>, &Value)> = match &old[key] {
            Value::Array(all) => (1..).map(Some).zip(all).collect(),
            one @ Value::Object(_) => vec![(None, one)],
            _ => Vec::new(),
        };
        for (layer, matrix) in matrices {
            let name = match (key, layer) {
                ("layers", Some(layer)) => weights_name(layer),
                _ => key.to_owned(),
            };
            one.matrices.push(matrix_of(name, layer, matrix.clone())?);
        }
    }
    for (layer, stack) in (1..).zip(old["log_det_stacks"].as_array().into_iter().flatten()) {
        let mut stack: LogDetSummary = over(&LogDetSummary::default(), stack)?;
        stack.layer = Some(layer);
        one.predictions.push(stack.prediction(ACCOUNT, NO_LAW));
        one.log_det_stacks.push(stack);
    }
    Ok(one)
}

fn matrix_of(
    name: String,
    layer: Option<u32>,
    old: Value,
) -> Result<MatrixSummary, serde_json::Error> {
    let known = MatrixSummary {
        name,
        layer,
        ..MatrixSummary::default()
    };
    over(&known, &old)
}

/// An object without some of its keys.
fn without(old: &Value, keys: &[&str]) -> Value {
    let mut rest = old.clone();
    for key in keys {
        rest.as_object_mut().and_then(|all| all.remove(*key));
    }
    rest
}
