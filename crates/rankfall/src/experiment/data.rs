//! The `[data]` section: drawn from a Gaussian law, read from a table, or given as a Gram matrix.

use super::absolute_path;
use super::document::{Problem, Value};
use super::keys;
use super::section::{Field, Section};
use super::suggest::nearest;
use crate::failure::quoted;
use std::path::{Path, PathBuf};

/// Where the data come from.
#[derive(Clone, Debug, PartialEq)]
pub enum DataSpec {
    /// Drawn: Gaussian inputs, a linear teacher, Gaussian residuals.
    Gaussian(GaussianData),
    /// A table in a file.
    File(FileData),
    /// The Gram matrices themselves, in an NPZ file.
    Gram(GramData),
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
    pub teacher: Teacher,
    /// The covariance of the inputs.
    pub covariance: Covariance,
    /// Standard deviation of the Gaussian residuals.
    pub residual_noise: f64,
    /// Data and teacher are drawn afresh for each trajectory.
    pub each_trajectory: bool,
}

/// How the teacher β (p × k) is drawn.
#[derive(Clone, Debug, PartialEq)]
pub enum Teacher {
    /// Entries N(0, 1).
    Gaussian,
    /// Of this rank: a product of Gaussian matrices.
    Rank(usize),
    /// With these singular values, the rest zero, and uniformly drawn singular vectors.
    SingularValues(Vec<f64>),
}

/// The covariance of Gaussian inputs.
#[derive(Clone, Debug, PartialEq)]
pub enum Covariance {
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

impl DataSpec {
    /// Whether each trajectory has its own data and teacher.
    pub fn each_trajectory(&self) -> bool {
        matches!(self, DataSpec::Gaussian(g) if g.each_trajectory)
    }

    /// Whether the rows are known, which mini-batches and Rademacher label noise need.
    pub fn has_rows(&self) -> bool {
        !matches!(self, DataSpec::Gram(_))
    }

    /// The file the data are read from, if they are.
    pub fn path(&self) -> Option<&std::path::Path> {
        match self {
            DataSpec::Gaussian(_) => None,
            DataSpec::File(file) => Some(&file.path),
            DataSpec::Gram(gram) => Some(&gram.path),
        }
    }

