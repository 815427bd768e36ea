//! From the numbers of a tensor to its spectrum: which method, and what it is told about the
//! numbers.

use crate::bidiagonal;
use crate::gram;
use crate::numbers::Numbers;
use crate::source::Tall;
use crate::spectrum::{Failed, Method, Sigma, Spectrum};
use crate::view::Slice;

/// Numbers stored with at least this distance from 1 to the next are squared without loss that
/// shows.
const GRAM_IS_ENOUGH: f64 = f32::EPSILON as f64;

/// The singular values of all slices, pooled.
///
/// `epsilon` is the distance of 1 to the next number in the precision of storage. Numbers of single
/// precision and below go by the Gram matrix; where that leaves one singular value unresolved, and
/// for double precision, it is the bidiagonal form. The result has the same bits on any number of
/// threads.
///
/// # Errors
/// [`Failed`]: numbers that cannot be read or are not finite.
pub fn spectrum(
    values: &dyn Numbers,
    slices: &[Slice],
    epsilon: f64,
    threads: usize,
) -> Result<Spectrum, Failed> {
    let mut pooled = Spectrum {
        sigmas: Vec::new(),
        method: Method::Gram,
    };
    for slice in slices {
        let one = of_slice(values, *slice, epsilon, threads)?;
        pooled.sigmas.extend(one.sigmas);
        if one.method == Method::Bidiagonal {
            pooled.method = Method::Bidiagonal;
        }
    }
    pooled.sigmas.sort_by(|a, b| b.value.total_cmp(&a.value));
    Ok(pooled)
}

fn of_slice(
    values: &dyn Numbers,
    slice: Slice,
    epsilon: f64,
    threads: usize,
) -> Result<Spectrum, Failed> {
    let look = Tall::new(values, slice, 1.0).look()?;
    if look.not_finite > 0 {
        return Err(Failed::NotFinite(look.not_finite));
    }
    if look.largest == 0.0 {
        return Ok(Spectrum {
            sigmas: vec![Sigma::default(); slice.sides().1],
            method: Method::Gram,
        });
    }
    // A power of two: nothing is rounded, and no square over- or underflows.
    let exponent = libm::frexp(look.largest).1.clamp(-1000, 1000);
    let tall = Tall::new(values, slice, libm::ldexp(1.0, -exponent));
    let by_gram = match epsilon >= GRAM_IS_ENOUGH {
        true => gram::sigmas(&tall, threads)?,
        false => None,
    };
    let (sigmas, method) = match by_gram {
        Some(sigmas) => (sigmas, Method::Gram),
        None => (bidiagonal::sigmas(&tall, threads)?, Method::Bidiagonal),
    };
    let back = |x: f64| libm::ldexp(x, exponent);
    let unscaled = |s: Sigma| Sigma {
        value: back(s.value),
        bound: back(s.bound),
    };
    let sigmas: Vec<Sigma> = sigmas.into_iter().map(unscaled).collect();
    match sigmas.iter().all(|s| s.value.is_finite()) {
        true => Ok(Spectrum { sigmas, method }),
        false => Err(Failed::TooLarge),
    }
}
