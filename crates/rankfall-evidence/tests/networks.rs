//! The list of claims about networks as a whole: names, counts, and what happens without data.

use std::collections::HashSet;
use std::sync::Arc;

use rankfall_core::model::dynamics::LabelNoise;
use rankfall_evidence::bench::{Bench, Gallery, NoSupervisor, Supervisor};
use rankfall_evidence::claim::Test;
use rankfall_evidence::experiments::{Experiments, NoExperiments, Trajectory};
use rankfall_evidence::network_setting::NoisyDescent;
use rankfall_evidence::{
    Claim, Finding, Level, NetworkSetting, Setting, Stop, Subject, Suite, Verdict, Verification,
    claims,
};
use rankfall_nets::activation::Activation;
use rankfall_nets::data::{Dataset, Targets};
use rankfall_nets::initialisation::WeightInitialisation;
use rankfall_nets::loss::Loss;
use rankfall_nets::network::NetworkSpec;
use rankfall_nets::noise::Noise;
use rankfall_nets::optimizer::Adam;
use rankfall_nets::training::{TrainingPlan, TrainingSpec};

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

/// Two linear layers and their data, under these noises.
fn given(noise: Vec<Noise>, change: impl Fn(&mut TrainingSpec)) -> Subject {
    let network = NetworkSpec::dense(&[3, 9, 2], Activation::Linear, false);
    let start = WeightInitialisation::Gaussian { scale: 0.6 };
    let mut training = TrainingSpec {
        noise,
        ..TrainingSpec::plain(network, start, 0.01, 100)
    };
    change(&mut training);
    let plan = TrainingPlan::new(&training).expect("sound");
    let targets = Targets::Values {
        columns: 2,
        values: [0.0, 1.0, 1.0, 0.0].repeat(4),
    };
    let x = (0..24).map(|i| f64::from(i * i % 7) - 3.0).collect();
    let data = Dataset::new(3, x, targets).expect("sound");
    Subject::Network(NetworkSetting {
        words: "two linear layers".into(),
        data: Arc::new(plan.fit_training(data).expect("fits")),
        network: plan.network,
        descents: vec![NoisyDescent {
            label: "descent".into(),
            training,
        }],
        each_start: false,
        seed: 1,
    })
}

/// Steps of Adam are not those of the gradient, and the law of label noise is that of the squared
/// loss.
#[test]
fn claims_about_a_network_apply_only_where_they_are_stated() {
    let labels = || Noise::LabelNoise {
        variance: 0.5,
        distribution: LabelNoise::Gaussian,
    };
    let adam = |training: &mut TrainingSpec| {
        training.adam = Some(Adam {
            beta1: 0.9,
            beta2: 0.99,
            epsilon: 1e-8,
        });
    };
    let logistic = |training: &mut TrainingSpec| training.loss = Loss::Logistic;
    let claim = |id| claims::named(id).expect("a claim of that name");
    let step = |subject: Subject| subject.comparisons(claim("network-step-determinant"));
    assert_eq!(step(given(vec![], |_| ())), Ok(0));
    let reason = step(given(vec![], adam)).expect_err("Adam");
    assert!(reason.contains("Adam"), "{reason}");
    let law = |subject: Subject| subject.comparisons(claim("network-label-noise"));
    assert_eq!(law(given(vec![labels()], |_| ())), Ok(1));
    let reason = law(given(vec![labels()], logistic)).expect_err("no law");
    assert!(reason.contains("squared loss"), "{reason}");
}
