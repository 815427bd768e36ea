//! Random numbers that can be told again: Philox4x32-10, keyed by seed and purpose, counted by
//! trajectory, step and draw.
//!
//! Any number of any stream can be had directly, so a trajectory has the same noise alone or
//! among a million, and a resumed run the noise of one that was never stopped.
//!
//! Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.

use crate::lane_math::{ln, sin_cos_turns};
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

/// Philox4x32-10 over lanes: each of the four counter words holds 32 bits in a 64-bit lane.
#[inline(always)]
pub fn philox<const N: usize>(mut counter: [Words<N>; 4], key: [u32; 2]) -> [Words<N>; 4] {
    let mut key = key;
    for _ in 0..ROUNDS {
        // The masks change nothing: they tell the compiler that one 32 × 32 product will do.
        let first = counter[0].each(|c| (c & LOW).wrapping_mul(MULTIPLIERS[0]));
        let second = counter[2].each(|c| (c & LOW).wrapping_mul(MULTIPLIERS[1]));
        let high = |product: Words<N>, word: Words<N>, key: u32| {
            product.with(word, |p, w| (p >> 32) ^ w ^ u64::from(key))
        };
        counter = [
            high(second, counter[1], key[0]),
            second.each(|p| p & LOW),
            high(first, counter[3], key[1]),
            first.each(|p| p & LOW),
        ];
        key = [
            key[0].wrapping_add(KEY_STEPS[0]),
            key[1].wrapping_add(KEY_STEPS[1]),
        ];
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
        let counter = [
            Words::splat(u64::from(draw)),
            Words::splat(step & LOW),
            Words::splat(step >> 32),
            lane,
        ];
        let word = philox(counter, self.0);
        let join = |low: Words<N>, high: Words<N>| low.with(high, |l, h| l | (h << 32));
        [join(word[0], word[1]), join(word[2], word[3])]
    }

    /// Two independent standard normal numbers per lane (Box–Muller; |z| up to 8.49).
    #[inline(always)]
    pub fn normals<const N: usize>(self, lane: Words<N>, step: u64, draw: u32) -> [Lanes<N>; 2] {
        box_muller(self.words(lane, step, draw))
    }

    /// Fills `out` with standard normals of one step, two per draw.
    #[inline(always)]
    pub fn fill_normals<const N: usize>(self, lane: Words<N>, step: u64, out: &mut [Lanes<N>]) {
        for (draw, pair) in out.chunks_mut(2).enumerate() {
            let normals = self.normals(lane, step, draw as u32);
            pair.copy_from_slice(&normals[..pair.len()]);
        }
    }

    /// Two 64-bit words of `trajectory` for each of N draws of one step.
    #[inline(always)]
    fn words_along<const N: usize>(
        self,
        trajectory: u64,
        step: u64,
        draws: Words<N>,
    ) -> [Words<N>; 2] {
        let counter = [
            draws,
            Words::splat(step & LOW),
            Words::splat(step >> 32),
            Words::splat(trajectory),
        ];
        let word = philox(counter, self.0);
        let join = |low: Words<N>, high: Words<N>| low.with(high, |l, h| l | (h << 32));
        [join(word[0], word[1]), join(word[2], word[3])]
    }

    /// Fills `out` with standard normals of one trajectory and step: the numbers of
    /// [`Self::fill_normals`], worked out several draws at a time. At most 2³³ numbers.
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

/// Two independent standard normal numbers per lane from two words.
#[inline(always)]
fn box_muller<const N: usize>([radius, angle]: [Words<N>; 2]) -> [Lanes<N>; 2] {
    // 52 random bits below the leading one: uniform on [1, 2), then (0, 1] and [−½, ½).
    let in_one_two = |w: Words<N>| w.each(|b| (b >> 12) | 0x3FF0_0000_0000_0000).to_f64();
    let uniform = Lanes::splat(2.0) - in_one_two(radius);
    let turns = in_one_two(angle) - Lanes::splat(1.5);
    let length = (Lanes::splat(-2.0) * ln(uniform)).sqrt();
    let (sine, cosine) = sin_cos_turns(turns);
    [length * cosine, length * sine]
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
    const SINGLE: bool = false;

    #[inline(always)]
    fn run(self) {
        for (block, chunk) in self.out.chunks_mut(2 * BLOCK).enumerate() {
            let mut draws = [0; BLOCK];
            for lane in 0..BLOCK {
                draws[lane] = ((block * BLOCK + lane) as u64) & LOW;
            }
            let words = self
                .key
                .words_along(self.trajectory, self.step, Words(draws));
            let [first, second] = box_muller(words);
            for (place, value) in chunk.iter_mut().enumerate() {
                let pair = if place % 2 == 0 { &first } else { &second };
                *value = pair.0[place / 2];
            }
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
    /// The next standard normal number.
    pub fn normal(&mut self) -> f64 {
        if let Some(z) = self.spare.take() {
            return z;
        }
        let [first, second] = self.key.normals(self.lane, self.step, self.draw);
        self.advance();
        self.spare = Some(second.0[0]);
        first.0[0]
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
            assert_eq!(alone[0].0[0].to_bits(), eight[0].0[lane].to_bits());
            assert_eq!(alone[1].0[0].to_bits(), eight[1].0[lane].to_bits());
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

    /// Moments of 2·10⁶ normals within five standard errors (false alarm 6·10⁻⁷ each).
    #[test]
    fn normals_have_the_moments_of_the_normal_law() {
        let key = StreamKey::new(1, Purpose::BrownianMotion, 3);
        let count = 2_000_000_f64;
        let mut sums = [0.0; 4];
        for step in 0..125_000 {
            for pair in [0, 1] {
                let [a, b] = key.normals(Words::<4>([0, 1, 2, 3]), step, pair);
                for z in a.0.into_iter().chain(b.0) {
                    for (power, sum) in sums.iter_mut().enumerate() {
                        *sum += z.powi(power as i32 + 1);
                    }
                }
            }
        }
        // E z, E z², E z³, E z⁴ and the variances of z, z², z³, z⁴.
        let moments = [0.0, 1.0, 0.0, 3.0];
        let variances = [1.0, 2.0, 15.0, 96.0];
        for ((sum, moment), variance) in sums.iter().zip(moments).zip(variances) {
            let z: f64 = (sum / count - moment) / (f64::sqrt(variance / count));
            assert!(z.abs() < 5.0, "moment {moment}: {z} standard errors");
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
