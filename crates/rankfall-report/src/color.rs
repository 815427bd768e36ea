//! Colours by their role in a figure, and what they are on paper and on a dark page.

/// What a colour is for; the renderer decides what it looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// Text, and theory drawn over measurements.
    Ink,
    /// Secondary text, axes and leader lines.
    Muted,
    /// Grid lines.
    Grid,
    /// What the figure is drawn on.
    Paper,
    /// One of [`SERIES`], by position; positions past the end start over.
    Series(usize),
    /// One of [`RAMP`], dark to light: the index within a spectrum.
    Ramp(usize),
    /// sRGB, the same on every page: a number of a [`Gradient`](crate::gradient::Gradient), or text
    /// on it.
    Fixed(u32),
}

/// A colour on white paper and its counterpart on a dark page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shade {
    /// sRGB on white.
    pub light: u32,
    /// sRGB on the dark page.
    pub dark: u32,
}

const fn shade(light: u32, dark: u32) -> Shade {
    Shade { light, dark }
}

/// Colours that tell dynamics apart: hues after Okabe and Ito (2008), with luminance spread out so
/// that neighbours in the list still differ when printed grey.
pub const SERIES: [Shade; 8] = [
    shade(0x0B4F8A, 0x6FA8DC), // blue
    shade(0xC8430A, 0xFF7F45), // vermillion
    shade(0x4A9FD4, 0xA6DCFA), // sky
    shade(0xF0A90A, 0xFFC24D), // orange
    shade(0x00795A, 0x3CC29A), // green
    shade(0xCC79A7, 0xE8A6CA), // purple
    shade(0x5B2A6E, 0xB58AD0), // aubergine
    shade(0x8A8A3A, 0xC9C96A), // olive
];

/// A ramp of falling darkness for the indices of a spectrum, after viridis (Smith and van der
/// Walt). It stops short of yellow, which does not show on paper.
pub const RAMP: [Shade; 12] = [
    shade(0x440154, 0xE3C8F5),
    shade(0x482072, 0xD3B6F2),
    shade(0x453882, 0xC0AAF0),
    shade(0x3D4E8A, 0xA9A6EE),
    shade(0x33628D, 0x8FA8EA),
    shade(0x2A768E, 0x78AEE0),
    shade(0x23898E, 0x62B4CF),
    shade(0x1F9D89, 0x4FB9B8),
    shade(0x2FB07F, 0x43BC9C),
    shade(0x53C169, 0x46BB7C),
    shade(0x84CE4C, 0x5CB85A),
    shade(0xA9CF38, 0x7DB33E),
];

impl Color {
    /// The colour in both surroundings.
    #[must_use]
    pub fn shade(self) -> Shade {
        match self {
            Self::Ink => shade(0x1A1A1E, 0xECECF0),
            Self::Muted => shade(0x5C5F66, 0xA9ADB6),
            Self::Grid => shade(0xE4E6EA, 0x33363D),
            Self::Paper => shade(0xFFFFFF, 0x17181C),
            Self::Series(i) => SERIES[i % SERIES.len()],
            Self::Ramp(i) => RAMP[i.min(RAMP.len() - 1)],
            Self::Fixed(rgb) => shade(rgb, rgb),
        }
    }

    /// The name of the style-sheet variable that holds the colour on a page; `None` for colours
    /// that are the same on every page.
    #[must_use]
    pub fn variable(self) -> Option<String> {
        match self {
            Self::Ink => Some("--ink".into()),
            Self::Muted => Some("--muted".into()),
            Self::Grid => Some("--grid".into()),
            Self::Paper => Some("--paper".into()),
            Self::Series(i) => Some(format!("--s{}", i % SERIES.len())),
            Self::Ramp(i) => Some(format!("--r{}", i.min(RAMP.len() - 1))),
            Self::Fixed(_) => None,
        }
    }

    /// Every colour that differs from page to page, once.
    pub fn all() -> impl Iterator<Item = Self> {
        [Self::Ink, Self::Muted, Self::Grid, Self::Paper]
            .into_iter()
            .chain((0..SERIES.len()).map(Self::Series))
            .chain((0..RAMP.len()).map(Self::Ramp))
    }

    /// The ramp colour of part `position` out of `count`, spread over the whole ramp.
    #[must_use]
    pub fn of_part(position: usize, count: usize) -> Self {
        let last = RAMP.len() - 1;
        // Few parts keep to the dark end, where lines on paper read best.
        let used = last.min(2 * count.saturating_sub(1));
        Self::Ramp(position.min(count) * used / count.saturating_sub(1).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gradient::lightness;

    #[test]
    fn neighbouring_series_differ_in_grey() {
        for pair in SERIES.windows(2) {
            let gap = (lightness(pair[0].light) - lightness(pair[1].light)).abs();
            assert!(gap > 8.0, "{pair:x?} differ by {gap} in lightness");
        }
    }

    #[test]
    fn the_ramp_grows_lighter() {
        assert!(
            RAMP.windows(2)
                .all(|w| lightness(w[0].light) < lightness(w[1].light))
        );
    }

    #[test]
    fn every_line_shows_on_its_ground() {
        for shade in SERIES.iter().chain(&RAMP) {
            assert!(lightness(shade.light) < 80.0, "{shade:x?} on paper");
            assert!(lightness(shade.dark) > 50.0, "{shade:x?} on a dark page");
        }
    }

    #[test]
    fn parts_of_a_spectrum_start_dark_and_stay_in_the_ramp() {
        assert_eq!(Color::of_part(0, 1), Color::Ramp(0));
        assert_eq!(Color::of_part(4, 5), Color::Ramp(8));
        assert_eq!(Color::of_part(199, 200), Color::Ramp(11));
    }
}
