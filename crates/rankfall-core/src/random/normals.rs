//! The standard normal numbers of a stream: four to a draw, those of several steps worked out
//! together.
//!
//! Number i of a step is number i mod 4 of draw ⌊i/4⌋, whoever asks and for how many. That a
//! processor has many of them under way at once is what makes them cheap.

use std::ops::Range;

use aligned_vec::{AVec, ConstAlign};

use crate::random::box_muller::pairs_of_normals;
use crate::random::philox::{Purpose, RoundKeys, SharedRounds, SharedWords, StreamKey};
use crate::simd::instructions::{Instructions, LaneWork, RegisterWork};
use crate::simd::lane_vec::LINE;
use crate::simd::lanes::{BLOCK, Lanes, Words};
use crate::simd::registers::{VectorInstructions, WordRegister};

/// Draws that are worked out together, or those of one step if they are more.
const DRAWS: usize = 32;

/// Pairs of normal numbers in a draw.
pub const PAIRS_OF_DRAW: usize = 2;

/// And in as many draws as trajectories in a full block.
const PAIRS_OF_BLOCK: usize = BLOCK * PAIRS_OF_DRAW;

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
    draws: Draws,
    /// What trajectories share of each draw.
    shared: AVec<SharedRounds<BLOCK>, ConstAlign<LINE>>,
    /// The low and the high 32 bits of each pair, draw after draw.
    bits: [AVec<[u32; N], ConstAlign<LINE>>; 2],
    /// The first and the second numbers of each pair.
    numbers: [AVec<[f32; N], ConstAlign<LINE>>; 2],
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
        let of_step = pairs.div_ceil(PAIRS_OF_DRAW);
        let steps = (DRAWS / of_step.max(1)).max(1);
        let draws = Draws::new(of_step, steps);
        let room = draws.numbers.len() * PAIRS_OF_BLOCK;
        let keys = key.round_keys();
        let none = keys.shared_rounds(Words::splat(0), Words::splat(0));
        Self {
            key,
            trajectories,
            instructions,
            pairs,
            first: None,
            steps: steps as u64,
            shared: filled(none, draws.numbers.len()),
            draws,
            bits: std::array::from_fn(|_| filled([0; N], room)),
            numbers: std::array::from_fn(|_| filled([0.0; N], room)),
        }
    }

    /// The numbers of `step`. Consecutive steps are cheap.
    #[inline(always)]
    pub fn of_step(&mut self, step: u64) -> StepNormals<'_, N> {
        let first = match self.first {
            Some(first) if step.wrapping_sub(first) < self.steps => first,
            _ => {
                self.fill(step);
                step
            }
        };
        let place = (step - first) as usize * self.draws.of_step * PAIRS_OF_DRAW;
        let [firsts, seconds] = &self.numbers;
        StepNormals {
            firsts: &firsts[place..place + self.pairs],
            seconds: &seconds[place..place + self.pairs],
        }
    }

    /// Works out the numbers from step `first` on.
    fn fill(&mut self, first: u64) {
        self.first = Some(first);
        let (instructions, normals) = (self.instructions, self);
        if Lanes::<N>::SINGLE {
            DrawOne { normals, first }.run_on(instructions);
        } else {
            Share { normals, first }.run_on(instructions);
            if !normals.draw_on_registers() {
                DrawBits { normals }.run_on(instructions);
            }
        }
        Transform { normals }.run_on(instructions);
    }

    /// Bits of full blocks, if these instructions have registers for them.
    fn draw_on_registers(&mut self) -> bool {
        if !Lanes::<N>::FULL {
            return false;
        }
        let instructions = self.instructions;
        let drawn = DrawBits { normals: self }.run_on_registers(instructions);
        drawn.is_some()
    }
}

fn filled<T: Copy>(value: T, count: usize) -> AVec<T, ConstAlign<LINE>> {
    AVec::from_iter(LINE, std::iter::repeat_n(value, count))
}

/// The draws of several steps, one after the other.
struct Draws {
    /// How many a step has.
    of_step: usize,
    /// How many there are.
    count: usize,
    /// The number of each in its step.
    numbers: Vec<Words<BLOCK>>,
    /// How many steps each is after the first.
    steps: Vec<Words<BLOCK>>,
}

impl Draws {
    fn new(of_step: usize, steps: usize) -> Self {
        let count = of_step * steps;
        let each = |of: &dyn Fn(u64) -> u64| -> Vec<Words<BLOCK>> {
            let block = |block| {
                let draw = |lane| (block * BLOCK + lane) as u64;
                Words(std::array::from_fn(|lane| of(draw(lane))))
            };
            (0..count.div_ceil(BLOCK)).map(block).collect()
        };
        let per_step = of_step.max(1) as u64;
        Self {
            of_step,
            count,
            numbers: each(&|draw| draw % per_step),
            steps: each(&|draw| draw / per_step),
        }
    }

