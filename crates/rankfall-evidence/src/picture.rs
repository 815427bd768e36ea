//! The picture of a claim, as numbers; drawing it is for others.

/// Curves on two axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// Written above it.
    pub title: String,
    /// What it shows.
    pub caption: String,
    /// The horizontal axis, with its unit.
    pub x_label: String,
    /// The vertical axis, with its unit.
    pub y_label: String,
    /// Whether the horizontal axis is logarithmic.
    pub x_log: bool,
    /// Whether the vertical axis is logarithmic.
    pub y_log: bool,
    /// In drawing order.
    pub curves: Vec<Trace>,
}

/// One curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// For the legend.
    pub label: String,
    /// How it is drawn.
    pub style: Style,
    /// Horizontal values.
    pub x: Vec<f64>,
    /// Vertical values.
    pub y: Vec<f64>,
    /// Lower and upper ends of intervals around `y`.
    pub interval: Option<[Vec<f64>; 2]>,
}

/// How a curve is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Measured.
    Line,
    /// Theory.
    Dashed,
    /// Single measurements.
    Points,
}

impl Picture {
    /// On linear axes, without curves.
    pub fn new(title: &str, caption: &str, x_label: &str, y_label: &str) -> Self {
        Self {
            title: title.into(),
            caption: caption.into(),
            x_label: x_label.into(),
            y_label: y_label.into(),
            x_log: false,
            y_log: false,
            curves: Vec::new(),
        }
    }

    /// With logarithmic axes where asked for.
    #[must_use]
    pub fn log(mut self, x: bool, y: bool) -> Self {
        (self.x_log, self.y_log) = (x, y);
        self
    }

    /// Adds a curve.
    #[must_use]
    pub fn with(
        mut self,
        label: impl Into<String>,
        style: Style,
        x: Vec<f64>,
        y: Vec<f64>,
    ) -> Self {
        self.curves.push(Trace {
            label: label.into(),
            style,
            x,
            y,
            interval: None,
        });
        self
    }

    /// Adds measurements with their intervals.
    #[must_use]
    pub fn with_intervals(
        self,
        label: impl Into<String>,
        x: Vec<f64>,
        y: Vec<f64>,
        half: Vec<f64>,
    ) -> Self {
        let low = y.iter().zip(&half).map(|(y, h)| y - h).collect();
        let high = y.iter().zip(&half).map(|(y, h)| y + h).collect();
        self.with(label, Style::Points, x, y).between([low, high])
    }

    /// Gives the last curve these intervals.
    #[must_use]
    pub fn between(mut self, ends: [Vec<f64>; 2]) -> Self {
        if let Some(curve) = self.curves.last_mut() {
            curve.interval = Some(ends);
        }
        self
    }
}
