//! Noise increments of two steps packed into whole draws, where those of one step alone would leave
//! half a draw over.
//!
//! Increments with an odd number of pairs: those of an even step and of the odd one after it are
//! the numbers of one step of a stream, one after the other. All others have a step of the stream
//! each.

use std::ops::Range;

use crate::random::normals::{Normals, PAIRS_OF_DRAW, StepNormals, Streams};
use crate::random::philox::{Purpose, StreamKey};
use crate::simd::instructions::Instructions;

/// Where the numbers of an increment are in its stream.
#[derive(Clone, Copy)]
struct Packing {
    /// Pairs of an increment, the last of which may have one number too many.
    pairs: usize,
    /// Whether two steps share their draws.
    packed: bool,
}

impl Packing {
    /// For increments of `count` numbers.
    fn new(count: usize) -> Self {
        let pairs = count.div_ceil(2);
        let packed = !pairs.is_multiple_of(PAIRS_OF_DRAW);
        Self { pairs, packed }
    }

    /// Numbers of a step of the stream.
    fn count(self) -> usize {
        2 * self.pairs * if self.packed { 2 } else { 1 }
    }

    /// The step of the stream that has the increment of `step`, and the pairs that are its own.
    #[inline(always)]
    fn place(self, step: u64) -> (u64, Range<usize>) {
        let second = self.packed && step % 2 == 1;
        let first = if second { self.pairs } else { 0 };
        (step >> u32::from(self.packed), first..first + self.pairs)
    }
}

/// The standard normal numbers of the increments of N trajectories.
pub struct PackedNormals<const N: usize> {
    packing: Packing,
    normals: Normals<N>,
}

impl<const N: usize> PackedNormals<N> {
    /// `count` numbers for each increment, from the stream for `purpose`.
    pub fn new(streams: &Streams<N>, purpose: Purpose, count: usize) -> Self {
        let packing = Packing::new(count);
        Self {
            packing,
            normals: streams.normals(purpose, packing.count()),
        }
    }

    /// The numbers of `step`. Consecutive steps are cheap.
    #[inline(always)]
    pub fn of_step(&mut self, step: u64) -> StepNormals<'_, N> {
        let (step, pairs) = self.packing.place(step);
        self.normals.of_step(step).of_pairs(pairs)
    }
}

impl StreamKey {
    /// Fills `out` with the standard normal numbers of the increment of one trajectory at `step`,
    /// those of [`PackedNormals`]. At most 2³³ numbers.
    pub fn fill_increment(
        self,
        trajectory: u64,
        step: u64,
        out: &mut [f64],
        instructions: Instructions,
    ) {
        let packing = Packing::new(out.len());
        let (step, pairs) = packing.place(step);
        let mut numbers = vec![0.0; packing.count()];
        self.fill_normals(trajectory, step, &mut numbers, instructions);
        out.copy_from_slice(&numbers[2 * pairs.start..][..out.len()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::lanes::Words;

    #[test]
    fn an_increment_has_the_numbers_of_no_other_and_the_same_for_one_and_for_many() {
        for count in 1..=24 {
            let streams = Streams {
                seed: 3,
                dynamics: 1,
                trajectories: Words([0, 5, 6, 7]),
                instructions: Instructions::best(),
            };
            let purpose = Purpose::BrownianMotion;
            let mut normals = PackedNormals::new(&streams, purpose, count);
            let together = if matches!(count % 4, 1 | 2) { 2 } else { 1 };
            let apart = count.next_multiple_of(2);
            for step in 0..70 {
                let mut stream = vec![0.0; together * apart];
                let key = StreamKey::new(3, purpose, 1);
                let (pair, second) = (step / together, step % together);
                key.fill_normals(5, pair as u64, &mut stream, streams.instructions);
                let expected = &stream[second * apart..][..count];
                let numbers = normals.of_step(step as u64);
                let lane: Vec<f64> = (0..count).map(|i| numbers.get(i).0[1]).collect();
                assert_eq!(lane, expected, "{count} {step}");
                let mut alone = vec![0.0; count];
                key.fill_increment(5, step as u64, &mut alone, streams.instructions);
                assert_eq!(alone, expected, "{count} {step}");
            }
        }
    }
}
