//! A folder of its own for each test, the real program run in it, and files to give it.
#![allow(dead_code)]

pub mod stopping;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// A small valid experiment that is over at once.
pub const GOOD: &str = r#"name = "good"
[data]
kind = "gaussian"
samples = 20
inputs = 3
outputs = 2
[network]
width = 5
init = { kind = "gaussian", scale = 0.5 }
[[dynamics]]
kind = "gradient-flow"
[[dynamics]]
kind = "stochastic-gradient-flow"
label_noise = 1.0
[run]
time = 1.0
trajectories = 3
save = { points = 5 }
"#;

/// A folder of its own.
pub struct Place {
    folder: TempDir,
}

impl Place {
    /// With the valid experiment `good.toml` in it.
    pub fn new() -> Self {
        let place = Place {
            folder: tempfile::tempdir().unwrap(),
        };
        place.write("good.toml", GOOD);
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    /// An experiment on data of a kind other than Gaussian: `good.toml` with another `[data]`.
    pub fn write_with_data(&self, name: &str, data: &str) {
        let (top, rest) = GOOD.split_once("[data]").unwrap();
        let (_, rest) = rest.split_once("[network]").unwrap();
        self.write(name, format!("{top}[data]\n{data}\n[network]{rest}"));
    }

    /// The program in this folder, with nothing said about progress.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rankfall"));
        command.args(arguments).current_dir(self.folder.path());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub fn rankfall(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs the program, which must end with that exit code and say all the words on standard
    /// error.
    pub fn ends(&self, arguments: &[&str], code: i32, words: &[&str]) -> Output {
        let output = self.rankfall(arguments);
        expect_end(&output, arguments, code, words);
        output
    }

    /// Runs the program, which must succeed; what it printed.
    pub fn succeeds(&self, arguments: &[&str]) -> String {
        let output = self.ends(arguments, 0, &[]);
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs the program on wrong input: exit code 2, the words, and nothing written.
    pub fn refuses(&self, arguments: &[&str], words: &[&str]) {
        let output = self.ends(arguments, 2, words);
        assert!(output.stdout.is_empty(), "{arguments:?}");
        assert!(!self.path("runs").exists(), "{arguments:?}");
    }

    pub fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub fn text(&self, name: &str) -> String {
        String::from_utf8(self.bytes(name)).unwrap()
    }

    pub fn summary(&self, folder: &str) -> serde_json::Value {
        serde_json::from_slice(&self.bytes(&format!("{folder}/summary.json"))).unwrap()
    }

    /// Copies a folder of files kept beside the tests.
    pub fn copy_fixture(&self, name: &str, to: &str) {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        fs::create_dir(self.path(to)).unwrap();
        for entry in fs::read_dir(fixtures.join(name)).unwrap() {
            let from = entry.unwrap().path();
            fs::copy(&from, self.path(to).join(from.file_name().unwrap())).unwrap();
        }
    }

    /// Every file below a folder with its contents, by name.
    pub fn everything(&self, folder: &str) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        collect(&self.path(folder), &mut files);
        files.sort();
        files
    }
}

fn collect(folder: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            let bytes = fs::read(&path).unwrap();
            files.push((path, bytes));
        }
    }
}

/// Checks how a process ended.
pub fn expect_end(output: &Output, arguments: &[&str], code: i32, words: &[&str]) {
    let message = String::from_utf8_lossy(&output.stderr);
    let context = format!("{arguments:?} gave:\n{message}");
    assert_eq!(output.status.code(), Some(code), "{context}");
    for word in words {
        assert!(message.contains(word), "no {word:?}: {context}");
    }
    assert!(!message.contains("panicked"), "{context}");
}

/// An NPY file of doubles.
pub fn npy(shape: &[usize], values: &[f64]) -> Vec<u8> {
    let sizes: String = shape.iter().map(|size| format!("{size}, ")).collect();
    let mut bytes = npy_header(&format!("({sizes})"));
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

/// The beginning of an NPY file of doubles with a shape in Python's words.
pub fn npy_header(shape: &str) -> Vec<u8> {
    let mut header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}");
    while (header.len() + 11) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes
}

/// An NPZ file of arrays.
pub fn npz(arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in arrays {
        zip.start_file(format!("{name}.npy"), SimpleFileOptions::default())
            .unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A gzip file.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A safetensors file with matrices of doubles.
pub fn safetensors(matrices: &[(&str, [usize; 2], Vec<f64>)]) -> Vec<u8> {
    let tensors: Vec<_> = matrices
        .iter()
        .map(
            |(name, shape, values)| rankfall::run_folder::weights::NamedArray {
                name: (*name).to_owned(),
                shape: shape.to_vec(),
                values: values.clone(),
            },
        )
        .collect();
    rankfall::run_folder::weights::encode(&tensors).unwrap()
}

/// Every file of two folders is there in both with the same bytes, but for the summary and the
/// report, whose timings and command line are their own; `expected` are among them.
pub fn expect_same_files(place: &Place, one: &str, other: &str, expected: &[&str]) {
    let files = |folder: &str| -> Vec<(PathBuf, Vec<u8>)> {
        let root = place.path(folder);
        let own = ["summary.json", "report.html"];
        let all = place.everything(folder).into_iter();
        all.map(|(path, bytes)| (path.strip_prefix(&root).unwrap().to_owned(), bytes))
            .filter(|(path, _)| !own.iter().any(|name| path.ends_with(name)))
            .collect()
    };
    let (a, b) = (files(one), files(other));
    let names = |files: &[(PathBuf, Vec<u8>)]| -> Vec<PathBuf> {
        files.iter().map(|(path, _)| path.clone()).collect()
    };
    for name in expected {
        assert!(
            names(&a).iter().any(|path| path.ends_with(name)),
            "no {name}"
        );
    }
    assert_eq!(names(&a), names(&b));
    for ((path, x), (_, y)) in a.iter().zip(&b) {
        let shown = path.display();
        assert!(x == y, "{shown} differs between {one} and {other}");
    }
}
