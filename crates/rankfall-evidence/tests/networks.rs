//! The list of claims about networks as a whole: names, counts, and what happens without data.

use std::collections::HashSet;

use rankfall_evidence::bench::{Bench, Gallery, NoSupervisor, Supervisor};
use rankfall_evidence::claim::Test;
use rankfall_evidence::experiments::{Experiments, NoExperiments, Trajectory};
use rankfall_evidence::{
    Claim, Finding, Level, Setting, Stop, Subject, Suite, Verdict, Verification, claims,
};

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

fn paper(seed: u64) -> Subject {
    Subject::TwoLayers(Setting::of_the_paper(seed).expect("the paper's setting can be drawn"))
}

fn find(
    claim: &'static Claim,
    seed: u64,
    threads: usize,
    supervisor: &dyn Supervisor,
) -> Result<Finding, Stop> {
    let paper = paper(seed);
    Verification::new(&paper, Level::Smallest, threads, supervisor, &Nothing).find(claim)
}

/// Those that apply in the paper's setting.
fn of_networks() -> impl Iterator<Item = &'static Claim> {
    claims::of(Suite::Networks).filter(|claim| !matches!(claim.test, Test::Network { .. }))
}

#[test]
fn claims_on_networks_of_their_own_make_the_comparisons_they_announce() {
    for claim in of_networks().filter(|c| c.experiments().is_empty()) {
        let found = find(claim, 1, 2, &NoSupervisor).expect("nobody interrupts");
        let id = claim.id;
        let announced = paper(1).comparisons(claim);
        assert_eq!(Ok(found.comparisons.len()), announced, "{id}");
        assert_ne!(found.verdict, Verdict::Fails, "{id}: {}", found.reason);
        assert!(found.figure.is_some() && found.p_value.is_some(), "{id}");
    }
}

#[test]
fn data_that_are_not_there_are_the_reason_of_does_not_apply() {
    let of = |id: &str| {
        let claim = claims::named(id).expect("a claim of that name");
        find(claim, 1, 2, &NoSupervisor).expect("nobody interrupts")
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
    let claim = claims::named("log-det-mini-batches").expect("a claim of that name");
    let run = |seed, threads| {
        let found = find(claim, seed, threads, &NoSupervisor).expect("nobody interrupts");
        found.comparisons
    };
    assert_eq!(run(1, 1), run(1, 3));
    assert_ne!(run(1, 2), run(2, 2));
}

struct Impatient;

impl Supervisor for Impatient {
    fn interrupted(&self) -> bool {
        true
    }
}

#[test]
fn an_interruption_is_no_verdict() {
    for claim in of_networks().filter(|claim| claim.id != "fashion-mnist") {
        let found = find(claim, 1, 2, &Impatient).map(|f| f.verdict);
        assert_eq!(found, Err(Stop::Interrupted), "{}", claim.id);
    }
}

/// The numbers in the gallery are from seed 1.
#[test]
fn no_task_has_the_seed_of_the_gallery() {
    let gallery = Gallery::new(&NoExperiments);
    for seed in [0, 1, 2, u64::MAX] {
        let bench = Bench::of_seed(seed, Level::Full, 1, &NoSupervisor, &gallery);
        let seeds: HashSet<u64> = (0..128).map(|unit| bench.seed_of(unit)).collect();
        assert!(seeds.len() == 128 && !seeds.contains(&1), "{seed}");
    }
}
