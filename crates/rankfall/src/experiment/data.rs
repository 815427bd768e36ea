//! The `[data]` section: drawn from a law or by a teacher network, written out, read from a table, from
//! Gram matrices or from images, or one of the tables inside the program.

use super::document::{InputProblem, Value};
use super::keys::MOST_ROWS;
use super::layers;
use super::section::{Field, Section};
use super::suggest::nearest;
use crate::failure::quoted;
use rankfall_data::{BUNDLED, Bundled, CifarLabels, PACKAGED};
use rankfall_nets::network::{Architecture, Network, NetworkSpec};
use rankfall_nets::teacher::{InputLaw, TeacherSpec};
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
pub struct NetworkTeacher {
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

/// Gaussian data with a linear teacher: Y = Xβ + residuals.
#[derive(Clone, Debug, PartialEq)]
pub struct GaussianData {
    /// n.
    pub samples: u64,
    /// p.
    pub inputs: usize,
    /// k.
    pub outputs: usize,
    /// β.
    pub teacher: LinearTeacher,
    /// The covariance of the inputs.
    pub covariance: CovarianceSpec,
    /// Standard deviation of the Gaussian residuals.
    pub residual_noise: f64,
    /// The label of a row is the class of the largest of its outputs, residual included; of one output whether
    /// it is above zero.
    pub classes: bool,
    /// Data and teacher are drawn afresh for each trajectory.
    pub each_trajectory: bool,
}

/// How the teacher β (p × k) is drawn.
#[derive(Clone, Debug, PartialEq)]
pub enum LinearTeacher {
    /// Entries N(0, 1).
    Gaussian,
    /// Of this rank: a product of Gaussian matrices.
    Rank(usize),
    /// With these singular values, the rest zero, and uniformly drawn singular vectors.
    SingularValues(Vec<f64>),
}

/// The covariance of Gaussian inputs.
#[derive(Clone, Debug, PartialEq)]
pub enum CovarianceSpec {
    /// I.
    Identity,
    /// Diagonal, the j-th entry j^(−exponent), j from 1.
    PowerLaw(f64),
    /// This one, p × p, by rows.
    Matrix(Vec<Vec<f64>>),
}

/// A table in a file.
#[derive(Clone, Debug, PartialEq)]
pub struct FileData {
    /// Where it is, absolute.
    pub path: PathBuf,
    /// Input columns; `None`: all that are not targets.
    pub inputs: Option<Vec<Column>>,
    /// Target columns; empty only where `targets_array` is given.
    pub targets: Vec<Column>,
    /// Whether the first line names the columns; `None`: the reader finds out.
    pub header: Option<bool>,
    /// What stands between the columns; `None`: the reader finds out.
    pub delimiter: Option<char>,
    /// The target is a class label, to become one indicator column per class.
    pub one_hot: bool,
    /// Centre and scale the inputs, centre the targets.
    pub standardize: bool,
    /// Scale the targets as well.
    pub standardize_targets: bool,
    /// The array of an NPZ file that holds the inputs.
    pub inputs_array: Option<String>,
    /// The array of an NPZ file that holds the targets.
    pub targets_array: Option<String>,
    /// Checksum of the file when it was last read, as the resolved copy records it.
    pub checksum: Option<String>,
}

/// A column by name or by position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Column {
    /// Its name in the header.
    Name(String),
    /// Its position, from 0.
    Position(u64),
}

/// Gram matrices in an NPZ file: `sxx`, `sxy`, `syy` and `n`.
#[derive(Clone, Debug, PartialEq)]
pub struct GramData {
    /// Where it is, absolute.
    pub path: PathBuf,
    /// Checksum of the file when it was last read, as the resolved copy records it.
    pub checksum: Option<String>,
}

/// The values of [`super::keys::INPUT_LAWS`].
pub(super) const INPUT_LAWS: [InputLaw; 3] =
    [InputLaw::Gaussian, InputLaw::Sphere, InputLaw::OneHot];
