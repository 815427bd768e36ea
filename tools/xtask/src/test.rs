//! `cargo xtask test`: every part of the tests that can run here, and which cannot.

use std::process::Command;

use crate::root;

/// A part of the tests.
struct Part {
    name: &'static str,
    command: &'static [&'static str],
    /// Why it cannot run here, where it cannot: then it is named, and an error where `CI` is set.
    missing: fn() -> Option<String>,
    /// Whether arguments are passed on to it.
    takes_arguments: bool,
}

const PARTS: [Part; 2] = [
    Part {
        name: "Rust",
        command: &["cargo", "test", "--release", "--workspace"],
        missing: || None,
        takes_arguments: true,
    },
    Part {
        name: "the live page in a browser",
        command: &["crates/rankfall-live/page/test"],
        missing: without_browser,
        takes_arguments: false,
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

/// Of tests in a part that is run: what they leave out on this machine.
const LEFT_OUT: [(&str, fn() -> bool); 2] = [
    ("AVX-512", has_avx512),
    ("NEON, on any x86 processor", || {
        cfg!(target_arch = "aarch64")
    }),
];

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
    for part in &PARTS {
        if let Some(why) = (part.missing)() {
            println!("== {}: cannot run here, {why}", part.name);
            if strict {
                failed.push(part.name);
            }
            continue;
        }
        let (program, given) = part.command.split_first().ok_or("a part without command")?;
        println!("== {}: {}", part.name, part.command.join(" "));
        let status = Command::new(program)
            .args(given)
            .args(arguments.iter().filter(|_| part.takes_arguments))
            .current_dir(root())
            .status()
            .map_err(|error| format!("{program}: {error}"))?;
        if !status.success() {
            failed.push(part.name);
        }
    }
    for (what, here) in LEFT_OUT {
        if !here() {
            println!("== left out here: tests of instructions that this processor lacks, {what}");
        }
    }
    match failed.is_empty() {
        true => Ok(()),
        false => Err(format!("== failed: {}", failed.join(", "))),
    }
}
