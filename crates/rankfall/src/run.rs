//! The commands that run something or draw it again: read everything, compute dynamics by
//! dynamics, write the folder.

use crate::arguments::{PlotArguments, ReproduceArguments, RunArguments, SharedArguments};
use crate::bundled;
use crate::checkpoint::{Finished, RunCheckpoint};
use crate::estimate;
use crate::experiment::{DynamicsSpec, Experiment, InitSpec};
use crate::failure::{Failure, quoted, shown_path};
use crate::interruption;
use crate::preparation::{self, Prepared};
use crate::progress::Progress;
use crate::run_folder::trajectories::{TrajectoriesWriter, TrajectoryRow};
use crate::run_folder::weights::Tensor;
use crate::run_folder::{self, Existing, Opened, REPORT, RunFolder, TRAJECTORIES};
use crate::summarise::Material;
use rankfall_core::ensemble::{self, Control, EnsembleSpec, RunError};
use rankfall_core::lanes::Instructions;
use rankfall_core::network::Weights;
use rankfall_core::observe::{LAW, Layout};
use rankfall_report::record::{DynamicsSummary, SUMMARY_SCHEMA, SeriesRow, Summary};
use rankfall_report::{ReportInput, SeriesTable, draw_all, png, report_page, svg, table};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// `rankfall reproduce`.
///
/// # Errors
/// A [`Failure`] with the exit code of its kind.
pub fn reproduce(arguments: &ReproduceArguments) -> Result<(), Failure> {
    let bundled = bundled::named(&arguments.name)?;
    let source = format!("{}.toml (bundled)", bundled.name);
    let sets = &arguments.shared.sets;
    let experiment = Experiment::from_toml(bundled.toml, &source, Path::new(""), sets)?;
    execute(experiment, &arguments.shared)
}

/// `rankfall run`.
///
/// # Errors
/// A [`Failure`] with the exit code of its kind.
pub fn run(arguments: &RunArguments) -> Result<(), Failure> {
    let experiment = Experiment::load(&arguments.experiment, &arguments.shared.sets)?;
    execute(experiment, &arguments.shared)
}

/// `rankfall plot`: draws figures and report again.
///
/// # Errors
/// A [`Failure`] with the exit code of its kind.
pub fn plot(arguments: &PlotArguments) -> Result<(), Failure> {
    let folder = &arguments.folder;
    let summary = run_folder::read_summary(folder)?;
    let series = SeriesTable::from_rows(run_folder::read_series(folder)?);
    let experiment = run_folder::read_experiment(folder)?;
    let pages = draw(&summary, &series, &experiment, folder)?;
    for (name, bytes) in &pages.files {
        run_folder::write_into(&folder.join(name), bytes)?;
    }
    crate::print(&pages.listing(folder))
}

/// Where the results go: `--out`, or `runs/NAME`.
pub fn out_folder(experiment: &Experiment, shared: &SharedArguments) -> PathBuf {
    let default = || Path::new("runs").join(&experiment.name);
    shared.out.clone().unwrap_or_else(default)
}

/// What `--resume` and `--force` ask to do with a folder that has something in it.
pub fn existing(shared: &SharedArguments) -> Existing {
    match (shared.resume, shared.force) {
        (true, _) => Existing::Resume,
        (_, true) => Existing::Replace,
        _ => Existing::Refuse,
    }
}

fn execute(mut experiment: Experiment, shared: &SharedArguments) -> Result<(), Failure> {
    let path = out_folder(&experiment, shared);
    run_folder::check(&path, existing(shared))?;
    estimate::check_drawing(&experiment)?;
    let prepared = preparation::prepare(&mut experiment)?;
    let threads = threads(shared);
    estimate::check(&experiment, &prepared, &path, threads)?;
    let resolved = experiment.resolved_toml();
    let (folder, checkpoint) = match RunFolder::open(&path, existing(shared))? {
        Opened::Finished => {
            // What is done stays as it is; whoever asked for JSON still gets it.
            let summary = run_folder::read_summary(&path)?;
            return report_finished(&summary, &path, shared, None);
        }
        Opened::Fresh(folder) => (folder, RunCheckpoint::default()),
        Opened::Interrupted(folder) => {
            expect_same_experiment(&folder, &resolved)?;
            let checkpoint = RunCheckpoint::read(&folder)?;
            (folder, checkpoint)
        }
    };
    folder.write_experiment(&resolved)?;
    interruption::listen()?;
    let context = Context {
        experiment: &experiment,
        prepared: &prepared,
        threads,
        shared,
    };
    let finished = context.run_all(&folder, checkpoint)?;
    let summary = context.summary(&finished)?;
    let drawing = context.write(folder, &finished, &summary, &resolved)?;
    report_finished(&summary, &path, shared, Some(&drawing))?;
    all_diverged(&summary)
}

