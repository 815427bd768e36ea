//! Claims about the network of an experiment file, at its own weights, on its own data, and under
//! its own noise: what can be told of any network.
//!
//! **Adjacent layers.** Where a network is a product of matrices, its gradient in layers j and j +
//! 1 is G Wⱼ₊₁ᵀ and WⱼᵀG, G the gradient with respect to WⱼWⱼ₊₁, whatever the loss, and whatever
//! the rows, inputs and labels of the step are. So a step takes Θⱼ = [Wⱼ; Wⱼ₊₁ᵀ] to (I − ηH(G))Θⱼ,
//! and changes log det ΘⱼΘⱼᵀ by 2 log|det(I − η²GᵀG)|. Noise on weights, gradients or units does
//! not act like that.
//!
//! **Label noise.** Its mean is −2η²(δ/n) tr(Pⱼᵀ S_xx Pⱼ)|Rⱼ|² beside the descent's, Pⱼ and Rⱼ the
//! products before and behind. What follows in η is at most x²/(1 − x), x = η²|G|²; η is the
//! file's, or so small that this is [`LEFT_OUT`] of it. The margin is twice that, and a tenth at
//! least.
//!
//! **Drift.** As in [`crate::claims::drift`], for singular values that are far enough from each
//! other.

use faer::Mat;
use faer::linalg::solvers::Solve;
use rankfall_nets::loss::Loss;
use rankfall_nets::noise::Noise;
use rankfall_nets::training::Trainer;

use crate::bench::Bench;
use crate::claim::{Claim, Provenance, Strength, Suite, Test};
use crate::claims::drift::{Unit, changes, figure, slopes};
use crate::decision::Comparison;
use crate::evidence::{Evidence, Stop, mean_of, unmeasured};
use crate::linear::{beyond_first_order, log_det_of_step_of, singular_values};
use crate::network_setting::{NetworkSetting, NoisyDescent};
use crate::small::{gradient, layer, stack};

/// The determinant of adjacent layers, step by step.
pub const STEP: Claim = Claim {
    suite: Suite::Networks,
    id: "network-step-determinant",
    title: "What one step does to log det of adjacent layers, on every path",
    statement: "Where the layers are a product of matrices, a step of gradient descent, on any rows, inputs and labels, \
                changes log det(ΘⱼΘⱼᵀ), Θⱼ = [Wⱼ; Wⱼ₊₁ᵀ], by 2 log|det(I − η²GᵀG)|, G the gradient with respect to \
                WⱼWⱼ₊₁.",
    provenance: Provenance::Beyond,
    strength: Strength::ExactIdentity,
    alternative: "it stays, as under gradient flow",
    test: Test::Network {
        comparisons: |setting| from_the_left(setting).map(|_| 0),
        measure: step,
    },
};

/// Its mean under label noise.
pub const LAW: Claim = Claim {
    suite: Suite::Networks,
    id: "network-label-noise",
    title: "Label noise lowers log det of adjacent layers",
    statement: "Where the layers are a product of matrices, in one step label noise of variance δ on n rows changes \
                log det(ΘⱼΘⱼᵀ) by −2η²(δ/n) tr(Pⱼᵀ S_xx Pⱼ)|Rⱼ|² beside the descent's, P and R the products of the layers \
                before and behind.",
    provenance: Provenance::Beyond,
    strength: Strength::Asymptotic,
    alternative: "it does nothing",
    test: Test::Network {
        comparisons: |setting| lawful(setting).map(|pairs| pairs.len()),
        measure: label_noise,
    },
};

/// The drift of the singular values of all layers.
pub const DRIFT: Claim = Claim {
    suite: Suite::Networks,
    id: "network-drift",
    title: "Predicted drift of the singular values of each layer",
    statement: "The mean change of each log σᵢ of each layer in one step is the predicted one: the slope of realised on \
                predicted change is 1 for the whole, for the second-order part, and for own noise, repulsion and growth \
                each.",
    provenance: Provenance::Beyond,
    strength: Strength::Asymptotic,
    alternative: "a force is not there: its slope is 0, and that of the second-order part what is left without repulsion",
    test: Test::Network {
        comparisons: |setting| {
            unbiased(setting)?;
            affordable(setting).map(|()| 5)
        },
        measure: drift,
    },
};

