//! The list of claims as a whole, at the smallest level in the paper's setting.

use std::collections::HashSet;

use rankfall_core::model::network::Initialisation;
use rankfall_core::model::problem::Rows;
use rankfall_evidence::bench::{NoSupervisor, Supervisor};
use rankfall_evidence::experiments::NoExperiments;
use rankfall_evidence::setting::problem_of_rows;
use rankfall_evidence::{
    Finding, Level, Setting, Stop, Subject, Suite, Verdict, Verification, claims,
};

fn setting() -> Setting {
    Setting::of_the_paper(1).expect("the paper's setting can be drawn")
}

fn verification<'a>(
    subject: &'a Subject,
    threads: usize,
    supervisor: &'a dyn Supervisor,
) -> Verification<'a> {
    Verification::new(
        subject,
        Level::Smallest,
        threads,
        supervisor,
        &NoExperiments,
    )
}

fn find(subject: &Subject, id: &str, threads: usize) -> Finding {
    let claim = claims::named(id).expect("a claim of that name");
    let found = verification(subject, threads, &NoSupervisor).find(claim);
    found.expect("nobody interrupts")
}

#[test]
fn names_are_short_and_unique() {
    let mut seen = HashSet::new();
    for claim in claims::ALL {
        let id = claim.id;
        assert!(seen.insert(id), "{id} is there twice");
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(id.chars().all(plain) && id.len() < 40, "{id}");
        assert!(!claim.statement.contains("  "), "{id}");
    }
    assert!(claims::named("no-such-claim").is_none());
}

/// The family-wise rate is shared by the comparisons that claims announce: none may make more. And
/// all of these claims are true, so none fails.
#[test]
fn claims_make_no_more_comparisons_than_they_announce_and_none_fails() {
    let paper = Subject::TwoLayers(setting());
    let mut announced = 0;
    for claim in claims::of(Suite::Exact) {
        let most = paper
            .comparisons(claim)
            .expect("all apply in the paper's setting");
        announced += most;
        let found = find(&paper, claim.id, 2);
        let made = &found.comparisons;
        let statistical = made.iter().filter(|j| j.comparison.is_statistical());
        assert!(statistical.count() <= most, "{}", claim.id);
        assert!(!made.is_empty(), "{}: {}", claim.id, found.reason);
        let verdict = found.verdict;
        assert_ne!(verdict, Verdict::Fails, "{}: {}", claim.id, found.reason);
        assert_eq!(found.p_value.is_some(), most > 0, "{}", claim.id);
    }
    let all = verification(&paper, 1, &NoSupervisor);
    assert_eq!(announced, all.comparisons(Suite::Exact));
}

#[test]
fn numbers_are_the_same_on_any_number_of_threads() {
    let paper = Subject::TwoLayers(setting());
    for id in ["eigenvalue-drift", "larger-step-size", "adjacent-stacks"] {
        let [one, three] = [1, 3].map(|threads| find(&paper, id, threads).comparisons);
        assert_eq!(one, three, "{id}");
    }
}

#[test]
fn an_interruption_is_passed_on() {
    struct Impatient;
    impl Supervisor for Impatient {
        fn interrupted(&self) -> bool {
            true
        }
    }
    let paper = Subject::TwoLayers(setting());
    for id in ["eigenvalue-drift", "step-determinant", "adjacent-stacks"] {
        let claim = claims::named(id).expect("a claim of that name");
        let stopped = verification(&paper, 2, &Impatient).find(claim);
        assert_eq!(stopped.err(), Some(Stop::Interrupted), "{id}");
    }
}

/// Without label noise nothing that is about it applies, and the reason says so.
#[test]
fn claims_about_noise_do_not_apply_without_it() {
    let mut setting = setting();
    setting.label_noise = 0.0;
    setting.of_the_paper = false;
    let quiet = Subject::TwoLayers(setting);
    for id in [
        "determinant-law",
        "repulsion",
        "larger-step-size",
        "plain-doubles",
    ] {
        let found = find(&quiet, id, 1);
        assert_eq!(found.verdict, Verdict::DoesNotApply, "{id}");
        let says = found.reason.contains("no label noise");
        assert!(says, "{id}: {}", found.reason);
    }
    let found = find(&quiet, "extra-survivor", 1);
    let says = found.reason.contains("a problem of its own");
    assert!(says, "{}", found.reason);
    let found = find(&quiet, "gradient-flow-determinant", 1);
    assert_eq!(found.verdict, Verdict::Holds);
}

/// Small targets allow steps so long that the run has fewer steps than saves were asked for.
#[test]
fn a_run_of_a_few_steps_has_a_middle() {
    let mut setting = setting();
    let rows = Rows::clone(setting.rows().expect("they are drawn"));
    let y = rows.y.iter().map(|y| 1e-3 * y).collect();
    let small = problem_of_rows(Rows { y, ..rows }, 5, 2);
    setting.problem = small.expect("a problem").0;
    setting.initialisation = Initialisation::Gaussian {
        scale: 0.01,
        smallest_singular_value: None,
    };
    (setting.step_size, setting.label_noise) = (10.0, 0.0);
    setting.of_the_paper = false;
    let found = find(&Subject::TwoLayers(setting), "interpolation-stops", 1);
    assert_eq!(found.comparisons.len(), 1, "{}", found.reason);
    let what = &found.comparisons[0].comparison.what;
    assert!(what.contains("t = 50.0 and 100.0"), "{what}");
}
