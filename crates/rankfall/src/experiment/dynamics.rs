//! The `[[dynamics]]` entries: which dynamics, with which step, noise and label.

use super::data::{DataSpec, flag_or};
use super::document::{Problem, Value};
use super::section::{Field, LARGEST_EXACT, Section};
use super::{keys, label_text};
use crate::failure::{number_text, quoted};
use rankfall_core::model::dynamics::{
    Dynamics, ForceScales, Integrator, Kind, LabelNoise, Sampling,
};
use rankfall_core::model::optimizer::Optimizer;

/// One dynamics of an experiment.
#[derive(Clone, Debug, PartialEq)]
pub struct DynamicsSpec {
    /// What tables and figures call it; distinct from the others.
    pub label: String,
    /// What moves the weights.
    pub dynamics: Dynamics,
    /// The time between two steps on the axis: h for the flows, η for the descents.
    ///
    /// For gradient flow, which is integrated adaptively, it is only the grid of save times.
    pub time_step: f64,
    /// Whether `time_step` is still to be chosen from the data and the start ("auto"); until then it
    /// stands at the step size.
    pub automatic_time_step: bool,
}

impl DynamicsSpec {
    /// Sets the time step, of the integrator as well.
    pub fn set_time_step(&mut self, step: f64) {
        self.time_step = step;
        self.automatic_time_step = false;
        if let Kind::StochasticGradientFlow { time_step, .. } = &mut self.dynamics.kind {
            *time_step = step;
        }
    }

    /// The batch size where no row may come twice in a batch.
    pub(super) fn batch_without_replacement(&self) -> Option<u64> {
        match self.dynamics.kind {
            Kind::StochasticGradientDescent {
                batch_size,
                sampling,
                ..
            } if sampling != Sampling::WithReplacement => Some(batch_size),
            _ => None,
        }
    }
}

/// What a kind is called where no label is given.
fn words(kind: &str) -> &'static str {
    match kind {
        "gradient-flow" => "gradient flow",
        "stochastic-gradient-flow" => "stochastic gradient flow",
        "gradient-descent" => "gradient descent",
        "label-noise-gradient-descent" => "label-noise gradient descent",
        _ => "SGD",
    }
}

/// Most entries: more could not be told apart in a figure, and each has its own ensemble.
const MOST: usize = 1000;

/// Reads all entries.
pub fn read_all(field: &Field, data: &DataSpec) -> Result<Vec<DynamicsSpec>, Problem> {
    if let Value::Table(_) = field.node.value {
        return Err(field
            .problem("is one table, but must be a list of them")
            .hint("write [[dynamics]] with double brackets, once for each"));
    }
    let items = field.list()?;
    if items.is_empty() || items.len() > MOST {
        let message = format!(
            "has {} entries, but must have from 1 to {MOST}",
            items.len()
        );
        return Err(field
            .problem(message)
            .hint("add [[dynamics]] with kind = \"gradient-flow\""));
    }
    let mut read: Vec<Entry> = Vec::with_capacity(items.len());
    for item in &items {
        read.push(entry(item, data)?);
    }
    let asked = read
        .iter()
        .map(|(label, spec)| (label.clone(), spec.dynamics.kind_name()));
    let labels = with_labels(&items, &asked.collect::<Vec<_>>())?;
    let labelled = read.into_iter().zip(labels);
    Ok(labelled
        .map(|((_, spec), label)| DynamicsSpec { label, ..spec })
        .collect())
}

/// An entry with the label it was given, if any.
type Entry = (Option<String>, DynamicsSpec);

