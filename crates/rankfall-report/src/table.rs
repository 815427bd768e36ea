//! What the law predicted and what was measured, one row per dynamics.

use crate::figures::name;
use crate::number::{compact, from_natural_log, or_dash, significant};
use crate::record::{DynamicsSummary, LossSummary, RankSummary, Scalar, Summary};
use crate::terminal::{self, cut, plain};

/// One dynamics: prediction beside measurement.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Its label, or its kind where the label is empty.
    pub dynamics: String,
    /// ν.
    pub noise_intensity: f64,
    /// What its determinant is of, in symbols.
    pub determinant: &'static str,
    /// log det at t = 0.
    pub log_det_initial: Option<f64>,
    /// What the law says of log det at the end.
    pub log_det_predicted: Option<f64>,
    /// Why there is no prediction, where there is none: no law is stated, or no trajectory was left to
    /// compare it with.
    pub unpredicted: &'static str,
    /// Mean over the trajectories at the end.
    pub log_det_measured: Option<f64>,
    /// Sample standard deviation over them.
    pub log_det_std: Option<f64>,
    /// Singular values of the falling layer above the tolerance: at t = 0 and in the mean at the end.
    pub numerical_rank: (Option<f64>, Option<f64>),
    /// Natural logarithms of its smallest singular value: at t = 0 and in the mean at the end.
    pub log_smallest: (Option<f64>, Option<f64>),
    /// Its effective rank: at t = 0 and in the mean at the end.
    pub effective_rank: (Option<f64>, Option<f64>),
    /// Loss above the optimum: at t = 0 and in the mean at the end.
    pub excess_loss: (Option<f64>, Option<f64>),
}

impl Comparison {
    /// Measured minus predicted log det.
    #[must_use]
    pub fn difference(&self) -> Option<f64> {
        Some(self.log_det_measured? - self.log_det_predicted?)
    }

    /// The cells of a table, in the order of [`headings`].
    #[must_use]
    pub fn cells(&self) -> Vec<String> {
        let (smallest_start, smallest_end) = self.log_smallest;
        let from_log =
            |log: Option<f64>| log.map_or_else(|| "—".into(), |l| from_natural_log(l, 2));
        vec![
            self.dynamics.clone(),
            compact(self.noise_intensity, 3),
            self.log_det_initial
                .map_or_else(|| "—".into(), |v| compact(v, 6)),
            self.log_det_predicted
                .map_or_else(|| self.unpredicted.into(), |v| compact(v, 6)),
            measured(self.log_det_measured, self.log_det_std),
            or_dash(self.difference(), 2),
            arrow(self.numerical_rank, 3),
            arrow(self.effective_rank, 3),
            format!("{} → {}", from_log(smallest_start), from_log(smallest_end)),
            arrow(self.excess_loss, 2),
        ]
    }
}

/// The headings over [`Comparison::cells`]; `layer` is W₁ or W₂.
#[must_use]
pub fn headings(layer: &str) -> Vec<String> {
    [
        "dynamics".into(),
        "ν".into(),
        "log det at start".into(),
        "predicted".into(),
        "measured ± std".into(),
        "difference".into(),
        format!("rank of {layer}"),
        "effective rank".into(),
        format!("smallest σ of {layer}"),
        "excess loss".into(),
    ]
    .into()
}

/// One comparison per dynamics, in their order.
#[must_use]
pub fn predicted_and_measured(summary: &Summary) -> Vec<Comparison> {
    let first = summary.problem.inputs >= summary.problem.outputs;
    summary
        .dynamics
        .iter()
        .map(|one| comparison(one, first))
        .collect()
}

/// The layer that [`predicted_and_measured`] speaks of: the one whose rank noise lowers.
#[must_use]
pub fn falling_layer(summary: &Summary) -> &'static str {
    if summary.problem.inputs >= summary.problem.outputs {
        "W₁"
    } else {
        "W₂"
    }
}

fn comparison(one: &DynamicsSummary, first: bool) -> Comparison {
    let rank = |ranks: &RankSummary| both(if first { &ranks.w1 } else { &ranks.w2 });
    let spectra = &one.log_singular_values;
    let spectrum = if first { &spectra.w1 } else { &spectra.w2 };
    let smallest = |values: &[Option<f64>]| values.last().copied().flatten();
    let loss = |loss: &LossSummary| (loss.initial, loss.final_mean);
    Comparison {
        dynamics: name(one).to_owned(),
        noise_intensity: one.noise_intensity,
        determinant: crate::figures::determinant_name(one),
        log_det_initial: one.log_det.initial,
        log_det_predicted: one.log_det.law_final,
        unpredicted: match one.diverged == one.trajectories && has_law(one) {
            true => "all diverged",
            false => "no law",
        },
        log_det_measured: one.log_det.final_mean,
        log_det_std: one.log_det.final_std,
        numerical_rank: rank(&one.numerical_rank),
        log_smallest: (smallest(&spectrum.initial), smallest(&spectrum.final_mean)),
        effective_rank: rank(&one.effective_rank),
        excess_loss: loss(&one.excess_loss),
    }
}

