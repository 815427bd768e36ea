//! Runs and sweeps in memory: no folder, nothing printed.

use crate::dense::engine::DenseEngine;
use crate::engine::{Engine, Measurements, Recorder};
use crate::exact::engine::ExactEngine;
use crate::experiment::sweep::SweepArgumentsRead;
use crate::experiment::{EngineInput, Experiment};
use crate::failure::{Failure, quoted};
use crate::finished::{Finished, Kept};
use crate::options::Options;
use crate::preparation::DataCache;
use crate::results;
use crate::run_folder::weights::Tensor;
use crate::run_folder::{Existing, Opened, RunFolder};
use crate::sweep::metrics::MetricRow;
use crate::sweep::plan::SweepPlan;
use crate::sweep::{self, in_memory};
use crate::watch::{Silent, Watch, warn_of_threads};
use rankfall_core::ensemble::statistics::Statistics;
use rankfall_core::ensemble::{Checkpoint, Control, OwnObservable, RunError, Snapshot};
use rankfall_core::model::gram::Gram;
use rankfall_report::SeriesTable;
use rankfall_report::record::{DynamicsSummary, SeriesRow, Summary};
use rankfall_report::series::Curve;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How an experiment is run in memory.
pub struct Runner<'a> {
    experiment: &'a Experiment,
    threads: usize,
    watch: &'a dyn Watch,
    own: Vec<OwnObservable>,
    moments: Option<&'a Gram>,
    left: Option<&'a Left>,
    onlooker: Option<&'a dyn Onlooker>,
}

/// Looks at what there is while a run goes on.
pub trait Onlooker: Sync {
    /// Whether it wants to look now.
    fn wants(&self) -> bool;
    /// What there is: dynamics that are finished, and the one under way as far as it is. Called from any thread.
    fn look(&self, run: Run);
}

impl Experiment {
    /// Runs it in memory, on all cores.
    ///
    /// # Errors
    /// Data or weights that cannot be read or do not fit; a cost beyond this machine.
    pub fn run(&self) -> Result<Run, Failure> {
        self.runner().run()
    }

    /// Runs it in memory, with choices.
    pub fn runner(&self) -> Runner<'_> {
        Runner {
            experiment: self,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            watch: &Silent,
            own: Vec::new(),
            moments: None,
            left: None,
            onlooker: None,
        }
    }

    /// Runs it at every combination of values, in memory. Each of `over` is a key and its values, as
    /// `rankfall sweep --over` takes them: `dynamics.0.label_noise=0.5,1,2`, `network.width=log(7,1000,8)`.
    ///
    /// # Errors
    /// Values that cannot vary so, and what is wrong with a point, which is named.
    pub fn sweep(&self, over: &[&str]) -> Result<Sweep, Failure> {
        self.sweep_with(over, &self.runner().options())
    }

    /// The same with choices; of a shard only its own points have metrics. Folders among the choices mean nothing.
    ///
    /// # Errors
    /// As for [`Experiment::sweep`].
    pub fn sweep_with(&self, over: &[&str], options: &Options) -> Result<Sweep, Failure> {
        let given = SweepArgumentsRead {
            over: over.iter().map(|&one| one.to_owned()).collect(),
            ..SweepArgumentsRead::default()
        };
        let (text, nowhere) = (self.resolved_toml(), Path::new(""));
        let plan = sweep::plan_of(&text, "the experiment", nowhere, &[], &given)?;
        let (plan, rows) = in_memory(plan, options)?;
        Ok(Sweep { plan, rows })
    }
}

impl<'a> Runner<'a> {
    /// On so many threads. Results do not depend on it.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// Watched: told of progress, and asked whether to stop.
    #[must_use]
    pub fn watch(mut self, watch: &'a dyn Watch) -> Self {
        self.watch = watch;
        self
    }

