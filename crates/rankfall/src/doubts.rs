//! What makes a result doubtful though the run went through: nothing was learned, or nothing more
//! can be.

use crate::failure::quoted;
use rankfall_report::record::{DynamicsSummary, InertSummary, LossSummary, ProblemSummary};

/// A loss that stays within this share of itself has hardly moved.
pub const HARDLY: f64 = 0.01;

/// Fewer steps than these are no attempt at learning.
const FEW_STEPS: u64 = 100;

/// Above this share of the loss of a constant prediction nothing is learned that could be lost
/// again.
const UNLEARNED: f64 = 0.5;

/// After a hundred steps or more: the loss above the least-squares optimum is what it was to one
/// per cent, or, where no optimum is known, the loss is what it was at the start or that of a
/// constant prediction; units are dead, or layers have no gradient.
pub fn of(dynamics: &DynamicsSummary, problem: &ProblemSummary) -> Vec<String> {
    let label = quoted(&dynamics.label);
    if dynamics.steps < FEW_STEPS {
        return Vec::new();
    }
    match &dynamics.excess_loss {
        Some(excess) => of_excess(&label, excess).into_iter().collect(),
        None => of_loss(&label, dynamics, problem),
    }
}

fn of_excess(label: &str, excess: &LossSummary) -> Option<String> {
    let (start, end) = excess.ends()?;
    has_hardly_moved(start, end).then(|| {
        format!(
            "{label} has hardly moved: its loss above the least-squares optimum is {} at the start and {} at the end; \
             its ranks are those of the start. A longer run.time, a larger step_size or larger initial weights \
             show more",
            rounded(start),
            rounded(end)
        )
    })
}

/// Whether a loss above an optimum stayed within one per cent of where it started.
pub fn has_hardly_moved(start: f64, end: f64) -> bool {
    start > 0.0 && (end / start - 1.0).abs() <= HARDLY
}

fn of_loss(label: &str, dynamics: &DynamicsSummary, problem: &ProblemSummary) -> Vec<String> {
    let mut all = Vec::new();
    if let Some((start, end)) = dynamics.loss.ends() {
        let constant = problem.constant_loss.filter(|loss| *loss > 0.0);
        let unlearned = end > UNLEARNED * constant.unwrap_or(start);
        if constant.is_some_and(|constant| end >= (1.0 - HARDLY) * constant) {
            let constant = constant.unwrap_or_default();
            all.push(format!(
                "{label} has learned nothing: its training loss is {} at the end, and the best constant prediction \
                 has {}; a fall of rank under it says nothing of learning",
                rounded(end),
                rounded(constant)
            ));
        } else if unlearned && has_hardly_moved(start, end) {
            all.push(format!(
                "{label} has hardly moved: its training loss is {} at the start and {} at the end; more steps or a \
                 larger step_size show more",
                rounded(start),
                rounded(end)
            ));
        }
        let inert = dynamics.inert.iter();
        all.extend(inert.flat_map(|inert| of_inert(label, inert, problem, unlearned)));
    }
    all
}

fn of_inert(
    label: &str,
    inert: &InertSummary,
    problem: &ProblemSummary,
    unlearned: bool,
) -> Vec<String> {
    let widths = problem.layers.get(1..).unwrap_or_default();
    let shares: Vec<String> = (inert.dead_units.iter().zip(widths).enumerate())
        .filter(|(_, (dead, width))| 2 * **dead > **width)
        .map(|(index, (dead, width))| {
            format!("{dead} of {width} units of hidden layer {}", index + 1)
        })
        .collect();
    let mut all = Vec::new();
    if !shares.is_empty() {
        let how = match problem.activation.as_str() {
            "relu" => "zero",
            "tanh" | "sigmoid" => "saturated",
            _ => "without a derivative",
        };
        all.push(format!(
            "in trajectory 0 of {label} most units are dead at the end, {how} on every training row: {}; smaller \
             steps or other initial weights keep them alive",
            shares.join(", ")
        ));
    }
    if unlearned && !inert.still_layers.is_empty() {
        let layers: Vec<String> = inert.still_layers.iter().map(ToString::to_string).collect();
        let layers = match &layers[..] {
            [one] => format!("layer {one}"),
            many => format!("layers {}", many.join(", ")),
        };
        all.push(format!(
            "in trajectory 0 of {label} the gradient of {layers} is zero, or nothing beside that of the others, at \
             the end, and the loss is not: it stands still"
        ));
    }
    all
}

/// Three digits.
fn rounded(value: f64) -> String {
    match (1e-3..1e6).contains(&value.abs()) {
        true => {
            let decimals = (2.0 - value.abs().log10().floor()).max(0.0) as usize;
            format!("{value:.decimals$}")
        }
        false => format!("{value:.2e}"),
    }
}
