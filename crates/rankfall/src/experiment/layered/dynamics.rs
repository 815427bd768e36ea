//! The `[[dynamics]]` entries: a descent, its step size over time, and every kind of noise.

use super::keys;
use crate::experiment::document::{Problem, Value};
use crate::experiment::dynamics::{label, optimizer, with_labels};
use crate::experiment::section::{Field, LARGEST_EXACT, Section};
use crate::failure::number_text;
use rankfall_core::model::dynamics::{LabelNoise, Sampling};
use rankfall_core::model::optimizer::Optimizer;
use rankfall_nets::noise::Noise;
use rankfall_nets::schedule::{Schedule, Shape};

/// One descent of an experiment.
#[derive(Clone, Debug, PartialEq)]
pub struct LayeredDynamics {
    /// What tables and figures call it; distinct from the others.
    pub label: String,
    /// `gradient-descent`, `label-noise-gradient-descent` or `sgd`.
    pub kind: &'static str,
    /// η.
    pub step_size: f64,
    /// Momentum and weight decay.
    pub optimizer: Optimizer,
    /// How the step size changes.
    pub schedule: SchedulePlan,
    /// What is random about a step, mini-batches and label noise among it.
    pub noise: Vec<Noise>,
}

/// A schedule before the number of steps is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SchedulePlan {
    /// Steps of linear warm-up.
    pub warm_up: u64,
    /// What follows.
    pub shape: SchedulePlaces,
}

/// The shape of a schedule, with places that may be shares of the run.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum SchedulePlaces {
    /// 1.
    #[default]
    Constant,
    /// `factors`, each from its step on.
    Steps {
        /// Rising.
        steps: Vec<u64>,
        /// As many.
        factors: Vec<f64>,
    },
    /// `factors`, each from its share of the steps on.
    Shares {
        /// Rising, in [0, 1].
        shares: Vec<f64>,
        /// As many.
        factors: Vec<f64>,
    },
    /// Half a cosine from 1 to `last`.
    Cosine {
        /// Its length; the run's where none is given.
        steps: Option<u64>,
        /// The factor at its end.
        last: f64,
    },
}

impl SchedulePlan {
    /// Whether the step size never changes.
    pub fn is_constant(&self) -> bool {
        *self == Self::default()
    }

    /// The schedule of a run of so many steps.
    pub fn schedule(&self, steps: u64) -> Schedule {
        let shape = match &self.shape {
            SchedulePlaces::Constant => Shape::Constant,
            SchedulePlaces::Steps { steps, factors } => Shape::Piecewise {
                steps: steps.clone(),
                factors: factors.clone(),
            },
            SchedulePlaces::Shares { shares, factors } => Shape::Piecewise {
                steps: shares
                    .iter()
                    .map(|s| (s * steps as f64).round() as u64)
                    .collect(),
                factors: factors.clone(),
            },
            SchedulePlaces::Cosine { steps: own, last } => Shape::Cosine {
                steps: own.unwrap_or(steps),
                last: *last,
            },
        };
        Schedule {
            warm_up: self.warm_up,
            shape,
        }
    }
}

impl LayeredDynamics {
    /// Rows per step, where it is not all of them.
    pub fn batch_size(&self) -> Option<u64> {
        self.noise.iter().find_map(|noise| match noise {
            Noise::MiniBatch { batch_size, .. } => Some(*batch_size),
            _ => None,
        })
    }

    /// δ: the variance of the noise on the targets.
    pub fn label_noise(&self) -> f64 {
        let variance = |noise: &Noise| match noise {
            Noise::LabelNoise { variance, .. } => Some(*variance),
            _ => None,
        };
        self.noise.iter().find_map(variance).unwrap_or(0.0)
    }
}

/// Most entries, as for networks given by `width`.
const MOST: usize = 1000;

/// Reads all entries.
pub fn read_all(field: &Field) -> Result<Vec<LayeredDynamics>, Problem> {
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
        let hint = "add [[dynamics]] with kind = \"gradient-descent\"";
        return Err(field.problem(message).hint(hint));
    }
    let read: Vec<LayeredDynamics> = items.iter().map(entry).collect::<Result<_, _>>()?;
    let asked: Vec<(Option<String>, &'static str)> = items
        .iter()
        .zip(&read)
        .map(|(item, one)| Ok((own_label(item)?, one.kind)))
        .collect::<Result<_, Problem>>()?;
    let labels = with_labels(&items, &asked)?;
    let labelled = read.into_iter().zip(labels);
    Ok(labelled
        .map(|(one, label)| LayeredDynamics { label, ..one })
        .collect())
}

