//! What the figures of the gallery say, as claims: one file per kind of network.
//!
//! The statements, and the least effects in them, were written down from runs with the bundled
//! seed; they are tested on other seeds. A *task* is one trajectory of each dynamics, with data,
//! start and noise of a seed of its own: statements are about means over tasks drawn as the
//! experiment draws them, and dynamics are compared task by task, where they share data and start.

pub mod classes;
pub mod deep;
pub mod field;
pub mod rectifiers;
pub mod sparse;
pub mod zoo;

use crate::claim::{Claim, Provenance, Strength, Suite, Test};
use crate::statement::Statement;

/// What a figure says: inequalities beyond the paper, against "no effect".
const fn inequality(
    id: &'static str,
    title: &'static str,
    statement: &'static str,
    statements: &'static [Statement],
) -> Claim {
    Claim {
        suite: Suite::Networks,
        id,
        title,
        statement,
        provenance: Provenance::Beyond,
        strength: Strength::Qualitative,
        alternative: "where a difference is stated: that there is none",
        test: Test::Gallery(statements),
    }
}
