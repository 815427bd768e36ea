//! Which columns of a table are inputs and which are targets.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use crate::error::{DataError, DataErrorKind, wrong};
use crate::spec::{ColumnSelector, FileSpec};

/// More columns than this are taken for a mistake: their Gram would not fit anyway.
pub(crate) const MAX_COLUMNS: usize = 1_000_000;
/// How many names an error message lists.
const LISTED: usize = 20;

/// The columns that a table has.
#[derive(Clone, Debug)]
pub(crate) struct Columns {
    /// A name for every column; made up when the file has none.
    pub names: Vec<String>,
    /// Where the names come from.
    pub naming: Naming,
    /// Columns that number or name the rows: no inputs unless they are asked for.
    pub index: Vec<usize>,
    /// In an NPZ with two arrays, how many columns the array of inputs has; they come first.
    pub split: Option<usize>,
}

/// Where the names of columns come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Naming {
    /// Made up from positions, and no name to ask for.
    MadeUp,
    /// Made up from the names of arrays.
    Arrays,
    /// The file's own.
    Own,
}

impl Columns {
    /// Columns without names of their own.
    pub fn unnamed(count: usize) -> Self {
        Self {
            names: (0..count).map(|i| format!("column {i}")).collect(),
            naming: Naming::MadeUp,
            index: Vec::new(),
            split: None,
        }
    }

    /// Columns named by the file.
    ///
    /// # Errors
    /// A name that occurs twice.
    pub fn named(path: &Path, names: Vec<String>) -> Result<Self, DataError> {
        let mut seen = HashMap::with_capacity(names.len());
        for (second, name) in names.iter().enumerate() {
            if let Some(first) = seen.insert(name.as_str(), second) {
                return Err(wrong(format!(
                    "columns {first} and {second} are both called {name:?}; rename one of them"
                ))
                .at(path));
            }
        }
        Ok(Self {
            names,
            naming: Naming::Own,
            index: Vec::new(),
            split: None,
        })
    }
}

/// Positions of the inputs and targets in a table, in the order asked for.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    pub inputs: Vec<usize>,
    pub targets: Vec<usize>,
}

/// Finds the columns that a spec names.
///
/// # Errors
/// Unknown names and positions, none named, and a column named twice.
pub(crate) fn resolve(spec: &FileSpec, columns: &Columns) -> Result<Resolved, DataErrorKind> {
    let count = columns.names.len();
    let targets = match (&spec.targets, columns.split) {
        (Some(selectors), split) => find_all(selectors, columns, split.unwrap_or(0)..count)?,
        (None, Some(split)) => (split..count).collect(),
        (None, None) => Vec::new(),
    };
    if targets.is_empty() {
        return Err(wrong(format!(
            "no target columns are named; set targets to some of: {}",
            list(&columns.names)
        )));
    }
    let candidates = 0..columns.split.unwrap_or(count);
    let mut role: Vec<Option<&'static str>> = vec![None; count];
    claim(&targets, "a target", columns, &mut role)?;
    let inputs = match &spec.inputs {
        Some(selectors) => {
            let inputs = find_all(selectors, columns, candidates)?;
            claim(&inputs, "an input", columns, &mut role)?;
            inputs
        }
        None => (candidates.filter(|&c| role[c].is_none()))
            .filter(|c| !columns.index.contains(c))
            .collect(),
    };
    if inputs.is_empty() {
        return Err(wrong(
            "no input columns are left: every column is a target or an index; name inputs to use an index as one",
        ));
    }
    Ok(Resolved { inputs, targets })
}

