//! Measured decay rates: slopes of log σᵢ(t) over an ensemble, with their statistical errors.
//!
//! Trajectories are independent, so errors come from their spread and need no model of the
//! correlation in time.

use faer::Mat;
use thiserror::Error;

use crate::measure::layout::Layout;

/// A measured number and how far it can be trusted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The estimate.
    pub value: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// Degrees of freedom of the standard error; not whole where several were combined.
    pub degrees: f64,
}

/// Decay rates of one matrix, per unit of t.
#[derive(Clone, Debug, PartialEq)]
pub struct MeasuredRates {
    /// Of log σᵢ, largest singular value first.
    pub rates: Vec<Estimate>,
    /// Of Σ log σᵢ. Its error is not that of the parts together: their noise cancels.
    pub sum: Estimate,
    /// Slopes of each trajectory, in the order of `rates`.
    pub slopes: Vec<Vec<f64>>,
}

impl MeasuredRates {
    /// The mean of the rates at these places (from 0): the way to compare singular values of equal
    /// rate, which being sorted part like √t. None for an empty range or one beyond the end.
    pub fn mean_of(&self, places: std::ops::RangeInclusive<usize>) -> Option<Estimate> {
        let means = self.slopes.iter().map(|slopes| {
            let chosen = slopes.get(places.clone()).filter(|c| !c.is_empty())?;
            Some(chosen.iter().sum::<f64>() / chosen.len() as f64)
        });
        Estimate::of_sample(&means.collect::<Option<Vec<_>>>()?)
    }
}

/// A save time: its place among the saves, and t there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateSave {
    /// From 0.
    pub index: usize,
    /// t.
    pub time: f64,
}

/// Why there are no rates.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum RatesError {
    /// No such spectrum.
    #[error("no spectrum of {0:?} is measured; there are theta, w1, w2 and product")]
    UnknownMatrix(String),
    /// Nothing to take an error from.
    #[error("{0} trajectories are kept; errors need at least two")]
    TooFew(usize),
    /// Times that do not rise.
    #[error("rates need two times, the first before the second: {from} and {to}")]
    Times {
        /// The first.
        from: f64,
        /// The second.
        to: f64,
    },
    /// A save that was not kept.
    #[error("save {save} of trajectory {trajectory} is not there")]
    NotKept {
        /// From 0.
        save: usize,
        /// Its index.
        trajectory: u64,
    },
    /// A singular value that is zero or undefined.
    #[error("log singular value {index} of trajectory {trajectory} is not finite at save {save}")]
    NotFinite {
        /// From 1.
        index: u32,
        /// Its index.
        trajectory: u64,
        /// From 0.
        save: usize,
    },
}

/// Rates of log σᵢ of `matrix` ("theta", "w1", "w2", "product") between two saves: the mean over
/// trajectories of (log σᵢ(t₂) − log σᵢ(t₁))/(t₂ − t₁). `trajectories` are the kept cells of an
/// ensemble, `layout` their order.
///
/// The first save should lie where the transient is over: for rates with gap Δ between
/// neighbours, Δt₁ well above 1.
///
/// # Errors
/// An unknown matrix; fewer than two trajectories; times that do not rise; saves that are not
/// there; singular values that are zero or undefined.
pub fn measure(
    layout: &Layout,
    trajectories: &[(u64, Vec<f64>)],
    matrix: &str,
    from: RateSave,
    to: RateSave,
) -> Result<MeasuredRates, RatesError> {
    let name = format!("log_singular_value_{matrix}");
    let first = layout
        .position(&name, 1)
        .ok_or_else(|| RatesError::UnknownMatrix(matrix.into()))?;
    let size = layout.spectrum_size(matrix);
    let span = to.time - from.time;
    if !(span > 0.0 && span.is_finite()) {
        return Err(RatesError::Times {
            from: from.time,
            to: to.time,
        });
    }
    let per_save = layout.observables.len();
    let spectrum = |trajectory: u64, cells: &[f64], save: usize| -> Result<Vec<f64>, RatesError> {
        let start = save.saturating_mul(per_save).saturating_add(first);
        let values = cells.get(start..start.saturating_add(size));
        let values = values.ok_or(RatesError::NotKept { save, trajectory })?;
        match values.iter().position(|v| !v.is_finite()) {
            None => Ok(values.to_vec()),
            Some(place) => {
                let index = place as u32 + 1;
                Err(RatesError::NotFinite {
                    index,
                    trajectory,
                    save,
                })
            }
        }
    };
    let slope = |(trajectory, cells): &(u64, Vec<f64>)| -> Result<Vec<f64>, RatesError> {
        let early = spectrum(*trajectory, cells, from.index)?;
        let late = spectrum(*trajectory, cells, to.index)?;
        Ok(early
            .iter()
            .zip(late)
            .map(|(a, b)| (b - a) / span)
            .collect())
    };
    let slopes: Vec<_> = trajectories.iter().map(slope).collect::<Result<_, _>>()?;
    let estimate = |of: &dyn Fn(&Vec<f64>) -> f64| {
        let values: Vec<f64> = slopes.iter().map(of).collect();
        Estimate::of_sample(&values).ok_or(RatesError::TooFew(trajectories.len()))
    };
    let rates = (0..size)
        .map(|i| estimate(&|s| s[i]))
        .collect::<Result<_, _>>()?;
    let sum = estimate(&|s| s.iter().sum())?;
    Ok(MeasuredRates { rates, sum, slopes })
}

