//! Which rows each mini-batch takes.

use crate::model::dynamics::{Dynamics, Kind, Sampling};
use crate::random::normals::Streams;
use crate::random::philox::{Purpose, StreamKey};

/// Chooses the rows of a trajectory's mini-batches. Holds nothing that cannot be made again from
/// the step number, so a resumed run takes the same rows.
pub struct Batches {
    sampling: Sampling,
    rows: u64,
    batch: u64,
    key: StreamKey,
    trajectory: u64,
    /// The epoch that `order` is for.
    epoch: Option<u64>,
    order: Vec<u32>,
    /// The sample that took each row last, and how many samples there were.
    taken: Vec<u64>,
    samples: u64,
}

impl Batches {
    /// For `rows` ≥ 1 rows and batches of `batch` ≥ 1; without replacement `batch` ≤ `rows`.
    pub fn new(sampling: Sampling, rows: u64, batch: u64, key: StreamKey, trajectory: u64) -> Self {
        let batch = if sampling == Sampling::WithReplacement {
            batch
        } else {
            batch.min(rows)
        };
        let size = |used: bool| if used { rows as usize } else { 0 };
        Self {
            sampling,
            rows,
            batch,
            key,
            trajectory,
            epoch: None,
            order: vec![0; size(sampling == Sampling::Epochs)],
            taken: vec![0; size(sampling == Sampling::WithoutReplacement)],
            samples: 0,
        }
    }

    /// Steps per epoch: ⌈rows / batch⌉.
    pub fn steps_per_epoch(&self) -> u64 {
        self.rows.div_ceil(self.batch)
    }

    /// How many rows the batch of `step` has; only the last of an epoch can be smaller.
    pub fn size(&self, step: u64) -> u64 {
        match self.sampling {
            Sampling::WithReplacement | Sampling::WithoutReplacement => self.batch,
            Sampling::Epochs | Sampling::Sequential => {
                let first = (step % self.steps_per_epoch()) * self.batch;
                self.batch.min(self.rows - first)
            }
        }
    }

    /// Σ 1/size over the batches of all steps before `step`.
    pub fn inverse_sizes_before(&self, step: u64) -> f64 {
        let own = 1.0 / self.batch as f64;
        let epoch = match self.sampling {
            Sampling::WithReplacement | Sampling::WithoutReplacement => {
                return step as f64 * own;
            }
            Sampling::Epochs | Sampling::Sequential => self.steps_per_epoch(),
        };
        let last = 1.0 / self.size(epoch - 1) as f64;
        let whole = step / epoch;
        (step - whole) as f64 * own + whole as f64 * last
    }

    /// The rows of the batch of `step`.
    pub fn choose(&mut self, step: u64, out: &mut Vec<u32>) {
        out.clear();
        let size = self.size(step);
        match self.sampling {
            Sampling::WithReplacement => {
                let mut reader = self.key.reader(self.trajectory, step);
                out.extend((0..size).map(|_| reader.below(self.rows) as u32));
            }
            Sampling::WithoutReplacement => {
                self.choose_among(self.rows, size, self.key, step, out);
            }
            Sampling::Epochs => {
                let first = self.left_of_epoch(step);
                out.extend_from_slice(&self.order[first..first + size as usize]);
            }
            Sampling::Sequential => {
                let first = (step % self.steps_per_epoch()) * self.batch;
                out.extend((first..first + size).map(|row| row as u32));
            }
        }
    }

    /// The rows from which the batch of `step` is drawn, given all batches before it.
    fn pool(&mut self, step: u64, out: &mut Vec<u32>) {
        out.clear();
        match self.sampling {
            Sampling::WithReplacement | Sampling::WithoutReplacement => {
                out.extend(0..self.rows as u32);
            }
            Sampling::Epochs => {
                let first = self.left_of_epoch(step);
                out.extend_from_slice(&self.order[first..]);
            }
            Sampling::Sequential => self.choose(step, out),
        }
    }

