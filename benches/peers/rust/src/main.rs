//! The stochastic gradient flow of a two-layer linear network, p = 5, k = 2, width 10, with the
//! crate `differential-equations`, as one would write it: fixed-size arrays, one path after the
//! other on each thread, the crate's Euler–Maruyama step.
//!
//!     rust-sde-peer NUMBERS TRAJECTORIES STEPS SEED THREADS
//!
//! NUMBERS is a file of little-endian doubles: h, ν, S_xx, S_xy, S_xx^{1/2}, the optimum, W₁ and
//! W₂, row by row. Prints the excess loss of every trajectory at the end, one per line.

use std::cell::RefCell;
use std::error::Error;

use differential_equations::prelude::*;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand_distr::{Distribution, StandardNormal};

const P: usize = 5;
const K: usize = 2;
const L: usize = 10;

/// W₁ and W₂ᵀ column by column: p + k numbers for each hidden unit.
type Theta = [f64; (P + K) * L];

struct Problem {
    h: f64,
    nu: f64,
    sxx: [[f64; P]; P],
    sxy: [[f64; K]; P],
    root: [[f64; P]; P],
    optimum: [[f64; K]; P],
    start: Theta,
}

struct Flow<'a> {
    problem: &'a Problem,
    random: RefCell<SmallRng>,
}

impl SDE<f64, Theta> for Flow<'_> {
    fn drift(&self, _t: f64, theta: &Theta, out: &mut Theta) {
        let product = product(theta);
        let mut gradient = self.problem.sxy;
        for (row, of_inputs) in gradient.iter_mut().zip(&self.problem.sxx) {
            for (other, &s) in product.iter().zip(of_inputs) {
                for b in 0..K {
                    row[b] -= s * other[b];
                }
            }
        }
        act(&gradient, theta, out);
    }

    /// The crate multiplies by a noise of each entry's own, which this equation has not: the p k
    /// normals are drawn here, and [`Self::noise`] is √h.
    fn diffusion(&self, _t: f64, theta: &Theta, out: &mut Theta) {
        let mut random = self.random.borrow_mut();
        let mut normals = [[0.0; K]; P];
        for z in normals.iter_mut().flatten() {
            *z = StandardNormal.sample(&mut *random);
        }
        let scale = self.problem.nu.sqrt();
        let mut increment = [[0.0; K]; P];
        for (row, of_inputs) in increment.iter_mut().zip(&self.problem.root) {
            for (z, &r) in normals.iter().zip(of_inputs) {
                for b in 0..K {
                    row[b] += scale * r * z[b];
                }
            }
        }
        act(&increment, theta, out);
    }

    fn noise(&mut self, dt: f64, out: &mut Theta) {
        out.fill(dt.sqrt());
    }
}

/// W₁W₂.
fn product(theta: &Theta) -> [[f64; K]; P] {
    let mut out = [[0.0; K]; P];
    for unit in theta.as_chunks::<{ P + K }>().0 {
        for a in 0..P {
            for b in 0..K {
                out[a][b] += unit[a] * unit[P + b];
            }
        }
    }
    out
}

/// out = H(G) Θ.
fn act(g: &[[f64; K]; P], theta: &Theta, out: &mut Theta) {
    let units = theta.as_chunks::<{ P + K }>().0;
    for (unit, out) in units.iter().zip(out.as_chunks_mut::<{ P + K }>().0) {
        out.fill(0.0);
        for a in 0..P {
            for b in 0..K {
                out[a] += g[a][b] * unit[P + b];
                out[P + b] += g[a][b] * unit[a];
            }
        }
    }
}

impl Problem {
    fn read(path: &str) -> Result<Self, Box<dyn Error>> {
        let bytes = std::fs::read(path)?;
        let mut numbers = bytes.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b));
        let mut next = || numbers.next().ok_or("too few numbers");
        let mut matrix = |rows: usize, columns: usize| -> Result<Vec<Vec<f64>>, &str> {
            (0..rows).map(|_| (0..columns).map(|_| next()).collect()).collect()
        };
        let settings = matrix(1, 2)?;
        let fixed = |m: Vec<Vec<f64>>| std::array::from_fn(|a| std::array::from_fn(|b| m[a][b]));
        let (sxx, sxy) = (fixed(matrix(P, P)?), matrix(P, K)?);
        let (root, optimum) = (fixed(matrix(P, P)?), matrix(P, K)?);
        let (w1, w2) = (matrix(P, L)?, matrix(L, K)?);
        let tall = |m: Vec<Vec<f64>>| std::array::from_fn(|a| std::array::from_fn(|b| m[a][b]));
        let entry = |i: usize| match i % (P + K) {
            a if a < P => w1[a][i / (P + K)],
            b => w2[i / (P + K)][b - P],
        };
        Ok(Self {
            h: settings[0][0],
            nu: settings[0][1],
            sxx,
            sxy: tall(sxy),
            root,
            optimum: tall(optimum),
            start: std::array::from_fn(entry),
        })
    }

    fn excess_loss(&self, theta: &Theta) -> f64 {
        let product = product(theta);
        let error = |a: usize, b: usize| product[a][b] - self.optimum[a][b];
        let mut sum = 0.0;
        for b in 0..K {
            for a in 0..P {
                for c in 0..P {
                    sum += 0.5 * error(a, b) * self.sxx[a][c] * error(c, b);
                }
            }
        }
        sum
    }

    fn path(&self, steps: u64, seed: u64) -> Result<f64, String> {
        let mut flow = Flow {
            problem: self,
            random: RefCell::new(SmallRng::seed_from_u64(seed)),
        };
        let end = steps as f64 * self.h;
        let solution = IVP::sde(&mut flow, 0.0, end, self.start)
            .even(end)
            .method(ExplicitRungeKutta::euler(self.h))
            .solve()
            .map_err(|error| format!("{error:?}"))?;
        let last = solution.y.last().ok_or("nothing was saved")?;
        Ok(self.excess_loss(last))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, numbers @ ..] = &arguments[..] else {
        return Err("rust-sde-peer NUMBERS TRAJECTORIES STEPS SEED THREADS".into());
    };
    let numbers: Vec<u64> = numbers.iter().map(|n| n.parse()).collect::<Result<_, _>>()?;
    let [trajectories, steps, seed, threads] = numbers[..] else {
        return Err("four whole numbers after the file".into());
    };
    let problem = &Problem::read(path)?;
    let part = |thread: u64| -> Result<Vec<f64>, String> {
        let own = (thread..trajectories).step_by(threads as usize);
        own.map(|i| problem.path(steps, seed * trajectories + i)).collect()
    };
    let losses: Vec<f64> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|t| scope.spawn(move || part(t))).collect();
        let done = workers.into_iter().map(|w| w.join().map_err(|_| "a thread ended early".to_owned())?);
        done.collect::<Result<Vec<_>, String>>()
    })?
    .concat();
    for loss in losses {
        println!("{loss}");
    }
    Ok(())
}