/// What higher orders in η may add, in units of what noise does.
const LEFT_OUT: f64 = 0.02;
/// The least margin of the law, in the same units: where steps are very short higher orders add
/// next to nothing, and no number of draws could tell so little. A tenth still tells the law from
/// its absence, 0.
const LEAST_MARGIN: f64 = 0.1;
/// Draws from which steps and margins are found.
const PILOT: u64 = 256;
/// Pairs of a descent and a stack that are measured, at most.
const MOST_PAIRS: usize = 8;
/// The most rows of a stack: its determinant is taken very often.
const MOST_ROWS: usize = 64;
/// Singular values nearer to each other, or to zero, are left out, over the largest.
const LEAST_GAP: f64 = 1e-3;
/// Draws of the noise at each state: so many if they cost no more than the operations of the level.
const DRAWS: [u64; 2] = [300, 15_000];

/// A descent and a stack, j from 1.
type Pair<'a> = (&'a NoisyDescent, usize);

/// Those of which the identity is stated; else in words why not.
fn from_the_left(setting: &NetworkSetting) -> Result<Vec<Pair<'_>>, String> {
    let acts = |noise: &Noise| {
        use Noise::{InputNoise, LabelFlips, LabelNoise, MiniBatch};
        matches!(
            noise,
            LabelNoise { .. } | LabelFlips { .. } | MiniBatch { .. } | InputNoise { .. }
        )
    };
    let plain = |d: &&NoisyDescent| {
        let optimizer = &d.training.optimizer;
        optimizer.momentum == 0.0
            && optimizer.weight_decay == 0.0
            && d.training.adam.is_none()
            && d.training.noise.iter().all(acts)
    };
    pairs(
        setting,
        &plain,
        "every dynamics has momentum, weight decay, Adam, or noise on weights, gradients or units",
    )
}

/// Those that have a law under label noise; else in words why not.
fn lawful(setting: &NetworkSetting) -> Result<Vec<Pair<'_>>, String> {
    let alone = |d: &&NoisyDescent| {
        let labels = matches!(d.training.noise.as_slice(), [Noise::LabelNoise { variance, .. }] if *variance > 0.0);
        labels && d.is_plain() && d.training.loss == Loss::Squared
    };
    pairs(
        setting,
        &alone,
        "no dynamics has label noise alone, under the squared loss, without momentum and weight decay",
    )
}

fn pairs<'a>(
    setting: &'a NetworkSetting,
    suits: &dyn Fn(&&'a NoisyDescent) -> bool,
    none: &str,
) -> Result<Vec<Pair<'a>>, String> {
    let layers = setting.network.layers();
    let small = |j: &usize| layers[j - 1].inputs + layers[*j].outputs <= MOST_ROWS;
    let stacks: Vec<usize> = setting.stacks()?.into_iter().filter(small).collect();
    if stacks.is_empty() {
        return Err(format!("measured up to {MOST_ROWS} rows of a stack only"));
    }
    let suited = setting.descents.iter().filter(suits);
    let pairs = suited.flat_map(|d| stacks.iter().map(move |&j| (d, j)));
    let pairs: Vec<Pair> = pairs.take(MOST_PAIRS).collect();
    match pairs.is_empty() {
        true => Err(none.into()),
        false => Ok(pairs),
    }
}

/// Descents with noise of mean zero and of one law at every step; else in words why not.
fn unbiased(setting: &NetworkSetting) -> Result<Vec<&NoisyDescent>, String> {
    if setting.network.layers().iter().any(|layer| layer.diagonal) {
        return Err("it is about dense layers".into());
    }
    let centred = |noise: &Noise| {
        use Noise::{GradientNoise, LabelNoise, MiniBatch};
        matches!(
            noise,
            LabelNoise { .. } | MiniBatch { .. } | GradientNoise { .. }
        )
    };
    let suits = |d: &&NoisyDescent| {
        let noise = &d.training.noise;
        !noise.is_empty() && noise.iter().all(centred) && d.is_plain()
    };
    let found: Vec<&NoisyDescent> = setting.descents.iter().filter(suits).collect();
    match found.is_empty() {
        true => Err(
            "no dynamics has noise of mean zero alone (label noise, gradient noise, mini-batches that are drawn), without \
             momentum and weight decay"
                .into(),
        ),
        false => Ok(found),
    }
}

/// Operations of one draw of the noise, roughly: a gradient for each layer, its projections, and a
/// decomposition.
fn cost(setting: &NetworkSetting) -> f64 {
    let layers = setting.network.layers();
    let all = setting.data.rows();
    let rows = setting.descents.iter().map(|d| d.rows(all)).max();
    let gradient = 6.0 * rows.unwrap_or(all) as f64 * setting.network.parameters() as f64;
    let of_layer = |l: &rankfall_nets::network::Layer| {
        let least = l.inputs.min(l.outputs) as f64;
        2.0 * gradient + 40.0 * l.inputs as f64 * l.outputs as f64 * least
    };
    layers.iter().map(of_layer).sum()
}

