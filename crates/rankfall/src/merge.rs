//! `rankfall merge`: folds the shards of a run to the bits of the run that was never sharded, and
//! finds out shards that do not belong together.

use crate::arguments::MergeArguments;
use crate::checkpoint::Finished;
use crate::estimate;
use crate::experiment::sweep::SweepArgumentsRead;
use crate::experiment::{ExactExperiment, Experiment};
use crate::failure::{Failure, quoted, shown_path};
use crate::preparation::Known;
use crate::results::{self, Results};
use crate::run_folder::partial::{PartRecord, ShardRecord, Sharded, read_part, read_shard};
use crate::run_folder::{self, Existing, Opened, RunFolder};
use crate::shard::Shard;
use rankfall_core::ensemble::Outcome;
use rankfall_core::network::Weights;
use rankfall_core::statistics::Statistics;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What a shard of a run keeps of one dynamics.
#[derive(Serialize)]
pub struct PartToWrite<'a> {
    /// Which shard: a file in the wrong folder is found out.
    pub shard: Shard,
    /// Which dynamics, from 0.
    pub dynamics: usize,
    /// What is known of the data.
    pub known: &'a Known,
    /// Its statistics.
    pub statistics: &'a Statistics,
    /// `w1` and `w2` of trajectory 0 at the end, rows first, in the shard that has it.
    pub weights: Option<[Vec<f64>; 2]>,
}

/// The same, read back.
#[derive(Deserialize)]
struct Part {
    shard: Shard,
    dynamics: usize,
    known: Known,
    statistics: Statistics,
    weights: Option<[Vec<f64>; 2]>,
}

/// A shard and where it is.
pub struct Found {
    /// Its folder.
    pub folder: PathBuf,
    /// What it says of itself.
    pub record: ShardRecord,
    /// Its experiment, resolved.
    pub experiment: String,
}

/// `rankfall merge`.
///
/// # Errors
/// Exit code 2 for shards that are missing, doubled, damaged or do not belong together.
pub fn merge(arguments: &MergeArguments) -> Result<(), Failure> {
    let shards = find(&arguments.folders)?;
    let first = &shards[0];
    let name = checked_name(first)?;
    let out = arguments
        .out
        .clone()
        .unwrap_or_else(|| Path::new("runs").join(name));
    expect_elsewhere(&out, &shards)?;
    let existing = if arguments.force {
        Existing::Replace
    } else {
        Existing::Refuse
    };
    run_folder::check(&out, existing)?;
    match first.record.of {
        Sharded::Run => merge_run(&shards, &out, existing, arguments.json),
        Sharded::Sweep => crate::sweep::merge(&shards, &out, existing, arguments.json),
    }
}

/// The name of the experiment of a shard: a label, as the experiment beside it must have it.
fn checked_name(shard: &Found) -> Result<String, Failure> {
    let source = shown_path(&shard.folder.join(run_folder::EXPERIMENT));
    let (text, nowhere) = (&shard.experiment, Path::new(""));
    let name = match shard.record.of {
        Sharded::Run => exact(text, &source)?.name,
        Sharded::Sweep => {
            let given = SweepArgumentsRead::default();
            let plan = crate::sweep::plan_of(text, &source, nowhere, &[], &given)?;
            plan.first()?.name.clone()
        }
    };
    if name == shard.record.experiment {
        return Ok(name);
    }
    let message = format!(
        "{} says that the experiment is {}, and {source} that it is {}",
        shown_path(&shard.folder.join(run_folder::SHARD)),
        quoted(&shard.record.experiment),
        quoted(&name)
    );
    Err(Failure::input(message).hint("run this shard again with --force"))
}

/// The experiment of a shard.
fn exact(text: &str, source: &str) -> Result<ExactExperiment, Failure> {
    let experiment = Experiment::from_toml(text, source, Path::new(""), &[])?;
    experiment
        .exact()
        .map_err(|problem| problem.in_file(source))
}

