//! What three kinds of noise do to log det M, M = ΘΘᵀ, Θ = [W₁; W₂ᵀ], in one step of two linear
//! layers: sign and rate.
//!
//! A step without noise changes log det M by 2 log|det(I − η²AᵀA)| exactly, A = S_xy − S_xx W₁W₂.
//! What noise adds to it is measured in units of a rate that theory gives, so that theory says a
//! number:
//!
//! | noise | unit, per step | what theory says |
//! |---|---|---|
//! | label noise of variance δ on n rows | 2η²(δ/n) k tr S_xx | −1 at every width l ≥ d |
//! | mini-batches of b | 2η²(E\|x\|²\|r\|² − \|A\|²)/b | −1 at every width l ≥ d |
//! | isotropic noise of temperature T | 2Tη tr M⁻¹ | l − d − 1: down at l = d, nothing at d + 1, up beyond |
//!
//! **Margins.** Noise from the left changes log det M by 2 log|det(I − η²GᵀG)| = −2x − … with x =
//! η²|G|², and what follows is at most x²/(1 − x). The margin is twice its mean over some draws, in
//! units, so that what is left out fills half of it at most. η is chosen so that this mean is near
//! `LEFT_OUT`. For isotropic noise, s² = 2Tη, the mean is s²Lf + s⁴L²f/2 + … with L half the
//! Laplacian, f = log det: L tr M⁻¹ = (d + 2 − l) tr M⁻² + (tr M⁻¹)². The margin is the second
//! term, but at least `AT_LEAST`: at l = d + 1 all terms vanish. Noise is added after the
//! descent's step, so that M is the one there.

use faer::Mat;
use faer::linalg::solvers::Solve;
use rankfall_core::model::dynamics::{LabelNoise, Sampling};
use rankfall_nets::activation::Activation;
use rankfall_nets::network::NetworkSpec;
use rankfall_nets::noise::Noise;
use rankfall_nets::training::Trainer;

use crate::bench::Bench;
use crate::claim::{Claim, Provenance, Strength, Suite, Test};
use crate::decision::{Comparison, Measurement};
use crate::evidence::{Evidence, Stop, mean_of, unmeasured};
use crate::linear::{beyond_first_order, log_det_of_step_of, singular_values};
use crate::picture::{Picture, Style};
use crate::small::{Regression, gradient, stack};

/// p, k, n and b.
const INPUTS: usize = 3;
const OUTPUTS: usize = 2;
const ROWS: usize = 12;
const BATCH: u64 = 4;
/// d = p + k.
pub const D: usize = INPUTS + OUTPUTS;
/// δ.
const LABEL_VARIANCE: f64 = 3.0;

/// What higher orders in η may add, in units of what noise does.
const LEFT_OUT: f64 = 0.02;
/// The least margin of isotropic noise.
const AT_LEAST: f64 = 0.05;
/// s² tr M⁻¹ of a step of isotropic noise.
const STEP: f64 = 0.02;
/// The descent from which states are.
const DESCENT: f64 = 0.02;
const DESCENT_STEPS: u64 = 400;
/// Draws from which steps and margins are found.
const PILOT: u64 = 256;

/// Of label noise.
pub const LABEL_NOISE: Claim = Claim {
    suite: Suite::Networks,
    id: "log-det-label-noise",
    title: "Label noise lowers log det M at every width",
    statement: "In one step of two linear layers label noise of variance δ changes log det M by −2η²(δ/n) k tr S_xx beside the \
                    descent's, at l = d, d + 1 and 2d alike.",
    provenance: Provenance::Beyond,
    strength: Strength::Asymptotic,
    alternative: "it does nothing",

    test: Test::Setting {
        comparisons: |setting| setting.own_problem().map(|()| 3),
        measure: |bench| measure(bench, Zoo::LabelNoise, &[D, D + 1, 2 * D]),
    },
};

