//! An inspection as a table for people: one line for each tensor, and totals.

use crate::columns::sizes;
use crate::record::{Inspection, Row};
use rankfall_report::number::{compact, count};
use rankfall_report::terminal::{aligned, length};
use std::collections::BTreeMap;

const HEADINGS: [&str; 12] = [
    "tensor",
    "shape",
    "dtype",
    "σ_max",
    "σ_min",
    "rank",
    "effective",
    "stable",
    "ln|det|",
    "α",
    "D",
    "above MP",
];

/// The table. Rows that were not chosen are counted and not listed.
#[must_use]
pub fn text(inspection: &Inspection) -> String {
    let mut out = String::new();
    for rows in inspection.tensors.chunk_by(|a, b| a.file == b.file) {
        let step = rows.iter().find_map(|row| row.step);
        let step = step.map_or_else(String::new, |s| format!(", step {s}"));
        out += &format!("{}{step}\n{}", rows[0].file, lines(rows));
    }
    out += &totals(inspection);
    for note in &inspection.notes {
        out += &format!("note: {note}\n");
    }
    out
}

fn is_chosen(row: &Row) -> bool {
    row.reason.as_deref() != Some("not chosen by --layers")
}

fn lines(rows: &[Row]) -> String {
    let shown: Vec<&Row> = rows.iter().filter(|row| is_chosen(row)).collect();
    let cells: Vec<[String; 12]> = shown.iter().map(|row| cells(row)).collect();
    let mut widths = HEADINGS.map(length);
    for row in &cells {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(length(cell));
        }
    }
    let mut out = format!("  {}", aligned(&HEADINGS, &widths, 3));
    for (row, cells) in shown.iter().zip(&cells) {
        let line = match &row.reason {
            // Reasons take the place of numbers.
            Some(why) => {
                let [name, shape, dtype, ..] = cells;
                aligned(&[name, shape, dtype, &format!("— {why}")], &widths, 4)
            }
            None => aligned(cells, &widths, 3),
        };
        out += &format!("  {line}");
    }
    out
}

/// A value as it is shown, or a dash for what there is not.
pub fn or_dash<T>(value: Option<T>, shown: impl Fn(T) -> String) -> String {
    value.map_or_else(|| "–".to_owned(), shown)
}

/// A number to so many digits.
pub fn real(value: Option<f64>, digits: usize) -> String {
    or_dash(value, |v| compact(v, digits))
}

fn cells(row: &Row) -> [String; 12] {
    let real = |value: Option<f64>| real(value, 4);
    let whole = |value: Option<usize>| or_dash(value, |v| v.to_string());
    let is_below = row.sigma_min <= row.error_bound;
    let sigma_min = match (is_below, row.error_bound) {
        (true, Some(bound)) if bound > 0.0 => format!("≤ {}", compact(bound, 2)),
        _ => real(row.sigma_min),
    };
    let way = match &row.matrix {
        Some(words) if words.contains("pooled") => " (pooled)",
        _ => "",
    };
    [
        format!("{}{way}", row.name),
        sizes(&row.shape),
        row.dtype.clone(),
        real(row.sigma_max),
        sigma_min,
        whole(row.numerical_rank),
        real(row.effective_rank),
        real(row.stable_rank),
        real(row.log_abs_det),
        real(row.alpha),
        real(row.alpha_distance),
        whole(row.above_mp),
    ]
}

/// How many tensors there are, how many were analysed, and why the others were not.
#[must_use]
pub fn totals(inspection: &Inspection) -> String {
    let mut names: Vec<(&str, &str, u64, bool)> = Vec::new();
    for row in &inspection.tensors {
        // Of a fused tensor taken apart, the name of the part follows in brackets.
        let is_part = |words: &str| words.starts_with("part ");
        let whole = row.name.rsplit_once('[').map(|(whole, _)| whole);
        let whole = whole.filter(|_| row.matrix.as_deref().is_some_and(is_part));
        let name = whole.unwrap_or(&row.name);
        match names.last_mut() {
            Some(last) if last.0 == row.file && last.1 == name => last.3 |= row.analysed,
            _ => names.push((&row.file, name, row.numbers(), row.analysed)),
        }
    }
    let numbers: u64 = names.iter().fold(0, |sum, n| sum.saturating_add(n.2));
    let analysed = names.iter().filter(|n| n.3).count();
    let mut out = format!(
        "{} tensors, {} numbers; {analysed} analysed\n",
        count(names.len() as u64),
        count(numbers)
    );
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for row in inspection.tensors.iter().filter(|row| !row.analysed) {
        let reason = row.reason.as_deref().unwrap_or("not done");
        *reasons
            .entry(reason.split(':').next().unwrap_or(reason))
            .or_default() += 1;
    }
    for (reason, many) in reasons {
        out += &format!("  {many} not: {reason}\n");
    }
    out
}
