//! Random numbers that can be told again: Philox4x32-10, keyed by seed and purpose, counted by
//! trajectory, step and draw.
//!
//! Any number of any stream can be had directly, so a trajectory has the same noise alone or
//! among a million, and a resumed run the noise of one that was never stopped.
//!
//! Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.

use crate::box_muller::two_normals;
use crate::lanes::{BLOCK, Instructions, LaneWork, Lanes, Words};

/// What a stream is for. Streams of different purpose never share a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Purpose {
    /// Rows of synthetic inputs.
    Inputs = 1,
    /// The teacher β.
    Teacher = 2,
    /// Residual noise in synthetic labels.
    Residuals = 3,
    /// Initial weights.
    InitialWeights = 4,
    /// Brownian increments of the stochastic gradient flow.
    BrownianMotion = 5,
    /// Added label noise of the descents.
    LabelNoise = 6,
    /// Choice of mini-batch rows.
    Batches = 7,
    /// Lévy areas of the weak second-order integrator.
    LevyArea = 8,
    /// Points of a random sweep.
    SweepDesign = 100,
    /// Class labels that are flipped.
    LabelFlips = 20,
    /// Noise on the inputs of a network.
    InputNoise = 21,
    /// Noise on the weights at which a gradient is taken.
    WeightNoise = 22,
    /// Hidden units that are dropped.
    Dropout = 23,
    /// Noise added to a gradient.
    GradientNoise = 24,
    /// Rows on which a network is probed.
    ProbeRows = 25,
}

/// The key of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamKey([u32; 2]);

const MULTIPLIERS: [u64; 2] = [0xD251_1F53, 0xCD9E_8D57];
const KEY_STEPS: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: usize = 10;
const LOW: u64 = 0xFFFF_FFFF;

/// Draws worked out side by side.
const DRAWS: usize = 4;

/// One round on a counter whose words hold 32 bits in the low half of each lane; what is in the high
/// halves neither matters nor is kept clean.
#[inline(always)]
fn round<const N: usize>(counter: [Words<N>; 4], key: [u64; 2]) -> [Words<N>; 4] {
    let [first, second] = [
        times(counter[0], MULTIPLIERS[0]),
        times(counter[2], MULTIPLIERS[1]),
    ];
    [
        high_xor(second, counter[1], key[0]),
        second,
        high_xor(first, counter[3], key[1]),
        first,
    ]
}

/// The 64-bit product of the low half of each lane.
#[inline(always)]
fn times<const N: usize>(word: Words<N>, multiplier: u64) -> Words<N> {
    // The mask tells the compiler that one 32 × 32 product will do.
    word.each(|w| (w & LOW).wrapping_mul(multiplier))
}

/// The high half of each product, xor the word, xor the key.
#[inline(always)]
fn high_xor<const N: usize>(product: Words<N>, word: Words<N>, key: u64) -> Words<N> {
    product.with(word, |p, w| (p >> 32) ^ (w ^ key))
}

/// The key of each round.
#[inline(always)]
fn round_keys(key: [u32; 2]) -> [[u64; 2]; ROUNDS] {
    let mut keys = [[0; 2]; ROUNDS];
    for (number, own) in keys.iter_mut().enumerate() {
        for half in 0..2 {
            let step = KEY_STEPS[half].wrapping_mul(number as u32);
            own[half] = u64::from(key[half].wrapping_add(step));
        }
    }
    keys
}

/// Philox4x32-10 over lanes: each of the four counter words holds 32 bits in a 64-bit lane.
#[inline(always)]
pub fn philox<const N: usize>(mut counter: [Words<N>; 4], key: [u32; 2]) -> [Words<N>; 4] {
    for key in round_keys(key) {
        counter = round(counter, key);
    }
    counter.map(|word| word.each(|w| w & LOW))
}

