//! The slow flow of labels that flip and of rows that are drawn under softmax, worked out here with
//! plain matrices, against ensembles of SGD.
//!
//! Softmax does not see a constant added to all outputs, so that the network has k = K − 1 outputs
//! in the contrasts between classes (columns of T, orthonormal and orthogonal to 1), V = W₂T, and a
//! column W₂·1 that never moves. At the minimum the Hessian by the map W₁V is 𝓗 and the covariance
//! of the gradient noise of one row Q, which is no multiple of it. With K g = g B + D g, Σ of the
//! equation 𝓗KΣ + ΣK𝓗 = Q, Ω = 𝓗KΣ − Q/2 and ν = η/b,
//!
//!   Θ' = [H(Γ) + ν X] Θ,  X = −½ diag(E N Nᵀ, E NᵀN) − diag(Σ_b Ω_{ab,cb}, Σ_a Ω_{ab,ad}),
//!
//! Γ the multiplier that keeps the map: K Γ = −ν (X₁ W₁V + W₁V X₂ᵀ).

#[path = "support/means.rs"]
mod means;
#[path = "support/setups.rs"]
mod setups;

use std::sync::Arc;

use faer::Mat;
use means::{Ensemble, single_rows};
use rankfall_core::ensemble::OwnObservable;
use rankfall_core::linalg::dense::{eigen_semidefinite, thin_svd};
use rankfall_core::measure::layout::OWN;
use rankfall_core::model::classification::{ClassLoss, Classification, Flips};
use rankfall_core::model::dynamics::Dynamics;
use rankfall_core::model::problem::Rows;
use rankfall_core::model::setup::Setup;
use rankfall_core::model::synthetic::{Covariance, Synthetic};

const ROWS: usize = 40;
const INPUTS: usize = 3;
const CLASSES: usize = 3;
/// K − 1.
const CONTRASTS: usize = 2;
const WIDTH: usize = 6;
/// Row c: what class c becomes. Uneven, so that the noise is far from the Hessian.
const FLIPS: [[f64; CLASSES]; CLASSES] = [[0.5, 0.45, 0.05], [0.02, 0.96, 0.02], [0.1, 0.1, 0.8]];
/// p (K − 1).
const SIDE: usize = INPUTS * CONTRASTS;
/// ν t.
const PLACES: [f64; 3] = [0.5, 1.0, 2.0];
/// Time in which gradient flow is at the minimum to rounding of what is compared, and its step.
const TO_MINIMUM: (f64, f64) = (400.0, 0.02);
/// Step of ν t in which the slow flow is integrated.
const SLOW_STEP: f64 = 0.01;

/// Contrasts between three classes: T.
fn contrasts() -> Mat<f64> {
    let (two, six) = (2f64.sqrt(), 6f64.sqrt());
    let entries = [
        [1.0 / two, 1.0 / six],
        [-1.0 / two, 1.0 / six],
        [0.0, -2.0 / six],
    ];
    Mat::from_fn(CLASSES, CONTRASTS, |i, j| entries[i][j])
}

/// Rows of three classes that no linear map tells apart.
fn setup() -> Setup {
    let data = Synthetic {
        samples: ROWS as u64,
        inputs: INPUTS,
        outputs: CLASSES,
        covariance: Covariance::PowerLaw(0.5),
        residual_noise: 1.5,
        ..setups::recipe()
    };
    let problem = setups::class_problem(&data, 4);
    setups::setup(problem, setups::gaussian(0.8), WIDTH, 7)
}

/// log σᵢ of (W₁; (W₂T)ᵀ).
fn log_singular_values(w1: &Mat<f64>, v: &Mat<f64>) -> Vec<f64> {
    let stack = Mat::from_fn(WIDTH, INPUTS + CONTRASTS, |j, i| match i < INPUTS {
        true => w1[(i, j)],
        false => v[(j, i - INPUTS)],
    });
    thin_svd(&stack).sigma.iter().map(|s| s.ln()).collect()
}

/// Expected labels and the covariance of the labels of each row.
struct Labels {
    rows: Arc<Rows>,
}

