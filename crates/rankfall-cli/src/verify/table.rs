//! The list of claims, in words and symbols.

use rankfall_evidence::Claim;

/// All claims in words and symbols.
pub fn listed(chosen: &[&Claim]) -> String {
    let entry = |c: &&Claim| {
        format!(
            "{} ({}, {})\n  {}\n  {}\n  against: {}\n",
            c.id,
            c.strength.words(),
            c.provenance.words(),
            c.title,
            c.statement,
            c.alternative
        )
    };
    let entries: Vec<String> = chosen.iter().map(entry).collect();
    entries.join("\n")
}
