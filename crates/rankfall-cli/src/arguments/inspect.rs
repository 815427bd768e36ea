//! What `rankfall inspect` takes.

use clap::Args;
use std::path::PathBuf;

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