    /// With a quantity of one's own, measured at every save of the exact engine under `name`. The function is
    /// called from many threads; for the same bits on any number of them it must depend on its argument alone.
    #[must_use]
    pub fn observe(
        mut self,
        name: &str,
        measure: impl Fn(&Snapshot) -> f64 + Send + Sync + 'static,
    ) -> Self {
        self.own.push(OwnObservable::new(name, measure));
        self
    }

    /// With such a quantity that takes the trajectories of a block at once.
    #[must_use]
    pub fn observe_batches(
        mut self,
        name: &str,
        measure: impl Fn(&[Snapshot]) -> Vec<f64> + Send + Sync + 'static,
    ) -> Self {
        self.own.push(OwnObservable::of_batches(name, measure));
        self
    }

    /// Going on from where a run of the same experiment was stopped, to the bits of one that was not.
    #[must_use]
    pub fn from(mut self, left: &'a Left) -> Self {
        self.left = Some(left);
        self
    }

    /// Looked at by somebody on the way.
    #[must_use]
    pub fn onlooker(mut self, onlooker: &'a dyn Onlooker) -> Self {
        self.onlooker = Some(onlooker);
        self
    }

    /// On second moments in memory in place of the data that the experiment names, whose sizes they must have.
    /// Mini-batches need rows, and are refused.
    #[must_use]
    pub fn on_moments(mut self, moments: &'a Gram) -> Self {
        self.moments = Some(moments);
        self
    }

    /// Runs it.
    ///
    /// # Errors
    /// As for [`Experiment::run`]; quantities of one's own or moments where the dense engine runs the network.
    pub fn run(self) -> Result<Run, Failure> {
        let (options, onlooker, left) = (self.options(), self.onlooker, self.left);
        self.with_engine(Whole {
            options,
            onlooker,
            left,
        })
    }

    /// Does `work` with the engine of the experiment.
    pub(crate) fn with_engine<W: WithEngine>(self, work: W) -> Result<W::Output, Failure> {
        let options = self.options();
        match self.experiment.engine()? {
            EngineInput::Exact(exact) => {
                let cache = match self.moments {
                    Some(moments) => DataCache::of_moments(&exact, moments)?,
                    None => DataCache::default(),
                };
                let is_nameable = self.moments.is_none();
                let mut engine =
                    ExactEngine::prepare_with(*exact, &cache, Path::new("."), &options)?;
                engine.observe(self.own);
                work.with(&engine, is_nameable)
            }
            EngineInput::Dense(..) if !self.own.is_empty() || self.moments.is_some() => {
                let message =
                    "quantities of one's own and moments in memory are for two linear layers";
                Err(Failure::input(message))
            }
            EngineInput::Dense(dense, why) => {
                let engine = DenseEngine::prepare(*dense, why, Path::new("."), &options)?;
                work.with(&engine, true)
            }
        }
    }

    /// The names of quantities of one's own.
    pub(crate) fn own_names(&self) -> Vec<String> {
        self.own.iter().map(|own| own.name().to_owned()).collect()
    }

    pub(crate) fn options(&self) -> Options<'a> {
        Options {
            out: None,
            existing: Existing::Refuse,
            threads: self.threads,
            shard: None,
            checkpoint_interval: Duration::MAX,
            watch: self.watch,
        }
    }
}

/// What is done with an engine, whichever it is.
pub(crate) trait WithEngine {
    /// What comes of it.
    type Output;
    /// Does it; `is_nameable` says whether an experiment file can name the data.
    fn with<E: Engine>(self, engine: &E, is_nameable: bool) -> Result<Self::Output, Failure>;
}

/// Runs all of it.
struct Whole<'a> {
    options: Options<'a>,
    onlooker: Option<&'a dyn Onlooker>,
    left: Option<&'a Left>,
}

impl WithEngine for Whole<'_> {
    type Output = Run;

    fn with<E: Engine>(self, engine: &E, is_nameable: bool) -> Result<Run, Failure> {
        InMemory {
            engine,
            options: &self.options,
            onlooker: self.onlooker,
            can_be_saved: is_nameable,
        }
        .run(self.left)
    }
}

