//! One run of a session: trajectories of one dynamics, the slow flow beside them, and what is read
//! off them.

use crate::protocol::{Band, MatrixFrame, Particle, RunFrame, SlowFrame, WeightMatrices, defined};
use crate::record::{MATRICES, RunHistory};
use rankfall::Failure;
use rankfall::exact::prediction::why_none;
use rankfall::experiment::ExactDynamics;
use rankfall::preparation::{ExactInputs, of_setup};
use rankfall_core::ensemble::EnsembleSpec;
use rankfall_core::ensemble::open_block::OpenBlock;
use rankfall_core::ensemble::small_noise::row_noise;
use rankfall_core::ensemble::statistics::{BlockSamples, Statistics, Totals};
use rankfall_core::linalg::dense::{thin_svd, transpose_product};
use rankfall_core::measure::layout::{LAW, Layout};
use rankfall_core::model::dynamics::{Dynamics, ForceScales, ForceSplit, Kind};
use rankfall_core::model::problem::Problem;
use rankfall_core::model::row_noise::RowNoise;
use rankfall_core::simd::lanes::BLOCK;
use rankfall_core::theory::averaging::slow_flow_applies;
use rankfall_core::theory::forces::EigenvalueForces;
use rankfall_report::record::SeriesRow;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Steps between two looks at the clock.
const SLICE: u64 = 32;

/// Tried steps of the slow flow in one frame; where more are needed it is given up.
const MOST_OF_SLOW: u64 = 20_000;

/// Entries of a side of a matrix that are shown.
const MOST_SHOWN: usize = 24;

/// Up to this many eigenvalues the repulsion of each pair is told.
const MOST_PAIRS: usize = 16;

/// Trajectories of one dynamics.
pub struct LiveRun {
    dynamics: ExactDynamics,
    trajectories: u64,
    shared: bool,
    blocks: Vec<OpenBlock>,
    /// The slow flow beside it, or why there is none.
    slow: Result<Box<OpenBlock>, String>,
    /// Steps of the experiment's saves.
    saves: Vec<u64>,
    /// l.
    width: usize,
    /// In which forces are told.
    split: ForceSplit,
    /// Whether the dynamics is no longer that of the experiment.
    changed: bool,
    record: RunHistory,
    /// Spent on steps.
    spent: Duration,
}

impl LiveRun {
    /// At its start. `spec` is the ensemble of the experiment, saves included.
    ///
    /// # Errors
    /// Exit code 2 for a trajectory that cannot be set up.
    pub fn new(
        dynamics: &ExactDynamics,
        spec: &EnsembleSpec,
        prepared: &ExactInputs,
    ) -> Result<Self, Failure> {
        let setup = &prepared.setup;
        let shared = setup.is_shared();
        let mut spec = spec.clone();
        let trajectories = spec.trajectories;
        spec.trajectories = spec.effective_trajectories(setup);
        let beginning = setup.initial_condition(0).map_err(of_setup)?;
        let classes = spec
            .class_problem(setup, &beginning.problem)
            .map_err(of_setup)?;
        let common = shared.then_some(&beginning);
        let blocks = spec.trajectories.div_ceil(BLOCK as u64);
        let block = |number| OpenBlock::new(&spec, setup, common, classes.clone(), number);
        let blocks = (0..blocks)
            .map(block)
            .collect::<Result<Vec<_>, _>>()
            .map_err(of_setup)?;
        let slow = match &blocks[..] {
            [first, ..] if shared => averaged(dynamics, first.problem(0), setup.width),
            _ => Err("each trajectory has its own start".to_owned()),
        };
        let slow = slow.and_then(|(slow, rows)| {
            let spec = EnsembleSpec {
                dynamics: slow,
                trajectories: 1,
                ..spec.clone()
            };
            let mut block =
                OpenBlock::new(&spec, setup, common, None, 0).map_err(|e| e.to_string())?;
            block.average_rows(rows);
            Ok(Box::new(block))
        });
        Ok(Self {
            dynamics: dynamics.clone(),
            trajectories,
            shared,
            blocks,
            slow,
            saves: spec.save_steps,
            width: setup.width,
            split: ForceSplit::Regular,
            changed: false,
            record: RunHistory::default(),
            spent: Duration::ZERO,
        })
    }

