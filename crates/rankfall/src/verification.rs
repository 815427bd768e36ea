//! Claims, measured with the engines: what they are tested on, who runs bundled experiments for
//! them, and the record of what was found. The claims themselves are in `rankfall-evidence`.

mod laboratory;
mod record;
mod subject;

use laboratory::Laboratory;
use record::claims_record;
pub use subject::subject;

use crate::experiment::nearest;
use crate::failure::{Failure, quoted};
use crate::watch::Watch;
use rankfall_evidence::bench::Supervisor;
use rankfall_evidence::{Claim, Finding, Level, Stop, Subject, Suite, Verification, claims};
use rankfall_report::claims::ClaimsRecord;
use std::convert::Infallible;

/// The claims of these names, in the order of the list of claims.
///
/// # Errors
/// A name that no claim has.
pub fn named(ids: &[String]) -> Result<Vec<&'static Claim>, Failure> {
    if let Some(unknown) = ids.iter().find(|id| claims::named(id).is_none()) {
        let failure = Failure::input(format!("there is no claim {}", quoted(unknown)));
        return Err(match nearest_claim(unknown) {
            Some(near) => failure.hint(format!("did you mean {}?", near.id)),
            None => failure,
        });
    }
    let asked = |claim: &&Claim| ids.iter().any(|id| id == claim.id);
    Ok(claims::ALL.iter().filter(asked).collect())
}

/// The claim whose name is like this one, if there is one.
pub fn nearest_claim(id: &str) -> Option<&'static Claim> {
    let names: Vec<&str> = claims::ALL.iter().map(|claim| claim.id).collect();
    claims::named(nearest(id, &names)?)
}

/// The claims that are to be measured, in the order of the list: those of these names; where there
/// is none, those about two linear layers, those about a network given by its layers, or those of a
/// suite.
///
/// # Errors
/// As of [`named`].
pub fn asked(
    subject: &Subject,
    only: &[String],
    suite: Option<Suite>,
) -> Result<Vec<&'static Claim>, Failure> {
    let named = named(only)?;
    if !named.is_empty() {
        return Ok(named);
    }
    let applies = |claim: &&Claim| match (suite, subject) {
        (Some(suite), _) => claim.suite == suite,
        (None, Subject::TwoLayers(_)) => claim.suite == Suite::Exact,
        (None, Subject::Network(_)) => subject.comparisons(claim).is_ok(),
    };
    Ok(claims::ALL.iter().filter(applies).collect())
}

/// Stops measurements where a watch says so.
struct Watching<'a>(&'a dyn Watch);

impl Supervisor for Watching<'_> {
    fn interrupted(&self) -> bool {
        self.0.interrupted()
    }
}

/// Measures claims one after the other; the watch is told of each. The second value is whether it
/// was stopped: then the record has those that were measured before.
pub fn verify(
    subject: &Subject,
    asked: &[&'static Claim],
    level: Level,
    threads: usize,
    watch: &dyn Watch,
) -> (ClaimsRecord, bool) {
    let found = |_| Ok::<(), Infallible>(());
    let Ok(all) = verify_telling(subject, asked, level, threads, watch, found);
    all
}

/// The same with the record so far handed to `found` after each claim.
///
/// # Errors
/// Those of `found`, which end it.
pub fn verify_telling<E>(
    subject: &Subject,
    asked: &[&'static Claim],
    level: Level,
    threads: usize,
    watch: &dyn Watch,
    found: impl Fn(ClaimsRecord) -> Result<(), E>,
) -> Result<(ClaimsRecord, bool), E> {
    let watching = Watching(watch);
    let laboratory = Laboratory(&watching);
    let verification = Verification::new(subject, level, threads, &watching, &laboratory);
    let mut findings: Vec<Finding> = Vec::new();
    let record = |findings: &[Finding]| claims_record(&verification, asked, findings);
    let mut stopped = false;
    for (done, claim) in asked.iter().enumerate() {
        watch.begin(claim.id);
        watch.progress(done as u64, asked.len() as u64);
        match verification.find(claim) {
            Ok(finding) => {
                findings.push(finding);
                found(record(&findings)).inspect_err(|_| watch.end())?;
            }
            Err(Stop::Interrupted | Stop::Unmeasured(_)) => {
                stopped = true;
                break;
            }
        }
    }
    watch.end();
    Ok((record(&findings), stopped))
}