/// An experiment being run in memory.
struct InMemory<'a, E: Engine> {
    engine: &'a E,
    options: &'a Options<'a>,
    onlooker: Option<&'a dyn Onlooker>,
    can_be_saved: bool,
}

impl<E: Engine> InMemory<'_, E> {
    fn run(&self, left: Option<&Left>) -> Result<Run, Failure> {
        let recorder = self.engine.recorder();
        for words in self.engine.unstable() {
            log::warn!("{words}");
        }
        let labels = recorder.labels();
        let mut finished = Vec::new();
        let mut resume = None;
        if let Some(left) = left {
            left.expect(&recorder.resolved_toml(), &labels)?;
            finished.clone_from(&left.finished);
            resume = left.checkpoint.as_ref();
        }
        for (dynamics, label) in labels.iter().enumerate().skip(finished.len()) {
            let started = std::time::Instant::now();
            let before = left.filter(|_| resume.is_some()).map_or(0.0, |l| l.seconds);
            let seconds = || before + started.elapsed().as_secs_f64();
            self.options.watch.begin(label);
            let blocks = 0..recorder.blocks(dynamics);
            let control = Watching {
                of: self,
                dynamics,
                finished: &finished,
                seconds: &seconds,
                so_far: Mutex::default(),
                checkpoint: Mutex::default(),
            };
            let threads = self.options.threads;
            let outcome = self
                .engine
                .run(dynamics, blocks, threads, resume.take(), &control);
            self.options.watch.end();
            match outcome {
                Ok(measured) => {
                    finished.push(recorder.finish(dynamics, &measured, seconds())?);
                }
                Err(RunError::Interrupted) => return control.stopped(),
                Err(RunError::Start(failure)) => return Err(failure),
                Err(error) => return Err(Failure::run(error.to_string())),
            }
        }
        self.collect(finished)
    }

    fn collect(&self, finished: Vec<Finished>) -> Result<Run, Failure> {
        Run::of(self.engine.recorder(), finished, self.can_be_saved)
    }

    /// What there is when `finished` dynamics are, and `statistics` of the next.
    fn partial(
        &self,
        finished: &[Finished],
        statistics: Statistics,
        seconds: f64,
    ) -> Result<Run, Failure> {
        let recorder = self.engine.recorder();
        let dynamics = finished.len();
        let mut all = finished.to_vec();
        let mut note = None;
        let blocks = statistics.blocks();
        if !blocks.is_empty() {
            let totals = statistics.totals();
            let taken = totals.survivors() + totals.divergences().count;
            note = Some(format!(
                "{} was stopped: its statistics are those of {taken} trajectories, as far as they came",
                quoted(recorder.labels()[dynamics])
            ));
            let measured = Measurements {
                statistics,
                weights: None,
                weights_then: Vec::new(),
                inert: None,
            };
            all.push(recorder.finish(dynamics, &measured, seconds)?);
        }
        let mut run = self.collect(all)?;
        run.summary.warnings.extend(note);
        run.interrupted = true;
        Ok(run)
    }
}

/// Watches over one dynamics, and remembers where it was stopped.
struct Watching<'a, E: Engine> {
    of: &'a InMemory<'a, E>,
    dynamics: usize,
    finished: &'a [Finished],
    seconds: &'a (dyn Fn() -> f64 + Sync),
    so_far: Mutex<Option<Statistics>>,
    checkpoint: Mutex<Option<Checkpoint>>,
}