/// States of the drift at each level, and operations that may be spent on all of them.
const STATES: [usize; 3] = [6, 12, 24];
const OPERATIONS: [f64; 3] = [3e9, 3e10, 3e11];

/// That the least number of draws can be had at the full level; else in words why not.
fn affordable(setting: &NetworkSetting) -> Result<(), String> {
    let all = cost(setting) * STATES[2] as f64 * DRAWS[0] as f64;
    match all <= OPERATIONS[2] {
        true => Ok(()),
        false => Err(format!(
            "the network and a step's rows are too large for many draws of one step: {all:.0e} operations, of {:.0e} at \
             most",
            OPERATIONS[2]
        )),
    }
}

/// log det ΘΘᵀ, and the largest over the least singular value.
fn log_det(theta: &Mat<f64>) -> Result<(f64, f64), Stop> {
    let sigma = singular_values(theta);
    let [largest, least] = [sigma.first(), sigma.last()].map(|s| s.copied().unwrap_or(0.0));
    if least <= 1e-12 * largest {
        return Err(unmeasured("adjacent layers have less than full rank"));
    }
    Ok((
        sigma.iter().map(|s| 2.0 * libm::log(*s)).sum(),
        largest / least,
    ))
}

/// G of the gradient `values` at weights `at`, from WⱼᵀG: mⱼ₋₁ × mⱼ₊₁.
fn product_gradient(trainer: &Trainer<f64>, j: usize, at: &[f64], values: &[f64]) -> Mat<f64> {
    let (first, moves) = (layer(trainer, j - 1, at), layer(trainer, j, values));
    (&first * first.transpose())
        .partial_piv_lu()
        .solve(&first * &moves)
}

fn diverged<E>(_: E) -> Stop {
    unmeasured("the network diverged")
}

fn step(bench: &Bench<NetworkSetting>) -> Result<Evidence, Stop> {
    let setting = bench.setting;
    let pairs = from_the_left(setting).map_err(Stop::Unmeasured)?;
    let steps = bench.level.pick(20, 200, 1000);
    let comparisons = bench.each(pairs.len(), &|place| {
        let (descent, j) = pairs[place];
        let rate = descent.training.step_size;
        let noise = descent.training.noise.clone();
        let mut trainer = setting.trainer(descent, noise, rate, 0)?;
        let read =
            |trainer: &Trainer<f64>| log_det(&stack(trainer, j, &trainer.state().parameters));
        let (start, condition) = read(&trainer)?;
        let (mut law, mut size, mut worst) = (0.0, 0.0, condition);
        for _ in 0..steps {
            let at = trainer.state().parameters.clone();
            let step = trainer.state().step;
            let gradient = gradient(&mut trainer, step)?;
            let change = log_det_of_step_of(rate, &product_gradient(&trainer, j, &at, &gradient));
            law += change;
            size += change.abs();
            trainer.step().map_err(diverged)?;
            worst = read(&trainer)?.1.max(worst);
        }
        let measured = read(&trainer)?.0 - start;
        // Each step rounds Θ; G comes from normal equations.
        let rows = {
            let layers = setting.network.layers();
            (layers[j - 1].inputs + layers[j].outputs) as f64
        };
        let margin =
            16.0 * rows * f64::EPSILON * (rows * steps as f64 * worst + worst * worst * size);
        let what = format!(
            "change of log det of layers {j} and {} over {steps} steps, {}",
            j + 1,
            descent.label
        );
        Ok(Comparison::exact(what, law, measured, margin).against(0.0))
    })?;
    Ok(Evidence {
        comparisons,
        figure: None,
        sentence: format!(
            "{steps} steps of the file's own from its first start, in double precision"
        ),
    })
}

/// Steps to the state number `unit`: along the first part of a run.
fn steps_to(descent: &NoisyDescent, unit: usize) -> u64 {
    (10 * (1 + unit as u64 % 6)).min(descent.training.steps)
}

