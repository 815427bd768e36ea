//! The `[data]` section: drawn from a law or a teacher network, written out, read from a table or
//! from images, or one of those inside the program.

use super::{keys, network};
use crate::experiment::absolute_path;
use crate::experiment::data::{
    FileData, GaussianData, file, flag_or, gaussian, standardize_targets, word,
};
use crate::experiment::document::Problem;
use crate::experiment::section::{Field, Section};
use crate::experiment::suggest::nearest;
use crate::failure::quoted;
use rankfall_data::{BUNDLED, Bundled, CifarLabels, PACKAGED};
use rankfall_nets::network::{Architecture, Network, NetworkSpec};
use rankfall_nets::teacher::{InputLaw, TeacherSpec};
use std::path::{Path, PathBuf};

/// Where the data come from.
#[derive(Clone, Debug, PartialEq)]
pub enum LayeredData {
    /// Gaussian inputs and a linear teacher.
    Gaussian {
        /// The law.
        data: GaussianData,
        /// Rows held out, drawn after the others.
        held_out: u64,
    },
    /// A teacher network.
    Teacher(TeacherData),
    /// Rows in the file itself.
    Rows(WrittenRows),
    /// A table in a file.
    File {
        /// The table.
        table: FileData,
        /// What is held out of it, or beside it.
        held_out: HeldOut,
    },
    /// A table inside the program.
    Bundled {
        /// Which.
        name: &'static str,
        /// Centre and scale the inputs by the training part.
        standardize: bool,
        /// Scale the targets by the training part as well.
        standardize_targets: bool,
        /// Rows held out.
        held_out: u64,
        /// Checksum of what was read, as the resolved copy records it.
        checksum: Option<String>,
    },
    /// Images of one size with labels.
    Pictures(Pictures),
}

/// Data from a teacher network.
#[derive(Clone, Debug, PartialEq)]
pub struct TeacherData {
    /// The recipe.
    pub spec: TeacherSpec,
    /// A teacher and inputs of its own for each trajectory.
    pub each_trajectory: bool,
}

/// Rows in the file itself.
#[derive(Clone, Debug, PartialEq)]
pub struct WrittenRows {
    /// Inputs.
    pub x: Vec<Vec<f64>>,
    /// Targets.
    pub y: Vec<Vec<f64>>,
}

/// What of a table is held out.
#[derive(Clone, Debug, PartialEq)]
pub enum HeldOut {
    /// So many rows, chosen by the seed; none for 0.
    Rows(u64),
    /// All of another table with the same columns.
    File(PathBuf),
}

/// Images and their labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Pictures {
    /// Where they are.
    pub from: PicturesFrom,
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
pub enum PicturesFrom {
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

/// Most rows that can be asked for: they are held in memory.
const MOST_ROWS: u64 = 1 << 32;
/// The values of [`keys::INPUT_LAWS`].
pub(super) const INPUT_LAWS: [InputLaw; 2] = [InputLaw::Gaussian, InputLaw::Sphere];
/// The values of [`keys::CIFAR_LABELS`].
pub(super) const CIFAR_LABELS: [CifarLabels; 3] =
    [CifarLabels::Ten, CifarLabels::Coarse, CifarLabels::Fine];

impl LayeredData {
    /// Records the checksum of what was read; nothing to do for drawn data.
    pub fn set_checksum(&mut self, sum: String) {
        match self {
            Self::Gaussian { .. } | Self::Teacher(_) | Self::Rows(_) => {}
            Self::File { table, .. } => table.checksum = Some(sum),
            Self::Bundled { checksum, .. } => *checksum = Some(sum),
            Self::Pictures(pictures) => pictures.checksum = Some(sum),
        }
    }

    /// The checksum that what is read must have.
    pub fn checksum(&self) -> Option<&str> {
        match self {
            Self::Gaussian { .. } | Self::Teacher(_) | Self::Rows(_) => None,
            Self::File { table, .. } => table.checksum.as_deref(),
            Self::Bundled { checksum, .. } => checksum.as_deref(),
            Self::Pictures(pictures) => pictures.checksum.as_deref(),
        }
    }

    /// Whether targets are scaled.
    pub fn scales_targets(&self) -> bool {
        match self {
            Self::File { table, .. } => table.standardize_targets,
            Self::Bundled {
                standardize_targets,
                ..
            } => *standardize_targets,
            _ => false,
        }
    }

