//! One colour and dash per dynamics, the same in every figure of a run.

use crate::color::{Color, SERIES};
use crate::record::DynamicsSummary;
use crate::scene::{Dash, Stroke};

/// Widths of solid and of broken lines: where a descent runs on its flow, both show.
const WIDTH: (f64, f64) = (3.0, 2.1);
/// Dashes in the order they are given out; [`Dash::Dashed`] is kept for theory.
const DASHES: [Dash; 4] = [Dash::Solid, Dash::Long, Dash::DashDot, Dash::Dotted];

/// What a dashed line through measured singular values and losses is called in a legend.
pub const SLOW_FLOW: &str = "slow flow: what small noise tends to";

/// The pen of theory, drawn over measurements.
pub const LAW: Stroke = Stroke {
    color: Color::Ink,
    width: 1.6,
    dash: Dash::Dashed,
};

/// Colours of dynamics without noise, as positions in [`SERIES`]: the cool ones.
const COOL: [usize; 4] = [0, 2, 4, 6];
/// Colours of dynamics with noise: the warm ones.
const WARM: [usize; 4] = [1, 3, 5, 7];

/// The pen of each dynamics, in their order. A kind has its own colour and dash where it is not yet
/// taken: cool for the noiseless, warm for the noisy, solid for flows, broken for descents.
#[must_use]
pub fn pens(dynamics: &[DynamicsSummary]) -> Vec<Stroke> {
    let mut taken = [false; SERIES.len()];
    let mut rounds = [0; 2];
    let mut pens = Vec::new();
    for one in dynamics {
        let noisy = is_noisy(one);
        let (preferred, dash) = of_kind(&one.kind, noisy);
        let family = if noisy { WARM } else { COOL };
        let free = family.into_iter().find(|c| !taken[*c]);
        let round = &mut rounds[usize::from(noisy)];
        let (color, dash) = match (taken[preferred], free) {
            (false, _) => (preferred, dash),
            (true, Some(free)) => (free, DASHES[(*round + 1) % DASHES.len()]),
            // More dynamics than colours: the dash moves on with every round.
            (true, None) => (
                family[*round % family.len()],
                DASHES[(*round + *round / family.len()) % DASHES.len()],
            ),
        };
        *round += 1;
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

/// Whether it is drawn as a dynamics with noise: noise is added, or its batches make some.
#[must_use]
pub fn is_noisy(one: &DynamicsSummary) -> bool {
    one.noise_intensity > 0.0 || !one.noise.is_empty() || one.kind == "sgd"
}

fn of_kind(kind: &str, noisy: bool) -> (usize, Dash) {
    match kind {
        "gradient-flow" => (0, Dash::Solid),
        "stochastic-gradient-flow" if noisy => (1, Dash::Solid),
        "gradient-descent" if !noisy => (2, Dash::Long),
        "label-noise-gradient-descent" if noisy => (3, Dash::DashDot),
        "sgd" => (5, Dash::Dotted),
        _ if noisy => (7, Dash::Long),
        _ => (4, Dash::Long),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn dynamics(kinds: &[(&str, bool)]) -> Vec<DynamicsSummary> {
        let of = |(kind, noise_added): &(&str, bool)| DynamicsSummary {
            kind: (*kind).into(),
            noise_intensity: f64::from(*noise_added),
            ..DynamicsSummary::default()
        };
        kinds.iter().map(of).collect()
    }

    #[test]
    fn noiseless_dynamics_are_cool_and_noisy_ones_warm_whatever_their_number() {
        let kinds = [
            ("gradient-descent", false),
            ("sgd", false),
            ("sgd", true),
            ("gradient-descent", false),
            ("label-noise-gradient-descent", true),
            ("gradient-descent", true),
            ("gradient-flow", false),
        ];
        let dynamics = dynamics(&kinds.repeat(6));
        for (one, pen) in dynamics.iter().zip(pens(&dynamics)) {
            let Color::Series(color) = pen.color else {
                panic!("{pen:?}")
            };
            let family = if is_noisy(one) { WARM } else { COOL };
            assert!(family.contains(&color), "{one:?} has colour {color}");
        }
    }

    #[test]
    fn the_five_dynamics_of_the_paper_differ_in_colour() {
        let kinds = [
            ("gradient-flow", false),
            ("stochastic-gradient-flow", true),
            ("gradient-descent", false),
            ("label-noise-gradient-descent", true),
            ("sgd", true),
        ];
        let pens = pens(&dynamics(&kinds));
        for (i, pen) in pens.iter().enumerate() {
            assert!(pens[..i].iter().all(|p| p.color != pen.color), "{pens:?}");
        }
    }
}
