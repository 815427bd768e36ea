//! A session: one or two runs of an experiment that go on together and may be changed on the way.

use crate::protocol::{Beginning, Choices, Frame, Mark, Motion, Scales, Settings};
use crate::run::LiveRun;
use crate::scenario::{Scenario, split_of};
use rankfall::Failure;
use rankfall::experiment::ExactExperiment;
use rankfall::preparation::ExactProblemInfo;
use rankfall_core::model::dynamics::{ForceSplit, Kind};
use std::sync::Arc;
use std::time::Instant;

/// Most changes that are remembered.
const MOST_MARKS: usize = 1000;

/// Runs that go on together.
pub struct Session {
    scenario: Arc<Scenario>,
    settings: Settings,
    choices: Choices,
    runs: Vec<LiveRun>,
    /// The steps that can be looked at.
    reached: Vec<u64>,
    threads: usize,
    /// As it began.
    experiment: ExactExperiment,
    known: ExactProblemInfo,
    marks: Vec<Mark>,
}

impl Session {
    /// At its start.
    ///
    /// # Errors
    /// Exit code 2 for settings that make no experiment, or none that can be watched.
    pub fn new(
        scenario: Arc<Scenario>,
        settings: &Settings,
        threads: usize,
    ) -> Result<Self, Failure> {
        let ready = scenario.ready(settings)?;
        let choices = scenario.choices(&ready)?;
        let saves = ready.experiment.save_steps();
        let mut runs = Vec::new();
        let motions = std::iter::once(&settings.first).chain(&settings.second);
        for (index, (saves, motion)) in saves.iter().zip(motions).enumerate() {
            let mut spec = ready.experiment.ensemble(index, saves);
            spec.stream = scenario.stream(&settings.first);
            let dynamics = &ready.experiment.dynamics[index];
            let mut run = LiveRun::new(dynamics, &spec, &ready.prepared)?;
            run.tell_forces_in(split_of(motion));
            runs.push(run);
        }
        let problem = &ready.prepared.known.problem;
        Ok(Self {
            reached: vec![0; runs.len()],
            scenario,
            settings: Settings {
                inputs: problem.inputs as u32,
                outputs: problem.outputs as u32,
                ..settings.clone()
            },
            choices,
            runs,
            threads: threads.max(1),
            experiment: ready.experiment,
            known: ready.prepared.known,
            marks: Vec::new(),
        })
    }

    /// What a page is told first.
    pub fn beginning(&self, session: String) -> Beginning {
        let problem = &self.known.problem;
        let (p, k) = (self.settings.inputs, self.settings.outputs);
        Beginning {
            session,
            name: self.experiment.name.clone(),
            settings: self.settings.clone(),
            choices: self.choices.clone(),
            sizes: vec![self.settings.width.min(p + k), p, k],
            samples: problem.samples,
            data: problem.data.clone(),
            rank_tolerance: self.experiment.run.rank_tolerance,
        }
    }

    /// What it was asked to simulate, with what moves the runs now.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// t, of what can be looked at.
    pub fn time(&self) -> f64 {
        self.time_of(0)
    }

    fn time_of(&self, run: usize) -> f64 {
        let of = &self.runs[run];
        of.time() + (self.reached[run] - of.step()) as f64 * of.time_unit()
    }

    /// The least time on, by one step of the first run.
    pub fn next_time(&self) -> f64 {
        self.time() + self.runs[0].time_unit()
    }

    /// The experiment as it began; its dynamics are those of the runs.
    pub fn experiment(&self) -> &ExactExperiment {
        &self.experiment
    }

    /// What is known of the data.
    pub fn known(&self) -> &ExactProblemInfo {
        &self.known
    }

    /// What was changed on the way.
    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// How many runs there are.
    pub fn runs(&self) -> usize {
        self.runs.len()
    }

    /// One of them, the step at which it can be looked at, and the threads for it.
    pub fn run_at(&mut self, index: usize) -> (&mut LiveRun, u64, usize) {
        (&mut self.runs[index], self.reached[index], self.threads)
    }

    /// Moves to about `time`, or as far as the clock allows; the runs stay together.
    pub fn advance(&mut self, time: f64, until: Instant) {
        let target = self.runs[0].step_at(time).max(self.reached[0]);
        self.reached[0] = self.runs[0].advance(target, self.threads, until);
        let now = self.time();
        for run in 1..self.runs.len() {
            let target = self.runs[run].step_at(now).max(self.reached[run]);
            // It follows wherever the first is.
            let late = Instant::now() + std::time::Duration::from_secs(3600);
            self.reached[run] = self.runs[run].advance(target, self.threads, late);
        }
    }

