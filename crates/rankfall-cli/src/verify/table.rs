//! The list of claims, in words and symbols.

use rankfall_evidence::claim::Heading;

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
