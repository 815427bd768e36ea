//! What `rankfall verify` takes.

use clap::{Args, ValueEnum};
use rankfall_evidence::{Level, Suite};
use std::path::PathBuf;

/// What `rankfall verify` takes.
#[derive(Debug, Args)]
#[command(after_long_help = VERIFY_EXAMPLES)]
pub struct VerifyArguments {
    /// An experiment file: its data, start and noise instead of the paper's
    ///
    /// Claims that say nothing about it do not apply, with the reason.
    #[arg(value_name = "EXPERIMENT.toml")]
    pub experiment: Option<PathBuf>,
    /// Only claims of this suite [default: exact; all about a network that the experiment gives by
    /// its layers]
    #[arg(long, value_enum)]
    pub suite: Option<ClaimSuite>,
    /// Folder for the results, new or of an earlier verify [default: runs/verify, or
    /// runs/verify-networks]
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
    /// Networks of any depth: what the gallery shows, drift of singular values, log det under each
    /// noise
    Networks,
}

impl From<ClaimSuite> for Suite {
    fn from(suite: ClaimSuite) -> Self {
        match suite {
            ClaimSuite::Exact => Self::Exact,
            ClaimSuite::Networks => Self::Networks,
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

impl From<Effort> for Level {
    fn from(effort: Effort) -> Self {
        match effort {
            Effort::Quick => Self::Quick,
            Effort::Full => Self::Full,
        }
    }
}