/// [`philox`] where only the last word of the counter differs from lane to lane: most of the first
/// three rounds is then the same for all lanes. The high halves of the words are not clean.
#[inline(always)]
fn philox_of_lanes<const N: usize>(
    shared: [u64; 3],
    lane: Words<N>,
    keys: &[[u64; 2]; ROUNDS],
) -> [Words<N>; 4] {
    let multiply = |word: u64, which: usize| (word & LOW).wrapping_mul(MULTIPLIERS[which]);
    let [first, second] = [multiply(shared[0], 0), multiply(shared[2], 1)];
    let alike = (second >> 32) ^ shared[1] ^ keys[0][0];
    let differing = lane.each(|w| w ^ ((first >> 32) ^ keys[0][1]));

    let third = multiply(alike, 0);
    let fourth = times(differing, MULTIPLIERS[1]);
    let zeroth_word = fourth.each(|p| (p >> 32) ^ (second ^ keys[1][0]));
    let alike = (third >> 32) ^ first ^ keys[1][1];

    let fifth = times(zeroth_word, MULTIPLIERS[0]);
    let sixth = multiply(alike, 1);
    let mut counter = [
        fourth.each(|w| w ^ ((sixth >> 32) ^ keys[2][0])),
        Words::splat(sixth),
        fifth.each(|p| (p >> 32) ^ (third ^ keys[2][1])),
        fifth,
    ];
    for &key in &keys[3..] {
        counter = round(counter, key);
    }
    counter
}

impl StreamKey {
    /// The key for `purpose` under `seed`; `dynamics` tells streams of several dynamics apart.
    pub fn new(seed: u64, purpose: Purpose, dynamics: u32) -> Self {
        let counter = [purpose as u32, dynamics, 0, 0].map(|w| Words::<1>::splat(u64::from(w)));
        let words = philox(counter, [seed as u32, (seed >> 32) as u32]);
        Self([words[0].0[0] as u32, words[1].0[0] as u32])
    }

    /// Two 64-bit words per lane: number `draw` of `step`, for each lane's trajectory.
    #[inline(always)]
    pub fn words<const N: usize>(self, lane: Words<N>, step: u64, draw: u32) -> [Words<N>; 2] {
        let shared = [u64::from(draw), step & LOW, step >> 32];
        let word = philox_of_lanes(shared, lane, &round_keys(self.0));
        let join = |low: Words<N>, high: Words<N>| low.with(high, |l, h| (l & LOW) | (h << 32));
        [join(word[0], word[1]), join(word[2], word[3])]
    }

    /// Four independent standard normal numbers per lane, as in [`crate::box_muller`].
    #[inline(always)]
    pub fn normals<const N: usize>(self, lane: Words<N>, step: u64, draw: u32) -> [Lanes<N>; 4] {
        let shared = [u64::from(draw), step & LOW, step >> 32];
        four_normals(philox_of_lanes(shared, lane, &round_keys(self.0)))
    }

    /// Fills `out` with standard normals of one step, four per draw.
    #[inline(always)]
    pub fn fill_normals<const N: usize>(self, lane: Words<N>, step: u64, out: &mut [Lanes<N>]) {
        if Lanes::<N>::SINGLE {
            return fill_along(self, lane.0[0], step, out, |entry, value| {
                entry.0[0] = value
            });
        }
        let keys = round_keys(self.0);
        for (part, normals) in out.chunks_mut(4 * DRAWS).enumerate() {
            let (fours, rest) = normals.as_chunks_mut::<4>();
            let draw = |place: usize| [(DRAWS * part + place) as u64 & LOW, step & LOW, step >> 32];
            // All words first, in the place of the numbers: draws do not wait for each other then.
            for (place, four) in fours.iter_mut().enumerate() {
                *four = philox_of_lanes(draw(place), lane, &keys).map(Words::to_f64);
            }
            if !rest.is_empty() {
                fill_rest(philox_of_lanes(draw(fours.len()), lane, &keys), rest);
            }
            for four in fours {
                *four = four_normals(four.map(Lanes::to_bits));
            }
        }
    }

    /// Fills `out` with ±1 of one step, 128 per draw.
    #[inline(always)]
    pub fn fill_signs<const N: usize>(self, lane: Words<N>, step: u64, out: &mut [Lanes<N>]) {
        let mut signs = Signs::new(self, lane, step);
        for entry in out {
            *entry = signs.draw();
        }
    }

    /// Fills `out` with standard normals of one trajectory and step: the numbers of
    /// [`Self::fill_normals`], worked out several draws at a time. At most 2³⁴ numbers.
    pub fn fill_normals_along(
        self,
        trajectory: u64,
        step: u64,
        out: &mut [f64],
        instructions: Instructions,
    ) {
        instructions.dispatch(NormalsAlong {
            key: self,
            trajectory,
            step,
            out,
        });
    }

    /// A sequential reader of the stream of one trajectory and step, for set-up work.
    pub fn reader(self, trajectory: u64, step: u64) -> StreamReader {
        StreamReader {
            key: self,
            lane: Words([trajectory]),
            step,
            draw: 0,
            spare: None,
        }
    }
}

