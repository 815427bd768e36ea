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
use rankfall_nets::training::TrainingSpec;
use std::path::Path;

/// Fused multiply-adds per second and thread that no processor exceeds in double precision.
const FASTEST: f64 = 1e11;

/// Seconds in a year.
const YEAR: f64 = 3.15e7;

/// A run that takes longer even so is surely a slip of the pen.
const LONGEST_YEARS: f64 = 1.0;

/// Bytes in memory for a row of the series: as it is, in the checkpoint, and for the figures.
const ROW: f64 = 1000.0;

/// Bytes of memory, disk and work that an experiment asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Cost {
    memory: f64,
    disk: f64,
    years: f64,
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
    check_years(
        cost.years,
        "a shorter time, larger steps or fewer trajectories",
    )?;
    check_memory(cost.memory, memory_hint(experiment))?;
    check_disk(
        cost.disk,
        "run",
        folder,
        "fewer save points, or keep_trajectories = false",
    )
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
    let (mut memory, mut disk, mut work) = (0.0_f64, 0.0, 0.0);
    // What finished dynamics leave until the end.
    let mut left = 0.0;
    let orthogonal = |training: &TrainingSpec| match training.initialisation {
        WeightInitialisation::Orthogonal { .. } | WeightInitialisation::Balanced { .. } => 1.0,
        _ => 0.0,
    };
    let largest = layers.iter().map(|l| l.inputs as f64 * l.outputs as f64);
    let largest = largest.fold(0.0, f64::max);
    for (ensemble, layout) in ensembles.iter().zip(&known.layouts) {
        let batch = |noise: &Noise| match noise {
            Noise::MiniBatch { batch_size, .. } => Some(*batch_size),
            _ => None,
        };
        let rows = ensemble
            .training
            .noise
            .iter()
            .find_map(batch)
            .unwrap_or(known.samples) as f64;
        let count = ensemble.trajectories as f64;
        let cells = ensemble.measure.save_steps.len() as f64 * layout.observables.len() as f64;
        let kept = ensemble.keep_trajectories || ensemble.trajectories <= EXACT_QUANTILES;
        let values = if kept {
            count * cells * 8.0
        } else {
            cells * 4096.0
        };
        // Weights, gradient, velocity and displaced weights; activations and their derivatives.
        let frame = orthogonal(&ensemble.training) * 6.0 * largest;
        let probes = (ensemble.measure.probe_rows as f64).min(known.samples as f64);
        let jacobian = if ensemble.measure.jacobian { 1.0 } else { 0.0 };
        let outputs = known.network.outputs() as f64;
        let probed =
            probes * (2.0 * widths + jacobian * outputs * (parameters + 3.0 * probes * outputs));
        let batches = 3.0 * rows.max(256.0) * widths;
        // Directions of Lanczos' iteration, and passes over the rows that the Hessian is of.
        let curved = match ensemble.measure.sharpness {
            true => 64.0 * parameters + 20.0 * (known.samples as f64).min(512.0) * widths,
            false => 0.0,
        };
        let chosen = &ensemble.weights;
        let moments = chosen.steps.len() as f64 * parameters;
        let snapshots = moments * (chosen.trajectories.len() as f64).min(count);
        let one = 8.0 * (6.0 * parameters + batches + frame + probed + cells + curved);
        // Who is finished, in memory and in two copies on the way into a checkpoint.
        let finished = 4.0 * count;
        memory = memory.max(one * (threads as f64).min(count) + 2.0 * values + finished);
        let trajectories_kept = if ensemble.keep_trajectories {
            values
        } else {
            0.0
        };
        left += cells * ROW + 24.0 * parameters + 2.0 * trajectories_kept + 24.0 * snapshots;
        disk += cells * 90.0
            + 8.0 * snapshots
            + if ensemble.keep_trajectories {
                count * cells * 24.0
            } else {
                0.0
            };
        let starts = if ensemble.each_start { count } else { 1.0 };
        let sides: f64 = layers
            .iter()
            .map(|l| frame_work(l.inputs as f64, l.outputs as f64))
            .sum();
        work += ensemble.training.steps as f64 * count * 3.0 * rows * parameters;
        work += orthogonal(&ensemble.training) * starts * sides;
    }
    memory += left;
    check_years(
        work / (FASTEST * threads as f64) / YEAR,
        "a shorter run, smaller batches or fewer trajectories",
    )?;
    check_memory(
        memory,
        "fewer save points or trajectories, or smaller batches",
    )?;
    check_disk(
        disk,
        "run",
        folder,
        "fewer save points, or keep_trajectories = false",
    )
}

