//! `rankfall merge`: folds the shards of a run to the bits of the run that was never sharded, and
//! finds out shards that do not belong together.

use crate::dense::record::DenseRecorder;
use crate::difference::{first_difference, same_but_for_places};
use crate::engine::{Measurements, Recorder};
use crate::estimate;
use crate::exact::record::ExactRecorder;
use crate::experiment::{EngineInput, Experiment};
use crate::failure::{Failure, quoted, shown_path};
use crate::finished::DynamicsOutcome;
use crate::finished_folder::FinishedFolder;
use crate::part::{Part, ShardFolder};
use crate::run_folder::partial::{ShardKind, read_part, read_shard};
use crate::run_folder::{self, Existing, RunFolder};
use crate::shard::Shard;
use crate::sweep;
use rankfall_core::ensemble::statistics::Statistics;
use std::path::{Path, PathBuf};

/// Puts the shards in these folders together, into `out` or `runs/NAME`.
///
/// # Errors
/// Exit code 2 for shards that are missing, doubled, damaged or do not belong together.
pub fn merge(
    folders: &[PathBuf],
    out: Option<&Path>,
    existing: Existing,
) -> Result<FinishedFolder, Failure> {
    let shards = find(folders)?;
    let source = shown_path(&shards[0].folder.join(run_folder::EXPERIMENT));
    let resolved = &shards[0].experiment;
    // To where the experiment says, if it is that of the shards.
    let place = |name: &str| -> Result<PathBuf, Failure> {
        expect_name(&shards[0], name, &source)?;
        let out = out.map_or_else(|| Path::new("runs").join(name), Path::to_owned);
        expect_elsewhere(&out, &shards)?;
        run_folder::check(&out, existing)?;
        Ok(out)
    };
    if shards[0].record.of == ShardKind::Sweep {
        let plan = sweep::plan_of_copy(resolved, &source)?;
        let out = place(plan.first()?.name())?;
        return sweep::merge(&plan, &shards, &out, existing);
    }
    let experiment = Experiment::from_toml(resolved, &source, Path::new(""), &[])?;
    let out = place(&experiment.name)?;
    match experiment.engine()? {
        EngineInput::Exact(experiment) => merge_with(&shards, &out, existing, |known| {
            estimate::check_merge(&experiment, &known)?;
            Ok(ExactRecorder {
                experiment: *experiment,
                known,
                own: Vec::new(),
            })
        }),
        EngineInput::Dense(experiment, why) => merge_with(&shards, &out, existing, |known| {
            DenseRecorder::of_known(*experiment, known, why).ok_or_else(|| {
                let shown = shown_path(&shards[0].folder);
                Failure::input(format!("the shard in {shown} is damaged: {UNFIT}"))
                    .hint("run this shard again with --force")
            })
        }),
    }
}

/// The name of the experiment of a shard is what the experiment beside it, `source`, has.
fn expect_name(shard: &ShardFolder, name: &str, source: &str) -> Result<(), Failure> {
    if name == shard.record.experiment {
        return Ok(());
    }
    let message = format!(
        "{} says that the experiment is {}, and {source} that it is {}",
        shown_path(&shard.folder.join(run_folder::SHARD)),
        quoted(&shard.record.experiment),
        quoted(name)
    );
    Err(Failure::input(message).hint("run this shard again with --force"))
}

/// Folds dynamics after dynamics, with the recorder that `recorder` makes of what is known of the
/// data.
fn merge_with<R: Recorder>(
    shards: &[ShardFolder],
    out: &Path,
    existing: Existing,
    recorder: impl FnOnce(R::Known) -> Result<R, Failure>,
) -> Result<FinishedFolder, Failure> {
    let first: Part<R::Known> = read_part(&shards[0].folder, 0, &shards[0].record)?;
    let recorder = recorder(first.known)?;
    let mut finished = Vec::new();
    for dynamics in 0..recorder.labels().len() {
        finished.push(merge_dynamics(shards, &recorder, dynamics)?);
    }
    let folder = RunFolder::fresh(out, existing)?;
    let resolved = &shards[0].experiment;
    folder.write_experiment(resolved)?;
    FinishedFolder::run(folder, &recorder, &finished, resolved)
}