/// Four independent standard normal numbers per lane from the four words of one draw, the high
/// halves of which are ignored.
#[inline(always)]
fn four_normals<const N: usize>(word: [Words<N>; 4]) -> [Lanes<N>; 4] {
    let [a, b] = two_normals(word[0], word[1]);
    let [c, d] = two_normals(word[2], word[3]);
    [a, b, c, d]
}

/// The first numbers of [`four_normals`], at most three: the second pair only where it is asked for.
#[inline(always)]
fn fill_rest<const N: usize>(word: [Words<N>; 4], out: &mut [Lanes<N>]) {
    for (entry, number) in out.iter_mut().zip(two_normals(word[0], word[1])) {
        *entry = number;
    }
    if let Some(third) = out.get_mut(2) {
        [*third, _] = two_normals(word[2], word[3]);
    }
}

/// ±1 with equal probability, one after the other: bit i of the words of a step.
pub struct Signs<const N: usize> {
    key: StreamKey,
    lane: Words<N>,
    step: u64,
    bit: usize,
    words: [Words<N>; 2],
}

impl<const N: usize> Signs<N> {
    /// Those of one step, from the first.
    #[inline(always)]
    pub fn new(key: StreamKey, lane: Words<N>, step: u64) -> Self {
        Self {
            key,
            lane,
            step,
            bit: 0,
            words: [Words::splat(0); 2],
        }
    }

    /// The next sign of each lane.
    #[inline(always)]
    pub fn draw(&mut self) -> Lanes<N> {
        let bit = self.bit % 128;
        if bit == 0 {
            let draw = (self.bit / 128) as u32;
            self.words = self.key.words(self.lane, self.step, draw);
        }
        self.bit += 1;
        let word = self.words[bit / 64];
        word.each(|w| ((w >> (bit % 64)) & 1) << 63 | 1f64.to_bits())
            .to_f64()
    }
}

/// The work of [`StreamKey::fill_normals_along`].
struct NormalsAlong<'a> {
    key: StreamKey,
    trajectory: u64,
    step: u64,
    out: &'a mut [f64],
}

impl LaneWork for NormalsAlong<'_> {
    type Output = ();
    const NARROW: bool = false;

    #[inline(always)]
    fn run(self) {
        fill_along(
            self.key,
            self.trajectory,
            self.step,
            self.out,
            |own, value| *own = value,
        );
    }
}

/// The normals of one trajectory and step, as many draws side by side as a block has lanes.
#[inline(always)]
fn fill_along<T>(
    key: StreamKey,
    trajectory: u64,
    step: u64,
    out: &mut [T],
    set: impl Fn(&mut T, f64),
) {
    for (block, chunk) in out.chunks_mut(4 * BLOCK).enumerate() {
        let mut draws = [0; BLOCK];
        for lane in 0..BLOCK {
            draws[lane] = (block * BLOCK + lane) as u64 & LOW;
        }
        let counter = [
            Words(draws),
            Words::splat(step & LOW),
            Words::splat(step >> 32),
            Words::splat(trajectory),
        ];
        let normals = four_normals(philox(counter, key.0));
        for (place, entry) in chunk.iter_mut().enumerate() {
            set(entry, normals[place % 4].0[place / 4]);
        }
    }
}

/// Reads one stream number by number; for data, teachers and initial weights.
#[derive(Clone, Debug)]
pub struct StreamReader {
    key: StreamKey,
    lane: Words<1>,
    step: u64,
    draw: u32,
    spare: Option<f64>,
}

impl StreamReader {
    /// The next standard normal number (|z| up to 8.49): 64 bits each, as time does not matter here.
    pub fn normal(&mut self) -> f64 {
        if let Some(z) = self.spare.take() {
            return z;
        }
        let [radius, angle] = self.key.words(self.lane, self.step, self.draw);
        // 52 bits below the leading one: (0, 1] and [0, 1).
        let fraction = |word: Words<1>| (word.0[0] >> 12) as f64 * 0.5_f64.powi(52);
        let length = (-2.0 * libm::log(1.0 - fraction(radius))).sqrt();
        let (sine, cosine) = libm::sincos(std::f64::consts::TAU * (fraction(angle) - 0.5));
        self.advance();
        self.spare = Some(length * sine);
        length * cosine
    }

    /// The next 64 random bits.
    pub fn word(&mut self) -> u64 {
        let [first, _] = self.key.words(self.lane, self.step, self.draw);
        self.advance();
        first.0[0]
    }

