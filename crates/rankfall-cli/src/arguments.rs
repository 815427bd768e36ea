//! The command line: its commands, options and help texts.

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use rankfall::experiment::sweep::MOST_POINTS;
use rankfall::experiment::{keys, meaning};
use rankfall::failure::escaped;
use rankfall::shard::Shard;
use rankfall::template::TemplateKind;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// What gradient noise does to the rank of a network.
///
/// rankfall runs the dynamics of two-layer linear networks (gradient flow, stochastic gradient
/// flow, gradient descent, label-noise gradient descent, SGD) over many trajectories, measures
/// singular values, ranks, determinants and losses on the way, and compares them with what theory
/// says.
#[derive(Debug, Parser)]
#[command(name = "rankfall", version, max_term_width = 100)]
#[command(arg_required_else_help = true, after_long_help = EXAMPLES)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  rankfall reproduce                       the setting of the paper, into runs/paper
  rankfall new > mine.toml                 an experiment file with every key explained
  rankfall run mine.toml                   run it, into runs/NAME
  rankfall run mine.toml --set run.seed=2 --out runs/second
  rankfall predict mine.toml               what will happen, without simulating it
  rankfall sweep mine.toml --over 'dynamics.0.step_size=log(1e-4,1e-1,16)'
  rankfall run mine.toml --shard 2/16      one sixteenth of it, for rankfall merge
  rankfall live                            watch it in the browser, and turn the noise up
  rankfall plot runs/mine                  draw the figures of a finished run again
  rankfall verify                          test the claims, into runs/verify

Exit codes:
  0 done, 1 the run failed, 2 the input was wrong, 130 interrupted (what was done is saved)";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run an experiment that comes with rankfall
    ///
    /// Without a name it is the setting of the paper. `--list` shows all names, and what each of
    /// the experiments shows.
    Reproduce(ReproduceArguments),
    /// Run an experiment file
    ///
    /// All of the file is checked before anything is run. The results go to a folder: experiment.toml
    /// (every default written out), summary.json, series.parquet, the final weights and the figures.
    /// Equal experiment files give equal results, whatever the number of threads.
    Run(RunArguments),
    /// Say what will happen, without simulating it
    ///
    /// Of two linear layers with squared loss: which singular values survive, when the others fall below
    /// run.rank_tolerance (in t, steps and epochs), log det, what the noise costs, and which step is stable. With
    /// --rank and --steps: which label noise, step size or batch size leaves that rank after so many steps.
    Predict(PredictArguments),
    /// Run an experiment over many values at once
    ///
    /// Every combination of the values (or random ones) is a point with its own run, work is spread
    /// over all of them, and the results are one table: ranks, decay rates, the slope of log det and
    /// what theory says of them. A point that diverges is a result.
    Sweep(SweepArguments),
    /// Measure the claims about noise and rank, and give each a verdict
    ///
    /// Without an experiment in the setting of the paper. Each claim has a prediction, a measurement with
    /// its interval, and a named alternative. It holds if the interval lies inside the margin and the
    /// alternative is rejected, fails if the interval lies outside, and else cannot be told. The chance
    /// that any true claim is called false is at most 1 %. Writes claims.json and report.html.
    Verify(VerifyArguments),
    /// Put the shards of a run or of a sweep together
    ///
    /// Takes the folders that `rankfall run … --shard 1/m` to `--shard m/m` wrote, in any order, and
    /// writes the folder that the same run without --shard would have written, to the last bit; only
    /// timings differ.
    Merge(MergeArguments),
    /// Print a complete experiment file, every key explained
    ///
    /// It is a valid experiment as it stands: change what you need and delete the rest.
    New(NewArguments),
    /// Draw the figures of a finished run again
    ///
    /// Reads summary.json and series.parquet of the run folder, and writes its figures and report.
    Plot(PlotArguments),
    /// Look into a checkpoint: singular values and ranks of every layer
    ///
    /// Reads safetensors (sharded too), PyTorch files (never executing their pickles), NPY and NPZ. Every
    /// tensor is listed, and what is not analysed says why. Every rank has its tolerance, every number a
    /// bound of its error. Several checkpoints are a time axis.
    Inspect(InspectArguments),
    /// Watch a simulation in the browser, and change it while it runs
    ///
    /// Serves a page on this machine alone, with the exact engine behind it: turn the label noise up and see the
    /// small singular values fall. Without an experiment it is the setting of the paper. Prints the address, and
    /// serves until Ctrl-C. See docs/live.md.
    Live(LiveArguments),
    /// Watch runs, sweeps and shards in the browser that are under way, stopped or finished
    ///
    /// Serves a page on this machine alone that shows what the folders hold so far, and goes on looking. Changes
    /// nothing in them; the runs may be other processes'.
    Watch(WatchArguments),
    /// List the data sets that need no file of your own
    ///
    /// Those inside the program, and those that packages of your system carry: with their licences,
    /// whether they are there, and how to get them.
    Data,
    /// Print the JSON Schema of experiment files, from which editors complete and check
    ///
    /// Beside an experiment file as rankfall.schema.json it is what the first line of `rankfall new` names.
    Schema,
    /// Print completions for a shell
    Completions(CompletionsArguments),
}

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
    /// Those whose data are not on this machine are left out, and named. With --resume, those that are
    /// finished stay as they are.
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
    /// Shards are counted from 1. They may run at the same time, on any machines, and be resumed one
    /// by one.
    #[arg(long, value_name = "i/m")]
    pub shard: Option<Shard>,
}

