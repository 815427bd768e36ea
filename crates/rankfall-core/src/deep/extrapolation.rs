//! Ordinary differential equations to near rounding: Gragg's modified midpoint rule, extrapolated
//! in h² (Bulirsch and Stoer), with the step chosen from the last two columns.
//!
//! Hairer, Nørsett and Wanner, "Solving Ordinary Differential Equations I", 2nd ed., §II.9.

use thiserror::Error;

/// Substeps of the rows of the extrapolation table: seven rows give order 14.
const SUBSTEPS: [u32; 7] = [2, 4, 6, 8, 10, 12, 14];

/// The error admitted in one step, relative to the Euclidean norm of the solution.
pub const TOLERANCE: f64 = 1e-13;

/// Attempted steps before the integrator gives up.
const MOST_ATTEMPTS: u32 = 1_000_000;

/// The solution could not be continued.
#[derive(Clone, Copy, Debug, Error, PartialEq)]
#[error(
    "the flow could not be followed beyond t = {time:e}: the weights grow without bound or the \
     equation is too stiff; start closer to the optimum or shorten the run"
)]
pub struct StallError {
    /// How far it got.
    pub time: f64,
}

/// Advances y' = f(y) by `duration` in place; `slope(y, out)` writes f(y) to `out`.
///
/// # Errors
/// A solution that leaves the finite numbers, or needs more than a million steps.
pub fn integrate(
    y: &mut [f64],
    duration: f64,
    slope: &mut dyn FnMut(&[f64], &mut [f64]),
) -> Result<(), StallError> {
    let mut time = 0.0;
    let mut step = first_step(y, duration, slope);
    for _ in 0..MOST_ATTEMPTS {
        let left = duration - time;
        if left <= 0.0 {
            return Ok(());
        }
        let last = step >= left;
        let length = if last { left } else { step };
        let (next, error) = extrapolate(y, length, slope);
        if error <= 1.0 {
            y.copy_from_slice(&next);
            time = if last { duration } else { time + length };
        } else if length <= duration * 1e-12 {
            return Err(StallError { time });
        }
        // The error of the column before the last is of order h¹³.
        step = length
            * if error.is_finite() {
                (0.9 * libm::pow(error.max(1e-10), -1.0 / 13.0)).clamp(0.2, 4.0)
            } else {
                0.2
            };
    }
    Err(StallError { time })
}

/// A tenth of the time in which the solution would change by its own size.
fn first_step(y: &[f64], duration: f64, slope: &mut dyn FnMut(&[f64], &mut [f64])) -> f64 {
    let mut rate = vec![0.0; y.len()];
    slope(y, &mut rate);
    let guess = 0.1 * norm(y) / norm(&rate);
    if guess > 0.0 && guess < duration {
        guess
    } else {
        duration
    }
}

/// The extrapolated value after `h`, and its error in units of the tolerance.
fn extrapolate(y: &[f64], h: f64, slope: &mut dyn FnMut(&[f64], &mut [f64])) -> (Vec<f64>, f64) {
    // Row by row, Aitken and Neville: `table[c]` is column c of the latest row.
    let mut table: Vec<Vec<f64>> = Vec::with_capacity(SUBSTEPS.len());
    for (row, &substeps) in SUBSTEPS.iter().enumerate() {
        let mut value = midpoint(y, h, substeps, slope);
        for (column, previous) in table.iter_mut().enumerate() {
            let ratio = f64::from(substeps) / f64::from(SUBSTEPS[row - 1 - column]);
            let factor = 1.0 / (ratio * ratio - 1.0);
            for (v, p) in value.iter_mut().zip(previous.iter_mut()) {
                let improved = *v + (*v - *p) * factor;
                *p = std::mem::replace(v, improved);
            }
        }
        table.push(value);
    }
    let (best, before) = (&table[SUBSTEPS.len() - 1], &table[SUBSTEPS.len() - 2]);
    let difference: Vec<f64> = best.iter().zip(before).map(|(a, b)| a - b).collect();
    let size = norm(best);
    let error = if size == 0.0 {
        0.0
    } else {
        norm(&difference) / (TOLERANCE * size)
    };
    (table.swap_remove(SUBSTEPS.len() - 1), error)
}

/// Gragg's method: the modified midpoint rule with a smoothing step at the end.
fn midpoint(
    y: &[f64],
    length: f64,
    substeps: u32,
    slope: &mut dyn FnMut(&[f64], &mut [f64]),
) -> Vec<f64> {
    let h = length / f64::from(substeps);
    let mut rate = vec![0.0; y.len()];
    let mut before = y.to_vec();
    slope(y, &mut rate);
    let mut now: Vec<f64> = y.iter().zip(&rate).map(|(a, r)| r.mul_add(h, *a)).collect();
    for _ in 1..substeps {
        slope(&now, &mut rate);
        for ((b, n), r) in before.iter_mut().zip(&mut now).zip(&rate) {
            let next = r.mul_add(2.0 * h, *b);
            *b = std::mem::replace(n, next);
        }
    }
    slope(&now, &mut rate);
    for ((n, b), r) in now.iter_mut().zip(&before).zip(&rate) {
        *n = 0.5 * (*n + r.mul_add(h, *b));
    }
    now
}

fn norm(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |sum, x| x.mul_add(*x, sum)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kepler's ellipse of eccentricity ½ comes back after one period, 2π.
    #[test]
    fn an_orbit_closes() {
        let start = [0.5, 0.0, 0.0, 3f64.sqrt()];
        let mut y = start;
        integrate(&mut y, std::f64::consts::TAU, &mut |y, out| {
            let cube = y[0].hypot(y[1]).powi(3);
            out.copy_from_slice(&[y[2], y[3], -y[0] / cube, -y[1] / cube]);
        })
        .expect("a smooth orbit");
        for (a, b) in y.iter().zip(start) {
            assert!((a - b).abs() < 2e-11, "{y:?}");
        }
    }

    #[test]
    fn an_explosion_is_reported() {
        let mut y = [1.0];
        let stalled = integrate(&mut y, 2.0, &mut |y, out| out[0] = y[0] * y[0]);
        let time = stalled.expect_err("1/(1 − t) has no value at 2").time;
        assert!((time - 1.0).abs() < 1e-3, "{time}");
    }
}