/// Of isotropic noise.
pub const GRADIENT_NOISE: Claim = Claim {
    suite: Suite::Networks,
    id: "log-det-isotropic-noise",
    title: "Isotropic noise lowers log det M at l = d, leaves it at d + 1, and raises it beyond",
    statement: "In one step of two linear layers isotropic noise of variance s² = 2Tη on all weights changes log det M by \
                    s²(l − d − 1) tr M⁻¹ beside the descent's: down at l = d, nothing at d + 1, up at d + 2 and 2d.",
    provenance: Provenance::Beyond,
    strength: Strength::Asymptotic,
    alternative: "the width does not matter: −s² tr M⁻¹; at l = d: it does nothing",

    test: Test::Setting {
        comparisons: |setting| setting.own_problem().map(|()| 4),
        measure: |bench| measure(bench, Zoo::Isotropic, &[D, D + 1, D + 2, 2 * D]),
    },
};

/// Of mini-batches.
pub const MINI_BATCH: Claim = Claim {
    suite: Suite::Networks,
    id: "log-det-mini-batches",
    title: "Mini-batches lower log det M at every width",
    statement: "In one step of two linear layers mini-batches of b rows with replacement change log det M by \
                    −2η²(E|x|²|r|² − |A|²)/b beside the descent's, at l = d, d + 1 and 2d alike.",
    provenance: Provenance::Beyond,
    strength: Strength::Asymptotic,
    alternative: "they do nothing",

    test: Test::Setting {
        comparisons: |setting| setting.own_problem().map(|()| 3),
        measure: |bench| measure(bench, Zoo::MiniBatches, &[D, D + 1, 2 * D]),
    },
};

/// A kind of noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zoo {
    /// Gaussian, on the labels.
    LabelNoise,
    /// On the gradient, the same for every weight.
    Isotropic,
    /// With replacement.
    MiniBatches,
}

impl Zoo {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::LabelNoise => "label noise",
            Self::Isotropic => "isotropic noise",
            Self::MiniBatches => "mini-batches",
        }
    }

    fn noise(self, temperature: f64) -> Noise {
        match self {
            Self::LabelNoise => Noise::LabelNoise {
                variance: LABEL_VARIANCE,
                distribution: LabelNoise::Gaussian,
            },
            Self::Isotropic => Noise::GradientNoise { temperature },
            Self::MiniBatches => Noise::MiniBatch {
                batch_size: BATCH,
                sampling: Sampling::WithReplacement,
            },
        }
    }

    /// What theory says in units of the rate.
    pub fn predicted(self, width: usize) -> f64 {
        match self {
            Self::Isotropic => width as f64 - D as f64 - 1.0,
            _ => -1.0,
        }
    }

    fn alternative(self, width: usize) -> f64 {
        match self {
            Self::Isotropic if width > D => -1.0,
            _ => 0.0,
        }
    }
}

/// Two linear layers of one width on a regression of their own, in training.
pub struct Task {
    data: Regression,
    network: NetworkSpec,
    seed: u64,
    s: Mat<f64>,
    weights: Vec<f64>,
}

impl Task {
    /// Drawn from this seed, and brought near its optimum by gradient descent.
    ///
    /// # Errors
    /// A descent that diverged.
    pub fn draw(seed: u64, width: usize) -> Result<Self, Stop> {
        let data = Regression::draw(seed, ROWS, INPUTS, OUTPUTS, 0.5);
        let network = NetworkSpec::dense(&[INPUTS, width, OUTPUTS], Activation::Linear, false);
        let mut descent = data.trainer(&network, vec![], DESCENT, seed, 0)?;
        for _ in 0..DESCENT_STEPS {
            let diverged = |_| unmeasured("gradient descent diverged");
            descent.step().map_err(diverged)?;
        }
        Ok(Self {
            s: data.x.transpose() * &data.x * faer::Scale(1.0 / ROWS as f64),
            weights: descent.state().parameters.clone(),
            data,
            network,
            seed,
        })
    }

    /// tr M⁻¹ at these weights.
    pub fn inverse_trace(&self) -> Result<f64, Stop> {
        let still = self.trainer(Zoo::Isotropic, DESCENT, 0.0, 0)?;
        Ok(inverse_traces(&theta(&still, &self.weights))[0])
    }

    /// At these weights under noise of this kind, with steps of size `rate`.
    fn trainer(
        &self,
        zoo: Zoo,
        rate: f64,
        temperature: f64,
        trajectory: u64,
    ) -> Result<Trainer<f64>, Stop> {
        let (data, noise) = (&self.data, vec![zoo.noise(temperature)]);
        let mut trainer = data.trainer(&self.network, noise, rate, self.seed, trajectory)?;
        trainer.set_parameters(&self.weights);
        Ok(trainer)
    }