/// The values of [`super::keys::CIFAR_LABELS`].
pub(super) const CIFAR_LABELS: [CifarLabels; 3] =
    [CifarLabels::Ten, CifarLabels::Coarse, CifarLabels::Fine];

impl RowData {
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
        match self {
            Self::Gaussian { data, .. } => data.each_trajectory,
            Self::Teacher(teacher) => teacher.each_trajectory,
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
            Self::Bundled { .. } => "bundled",
            Self::Pictures(Pictures {
                from: PicturesFrom::Cifar { .. },
                ..
            }) => "cifar",
            Self::Pictures(_) => "idx",
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
            Self::File { .. } | Self::Bundled { .. } | Self::Pictures(_) => None,
        }
    }

    /// Rows to train on, where they are known before anything is read.
    pub fn samples(&self) -> Option<u64> {
        match self {
            Self::Gaussian { data, .. } => Some(data.samples),
            Self::Teacher(teacher) => Some(teacher.spec.samples as u64),
            Self::Rows(rows) => Some(rows.x.len() as u64),
            Self::File { .. } | Self::Bundled { .. } | Self::Pictures(_) => None,
        }
    }
}

/// Reads the section.
pub fn read(section: &Section, folder: &Path) -> Result<DataSpec, InputProblem> {
    let rows = match section.kind(None)? {
        "gaussian" => RowData::Gaussian {
            data: gaussian(section)?,
            held_out: section.whole("held_out")?,
        },
        "teacher" => RowData::Teacher(teacher(section)?),
        "rows" => RowData::Rows(rows(section)?),
        "file" => table(section, folder)?,
        "bundled" => bundled(section)?,
        "idx" => pictures(section, idx(section, folder)?)?,
        "cifar" => pictures(section, cifar(section, folder)?)?,
        _ => return gram(section, folder).map(DataSpec::Gram),
    };
    Ok(DataSpec::Rows(rows))
}

/// Drawn data with a linear teacher.
fn gaussian(section: &Section) -> Result<GaussianData, InputProblem> {
    let samples = section.required("samples")?.whole()?;
    let inputs = section.required("inputs")?.whole()? as usize;
    let outputs = section.required("outputs")?.whole()? as usize;
    let covariance = section.optional("covariance", |f| covariance(f, inputs))?;
    let (classes, each_trajectory) = (section.flag("classes")?, section.flag("each_trajectory")?);
    if classes && each_trajectory {
        return Err(section
            .problem("`data.classes` and `data.each_trajectory` are both true, and classes are drawn once")
            .hint("leave one of them out"));
    }
    Ok(GaussianData {
        samples,
        inputs,
        outputs,
        teacher: linear_teacher(section, inputs.min(outputs))?,
        covariance: covariance.unwrap_or(CovarianceSpec::Identity),
        residual_noise: section.number("residual_noise")?,
        classes,
        each_trajectory,
    })
}

fn linear_teacher(section: &Section, most: usize) -> Result<LinearTeacher, InputProblem> {
    let rank = section.field("teacher_rank");
    let values = section.field("teacher_singular_values");
    match (rank, values) {
        (None, None) => Ok(LinearTeacher::Gaussian),
        (Some(rank), None) => Ok(LinearTeacher::Rank(rank.integer(0..=most as u64)? as usize)),
        (None, Some(values)) => singular_values(&values, most).map(LinearTeacher::SingularValues),
        (Some(rank), Some(_)) => Err(rank
            .problem("and `data.teacher_singular_values` are both given")
            .hint("keep one of them: the number of non-zero singular values is the rank")),
    }
}

fn singular_values(field: &Field, most: usize) -> Result<Vec<f64>, InputProblem> {
    let items = field.list()?;
    if items.is_empty() || items.len() > most {
        let message = format!(
            "has {} values, but a teacher of this shape has from 1 to {most}",
            items.len()
        );
        return Err(field.problem(message));
    }
    field.numbers()
}

