//! The largest curvature of the training loss at given weights: what decides whether a step is stable there.

use crate::data::Dataset;
use crate::gradient::Workspace;
use crate::scalar::Real;
use crate::training::TrainingPlan;

/// Products with the Hessian.
const ITERATIONS: usize = 20;

/// Rows that are looked at, spread over the data.
const MOST_ROWS: usize = 512;

/// Rows × parameters beyond which fewer rows are looked at: it must not delay a run.
const MOST_WORK: usize = 20_000_000;

/// Fewer rows than this say nothing of the others.
const LEAST_ROWS: usize = 32;

/// The largest eigenvalue of the Hessian of the loss at `parameters`, by power iteration with differences of
/// gradients. It is from below on the rows that are looked at: all of them up to 512, else as many spread
/// over the data. None where that would take long.
pub fn sharpness<T: Real>(plan: &TrainingPlan, data: &Dataset<T>, parameters: &[T]) -> Option<f64> {
    let affordable = MOST_WORK / parameters.len().max(1);
    let rows = data.rows().min(MOST_ROWS).min(affordable);
    if rows < data.rows().min(LEAST_ROWS) {
        return None;
    }
    let spread: Vec<u32> = (0..rows)
        .map(|row| (row * data.rows() / rows) as u32)
        .collect();
    let mut looked_at = data.empty_like();
    data.gather(&spread, &mut looked_at);
    let mut gradients = Gradients {
        plan,
        workspace: Workspace::new(&plan.network),
        data: looked_at,
    };
    Some(gradients.largest_eigenvalue(parameters))
}

/// Gradients of the loss on some rows.
struct Gradients<'a, T: Real> {
    plan: &'a TrainingPlan,
    workspace: Workspace<T>,
    data: Dataset<T>,
}

impl<T: Real> Gradients<'_, T> {
    fn at(&mut self, parameters: &[f64]) -> Vec<f64> {
        let parameters: Vec<T> = parameters.iter().map(|&w| T::of(w)).collect();
        let (network, loss) = (&self.plan.network, self.plan.spec.loss);
        let mut gradient = vec![T::ZERO; parameters.len()];
        self.workspace.forward(network, &parameters, self.data.x());
        self.workspace.backward(
            network,
            &parameters,
            self.data.x(),
            loss,
            self.data.targets(),
            &mut gradient,
        );
        gradient.into_iter().map(Real::to_f64).collect()
    }

    fn largest_eigenvalue(&mut self, parameters: &[T]) -> f64 {
        let at: Vec<f64> = parameters.iter().map(|w| w.to_f64()).collect();
        // The cube root of rounding, where errors of differences and of rounding meet.
        let reach = libm::cbrt(T::EPSILON) * norm(&at).max(1e-3);
        let mut direction: Vec<f64> = (0..at.len()).map(scattered).collect();
        let mut largest = 0.0_f64;
        for _ in 0..ITERATIONS {
            let size = norm(&direction);
            if !(size > 0.0 && size.is_finite()) {
                break;
            }
            direction.iter_mut().for_each(|d| *d /= size);
            let moved = |by: f64| -> Vec<f64> {
                let pairs = at.iter().zip(&direction);
                pairs.map(|(w, d)| d.mul_add(by, *w)).collect()
            };
            let (ahead, behind) = (self.at(&moved(reach)), self.at(&moved(-reach)));
            let product: Vec<f64> = (ahead.iter().zip(&behind))
                .map(|(a, b)| (a - b) / (2.0 * reach))
                .collect();
            largest = largest.max(dot(&direction, &product));
            direction = product;
        }
        largest
    }
}

/// Numbers in (−½, ½) without a pattern: multiples of the golden ratio.
fn scattered(place: usize) -> f64 {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    ((place + 1) as f64 * GOLDEN).fract() - 0.5
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    let pairs = a.iter().zip(b);
    pairs.fold(0.0, |sum, (x, y)| x.mul_add(*y, sum))
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activation::Activation;
    use crate::data::Targets;
    use crate::initialisation::WeightInitialisation;
    use crate::loss::Loss;
    use crate::network::{Architecture, NetworkSpec};
    use crate::noise::Noise;
    use crate::scalar::Precision;
    use crate::schedule::RateSchedule;
    use crate::training::TrainingSpec;
    use rankfall_core::model::optimizer::Optimizer;

    fn plan(precision: Precision, layers: &[usize]) -> TrainingPlan {
        TrainingPlan::new(&TrainingSpec {
            network: NetworkSpec {
                layers: layers.to_vec(),
                activation: Activation::Linear,
                bias: false,
                kind: Architecture::Dense,
            },
            initialisation: WeightInitialisation::Gaussian { scale: 1.0 },
            loss: Loss::Squared,
            optimizer: Optimizer::default(),
            step_size: 0.1,
            schedule: RateSchedule::default(),
            steps: 1,
            noise: Vec::<Noise>::new(),
            precision,
            seed: 1,
            stream: 0,
        })
        .expect("a plan")
    }

    /// Two inputs ±√2 on the axes, S_xx = I; at the optimum W₁ = diag(3, 1), W₂ = diag(2, 5) the largest
    /// curvature is σ₁(W₁)² + σ₁(W₂)² = 34.
    fn at_a_minimum<T: Real>(precision: Precision) -> f64 {
        let root = T::of(2.0_f64.sqrt());
        let x = vec![root, T::ZERO, T::ZERO, root];
        let (a, b) = (T::of(6.0) * root, T::of(5.0) * root);
        let targets = Targets::Values {
            columns: 2,
            values: vec![a, T::ZERO, T::ZERO, b],
        };
        let data = Dataset::new(2, x, targets).expect("sound");
        let weights = [3.0, 0.0, 0.0, 1.0, 2.0, 0.0, 0.0, 5.0].map(T::of);
        sharpness(&plan(precision, &[2, 2, 2]), &data, &weights).expect("small")
    }

    #[test]
    fn sharpness_at_a_minimum_of_two_linear_layers() {
        let double = at_a_minimum::<f64>(Precision::F64);
        assert!((double - 34.0).abs() < 0.01, "{double}");
        let single = at_a_minimum::<f32>(Precision::F32);
        assert!((single - 34.0).abs() < 0.1, "{single}");
    }

    #[test]
    fn large_networks_are_left_out() {
        let data = Dataset::new(
            1,
            vec![1.0; 100],
            Targets::Values {
                columns: 1,
                values: vec![0.0; 100],
            },
        );
        let plan = plan(Precision::F64, &[1, 1000, 1000, 1]);
        let weights = vec![0.0; plan.network.parameters()];
        assert_eq!(sharpness(&plan, &data.expect("sound"), &weights), None);
    }
}
