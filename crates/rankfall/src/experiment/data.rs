//! The `[data]` section: drawn from a law or by a teacher network, written out, read from a table,
//! from Gram matrices or from images, or one of the tables inside the program.

mod dataset;
mod gaussian;
mod images;
mod rows;
mod table;
mod teacher;

pub use dataset::BundledTable;
pub use gaussian::{CovarianceSpec, GaussianData, LinearTeacher};
pub use images::{ImageData, ImageSource};
pub use rows::InlineRows;
pub use table::{FileData, HeldOut};
pub use teacher::NetworkTeacher;

use super::document::InputProblem;
use super::section::{Field, Section};
use std::path::{Path, PathBuf};

/// Where the data come from.
#[derive(Clone, Debug, PartialEq)]
pub enum DataSpec {
    /// The Gram matrices themselves, in an NPZ file.
    Gram(GramData),
    /// Rows.
    Rows(RowData),
}

/// Where rows come from.
#[derive(Clone, Debug, PartialEq)]
pub enum RowData {
    /// Gaussian inputs and a linear teacher.
    Gaussian {
        /// The law.
        data: GaussianData,
        /// Rows held out, drawn after the others.
        held_out: u64,
    },
    /// A teacher network.
    Teacher(NetworkTeacher),
    /// Rows in the file itself.
    Rows(InlineRows),
    /// A table in a file.
    File {
        /// The table.
        table: FileData,
        /// What is held out of it, or beside it.
        held_out: HeldOut,
    },
    /// A table inside the program.
    Bundled(BundledTable),
    /// Images of one size with labels.
    Images(ImageData),
}

/// Gram matrices in an NPZ file: `sxx`, `sxy`, `syy` and `n`.
#[derive(Clone, Debug, PartialEq)]
pub struct GramData {
    /// Where it is, absolute.
    pub path: PathBuf,
    /// Checksum of the file when it was last read, as the resolved copy records it.
    pub checksum: Option<String>,
}

impl RowData {
    /// Records the checksum of what was read; nothing to do for drawn data.
    pub fn set_checksum(&mut self, sum: String) {
        match self {
            Self::Gaussian { .. } | Self::Teacher(_) | Self::Rows(_) => {}
            Self::File { table, .. } => table.checksum = Some(sum),
            Self::Bundled(table) => table.checksum = Some(sum),
            Self::Images(images) => images.checksum = Some(sum),
        }
    }

    /// The checksum that what is read must have.
    pub fn checksum(&self) -> Option<&str> {
        match self {
            Self::Gaussian { .. } | Self::Teacher(_) | Self::Rows(_) => None,
            Self::File { table, .. } => table.checksum.as_deref(),
            Self::Bundled(table) => table.checksum.as_deref(),
            Self::Images(images) => images.checksum.as_deref(),
        }
    }

    /// Whether targets are scaled.
    pub fn scales_targets(&self) -> bool {
        match self {
            Self::File { table, .. } => table.standardize_targets,
            Self::Bundled(table) => table.standardize_targets,
            _ => false,
        }
    }

    /// The value of `kind`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Gaussian { .. } => "gaussian",
            Self::Teacher(_) => "teacher",
            Self::Rows(_) => "rows",
            Self::File { .. } => "file",
            Self::Bundled(_) => "bundled",
            Self::Images(ImageData {
                from: ImageSource::Cifar { .. },
                ..
            }) => "cifar",
            Self::Images(_) => "idx",
        }
    }

    /// Inputs and targets, where they are known before anything is read.
    pub fn sizes(&self) -> Option<[usize; 2]> {
        match self {
            Self::Gaussian { data, .. } => Some([data.inputs, data.outputs]),
            Self::Teacher(teacher) => {
                let layers = &teacher.spec.teacher.layers;
                Some([*layers.first()?, *layers.last()?])
            }
            Self::Rows(rows) => Some([rows.x.first()?.len(), rows.y.first()?.len()]),
            Self::File { .. } | Self::Bundled(_) | Self::Images(_) => None,
        }
    }

    /// Rows to train on, where they are known before anything is read.
    pub fn samples(&self) -> Option<u64> {
        match self {
            Self::Gaussian { data, .. } => Some(data.samples),
            Self::Teacher(teacher) => Some(teacher.spec.samples as u64),
            Self::Rows(rows) => Some(rows.x.len() as u64),
            Self::File { .. } | Self::Bundled(_) | Self::Images(_) => None,
        }
    }
}

/// Reads the section.
pub fn read(section: &Section, folder: &Path) -> Result<DataSpec, InputProblem> {
    let rows = match section.kind(None)? {
        "gaussian" => RowData::Gaussian {
            data: gaussian::read(section)?,
            held_out: section.whole("held_out")?,
        },
        "teacher" => RowData::Teacher(teacher::read(section)?),
        "rows" => RowData::Rows(rows::read(section)?),
        "file" => RowData::File {
            table: table::read(section, folder)?,
            held_out: table::held_out(section, folder)?,
        },
        "bundled" => RowData::Bundled(dataset::bundled(section)?),
        "idx" => RowData::Images(images::idx(section, folder)?),
        "cifar" => RowData::Images(images::cifar(section, folder)?),
        _ => return gram(section, folder).map(DataSpec::Gram),
    };
    Ok(DataSpec::Rows(rows))
}

fn gram(section: &Section, folder: &Path) -> Result<GramData, InputProblem> {
    Ok(GramData {
        path: section.required("path")?.path_from(folder)?,
        checksum: section.optional("checksum", Field::word)?,
    })
}