    /// log det M along a path of `steps` steps, less its start and less the first-order part of the
    /// noise, whose mean is zero; and what theory says of it: the sum of the expected changes at
    /// the weights the path comes through. Every `every` steps, 0 first.
    ///
    /// # Errors
    /// A path that diverged.
    pub fn path(&self, along: PathNoise, steps: u64, every: u64) -> Result<Path, Stop> {
        let PathNoise {
            zoo,
            rate,
            temperature,
            trajectory,
        } = along;
        let mut trainer = self.trainer(zoo, rate, temperature, trajectory)?;
        let mut path = Path::default();
        let (mut start, mut law, mut linear) = (0.0, 0.0, 0.0);
        for step in 0..=steps {
            let before = theta(&trainer, &trainer.state().parameters);
            if step.is_multiple_of(every) {
                let now = log_det(&before);
                if step == 0 {
                    start = now;
                }
                path.times.push(step as f64 * rate);
                path.measured.push(now - start - linear);
                path.law.push(law);
            }
            let rates = self.rates(&before, zoo, rate, temperature);
            law += rates.descent + zoo.predicted(before.ncols()) * rates.unit;
            let diverged = |_| unmeasured("a path diverged");
            trainer.step().map_err(diverged)?;
            let after = theta(&trainer, &trainer.state().parameters);
            linear += first_order(&after, &descent_step(&before, &rates.a, rate));
        }
        Ok(path)
    }

    /// A = S_xy − S_xx W₁W₂, and the rate that noise of this kind is measured in, per step.
    fn rates(&self, theta: &Mat<f64>, zoo: Zoo, rate: f64, temperature: f64) -> Rates {
        let w1 = theta.subrows(0, INPUTS);
        let w2 = theta.subrows(INPUTS, OUTPUTS);
        let residuals = &self.data.y - &self.data.x * (w1 * w2.transpose());
        let scale = faer::Scale(1.0 / ROWS as f64);
        let a = self.data.x.transpose() * &residuals * scale;
        let square = |m: &Mat<f64>| m.norm_l2() * m.norm_l2();
        let unit = match zoo {
            Zoo::LabelNoise => {
                let trace: f64 = (0..INPUTS).map(|i| self.s[(i, i)]).sum();
                2.0 * rate * rate * LABEL_VARIANCE / ROWS as f64 * OUTPUTS as f64 * trace
            }
            Zoo::MiniBatches => {
                let of = |m: &Mat<f64>, i: usize| -> f64 { m.row(i).iter().map(|v| v * v).sum() };
                let single = |i| of(&self.data.x, i) * of(&residuals, i);
                let mean = (0..ROWS).map(single).sum::<f64>() / ROWS as f64;
                2.0 * rate * rate * (mean - square(&a)) / BATCH as f64
            }
            Zoo::Isotropic => 2.0 * temperature * rate * inverse_traces(theta)[0],
        };
        Rates {
            descent: log_det_of_step_of(rate, &a),
            unit,
            a,
        }
    }
}

/// The noise along a path.
#[derive(Clone, Copy, Debug)]
pub struct PathNoise {
    /// Its kind.
    pub zoo: Zoo,
    /// η.
    pub rate: f64,
    /// T, of isotropic noise.
    pub temperature: f64,
    /// Which path.
    pub trajectory: u64,
}

/// log det M along a path.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Path {
    /// t.
    pub times: Vec<f64>,
    /// Less its start.
    pub measured: Vec<f64>,
    /// What theory says.
    pub law: Vec<f64>,
}

/// What a step does to log det M at some weights.
struct Rates {
    /// Without noise.
    descent: f64,
    /// What noise is measured in.
    unit: f64,
    /// A = S_xy − S_xx W₁W₂.
    a: Mat<f64>,
}

/// Θ, d × l, of these weights.
fn theta(trainer: &Trainer<f64>, values: &[f64]) -> Mat<f64> {
    stack(trainer, 1, values)
}

/// log det ΘΘᵀ.
fn log_det(theta: &Mat<f64>) -> f64 {
    singular_values(theta)
        .iter()
        .map(|s| 2.0 * libm::log(*s))
        .sum()
}

