//! What is measured of a dynamics, and when.

use rankfall_report::observable::Observable;
use serde::{Deserialize, Serialize};

/// What the engines call the law of `log_det`: a column of it, not an observable.
pub const LAW: &str = "log_det_law";

/// Observables taken with the losses, and not with the spectra, where the two have saves of their
/// own.
const LOSSES: [&str; 4] = ["loss", "accuracy", "held_out_loss", "held_out_accuracy"];

/// A time at which something was measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SaveTime {
    /// t.
    pub time: f64,
    /// Whether losses were.
    pub losses: bool,
    /// Whether everything else was.
    pub others: bool,
}

impl SaveTime {
    /// At which everything was measured.
    pub fn full(time: f64) -> Self {
        Self {
            time,
            losses: true,
            others: true,
        }
    }
}

/// What was measured and when: cell = save × observables + observable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Grid {
    /// In the order in which they are measured.
    pub(crate) observables: Vec<Observable>,
    /// In their order.
    pub(crate) saves: Vec<SaveTime>,
}

impl Grid {
    /// Of observables under the names that engines give them.
    pub fn new<'a>(names: impl Iterator<Item = (&'a str, u32)>, saves: Vec<SaveTime>) -> Self {
        let observables = names.map(|(name, index)| Observable::measured(name, index));
        Self {
            observables: observables.collect(),
            saves,
        }
    }

    /// How many cells there are.
    pub fn cells(&self) -> usize {
        self.observables.len() * self.saves.len()
    }

    /// The observable and the time of a cell; none where it was not taken, or is a law.
    pub fn at(&self, cell: usize) -> Option<(&Observable, f64)> {
        let observable = self.observables.get(cell % self.observables.len())?;
        let save = self.saves.get(cell / self.observables.len())?;
        let taken = match LOSSES.contains(&observable.name.as_str()) {
            true => save.losses,
            false => save.others,
        };
        (taken && observable.name != LAW).then_some((observable, save.time))
    }

    /// The cell of an observable at a save; none where it is not measured.
    pub(crate) fn cell(&self, save: usize, name: &str, layer: Option<u32>) -> Option<usize> {
        let mut all = self.observables.iter();
        let place = all.position(|o| o.name == name && o.layer == layer)?;
        Some(save * self.observables.len() + place)
    }
}
