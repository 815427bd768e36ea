//! Colours that stand for numbers: ordered by lightness, so that grey prints keep the order.

use crate::color::Color;

/// Steps of a gradient; more could not be told apart.
const LEVELS: usize = 256;

/// From small to large, dark to light, after viridis (Smith and van der Walt).
const SEQUENTIAL: [u32; 10] = [
    0x440154, 0x482878, 0x3E4989, 0x31688E, 0x26828E, 0x1F9E89, 0x35B779, 0x6ECE58, 0xB5DE2B,
    0xFDE725,
];

/// From negative to positive with a light middle; both ends are equally dark, so that a grey print
/// shows the size and a number or the place must show the sign.
const DIVERGING: [u32; 7] = [
    0x123F73, 0x3F7DB8, 0xA4C8E4, 0xF6F5F1, 0xF2BE98, 0xCB6D35, 0x78290A,
];

/// Text on a light colour, and on a dark one.
const TEXT: [u32; 2] = [0x101014, 0xFFFFFF];

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
        Color::Fixed(self.level((fraction * last).round().clamp(0.0, last) as u8))
    }

    /// The colour of text on [`Gradient::color`]: whichever of black and white differs more.
    #[must_use]
    pub fn text_on(self, fraction: f64) -> Color {
        let is_light = lightness(self.color(fraction).shade().light) > 55.0;
        Color::Fixed(TEXT[usize::from(!is_light)])
    }

    /// The anchors joined by straight lines in sRGB.
    fn level(self, level: u8) -> u32 {
        let anchors = match self {
            Self::Sequential => &SEQUENTIAL[..],
            Self::Diverging => &DIVERGING,
        };
        let place = f64::from(level) / (LEVELS - 1) as f64 * (anchors.len() - 1) as f64;
        let before = (place.floor() as usize).min(anchors.len() - 2);
        let share = place - before as f64;
        let channel = |shift: u32| {
            let of = |anchor: u32| f64::from((anchor >> shift) & 0xFF);
            let value = of(anchors[before]) * (1.0 - share) + of(anchors[before + 1]) * share;
            (value.round() as u32) << shift
        };
        channel(16) | channel(8) | channel(0)
    }
}

/// CIE L* of an sRGB colour, from 0 for black to 100 for white.
#[must_use]
pub fn lightness(rgb: u32) -> f64 {
    let channel = |shift: u32| {
        let v = f64::from((rgb >> shift) & 0xFF) / 255.0;
        if v <= 0.04045 {
            v / 12.92
        } else {
            ((v + 0.055) / 1.055).powf(2.4)
        }
    };
    let y = 0.2126 * channel(16) + 0.7152 * channel(8) + 0.0722 * channel(0);
    // Below this the cube root is replaced by its tangent (CIE 1976).
    if y > 0.008_856 {
        116.0 * y.cbrt() - 16.0
    } else {
        903.3 * y
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
        let color = |fraction| Gradient::Sequential.color(fraction);
        assert_eq!([color(-3.0), color(f64::NAN)], [color(0.0); 2]);
        assert_eq!(color(7.0), color(1.0));
        assert_ne!(color(0.0), color(1.0));
    }

    #[test]
    fn the_sequential_gradient_grows_lighter_throughout() {
        let lights: Vec<f64> = (0..=255)
            .map(|l| lightness(Gradient::Sequential.level(l)))
            .collect();
        // Eight-bit channels round single steps; eight steps are never equal.
        assert!(lights.windows(9).all(|w| w[8] > w[0] + 1.0));
        assert!(lights[0] < 20.0 && lights[255] > 85.0);
        // Perceptually even: no eighth of the range takes more than twice its share of lightness.
        let eighths: Vec<f64> = (0..8)
            .map(|i| lights[i * 32 + 31] - lights[i * 32])
            .collect();
        let share = (lights[255] - lights[0]) / 8.0;
        assert!(
            eighths.iter().all(|e| *e > 0.5 * share && *e < 2.0 * share),
            "{eighths:?}"
        );
    }

    #[test]
    fn the_diverging_gradient_is_light_in_the_middle_and_even_on_both_sides() {
        let lights: Vec<f64> = (0..=255)
            .map(|l| lightness(Gradient::Diverging.level(l)))
            .collect();
        assert!(lights[127] > 95.0 && lights[128] > 95.0);
        assert!(lights[..128].windows(9).all(|w| w[8] > w[0]));
        assert!(lights[128..].windows(9).all(|w| w[8] < w[0]));
        for i in 0..128 {
            assert!((lights[i] - lights[255 - i]).abs() < 6.0, "{i}: {lights:?}");
        }
    }
}
