//! `rankfall sweep`: an experiment at many values at once, and what came of each.

pub mod drawing;
pub mod metrics;
pub mod plan;
pub mod record;
pub mod rows;
pub mod schedule;
pub mod seen;
pub mod settings;

use crate::checkpoint::{self, Owner};
use crate::dense;
use crate::estimate;
use crate::experiment::document::{self, TomlNode, Value};
use crate::experiment::sweep::{Design, SweepAxisSpec, SweepOptions, SweepSpec};
use crate::experiment::{self, EngineInput};
use crate::failure::{Failure, shown_path};
use crate::finished_folder::{Content, FinishedFolder};
use crate::options::Options;
use crate::preparation::{DataCache, prepare_with};
use crate::results::{Drawing, finish_drawn};
use crate::run_folder::partial::{PartRecord, ShardKind};
use crate::run_folder::{self, CHECKPOINT, OpenedFolder, RunFolder, SUMMARY};
use crate::save_plan::step_count;
use crate::shard::Shard;
use crate::stability;
use metrics::Metric;
use plan::{SweepPlan, Work};
use record::{AxisRecord, MetricRange, SWEEP_SCHEMA, SweepSummary, SweptDynamics};
use schedule::{SweepCheckpoint, SweepSchedule, UnitRows};
use serde::{Deserialize, Serialize};
use settings::{GridSettings, SEED};
use std::collections::BTreeSet;
use std::path::Path;

/// The points of an experiment file with `--set` and `--over` applied.
///
/// # Errors
/// Exit code 2 for what is wrong with it.
pub fn plan_of(
    text: &str,
    source: &str,
    folder: &Path,
    sets: &[String],
    given: &SweepOptions,
) -> Result<SweepPlan, Failure> {
    let root = experiment::tree(text, sets).map_err(|problem| problem.in_file(source))?;
    let plan = SweepPlan::new(&root, source, folder, given)?;
    let key = |set: &String| {
        let key = set.split('=').next().unwrap_or_default();
        key.split('.').map(str::trim).collect::<Vec<_>>().join(".")
    };
    let keys: Vec<String> = sets.iter().map(key).collect();
    let clash = plan.spec.axes.iter().find_map(|axis| {
        let set = keys.iter().find(|key| axis.sets(key))?;
        Some((axis, set))
    });
    match clash {
        Some((axis, set)) => {
            let what = if *set == axis.key {
                "it".to_owned()
            } else {
                format!("`{set}`")
            };
            let message = format!("`{}` varies, so --set cannot set {what}", axis.key);
            Err(Failure::input(message).hint(format!("--over {}=VALUE gives it one", axis.key)))
        }
        None => Ok(plan),
    }
}

/// The points of a sweep whose resolved copy this is.
///
/// # Errors
/// Exit code 2 where it is not the copy of a sweep.
pub fn plan_of_copy(resolved: &str, source: &str) -> Result<SweepPlan, Failure> {
    let given = SweepOptions::default();
    plan_of(resolved, source, Path::new(""), &[], &given)
}

/// Whether an experiment file has a `[sweep]` table.
pub fn is_sweep(root: &TomlNode) -> bool {
    matches!(&root.value, Value::Table(entries) if entries.iter().any(|e| e.key == "sweep"))
}

/// Runs a sweep, or a shard of one.
///
/// # Errors
/// A [`Failure`] with the exit code of its kind.
pub fn execute(mut plan: SweepPlan, options: &Options) -> Result<FinishedFolder, Failure> {
    let path = options.folder(plan.first()?.name());
    run_folder::check(&path, options.existing)?;
    let cache = DataCache::default();
    let (known, data_that_vary) = check_points(&mut plan, &cache, &path, options.threads)?;
    let sweep = Sweep {
        resolved: plan.resolved_toml()? + &data_that_vary,
        plan: &plan,
        known,
    };
    let folder = match RunFolder::open(&path, options.existing)? {
        OpenedFolder::Finished => {
            return FinishedFolder::before(path, options.shard, &sweep.resolved, |path| {
                read_summary(path).map(Content::Sweep)
            });
        }
        OpenedFolder::Fresh(folder) | OpenedFolder::Interrupted(folder) => folder,
    };
    let owner = Owner {
        experiment: &sweep.resolved,
        shard: options.shard,
    };
    let mut from = SweepCheckpoint::default();
    if folder.file(CHECKPOINT).exists() {
        from = checkpoint::read(&folder, owner)?;
    }
    folder.write_experiment(&sweep.resolved)?;
    if let Some(words) = &sweep.known.unstable {
        log::warn!("{words}");
    }
    let schedule = SweepSchedule {
        plan: &plan,
        cache: &cache,
        kept_in: Some((&folder, owner)),
        options,
    };
    let (rows, seconds) = schedule.run(from)?;
    match options.shard {
        None => sweep.write(folder, &rows, seconds),
        Some(shard) => sweep.write_shard(folder, shard, &rows, seconds),
    }
}

