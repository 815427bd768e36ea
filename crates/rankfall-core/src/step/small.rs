//! Runs of steps of small networks, p and k known when compiled.
//!
//! ΔG and W₁W₂ stay in registers then, and as a step goes through the columns it sums W₁W₂ for the
//! next. What is done to a number, and in which order, is as in
//! [`Increment`](crate::step::increment), [`State`] and [`Update`](crate::step::update), and so are
//! the bits. Whatever is out of the ordinary ends the run and is left to them: an increment too
//! large, columns that are due.

use pulp::Simd;

use crate::kernels::SMALL;
use crate::kernels::fixed::{Series, euler_column};
use crate::kernels::series::SERIES_BOUND;
use crate::random::normals::StepNormals;
use crate::simd::instructions::{Instructions, RegisterWork};
use crate::simd::lanes::Lanes;
use crate::simd::registers::{Arithmetic, Register, VectorInstructions};
use crate::step::increment::{Drift, GaussianNoise};
use crate::trajectories::state::{DIVERGED, State};

/// How a small network is moved by ΔG.
pub enum SmallRule<'a, const N: usize> {
    /// I + H(ΔG).
    Euler,
    /// exp(H(ΔG)) diag(damping).
    LieEuler(&'a [Lanes<N>]),
}

/// The steps of a run: what moves Θ in each.
pub struct SmallSteps<'a, const N: usize> {
    pub inputs: usize,
    pub outputs: usize,
    pub drift: &'a Drift<N>,
    /// None for gradient descent.
    pub noise: Option<&'a mut GaussianNoise<N>>,
    pub rule: SmallRule<'a, N>,
    /// Where ΔG of the last step goes, p × k row-major.
    pub increment: &'a mut [Lanes<N>],
}

impl<const N: usize> SmallSteps<'_, N> {
    /// Takes up to `steps` steps and returns how many: fewer where columns may be due after the
    /// last or the next is out of the ordinary. None where there are no such runs: instructions
    /// that are not compiled, or a lane that has diverged. Of the shapes of
    /// [`Variant::Small`](crate::kernels::Variant), in full blocks, and of noise without substeps,
    /// if there is any.
    pub fn advance(
        self,
        state: &mut State<N>,
        steps: u64,
        instructions: Instructions,
    ) -> Option<u64> {
        if (!state.alive()).any() {
            return None;
        }
        let lie = matches!(self.rule, SmallRule::LieEuler(_));
        let of = self;
        macro_rules! of_shapes {
            ($($p:literal x $k:literal),*) => {
                match (of.inputs, of.outputs, lie) {
                    $(
                        ($p, $k, false) => {
                            Run::<$p, $k, false, N> { of, state, steps }.run_on_registers(instructions)
                        }
                        ($p, $k, true) => {
                            Run::<$p, $k, true, N> { of, state, steps }.run_on_registers(instructions)
                        }
                    )*
                    _ => None,
                }
            };
        }
        of_shapes!(
            1 x 1, 2 x 1, 3 x 1, 4 x 1, 5 x 1, 6 x 1, 7 x 1, 8 x 1,
            2 x 2, 3 x 2, 4 x 2, 5 x 2, 6 x 2, 7 x 2, 8 x 2,
            3 x 3, 4 x 3, 5 x 3, 6 x 3, 7 x 3, 8 x 3
        )
    }
}

/// A run of P inputs and K ≤ P outputs, by Lie–Euler steps or by Euler's.
struct Run<'a, const P: usize, const K: usize, const LIE: bool, const N: usize> {
    of: SmallSteps<'a, N>,
    state: &'a mut State<N>,
    steps: u64,
}

/// A P × K matrix in each lane of a register.
type Matrix<S, const P: usize, const K: usize> = [[Register<S>; K]; P];

