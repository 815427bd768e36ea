//! Breaks a copy of the workspace on purpose, one breakage at a time, and measures how surely the
//! claims notice.
//!
//! `negative-controls [--seeds N] [--keep DIR [--again]] [--check] [ID]...`, run in the workspace.
//! Each breakage is an exact replacement in the sources of the core. The copy is built once in
//! release mode with a switch for each, and the claims that should notice are measured at the quick
//! level under each seed, and the power of the best comparison is worked out from a normal
//! approximation to its statistic; or, for what no claim can see, one test is run, which must fail.
//! `--keep DIR` works in DIR, so that a second run compiles less, and with `--again` nothing: it
//! takes what the last run left there.
//!
//! `--check` is for every change: the cheapest breakages (or those that are named) under one seed,
//! each of which has to make a claim fail that does not fail without it. It compiles into the
//! target folder of the workspace, where dependencies are already there.

mod breakage;
mod power;
mod workspace;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use breakage::{ALL, Breakage, CHEAPEST, Catcher};
use power::{Sample, best};
use workspace::Copy;

struct Arguments {
    seeds: u64,
    keep: Option<PathBuf>,
    again: bool,
    check: bool,
    only: Vec<String>,
}

fn arguments() -> Result<Arguments, Box<dyn Error>> {
    let mut parsed = Arguments {
        seeds: 20,
        keep: None,
        again: false,
        check: false,
        only: Vec::new(),
    };
    let mut given = std::env::args().skip(1);
    while let Some(argument) = given.next() {
        let mut value = || given.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--seeds" => parsed.seeds = value()?.parse()?,
            "--keep" => parsed.keep = Some(value()?.into()),
            "--again" => parsed.again = true,
            "--check" => parsed.check = true,
            id if ALL.iter().any(|b| b.id == id) => parsed.only.push(id.into()),
            other => return Err(format!("no option or breakage {other}").into()),
        }
    }
    Ok(parsed)
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("negative-controls: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether everything that was tried was noticed.
fn run() -> Result<bool, Box<dyn Error>> {
    let arguments = arguments()?;
    let here = std::env::current_dir()?;
    for breakage in ALL {
        breakage.check(&here)?;
    }
    let temporary;
    let folder = match &arguments.keep {
        Some(folder) => folder.clone(),
        None => {
            temporary = tempfile::tempdir()?;
            temporary.path().to_owned()
        }
    };
    let copy = if arguments.again {
        Copy::of_last_run(&folder)
    } else {
        let target = match arguments.check {
            true => target_of(&here),
            false => folder.join("target"),
        };
        Copy::new(&here, &folder, target)?
    };
    if arguments.check {
        return check(&copy, &arguments.only);
    }
    println!("| breakage | what | noticed by | comparison | in | power | at least | normality |");
    println!("|---|---|---|---|---|---|---|---|");
    let mut all = true;
    for (place, breakage) in ALL.iter().enumerate() {
        if arguments.only.is_empty() || arguments.only.iter().any(|id| id == breakage.id) {
            all &= control(&copy, place + 1, breakage, arguments.seeds)?;
        }
    }
    Ok(all)
}

/// Where cargo puts what it builds of the workspace at `root`.
fn target_of(root: &Path) -> PathBuf {
    let given = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    root.join(given.unwrap_or_else(|| "target".into()))
}

/// Whether each of the cheapest breakages, or of those asked for, makes one of its claims fail,
/// under one seed.
fn check(copy: &Copy, only: &[String]) -> Result<bool, Box<dyn Error>> {
    let mut all = true;
    for (place, breakage) in ALL.iter().enumerate() {
        let asked = match only {
            [] => CHEAPEST.contains(&breakage.id),
            only => only.iter().any(|id| id == breakage.id),
        };
        let Catcher::Claims(ids) = breakage.catcher else {
            continue;
        };
        if !asked {
            continue;
        }
        let fails = |which| -> Result<bool, Box<dyn Error>> {
            let samples = Sample::all(&copy.comparisons(which, 1, ids)?);
            if samples.is_empty() {
                return Err(format!("{}: nothing was measured", breakage.id).into());
            }
            Ok(samples.iter().any(|sample| sample.caught > 0))
        };
        let (alone, broken) = (fails(0)?, fails(place + 1)?);
        let word = match (alone, broken) {
            (true, _) => "NOT TOLD: a claim fails without it",
            (false, true) => "noticed",
            (false, false) => "NOT NOTICED",
        };
        println!(
            "{word}: {} ({}), by {}",
            breakage.id,
            breakage.what,
            ids.join(", ")
        );
        all &= broken && !alone;
    }
    Ok(all)
}

/// Switches one breakage on and prints its line; whether it was noticed.
fn control(
    copy: &Copy,
    which: usize,
    breakage: &Breakage,
    seeds: u64,
) -> Result<bool, Box<dyn Error>> {
    match breakage.catcher {
        Catcher::Claims(ids) => by_claims(copy, which, breakage, ids, seeds),
        Catcher::Test {
            package,
            file,
            name,
        } => by_test(copy, which, breakage, package, file, name),
    }
}

fn by_claims(
    copy: &Copy,
    which: usize,
    breakage: &Breakage,
    ids: &[&str],
    seeds: u64,
) -> Result<bool, Box<dyn Error>> {
    let table = copy.comparisons(which, seeds, ids)?;
    let samples = Sample::all(&table);
    let Some(best) = best(&samples) else {
        println!(
            "| `{}` | {} | {} | nothing was measured | 0 of {seeds} | | | |",
            breakage.id,
            breakage.what,
            ids.join(", ")
        );
        return Ok(false);
    };
    let power = best.power();
    println!(
        "| `{}` | {} | `{}` | {} | {} of {} | {} | {} | {:.2} |",
        breakage.id,
        breakage.what,
        best.claim,
        best.what,
        best.caught,
        best.values.len(),
        probability(power.estimate),
        probability(power.at_least),
        power.normality
    );
    Ok(power.estimate >= 0.99)
}

fn by_test(
    copy: &Copy,
    which: usize,
    breakage: &Breakage,
    package: &str,
    file: Option<&str>,
    name: &str,
) -> Result<bool, Box<dyn Error>> {
    let fails = copy.test_fails(which, package, file, name)?;
    let seen = if fails { "1, not random" } else { "0" };
    println!(
        "| `{}` | {} | test `{name}` of {package} | | | {seen} | | |",
        breakage.id, breakage.what
    );
    Ok(fails)
}

fn probability(value: f64) -> String {
    if value > 0.9999 {
        "> 0.9999".into()
    } else {
        format!("{value:.4}")
    }
}
