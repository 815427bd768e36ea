//! `cargo xtask TASK`: tasks of the workspace.

use std::process::ExitCode;

use xtask::{figures, test};

const USAGE: &str = "\
cargo xtask test [ARGUMENT]...     every test that can run here; what cannot is named. Arguments go to cargo test
cargo xtask figures [NAME]...      runs the experiments behind the numbers of the documents, all or those whose
                                   command has a NAME in it, and writes numbers and pictures into the documents
cargo xtask figures --check ...    the same, but says what is stale, writes nothing, and fails if anything is
cargo xtask figures --small ...    only what takes seconds";

fn main() -> ExitCode {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let done = match given
        .split_first()
        .map(|(task, rest)| (task.as_str(), rest))
    {
        Some(("test", rest)) => test::run(rest),
        Some(("figures", rest)) => figures::run(rest),
        _ => Err(USAGE.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