/// tr M⁻¹ and tr M⁻².
fn inverse_traces(theta: &Mat<f64>) -> [f64; 2] {
    let sigma = singular_values(theta);
    [2, 4].map(|power| sigma.iter().map(|s| s.powi(-power)).sum())
}

/// One measurement at one state: what noise does, and what higher orders may add.
#[derive(Clone, Copy, Debug)]
pub struct NoiseEffect {
    /// In units of the rate.
    pub change: f64,
    /// The bound.
    pub left_out: f64,
}

/// What noise of this kind does in units of its rate, at states of their own.
pub fn seen(bench: &Bench<impl Sync>, zoo: Zoo, width: usize) -> Result<Vec<NoiseEffect>, Stop> {
    let count = bench.level.pick(8, 32, 64);
    let draws = bench.level.pick(1000, 10_000, 50_000);
    bench.each(count, &|unit| {
        let task = Task::draw(bench.seed_of(unit), width)?;
        match zoo {
            Zoo::Isotropic => isotropic(&task, draws),
            _ => from_the_left(&task, zoo, draws),
        }
    })
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len() as f64;
    values.sum::<f64>() / n
}

/// |G|² of some steps, G W₂ᵀ being what they do to W₁.
fn squares(trainer: &mut Trainer<f64>, at: &Mat<f64>) -> Result<Vec<f64>, Stop> {
    let w2 = at.subrows(INPUTS, OUTPUTS);
    let inverse = (w2 * w2.transpose()).partial_piv_lu().solve(w2);
    let square = |draw| {
        let g = gradient(trainer, (1 << 59) + draw)?;
        let g = theta(trainer, &g).subrows(0, INPUTS) * inverse.transpose();
        Ok(g.norm_l2() * g.norm_l2())
    };
    (0..PILOT).map(square).collect()
}

fn from_the_left(task: &Task, zoo: Zoo, draws: u64) -> Result<NoiseEffect, Stop> {
    let mut trial = task.trainer(zoo, 1.0, 0.0, 0)?;
    let at = theta(&trial, &task.weights);
    let squares = squares(&mut trial, &at)?;
    let unit = task.rates(&at, zoo, 1.0, 0.0).unit;
    // With x = η²|G|² the bound is x²/(1 − x), near η⁴|G|⁴, over η² units: quadratic in η.
    let fourth = mean(squares.iter().map(|s| s * s));
    let rate = (LEFT_OUT * unit / fourth).sqrt();
    let bound = |s: &f64| beyond_first_order(rate * rate * s);
    let rates = task.rates(&at, zoo, rate, 0.0);
    let mut trainer = task.trainer(zoo, rate, 0.0, 0)?;
    let before = log_det(&at);
    let mut sum = 0.0;
    for draw in 0..draws {
        let g = gradient(&mut trainer, draw)?;
        let after = &at - theta(&trainer, &g) * faer::Scale(rate);
        sum += log_det(&after) - before;
    }
    Ok(NoiseEffect {
        change: (sum / draws as f64 - rates.descent) / rates.unit,
        left_out: 2.0 * mean(squares.iter().map(bound)) / rates.unit,
    })
}

fn isotropic(task: &Task, draws: u64) -> Result<NoiseEffect, Stop> {
    let rate = 1e-3;
    let still = task.trainer(Zoo::Isotropic, rate, 0.0, 0)?;
    let at = theta(&still, &task.weights);
    let a = task.rates(&at, Zoo::Isotropic, rate, 0.0).a;
    let stepped = descent_step(&at, &a, rate);
    let [first, second] = inverse_traces(&stepped);
    let variance = STEP / first;
    let mut trainer = task.trainer(Zoo::Isotropic, rate, 0.5 * variance / rate, 0)?;
    let before = log_det(&stepped);
    let mut sum = 0.0;
    for draw in 0..draws {
        let g = gradient(&mut trainer, draw)?;
        let after = &at - theta(&trainer, &g) * faer::Scale(rate);
        sum += log_det(&after) - before - first_order(&after, &stepped);
    }
    let excess = at.ncols() as f64 - D as f64 - 1.0;
    let next = 0.5 * variance * excess * ((1.0 - excess) * second + first * first) / first;
    Ok(NoiseEffect {
        change: sum / draws as f64 / STEP,
        left_out: next.abs().max(AT_LEAST),
    })
}

