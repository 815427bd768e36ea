//! Data that are drawn with a linear teacher: their recipe, their classes, and how they are named.

use crate::experiment::{CovarianceSpec, GaussianData, LinearTeacher};
use faer::Mat;
use rankfall_core::model::synthetic::{self, Synthetic};

/// The class that the outputs of a row stand for: the first of the largest, or of one whether it is
/// above zero.
pub fn class_of_outputs(outputs: &[f64]) -> usize {
    match outputs {
        [one] => usize::from(*one > 0.0),
        all => {
            let larger =
                |best: usize, place: usize| if all[place] > all[best] { place } else { best };
            (0..all.len()).fold(0, larger)
        }
    }
}

/// The data in words.
pub fn gaussian_words(data: &GaussianData) -> String {
    let covariance = match &data.covariance {
        CovarianceSpec::Identity => "identity covariance".to_owned(),
        CovarianceSpec::PowerLaw(exponent) => {
            format!("power-law covariance of exponent {exponent}")
        }
        CovarianceSpec::Matrix(_) => "given covariance".to_owned(),
    };
    let teacher = match &data.teacher {
        LinearTeacher::Gaussian => "Gaussian teacher".to_owned(),
        LinearTeacher::Rank(rank) => format!("teacher of rank {rank}"),
        LinearTeacher::SingularValues(values) => format!("teacher of singular values {values:?}"),
    };
    let classes = match data.classes {
        true => ", the class of the largest output",
        false => "",
    };
    format!(
        "{} Gaussian samples of {}, {teacher}, residual noise {}{classes}",
        data.samples, covariance, data.residual_noise
    )
}

/// The recipe of drawn data.
pub fn recipe(data: &GaussianData) -> Synthetic {
    Synthetic {
        samples: data.samples,
        inputs: data.inputs,
        outputs: data.outputs,
        covariance: match &data.covariance {
            CovarianceSpec::Identity => synthetic::Covariance::Identity,
            CovarianceSpec::PowerLaw(exponent) => synthetic::Covariance::PowerLaw(*exponent),
            CovarianceSpec::Matrix(rows) => {
                let entry = |i: usize, j: usize| rows[i][j];
                synthetic::Covariance::Matrix(Mat::from_fn(rows.len(), rows.len(), entry))
            }
        },
        teacher: match &data.teacher {
            LinearTeacher::Gaussian => synthetic::Teacher::Gaussian,
            LinearTeacher::Rank(rank) => synthetic::Teacher::Rank(*rank),
            LinearTeacher::SingularValues(values) => {
                synthetic::Teacher::SingularValues(values.clone())
            }
        },
        residual_noise: data.residual_noise,
    }
}
