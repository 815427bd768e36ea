//! The `[[dynamics]]` entries: the flows with their integrators, and the descents of
//! [`super::descent`].

use super::descent::{self, Descent, label_noise};
use super::document::{InputProblem, Value};
use super::exact_dynamics::{ExactDynamics, classification, flips_of};
use super::label::label_text;
use super::section::{Field, Section};
use crate::failure::{number_text, quoted};
use rankfall_core::model::classification::Flips;
use rankfall_core::model::dynamics::{Dynamics, ForceScales, ForceSplit, Integrator, Kind};
use rankfall_core::model::optimizer::Optimizer;
use rankfall_nets::loss::Loss;

/// One dynamics of an experiment.
#[derive(Clone, Debug, PartialEq)]
pub enum DynamicsSpec {
    /// A flow, which has an equation for two linear layers alone.
    Flow(ExactDynamics),
    /// A descent.
    Descent(Descent),
}

impl DynamicsSpec {
    /// What tables and figures call it; distinct from the others.
    pub fn label(&self) -> &str {
        match self {
            Self::Flow(flow) => &flow.label,
            Self::Descent(descent) => &descent.label,
        }
    }

    /// The value of `kind`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Flow(flow) => flow.dynamics.kind_name(),
            Self::Descent(descent) => descent.kind,
        }
    }

    /// The step of its time axis, the first where it changes; none where it is chosen later.
    pub fn time_step(&self) -> Option<f64> {
        match self {
            Self::Flow(flow) => (!flow.automatic_time_step).then_some(flow.time_step),
            Self::Descent(descent) => Some(descent.step_size),
        }
    }

    /// Rows of a mini-batch, if it draws any.
    pub fn batch_size(&self) -> Option<u64> {
        match self {
            Self::Flow(_) => None,
            Self::Descent(descent) => descent.batch_size(),
        }
    }
}

/// What a kind is called where no label is given.
fn words(kind: &str) -> &'static str {
    match kind {
        "gradient-flow" => "gradient flow",
        "stochastic-gradient-flow" => "stochastic gradient flow",
        "slow-flow" => "slow flow",
        "gradient-descent" => "gradient descent",
        "label-noise-gradient-descent" => "label-noise gradient descent",
        _ => "SGD",
    }
}

/// Most entries: more could not be told apart in a figure, and each has its own ensemble.
const MOST: usize = 1000;

/// Reads all entries, of a network that minimises this loss.
pub fn read_all(field: &Field, loss: Loss) -> Result<Vec<DynamicsSpec>, InputProblem> {
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
    let mut taken: Vec<String> = Vec::new();
    let mut read = Vec::with_capacity(items.len());
    for item in &items {
        let (label, spec) = entry(item, loss)?;
        if let Some(label) = &label {
            if taken.contains(label) {
                let message = format!("has the label {} of another one", quoted(label));
                return Err(item
                    .problem(message)
                    .hint("give each dynamics a label of its own, or leave it out"));
            }
            taken.push(label.clone());
        }
        read.push((label, spec));
    }
    let labelled = |(label, mut spec): (Option<String>, DynamicsSpec)| {
        let label = label.unwrap_or_else(|| {
            let free = free_label(words(spec.kind()), &taken);
            taken.push(free.clone());
            free
        });
        match &mut spec {
            DynamicsSpec::Flow(flow) => flow.label = label,
            DynamicsSpec::Descent(descent) => descent.label = label,
        }
        spec
    };
    Ok(read.into_iter().map(labelled).collect())
}

/// `words`, or `words 2`, `words 3`, …: the first that is not taken.
fn free_label(words: &str, taken: &[String]) -> String {
    let numbered = (2..).map(|i| format!("{words} {i}"));
    std::iter::once(words.to_owned())
        .chain(numbered)
        .find(|label| !taken.contains(label))
        .unwrap_or_default()
}

/// An entry with the label it was given, if any.
fn entry(item: &Field, loss: Loss) -> Result<(Option<String>, DynamicsSpec), InputProblem> {
    let section = item.section()?;
    let kind = section.kind(None)?;
    let label = section.optional("label", |field| {
        let label = field.text()?;
        label_text(field, &label)?;
        Ok(label)
    })?;
    let spec = match kind {
        "gradient-flow" | "slow-flow" | "stochastic-gradient-flow" => {
            DynamicsSpec::Flow(flow(&section, kind, loss)?)
        }
        _ => DynamicsSpec::Descent(descent::read(&section, kind, item)?),
    };
    Ok((label, spec))
}