fn covariance(field: &Field, inputs: usize) -> Result<CovarianceSpec, InputProblem> {
    if let Value::Table(_) = field.node.value {
        let table = field.section()?;
        return match (table.field("power_law"), table.field("matrix")) {
            (Some(exponent), None) => Ok(CovarianceSpec::PowerLaw(exponent.number()?)),
            (None, Some(rows)) => matrix(&rows, inputs).map(CovarianceSpec::Matrix),
            _ => Err(field
                .problem("must have exactly one of `power_law` and `matrix`")
                .hint(COVARIANCES)),
        };
    }
    let text = field.text().map_err(|problem| problem.hint(COVARIANCES))?;
    if text == "identity" {
        return Ok(CovarianceSpec::Identity);
    }
    let meant = match nearest(&text, &["identity"]) {
        Some(near) => format!("; did you mean \"{near}\"?"),
        None => ", which is none of its values".to_owned(),
    };
    let message = format!("is {}{meant}", quoted(&text));
    Err(field.problem(message).hint(COVARIANCES))
}

const COVARIANCES: &str =
    "known: \"identity\", { power_law = 1.0 }, { matrix = [[1.0, 0.5], [0.5, 1.0]] }";

fn matrix(field: &Field, size: usize) -> Result<Vec<Vec<f64>>, InputProblem> {
    let rows = field.list()?;
    if rows.len() != size {
        let message = format!("has {} rows, but data.inputs = {size}", rows.len());
        return Err(field.problem(message));
    }
    let rows: Vec<Vec<f64>> = rows
        .iter()
        .map(|r| row(r, size))
        .collect::<Result<_, _>>()?;
    symmetric(field, &rows)?;
    Ok(rows)
}

fn row(field: &Field, size: usize) -> Result<Vec<f64>, InputProblem> {
    let items = field.list()?;
    if items.len() != size {
        let message = format!("has {} entries, but data.inputs = {size}", items.len());
        return Err(field.problem(message));
    }
    field.numbers()
}

/// Refuses a matrix whose halves differ by more than rounding, or with a negative variance.
/// Whether it is positive semidefinite is left to the numerics, which can say by how much not.
fn symmetric(field: &Field, rows: &[Vec<f64>]) -> Result<(), InputProblem> {
    let largest = rows.iter().flatten().fold(0.0_f64, |m, x| m.max(x.abs()));
    for (i, row) in rows.iter().enumerate() {
        if row[i] < 0.0 {
            let message = format!("has the negative variance {} at {i}, {i}", row[i]);
            return Err(field.problem(message));
        }
        for (j, (above, other)) in row.iter().zip(rows).enumerate().skip(i + 1) {
            let below = other[i];
            if (above - below).abs() > 1e-12 * largest {
                return Err(field.problem(format!(
                    "is not symmetric: {above} at {i}, {j} but {below} at {j}, {i}"
                )));
            }
        }
    }
    Ok(())
}

/// A table in a file.
fn file(section: &Section, folder: &Path) -> Result<FileData, InputProblem> {
    let path = section.required("path")?.path_from(folder)?;
    check_format(section, &path)?;
    let targets_array = section.field("targets_array");
    let targets = match (section.field("targets"), &targets_array) {
        (Some(field), _) => columns(&field)?,
        (None, Some(_)) => Vec::new(),
        (None, None) => return Err(section.missing("targets")),
    };
    let one_hot = section.flag("one_hot")?;
    let standardize = section.flag("standardize")?;
    let standardize_targets = standardize_targets(section, standardize, one_hot)?;
    let inputs = section.optional("inputs", columns)?;
    if let Some(inputs) = &inputs {
        no_overlap(section, inputs, &targets)?;
    }
    Ok(FileData {
        path,
        inputs,
        targets,
        header: section.optional("header", Field::flag)?,
        delimiter: section.optional("delimiter", delimiter)?,
        one_hot,
        standardize,
        standardize_targets,
        inputs_array: section.optional("inputs_array", Field::word)?,
        targets_array: targets_array.map(|f| f.word()).transpose()?,
        checksum: section.optional("checksum", Field::word)?,
    })
}