/// Multiply-adds, at the very least, that a matrix with orthonormal columns takes.
fn frame_work(inputs: f64, outputs: f64) -> f64 {
    4.0 * inputs * outputs * inputs.min(outputs)
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
struct Batch {
    /// Rows of a mini-batch.
    rows: f64,
    /// Brownian increments that make up that of a step.
    substeps: f64,
}

fn batch_of(kind: &Kind) -> Batch {
    let (rows, substeps) = match kind {
        Kind::StochasticGradientDescent { batch_size, .. } => (*batch_size as f64, 0.0),
        Kind::StochasticGradientFlow {
            brownian_substeps, ..
        } => (0.0, f64::from(*brownian_substeps)),
        _ => (0.0, 0.0),
    };
    Batch { rows, substeps }
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
    let trajectories = run.trajectories as f64 / shards;
    let kept = run.keep_trajectories || run.trajectories <= EXACT_QUANTILES;
    let (mut memory, mut disk, mut work) = (0.0_f64, 0.0, 0.0);
    // What finished dynamics leave until the end.
    let mut left = 0.0;
    let dynamics = experiment.dynamics.iter().zip(experiment.save_steps());
    for (index, (spec, saves)) in dynamics.enumerate() {
        let count = (experiment.trajectories_of(spec) as f64 / shards).max(1.0);
        let layout = known.layout(&experiment.ensemble(index, &saves));
        let cells = saves.len() as f64 * layout.observables.len() as f64;
        let steps = saves.last().copied().unwrap_or(0) as f64;
        // The factor, the rotation, a stage or two beside them, and the values to be saved.
        let side_by_side = trajectories_per_block(problem.inputs + problem.outputs, count as u64);
        let lanes = side_by_side as f64;
        let batch = batch_of(&spec.dynamics.kind);
        let state = if run.reductions {
            4.0 * (p + k) * m + 3.0 * m * m
        } else {
            // Weights, gradient, update and spectra at full width.
            10.0 * (p + k) * l
        };
        let forces = if run.force_balance.is_some() {
            4.0 * m * m
        } else {
            0.0
        };
        let chosen = batch.rows * (1.0 + k);
        let block = lanes.min(count) * 8.0 * (state + forces + chosen + cells);
        // Start and rotation of each trajectory that has its own.
        let starts = l
            * m
            * 8.0
            * if experiment.has_own_starts() {
                lanes
            } else {
                1.0
            };
        let rows = if experiment.data.each_trajectory() && spec.dynamics.needs_rows() {
            problem.samples as f64 * (p + k) * 8.0 * lanes
        } else {
            0.0
        };
        // Moments and eigenvectors of each trajectory that has its own data.
        let moments = if experiment.data.each_trajectory() {
            48.0 * (p + k) * (p + k) * lanes
        } else {
            0.0
        };
        let values = if kept {
            count * cells * 8.0
        } else {
            cells * 4096.0
        };
        // Values pass through the totals and, where kept, the checkpoint.
        memory = memory.max(
            threads as f64 * (block + starts + rows + moments) + 2.0 * values + l * (p + k) * 48.0,
        );
        let trajectories_kept = if run.keep_trajectories { values } else { 0.0 };
        left += cells * ROW + 24.0 * l * (p + k) + 2.0 * trajectories_kept;
        disk += cells * 90.0
            + if run.keep_trajectories {
                count * cells * 24.0
            } else {
                0.0
            };
        let width = if run.reductions { m } else { l };
        let noise = batch.rows * (p + k) + batch.substeps * p * k;
        let noise = match spec.dynamics.classes {
            None => noise,
            Some(_) if batch.rows > 0.0 => noise + 2.0 * batch.rows * p * k,
            Some(_) => noise + 2.0 * problem.samples as f64 * p * k,
        };
        work += steps * count * (2.0 * p * k * width + noise);
    }
    memory += left;
    let drawn = match &experiment.data {
        ExactData::Gaussian(data) => {
            data.samples as f64
                * (p + k)
                * p
                * if data.each_trajectory {
                    trajectories
                } else {
                    0.0
                }
        }
        _ => 0.0,
    };
    let seconds = (work + drawn) / (FASTEST * threads as f64);
    Cost {
        memory,
        disk,
        years: seconds / YEAR,
    }
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