/// What is in a mutex that no panic can leave half-changed.
fn inside<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<E: Engine> Watching<'_, E> {
    fn stopped(&self) -> Result<Run, Failure> {
        let statistics = inside(&self.so_far).take();
        let statistics =
            statistics.unwrap_or_else(|| self.of.engine.recorder().empty_statistics(self.dynamics));
        let mut run = (self.of).partial(self.finished, statistics, (self.seconds)())?;
        run.left = Some(Left {
            resolved: self.of.engine.recorder().resolved_toml(),
            finished: self.finished.to_vec(),
            checkpoint: inside(&self.checkpoint).take(),
            seconds: (self.seconds)(),
        });
        Ok(run)
    }
}

impl<E: Engine> Control for Watching<'_, E> {
    fn interrupted(&self) -> bool {
        self.of.options.watch.interrupted()
    }
    fn progress(&self, done: u64, total: u64) {
        self.of.options.watch.progress(done, total);
    }
    fn fewer_threads(&self, made: usize, wanted: usize) {
        warn_of_threads(made, wanted);
    }
    fn so_far(&self, statistics: &dyn Fn() -> Statistics) {
        *inside(&self.so_far) = Some(statistics());
    }
    /// Now, where an onlooker wants to look.
    fn checkpoint_interval(&self) -> Duration {
        match self.of.onlooker {
            Some(onlooker) if onlooker.wants() => Duration::ZERO,
            _ => Duration::MAX,
        }
    }
    fn keep(&self, checkpoint: &Checkpoint) -> Result<(), String> {
        if let Some(onlooker) = self.of.onlooker.filter(|one| one.wants()) {
            let statistics = inside(&self.so_far).clone();
            if let Some(statistics) = statistics {
                let partial = (self.of).partial(self.finished, statistics, (self.seconds)());
                onlooker.look(partial.map_err(|failure| failure.message)?);
            }
        }
        *inside(&self.checkpoint) = Some(checkpoint.clone());
        Ok(())
    }
}

/// What a run that was stopped left, to go on from: [`Runner::from`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Left {
    resolved: String,
    finished: Vec<Finished>,
    checkpoint: Option<Checkpoint>,
    seconds: f64,
}

impl Left {
    fn expect(&self, resolved: &str, labels: &[&str]) -> Result<(), Failure> {
        if self.resolved == resolved && self.finished.len() <= labels.len() {
            return Ok(());
        }
        let names = ["the run that was stopped", "this one"];
        let difference = crate::difference::first_difference(&self.resolved, resolved, names);
        let message = format!("this is not the experiment that was stopped: {difference}");
        Err(Failure::input(message).hint("run it from the beginning"))
    }
}

/// What an experiment left.
pub struct Run {
    /// What the run says of itself: the contents of `summary.json`.
    pub summary: Summary,
    /// Whether it was stopped early: the last dynamics is there as far as it came, those after it are missing.
    pub interrupted: bool,
    /// Where to go on from, where it was stopped.
    pub left: Option<Left>,
    table: SeriesTable,
    /// The resolved experiment; none where its data were moments in memory.
    resolved: Option<String>,
    finished: Vec<Finished>,
}

impl Run {
    /// Of dynamics that are finished.
    pub(crate) fn of<R: Recorder>(
        recorder: &R,
        finished: Vec<Finished>,
        can_be_saved: bool,
    ) -> Result<Self, Failure> {
        let rows: Vec<SeriesRow> = finished.iter().flat_map(|f| f.series.clone()).collect();
        Ok(Self {
            summary: recorder.summary(&finished)?,
            table: SeriesTable::from_rows(rows),
            resolved: can_be_saved.then(|| recorder.resolved_toml()),
            finished,
            interrupted: false,
            left: None,
        })
    }

