//! Rows of inputs and outputs, chunk by chunk: what is between the file and the moments.

use std::path::PathBuf;

use crate::classes::{ClassCodes, SortedClasses};
use crate::columns::{Columns, Naming, Resolved, index_note, matching, resolve};
use crate::error::DataError;
use crate::read_rows::{Classes, Picked, ReadRows, chunk_rows};
use crate::spec::FileSpec;
use crate::table::Table;

/// Rows after which a first column that counts them is taken notice of.
const COUNTED: u64 = 10;

/// A stream of the rows that a [`FileSpec`] asks for.
///
/// Memory is bounded whatever the number of rows: one chunk of about half a megabyte, and what
/// the format itself needs (a line; a row; a page per Parquet column). Values are raw: a spec
/// that standardises does so in [`load`](crate::load) and [`load_rows`](crate::load_rows).
pub struct RowSource {
    reader: Box<dyn ReadRows>,
    path: PathBuf,
    columns: Columns,
    resolved: Resolved,
    inputs: Vec<String>,
    targets: Vec<String>,
    /// For each target column, its classes if it is one.
    sorted: Vec<Option<SortedClasses>>,
    /// Whether the targets were outputs of classes as they stood.
    already_one_hot: bool,
    notes: Vec<String>,
    counted: Counted,
    classes: Classes,
    values: Vec<f64>,
    x: Vec<f64>,
    y: Vec<f64>,
}

/// Watches whether the first column of a table, an input that nobody asked for by name, counts
/// the rows.
struct Counted {
    slot: Option<usize>,
    start: f64,
    rows: u64,
}

/// Consecutive rows, row-major.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'a> {
    /// rows × p inputs.
    pub x: &'a [f64],
    /// rows × k outputs.
    pub y: &'a [f64],
    /// How many rows, at least 1.
    pub rows: usize,
}

impl RowSource {
    /// Opens the file and finds its columns; with `one_hot`, reads the class columns through once.
    ///
    /// # Errors
    /// Everything that can be wrong before the first row, and with `one_hot` in class columns.
    pub fn open(spec: &FileSpec) -> Result<Self, DataError> {
        let table = Table::open(spec)?;
        let resolved = resolve(spec, table.columns()).map_err(|kind| kind.at(&spec.path))?;
        Self::of(spec, &table, resolved, None)
    }

    /// Opens a second file of the table that `first` is of, such as rows held out: its columns are
    /// found by name where both files name them, whatever their order, and by position elsewhere,
    /// which a note says where only one has names.
    ///
    /// # Errors
    /// Those of [`RowSource::open`], and columns that are not those of `first`.
    pub fn open_like(spec: &FileSpec, first: &Self) -> Result<Self, DataError> {
        let table = Table::open(spec)?;
        let known = (&first.columns, &first.resolved);
        let resolved = matching(spec, table.columns(), known, &first.path)?;
        let [here, there] = [table.columns(), &first.columns].map(|c| c.naming == Naming::Own);
        let (with, without) = match (here, there) {
            (true, false) => (&spec.path, &first.path),
            (false, true) => (&first.path, &spec.path),
            _ => return Self::of(spec, &table, resolved, None),
        };
        let [with, without] =
            [with, without].map(|path| path.file_name().unwrap_or_default().to_string_lossy());
        let note = format!(
            "{with:?} has column names and {without:?} has none: columns were matched by position"
        );
        Self::of(spec, &table, resolved, Some(note))
    }

    fn of(
        spec: &FileSpec,
        table: &Table,
        resolved: Resolved,
        note: Option<String>,
    ) -> Result<Self, DataError> {
        let columns = table.columns();
        let mut notes = table.notes().to_vec();
        notes.extend(note);
        notes.extend(index_note(spec, columns, &resolved));
        let pick = |&column: &usize, class| Picked {
            column,
            name: columns.names[column].clone(),
            class,
        };
        let mut picked: Vec<Picked> = resolved.inputs.iter().map(|c| pick(c, false)).collect();
        let width = picked.len();
        let input_names = picked.iter().map(|p| p.name.clone()).collect();
        let targets =
            |class| -> Vec<Picked> { resolved.targets.iter().map(|c| pick(c, class)).collect() };
        let mut found = Found::of(table, &targets(spec.one_hot), &spec.path)?;
        if found.already_one_hot {
            notes.push("the targets are one-hot already, and were taken as they are".to_owned());
        }
        for sorted in found.sorted.iter().flatten() {
            notes.extend(sorted.notes.iter().cloned());
        }
        let chosen = targets(spec.one_hot && !found.already_one_hot);
        let target_names = target_names(&chosen, &found.sorted);
        picked.extend(chosen);
        let mut classes: Classes = vec![None; width];
        classes.append(&mut found.codes);
        let watched = resolved.inputs.iter().position(|&column| column == 0);
        Ok(Self {
            reader: table.rows(picked)?,
            path: spec.path.clone(),
            columns: columns.clone(),
            resolved,
            inputs: input_names,
            targets: target_names,
            classes,
            sorted: found.sorted,
            already_one_hot: found.already_one_hot,
            notes,
            counted: Counted {
                slot: watched.filter(|_| spec.inputs.is_none()),
                start: 0.0,
                rows: 0,
            },
            values: Vec::new(),
            x: Vec::new(),
            y: Vec::new(),
        })
    }