/// Folds the statistics of one dynamics, shard by shard.
fn merge_dynamics<R: Recorder>(
    shards: &[ShardFolder],
    recorder: &R,
    dynamics: usize,
) -> Result<DynamicsOutcome, Failure> {
    let read = |shard: &ShardFolder| {
        let part: Part<R::Known> = read_part(&shard.folder, dynamics, &shard.record)?;
        let shown = shown_path(&shard.folder);
        if part.shard != shard.record.which() || part.dynamics != dynamics {
            let message = format!("the shard in {shown} has a file in it that is of another one");
            return Err(Failure::input(message).hint("run this shard again with --force"));
        }
        Ok(Measured {
            shown,
            known: part.known,
            measurements: part.measurements,
            seconds: shard.part(dynamics)?.seconds,
        })
    };
    fold(recorder, dynamics, shards.iter().map(read))
}

/// What is wrong with a shard whose data cannot be those of its experiment.
pub(crate) const UNFIT: &str = "what it knows of its data does not fit its experiment";

/// What a shard measured of one dynamics.
pub(crate) struct Measured<K> {
    /// What to call the shard.
    pub shown: String,
    /// What it knows of the data.
    pub known: K,
    /// What it measured.
    pub measurements: Measurements,
    /// How long it took.
    pub seconds: f64,
}

/// Folds what shards measured of one dynamics to the bits of one run.
///
/// # Errors
/// Exit code 2 for shards that are of other data, doubled or missing.
pub(crate) fn fold<R: Recorder>(
    recorder: &R,
    dynamics: usize,
    parts: impl Iterator<Item = Result<Measured<R::Known>, Failure>>,
) -> Result<DynamicsOutcome, Failure> {
    let mut folded = Measurements {
        statistics: recorder.empty_statistics(dynamics),
        weights: None,
        weights_then: Vec::new(),
        inert: None,
    };
    let (mut all_seconds, mut first) = (0.0, None);
    for part in parts {
        let Measured {
            shown,
            known,
            measurements,
            seconds,
        } = part?;
        let first: &String = first.get_or_insert_with(|| shown.clone());
        if !recorder.knows_the_same(&known) {
            let message = format!("the data of {shown} are not those of {first} to the last bit");
            return Err(Failure::input(message));
        }
        all_seconds += seconds;
        let Measurements {
            statistics,
            weights,
            weights_then,
            inert,
        } = measurements;
        folded.weights = folded.weights.or(weights);
        folded.weights_then.extend(weights_then);
        folded.inert = folded.inert.or(inert);
        (folded.statistics.absorb(statistics))
            .map_err(|why| Failure::input(format!("cannot merge {shown}: {why}")))?;
    }
    expect_whole(&folded.statistics, recorder, dynamics)?;
    recorder.finish(dynamics, &folded, all_seconds)
}

/// Every trajectory must be there: not by what the shards say of themselves, but by what they have.
fn expect_whole<R: Recorder>(
    statistics: &Statistics,
    recorder: &R,
    dynamics: usize,
) -> Result<(), Failure> {
    let blocks = recorder.blocks(dynamics);
    if matches!(&statistics.blocks()[..], [all] if *all == (0..blocks)) {
        return Ok(());
    }
    let message = format!(
        "the shards do not have all trajectories of {}: blocks {:?} of 0..{blocks}",
        quoted(recorder.labels()[dynamics]),
        statistics.blocks()
    );
    Err(Failure::input(message).hint("run all shards again with --force"))
}

/// Reads all shards and puts them in order; each must be there once, and all must be of one run.
fn find(folders: &[PathBuf]) -> Result<Vec<ShardFolder>, Failure> {
    let mut shards = Vec::with_capacity(folders.len());
    for folder in folders {
        let (record, experiment) = read_shard(folder)?;
        shards.push(ShardFolder {
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

fn expect_siblings(one: &ShardFolder, other: &ShardFolder) -> Result<(), Failure> {
    let (a, b) = (shown_path(&one.folder), shown_path(&other.folder));
    let (i, j) = (one.record.which(), other.record.which());
    if one.record.of != other.record.of {
        let message = format!("{a} and {b} do not belong together: a run and a sweep");
        return Err(Failure::input(message));
    }
    if !same_but_for_places(&one.experiment, &other.experiment) {
        let difference = first_difference(&one.experiment, &other.experiment, [&a, &b]);
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

fn expect_complete(shards: &[ShardFolder]) -> Result<(), Failure> {
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
fn expect_elsewhere(out: &Path, shards: &[ShardFolder]) -> Result<(), Failure> {
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
