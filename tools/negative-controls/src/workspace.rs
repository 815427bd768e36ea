//! A copy of the workspace to be broken: built, measured and tested there.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Folders that are no sources.
const LEFT_OUT: [&str; 3] = ["target", ".git", "runs"];

/// The copy.
pub struct Copy {
    root: PathBuf,
    target: PathBuf,
}

impl Copy {
    /// Copies the workspace at `from` into `folder`, beside what is built from it.
    pub fn new(from: &Path, folder: &Path) -> Result<Self, Box<dyn Error>> {
        let root = folder.join("workspace");
        if root.exists() {
            fs::remove_dir_all(&root)?;
        }
        copy(from, &root)?;
        Ok(Self {
            root,
            target: folder.join("target"),
        })
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("cargo");
        command.args(arguments).current_dir(&self.root);
        command.env("CARGO_TARGET_DIR", &self.target);
        command.stdin(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// The lines of the example `comparisons` of the evidence crate for seeds from 1 on.
    pub fn comparisons(&self, seeds: u64, ids: &[&str]) -> Result<String, Box<dyn Error>> {
        let example = ["-p", "rankfall-evidence", "--example", "comparisons"];
        let build = self
            .cargo(&[&["build", "--release"], &example[..]].concat())
            .status()?;
        if !build.success() {
            return Err("the broken copy does not compile".into());
        }
        let threads = std::thread::available_parallelism()
            .map_or(1, usize::from)
            .to_string();
        let program = self.target.join("release/examples/comparisons");
        let output = Command::new(program)
            .args(["quick", "1", &seeds.to_string(), &threads])
            .args(ids)
            .output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Whether a test fails: the copy compiles, the test is there, and it does not pass.
    pub fn test_fails(&self, package: &str, name: &str) -> Result<bool, Box<dyn Error>> {
        let test = ["test", "--release", "-p", package, "--lib", name];
        let built = self.cargo(&[&test[..], &["--no-run"]].concat()).status()?;
        if !built.success() {
            return Err("the broken copy does not compile".into());
        }
        let output = self.cargo(&test).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(!output.status.success() && text.contains("1 failed"))
    }
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
