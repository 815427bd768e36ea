//! Many trajectories of one dynamics, block by block over threads, with the same bits for any
//! number of threads and for a run that was stopped and resumed.

use std::ops::Range;

use crate::block::{Block, Progress};
use crate::dynamics::{Dynamics, Kind};
use crate::force_balance::BalanceSettings;
use crate::instructions::Instructions;
use crate::lanes::{BLOCK, HALF_BLOCK};
use crate::network::Weights;
use crate::observe::Layout;
use crate::rowwise;
use crate::runner::{self, Trajectories};
use crate::setup::{Beginning, Setup, SetupError};
use crate::statistics::{Leaf, Statistics};

pub use crate::runner::{Checkpoint, Control, GRACE, Unattended};

/// How a run of this engine ended early.
pub type RunError = runner::RunError<SetupError>;

/// One dynamics of an ensemble, and what is to be saved of it.
#[derive(Clone, Debug)]
pub struct EnsembleSpec {
    /// What moves the weights.
    pub dynamics: Dynamics,
    /// Tells the noise of several dynamics apart; equal streams share their noise.
    pub stream: u32,
    /// How many trajectories.
    pub trajectories: u64,
    /// Steps at which everything is measured: 0 first, rising.
    pub save_steps: Vec<u64>,
    /// t per step.
    pub time_unit: f64,
    /// Relative tolerance of the numerical rank.
    pub rank_tolerance: f64,
    /// Whether every trajectory's measurements are kept.
    pub keep_trajectories: bool,
    /// Whether to use the exact reductions; without them everything is plain double precision at
    /// full width, slow, and wrong once singular values fall below rounding.
    pub reductions: bool,
    /// Steps between two points of the grid on which the forces on the eigenvalues are weighed, at
    /// least 1; none where they are not. Of the stochastic gradient flow, with reductions, only.
    pub force_balance: Option<u64>,
}

/// Networks with p + k of at least this go in blocks of [`HALF_BLOCK`]: from about here on the weights of
/// [`BLOCK`] trajectories, beside their rotations, leave the nearer caches. Where those hold two million bytes
/// eight were faster by a third to a half at 48 to 74 rows; where they hold less, four by a tenth to a sixth.
const HALF_FROM_ROWS: usize = 80;

/// How many trajectories with p + k = `rows` go side by side: a block or half of one, or one where it is
/// alone (it has the same bits, and wastes no lanes on nothing) or has rows enough for the registers by
/// itself.
pub fn trajectories_per_block(rows: usize, trajectories: u64) -> u64 {
    if trajectories == 1 || rowwise::applies::<1>(rows) {
        1
    } else if rows >= HALF_FROM_ROWS {
        HALF_BLOCK as u64
    } else {
        BLOCK as u64
    }
}

/// What a finished ensemble, or a finished part of one, leaves.
pub struct Outcome {
    /// What was measured, in the order of the cells of one save time.
    pub layout: Layout,
    /// Statistics; cell = save × observables + observable.
    pub statistics: Statistics,
    /// Final weights of trajectory 0, unless it diverged or belongs to another part.
    pub final_weights: Option<Weights>,
}

impl EnsembleSpec {
    /// Trajectories that are run: one where all would be the same.
    pub fn effective_trajectories(&self, setup: &Setup) -> u64 {
        if setup.is_shared() && self.dynamics.is_deterministic() {
            1
        } else {
            self.trajectories
        }
    }

    /// Blocks of trajectories: the units that can be divided among threads and machines.
    pub fn blocks(&self, setup: &Setup) -> u64 {
        let trajectories = self.effective_trajectories(setup);
        trajectories.div_ceil(trajectories_per_block(setup.rows(), trajectories))
    }

    /// How many trajectories a range of blocks has.
    pub fn trajectories_in(&self, setup: &Setup, blocks: &Range<u64>) -> u64 {
        let all = self.effective_trajectories(setup);
        let per_block = trajectories_per_block(setup.rows(), all);
        let first = |block: u64| block.saturating_mul(per_block).min(all);
        first(blocks.end).saturating_sub(first(blocks.start))
    }

    /// Statistics of this ensemble that have taken nothing in, to absorb those of its parts.
    pub fn empty_statistics(&self, layout: &Layout) -> Statistics {
        let of_save: Vec<bool> = layout
            .observables
            .iter()
            .map(|o| o.name.starts_with("log_") || o.name.starts_with("contribution_"))
            .collect();
        let cells = of_save.repeat(self.save_steps.len());
        Statistics::new(self.trajectories, cells, self.keep_trajectories)
    }

    /// What is measured, in order, for p inputs, k outputs and m columns.
    pub fn layout(&self, inputs: usize, outputs: usize, columns: usize, truth: bool) -> Layout {
        let layout = Layout::new(inputs, outputs, columns, truth);
        // Any number of samples will do to tell whether there is a balance.
        match self.balance_settings(1) {
            Some(_) => layout.with_force_balance(),
            None => layout,
        }
    }

    /// How forces are weighed, where they are.
    pub(crate) fn balance_settings(&self, samples: u64) -> Option<BalanceSettings> {
        let stride = self.force_balance.filter(|_| self.reductions)?;
        match self.dynamics.kind {
            Kind::StochasticGradientFlow {
                time_step, forces, ..
            } => Some(BalanceSettings {
                scales: forces,
                nu: self.dynamics.noise_intensity(samples),
                time_step,
                stride: stride.max(1),
            }),
            _ => None,
        }
    }

