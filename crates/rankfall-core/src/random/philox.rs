//! Random numbers that can be told again: Philox4x32-10, keyed by seed and purpose, counted by
//! trajectory, step and draw.
//!
//! Any number of any stream can be had directly, so a trajectory has the same noise alone or
//! among a million, and a resumed run the noise of one that was never stopped.
//!
//! Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.

use crate::simd::lanes::{Lanes, Words};
use crate::simd::registers::CounterWord;

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
    /// Label noise that a step might have had instead.
    OtherLabelNoise = 9,
    /// Mini-batch rows that a step might have had instead.
    OtherBatches = 10,
    /// Class labels that a step might have flipped instead.
    OtherLabelFlips = 11,
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
/// Times this, 32 bits stand in both halves of a word.
const BOTH_HALVES: u64 = 0x1_0000_0001;

/// One round on a counter whose words hold 32 bits in the low half of each lane; what is in the
/// high halves neither matters nor is kept clean.
#[inline(always)]
fn round<W: CounterWord>(counter: [W; 4], key: [u64; 2]) -> [W; 4] {
    let first = counter[0].times(MULTIPLIERS[0]);
    let second = counter[2].times(MULTIPLIERS[1]);
    [
        second.high_xor(counter[1], key[0]),
        second,
        first.high_xor(counter[3], key[1]),
        first,
    ]
}

/// The keys of the rounds of one stream, each 32 bits in both halves of a word: where the compiler
/// knew their high halves to be clean it would take the mask of `times` elsewhere and multiply 64
/// bits, which AVX-512 can do, at a third of the speed.
pub struct RoundKeys([[u64; 2]; ROUNDS]);

/// What trajectories share of the first rounds of a draw, as only the last word of a counter tells
/// them apart: N draws side by side, one in each lane.
#[derive(Clone, Copy)]
pub struct SharedRounds<const N: usize>([Words<N>; SHARED_WORDS]);

const SHARED_WORDS: usize = 5;

/// The words of one draw in [`SharedRounds`].
pub type SharedWords = [u64; SHARED_WORDS];

impl<const N: usize> SharedRounds<N> {
    /// Those of the draw in this lane.
    #[inline(always)]
    pub fn of_draw(&self, lane: usize) -> SharedWords {
        std::array::from_fn(|word| self.0[word].0[lane])
    }
}

impl RoundKeys {
    #[inline(always)]
    fn new(key: [u32; 2]) -> Self {
        let mut keys = [[0; 2]; ROUNDS];
        for (number, own) in keys.iter_mut().enumerate() {
            for half in 0..2 {
                let step = KEY_STEPS[half].wrapping_mul(number as u32);
                own[half] = u64::from(key[half].wrapping_add(step)) * BOTH_HALVES;
            }
        }
        Self(keys)
    }

    /// Philox4x32-10 over lanes: each of the four counter words holds 32 bits in a 64-bit lane. The
    /// high halves of what it returns are not clean.
    #[inline(always)]
    fn philox<const N: usize>(&self, mut counter: [Words<N>; 4]) -> [Words<N>; 4] {
        for &key in &self.0 {
            counter = round(counter, key);
        }
        counter
    }

    /// The words of draws of one trajectory, each of its number and step in a lane.
    #[inline(always)]
    pub fn philox_of_draws<const N: usize>(
        &self,
        draws: Words<N>,
        steps: Words<N>,
        trajectory: u64,
    ) -> [Words<N>; 4] {
        let high = steps.each(|step| step >> 32);
        self.philox([draws, steps, high, Words::splat(trajectory)])
    }

    /// What draws of these numbers, below 2³², of these steps share for all trajectories.
    #[inline(always)]
    pub fn shared_rounds<const N: usize>(
        &self,
        draws: Words<N>,
        steps: Words<N>,
    ) -> SharedRounds<N> {
        let keys = &self.0;
        let none = Words::splat(0);
        let first = draws.times(MULTIPLIERS[0]);
        let second = steps.each(|step| step >> 32).times(MULTIPLIERS[1]);
        let third = second.high_xor(steps, keys[0][0]).times(MULTIPLIERS[0]);
        let fourth = third.high_xor(first, keys[1][1]).times(MULTIPLIERS[1]);
        SharedRounds([
            first.high_xor(none, keys[0][1]),
            second.xor(keys[1][0]),
            third.xor(keys[2][1]),
            fourth.xor(keys[3][0]),
            fourth.high_xor(none, keys[2][0]),
        ])
    }

