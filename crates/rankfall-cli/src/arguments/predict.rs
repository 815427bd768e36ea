//! What `rankfall predict` takes.

use clap::Args;
use std::path::PathBuf;

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
