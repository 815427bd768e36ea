//! A page with recorded runs that plays without a server.

use crate::page;
use crate::protocol::{Motion, PageState, Recording, RunFrame, Scales, Settings};
use crate::scenario::Scenario;
use crate::session::Session;
use rankfall::Failure;
use serde_json::Value;
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

/// A scene of the lecture.
struct Scene {
    /// As in `page/src/scenes.ts`, where its sentences are.
    title: &'static str,
    settings: Settings,
    /// t at the end.
    until: f64,
    /// What moves the first run from half of the time on, where that is other.
    later: Option<Motion>,
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
        recordings,
        ..PageState::default()
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
    let doubled = Motion {
        label_noise: 2.0 * flow.label_noise,
        ..flow.clone()
    };
    let gradient_flow = of_kind("gradient-flow");
    let scene = |title, until, first: &Motion, second: Option<&Motion>, later: Option<&Motion>| {
        let (first, second) = (first.clone(), second.cloned());
        Scene {
            title,
            settings: Settings {
                first,
                second,
                ..settings.clone()
            },
            until,
            later: later.cloned(),
        }
    };
    let conserves = "1. What gradient flow conserves";
    vec![
        scene(conserves, 20.0, &gradient_flow, None, None),
        scene("2. What noise does", 150.0, &quiet, None, Some(&flow)),
        scene("3. The law", 150.0, &flow, None, Some(&doubled)),
        scene("4. Repulsion off", 100.0, &usual, Some(&without), None),
        scene("5. Who survives", 500.0, &flow, None, None),
    ]
}

fn record(scenario: &Arc<Scenario>, scene: &Scene, threads: usize) -> Result<Recording, Failure> {
    let mut session = Session::new(scenario.clone(), &scene.settings, threads)?;
    let (mut frames, mut marks) = (vec![session.frame(None, true)], Vec::new());
    for number in 1..=FRAMES {
        let share = f64::from(number) / f64::from(FRAMES);
        if number == FRAMES / 2 + 1
            && let Some(motion) = &scene.later
        {
            marks.extend(session.change(0, motion)?);
        }
        let far = Instant::now() + Duration::from_secs(3600);
        session.advance(scene.until * share, far);
        let mut frame = session.frame(None, number % WEIGHTS_EVERY == 0);
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
fn shorten(run: &mut RunFrame) {
    let short = serde_json::to_value(&*run).and_then(|mut told| {
        round(&mut told);
        serde_json::from_value(told)
    });
    if let Ok(short) = short {
        let intensity = run.intensity;
        *run = RunFrame { intensity, ..short };
    }
}

fn round(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(exact) = number.as_f64().filter(|_| number.is_f64()) {
                *value = shown(exact).into();
            }
        }
        Value::Array(all) => all.iter_mut().for_each(round),
        Value::Object(all) => all.values_mut().for_each(round),
        _ => {}
    }
}

/// Five significant digits.
fn shown(value: f64) -> f64 {
    format!("{value:.4e}").parse().unwrap_or(value)
}