    /// The words of D draws, worked out alternately, of the trajectory in each lane.
    #[inline(always)]
    pub fn philox_of_lanes<W: CounterWord, const D: usize>(
        &self,
        shared: [SharedWords; D],
        lane: W,
    ) -> [[W; 4]; D] {
        let mut counters = [[lane; 4]; D];
        for draw in 0..D {
            counters[draw] = self.four_rounds(shared[draw], lane);
        }
        for &key in &self.0[4..] {
            for draw in 0..D {
                counters[draw] = round(counters[draw], key);
            }
        }
        counters
    }

    #[inline(always)]
    fn four_rounds<W: CounterWord>(&self, shared: SharedWords, lane: W) -> [W; 4] {
        let [before, second, third, fourth, after] = shared;
        let own = lane.xor(before).times(MULTIPLIERS[1]);
        let fifth = own
            .high_xor(lane.splat_like(second), 0)
            .times(MULTIPLIERS[0]);
        let sixth = fifth
            .high_xor(lane.splat_like(third), 0)
            .times(MULTIPLIERS[1]);
        let seventh = own.xor(after).times(MULTIPLIERS[0]);
        [
            sixth.high_xor(lane.splat_like(fourth), 0),
            sixth,
            seventh.high_xor(fifth, self.0[3][1]),
            seventh,
        ]
    }
}

impl StreamKey {
    /// The key for `purpose` under `seed`; `dynamics` tells streams of several dynamics apart.
    pub fn new(seed: u64, purpose: Purpose, dynamics: u32) -> Self {
        let counter = [purpose as u32, dynamics, 0, 0].map(|w| Words::<1>::splat(u64::from(w)));
        let keys = RoundKeys::new([seed as u32, (seed >> 32) as u32]);
        let words = keys.philox(counter);
        Self([words[0].0[0] as u32, words[1].0[0] as u32])
    }

    /// The keys of the rounds.
    #[inline(always)]
    pub fn round_keys(self) -> RoundKeys {
        RoundKeys::new(self.0)
    }

    /// Two 64-bit words per lane: number `draw` of `step`, for each lane's trajectory.
    #[inline(always)]
    pub fn words<const N: usize>(self, lane: Words<N>, step: u64, draw: u32) -> [Words<N>; 2] {
        let keys = self.round_keys();
        let shared = keys.shared_rounds(Words([u64::from(draw)]), Words([step]));
        let [word] = keys.philox_of_lanes([shared.of_draw(0)], lane);
        let join = |low: Words<N>, high: Words<N>| low.with(high, |l, h| (l & LOW) | (h << 32));
        [join(word[0], word[1]), join(word[2], word[3])]
    }

    /// Fills `out` with ±1 of one step, 128 per draw.
    #[inline(always)]
    pub fn fill_signs<const N: usize>(self, lane: Words<N>, step: u64, out: &mut [Lanes<N>]) {
        let mut signs = Signs::new(self, lane, step);
        for entry in out {
            *entry = signs.draw();
        }
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
    /// The next standard normal number (|z| up to 8.49): 64 bits each, as time does not matter
    /// here.
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
            let counter = counter.map(|c| Words::<2>::splat(u64::from(c)));
            let got = RoundKeys::new(key).philox(counter);
            for (word, want) in got.iter().zip(expected) {
                assert_eq!(word.each(|w| w & LOW).0, [u64::from(want); 2]);
            }
        }
    }

    #[test]
    fn what_lanes_share_changes_nothing() {
        let lane = Words([0, 1, 77, u64::from(u32::MAX)]);
        let keys = StreamKey::new(11, Purpose::LevyArea, 1).round_keys();
        let clean = |words: [Words<4>; 4]| words.map(|word| word.each(|w| w & LOW));
        let (draws, steps) = ([0, 5, LOW], [0, 1 << 31 | 3 << 32, u64::MAX]);
        let shared = keys.shared_rounds(Words(draws), Words(steps));
        for draw in 0..3 {
            let whole = keys.philox([
                Words::splat(draws[draw]),
                Words::splat(steps[draw] & LOW),
                Words::splat(steps[draw] >> 32),
                lane,
            ]);
            let own = shared.of_draw(draw);
            let [partly, other] = keys.philox_of_lanes([own, shared.of_draw(1)], lane);
            assert_eq!(clean(whole), clean(partly));
            let [alone] = keys.philox_of_lanes([shared.of_draw(1)], lane);
            assert_eq!(other, alone);
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