/// Runs a sweep in memory: its points and their rows.
///
/// # Errors
/// A [`Failure`] with the exit code of its kind.
pub fn in_memory(mut plan: SweepPlan, options: &Options) -> Result<(SweepPlan, UnitRows), Failure> {
    let cache = DataCache::default();
    let (known, _) = check_points(&mut plan, &cache, Path::new("."), options.threads)?;
    if let Some(words) = &known.unstable {
        log::warn!("{words}");
    }
    let schedule = SweepSchedule {
        plan: &plan,
        cache: &cache,
        kept_in: None,
        options,
    };
    let (rows, _) = schedule.run(SweepCheckpoint::default())?;
    Ok((plan, rows))
}

/// Sets every point up as far as its data: what cannot run is refused before anything does. Notes
/// the checksums of what was read, and returns what readers must be warned of, and a line for the
/// resolved copy that stands for the files that vary: they have no place in it for their checksums.
fn check_points(
    plan: &mut SweepPlan,
    cache: &DataCache,
    path: &Path,
    threads: usize,
) -> Result<(KnownOfSweep, String), Failure> {
    const MOST_WARNINGS: usize = 20;
    let mut known = KnownOfSweep::default();
    let mut costs = estimate::SweepCost::default();
    let reads_vary = plan.spec.axes.iter().any(|axis| {
        ["data.", "network.init"]
            .iter()
            .any(|p| axis.key.starts_with(p))
    });
    let mut resolved_points = String::new();
    let (mut unstable, mut first_unstable) = (0, None);
    for index in 0..plan.points.len() {
        let mut experiment = plan.points[index].experiment.clone();
        let checked = check_point(&mut experiment, cache, path, threads, &mut costs);
        let point = checked.map_err(|mut failure| {
            failure.message = format!("{}: {}", plan.named(index), failure.message);
            failure
        })?;
        plan.points[index].work = point.work;
        if index == 0 {
            known.problem = point.problem;
        }
        if let Some(words) = point.unstable {
            unstable += 1;
            first_unstable.get_or_insert((index, words));
        }
        for warning in point.warnings {
            if !known.warnings.contains(&warning) && known.warnings.len() < MOST_WARNINGS {
                known.warnings.push(warning);
            }
        }
        if reads_vary {
            let resolved = experiment.resolved_toml();
            resolved_points += &rankfall_data::sha256_of(resolved.as_bytes());
        } else if index == 0 {
            plan.points[0].experiment = experiment;
        }
    }
    costs.check(path, threads)?;
    known.unstable = first_unstable.map(|(index, words)| {
        let (all, first) = (plan.points.len(), plan.named(index));
        format!(
            "at {unstable} of {all} points a step is not stable, the first of them {first}: {words}"
        )
    });
    known.warnings.extend(known.unstable.clone());
    let line = match reads_vary {
        true => {
            let all = rankfall_data::sha256_of(resolved_points.as_bytes());
            format!("# checksum of all points, with the data of each: {all}\n")
        }
        false => String::new(),
    };
    Ok((known, line))
}

/// A point that can be run.
struct CheckedPoint {
    /// Sizes and data in words.
    problem: String,
    work: Vec<Work>,
    warnings: Vec<String>,
    /// A dynamics whose steps are not stable.
    unstable: Option<String>,
}

