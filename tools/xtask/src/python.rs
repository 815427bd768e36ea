//! The tests of the Python package: a virtual environment below `target/`, the package in it with what its tests need,
//! and pytest, which also runs the examples of docstrings and pages, the notebooks, and the checkers of types.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::root;
use crate::test::succeeds;

/// The interpreter that the environment is made of.
const PYTHON: &str = "python3";

/// Asks an interpreter whether it is new enough and can make environments.
const PROBE: &str = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))";

/// Why Python is not tested here, where it is not.
#[must_use]
pub fn missing() -> Option<String> {
    let probe = Command::new(PYTHON).args(["-c", PROBE]).output();
    match probe {
        Ok(output) if output.status.success() => None,
        Ok(_) => Some("its Python is older than 3.10, or cannot make environments".to_owned()),
        Err(_) => Some("there is no python3".to_owned()),
    }
}

/// Whether the package can be installed and its tests pass.
///
/// # Errors
/// A program that cannot be started.
pub fn test() -> Result<bool, String> {
    let environment = target().join("venv-python");
    let python = interpreter(&environment);
    let shown = |path: &Path| path.display().to_string();
    let (environment, python) = (shown(&environment), shown(&python));
    let steps: [&[&str]; 4] = [
        &["cargo", "build", "--release", "-p", "rankfall-cli"],
        &[PYTHON, "-m", "venv", &environment],
        &[&python, "-m", "pip", "install", "--quiet", ".[test]"],
        &[&python, "-m", "pytest", "--quiet", "python/tests"],
    ];
    for step in steps {
        if !succeeds(step.iter().copied())? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Where cargo builds.
fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

fn interpreter(environment: &Path) -> PathBuf {
    match cfg!(windows) {
        true => environment.join("Scripts").join("python.exe"),
        false => environment.join("bin").join("python"),
    }
}