/// What `rankfall predict` takes.
#[derive(Debug, Args)]
#[command(after_long_help = PREDICT_EXAMPLES)]
pub struct PredictArguments {
    /// The experiment file
    #[arg(value_name = "EXPERIMENT.toml")]
    pub experiment: PathBuf,
    /// Change a value, as in --set dynamics.0.step_size=0.02; may be given many times
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
    /// The rank of the falling layer that is wanted
    #[arg(long, requires = "steps")]
    pub rank: Option<usize>,
    /// After so many steps
    #[arg(long, requires = "rank", value_parser = clap::value_parser!(u64).range(1..))]
    pub steps: Option<u64>,
    /// Draw the singular values over time into this file, .svg or .png
    #[arg(long, value_name = "FILE")]
    pub figure: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

const PREDICT_EXAMPLES: &str = "\
Examples:
  rankfall predict mine.toml
  rankfall predict mine.toml --set network.width=10000
  rankfall predict mine.toml --rank 2 --steps 20000
  rankfall predict mine.toml --figure falls.svg";

/// What `rankfall live` takes.
#[derive(Debug, Args)]
#[command(after_long_help = LIVE_EXAMPLES)]
pub struct LiveArguments {
    /// The experiment file [default: the setting of the paper]
    #[arg(value_name = "EXPERIMENT.toml")]
    pub experiment: Option<PathBuf>,
    /// Change a value, as in --set network.width=50; may be given many times
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
    /// The port to listen on; 0 is any that is free
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// Do not open the browser
    #[arg(long)]
    pub no_open: bool,
    /// Write one file with recorded scenes that plays without a server, and stop
    #[arg(long, value_name = "PAGE.html", conflicts_with_all = ["port", "no_open"])]
    pub export: Option<PathBuf>,
}

const LIVE_EXAMPLES: &str = "\
Examples:
  rankfall live
  rankfall live mine.toml --no-open --port 8000
  rankfall live --export lecture.html";

/// What `rankfall watch` takes.
#[derive(Debug, Args)]
pub struct WatchArguments {
    /// Folders of runs, sweeps and shards, or folders with such folders in them; they need not be there yet
    #[arg(value_name = "RUN_DIR", required = true)]
    pub folders: Vec<PathBuf>,
    /// The port to listen on; 0 is any that is free
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// Do not open the browser
    #[arg(long)]
    pub no_open: bool,
}

/// What `rankfall sweep` takes.
#[derive(Debug, Args)]
#[command(after_long_help = SWEEP_EXAMPLES)]
pub struct SweepArguments {
    /// The experiment file, with or without a [sweep] table
    #[arg(value_name = "EXPERIMENT.toml")]
    pub experiment: PathBuf,
    /// Vary one value; may be given many times, the last one varies fastest
    ///
    /// The key is that of --set, with * for every item of a list. The values are a list (0,0.5,1),
    /// log(a,b,n) with equal ratios or linear(a,b,n) with equal differences. Replaces the values of
    /// that key in the [sweep] table, or adds to them.
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

impl DesignArgument {
    /// Whether points are drawn.
    pub fn is_random(self) -> bool {
        self == DesignArgument::Random
    }
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

/// What `rankfall verify` takes.
#[derive(Debug, Args)]
#[command(after_long_help = VERIFY_EXAMPLES)]
pub struct VerifyArguments {
    /// An experiment file: its data, start and noise instead of the paper's
    ///
    /// Claims that say nothing about it do not apply, with the reason.
    #[arg(value_name = "EXPERIMENT.toml")]
    pub experiment: Option<PathBuf>,
    /// Only claims of this suite [default: exact; all about a network that the experiment gives by its layers]
    #[arg(long, value_enum)]
    pub suite: Option<ClaimSuite>,
    /// Folder for the results, new or of an earlier verify [default: runs/verify, or runs/verify-networks]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// How much to spend: quick takes seconds for each claim, full up to a minute or so
    #[arg(long, value_enum, default_value_t = Effort::Quick)]
    pub level: Effort,
    /// Measure only this claim; may be given many times
    #[arg(long, value_name = "ID")]
    pub only: Vec<String>,
    /// The seed everything is drawn from [default: 1, or that of the experiment]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// List the claims and stop
    #[arg(long)]
    pub list: bool,
    /// Print the record as JSON on standard output
    #[arg(long)]
    pub json: bool,
    /// Threads to use [default: as many as there are cores]
    ///
    /// Results do not depend on it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub threads: Option<u16>,
    /// Say nothing about progress
    #[arg(long, short)]
    pub quiet: bool,
}

const VERIFY_EXAMPLES: &str = "\
Examples:
  rankfall verify
  rankfall verify --list
  rankfall verify --only determinant-law --only eigenvalue-drift --level full
  rankfall verify mine.toml --out runs/mine-verified
  rankfall verify --suite networks

Exit codes:
  0 no claim fails, 1 one does, 2 the input was wrong, 130 interrupted (what was found is kept)";

/// The lists of claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ClaimSuite {
    /// Two linear layers and what else has an exact law
    Exact,
    /// Networks of any depth: what the gallery shows, drift of singular values, log det under each noise
    Networks,
}

impl ClaimSuite {
    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::Exact => Self::Networks,
            Self::Networks => Self::Exact,
        }
    }

