//! What is said of a spectrum: ranks, norms, determinant, what stands above noise; each with what
//! errors of the singular values can change it by.

use crate::spectrum::{Sigma, Spectrum};
use crate::tail::{self, FEWEST, Tail};
use crate::view::Slice;

/// The numbers of one row of a record.
#[derive(Clone, Debug, PartialEq)]
pub struct Measures {
    /// The largest singular value.
    pub sigma_max: Sigma,
    /// The smallest.
    pub sigma_min: Sigma,
    /// Those above `tolerance · sigma_max`.
    pub numerical_rank: usize,
    /// max(rows, columns) · ε of the precision of storage.
    pub tolerance: f64,
    /// exp(−Σ p ln p) with p = σ/Σσ; `None` for a zero matrix, and its error to first order.
    pub effective_rank: Option<(f64, f64)>,
    /// Σσ²/σ_max², and its error to first order.
    pub stable_rank: Option<(f64, f64)>,
    /// Σσ, and a bound of its error.
    pub nuclear_norm: (f64, f64),
    /// ln |det| of one square matrix, and a bound of its error; `None` where a singular value is
    /// not told from zero.
    pub log_abs_det: Option<(f64, f64)>,
    /// The power law of its upper end.
    pub tail: Option<Tail>,
    /// What stands above noise; `None` for a zero matrix, and for sides of fewer than [`FEWEST`].
    pub above_noise: Option<AboveNoise>,
    /// The largest bound of the error of a singular value.
    pub error_bound: f64,
}

/// The singular values that a random matrix would not have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AboveNoise {
    /// The edge of Marchenko and Pastur for σ: s (√rows + √columns) with s² the mean square of the
    /// numbers.
    pub edge: f64,
    /// How many stand above it.
    pub count: usize,
    /// Their share of Σσ².
    pub share: f64,
}

/// Measures the spectrum of these slices, numbers stored with this ε.
#[must_use]
pub fn of(spectrum: &Spectrum, slices: &[Slice], epsilon: f64) -> Measures {
    let sigmas = &spectrum.sigmas;
    let (first, last) = (sigmas.first().copied(), sigmas.last().copied());
    let (sigma_max, sigma_min) = (first.unwrap_or_default(), last.unwrap_or_default());
    let longer = slices.iter().map(|slice| slice.sides().0).max();
    let longer = longer.unwrap_or(0);
    let tolerance = longer as f64 * epsilon;
    let above = |edge: f64| sigmas.iter().take_while(move |s| s.value > edge);
    // By a power of two, which rounds nothing: squares neither over- nor underflow.
    let exponent = libm::frexp(sigma_max.value).1.clamp(-1000, 1000);
    let scaled = |s: &Sigma| Sigma {
        value: libm::ldexp(s.value, -exponent),
        bound: libm::ldexp(s.bound, -exponent),
    };
    let scaled: Vec<Sigma> = sigmas.iter().map(scaled).collect();
    let back = |x: f64| libm::ldexp(x, exponent);
    let sum = Sums::of(&scaled);
    Measures {
        sigma_max,
        sigma_min,
        numerical_rank: above(tolerance * sigma_max.value).count(),
        tolerance,
        effective_rank: sum.effective_rank(&scaled),
        stable_rank: sum.stable_rank(scaled.first().copied().unwrap_or_default()),
        nuclear_norm: (back(sum.values), back(sum.bounds)),
        log_abs_det: log_abs_det(sigmas, slices),
        tail: tail::fit(sigmas),
        above_noise: above_noise(&scaled, slices, sum.squares).map(|above| AboveNoise {
            edge: back(above.edge),
            ..above
        }),
        error_bound: sigmas.iter().map(|s| s.bound).fold(0.0, f64::max),
    }
}

fn above_noise(sigmas: &[Sigma], slices: &[Slice], squares: f64) -> Option<AboveNoise> {
    let slice = slices.first().filter(|slice| slice.sides().1 >= FEWEST)?;
    let numbers: f64 = slices
        .iter()
        .map(|s| s.rows as f64 * s.columns as f64)
        .sum();
    let (rows, columns) = (slice.rows as f64, slice.columns as f64);
    let edge = (squares / numbers).sqrt() * (rows.sqrt() + columns.sqrt());
    let above = || sigmas.iter().take_while(|s| s.value > edge);
    (squares > 0.0).then(|| AboveNoise {
        edge,
        count: above().count(),
        share: above().map(|s| s.value * s.value).sum::<f64>() / squares,
    })
}

