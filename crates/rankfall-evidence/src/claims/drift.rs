//! The predicted drift of singular values against what steps do, for networks without an exact law.
//!
//! **Setting.** Each unit has a regression, initial weights and noise of its own, is trained by
//! gradient descent for 40 to 240 steps, and stands still there. In every layer the drift of each
//! log σᵢ in one step is predicted from the full gradient and from the covariance of some draws of
//! the noisy one, force by force; it is realised by as many other draws, each of which takes one
//! step.
//!
//! **Regression.** Weighted least squares through the origin over all singular values, layers and
//! units, weights 1/error² of the realised means; standard errors from leaving out one unit at a
//! time, of which no two share a random number. The *whole* change is dominated by the gradient. Of
//! the *second-order* part the step's own first-order term −η uᵢᵀgvᵢ/σᵢ is taken off, which
//! leaves what the covariance does, known sharply however small the step; it is regressed on own
//! noise, repulsion and growth together, so that each force has a slope, 1 by theory.
//!
//! **Margin.** σᵢ(W + tE) is analytic in |t| < 1/q with q = 2|E|_F/dᵢ, dᵢ = min(σᵢ, gap to the
//! nearest σⱼ): the eigenvalue of the dilation is isolated by dᵢ, and stays within dᵢ/2 (Kato).
//! There |log(σᵢ(t)/σᵢ)| ≤ M = −log(1 − dᵢ/2σᵢ), so by Cauchy the n-th term of the expansion is at
//! most M qⁿ, and what second order leaves out at most rᵢ = M E[q³/(1 − q)]. Through the regression
//! this moves a slope by at most Σ |cᵢ| rᵢ, cᵢ the weight of point i in the slope. Steps are chosen
//! so small that this is near `LEFT_OUT` for the second-order slope of a unit. Errors of the
//! predictor, as large as those of the realised mean, shrink a slope by their share of the squares,
//! which is added. The slope of the whole change has the margin `WHOLE`.

use faer::Mat;
use faer::linalg::solvers::Solve;
use rankfall_core::measure::rates::Estimate;
use rankfall_core::model::dynamics::{LabelNoise, Sampling};
use rankfall_nets::activation::Activation;
use rankfall_nets::network::NetworkSpec;
use rankfall_nets::noise::Noise;
use rankfall_nets::predictions::{self, predict, realise};
use rankfall_nets::training::Trainer;

use crate::bench::Bench;
use crate::claim::{Claim, Provenance, Strength, Suite, Test};
use crate::decision::Comparison;
use crate::evidence::{Evidence, Stop, unmeasured};
use crate::linear::singular_values;
use crate::picture::{Picture, Style};
use crate::small::{Regression, gradient, layer};

/// What third and higher orders may add to the slope of a unit, by their bound.
const LEFT_OUT: f64 = 0.02;
/// The margin of the whole change, of which the gradient is nearly all: first-order noise, whose
/// mean is zero, hides more than a part in twenty.
const WHOLE: f64 = 0.05;
/// The step size at which noise is looked at before that of the test is chosen.
const TRIAL: f64 = 1e-4;
/// Draws from which the bound is estimated.
const PILOT: u64 = 256;

