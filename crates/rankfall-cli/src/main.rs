//! The `rankfall` program; everything is in the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    rankfall_cli::execute(std::env::args_os())
}
