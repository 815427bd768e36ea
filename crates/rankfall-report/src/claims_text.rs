//! The verdicts of `verify` for a terminal.

use crate::claim_cells::CellNumbers;
use crate::claims::{ClaimRecord, ClaimsRecord, HOLDS};
use crate::claims_page::{tallied, tally};
use crate::number::fixed;
use crate::terminal::{aligned, cut, length, plain, wrapped};

/// No narrower than this: below it nothing could be read anyway.
const NARROWEST: usize = 40;
/// The columns: identifier, verdict, what is claimed, what was measured, seconds.
const WIDTHS: [usize; 5] = [34, 14, 26, 28, 0];
/// From this width on a claim has one line, below it two.
const ONE_LINE: usize = 36 + 16 + 28 + 30 + 9;

/// The lines of all claims under their heading; then why a claim did not hold, for each that did
/// not; then the counts. No line is wider than `width` characters (at least 40), unless a word is;
/// no number is cut.
#[must_use]
pub fn claims_text(record: &ClaimsRecord, width: usize) -> String {
    let mut text = claims_heading(width);
    for claim in &record.claims {
        text.push_str(&claim_lines(claim, width));
    }
    text + &claims_closing(record, width)
}

/// What stands where in [`claim_lines`].
#[must_use]
pub fn claims_heading(width: usize) -> String {
    let width = width.max(NARROWEST);
    if width >= ONE_LINE {
        return columns(&["claim", "verdict", "claimed", "measured", "seconds"]);
    }
    let first = columns(&["claim", "verdict", "seconds"]);
    let first = match length(first.trim_end()) <= width {
        true => first,
        false => "claim  verdict\n".to_owned(),
    };
    let second = "claimed: where it must lie; measured: where it lies";
    format!("{first}  {}", wrapped(second, width - 2, 2))
}

/// One claim with its verdict, what it claims and what was measured: one line where the terminal is
/// wide enough, else two, or more where it is very narrow.
#[must_use]
pub fn claim_lines(claim: &ClaimRecord, width: usize) -> String {
    let width = width.max(NARROWEST);
    let numbers = CellNumbers::from(claim);
    let (id, verdict) = (plain(&claim.id), plain(&claim.verdict));
    let (claimed, found) = (plain(&numbers.claimed()), plain(&numbers.found()));
    let seconds = fixed(claim.seconds, 1);
    let line = columns(&[&id, &verdict, &claimed, &found, &seconds]);
    if width >= ONE_LINE && length(line.trim_end()) <= width {
        return line;
    }
    let id = cut(&id, width - WIDTHS[1] - 2);
    let first = columns(&[&id, &verdict, &seconds]);
    let mut text = match length(first.trim_end()) <= width {
        true => first,
        false => format!("{id}  {}\n", cut(&verdict, WIDTHS[1])),
    };
    if !numbers.is_empty() {
        let both = format!("claimed {claimed}, measured {found}");
        text.push_str("  ");
        text.push_str(&wrapped(&both, width - 2, 2));
    }
    text
}

/// Cells side by side, each at least as wide as its column.
fn columns(cells: &[&str]) -> String {
    aligned(cells, &WIDTHS, WIDTHS.len())
}

/// Why claims did not hold, for each that did not, what the numbers mean, and how many claims have
/// which verdict.
#[must_use]
pub fn claims_closing(record: &ClaimsRecord, width: usize) -> String {
    let width = width.max(NARROWEST);
    let mut text = String::new();
    for claim in record.claims.iter().filter(|c| c.verdict != HOLDS) {
        let reason = plain(&claim.reason);
        if !reason.trim().is_empty() {
            text.push('\n');
            let sentence = format!("{} {}: {reason}", plain(&claim.id), plain(&claim.verdict));
            text.push_str(&wrapped(&sentence, width, 2));
        }
    }
    let counts = tally(&record.claims);
    let counts = counts
        .iter()
        .map(|(verdict, n)| tallied(&plain(verdict), *n));
    let counts: Vec<String> = counts.collect();
    text.push('\n');
    text.push_str(&wrapped(NUMBERS, width, 0));
    text.push('\n');
    let all = format!("{} claims: {}", record.claims.len(), counts.join(", "));
    text + &wrapped(all.trim_end_matches([':', ' ']), width, 2)
}

/// What stands under the table.
const NUMBERS: &str = "Claimed is a prediction ± its margin, or a bound; measured is an estimate ± half its \
     simultaneous interval, alone where nothing is left to chance. A claim holds if the whole interval lies where it \
     is claimed and misses what the alternative says; it fails if none of it does.";
