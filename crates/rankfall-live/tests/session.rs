//! Sessions against runs of the same experiment, and against the determinant law where settings
//! change.

use rankfall::prelude::*;
use rankfall_core::measure::layout::Layout;
use rankfall_live::protocol::{Motion, RunFrame, Settings};
use rankfall_live::scenario::Scenario;
use rankfall_live::session::Session;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn experiment() -> Experiment {
    let flow = DynamicsBuilder::stochastic_gradient_flow("SGF").label_noise(2.0);
    Experiment::builder("small")
        .gaussian(200, 3, 2)
        .width(6)
        .dynamics(DynamicsBuilder::gradient_flow("GF"))
        .dynamics(flow)
        .dynamics(DynamicsBuilder::sgd("SGD").label_noise(2.0))
        .time(4.0)
        .trajectories(20)
        .save_points(8)
        .seed(5)
        .build()
        .unwrap()
}

fn scenario() -> Arc<Scenario> {
    Arc::new(Scenario::new(&experiment()).unwrap())
}

fn settings(of: usize) -> Settings {
    let scenario = scenario();
    Settings {
        first: scenario.motion(of),
        ..scenario.first_settings()
    }
}

fn session(settings: &Settings) -> Session {
    Session::new(scenario(), settings, 2).unwrap()
}

fn far() -> Instant {
    Instant::now() + Duration::from_secs(3600)
}

/// Every mean of the layout at the present step.
fn means(session: &mut Session) -> (Layout, Vec<f64>) {
    let run = session.run_at(0).0;
    let step = run.step();
    let samples = run.samples(step, 2);
    let layout = run.layout().clone();
    let statistics = run.statistics(samples);
    let totals = statistics.totals();
    let means = (0..layout.observables.len()).map(|cell| totals.cell(cell).mean);
    (layout, means.collect())
}

#[test]
fn a_session_left_alone_has_the_bits_of_the_run() {
    let run = experiment().run().unwrap();
    for (of, label) in ["GF", "SGF", "SGD"].iter().enumerate() {
        let result = run.dynamics(label).unwrap();
        let log_det = result.log_det().unwrap();
        let smallest = result.log_singular_value("theta", 5).unwrap();
        let loss = result.loss().unwrap();
        let mut session = session(&settings(of));
        let mut compared = 0;
        for (save, &time) in log_det.times.iter().enumerate() {
            // Frames between saves, as a page would ask for them, must change nothing.
            for part in 1..4 {
                let before = if save == 0 {
                    0.0
                } else {
                    log_det.times[save - 1]
                };
                session.advance(before + (time - before) * f64::from(part) / 4.0, far());
                session.frame(None, part == 2);
            }
            session.advance(time, far());
            let (layout, means) = means(&mut session);
            for (name, index, curve) in [
                ("log_det", 0, &log_det),
                ("loss", 0, &loss),
                ("log_singular_value_theta", 5, &smallest),
            ] {
                let place = layout.position(name, index).unwrap();
                let measured = means[place];
                let expected = curve.mean[save].unwrap();
                assert_eq!(
                    measured.to_bits(),
                    expected.to_bits(),
                    "{label} {name} at {time}"
                );
                compared += 1;
            }
        }
        assert_eq!(compared, 27, "{label}");
    }
}

#[test]
fn noise_turned_on_on_the_way_leaves_the_level_along_the_law() {
    let mut settings = settings(1);
    settings.first.label_noise = 0.0;
    let mut session = session(&settings);
    let level = session.frame(None, false).runs[0].log_det.mean.unwrap();
    session.advance(3.0, far());
    let before = session.frame(None, false);
    // Without noise a step is exp(H(hA)), whose determinant is one.
    assert!((before.runs[0].log_det.mean.unwrap() - level).abs() < 1e-9);
    let noisy = Motion {
        label_noise: 2.0,
        ..settings.first.clone()
    };
    let mark = session.change(0, &noisy).unwrap().unwrap();
    assert!(
        (mark.time - 3.0).abs() < 1e-9 && mark.words == "label noise 0 → 2",
        "{mark:?}"
    );
    assert_eq!(session.change(0, &noisy).unwrap(), None);
    session.advance(8.0, far());
    let after = session.frame(None, false);
    let of = |frame: &RunFrame| (frame.log_det.mean.unwrap(), frame.law.unwrap());
    let (measured, law) = of(&after.runs[0]);
    assert!((measured - law).abs() < 1e-9, "{measured} {law}");
    // 2νk tr S per unit of t, ν = ηδ = 0.02, tr S near 3.
    let slope = (measured - level) / 5.0;
    assert!((-0.3..-0.18).contains(&slope), "{slope}");
    assert_eq!(after.runs[0].trajectories, 20);
}