/// Whether targets are scaled: beside inputs that are, and no classes.
fn standardize_targets(
    section: &Section,
    standardize: bool,
    classes: bool,
) -> Result<bool, InputProblem> {
    let Some(field) = section.field("standardize_targets") else {
        return Ok(false);
    };
    let asked = field.flag()?;
    match asked {
        true if classes => {
            Err(field.problem("is true, but the targets are classes, which have no scale"))
        }
        true if !standardize => Err(field
            .problem("is true, and `data.standardize` is not")
            .hint("set standardize = true: targets are scaled beside the inputs")),
        asked => Ok(asked),
    }
}

/// Refuses array names outside NPZ files, and text settings for binary files.
fn check_format(section: &Section, path: &Path) -> Result<(), InputProblem> {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("");
    let extension = extension.to_ascii_lowercase();
    let arrays = ["inputs_array", "targets_array"];
    let text = ["header", "delimiter"];
    if extension != "npz" {
        let misplaced = arrays.iter().find_map(|name| section.field(name));
        if let Some(field) = misplaced {
            return Err(field.problem("names an array, and only .npz files have named arrays"));
        }
    }
    if ["npz", "npy", "parquet"].contains(&extension.as_str()) {
        let misplaced = text.iter().find_map(|name| section.field(name));
        if let Some(field) = misplaced {
            return Err(field.problem(format!(
                "is for text files, and a .{extension} file is not one"
            )));
        }
    }
    Ok(())
}

/// One column or a list of them.
fn columns(field: &Field) -> Result<Vec<Column>, InputProblem> {
    let items = match field.node.value {
        Value::List(_) => field.list()?,
        _ => vec![field.clone()],
    };
    if items.is_empty() {
        return Err(field.problem("is empty").hint("name at least one column"));
    }
    let columns: Vec<Column> = items.iter().map(column).collect::<Result<_, _>>()?;
    for (i, column) in columns.iter().enumerate() {
        if columns[..i].contains(column) {
            return Err(items[i].problem(format!("names column {} again", shown(column))));
        }
    }
    Ok(columns)
}

fn column(field: &Field) -> Result<Column, InputProblem> {
    match &field.node.value {
        Value::Integer(_) => Ok(Column::Position(field.integer(0..=u64::from(u32::MAX))?)),
        Value::Text(name) if !name.is_empty() => Ok(Column::Name(name.clone())),
        _ => Err(field.problem("is not a column: give its name, or its position from 0")),
    }
}

fn shown(column: &Column) -> String {
    match column {
        Column::Name(name) => quoted(name),
        Column::Position(at) => at.to_string(),
    }
}

fn no_overlap(
    section: &Section,
    inputs: &[Column],
    targets: &[Column],
) -> Result<(), InputProblem> {
    match inputs.iter().find(|column| targets.contains(column)) {
        Some(both) => Err(section.problem(format!(
            "column {} is in both `data.inputs` and `data.targets`",
            shown(both)
        ))),
        None => Ok(()),
    }
}

fn delimiter(field: &Field) -> Result<char, InputProblem> {
    let text = field.text()?;
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) if c.is_ascii() && !matches!(c, '\n' | '\r' | '"' | '\0') => Ok(c),
        _ => Err(field
            .problem(format!(
                "is {}, but must be one ASCII character",
                quoted(&text)
            ))
            .hint("for instance \",\" or \";\" or \"\\t\" or \" \"")),
    }
}

fn gram(section: &Section, folder: &Path) -> Result<GramData, InputProblem> {
    Ok(GramData {
        path: section.required("path")?.path_from(folder)?,
        checksum: section.optional("checksum", Field::word)?,
    })
}

