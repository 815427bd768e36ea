//! Data that are drawn with a linear teacher: sizes, teacher, covariance.

use crate::experiment::document::{InputProblem, Value};
use crate::experiment::section::{Field, Section};
use serde::Serialize;

/// Gaussian data with a linear teacher: Y = Xβ + residuals.
#[derive(Clone, Debug, PartialEq)]
pub struct GaussianData {
    /// n.
    pub samples: u64,
    /// p.
    pub inputs: usize,
    /// k.
    pub outputs: usize,
    /// β.
    pub teacher: LinearTeacher,
    /// The covariance of the inputs.
    pub covariance: CovarianceSpec,
    /// Standard deviation of the Gaussian residuals.
    pub residual_noise: f64,
    /// The label of a row is the class of the largest of its outputs, residual included; of one
    /// output whether it is above zero.
    pub classes: bool,
    /// Data and teacher are drawn afresh for each trajectory.
    pub each_trajectory: bool,
}

/// How the teacher β (p × k) is drawn.
#[derive(Clone, Debug, PartialEq)]
pub enum LinearTeacher {
    /// Entries N(0, 1).
    Gaussian,
    /// Of this rank: a product of Gaussian matrices.
    Rank(usize),
    /// With these singular values, the rest zero, and uniformly drawn singular vectors.
    SingularValues(Vec<f64>),
}

/// The covariance of Gaussian inputs.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CovarianceSpec {
    /// I.
    Identity,
    /// Diagonal, the j-th entry j^(−exponent), j from 1.
    PowerLaw(f64),
    /// This one, p × p, by rows.
    Matrix(Vec<Vec<f64>>),
}

/// Drawn data with a linear teacher.
pub(super) fn read(section: &Section) -> Result<GaussianData, InputProblem> {
    let samples = section.required("samples")?.whole()?;
    let inputs = section.required("inputs")?.whole()? as usize;
    let outputs = section.required("outputs")?.whole()? as usize;
    let covariance = section.optional("covariance", |f| covariance(f, inputs))?;
    let (classes, each_trajectory) = (section.flag("classes")?, section.flag("each_trajectory")?);
    if classes && each_trajectory {
        return Err(section
            .problem("`data.classes` and `data.each_trajectory` are both true, and classes are drawn once")
            .hint("leave one of them out"));
    }
    Ok(GaussianData {
        samples,
        inputs,
        outputs,
        teacher: linear_teacher(section, inputs.min(outputs))?,
        covariance: covariance.unwrap_or(CovarianceSpec::Identity),
        residual_noise: section.number("residual_noise")?,
        classes,
        each_trajectory,
    })
}

fn linear_teacher(section: &Section, most: usize) -> Result<LinearTeacher, InputProblem> {
    let rank = section.field("teacher_rank");
    let values = section.field("teacher_singular_values");
    match (rank, values) {
        (None, None) => Ok(LinearTeacher::Gaussian),
        (Some(rank), None) => Ok(LinearTeacher::Rank(rank.integer(0..=most as u64)? as usize)),
        (None, Some(values)) => singular_values(&values, most).map(LinearTeacher::SingularValues),
        (Some(rank), Some(_)) => Err(rank
            .problem("and `data.teacher_singular_values` are both given")
            .hint("keep one of them: the number of non-zero singular values is the rank")),
    }
}

fn singular_values(field: &Field, most: usize) -> Result<Vec<f64>, InputProblem> {
    let items = field.list()?;
    if items.is_empty() || items.len() > most {
        let message = format!(
            "has {} values, but a teacher of this shape has from 1 to {most}",
            items.len()
        );
        return Err(field.problem(message));
    }
    field.numbers()
}

fn covariance(field: &Field, inputs: usize) -> Result<CovarianceSpec, InputProblem> {
    if let Value::Table(_) = field.node.value {
        let table = field.section()?;
        return match (table.field("power_law"), table.field("matrix")) {
            (Some(exponent), None) => Ok(CovarianceSpec::PowerLaw(exponent.number()?)),
            (None, Some(rows)) => matrix(&rows, inputs).map(CovarianceSpec::Matrix),
            _ => Err(field
                .problem("must have exactly one of `power_law` and `matrix`")
                .hint(COVARIANCES)),
        };
    }
    match field.chosen() {
        Ok(_) => Ok(CovarianceSpec::Identity),
        Err(problem) => Err(problem.hint(COVARIANCES)),
    }
}

const COVARIANCES: &str =
    "known: \"identity\", { power_law = 1.0 }, { matrix = [[1.0, 0.5], [0.5, 1.0]] }";

fn matrix(field: &Field, size: usize) -> Result<Vec<Vec<f64>>, InputProblem> {
    let row = |row: &Field| {
        sized(row, size, "entries")?
            .iter()
            .map(Field::number)
            .collect()
    };
    let rows = sized(field, size, "rows")?;
    let rows: Vec<Vec<f64>> = rows.iter().map(row).collect::<Result<_, _>>()?;
    symmetric(field, &rows)?;
    Ok(rows)
}

/// The items of a list that has as many as there are inputs.
fn sized<'a>(field: &Field<'a>, size: usize, what: &str) -> Result<Vec<Field<'a>>, InputProblem> {
    let items = field.list()?;
    match items.len() == size {
        true => Ok(items),
        false => Err(field.problem(format!(
            "has {} {what}, but data.inputs = {size}",
            items.len()
        ))),
    }
}

/// Refuses a matrix whose halves differ by more than rounding, or with a negative variance.
/// Whether it is positive semidefinite is left to the numerics, which can say by how much not.
fn symmetric(field: &Field, rows: &[Vec<f64>]) -> Result<(), InputProblem> {
    let largest = rows.iter().flatten().fold(0.0_f64, |m, x| m.max(x.abs()));
    for (i, row) in rows.iter().enumerate() {
        if row[i] < 0.0 {
            let message = format!("has the negative variance {} at {i}, {i}", row[i]);
            return Err(field.problem(message));
        }
        for (j, (above, other)) in row.iter().zip(rows).enumerate().skip(i + 1) {
            let below = other[i];
            if (above - below).abs() > 1e-12 * largest {
                return Err(field.problem(format!(
                    "is not symmetric: {above} at {i}, {j} but {below} at {j}, {i}"
                )));
            }
        }
    }
    Ok(())
}