    /// Runs the ensemble on `threads` threads, from the beginning or from a checkpoint.
    ///
    /// # Errors
    /// A trajectory that cannot be set up; an interruption; a checkpoint that cannot be kept or
    /// does not fit.
    pub fn run(
        &self,
        setup: &Setup,
        threads: usize,
        resume: Option<&Checkpoint>,
        control: &dyn Control,
        instructions: Instructions,
    ) -> Result<Outcome, RunError> {
        let all = 0..self.blocks(setup);
        self.run_part(setup, all, threads, resume, control, instructions)
    }

    /// Runs some of the blocks: the statistics of parts absorb each other to those of the whole.
    ///
    /// # Errors
    /// As for [`EnsembleSpec::run`].
    pub fn run_part(
        &self,
        setup: &Setup,
        blocks: Range<u64>,
        threads: usize,
        resume: Option<&Checkpoint>,
        control: &dyn Control,
        instructions: Instructions,
    ) -> Result<Outcome, RunError> {
        let mut spec = self.clone();
        spec.trajectories = self.effective_trajectories(setup);
        let run = Run {
            blocks,
            threads,
            resume,
            control,
            instructions,
        };
        const HALF: u64 = HALF_BLOCK as u64;
        match trajectories_per_block(setup.rows(), spec.trajectories) {
            1 => run.of_blocks::<1>(&spec, setup),
            HALF => run.of_blocks::<HALF_BLOCK>(&spec, setup),
            _ => run.of_blocks::<BLOCK>(&spec, setup),
        }
    }
}

/// What a run needs besides the ensemble.
struct Run<'a> {
    blocks: Range<u64>,
    threads: usize,
    resume: Option<&'a Checkpoint>,
    control: &'a dyn Control,
    instructions: Instructions,
}

impl Run<'_> {
    fn of_blocks<const N: usize>(
        self,
        spec: &EnsembleSpec,
        setup: &Setup,
    ) -> Result<Outcome, RunError> {
        let beginning = setup.beginning(0).map_err(RunError::Start)?;
        let layout = spec.layout(
            beginning.problem.inputs,
            beginning.problem.outputs,
            beginning.start.reduced_width(),
            beginning.problem.truth.is_some(),
        );
        let blocks = Blocks::<N> {
            spec,
            setup,
            beginning: setup.is_shared().then_some(beginning),
            layout: &layout,
            instructions: self.instructions,
        };
        let (statistics, weights) = runner::run(
            &blocks,
            self.blocks,
            self.threads,
            self.resume,
            self.control,
        )?;
        let final_weights = weights.map(|[w1, w2]| weights_from(w1, w2, setup.width));
        Ok(Outcome {
            layout,
            statistics,
            final_weights,
        })
    }
}

/// The blocks of an ensemble, N trajectories side by side.
struct Blocks<'a, const N: usize> {
    spec: &'a EnsembleSpec,
    setup: &'a Setup,
    /// Where all trajectories begin, if they begin at one place.
    beginning: Option<Beginning>,
    layout: &'a Layout,
    instructions: Instructions,
}

impl<'a, const N: usize> Trajectories for Blocks<'a, N> {
    type Block = Block<'a, N>;
    type Progress = Progress<N>;
    /// W₁ and W₂, columns first.
    type Weights = [Vec<f64>; 2];
    type Error = SetupError;

    fn trajectories(&self) -> u64 {
        self.spec.trajectories
    }

    fn per_block(&self) -> u64 {
        N as u64
    }

    fn steps(&self) -> u64 {
        self.spec.save_steps.last().copied().unwrap_or(0)
    }

    fn empty_statistics(&self) -> Statistics {
        self.spec.empty_statistics(self.layout)
    }

    fn start(&self, block: u64, progress: Option<Progress<N>>) -> Result<Block<'a, N>, SetupError> {
        let (spec, setup, beginning) = (self.spec, self.setup, self.beginning.as_ref());
        Block::new(spec, setup, beginning, block, progress, self.instructions)
    }

    fn advance(&self, block: &mut Block<'a, N>, steps: u64) -> bool {
        block.advance(steps)
    }

    fn trajectory_steps(&self, block: &Block<'a, N>) -> u64 {
        block.trajectory_steps()
    }

    fn progress(&self, block: &Block<'a, N>) -> Progress<N> {
        block.progress()
    }

    fn finish(&self, mut block: Block<'a, N>) -> (Leaf, Option<[Vec<f64>; 2]>) {
        let leaf = block.take_leaf();
        let first_survived = leaf.survivors.first().is_some_and(|&(t, _)| t == 0);
        let weights = first_survived.then(|| columns_first(&block.weights(0)));
        (leaf, weights)
    }
}

fn columns_first(weights: &Weights) -> [Vec<f64>; 2] {
    [&weights.w1, &weights.w2].map(|w| {
        (0..w.ncols())
            .flat_map(|j| w.col_as_slice(j).iter().copied())
            .collect()
    })
}

fn weights_from(w1: Vec<f64>, w2: Vec<f64>, width: usize) -> Weights {
    let (inputs, outputs) = (w1.len() / width, w2.len() / width);
    Weights {
        w1: faer::Mat::from_fn(inputs, width, |i, j| w1[j * inputs + i]),
        w2: faer::Mat::from_fn(width, outputs, |i, j| w2[j * width + i]),
    }
}
