//! Colours that stand for numbers: ordered by lightness, so that grey prints keep the order.

use crate::color::Color;
use crate::levels::{LEVELS, lightness};

/// How numbers between two bounds become colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gradient {
    /// Dark for the lower bound, light for the upper.
    Sequential,
    /// Light in the middle, blue below it, red above it.
    Diverging,
}

impl Gradient {
    /// The colour at `fraction` of the way from the lower to the upper bound.
    #[must_use]
    pub fn color(self, fraction: f64) -> Color {
        let last = (LEVELS - 1) as f64;
        let level = (fraction * last).round().clamp(0.0, last) as u8;
        match self {
            Self::Sequential => Color::Heat(level),
            Self::Diverging => Color::Balance(level),
        }
    }

    /// The colour of text on [`Gradient::color`]: whichever of black and white differs more.
    #[must_use]
    pub fn text_on(self, fraction: f64) -> Color {
        if lightness(self.color(fraction).shade().light) > 55.0 {
            Color::Dark
        } else {
            Color::Bright
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_shows_on_every_level() {
        for gradient in [Gradient::Sequential, Gradient::Diverging] {
            for i in 0..=100 {
                let fraction = f64::from(i) / 100.0;
                let ground = lightness(gradient.color(fraction).shade().light);
                let text = lightness(gradient.text_on(fraction).shade().light);
                assert!((ground - text).abs() > 40.0, "{gradient:?} {fraction}");
            }
        }
    }

    #[test]
    fn fractions_outside_are_clamped_and_no_number_is_the_lower_end() {
        assert_eq!(Gradient::Sequential.color(-3.0), Color::Heat(0));
        assert_eq!(Gradient::Sequential.color(7.0), Color::Heat(255));
        assert_eq!(Gradient::Sequential.color(f64::NAN), Color::Heat(0));
    }
}