/// Θ after a step without noise, (I + ηH(A))Θ.
fn descent_step(theta: &Mat<f64>, a: &Mat<f64>, rate: f64) -> Mat<f64> {
    let (w1, w2) = (theta.subrows(0, INPUTS), theta.subrows(INPUTS, OUTPUTS));
    let (up, down) = (a * w2, a.transpose() * w1);
    Mat::from_fn(D, theta.ncols(), |i, h| {
        let moved = match i < INPUTS {
            true => up[(i, h)],
            false => down[(i - INPUTS, h)],
        };
        theta[(i, h)] + rate * moved
    })
}

/// What noise that takes Θ from `stepped` to `after` does to log det M at first order: twice its
/// product with M⁻¹Θ.
fn first_order(after: &Mat<f64>, stepped: &Mat<f64>) -> f64 {
    let m = stepped * stepped.transpose();
    let derivative = m.partial_piv_lu().solve(stepped);
    let places = (0..D).flat_map(|i| (0..stepped.ncols()).map(move |h| (i, h)));
    places
        .map(|place| 2.0 * derivative[place] * (after[place] - stepped[place]))
        .sum()
}

fn measure(bench: &Bench<impl Sync>, zoo: Zoo, widths: &[usize]) -> Result<Evidence, Stop> {
    let mut comparisons = Vec::new();
    let (mut x, mut y, mut half) = (Vec::new(), Vec::new(), Vec::new());
    let mut states = 0;
    for &width in widths {
        let seen = seen(bench, zoo, width)?;
        states = seen.len();
        let comparison = compare(zoo, width, &seen)?;
        if let Measurement::Statistical(estimate) = comparison.measured {
            x.push(width as f64);
            y.push(estimate.value);
            half.push(estimate.half_width(0.95));
        }
        comparisons.push(comparison);
    }
    let theory = x.iter().map(|&l| zoo.predicted(l as usize)).collect();
    let title = format!("Change of log det M by {} in one step", zoo.name());
    let figure = Picture::new(
        &title,
        "Theory dashed; means over states with 95 % intervals.",
        "width l (d = 5)",
        "change of log det M, in units of the rate",
    )
    .with("theory", Style::Dashed, x.clone(), theory)
    .with_intervals("measured", x, y, half);
    Ok(Evidence {
        comparisons,
        figure: Some(figure),
        sentence: format!(
            "{states} states at each width, each with data and weights of its own; the margins are of higher order in the step"
        ),
    })
}

/// Measured beside what theory says.
///
/// # Errors
/// Fewer than two states.
pub fn compare(zoo: Zoo, width: usize, seen: &[NoiseEffect]) -> Result<Comparison, Stop> {
    let changes: Vec<f64> = seen.iter().map(|s| s.change).collect();
    let margin = mean(seen.iter().map(|s| s.left_out));
    let estimate = mean_of(&changes)?;
    let what = format!(
        "change of log det M by {}, in units of the rate, l = {width}",
        zoo.name()
    );
    let comparison = Comparison::statistical(what, zoo.predicted(width), estimate, margin);
    Ok(comparison.against(zoo.alternative(width)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Gallery, NoSupervisor};
    use crate::decision::{Verdict, judge};
    use crate::experiments::NoExperiments;
    use crate::setting::Level;

    /// With the sign turned, or the dimension counted wrong, the same measurements fail.
    #[test]
    fn wrong_rates_fail() {
        let gallery = Gallery::new(&NoExperiments);
        let bench = Bench::of_seed(1, Level::Smallest, 2, &NoSupervisor, &gallery);
        let cases = [
            (Zoo::LabelNoise, D),
            (Zoo::MiniBatches, 2 * D),
            (Zoo::Isotropic, D),
            (Zoo::Isotropic, D + 2),
        ];
        for (zoo, width) in cases {
            let seen = seen(&bench, zoo, width).unwrap();
            let sound = compare(zoo, width, &seen).unwrap();
            assert_ne!(
                judge(sound.clone(), 1).verdict,
                Verdict::Fails,
                "{}",
                zoo.name()
            );
            for wrong in [-sound.prediction, sound.prediction + 1.0] {
                let margin = sound.margin[1] - sound.prediction;
                let shifted = sound.clone().within([wrong - margin, wrong + margin]);
                assert_eq!(judge(shifted, 1).verdict, Verdict::Fails, "{}", zoo.name());
            }
        }
    }
}