    /// Whether each trajectory has data of its own.
    pub fn each_trajectory(&self) -> bool {
        matches!(self, Self::Teacher(teacher) if teacher.each_trajectory)
    }
}

/// Reads the section.
pub fn read(field: &Field, folder: &Path) -> Result<LayeredData, Problem> {
    let section = field.section(&keys::DATA)?;
    if let Some(kind) = section.field("kind")
        && kind.text().is_ok_and(|kind| kind == "gram")
    {
        return Err(kind
            .problem("is \"gram\", and a network given by `network.layers` needs the rows")
            .hint("read the rows with kind = \"file\", or give the network by `network.width`"));
    }
    match section.kind(None)? {
        "gaussian" => drawn(&section),
        "teacher" => teacher(&section).map(LayeredData::Teacher),
        "rows" => rows(&section).map(LayeredData::Rows),
        "file" => table(&section, folder),
        "bundled" => bundled(&section),
        "idx" => pictures(&section, idx(&section, folder)?),
        _ => pictures(&section, cifar(&section, folder)?),
    }
}

fn count(section: &Section, name: &str) -> Result<Option<u64>, Problem> {
    let field = section.field(name);
    field.map(|f| f.integer(1..=MOST_ROWS)).transpose()
}

fn held_out(section: &Section) -> Result<u64, Problem> {
    let field = section.field("held_out");
    field.map_or(Ok(0), |f| f.integer(0..=MOST_ROWS))
}

fn checksum(section: &Section) -> Result<Option<String>, Problem> {
    section.field("checksum").map(|f| word(&f)).transpose()
}

fn drawn(section: &Section) -> Result<LayeredData, Problem> {
    let data = gaussian(section)?;
    if data.each_trajectory {
        return Err(section
            .problem("`data.each_trajectory` is there for a network teacher, or with `network.width`")
            .hint("kind = \"teacher\" with teacher = { layers = [5, 2], init = { kind = \"gaussian\" } }"));
    }
    if data.samples > MOST_ROWS {
        let message = format!(
            "`data.samples` is {}: rows are held in memory",
            data.samples
        );
        return Err(section.problem(message).hint("at most 2^32 are"));
    }
    Ok(LayeredData::Gaussian {
        data,
        held_out: held_out(section)?,
    })
}

fn teacher(section: &Section) -> Result<TeacherData, Problem> {
    let samples = section.required("samples", "samples = 50")?;
    let example = "teacher = { layers = [2, 3, 1], activation = \"relu\" }";
    let table = section
        .required("teacher", example)?
        .section(&keys::TEACHER)?;
    let spec = NetworkSpec {
        layers: network::layers(&table)?,
        activation: network::activation(&table)?,
        bias: flag_or(&table, "bias", false)?,
        kind: Architecture::Dense,
    };
    let built = Network::new(&spec).map_err(|error| table.problem(error.to_string()))?;
    let init = table.required("init", "init = { kind = \"gaussian\", scale = 1.0 }")?;
    let law = section.field("input_law");
    let law = law
        .map(|f| super::pick(&f, keys::INPUT_LAWS, &INPUT_LAWS))
        .transpose()?;
    Ok(TeacherData {
        spec: TeacherSpec {
            samples: samples.integer(1..=MOST_ROWS)? as usize,
            held_out: held_out(section)? as usize,
            inputs: law.unwrap_or_default(),
            weights: network::drawn(&init, &built)?,
            teacher: spec,
            unit_norm: flag_or(&table, "unit_norm", false)?,
            relevant_inputs: relevant(&table, built.inputs())?,
            residual_noise: section
                .field("residual_noise")
                .map_or(Ok(0.0), |f| f.non_negative())?,
        },
        each_trajectory: flag_or(section, "each_trajectory", false)?,
    })
}

fn relevant(table: &Section, inputs: usize) -> Result<Option<usize>, Problem> {
    let field = table.field("relevant_inputs");
    let count = |f: Field| f.integer(1..=inputs as u64).map(|n| n as usize);
    field.map(count).transpose()
}

fn rows(section: &Section) -> Result<WrittenRows, Problem> {
    let x = matrix(&section.required("x", "x = [[0.0, 1.0], [1.0, 0.0]]")?)?;
    let targets = section.required("y", "y = [[1.0], [0.0]]")?;
    let y = matrix(&targets)?;
    if x.len() != y.len() {
        let message = format!("has {} rows, but data.x has {}", y.len(), x.len());
        return Err(targets.problem(message));
    }
    Ok(WrittenRows { x, y })
}

/// Rows of equal length; a number alone is a row of one.
fn matrix(field: &Field) -> Result<Vec<Vec<f64>>, Problem> {
    let items = field.list()?;
    let rows: Vec<Vec<f64>> = items.iter().map(row).collect::<Result<_, _>>()?;
    let width = rows.first().map_or(0, Vec::len);
    if width == 0 {
        return Err(field.problem("has no numbers in it"));
    }
    match rows.iter().position(|row| row.len() != width) {
        None => Ok(rows),
        Some(i) => Err(items[i].problem(format!(
            "has {} numbers, but the first row has {width}",
            rows[i].len()
        ))),
    }
}

fn row(field: &Field) -> Result<Vec<f64>, Problem> {
    match field.list() {
        Ok(items) => items.iter().map(Field::number).collect(),
        Err(_) => field.number().map(|number| vec![number]),
    }
}

fn table(section: &Section, folder: &Path) -> Result<LayeredData, Problem> {
    let table = file(section, folder)?;
    let held_out = match (section.field("test_path"), held_out(section)?) {
        (None, rows) => HeldOut::Rows(rows),
        (Some(field), 0) => HeldOut::File(absolute_path(&field, folder)?),
        (Some(field), _) => {
            return Err(field.problem("and `data.held_out` are both given; keep one of them"));
        }
    };
    Ok(LayeredData::File { table, held_out })
}

/// One of the names, or the nearest in the message.
fn named(field: &Field, names: &[&'static str]) -> Result<&'static str, Problem> {
    let given = field.text()?;
    if let Some(found) = names.iter().find(|name| **name == given) {
        return Ok(found);
    }
    let meant = match nearest(&given, names) {
        Some(near) => format!("; did you mean \"{near}\"?"),
        None => ", which is none of them".to_owned(),
    };
    Err(field
        .problem(format!("is {}{meant}", quoted(&given)))
        .hint("rankfall data lists what there is"))
}

fn bundled(section: &Section) -> Result<LayeredData, Problem> {
    let field = section.required("dataset", "dataset = \"digits\"")?;
    let name = named(&field, &BUNDLED.map(|one| one.name))?;
    let standardize = flag_or(section, "standardize", false)?;
    let classes = Bundled::find(name).is_some_and(Bundled::has_classes);
    Ok(LayeredData::Bundled {
        name,
        standardize,
        standardize_targets: standardize_targets(section, standardize, classes)?,
        held_out: held_out(section)?,
        checksum: checksum(section)?,
    })
}

fn pictures(section: &Section, from: PicturesFrom) -> Result<LayeredData, Problem> {
    Ok(LayeredData::Pictures(Pictures {
        from,
        standardize: flag_or(section, "standardize", false)?,
        train_rows: count(section, "train_rows")?,
        test_rows: count(section, "test_rows")?,
        checksum: checksum(section)?,
    }))
}

fn idx(section: &Section, folder: &Path) -> Result<PicturesFrom, Problem> {
    let path = |name: &str| {
        section
            .field(name)
            .map(|f| absolute_path(&f, folder))
            .transpose()
    };
    let given = (section.field("dataset"), path("folder")?, path("images")?);
    let files = [path("labels")?, path("test_images")?, path("test_labels")?];
    let alone = files.iter().all(Option::is_none);
    match (given, files) {
        ((Some(name), None, None), _) if alone => {
            named(&name, &PACKAGED.map(|one| one.name)).map(PicturesFrom::Packaged)
        }
        ((None, Some(folder), None), _) if alone => Ok(PicturesFrom::Folder(folder)),
        ((None, None, Some(images)), [Some(labels), None, None]) => Ok(PicturesFrom::Idx {
            train: [images, labels],
            test: None,
        }),
        ((None, None, Some(images)), [Some(labels), Some(test), Some(test_labels)]) => {
            Ok(PicturesFrom::Idx {
                train: [images, labels],
                test: Some([test, test_labels]),
            })
        }
        _ => Err(section
            .problem("[data] of kind \"idx\" must have one of `dataset`, `folder`, and `images` with `labels`")
            .hint("dataset = \"fashion-mnist\" finds a package; test_images and test_labels go together")),
    }
}

fn cifar(section: &Section, folder: &Path) -> Result<PicturesFrom, Problem> {
    let paths = |field: Field| -> Result<Vec<PathBuf>, Problem> {
        field
            .list()?
            .iter()
            .map(|f| absolute_path(f, folder))
            .collect()
    };
    let files = section.required("files", "files = [\"data_batch_1.bin\"]")?;
    if files.list()?.is_empty() {
        return Err(files.problem("is empty"));
    }
    let labels = section.field("labels");
    let labels = labels
        .map(|f| super::pick(&f, keys::CIFAR_LABELS, &CIFAR_LABELS))
        .transpose()?;
    Ok(PicturesFrom::Cifar {
        files: paths(files)?,
        test_files: section.field("test_files").map_or(Ok(Vec::new()), paths)?,
        labels: labels.unwrap_or(CifarLabels::Ten),
    })
}