    /// t.
    pub fn time(&self) -> f64 {
        self.blocks[0].time()
    }

    /// Steps taken.
    pub fn step(&self) -> u64 {
        self.blocks[0].step()
    }

    /// t per step.
    pub fn time_unit(&self) -> f64 {
        self.dynamics.time_step
    }

    /// What moves it.
    pub fn dynamics(&self) -> &ExactDynamics {
        &self.dynamics
    }

    /// The step nearest to a time that is still to come.
    pub fn step_at(&self, time: f64) -> u64 {
        let ahead = ((time - self.time()) / self.time_unit()).round();
        self.step() + ahead.max(0.0) as u64
    }

    /// The last step up to `target` at which an adaptive flow may stop: one at which the experiment
    /// saves. Any step for other dynamics.
    fn stop_before(&self, target: u64) -> u64 {
        if !self.dynamics.dynamics.is_adaptive() || self.changed {
            return target;
        }
        let place = self.saves.partition_point(|&save| save <= target);
        let stop = match self.saves.get(place) {
            Some(_) => self.saves[place.saturating_sub(1)],
            None => target - (target - self.last_save()) % self.stride(),
        };
        stop.max(self.step())
    }

    /// The first save after a step; beyond the experiment's they go on at the distance of its last
    /// two.
    fn save_after(&self, step: u64) -> u64 {
        let place = self.saves.partition_point(|&save| save <= step);
        match self.saves.get(place) {
            Some(&save) => save,
            None => step + self.stride() - (step - self.last_save()) % self.stride(),
        }
    }

    fn last_save(&self) -> u64 {
        self.saves.last().copied().unwrap_or(0)
    }

    fn stride(&self) -> u64 {
        match self.saves[..] {
            [.., before, last] => (last - before).max(1),
            _ => 1,
        }
    }

    /// Moves to step `target`, or as far as time allows. Returns the step that can be looked at
    /// then: `target` where time allowed it.
    pub fn advance(&mut self, target: u64, threads: usize, until: Instant) -> u64 {
        let begun = Instant::now();
        let stop = self.stop_before(target);
        // All blocks take the same slices, so that they stop at one step.
        while self.step() < stop {
            let slice = match self.dynamics.dynamics.is_adaptive() {
                true => self.save_after(self.step()).min(stop),
                false => (self.step() + SLICE).min(stop),
            };
            each(&mut self.blocks, threads, |block| {
                while !block.advance(slice, SLICE) {}
            });
            if Instant::now() >= until {
                break;
            }
        }
        let reached = match self.step() >= stop {
            true => target.max(self.step()),
            false => self.step(),
        };
        let time = self.time_at(reached);
        if let Ok(slow) = &mut self.slow {
            let ahead = ((time - slow.time()) / self.dynamics.time_step)
                .round()
                .max(0.0);
            let there = slow.step() + ahead as u64;
            if !slow.advance(there, MOST_OF_SLOW) {
                self.slow = Err("the slow flow takes too long beside it".to_owned());
            }
        }
        self.spent += begun.elapsed();
        reached
    }

    /// From step `now` on other dynamics.
    pub fn change(&mut self, dynamics: &ExactDynamics, now: u64) {
        self.changed = true;
        for block in &mut self.blocks {
            while !block.advance(now, SLICE) {}
        }
        if self.shared
            && self.blocks[0].trajectories() == 1
            && self.trajectories > 1
            && !dynamics.dynamics.is_deterministic()
        {
            self.blocks = self.blocks[0].spread(self.trajectories);
        }
        for block in &mut self.blocks {
            block.change(&dynamics.dynamics, dynamics.time_step);
        }
        self.dynamics = dynamics.clone();
        // Where there is none, it could begin again only at a start.
        if let Ok(slow) = &mut self.slow {
            match averaged(dynamics, slow.problem(0), self.width) {
                Ok((averaged, rows)) => {
                    slow.change(&averaged, dynamics.time_step);
                    slow.average_rows(rows);
                }
                Err(why) => self.slow = Err(why),
            }
        }
    }

