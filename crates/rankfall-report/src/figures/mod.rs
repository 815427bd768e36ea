//! The figures of a run, each in a file of its own, drawn from its summary and series.

pub mod account;
pub mod conservation;
pub mod counterfactual;
pub mod curves;
pub mod determinants;
pub mod eigenvalues;
pub mod force_balance;
pub mod generalisation;
pub mod layers;
pub mod loss;
pub mod orders;
pub mod pushes;
pub mod ranks;
pub mod rates;
pub mod recorded_run;
pub mod seed_figure;
pub mod singular_values;
mod spectrum;
pub mod structure;
pub mod style;
pub mod sweep;
pub mod time;

pub(crate) use recorded_run::capitalised;
pub use recorded_run::{
    Figure, MOST_DYNAMICS, RecordedRun, THETA, determinant_name, evenly, falling_layer,
    matrix_symbol, name, network_words, short,
};

use crate::record::Summary;
use crate::series::SeriesTable;

/// All figures of a run, in the order of the report: those of the stacked layers, of the forces and
/// of determinants where the run recorded them. Each gives a picture or says why there is none.
#[must_use]
pub fn draw_all(summary: &Summary, table: &SeriesTable) -> Vec<Figure> {
    let shown = Summary {
        dynamics: summary
            .dynamics
            .iter()
            .take(MOST_DYNAMICS)
            .cloned()
            .collect(),
        warnings: Vec::new(),
        ..summary.clone()
    };
    let run = RecordedRun {
        left_out: summary.dynamics.len() - shown.dynamics.len(),
        ..RecordedRun::of(&shown, table)
    };
    let mut figures = Vec::new();
    let stacked = falling_layer(&shown).is_some();
    if stacked {
        figures.push(seed_figure::figure(&run));
        figures.push(singular_values::of_theta(&run));
        figures.push(singular_values::of_layer(&run));
        figures.push(eigenvalues::figure(&run));
        figures.extend(counterfactual::figure(&run));
        figures.extend(force_balance::figure(&run));
        figures.extend(pushes::figure(&run));
        figures.extend(account::figure(&run));
        figures.push(ranks::figure(&run));
        figures.push(loss::figure(&run));
        figures.push(generalisation::figure(&run));
        figures.push(conservation::figure(&run));
    } else {
        figures.extend(layers::figure(&run));
        figures.push(loss::figure(&run));
        figures.extend(singular_values::of_every_layer(&run));
        figures.push(ranks::figure(&run));
        figures.extend(determinants::figure(&run));
        figures.extend(structure::figure(&run));
    }
    figures
}

#[cfg(test)]
mod tests {
    use super::recorded_run::evenly;

    #[test]
    fn the_first_and_the_last_are_among_those_spread_evenly() {
        let all = |count| evenly(count, 5).collect::<Vec<usize>>();
        assert!(all(0).is_empty());
        assert_eq!(all(1), [0]);
        assert_eq!(all(3), [0, 1, 2]);
        assert_eq!(all(5), [0, 1, 2, 3, 4]);
        assert_eq!(all(64), [0, 15, 31, 47, 63]);
        assert_eq!(evenly(9, 1).collect::<Vec<usize>>(), [0]);
    }
}