    /// The dynamics of this label.
    ///
    /// # Errors
    /// Where there is none, with the labels that there are.
    pub fn dynamics(&self, label: &str) -> Result<DynamicsResult<'_>, Failure> {
        let found = self.summary.dynamics.iter().find(|one| one.label == label);
        found.map_or_else(
            || {
                let labels = self.summary.dynamics.iter().map(|one| quoted(&one.label));
                let labels: Vec<String> = labels.collect();
                let message = format!("there is no dynamics {}", quoted(label));
                Err(Failure::input(message).hint(format!("there are {}", labels.join(", "))))
            },
            |summary| {
                Ok(DynamicsResult {
                    summary,
                    table: &self.table,
                })
            },
        )
    }

    /// The rows of `series.parquet`, in its order.
    pub fn rows(&self) -> impl Iterator<Item = &SeriesRow> {
        self.finished.iter().flat_map(|one| &one.series)
    }

    /// The weights of trajectory 0 at the end, of all dynamics, as in `final.safetensors`.
    pub fn weights(&self) -> impl Iterator<Item = &Tensor> {
        self.finished.iter().flat_map(|one| &one.tensors)
    }

    /// Every trajectory of the dynamics at a place, where they were kept.
    pub fn kept(&self, dynamics: usize) -> Option<&Kept> {
        self.finished.get(dynamics)?.trajectories.as_ref()
    }

    /// The experiment with every default written out and the checksums of its data; none where the data were
    /// moments in memory.
    pub fn resolved_toml(&self) -> Option<&str> {
        self.resolved.as_deref()
    }

    /// Everything that was measured, as in `series.parquet`.
    pub fn series(&self) -> &SeriesTable {
        &self.table
    }

    /// Writes it as a run folder, figures and report included, which must be new.
    ///
    /// # Errors
    /// A folder with something in it; a file that cannot be written; a run that was interrupted; one on moments in memory, of which no
    /// experiment file can say where they are.
    pub fn save(&self, folder: &Path) -> Result<(), Failure> {
        let Some(resolved) = &self.resolved else {
            let message = "this run was on moments in memory, which an experiment file cannot name";
            let hint = "write them to an NPZ file and run on data.kind = \"gram\"";
            return Err(Failure::input(message).hint(hint));
        };
        self.save_as(folder, resolved)
    }

    /// The same with another text as its experiment file, where data are found elsewhere than they were read from.
    ///
    /// # Errors
    /// As for [`Run::save`].
    pub fn save_as(&self, folder: &Path, resolved: &str) -> Result<(), Failure> {
        if self.interrupted {
            let message = "this run was stopped before its end, and a folder would look whole";
            return Err(Failure::run(message).hint("run it again, into a folder from the start"));
        }
        let Opened::Fresh(folder) = RunFolder::open(folder, Existing::Refuse)? else {
            return Err(Failure::run("the folder changed while it was opened"));
        };
        folder.write_experiment(resolved)?;
        let mut summary = self.summary.clone();
        results::write(folder, &self.finished, &mut summary, resolved).map(drop)
    }
}

/// One dynamics of a run: what was measured, by name. A [`Curve`] has `times`, `mean`, `std_error`, the
/// quantiles `q05` to `q95`, and the `law`.
#[derive(Clone, Copy)]
pub struct DynamicsResult<'a> {
    summary: &'a DynamicsSummary,
    table: &'a SeriesTable,
}