    /// What of the file was taken for something that it need not be, in sentences: complete once
    /// all rows were read.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = self.notes.clone();
        notes.extend(self.reader.notes());
        notes.extend(self.counted.note(&self.inputs));
        notes
    }

    /// With `one_hot`, the label of each output; `None` without, and where several columns are
    /// classes, so that outputs of different columns stand side by side.
    pub fn labels(&self) -> Option<&[String]> {
        match &self.sorted[..] {
            _ if self.already_one_hot => Some(&self.targets),
            [Some(only)] => Some(&only.labels),
            _ => None,
        }
    }

    /// Names of the p inputs, in order.
    pub fn inputs(&self) -> &[String] {
        &self.inputs
    }

    /// Names of the k outputs, in order; `column=value` for one-hot outputs.
    pub fn targets(&self) -> &[String] {
        &self.targets
    }

    /// The next rows, or `None` at the end.
    ///
    /// # Errors
    /// Whatever is wrong in those rows, with its row and column.
    pub fn next_chunk(&mut self) -> Result<Option<Chunk<'_>>, DataError> {
        let limit = chunk_rows(self.inputs.len() + self.targets.len());
        let rows = (self.reader).read(limit, &mut self.values, &mut self.classes)?;
        if rows == 0 {
            return Ok(None);
        }
        self.split(rows);
        Ok(Some(Chunk {
            x: &self.x,
            y: &self.y,
            rows,
        }))
    }

    /// Parts the values into inputs and outputs, and expands classes.
    fn split(&mut self, rows: usize) {
        self.x.clear();
        self.y.clear();
        let width = self.inputs.len();
        self.x.reserve(rows * width);
        self.y.reserve(rows * self.targets.len());
        for row in self.values.chunks_exact(width + self.sorted.len()) {
            let (x, y) = row.split_at(width);
            self.counted.see(x);
            self.x.extend_from_slice(x);
            for (&value, sorted) in y.iter().zip(&self.sorted) {
                let Some(sorted) = sorted else {
                    self.y.push(value);
                    continue;
                };
                let start = self.y.len();
                self.y.resize(start + sorted.rank.len(), 0.0);
                // A code is below the number of classes, else reading had failed.
                if let Some(&place) = sorted.rank.get(value as usize) {
                    self.y[start + place] = 1.0;
                }
            }
        }
    }
}

impl Counted {
    fn see(&mut self, inputs: &[f64]) {
        let Some(value) = self.slot.and_then(|slot| inputs.get(slot)) else {
            return;
        };
        if self.rows == 0 {
            self.start = *value;
        }
        let counts =
            (self.start == 0.0 || self.start == 1.0) && *value == self.start + self.rows as f64;
        match counts {
            true => self.rows += 1,
            false => self.slot = None,
        }
    }

    fn note(&self, inputs: &[String]) -> Option<String> {
        let name = inputs.get(self.slot?)?;
        (self.rows >= COUNTED).then(|| {
            format!(
                "the input {name:?} counts the rows from {}; if it is an index, leave it out by naming the inputs",
                self.start
            )
        })
    }
}

/// The classes of the target columns.
struct Found {
    codes: Classes,
    sorted: Vec<Option<SortedClasses>>,
    /// Several columns of zeros and ones, of which each row has exactly one 1.
    already_one_hot: bool,
}

impl Found {
    /// Reads the class columns alone, for their distinct labels; there is nothing to find where
    /// the targets are numbers.
    fn of(table: &Table, targets: &[Picked], path: &std::path::Path) -> Result<Self, DataError> {
        let mut found = Self {
            codes: vec![None; targets.len()],
            sorted: vec![None; targets.len()],
            already_one_hot: false,
        };
        if !targets.iter().any(|target| target.class) {
            return Ok(found);
        }
        let codes = targets.iter().map(|t| Some(ClassCodes::new(&t.name)));
        let mut codes: Classes = codes.collect();
        let mut reader = table.rows(targets.to_vec())?;
        let mut values = Vec::new();
        let mut one_hot = targets.len() > 1;
        while reader.read(chunk_rows(targets.len()), &mut values, &mut codes)? > 0 {
            let mut rows = values.chunks_exact(targets.len());
            one_hot = one_hot && rows.all(|row| is_one_hot(row, &codes));
        }
        found.already_one_hot = one_hot;
        if !one_hot {
            for (sorted, codes) in found.sorted.iter_mut().zip(codes.iter_mut().flatten()) {
                *sorted = Some(codes.complete().map_err(|kind| kind.at(path))?);
            }
            found.codes = codes;
        }
        Ok(found)
    }
}

/// Whether the labels behind these codes are zeros and exactly one 1.
fn is_one_hot(row: &[f64], codes: &Classes) -> bool {
    let label = |(&code, codes): (&f64, &Option<ClassCodes>)| codes.as_ref()?.value(code as usize);
    let mut ones = 0;
    for label in row.iter().zip(codes).map(label) {
        match label {
            Some(1.0) => ones += 1,
            Some(0.0) => {}
            _ => return false,
        }
    }
    ones == 1
}

fn target_names(targets: &[Picked], sorted: &[Option<SortedClasses>]) -> Vec<String> {
    let mut names = Vec::new();
    for (target, sorted) in targets.iter().zip(sorted) {
        match sorted {
            Some(sorted) => names.extend(sorted.names.iter().cloned()),
            None => names.push(target.name.clone()),
        }
    }
    names
}
