//! The standard normal numbers of a stream: four to a draw, those of several steps worked out together.
//!
//! Number i of a step is number i mod 4 of draw ⌊i/4⌋, whoever asks and for how many. That a processor
//! has many of them under way at once is what makes them cheap.

use crate::box_muller::pairs_of_normals;
use crate::lane_vec::LaneVec;
use crate::lanes::{BLOCK, Instructions, LaneWork, Lanes, Words};
use crate::random::{Purpose, RoundKeys, StreamKey, counter_of_step};

/// Pairs of numbers that are worked out together.
const PAIRS: usize = 32;

/// Where the noise of one dynamics of N trajectories comes from.
#[derive(Clone, Copy)]
pub struct Streams<const N: usize> {
    /// The seed of the run.
    pub seed: u64,
    /// Tells streams of several dynamics apart.
    pub dynamics: u32,
    /// Whose noise it is, by their numbers in the whole run.
    pub trajectories: Words<N>,
    /// What numbers are worked out with.
    pub instructions: Instructions,
}

impl<const N: usize> Streams<N> {
    /// The key of the stream for `purpose`.
    pub fn key(&self, purpose: Purpose) -> StreamKey {
        StreamKey::new(self.seed, purpose, self.dynamics)
    }

    /// `count` standard normal numbers of each step from the stream for `purpose`.
    pub fn normals(&self, purpose: Purpose, count: usize) -> Normals<N> {
        Normals::new(
            self.key(purpose),
            self.trajectories,
            count,
            self.instructions,
        )
    }
}

/// The numbers of N trajectories, the same count for every step.
pub struct Normals<const N: usize> {
    key: StreamKey,
    trajectories: Words<N>,
    instructions: Instructions,
    /// Pairs of a step, the last of which may have one number too many.
    pairs: usize,
    /// The first of the steps that `numbers` holds.
    first: Option<u64>,
    /// How many they are.
    steps: u64,
    numbers: LaneVec<N>,
    scratch: Box<Scratch<N>>,
}

impl<const N: usize> Normals<N> {
    /// `count` numbers of each step from the stream of `key`, for these trajectories.
    pub fn new(
        key: StreamKey,
        trajectories: Words<N>,
        count: usize,
        instructions: Instructions,
    ) -> Self {
        let pairs = count.div_ceil(2);
        let steps = (PAIRS / pairs.max(1)).clamp(1, PAIRS);
        Self {
            key,
            trajectories,
            instructions,
            pairs,
            first: None,
            steps: steps as u64,
            numbers: LaneVec::zeros(2 * steps * pairs),
            scratch: Box::default(),
        }
    }

    /// The numbers of `step`, one more than were asked for where that is odd. Steps in turn are cheap.
    #[inline(always)]
    pub fn of_step(&mut self, step: u64) -> &[Lanes<N>] {
        let first = match self.first {
            Some(first) if step.wrapping_sub(first) < self.steps => first,
            _ => {
                self.first = Some(step);
                self.instructions.dispatch(Ahead {
                    normals: self,
                    first: step,
                });
                step
            }
        };
        let count = 2 * self.pairs;
        let place = (step - first) as usize * count;
        &self.numbers[place..place + count]
    }
}

/// Fills the numbers of [`Normals`] from step `first` on.
struct Ahead<'a, const N: usize> {
    normals: &'a mut Normals<N>,
    first: u64,
}

impl<const N: usize> LaneWork for Ahead<'_, N> {
    type Output = ();
    const NARROW: bool = Lanes::<N>::NARROW;

    #[inline(always)]
    fn run(self) {
        let Normals {
            key,
            trajectories,
            pairs,
            numbers,
            scratch,
            ..
        } = self.normals;
        let keys = key.round_keys();
        let mut draws = Draws {
            pairs: *pairs,
            step: self.first,
            pair: 0,
        };
        for numbers in numbers.as_chunks_mut().0.chunks_mut(PAIRS) {
            scratch.draw_bits(&keys, *trajectories, &mut draws, numbers.len());
            scratch.transform(numbers.len());
            scratch.write(numbers);
        }
    }
}

/// Where in the stream the next pair is.
struct Draws {
    /// Pairs of a step.
    pairs: usize,
    step: u64,
    pair: usize,
}

