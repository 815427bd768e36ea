//! What a run will cost, before it starts: what cannot fit is refused with the figure.

use crate::available;
use crate::dense;
use crate::experiment::{ExactData, ExactExperiment};
use crate::failure::{Failure, quoted, shown_path};
use crate::preparation::ExactProblemInfo;
use crate::shard::Shard;
use rankfall_core::ensemble::statistics::EXACT_QUANTILES;
use rankfall_core::ensemble::trajectories_per_block;
use rankfall_core::model::dynamics::Kind;
use rankfall_nets::ensemble::TrainingEnsemble;
use rankfall_nets::initialisation::WeightInitialisation;
use rankfall_nets::noise::Noise;
use std::path::Path;

/// Fused multiply-adds per second and thread that no processor exceeds in double precision.
const FASTEST: f64 = 1e11;

/// Seconds in a year.
const YEAR: f64 = 3.15e7;

/// A run that takes longer even so is surely a slip of the pen.
const LONGEST_YEARS: f64 = 1.0;

/// Bytes in memory for a row of the series: as it is, in the checkpoint, and for the figures.
const ROW: f64 = 1000.0;

/// Bytes of memory and disk, and work, that an experiment asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Cost {
    memory: f64,
    disk: f64,
    years: f64,
}

impl Cost {
    /// Refuses what does not fit into a lifetime, into memory or on disk.
    fn check(self, folder: &Path, shorter: &str, smaller: &str) -> Result<(), Failure> {
        let fewer = "fewer save points, or keep_trajectories = false";
        check_years(self.years, shorter)?;
        check_memory(self.memory, smaller)?;
        check_disk(self.disk, "run", folder, fewer)
    }
}

/// Bytes that what one dynamics measures takes.
struct ValueCost {
    /// On the way: through the totals and, where trajectories are kept, the checkpoint.
    passing: f64,
    /// Left until the end.
    left: f64,
    disk: f64,
}

impl ValueCost {
    /// Of `cells` numbers of each of `count` trajectories.
    fn of(cells: f64, count: f64, trajectories: u64, keep_trajectories: bool) -> Self {
        let each = keep_trajectories || trajectories <= EXACT_QUANTILES;
        let passing = 2.0
            * if each {
                count * cells * 8.0
            } else {
                cells * 4096.0
            };
        let kept = if keep_trajectories { 1.0 } else { 0.0 };
        Self {
            passing,
            left: cells * ROW + kept * passing,
            disk: cells * 90.0 + kept * count * cells * 24.0,
        }
    }
}

/// Refuses drawn data that do not fit into memory, before they are drawn.
///
/// # Errors
/// Exit code 2, with the estimate and what to change.
pub fn check_drawing(experiment: &ExactExperiment) -> Result<(), Failure> {
    let ExactData::Gaussian(data) = &experiment.data else {
        return Ok(());
    };
    let (d, p) = ((data.inputs + data.outputs) as f64, data.inputs as f64);
    let work = data.samples as f64 * d * p + p.powi(3);
    check_years(work / FASTEST / YEAR, "fewer samples or inputs")?;
    // Moments, covariance, eigenvectors and what is between them; weights and their rotation.
    let memory = 48.0 * d * d + 48.0 * d * experiment.network.width as f64;
    check_memory(memory, "fewer inputs or outputs, or a smaller width")
}

fn check_years(years: f64, hint: &str) -> Result<(), Failure> {
    if years <= LONGEST_YEARS {
        return Ok(());
    }
    let message = format!("the run would take at least {} years", spoken(years));
    Err(Failure::input(message).hint(hint))
}

fn check_memory(needed: f64, hint: &str) -> Result<(), Failure> {
    let Some(available) = available::memory().filter(|has| needed > has.bytes) else {
        return Ok(());
    };
    let message = format!(
        "the run needs about {} of memory, and {} {}",
        size(needed),
        size(available.bytes),
        available.bound
    );
    Err(Failure::input(message).hint(hint))
}