/// Sums over all singular values.
struct Sums {
    values: f64,
    bounds: f64,
    squares: f64,
    square_bounds: f64,
}

impl Sums {
    fn of(sigmas: &[Sigma]) -> Self {
        let sum = |f: &dyn Fn(&Sigma) -> f64| sigmas.iter().map(f).sum();
        Self {
            values: sum(&|s| s.value),
            bounds: sum(&|s| s.bound),
            squares: sum(&|s| s.value * s.value),
            square_bounds: sum(&|s| 2.0 * s.value * s.bound),
        }
    }

    fn effective_rank(&self, sigmas: &[Sigma]) -> Option<(f64, f64)> {
        if self.values == 0.0 {
            return None;
        }
        let shares = sigmas
            .iter()
            .map(|s| (s, s.value / self.values))
            .filter(|(_, p)| *p > 0.0);
        let entropy: f64 = shares.clone().map(|(_, p)| -p * libm::log(p)).sum();
        // ∂ ln rank / ∂σ = −(ln p + entropy)/Σσ; a share below its bound is at most as the bound.
        let slope = |(s, p): (&Sigma, f64)| {
            let p = p.max(s.bound / self.values);
            (libm::log(p) + entropy).abs() * s.bound / self.values
        };
        let rank = libm::exp(entropy);
        Some((rank, rank * shares.map(slope).sum::<f64>()))
    }

    fn stable_rank(&self, largest: Sigma) -> Option<(f64, f64)> {
        let square = largest.value * largest.value;
        let rank = self.squares / square;
        let error = self.square_bounds / square + 2.0 * rank * largest.bound / largest.value;
        (square > 0.0).then_some((rank, error))
    }
}

fn log_abs_det(sigmas: &[Sigma], slices: &[Slice]) -> Option<(f64, f64)> {
    let [slice] = slices else {
        return None;
    };
    let is_square = slice.rows == slice.columns;
    if !is_square || !sigmas.iter().all(|s| s.is_resolved()) {
        return None;
    }
    let value = sigmas.iter().map(|s| libm::log(s.value)).sum();
    let error = sigmas
        .iter()
        .map(|s| -libm::log1p(-s.bound / s.value))
        .sum();
    Some((value, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spectrum::Method;

    fn square(values: &[f64]) -> Measures {
        let n = values.len();
        let slice = Slice {
            start: 0,
            rows: n,
            columns: n,
            row_stride: n,
            column_stride: 1,
        };
        let sigmas = values
            .iter()
            .map(|&value| Sigma {
                value,
                bound: 1e-16,
            })
            .collect();
        of(
            &Spectrum {
                sigmas,
                method: Method::Gram,
            },
            &[slice],
            f64::from(f32::EPSILON),
        )
    }

    #[test]
    fn measures_of_a_flat_spectrum_are_its_size() {
        let m = square(&[2.0; 8]);
        assert!((m.effective_rank.unwrap().0 - 8.0).abs() < 1e-12);
        assert!((m.stable_rank.unwrap().0 - 8.0).abs() < 1e-12);
        assert!((m.log_abs_det.unwrap().0 - 8.0 * 2f64.ln()).abs() < 1e-12);
        assert_eq!((m.numerical_rank, m.nuclear_norm.0), (8, 16.0));
    }

    #[test]
    fn a_value_below_the_rounding_of_storage_does_not_count() {
        // ε of single precision times 3 is 3.6e-7.
        assert_eq!(square(&[1.0, 3.7e-7, 1e-9]).numerical_rank, 2);
        assert_eq!(square(&[1.0, 3.5e-7, 1e-9]).numerical_rank, 1);
    }

    #[test]
    fn what_is_not_told_from_zero_has_no_determinant() {
        assert_eq!(square(&[1.0, 1e-17]).log_abs_det, None);
        let zero = square(&[0.0, 0.0]);
        assert_eq!(
            (
                zero.effective_rank,
                zero.stable_rank,
                zero.above_noise,
                zero.numerical_rank
            ),
            (None, None, None, 0)
        );
    }

    #[test]
    fn a_spike_stands_above_noise() {
        let mut values = [1.0; 12];
        values[0] = 20.0;
        let above = square(&values).above_noise.unwrap();
        assert!(above.count == 1 && (above.share - 400.0 / 411.0).abs() < 1e-12);
        assert_eq!(square(&[10.0, 1.0]).above_noise, None);
    }
}