impl Draws {
    fn advance(&mut self, pairs: usize) {
        self.pair += pairs;
        if self.pair >= self.pairs {
            self.pair = 0;
            self.step += 1;
        }
    }
}

/// Bits and numbers of up to [`PAIRS`] pairs, where cache lines begin.
#[repr(align(64))]
struct Scratch<const N: usize> {
    /// Low and high words of each pair; 32 bits each, what is above them does not matter.
    words: [[[u64; N]; PAIRS]; 2],
    bits: [[[u32; N]; PAIRS]; 2],
    normals: [[[f32; N]; PAIRS]; 2],
}

impl<const N: usize> Default for Scratch<N> {
    fn default() -> Self {
        Self {
            words: [[[0; N]; PAIRS]; 2],
            bits: [[[0; N]; PAIRS]; 2],
            normals: [[[0.0; N]; PAIRS]; 2],
        }
    }
}

impl<const N: usize> Scratch<N> {
    /// The words of `count` pairs. They begin where a draw does.
    #[inline(always)]
    fn draw_bits(
        &mut self,
        keys: &RoundKeys,
        trajectories: Words<N>,
        draws: &mut Draws,
        count: usize,
    ) {
        let mut filled = 0;
        while filled < count {
            let left = (draws.pairs - draws.pair).min(count - filled);
            filled += if Lanes::<N>::SINGLE {
                self.draws_of_one(keys, trajectories.0[0], draws, filled, left)
            } else {
                self.one_draw(keys, trajectories, draws, filled, left)
            };
        }
    }

    /// One draw of all trajectories: two pairs, or one if no more are `left`. Returns how many.
    #[inline(always)]
    fn one_draw(
        &mut self,
        keys: &RoundKeys,
        trajectories: Words<N>,
        draws: &mut Draws,
        place: usize,
        left: usize,
    ) -> usize {
        let counter = counter_of_step(draws.pair as u64 / 2, draws.step);
        let words = keys.philox_of_lanes(counter, trajectories);
        let taken = left.min(2);
        for pair in 0..taken {
            self.words[0][place + pair] = words[2 * pair].0;
            self.words[1][place + pair] = words[2 * pair + 1].0;
        }
        draws.advance(taken);
        taken
    }

    /// Several draws of the one trajectory, side by side. Returns how many pairs.
    #[inline(always)]
    fn draws_of_one(
        &mut self,
        keys: &RoundKeys,
        trajectory: u64,
        draws: &mut Draws,
        place: usize,
        left: usize,
    ) -> usize {
        let mut numbers = [0; BLOCK];
        for lane in 0..BLOCK {
            numbers[lane] = draws.pair as u64 / 2 + lane as u64;
        }
        let words = keys.philox_of_draws(Words(numbers), draws.step, trajectory);
        let taken = left.min(2 * BLOCK);
        for pair in 0..taken {
            let (draw, half) = (pair / 2, pair % 2);
            self.words[0][place + pair][0] = words[2 * half].0[draw];
            self.words[1][place + pair][0] = words[2 * half + 1].0[draw];
        }
        draws.advance(taken);
        taken
    }

    /// Normal numbers from the words of the first pairs.
    #[inline(always)]
    fn transform(&mut self, pairs: usize) {
        // Whole registers; the pairs in excess have bits of earlier ones.
        let count = (pairs * N).next_multiple_of(2 * BLOCK).min(PAIRS * N);
        for (words, bits) in self.words.iter().zip(&mut self.bits) {
            let words = &words.as_flattened()[..count];
            for (bits, &word) in bits.as_flattened_mut()[..count].iter_mut().zip(words) {
                *bits = word as u32;
            }
        }
        let [low, high] = &self.bits;
        let [first, second] = &mut self.normals;
        pairs_of_normals(
            &low.as_flattened()[..count],
            &high.as_flattened()[..count],
            &mut first.as_flattened_mut()[..count],
            &mut second.as_flattened_mut()[..count],
        );
    }

    #[inline(always)]
    fn write(&self, out: &mut [[Lanes<N>; 2]]) {
        let [first, second] = &self.normals;
        for (i, out) in out.iter_mut().enumerate() {
            *out = [first[i], second[i]].map(Lanes::from_single);
        }
    }
}