fn threads(shared: &SharedArguments) -> usize {
    let available = || std::thread::available_parallelism().map_or(1, usize::from);
    shared.threads.map_or_else(available, usize::from)
}

fn expect_same_experiment(folder: &RunFolder, resolved: &str) -> Result<(), Failure> {
    match folder.recorded_experiment()? {
        Some(recorded) if recorded != resolved => Err(Failure::input(format!(
            "the run in {} is of another experiment: {}",
            shown_path(folder.path()),
            first_difference(&recorded, resolved)
        ))
        .hint("--force replaces it, --out DIR writes elsewhere")),
        _ => Ok(()),
    }
}

fn first_difference(recorded: &str, asked: &str) -> String {
    let pair = recorded.lines().zip(asked.lines()).find(|(a, b)| a != b);
    match pair {
        Some((old, new)) => format!("there it says {}, here {}", quoted(old), quoted(new)),
        None => "one has more lines than the other".to_owned(),
    }
}

/// Prints what a person or a program wants to see at the end.
fn report_finished(
    summary: &Summary,
    path: &Path,
    shared: &SharedArguments,
    drawing: Option<&Drawing>,
) -> Result<(), Failure> {
    if shared.json {
        return crate::print(&run_folder::summary_json(summary)?);
    }
    let compared = table::predicted_and_measured(summary);
    let mut text = table::to_text(&compared, table::falling_layer(summary));
    text.push('\n');
    for warning in &summary.warnings {
        text += &format!("note: {warning}\n");
    }
    match drawing {
        Some(drawing) => text += &drawing.listing(path),
        None => {
            text += &format!(
                "{} was finished already; nothing was changed\n",
                shown_path(path)
            )
        }
    }
    crate::print(&text)
}

/// A dynamics without a survivor is a failed run, though its record is kept.
fn all_diverged(summary: &Summary) -> Result<(), Failure> {
    let lost: Vec<&DynamicsSummary> = summary
        .dynamics
        .iter()
        .filter(|d| d.diverged == d.trajectories)
        .collect();
    let Some(first) = lost.first() else {
        return Ok(());
    };
    let when = first.divergences.first().map_or(String::new(), |d| {
        format!(
            ", trajectory {} at step {} (t = {})",
            d.trajectory, d.step, d.time
        )
    });
    let message = format!(
        "every trajectory of {} diverged: the first{when}; the record is kept",
        quoted(&first.label)
    );
    Err(Failure::run(message).hint(
        "a smaller step_size (or time_step) or smaller initial weights; stable steps have \
         step × λ_max(S_xx) × (σ₁(W₁)² + σ₁(W₂)²) below 1",
    ))
}

/// One experiment being run.
struct Context<'a> {
    experiment: &'a Experiment,
    prepared: &'a Prepared,
    threads: usize,
    shared: &'a SharedArguments,
}