    /// Rows that the batch of `step` might have had instead, given all batches before it: number
    /// `number` of the stream of `other`. With the chances that the batch itself had, and
    /// independent of it; the batch itself where it was certain.
    fn choose_instead(&mut self, step: u64, other: StreamKey, number: u64, out: &mut Vec<u32>) {
        out.clear();
        let size = self.size(step);
        match self.sampling {
            Sampling::WithReplacement => {
                let reader = &mut other.reader(self.trajectory, number);
                out.extend((0..size).map(|_| reader.below(self.rows) as u32));
            }
            Sampling::WithoutReplacement => {
                self.choose_among(self.rows, size, other, number, out);
            }
            Sampling::Epochs => {
                let first = self.left_of_epoch(step);
                let left = self.rows - first as u64;
                self.taken.resize(self.rows as usize, 0);
                self.choose_among(left, size, other, number, out);
                for row in out {
                    *row = self.order[first + *row as usize];
                }
            }
            Sampling::Sequential => self.choose(step, out),
        }
    }

    /// Takes over the order of an epoch from batches of the same rows, seed and trajectory, so that
    /// it need not be shuffled again.
    fn take_order_of(&mut self, other: &Self) {
        if self.epoch != other.epoch && other.epoch.is_some() {
            self.epoch = other.epoch;
            self.order.copy_from_slice(&other.order);
        }
    }

    /// Shuffles for the epoch of `step`; the place in its order of the first row not taken before
    /// `step`.
    fn left_of_epoch(&mut self, step: u64) -> usize {
        self.shuffle(step / self.steps_per_epoch());
        ((step % self.steps_per_epoch()) * self.batch) as usize
    }

    /// Floyd's sample of `count` distinct numbers below `all` (Bentley and Floyd 1987), number
    /// `number` of a stream.
    fn choose_among(
        &mut self,
        all: u64,
        count: u64,
        key: StreamKey,
        number: u64,
        out: &mut Vec<u32>,
    ) {
        let mut reader = key.reader(self.trajectory, number);
        self.samples += 1;
        for last in all - count..all {
            let drawn = reader.below(last + 1);
            let row = if self.taken[drawn as usize] == self.samples {
                last
            } else {
                drawn
            };
            self.taken[row as usize] = self.samples;
            out.push(row as u32);
        }
    }

    /// A uniform permutation for each epoch (Fisher–Yates), numbered far above the steps.
    fn shuffle(&mut self, epoch: u64) {
        if self.epoch == Some(epoch) {
            return;
        }
        self.epoch = Some(epoch);
        let mut reader = self.key.reader(self.trajectory, epoch);
        for (row, entry) in self.order.iter_mut().enumerate() {
            *entry = row as u32;
        }
        for last in (1..self.order.len()).rev() {
            self.order
                .swap(last, reader.below(last as u64 + 1) as usize);
        }
    }
}

/// The mini-batches of trajectories side by side.
pub struct LaneBatches {
    batches: Vec<Batches>,
    /// The stream of rows that might have been chosen instead, where those are asked for.
    other: Option<StreamKey>,
    /// The rows of each lane.
    pub rows: Vec<Vec<u32>>,
}

impl LaneBatches {
    /// Those of a descent on mini-batches of `samples` rows, or with `instead` batches that it might
    /// have had instead; none of other dynamics.
    pub fn new<const N: usize>(
        dynamics: &Dynamics,
        samples: u64,
        streams: &Streams<N>,
        instead: bool,
    ) -> Option<Self> {
        let Kind::StochasticGradientDescent {
            batch_size,
            sampling,
            ..
        } = dynamics.kind
        else {
            return None;
        };
        let key = streams.key(Purpose::Batches);
        let of = |&trajectory| Batches::new(sampling, samples, batch_size, key, trajectory);
        Some(Self {
            batches: streams.trajectories.0.iter().map(of).collect(),
            other: instead.then(|| streams.key(Purpose::OtherBatches)),
            rows: vec![Vec::new(); N],
        })
    }

    /// Chooses the rows of `step`; where others are asked for, by draw `number` of those.
    pub fn choose(&mut self, step: u64, number: u64) {
        for (batches, rows) in self.batches.iter_mut().zip(&mut self.rows) {
            match self.other {
                None => batches.choose(step, rows),
                Some(other) => batches.choose_instead(step, other, number, rows),
            }
        }
    }

