//! One colour and dash per dynamics, the same in every figure of a run.

use crate::color::{Color, SERIES};
use crate::record::DynamicsSummary;
use crate::scene::{Dash, Stroke};

/// Widths of solid and of broken lines: where a descent runs on its flow, both show.
const WIDTH: (f64, f64) = (3.0, 2.1);
/// Dashes in the order they are given out; [`Dash::Dashed`] is kept for theory.
const DASHES: [Dash; 4] = [Dash::Solid, Dash::Long, Dash::DashDot, Dash::Dotted];

/// The pen of theory, drawn over measurements.
pub const LAW: Stroke = Stroke {
    color: Color::Ink,
    width: 1.6,
    dash: Dash::Dashed,
};

/// The pen of each dynamics, in their order. A kind has its own colour and dash where it is not yet
/// taken: cool for the noiseless, warm for the noisy, solid for flows, broken for descents.
#[must_use]
pub fn pens(dynamics: &[DynamicsSummary]) -> Vec<Stroke> {
    let kinds: Vec<&str> = dynamics.iter().map(|one| one.kind.as_str()).collect();
    pens_of(&kinds)
}

/// The pens of dynamics of these kinds.
#[must_use]
pub fn pens_of(kinds: &[&str]) -> Vec<Stroke> {
    let mut taken = vec![false; SERIES.len()];
    let mut pens = Vec::new();
    for (i, kind) in kinds.iter().enumerate() {
        let (preferred, dash) = of_kind(kind);
        let free = (0..SERIES.len()).find(|c| !taken[*c]);
        let (color, dash) = match (taken[preferred], free) {
            (false, _) => (preferred, dash),
            (true, Some(free)) => (free, DASHES[i % DASHES.len()]),
            // More dynamics than colours: the dash moves on with every round.
            (true, None) => (
                i % SERIES.len(),
                DASHES[(i + i / SERIES.len()) % DASHES.len()],
            ),
        };
        taken[color] = true;
        pens.push(Stroke {
            color: Color::Series(color),
            width: if dash == Dash::Solid {
                WIDTH.0
            } else {
                WIDTH.1
            },
            dash,
        });
    }
    pens
}

fn of_kind(kind: &str) -> (usize, Dash) {
    match kind {
        "gradient-flow" => (0, Dash::Solid),
        "stochastic-gradient-flow" => (1, Dash::Solid),
        "gradient-descent" => (2, Dash::Long),
        "label-noise-gradient-descent" => (3, Dash::DashDot),
        "sgd" => (4, Dash::Dotted),
        _ => (5, Dash::Long),
    }
}

/// How many panels stand side by side where there is one per dynamics.
#[must_use]
pub fn columns(panels: usize) -> usize {
    match panels {
        0..=3 => panels.max(1),
        4 => 2,
        5 | 6 | 9 => 3,
        _ => 4,
    }
}
