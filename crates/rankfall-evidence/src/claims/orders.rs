//! Strong order of the integrators, from shared Brownian paths.

use rankfall_core::measure::rates::Estimate;
use rankfall_core::model::dynamics::{Integrator, Kind};

use crate::bench::Bench;
use crate::claim::{Claim, Provenance, Strength, Suite, Test};
use crate::decision::Comparison;
use crate::evidence::{Evidence, Stop, mean_of};
use crate::one_step::GROUPS;
use crate::optimum::Optimum;
use crate::simulation::{Simulation, flow, started_at};

pub const STRONG: Claim = Claim {
    suite: Suite::Exact,
    id: "strong-order",
    title: "Strong order one half",
    statement: "On shared Brownian paths the root mean square difference of log σ₁ … log σ_d between steps h and h/2 \
                falls like h^{1/2}, for Euler–Maruyama and both Lie–Euler steps.",
    provenance: Provenance::Beyond,
    strength: Strength::Asymptotic,
    alternative: "order 1, as without noise",
    test: Test::Setting {
        comparisons: |setting| {
            setting.small(16)?;
            setting.relaxes()?;
            setting.noisy()?;
            setting.full_rank().map(|()| 3)
        },
        measure: strong,
    },
};

/// κT, κ the stiffness.
const DURATION: f64 = 0.25;
/// ν over κ. With little noise the error of the drift, of order 1, hides that of the noise.
const NOISE: f64 = 0.25;

/// κh of the coarsest of three steps.
fn coarsest(bench: &Bench) -> f64 {
    1.0 / bench.level.pick(256.0, 256.0, 2048.0)
}

fn strong(bench: &Bench) -> Result<Evidence, Stop> {
    let mut comparisons = Vec::new();
    // The error of the drift, κ²hT, over that of the noise, ν√(hT), which for Lie–Euler is up to
    // four times smaller: squares add up.
    let coarsest = coarsest(bench);
    let ratio = 4.0 * (coarsest * DURATION).sqrt() / NOISE;
    let margin = 0.5 * libm::log2(1.0 + ratio * ratio);
    let stiff = Optimum::new(&bench.setting.problem).damping(&bench.setting.problem)[1];
    let coarse = coarsest / stiff;
    for (integrator, name) in [
        (Integrator::EulerMaruyama, "Euler–Maruyama"),
        (Integrator::LieEuler, "Lie–Euler, split"),
        (Integrator::LieEulerUnsplit, "Lie–Euler, one exponential"),
    ] {
        let order = order(bench, integrator, coarse)?;
        let what = format!("strong order, {name}");
        comparisons.push(Comparison::statistical(what, 0.5, order, margin).against(1.0));
    }
    Ok(Evidence {
        comparisons,
        figure: None,
        sentence: format!("successive differences at h = {coarse:.5}, half and a quarter of it"),
    })
}

/// From differences at h, h/2 and h/4; errors from 64 groups of paths, over which the order is
/// taken from the mean squares by the jackknife, since both differences share their paths.
fn order(bench: &Bench, integrator: Integrator, coarse: f64) -> Result<Estimate, Stop> {
    let setting = bench.setting;
    let problem = &setting.problem;
    let d = setting.rows_of_theta();
    let weights = Optimum::new(problem).weights(problem, d, 0.3, setting.seed);
    let setup = started_at(problem, weights, setting.seed);
    let stiff = Optimum::new(problem).damping(problem)[1];
    let steps = (DURATION / coarsest(bench)).ceil() as u64;
    let paths = bench.trajectories(512, 8192, 131_072);
    let mut spectra = Vec::new();
    for halvings in [0_u32, 1, 2] {
        let finer = 1_u64 << halvings;
        let h = coarse / finer as f64;
        let nu = NOISE * stiff;
        let saves = vec![0, steps * finer];
        let mut plan = Simulation::of(flow(integrator, nu, h), paths, saves).stream(97);
        if let Kind::StochasticGradientFlow {
            brownian_substeps, ..
        } = &mut plan.dynamics.kind
        {
            *brownian_substeps = 4 >> halvings;
        }
        let run = bench.run(&setup, &plan)?;
        spectra.push(run.spectrum("log_singular_value_theta", d, 1)?);
    }
    let square = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| (x - y).powi(2)).sum::<f64>();
    let of = |level: usize| -> Vec<f64> {
        let pairs = spectra[level].iter().zip(&spectra[level + 1]);
        pairs.map(|(x, y)| square(x, y)).collect()
    };
    jackknife(&of(0), &of(1))
}

/// ½ log₂(Σx/Σy), with its standard error by leaving out one of 64 groups at a time.
pub fn jackknife(x: &[f64], y: &[f64]) -> Result<Estimate, Stop> {
    let size = (x.len() / GROUPS as usize).max(1);
    let sums = |values: &[f64]| -> Vec<f64> {
        values.chunks_exact(size).map(|g| g.iter().sum()).collect()
    };
    let (x, y) = (sums(x), sums(y));
    let (all_x, all_y): (f64, f64) = (x.iter().sum(), y.iter().sum());
    let value = 0.5 * libm::log2(all_x / all_y);
    let count = x.len() as f64;
    let without = x
        .iter()
        .zip(&y)
        .map(|(x, y)| 0.5 * libm::log2((all_x - x) / (all_y - y)));
    let pseudo: Vec<f64> = without.map(|w| count * value - (count - 1.0) * w).collect();
    mean_of(&pseudo)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Constant values have no spread, and a ratio of two is order one half.
    #[test]
    fn the_jackknife_of_constants_is_exact() {
        let order = jackknife(&[2.0; 64], &[1.0; 64]).expect("enough");
        assert!((order.value - 0.5).abs() < 1e-12 && order.standard_error < 1e-12);
    }
}
