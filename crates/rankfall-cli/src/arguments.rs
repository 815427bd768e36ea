//! The command line: its commands and their help texts; what each takes is in a file below.

pub mod inspect;
pub mod pages;
pub mod predict;
pub mod running;
pub mod verify;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use inspect::InspectArguments;
use pages::{LiveArguments, WatchArguments};
use predict::PredictArguments;
use rankfall::template::TemplateKind;
use running::{MergeArguments, ReproduceArguments, RunArguments, SweepArguments};
use std::path::PathBuf;
use verify::VerifyArguments;

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
    /// All of the file is checked before anything is run. The results go to a folder:
    /// experiment.toml (every default written out), summary.json, series.parquet, the final weights
    /// and the figures. Equal experiment files give equal results, whatever the number of threads.
    Run(RunArguments),
    /// Say what will happen, without simulating it
    ///
    /// Of two linear layers with squared loss: which singular values survive, when the others fall
    /// below run.rank_tolerance (in t, steps and epochs), log det, what the noise costs, and which
    /// step is stable. With
    /// --rank and --steps: which label noise, step size or batch size leaves that rank after so many steps.
    Predict(PredictArguments),
    /// Run an experiment over many values at once
    ///
    /// Every combination of the values (or random ones) is a point with its own run, work is spread
    /// over all of them, and the results are one table: ranks, decay rates, the slope of log det
    /// and what theory says of them. A point that diverges is a result.
    Sweep(SweepArguments),
    /// Measure the claims about noise and rank, and give each a verdict
    ///
    /// Without an experiment in the setting of the paper. Each claim has a prediction, a
    /// measurement with its interval, and a named alternative. It holds if the interval lies inside
    /// the margin and the alternative is rejected, fails if the interval lies outside, and else
    /// cannot be told. The chance that any true claim is called false is at most 1 %. Writes
    /// claims.json and report.html.
    Verify(VerifyArguments),
    /// Put the shards of a run or of a sweep together
    ///
    /// Takes the folders that `rankfall run … --shard 1/m` to `--shard m/m` wrote, in any order,
    /// and writes the folder that the same run without --shard would have written, to the last bit;
    /// only timings differ.
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
    /// Reads safetensors (sharded too), PyTorch files (never executing their pickles), NPY and NPZ.
    /// Every tensor is listed, and what is not analysed says why. Every rank has its tolerance,
    /// every number a bound of its error. Several checkpoints are a time axis.
    Inspect(InspectArguments),
    /// Watch a simulation in the browser, and change it while it runs
    ///
    /// Serves a page on this machine alone, with the exact engine behind it: turn the label noise
    /// up and see the small singular values fall. Without an experiment it is the setting of the
    /// paper. Prints the address, and serves until Ctrl-C. See docs/live.md.
    Live(LiveArguments),
    /// Watch runs, sweeps and shards in the browser that are under way, stopped or finished
    ///
    /// Serves a page on this machine alone that shows what the folders hold so far, and goes on
    /// looking. Changes nothing in them; the runs may be other processes'.
    Watch(WatchArguments),
    /// List the data sets that need no file of your own
    ///
    /// Those inside the program, and those that packages of your system carry: with their licences,
    /// whether they are there, and how to get them.
    Data,
    /// Print the JSON Schema of experiment files, from which editors complete and check
    ///
    /// Beside an experiment file as rankfall.schema.json it is what the first line of `rankfall
    /// new` names.
    Schema,
    /// Print completions for a shell
    Completions(CompletionsArguments),
}

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

/// The completions script of a shell.
pub fn completions(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "rankfall", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use super::verify::Effort;
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
    fn there_are_completions_for_every_shell() {
        for shell in Shell::value_variants() {
            assert!(completions(*shell).contains("rankfall"));
        }
    }
}