#[test]
fn a_shared_trajectory_spreads_once_there_is_noise() {
    let mut session = session(&settings(0));
    session.advance(1.3, far());
    let before = session.frame(None, false);
    let flow = scenario().motion(1);
    let motion = Motion { of: 0, ..flow };
    session.change(0, &motion).unwrap();
    let now = session.frame(None, false);
    let smallest = |frame: &RunFrame| frame.matrices[0].log_sigma[4].clone();
    let (a, b) = (smallest(&before.runs[0]), smallest(&now.runs[0]));
    assert!(
        (a.mean.unwrap() - b.mean.unwrap()).abs() < 1e-9,
        "{a:?} {b:?}"
    );
    assert_eq!(
        (before.runs[0].trajectories, now.runs[0].trajectories),
        (1, 20)
    );
    session.advance(3.0, far());
    let later = smallest(&session.frame(None, false).runs[0]);
    assert!(later.high.unwrap() > later.low.unwrap() + 0.01, "{later:?}");
}

#[test]
fn two_runs_share_their_noise() {
    let mut settings = settings(1);
    settings.second = Some(settings.first.clone());
    let mut both = session(&settings);
    both.advance(2.0, far());
    let frame = both.frame(None, true);
    assert_eq!(frame.runs[0], frame.runs[1]);
    let mut halved = settings.first.clone();
    halved.forces.repulsion = 0.0;
    both.change(1, &halved).unwrap();
    both.advance(4.0, far());
    let frame = both.frame(None, false);
    let smallest = |run: &RunFrame| run.matrices[0].log_sigma[4].mean.unwrap();
    assert!(
        smallest(&frame.runs[0]) < smallest(&frame.runs[1]) - 0.05,
        "{frame:?}"
    );
    assert!(frame.runs[1].law.is_none() && frame.runs[1].slow.is_none());
}

#[test]
fn the_slow_flow_follows_the_run() {
    let mut settings = settings(1);
    settings.first.step_size = 0.0025;
    settings.trajectories = 64;
    let mut session = session(&settings);
    session.advance(60.0, far());
    let frame = &session.frame(None, false).runs[0];
    let slow = frame.slow.as_ref().unwrap();
    for (index, band) in frame.matrices[0].log_sigma.iter().enumerate() {
        let (measured, said) = (band.mean.unwrap(), slow.log_sigma[0][index].unwrap());
        assert!(
            (measured - said).abs() < 0.12,
            "σ{index}: {measured} {said}"
        );
    }
    assert!((slow.log_det.unwrap() - frame.law.unwrap()).abs() < 1e-6);
}

/// Without label noise too, beside single rows that leave residuals; batches of all rows leave no
/// noise.
#[test]
fn the_slow_flow_has_the_noise_of_rows() {
    let experiment = Experiment::builder("rows")
        .gaussian(200, 3, 2)
        .width(6)
        .set("data.residual_noise", 1.0)
        .set("network.init.kind", "gaussian")
        .set("network.init.scale", 0.7)
        .dynamics(DynamicsBuilder::sgd("rows").step_size(0.0025))
        .time(200.0)
        .trajectories(16)
        .seed(3)
        .build()
        .unwrap();
    let scenario = Arc::new(Scenario::new(&experiment).unwrap());
    let mut session = Session::new(scenario.clone(), &scenario.first_settings(), 2).unwrap();
    let fourth = |frame: &RunFrame| {
        let slow = frame.slow.as_ref().expect("there is a slow flow");
        let measured = frame.matrices[0].log_sigma[3].mean.unwrap();
        (measured, slow.log_sigma[0][3].unwrap())
    };
    let (start, _) = fourth(&session.frame(None, false).runs[0]);
    session.advance(200.0, far());
    let (measured, said) = fourth(&session.frame(None, false).runs[0]);
    assert!(start - said > 1.5, "{start} {said}");
    assert!(
        (measured - said).abs() < 0.05 * (start - said),
        "{measured} {said}"
    );
    let mut level = scenario.motion(0);
    level.kind = "gradient-descent".to_owned();
    session.change(0, &level).unwrap();
    let from = session.frame(None, false).runs[0]
        .slow
        .as_ref()
        .unwrap()
        .log_det;
    session.advance(400.0, far());
    let to = session.frame(None, false).runs[0]
        .slow
        .as_ref()
        .unwrap()
        .log_det;
    assert!((from.unwrap() - to.unwrap()).abs() < 1e-6);
}

