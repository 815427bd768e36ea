//! What the commands take that run experiments or put their parts together: reproduce, run, sweep,
//! merge.

use clap::{Args, ValueEnum};
use rankfall::experiment::keys::MOST_POINTS;
use rankfall::shard::Shard;
use std::path::PathBuf;
use std::time::Duration;

/// What `rankfall reproduce` takes.
#[derive(Debug, Args)]
#[command(after_long_help = REPRODUCE_EXAMPLES)]
pub struct ReproduceArguments {
    /// Which experiment
    #[arg(default_value = "paper", value_name = "NAME")]
    pub name: String,
    /// List the experiments and stop
    #[arg(long)]
    pub list: bool,
    /// Run all of them, one after the other, each into its own folder below runs, or --out
    ///
    /// Those whose data are not on this machine are left out, and named. With --resume, those that
    /// are finished stay as they are.
    #[arg(long, conflicts_with_all = ["list", "name", "shard", "sets", "json"])]
    pub all: bool,
    /// Which part of the work.
    #[command(flatten)]
    pub part: PartArguments,
    /// What all running commands share.
    #[command(flatten)]
    pub shared: SharedArguments,
}

const REPRODUCE_EXAMPLES: &str = "\
Examples:
  rankfall reproduce --list
  rankfall reproduce small-start
  rankfall reproduce --all --resume
  rankfall reproduce paper --set run.trajectories=1000 --out runs/many";

/// What `rankfall run` takes.
#[derive(Debug, Args)]
#[command(after_long_help = RUN_EXAMPLES)]
pub struct RunArguments {
    /// The experiment file
    #[arg(value_name = "EXPERIMENT.toml")]
    pub experiment: PathBuf,
    /// Which part of the work.
    #[command(flatten)]
    pub part: PartArguments,
    /// What all running commands share.
    #[command(flatten)]
    pub shared: SharedArguments,
}

const RUN_EXAMPLES: &str = "\
Examples:
  rankfall run mine.toml
  rankfall run mine.toml --set run.trajectories=1000 --set dynamics.0.step_size=0.02
  rankfall run mine.toml --set 'network.init={ kind = \"balanced\", scale = 0.1 }'
  rankfall run mine.toml --resume          continue after Ctrl-C
  rankfall run mine.toml --json --quiet | python3 -c 'import json, sys; print(json.load(sys.stdin))'";

/// The option of the commands whose work can be divided.
#[derive(Clone, Copy, Debug, Args)]
pub struct PartArguments {
    /// Do only the i-th of m shards, for `rankfall merge` [default folder: runs/NAME-i-of-m]
    ///
    /// Shards are counted from 1. They may run at the same time, on any machines, and be resumed
    /// one by one.
    #[arg(long, value_name = "i/m")]
    pub shard: Option<Shard>,
}

/// What `rankfall sweep` takes.
#[derive(Debug, Args)]
#[command(after_long_help = SWEEP_EXAMPLES)]
pub struct SweepArguments {
    /// The experiment file, with or without a `[sweep]` table
    #[arg(value_name = "EXPERIMENT.toml")]
    pub experiment: PathBuf,
    /// Vary one value; may be given many times, the last one varies fastest
    ///
    /// The key is that of --set, with * for every item of a list. The values are a list (0,0.5,1),
    /// log(a,b,n) with equal ratios or linear(a,b,n) with equal differences. Replaces the values of
    /// that key in the `[sweep]` table, or adds to them.
    #[arg(long, value_name = "KEY=SPEC")]
    pub over: Vec<String>,
    /// How points are chosen [default: grid]
    #[arg(long, value_enum)]
    pub design: Option<DesignArgument>,
    /// Points of a random design
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=MOST_POINTS))]
    pub points: Option<u64>,
    /// Give every point a seed of its own, not all the same
    #[arg(long)]
    pub vary_seed: bool,
    /// Which part of the work.
    #[command(flatten)]
    pub part: PartArguments,
    /// What all running commands share.
    #[command(flatten)]
    pub shared: SharedArguments,
}

/// How the points of a sweep are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DesignArgument {
    /// Every combination of the values
    Grid,
    /// So many points, each value drawn on its own
    Random,
}

const SWEEP_EXAMPLES: &str = "\
Examples:
  rankfall sweep mine.toml --over 'dynamics.0.step_size=log(1e-4,1e-1,16)' \\
                           --over dynamics.0.label_noise=0,0.5,1,2
  rankfall sweep mine.toml --over 'network.width=log(7,1e4,8)' --set run.trajectories=64
  rankfall sweep mine.toml --over 'dynamics.*.step_size=log(1e-4,1)' --design random --points 200";

/// What `rankfall merge` takes.
#[derive(Debug, Args)]
#[command(after_long_help = MERGE_EXAMPLES)]
pub struct MergeArguments {
    /// The folders of all shards
    #[arg(value_name = "DIR", required = true)]
    pub folders: Vec<PathBuf>,
    /// Folder for the results [default: runs/NAME]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Replace an earlier run in that folder
    ///
    /// Only folders that rankfall wrote are replaced, and never one of the shards.
    #[arg(long)]
    pub force: bool,
    /// Print the summary as JSON on standard output
    #[arg(long)]
    pub json: bool,
}

const MERGE_EXAMPLES: &str = "\
Example:
  rankfall run mine.toml --shard 1/2 --out a
  rankfall run mine.toml --shard 2/2 --out b
  rankfall merge a b --out runs/mine";

/// Options of the commands that run something.
#[derive(Clone, Debug, Args)]
pub struct SharedArguments {
    /// Change one value of the experiment; may be given many times
    ///
    /// The key is a dotted path in which lists count from 0: dynamics.0.step_size=0.02. The value
    /// is read as TOML, and as text where it is not TOML. Later ones win.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
    /// Folder for the results [default: runs/NAME]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Continue an interrupted run in that folder
    ///
    /// The result is that of a run that was never interrupted. Where there is nothing to continue
    /// the run starts afresh, and a finished run is left as it is.
    #[arg(long, conflicts_with = "force")]
    pub resume: bool,
    /// Replace an earlier run in that folder
    ///
    /// Only folders that rankfall wrote are replaced.
    #[arg(long)]
    pub force: bool,
    /// Threads to use [default: as many as there are cores]
    ///
    /// Results do not depend on it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub threads: Option<u16>,
    /// Seconds between two checkpoints; a process that is killed loses at most that much
    // Hidden: the default suits everybody but the tests, which kill runs of a few seconds.
    #[arg(long, hide = true, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub checkpoint_seconds: Duration,
    /// Print the summary as JSON on standard output
    #[arg(long)]
    pub json: bool,
    /// Say nothing about progress
    #[arg(long, short)]
    pub quiet: bool,
}

/// Seconds on the command line: 0 to a year.
fn seconds(text: &str) -> Result<Duration, String> {
    let value = text
        .parse()
        .ok()
        .filter(|seconds| (0.0..=3.2e7).contains(seconds));
    value
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "not a number from 0 to 3.2e7".to_owned())
}