fn teacher(section: &Section) -> Result<NetworkTeacher, InputProblem> {
    let samples = section.required("samples")?;
    let table = section.required("teacher")?.section()?;
    let spec = NetworkSpec {
        layers: layers::widths(&table.required("layers")?)?,
        activation: layers::activation(&table)?,
        bias: table.flag("bias")?,
        kind: Architecture::Dense,
    };
    let built = Network::new(&spec).map_err(|error| table.problem(error.to_string()))?;
    let init = table.required("init")?;
    let most = built.inputs() as u64;
    let relevant = table.optional("relevant_inputs", |f| f.integer(1..=most))?;
    Ok(NetworkTeacher {
        spec: TeacherSpec {
            samples: samples.integer(1..=MOST_ROWS)? as usize,
            held_out: section.whole("held_out")? as usize,
            inputs: section.pick("input_law", &INPUT_LAWS)?,
            weights: layers::drawn(&init, "pytorch-default", Some(&built))?,
            teacher: spec,
            unit_norm: table.flag("unit_norm")?,
            relevant_inputs: relevant.map(|n| n as usize),
            residual_noise: section.number("residual_noise")?,
            observed: section.optional("observed", Field::number)?,
        },
        each_trajectory: section.flag("each_trajectory")?,
    })
}

fn rows(section: &Section) -> Result<WrittenRows, InputProblem> {
    let x = row_list(&section.required("x")?)?;
    let targets = section.required("y")?;
    let y = row_list(&targets)?;
    if x.len() != y.len() {
        let message = format!("has {} rows, but data.x has {}", y.len(), x.len());
        return Err(targets.problem(message));
    }
    Ok(WrittenRows { x, y })
}

/// Rows of equal length; a number alone is a row of one.
fn row_list(field: &Field) -> Result<Vec<Vec<f64>>, InputProblem> {
    let items = field.list()?;
    let rows: Vec<Vec<f64>> = items.iter().map(one_row).collect::<Result<_, _>>()?;
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

fn one_row(field: &Field) -> Result<Vec<f64>, InputProblem> {
    match field.node.value {
        Value::List(_) => field.numbers(),
        _ => field.number().map(|number| vec![number]),
    }
}

fn table(section: &Section, folder: &Path) -> Result<RowData, InputProblem> {
    let table = file(section, folder)?;
    let held_out = match (section.field("test_path"), section.whole("held_out")?) {
        (None, rows) => HeldOut::Rows(rows),
        (Some(field), 0) => HeldOut::File(field.path_from(folder)?),
        (Some(field), _) => {
            return Err(field.problem("and `data.held_out` are both given; keep one of them"));
        }
    };
    Ok(RowData::File { table, held_out })
}

/// One of the names, or the nearest in the message.
fn named(field: &Field, names: &[&'static str]) -> Result<&'static str, InputProblem> {
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

fn bundled(section: &Section) -> Result<RowData, InputProblem> {
    let field = section.required("dataset")?;
    let name = named(&field, &BUNDLED.map(|one| one.name))?;
    let standardize = section.flag("standardize")?;
    let classes = Bundled::find(name).is_some_and(Bundled::has_classes);
    Ok(RowData::Bundled {
        name,
        standardize,
        standardize_targets: standardize_targets(section, standardize, classes)?,
        held_out: section.whole("held_out")?,
        checksum: section.optional("checksum", Field::word)?,
    })
}

fn pictures(section: &Section, from: PicturesFrom) -> Result<RowData, InputProblem> {
    Ok(RowData::Pictures(Pictures {
        from,
        standardize: section.flag("standardize")?,
        train_rows: section.optional("train_rows", Field::whole)?,
        test_rows: section.optional("test_rows", Field::whole)?,
        checksum: section.optional("checksum", Field::word)?,
    }))
}

fn idx(section: &Section, folder: &Path) -> Result<PicturesFrom, InputProblem> {
    let path = |name: &str| section.optional(name, |f| f.path_from(folder));
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

fn cifar(section: &Section, folder: &Path) -> Result<PicturesFrom, InputProblem> {
    let paths = |field: &Field| -> Result<Vec<PathBuf>, InputProblem> {
        let items = field.list()?;
        items.iter().map(|f| f.path_from(folder)).collect()
    };
    let files = section.required("files")?;
    if files.list()?.is_empty() {
        return Err(files.problem("is empty"));
    }
    Ok(PicturesFrom::Cifar {
        files: paths(&files)?,
        test_files: section.optional("test_files", paths)?.unwrap_or_default(),
        labels: section.pick("labels", &CIFAR_LABELS)?,
    })
}
