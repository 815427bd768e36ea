//! What the figures of the gallery say, as claims: one file per kind of network.
//!
//! The statements, and the least effects in them, were written down from runs with the bundled seed;
//! they are tested on other seeds. A *task* is one trajectory of each dynamics, with data, start and
//! noise of a seed of its own: statements are about means over tasks drawn as the experiment draws
//! them, and dynamics are compared task by task, where they share data and start.

pub mod classes;
pub mod deep;
pub mod rectifiers;
pub mod sparse;
pub mod zoo;

use crate::claim::{Heading, Kind, Source};
use crate::setting::Level;

/// In how many tasks an experiment is run.
pub fn tasks(experiment: &str, level: Level) -> usize {
    match experiment {
        "fashion-mnist" => level.pick(2, 3, 6),
        "digits-network" => level.pick(3, 8, 24),
        "noise-zoo" => level.pick(4, 12, 64),
        "diagonal-linear" => level.pick(4, 16, 64),
        "relu-teacher-student" => level.pick(6, 48, 128),
        _ => level.pick(6, 24, 64),
    }
}

/// The heading of a statement about a figure: an inequality beyond the paper, against "no effect".
const fn heading(id: &'static str, title: &'static str, statement: &'static str) -> Heading {
    Heading {
        id,
        title,
        statement,
        source: Source::Beyond,
        kind: Kind::Qualitative,
        alternative: "where a difference is stated: that there is none",
    }
}
