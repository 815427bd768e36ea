//! The columns of a table of rows, in one order for CSV, Parquet and the report page.

use crate::record::Row;

/// A value of a table; `None` is null.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Text.
    Text(Option<String>),
    /// A whole number.
    Whole(Option<u64>),
    /// A number.
    Real(Option<f64>),
    /// True or false.
    Truth(bool),
}

/// A column: its name, as in `--json`, and its value in a row.
pub type Column = (&'static str, fn(&Row) -> Cell);

fn text(value: &str) -> Cell {
    Cell::Text(Some(value.to_owned()))
}

fn whole(value: Option<usize>) -> Cell {
    Cell::Whole(value.map(|n| n as u64))
}

/// All columns but the list of singular values.
pub const COLUMNS: &[Column] = &[
    ("name", |r| text(&r.name)),
    ("shape", |r| text(&sizes(&r.shape))),
    ("dtype", |r| text(&r.dtype)),
    ("role", |r| text(r.role)),
    ("matrix", |r| Cell::Text(r.matrix.clone())),
    ("analysed", |r| Cell::Truth(r.analysed)),
    ("reason", |r| Cell::Text(r.reason.clone())),
    ("sigma_max", |r| Cell::Real(r.sigma_max)),
    ("sigma_min", |r| Cell::Real(r.sigma_min)),
    ("numerical_rank", |r| whole(r.numerical_rank)),
    ("tolerance", |r| Cell::Real(r.tolerance)),
    ("effective_rank", |r| Cell::Real(r.effective_rank)),
    ("effective_rank_error", |r| {
        Cell::Real(r.effective_rank_error)
    }),
    ("stable_rank", |r| Cell::Real(r.stable_rank)),
    ("stable_rank_error", |r| Cell::Real(r.stable_rank_error)),
    ("nuclear_norm", |r| Cell::Real(r.nuclear_norm)),
    ("nuclear_norm_error", |r| Cell::Real(r.nuclear_norm_error)),
    ("log_abs_det", |r| Cell::Real(r.log_abs_det)),
    ("log_abs_det_error", |r| Cell::Real(r.log_abs_det_error)),
    ("alpha", |r| Cell::Real(r.alpha)),
    ("alpha_error", |r| Cell::Real(r.alpha_error)),
    ("alpha_distance", |r| Cell::Real(r.alpha_distance)),
    ("alpha_xmin", |r| Cell::Real(r.alpha_xmin)),
    ("mp_edge", |r| Cell::Real(r.mp_edge)),
    ("above_mp", |r| whole(r.above_mp)),
    ("mp_share", |r| Cell::Real(r.mp_share)),
    ("error_bound", |r| Cell::Real(r.error_bound)),
    ("method", |r| Cell::Text(r.method.map(str::to_owned))),
    ("step", |r| Cell::Whole(r.step)),
    ("file", |r| text(&r.file)),
];

/// Sizes as people write them: `64×32×3×3`.
#[must_use]
pub fn sizes(shape: &[usize]) -> String {
    match shape {
        [] => "scalar".into(),
        _ => shape
            .iter()
            .map(usize::to_string)
            .collect::<Vec<_>>()
            .join("×"),
    }
}

/// A table as CSV: texts in quotes where they need them, null as nothing, numbers with all their
/// digits.
#[must_use]
pub fn csv(rows: &[Row]) -> String {
    let names: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
    let mut out = names.join(",") + "\n";
    for row in rows {
        let cells: Vec<String> = COLUMNS
            .iter()
            .map(|(_, cell)| written(&cell(row)))
            .collect();
        out += &(cells.join(",") + "\n");
    }
    out
}

/// All singular values, one in a row: name, matrix, file, step, index from 1, value and the bound
/// of its error.
#[must_use]
pub fn singular_values_csv(rows: &[Row]) -> String {
    let mut out = String::from("name,matrix,file,step,index,sigma,error_bound\n");
    for row in rows {
        let step = row.step.map(|s| s.to_string()).unwrap_or_default();
        let matrix = row.matrix.as_deref().unwrap_or("");
        let of = format!(
            "{},{},{},{step}",
            quoted(&row.name),
            quoted(matrix),
            quoted(&row.file)
        );
        for (i, sigma) in row.spectrum.iter().flat_map(|s| &s.sigmas).enumerate() {
            out += &format!("{of},{},{:?},{:?}\n", i + 1, sigma.value, sigma.bound);
        }
    }
    out
}

fn written(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => text.as_deref().map(quoted).unwrap_or_default(),
        Cell::Whole(n) => n.map(|n| n.to_string()).unwrap_or_default(),
        Cell::Real(x) => x
            .filter(|x| x.is_finite())
            .map(|x| format!("{x:?}"))
            .unwrap_or_default(),
        Cell::Truth(is) => is.to_string(),
    }
}

fn quoted(text: &str) -> String {
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

/// Rows in the order of a column, largest first, texts by the alphabet; those without a value come
/// last. `false` where there is no such column.
pub fn sort(rows: &mut [Row], by: &str) -> bool {
    let Some((_, cell)) = COLUMNS.iter().find(|(name, _)| *name == by) else {
        return false;
    };
    rows.sort_by(|a, b| match (cell(a), cell(b)) {
        (Cell::Text(a), Cell::Text(b)) => (a.is_none(), a).cmp(&(b.is_none(), b)),
        (Cell::Whole(a), Cell::Whole(b)) => b.cmp(&a),
        (Cell::Real(a), Cell::Real(b)) => b
            .unwrap_or(f64::NEG_INFINITY)
            .total_cmp(&a.unwrap_or(f64::NEG_INFINITY)),
        (Cell::Truth(a), Cell::Truth(b)) => b.cmp(&a),
        _ => std::cmp::Ordering::Equal,
    });
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_the_fields_of_the_json() {
        let row = Row {
            singular_values: None,
            ..Row::default()
        };
        let json = serde_json::to_value(&row).unwrap();
        let mut fields: Vec<&str> = json
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        let mut columns: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
        fields.sort_unstable();
        columns.sort_unstable();
        assert_eq!(fields, columns);
    }

    #[test]
    fn texts_are_quoted_where_they_need_it() {
        let row = Row {
            name: "a,\"b\"".into(),
            sigma_max: Some(0.1),
            ..Row::default()
        };
        let csv = csv(&[row]);
        assert!(
            csv.lines()
                .nth(1)
                .unwrap()
                .starts_with("\"a,\"\"b\"\"\",scalar,"),
            "{csv}"
        );
    }

    #[test]
    fn rows_are_sorted_and_those_without_a_value_are_last() {
        let row = |name: &str, rank| Row {
            name: name.into(),
            effective_rank: rank,
            ..Row::default()
        };
        let mut rows = [row("a", None), row("b", Some(1.0)), row("c", Some(3.0))];
        assert!(sort(&mut rows, "effective_rank"));
        assert_eq!(rows.each_ref().map(|r| r.name.as_str()), ["c", "b", "a"]);
        assert!(!sort(&mut rows, "no such"));
    }
}
