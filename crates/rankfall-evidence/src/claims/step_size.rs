//! Larger step sizes and larger label noise kill faster, by the predicted factor: actual SGD.

use rankfall_core::measure::rates::Estimate;

use crate::bench::Bench;
use crate::claim::{Claim, Provenance, Strength, Suite, Test};
use crate::claims::discrete_step::Moments;
use crate::decision::Comparison;
use crate::evidence::{Evidence, Stop, mean_of};
use crate::optimum::Optimum;
use crate::picture::{Picture, Style};
use crate::setting::Setting;
use crate::simulation::{Simulation, sgd, started_at};

pub const STEP_SIZE: Claim = Claim {
    suite: Suite::Exact,
    id: "larger-step-size",
    title: "Twice the step size kills twice as fast, and a little faster",
    statement: "Under SGD with label noise and b = 1, log det M falls per unit of t = η × step at the \
                rate 2ηδk tr(S)/(1 − e), up to O(e²), with e = (η/2) mean|x|²(k|W₁'x|² + |W₂|²|x|²)/(k tr S) \
                from the mini-batches: doubling η doubles it, and a little more.",
    provenance: Provenance::Beyond,
    strength: Strength::Asymptotic,
    alternative: "the rate per unit of t does not depend on η",
    test: Test::Setting {
        comparisons: |setting| applies(setting).map(|()| 2),
        measure: step_size,
    },
};

pub const LABEL_NOISE: Claim = Claim {
    suite: Suite::Exact,
    id: "larger-label-noise",
    title: "Twice the label noise kills twice as fast",
    statement: "Under SGD with label noise the rate at which log det M falls is proportional to δ, at \
                fixed η, mini-batch excess included: the ratio for 2δ and δ is 2 up to O(η²δ).",
    provenance: Provenance::Beyond,
    strength: Strength::Asymptotic,
    alternative: "the rate does not depend on δ: mini-batches alone do it",
    test: Test::Setting {
        comparisons: |setting| applies(setting).map(|()| 1),
        measure: label_noise,
    },
};

/// The first-order excess of mini-batch noise at the larger of two step sizes.
pub const EXCESS: f64 = 0.08;

fn applies(setting: &Setting) -> Result<(), String> {
    setting.rows()?;
    setting.small(32)?;
    setting.relaxes()?;
    setting.full_rank()?;
    setting.noisy()?;
    if setting.problem.loss_floor > 1e-3 * setting.label_noise {
        return Err("the labels have residuals of their own, which act like label noise".into());
    }
    Ok(())
}

/// What the theory says of one η and δ.
struct Predicted<'a> {
    setting: &'a Setting,
    optimum: Optimum,
    /// Excess over η.
    excess: f64,
}

impl<'a> Predicted<'a> {
    fn new(setting: &'a Setting) -> Result<Self, Stop> {
        let optimum = Optimum::new(&setting.problem);
        let rows = setting.rows().map_err(Stop::Unmeasured)?;
        Ok(Self {
            excess: optimum.batch_noise(rows) / setting.collapse_rate(),
            setting,
            optimum,
        })
    }

    /// The larger step size: where the excess is [`EXCESS`].
    fn step_size(&self) -> f64 {
        EXCESS / self.excess
    }

    /// d log det M/dt. The noise of mini-batches is a share e of all noise that moves the weights,
    /// its own included: together 1 + e(1 + e(…)) = 1/(1 − e) times the label noise.
    fn rate(&self, eta: f64, delta: f64) -> Result<f64, Stop> {
        let problem = &self.setting.problem;
        let rows = self.setting.rows().map_err(Stop::Unmeasured)?;
        let moments = Moments::of_rows(rows, problem.inputs, &problem.optimum, delta);
        let first = -2.0 * eta * moments.second / (1.0 - self.excess * eta);
        Ok(first - eta.powi(3) * moments.fourth)
    }

    /// Of relative size e²: noise that is not quite that of labels. And a step of η relaxes errors
    /// of stiffness κ with a variance that is ηκ/2 too large, which makes that much of e.
    fn margin(&self, eta: f64) -> f64 {
        let excess = self.excess * eta;
        let stiffness = self.optimum.damping(&self.setting.problem)[1];
        excess * (excess + 0.5 * eta * stiffness)
    }
}

