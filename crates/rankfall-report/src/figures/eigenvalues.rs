//! Eigenvalues of M = ΘΘᵀ, one panel per dynamics.

use crate::figures::recorded_run::{Figure, RecordedRun};
use crate::figures::spectrum::{self, SpectrumPanel};

/// All eigenvalues of M.
#[must_use]
pub fn figure(run: &RecordedRun<'_>) -> Figure {
    let title = "Eigenvalues of M = ΘΘᵀ over time";
    let spectrum = SpectrumPanel::eigenvalues();
    let description = "One panel per dynamics: every eigenvalue of M on a logarithmic axis.";
    Figure {
        name: "eigenvalues",
        title: title.into(),
        caption: "All eigenvalues of M, the squares of the singular values of Θ; their logarithms add up to log det M. \
                  Under the stochastic flow with l ≥ p + k noise moves each of them at random, but cancels in the sum, \
                  which falls on a straight line without any spread."
            .into(),
        look_for: "Neighbouring eigenvalues repel: lines may come close but do not cross within a trajectory. The \
                   spread of single eigenvalues beside a determinant without spread is the law at work.",
        outcome: spectrum::scene(run, &spectrum, title, description),
    }
}
