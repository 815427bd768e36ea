//! Singular values of Θ and of the layer that loses rank, one panel per dynamics.

use crate::figures::spectrum::{self, Spectrum};
use crate::figures::{Figure, Run, name};
use crate::number::from_natural_log;
use crate::record::{DynamicsSummary, Spectrum as Recorded};

/// All singular values of Θ = [W₁; W₂ᵀ].
#[must_use]
pub fn of_theta(run: &Run<'_>) -> Figure {
    figure(run, "singular_values_theta", "theta", "Θ", |d| {
        &d.log_singular_values.theta
    })
}

/// Those of W₁, or of W₂ where there are more outputs than inputs.
#[must_use]
pub fn of_layer(run: &Run<'_>) -> Figure {
    match run.falling_layer() {
        ("w1", symbol) => figure(run, "singular_values_w1", "w1", symbol, |d| {
            &d.log_singular_values.w1
        }),
        (_, symbol) => figure(run, "singular_values_w2", "w2", symbol, |d| {
            &d.log_singular_values.w2
        }),
    }
}

fn figure(
    run: &Run<'_>,
    file: &'static str,
    matrix: &str,
    symbol: &str,
    recorded: impl Fn(&DynamicsSummary) -> &Recorded,
) -> Figure {
    let title = format!("Singular values of {symbol} over time");
    let spectrum = Spectrum {
        observable: format!("log_singular_value_{matrix}"),
        label: format!("singular values of {symbol}"),
        letter: 'σ',
    };
    let description =
        format!("One panel per dynamics: every singular value of {symbol} on a logarithmic axis.");
    let mut caption = format!(
        "Singular values of {symbol}, largest darkest, on one logarithmic axis for all panels."
    );
    for one in &run.summary.dynamics {
        caption.extend(sentence(one, recorded(one)));
    }
    Figure {
        name: file,
        outcome: spectrum::scene(run, &spectrum, &title, &description),
        title,
        caption,
        look_for: "Horizontal lines keep their rank. Lines that fall straight vanish exponentially, each at its own \
                   rate; the bands show how far trajectories part.",
    }
}

fn sentence(one: &DynamicsSummary, recorded: &Recorded) -> Option<String> {
    let last = |values: &[Option<f64>]| values.last().copied().flatten();
    let (start, end) = (last(&recorded.initial)?, last(&recorded.final_mean)?);
    Some(format!(
        " Under {} the smallest goes from {} to {} (geometric mean over trajectories).",
        name(one),
        from_natural_log(start, 2),
        from_natural_log(end, 2),
    ))
}
