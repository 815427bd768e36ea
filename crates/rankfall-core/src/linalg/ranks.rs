//! Notions of rank of a spectrum: numerical, effective and stable rank, and the nuclear norm.

use crate::simd::instructions::LaneWork;
use crate::simd::lane_math::{exp, exp_of_negative, ln};
use crate::simd::lanes::Lanes;

/// Notions of rank of one spectrum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ranks {
    /// #{σᵢ > tolerance · σ₁}.
    pub numerical: f64,
    /// exp of the entropy of σᵢ/Σσ (Roy and Vetterli, EUSIPCO 2007).
    pub effective: f64,
    /// Σσᵢ²/σ₁².
    pub stable: f64,
    /// Σσᵢ.
    pub nuclear_norm: f64,
}

impl Ranks {
    /// From natural logarithms of singular values, largest first. NaN for a zero matrix, but its
    /// numerical rank and nuclear norm are 0.
    pub fn new(logs: impl Iterator<Item = f64>, log_tolerance: f64) -> Self {
        let logs: Vec<_> = logs.map(|log| Lanes([log])).collect();
        let logs = &logs;
        let [numerical, effective, stable, nuclear_norm] = RanksOfLanes {
            logs,
            log_tolerance,
        }
        .run()
        .map(|rank| rank.0[0]);
        Self {
            numerical,
            effective,
            stable,
            nuclear_norm,
        }
    }
}

/// [`Ranks`] of N spectra, in the order of its fields.
pub(crate) struct RanksOfLanes<'a, const N: usize> {
    /// Natural logarithms of singular values, largest first.
    pub logs: &'a [Lanes<N>],
    /// Of the tolerance of the numerical rank.
    pub log_tolerance: f64,
}

impl<const N: usize> LaneWork for RanksOfLanes<'_, N> {
    type Output = [Lanes<N>; 4];
    const WIDE: bool = false;

    #[inline(always)]
    fn run(self) -> [Lanes<N>; 4] {
        let undefined = Lanes::splat(f64::NAN);
        let Some(&largest) = self.logs.first() else {
            return [Lanes::ZERO, undefined, undefined, Lanes::ZERO];
        };
        let tolerance = Lanes::splat(self.log_tolerance);
        let (mut count, mut sum) = (Lanes::ZERO, Lanes::ZERO);
        let (mut squares, mut weighted) = (Lanes::ZERO, Lanes::ZERO);
        for &log in self.logs {
            let relative_log = log - largest;
            let relative = exp_of_negative(relative_log);
            count += Lanes::ONE.select(tolerance.less_than(relative_log), Lanes::ZERO);
            sum += relative;
            squares = relative.mul_add(relative, squares);
            let finite = relative_log.select(Lanes::ZERO.less_than(relative), Lanes::ZERO);
            weighted = relative.mul_add(finite, weighted);
        }
        // −Σ p ln p with p = r/Σr is ln Σr − Σ r ln r / Σr: with the largest r one, between 0 and
        // its ln.
        let entropy = ln(sum) - weighted / sum;
        let effective = Lanes::ONE / exp_of_negative(-entropy);
        let nonzero = Lanes::splat(f64::NEG_INFINITY).less_than(largest);
        let nuclear_norm = sum * exp(largest);
        [
            count.select(nonzero, Lanes::ZERO),
            effective.select(nonzero, undefined),
            squares.select(nonzero, undefined),
            nuclear_norm.select(nonzero, Lanes::ZERO),
        ]
    }
}