impl<const P: usize, const K: usize, const LIE: bool, const N: usize> RegisterWork
    for Run<'_, P, K, LIE, N>
{
    type Output = u64;

    #[inline(always)]
    fn run<S: VectorInstructions, const PARTS: usize>(self, simd: S) -> u64 {
        let Self {
            mut of,
            state,
            steps,
        } = self;
        let curvature = &of.drift.curvature[..P * K];
        let target = &of.drift.target[..P * K];
        let damping = match of.rule {
            SmallRule::Euler => &[],
            SmallRule::LieEuler(damping) => damping,
        };
        let most = if LIE {
            SERIES_BOUND
        } else {
            DIVERGED * DIVERGED
        };
        let mut product = [[[Register::zero(simd); K]; P]; PARTS];
        for part in 0..PARTS {
            product[part] = Pass { simd, part }.product(state);
        }
        let none = const { &NoNoise::NEW };
        let mut g = product;
        let mut taken = 0;
        while taken < steps {
            let (scale, numbers) = match &mut of.noise {
                Some(noise) => noise.of_step(state.step),
                None => none.of_step(),
            };
            let entries = Entries {
                curvature,
                target,
                scale: &scale[..P * K],
                numbers,
            };
            let mut square = Lanes::ZERO;
            for part in 0..PARTS {
                let pass = Pass { simd, part };
                let (increment, own) = pass.increment(&entries, &product[part]);
                g[part] = increment;
                own.write(&mut square, part);
            }
            if !state.accept_step_of_all(square, most) {
                break;
            }
            for part in 0..PARTS {
                let pass = Pass { simd, part };
                product[part] = if LIE {
                    pass.lie_euler(&g[part], damping, state)
                } else {
                    pass.euler(&g[part], state)
                };
            }
            state.step += 1;
            taken += 1;
            if state.columns_due() {
                break;
            }
        }
        for part in 0..PARTS {
            for (i, entry) in of.increment.iter_mut().enumerate() {
                g[part][i / K][i % K].write(entry, part);
            }
        }
        taken
    }
}

/// What drift and noise of a step multiply and add, p × k row-major.
struct Entries<'a, const N: usize> {
    curvature: &'a [Lanes<N>],
    target: &'a [Lanes<N>],
    scale: &'a [Lanes<N>],
    numbers: StepNormals<'a, N>,
}

/// exp(H(G)) diag(damping).
struct Exponential<'a, S: Simd, const P: usize, const K: usize> {
    g: &'a Matrix<S, P, K>,
    damping: ([Register<S>; P], [Register<S>; K]),
    series: Series<K, Register<S>>,
}

/// Most entries of ΔG.
const ENTRIES: usize = SMALL[0] * SMALL[1];

/// Noise that leaves every bit of a drift as it is: what is added is 0·(−0) = −0. So gradient descent
/// takes the steps that are compiled for noise.
struct NoNoise<const N: usize> {
    scale: [Lanes<N>; ENTRIES],
    numbers: [[f32; N]; ENTRIES / 2],
}

impl<const N: usize> NoNoise<N> {
    const NEW: Self = Self {
        scale: [Lanes::ZERO; ENTRIES],
        numbers: [[-0.0; N]; ENTRIES / 2],
    };

    fn of_step(&self) -> (&[Lanes<N>], StepNormals<'_, N>) {
        let numbers = StepNormals {
            firsts: &self.numbers,
            seconds: &self.numbers,
        };
        (&self.scale, numbers)
    }
}

/// What is done to the lanes of one register.
struct Pass<S: Simd> {
    simd: S,
    /// Which.
    part: usize,
}

impl<S: Simd> Pass<S> {
    /// ΔG and its squared Frobenius norm, from W₁W₂.
    #[inline(always)]
    fn increment<const P: usize, const K: usize, const N: usize>(
        &self,
        entries: &Entries<'_, N>,
        product: &Matrix<S, P, K>,
    ) -> (Matrix<S, P, K>, Register<S>) {
        let mut g = *product;
        let mut squares = [Register::zero(self.simd); 2];
        for a in 0..P {
            for b in 0..K {
                let i = a * K + b;
                let curvature = self.read(&entries.curvature[i]);
                let drift = curvature.mul_add(product[a][b], self.read(&entries.target[i]));
                let number = self.read(&entries.numbers.get(i));
                let both = self.read(&entries.scale[i]).mul_add(number, drift);
                g[a][b] = both;
                squares[i % 2] = both.mul_add(both, squares[i % 2]);
            }
        }
        (g, squares[0] + squares[1])
    }

    /// W₁W₂.
    #[inline(always)]
    fn product<const P: usize, const K: usize, const N: usize>(
        &self,
        state: &State<N>,
    ) -> Matrix<S, P, K> {
        let mut product = [[Register::zero(self.simd); K]; P];
        let columns = state.factor.mantissa().chunks_exact(P + K);
        for (column, weight) in columns.zip(&state.weight) {
            let (x, y) = self.read_column(column);
            self.add_product(&x, &y, weight, &mut product);
        }
        product
    }

