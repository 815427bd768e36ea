//! What of a network can learn nothing more: units that pass no gradient on any row, and layers
//! without one.

use crate::activation::Activation;
use crate::data::{Dataset, Targets};
use crate::gradient::Workspace;
use crate::loss::Loss;
use crate::matrix::square_sum;
use crate::network::Layer;
use crate::scalar::Real;
use crate::training::TrainingPlan;

/// Rows that pass through the network at once.
const CHUNK: usize = 256;

/// A unit is dead where its derivative is below this share of the largest on every row.
const DEAD: f64 = 1e-3;

/// A layer stands still where its gradient, relative to its weights, is below this share of the
/// largest.
const STILL: f64 = 1e-8;

/// Units and layers that can learn nothing from these data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inert {
    /// Of each hidden layer, how many units have a derivative of at most a thousandth of its
    /// largest value on every row: rectifiers that are zero, tanh and sigmoid that are saturated. 0
    /// for linear units.
    pub dead_units: Vec<usize>,
    /// Layers, from 1, whose weights have a gradient of exactly zero, or one that is, relative to
    /// the norm of the weights, below 10⁻⁸ of the largest of all layers.
    pub still_layers: Vec<usize>,
}

/// What of a network with these weights is inert on `data`, which must come from
/// [`TrainingPlan::fit`].
pub fn inert<T: Real>(plan: &TrainingPlan, data: &Dataset<T>, parameters: &[T]) -> Inert {
    let layers = plan.network.layers();
    let hidden = &layers[..layers.len() - 1];
    let mut alive: Vec<Vec<bool>> = hidden.iter().map(|l| vec![false; l.outputs]).collect();
    let mut gradient = vec![0.0; parameters.len()];
    let mut of_chunk = vec![T::ZERO; parameters.len()];
    let mut workspace = Workspace::new(&plan.network);
    let mut chunk = data.empty_like();
    let rows: Vec<u32> = (0..data.rows() as u32).collect();
    for some in rows.chunks(CHUNK) {
        data.gather(some, &mut chunk);
        workspace.forward(&plan.network, parameters, chunk.x());
        for (index, (layer, alive)) in hidden.iter().zip(&mut alive).enumerate() {
            mark_alive(layer.activation, workspace.arguments(index + 1), alive);
        }
        let (loss, targets) = (plan.spec.loss, chunk.targets());
        workspace.backward(
            &plan.network,
            parameters,
            chunk.x(),
            loss,
            targets,
            &mut of_chunk,
        );
        let share = some.len() as f64 / rows.len() as f64;
        for (sum, g) in gradient.iter_mut().zip(&of_chunk) {
            *sum += share * g.to_f64();
        }
    }
    let dead = |alive: &Vec<bool>| alive.iter().filter(|&&a| !a).count();
    Inert {
        dead_units: alive.iter().map(dead).collect(),
        still_layers: still_layers(layers, &gradient, parameters),
    }
}

/// Marks the units that pass a gradient on some row of `z`, rows × units.
fn mark_alive<T: Real>(activation: Activation, z: &[T], alive: &mut [bool]) {
    let mut derivative = vec![T::ONE; z.len()];
    activation.chain(z, &mut derivative);
    let largest = match activation {
        Activation::Sigmoid => 0.25,
        _ => 1.0,
    };
    for row in derivative.chunks_exact(alive.len()) {
        for (alive, d) in alive.iter_mut().zip(row) {
            *alive |= d.to_f64().abs() > DEAD * largest;
        }
    }
}

fn still_layers<T: Real>(layers: &[Layer], gradient: &[f64], parameters: &[T]) -> Vec<usize> {
    let relative = |layer: &Layer| {
        let gradient = square_sum(&gradient[layer.weights.clone()]).sqrt();
        let weights = square_sum(&parameters[layer.weights.clone()]).sqrt();
        match gradient == 0.0 {
            true => 0.0,
            false => gradient / weights,
        }
    };
    let all: Vec<f64> = layers.iter().map(relative).collect();
    let finite = all.iter().filter(|r| r.is_finite());
    let largest = finite.fold(0.0_f64, |a, &b| a.max(b));
    let still = |&(_, r): &(usize, &f64)| *r == 0.0 || *r < STILL * largest;
    (all.iter().enumerate().filter(still))
        .map(|(index, _)| index + 1)
        .collect()
}