impl Labels {
    fn expected(&self, row: usize, class: usize) -> f64 {
        let label = &self.rows.y[row * CLASSES..(row + 1) * CLASSES];
        label.iter().zip(FLIPS).map(|(y, to)| y * to[class]).sum()
    }

    fn input(&self, row: usize, a: usize) -> f64 {
        self.rows.x[row * INPUTS + a]
    }

    /// π of a row at the map p × (K − 1).
    fn probabilities(&self, row: usize, map: &Mat<f64>) -> Vec<f64> {
        let t = contrasts();
        let logit = |class: usize| -> f64 {
            let of = |c: usize| {
                (0..INPUTS)
                    .map(|a| self.input(row, a) * map[(a, c)])
                    .sum::<f64>()
            };
            (0..CONTRASTS).map(|c| of(c) * t[(class, c)]).sum()
        };
        let raised: Vec<f64> = (0..CLASSES).map(|class| logit(class).exp()).collect();
        let sum: f64 = raised.iter().sum();
        raised.iter().map(|r| r / sum).collect()
    }

    /// A = mean x rᵀ T, r = Eỹ − π.
    fn gradient(&self, map: &Mat<f64>) -> Mat<f64> {
        let t = contrasts();
        let mut out = Mat::zeros(INPUTS, CONTRASTS);
        for row in 0..ROWS {
            let pi = self.probabilities(row, map);
            for (class, pi) in pi.iter().enumerate() {
                let r = (self.expected(row, class) - pi) / ROWS as f64;
                for a in 0..INPUTS {
                    for c in 0..CONTRASTS {
                        out[(a, c)] += self.input(row, a) * r * t[(class, c)];
                    }
                }
            }
        }
        out
    }

    /// mean xxᵀ ⊗ TᵀC_row T.
    fn mean_of(&self, of_row: impl Fn(usize) -> Mat<f64>) -> Mat<f64> {
        let t = contrasts();
        let mut out = Mat::zeros(SIDE, SIDE);
        for row in 0..ROWS {
            let small = t.transpose() * of_row(row) * &t;
            for i in 0..SIDE {
                for j in 0..SIDE {
                    let inputs = self.input(row, i / CONTRASTS) * self.input(row, j / CONTRASTS);
                    out[(i, j)] += inputs * small[(i % CONTRASTS, j % CONTRASTS)] / ROWS as f64;
                }
            }
        }
        out
    }

    /// 𝓗 at a map.
    fn hessian(&self, map: &Mat<f64>) -> Mat<f64> {
        self.mean_of(|row| {
            let pi = self.probabilities(row, map);
            Mat::from_fn(CLASSES, CLASSES, |i, j| {
                pi[i] * (f64::from(u8::from(i == j)) - pi[j])
            })
        })
    }

    /// Q at a map: what flips and the choice of a row do.
    fn noise(&self, map: &Mat<f64>) -> Mat<f64> {
        self.mean_of(|row| {
            let pi = self.probabilities(row, map);
            let y = |c: usize| self.expected(row, c);
            Mat::from_fn(CLASSES, CLASSES, |i, j| {
                let flips = y(i) * (f64::from(u8::from(i == j)) - y(j));
                flips + (y(i) - pi[i]) * (y(j) - pi[j])
            })
        })
    }
}

/// A function of a symmetric positive definite matrix.
fn function(of: impl Fn(f64) -> f64, matrix: &Mat<f64>) -> Mat<f64> {
    let (values, vectors) = eigen_semidefinite(matrix);
    let scaled = Mat::from_fn(SIDE, SIDE, |i, j| vectors[(i, j)] * of(values[j]));
    scaled * vectors.transpose()
}

/// The slow flow at one minimum, in units of ν t.
struct Slow {
    /// T of 𝓗 = T².
    root: Mat<f64>,
    /// T⁻¹QT⁻¹.
    whitened: Mat<f64>,
    noise: Mat<f64>,
    minimum: Mat<f64>,
}

/// What noise is averaged.
#[derive(Clone, Copy, PartialEq)]
enum Noise {
    /// That of flips and rows.
    Own,
    /// A multiple of the Hessian with the same power, as if the model were well specified.
    OfHessian,
}