    /// What is measured, `ahead` steps on: an adaptive flow is looked at between two saves without
    /// going there.
    pub fn samples(&mut self, target: u64, threads: usize) -> Vec<BlockSamples> {
        let ahead = target.saturating_sub(self.step());
        let mut all: Vec<Option<BlockSamples>> = Vec::new();
        all.resize_with(self.blocks.len(), || None);
        let adaptive = self.dynamics.dynamics.is_adaptive();
        let mut pairs: Vec<_> = self.blocks.iter_mut().zip(&mut all).collect();
        each(&mut pairs, threads, |(block, out)| {
            let glance = match adaptive && ahead > 0 {
                true => block.glance(ahead, MOST_OF_SLOW),
                false => None,
            };
            **out = Some(glance.unwrap_or_else(|| block.measure()));
        });
        all.into_iter().flatten().collect()
    }

    /// What is measured, in order.
    pub fn layout(&self) -> &Layout {
        self.blocks[0].layout()
    }

    /// Statistics over the trajectories, cell by cell of the layout: those of a run at a save.
    pub fn statistics(&self, samples: Vec<BlockSamples>) -> Statistics {
        self.statistics_of_saves(1, samples)
    }

    fn statistics_of_saves(&self, saves: usize, samples: Vec<BlockSamples>) -> Statistics {
        let names = self.layout().observables.iter();
        let logarithmic: Vec<bool> = names.map(|o| o.name.starts_with("log_")).collect();
        let mut statistics = Statistics::new(self.trajectories, logarithmic.repeat(saves), false);
        for block in samples {
            statistics.insert(block);
        }
        statistics
    }

    /// Everything that is shown, of trajectory `shown`; the matrices if `with_weights`.
    pub fn frame(
        &mut self,
        target: u64,
        shown: u64,
        with_weights: bool,
        threads: usize,
    ) -> RunFrame {
        let samples = self.samples(target, threads);
        self.record.begin(&samples);
        let statistics = self.statistics(samples);
        let totals = statistics.totals();
        let layout = self.layout().clone();
        let read = Reading {
            layout: &layout,
            totals: &totals,
        };
        let (block, lane) = self.place(shown);
        let slow = self.slow_frame();
        let time = self.time_at(target);
        if self.record.wants(time) {
            self.record.take(time, &layout, &totals, slow.as_ref());
        }
        RunFrame {
            step: target.max(self.step()),
            intensity: self.blocks[0].intensity(),
            trajectories: totals.survivors().min(u64::from(u32::MAX)) as u32,
            diverged: totals.divergences().count.min(u64::from(u32::MAX)) as u32,
            log_det: read.band("log_det", 0),
            law: read.mean(LAW, 0),
            loss: read.band("loss", 0),
            excess_loss: match layout.position("excess_loss", 0) {
                Some(_) => read.band("excess_loss", 0),
                None => read.band("accuracy", 0),
            },
            population_loss: layout
                .position("population_loss", 0)
                .map(|_| read.band("population_loss", 0)),
            matrices: MATRICES.iter().map(|name| read.matrix(name)).collect(),
            slow,
            why_not_slow: self.slow.as_ref().err().cloned(),
            split: self.split.name().to_owned(),
            particles: particles(&self.blocks[block].forces(lane), &self.scales()),
            weights: with_weights.then(|| weights(&self.blocks[block], lane)),
        }
    }

    fn time_at(&self, step: u64) -> f64 {
        self.time() + step.saturating_sub(self.step()) as f64 * self.dynamics.time_step
    }

    /// What every trajectory had at the start and has at step `target`, which the series then end
    /// with: statistics of two saves.
    pub fn from_start(&mut self, target: u64, threads: usize) -> Statistics {
        let samples = self.samples(target, threads);
        self.record.begin(&samples);
        let layout = self.layout().clone();
        let (time, slow) = (self.time_at(target), self.slow_frame());
        let now = self.statistics(samples.clone());
        self.record
            .take(time, &layout, &now.totals(), slow.as_ref());
        self.statistics_of_saves(2, self.record.from_start(samples))
    }

    /// Its series, as far as it was looked at.
    pub fn series(&self, label: &str) -> Vec<SeriesRow> {
        self.record.series(label, self.layout())
    }

    /// How many trajectories are simulated.
    pub fn trajectories(&self) -> u64 {
        let blocks = self.blocks.iter();
        blocks.map(|block| block.trajectories() as u64).sum()
    }

