//! What the commands take that serve a page: live and watch.

use clap::Args;
use std::path::PathBuf;

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
    /// How the page is served.
    #[command(flatten)]
    pub page: PageArguments,
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
    /// Folders of runs, sweeps and shards, or folders with such folders in them; they need not be
    /// there yet
    #[arg(value_name = "RUN_DIR", required = true)]
    pub folders: Vec<PathBuf>,
    /// How the page is served.
    #[command(flatten)]
    pub page: PageArguments,
}

/// How a page is served.
#[derive(Debug, Args)]
pub struct PageArguments {
    /// The port to listen on; 0 is any that is free
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// Do not open the browser
    #[arg(long)]
    pub no_open: bool,
}