    /// Everything that is shown.
    pub fn frame(&mut self, pace: Option<f64>, with_weights: bool) -> Frame {
        let shown = u64::from(self.settings.shown);
        let threads = self.threads;
        let reached = self.reached.clone();
        let runs = self.runs.iter_mut().zip(&reached);
        let runs = runs.map(|(run, &step)| run.frame(step, shown, with_weights, threads));
        Frame {
            runs: runs.collect(),
            time: self.time(),
            pace,
        }
    }

    /// Whose weights are shown from now on.
    pub fn show(&mut self, trajectory: u32) {
        self.settings.shown = trajectory;
    }

    /// From here on other dynamics in a run; none where nothing is other.
    ///
    /// # Errors
    /// Exit code 2 for values out of bounds, and a run that is not there.
    pub fn change(&mut self, run: usize, motion: &Motion) -> Result<Option<Mark>, Failure> {
        let known = match run {
            0 => Some(&self.settings.first),
            _ => self.settings.second.as_ref(),
        };
        let Some(old) = known.cloned().filter(|_| run < self.runs.len()) else {
            return Err(Failure::input("there is no second run"));
        };
        if old == *motion {
            return Ok(None);
        }
        let mut kinds = self.choices.kinds.iter();
        let kind = kinds.find(|kind| kind.kind == motion.kind);
        if let Some(why) = kind.and_then(|kind| kind.why_not.clone()) {
            return Err(Failure::input(why));
        }
        let mut dynamics = self.scenario.dynamics(motion)?;
        if dynamics.automatic_time_step {
            dynamics.set_time_step(self.runs[run].time_unit());
        }
        let samples = self.known.problem.samples;
        if let Kind::StochasticGradientDescent { batch_size, .. } = dynamics.dynamics.kind
            && batch_size > samples
        {
            let message = format!("batch_size is {batch_size}, of {samples} rows");
            return Err(Failure::input(message));
        }
        if dynamics.dynamics.classes.is_some() && dynamics.dynamics.modified_forces().is_some() {
            return Err(Failure::input("forces are those of the squared loss"));
        }
        self.runs[run].tell_forces_in(split_of(motion));
        if dynamics.dynamics.modified_forces().is_none() && only_told_otherwise(&old, motion) {
            self.keep(run, motion);
            return Ok(None);
        }
        let now = self.reached[run];
        self.runs[run].change(&dynamics, now);
        let mark = Mark {
            time: self.time_of(run),
            run: run as u32,
            words: words(&old, motion),
            motion: motion.clone(),
        };
        self.keep(run, motion);
        if self.marks.len() < MOST_MARKS {
            self.marks.push(mark.clone());
        }
        Ok(Some(mark))
    }

    fn keep(&mut self, run: usize, motion: &Motion) {
        match run {
            0 => self.settings.first = motion.clone(),
            _ => self.settings.second = Some(motion.clone()),
        }
    }
}

/// Whether two motions differ in the split of their forces alone.
fn only_told_otherwise(old: &Motion, new: &Motion) -> bool {
    let mut told = old.clone();
    told.forces.split.clone_from(&new.forces.split);
    told == *new
}

/// In what two motions differ.
fn words(old: &Motion, new: &Motion) -> String {
    let mut all = Vec::new();
    if old.kind != new.kind {
        all.push(new.kind.replace('-', " "));
    }
    let mut number = |name: &str, a: f64, b: f64| {
        if a != b {
            all.push(format!("{name} {a} → {b}"));
        }
    };
    number("label noise", old.label_noise, new.label_noise);
    number("step size", old.step_size, new.step_size);
    number("batch size", old.batch_size.into(), new.batch_size.into());
    let of = |scales: &Scales| {
        [
            scales.gradient,
            scales.own_noise,
            scales.common,
            scales.repulsion,
        ]
    };
    let common = match split_of(new) {
        ForceSplit::Regular => "common growth",
        ForceSplit::Antisymmetric => "common decay",
    };
    let names = ["gradient", "own noise", common, "repulsion"];
    for ((name, a), b) in names.iter().zip(of(&old.forces)).zip(of(&new.forces)) {
        number(&format!("{name} ×"), a, b);
    }
    if old.forces.split != new.forces.split {
        all.push(format!("{} split", new.forces.split));
    }
    all.join(", ")
}