fn merge_run(shards: &[Found], out: &Path, existing: Existing, json: bool) -> Result<(), Failure> {
    let source = shown_path(&shards[0].folder.join(run_folder::EXPERIMENT));
    let resolved = &shards[0].experiment;
    let experiment = exact(resolved, &source)?;
    let mut known = None;
    let mut finished = Vec::new();
    for index in 0..experiment.dynamics.len() {
        finished.push(merge_dynamics(shards, &experiment, index, &mut known)?);
    }
    let Some(known) = known else {
        return Err(Failure::input(format!("{source} has no dynamics")));
    };
    let Opened::Fresh(folder) = RunFolder::open(out, existing)? else {
        return Err(Failure::run("the folder changed while it was opened"));
    };
    folder.write_experiment(resolved)?;
    let results = Results {
        experiment: &experiment,
        known: &known,
    };
    let mut summary = results.summary(&finished)?;
    let drawing = results.write(folder, &finished, &mut summary, resolved)?;
    results::report_finished(&summary, out, json, Some(&drawing))?;
    if !json {
        crate::print(&format!(
            "note: merged from {} shard(s); seconds are the sum over them\n",
            shards.len()
        ))?;
    }
    results::all_diverged(&summary)
}

/// Folds the statistics of one dynamics, shard by shard.
fn merge_dynamics(
    shards: &[Found],
    experiment: &ExactExperiment,
    index: usize,
    known: &mut Option<Known>,
) -> Result<Finished, Failure> {
    let save_steps = experiment.save_steps().swap_remove(index);
    let mut ensemble = experiment.ensemble(index, &save_steps);
    ensemble.trajectories = experiment.trajectories_of(&experiment.dynamics[index]);
    let mut folded: Option<Statistics> = None;
    let mut weights = None;
    let mut seconds = 0.0;
    for shard in shards {
        let record = shard.part(index)?;
        let part: Part = read_part(&shard.folder, index, &shard.record)?;
        let shown = shown_path(&shard.folder);
        if part.shard != shard.record.which() || part.dynamics != index {
            let message = format!("the shard in {shown} has a file in it that is of another one");
            return Err(Failure::input(message).hint("run this shard again with --force"));
        }
        let known = known.get_or_insert_with(|| part.known.clone());
        if *known != part.known {
            let first = shown_path(&shards[0].folder);
            let message = format!("the data of {shown} are not those of {first} to the last bit");
            return Err(Failure::input(message));
        }
        if folded.is_none() {
            estimate::check_merge(experiment, known)?;
        }
        seconds += record.seconds;
        weights = weights.or(part.weights);
        let empty = || ensemble.empty_statistics(&known.layout(&ensemble));
        folded
            .get_or_insert_with(empty)
            .absorb(part.statistics)
            .map_err(|why| Failure::input(format!("cannot merge {shown}: {why}")))?;
    }
    let (Some(statistics), Some(known)) = (folded, known.as_ref()) else {
        return Err(Failure::input("there are no shards to merge"));
    };
    let rows = known.problem.inputs + known.problem.outputs;
    expect_whole(&statistics, experiment, index, rows)?;
    let outcome = Outcome {
        layout: known.layout(&ensemble),
        statistics,
        final_weights: weights.map(|w| weights_of(w, known)),
    };
    let results = Results { experiment, known };
    results.finish(index, &save_steps, &outcome, seconds)
}

/// Every trajectory must be there: not by what the shards say of themselves, but by what they have.
fn expect_whole(
    statistics: &Statistics,
    experiment: &ExactExperiment,
    index: usize,
    rows: usize,
) -> Result<(), Failure> {
    let spec = &experiment.dynamics[index];
    let blocks = experiment.blocks_of(spec, rows);
    if matches!(&statistics.blocks()[..], [all] if *all == (0..blocks)) {
        return Ok(());
    }
    let message = format!(
        "the shards do not have all trajectories of {}: blocks {:?} of 0..{blocks}",
        quoted(&spec.label),
        statistics.blocks()
    );
    Err(Failure::input(message).hint("run all shards again with --force"))
}