#[test]
fn forces_add_up_to_what_the_determinant_loses() {
    let mut session = session(&settings(1));
    session.advance(3.0, far());
    let frame = &session.frame(None, false).runs[0];
    let total: f64 = frame
        .particles
        .iter()
        .map(|p| p.gradient + p.own_noise + p.common + p.repulsion)
        .sum();
    let mut later = Session::new(scenario(), &settings(1), 1).unwrap();
    later.advance(1.0, far());
    let a = later.frame(None, false).runs[0].law.unwrap();
    later.advance(2.0, far());
    let rate = later.frame(None, false).runs[0].law.unwrap() - a;
    assert!((total / rate - 1.0).abs() < 1e-9, "{total} {rate}");
    let pairs: f64 = frame
        .particles
        .iter()
        .flat_map(|p| &p.pairs)
        .map(|&x| f64::from(x))
        .sum();
    let repulsion: f64 = frame.particles.iter().map(|p| p.repulsion).sum();
    assert!((pairs / repulsion - 1.0).abs() < 1e-5);
}

#[test]
fn the_other_split_tells_the_same_sum_and_changes_no_path() {
    let mut told = session(&settings(1));
    let mut other = session(&settings(1));
    told.advance(2.0, far());
    other.advance(2.0, far());
    let mut motion = settings(1).first;
    motion.forces.split = "antisymmetric".to_owned();
    assert_eq!(other.change(0, &motion).unwrap(), None);
    let (a, b) = (told.frame(None, false), other.frame(None, false));
    assert_eq!(b.runs[0].split, "antisymmetric");
    for (p, q) in a.runs[0].particles.iter().zip(&b.runs[0].particles) {
        assert!((p.common + p.repulsion - q.common - q.repulsion).abs() < 1e-12);
        assert_eq!(p.common, -q.common);
    }
    let sum: f64 = b.runs[0].particles.iter().map(|p| p.repulsion).sum();
    assert!(sum.abs() < 1e-12, "{sum}");
    told.advance(4.0, far());
    other.advance(4.0, far());
    let (a, b) = (told.frame(None, false), other.frame(None, false));
    assert_eq!(a.runs[0].log_det, b.runs[0].log_det);
    // Without it the determinant keeps its law, and the smallest of all falls alone.
    motion.forces.repulsion = 0.0;
    let mark = other.change(0, &motion).unwrap().unwrap();
    assert_eq!(mark.words, "repulsion × 1 → 0");
    other.advance(6.0, far());
    assert!(other.frame(None, false).runs[0].law.is_some());
}

#[test]
fn settings_out_of_bounds_are_refused_in_words() {
    let refused = |change: &dyn Fn(&mut Settings)| {
        let mut settings = settings(1);
        change(&mut settings);
        let failure = Session::new(scenario(), &settings, 1)
            .err()
            .expect("refused");
        failure.message
    };
    assert!(refused(&|s| s.width = 100_000).contains("width"));
    assert!(refused(&|s| s.trajectories = 0).contains("trajectories"));
    assert!(refused(&|s| s.inputs = 1000).contains("inputs"));
    assert!(refused(&|s| s.first.step_size = -1.0).contains("step_size"));
    assert!(refused(&|s| s.first.step_size = f64::NAN).contains("step_size"));
    assert!(refused(&|s| s.first.kind = "none".into()).contains("no dynamics"));
    assert!(refused(&|s| s.first.of = 9).contains("no dynamics 9"));
    assert!(refused(&|s| s.teacher_rank = Some(7)).contains("teacher_rank"));
    assert!(refused(&|s| s.seed = u64::MAX).contains("seed"));
    assert!(
        refused(&|s| {
            s.inputs = 24;
            s.outputs = 12;
            s.trajectories = 1024
        })
        .contains("too many")
    );
}

/// A page has whole numbers up to 2⁵³: no other seed is simulated in the place of a larger one.
#[test]
fn a_seed_that_a_page_cannot_have_is_refused() {
    let experiment = Experiment::builder("large-seed")
        .gaussian(50, 3, 2)
        .width(5)
        .dynamics(DynamicsBuilder::gradient_flow("GF"))
        .time(1.0)
        .seed((1 << 53) + 1)
        .build()
        .unwrap();
    let scenario = Arc::new(Scenario::new(&experiment).unwrap());
    let session = Session::new(scenario.clone(), &scenario.first_settings(), 1);
    let failure = session.err().expect("refused");
    assert!(
        failure.message.contains("seed is 9007199254740993"),
        "{failure}"
    );
}

#[test]
fn files_say_what_is_simulated() {
    let mut settings = settings(1);
    settings.first.label_noise = 3.5;
    settings.width = 9;
    let files = scenario().files(&settings).unwrap();
    let read = Experiment::from_toml(&files.toml, "it", "".as_ref(), &[])
        .unwrap()
        .exact()
        .unwrap();
    assert_eq!(
        (read.network.width, read.dynamics[0].dynamics.label_noise),
        (9, 3.5)
    );
    assert!(files.command.contains("rankfall run small.toml"));
}