impl<'a> DynamicsResult<'a> {
    /// Its entry of `summary.json`.
    pub fn summary(&self) -> &'a DynamicsSummary {
        self.summary
    }

    /// log det of two linear layers over time, with the determinant law.
    ///
    /// # Errors
    /// Networks of which it is not measured.
    pub fn log_det(&self) -> Result<&'a Curve, Failure> {
        self.observable("log_det")
    }

    /// The training loss over time.
    ///
    /// # Errors
    /// None: every run has it.
    pub fn loss(&self) -> Result<&'a Curve, Failure> {
        self.observable("loss")
    }

    /// The logarithm of the `index`-th largest singular value, from 1, of `"w1"`, `"w2"`, …, `"theta"` or
    /// `"product"`.
    ///
    /// # Errors
    /// A matrix or an index that there is not.
    pub fn log_singular_value(&self, matrix: &str, index: u32) -> Result<&'a Curve, Failure> {
        self.of_matrix("log_singular_value", matrix, index)
    }

    /// Its effective rank: the exponential of the entropy of σᵢ/Σσ.
    ///
    /// # Errors
    /// A matrix that there is not.
    pub fn effective_rank(&self, matrix: &str) -> Result<&'a Curve, Failure> {
        self.of_matrix("effective_rank", matrix, 0)
    }

    /// #{σᵢ > tolerance · σ₁}.
    ///
    /// # Errors
    /// A matrix that there is not.
    pub fn numerical_rank(&self, matrix: &str) -> Result<&'a Curve, Failure> {
        self.of_matrix("numerical_rank", matrix, 0)
    }

    /// Any scalar without a layer, quantities of one's own among them.
    ///
    /// # Errors
    /// A name under which nothing was measured.
    pub fn observable(&self, name: &str) -> Result<&'a Curve, Failure> {
        let curve = self.table.curve(&self.summary.label, name, 0);
        curve.ok_or_else(|| self.unmeasured(name))
    }

    fn of_matrix(&self, quantity: &str, matrix: &str, index: u32) -> Result<&'a Curve, Failure> {
        let label = &self.summary.label;
        let layer = matrix
            .strip_prefix('w')
            .and_then(|layer| layer.parse().ok());
        let curve = match layer {
            Some(layer) => self.table.curve(label, (quantity, layer), index),
            None => {
                let name = format!("{quantity}_{matrix}");
                self.table.curve(label, name.as_str(), index)
            }
        };
        let what = match index {
            0 => format!("{quantity} of {matrix}"),
            _ => format!("{quantity} {index} of {matrix}"),
        };
        curve.ok_or_else(|| self.unmeasured(&what))
    }

    fn unmeasured(&self, what: &str) -> Failure {
        let (what, label) = (quoted(what), quoted(&self.summary.label));
        Failure::input(format!("{what} was not measured of {label}"))
            .hint("docs/run-folder.md lists what is measured of which network")
    }
}

/// What a sweep left: numbers at the end of each point.
pub struct Sweep {
    plan: SweepPlan,
    rows: sweep::schedule::UnitRows,
}

impl Sweep {
    /// How many points there are.
    pub fn points(&self) -> usize {
        self.plan.points.len()
    }

    /// The values of the axes at a point, in their order, as TOML.
    pub fn coordinates(&self, point: usize) -> Vec<String> {
        let at = self.plan.points.get(point);
        let shown = at.map(|at| at.coordinates.iter().map(crate::experiment::sweep::shown));
        shown.into_iter().flatten().collect()
    }

    /// All metrics: point, dynamics and metric.
    pub fn metrics(&self) -> impl Iterator<Item = (u64, u32, &MetricRow)> {
        let all = self.rows.iter();
        all.flat_map(|((point, dynamics), rows)| rows.iter().map(|row| (*point, *dynamics, row)))
    }