    /// A uniform whole number below `bound` ≥ 1, exactly uniform (Lemire 2019).
    pub fn below(&mut self, bound: u64) -> u64 {
        let threshold = bound.wrapping_neg() % bound;
        loop {
            let product = u128::from(self.word()) * u128::from(bound);
            if product as u64 >= threshold {
                return (product >> 64) as u64;
            }
        }
    }

    /// Draws are numbered in 32 bits; the step carries on where they end.
    fn advance(&mut self) {
        self.draw = self.draw.wrapping_add(1);
        if self.draw == 0 {
            self.step += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known-answer vectors published with the generator.
    #[test]
    fn philox_gives_the_published_vectors() {
        let cases: [([u32; 4], [u32; 2], [u32; 4]); 3] = [
            (
                [0; 4],
                [0; 2],
                [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8],
            ),
            (
                [u32::MAX; 4],
                [u32::MAX; 2],
                [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd],
            ),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ];
        for (counter, key, expected) in cases {
            let got = philox(counter.map(|c| Words::<2>::splat(u64::from(c))), key);
            for (word, want) in got.iter().zip(expected) {
                assert_eq!(word.0, [u64::from(want); 2]);
            }
        }
    }

    #[test]
    fn a_lane_has_the_bits_of_the_trajectory_alone() {
        let key = StreamKey::new(7, Purpose::BrownianMotion, 0);
        let eight = key.normals(Words([3, 9, 4, 0, 1, 2, 77, 1 << 29]), 12, 5);
        for (lane, trajectory) in [3, 9, 4, 0, 1, 2, 77, 1 << 29].into_iter().enumerate() {
            let alone = key.normals(Words([trajectory]), 12, 5);
            for (one, many) in alone.iter().zip(&eight) {
                assert_eq!(one.0[0].to_bits(), many.0[lane].to_bits());
            }
        }
    }

    #[test]
    fn one_trajectory_has_the_same_numbers_many_draws_at_a_time() {
        let key = StreamKey::new(7, Purpose::WeightNoise, 2);
        for (_, instructions) in Instructions::available() {
            for size in [0, 1, 15, 16, 17, 100] {
                let mut along = vec![0.0; size];
                key.fill_normals_along(9, 1 << 40, &mut along, instructions);
                let mut one_by_one = vec![Lanes::<1>::ZERO; size];
                key.fill_normals(Words([9]), 1 << 40, &mut one_by_one);
                let bits = |x: f64| x.to_bits();
                assert!(
                    along
                        .iter()
                        .zip(&one_by_one)
                        .all(|(a, b)| bits(*a) == bits(b.0[0]))
                );
            }
        }
    }

    #[test]
    fn what_lanes_share_changes_nothing() {
        let lane = Words([0, 1, 77, u64::from(u32::MAX)]);
        let key = StreamKey::new(11, Purpose::LevyArea, 1);
        for shared in [[0, 0, 0], [5, 1 << 31, 3], [LOW, LOW, LOW]] {
            let [a, b, c] = shared.map(Words::splat);
            let whole = philox([a, b, c, lane], key.0);
            let partly = philox_of_lanes(shared, lane, &round_keys(key.0));
            assert_eq!(whole, partly.map(|word| word.each(|w| w & LOW)));
        }
    }

    #[test]
    fn signs_are_the_bits_of_the_words() {
        let key = StreamKey::new(3, Purpose::LabelNoise, 0);
        let mut signs = vec![Lanes::<2>::ZERO; 300];
        key.fill_signs(Words([4, 9]), 17, &mut signs);
        for (bit, sign) in signs.iter().enumerate() {
            let words = key.words(Words([4, 9]), 17, (bit / 128) as u32);
            for lane in 0..2 {
                let set = words[bit / 64 % 2].0[lane] >> (bit % 64) & 1 == 1;
                assert_eq!(sign.0[lane], if set { -1.0 } else { 1.0 });
            }
        }
    }

    #[test]
    fn whole_numbers_below_a_bound_are_uniform() {
        let mut reader = StreamKey::new(5, Purpose::Batches, 0).reader(0, 0);
        let mut counts = [0u32; 7];
        for _ in 0..70_000 {
            counts[reader.below(7) as usize] += 1;
        }
        let chi: f64 = counts
            .iter()
            .map(|&c| (f64::from(c) - 1e4).powi(2) / 1e4)
            .sum();
        // χ² with six degrees of freedom exceeds 40 with probability 5·10⁻⁷.
        assert!(chi < 40.0, "{chi}");
    }
}
