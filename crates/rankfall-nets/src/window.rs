//! When a noise acts: some noises of a list are switched on and off at given steps.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// The steps in which one noise of a list acts. A noise without a window acts in all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoiseWindow {
    /// Its place in the list, from 0.
    pub noise: usize,
    /// From the first to before the second; step m goes from the state after m steps.
    pub steps: Range<u64>,
}

impl NoiseWindow {
    /// The steps in which the noise at `place` acts.
    pub fn of(windows: &[Self], place: usize) -> Range<u64> {
        let own = windows.iter().find(|window| window.noise == place);
        own.map_or(0..u64::MAX, |window| window.steps.clone())
    }
}
