//! From a file to its Gram in one pass, and to its rows for those who need them.

use faer::Mat;
use rankfall_core::model::gram::{Gram, GramAccumulator, GramError, Standardization};

use crate::checksum::while_hashing;
use crate::error::{DataError, DataErrorKind, too_large, wrong};
use crate::rows::RowSource;
use crate::spec::FileSpec;

/// A file reduced to its second moments.
#[derive(Clone, Debug)]
pub struct TableMoments {
    /// The moments, of standardised columns when the spec asked for that.
    pub gram: Gram,
    /// Names of the p inputs, in the order of the Gram.
    pub inputs: Vec<String>,
    /// Names of the k outputs, in the order of the Gram; `column=value` for one-hot outputs.
    pub targets: Vec<String>,
    /// Names of the inputs that do not vary; empty unless the spec standardises.
    pub constant_columns: Vec<String>,
    /// The means and scales used, when the spec standardises.
    pub standardization: Option<Standardization>,
    /// SHA-256 of the file, in lower-case hexadecimal, as `sha256sum` prints it.
    pub sha256: String,
    /// Rows read.
    pub rows: u64,
    /// What of the file was taken for something that it need not be, in sentences for a reader of
    /// the results: a first line for names, a column for an index, labels for classes.
    pub notes: Vec<String>,
}

/// Reads a file once (class columns twice) into its Gram.
///
/// Memory is bounded whatever the number of rows. The file is hashed meanwhile by a second
/// thread. One-hot outputs are neither centred nor scaled by standardising; other targets are
/// centred, and scaled where the spec asks for that.
///
/// # Errors
/// Everything that can be wrong with a file, its rows or the columns named; see
/// [`DataErrorKind`]. Moments that would not fit the spec's memory limit are refused first.
pub fn load(spec: &FileSpec) -> Result<TableMoments, DataError> {
    let (mut loaded, sha256) = while_hashing(&spec.path, || reduce(spec))?;
    loaded.sha256 = sha256;
    Ok(loaded)
}

fn reduce(spec: &FileSpec) -> Result<TableMoments, DataError> {
    let mut source = RowSource::open(spec)?;
    let (p, k) = (source.inputs().len(), source.targets().len());
    let bytes = GramAccumulator::bytes(p, k);
    if bytes > spec.memory_limit {
        let what = format!("the moments of {p} inputs and {k} outputs");
        let error = too_large(what, bytes, spec.memory_limit, "name fewer columns");
        return Err(error.at(&spec.path));
    }
    let mut moments = GramAccumulator::new(p, k);
    while let Some(chunk) = source.next_chunk()? {
        let added = moments.add_rows(chunk.x, chunk.y);
        added.map_err(|error| DataErrorKind::Gram(error).at(&spec.path))?;
    }
    finish(spec, &source, &moments)
}

fn finish(
    spec: &FileSpec,
    source: &RowSource,
    moments: &GramAccumulator,
) -> Result<TableMoments, DataError> {
    let (inputs, targets) = (source.inputs().to_vec(), source.targets().to_vec());
    let (gram, standardization) = if spec.standardize {
        let mut standardized = moments.standardized_gram(!spec.one_hot);
        if spec.standardize_targets && !spec.one_hot {
            standardized.scale_targets();
        }
        (standardized.gram, Some(standardized.standardization))
    } else {
        (moments.gram(), None)
    };
    gram.check_finite()
        .map_err(|error| overflow(error, &inputs, &targets).at(&spec.path))?;
    let constant = standardization.iter().flat_map(|s| &s.constant);
    Ok(TableMoments {
        constant_columns: constant.map(|&i| inputs[i].clone()).collect(),
        rows: gram.n,
        gram,
        inputs,
        targets,
        standardization,
        notes: source.notes(),
        sha256: String::new(),
    })
}

/// Names the columns whose product overflowed: rows are finite, so nothing else can be infinite.
fn overflow(error: GramError, inputs: &[String], targets: &[String]) -> DataErrorKind {
    let GramError::NotFinite {
        matrix, row, col, ..
    } = error
    else {
        return DataErrorKind::Gram(error);
    };
    let (rows, cols) = match matrix {
        "sxx" => (inputs, inputs),
        "sxy" => (inputs, targets),
        _ => (targets, targets),
    };
    let name = |names: &[String], i: usize| names.get(i).cloned().unwrap_or_default();
    let (first, second) = (name(rows, row), name(cols, col));
    wrong(format!(
        "columns {first:?} and {second:?} have a mean product too large for a double; rescale them"
    ))
}

/// The rows themselves: inputs n × p and outputs n × k, standardised as `loaded` was.
///
/// `loaded` must come from [`load`] with the same spec; the file must not have changed since.
///
/// # Errors
/// More than `limit` bytes by the estimate 8 n (p + k), before anything is read;
/// [`DataErrorKind::Changed`]; and those of [`load`].
pub fn load_rows(
    spec: &FileSpec,
    loaded: &TableMoments,
    limit: u64,
) -> Result<(Mat<f64>, Mat<f64>), DataError> {
    let (p, k) = (loaded.inputs.len(), loaded.targets.len());
    let bytes = loaded.rows.saturating_mul(8).saturating_mul((p + k) as u64);
    if bytes > limit {
        let what = format!("{} rows of {p} inputs and {k} outputs", loaded.rows);
        let cure =
            "take fewer rows, or a dynamics that needs only the moments (full batch, or a flow)";
        return Err(too_large(what, bytes, limit, cure).at(&spec.path));
    }
    let changed = || DataErrorKind::Changed("since its moments were read").at(&spec.path);
    let (matrices, sha256) = while_hashing(&spec.path, || {
        let mut source = RowSource::open(spec)?;
        if source.inputs() != loaded.inputs || source.targets() != loaded.targets {
            return Err(changed());
        }
        read_matrices(&mut source, loaded)?.ok_or_else(changed)
    })?;
    if sha256 != loaded.sha256 {
        return Err(changed());
    }
    Ok(matrices)
}

/// Inputs n × p and outputs n × k.
type Matrices = (Mat<f64>, Mat<f64>);

/// All rows; `None` when there are not as many as there were.
fn read_matrices(
    source: &mut RowSource,
    loaded: &TableMoments,
) -> Result<Option<Matrices>, DataError> {
    // The estimate was checked, and fits an address because it fits the limit.
    let n = loaded.rows as usize;
    let mut x = Mat::zeros(n, loaded.inputs.len());
    let mut y = Mat::zeros(n, loaded.targets.len());
    let mut done = 0;
    while let Some(chunk) = source.next_chunk()? {
        if chunk.rows > n - done {
            return Ok(None);
        }
        let scales = loaded.standardization.as_ref();
        write_rows(chunk.x, done, &mut x, |j, value| {
            scales.map_or(value, |s| s.input(j, value))
        });
        write_rows(chunk.y, done, &mut y, |j, value| {
            scales.map_or(value, |s| s.target(j, value))
        });
        done += chunk.rows;
    }
    Ok((done == n).then_some((x, y)))
}

/// Writes rows, row-major, into a matrix from row `start` on.
fn write_rows(rows: &[f64], start: usize, out: &mut Mat<f64>, scaled: impl Fn(usize, f64) -> f64) {
    for j in 0..out.ncols() {
        for (r, &value) in rows.iter().skip(j).step_by(out.ncols()).enumerate() {
            out[(start + r, j)] = scaled(j, value);
        }
    }
}