impl Estimate {
    /// The mean of independent values, with the standard error s/√n; none for fewer than two.
    pub fn of_sample(values: &[f64]) -> Option<Self> {
        let n = values.len() as f64;
        if values.len() < 2 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
        let standard_error = (squares / ((n - 1.0) * n)).sqrt();
        Some(Self {
            value: mean,
            standard_error,
            degrees: n - 1.0,
        })
    }

    /// Σ wⱼ xⱼ of independent estimates; degrees of freedom by Welch and Satterthwaite.
    pub fn combination(terms: &[(f64, Self)]) -> Self {
        let variance = |&(w, x): &(f64, Self)| (w * x.standard_error).powi(2);
        let total: f64 = terms.iter().map(variance).sum();
        let spread: f64 = terms
            .iter()
            .map(|t| variance(t).powi(2) / t.1.degrees)
            .sum();
        Self {
            value: terms.iter().map(|(w, x)| w * x.value).sum(),
            standard_error: total.sqrt(),
            // Without any error the degrees do not matter.
            degrees: if spread > 0.0 {
                total * total / spread
            } else {
                f64::INFINITY
            },
        }
    }

    /// w x.
    pub fn scaled(self, weight: f64) -> Self {
        Self {
            value: weight * self.value,
            standard_error: weight.abs() * self.standard_error,
            degrees: self.degrees,
        }
    }

    /// Half the width of the interval that holds the truth with this probability, in (0, 1);
    /// NaN for any other.
    pub fn half_width(&self, confidence: f64) -> f64 {
        student_t(confidence, self.degrees) * self.standard_error
    }

    /// Whether that interval holds `truth`.
    pub fn holds(&self, truth: f64, confidence: f64) -> bool {
        (self.value - truth).abs() <= self.half_width(confidence)
    }
}

/// A polynomial through estimates at several x.
#[derive(Clone, Debug, PartialEq)]
pub struct Extrapolation {
    /// Of x⁰, x¹, …; the first is the value at 0.
    pub coefficients: Vec<Estimate>,
    /// Σ ((y − polynomial)/standard error)²: about `spare` if the polynomial is enough.
    pub misfit: f64,
    /// Points less coefficients.
    pub spare: usize,
}

impl Extrapolation {
    /// The value at x = 0.
    pub fn intercept(&self) -> Estimate {
        self.coefficients[0]
    }
}

/// Weighted least squares, weights 1/standard error², of independent estimates (x, y) by a
/// polynomial of this degree; none for too few different x or where an error is not positive.
///
/// The weights are estimates themselves, so intervals are a little narrow: with 15 degrees of
/// freedom at each of four points, 95 % intervals at 0 hold the truth 94 % of the time.
pub fn extrapolate(points: &[(f64, Estimate)], degree: usize) -> Option<Extrapolation> {
    let spare = points.len().checked_sub(degree + 1)?;
    // In units of the largest x the normal equations are not needlessly near singular.
    let unit = points.iter().fold(0.0_f64, |a, (x, _)| a.max(x.abs()));
    let power = |x: f64, m: usize| (x / unit).powi(m as i32);
    let weight = |y: &Estimate| y.standard_error.powi(-2);
    let moment = |m: usize| {
        points
            .iter()
            .map(|(x, y)| weight(y) * power(*x, m))
            .sum::<f64>()
    };
    let inverse = inverse(&Mat::from_fn(degree + 1, degree + 1, |i, j| moment(i + j)))?;
    // Each coefficient is linear in the y.
    let coefficients: Vec<Estimate> = (0..=degree)
        .map(|m| {
            let factor =
                |x: f64| -> f64 { (0..=degree).map(|j| inverse[(m, j)] * power(x, j)).sum() };
            let term = |&(x, y): &(f64, Estimate)| (factor(x) * weight(&y), y);
            let terms: Vec<_> = points.iter().map(term).collect();
            Estimate::combination(&terms).scaled(unit.powi(-(m as i32)))
        })
        .collect();
    let value = |x: f64| {
        coefficients
            .iter()
            .rev()
            .fold(0.0, |sum, c| sum * x + c.value)
    };
    let square = |(x, y): &(f64, Estimate)| ((y.value - value(*x)) / y.standard_error).powi(2);
    let misfit = points.iter().map(square).sum();
    Some(Extrapolation {
        coefficients,
        misfit,
        spare,
    })
}