fn flow(section: &Section, kind: &str, loss: Loss) -> Result<ExactDynamics, InputProblem> {
    let step_size = section.number("step_size")?;
    let time_step = section.field("time_step");
    let is_auto = |field: &Field| matches!(&field.node.value, Value::Text(text) if text == "auto");
    let automatic_time_step = time_step.as_ref().is_some_and(is_auto);
    let time_step = match time_step {
        Some(field) if automatic_time_step && kind != "stochastic-gradient-flow" => {
            return Err(field
                .problem("is \"auto\", but this flow chooses its own steps; this is only the grid of save times")
                .hint("leave it out, or give a number"));
        }
        Some(field) if !automatic_time_step => field.number()?,
        _ => step_size,
    };
    let label_noise = label_noise(section, kind)?;
    let flips = flips(section, loss)?;
    if let Some(field) = section.field("label_noise")
        && label_noise > 0.0
        && loss != Loss::Squared
    {
        return Err(field
            .problem(
                "is noise that is added to values, and under this network.loss labels are classes",
            )
            .hint("noise = [{ kind = \"label-flips\", probability = 0.1 }]"));
    }
    if kind == "slow-flow" && loss != Loss::Squared {
        return Err(section
            .problem("slow-flow averages the noise of the squared loss; that of a loss of classes is not known")
            .hint("kind = \"stochastic-gradient-flow\""));
    }
    let kind = match kind {
        "gradient-flow" => Kind::GradientFlow,
        "slow-flow" => Kind::SlowFlow {
            batch_size: section.whole("batch_size")?,
        },
        _ => {
            let integrator = section.pick("integrator")?;
            if loss != Loss::Squared {
                fits_classes(section, integrator)?;
            }
            Kind::StochasticGradientFlow {
                integrator,
                time_step,
                batch_size: section.whole("batch_size")?,
                forces: forces(section, integrator)?,
                brownian_substeps: section.whole("brownian_substeps")? as u32,
            }
        }
    };
    Ok(ExactDynamics {
        label: String::new(),
        dynamics: Dynamics {
            kind,
            step_size,
            label_noise,
            optimizer: Optimizer::default(),
            classes: classification(loss, flips),
        },
        time_step,
        automatic_time_step,
    })
}

/// The flips of labels of a flow, the one noise that it takes.
fn flips(section: &Section, loss: Loss) -> Result<Option<Flips>, InputProblem> {
    let Some(field) = section.field("noise") else {
        return Ok(None);
    };
    let mut found = None;
    for item in field.list()? {
        let noise = descent::one_noise(&item)?;
        let Some(flips) = flips_of(&noise) else {
            return Err(item
                .problem(format!(
                    "is \"{}\", and the noise of a flow is that of its equation",
                    noise.name()
                ))
                .hint("a flow has label_noise, or under a loss of classes label-flips"));
        };
        if loss == Loss::Squared {
            return Err(item
                .problem("is \"label-flips\", and under the squared loss labels are values")
                .hint("label_noise = 1.0, or network.loss = \"softmax-cross-entropy\""));
        }
        if found.is_some() {
            return Err(item.problem("is \"label-flips\", which is there already"));
        }
        found = Some(flips);
    }
    Ok(found)
}

/// Refuses what the flow of a loss of classes does not have.
fn fits_classes(section: &Section, integrator: Integrator) -> Result<(), InputProblem> {
    let forces = section.field("forces");
    let other = !matches!(integrator, Integrator::LieEuler | Integrator::EulerMaruyama);
    if let Some(field) = section.field("integrator").filter(|_| other) {
        return Err(field
            .problem("is for the squared loss")
            .hint("of a loss of classes \"lie-euler\" and \"euler-maruyama\""));
    }
    match forces {
        Some(field) => Err(field.problem("are those of the squared loss; leave them out")),
        None => Ok(()),
    }
}

/// Largest factor on a force: beyond, no step could follow it.
const MOST_FORCE: f64 = 1e3;

/// How forces are split, and the factors on them, 1 where none is given.
fn forces(section: &Section, integrator: Integrator) -> Result<ForceScales, InputProblem> {
    let Some(field) = section.field("forces") else {
        return Ok(ForceScales::default());
    };
    let table = field.section()?;
    let factor = |name: &str| {
        let factor = table.number(name)?;
        match table.field(name) {
            Some(field) if factor.abs() > MOST_FORCE => Err(field.problem(format!(
                "is {}, but must be from -{MOST_FORCE} to {MOST_FORCE}",
                number_text(factor)
            ))),
            _ => Ok(factor),
        }
    };
    let split: ForceSplit = table.pick("split")?;
    let [common, absent] = match split {
        ForceSplit::Regular => ["common_growth", "common_decay"],
        ForceSplit::Antisymmetric => ["common_decay", "common_growth"],
    };
    if let Some(field) = table.field(absent) {
        return Err(field
            .problem(format!("is no force of the {} split", split.name()))
            .hint(format!("use {common}, or the other split")));
    }
    let scales = ForceScales {
        split,
        gradient: factor("gradient")?,
        own_noise: factor("own_noise")?,
        common: factor(common)?,
        repulsion: factor("repulsion")?,
    };
    if integrator == Integrator::LieStrang && !scales.is_unmodified() {
        return Err(field
            .problem("scales forces, which \"lie-strang\" cannot do at its order")
            .hint("leave integrator out: \"lie-euler\" can"));
    }
    Ok(scales)
}