    /// As it is written on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Networks => "networks",
        }
    }

    /// The option that asks for it, after a blank; nothing for the list that is there without it.
    pub fn option(self) -> &'static str {
        match self {
            Self::Exact => "",
            Self::Networks => " --suite networks",
        }
    }
}

/// How much `verify` spends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Effort {
    /// Under two minutes for all claims on two cores
    Quick,
    /// Under twenty minutes
    Full,
}

/// What `rankfall inspect` takes.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = INSPECT_EXAMPLES)]
pub struct InspectArguments {
    /// Checkpoints: files, folders of them, or patterns
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,
    /// Analyse only tensors whose name fits, with * and ?; may be given many times
    #[arg(long, value_name = "GLOB")]
    pub layers: Vec<String>,
    /// Compare two checkpoints: what changed in each layer
    #[arg(long, conflicts_with_all = ["csv", "parquet", "singular_values", "out", "resume", "sort"])]
    pub compare: bool,
    /// Take fused tensors apart: query, key and value, or the gates of a recurrent layer
    #[arg(long)]
    pub split: bool,
    /// Analyse what optimisers keep, too
    #[arg(long)]
    pub optimizer: bool,
    /// Order the lines by a column of --csv, largest first
    #[arg(long, value_name = "COLUMN")]
    pub sort: Option<String>,
    /// Print JSON on standard output
    #[arg(long)]
    pub json: bool,
    /// Write the table to a file
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Write the table to a Parquet file
    #[arg(long, value_name = "FILE")]
    pub parquet: Option<PathBuf>,
    /// With --json and --csv: all singular values
    #[arg(long)]
    pub singular_values: bool,
    /// Folder for record, figures and report
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Go on with what a stopped inspection left in --out
    #[arg(long, requires = "out")]
    pub resume: bool,
    /// Threads [default: one for each core]; numbers do not depend on them
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: Option<u16>,
    /// Say nothing about progress
    #[arg(long, short)]
    pub quiet: bool,
}

const INSPECT_EXAMPLES: &str = "\
Examples:
  rankfall inspect model.safetensors
  rankfall inspect model.pth --layers '*attn*' --sort stable_rank
  rankfall inspect runs/ckpts --out runs/spectra      several checkpoints over training
  rankfall inspect --compare before.pt after.pt
  rankfall inspect model.pt --json --quiet | python3 -c 'import json, sys; print(json.load(sys.stdin))'";