    /// Records the checksum of the file that was read; nothing to do for drawn data.
    pub fn set_checksum(&mut self, sum: String) {
        match self {
            DataSpec::Gaussian(_) => {}
            DataSpec::File(file) => file.checksum = Some(sum),
            DataSpec::Gram(gram) => gram.checksum = Some(sum),
        }
    }
}

/// Most rows that can be asked for.
const MOST_SAMPLES: u64 = 1_000_000_000_000;
/// Most inputs or outputs: beyond, a Gram matrix alone would take 80 GB.
const MOST_COLUMNS: u64 = 100_000;

/// Reads the section.
pub fn read(section: &Section, folder: &Path) -> Result<DataSpec, Problem> {
    match section.kind(None)? {
        "gaussian" => gaussian(section).map(DataSpec::Gaussian),
        "file" => file(section, folder).map(DataSpec::File),
        _ => gram(section, folder).map(DataSpec::Gram),
    }
}

/// Drawn data with a linear teacher.
pub(super) fn gaussian(section: &Section) -> Result<GaussianData, Problem> {
    let samples = section.required("samples", "samples = 1000")?;
    let inputs = section.required("inputs", "inputs = 5")?;
    let inputs = inputs.integer(1..=MOST_COLUMNS)? as usize;
    let outputs = section.required("outputs", "outputs = 2")?;
    let outputs = outputs.integer(1..=MOST_COLUMNS)? as usize;
    Ok(GaussianData {
        samples: samples.integer(1..=MOST_SAMPLES)?,
        inputs,
        outputs,
        teacher: teacher(section, inputs.min(outputs))?,
        covariance: match section.field("covariance") {
            Some(field) => covariance(&field, inputs)?,
            None => Covariance::Identity,
        },
        residual_noise: match section.field("residual_noise") {
            Some(field) => field.non_negative()?,
            None => 0.0,
        },
        each_trajectory: flag_or(section, "each_trajectory", false)?,
    })
}

/// A flag of a section with its default.
pub fn flag_or(section: &Section, name: &str, default: bool) -> Result<bool, Problem> {
    section.field(name).map_or(Ok(default), |f| f.flag())
}

fn teacher(section: &Section, most: usize) -> Result<Teacher, Problem> {
    let rank = section.field("teacher_rank");
    let values = section.field("teacher_singular_values");
    match (rank, values) {
        (None, None) => Ok(Teacher::Gaussian),
        (Some(rank), None) => Ok(Teacher::Rank(rank.integer(0..=most as u64)? as usize)),
        (None, Some(values)) => singular_values(&values, most).map(Teacher::SingularValues),
        (Some(rank), Some(_)) => Err(rank
            .problem("and `data.teacher_singular_values` are both given")
            .hint("keep one of them: the number of non-zero singular values is the rank")),
    }
}

fn singular_values(field: &Field, most: usize) -> Result<Vec<f64>, Problem> {
    let items = field.list()?;
    if items.is_empty() || items.len() > most {
        let message = format!(
            "has {} values, but a teacher of this shape has from 1 to {most}",
            items.len()
        );
        return Err(field.problem(message));
    }
    items.iter().map(Field::non_negative).collect()
}

fn covariance(field: &Field, inputs: usize) -> Result<Covariance, Problem> {
    if let Value::Table(_) = field.node.value {
        let table = field.section(&keys::COVARIANCE)?;
        return match (table.field("power_law"), table.field("matrix")) {
            (Some(exponent), None) => Ok(Covariance::PowerLaw(exponent.non_negative()?)),
            (None, Some(rows)) => matrix(&rows, inputs).map(Covariance::Matrix),
            _ => Err(field
                .problem("must have exactly one of `power_law` and `matrix`")
                .hint(COVARIANCES)),
        };
    }
    let text = field.text().map_err(|problem| problem.hint(COVARIANCES))?;
    if text == "identity" {
        return Ok(Covariance::Identity);
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

fn matrix(field: &Field, size: usize) -> Result<Vec<Vec<f64>>, Problem> {
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

fn row(field: &Field, size: usize) -> Result<Vec<f64>, Problem> {
    let items = field.list()?;
    if items.len() != size {
        let message = format!("has {} entries, but data.inputs = {size}", items.len());
        return Err(field.problem(message));
    }
    items.iter().map(Field::number).collect()
}

/// Refuses a matrix whose halves differ by more than rounding, or with a negative variance.
/// Whether it is positive semidefinite is left to the numerics, which can say by how much not.
fn symmetric(field: &Field, rows: &[Vec<f64>]) -> Result<(), Problem> {
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
pub(super) fn file(section: &Section, folder: &Path) -> Result<FileData, Problem> {
    let path = section.required("path", "path = \"table.csv\"")?;
    let path = absolute_path(&path, folder)?;
    check_format(section, &path)?;
    let targets_array = section.field("targets_array");
    let targets = match (section.field("targets"), &targets_array) {
        (Some(field), _) => columns(&field)?,
        (None, Some(_)) => Vec::new(),
        (None, None) => return Err(section.missing("targets", "targets = [\"price\"]")),
    };
    let one_hot = flag_or(section, "one_hot", false)?;
    let standardize = flag_or(section, "standardize", false)?;
    let standardize_targets = standardize_targets(section, standardize, one_hot)?;
    let inputs = section.field("inputs").map(|f| columns(&f)).transpose()?;
    if let Some(inputs) = &inputs {
        no_overlap(section, inputs, &targets)?;
    }
    Ok(FileData {
        path,
        inputs,
        targets,
        header: section.field("header").map(|f| f.flag()).transpose()?,
        delimiter: section
            .field("delimiter")
            .map(|f| delimiter(&f))
            .transpose()?,
        one_hot,
        standardize,
        standardize_targets,
        inputs_array: section
            .field("inputs_array")
            .map(|f| word(&f))
            .transpose()?,
        targets_array: targets_array.map(|f| word(&f)).transpose()?,
        checksum: section.field("checksum").map(|f| word(&f)).transpose()?,
    })
}

/// Whether targets are scaled: beside inputs that are, and no classes.
pub(super) fn standardize_targets(
    section: &Section,
    standardize: bool,
    classes: bool,
) -> Result<bool, Problem> {
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
fn check_format(section: &Section, path: &Path) -> Result<(), Problem> {
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
fn columns(field: &Field) -> Result<Vec<Column>, Problem> {
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

fn column(field: &Field) -> Result<Column, Problem> {
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

fn no_overlap(section: &Section, inputs: &[Column], targets: &[Column]) -> Result<(), Problem> {
    match inputs.iter().find(|column| targets.contains(column)) {
        Some(both) => Err(section.problem(format!(
            "column {} is in both `data.inputs` and `data.targets`",
            shown(both)
        ))),
        None => Ok(()),
    }
}

fn delimiter(field: &Field) -> Result<char, Problem> {
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

/// Text that must not be empty.
pub fn word(field: &Field) -> Result<String, Problem> {
    let text = field.text()?;
    if text.is_empty() {
        Err(field.problem("is empty"))
    } else {
        Ok(text)
    }
}

fn gram(section: &Section, folder: &Path) -> Result<GramData, Problem> {
    let path = section.required("path", "path = \"gram.npz\"")?;
    Ok(GramData {
        path: absolute_path(&path, folder)?,
        checksum: section.field("checksum").map(|f| word(&f)).transpose()?,
    })
}