    /// Whether it is no longer what the experiment says.
    pub fn is_changed(&self) -> bool {
        self.changed
    }

    /// Spent on its steps so far.
    pub fn seconds(&self) -> f64 {
        self.spent.as_secs_f64()
    }

    /// The weights of trajectory 0, in the original basis and width.
    pub fn weights_of_first(&self) -> rankfall_core::model::network::Weights {
        self.blocks[0].weights(0)
    }

    fn place(&self, shown: u64) -> (usize, usize) {
        let block = (shown as usize / BLOCK).min(self.blocks.len() - 1);
        let lane = (shown as usize % BLOCK).min(self.blocks[block].trajectories() - 1);
        (block, lane)
    }

    fn scales(&self) -> ForceScales {
        let scales = self.dynamics.dynamics.modified_forces();
        scales.unwrap_or(ForceScales {
            split: self.split,
            ..ForceScales::default()
        })
    }

    /// In which split forces are told from now on; where they are scaled it is that of the scales.
    pub fn tell_forces_in(&mut self, split: ForceSplit) {
        self.split = split;
    }

    fn slow_frame(&mut self) -> Option<SlowFrame> {
        let slow = self.slow.as_mut().ok()?;
        let samples = slow.measure();
        let layout = slow.layout();
        let (_, values) = samples.survivors.first()?;
        let at = |name: &str, index: u32| {
            layout
                .position(name, index)
                .and_then(|place| defined(values[place]))
        };
        let spectrum = |matrix: &&str| {
            let name = format!("log_singular_value_{matrix}");
            (1..=layout.spectrum_size(matrix) as u32)
                .map(|index| at(&name, index))
                .collect()
        };
        Some(SlowFrame {
            log_det: at("log_det", 0),
            log_sigma: MATRICES.iter().map(spectrum).collect(),
        })
    }
}

/// Calls `work` for each of them, on so many threads or as many as the system grants; whose turn it
/// is changes no bit.
fn each<T: Send>(items: &mut [T], threads: usize, work: impl Fn(&mut T) + Sync) {
    let threads = threads.min(items.len());
    let queue = Mutex::new(items.iter_mut());
    let take_turns = || {
        loop {
            let next = queue.lock().ok().and_then(|mut queue| queue.next());
            match next {
                Some(item) => work(item),
                None => return,
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            let worker = std::thread::Builder::new().spawn_scoped(scope, take_turns);
            if worker.is_err() {
                break;
            }
        }
        take_turns();
    });
}

/// What the slow flow beside a dynamics is, and the noise of rows in it: gradient flow where there is
/// no noise.
fn averaged(
    dynamics: &ExactDynamics,
    problem: &Problem,
    width: usize,
) -> Result<(Dynamics, Option<RowNoise>), String> {
    let samples = problem.samples;
    let own = &dynamics.dynamics;
    let nu = own.noise_intensity(samples);
    let mut slow = own.clone();
    let draws_rows = matches!(own.kind, Kind::StochasticGradientDescent { .. });
    if nu == 0.0 && !draws_rows && own.classes.is_none() && own.optimizer.is_plain() {
        slow.kind = Kind::GradientFlow;
        return Ok((slow, None));
    }
    if let Some(why) = why_none(own, samples) {
        return Err(why.to_owned());
    }
    let rows =
        row_noise(problem, own.row_noise_intensity(samples)).map_err(|why| why.to_string())?;
    slow_flow_applies(problem, width, nu, rows.as_ref()).map_err(|why| why.to_string())?;
    // ν = ηδ/1.
    slow.kind = Kind::SlowFlow { batch_size: 1 };
    slow.label_noise = nu / slow.step_size;
    Ok((slow, rows))
}

/// Statistics by name.
struct Reading<'a> {
    layout: &'a Layout,
    totals: &'a Totals<'a>,
}