fn claim(
    chosen: &[usize],
    second: &'static str,
    columns: &Columns,
    role: &mut [Option<&'static str>],
) -> Result<(), DataErrorKind> {
    for &column in chosen {
        if let Some(first) = role[column].replace(second) {
            return Err(wrong(format!(
                "the column {:?} is named twice, as {first} and as {second}; once is enough",
                columns.names[column]
            )));
        }
    }
    Ok(())
}

fn find_all(
    selectors: &[ColumnSelector],
    columns: &Columns,
    range: std::ops::Range<usize>,
) -> Result<Vec<usize>, DataErrorKind> {
    let names = &columns.names[range.clone()];
    // Thousands of names against thousands of columns: look them up, do not search.
    let by_name = places(names);
    let last = names.len().saturating_sub(1);
    let find = |selector: &ColumnSelector| match selector {
        ColumnSelector::Position(position) if *position < names.len() => Ok(*position),
        ColumnSelector::Position(position) => Err(wrong(format!(
            "there is no column {position}: positions go from 0 to {last}"
        ))),
        ColumnSelector::Name(name) => match by_name.get(name.as_str()) {
            Some(&position) => Ok(position),
            None if columns.naming != Naming::MadeUp => Err(unknown("column", name, names)),
            None => Err(wrong(format!(
                "the column {name:?} cannot be found, for the columns have no names; use positions from 0 to {last}, \
                 or set header = true if the first line is names"
            ))),
        },
    };
    let positions = selectors.iter().map(find);
    positions.map(|p| p.map(|p| p + range.start)).collect()
}

fn places(names: &[String]) -> HashMap<&str, usize> {
    let named = names.iter().enumerate();
    named.map(|(i, name)| (name.as_str(), i)).collect()
}

/// Finds in a second file of a table the columns that `known` are in the first, at `path`: by name
/// where both files have names of their own, else by position.
///
/// # Errors
/// Columns that are in one file alone: all of them where the inputs are not named, else those asked
/// for; and tables of different width where names do not tell the columns.
pub(crate) fn matching(
    spec: &FileSpec,
    columns: &Columns,
    (first, known): (&Columns, &Resolved),
    path: &Path,
) -> Result<Resolved, DataError> {
    let differ = |difference: String| {
        wrong(format!(
            "its columns are not those of {}: {difference}; both files need the same columns, in any order, or name the inputs",
            path.display()
        ))
        .at(&spec.path)
    };
    if columns.naming != Naming::Own || first.naming != Naming::Own {
        let [here, there] = [columns, first].map(|c| c.names.len());
        let fits = here == there && columns.split == first.split;
        return match fits {
            true => Ok(known.clone()),
            false => Err(differ(format!(
                "it has {here} columns and that has {there}"
            ))),
        };
    }
    let place = places(&columns.names);
    let wanted = known.inputs.iter().chain(&known.targets);
    let missing: Vec<String> = (wanted.clone().map(|&c| &first.names[c]))
        .filter(|name| !place.contains_key(name.as_str()))
        .cloned()
        .collect();
    let there: HashSet<&str> = first.names.iter().map(String::as_str).collect();
    let extra: Vec<String> = (columns.names.iter().enumerate())
        .filter(|(c, name)| !there.contains(name.as_str()) && !columns.index.contains(c))
        .filter(|_| spec.inputs.is_none())
        .map(|(_, name)| name.clone())
        .collect();
    let parts = [("it lacks", &missing), ("it has besides", &extra)];
    let parts: Vec<String> = (parts.iter().filter(|(_, names)| !names.is_empty()))
        .map(|(what, names)| format!("{what} {}", list(names)))
        .collect();
    if !parts.is_empty() {
        return Err(differ(parts.join(", and ")));
    }
    let of = |columns: &[usize]| {
        let names = columns.iter().map(|&c| first.names[c].as_str());
        names.map(|name| place[name]).collect()
    };
    Ok(Resolved {
        inputs: of(&known.inputs),
        targets: of(&known.targets),
    })
}

/// What to say of the index columns that were left out.
pub(crate) fn index_note(
    spec: &FileSpec,
    columns: &Columns,
    resolved: &Resolved,
) -> Option<String> {
    let left_out: Vec<usize> = (columns.index.iter().copied())
        .filter(|column| !resolved.targets.contains(column))
        .collect();
    let (Some(&first), None) = (left_out.first(), &spec.inputs) else {
        return None;
    };
    let names: Vec<String> = left_out.iter().map(|&c| columns.names[c].clone()).collect();
    let (what, them) = match names.len() {
        1 => ("column", "it"),
        _ => ("columns", "them"),
    };
    Some(format!(
        "{what} {} (position {first}): an index of the rows, left out of the inputs; positions count \
         {them}, and inputs can name {them}",
        list(&names)
    ))
}

/// The error for a name that is not among `names`, with the nearest that is.
pub(crate) fn unknown(what: &str, name: &str, names: &[String]) -> DataErrorKind {
    let similarity =
        |other: &str| strsim::jaro_winkler(&name.to_lowercase(), &other.to_lowercase());
    let best = (names.iter())
        .map(|other| (similarity(other), other))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let nearest = best.filter(|b| b.0 > 0.7);
    let meant = nearest.map_or(String::new(), |(_, nearest)| {
        format!(" (did you mean {nearest:?}?)")
    });
    wrong(format!(
        "there is no {what} {name:?}{meant}; there are: {}",
        list(names)
    ))
}

/// The names, up to a number that fits a message.
pub(crate) fn list(names: &[String]) -> String {
    let shown = names.iter().take(LISTED).map(|name| format!("{name:?}"));
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if names.len() > LISTED {
        text.push_str(&format!(" and {} more", names.len() - LISTED));
    }
    if text.is_empty() {
        text.push_str("none");
    }
    text
}
