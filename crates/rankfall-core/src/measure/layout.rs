//! Names and order of what is measured.

use crate::model::dynamics::{ForceScales, ForceSplit};

/// Name of what the determinant law predicts for `log_det`, measured beside it.
pub const LAW: &str = "log_det_law";

/// Name of the quantities of one's own, by index from 1.
pub const OWN: &str = "own";

/// One number measured at every save time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScalarObservable {
    /// Its name in `series.parquet`.
    pub name: &'static str,
    /// 1, 2, … for the parts of a spectrum, descending; 0 for scalars.
    pub index: u32,
}

/// The four matrices whose spectra are taken.
const MATRICES: [&str; 4] = ["theta", "w1", "w2", "product"];
const LOG_SINGULAR_VALUE: [&str; 4] = [
    "log_singular_value_theta",
    "log_singular_value_w1",
    "log_singular_value_w2",
    "log_singular_value_product",
];
const RANKS: [[&str; 4]; 4] = [
    [
        "numerical_rank_theta",
        "numerical_rank_w1",
        "numerical_rank_w2",
        "numerical_rank_product",
    ],
    [
        "effective_rank_theta",
        "effective_rank_w1",
        "effective_rank_w2",
        "effective_rank_product",
    ],
    [
        "stable_rank_theta",
        "stable_rank_w1",
        "stable_rank_w2",
        "stable_rank_product",
    ],
    [
        "nuclear_norm_theta",
        "nuclear_norm_w1",
        "nuclear_norm_w2",
        "nuclear_norm_product",
    ],
];

/// Names and order of everything measured; fixed by the shape of the problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// In the order in which they are measured.
    pub observables: Vec<ScalarObservable>,
    pub(super) inputs: usize,
    outputs: usize,
    columns: usize,
}

impl Layout {
    /// For p inputs, k outputs and m = min(l, p + k) columns.
    pub fn new(inputs: usize, outputs: usize, columns: usize, truth_known: bool) -> Self {
        let mut observables = Vec::new();
        let mut scalar = |name| observables.push(ScalarObservable { name, index: 0 });
        scalar(LAW);
        scalar("loss");
        scalar("excess_loss");
        if truth_known {
            scalar("population_loss");
        }
        scalar("log_det");
        scalar("balance_drift");
        RANKS.iter().flatten().for_each(|name| scalar(name));
        let sizes = spectrum_sizes(inputs, outputs, columns);
        for (name, size) in LOG_SINGULAR_VALUE.into_iter().zip(sizes) {
            observables.extend(indexed(name, size));
        }
        observables.extend(indexed("log_singular_value_product_error", sizes[3]));
        observables.extend(indexed("log_eigenvalue_m", sizes[0]));
        Self {
            observables,
            inputs,
            outputs,
            columns,
        }
    }

    /// The same under a loss of classes: the accuracy in the place of the excess loss, since there
    /// may be no optimum, and no population loss.
    pub fn of_classes(mut self) -> Self {
        self.observables.retain(|o| o.name != "population_loss");
        for observable in &mut self.observables {
            if observable.name == "excess_loss" {
                observable.name = "accuracy";
            }
        }
        self
    }

    /// The same with a balance of these forces after everything else.
    pub fn with_force_balance(mut self, forces: &ForceScales) -> Self {
        let m = self.columns;
        let names = force_balance(match forces.split {
            ForceSplit::Regular => "contribution_common_growth",
            ForceSplit::Antisymmetric => "contribution_common_decay",
        });
        let of_each = names.into_iter().flat_map(|name| indexed(name, m));
        self.observables.extend(of_each);
        if m <= MOST_FOR_PAIRS {
            self.observables.extend(indexed(PAIR, m * m));
        }
        if forces.let_eigenvalues_meet() {
            self.observables.extend(indexed(REFLECTION, m));
        }
        self
    }

    /// The same with the account of log det M after everything else.
    pub fn with_account(mut self) -> Self {
        let names = ACCOUNT_PARTS.into_iter().chain([ACCOUNT_LEFT]);
        let names = names.chain(ACCOUNT_ERRORS);
        let account = names.map(|name| ScalarObservable { name, index: 0 });
        self.observables.extend(account);
        self
    }

    /// The same with so many quantities of one's own after everything else.
    pub fn with_own(mut self, count: usize) -> Self {
        self.observables.extend(indexed(OWN, count));
        self
    }

    /// Where an observable is, if it is measured.
    pub fn position(&self, name: &str, index: u32) -> Option<usize> {
        self.observables
            .iter()
            .position(|o| o.name == name && o.index == index)
    }

    /// How many singular values `matrix` ("theta", "w1", "w2", "product") has.
    pub fn spectrum_size(&self, matrix: &str) -> usize {
        let sizes = spectrum_sizes(self.inputs, self.outputs, self.columns);
        MATRICES
            .iter()
            .position(|&m| m == matrix)
            .map_or(0, |place| sizes[place])
    }
}

/// Indices from 1 on.
fn indexed(name: &'static str, count: usize) -> impl Iterator<Item = ScalarObservable> {
    (1..=count as u32).map(move |index| ScalarObservable { name, index })
}

fn spectrum_sizes(inputs: usize, outputs: usize, columns: usize) -> [usize; 4] {
    [
        columns,
        inputs.min(columns),
        outputs.min(columns),
        inputs.min(outputs).min(columns),
    ]
}

/// Up to this many eigenvalues the repulsion of each pair is kept.
pub const MOST_FOR_PAIRS: usize = 16;

/// What is measured of every eigenvalue, index 1 for the largest, in nats of log λ_i.
const fn force_balance(common: &'static str) -> [&'static str; 7] {
    [
        "contribution_gradient",
        "contribution_own_noise",
        common,
        "contribution_repulsion",
        "contribution_martingale",
        "contribution_residual",
        "contribution_quadrature_error",
    ]
}

/// Index (i − 1) m + j: what the repulsion of eigenvalue j added to log λ_i, of m eigenvalues.
const PAIR: &str = "contribution_repulsion_pair";

/// What each part of the conditional mean added to log det M since the start, in nats.
pub const ACCOUNT_PARTS: [&str; 5] = [
    "account_full_gradient",
    "account_label_noise",
    "account_rows",
    "account_weight_decay",
    "account_higher_orders",
];

/// What is left of the change: the martingale, and on a grid what that misses.
pub const ACCOUNT_LEFT: &str = "account_martingale";

/// What neither explains, at every step alone, and the error of summing on a grid.
const ACCOUNT_ERRORS: [&str; 2] = ["account_residual", "account_quadrature_error"];

/// What reflections added, where eigenvalues can meet.
const REFLECTION: &str = "contribution_reflection";