/// Of a symmetric positive definite matrix; none where it is not, to ten digits.
fn inverse(matrix: &Mat<f64>) -> Option<Mat<f64>> {
    let size = matrix.nrows();
    // Gauss and Jordan; positive definite matrices need no pivoting.
    let mut work = matrix.clone();
    let mut out = Mat::<f64>::identity(size, size);
    for pivot in 0..size {
        let scale = work[(pivot, pivot)];
        if !(scale.is_finite() && scale > 1e-10 * matrix[(pivot, pivot)]) {
            return None;
        }
        for j in 0..size {
            work[(pivot, j)] /= scale;
            out[(pivot, j)] /= scale;
        }
        for i in (0..size).filter(|&i| i != pivot) {
            let factor = work[(i, pivot)];
            for j in 0..size {
                work[(i, j)] -= factor * work[(pivot, j)];
                out[(i, j)] -= factor * out[(pivot, j)];
            }
        }
    }
    Some(out)
}

/// Student's t with P(|T| ≤ t) = `confidence`, for `degrees` rounded down to a whole number (the
/// wider interval), at least 1 and at most 10⁴ (beyond, the difference is in the fifth digit).
/// NaN unless 0 < confidence < 1.
///
/// By bisection of the finite sums for whole degrees (Abramowitz and Stegun 26.7.3, 26.7.4).
pub fn student_t(confidence: f64, degrees: f64) -> f64 {
    if !(confidence > 0.0 && confidence < 1.0) || degrees.is_nan() {
        return f64::NAN;
    }
    let n = degrees.clamp(1.0, 1e4).floor();
    let (mut low, mut high) = (0.0, std::f64::consts::FRAC_PI_2);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if two_sided_probability(middle, n as u32) < confidence {
            low = middle
        } else {
            high = middle
        }
    }
    n.sqrt() * libm::tan(0.5 * (low + high))
}