impl Reading<'_> {
    fn mean(&self, name: &str, index: u32) -> Option<f64> {
        let place = self.layout.position(name, index)?;
        defined(self.totals.cell(place).mean)
    }

    fn band(&self, name: &str, index: u32) -> Band {
        let Some(place) = self.layout.position(name, index) else {
            return Band::default();
        };
        let cell = self.totals.cell(place);
        Band {
            mean: defined(cell.mean),
            low: defined(cell.quantiles[0]),
            high: defined(cell.quantiles[4]),
        }
    }

    fn matrix(&self, name: &str) -> MatrixFrame {
        let log_sigma = format!("log_singular_value_{name}");
        let size = self.layout.spectrum_size(name) as u32;
        MatrixFrame {
            log_sigma: (1..=size)
                .map(|index| self.band(&log_sigma, index))
                .collect(),
            effective_rank: self.mean(&format!("effective_rank_{name}"), 0),
            numerical_rank: self.mean(&format!("numerical_rank_{name}"), 0),
        }
    }
}

/// The eigenvalues and their forces, scaled.
fn particles(forces: &EigenvalueForces, scales: &ForceScales) -> Vec<Particle> {
    let logs = &forces.log_eigenvalues;
    let weight = |i: usize, j: usize| match scales.split {
        ForceSplit::Regular => 4.0 / (logs[i] - logs[j]).exp_m1(),
        ForceSplit::Antisymmetric => 2.0 / (0.5 * (logs[i] - logs[j])).tanh(),
    };
    let pair = |i: usize, j: usize| match i == j {
        true => 0.0,
        false => (scales.repulsion * forces.q[i][j] * weight(i, j)) as f32,
    };
    let finite = |value: f64| if value.is_finite() { value } else { 0.0 };
    let particle = |i: usize| {
        let drift = forces.log_drift(scales.split, i);
        Particle {
            log: defined(logs[i]),
            gradient: finite(scales.gradient * drift.gradient),
            own_noise: finite(scales.own_noise * drift.own_noise),
            common: finite(scales.common * drift.common),
            repulsion: finite(scales.repulsion * drift.repulsion),
            pairs: match logs.len() <= MOST_PAIRS {
                true => (0..logs.len()).map(|j| pair(i, j)).collect(),
                false => Vec::new(),
            },
        }
    };
    (0..logs.len()).map(particle).collect()
}

/// The matrices of one trajectory.
fn weights(block: &OpenBlock, lane: usize) -> WeightMatrices {
    let of = block.weights(lane);
    let problem = block.problem(lane);
    let (p, k, l) = (of.w1.nrows(), of.w2.ncols(), of.w1.ncols());
    let product = |i: usize, j: usize| (0..l).map(|m| of.w1[(i, m)] * of.w2[(m, j)]).sum::<f64>();
    // The optimum is in the eigenbasis of S; here it is shown in that of the inputs.
    let optimum = |i: usize, j: usize| {
        let along = 0..p;
        along
            .map(|a| problem.basis[(i, a)] * problem.optimum[(a, j)])
            .sum::<f64>()
    };
    let table = |rows: usize, columns: usize, entry: &dyn Fn(usize, usize) -> f64| {
        let row = |i: usize| {
            let columns = 0..columns.min(MOST_SHOWN);
            columns.map(|j| entry(i, j) as f32).collect()
        };
        (0..rows.min(MOST_SHOWN)).map(row).collect()
    };
    WeightMatrices {
        w1: table(p, l, &|i, j| of.w1[(i, j)]),
        w2: table(l, k, &|i, j| of.w2[(i, j)]),
        product: table(p, k, &product),
        optimum: table(p, k, &optimum),
        alignment: alignment(&of.w1, p, k, &optimum),
    }
}

/// |cos| between left singular vectors of W₁ and of the optimum, both by falling singular value.
fn alignment(
    w1: &faer::Mat<f64>,
    p: usize,
    k: usize,
    optimum: &dyn Fn(usize, usize) -> f64,
) -> Vec<Vec<f32>> {
    let left = |matrix: faer::Mat<f64>| match matrix.nrows() >= matrix.ncols() {
        true => thin_svd(&matrix).u,
        false => thin_svd(&matrix.transpose().to_owned()).v,
    };
    let of_weights = left(w1.clone());
    let of_optimum = left(faer::Mat::from_fn(p, k, optimum));
    let cosines = transpose_product(&of_weights, &of_optimum);
    let columns = k.min(p);
    (0..cosines.nrows().min(MOST_SHOWN))
        .map(|i| {
            (0..columns.min(MOST_SHOWN))
                .map(|j| cosines[(i, j)].abs() as f32)
                .collect()
        })
        .collect()
}