/// What `rankfall new` takes.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:\n  rankfall new > mine.toml && rankfall run mine.toml")]
pub struct NewArguments {
    /// Where the data come from, or that the network is given by its layers
    #[arg(long, value_enum, default_value_t = DataKind::Gaussian)]
    pub kind: DataKind,
}

/// Where the data of a new experiment come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DataKind {
    /// Drawn: Gaussian inputs and a linear teacher
    Gaussian,
    /// Read from a table: CSV, NPY, NPZ or Parquet
    File,
    /// Gram matrices in an NPZ file
    Gram,
    /// For a network of any depth and activation, given by its layers
    Layers,
}

impl From<DataKind> for TemplateKind {
    fn from(kind: DataKind) -> Self {
        match kind {
            DataKind::Gaussian => Self::Gaussian,
            DataKind::File => Self::File,
            DataKind::Gram => Self::Gram,
            DataKind::Layers => Self::Layers,
        }
    }
}

/// What `rankfall plot` takes.
#[derive(Debug, Args)]
pub struct PlotArguments {
    /// The run folder
    #[arg(value_name = "RUN_DIR")]
    pub folder: PathBuf,
}

/// What `rankfall completions` takes.
#[derive(Debug, Args)]
#[command(
    after_long_help = "Example:\n  rankfall completions bash > ~/.local/share/bash-completion/completions/rankfall"
)]
pub struct CompletionsArguments {
    /// The shell
    pub shell: Shell,
}

/// A wrong command line with a way out, where the argument is one that people type for a key of the
/// experiment file, or an option of another command.
pub fn with_tip(mut error: clap::Error, given: &[OsString]) -> clap::Error {
    let unknown = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(flag)) if error.kind() == ErrorKind::UnknownArgument => {
            flag.clone()
        }
        _ => return error,
    };
    let given: Vec<String> = given
        .iter()
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    let tips = tips(&unknown, &given);
    if !tips.is_empty() {
        // Clap's own guesses are about spelling alone.
        error.remove(ContextKind::SuggestedArg);
        let tips = tips.into_iter().map(StyledStr::from).collect();
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
    }
    error
}

/// What to write instead of an option that a command does not have.
fn tips(flag: &str, given: &[String]) -> Vec<String> {
    let Some(name) = flag.strip_prefix("--") else {
        return Vec::new();
    };
    let root = Arguments::command();
    let command = given.get(1).map_or("", String::as_str);
    let has = |command: &clap::Command, name: &str| {
        command.get_arguments().any(|a| a.get_long() == Some(name))
    };
    let takes_sets = root.find_subcommand(command).is_some_and(|c| has(c, "set"));
    let mut tips = Vec::new();
    if takes_sets {
        tips.extend(set_instead(name, flag, given));
    }
    let others: Vec<String> = root
        .get_subcommands()
        .filter(|c| has(c, name))
        .map(|c| format!("rankfall {}", c.get_name()))
        .collect();
    if !others.is_empty() && tips.is_empty() {
        tips.push(format!("'{flag}' is an option of {}", others.join(" and ")));
    }
    tips
}

/// `--set` for an option that is the name of a key, or what others call it.
fn set_instead(name: &str, flag: &str, given: &[String]) -> Option<String> {
    let key = name.replace('-', "_");
    let here = Some(key.as_str())
        .into_iter()
        .chain(meaning(&key))
        .map(keys::settable)
        .find(|paths| !paths.is_empty());
    let mut paths = here?;
    paths.sort_by_key(|path| !path.starts_with("run."));
    let value = value_of(flag, given);
    let sets: Vec<String> = paths
        .iter()
        .take(3)
        .map(|path| format!("--set {}", shell_word(&format!("{path}={value}"))))
        .collect();
    Some(format!(
        "values of the experiment are changed by {}",
        sets.join(" or ")
    ))
}

/// The value that was given with an option, or a word for it.
fn value_of(flag: &str, given: &[String]) -> String {
    let at = given.iter().position(|argument| {
        let rest = argument.strip_prefix(flag);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
    });
    let value = at.and_then(|at| match given[at].split_once('=') {
        Some((_, value)) => Some(value),
        None => given.get(at + 1).map(String::as_str),
    });
    match value {
        Some(value) if !value.is_empty() && !value.starts_with("--") && value.len() < 100 => {
            escaped(value)
        }
        _ => "VALUE".to_owned(),
    }
}