/// The labels of entries with the label and the kind of each: missing ones are filled in, and those
/// given twice refused.
pub(super) fn with_labels(
    items: &[Field],
    asked: &[(Option<String>, &'static str)],
) -> Result<Vec<String>, Problem> {
    let mut taken: Vec<String> = Vec::new();
    for (item, (label, _)) in items.iter().zip(asked) {
        let Some(label) = label else { continue };
        if taken.contains(label) {
            let message = format!("has the label {} of another one", quoted(label));
            return Err(item
                .problem(message)
                .hint("give each dynamics a label of its own, or leave it out"));
        }
        taken.push(label.clone());
    }
    let fill = |(label, kind): &(Option<String>, &'static str)| {
        label.clone().unwrap_or_else(|| {
            let free = free_label(words(kind), &taken);
            taken.push(free.clone());
            free
        })
    };
    Ok(asked.iter().map(fill).collect())
}

/// `words`, or `words 2`, `words 3`, …: the first that is not taken.
fn free_label(words: &str, taken: &[String]) -> String {
    let numbered = (2..).map(|i| format!("{words} {i}"));
    std::iter::once(words.to_owned())
        .chain(numbered)
        .find(|label| !taken.contains(label))
        .unwrap_or_default()
}

fn entry(item: &Field, data: &DataSpec) -> Result<Entry, Problem> {
    let section = item.section(&keys::DYNAMICS)?;
    let kind = section.kind(None)?;
    let label = section.field("label").map(|f| label(&f)).transpose()?;
    let step_size = section.field("step_size");
    let step_size = step_size.map_or(Ok(0.01), |f| f.positive())?;
    let time_step = section.field("time_step");
    let automatic_time_step = time_step.as_ref().is_some_and(is_auto);
    let time_step = match time_step {
        Some(field) if automatic_time_step && kind != "stochastic-gradient-flow" => {
            return Err(field
                .problem("is \"auto\", but gradient flow chooses its own steps; this is only the grid of save times")
                .hint("leave it out, or give a number"));
        }
        Some(field) if !automatic_time_step => field.positive()?,
        _ => step_size,
    };
    let dynamics = Dynamics {
        kind: settings(&section, kind, time_step, data)?,
        step_size,
        label_noise: label_noise(&section, kind)?,
        optimizer: optimizer(&section, item)?,
    };
    let spec = DynamicsSpec {
        label: String::new(),
        dynamics,
        time_step,
        automatic_time_step,
    };
    Ok((label, spec))
}

/// Momentum and weight decay, none where no key says so.
pub(super) fn optimizer(section: &Section, item: &Field) -> Result<Optimizer, Problem> {
    let number = |name: &str| section.field(name).map_or(Ok(0.0), |f| f.non_negative());
    let optimizer = Optimizer {
        momentum: number("momentum")?,
        nesterov: flag_or(section, "nesterov", false)?,
        weight_decay: number("weight_decay")?,
    };
    let checked = optimizer.check();
    checked.map_err(|error| section.problem(format!("`{}`: {error}", item.path)))?;
    Ok(optimizer)
}

fn is_auto(field: &Field) -> bool {
    matches!(&field.node.value, Value::Text(text) if text == "auto")
}

pub(super) fn label(field: &Field) -> Result<String, Problem> {
    let label = field.text()?;
    label_text(field, &label)?;
    Ok(label)
}

fn label_noise(section: &Section, kind: &str) -> Result<f64, Problem> {
    let Some(field) = section.field("label_noise") else {
        return Ok(0.0);
    };
    let variance = field.non_negative()?;
    let twin = match kind {
        "gradient-flow" => "stochastic-gradient-flow",
        "gradient-descent" => "label-noise-gradient-descent",
        _ => return Ok(variance),
    };
    if variance == 0.0 {
        return Ok(variance);
    }
    Err(field
        .problem(format!(
            "is {}, but \"{kind}\" has no noise",
            number_text(variance)
        ))
        .hint(format!("with label noise it is kind = \"{twin}\"")))
}

fn settings(
    section: &Section,
    kind: &str,
    time_step: f64,
    data: &DataSpec,
) -> Result<Kind, Problem> {
    Ok(match kind {
        "gradient-flow" => Kind::GradientFlow,
        "stochastic-gradient-flow" => {
            let integrator = integrator(section)?;
            Kind::StochasticGradientFlow {
                integrator,
                time_step,
                batch_size: batch_size(section)?,
                forces: forces(section, integrator)?,
                brownian_substeps: brownian_substeps(section)?,
            }
        }
        "gradient-descent" => Kind::GradientDescent,
        "label-noise-gradient-descent" => Kind::LabelNoiseGradientDescent {
            distribution: distribution(section, data)?,
        },
        _ => Kind::StochasticGradientDescent {
            batch_size: mini_batch_size(section, data)?,
            sampling: sampling(section)?,
            distribution: distribution(section, data)?,
        },
    })
}

fn batch_size(section: &Section) -> Result<u64, Problem> {
    let field = section.field("batch_size");
    field.map_or(Ok(1), |f| f.integer(1..=LARGEST_EXACT))
}

/// The batch size of SGD, which must have rows to draw from, and enough of them.
fn mini_batch_size(section: &Section, data: &DataSpec) -> Result<u64, Problem> {
    if !data.has_rows() {
        return Err(section
            .problem("\"sgd\" draws mini-batches of rows, and data.kind = \"gram\" has no rows")
            .hint(WITHOUT_ROWS));
    }
    let size = batch_size(section)?;
    let with_replacement = sampling(section)? == Sampling::WithReplacement;
    match data {
        DataSpec::Gaussian(g) if size > g.samples && !with_replacement => Err(section
            .problem(format!(
                "`batch_size` is {size}, but there are only {} rows (data.samples)",
                g.samples
            ))
            .hint("only sampling = \"with-replacement\" can draw more rows than there are")),
        _ => Ok(size),
    }
}

const WITHOUT_ROWS: &str = "read the rows with data.kind = \"file\", or use \
     \"label-noise-gradient-descent\" (Gaussian) or \"stochastic-gradient-flow\"";

fn distribution(section: &Section, data: &DataSpec) -> Result<LabelNoise, Problem> {
    let Some(field) = section.field("label_noise_distribution") else {
        return Ok(LabelNoise::Gaussian);
    };
    if field.choice(keys::DISTRIBUTIONS)? == "gaussian" {
        return Ok(LabelNoise::Gaussian);
    }
    if data.has_rows() {
        return Ok(LabelNoise::Rademacher);
    }
    Err(field
        .problem("is \"rademacher\", which needs the rows, and data.kind = \"gram\" has none")
        .hint(WITHOUT_ROWS))
}

fn integrator(section: &Section) -> Result<Integrator, Problem> {
    let Some(field) = section.field("integrator") else {
        return Ok(Integrator::LieEuler);
    };
    Ok(match field.choice(keys::INTEGRATORS)? {
        "lie-euler" => Integrator::LieEuler,
        "euler-maruyama" => Integrator::EulerMaruyama,
        "lie-strang" => Integrator::LieStrang,
        _ => Integrator::LieEulerUnsplit,
    })
}

/// Most finer increments of one Brownian increment.
const MOST_SUBSTEPS: u64 = 1 << 20;

fn brownian_substeps(section: &Section) -> Result<u32, Problem> {
    let field = section.field("brownian_substeps");
    field.map_or(Ok(1), |f| f.integer(1..=MOST_SUBSTEPS).map(|n| n as u32))
}

/// Largest factor on a force: beyond, no step could follow it.
const MOST_FORCE: f64 = 1e3;

/// The factors on the forces, 1 where none is given.
fn forces(section: &Section, integrator: Integrator) -> Result<ForceScales, Problem> {
    let mut scales = ForceScales::default();
    let Some(field) = section.field("forces") else {
        return Ok(scales);
    };
    if !matches!(field.node.value, Value::Table(_)) {
        let hint = "write forces = { repulsion = 0.0 }";
        return Err(field.wrong_type("a table").hint(hint));
    }
    let table = field.section(&keys::FORCES)?;
    for (name, scale) in [
        ("gradient", &mut scales.gradient),
        ("own_noise", &mut scales.own_noise),
        ("common_growth", &mut scales.common_growth),
        ("repulsion", &mut scales.repulsion),
    ] {
        if let Some(field) = table.field(name) {
            *scale = field.number()?;
            if scale.abs() > MOST_FORCE {
                let message = format!(
                    "is {}, but must be from -{MOST_FORCE} to {MOST_FORCE}",
                    number_text(*scale)
                );
                return Err(field.problem(message));
            }
        }
    }
    if integrator == Integrator::LieStrang && !scales.is_unmodified() {
        return Err(field
            .problem("scales forces, which \"lie-strang\" cannot do at its order")
            .hint("leave integrator out: \"lie-euler\" can"));
    }
    Ok(scales)
}

fn sampling(section: &Section) -> Result<Sampling, Problem> {
    let Some(field) = section.field("sampling") else {
        return Ok(Sampling::WithReplacement);
    };
    Ok(match field.choice(keys::SAMPLINGS)? {
        "with-replacement" => Sampling::WithReplacement,
        "without-replacement" => Sampling::WithoutReplacement,
        "epochs" => Sampling::Epochs,
        _ => Sampling::Sequential,
    })
}