    /// Θ ← (I + H(G)) Θ; returns W₁W₂ after it.
    #[inline(always)]
    fn euler<const P: usize, const K: usize, const N: usize>(
        &self,
        g: &Matrix<S, P, K>,
        state: &mut State<N>,
    ) -> Matrix<S, P, K> {
        let mut product = [[Register::zero(self.simd); K]; P];
        let columns = state.factor.mantissa_mut().chunks_exact_mut(P + K);
        for (column, weight) in columns.zip(&state.weight) {
            let (mut x, mut y) = self.read_column::<P, K, N>(column);
            euler_column(g, &mut x, &mut y);
            self.write_column(&x, &y, column);
            self.add_product(&x, &y, weight, &mut product);
        }
        product
    }

    /// Θ ← exp(H(G)) diag(damping) Θ; returns W₁W₂ after it.
    #[inline(always)]
    fn lie_euler<const P: usize, const K: usize, const N: usize>(
        &self,
        g: &Matrix<S, P, K>,
        damping: &[Lanes<N>],
        state: &mut State<N>,
    ) -> Matrix<S, P, K> {
        let exponential = Exponential::<S, P, K> {
            g,
            damping: self.read_column(damping),
            series: Series::of(g),
        };
        // Two alternately: what is done to one is a chain too long to look past.
        let mut pairs = state.factor.mantissa_mut().chunks_exact_mut(2 * (P + K));
        for pair in &mut pairs {
            let (first, second) = pair.split_at_mut(P + K);
            self.move_columns(&exponential, [first, second]);
        }
        let last = pairs.into_remainder();
        if !last.is_empty() {
            self.move_columns(&exponential, [last]);
        }
        self.product(state)
    }

    #[inline(always)]
    fn move_columns<const C: usize, const P: usize, const K: usize, const N: usize>(
        &self,
        exponential: &Exponential<'_, S, P, K>,
        columns: [&mut [Lanes<N>]; C],
    ) {
        let zero = Register::zero(self.simd);
        let (mut x, mut y) = ([[zero; P]; C], [[zero; K]; C]);
        for c in 0..C {
            (x[c], y[c]) = self.read_column(columns[c]);
        }
        let Exponential {
            g,
            damping: (damping_x, damping_y),
            series,
        } = exponential;
        series.act_on_columns(
            &g[..],
            (damping_x, damping_y),
            x.each_mut().map(|x| &mut x[..]),
            y.each_mut().map(|y| &mut y[..]),
        );
        for c in 0..C {
            self.write_column(&x[c], &y[c], columns[c]);
        }
    }

    #[inline(always)]
    fn read<const N: usize>(&self, lanes: &Lanes<N>) -> Register<S> {
        Register::read(self.simd, lanes, self.part)
    }

    /// The column of W₁ and that of W₂ᵀ.
    #[inline(always)]
    fn read_column<const P: usize, const K: usize, const N: usize>(
        &self,
        column: &[Lanes<N>],
    ) -> ([Register<S>; P], [Register<S>; K]) {
        let zero = Register::zero(self.simd);
        let (mut x, mut y) = ([zero; P], [zero; K]);
        for a in 0..P {
            x[a] = self.read(&column[a]);
        }
        for b in 0..K {
            y[b] = self.read(&column[P + b]);
        }
        (x, y)
    }

    #[inline(always)]
    fn write_column<const P: usize, const K: usize, const N: usize>(
        &self,
        x: &[Register<S>; P],
        y: &[Register<S>; K],
        column: &mut [Lanes<N>],
    ) {
        for a in 0..P {
            x[a].write(&mut column[a], self.part);
        }
        for b in 0..K {
            y[b].write(&mut column[P + b], self.part);
        }
    }

    /// product += weight x yᵀ.
    #[inline(always)]
    fn add_product<const P: usize, const K: usize, const N: usize>(
        &self,
        x: &[Register<S>; P],
        y: &[Register<S>; K],
        weight: &Lanes<N>,
        product: &mut Matrix<S, P, K>,
    ) {
        let weight = self.read(weight);
        for b in 0..K {
            let scaled = y[b] * weight;
            for a in 0..P {
                product[a][b] = x[a].mul_add(scaled, product[a][b]);
            }
        }
    }
}