impl Context<'_> {
    /// Runs the dynamics that the checkpoint has not finished.
    fn run_all(
        &self,
        folder: &RunFolder,
        mut checkpoint: RunCheckpoint,
    ) -> Result<Vec<Finished>, Failure> {
        let save_steps = self.experiment.save_steps();
        for (index, spec) in self.experiment.dynamics.iter().enumerate() {
            if index < checkpoint.finished.len() {
                continue;
            }
            let finished = self.run_one(folder, &checkpoint, index, spec, &save_steps[index])?;
            checkpoint.finished.push(finished);
            checkpoint.current = None;
            checkpoint.seconds = 0.0;
            checkpoint.write(folder)?;
        }
        Ok(checkpoint.finished)
    }

    fn run_one(
        &self,
        folder: &RunFolder,
        checkpoint: &RunCheckpoint,
        index: usize,
        spec: &DynamicsSpec,
        save_steps: &[u64],
    ) -> Result<Finished, Failure> {
        let ensemble = self.ensemble(index, spec, save_steps);
        let setup = &self.prepared.setup;
        let watch = Watch {
            folder,
            checkpoint,
            progress: Progress::new(&spec.label, self.shared.quiet),
            checkpoint_interval: self.shared.checkpoint_seconds,
            started: Instant::now(),
        };
        let resume = checkpoint.current.as_ref();
        let instructions = Instructions::best();
        let outcome = ensemble.run(setup, self.threads, resume, &watch, instructions);
        watch.progress.finish();
        let outcome = outcome.map_err(|error| of_run(error, folder))?;
        let totals = outcome.statistics.totals();
        let material = Material {
            spec,
            outcome: &outcome,
            totals: &totals,
            save_steps,
            trajectories: ensemble.effective_trajectories(setup),
            requested: self.experiment.run.trajectories,
            problem: &self.prepared.problem,
            rank_tolerance: self.experiment.run.rank_tolerance,
            reduce: self.experiment.run.reductions,
            seconds: checkpoint.seconds + watch.started.elapsed().as_secs_f64(),
        };
        let kept = self.experiment.run.keep_trajectories;
        Finished::new(
            &material.summary(),
            material.series(),
            totals.trajectories().filter(|_| kept).map(<[_]>::to_vec),
            outcome.final_weights.as_ref().map(rows_first),
        )
    }

    fn ensemble(&self, index: usize, spec: &DynamicsSpec, save_steps: &[u64]) -> EnsembleSpec {
        let run = &self.experiment.run;
        EnsembleSpec {
            dynamics: spec.dynamics.clone(),
            stream: if run.common_noise { 0 } else { index as u32 },
            trajectories: run.trajectories,
            save_steps: save_steps.to_vec(),
            time_unit: spec.time_step,
            rank_tolerance: run.rank_tolerance,
            keep_trajectories: run.keep_trajectories,
            reductions: run.reductions,
            force_balance: run.force_balance.map(|balance| {
                let steps = save_steps.last().copied().unwrap_or(0);
                balance.stride_for(steps)
            }),
        }
    }

    fn summary(&self, finished: &[Finished]) -> Result<Summary, Failure> {
        let dynamics = finished
            .iter()
            .map(Finished::summary)
            .collect::<Result<Vec<_>, _>>()?;
        let mut warnings = self.prepared.warnings.clone();
        warnings.extend(dynamics.iter().filter_map(survival_warning));
        warnings.extend(self.width_warning());
        warnings.extend(self.balance_warning());
        warnings.extend(matched_noise_note(&dynamics, self.prepared.problem.samples));
        Ok(Summary {
            schema: SUMMARY_SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            experiment: self.experiment.name.clone(),
            seed: self.experiment.run.seed,
            problem: self.prepared.problem.clone(),
            dynamics,
            warnings,
        })
    }

    fn width_warning(&self) -> Option<String> {
        let problem = &self.prepared.problem;
        let (d, l) = (problem.inputs + problem.outputs, problem.width);
        (l < d).then(|| {
            format!(
                "the width {l} is below p + k = {d}: log det is that of ΘᵀΘ, which no law holds \
                 constant, not even under gradient flow"
            )
        })
    }

    /// A balanced start has no log det M in exact arithmetic, and one all the same in doubles.
    fn balance_warning(&self) -> Option<String> {
        let problem = &self.prepared.problem;
        let (d, rank) = (
            problem.inputs + problem.outputs,
            problem.inputs.min(problem.outputs),
        );
        let balanced = matches!(self.experiment.network.init, InitSpec::Balanced { .. });
        (balanced && problem.width >= d).then(|| {
            format!(
                "a balanced start has rank {rank} at most: the other {} singular values of Θ, and with \
                 them log det M, begin at what rounding left of zero",
                d - rank
            )
        })
    }

    /// Writes everything but the summary, and then the summary.
    fn write(
        &self,
        folder: RunFolder,
        finished: &[Finished],
        summary: &Summary,
        resolved: &str,
    ) -> Result<Drawing, Failure> {
        let rows: Vec<SeriesRow> = finished.iter().flat_map(|f| f.series.clone()).collect();
        folder.write_series(&rows)?;
        self.write_trajectories(&folder, finished)?;
        folder.write_weights(&self.tensors(finished))?;
        let table = SeriesTable::from_rows(rows);
        let drawing = draw(summary, &table, resolved, folder.path())?;
        folder.figures()?;
        for (name, bytes) in &drawing.files {
            folder.write_bytes(name, bytes)?;
        }
        folder.finish(summary)?;
        Ok(drawing)
    }

    fn tensors(&self, finished: &[Finished]) -> Vec<Tensor> {
        let problem = &self.prepared.problem;
        let mut tensors = Vec::new();
        for (index, [w1, w2]) in finished
            .iter()
            .enumerate()
            .filter_map(|(i, f)| Some((i, f.weights.as_ref()?)))
        {
            let prefix = if finished.len() == 1 {
                String::new()
            } else {
                format!("dynamics.{index}.")
            };
            let mut push = |name: &str, shape: [usize; 2], values: &[f64]| {
                tensors.push(Tensor {
                    name: format!("{prefix}{name}"),
                    shape: shape.to_vec(),
                    values: values.to_vec(),
                });
            };
            push("w1", [problem.inputs, problem.width], w1);
            push("w2", [problem.width, problem.outputs], w2);
        }
        tensors
    }

    fn write_trajectories(&self, folder: &RunFolder, finished: &[Finished]) -> Result<(), Failure> {
        if !self.experiment.run.keep_trajectories {
            return Ok(());
        }
        let mut writer = TrajectoriesWriter::create(&folder.file(TRAJECTORIES))?;
        for (((index, spec), steps), done) in self
            .experiment
            .dynamics
            .iter()
            .enumerate()
            .zip(self.experiment.save_steps())
            .zip(finished)
        {
            let layout = self.layout(&self.ensemble(index, spec, &steps))?;
            let observables = layout.observables.len();
            for (trajectory, values) in done.trajectories.iter().flatten() {
                let row = |(cell, &value): (usize, &f64)| {
                    let observable = layout.observables[cell % observables];
                    (observable.name != LAW).then(|| TrajectoryRow {
                        dynamics: &spec.label,
                        trajectory: *trajectory,
                        observable: observable.name,
                        index: observable.index,
                        time: steps[cell / observables] as f64 * spec.time_step,
                        value: value.is_finite().then_some(value),
                    })
                };
                let rows: Vec<TrajectoryRow> = values.iter().enumerate().filter_map(row).collect();
                writer.append(&rows)?;
            }
        }
        writer.finish()
    }

    fn layout(&self, ensemble: &EnsembleSpec) -> Result<Layout, Failure> {
        let problem = self
            .prepared
            .setup
            .problem(0)
            .map_err(preparation::of_setup)?;
        let columns = self
            .prepared
            .setup
            .width
            .min(problem.inputs + problem.outputs);
        Ok(ensemble.layout(
            problem.inputs,
            problem.outputs,
            columns,
            problem.truth.is_some(),
        ))
    }
}