/// The rate of log det M per unit of t, after relaxation.
fn measured_rate(
    bench: &Bench,
    predicted: &Predicted,
    eta: f64,
    delta: f64,
    stream: u32,
) -> Result<Estimate, Stop> {
    let setting = bench.setting;
    let problem = &setting.problem;
    let [slowest, _] = predicted.optimum.damping(problem);
    let relaxed = (8.0 / (slowest * eta)).ceil() as u64;
    let window = bench.level.pick(500, 8000, 40_000);
    let weights = predicted
        .optimum
        .weights(problem, setting.rows_of_theta(), 1e-3, setting.seed);
    let trajectories = bench.trajectories(32, 1024, 4096);
    let saves = vec![0, relaxed, relaxed + window];
    let plan = Simulation::of(sgd(eta, delta), trajectories, saves).stream(stream);
    let run = bench.run(&started_at(problem, weights, setting.seed), &plan)?;
    let span = run.times[2] - run.times[1];
    let rates: Vec<f64> = run
        .observable("log_det", 0)?
        .iter()
        .map(|v| (v[2] - v[1]) / span)
        .collect();
    mean_of(&rates)
}

/// x/y to first order in their errors, which are far below the numbers themselves.
pub fn ratio(x: Estimate, y: Estimate) -> Estimate {
    let value = x.value / y.value;
    let linear = Estimate::combination(&[(1.0 / y.value, x), (-value / y.value, y)]);
    Estimate { value, ..linear }
}

fn step_size(bench: &Bench) -> Result<Evidence, Stop> {
    let setting = bench.setting;
    let predicted = Predicted::new(setting)?;
    let (eta, delta) = (predicted.step_size(), setting.label_noise);
    let slow = measured_rate(bench, &predicted, 0.5 * eta, delta, 40)?;
    let fast = measured_rate(bench, &predicted, eta, delta, 41)?;
    let expected = [
        predicted.rate(0.5 * eta, delta)?,
        predicted.rate(eta, delta)?,
    ];
    let margin = predicted.margin(eta);
    let factor = expected[1] / expected[0];
    let of = format!("rate of log det M at η = {eta:.4}");
    let what = format!("{of} over that at η/2");
    let reach = margin * expected[1].abs();
    let comparisons = vec![
        Comparison::statistical(what, factor, ratio(fast, slow), margin * factor).against(1.0),
        Comparison::statistical(of, expected[1], fast, reach).against(expected[0]),
    ];
    let etas = vec![0.0, 0.5 * eta, eta];
    let flow: Vec<f64> = etas
        .iter()
        .map(|e| 2.0 * e * delta * setting.collapse_rate())
        .collect();
    let theory = vec![0.0, -expected[0], -expected[1]];
    let figure = Picture::new(
        "Larger steps kill faster",
        "How fast log det M falls under SGD with label noise (points, four standard errors), the flow's law \
         2ηδk tr S (line), and the law with the excess of mini-batches (dashed).",
        "step size η",
        "−d log det M/dt",
    )
    .with("flow", Style::Line, etas.clone(), flow)
    .with("with mini-batches", Style::Dashed, etas.clone(), theory)
    .with_intervals(
        "measured",
        etas[1..].to_vec(),
        vec![-slow.value, -fast.value],
        vec![4.0 * slow.standard_error, 4.0 * fast.standard_error],
    );
    Ok(Evidence {
        comparisons,
        figure: Some(figure),
        sentence: format!(
            "e = {:.3} at the larger step; the margin is e² + eηκ/2, κ the stiffness",
            predicted.excess * eta
        ),
    })
}

fn label_noise(bench: &Bench) -> Result<Evidence, Stop> {
    let setting = bench.setting;
    let predicted = Predicted::new(setting)?;
    let (eta, delta) = (0.5 * predicted.step_size(), setting.label_noise);
    let quiet = measured_rate(bench, &predicted, eta, delta, 42)?;
    let loud = measured_rate(bench, &predicted, eta, 2.0 * delta, 43)?;
    let factor = predicted.rate(eta, 2.0 * delta)? / predicted.rate(eta, delta)?;
    // Of the excess itself nothing is left in the ratio but what is of second order.
    let margin = predicted.margin(2.0 * eta) * factor;
    let what = format!("rate of log det M at 2δ over that at δ = {delta}, η = {eta:.4}");
    Ok(Evidence {
        comparisons: vec![
            Comparison::statistical(what, factor, ratio(loud, quiet), margin).against(1.0),
        ],
        figure: None,
        sentence: "the margin is that of the excess of mini-batch noise, to second order".into(),
    })
}