fn check_point(
    experiment: &mut EngineInput,
    cache: &DataCache,
    path: &Path,
    threads: usize,
    costs: &mut estimate::SweepCost,
) -> Result<CheckedPoint, Failure> {
    match experiment {
        EngineInput::Exact(exact) => {
            estimate::check_drawing(exact)?;
            let prepared = prepare_with(exact, cache)?;
            estimate::check_point(exact, &prepared.known, threads, costs)?;
            let work = exact.dynamics.iter().map(|spec| {
                let steps = step_count(exact.time, spec.time_step).unwrap_or(0);
                let steps = steps.saturating_mul(exact.trajectories_of(spec));
                let cost = steps as f64 * exact.step_cost(spec);
                Work { steps, cost }
            });
            let problem = &prepared.known.problem;
            let (p, k, l) = (problem.inputs, problem.outputs, problem.width());
            let (n, data) = (problem.samples, &problem.data);
            Ok(CheckedPoint {
                problem: format!("at the first point: {data}; n = {n}, p = {p}, k = {k}, l = {l}"),
                work: work.collect(),
                unstable: stability::of_exact(exact, &prepared)?.into_iter().next(),
                warnings: prepared.known.warnings,
            })
        }
        EngineInput::Dense(dense, _) => {
            let prepared = dense::preparation::prepare(dense)?;
            let known = &prepared.known;
            estimate::check_dense(&known.ensembles, known, path, threads)?;
            let work = known.ensembles.iter().zip(&known.trajectories);
            let work = work
                .zip(&dense.dynamics)
                .map(|((ensemble, trajectories), descent)| {
                    let steps = ensemble.training.steps.saturating_mul(*trajectories);
                    let rows = descent.batch_size().unwrap_or(known.samples) as f64;
                    let parameters = known.network.parameters() as f64;
                    let cost = steps as f64 * rows * parameters;
                    Work { steps, cost }
                });
            let labels: Vec<&str> = dense.dynamics.iter().map(|d| d.label.as_str()).collect();
            Ok(CheckedPoint {
                problem: format!(
                    "at the first point: {}; n = {}, layers {}",
                    known.words,
                    known.samples,
                    dense::preparation::widths(&dense.spec.layers)
                ),
                work: work.collect(),
                unstable: stability::of_dense(&prepared, &labels).into_iter().next(),
                warnings: prepared.known.warnings,
            })
        }
    }
}

/// What is known of the data of a sweep.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct KnownOfSweep {
    /// Sizes and data of the first point, in words.
    problem: String,
    /// What readers must be warned of.
    warnings: Vec<String>,
    /// Those of the warnings that are said before the sweep begins.
    #[serde(skip)]
    unstable: Option<String>,
}

/// What a shard of a sweep keeps.
#[derive(Deserialize)]
struct SweepPart {
    shard: Shard,
    rows: UnitRows,
    known: KnownOfSweep,
}

/// A sweep whose points have been run, or are about to be.
struct Sweep<'a> {
    plan: &'a SweepPlan,
    resolved: String,
    known: KnownOfSweep,
}