/// Refuses what does not fit into memory, on disk or into a lifetime.
///
/// # Errors
/// Exit code 2, with the estimate and what to change.
pub fn check(
    experiment: &ExactExperiment,
    known: &ExactProblemInfo,
    folder: &Path,
    threads: usize,
    shard: Option<Shard>,
) -> Result<(), Failure> {
    let cost = cost(experiment, known, threads, shard);
    let shorter = "a shorter time, larger steps or fewer trajectories";
    cost.check(folder, shorter, memory_hint(experiment))
}

/// Refuses rows of drawn data that do not fit into memory, before they are drawn.
///
/// # Errors
/// Exit code 2, with the estimate.
pub fn check_rows(rows: u64, layers: &[usize]) -> Result<(), Failure> {
    let numbers: f64 = layers.iter().map(|&m| m as f64).sum();
    check_memory(rows as f64 * numbers * 24.0, "fewer samples")
}

/// Refuses an experiment in the dense engine that does not fit into memory, on disk or into a
/// lifetime.
///
/// # Errors
/// Exit code 2, with the estimate and what to change.
pub fn check_dense(
    ensembles: &[TrainingEnsemble],
    known: &dense::preparation::DenseProblemInfo,
    folder: &Path,
    threads: usize,
) -> Result<(), Failure> {
    let layers = known.network.layers();
    let parameters = known.network.parameters() as f64;
    let widths: f64 = layers.iter().map(|l| (l.inputs + l.outputs) as f64).sum();
    let sides = layers.iter().map(|l| [l.inputs as f64, l.outputs as f64]);
    let largest = sides.clone().fold(0.0, |most: f64, [p, k]| most.max(p * k));
    // Multiply-adds, at the very least, that matrices with orthonormal columns take.
    let frames: f64 = sides.map(|[p, k]| 4.0 * p * k * p.min(k)).sum();
    let mut sum = Cost::default();
    // What finished dynamics leave until the end, and multiply-adds.
    let (mut left, mut work) = (0.0, 0.0);
    for (ensemble, layout) in ensembles.iter().zip(&known.layouts) {
        let (training, measure) = (&ensemble.training, &ensemble.measure);
        let batch = |noise: &Noise| match noise {
            Noise::MiniBatch { batch_size, .. } => Some(*batch_size),
            _ => None,
        };
        let rows = training.noise.iter().find_map(batch);
        let rows = rows.unwrap_or(known.samples) as f64;
        let orthogonal = match training.initialisation {
            WeightInitialisation::Orthogonal { .. } | WeightInitialisation::Balanced { .. } => 1.0,
            _ => 0.0,
        };
        let count = ensemble.trajectories as f64;
        let cells = measure.save_steps.len() as f64 * layout.observables.len() as f64;
        let keep = ensemble.keep_trajectories;
        let values = ValueCost::of(cells, count, ensemble.trajectories, keep);
        // Weights, gradient, velocity and displaced weights; activations and their derivatives.
        let frame = orthogonal * 6.0 * largest;
        let probes = (measure.probe_rows as f64).min(known.samples as f64);
        let jacobian = if measure.jacobian { 1.0 } else { 0.0 };
        let outputs = known.network.outputs() as f64;
        let probed =
            probes * (2.0 * widths + jacobian * outputs * (parameters + 3.0 * probes * outputs));
        let batches = 3.0 * rows.max(256.0) * widths;
        // Directions of Lanczos' iteration, and passes over the rows that the Hessian is of.
        let curved = match measure.sharpness {
            true => 64.0 * parameters + 20.0 * (known.samples as f64).min(512.0) * widths,
            false => 0.0,
        };
        let chosen = &ensemble.weights;
        let moments = chosen.steps.len() as f64 * parameters;
        let snapshots = moments * (chosen.trajectories.len() as f64).min(count);
        let one = 8.0 * (6.0 * parameters + batches + frame + probed + cells + curved);
        // Who is finished, in memory and in two copies on the way into a checkpoint.
        let finished = 4.0 * count;
        let memory = one * (threads as f64).min(count) + values.passing + finished;
        sum.memory = sum.memory.max(memory);
        left += values.left + 24.0 * parameters + 24.0 * snapshots;
        sum.disk += values.disk + 8.0 * snapshots;
        let starts = if ensemble.each_start { count } else { 1.0 };
        work += training.steps as f64 * count * 3.0 * rows * parameters;
        work += orthogonal * starts * frames;
    }
    sum.memory += left;
    sum.years = work / (FASTEST * threads as f64) / YEAR;
    sum.check(
        folder,
        "a shorter run, smaller batches or fewer trajectories",
        "fewer save points or trajectories, or smaller batches",
    )
}