fn rows_first(weights: &Weights) -> [Vec<f64>; 2] {
    [&weights.w1, &weights.w2].map(|w| {
        (0..w.nrows())
            .flat_map(|i| (0..w.ncols()).map(move |j| w[(i, j)]))
            .collect()
    })
}

fn survival_warning(dynamics: &DynamicsSummary) -> Option<String> {
    let DynamicsSummary {
        label,
        diverged,
        trajectories,
        ..
    } = dynamics;
    let first = dynamics.divergences.first()?;
    Some(format!(
        "{diverged} of {trajectories} trajectories of {} diverged (trajectory {} at t = {}); its \
         statistics are over the others, which conditions on survival",
        quoted(label),
        first.trajectory,
        first.time
    ))
}

/// Full-batch label noise averages over n rows: says so where its ν is made equal to a flow's.
fn matched_noise_note(dynamics: &[DynamicsSummary], samples: u64) -> Option<String> {
    let flow = dynamics
        .iter()
        .find(|d| d.kind == "stochastic-gradient-flow" && d.noise_intensity > 0.0)?;
    let descent = dynamics.iter().find(|d| {
        d.kind == "label-noise-gradient-descent"
            && (d.noise_intensity / flow.noise_intensity - 1.0).abs() < 1e-12
    })?;
    Some(format!(
        "{} averages its label noise over all n = {samples} rows, ν = ηδ/n; its label variance \
         δ = {} makes ν = {} equal to that of {}",
        quoted(&descent.label),
        descent.label_noise,
        descent.noise_intensity,
        quoted(&flow.label)
    ))
}

