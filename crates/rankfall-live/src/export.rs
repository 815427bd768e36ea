//! A page with recorded runs that plays without a server.

use crate::page;
use crate::protocol::{Motion, PageState, Recording, Scales, Settings};
use crate::scenario::Scenario;
use crate::session::Session;
use rankfall::Failure;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The largest page: course pages and mails bear that.
const MOST_BYTES: usize = 3_000_000;
/// Frames of a recording.
const FRAMES: u32 = 100;
/// Trajectories of a recording, at most.
const MOST_TRAJECTORIES: u32 = 64;
/// Matrices are kept in every so manyth frame.
const WEIGHTS_EVERY: u32 = 8;

/// A scene of the lecture: settings, and what is changed when.
struct Scene {
    /// As in `page/src/scenes.ts`, where its sentences are.
    title: &'static str,
    settings: Settings,
    /// t at the end.
    until: f64,
    /// Share of the time, run, and its new dynamics.
    changes: Vec<(f64, usize, Motion)>,
}

/// The page, with the scenes of a lecture recorded from this experiment.
///
/// # Errors
/// Exit code 2 for an experiment that cannot be simulated so; exit code 1 for a page that becomes
/// too large.
pub fn page(scenario: &Arc<Scenario>, threads: usize) -> Result<String, Failure> {
    let mut recordings = Vec::new();
    for scene in scenes(scenario) {
        recordings.push(record(scenario, &scene, threads)?);
    }
    let start = PageState {
        mode: "recorded".to_owned(),
        token: String::new(),
        settings: None,
        recordings,
    };
    let page = page::page(&start)?;
    if page.len() > MOST_BYTES {
        let message = format!(
            "the page would have {} bytes, more than {MOST_BYTES}",
            page.len()
        );
        return Err(Failure::run(message).hint("a network with fewer inputs and outputs"));
    }
    Ok(page)
}

fn scenes(scenario: &Scenario) -> Vec<Scene> {
    let mut settings = scenario.first_settings();
    settings.trajectories = settings.trajectories.min(MOST_TRAJECTORIES);
    let noisy = settings.first.clone();
    let of_kind = |kind: &str| Motion {
        kind: kind.to_owned(),
        ..noisy.clone()
    };
    let flow = of_kind("stochastic-gradient-flow");
    let quiet = Motion {
        label_noise: 0.0,
        ..flow.clone()
    };
    let antisymmetric = |repulsion| Motion {
        forces: Scales {
            split: "antisymmetric".to_owned(),
            repulsion,
            ..flow.forces.clone()
        },
        ..flow.clone()
    };
    let (usual, without) = (antisymmetric(1.0), antisymmetric(0.0));
    let with = |first: &Motion, second: Option<&Motion>| Settings {
        first: first.clone(),
        second: second.cloned(),
        ..settings.clone()
    };
    let scene = |title, until, first: &Motion, second: Option<&Motion>, changes| Scene {
        title,
        settings: with(first, second),
        until,
        changes,
    };
    let doubled = Motion {
        label_noise: 2.0 * flow.label_noise,
        ..flow.clone()
    };
    let half_way = |motion: &Motion| vec![(0.5, 0, motion.clone())];
    let gradient_flow = of_kind("gradient-flow");
    vec![
        scene(
            "1. What gradient flow conserves",
            20.0,
            &gradient_flow,
            None,
            Vec::new(),
        ),
        scene("2. What noise does", 150.0, &quiet, None, half_way(&flow)),
        scene("3. The law", 150.0, &flow, None, half_way(&doubled)),
        scene(
            "4. Repulsion off",
            100.0,
            &usual,
            Some(&without),
            Vec::new(),
        ),
        scene("5. Who survives", 500.0, &flow, None, Vec::new()),
    ]
}

fn record(scenario: &Arc<Scenario>, scene: &Scene, threads: usize) -> Result<Recording, Failure> {
    let mut session = Session::new(scenario.clone(), &scene.settings, threads)?;
    let mut changes = scene.changes.iter().peekable();
    let (mut frames, mut marks) = (vec![session.frame(None, true)], Vec::new());
    for number in 1..=FRAMES {
        let share = f64::from(number) / f64::from(FRAMES);
        while let Some((_, run, motion)) = changes.next_if(|(when, ..)| *when < share) {
            marks.extend(session.change(*run, motion)?);
        }
        session.advance(
            scene.until * share,
            Instant::now() + Duration::from_secs(3600),
        );
        let weights = number % WEIGHTS_EVERY == 0;
        let mut frame = session.frame(None, weights);
        frame.runs.iter_mut().for_each(shorten);
        frames.push(frame);
    }
    Ok(Recording {
        title: scene.title.to_owned(),
        beginning: session.beginning(String::new()),
        marks,
        frames,
    })
}

/// Numbers with the digits that a picture shows: a page with all of them would be four times as
/// large.
fn shorten(run: &mut crate::protocol::RunFrame) {
    let round = |value: &mut Option<f64>| {
        if let Some(value) = value {
            *value = shown(*value);
        }
    };
    let band = |band: &mut crate::protocol::Band| {
        [&mut band.mean, &mut band.low, &mut band.high]
            .into_iter()
            .for_each(round);
    };
    [&mut run.log_det, &mut run.loss, &mut run.excess_loss]
        .into_iter()
        .for_each(band);
    run.population_loss.iter_mut().for_each(band);
    round(&mut run.law);
    for matrix in &mut run.matrices {
        matrix.log_sigma.iter_mut().for_each(band);
        round(&mut matrix.effective_rank);
        round(&mut matrix.numerical_rank);
    }
    if let Some(slow) = &mut run.slow {
        round(&mut slow.log_det);
        slow.log_sigma.iter_mut().flatten().for_each(round);
    }
    for particle in &mut run.particles {
        round(&mut particle.log);
        for force in [
            &mut particle.gradient,
            &mut particle.own_noise,
            &mut particle.common,
            &mut particle.repulsion,
        ] {
            *force = shown(*force);
        }
        for pair in &mut particle.pairs {
            *pair = shown(f64::from(*pair)) as f32;
        }
    }
    if let Some(weights) = &mut run.weights {
        let tables = [
            &mut weights.w1,
            &mut weights.w2,
            &mut weights.product,
            &mut weights.optimum,
            &mut weights.alignment,
        ];
        for entry in tables.into_iter().flatten().flatten() {
            *entry = shown(f64::from(*entry)) as f32;
        }
    }
}

/// Five significant digits.
fn shown(value: f64) -> f64 {
    format!("{value:.4e}").parse().unwrap_or(value)
}
