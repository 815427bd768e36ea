//! The list of claims as a whole, at the smallest level in the paper's setting.

use std::collections::HashSet;

use rankfall_evidence::bench::{Unwatched, Watch};
use rankfall_evidence::claim::Stop;
use rankfall_evidence::{Finding, Level, Setting, Suite, Verdict, claims};

fn setting() -> Setting {
    Setting::of_the_paper(1).expect("the paper's setting can be drawn")
}

fn find(suite: &Suite, id: &str, threads: usize) -> Finding {
    let claim = claims::named(id).expect("a claim of that name");
    suite
        .find(claim, Level::Smallest, threads, &Unwatched)
        .expect("nobody interrupts")
}

#[test]
fn names_are_short_and_unique() {
    let mut seen = HashSet::new();
    for claim in claims::ALL {
        assert!(
            seen.insert(claim.heading.id),
            "{} is there twice",
            claim.heading.id
        );
        let plain = |c: char| c.is_ascii_lowercase() || c == '-';
        let short = claim.heading.id.len() < 40;
        assert!(
            claim.heading.id.chars().all(plain) && short,
            "{}",
            claim.heading.id
        );
        assert!(
            !claim.heading.statement.contains("  "),
            "{}",
            claim.heading.id
        );
    }
    assert!(claims::named("no-such-claim").is_none());
}

/// The family-wise rate is shared by the comparisons that claims announce: none may make more. And
/// all of these claims are true, so none fails.
#[test]
fn claims_make_no_more_comparisons_than_they_announce_and_none_fails() {
    let setting = setting();
    let suite = Suite::new(&setting);
    let mut announced = 0;
    for claim in claims::ALL {
        let most = (claim.comparisons)(&setting).expect("all apply in the paper's setting");
        announced += most;
        let found = find(&suite, claim.heading.id, 2);
        let made = &found.comparisons;
        let statistical = made.iter().filter(|j| j.comparison.is_statistical());
        assert!(statistical.count() <= most, "{}", claim.heading.id);
        assert!(!made.is_empty(), "{}: {}", claim.heading.id, found.reason);
        let verdict = found.verdict;
        assert_ne!(
            verdict,
            Verdict::Fails,
            "{}: {}",
            claim.heading.id,
            found.reason
        );
        assert_eq!(found.p_value.is_some(), most > 0, "{}", claim.heading.id);
    }
    assert_eq!(announced, suite.comparisons());
}

#[test]
fn numbers_are_the_same_on_any_number_of_threads() {
    let setting = setting();
    let suite = Suite::new(&setting);
    for id in ["eigenvalue-drift", "larger-step-size", "adjacent-stacks"] {
        let [one, three] = [1, 3].map(|threads| find(&suite, id, threads).comparisons);
        assert_eq!(one, three, "{id}");
    }
}

#[test]
fn an_interruption_is_passed_on() {
    struct Impatient;
    impl Watch for Impatient {
        fn interrupted(&self) -> bool {
            true
        }
    }
    let setting = setting();
    let suite = Suite::new(&setting);
    for id in ["eigenvalue-drift", "step-determinant", "adjacent-stacks"] {
        let claim = claims::named(id).expect("a claim of that name");
        let stopped = suite.find(claim, Level::Quick, 2, &Impatient);
        assert_eq!(stopped.err(), Some(Stop::Interrupted), "{id}");
    }
}

/// Without label noise nothing that is about it applies, and the reason says so.
#[test]
fn claims_about_noise_do_not_apply_without_it() {
    let mut setting = setting();
    setting.label_noise = 0.0;
    setting.of_the_paper = false;
    let suite = Suite::new(&setting);
    for id in [
        "determinant-law",
        "repulsion",
        "larger-step-size",
        "plain-doubles",
    ] {
        let found = find(&suite, id, 1);
        assert_eq!(found.verdict, Verdict::DoesNotApply, "{id}");
        let says = found.reason.contains("no label noise");
        assert!(says, "{id}: {}", found.reason);
    }
    let found = find(&suite, "extra-survivor", 1);
    let says = found.reason.contains("a problem of its own");
    assert!(says, "{}", found.reason);
    let found = find(&suite, "gradient-flow-determinant", 1);
    assert_eq!(found.verdict, Verdict::Holds);
}
