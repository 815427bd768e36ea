//! `rankfall live` and `rankfall watch`: pages that show what is computed while it is.

use crate::arguments::pages::{LiveArguments, PageArguments, WatchArguments};
use crate::interruption;
use rankfall::experiment::Experiment;
use rankfall::failure::{Failure, shown_path};
use rankfall_live::export;
use rankfall_live::scenario::Scenario;
use rankfall_live::server::{PageContent, Server};
use rankfall_live::watched::Watcher;
use std::process::{Command, Stdio};
use std::sync::Arc;

/// `rankfall live`.
///
/// # Errors
/// Exit code 2 for an experiment that cannot be watched, exit code 1 for a port or a file that
/// cannot be had.
pub fn live(arguments: &LiveArguments) -> Result<(), Failure> {
    let experiment = match &arguments.experiment {
        Some(path) => Experiment::load(path, &arguments.sets)?,
        None => {
            let paper = rankfall::bundled::named("paper")?.toml;
            Experiment::from_toml(paper, "paper.toml (bundled)", "".as_ref(), &arguments.sets)?
        }
    };
    let scenario = Arc::new(Scenario::new(&experiment)?);
    if let Some(path) = &arguments.export {
        let page = export::page(&scenario, crate::threads(None))?;
        std::fs::write(path, page).map_err(|error| Failure::writing(path, &error))?;
        return crate::print(&format!("{}\n", shown_path(path)));
    }
    // What cannot be simulated is said here and not on the page.
    scenario.ready(&scenario.first_settings())?;
    serve(&arguments.page, PageContent::Live(scenario))
}

/// `rankfall watch`.
///
/// # Errors
/// Exit code 1 for a port that cannot be had.
pub fn watch(arguments: &WatchArguments) -> Result<(), Failure> {
    let watcher = Watcher::new(&arguments.folders);
    serve(&arguments.page, PageContent::Watch(watcher))
}

fn serve(page: &PageArguments, subject: PageContent) -> Result<(), Failure> {
    let server = Server::bind(page.port, subject, crate::threads(None))?;
    interruption::listen()?;
    let address = server.address();
    crate::print(&format!("{address}\n"))?;
    if !page.no_open {
        open(&address);
    }
    server.serve(&interruption::requested);
    Ok(())
}

/// Opens an address in the browser of the system; where there is none the address is printed all
/// the same.
fn open(address: &str) {
    let mut command = if cfg!(target_os = "macos") {
        Command::new("open")
    } else if cfg!(windows) {
        Command::new("explorer")
    } else {
        Command::new("xdg-open")
    };
    command.arg(address);
    let quiet = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if let Err(error) = quiet.spawn() {
        log::info!("no browser was opened: {error}");
    }
}
