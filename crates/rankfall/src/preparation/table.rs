//! Data that are read from a table: how it is read, and what is said of what was found in it.

use crate::experiment::FileData;
use crate::failure::{Failure, quoted, shown_path};
use rankfall_data::{
    ArrayNames, DataError, DataErrorKind, Delimiter, FileSpec, HeaderRow, TableMoments,
};

/// How a table is read.
pub fn file_spec(file: &FileData) -> FileSpec {
    FileSpec {
        inputs: file.inputs.clone(),
        targets: (!file.targets.is_empty()).then(|| file.targets.clone()),
        header: file.header.map_or(HeaderRow::Auto, HeaderRow::from),
        delimiter: file.delimiter.map(|c| match c {
            ' ' => Delimiter::Whitespace,
            other => Delimiter::Byte(other as u8),
        }),
        one_hot: file.one_hot,
        standardize: file.standardize,
        standardize_targets: file.standardize_targets,
        arrays: ArrayNames {
            inputs: file.inputs_array.clone(),
            targets: file.targets_array.clone(),
        },
        ..FileSpec::new(&file.path)
    }
}

/// A file that cannot be used, in words.
pub fn of_data(error: DataError) -> Failure {
    let missing = matches!(error.kind, DataErrorKind::Missing { .. });
    let failure = Failure::input(error.to_string());
    match missing {
        true => failure.hint("paths in an experiment file start in the folder of that file"),
        false => failure,
    }
}

/// What a reader took for something that it need not be, with the file's name before it.
pub fn data_notes(path: &std::path::Path, notes: &[String]) -> Vec<String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = quoted(&name);
    notes.iter().map(|note| format!("{name}: {note}")).collect()
}

/// How losses are to be read where targets were scaled.
pub fn scaled_targets_note(names: &[String], scales: &[f64]) -> String {
    const LISTED: usize = 6;
    let pairs = names.iter().zip(scales);
    let mut shown: Vec<String> = pairs
        .take(LISTED)
        .map(|(name, scale)| format!("{} by {scale}", quoted(name)))
        .collect();
    if names.len() > LISTED {
        shown.push(format!("{} more", names.len() - LISTED));
    }
    format!(
        "targets were divided by their standard deviations ({}), and so is what the network fits: \
         label noise is in these units; losses are sums over the targets in the units of the file",
        shown.join(", ")
    )
}

pub(super) fn file_words(file: &FileData, loaded: &TableMoments) -> String {
    let standardized = match (file.standardize, file.standardize_targets) {
        (true, true) => ", standardised, targets too",
        (true, false) => ", standardised",
        _ => "",
    };
    format!(
        "{} rows of {} ({} inputs, {} outputs{standardized})",
        loaded.rows,
        shown_path(&file.path),
        loaded.inputs.len(),
        loaded.targets.len()
    )
}

pub(super) fn constant_warning(loaded: &TableMoments) -> Vec<String> {
    if loaded.constant_columns.is_empty() {
        return Vec::new();
    }
    let names = loaded.constant_columns.iter();
    let names: Vec<String> = names.map(|name| quoted(name)).collect();
    vec![format!(
        "{} input column(s) are constant and were left at zero after centring: {}",
        names.len(),
        names.join(", ")
    )]
}
