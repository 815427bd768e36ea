//! Losses of classes in place of the squared one, and how labels flip.

use serde::{Deserialize, Serialize};

/// What is minimised where targets are classes, a mean over rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClassLoss {
    /// −log softmax(f)_c, c the class of the row.
    SoftmaxCrossEntropy,
    /// Σ over outputs of log(1 + eᶠ) − y f, y in \[0, 1\].
    Logistic,
}

/// A loss of classes, and the noise on their labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Classification {
    /// What is minimised.
    pub loss: ClassLoss,
    /// How labels flip, afresh for every row of every step; none where they stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flips: Option<Flips>,
}

/// How the label of a row turns into that of another class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flips {
    /// With this probability into any other class alike.
    Symmetric(f64),
    /// Row c: the probabilities with which class c becomes each class.
    Matrix(Vec<Vec<f64>>),
}

impl Flips {
    /// Whether no label ever flips.
    pub fn are_none(&self) -> bool {
        match self {
            Self::Symmetric(probability) => *probability == 0.0,
            Self::Matrix(rows) => {
                let stays = |(class, row): (usize, &Vec<f64>)| row.get(class) == Some(&1.0);
                rows.iter().enumerate().all(stays)
            }
        }
    }

    /// The class that `class` of so many becomes, by two words of randomness.
    #[inline(always)]
    pub fn apply(&self, class: usize, classes: usize, first: u64, second: u64) -> usize {
        let uniform = (first >> 11) as f64 * (1.0 / (1u64 << 53) as f64);
        match self {
            Self::Symmetric(probability) => {
                if classes < 2 || uniform >= *probability {
                    return class;
                }
                let others = classes as u128 - 1;
                let other = ((u128::from(second) * others) >> 64) as usize;
                other + usize::from(other >= class)
            }
            Self::Matrix(rows) => {
                let mut sum = 0.0;
                for (to, probability) in rows[class].iter().enumerate() {
                    sum += probability;
                    if uniform < sum {
                        return to;
                    }
                }
                class
            }
        }
    }

    /// The probability that `class` becomes each of so many classes.
    pub fn probabilities(&self, class: usize, classes: usize) -> Vec<f64> {
        match self {
            Self::Symmetric(probability) => {
                let others = (classes as f64 - 1.0).max(1.0);
                let of = |c| match c == class {
                    true => 1.0 - probability,
                    false => probability / others,
                };
                (0..classes).map(of).collect()
            }
            Self::Matrix(rows) => rows[class].clone(),
        }
    }

    /// Whether the probabilities are such, for so many classes.
    pub fn are_sound(&self, classes: usize) -> bool {
        let is_share = |p: &f64| (0.0..=1.0).contains(p);
        match self {
            Self::Symmetric(probability) => is_share(probability),
            Self::Matrix(rows) => {
                let sound = |row: &Vec<f64>| {
                    row.len() == classes
                        && row.iter().all(is_share)
                        && (row.iter().sum::<f64>() - 1.0).abs() < 1e-9
                };
                rows.len() == classes && rows.iter().all(sound)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_become_others_as_often_as_they_should() {
        let matrix = vec![vec![0.5, 0.5, 0.0], vec![0.0, 1.0, 0.0], vec![0.25; 3]];
        let mut sound = matrix.clone();
        sound[2] = vec![0.25, 0.25, 0.5];
        assert!(!Flips::Matrix(matrix).are_sound(3));
        for flips in [Flips::Symmetric(0.3), Flips::Matrix(sound)] {
            assert!(flips.are_sound(3) && !flips.are_none());
            for class in 0..3 {
                let mut counts = [0.0; 3];
                let draws = 300;
                for i in 0..draws {
                    for j in 0..draws {
                        let word = |k: u64| (k << 32) / draws * (1 << 32) + (1 << 20);
                        counts[flips.apply(class, 3, word(i), word(j))] += 1.0;
                    }
                }
                let expected = flips.probabilities(class, 3);
                for (count, p) in counts.iter().zip(expected) {
                    let share = count / (draws * draws) as f64;
                    assert!((share - p).abs() < 0.01, "{flips:?} {class} {share} {p}");
                }
            }
        }
        assert!(Flips::Symmetric(0.0).are_none());
        let too_short = Flips::Matrix(vec![vec![1.0], vec![1.0]]);
        assert!(!too_short.are_none() && !too_short.are_sound(2));
        assert!(!Flips::Symmetric(1.5).are_sound(3));
    }
}