fn of_run(error: RunError, folder: &RunFolder) -> Failure {
    match error {
        RunError::Interrupted => {
            let shown = shown_path(folder.path());
            Failure::interrupted(format!("interrupted; everything so far is in {shown}"))
                .hint("the same command with --resume continues it")
        }
        RunError::Setup(error) => preparation::of_setup(error),
        RunError::Checkpoint(words) => Failure::run(words),
        RunError::ForeignCheckpoint(words) => Failure::input(format!(
            "the checkpoint in {} is not of this run: {words}",
            shown_path(folder.path())
        ))
        .hint("--force starts the run again from the beginning"),
    }
}

/// Watches over one dynamics.
struct Watch<'a> {
    folder: &'a RunFolder,
    /// What was there before this dynamics went on.
    checkpoint: &'a RunCheckpoint,
    progress: Progress,
    checkpoint_interval: Duration,
    started: Instant,
}

impl Control for Watch<'_> {
    fn interrupted(&self) -> bool {
        interruption::requested()
    }

    fn progress(&self, done: u64, total: u64) {
        self.progress.update(done, total);
    }

    fn checkpoint_interval(&self) -> Duration {
        self.checkpoint_interval
    }

    fn keep(&self, current: &ensemble::Checkpoint) -> Result<(), String> {
        let checkpoint = RunCheckpoint {
            finished: self.checkpoint.finished.clone(),
            current: Some(current.clone()),
            seconds: self.checkpoint.seconds + self.started.elapsed().as_secs_f64(),
        };
        checkpoint
            .write(self.folder)
            .map_err(|failure| failure.message)
    }
}

/// Figures and report of a run, drawn and not yet written.
struct Drawing {
    /// Names relative to the run folder, and contents.
    files: Vec<(String, Vec<u8>)>,
}

impl Drawing {
    fn listing(&self, folder: &Path) -> String {
        let pictures = self
            .files
            .iter()
            .filter(|(name, _)| name.ends_with(".png"))
            .count();
        let shown = shown_path(folder);
        format!("{pictures} figures in {shown}/figures; the report is {shown}/{REPORT}\n")
    }
}

fn draw(
    summary: &Summary,
    table: &SeriesTable,
    experiment_toml: &str,
    folder: &Path,
) -> Result<Drawing, Failure> {
    let mut files = Vec::new();
    for figure in draw_all(summary, table) {
        // A figure with nothing to draw says why in the report.
        let Ok(scene) = figure.outcome else { continue };
        let raster = png::render(&scene)
            .map_err(|error| Failure::run(format!("cannot draw {}: {error}", figure.name)))?;
        files.push((
            format!("figures/{}.svg", figure.name),
            svg::render(&scene).into_bytes(),
        ));
        files.push((format!("figures/{}.png", figure.name), raster));
    }
    let again = folder.join(run_folder::EXPERIMENT);
    let command = format!("rankfall run {} --out runs/again", again.display());
    let page = report_page(&ReportInput {
        summary,
        table,
        experiment_toml,
        command: &command,
    });
    files.push((REPORT.to_owned(), page.into_bytes()));
    Ok(Drawing { files })
}
