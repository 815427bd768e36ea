//! The command line of rankfall: arguments, printing, progress on a terminal. The work is done by
//! the library, `rankfall`.

pub mod arguments;
mod commands;
mod data_sets;
mod inspect;
mod interruption;
mod live;
mod predict;
mod progress;
mod reports;
mod terminal;
mod tips;
mod verify;

use arguments::{Arguments, Command};
use clap::Parser;
use rankfall::failure::{self, Failure};
use std::ffi::OsString;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

/// Runs a command line, reports what goes wrong on standard error, and says how to exit.
pub fn execute(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    interruption::survive_file_size_limits();
    terminal::show_warnings();
    let given: Vec<OsString> = arguments.into_iter().collect();
    let arguments = match Arguments::try_parse_from(&given) {
        Ok(arguments) => arguments,
        Err(error) => return usage(&tips::with_tip(error, &given)),
    };
    match dispatch(arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&failure.to_string());
            failure.exit_code()
        }
    }
}

/// Prints clap's message: help and version are no failure, a wrong argument is wrong input.
fn usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    if error.use_stderr() {
        ExitCode::from(failure::FailureKind::Input.code())
    } else {
        ExitCode::SUCCESS
    }
}

fn dispatch(command: Command) -> Result<(), Failure> {
    match command {
        Command::Reproduce(arguments) => commands::reproduce(&arguments),
        Command::Run(arguments) => commands::run(&arguments),
        Command::Predict(arguments) => predict::predict(&arguments),
        Command::Verify(arguments) => verify::verify(&arguments),
        Command::New(arguments) => print(&rankfall::template::experiment(arguments.kind.into())),
        Command::Schema => print(&rankfall::experiment::schema::schema()),
        Command::Sweep(arguments) => commands::sweep(&arguments),
        Command::Merge(arguments) => commands::merge(&arguments),
        Command::Plot(arguments) => commands::plot(&arguments),
        Command::Inspect(arguments) => inspect::inspect(&arguments),
        Command::Live(arguments) => live::live(&arguments),
        Command::Watch(arguments) => live::watch(&arguments),
        Command::Data => print(&data_sets::list()),
        Command::Completions(arguments) => print(&arguments::completions(arguments.shell)),
    }
}

/// So many threads, or one for each core.
fn threads(asked: Option<u16>) -> usize {
    let available = || std::thread::available_parallelism().map_or(1, usize::from);
    asked.map_or_else(available, usize::from)
}

/// Writes a line to standard error, as a person may see it.
pub fn complain(text: &str) {
    // Nowhere is left to report that standard error is closed.
    let _ = writeln!(std::io::stderr(), "{}", failure::visible(text));
}

/// Writes text for a person to standard output: what a terminal would obey is shown instead.
///
/// # Errors
/// As for [`print_json`].
pub fn print(text: &str) -> Result<(), Failure> {
    write_out(&failure::visible(text))
}

/// Writes JSON to standard output, with JSON's escapes for what a terminal would obey.
///
/// # Errors
/// A [`Failure`] with exit code 1 where it cannot be written, for instance on a full disk.
pub fn print_json(text: &str) -> Result<(), Failure> {
    write_out(&failure::visible_json(text))
}

/// Writes to standard output; a reader that has seen enough (`| head`) is no failure.
///
/// # Errors
/// A [`Failure`] with exit code 1 for any other reason, such as a full disk.
fn write_out(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::run(format!(
            "cannot write to standard output: {error}"
        ))),
        _ => Ok(()),
    }
}