/// Refuses a merge whose statistics and results do not fit into memory.
///
/// # Errors
/// Exit code 2, with the estimate.
pub fn check_merge(experiment: &ExactExperiment, known: &ExactProblemInfo) -> Result<(), Failure> {
    let cost = cost(experiment, known, 1, None);
    check_memory(cost.memory, "a machine with more memory")
}

/// Refuses a sweep whose points, `points` of `dynamics` each, do not fit into memory side by side.
///
/// # Errors
/// Exit code 2, with the estimate.
pub fn check_points(points: usize, dynamics: usize) -> Result<(), Failure> {
    let bytes = points as f64 * (4096.0 + 512.0 * dynamics as f64);
    check_memory(bytes, "fewer points")
}

fn check_disk(disk: f64, what: &str, folder: &Path, hint: &str) -> Result<(), Failure> {
    let Some(available) = available_space(folder).filter(|&free| disk > free) else {
        return Ok(());
    };
    let message = format!(
        "the {what} writes about {} into {}, where {} is free",
        size(disk),
        quoted(&shown_path(folder)),
        size(available)
    );
    Err(Failure::input(message).hint(hint))
}

/// What all points of a sweep ask for together.
#[derive(Debug, Default)]
pub struct SweepCost {
    /// Of the point that asks for most.
    memory: f64,
    years: f64,
    /// Rows of the table.
    rows: f64,
}

/// Adds one point of a sweep, which saves three times and keeps one thread busy.
///
/// # Errors
/// Exit code 2 where this point alone would take a lifetime.
pub fn check_point(
    experiment: &ExactExperiment,
    known: &ExactProblemInfo,
    threads: usize,
    sum: &mut SweepCost,
) -> Result<(), Failure> {
    let mut small = experiment.clone();
    small.run.save.points = 2;
    let cost = cost(&small, known, 1, None);
    check_years(
        cost.years / threads as f64,
        "a shorter time, larger steps or fewer trajectories",
    )?;
    let spectra = 2 * (known.problem.inputs + known.problem.outputs);
    sum.memory = sum.memory.max(cost.memory);
    sum.years += cost.years / threads as f64;
    sum.rows += (experiment.dynamics.len() * (spectra + 16)) as f64;
    Ok(())
}

impl SweepCost {
    /// Refuses a sweep that does not fit into memory, on disk or into a lifetime.
    ///
    /// # Errors
    /// Exit code 2, with the estimate and what to change.
    pub fn check(&self, folder: &Path, threads: usize) -> Result<(), Failure> {
        check_years(self.years, "fewer points, a shorter time or larger steps")?;
        let needed = self.memory * threads as f64 + 64.0 * self.rows;
        check_memory(
            needed,
            "fewer points, fewer trajectories or fewer --threads",
        )?;
        let disk = 40.0 * self.rows;
        check_disk(disk, "sweep", folder, "fewer points")
    }
}

/// What one step of a trajectory draws besides what its sizes say.
#[derive(Default)]
struct Batch {
    /// Rows of a mini-batch.
    rows: f64,
    /// Brownian increments that make up that of a step.
    substeps: f64,
}

