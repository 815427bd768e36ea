//! The rectangle that a panel is drawn into, and the sizes of its text.

/// Size of tick labels and labels at line ends.
pub const SMALL: f64 = 12.0;
/// Size of axis labels and panel titles.
pub const MEDIUM: f64 = 13.0;
/// A rectangle of the figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlotFrame {
    /// The left edge.
    pub left: f64,
    /// The upper edge.
    pub top: f64,
    /// Pixels across.
    pub width: f64,
    /// Pixels down.
    pub height: f64,
}

impl PlotFrame {
    /// The right edge.
    #[must_use]
    pub fn right(&self) -> f64 {
        self.left + self.width
    }

    /// The lower edge.
    #[must_use]
    pub fn bottom(&self) -> f64 {
        self.top + self.height
    }
}