fn own_label(item: &Field) -> Result<Option<String>, Problem> {
    let field = item.section(&keys::DYNAMICS)?.field("label");
    field.map(|f| label(&f)).transpose()
}

fn entry(item: &Field) -> Result<LayeredDynamics, Problem> {
    let section = item.section(&keys::DYNAMICS)?;
    refuse_flows(&section)?;
    let kind = section.kind(None)?;
    let step_size = section
        .field("step_size")
        .map_or(Ok(0.01), |f| f.positive())?;
    Ok(LayeredDynamics {
        label: String::new(),
        kind,
        step_size,
        optimizer: optimizer(&section, item)?,
        schedule: section
            .field("schedule")
            .map_or(Ok(SchedulePlan::default()), |f| schedule(&f))?,
        noise: noise(&section, kind)?,
    })
}

/// Flows have an equation for two linear layers alone.
fn refuse_flows(section: &Section) -> Result<(), Problem> {
    let Some(field) = section.field("kind") else {
        return Ok(());
    };
    let flows = ["gradient-flow", "stochastic-gradient-flow"];
    match field.text() {
        Ok(kind) if flows.contains(&kind.as_str()) => Err(field
            .problem(format!(
                "is \"{kind}\", which is there for networks given by `network.width`"
            ))
            .hint("with `network.layers` a descent with a small step_size comes near it")),
        _ => Ok(()),
    }
}

/// Everything random: the short keys first, then the list.
fn noise(section: &Section, kind: &str) -> Result<Vec<Noise>, Problem> {
    let listed: Vec<(Field, Noise)> = match section.field("noise") {
        None => Vec::new(),
        Some(field) => field
            .list()
            .map_err(|problem| problem.hint("write [[dynamics.noise]] with double brackets"))?
            .into_iter()
            .map(|item| Ok((item.clone(), one_noise(&item)?)))
            .collect::<Result<_, Problem>>()?,
    };
    let has = |name: &str| listed.iter().any(|(_, noise)| noise.name() == name);
    let mut all = Vec::new();
    let short = ["batch_size", "sampling"]
        .iter()
        .find_map(|name| section.field(name));
    match (kind == "sgd" && !has("mini-batch"), short) {
        (true, _) => all.push(Noise::MiniBatch {
            batch_size: batch_size(section)?,
            sampling: sampling(section)?,
        }),
        (false, Some(field)) => {
            return Err(
                field.problem("is given, and a noise of kind \"mini-batch\" as well; keep one")
            );
        }
        (false, None) => {}
    }
    if let Some(field) = section.field("label_noise") {
        let variance = field.non_negative()?;
        if variance > 0.0 && kind == "gradient-descent" {
            return Err(field
                .problem(format!(
                    "is {}, but \"gradient-descent\" has no noise",
                    number_text(variance)
                ))
                .hint("with label noise it is kind = \"label-noise-gradient-descent\""));
        }
        if variance > 0.0 {
            all.push(Noise::LabelNoise {
                variance,
                distribution: distribution(section, "label_noise_distribution")?,
            });
        }
    }
    for (field, noise) in listed {
        if all.iter().any(|other: &Noise| other.name() == noise.name()) {
            return Err(field.problem(format!("is \"{}\", which is there already", noise.name())));
        }
        all.push(noise);
    }
    Ok(all)
}

fn one_noise(item: &Field) -> Result<Noise, Problem> {
    let section = item.section(&keys::NOISE)?;
    let number = |name: &str, example: &str| section.required(name, example)?.non_negative();
    Ok(match section.kind(None)? {
        "label-noise" => Noise::LabelNoise {
            variance: number("variance", "variance = 0.1")?,
            distribution: distribution(&section, "distribution")?,
        },
        "label-flips" => label_flips(&section)?,
        "mini-batch" => Noise::MiniBatch {
            batch_size: batch_size(&section)?,
            sampling: sampling(&section)?,
        },
        "gradient-noise" => Noise::GradientNoise {
            temperature: number("temperature", "temperature = 1e-4")?,
        },
        "input-noise" => Noise::InputNoise {
            variance: number("variance", "variance = 0.01")?,
        },
        "weight-noise" => Noise::WeightNoise {
            variance: number("variance", "variance = 1e-4")?,
        },
        _ => {
            let field = section.required("probability", "probability = 0.1")?;
            let probability = field.non_negative()?;
            if probability >= 1.0 {
                return Err(field.problem(format!(
                    "is {}, but must be below 1",
                    number_text(probability)
                )));
            }
            Noise::Dropout { probability }
        }
    })
}

