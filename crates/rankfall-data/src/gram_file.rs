//! Gram files: second moments that someone summed elsewhere, in an NPZ.

use std::path::Path;

use faer::Mat;
use rankfall_core::model::gram::Gram;

use crate::checksum::while_hashing;
use crate::error::{DataError, DataErrorKind, wrong};
use crate::npz::Archive;
use crate::spec::{FileSpec, TableFormat};

/// A Gram read from a file.
#[derive(Clone, Debug)]
pub struct GramFile {
    /// The moments, checked.
    pub gram: Gram,
    /// SHA-256 of the file, in lower-case hexadecimal.
    pub sha256: String,
}

/// Reads an NPZ with `sxx` (p × p), `sxy` (p × k), `syy` (k × k) and `n`.
///
/// Second moments are uncentred means, S = ZᵀZ/n. Any numeric dtype and either memory order;
/// `n` is 0-d or of length one. With one output, `sxy` may be of length p and `syy` a scalar.
/// The moments are checked by [`Gram::check_to`] with the precision of the least precise array.
///
/// # Errors
/// A file that is no NPZ, arrays that are missing or larger than 4 GiB, and
/// [`DataErrorKind::Gram`] for moments that no data could have.
pub fn read_gram(path: impl AsRef<Path>) -> Result<GramFile, DataError> {
    let path = path.as_ref();
    let (gram, sha256) = while_hashing(path, || read(path))?;
    Ok(GramFile { gram, sha256 })
}

fn read(path: &Path) -> Result<Gram, DataError> {
    let mut spec = FileSpec::new(path);
    spec.format = Some(TableFormat::Npz);
    crate::sniff::sniff(&spec)?;
    let archive = Archive::open(path)?;
    let mut precision = f64::EPSILON;
    let mut matrix = |name: &str, upright: bool| {
        let (header, numbers) = archive.numbers(name, spec.memory_limit)?;
        precision = precision.max(header.dtype.precision());
        let shape = shape(name, &header.shape, upright).map_err(|kind| kind.at(path))?;
        let (rows, cols) = (shape.0 as usize, shape.1 as usize);
        Ok(Mat::from_fn(rows, cols, |i, j| numbers[i * cols + j]))
    };
    let sxx = matrix("sxx", false)?;
    let sxy = matrix("sxy", true)?;
    let syy = matrix("syy", false)?;
    let n = rows(path, &archive)?;
    let gram = Gram {
        sxx,
        sxy,
        syy,
        n,
        centred: None,
    };
    (gram.check_to(precision)).map_err(|error| DataErrorKind::Gram(error).at(path))?;
    Ok(gram)
}

/// Rows and columns of an array that may leave out axes of length one.
fn shape(name: &str, shape: &[u64], upright: bool) -> Result<(u64, u64), DataErrorKind> {
    match *shape {
        [] => Ok((1, 1)),
        [length] if upright => Ok((length, 1)),
        [1] => Ok((1, 1)),
        [rows, cols] => Ok((rows, cols)),
        _ => Err(wrong(format!(
            "the array {name:?} holds an array of shape {shape:?}; a Gram file has sxx p x p, sxy p x k, syy k x k and n"
        ))),
    }
}

fn rows(path: &Path, archive: &Archive) -> Result<u64, DataError> {
    let (_, numbers) = archive.numbers("n", 1 << 20)?;
    let what = match numbers[..] {
        // Whole numbers are exact in a double up to 2^53 rows, which no file has.
        [n] if n >= 1.0 && n.fract() == 0.0 && n < 2f64.powi(53) => return Ok(n as u64),
        [n] => format!("n is {n}, but must be a whole number of rows, at least 1"),
        _ => format!(
            "the array \"n\" holds {} numbers; n is the number of rows, a scalar or an array of length one",
            numbers.len()
        ),
    };
    Err(wrong(what).at(path))
}