    /// The numbers and the steps of the draws, a block at a time.
    #[inline(always)]
    fn blocks(&self, first: u64) -> impl Iterator<Item = (Words<BLOCK>, Words<BLOCK>)> {
        let blocks = self.numbers.iter().zip(&self.steps);
        blocks.map(move |(&numbers, steps)| {
            let steps = steps.each(|step| step.wrapping_add(first));
            (numbers, steps)
        })
    }
}

/// The numbers of one step: number 2i is the first of pair i, number 2i + 1 its second. One more
/// than were asked for where that is odd.
#[derive(Clone, Copy)]
pub struct StepNormals<'a, const N: usize> {
    /// The first number of each pair.
    pub firsts: &'a [[f32; N]],
    /// The second of each.
    pub seconds: &'a [[f32; N]],
}

impl<'a, const N: usize> StepNormals<'a, N> {
    /// Number i.
    #[inline(always)]
    pub fn get(&self, i: usize) -> Lanes<N> {
        let pair = i / 2;
        Lanes::from_single(if i.is_multiple_of(2) {
            self.firsts[pair]
        } else {
            self.seconds[pair]
        })
    }

    /// Those of these pairs.
    #[inline(always)]
    pub fn of_pairs(&self, pairs: Range<usize>) -> StepNormals<'a, N> {
        StepNormals {
            firsts: &self.firsts[pairs.clone()],
            seconds: &self.seconds[pairs],
        }
    }
}

/// Works out what trajectories share of the draws from step `first` on.
struct Share<'a, const N: usize> {
    normals: &'a mut Normals<N>,
    first: u64,
}

impl<const N: usize> LaneWork for Share<'_, N> {
    type Output = ();
    const WIDE: bool = true;

    #[inline(always)]
    fn run(self) {
        let Self { normals, first } = self;
        let keys = normals.key.round_keys();
        let blocks = normals.draws.blocks(first);
        for (shared, (numbers, steps)) in normals.shared.iter_mut().zip(blocks) {
            *shared = keys.shared_rounds(numbers, steps);
        }
    }
}

/// Draws the bits of several trajectories.
struct DrawBits<'a, const N: usize> {
    normals: &'a mut Normals<N>,
}

impl<const N: usize> LaneWork for DrawBits<'_, N> {
    type Output = ();
    const WIDE: bool = Lanes::<N>::FULL;

    #[inline(always)]
    fn run(self) {
        let normals = self.normals;
        let keys = normals.key.round_keys();
        let [low, high] = &mut normals.bits;
        for draw in 0..normals.draws.count {
            let shared = of_draw(&normals.shared, draw);
            let [words] = keys.philox_of_lanes([shared], normals.trajectories);
            for half in 0..PAIRS_OF_DRAW {
                let pair = draw * PAIRS_OF_DRAW + half;
                low[pair] = words[2 * half].low_halves();
                high[pair] = words[2 * half + 1].low_halves();
            }
        }
    }
}

/// What trajectories share of draw number `draw`.
#[inline(always)]
fn of_draw(shared: &[SharedRounds<BLOCK>], draw: usize) -> SharedWords {
    shared[draw / BLOCK].of_draw(draw % BLOCK)
}

/// Draws of a block that are worked out alternately: processors do not look far enough ahead to
/// find the next one themselves, and each is a long chain of operations.
const INTERLEAVED: usize = 2;

/// Whole sets of them fill the blocks that there is room for.
const _: () = assert!(BLOCK.is_multiple_of(INTERLEAVED));

impl<const N: usize> RegisterWork for DrawBits<'_, N> {
    type Output = ();

    #[inline(always)]
    fn run<S: VectorInstructions, const PARTS: usize>(self, simd: S) {
        let normals = self.normals;
        let keys = normals.key.round_keys();
        let [low, high] = &mut normals.bits;
        for first in (0..normals.draws.count).step_by(INTERLEAVED) {
            // No branch until all is written: the compiler would move each draw to behind its own.
            let pairs = first * PAIRS_OF_DRAW..(first + INTERLEAVED) * PAIRS_OF_DRAW;
            let (low, high) = (&mut low[pairs.clone()], &mut high[pairs]);
            let mut shared = [SharedWords::default(); INTERLEAVED];
            for draw in 0..INTERLEAVED {
                shared[draw] = of_draw(&normals.shared, first + draw);
            }
            for part in 0..PARTS {
                let trajectories = WordRegister::read(simd, &normals.trajectories, part);
                let words = keys.philox_of_lanes(shared, trajectories);
                for draw in 0..INTERLEAVED {
                    for half in 0..PAIRS_OF_DRAW {
                        let pair = draw * PAIRS_OF_DRAW + half;
                        words[draw][2 * half].write_low_halves(&mut low[pair], part);
                        words[draw][2 * half + 1].write_low_halves(&mut high[pair], part);
                    }
                }
            }
        }
    }
}

