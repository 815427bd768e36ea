//! Gradient flow of a deep linear network, dWⱼ = Pⱼᵀ(S_xy − S_xx Π) Qⱼᵀ dt.

use crate::deep::extrapolation::{StallError, integrate};
use crate::deep::network::{DeepNetwork, StackProducts};
use crate::model::problem::Problem;

/// Follows the flow for `duration`; the network must fit the problem.
///
/// Each step's error is at most [`TOLERANCE`](crate::deep::extrapolation::TOLERANCE) of the norm of
/// all weights.
///
/// # Errors
/// A flow that leaves the finite numbers or is too stiff.
pub fn gradient_flow(
    network: &mut DeepNetwork,
    problem: &Problem,
    duration: f64,
) -> Result<(), StallError> {
    let mut flat = network.to_flat();
    let mut at = network.clone();
    integrate(&mut flat, duration, &mut |y, out| {
        at.set_flat(y);
        let products = StackProducts::new(&at);
        let updates = products.layer_updates(&products.negative_gradient(problem));
        let mut rest = out;
        for update in &updates {
            for j in 0..update.ncols() {
                let (column, after) = std::mem::take(&mut rest).split_at_mut(update.nrows());
                column.copy_from_slice(update.col_as_slice(j));
                rest = after;
            }
        }
    })?;
    network.set_flat(&flat);
    Ok(())
}