/// P(|T| ≤ √n tan θ) for n degrees of freedom.
fn two_sided_probability(theta: f64, n: u32) -> f64 {
    let (sine, cosine) = (libm::sin(theta), libm::cos(theta));
    let odd = n % 2 == 1;
    // cos θ + (2/3) cos³θ + (2·4)/(3·5) cos⁵θ + … for odd n; 1 + (1/2) cos²θ + … for even n.
    let mut term = if odd { cosine } else { 1.0 };
    let mut power = u32::from(odd);
    let mut sum = 0.0;
    while power + 2 <= n {
        sum += term;
        term *= cosine * cosine * f64::from(power + 1) / f64::from(power + 2);
        power += 2;
    }
    if odd {
        (theta + sine * sum) * std::f64::consts::FRAC_2_PI
    } else {
        sine * sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tables of Student's distribution.
    #[test]
    fn student_t_has_its_tabulated_quantiles() {
        let table = [
            (1.0, 0.95, 12.7062),
            (2.0, 0.95, 4.30265),
            (3.0, 0.99, 5.84091),
            (15.0, 0.95, 2.13145),
            (15.9, 0.95, 2.13145),
            (30.0, 0.99, 2.74999),
            (f64::INFINITY, 0.95, 1.96020),
        ];
        for (degrees, confidence, want) in table {
            let got = student_t(confidence, degrees);
            assert!(
                (got - want).abs() < 1e-4 * want,
                "{degrees} {confidence}: {got} {want}"
            );
        }
        assert!(student_t(1.0, 3.0).is_nan() && student_t(0.0, 3.0).is_nan());
    }

    fn exact(value: f64, standard_error: f64) -> Estimate {
        Estimate {
            value,
            standard_error,
            degrees: 15.0,
        }
    }

    /// By hand: two points give the line through them; errors propagate as 2y₁ − y₂.
    #[test]
    fn two_points_give_their_line() {
        let fit =
            extrapolate(&[(1.0, exact(5.0, 0.1)), (2.0, exact(7.0, 0.2))], 1).expect("a line");
        assert!((fit.intercept().value - 3.0).abs() < 1e-12);
        assert!((fit.coefficients[1].value - 2.0).abs() < 1e-12);
        assert!((fit.intercept().standard_error - (0.04f64 + 0.04).sqrt()).abs() < 1e-12);
        assert!((fit.intercept().degrees - 30.0).abs() < 1e-9);
        assert!(fit.misfit < 1e-20 && fit.spare == 0);
        assert_eq!(
            extrapolate(&[(1.0, exact(5.0, 0.1)), (1.0, exact(5.0, 0.1))], 1),
            None
        );
        assert_eq!(
            extrapolate(&[(1.0, exact(5.0, 0.0)), (2.0, exact(5.0, 0.1))], 1),
            None
        );
        assert_eq!(
            extrapolate(&[(1.0, exact(5.0, 0.1)), (2.0, exact(5.0, 0.1))], 2),
            None
        );
    }

    /// By hand, equal weights at x = 0, 1, 2 with y = 0, 0, 3: intercept −1/2, slope 3/2,
    /// residuals ½, −1, ½; the parabola is 3x(x − 1)/2.
    #[test]
    fn three_points_by_hand() {
        let points = [
            (0.0, exact(0.0, 1.0)),
            (1.0, exact(0.0, 1.0)),
            (2.0, exact(3.0, 1.0)),
        ];
        let values =
            |fit: &Extrapolation| fit.coefficients.iter().map(|c| c.value).collect::<Vec<_>>();
        let line = extrapolate(&points, 1).expect("a line");
        let parabola = extrapolate(&points, 2).expect("a parabola");
        for (got, want) in values(&line).into_iter().zip([-0.5, 1.5]) {
            assert!((got - want).abs() < 1e-12);
        }
        for (got, want) in values(&parabola).into_iter().zip([0.0, -1.5, 1.5]) {
            assert!((got - want).abs() < 1e-12);
        }
        assert!((line.misfit - 1.5).abs() < 1e-12 && line.spare == 1);
        assert!(parabola.misfit < 1e-20 && parabola.spare == 0);
        assert!((line.intercept().standard_error - (5.0f64 / 6.0).sqrt()).abs() < 1e-12);
        assert!((parabola.intercept().standard_error - 1.0).abs() < 1e-12);
    }

    fn kept(rates: &[[f64; 3]]) -> (Layout, Vec<(u64, Vec<f64>)>) {
        let layout = Layout::new(2, 1, 3, false);
        let first = layout
            .position("log_singular_value_theta", 1)
            .expect("measured");
        let cells = |slopes: &[f64; 3]| {
            let mut cells = vec![0.0; 2 * layout.observables.len()];
            for (i, slope) in slopes.iter().enumerate() {
                cells[first + i] = 1.0;
                cells[layout.observables.len() + first + i] = 1.0 + 4.0 * slope;
            }
            cells
        };
        let kept = rates
            .iter()
            .enumerate()
            .map(|(t, slopes)| (t as u64, cells(slopes)))
            .collect();
        (layout, kept)
    }

    const FROM: RateSave = RateSave {
        index: 0,
        time: 2.0,
    };
    const TO: RateSave = RateSave {
        index: 1,
        time: 6.0,
    };

    #[test]
    fn slopes_are_means_over_trajectories() {
        let (layout, kept) = kept(&[[0.5, -1.0, -2.0], [-0.5, -2.0, 0.0]]);
        let measured = measure(&layout, &kept, "theta", FROM, TO).expect("rates");
        let values: Vec<f64> = measured.rates.iter().map(|r| r.value).collect();
        assert_eq!(values, [0.0, -1.5, -1.0]);
        assert_eq!(measured.rates[0].standard_error, 0.5);
        assert_eq!(
            (measured.sum.value, measured.sum.standard_error),
            (-2.5, 0.0)
        );
    }

    #[test]
    fn what_cannot_be_measured_is_refused() {
        let (layout, mut kept) = kept(&[[0.5, -1.0, -2.0], [-0.5, -2.0, 0.0]]);
        let refused = |kept: &[(u64, Vec<f64>)], matrix, to| {
            measure(&layout, kept, matrix, FROM, to).expect_err("refused")
        };
        assert_eq!(
            refused(&kept, "m", TO),
            RatesError::UnknownMatrix("m".into())
        );
        assert_eq!(refused(&kept[..1], "theta", TO), RatesError::TooFew(1));
        assert!(matches!(
            refused(&kept, "theta", FROM),
            RatesError::Times { .. }
        ));
        let late = RateSave {
            index: 2,
            time: 9.0,
        };
        assert_eq!(
            refused(&kept, "theta", late),
            RatesError::NotKept {
                save: 2,
                trajectory: 0
            }
        );
        let first = layout
            .position("log_singular_value_theta", 2)
            .expect("measured");
        kept[1].1[first] = f64::NEG_INFINITY;
        let zero = RatesError::NotFinite {
            index: 2,
            trajectory: 1,
            save: 0,
        };
        assert_eq!(refused(&kept, "theta", TO), zero);
    }
}
