//! Descents: their step size over time, and every kind of noise.

use super::document::InputProblem;
use super::keys::LARGEST_EXACT;
use super::section::{Field, Section};
use crate::failure::number_text;
use rankfall_core::model::optimizer::Optimizer;
use rankfall_nets::noise::Noise;
use rankfall_nets::optimizer::Adam;
use rankfall_nets::schedule::{RateSchedule, Shape};
use rankfall_nets::window::NoiseWindow;
use serde::Serialize;

/// One descent of an experiment.
#[derive(Clone, Debug, PartialEq)]
pub struct Descent {
    /// What tables and figures call it; distinct from the others.
    pub label: String,
    /// `gradient-descent`, `label-noise-gradient-descent` or `sgd`.
    pub kind: &'static str,
    /// η.
    pub step_size: f64,
    /// Momentum and weight decay.
    pub optimizer: Optimizer,
    /// Adam in place of momentum.
    pub adam: Option<Adam>,
    /// How the step size changes.
    pub schedule: SchedulePlan,
    /// What is random about a step, mini-batches and label noise among it.
    pub noise: Vec<Noise>,
    /// When those of them act that do not always.
    pub hours: Vec<NoiseHours>,
}

/// The times between which one noise of a descent acts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoiseHours {
    /// Its place in the list, from 0.
    pub noise: usize,
    /// From this time on.
    pub from: f64,
    /// To this time; none for the end.
    pub until: Option<f64>,
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
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum SchedulePlaces {
    /// 1.
    #[default]
    Constant,
    /// `factors`, each from its step on.
    #[serde(rename = "piecewise")]
    Steps {
        /// Rising.
        steps: Vec<u64>,
        /// As many.
        factors: Vec<f64>,
    },
    /// `factors`, each from its share of the steps on.
    #[serde(rename = "piecewise")]
    Shares {
        /// Rising, in [0, 1].
        shares: Vec<f64>,
        /// As many.
        factors: Vec<f64>,
    },
    /// Half a cosine from 1 to `last`.
    Cosine {
        /// The factor at its end.
        last: f64,
        /// Its length; the run's where none is given.
        #[serde(skip_serializing_if = "Option::is_none")]
        steps: Option<u64>,
    },
}

impl SchedulePlan {
    /// Whether the step size never changes.
    pub fn is_constant(&self) -> bool {
        *self == Self::default()
    }

    /// The schedule of a run of so many steps.
    pub fn schedule(&self, steps: u64) -> RateSchedule {
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
        RateSchedule {
            warm_up: self.warm_up,
            shape,
        }
    }
}

impl Descent {
    /// The steps in which each noise acts that does not always, in a run of so many steps.
    pub fn windows(&self, steps: u64) -> Vec<NoiseWindow> {
        let schedule = self.schedule.schedule(steps);
        let step_at = |time: f64| schedule.step_at(self.step_size, time, steps);
        let window = |hours: &NoiseHours| NoiseWindow {
            noise: hours.noise,
            steps: step_at(hours.from)..hours.until.map_or(steps, step_at),
        };
        self.hours.iter().map(window).collect()
    }

    /// The steps nearest to these times in a run of so many steps, rising and each once.
    pub fn steps_at(&self, times: &[f64], steps: u64) -> Vec<u64> {
        let schedule = self.schedule.schedule(steps);
        let at = |time: &f64| schedule.step_at(self.step_size, *time, steps);
        let mut found: Vec<u64> = times.iter().map(at).collect();
        found.dedup();
        found
    }