impl Sweep<'_> {
    fn write(
        &self,
        folder: RunFolder,
        rows: &UnitRows,
        seconds: f64,
    ) -> Result<FinishedFolder, Failure> {
        let mut summary = self.summary(rows, seconds)?;
        let path = folder.path().to_owned();
        rows::write_into(&folder, self.plan, rows)?;
        let drawing = drawing::draw(self.plan, rows, &summary, &self.resolved, &path);
        let drawing = finish_drawn(folder, drawing, &mut summary, |s| &mut s.warnings)?;
        let content = Content::Sweep(summary);
        Ok(FinishedFolder::now(path, content, Some(drawing)))
    }

    fn write_shard(
        &self,
        folder: RunFolder,
        shard: Shard,
        rows: &UnitRows,
        seconds: f64,
    ) -> Result<FinishedFolder, Failure> {
        let content = (shard, rows, &self.known);
        let (file, sha256) = folder.write_part(0, &self.resolved, &content)?;
        let points = |is: fn(f64) -> bool| -> u64 {
            let units = rows.iter().filter(|(_, rows)| is(fraction_diverged(rows)));
            let points: BTreeSet<u64> = units.map(|(key, _)| key.0).collect();
            points.len() as u64
        };
        let part = PartRecord {
            label: "points".to_owned(),
            file,
            sha256,
            count: points(|_| true),
            diverged: points(|share| share > 0.0),
            seconds,
        };
        let (of, name) = (ShardKind::Sweep, self.plan.first()?.name());
        FinishedFolder::shard(folder, of, name, &self.resolved, shard, vec![part])
    }

    fn summary(&self, rows: &UnitRows, seconds: f64) -> Result<SweepSummary, Failure> {
        let first = self.plan.first()?;
        let spec = &self.plan.spec;
        let labels = first.labels();
        let settings = GridSettings::of(self.plan);
        let dynamics: Vec<SweptDynamics> = (0..)
            .zip(labels)
            .map(|(index, label)| swept(label, index, rows, &settings))
            .collect();
        let mut warnings = self.known.warnings.clone();
        warnings.extend(settings.seeds.map(over_seeds));
        if dynamics.iter().any(|d| d.points_with_divergence > 0) {
            warnings.push(lost_words(&dynamics, self.plan.points.len() as u64));
        }
        Ok(SweepSummary {
            schema: SWEEP_SCHEMA,
            kind: "sweep".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            experiment: first.name().to_owned(),
            seed: first.run().seed,
            vary_seed: spec.vary_seed,
            design: match spec.design {
                Design::Grid => "grid".to_owned(),
                Design::Random { .. } => "random".to_owned(),
            },
            axes: spec
                .axes
                .iter()
                .map(|axis| axis_record(axis, spec))
                .collect(),
            problem: self.known.problem.clone(),
            points: self.plan.points.len() as u64,
            seeds: settings.seeds,
            dynamics,
            seconds,
            warnings,
        })
    }
}

/// What the numbers of figures and tables are where a grid varies the seed.
fn over_seeds(seeds: u64) -> String {
    format!(
        "figures, tables and the ranges printed are means over the {seeds} values of {SEED}, and their \
         standard errors are over these seeds; sweep.parquet has every seed by itself, with standard \
         errors over its trajectories"
    )
}

/// What divergence makes of the numbers.
fn lost_words(dynamics: &[SweptDynamics], points: u64) -> String {
    let without = dynamics.iter().map(|d| d.points_without_survivors);
    let some_left = dynamics
        .iter()
        .any(|d| d.points_with_divergence > d.points_without_survivors);
    let mut words = Vec::new();
    if some_left {
        words.push(
            "points with divergence are results like the others; their numbers are over the trajectories that \
             survived, which conditions on survival"
                .to_owned(),
        );
    }
    let units = points * dynamics.len() as u64;
    match without.sum::<u64>() {
        0 => {}
        lost if lost == units => {
            words.push("no trajectory survived at any point; there are no numbers".to_owned());
        }
        lost => words.push(format!(
            "{lost} of {units} points of dynamics are without a survivor and have no numbers"
        )),
    }
    words.join("; ")
}

fn axis_record(axis: &SweepAxisSpec, spec: &SweepSpec) -> AxisRecord {
    let value = |node: &TomlNode| match document::number(node) {
        Some(number) => serde_json::Value::from(number),
        None => serde_json::Value::from(document::shown(node)),
    };
    let values = match spec.design {
        Design::Grid => axis.values().unwrap_or_default(),
        Design::Random { .. } => Vec::new(),
    };
    AxisRecord {
        key: axis.key.clone(),
        over: axis.written.clone(),
        values: values.iter().map(value).collect(),
    }
}

fn fraction_diverged(rows: &[metrics::MetricRow]) -> f64 {
    let row = rows.iter().find(|r| r.metric == Metric::FractionDiverged);
    row.and_then(|r| r.value).unwrap_or(0.0)
}

/// One dynamics over all points: divergence counted by point, ranges over settings.
fn swept(label: &str, dynamics: u32, rows: &UnitRows, settings: &GridSettings) -> SweptDynamics {
    let units = || {
        rows.iter()
            .filter(|(key, _)| key.1 == dynamics)
            .map(|(_, rows)| rows)
    };
    let range = |metric: Metric, index: u32| {
        let means = settings.means(rows, dynamics, |rows| {
            rows.iter()
                .find(|row| row.metric == metric && row.index == index)
        });
        let values = means.iter().filter_map(|mean| mean.value);
        values.fold(None, |range: Option<[f64; 2]>, x| {
            let [low, high] = range.unwrap_or([x, x]);
            Some([low.min(x), high.max(x)])
        })
    };
    let count = |is: fn(f64) -> bool| units().filter(|u| is(fraction_diverged(u))).count() as u64;
    SweptDynamics {
        label: label.to_owned(),
        points_with_divergence: count(|f| f > 0.0),
        points_without_survivors: count(|f| f >= 1.0),
        effective_rank_theta: range(Metric::EffectiveRankTheta, 0),
        surviving_singular_values: range(Metric::SurvivingSingularValues, 0),
        ranges: ranges(units().flatten(), range),
    }
}