impl Slow {
    fn new(labels: &Labels, minimum: Mat<f64>, kind: Noise) -> Self {
        let (hessian, mut noise) = (labels.hessian(&minimum), labels.noise(&minimum));
        if kind == Noise::OfHessian {
            let trace = |m: &Mat<f64>| (0..SIDE).map(|i| m[(i, i)]).sum::<f64>();
            noise = &hessian * faer::Scale(trace(&noise) / trace(&hessian));
        }
        let inverse = function(|h| 1.0 / h.sqrt(), &hessian);
        Self {
            root: function(f64::sqrt, &hessian),
            whitened: &inverse * &noise * &inverse,
            noise,
            minimum,
        }
    }

    /// X₁ and X₂ at K.
    fn motion(&self, k: &Mat<f64>) -> [Mat<f64>; 2] {
        let (rates, turn) = eigen_semidefinite(&(&self.root * k * &self.root));
        let turned = turn.transpose() * &self.whitened * &turn;
        let odd = Mat::from_fn(SIDE, SIDE, |i, j| {
            0.5 * (rates[i] - rates[j]) / (rates[i] + rates[j]) * turned[(i, j)]
        });
        let omega = &self.root * &turn * odd * turn.transpose() * &self.root;
        let of = |i: usize, j: usize| -0.5 * self.noise[(i, j)] - omega[(i, j)];
        let at = |a: usize, b: usize| a * CONTRASTS + b;
        [
            Mat::from_fn(INPUTS, INPUTS, |a, c| {
                (0..CONTRASTS).map(|b| of(at(a, b), at(c, b))).sum()
            }),
            Mat::from_fn(CONTRASTS, CONTRASTS, |b, d| {
                (0..INPUTS).map(|a| of(at(a, b), at(a, d))).sum()
            }),
        ]
    }

    fn slope(&self, [w1, v]: &[Mat<f64>; 2]) -> [Mat<f64>; 2] {
        let (d, b) = (w1 * w1.transpose(), v.transpose() * v);
        let k = Mat::from_fn(SIDE, SIDE, |i, j| {
            let [(a, own), (c, other)] = [i, j].map(|at| (at / CONTRASTS, at % CONTRASTS));
            let outputs = if a == c { b[(own, other)] } else { 0.0 };
            outputs + if own == other { d[(a, c)] } else { 0.0 }
        });
        let [x1, x2] = self.motion(&k);
        let map = w1 * v;
        // Errors of steps are pulled back.
        let wanted = (&self.minimum - &map) * faer::Scale(5.0) - &x1 * &map - &map * x2.transpose();
        let inverse = function(|h| 1.0 / h, &k);
        let held = |i: usize| -> f64 {
            (0..SIDE)
                .map(|j| inverse[(i, j)] * wanted[(j / CONTRASTS, j % CONTRASTS)])
                .sum()
        };
        let gamma = Mat::from_fn(INPUTS, CONTRASTS, |a, c| held(a * CONTRASTS + c));
        [
            &gamma * v.transpose() + &x1 * w1,
            w1.transpose() * &gamma + v * x2.transpose(),
        ]
    }
}

/// One step of the classical Runge–Kutta method.
fn step(
    at: &[Mat<f64>; 2],
    h: f64,
    slope: impl Fn(&[Mat<f64>; 2]) -> [Mat<f64>; 2],
) -> [Mat<f64>; 2] {
    let ahead = |by: f64, s: &[Mat<f64>; 2]| -> [Mat<f64>; 2] {
        std::array::from_fn(|i| &at[i] + &s[i] * faer::Scale(by))
    };
    let first = slope(at);
    let second = slope(&ahead(0.5 * h, &first));
    let third = slope(&ahead(0.5 * h, &second));
    let fourth = slope(&ahead(h, &third));
    std::array::from_fn(|i| {
        let middle = (&second[i] + &third[i]) * faer::Scale(2.0);
        &at[i] + (&first[i] + middle + &fourth[i]) * faer::Scale(h / 6.0)
    })
}

