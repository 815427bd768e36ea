//! The largest curvature of the training loss at given weights: what decides whether a step is
//! stable there.

use crate::data::Dataset;
use crate::hessian::Hessian;
use crate::scalar::Real;
use crate::training::TrainingPlan;

/// Rows that are looked at, spread over the data.
pub const MOST_ROWS: usize = 512;

/// Rows × parameters beyond which fewer rows are looked at: it must not delay a run.
const MOST_WORK: usize = 20_000_000;

/// Fewer rows than this say nothing of the others.
const LEAST_ROWS: usize = 32;

/// The largest eigenvalue of the Hessian of the loss at `parameters`, on the rows that are looked
/// at: all of them up to 512, else as many spread over the data. None where that would take long.
pub fn sharpness<T: Real>(plan: &TrainingPlan, data: &Dataset<T>, parameters: &[T]) -> Option<f64> {
    let affordable = MOST_WORK / parameters.len().max(1);
    let rows = data.rows().min(MOST_ROWS).min(affordable);
    if rows < data.rows().min(LEAST_ROWS) {
        return None;
    }
    Some(hessian(plan, &spread_rows(data, rows), parameters).largest_eigenvalue())
}

/// `rows` of the rows of `data`, spread over them.
pub fn spread_rows<T: Real>(data: &Dataset<T>, rows: usize) -> Dataset<T> {
    let spread: Vec<u32> = (0..rows)
        .map(|row| (row * data.rows() / rows) as u32)
        .collect();
    let mut looked_at = data.empty_like();
    data.gather(&spread, &mut looked_at);
    looked_at
}

/// The Hessian of the loss of a run on some rows.
pub fn hessian<'a, T: Real>(
    plan: &'a TrainingPlan,
    data: &Dataset<T>,
    parameters: &[T],
) -> Hessian<'a> {
    let parameters = parameters.iter().map(|w| w.to_f64()).collect();
    Hessian::new(&plan.network, plan.spec.loss, data.converted(), parameters)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activation::Activation;
    use crate::data::Targets;
    use crate::initialisation::WeightInitialisation;
    use crate::network::NetworkSpec;
    use crate::scalar::Precision;
    use crate::training::TrainingSpec;

    fn plan(precision: Precision, layers: &[usize]) -> TrainingPlan {
        let network = NetworkSpec::dense(layers, Activation::Linear, false);
        let start = WeightInitialisation::Gaussian { scale: 1.0 };
        TrainingPlan::new(&TrainingSpec {
            precision,
            ..TrainingSpec::plain(network, start, 0.1, 1)
        })
        .expect("a plan")
    }

    /// Two inputs ±√2 on the axes, S_xx = I; at the optimum W₁ = diag(3, 1), W₂ = diag(2, 5) the
    /// largest curvature is σ₁(W₁)² + σ₁(W₂)² = 34.
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
        assert!((double - 34.0).abs() < 1e-6, "{double}");
        let single = at_a_minimum::<f32>(Precision::F32);
        assert!((single - 34.0).abs() < 1e-4, "{single}");
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