/// The ranges of what is said of a sweep in a line: of the metrics that its rows have.
fn ranges<'a>(
    rows: impl Iterator<Item = &'a metrics::MetricRow>,
    range: impl Fn(Metric, u32) -> Option<[f64; 2]>,
) -> Vec<MetricRange> {
    const SAID: [Metric; 5] = [
        Metric::EffectiveRankTheta,
        Metric::SurvivingSingularValues,
        Metric::EffectiveRankProduct,
        Metric::EffectiveRankLayer,
        Metric::Accuracy,
    ];
    let there: BTreeSet<(Metric, u32)> = rows.map(|row| (row.metric, row.index)).collect();
    let said = there.iter().filter(|(metric, _)| SAID.contains(metric));
    let one = |&(metric, index): &(Metric, u32)| {
        let [least, most] = range(metric, index)?;
        Some(MetricRange {
            metric: metric.name().to_owned(),
            index,
            least,
            most,
        })
    };
    said.filter_map(one).collect()
}

/// Reads the summary of a finished sweep.
fn read_summary(folder: &Path) -> Result<SweepSummary, Failure> {
    let path = folder.join(SUMMARY);
    let unreadable = |error: &dyn std::fmt::Display| {
        Failure::input(format!("cannot read {}: {error}", shown_path(&path)))
            .hint("it may be a run, not a sweep: name another folder with --out")
    };
    let text = run_folder::open::text(&path).map_err(|error| unreadable(&error))?;
    let summary = serde_json::from_str(&text).map_err(|error| unreadable(&error))?;
    run_folder::checksums::check(folder, &text)?;
    Ok(summary)
}

/// Draws the figures and the report of a finished sweep again.
///
/// # Errors
/// Exit code 2 for a folder that cannot be read.
pub fn redraw(folder: &Path) -> Result<Drawing, Failure> {
    let summary = read_summary(folder)?;
    let resolved = run_folder::read_experiment(folder)?;
    let source = shown_path(&folder.join(run_folder::EXPERIMENT));
    let plan = plan_of_copy(&resolved, &source)?;
    let rows = rows::read_from(folder, &plan)?;
    Ok(drawing::draw(&plan, &rows, &summary, &resolved, folder))
}

/// Puts the shards of a sweep with this plan together.
///
/// # Errors
/// Exit code 2 for a shard that lacks points or does not belong to the others.
pub fn merge(
    plan: &SweepPlan,
    shards: &[crate::part::ShardFolder],
    out: &Path,
    existing: run_folder::Existing,
) -> Result<FinishedFolder, Failure> {
    let mut rows = UnitRows::new();
    let mut seconds = 0.0;
    let mut known = KnownOfSweep::default();
    for shard in shards {
        let record = shard.part(0)?;
        let part: SweepPart = run_folder::partial::read_part(&shard.folder, 0, &shard.record)?;
        let which = shard.record.which();
        let points = plan.points_of(Some(which)).map(|p| p as u64);
        let dynamics = plan.first()?.labels().len() as u32;
        let expected: Vec<(u64, u32)> = points
            .flat_map(|point| (0..dynamics).map(move |d| (point, d)))
            .collect();
        if part.shard != which || !part.rows.keys().eq(expected.iter()) {
            let shown = shown_path(&shard.folder);
            let message = format!("the shard in {shown} does not have the points of shard {which}");
            return Err(Failure::input(message).hint("run this shard again with --force"));
        }
        seconds += record.seconds;
        known = part.known;
        rows.extend(part.rows);
    }
    let folder = RunFolder::fresh(out, existing)?;
    let resolved = shards[0].experiment.clone();
    folder.write_experiment(&resolved)?;
    let sweep = Sweep {
        plan,
        resolved,
        known,
    };
    sweep.write(folder, &rows, seconds)
}