/// log σᵢ at each place by the slow flow.
fn predicted(setup: &Setup, noise: Noise) -> Vec<f64> {
    let initial = setup.initial_condition(0).expect("a start");
    let weights = rankfall_core::model::network::lift_to_full_width(
        &initial.start.left,
        &initial.start.right,
        &initial.problem,
    );
    let basis = initial.problem.basis.transpose();
    let labels = Labels {
        rows: initial.problem.rows.clone().expect("rows"),
    };
    let mut at = [basis * &weights.w1, &weights.w2 * contrasts()];
    let (time, h) = TO_MINIMUM;
    for _ in 0..(time / h) as usize {
        at = step(&at, h, |[w1, v]| {
            let gradient = labels.gradient(&(w1 * v));
            [&gradient * v.transpose(), w1.transpose() * &gradient]
        });
    }
    let left = labels.gradient(&(&at[0] * &at[1])).norm_l2();
    assert!(left < 1e-6, "not at the minimum: {left:e}");
    let slow = Slow::new(&labels, &at[0] * &at[1], noise);
    let (mut out, mut now) = (Vec::new(), 0);
    for place in PLACES {
        let end = (place / SLOW_STEP).round() as usize;
        for _ in now..end {
            at = step(&at, SLOW_STEP, |at| slow.slope(at));
        }
        now = end;
        out.extend(log_singular_values(&at[0], &at[1]));
    }
    out
}

/// Means of the same over 256 trajectories of SGD with b = 1, and their standard errors.
fn measured(setup: &Setup, eta: f64) -> Vec<[f64; 2]> {
    let columns = INPUTS + CONTRASTS;
    let own = (0..columns).map(|i| {
        OwnObservable::new("log σ in contrasts", move |state| {
            log_singular_values(&state.w1.to_owned(), &(state.w2 * contrasts()))[i]
        })
    });
    let classes = Classification {
        loss: ClassLoss::SoftmaxCrossEntropy,
        flips: Some(Flips::Matrix(
            FLIPS.iter().map(|row| row.to_vec()).collect(),
        )),
    };
    let of_sgd = Ensemble {
        setup,
        dynamics: Dynamics {
            classes: Some(classes),
            ..single_rows(eta)
        },
        trajectories: 256,
        unit: eta,
        times: &PLACES.map(|place| place / eta),
        own: own.collect(),
    };
    of_sgd.means(OWN, columns).pairs()
}

/// The largest |slow flow − mean of SGD|, alone and beyond 4.5 standard errors. 45 comparisons of a
/// slow flow that is right in all: one of them is beyond with chance 3·10⁻⁴.
fn worst(measured: &[[f64; 2]], predicted: &[f64]) -> [f64; 2] {
    let mut out = [0.0_f64, f64::NEG_INFINITY];
    for ([mean, error], value) in measured.iter().zip(predicted) {
        let miss = (mean - value).abs();
        out = [out[0].max(miss), out[1].max(miss - 4.5 * error)];
    }
    out
}

/// What the slow flow neglects, in multiples of η, is at most this.
const TIMES_ETA: f64 = 2.0;

/// The error of the slow flow is of first order in η, though the noise is no multiple of the
/// Hessian; one of noise that is, with the same power, is told from it.
#[test]
fn sgd_with_flips_tends_to_the_slow_flow_of_its_noise() {
    let setup = setup();
    let (slow, other) = (
        predicted(&setup, Noise::Own),
        predicted(&setup, Noise::OfHessian),
    );
    for eta in [0.02, 0.01, 0.005] {
        let measured = measured(&setup, eta);
        let [miss, beyond] = worst(&measured, &slow);
        let [other, other_beyond] = worst(&measured, &other);
        println!(
            "η = {eta}: largest miss {miss:.4}, {beyond:.4} beyond 4.5 standard errors; of the Hessian {other:.4}, \
             {other_beyond:.4}"
        );
        assert!(beyond < TIMES_ETA * eta, "η = {eta}: {beyond}");
        assert!(
            other_beyond > 3.0 * TIMES_ETA * eta,
            "the control: η = {eta}: {other_beyond}"
        );
    }
}