fn batch_of(kind: &Kind) -> Batch {
    let mut batch = Batch::default();
    match kind {
        Kind::StochasticGradientDescent { batch_size, .. } => batch.rows = *batch_size as f64,
        Kind::StochasticGradientFlow {
            brownian_substeps, ..
        } => batch.substeps = f64::from(*brownian_substeps),
        _ => {}
    }
    batch
}

fn memory_hint(experiment: &ExactExperiment) -> &'static str {
    if experiment.run.keep_trajectories {
        "keep_trajectories = false, fewer trajectories or fewer save points"
    } else if experiment
        .dynamics
        .iter()
        .any(|d| batch_of(&d.dynamics.kind).rows > 1e6)
    {
        "a smaller batch_size, fewer save points, or fewer --threads"
    } else {
        "fewer save points, a smaller width, or fewer --threads"
    }
}

fn cost(
    experiment: &ExactExperiment,
    known: &ExactProblemInfo,
    threads: usize,
    shard: Option<Shard>,
) -> Cost {
    let problem = &known.problem;
    let shards = shard.map_or(1.0, |shard| shard.count as f64);
    let (p, k, l) = (
        problem.inputs as f64,
        problem.outputs as f64,
        problem.width() as f64,
    );
    let m = l.min(p + k);
    let run = &experiment.run;
    let own_data = experiment.data.each_trajectory();
    let mut sum = Cost::default();
    // What finished dynamics leave until the end, and multiply-adds.
    let (mut left, mut work) = (0.0, 0.0);
    let dynamics = experiment.dynamics.iter().zip(experiment.save_steps());
    for (index, (spec, saves)) in dynamics.enumerate() {
        let trajectories = experiment.trajectories_of(spec);
        let count = (trajectories as f64 / shards).max(1.0);
        let layout = known.layout(&experiment.ensemble(index, &saves));
        let cells = saves.len() as f64 * layout.observables.len() as f64;
        let steps = saves.last().copied().unwrap_or(0) as f64;
        let lanes = trajectories_per_block(problem.inputs + problem.outputs, trajectories) as f64;
        let blocks = experiment.blocks_of(spec, problem.inputs + problem.outputs);
        let blocks = (blocks as f64 / shards).ceil();
        let used = lanes.min(trajectories as f64);
        let batch = batch_of(&spec.dynamics.kind);
        // The factor, the rotation, and a stage or two beside them, in all lanes of a block, used
        // or not; without the reductions weights, gradient, update and spectra at full width, of
        // each trajectory alone.
        let state = match run.reductions {
            true => lanes * (4.0 * (p + k) * m + 3.0 * m * m),
            false => used * 10.0 * (p + k) * l,
        };
        let forces = match run.force_balance {
            Some(_) => lanes * 4.0 * m * m,
            None => 0.0,
        };
        let chosen = lanes * batch.rows * (1.0 + k);
        let block = 8.0 * (state + forces + chosen + used * cells);
        // Start and rotation of each trajectory that has its own.
        let has_own = experiment.has_own_starts();
        let starts = l * m * 8.0 * if has_own { used } else { 1.0 };
        // Rows, and moments and eigenvectors, of each trajectory that has its own data.
        let rows = match spec.dynamics.needs_rows() {
            true => problem.samples as f64 * (p + k) * 8.0,
            false => 0.0,
        };
        let moments = 48.0 * (p + k) * (p + k);
        let data = if own_data {
            used * (rows + moments)
        } else {
            0.0
        };
        let values = ValueCost::of(cells, count, run.trajectories, run.keep_trajectories);
        let at_once = (threads as f64).min(blocks) * (block + starts + data);
        let memory = at_once + values.passing + l * (p + k) * 48.0;
        sum.memory = sum.memory.max(memory);
        left += values.left + 24.0 * l * (p + k);
        sum.disk += values.disk;
        let width = if run.reductions { m } else { l };
        let noise = batch.rows * (p + k) + batch.substeps * p * k;
        let noise = match spec.dynamics.classes {
            None => noise,
            Some(_) if batch.rows > 0.0 => noise + 2.0 * batch.rows * p * k,
            Some(_) => noise + 2.0 * problem.samples as f64 * p * k,
        };
        work += steps * count * (2.0 * p * k * width + noise);
    }
    if own_data {
        work += problem.samples as f64 * (p + k) * p * run.trajectories as f64 / shards;
    }
    sum.memory += left;
    sum.years = work / (FASTEST * threads as f64) / YEAR;
    sum
}