/// Widths, activation of hidden units, and whether there are biases.
pub type SmallNetwork = (&'static [usize], Activation, bool);

/// Those of the claims, in their order.
pub const NETWORKS: [SmallNetwork; 3] = [
    (&[3, 5, 2], Activation::Linear, false),
    (&[3, 4, 4, 2], Activation::Linear, false),
    (&[3, 8, 2], Activation::Relu, true),
];

/// Of two linear layers.
pub const TWO_LAYER_LINEAR: Claim = claim(
    "drift-two-layer-linear",
    "Predicted drift of singular values: two linear layers",
    |bench| measure(bench, NETWORKS[0]),
);

/// Of three linear layers.
pub const DEEP_LINEAR: Claim = claim(
    "drift-deep-linear",
    "Predicted drift of singular values: three linear layers",
    |bench| measure(bench, NETWORKS[1]),
);

/// Of two layers of rectifiers.
pub const TWO_LAYER_RELU: Claim = claim(
    "drift-two-layer-relu",
    "Predicted drift of singular values: two layers of rectifiers",
    |bench| measure(bench, NETWORKS[2]),
);

const fn claim(
    id: &'static str,
    title: &'static str,
    measure: fn(&Bench) -> Result<Evidence, Stop>,
) -> Claim {
    Claim {
        suite: Suite::Networks,
        id,
        title,
        statement: "The mean change of each log σᵢ of each layer in one step is the predicted one: the slope of realised on \
                        predicted change is 1 for the whole, for the second-order part, and for own noise, repulsion and \
                        growth each, under label noise, mini-batches with label noise, and isotropic noise.",
        provenance: Provenance::Beyond,
        strength: Strength::Asymptotic,
        alternative: "a force is not there: its slope is 0, and that of the second-order part what is left without repulsion",

        test: Test::Setting {
            comparisons: |setting| setting.own_problem().map(|()| 5),
            measure,
        },
    }
}

/// Predicted and realised change of one log σᵢ in one step.
#[derive(Clone, Debug)]
pub struct StepChange {
    /// The layer, from 1.
    pub layer: usize,
    /// i, from 1.
    pub index: usize,
    /// η, the length of the step.
    pub rate: f64,
    /// −η uᵢᵀḡvᵢ/σᵢ.
    pub gradient: f64,
    /// What finite steps of the gradient do without noise, to second order.
    pub curvature: f64,
    /// −½ E αᵢᵢ²/σᵢ² of the noise.
    pub own_noise: f64,
    /// What the other singular values add.
    pub repulsion: f64,
    /// What directions without a singular value add.
    pub growth: f64,
    /// Realised, all of it.
    pub total: predictions::DriftEstimate,
    /// Realised, without the step's own first-order term.
    pub second: predictions::DriftEstimate,
    /// What third and higher orders are at most.
    pub left_out: f64,
}

impl StepChange {
    /// The predicted second-order part.
    pub fn second_order(&self) -> f64 {
        self.curvature + self.own_noise + self.repulsion + self.growth
    }

    /// The sum of the sizes of the forces in it.
    pub fn size(&self) -> f64 {
        self.curvature.abs() + self.own_noise.abs() + self.repulsion.abs() + self.growth.abs()
    }

    /// What realised forces are held against: the second-order part without the curvature.
    fn noise_part(&self) -> predictions::DriftEstimate {
        predictions::DriftEstimate {
            mean: self.second.mean - self.curvature,
            error: self.second.error,
        }
    }
}

/// One state of one network under one kind of noise.
#[derive(Clone, Debug)]
pub struct Unit {
    /// The kind of noise.
    pub noise: String,
    /// Of every layer and singular value.
    pub points: Vec<StepChange>,
}

/// The kinds of noise, and their names; the covariance of gradient noise is given by 2T/η.
fn noises(rate: f64) -> [(&'static str, Vec<Noise>); 3] {
    let labels = || Noise::LabelNoise {
        variance: 1.0,
        distribution: LabelNoise::Gaussian,
    };
    let batch = Noise::MiniBatch {
        batch_size: 4,
        sampling: Sampling::WithReplacement,
    };
    let temperature = 0.5 * 0.05 * rate;
    [
        ("label noise", vec![labels()]),
        ("mini-batches, label noise", vec![batch, labels()]),
        (
            "isotropic noise",
            vec![Noise::GradientNoise { temperature }],
        ),
    ]
}

/// Units of one network, each with everything of its own.
pub fn units(
    bench: &Bench<impl Sync>,
    (widths, activation, bias): SmallNetwork,
) -> Result<Vec<Unit>, Stop> {
    let count = bench.level.pick(6, 24, 48);
    let draws = bench.level.pick(1000, 15_000, 60_000);
    let network = NetworkSpec::dense(widths, activation, bias);
    bench.each(count, &|unit| state(bench, &network, unit, draws))
}

fn state(
    bench: &Bench<impl Sync>,
    network: &NetworkSpec,
    unit: usize,
    draws: u64,
) -> Result<Unit, Stop> {
    let seed = bench.seed_of(unit);
    let data = Regression::draw(seed, 20, network.layers[0], 2, 0.3);
    let mut descent = data.trainer(network, vec![], 0.02, seed, 0)?;
    for _ in 0..40 * (1 + unit / 3 % 6) {
        let diverged = |_| unmeasured("gradient descent diverged");
        descent.step().map_err(diverged)?;
    }
    let weights = descent.state().parameters.clone();
    let at = |rate: f64| -> Result<Trainer<f64>, Stop> {
        let noise = noises(rate)[unit % 3].1.clone();
        let mut trainer = data.trainer(network, noise, rate, seed, 0)?;
        trainer.set_parameters(&weights);
        Ok(trainer)
    };
    Ok(Unit {
        noise: noises(TRIAL)[unit % 3].0.into(),
        points: changes(bench, &at, &mut descent, draws, 0.0)?,
    })
}

/// Predicted and realised changes of all layers, from weights at which `at` gives a trainer with
/// steps of a size, and `descent` one without noise. Singular values that are nearer to another, or
/// to zero, than `least_gap` times the largest are left out.
pub fn changes(
    bench: &Bench<impl Sync>,
    at: &dyn Fn(f64) -> Result<Trainer<f64>, Stop>,
    descent: &mut Trainer<f64>,
    draws: u64,
    least_gap: f64,
) -> Result<Vec<StepChange>, Stop> {
    let weights = descent.state().parameters.clone();
    let full_rate = descent.plan().rate(descent.state().step);
    let mut points = Vec::new();
    let mut trial = at(TRIAL)?;
    for index in 0..descent.plan().network.layers().len() {
        bench.check()?;
        let sigma = singular_values(&layer(&trial, index, &weights));
        let least = least_gap * sigma[0];
        let kept: Vec<usize> = (0..sigma.len())
            .filter(|&i| gap(&sigma, i) > least)
            .collect();
        if kept.is_empty() {
            continue;
        }
        let predicted = predict(&mut trial, index + 1, draws).map_err(unmeasured)?;
        // The mean of the noisy gradient is the full one, for all of these kinds.
        let gradient = predict(descent, index + 1, 2).map_err(unmeasured)?;
        let norms = norms(&mut trial, index)?;
        let second = |i: &usize| (1.0 / TRIAL) * (1.0 / TRIAL) * predicted[*i].second_order();
        let second: Vec<f64> = kept.iter().map(second).collect();
        let rate = rate(&sigma, &kept, &norms, &second);
        let scale = rate / TRIAL;
        let mut trainer = at(rate)?;
        let realised = realise(&mut trainer, index + 1, draws).map_err(unmeasured)?;
        for i in kept {
            let (p, square) = (&predicted[i], scale * scale);
            points.push(StepChange {
                layer: index + 1,
                index: i + 1,
                rate,
                gradient: gradient[i].gradient * rate / full_rate,
                curvature: square * p.curvature,
                own_noise: square * p.own_noise,
                repulsion: square * p.repulsion,
                growth: square * p.growth,
                total: realised.total[i],
                second: realised.second_order[i],
                left_out: left_out(&sigma, i, &norms, rate),
            });
        }
    }
    Ok(points)
}

/// dᵢ of the header.
fn gap(sigma: &[f64], i: usize) -> f64 {
    let others = sigma.iter().enumerate().filter(|(j, _)| *j != i);
    others
        .map(|(_, s)| (s - sigma[i]).abs())
        .fold(sigma[i], f64::min)
}

/// |g|_F of this layer in a few draws of the gradient, none of them seen elsewhere.
fn norms(trainer: &mut Trainer<f64>, index: usize) -> Result<Vec<f64>, Stop> {
    let norm = |draw| {
        let gradient = gradient(trainer, (1 << 59) + draw)?;
        Ok(layer(trainer, index, &gradient).norm_l2())
    };
    (0..PILOT).map(norm).collect()
}

/// rᵢ of the header, for steps of size `rate`.
fn left_out(sigma: &[f64], i: usize, norms: &[f64], rate: f64) -> f64 {
    let gap = gap(sigma, i);
    let reach = -libm::log1p(-0.5 * gap / sigma[i]);
    let tail = |norm: &f64| {
        let q = 2.0 * rate * norm / gap;
        if q < 1.0 {
            q.powi(3) / (1.0 - q)
        } else {
            f64::INFINITY
        }
    };
    reach * norms.iter().map(tail).sum::<f64>() / norms.len() as f64
}

/// The step size for which the bound of what is left out is `LEFT_OUT` of the second-order part,
/// given for steps of size 1: to leading order it is linear in the step.
fn rate(sigma: &[f64], kept: &[usize], norms: &[f64], second: &[f64]) -> f64 {
    let tiny = 1e-9;
    let part: f64 = second.iter().map(|s| s.abs()).sum();
    let bounds = kept.iter().map(|&i| left_out(sigma, i, norms, tiny));
    let bound: f64 = bounds.sum();
    LEFT_OUT * tiny * part * tiny * tiny / bound
}

/// A regression of `y` on some predictors, in one unit.
struct Row {
    x: Vec<f64>,
    y: f64,
    /// 1/error².
    weight: f64,
    left_out: f64,
}

/// Slopes and what they may be off by.
struct Slopes {
    slopes: Vec<Estimate>,
    margins: Vec<f64>,
}

/// Weighted least squares through the origin, with errors from leaving out one unit at a time.
fn regress(units: &[Vec<Row>]) -> Result<Slopes, Stop> {
    let predictors = units.iter().flatten().next().map_or(0, |row| row.x.len());
    let kept = |out: Option<usize>| -> Vec<&Row> {
        let kept = units.iter().enumerate().filter(|(u, _)| Some(*u) != out);
        kept.flat_map(|(_, rows)| rows).collect()
    };
    let all = kept(None);
    let whole = solve(&all, predictors);
    let n = units.len() as f64;
    let mut squares = vec![0.0; predictors];
    for unit in 0..units.len() {
        let without = solve(&kept(Some(unit)), predictors);
        for ((s, a), b) in squares.iter_mut().zip(&without).zip(&whole) {
            *s += (a - b) * (a - b);
        }
    }
    if units.len() < 2 || predictors == 0 || whole.iter().any(|s| !s.is_finite()) {
        return Err(unmeasured("there are too few states"));
    }
    let estimate = |i: usize| Estimate {
        value: whole[i],
        standard_error: ((n - 1.0) / n * squares[i]).sqrt(),
        degrees: n - 1.0,
    };
    Ok(Slopes {
        slopes: (0..predictors).map(estimate).collect(),
        margins: margins(&all, predictors),
    })
}

/// XᵀWX.
fn normal_matrix(rows: &[&Row], predictors: usize) -> Mat<f64> {
    Mat::from_fn(predictors, predictors, |i, j| {
        rows.iter().map(|r| r.weight * r.x[i] * r.x[j]).sum()
    })
}

/// (XᵀWX)⁻¹XᵀWy.
fn solve(rows: &[&Row], predictors: usize) -> Vec<f64> {
    let right = Mat::from_fn(predictors, 1, |i, _| {
        rows.iter().map(|r| r.weight * r.x[i] * r.y).sum()
    });
    let solved = normal_matrix(rows, predictors)
        .partial_piv_lu()
        .solve(&right);
    (0..predictors).map(|i| solved[(i, 0)]).collect()
}

/// Σ |cᵢ| rᵢ, and the share of the predictor's errors.
fn margins(rows: &[&Row], predictors: usize) -> Vec<f64> {
    let identity = Mat::identity(predictors, predictors);
    let inverse: Mat<f64> = normal_matrix(rows, predictors)
        .partial_piv_lu()
        .solve(&identity);
    let of = |i: usize| -> f64 {
        let share = |row: &&Row| {
            let c: f64 = (0..predictors).map(|j| inverse[(i, j)] * row.x[j]).sum();
            (c * row.weight).abs() * row.left_out
        };
        let errors = inverse[(i, i)] * rows.len() as f64;
        rows.iter().map(share).sum::<f64>() + errors
    };
    (0..predictors).map(of).collect()
}

/// The rows of every unit.
fn rows(
    units: &[Unit],
    x: &dyn Fn(&StepChange) -> Vec<f64>,
    y: &dyn Fn(&StepChange) -> predictions::DriftEstimate,
) -> Vec<Vec<Row>> {
    let row = |p: &StepChange| Row {
        x: x(p),
        y: y(p).mean,
        weight: 1.0 / (y(p).error * y(p).error),
        left_out: p.left_out,
    };
    let of = |unit: &Unit| unit.points.iter().map(row).collect();
    units.iter().map(of).collect()
}

fn measure(bench: &Bench<impl Sync>, network: SmallNetwork) -> Result<Evidence, Stop> {
    let widths = network.0;
    let units = units(bench, network)?;
    let comparisons = slopes(&units)?;
    Ok(Evidence {
        comparisons,
        figure: Some(figure(&units)),
        sentence: format!(
            "{} states of networks {}, every layer and singular value; the margins bound what is of third order in the step",
            units.len(),
            widths
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("–")
        ),
    })
}

/// The slopes of the whole change, its second-order part, and each force in that: realised on
/// predicted.
///
/// # Errors
/// Fewer than two units.
pub fn slopes(units: &[Unit]) -> Result<Vec<Comparison>, Stop> {
    let total = |p: &StepChange| vec![p.gradient + p.second_order()];
    let whole = regress(&rows(units, &total, &|p| p.total))?;
    let second_rows = rows(units, &|p| vec![p.second_order()], &|p| p.second);
    let second = regress(&second_rows)?;
    let there = forces(units);
    let each = |p: &StepChange| there.iter().map(|(_, force)| force(p)).collect();
    let each = regress(&rows(units, &each, &StepChange::noise_part))?;
    // What the slope would be if nothing repelled.
    let without: Vec<Vec<Row>> = rows(units, &|p| vec![p.second_order()], &|p| {
        predictions::DriftEstimate {
            mean: p.second_order() - p.repulsion,
            error: p.second.error,
        }
    });
    let without = solve(&without.iter().flatten().collect::<Vec<_>>(), 1);
    let repels = there.iter().any(|(name, _)| *name == "repulsion");
    let mut all = vec![
        slope("whole change", &whole, 0)
            .within([1.0 - WHOLE, 1.0 + WHOLE])
            .against(0.0),
        slope("second-order part", &second, 0).against(if repels { without[0] } else { 0.0 }),
    ];
    for (i, (force, _)) in there.iter().enumerate() {
        all.push(slope(force, &each, i).against(0.0));
    }
    Ok(all)
}

/// A force by its name, and its part of a change.
type Force = (&'static str, fn(&StepChange) -> f64);

/// The forces that are there: layers with one singular value repel nothing, square ones do not
/// grow.
fn forces(units: &[Unit]) -> Vec<Force> {
    let all: [Force; 3] = [
        ("own noise", |p| p.own_noise),
        ("repulsion", |p| p.repulsion),
        ("growth", |p| p.growth),
    ];
    let points = || units.iter().flat_map(|unit| &unit.points);
    let is_there = |(_, force): &Force| points().any(|p| force(p).abs() > 1e-9 * p.size());
    all.into_iter().filter(is_there).collect()
}

fn slope(what: &str, of: &Slopes, place: usize) -> Comparison {
    let what = format!("slope of realised on predicted change, {what}");
    Comparison::statistical(what, 1.0, of.slopes[place], of.margins[place])
}

/// Realised on predicted second-order change, both over the sum of the sizes of its forces.
pub fn figure(units: &[Unit]) -> Picture {
    let mut figure = Picture::new(
        "Drift of singular values, second order",
        "Each point is one singular value of one layer in one state: what steps did against what was predicted, both over \
         the sum of the sizes of own noise, repulsion and growth.",
        "predicted change, over the sum of the sizes of its forces",
        "realised change, over the same",
    );
    figure = figure.with("slope 1", Style::Dashed, vec![-1.0, 1.0], vec![-1.0, 1.0]);
    let mut named: Vec<&str> = Vec::new();
    for unit in units {
        if !named.contains(&unit.noise.as_str()) {
            named.push(&unit.noise);
        }
    }
    for noise in named {
        let points = || {
            let own = units.iter().filter(move |u| u.noise == noise);
            own.flat_map(|u| &u.points)
        };
        figure = figure.with_intervals(
            noise,
            points().map(|p| p.second_order() / p.size()).collect(),
            points().map(|p| p.second.mean / p.size()).collect(),
            points().map(|p| 2.0 * p.second.error / p.size()).collect(),
        );
    }
    figure
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Gallery, NoSupervisor};
    use crate::decision::{Verdict, joint_verdict, judge};
    use crate::experiments::NoExperiments;
    use crate::setting::Level;

    fn some_units() -> Vec<Unit> {
        let gallery = Gallery::new(&NoExperiments);
        let bench = Bench::of_seed(1, Level::Smallest, 2, &NoSupervisor, &gallery);
        units(&bench, NETWORKS[0]).unwrap()
    }

    fn verdict(units: &[Unit]) -> Verdict {
        let judged = slopes(units).unwrap().into_iter().map(|c| judge(c, 1));
        joint_verdict(&judged.collect::<Vec<_>>())
    }

    /// Steps that repel not at all, the other way, or twice as much, are not what is predicted.
    #[test]
    fn wrong_repulsion_fails() {
        let units = some_units();
        assert_ne!(verdict(&units), Verdict::Fails);
        for factor in [0.0, -1.0, 2.0] {
            let mut wrong = units.clone();
            for point in wrong.iter_mut().flat_map(|u| &mut u.points) {
                point.second.mean += (factor - 1.0) * point.repulsion;
            }
            assert_eq!(verdict(&wrong), Verdict::Fails, "repulsion × {factor}");
        }
    }

    /// The whole change is the gradient's, and its sign matters.
    #[test]
    fn a_gradient_of_the_wrong_sign_fails() {
        let mut units = some_units();
        for point in units.iter_mut().flat_map(|u| &mut u.points) {
            point.gradient = -point.gradient;
        }
        assert_eq!(verdict(&units), Verdict::Fails);
    }

    #[test]
    fn slopes_by_hand() {
        let row = |x: f64, y: f64| Row {
            x: vec![x],
            y,
            weight: 1.0,
            left_out: 0.0,
        };
        let found = regress(&[vec![row(1.0, 1.0)], vec![row(2.0, 3.0)]]).unwrap();
        assert!((found.slopes[0].value - 7.0 / 5.0).abs() < 1e-15);
        // Without the first 3/2, without the second 1: ½ (0.1² + 0.4²).
        let error = (0.5 * (0.01 + 0.16_f64)).sqrt();
        assert!((found.slopes[0].standard_error - error).abs() < 1e-15);
    }
}