/// A word as a shell takes it, in quotes where it needs them.
fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._+-=,/".contains(c);
    if word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{word}'")
    }
}

/// The completions script of a shell.
pub fn completions(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "rankfall", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn options_of_run_arrive() {
        let line = "rankfall run a.toml --set a=1 --set b=2 --out o --resume --threads 3 --json -q";
        let Command::Run(run) = parse(line).unwrap().command else {
            panic!("not run")
        };
        assert_eq!(run.experiment, PathBuf::from("a.toml"));
        assert_eq!(run.shared.sets, ["a=1", "b=2"]);
        assert_eq!(run.shared.out, Some(PathBuf::from("o")));
        assert_eq!(run.shared.threads, Some(3));
        assert!(run.shared.resume && run.shared.json && run.shared.quiet && !run.shared.force);
    }

    #[test]
    fn options_of_verify_arrive() {
        let line = "rankfall verify a.toml --only x --only y --level full --seed 7 --json -q";
        let Command::Verify(verify) = parse(line).unwrap().command else {
            panic!("not verify")
        };
        assert_eq!(verify.experiment, Some(PathBuf::from("a.toml")));
        assert_eq!(verify.only, ["x", "y"]);
        assert_eq!((verify.level, verify.seed), (Effort::Full, Some(7)));
        assert!(verify.json && verify.quiet && !verify.list);
        assert!(parse("rankfall verify --level some").is_err());
    }

    #[test]
    fn reproduce_means_the_paper() {
        let Command::Reproduce(reproduce) = parse("rankfall reproduce").unwrap().command else {
            panic!("not reproduce")
        };
        assert_eq!(reproduce.name, "paper");
    }

    #[test]
    fn contradictions_and_bad_numbers_are_refused() {
        assert!(parse("rankfall run a.toml --resume --force").is_err());
        assert!(parse("rankfall run a.toml --threads 0").is_err());
        assert!(parse("rankfall run a.toml --threads many").is_err());
        for seconds in ["-1", "nan", "inf", "1e300", "soon", ""] {
            let line = format!("rankfall run a.toml --checkpoint-seconds={seconds}");
            assert!(parse(&line).is_err(), "{seconds}");
        }
        assert!(parse("rankfall new --kind rows").is_err());
        assert!(parse("rankfall run").is_err());
    }

    #[test]
    fn an_option_that_is_a_key_is_told_how_keys_are_set() {
        for (line, tips) in [
            (
                "run a.toml --trajectories 10",
                &["--set run.trajectories=10"][..],
            ),
            (
                "run a.toml --trajectories=10",
                &["--set run.trajectories=10"],
            ),
            ("sweep a.toml --seed 3", &["--set run.seed=3"]),
            ("reproduce --time 5", &["--set run.time=5"]),
            ("run a.toml --width 5", &["--set network.width=5"]),
            ("run a.toml --lr 0.1", &["--set dynamics.0.step_size=0.1"]),
            (
                "run a.toml --learning-rate 0.1",
                &["--set dynamics.0.step_size=0.1"],
            ),
            (
                "run a.toml --step-size 0.1",
                &["--set dynamics.0.step_size=0.1"],
            ),
            (
                "run a.toml --batch-size 8",
                &["--set dynamics.0.batch_size=8"],
            ),
            ("run a.toml --steps 8", &["--set run.steps=8"]),
            ("run a.toml --epochs 8", &["--set run.epochs=8"]),
            ("run a.toml --seed", &["--set run.seed=VALUE"]),
            ("run a.toml --init {}", &["--set 'network.init={}'"]),
            (
                "run a.toml --over a=1",
                &["'--over' is an option of rankfall sweep"],
            ),
            (
                "plot a --seed 1",
                &["'--seed' is an option of rankfall verify"],
            ),
        ] {
            let given: Vec<OsString> = format!("rankfall {line}")
                .split(' ')
                .map(Into::into)
                .collect();
            let error = Arguments::try_parse_from(&given).unwrap_err();
            let shown = with_tip(error, &given).to_string();
            for tip in tips {
                assert!(shown.contains(tip), "{line}: {shown}");
            }
            assert!(!shown.contains("similar argument"), "{line}: {shown}");
        }
    }

    #[test]
    fn there_are_completions_for_every_shell() {
        for shell in Shell::value_variants() {
            assert!(completions(*shell).contains("rankfall"));
        }
    }
}
