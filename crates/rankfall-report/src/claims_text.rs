//! The verdicts of `verify` for a terminal.

use crate::claim_cells::Numbers;
use crate::claims::{ClaimsRecord, HOLDS};
use crate::claims_page::{tallied, tally};
use crate::terminal::{columns, cut, length, plain, wrapped};

/// No narrower than this: below it nothing could be read anyway.
const NARROWEST: usize = 40;
/// An identifier is not cut below this to make room for numbers.
const SHORTEST_NAME: usize = 16;

/// A table of identifier, verdict, prediction, measurement and interval; then why a claim did not
/// hold, for each that did not; then the counts. No line of the table is wider than `width`
/// characters (at least 40): columns on the right are left out where they do not fit.
#[must_use]
pub fn claims_text(record: &ClaimsRecord, width: usize) -> String {
    let width = width.max(NARROWEST);
    let mut text = columns(&fitted(lines(record), width), 2);
    for claim in record.claims.iter().filter(|c| c.verdict != HOLDS) {
        let reason = plain(&claim.reason);
        if !reason.trim().is_empty() {
            text.push('\n');
            let sentence = format!("{} {}: {reason}", plain(&claim.id), plain(&claim.verdict));
            text.push_str(&wrapped(&sentence, width, 2));
        }
    }
    let counts: Vec<String> = tally(&record.claims)
        .iter()
        .map(|(verdict, n)| tallied(&plain(verdict), *n))
        .collect();
    text.push('\n');
    let all = format!("{} claims: {}", record.claims.len(), counts.join(", "));
    text.push_str(&wrapped(all.trim_end_matches([':', ' ']), width, 2));
    text
}

fn lines(record: &ClaimsRecord) -> Vec<Vec<String>> {
    let headings = ["claim", "verdict", "predicted", "measured", "interval"];
    let mut lines = vec![headings.map(str::to_owned).to_vec()];
    for claim in &record.claims {
        let numbers = Numbers::from(claim);
        let cells = [
            claim.id.clone(),
            cut(&claim.verdict, SHORTEST_NAME),
            numbers.prediction(),
            numbers.measured(),
            numbers.interval(),
        ];
        lines.push(cells.map(|cell| plain(&cell)).to_vec());
    }
    lines
}

/// The columns that fit: first identifiers are cut, then columns on the right left out.
fn fitted(mut lines: Vec<Vec<String>>, width: usize) -> Vec<Vec<String>> {
    let widest = |lines: &[Vec<String>], c: usize| {
        let cells = lines.iter().filter_map(|line| line.get(c));
        cells.map(|cell| length(cell)).max().unwrap_or(0)
    };
    let names = widest(&lines, 0);
    let mut kept = lines.first().map_or(0, Vec::len);
    loop {
        let others: usize = (1..kept).map(|c| widest(&lines, c) + 2).sum();
        let room = width.saturating_sub(others);
        if room >= names.min(SHORTEST_NAME) || kept <= 2 {
            for line in &mut lines {
                line.truncate(kept);
                line[0] = cut(&line[0], room);
            }
            return lines;
        }
        kept -= 1;
    }
}
