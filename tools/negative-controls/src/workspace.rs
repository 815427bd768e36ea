//! A copy of the workspace to be broken: built, measured and tested there.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::breakage::{SWITCH, build_in_all};

/// Folders that are no sources.
const LEFT_OUT: [&str; 3] = ["target", ".git", "runs"];

/// What the example `comparisons` of the evidence crate is called in the copy.
const EXAMPLE: &str = "comparisons_of_broken";

/// The copy.
pub struct Copy {
    root: PathBuf,
    target: PathBuf,
}

impl Copy {
    /// Copies the workspace at `from` into `folder`, builds the breakages into it, and the example
    /// `comparisons` from it, under another name and into `target`.
    pub fn new(from: &Path, folder: &Path, target: PathBuf) -> Result<Self, Box<dyn Error>> {
        let root = folder.join("workspace");
        if root.exists() {
            fs::remove_dir_all(&root)?;
        }
        copy(from, &root)?;
        build_in_all(&root)?;
        let examples = root.join("crates/rankfall-evidence/examples");
        fs::rename(
            examples.join("comparisons.rs"),
            examples.join(format!("{EXAMPLE}.rs")),
        )?;
        let copy = Self { root, target };
        // Of the whole workspace, so that dependencies have the features that they have in its
        // tests.
        let example = ["--workspace", "--example", EXAMPLE];
        let build = copy.cargo(&[&["build", "--release", "-q"], &example[..]].concat());
        succeed(build)?;
        Ok(copy)
    }

    /// What an earlier run left in `folder`.
    pub fn of_last_run(folder: &Path) -> Self {
        Self {
            root: folder.join("workspace"),
            target: folder.join("target"),
        }
    }

    fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("cargo");
        command.args(arguments).current_dir(&self.root);
        command.env("CARGO_TARGET_DIR", &self.target);
        // Most of the numerics stay as they are from one breakage to the next.
        command.env("CARGO_INCREMENTAL", "1");
        command.stdin(Stdio::null());
        command
    }

    /// The lines of the example `comparisons` of the evidence crate for seeds from 1 on, with
    /// breakage `which` on.
    pub fn comparisons(
        &self,
        which: usize,
        seeds: u64,
        ids: &[&str],
    ) -> Result<String, Box<dyn Error>> {
        let threads = std::thread::available_parallelism()
            .map_or(1, usize::from)
            .to_string();
        let program = self.target.join("release/examples").join(EXAMPLE);
        let output = Command::new(program)
            .env(SWITCH, which.to_string())
            .args(["quick", "1", &seeds.to_string(), &threads])
            .args(ids)
            .output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Whether a test fails with breakage `which` on, and passes with none.
    pub fn test_fails(
        &self,
        which: usize,
        package: &str,
        file: Option<&str>,
        name: &str,
    ) -> Result<bool, Box<dyn Error>> {
        let mut test = vec!["test", "--release", "-q", "-p", package];
        match file {
            Some(file) => test.extend(["--test", file]),
            None => test.push("--lib"),
        }
        test.push(name);
        let run = |which: usize| {
            let mut command = self.cargo(&test);
            command.env(SWITCH, which.to_string()).output()
        };
        let (sound, broken) = (run(0)?, run(which)?);
        let text = |output: &[u8]| String::from_utf8_lossy(output).into_owned();
        if !(sound.status.success() && text(&sound.stdout).contains("1 passed")) {
            return Err(format!("the test {name} does not pass by itself").into());
        }
        Ok(!broken.status.success() && text(&broken.stdout).contains("1 failed"))
    }
}

fn succeed(mut command: Command) -> Result<(), Box<dyn Error>> {
    let output = command.stderr(Stdio::piped()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!("the broken copy does not compile:\n{text}").into())
}

fn copy(from: &Path, to: &Path) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if LEFT_OUT.iter().any(|l| *l == name) {
            continue;
        }
        let target = to.join(&name);
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else if entry.file_type()?.is_file() {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
