//! The standard normal numbers of a stream: four to a draw, those of several steps worked out together.
//!
//! Number i of a step is number i mod 4 of draw ⌊i/4⌋, whoever asks and for how many. That a processor
//! has many of them under way at once is what makes them cheap.

use std::any::Any;

use aligned_vec::{AVec, ConstAlign};

use crate::box_muller::pairs_of_normals;
use crate::instructions::{Instructions, LaneWork, RegisterWork};
use crate::lane_vec::LINE;
use crate::lanes::{BLOCK, Lanes, Words};
use crate::random::{Purpose, RoundKeys, StreamKey, counter_of_step};
use crate::registers::{VectorInstructions, WordRegister};

/// Pairs of numbers that are worked out together, or those of one step if they are more; whole draws of one
/// trajectory, [`BLOCK`] at a time.
const PAIRS: usize = 32;

/// Pairs that draws may go beyond those asked for.
const ROOM: usize = 2 * BLOCK;

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
    /// The low and the high 32 bits of each pair, step after step, and room for draws that end after them.
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
        let steps = (PAIRS / pairs.max(1)).clamp(1, PAIRS);
        let room = steps * pairs + ROOM;
        Self {
            key,
            trajectories,
            instructions,
            pairs,
            first: None,
            steps: steps as u64,
            bits: std::array::from_fn(|_| filled([0; N], room)),
            numbers: std::array::from_fn(|_| filled([0.0; N], room)),
        }
    }

    /// The numbers of `step`. Steps in turn are cheap.
    #[inline(always)]
    pub fn of_step(&mut self, step: u64) -> Numbers<'_, N> {
        let first = match self.first {
            Some(first) if step.wrapping_sub(first) < self.steps => first,
            _ => {
                self.fill(step);
                step
            }
        };
        let place = (step - first) as usize * self.pairs;
        let [firsts, seconds] = &self.numbers;
        Numbers {
            firsts: &firsts[place..place + self.pairs],
            seconds: &seconds[place..place + self.pairs],
        }
    }

    /// Works out the numbers from step `first` on.
    fn fill(&mut self, first: u64) {
        self.first = Some(first);
        let (instructions, normals) = (self.instructions, self);
        if !normals.draw_on_registers(first) {
            instructions.dispatch(DrawBits { normals, first });
        }
        instructions.dispatch(Transform { normals });
    }

    /// Bits of full blocks, if these instructions have registers for them.
    fn draw_on_registers(&mut self, first: u64) -> bool {
        let Some(normals) = (self as &mut dyn Any).downcast_mut::<Normals<BLOCK>>() else {
            return false;
        };
        let instructions = normals.instructions;
        let drawn = instructions.dispatch_registers(DrawBits { normals, first });
        drawn.is_some()
    }

    fn draws(&self, first: u64) -> Draws {
        Draws {
            pairs: self.pairs,
            step: first,
            pair: 0,
        }
    }

    /// How many pairs are worked out together.
    fn held(&self) -> usize {
        self.steps as usize * self.pairs
    }
}

fn filled<T: Copy>(value: T, count: usize) -> AVec<T, ConstAlign<LINE>> {
    AVec::from_iter(LINE, std::iter::repeat_n(value, count))
}

/// The numbers of one step: number 2i is the first of pair i, number 2i + 1 its second. One more than were
/// asked for where that is odd.
#[derive(Clone, Copy)]
pub struct Numbers<'a, const N: usize> {
    /// The first number of each pair.
    pub firsts: &'a [[f32; N]],
    /// The second of each.
    pub seconds: &'a [[f32; N]],
}

impl<const N: usize> Numbers<'_, N> {
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
}

/// Draws the bits of [`Normals`] from step `first` on. Pairs of a draw that are not of its step are
/// overwritten by the next.
struct DrawBits<'a, const N: usize> {
    normals: &'a mut Normals<N>,
    first: u64,
}

impl<const N: usize> LaneWork for DrawBits<'_, N> {
    type Output = ();
    const NARROW: bool = Lanes::<N>::NARROW;

    #[inline(always)]
    fn run(self) {
        let Self { normals, first } = self;
        let keys = normals.key.round_keys();
        let mut draws = normals.draws(first);
        let count = normals.held();
        let [low, high] = &mut normals.bits;
        let mut place = 0;
        while place < count {
            let out = [&mut low[place..], &mut high[place..]];
            place += if Lanes::<N>::SINGLE {
                draws_of_one(&keys, normals.trajectories.0[0], &mut draws, out)
            } else {
                one_draw(&keys, normals.trajectories, &mut draws, out)
            };
        }
    }
}

/// One draw of all trajectories. Returns how many pairs.
#[inline(always)]
fn one_draw<const N: usize>(
    keys: &RoundKeys,
    trajectories: Words<N>,
    draws: &mut Draws,
    [low, high]: [&mut [[u32; N]]; 2],
) -> usize {
    let [words] = keys.philox_of_lanes([draws.counter()], trajectories);
    for half in 0..2 {
        low[half] = words[2 * half].low_halves();
        high[half] = words[2 * half + 1].low_halves();
    }
    draws.advance(1)
}