fn label_noise(bench: &Bench<NetworkSetting>) -> Result<Evidence, Stop> {
    let setting = bench.setting;
    let pairs = lawful(setting).map_err(Stop::Unmeasured)?;
    let states = bench.level.pick(8, 16, 32);
    let draws = bench.level.pick(500, 2000, 10_000);
    let seen = bench.each(pairs.len() * states, &|place| {
        in_one_step(setting, pairs[place / states], place % states, draws)
    })?;
    let mut comparisons = Vec::new();
    for ((descent, j), seen) in pairs.iter().zip(seen.chunks(states)) {
        let changes: Vec<f64> = seen.iter().map(|s| s.0).collect();
        let left_out = 2.0 * seen.iter().map(|s| s.1).sum::<f64>() / states as f64;
        let margin = left_out.max(LEAST_MARGIN);
        let estimate = mean_of(&changes)?;
        let what = format!(
            "change of log det of layers {j} and {} by label noise, in units of the rate, {}",
            j + 1,
            descent.label
        );
        comparisons.push(Comparison::statistical(what, -1.0, estimate, margin).against(0.0));
    }
    Ok(Evidence {
        comparisons,
        figure: None,
        sentence: format!(
            "{draws} draws of one step at each of {states} states along the first 60 steps of a run"
        ),
    })
}

/// What label noise does in one step in units of the law, and what higher orders may add.
fn in_one_step(
    setting: &NetworkSetting,
    (descent, j): Pair,
    unit: usize,
    draws: u64,
) -> Result<(f64, f64), Stop> {
    let trajectory = unit as u64;
    let weights = setting.weights(descent, steps_to(descent, unit), trajectory)?;
    let noise = || descent.training.noise.clone();
    let at = |noise, rate| setting.trainer_at(&weights, descent, noise, rate, trajectory);
    let mut pilot = at(noise(), 1.0)?;
    let theta = stack(&pilot, j, &weights);
    let before = log_det(&theta)?.0;
    let mut squares = Vec::new();
    for draw in 0..PILOT {
        let gradient = gradient(&mut pilot, (1 << 59) + draw)?;
        let g = product_gradient(&pilot, j, &weights, &gradient);
        squares.push(g.norm_l2() * g.norm_l2());
    }
    let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / PILOT as f64;
    let fourth = mean(&mut squares.iter().map(|s| s * s));
    // The law of a step is quadratic in its length.
    let stacks = pilot.plan().stack_law.stacks();
    let place = stacks.iter().position(|&own| own == j);
    let place = place.ok_or_else(|| unmeasured("these layers have no law"))?;
    let mut short = at(noise(), 1e-6)?;
    short.step().map_err(diverged)?;
    let unit = -short.state().law[place] / 1e-12;
    let rate = descent
        .training
        .step_size
        .min((LEFT_OUT * unit / fourth).sqrt());
    let bound = |s: &f64| beyond_first_order(rate * rate * s);
    let left_out = mean(&mut squares.iter().map(bound)) / (rate * rate * unit);
    let quiet = gradient(&mut at(Vec::new(), rate)?, 0)?;
    let mut trainer = at(noise(), rate)?;
    let alone = log_det_of_step_of(rate, &product_gradient(&trainer, j, &weights, &quiet));
    let mut sum = 0.0;
    for draw in 0..draws {
        let gradient = gradient(&mut trainer, (1 << 58) + draw)?;
        let after = &theta - stack(&trainer, j, &gradient) * faer::Scale(rate);
        sum += log_det(&after)?.0 - before;
    }
    Ok((
        (sum / draws as f64 - alone) / (rate * rate * unit),
        left_out,
    ))
}

fn drift(bench: &Bench<NetworkSetting>) -> Result<Evidence, Stop> {
    let setting = bench.setting;
    let descents = unbiased(setting).map_err(Stop::Unmeasured)?;
    let [smallest, quick, full] = STATES;
    let states = bench.level.pick(smallest, quick, full);
    let [smallest, quick, full] = OPERATIONS;
    let operations = bench.level.pick(smallest, quick, full);
    let draws = (operations / (cost(setting) * states as f64)) as u64;
    let draws = draws.clamp(DRAWS[0], DRAWS[1]);
    let units = bench.each(states, &|unit| {
        let descent = descents[unit % descents.len()];
        let trajectory = unit as u64;
        let steps = steps_to(descent, unit / descents.len());
        let weights = setting.weights(descent, steps, trajectory)?;
        let with = |noise, rate| setting.trainer_at(&weights, descent, noise, rate, trajectory);
        let at = |rate: f64| with(descent.noise_of_a_step(rate), rate);
        let mut quiet = with(Vec::new(), descent.training.step_size)?;
        Ok(Unit {
            noise: descent.label.clone(),
            points: changes(bench, &at, &mut quiet, draws, LEAST_GAP)?,
        })
    })?;
    Ok(Evidence {
        comparisons: slopes(&units)?,
        figure: Some(figure(&units)),
        sentence: format!(
            "{draws} draws of one step at each of {states} states along the first 60 steps of a run, {} singular values; \
             steps are so short that what is of third order is bounded",
            units.iter().map(|unit| unit.points.len()).sum::<usize>()
        ),
    })
}
