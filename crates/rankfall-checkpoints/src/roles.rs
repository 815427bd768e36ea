//! Which tensors are of the network and which of its optimiser, by their names.

use crate::tensor::Role;

/// Parts of a name below which an optimiser keeps its state.
const FOLDERS: &[&str] = &[
    "optimizer",
    "optimizers",
    "optimizer_state",
    "optimizer_states",
    "optimizer_state_dict",
    "optim",
];
/// What optimisers call what they keep for a tensor.
const STATES: &[&str] = &[
    "exp_avg",
    "exp_avg_sq",
    "max_exp_avg_sq",
    "exp_inf",
    "momentum_buffer",
    "square_avg",
    "acc_delta",
    "grad_avg",
    "master_param",
];

/// The role of a tensor with this name.
pub fn of_name(name: &str) -> Role {
    let mut parts = name.split(['.', '/']);
    let last = name.rsplit(['.', '/']).next().unwrap_or("");
    if STATES.contains(&last) || parts.any(|part| FOLDERS.contains(&part)) {
        Role::Optimizer
    } else {
        Role::Weight
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn optimisers_are_told_by_name() {
        for name in [
            "optimizer.state.0.exp_avg",
            "optimizer_states.0.state.3.step",
            "fc.weight.momentum_buffer",
        ] {
            assert_eq!(of_name(name), Role::Optimizer, "{name}");
        }
        for name in ["model.optimizer_head.weight", "exp_avg.weight", "fc.weight"] {
            assert_eq!(of_name(name), Role::Weight, "{name}");
        }
    }
}
