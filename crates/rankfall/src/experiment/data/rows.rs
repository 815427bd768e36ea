//! Rows that are written in the experiment file itself.

use crate::experiment::document::{InputProblem, Value};
use crate::experiment::section::{Field, Section};

/// Rows in the file itself.
#[derive(Clone, Debug, PartialEq)]
pub struct InlineRows {
    /// Inputs.
    pub x: Vec<Vec<f64>>,
    /// Targets.
    pub y: Vec<Vec<f64>>,
}

pub(super) fn read(section: &Section) -> Result<InlineRows, InputProblem> {
    let x = row_list(&section.required("x")?)?;
    let targets = section.required("y")?;
    let y = row_list(&targets)?;
    if x.len() != y.len() {
        let message = format!("has {} rows, but data.x has {}", y.len(), x.len());
        return Err(targets.problem(message));
    }
    Ok(InlineRows { x, y })
}

/// Rows of equal length; a number alone is a row of one.
fn row_list(field: &Field) -> Result<Vec<Vec<f64>>, InputProblem> {
    let items = field.list()?;
    let rows: Vec<Vec<f64>> = items.iter().map(one_row).collect::<Result<_, _>>()?;
    let width = rows.first().map_or(0, Vec::len);
    if width == 0 {
        return Err(field.problem("has no numbers in it"));
    }
    match rows.iter().position(|row| row.len() != width) {
        None => Ok(rows),
        Some(i) => Err(items[i].problem(format!(
            "has {} numbers, but the first row has {width}",
            rows[i].len()
        ))),
    }
}

fn one_row(field: &Field) -> Result<Vec<f64>, InputProblem> {
    match field.node.value {
        Value::List(_) => field.numbers(),
        _ => field.number().map(|number| vec![number]),
    }
}