/// The loss of the best prediction that is the same for every row: half the variances of the
/// targets, in the units from before they were scaled, or the entropies of their means.
pub fn constant_loss<T: Real>(loss: Loss, data: &Dataset<T>) -> f64 {
    let n = data.rows() as f64;
    match data.targets() {
        Targets::Classes(classes) => {
            let largest = classes.iter().max().map_or(0, |&c| c as usize);
            let mut counts = vec![0.0; largest + 1];
            classes.iter().for_each(|&c| counts[c as usize] += 1.0);
            -counts.iter().map(|c| times_log(c / n)).sum::<f64>()
        }
        Targets::Values { columns, values } => {
            let observed = |v: &&T| v.is_observed();
            let column = |c: usize| {
                let all = values.iter().skip(c).step_by(*columns);
                all.filter(observed).map(|v| v.to_f64())
            };
            let of = |c: usize| {
                let count = column(c).count().max(1) as f64;
                let mean = column(c).sum::<f64>() / count;
                match loss {
                    Loss::Logistic => -times_log(mean) - times_log(1.0 - mean),
                    _ => {
                        let scale = data.target_scales().get(c).copied().unwrap_or(1.0);
                        let square = |v: f64| (scale * (v - mean)) * (scale * (v - mean));
                        0.5 * column(c).map(square).sum::<f64>() / n
                    }
                }
            };
            (0..*columns).map(of).sum()
        }
    }
}

/// q log q, 0 at 0.
fn times_log(q: f64) -> f64 {
    match q > 0.0 {
        true => q * libm::log(q),
        false => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::initialisation::WeightInitialisation;
    use crate::network::NetworkSpec;
    use crate::training::TrainingSpec;

    fn plan(activation: Activation) -> TrainingPlan {
        let network = NetworkSpec::dense(&[1, 3, 1], activation, true);
        let start = WeightInitialisation::Gaussian { scale: 1.0 };
        TrainingPlan::new(&TrainingSpec::plain(network, start, 0.1, 1)).expect("a plan")
    }

    fn data() -> Dataset<f64> {
        let targets = Targets::Values {
            columns: 1,
            values: vec![1.0, 2.0, 6.0],
        };
        Dataset::new(1, vec![-1.0, 0.5, 2.0], targets).expect("sound")
    }

    /// Units with the arguments x, x − 9 and −x − 9, of rows from −1 to 2.
    const HIDDEN: [f64; 6] = [1.0, 1.0, -1.0, 0.0, -9.0, -9.0];

    #[test]
    fn units_without_a_derivative_on_any_row_are_dead() {
        let weights = [&HIDDEN[..], &[1.0, 1.0, 1.0, 0.0]].concat();
        let dead = |activation| inert(&plan(activation), &data(), &weights).dead_units;
        assert_eq!(dead(Activation::Relu), [2]);
        // tanh′ at −7 and beyond is below 4·10⁻⁶; σ′ at −7 is 9·10⁻⁴, above a thousandth of a
        // quarter.
        assert_eq!(dead(Activation::Tanh), [2]);
        assert_eq!(dead(Activation::Sigmoid), [0]);
        assert_eq!(dead(Activation::Gelu), [2]);
        assert_eq!(dead(Activation::LeakyRelu), [0]);
        assert_eq!(dead(Activation::Linear), [0]);
    }

    #[test]
    fn layers_without_a_gradient_stand_still() {
        let relu = plan(Activation::Relu);
        let alive = [&HIDDEN[..], &[1.0, 1.0, 1.0, 0.0]].concat();
        assert_eq!(inert(&relu, &data(), &alive).still_layers, [0_usize; 0]);
        // All three dead: nothing reaches either layer's weights.
        let dead = [1.0, 1.0, -1.0, -9.0, -9.0, -9.0, 1.0, 1.0, 1.0, 0.0];
        let found = inert(&relu, &data(), &dead);
        assert_eq!(
            (found.dead_units, found.still_layers),
            (vec![3], vec![1, 2])
        );
        // Outputs of size 10⁻¹² hand down a gradient that small, while their own is of order one.
        let vanishing = [&HIDDEN[..], &[1e-12, 0.0, 0.0, 0.0]].concat();
        assert_eq!(inert(&relu, &data(), &vanishing).still_layers, [1]);
    }

    /// (1 − 3)², (2 − 3)² and (6 − 3)² have the mean 14/3; half of it.
    #[test]
    fn the_best_constant_is_the_mean() {
        assert!((constant_loss(Loss::Squared, &data()) - 7.0 / 3.0).abs() < 1e-12);
        // Targets that were divided by 3 beforehand: losses are in the units from before.
        let scaled = data().with_target_scales(vec![3.0]).expect("one target");
        assert!((constant_loss(Loss::Squared, &scaled) - 21.0).abs() < 1e-12);
        let x = vec![0.0; 4];
        let classes = Targets::Classes(vec![0, 1, 1, 1]);
        let some = Dataset::new(1, x.clone(), classes).expect("sound");
        let entropy = 0.25 * 4.0_f64.ln() + 0.75 * (4.0_f64 / 3.0).ln();
        assert!((constant_loss(Loss::SoftmaxCrossEntropy, &some) - entropy).abs() < 1e-12);
        let values = Targets::Values {
            columns: 1,
            values: vec![0.0, 1.0, 1.0, 1.0],
        };
        let some = Dataset::new(1, x, values).expect("sound");
        assert!((constant_loss(Loss::Logistic, &some) - entropy).abs() < 1e-12);
    }
}
