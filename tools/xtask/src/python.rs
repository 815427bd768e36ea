//! The tests of the Python package: a virtual environment below `target/`, the package in it with
//! what its tests need, and pytest, which also runs the examples of docstrings and pages, the
//! notebooks, and the checkers of types.

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

/// Fetches what the tests need from the package registry, which takes minutes and hardly any of a
/// processor. What fails here fails again, with its message, where the package is installed.
pub fn prepare() {
    let Ok(text) = std::fs::read_to_string(root().join("pyproject.toml")) else {
        return;
    };
    let pyproject: toml::Table = text.parse().unwrap_or_default();
    let extras = pyproject
        .get("project")
        .and_then(|project| project.get("optional-dependencies"));
    let needed = extras.and_then(|extras| extras.get("test")?.as_array());
    let names = needed.into_iter().flatten().filter_map(toml::Value::as_str);
    let environment = target().join("venv-python");
    let made = Command::new(PYTHON)
        .args(["-m", "venv"])
        .arg(&environment)
        .status();
    if made.is_ok_and(|status| status.success()) {
        let mut install = Command::new(interpreter(&environment));
        install
            .args(["-m", "pip", "install", "--quiet"])
            .args(names);
        let _ = install.output();
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