/// Draws the bits of a single trajectory from step `first` on, several draws side by side.
struct DrawOne<'a, const N: usize> {
    normals: &'a mut Normals<N>,
    first: u64,
}

impl<const N: usize> LaneWork for DrawOne<'_, N> {
    type Output = ();
    const WIDE: bool = true;

    #[inline(always)]
    fn run(self) {
        let Self { normals, first } = self;
        let keys = normals.key.round_keys();
        let trajectory = normals.trajectories.0[0];
        let [low, high] = &mut normals.bits;
        let low = low.as_flattened_mut().chunks_exact_mut(PAIRS_OF_BLOCK);
        let high = high.as_flattened_mut().chunks_exact_mut(PAIRS_OF_BLOCK);
        let blocks = normals.draws.blocks(first);
        for ((numbers, steps), bits) in blocks.zip(low.zip(high)) {
            block_of_one(&keys, trajectory, [numbers, steps], bits);
        }
    }
}

/// The bits of a block of draws of one trajectory, each of its own number and step.
#[inline(always)]
fn block_of_one(
    keys: &RoundKeys,
    trajectory: u64,
    [numbers, steps]: [Words<BLOCK>; 2],
    (low, high): (&mut [u32], &mut [u32]),
) {
    let words = keys.philox_of_draws(numbers, steps, trajectory);
    for pair in 0..PAIRS_OF_BLOCK {
        let (draw, half) = (pair / PAIRS_OF_DRAW, pair % PAIRS_OF_DRAW);
        low[pair] = words[2 * half].0[draw] as u32;
        high[pair] = words[2 * half + 1].0[draw] as u32;
    }
}

/// Makes the normal numbers from the bits.
struct Transform<'a, const N: usize> {
    normals: &'a mut Normals<N>,
}

impl<const N: usize> LaneWork for Transform<'_, N> {
    type Output = ();
    const WIDE: bool = Lanes::<N>::FULL;

    #[inline(always)]
    fn run(self) {
        let normals = self.normals;
        // Whole registers, for which there is room.
        let count = normals.draws.count * PAIRS_OF_DRAW * N;
        let count = count.next_multiple_of(PAIRS_OF_BLOCK);
        let [low, high] = &normals.bits;
        let [first, second] = &mut normals.numbers;
        pairs_of_normals(
            &low.as_flattened()[..count],
            &high.as_flattened()[..count],
            &mut first.as_flattened_mut()[..count],
            &mut second.as_flattened_mut()[..count],
        );
    }
}

impl StreamKey {
    /// Fills `out` with the standard normal numbers of one trajectory and step, those of
    /// [`Normals`]. At most 2³⁴ numbers.
    pub fn fill_normals(
        self,
        trajectory: u64,
        step: u64,
        out: &mut [f64],
        instructions: Instructions,
    ) {
        NormalsOfOne {
            key: self,
            trajectory,
            step,
            out,
        }
        .run_on(instructions);
    }
}

/// The work of [`StreamKey::fill_normals`].
struct NormalsOfOne<'a> {
    key: StreamKey,
    trajectory: u64,
    step: u64,
    out: &'a mut [f64],
}

/// Blocks of draws of which it makes numbers at once.
const BLOCKS_OF_ONE: usize = 2;

impl LaneWork for NormalsOfOne<'_> {
    type Output = ();
    const WIDE: bool = true;

    #[inline(always)]
    fn run(self) {
        const PAIRS: usize = BLOCKS_OF_ONE * PAIRS_OF_BLOCK;
        let keys = self.key.round_keys();
        let steps = Words::splat(self.step);
        let mut numbers = Words(std::array::from_fn(|lane| lane as u64));
        let [mut low, mut high] = [[0; PAIRS]; 2];
        let [mut first, mut second] = [[0.0; PAIRS]; 2];
        for out in self.out.chunks_mut(2 * PAIRS) {
            let low_blocks = low.chunks_exact_mut(PAIRS_OF_BLOCK);
            for bits in low_blocks.zip(high.chunks_exact_mut(PAIRS_OF_BLOCK)) {
                block_of_one(&keys, self.trajectory, [numbers, steps], bits);
                numbers = numbers.each(|draw| draw + BLOCK as u64);
            }
            pairs_of_normals(&low, &high, &mut first, &mut second);
            for (i, number) in out.iter_mut().enumerate() {
                *number = f64::from([&first, &second][i % 2][i / 2]);
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
                        let own: Vec<f64> = (0..count).map(|i| numbers.get(i).0[lane]).collect();
                        let expected = one_by_one(trajectory, step, count);
                        assert_eq!(bits(&own), bits(&expected), "{name} {count} {step}");
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
        assert!(normals.of_step(3).firsts.is_empty());
    }
}
