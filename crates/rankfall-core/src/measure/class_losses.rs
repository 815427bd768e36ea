//! Training loss and accuracy where targets are classes, on the labels as they are.

use crate::model::class_problem::ClassProblem;
use crate::model::classification::ClassLoss;
use crate::simd::instructions::LaneWork;
use crate::simd::lane_math::{exp_of_negative, ln};
use crate::simd::lanes::Lanes;
use crate::trajectories::class_gradient::apply_map;
use crate::trajectories::lane_problem::LaneProblem;
use crate::trajectories::state::State;

/// What is measured of a loss of classes.
#[derive(Clone, Copy, Debug)]
pub struct ClassReadings<const N: usize> {
    /// The mean loss over all rows.
    pub loss: Lanes<N>,
    /// The share of rows whose largest output is that of their label; with one output, whether it
    /// is on the label's side of zero.
    pub accuracy: Lanes<N>,
}

/// Measures it.
pub struct ClassLosses<'a, const N: usize> {
    /// Of which weights.
    pub state: &'a State<N>,
    /// Sizes of the problem.
    pub problem: &'a LaneProblem<N>,
    /// Its rows.
    pub classes: &'a ClassProblem,
}

impl<const N: usize> LaneWork for ClassLosses<'_, N> {
    type Output = ClassReadings<N>;
    const WIDE: bool = false;

    #[inline(always)]
    fn run(self) -> ClassReadings<N> {
        let (problem, classes) = (self.problem, self.classes);
        let (p, k) = (problem.inputs, problem.outputs);
        let mut map = vec![Lanes::ZERO; p * k];
        self.state.product(problem, &mut map);
        let mut f = vec![Lanes::ZERO; k];
        let (mut loss, mut right) = (Lanes::ZERO, Lanes::ZERO);
        for row in 0..classes.rows.count {
            let label = &classes.rows.y[row * k..(row + 1) * k];
            apply_map(&classes.rows.x[row * p..(row + 1) * p], &map, &mut f);
            loss += loss_of_row(classes.loss, &f, label);
            right += hit(&f, label);
        }
        let share = Lanes::splat(1.0 / classes.rows.count as f64);
        ClassReadings {
            loss: loss * share,
            accuracy: right * share,
        }
    }
}

#[inline(always)]
fn loss_of_row<const N: usize>(loss: ClassLoss, f: &[Lanes<N>], label: &[f64]) -> Lanes<N> {
    let mut of_label = Lanes::ZERO;
    for b in 0..f.len() {
        of_label = Lanes::splat(label[b]).mul_add(f[b], of_label);
    }
    match loss {
        ClassLoss::SoftmaxCrossEntropy => {
            let mut largest = f[0];
            for b in 1..f.len() {
                largest = f[b].max(largest);
            }
            let mut sum = Lanes::ZERO;
            for b in 0..f.len() {
                sum += exp_of_negative(f[b] - largest);
            }
            largest + ln(sum) - of_label
        }
        ClassLoss::Logistic => {
            let mut sum = Lanes::ZERO;
            for b in 0..f.len() {
                let small = exp_of_negative(-f[b].abs());
                sum += f[b].max(Lanes::ZERO) + ln(Lanes::ONE + small);
            }
            sum - of_label
        }
    }
}

/// 1 where the first of the largest outputs is at the first of the largest labels.
#[inline(always)]
fn hit<const N: usize>(f: &[Lanes<N>], label: &[f64]) -> Lanes<N> {
    if let [one] = f {
        let above = Lanes::ONE.select(Lanes::ZERO.less_than(*one), Lanes::ZERO);
        return match label[0] > 0.5 {
            true => above,
            false => Lanes::ONE - above,
        };
    }
    let mut class = 0;
    for b in 1..label.len() {
        if label[b] > label[class] {
            class = b;
        }
    }
    let mut hit = Lanes::ONE;
    for b in 0..f.len() {
        let beaten = match b < class {
            true => f[class].at_most(f[b]),
            false => f[class].less_than(f[b]),
        };
        hit = Lanes::ZERO.select(beaten, hit);
    }
    hit
}
