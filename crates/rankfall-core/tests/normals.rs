//! The normal numbers against the normal law: moments, the distribution function, tails to six
//! standard deviations, and independence of neighbours. Each test states its false-alarm rate.

use rankfall_core::random::normals::Normals;
use rankfall_core::random::{Purpose, StreamKey};
use rankfall_core::simd::instructions::Instructions;
use rankfall_core::simd::lanes::Words;

fn key(stream: u32) -> StreamKey {
    StreamKey::new(1, Purpose::BrownianMotion, stream)
}

/// P(|z| > x).
fn tail(x: f64) -> f64 {
    libm::erfc(x / std::f64::consts::SQRT_2)
}

fn distribution(x: f64) -> f64 {
    0.5 * libm::erfc(-x / std::f64::consts::SQRT_2)
}

/// `steps` fills of `size` numbers of trajectory 0, examined one fill after the other.
fn fills(stream: u32, steps: u64, size: usize, mut look: impl FnMut(&[f64])) {
    let mut normals = vec![0.0; size];
    for step in 0..steps {
        key(stream).fill_normals(0, step, &mut normals, Instructions::best());
        look(&normals);
    }
}

/// The first eight moments of 2·10⁷ numbers within 5.5 standard errors: false alarm below 4·10⁻⁸
/// each.
#[test]
fn moments() {
    let (steps, size) = (2000, 10_000);
    let mut sums = [0.0; 8];
    fills(0, steps, size, |normals| {
        for &z in normals {
            let mut power = 1.0;
            for sum in &mut sums {
                power *= z;
                *sum += power;
            }
        }
    });
    let count = (steps * size as u64) as f64;
    // E zⁿ = (n − 1)!! for even n.
    let moment = |n: u32| match n % 2 {
        0 => (1..n).step_by(2).map(f64::from).product(),
        _ => 0.0,
    };
    for (n, sum) in (1..).zip(sums) {
        let variance: f64 = moment(2 * n) - moment(n) * moment(n);
        let errors: f64 = (sum / count - moment(n)) / (variance / count).sqrt();
        assert!(errors.abs() < 5.5, "moment {n}: {errors} standard errors");
    }
}

/// Kolmogorov and Smirnov on 4·10⁶ numbers: √n D < 2.7, false alarm 2 exp(−2 · 2.7²) = 10⁻⁶.
#[test]
fn distribution_function() {
    let mut sorted = vec![0.0; 4_000_000];
    key(1).fill_normals(5, 9, &mut sorted, Instructions::best());
    sorted.sort_unstable_by(f64::total_cmp);
    let count = sorted.len() as f64;
    let mut largest = 0.0_f64;
    for (i, &z) in sorted.iter().enumerate() {
        let below = distribution(z);
        largest = largest.max(below - i as f64 / count);
        largest = largest.max((i + 1) as f64 / count - below);
    }
    let statistic = largest * count.sqrt();
    assert!(statistic < 2.7, "√n D = {statistic}");
}

/// How many of 10⁹ numbers lie beyond 3, 4, 5 and 6 standard deviations, on either side: false
/// alarm below 10⁻⁶ each, from the normal limit of the count, and for 6 from Poisson's law, P(X >
/// 15) with a mean of 1.
#[test]
fn tails() {
    let (steps, size) = (50_000, 20_000);
    let mut beyond = [[0_u64; 4]; 2];
    fills(2, steps, size, |normals| {
        for &z in normals {
            if z.abs() > 3.0 {
                let side = &mut beyond[usize::from(z > 0.0)];
                for (count, bound) in side.iter_mut().zip([3.0, 4.0, 5.0, 6.0]) {
                    *count += u64::from(z.abs() > bound);
                }
            }
        }
    });
    let count = (steps * size as u64) as f64;
    for side in beyond {
        for (&seen, bound) in side.iter().zip([3.0, 4.0, 5.0]) {
            let expected = 0.5 * tail(bound) * count;
            let errors = (seen as f64 - expected) / expected.sqrt();
            assert!(errors.abs() < 5.0, "beyond {bound}: {seen}, not {expected}");
        }
        assert!(side[3] <= 12, "{} beyond six standard deviations", side[3]);
    }
}

/// Pairs of numbers that are neighbours in some sense.
struct Neighbours {
    count: f64,
    product: f64,
    squares: f64,
    /// By sixteenths of either.
    cells: Vec<u64>,
}

