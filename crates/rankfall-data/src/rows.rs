//! Rows of inputs and outputs, chunk by chunk: what is between the file and the moments.

use crate::classes::{ClassCodes, SortedClasses};
use crate::columns::resolve;
use crate::error::DataError;
use crate::spec::FileSpec;
use crate::table::{Classes, Picked, ReadRows, Table, chunk_rows};

/// A stream of the rows that a [`FileSpec`] asks for.
///
/// Memory is bounded whatever the number of rows: one chunk of about half a megabyte, and what
/// the format itself needs (a line; a row; a page per Parquet column). Values are raw: a spec
/// that standardises does so in [`load`](crate::load) and [`load_rows`](crate::load_rows).
pub struct RowSource {
    reader: Box<dyn ReadRows>,
    inputs: Vec<String>,
    targets: Vec<String>,
    /// Input columns, which come first among the picked.
    width: usize,
    classes: Classes,
    /// For each target column, its classes if it is one.
    sorted: Vec<Option<SortedClasses>>,
    values: Vec<f64>,
    x: Vec<f64>,
    y: Vec<f64>,
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
        let columns = table.columns();
        let resolved = resolve(spec, columns)?;
        let pick = |&column: &usize, class| Picked {
            column,
            name: columns.names[column].clone(),
            class,
        };
        let targets: Vec<Picked> = (resolved.targets.iter())
            .map(|column| pick(column, spec.one_hot))
            .collect();
        let inputs = resolved.inputs.iter().map(|column| pick(column, false));
        let mut picked: Vec<Picked> = inputs.collect();
        let width = picked.len();
        let input_names = picked.iter().map(|p| p.name.clone()).collect();
        let mut codes: Classes = vec![None; targets.len()];
        if spec.one_hot {
            codes = collect_classes(&table, &targets)?;
        }
        let sorted: Vec<Option<SortedClasses>> = (codes.iter_mut())
            .map(|codes| codes.as_mut().map(ClassCodes::complete))
            .collect();
        let target_names = target_names(&targets, &sorted);
        picked.extend(targets);
        let mut classes: Classes = vec![None; width];
        classes.extend(codes);
        Ok(Self {
            reader: table.rows(picked)?,
            inputs: input_names,
            targets: target_names,
            width,
            classes,
            sorted,
            values: Vec::new(),
            x: Vec::new(),
            y: Vec::new(),
        })
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
        let limit = chunk_rows(self.width + self.targets.len());
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
        self.x.reserve(rows * self.width);
        self.y.reserve(rows * self.targets.len());
        for row in self.values.chunks_exact(self.width + self.sorted.len()) {
            let (x, y) = row.split_at(self.width);
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

/// Reads the class columns alone, for their distinct values.
fn collect_classes(table: &Table, targets: &[Picked]) -> Result<Classes, DataError> {
    let mut classes: Classes = (targets.iter())
        .map(|target| Some(ClassCodes::new(&target.name)))
        .collect();
    let mut reader = table.rows(targets.to_vec())?;
    let mut values = Vec::new();
    while reader.read(chunk_rows(targets.len()), &mut values, &mut classes)? > 0 {}
    Ok(classes)
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
