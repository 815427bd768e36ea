//! The exact engine's ensembles in the runner: blocks of N trajectories side by side.

use std::ops::Range;
use std::sync::Arc;

use crate::ensemble::block::{Block, BlockProgress};
use crate::ensemble::runner;
use crate::ensemble::runner::checkpoint::EnsembleCheckpoint;
use crate::ensemble::runner::control::Control;
use crate::ensemble::runner::error::RunError;
use crate::ensemble::runner::trajectories::Trajectories;
use crate::ensemble::spec::{EnsembleSpec, trajectories_per_block};
use crate::ensemble::statistics::{BlockSamples, Statistics};
use crate::measure::layout::Layout;
use crate::model::class_problem::ClassProblem;
use crate::model::network::Weights;
use crate::model::setup::{InitialCondition, Setup, SetupError};
use crate::simd::instructions::Instructions;
use crate::simd::lanes::BLOCK;

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
    /// Runs the ensemble on `threads` threads, from the start or from a checkpoint.
    ///
    /// # Errors
    /// A trajectory that cannot be set up; an interruption; a checkpoint that cannot be kept or
    /// does not fit.
    pub fn run(
        &self,
        setup: &Setup,
        threads: usize,
        resume: Option<&EnsembleCheckpoint>,
        control: &dyn Control,
        instructions: Instructions,
    ) -> Result<Outcome, RunError<SetupError>> {
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
        resume: Option<&EnsembleCheckpoint>,
        control: &dyn Control,
        instructions: Instructions,
    ) -> Result<Outcome, RunError<SetupError>> {
        self.check().map_err(RunError::Start)?;
        let mut spec = self.clone();
        spec.trajectories = self.effective_trajectories(setup);
        let beginning = setup.initial_condition(0).map_err(RunError::Start)?;
        let InitialCondition { problem, start } = &beginning;
        let (p, k, truth) = (problem.inputs, problem.outputs, problem.truth.is_some());
        let layout = spec.layout(p, k, start.reduced_width(), truth);
        let classes = spec.class_problem(setup, problem);
        let ensemble = Ensemble {
            classes: classes.map_err(RunError::Start)?,
            beginning: setup.is_shared().then_some(beginning),
            spec,
            setup,
            layout,
            instructions,
        };
        let ensemble = &ensemble;
        let (statistics, weights) = match trajectories_per_block(p + k, ensemble.spec.trajectories)
        {
            1 => runner::run(&Blocks::<1>(ensemble), blocks, threads, resume, control),
            _ => runner::run(&Blocks::<BLOCK>(ensemble), blocks, threads, resume, control),
        }?;
        Ok(Outcome {
            layout: ensemble.layout.clone(),
            statistics,
            final_weights: weights.map(|columns| Weights::from_columns(columns, setup.width)),
        })
    }
}

/// What the blocks of an ensemble share.
struct Ensemble<'a> {
    spec: EnsembleSpec,
    setup: &'a Setup,
    /// Where all trajectories begin, if they begin at one place.
    beginning: Option<InitialCondition>,
    /// The rows under a loss of classes, where there is one.
    classes: Option<Arc<ClassProblem>>,
    layout: Layout,
    instructions: Instructions,
}

/// Its blocks, N trajectories side by side.
struct Blocks<'a, const N: usize>(&'a Ensemble<'a>);

impl<'a, const N: usize> Trajectories for Blocks<'a, N> {
    type Block = Block<'a, N>;
    type Progress = BlockProgress<N>;
    /// W₁ and W₂, columns first.
    type Weights = [Vec<f64>; 2];
    type Error = SetupError;

    fn trajectories(&self) -> u64 {
        self.0.spec.trajectories
    }

    fn per_block(&self) -> u64 {
        N as u64
    }

    fn steps(&self) -> u64 {
        self.0.spec.save_steps.last().copied().unwrap_or(0)
    }

    fn empty_statistics(&self) -> Statistics {
        self.0.spec.empty_statistics(&self.0.layout)
    }

    fn start(
        &self,
        block: u64,
        progress: Option<BlockProgress<N>>,
    ) -> Result<Block<'a, N>, SetupError> {
        let all = self.0;
        Block::new(
            &all.spec,
            all.setup,
            all.beginning.as_ref(),
            all.classes.clone(),
            block,
            progress,
            all.instructions,
        )
    }

    fn advance(&self, block: &mut Block<'a, N>, steps: u64) -> bool {
        block.advance(steps)
    }

    fn trajectory_steps(&self, block: &Block<'a, N>) -> u64 {
        block.trajectory_steps()
    }

    fn progress(&self, block: &Block<'a, N>) -> BlockProgress<N> {
        block.progress()
    }

    fn finish(&self, mut block: Block<'a, N>) -> (BlockSamples, Option<[Vec<f64>; 2]>) {
        let leaf = block.take_leaf();
        let first_survived = leaf.survivors.first().is_some_and(|&(t, _)| t == 0);
        let weights = first_survived.then(|| block.weights(0).columns());
        (leaf, weights)
    }
}