impl StreamKey {
    /// Fills `out` with the standard normal numbers of one trajectory and step, those of [`Normals`]. At
    /// most 2³⁴ numbers.
    pub fn fill_normals(
        self,
        trajectory: u64,
        step: u64,
        out: &mut [f64],
        instructions: Instructions,
    ) {
        instructions.dispatch(NormalsOfOne {
            key: self,
            trajectory,
            step,
            out,
        });
    }
}

/// The work of [`StreamKey::fill_normals`].
struct NormalsOfOne<'a> {
    key: StreamKey,
    trajectory: u64,
    step: u64,
    out: &'a mut [f64],
}

impl LaneWork for NormalsOfOne<'_> {
    type Output = ();
    const NARROW: bool = false;

    #[inline(always)]
    fn run(self) {
        let keys = self.key.round_keys();
        let mut scratch = Scratch::<1>::default();
        let mut draws = Draws {
            pairs: self.out.len().div_ceil(2),
            step: self.step,
            pair: 0,
        };
        for out in self.out.chunks_mut(2 * PAIRS) {
            let pairs = out.len().div_ceil(2);
            scratch.draw_bits(&keys, Words([self.trajectory]), &mut draws, pairs);
            scratch.transform(pairs);
            let [first, second] = &scratch.normals;
            for (i, number) in out.iter_mut().enumerate() {
                *number = f64::from([first, second][i % 2][i / 2][0]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> StreamKey {
        StreamKey::new(7, Purpose::BrownianMotion, 0)
    }

    /// The numbers of one trajectory and step, each from the draw that has it.
    fn one_by_one(trajectory: u64, step: u64, count: usize) -> Vec<f64> {
        let number = |i: usize| {
            let words = key().words(Words([trajectory]), step, (i / 4) as u32);
            let word = words[i % 4 / 2].0[0];
            let (mut first, mut second) = ([0.0], [0.0]);
            pairs_of_normals(
                &[word as u32],
                &[(word >> 32) as u32],
                &mut first,
                &mut second,
            );
            f64::from([first, second][i % 2][0])
        };
        (0..count).map(number).collect()
    }

    fn bits(numbers: &[f64]) -> Vec<u64> {
        numbers.iter().map(|x| x.to_bits()).collect()
    }

    fn lanes_have_the_numbers_of_one<const N: usize>(trajectories: [u64; N]) {
        for (name, instructions) in Instructions::available() {
            for count in [1, 2, 3, 4, 6, 10, 63, 64, 65, 66, 130] {
                let mut normals = Normals::new(key(), Words(trajectories), count, instructions);
                // In turn, on a new block of them, back, and over the end of 32 bits.
                for step in [0, 1, 2, 30, 31, 32, 33, 5, 6, u64::from(u32::MAX), 1 << 32] {
                    let numbers = normals.of_step(step);
                    for (lane, &trajectory) in trajectories.iter().enumerate() {
                        let own: Vec<f64> = numbers.iter().map(|z| z.0[lane]).collect();
                        let expected = one_by_one(trajectory, step, count);
                        assert_eq!(
                            bits(&own[..count]),
                            bits(&expected),
                            "{name} {count} {step}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_lane_has_the_numbers_of_the_trajectory_alone() {
        lanes_have_the_numbers_of_one([3, 9, 4, 0, 1, 2, 77, 1 << 29]);
        lanes_have_the_numbers_of_one([3, 9, 1 << 31, 0]);
        lanes_have_the_numbers_of_one([77]);
    }

    #[test]
    fn one_trajectory_has_the_same_numbers_many_at_a_time() {
        for (_, instructions) in Instructions::available() {
            for count in [0, 1, 15, 16, 17, 64, 65, 300] {
                let mut numbers = vec![0.0; count];
                key().fill_normals(9, 1 << 40, &mut numbers, instructions);
                assert_eq!(bits(&numbers), bits(&one_by_one(9, 1 << 40, count)));
            }
        }
    }

    #[test]
    fn none_of_a_step_are_none() {
        let mut normals = Normals::new(key(), Words([1, 2]), 0, Instructions::best());
        assert!(normals.of_step(3).is_empty());
    }
}