fn label_flips(section: &Section) -> Result<Noise, Problem> {
    let row = |row: &Field| row.list()?.iter().map(Field::non_negative).collect();
    match (section.field("probability"), section.field("matrix")) {
        (Some(field), None) => {
            let probability = field.non_negative()?;
            if probability > 1.0 {
                return Err(field.problem(format!(
                    "is {}, but must be at most 1",
                    number_text(probability)
                )));
            }
            Ok(Noise::LabelFlips {
                probability,
                matrix: None,
            })
        }
        (None, Some(field)) => Ok(Noise::LabelFlips {
            probability: 0.0,
            matrix: Some(
                field
                    .list()?
                    .iter()
                    .map(row)
                    .collect::<Result<_, Problem>>()?,
            ),
        }),
        _ => Err(section
            .problem("label-flips must have exactly one of `probability` and `matrix`")
            .hint("probability = 0.1: any other class alike")),
    }
}

fn batch_size(section: &Section) -> Result<u64, Problem> {
    let field = section.field("batch_size");
    field.map_or(Ok(1), |f| f.integer(1..=1 << 31))
}

fn sampling(section: &Section) -> Result<Sampling, Problem> {
    let all = [
        Sampling::WithReplacement,
        Sampling::WithoutReplacement,
        Sampling::Epochs,
        Sampling::Sequential,
    ];
    let field = section.field("sampling");
    let found = field
        .map(|f| super::pick(&f, crate::experiment::keys::SAMPLINGS, &all))
        .transpose()?;
    Ok(found.unwrap_or_default())
}

fn distribution(section: &Section, name: &str) -> Result<LabelNoise, Problem> {
    let all = [LabelNoise::Gaussian, LabelNoise::Rademacher];
    let field = section.field(name);
    let found = field
        .map(|f| super::pick(&f, crate::experiment::keys::DISTRIBUTIONS, &all))
        .transpose()?;
    Ok(found.unwrap_or_default())
}

fn schedule(field: &Field) -> Result<SchedulePlan, Problem> {
    if !matches!(field.node.value, Value::Table(_)) {
        let hint = "write schedule = { kind = \"cosine\" }";
        return Err(field.wrong_type("a table").hint(hint));
    }
    let section = field.section(&keys::SCHEDULE)?;
    let shape = match section.kind(None)? {
        "constant" => SchedulePlaces::Constant,
        "piecewise" => piecewise(&section)?,
        _ => SchedulePlaces::Cosine {
            steps: section
                .field("steps")
                .map(|f| f.integer(1..=LARGEST_EXACT))
                .transpose()?,
            last: section
                .field("last")
                .map_or(Ok(0.0), |f| f.non_negative())?,
        },
    };
    let warm_up = section.field("warm_up");
    Ok(SchedulePlan {
        warm_up: warm_up.map_or(Ok(0), |f| f.integer(0..=LARGEST_EXACT))?,
        shape,
    })
}

fn piecewise(section: &Section) -> Result<SchedulePlaces, Problem> {
    let factors = section.required("factors", "factors = [0.5, 0.1]")?;
    let factors: Vec<f64> = factors
        .list()?
        .iter()
        .map(Field::non_negative)
        .collect::<Result<_, _>>()?;
    let given = (section.field("steps"), section.field("shares"));
    let (places, field, shape) = match given {
        (Some(field), None) => {
            let step = |f: &Field| f.integer(0..=LARGEST_EXACT);
            let steps: Vec<u64> = field.list()?.iter().map(step).collect::<Result<_, _>>()?;
            let places: Vec<f64> = steps.iter().map(|&s| s as f64).collect();
            (
                places,
                field,
                SchedulePlaces::Steps {
                    steps,
                    factors: factors.clone(),
                },
            )
        }
        (None, Some(field)) => {
            let shares: Vec<f64> = field
                .list()?
                .iter()
                .map(Field::non_negative)
                .collect::<Result<_, _>>()?;
            if shares.iter().any(|s| *s > 1.0) {
                return Err(field.problem("has a share of the run above 1"));
            }
            (
                shares.clone(),
                field,
                SchedulePlaces::Shares {
                    shares,
                    factors: factors.clone(),
                },
            )
        }
        _ => {
            return Err(section
                .problem("a piecewise schedule must have exactly one of `steps` and `shares`")
                .hint("shares = [0.5, 0.8]: at half and at four fifths of the run"));
        }
    };
    if places.len() != factors.len() || !places.is_sorted_by(|a, b| a < b) {
        return Err(field
            .problem(format!(
                "has {} places for {} factors; they must rise, with one factor for each",
                places.len(),
                factors.len()
            ))
            .hint("for instance shares = [0.5, 0.8] with factors = [0.3, 0.1]"));
    }
    Ok(shape)
}