/// Several draws of the one trajectory, side by side. Returns how many pairs.
#[inline(always)]
fn draws_of_one<const N: usize>(
    keys: &RoundKeys,
    trajectory: u64,
    draws: &mut Draws,
    [low, high]: [&mut [[u32; N]]; 2],
) -> usize {
    let mut numbers = [0; BLOCK];
    for lane in 0..BLOCK {
        numbers[lane] = draws.pair as u64 / 2 + lane as u64;
    }
    let words = keys.philox_of_draws(Words(numbers), draws.step, trajectory);
    for pair in 0..2 * BLOCK {
        let (draw, half) = (pair / 2, pair % 2);
        low[pair][0] = words[2 * half].0[draw] as u32;
        high[pair][0] = words[2 * half + 1].0[draw] as u32;
    }
    draws.advance(BLOCK)
}

/// Draws of a block that are worked out in turns: processors do not look far enough ahead to find the next
/// one themselves, and each is a long chain of operations.
const IN_TURNS: usize = 2;

impl RegisterWork for DrawBits<'_, BLOCK> {
    type Output = ();

    #[inline(always)]
    fn run<S: VectorInstructions, const PARTS: usize>(self, simd: S) {
        let Self { normals, first } = self;
        let keys = normals.key.round_keys();
        let mut draws = normals.draws(first);
        let count = normals.held();
        let [low, high] = &mut normals.bits;
        let mut place = 0;
        while place < count {
            // No branch until all is written: the compiler would move each draw to behind its own.
            let low = &mut low[place..place + ROOM];
            let high = &mut high[place..place + ROOM];
            let (mut counters, mut places) = ([[0; 3]; IN_TURNS], [0; IN_TURNS]);
            let mut taken = 0;
            for draw in 0..IN_TURNS {
                counters[draw] = draws.counter();
                places[draw] = taken;
                taken += draws.advance(1);
            }
            for part in 0..PARTS {
                let trajectories = WordRegister::read(simd, &normals.trajectories, part);
                let words = keys.philox_of_lanes(counters, trajectories);
                for draw in 0..IN_TURNS {
                    for half in 0..2 {
                        let place = places[draw] + half;
                        words[draw][2 * half].write_low_halves(&mut low[place], part);
                        words[draw][2 * half + 1].write_low_halves(&mut high[place], part);
                    }
                }
            }
            place += taken;
        }
    }
}

/// Makes the normal numbers from the bits.
struct Transform<'a, const N: usize> {
    normals: &'a mut Normals<N>,
}

impl<const N: usize> LaneWork for Transform<'_, N> {
    type Output = ();
    const NARROW: bool = Lanes::<N>::NARROW;

    #[inline(always)]
    fn run(self) {
        // Whole registers, for which there is room.
        let count = (self.normals.held() * N).next_multiple_of(2 * BLOCK);
        let [low, high] = &self.normals.bits;
        let [first, second] = &mut self.normals.numbers;
        pairs_of_normals(
            &low.as_flattened()[..count],
            &high.as_flattened()[..count],
            &mut first.as_flattened_mut()[..count],
            &mut second.as_flattened_mut()[..count],
        );
    }
}

/// Where in the stream the next draw is.
struct Draws {
    /// Pairs of a step.
    pairs: usize,
    step: u64,
    /// The first pair of the draw.
    pair: usize,
}

impl Draws {
    #[inline(always)]
    fn counter(&self) -> [u64; 3] {
        counter_of_step(self.pair as u64 / 2, self.step)
    }

    /// Goes on by so many draws of the step, and returns how many of their pairs belong to it.
    #[inline(always)]
    fn advance(&mut self, draws: usize) -> usize {
        let taken = (self.pairs - self.pair).min(2 * draws);
        self.pair += taken;
        if self.pair == self.pairs {
            self.pair = 0;
            self.step += 1;
        }
        taken
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
        let mut draws = Draws {
            pairs: self.out.len().div_ceil(2),
            step: self.step,
            pair: 0,
        };
        let [mut low, mut high] = [[[0]; PAIRS]; 2];
        let [mut first, mut second] = [[[0.0]; PAIRS]; 2];
        for out in self.out.chunks_mut(2 * PAIRS) {
            let pairs = out.len().div_ceil(2);
            let mut place = 0;
            while place < pairs {
                let bits = [&mut low[place..], &mut high[place..]];
                place += draws_of_one(&keys, self.trajectory, &mut draws, bits);
            }
            pairs_of_normals(
                low.as_flattened(),
                high.as_flattened(),
                first.as_flattened_mut(),
                second.as_flattened_mut(),
            );
            for (i, number) in out.iter_mut().enumerate() {
                *number = f64::from([&first, &second][i % 2][i / 2][0]);
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