    /// When the noise at `place` acts, if not always.
    pub fn hours_of(&self, place: usize) -> Option<&NoiseHours> {
        self.hours.iter().find(|hours| hours.noise == place)
    }

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

/// Reads an entry; its label is filled in later.
pub fn read(section: &Section, kind: &'static str, item: &Field) -> Result<Descent, InputProblem> {
    let optimizer = Optimizer {
        momentum: section.number("momentum")?,
        nesterov: section.flag("nesterov")?,
        weight_decay: section.number("weight_decay")?,
    };
    let checked = optimizer.check();
    checked.map_err(|error| section.problem(format!("`{}`: {error}", item.path)))?;
    let (noise, hours) = noise(section, kind)?;
    Ok(Descent {
        label: String::new(),
        kind,
        step_size: section.number("step_size")?,
        adam: adam(section, &optimizer)?,
        optimizer,
        schedule: section.optional("schedule", schedule)?.unwrap_or_default(),
        noise,
        hours,
    })
}

fn adam(section: &Section, optimizer: &Optimizer) -> Result<Option<Adam>, InputProblem> {
    section.optional("adam", |field| {
        let table = field.section()?;
        let adam = Adam {
            beta1: table.number("beta1")?,
            beta2: table.number("beta2")?,
            epsilon: table.number("epsilon")?,
        };
        let checked = adam.check(optimizer);
        checked.map_err(|error| field.problem(format!("cannot be: {error}")))?;
        Ok(adam)
    })
}

/// Everything random, and when: the short keys first, then the list.
fn noise(section: &Section, kind: &str) -> Result<(Vec<Noise>, Vec<NoiseHours>), InputProblem> {
    let listed: Vec<(Field, Noise)> = match section.field("noise") {
        None => Vec::new(),
        Some(field) => field
            .list()
            .map_err(|problem| problem.hint("write [[dynamics.noise]] with double brackets"))?
            .into_iter()
            .map(|item| Ok((item.clone(), one_noise(&item)?)))
            .collect::<Result<_, InputProblem>>()?,
    };
    let has = |name: &str| listed.iter().any(|(_, noise)| noise.name() == name);
    let (mut all, mut hours) = (Vec::new(), Vec::new());
    let short = ["batch_size", "sampling"]
        .iter()
        .find_map(|name| section.field(name));
    match short {
        _ if kind == "sgd" && !has("mini-batch") => all.push(mini_batch(section)?),
        Some(field) => {
            return Err(
                field.problem("is given, and a noise of kind \"mini-batch\" as well; keep one")
            );
        }
        None => {}
    }
    let variance = label_noise(section, kind)?;
    let distribution = section.pick("label_noise_distribution")?;
    if variance > 0.0 {
        all.push(Noise::LabelNoise {
            variance,
            distribution,
        });
    }
    for (field, noise) in listed {
        if all.iter().any(|other: &Noise| other.name() == noise.name()) {
            return Err(field.problem(format!("is \"{}\", which is there already", noise.name())));
        }
        hours.extend(noise_hours(&field.section()?, all.len())?);
        all.push(noise);
    }
    Ok((all, hours))
}

/// When a noise of the list acts, if not always.
fn noise_hours(section: &Section, place: usize) -> Result<Option<NoiseHours>, InputProblem> {
    let hours = NoiseHours {
        noise: place,
        from: section.number("from")?,
        until: section.optional("until", Field::number)?,
    };
    match (section.field("until"), hours.until) {
        (Some(field), Some(until)) if until <= hours.from => Err(field
            .problem(format!(
                "is {}, but the noise is switched on at {}",
                number_text(until),
                number_text(hours.from)
            ))
            .hint("until must be later than from")),
        (_, None) if hours.from == 0.0 => Ok(None),
        _ => Ok(Some(hours)),
    }
}

/// The variance of the noise on the labels, for the kinds that have some.
pub(super) fn label_noise(section: &Section, kind: &str) -> Result<f64, InputProblem> {
    let variance = section.number("label_noise")?;
    let twin = match kind {
        "gradient-flow" => "stochastic-gradient-flow",
        "gradient-descent" => "label-noise-gradient-descent",
        _ => return Ok(variance),
    };
    match section.field("label_noise") {
        Some(field) if variance > 0.0 => Err(field
            .problem(format!(
                "is {}, but \"{kind}\" has no noise",
                number_text(variance)
            ))
            .hint(format!("with label noise it is kind = \"{twin}\""))),
        _ => Ok(variance),
    }
}

fn mini_batch(section: &Section) -> Result<Noise, InputProblem> {
    Ok(Noise::MiniBatch {
        batch_size: section.whole("batch_size")?,
        sampling: section.pick("sampling")?,
    })
}

/// Reads one entry of `noise`.
pub(super) fn one_noise(item: &Field) -> Result<Noise, InputProblem> {
    let section = item.section()?;
    let number = |name: &str| section.required(name)?.number();
    Ok(match section.kind(None)? {
        "label-noise" => Noise::LabelNoise {
            variance: number("variance")?,
            distribution: section.pick("distribution")?,
        },
        "label-flips" => label_flips(&section)?,
        "mini-batch" => mini_batch(&section)?,
        "gradient-noise" => Noise::GradientNoise {
            temperature: number("temperature")?,
        },
        "input-noise" => Noise::InputNoise {
            variance: number("variance")?,
        },
        "weight-noise" => Noise::WeightNoise {
            variance: number("variance")?,
        },
        _ => Noise::Dropout {
            probability: section.required("probability")?.number_to(1.0, false)?,
        },
    })
}

fn label_flips(section: &Section) -> Result<Noise, InputProblem> {
    let (probability, matrix) = match (section.field("probability"), section.field("matrix")) {
        (Some(field), None) => (field.number_to(1.0, true)?, None),
        (None, Some(field)) => {
            let rows = field.list()?;
            let rows = rows.iter().map(Field::numbers).collect::<Result<_, _>>()?;
            (0.0, Some(rows))
        }
        _ => {
            return Err(section
                .problem("label-flips must have exactly one of `probability` and `matrix`")
                .hint("probability = 0.1: any other class alike"));
        }
    };
    Ok(Noise::LabelFlips {
        probability,
        matrix,
    })
}

fn schedule(field: &Field) -> Result<SchedulePlan, InputProblem> {
    let section = field.section()?;
    let shape = match section.kind(None)? {
        "constant" => SchedulePlaces::Constant,
        "piecewise" => piecewise(&section)?,
        _ => SchedulePlaces::Cosine {
            steps: section.optional("steps", |f| f.integer(1..=LARGEST_EXACT))?,
            last: section.number("last")?,
        },
    };
    Ok(SchedulePlan {
        warm_up: section.whole("warm_up")?,
        shape,
    })
}

fn piecewise(section: &Section) -> Result<SchedulePlaces, InputProblem> {
    let factors = section.required("factors")?.numbers()?;
    let count = factors.len();
    let (field, places, shape) = match (section.field("steps"), section.field("shares")) {
        (Some(field), None) => {
            let steps = field.whole_numbers()?;
            let places: Vec<f64> = steps.iter().map(|&s| s as f64).collect();
            (field, places, SchedulePlaces::Steps { steps, factors })
        }
        (None, Some(field)) => {
            let shares = field.numbers()?;
            if shares.iter().any(|s| *s > 1.0) {
                return Err(field.problem("has a share of the run above 1"));
            }
            let places = shares.clone();
            (field, places, SchedulePlaces::Shares { shares, factors })
        }
        _ => {
            return Err(section
                .problem("a piecewise schedule must have exactly one of `steps` and `shares`")
                .hint("shares = [0.5, 0.8]: at half and at four fifths of the run"));
        }
    };
    if places.len() != count || !places.is_sorted_by(|a, b| a < b) {
        return Err(field
            .problem(format!(
                "has {} places for {count} factors; they must rise, with one factor for each",
                places.len()
            ))
            .hint("for instance shares = [0.5, 0.8] with factors = [0.3, 0.1]"));
    }
    Ok(shape)
}
