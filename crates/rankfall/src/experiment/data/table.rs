//! Data that are read from a table in a file: its columns, and what of it is held out.

use crate::experiment::document::{InputProblem, Value};
use crate::experiment::section::{Field, Section};
use crate::failure::quoted;
use rankfall_data::ColumnSelector;
use std::path::{Path, PathBuf};

/// A table in a file.
#[derive(Clone, Debug, PartialEq)]
pub struct FileData {
    /// Where it is, absolute.
    pub path: PathBuf,
    /// Input columns; `None`: all that are not targets.
    pub inputs: Option<Vec<ColumnSelector>>,
    /// Target columns; empty only where `targets_array` is given.
    pub targets: Vec<ColumnSelector>,
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

/// What of a table is held out.
#[derive(Clone, Debug, PartialEq)]
pub enum HeldOut {
    /// So many rows, chosen by the seed; none for 0.
    Rows(u64),
    /// All of another table with the same columns.
    File(PathBuf),
}

/// A table in a file.
pub(super) fn read(section: &Section, folder: &Path) -> Result<FileData, InputProblem> {
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
pub(super) fn standardize_targets(
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
fn columns(field: &Field) -> Result<Vec<ColumnSelector>, InputProblem> {
    let items = match field.node.value {
        Value::List(_) => field.list()?,
        _ => vec![field.clone()],
    };
    if items.is_empty() {
        return Err(field.problem("is empty").hint("name at least one column"));
    }
    let columns: Vec<ColumnSelector> = items.iter().map(column).collect::<Result<_, _>>()?;
    for (i, column) in columns.iter().enumerate() {
        if columns[..i].contains(column) {
            return Err(items[i].problem(format!("names column {} again", shown(column))));
        }
    }
    Ok(columns)
}

fn column(field: &Field) -> Result<ColumnSelector, InputProblem> {
    match &field.node.value {
        Value::Integer(_) => Ok(ColumnSelector::Position(
            field.integer(0..=u64::from(u32::MAX))? as usize,
        )),
        Value::Text(name) if !name.is_empty() => Ok(ColumnSelector::Name(name.clone())),
        _ => Err(field.problem("is not a column: give its name, or its position from 0")),
    }
}

fn shown(column: &ColumnSelector) -> String {
    match column {
        ColumnSelector::Name(name) => quoted(name),
        ColumnSelector::Position(at) => at.to_string(),
    }
}

fn no_overlap(
    section: &Section,
    inputs: &[ColumnSelector],
    targets: &[ColumnSelector],
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

/// What is held out: rows of the table, or another one.
pub(super) fn held_out(section: &Section, folder: &Path) -> Result<HeldOut, InputProblem> {
    match (section.field("test_path"), section.whole("held_out")?) {
        (None, rows) => Ok(HeldOut::Rows(rows)),
        (Some(field), 0) => Ok(HeldOut::File(field.path_from(folder)?)),
        (Some(field), _) => {
            Err(field.problem("and `data.held_out` are both given; keep one of them"))
        }
    }
}