    /// The rows from which those of `step` are drawn in each lane, given all steps before it.
    pub fn pools(&mut self, step: u64) -> &[Vec<u32>] {
        for (batches, rows) in self.batches.iter_mut().zip(&mut self.rows) {
            batches.pool(step, rows);
        }
        &self.rows
    }

    /// Takes over the orders of epochs from those that move the same trajectories.
    pub fn take_orders_of(&mut self, moving: &Self) {
        for (batches, moving) in self.batches.iter_mut().zip(&moving.batches) {
            batches.take_order_of(moving);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batches(sampling: Sampling, rows: u64, batch: u64) -> Batches {
        Batches::new(
            sampling,
            rows,
            batch,
            StreamKey::new(3, Purpose::Batches, 0),
            0,
        )
    }

    /// Pearson's χ² of how often each row came; with 9 degrees of freedom it exceeds 50 with
    /// probability 10⁻⁷.
    fn row_counts_are_uniform(sampling: Sampling) -> bool {
        let mut chooser = batches(sampling, 10, 3);
        let mut counts = [0.0; 10];
        let mut rows = Vec::new();
        for step in 0..20_000 {
            chooser.choose(step, &mut rows);
            for &row in &rows {
                counts[row as usize] += 1.0;
            }
        }
        let mean = counts.iter().sum::<f64>() / 10.0;
        counts
            .iter()
            .map(|c| (c - mean) * (c - mean) / mean)
            .sum::<f64>()
            < 50.0
    }

    #[test]
    fn every_row_is_as_likely() {
        for sampling in [
            Sampling::WithReplacement,
            Sampling::WithoutReplacement,
            Sampling::Epochs,
            Sampling::Sequential,
        ] {
            assert!(row_counts_are_uniform(sampling), "{sampling:?}");
        }
    }

    #[test]
    fn without_replacement_never_repeats_and_with_replacement_does() {
        let mut rows = Vec::new();
        let repeats = |rows: &[u32]| {
            let mut sorted = rows.to_vec();
            sorted.sort_unstable();
            sorted.windows(2).any(|w| w[0] == w[1])
        };
        let mut without = batches(Sampling::WithoutReplacement, 12, 6);
        let mut with = batches(Sampling::WithReplacement, 12, 6);
        let mut repeated = 0;
        for step in 0..500 {
            without.choose(step, &mut rows);
            assert!(rows.len() == 6 && !repeats(&rows));
            with.choose(step, &mut rows);
            repeated += usize::from(repeats(&rows));
        }
        assert!(repeated > 300);
    }

    #[test]
    fn a_step_asked_for_twice_takes_the_same_rows() {
        let (mut rows, mut again) = (Vec::new(), Vec::new());
        for sampling in [Sampling::WithoutReplacement, Sampling::Epochs] {
            let mut chooser = batches(sampling, 12, 6);
            chooser.choose(3, &mut rows);
            chooser.choose(3, &mut again);
            assert_eq!(rows, again, "{sampling:?}");
        }
    }

    #[test]
    fn an_epoch_visits_every_row_once_and_keeps_the_last_partial_batch() {
        let mut chooser = batches(Sampling::Epochs, 7, 3);
        let mut orders = Vec::new();
        for epoch in 0..20 {
            let mut seen = Vec::new();
            let mut rows = Vec::new();
            for step in 0..3 {
                chooser.choose(epoch * 3 + step, &mut rows);
                assert_eq!(rows.len(), [3, 3, 1][step as usize]);
                seen.extend_from_slice(&rows);
            }
            orders.push(seen.clone());
            seen.sort_unstable();
            assert_eq!(seen, [0, 1, 2, 3, 4, 5, 6]);
        }
        orders.dedup();
        assert!(orders.len() > 15);
    }

    #[test]
    fn resuming_in_mid_epoch_takes_the_same_rows() {
        let (mut whole, mut rows, mut again) =
            (batches(Sampling::Epochs, 11, 2), Vec::new(), Vec::new());
        for step in 0..100 {
            whole.choose(step, &mut rows);
            batches(Sampling::Epochs, 11, 2).choose(step, &mut again);
            assert_eq!(rows, again);
        }
    }
}
