//! How surely does a true claim hold? The exact list in the paper's setting over many seeds, each
//! with data, start and noise of its own: `power [SEEDS] [FIRST_SEED] [LEVEL] [ID]...`, LEVEL being
//! quick or full.
//!
//! For each claim: how often the first look said *holds*, *cannot tell* and *fails*; the chance
//! that a look does not hold, computed from estimates, standard errors, margins and alternatives
//! (summed over comparisons, which bounds it, and averaged over seeds); the same for the worst
//! seed; what became of it after the second look; and seconds per look. A line is printed as soon
//! as a claim is through.

use rankfall_evidence::bench::{Look, NoSupervisor};
use rankfall_evidence::decision::chance_of_not_holding;
use rankfall_evidence::experiments::NoExperiments;
use rankfall_evidence::{
    Claim, Finding, Level, Setting, Stop, Subject, Suite, Verdict, Verification, claims,
};

const THREADS: usize = 2;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |place: usize, default: u64| -> Result<u64, std::num::ParseIntError> {
        arguments.get(place).map_or(Ok(default), |s| s.parse())
    };
    let (seeds, first) = (number(0, 20)?, number(1, 1)?);
    let level = match arguments.get(2).map(String::as_str) {
        Some("full") => Level::Full,
        _ => Level::Quick,
    };
    let only = arguments.get(3..).unwrap_or_default();
    let paper = |seed| Setting::of_the_paper(seed).map(Subject::TwoLayers);
    let subjects: Vec<Subject> = (first..first + seeds)
        .map(paper)
        .collect::<Result<_, _>>()?;
    println!(
        "| claim | first look: hold, cannot tell, fail | not held, computed | worst seed | in the end: hold | s |"
    );
    println!("|---|---|---|---|---|---|");
    for claim in claims::of(Suite::Exact) {
        if only.is_empty() || only.iter().any(|id| id == claim.id) {
            println!("{}", row(claim, &subjects, level)?);
        }
    }
    Ok(())
}

fn row(claim: &'static Claim, subjects: &[Subject], level: Level) -> Result<String, Stop> {
    let (mut looks, mut ends) = (Vec::new(), Vec::new());
    for subject in subjects {
        let verification =
            Verification::new(subject, level, THREADS, &NoSupervisor, &NoExperiments);
        let look = verification.look(claim, Look::FIRST)?;
        ends.push(match look.verdict {
            Verdict::CannotTell => verification.find(claim)?.verdict,
            told => told,
        });
        looks.push(look);
    }
    let count = |verdict| looks.iter().filter(|l| l.verdict == verdict).count();
    let chances: Vec<f64> = looks.iter().map(chance).collect();
    let mean = chances.iter().sum::<f64>() / chances.len().max(1) as f64;
    let seconds: f64 = looks.iter().map(|l| l.seconds).sum();
    Ok(format!(
        "| `{}` | {}, {}, {} | {:.1e} | {:.1e} | {} of {} | {:.1} |",
        claim.id,
        count(Verdict::Holds),
        count(Verdict::CannotTell),
        count(Verdict::Fails),
        mean,
        chances.iter().copied().fold(0.0, f64::max),
        ends.iter().filter(|&&v| v == Verdict::Holds).count(),
        ends.len(),
        seconds / looks.len().max(1) as f64,
    ))
}

/// That a look at this claim does not hold: at most the sum over its comparisons.
fn chance(found: &Finding) -> f64 {
    if found.comparisons.is_empty() {
        return 1.0;
    }
    let sum: f64 = found.comparisons.iter().map(chance_of_not_holding).sum();
    sum.min(1.0)
}