impl Neighbours {
    fn new() -> Self {
        Self {
            count: 0.0,
            product: 0.0,
            squares: 0.0,
            cells: vec![0; 256],
        }
    }

    fn add(&mut self, x: f64, y: f64) {
        let cell = |z: f64| ((distribution(z) * 16.0) as usize).min(15);
        self.count += 1.0;
        self.product += x * y;
        self.squares += (x * x - 1.0) * (y * y - 1.0);
        self.cells[cell(x) * 16 + cell(y)] += 1;
    }

    /// Correlations of the numbers and of their squares within 5.5 standard errors (4·10⁻⁸ each),
    /// and χ² with 255 degrees of freedom below 390 (10⁻⁷).
    fn are_independent(&self, what: &str) {
        let root = self.count.sqrt();
        // E (xy)² = 1 and E ((x² − 1)(y² − 1))² = 4.
        let correlations = [self.product / root, self.squares / (2.0 * root)];
        let expected = self.count / 256.0;
        let square = |&seen: &u64| (seen as f64 - expected).powi(2) / expected;
        let chi: f64 = self.cells.iter().map(square).sum();
        assert!(correlations[0].abs() < 5.5, "{what}: {correlations:?}");
        assert!(correlations[1].abs() < 5.5, "{what}: {correlations:?}");
        assert!(chi < 390.0, "{what}: χ² = {chi}");
    }
}

/// Neighbouring trajectories (lanes of one block, and the same lane of the next block), steps,
/// numbers of one step (the two of one pair, and of two pairs), and dynamics, 2·10⁵ pairs of each
/// and more.
#[test]
fn neighbours_are_independent() {
    let (steps, size) = (20_000, 10);
    let names = [
        "lanes",
        "blocks",
        "steps",
        "one pair",
        "two pairs",
        "dynamics",
    ];
    let mut all: Vec<Neighbours> = names.iter().map(|_| Neighbours::new()).collect();
    let normals = |stream: u32, first: u64| {
        let lanes = Words(std::array::from_fn::<u64, 8, _>(|lane| first + lane as u64));
        Normals::new(key(stream), lanes, size, Instructions::best())
    };
    let [mut all_here, mut all_block, mut all_later, mut all_other] =
        [normals(3, 0), normals(3, 8), normals(3, 0), normals(4, 0)];
    for step in 0..steps {
        let [here, block] = [&mut all_here, &mut all_block].map(|normals| normals.of_step(step));
        let (later, other) = (all_later.of_step(step + 1), all_other.of_step(step));
        for i in 0..size {
            let z = here.get(i).0;
            all[0].add(z[step as usize % 7], z[step as usize % 7 + 1]);
            all[1].add(z[3], block.get(i).0[3]);
            all[2].add(z[5], later.get(i).0[5]);
            if i % 2 == 0 {
                all[3].add(z[0], here.get(i + 1).0[0]);
            } else if i + 1 < size {
                all[4].add(z[0], here.get(i + 1).0[0]);
            }
            all[5].add(z[6], other.get(i).0[6]);
        }
    }
    for (neighbours, name) in all.iter().zip(names) {
        neighbours.are_independent(name);
    }
}

/// Increments whose steps are packed in pairs: the two of a pair, and those of neighbouring pairs,
/// also through the draw that a pair shares; 8·10⁴ pairs of each and more.
#[test]
fn packed_increments_are_independent() {
    let (steps, size) = (40_000, 10);
    let names = ["pair", "next pair", "shared draw"];
    let mut all: Vec<Neighbours> = names.iter().map(|_| Neighbours::new()).collect();
    let mut before = vec![0.0; size];
    let mut normals = vec![0.0; size];
    for step in 0..steps {
        key(5).fill_increment(3, step, &mut normals, Instructions::best());
        if step > 0 {
            let between = usize::from(step % 2 == 0);
            for (&x, &y) in before.iter().zip(&normals) {
                all[between].add(x, y);
            }
            if between == 0 {
                // Its first pair ends the first step, its second begins the next.
                for (&x, &y) in before[size - 2..].iter().zip(&normals) {
                    all[2].add(x, y);
                }
                for (&x, &y) in before[size - 2..].iter().rev().zip(&normals) {
                    all[2].add(x, y);
                }
            }
        }
        std::mem::swap(&mut before, &mut normals);
    }
    for (neighbours, name) in all.iter().zip(names) {
        neighbours.are_independent(name);
    }
}