fn weights_of([w1, w2]: [Vec<f64>; 2], known: &Known) -> Weights {
    let (p, k, l) = (
        known.problem.inputs,
        known.problem.outputs,
        known.problem.width,
    );
    let entry = |values: &[f64], at: usize| values.get(at).copied().unwrap_or(f64::NAN);
    Weights {
        w1: faer::Mat::from_fn(p, l, |i, j| entry(&w1, i * l + j)),
        w2: faer::Mat::from_fn(l, k, |i, j| entry(&w2, i * k + j)),
    }
}

impl Found {
    /// The record of the `index`-th file of statistics.
    ///
    /// # Errors
    /// Exit code 2 where there is none.
    pub fn part(&self, index: usize) -> Result<&PartRecord, Failure> {
        self.record.parts.get(index).ok_or_else(|| {
            let shown = shown_path(&self.folder);
            Failure::input(format!("the shard in {shown} is damaged: it lacks a part"))
                .hint("run this shard again with --force")
        })
    }
}

/// Reads all shards and puts them in order; each must be there once, and all must be of one run.
fn find(folders: &[PathBuf]) -> Result<Vec<Found>, Failure> {
    let mut shards = Vec::with_capacity(folders.len());
    for folder in folders {
        let (record, experiment) = read_shard(folder)?;
        shards.push(Found {
            folder: folder.clone(),
            record,
            experiment,
        });
    }
    shards.sort_by_key(|shard| shard.record.shard);
    for pair in shards.windows(2) {
        expect_siblings(&pair[0], &pair[1])?;
    }
    expect_complete(&shards)?;
    Ok(shards)
}

fn expect_siblings(one: &Found, other: &Found) -> Result<(), Failure> {
    let (a, b) = (shown_path(&one.folder), shown_path(&other.folder));
    let (i, j) = (one.record.which(), other.record.which());
    if one.record.of != other.record.of {
        let message = format!("{a} and {b} do not belong together: a run and a sweep");
        return Err(Failure::input(message));
    }
    if one.experiment != other.experiment {
        let difference =
            crate::session::first_difference(&one.experiment, &other.experiment, [&a, &b]);
        let message = format!("{a} and {b} are shards of different experiments: {difference}");
        return Err(Failure::input(message));
    }
    if i.count != j.count {
        let message = format!("{a} is shard {i} and {b} is shard {j}: not of one division");
        return Err(Failure::input(message));
    }
    if i == j {
        let message = format!("{a} and {b} are both shard {i}");
        return Err(Failure::input(message).hint("give each shard once"));
    }
    Ok(())
}

fn expect_complete(shards: &[Found]) -> Result<(), Failure> {
    const NAMED: usize = 8;
    let Some(first) = shards.first() else {
        return Err(Failure::input("there are no shards to merge"));
    };
    let count = first.record.shards;
    let lacking = count - shards.len() as u64;
    if lacking == 0 {
        return Ok(());
    }
    let is_there = |index: &u64| {
        let found = shards.binary_search_by_key(index, |shard| shard.record.shard);
        found.is_ok()
    };
    let mut names: Vec<String> = (1..=count)
        .filter(|index| !is_there(index))
        .take(NAMED)
        .map(|index| Shard { index, count }.to_string())
        .collect();
    if lacking > NAMED as u64 {
        names.push("…".to_owned());
    }
    let message = format!(
        "{lacking} of {count} shards are missing: {}",
        names.join(", ")
    );
    Err(Failure::input(message).hint("run them, and give the folders of all shards"))
}

/// A merged run must not be written over one of its shards.
fn expect_elsewhere(out: &Path, shards: &[Found]) -> Result<(), Failure> {
    let Ok(out_path) = out.canonicalize() else {
        return Ok(());
    };
    let same = shards.iter().any(|shard| {
        shard
            .folder
            .canonicalize()
            .is_ok_and(|path| path == out_path)
    });
    if same {
        let message = format!("{} is one of the shards", shown_path(out));
        return Err(Failure::input(message).hint("name another folder with --out"));
    }
    Ok(())
}

/// Whether a file of statistics of a shard of a run can be read.
///
/// # Errors
/// Exit code 2 where it is missing, damaged, or not the file that the shard wrote.
pub fn read_run_part(folder: &Path, index: usize, shard: &ShardRecord) -> Result<(), Failure> {
    read_part::<Part>(folder, index, shard).map(drop)
}
