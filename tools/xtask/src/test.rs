//! `cargo xtask test`: every part of the tests that can run here, and which cannot.

use std::process::Command;

use crate::{python, root};

/// A part of the tests.
struct Part {
    name: &'static str,
    /// Whether it passes; the arguments are those for `cargo test`.
    passes: fn(&[String]) -> Result<bool, String>,
    /// Why it cannot run here, where it cannot: then it is named, and an error where `CI` is set.
    missing: fn() -> Option<String>,
    /// What can be done for it beforehand, while other parts run.
    prepare: Option<fn()>,
}

const PARTS: [Part; 3] = [
    Part {
        name: "Rust",
        passes: |arguments| {
            // All of it, as the other parts are run after one that fails.
            let command = [
                "cargo",
                "test",
                "--release",
                "--workspace",
                "--no-fail-fast",
            ];
            let given = arguments.iter().map(String::as_str);
            succeeds(command.into_iter().chain(given))
        },
        missing: || None,
        prepare: None,
    },
    Part {
        name: "Python",
        passes: |_| python::test(),
        missing: python::missing,
        prepare: Some(python::prepare),
    },
    Part {
        name: "the live page in a browser",
        passes: |_| succeeds(std::iter::once("crates/rankfall-live/page/test")),
        missing: without_browser,
        prepare: None,
    },
];

/// The page is built and driven by Node, in a Chromium.
fn without_browser() -> Option<String> {
    let there = |name: &str| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
    };
    let browsers = ["chromium", "chromium-browser", "google-chrome"];
    if !there("npm") {
        Some("there is no Node.js with npm".to_owned())
    } else if std::env::var_os("CHROMIUM").is_none() && !browsers.into_iter().any(there) {
        Some("there is no Chromium; CHROMIUM names one".to_owned())
    } else {
        None
    }
}

/// Runs a program with its arguments in the folder of the workspace; whether it succeeded.
///
/// # Errors
/// A program that cannot be started.
pub(crate) fn succeeds<'a>(command: impl Iterator<Item = &'a str>) -> Result<bool, String> {
    let command: Vec<&str> = command.collect();
    let (program, given) = command.split_first().ok_or("a part without command")?;
    println!("== {}", command.join(" "));
    let mut run = Command::new(program);
    run.args(given).current_dir(root());
    let status = run
        .status()
        .map_err(|error| format!("{program}: {error}"))?;
    Ok(status.success())
}

/// Instructions whose tests are left out on a machine that lacks them.
fn missing_instructions() -> impl Iterator<Item = &'static str> {
    let neon = cfg!(target_arch = "aarch64");
    let all = [("AVX-512", has_avx512()), ("NEON", neon)];
    all.into_iter()
        .filter(|(_, here)| !here)
        .map(|(what, _)| what)
}

fn has_avx512() -> bool {
    #[cfg(target_arch = "x86_64")]
    let has = std::arch::is_x86_feature_detected!("avx512f");
    #[cfg(not(target_arch = "x86_64"))]
    let has = false;
    has
}

/// Runs all parts, the rest after one that fails as well.
///
/// # Errors
/// The names of parts that failed or, where `CI` is set, could not run.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let strict = std::env::var_os("CI").is_some();
    let mut failed = Vec::new();
    let prepare = |part: &Part| {
        let can_run = (part.missing)().is_none();
        part.prepare.filter(|_| can_run).map(std::thread::spawn)
    };
    let preparations: Vec<_> = PARTS.iter().map(prepare).collect();
    for (part, preparation) in PARTS.iter().zip(preparations) {
        if let Some(why) = (part.missing)() {
            println!("== {}: cannot run here, {why}", part.name);
            if strict {
                failed.push(part.name);
            }
            continue;
        }
        println!("== {}", part.name);
        if let Some(under_way) = preparation {
            // It reports nothing: what it could not do, the part does.
            let _ = under_way.join();
        }
        if !(part.passes)(arguments)? {
            failed.push(part.name);
        }
    }
    for what in missing_instructions() {
        println!("== left out here: tests of instructions that this processor lacks, {what}");
    }
    match failed.is_empty() {
        true => Ok(()),
        false => Err(format!("== failed: {}", failed.join(", "))),
    }
}