/// Whether the determinant law is stated for this dynamics: for both flows where l ≥ p + k.
fn has_law(one: &DynamicsSummary) -> bool {
    one.kind.ends_with("gradient-flow") && one.log_det.of == "M"
}

fn both(scalar: &Scalar) -> (Option<f64>, Option<f64>) {
    (scalar.initial, scalar.final_mean)
}

fn arrow((start, end): (Option<f64>, Option<f64>), digits: usize) -> String {
    // Whole ranks are written whole.
    let show = |v: Option<f64>| match v {
        Some(v) if v.fract() == 0.0 && v.abs() < 1e6 => format!("{v}").replace('-', "−"),
        _ => or_dash(v, digits),
    };
    format!("{} → {}", show(start), show(end))
}

fn measured(mean: Option<f64>, std: Option<f64>) -> String {
    match (mean, std) {
        (Some(mean), Some(std)) => format!("{} ± {}", compact(mean, 6), significant(std, 2)),
        _ => mean.map_or_else(|| "—".into(), |v| compact(v, 6)),
    }
}

/// The columns of the two tables of [`to_text`]: the determinant, then the ranks.
const TABLES: [&[usize]; 2] = [&[0, 1, 2, 3, 4, 5], &[0, 6, 7, 8, 9]];

/// One long label must not push every other column off the screen.
const MOST: usize = 40;

/// The comparisons for a terminal, as two tables of aligned columns, since one would be wider than
/// most screens: what became of the determinant, and what of the ranks.
#[must_use]
pub fn to_text(rows: &[Comparison], layer: &str) -> String {
    let all: Vec<Vec<String>> = std::iter::once(headings(layer))
        .chain(rows.iter().map(|row| {
            let cells = row.cells();
            cells.iter().map(|cell| cut(&plain(cell), MOST)).collect()
        }))
        .collect();
    let tables = TABLES.map(|columns| table(&all, columns));
    tables.join("\n")
}

/// Some of the columns of `lines`.
fn table(lines: &[Vec<String>], columns: &[usize]) -> String {
    let lines: Vec<Vec<String>> = lines
        .iter()
        .map(|line| columns.iter().map(|&c| line[c].clone()).collect())
        .collect();
    terminal::columns(&lines, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(dynamics: &str) -> Comparison {
        Comparison {
            dynamics: dynamics.into(),
            noise_intensity: 0.02,
            determinant: "log det M",
            log_det_initial: Some(1.5),
            log_det_predicted: Some(-196.666),
            unpredicted: "no law",
            log_det_measured: Some(-196.666),
            log_det_std: Some(2e-13),
            numerical_rank: (Some(5.0), Some(2.0)),
            log_smallest: (Some(0.0), Some(-2_302.585_092_994)),
            effective_rank: (Some(4.25), None),
            excess_loss: (Some(3.0), Some(0.012)),
        }
    }

    #[test]
    fn columns_line_up() {
        let text = to_text(&[row("gradient flow"), row("\u{1b}[31mσ")], "W₁");
        let tables: Vec<&str> = text.split("\n\n").collect();
        assert_eq!(tables.len(), 2);
        for table in tables {
            let lengths: Vec<usize> = table.lines().map(|l| l.chars().count()).collect();
            assert_eq!(lengths.len(), 4);
            assert!(lengths.iter().all(|l| *l == lengths[0]), "{text}");
        }
        assert!(!text.contains('\u{1b}'));
        assert!(
            text.contains("5 → 2") && text.contains("4.25 → —") && text.contains("×10⁻¹⁰⁰⁰"),
            "{text}"
        );
    }

    #[test]
    fn a_long_label_is_cut() {
        let text = to_text(&[row(&"näme ".repeat(100))], "W₁");
        let longest = text.lines().map(|l| l.chars().count()).max();
        assert!(longest < Some(120) && text.contains('…'), "{text}");
    }

    #[test]
    fn no_law_is_said_not_guessed() {
        let mut without = row("sgd");
        without.log_det_predicted = None;
        assert_eq!(without.difference(), None);
        let cells = without.cells();
        assert_eq!((cells[3].as_str(), cells[5].as_str()), ("no law", "—"));
        assert_eq!(cells.len(), headings("W₁").len());
    }

    #[test]
    fn empty_tables_have_their_headings() {
        assert_eq!(to_text(&[], "W₁").lines().count(), 5);
    }
}
