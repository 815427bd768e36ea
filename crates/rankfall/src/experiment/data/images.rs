//! Images of one size with labels: where they are, and how many are taken.

use super::dataset::named;
use crate::experiment::document::InputProblem;
use crate::experiment::section::{Field, Section};
use rankfall_data::{CifarLabels, PACKAGED};
use std::path::{Path, PathBuf};

/// Images and their labels.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageData {
    /// Where they are.
    pub from: ImageSource,
    /// Centre and scale every pixel by the training part.
    pub standardize: bool,
    /// Only so many of the first images to train on.
    pub train_rows: Option<u64>,
    /// Only so many of the first images held out.
    pub test_rows: Option<u64>,
    /// Checksum of what was read, as the resolved copy records it.
    pub checksum: Option<String>,
}

/// Where images are.
#[derive(Clone, Debug, PartialEq)]
pub enum ImageSource {
    /// Where a package puts them.
    Packaged(&'static str),
    /// The four files of MNIST in a folder.
    Folder(PathBuf),
    /// IDX files by name.
    Idx {
        /// Images and labels to train on.
        train: [PathBuf; 2],
        /// Images and labels held out.
        test: Option<[PathBuf; 2]>,
    },
    /// CIFAR records.
    Cifar {
        /// To train on.
        files: Vec<PathBuf>,
        /// Held out.
        test_files: Vec<PathBuf>,
        /// Which labels.
        labels: CifarLabels,
    },
}

/// From files of the format of MNIST.
pub(super) fn idx(section: &Section, folder: &Path) -> Result<ImageData, InputProblem> {
    let path = |name: &str| section.optional(name, |f| f.path_from(folder));
    let given = (section.field("dataset"), path("folder")?, path("images")?);
    let files = [path("labels")?, path("test_images")?, path("test_labels")?];
    let alone = files.iter().all(Option::is_none);
    let from = match (given, files) {
        ((Some(name), None, None), _) if alone => {
            ImageSource::Packaged(named(&name, &PACKAGED.map(|one| one.name))?)
        }
        ((None, Some(folder), None), _) if alone => ImageSource::Folder(folder),
        ((None, None, Some(images)), [Some(labels), None, None]) => ImageSource::Idx {
            train: [images, labels],
            test: None,
        },
        ((None, None, Some(images)), [Some(labels), Some(test), Some(test_labels)]) => {
            ImageSource::Idx {
                train: [images, labels],
                test: Some([test, test_labels]),
            }
        }
        _ => {
            let message = "[data] of kind \"idx\" must have one of `dataset`, `folder`, and `images` with `labels`";
            let hint = "dataset = \"fashion-mnist\" finds a package; test_images and test_labels go together";
            return Err(section.problem(message).hint(hint));
        }
    };
    with_source(section, from)
}

/// From records of CIFAR.
pub(super) fn cifar(section: &Section, folder: &Path) -> Result<ImageData, InputProblem> {
    let paths = |field: &Field| -> Result<Vec<PathBuf>, InputProblem> {
        let items = field.list()?;
        items.iter().map(|f| f.path_from(folder)).collect()
    };
    let files = section.required("files")?;
    if files.list()?.is_empty() {
        return Err(files.problem("is empty"));
    }
    let from = ImageSource::Cifar {
        files: paths(&files)?,
        test_files: section.optional("test_files", paths)?.unwrap_or_default(),
        labels: match section.optional("labels", Field::chosen)? {
            Some("coarse") => CifarLabels::Coarse,
            Some("fine") => CifarLabels::Fine,
            _ => CifarLabels::Ten,
        },
    };
    with_source(section, from)
}

fn with_source(section: &Section, from: ImageSource) -> Result<ImageData, InputProblem> {
    Ok(ImageData {
        from,
        standardize: section.flag("standardize")?,
        train_rows: section.optional("train_rows", Field::whole)?,
        test_rows: section.optional("test_rows", Field::whole)?,
        checksum: section.optional("checksum", Field::word)?,
    })
}
