//! `rankfall inspect`: arguments in, a table or JSON printed, files written.

use crate::arguments::inspect::InspectArguments;
use crate::terminal::Terminal;
use rankfall::failure::{Failure, quoted, shell_word};
use rankfall::inspection::{self, InspectionRequest};
use rankfall::results::Drawing;
use rankfall_inspect::columns::{self, COLUMNS};
use rankfall_inspect::plan::Choice;
use rankfall_inspect::record::Inspection;
use rankfall_inspect::view::Fused;
use rankfall_inspect::{compare, table};
use std::path::Path;

/// `rankfall inspect`.
///
/// # Errors
/// Exit code 2 for paths that mean no checkpoint, 1 where something cannot be written, 130 when
/// interrupted.
pub fn inspect(arguments: &InspectArguments) -> Result<(), Failure> {
    check_sort(arguments.sort.as_deref())?;
    let request = InspectionRequest {
        paths: arguments.paths.clone(),
        choice: Choice {
            layers: arguments.layers.clone(),
            optimizer: arguments.optimizer,
            fused: if arguments.split {
                Fused::Split
            } else {
                Fused::Whole
            },
        },
        threads: crate::threads(arguments.threads),
        out: arguments.out.clone(),
        resume: arguments.resume,
    };
    let terminal = Terminal::new(arguments.quiet, None)?;
    if arguments.compare {
        let comparison = inspection::compare(&request, &terminal)?;
        return match arguments.json {
            true => crate::print_json(&inspection::json(&comparison)?),
            false => crate::print(&compare::text(&comparison)),
        };
    }
    let mut inspection = inspection::run(&request, &terminal)?;
    if arguments.singular_values {
        inspection.list_singular_values();
    }
    // Figures are by depth and step, so the folder is written in the order of the checkpoints.
    let folder = arguments.out.as_deref();
    let drawn = folder.map(|folder| draw(arguments, &inspection, folder));
    if let Some(column) = &arguments.sort {
        columns::sort(&mut inspection.tensors, column);
    }
    put_out(arguments, &inspection)?;
    if let Some((folder, drawing)) = folder.zip(drawn.transpose()?) {
        if !arguments.json {
            crate::print(&drawing.listing(folder))?;
        }
        drawing.expect_whole()?;
    }
    finish(arguments, &inspection)
}

/// Writes figures and report into a folder.
fn draw(
    arguments: &InspectArguments,
    inspection: &Inspection,
    folder: &Path,
) -> Result<Drawing, Failure> {
    let paths = arguments.paths.iter().map(|path| shell_word(path));
    let paths: Vec<String> = paths.collect();
    let (paths, out) = (paths.join(" "), shell_word(folder));
    let command = format!("rankfall inspect {paths} --out {out}");
    inspection::write(inspection, folder, &command)
}

fn check_sort(by: Option<&str>) -> Result<(), Failure> {
    match by {
        Some(name) if !COLUMNS.iter().any(|(column, _)| *column == name) => {
            let names: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
            let message = format!("--sort: there is no column {}", quoted(name));
            Err(Failure::input(message).hint(format!("columns are {}", names.join(", "))))
        }
        _ => Ok(()),
    }
}

/// Prints and writes what was asked for.
fn put_out(arguments: &InspectArguments, inspection: &Inspection) -> Result<(), Failure> {
    match arguments.json {
        true => crate::print_json(&inspection::json(inspection)?)?,
        false => crate::print(&table::text(inspection))?,
    }
    if let Some(path) = &arguments.csv {
        inspection::write_csv(inspection, path, arguments.singular_values)?;
    }
    if let Some(path) = &arguments.parquet {
        inspection::write_parquet(inspection, path)?;
    }
    Ok(())
}

fn finish(arguments: &InspectArguments, inspection: &Inspection) -> Result<(), Failure> {
    if !inspection.interrupted {
        return Ok(());
    }
    let failure = Failure::interrupted("interrupted; tensors that were not reached say so");
    Err(match arguments.out.is_some() {
        true => failure.hint("the same command with --resume goes on from there"),
        false => failure.hint("with --out DIR, what is done is kept for --resume"),
    })
}
