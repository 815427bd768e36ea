//! The list of claims about networks as a whole: names, counts, and what happens without data.

use std::collections::HashSet;

use rankfall_evidence::bench::{Unwatched, Watch};
use rankfall_evidence::claim::Stop;
use rankfall_evidence::networks::{self, Bench, Experiments, Trajectory};
use rankfall_evidence::{Level, Verdict, claims};

/// Nobody can run an experiment.
struct Nothing;

impl Experiments for Nothing {
    fn available(&self, experiment: &str) -> Result<(), String> {
        match experiment {
            "fashion-mnist" => Err("there are no images".into()),
            _ => Ok(()),
        }
    }
    fn run(&self, experiment: &str, _seed: u64) -> Result<Vec<Trajectory>, Stop> {
        Err(Stop::Unmeasured(format!("{experiment} cannot be run")))
    }
}

fn bench(watch: &dyn Watch) -> Bench<'_> {
    Bench::new(1, Level::Smallest, 2, watch, &Nothing)
}

#[test]
fn names_are_short_and_unique_over_both_lists() {
    let mut seen: HashSet<&str> = claims::ALL.iter().map(|c| c.heading.id).collect();
    for claim in networks::ALL {
        let heading = claim.heading;
        assert!(seen.insert(heading.id), "{} is there twice", heading.id);
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let short = heading.id.len() < 40;
        assert!(heading.id.chars().all(plain) && short, "{}", heading.id);
        assert!(!heading.statement.contains("  "), "{}", heading.id);
        assert!(claim.comparisons() > 0, "{}", heading.id);
    }
    assert!(networks::named("no-such-claim").is_none());
}

#[test]
fn claims_on_networks_of_their_own_make_the_comparisons_they_announce() {
    let bench = bench(&Unwatched);
    for claim in networks::ALL.iter().filter(|c| c.experiments().is_empty()) {
        let found = networks::find(claim, &bench).expect("nobody interrupts");
        let id = claim.heading.id;
        assert_eq!(found.comparisons.len(), claim.comparisons(), "{id}");
        assert_ne!(found.verdict, Verdict::Fails, "{id}: {}", found.reason);
        assert!(found.figure.is_some() && found.p_value.is_some(), "{id}");
    }
}

#[test]
fn data_that_are_not_there_are_the_reason_of_does_not_apply() {
    let bench = bench(&Unwatched);
    let of = |id: &str| {
        let claim = networks::named(id).expect("a claim of that name");
        networks::find(claim, &bench).expect("nobody interrupts")
    };
    let images = of("fashion-mnist");
    assert_eq!(images.verdict, Verdict::DoesNotApply);
    assert_eq!(images.reason, "there are no images");
    let depth = of("depth-against-rank");
    assert_eq!(depth.verdict, Verdict::CannotTell);
    assert!(depth.reason.contains("cannot be run"), "{}", depth.reason);
}

#[test]
fn numbers_are_the_same_on_any_number_of_threads_and_others_for_another_seed() {
    let claim = networks::named("log-det-mini-batches").expect("a claim of that name");
    let run = |seed, threads| {
        let bench = Bench::new(seed, Level::Smallest, threads, &Unwatched, &Nothing);
        let found = networks::find(claim, &bench).expect("nobody interrupts");
        found.comparisons
    };
    assert_eq!(run(1, 1), run(1, 3));
    assert_ne!(run(1, 2), run(2, 2));
}

struct Impatient;

impl Watch for Impatient {
    fn interrupted(&self) -> bool {
        true
    }
}

#[test]
fn an_interruption_is_no_verdict() {
    let bench = bench(&Impatient);
    for claim in networks::ALL {
        if claim.heading.id == "fashion-mnist" {
            continue;
        }
        let found = networks::find(claim, &bench).map(|f| f.verdict);
        assert_eq!(found, Err(Stop::Interrupted), "{}", claim.heading.id);
    }
}

/// The numbers in the gallery are from seed 1.
#[test]
fn no_task_has_the_seed_of_the_gallery() {
    for seed in [0, 1, 2, u64::MAX] {
        let bench = Bench::new(seed, Level::Full, 1, &Unwatched, &Nothing);
        let seeds: HashSet<u64> = (0..128).map(|unit| bench.seed_of(unit)).collect();
        assert!(seeds.len() == 128 && !seeds.contains(&1), "{seed}");
    }
}