/// A number of years as people say it, to two digits.
fn spoken(years: f64) -> String {
    let of = |unit: f64| {
        let count = years / unit;
        let digit = 10_f64.powf(count.log10().floor() - 1.0).max(1.0);
        (count / digit).round() * digit
    };
    match years {
        y if y < 10.0 => format!("{y:.1}"),
        y if y < 1e3 => format!("{:.0}", of(1.0)),
        y if y < 1e6 => format!("{:.0} thousand", of(1e3)),
        y if y < 1e9 => format!("{:.0} million", of(1e6)),
        y if y < 1e12 => format!("{:.0} billion", of(1e9)),
        _ => "a trillion".to_owned(),
    }
}

fn size(bytes: f64) -> String {
    const MIB: f64 = 1_048_576.0;
    match bytes / MIB {
        mib if mib >= 1e9 => "more than 900 TiB".to_owned(),
        mib if mib >= 1_048_576.0 => format!("{:.1} TiB", mib / 1_048_576.0),
        mib if mib >= 1024.0 => format!("{:.1} GiB", mib / 1024.0),
        mib if mib >= 10.0 => format!("{mib:.0} MiB"),
        mib => format!("{:.0} KiB", mib * 1024.0),
    }
}

/// Free space where the folder is or will be. A file system of no size at all does not tell.
fn available_space(folder: &Path) -> Option<f64> {
    let absolute = std::path::absolute(folder).ok()?;
    let existing = absolute.ancestors().find(|path| path.exists())?;
    fs4::total_space(existing).ok().filter(|&total| total > 0)?;
    fs4::available_space(existing)
        .ok()
        .map(|bytes| bytes as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::DynamicsBuilder;
    use crate::experiment::Experiment;
    use crate::preparation;

    /// A block has all of its lanes, and there is one for each eight trajectories.
    #[test]
    fn memory_is_that_of_whole_blocks() {
        let memory = |trajectories: u64, threads: usize| {
            let flow = DynamicsBuilder::stochastic_gradient_flow("SGF").label_noise(1.0);
            let experiment = Experiment::builder("blocks")
                .gaussian(50, 90, 10)
                .width(200)
                .dynamics(flow)
                .time(1.0)
                .trajectories(trajectories)
                .save_points(1);
            let mut experiment = experiment.build().unwrap().exact().unwrap();
            let known = preparation::prepare(&mut experiment).unwrap().known;
            cost(&experiment, &known, threads, None).memory
        };
        for few in [2, 3, 7] {
            assert!(memory(few, 1) > 0.9 * memory(8, 1), "{few}");
            assert_eq!(memory(few, 1), memory(few, 16), "{few}");
        }
        assert!(memory(1, 1) < 0.5 * memory(2, 1));
        assert!(memory(16, 16) > 1.5 * memory(8, 16));
    }

    #[test]
    fn numbers_are_written_as_people_say_them() {
        let years = [1.25, 21.3, 214.0, 21_400.0, 3.3e8, 7.0e10, 1e30].map(spoken);
        let words = [
            "1.2",
            "21",
            "210",
            "21 thousand",
            "330 million",
            "70 billion",
            "a trillion",
        ];
        assert_eq!(years, words);
        assert_eq!(size(2048.0), "2 KiB");
        assert_eq!(size(2.5 * 1024f64.powi(3)), "2.5 GiB");
        assert_eq!(size(2.5 * 1024f64.powi(4)), "2.5 TiB");
        assert_eq!(size(1e24), "more than 900 TiB");
    }
}
