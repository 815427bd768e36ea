//! The lines that `verify` prints.

use crate::failure::shown_path;
use crate::run_folder::REPORT;
use rankfall_evidence::claim::Heading;
use rankfall_evidence::{Finding, Verdict};
use rankfall_report::number::{fixed, significant};
use std::path::Path;

/// All claims in words and symbols.
pub fn listed(chosen: &[Heading]) -> String {
    let entry = |c: &Heading| {
        format!(
            "{} ({}, {})\n  {}\n  {}\n  against: {}\n",
            c.id,
            c.kind.words(),
            c.source.words(),
            c.title,
            c.statement,
            c.alternative
        )
    };
    let entries: Vec<String> = chosen.iter().map(entry).collect();
    entries.join("\n")
}

/// A table whose first column has room for names of this length.
pub struct Table {
    /// Of the longest name.
    pub longest_id: usize,
}

impl Table {
    fn columns(&self, cells: [&str; 6]) -> String {
        let widths = [self.longest_id, 14, 12, 12, 26, 8];
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(widths) {
            line += &format!("{cell:<width$}  ");
        }
        line.trim_end().to_owned() + "\n"
    }

    /// What the columns are.
    pub fn heading(&self) -> String {
        self.columns([
            "claim",
            "verdict",
            "predicted",
            "measured",
            "interval",
            "seconds",
        ])
    }

    /// One claim in the table: its decisive comparison.
    pub fn row(&self, finding: &Finding) -> String {
        let seconds = fixed(finding.seconds, 1);
        let Some(judged) = finding.deciding() else {
            let cells = [
                finding.claim.id,
                finding.verdict.words(),
                "—",
                "—",
                "—",
                &seconds,
            ];
            return self.columns(cells);
        };
        let comparison = &judged.comparison;
        let [low, high] = judged.interval.map(|x| significant(x, 4));
        let interval = match judged.p_value {
            Some(_) => format!("[{low}, {high}]"),
            None => "to rounding".to_owned(),
        };
        self.columns([
            finding.claim.id,
            finding.verdict.words(),
            &significant(comparison.prediction, 4),
            &significant(comparison.measured.value(), 4),
            &interval,
            &seconds,
        ])
    }
}

/// Why claims did not hold, how many did, and where the rest is.
pub fn closing(findings: &[Finding], out: &Path) -> String {
    let mut text = String::from("\n");
    for finding in findings.iter().filter(|f| f.verdict != Verdict::Holds) {
        text += &format!(
            "{} {}: {}\n",
            finding.claim.id,
            finding.verdict.words(),
            finding.reason
        );
    }
    let count = |verdict| findings.iter().filter(|f| f.verdict == verdict).count();
    let shown = shown_path(out);
    text + &format!(
        "{} claims: {} hold, {} fail, {} cannot be told, {} do not apply; the page is {shown}/{REPORT}\n",
        findings.len(),
        count(Verdict::Holds),
        count(Verdict::Fails),
        count(Verdict::CannotTell),
        count(Verdict::DoesNotApply)
    )
}