    /// Its metrics, to be taken in elsewhere.
    ///
    /// # Errors
    /// Exit code 1 where they cannot be encoded.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Failure> {
        postcard::to_stdvec(&self.rows)
            .map_err(|error| Failure::run(format!("cannot encode the metrics: {error}")))
    }

    /// Takes in the metrics of a shard of the same sweep.
    ///
    /// # Errors
    /// Exit code 2 for bytes that are none.
    pub fn absorb(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let rows: sweep::schedule::UnitRows = postcard::from_bytes(bytes)
            .map_err(|error| Failure::input(format!("these are no metrics of a sweep: {error}")))?;
        self.rows.extend(rows);
        Ok(())
    }

    /// A metric of a dynamics at a point, by its name in `sweep.parquet`, with its standard error and what
    /// theory says; `index` is 0 for scalars, else a layer or a place in a spectrum, from 1.
    pub fn metric(
        &self,
        point: usize,
        dynamics: u32,
        metric: &str,
        index: u32,
    ) -> Option<&MetricRow> {
        let rows = self.rows.get(&(point as u64, dynamics))?;
        let is_it = |row: &&MetricRow| row.metric.name() == metric && row.index == index;
        rows.iter().find(is_it)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::DynamicsBuilder;

    /// Stops at the first look.
    struct Stop;

    impl Watch for Stop {
        fn interrupted(&self) -> bool {
            true
        }
    }

    #[test]
    fn an_interrupted_run_is_not_saved_as_a_whole_one() {
        let experiment = Experiment::builder("long")
            .gaussian(20, 3, 2)
            .width(5)
            .dynamics(DynamicsBuilder::sgd("SGD").step_size(1e-3))
            .time(1e6)
            .save_points(1)
            .build()
            .unwrap();
        let run = experiment.runner().threads(1).watch(&Stop).run().unwrap();
        assert!(run.interrupted && run.left.is_some());
        let folder = tempfile::tempdir().unwrap();
        let refused = run.save(folder.path()).unwrap_err();
        assert!(
            refused.message.contains("stopped before its end"),
            "{refused}"
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    /// Stops once the second dynamics is under way.
    #[derive(Default)]
    struct StopInTheMiddle {
        begun: std::sync::atomic::AtomicU64,
        stop: std::sync::atomic::AtomicBool,
    }

    impl Watch for StopInTheMiddle {
        fn begin(&self, _label: &str) {
            self.begun.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
        fn progress(&self, done: u64, total: u64) {
            use std::sync::atomic::Ordering::SeqCst;
            let stop = self.begun.load(SeqCst) == 2 && done > 0 && done < total;
            self.stop.fetch_or(stop, SeqCst);
        }
        fn interrupted(&self) -> bool {
            self.stop.load(std::sync::atomic::Ordering::SeqCst)
        }
    }

    #[test]
    fn a_stopped_run_has_what_it_came_to_and_goes_on_to_the_same_bits() {
        let experiment = |time: f64| {
            Experiment::builder("long")
                .gaussian(20, 3, 2)
                .width(5)
                .dynamics(DynamicsBuilder::gradient_flow("GF"))
                .dynamics(DynamicsBuilder::sgd("SGD").step_size(1e-3).label_noise(0.1))
                .time(time)
                .trajectories(20)
                .save_points(10)
                .build()
                .unwrap()
        };
        // Ever longer ones, until it is stopped in time.
        let mut stopped = None;
        for time in [10.0, 100.0, 1000.0] {
            let experiment = experiment(time);
            let watch = StopInTheMiddle::default();
            let run = experiment.runner().threads(1).watch(&watch).run().unwrap();
            if run.interrupted {
                stopped = Some((experiment, run));
                break;
            }
        }
        let (experiment, part) = stopped.expect("a thousand units of time take longer than a look");
        let whole = experiment.run().unwrap();
        let ended = |run: &Run| {
            run.rows()
                .filter(|row| row.dynamics == "GF")
                .cloned()
                .collect::<Vec<_>>()
        };
        assert_eq!(ended(&part), ended(&whole));
        let loss = part.dynamics("SGD").unwrap().loss().unwrap();
        assert!(loss.mean[0].is_some(), "as far as it came");
        assert!(
            part.summary
                .warnings
                .iter()
                .any(|words| words.contains("stopped"))
        );
        let left = part.left.as_ref().unwrap();
        let resumed = experiment.runner().from(left).run().unwrap();
        assert!(resumed.rows().eq(whole.rows()) && !resumed.interrupted);
        let other = Experiment::builder("other")
            .gaussian(20, 3, 2)
            .width(5)
            .dynamics(DynamicsBuilder::gradient_flow("GF"))
            .time(1.0)
            .build()
            .unwrap();
        let Err(refused) = other.runner().from(left).run() else {
            panic!("went on with another experiment")
        };
        assert!(refused.message.contains("not the experiment"), "{refused}");
    }
}
