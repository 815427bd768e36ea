//! What networks and teachers have in common: widths, activation and weights that are drawn.

use super::document::InputProblem;
use super::section::{Field, Section};
use rankfall_nets::activation::Activation;
use rankfall_nets::initialisation::{Law, WeightInitialisation};
use rankfall_nets::network::Network;

/// Most layers.
const DEEPEST: usize = 1000;

/// A list of widths, inputs first.
pub(super) fn widths(field: &Field) -> Result<Vec<usize>, InputProblem> {
    let widths = field.whole_numbers()?;
    if widths.len() < 2 || widths.len() > DEEPEST + 1 {
        let message = format!("has {} widths", widths.len());
        let hint = "give inputs, hidden layers if any, and outputs: layers = [784, 256, 10]";
        return Err(field.problem(message).hint(hint));
    }
    Ok(widths.into_iter().map(|width| width as usize).collect())
}

/// The activation, or the default.
pub(super) fn activation(section: &Section) -> Result<Activation, InputProblem> {
    section.pick("activation")
}

/// Initial weights that are drawn, of the network where it is known.
pub(super) fn drawn(
    field: &Field,
    default_kind: &'static str,
    network: Option<&Network>,
) -> Result<WeightInitialisation, InputProblem> {
    let section = field.section()?;
    let initialisation = match section.kind(Some(default_kind))? {
        "gaussian" => WeightInitialisation::Gaussian {
            scale: section.number("scale")?,
        },
        "he" => WeightInitialisation::He,
        "glorot" => WeightInitialisation::Glorot,
        "orthogonal" => WeightInitialisation::Orthogonal {
            gain: section.number("gain")?,
        },
        "balanced" => WeightInitialisation::Balanced {
            scale: section.number("scale")?,
        },
        "layers" => WeightInitialisation::Layers {
            weights: laws(&section.required("weights")?)?,
            biases: section.optional("biases", laws)?.unwrap_or_default(),
        },
        "pytorch-default" => WeightInitialisation::PytorchDefault,
        _ => return Err(field.problem("is of kind \"file\", but a teacher is drawn")),
    };
    let checked = network.map_or(Ok(()), |network| initialisation.check(network));
    checked.map_err(|error| field.problem(format!("cannot be had: {error}")))?;
    Ok(initialisation)
}

fn laws(field: &Field) -> Result<Vec<Law>, InputProblem> {
    field.list()?.iter().map(law).collect()
}

fn law(field: &Field) -> Result<Law, InputProblem> {
    let section = field.section()?;
    let given = ["constant", "gaussian", "uniform", "signs"].map(|name| section.field(name));
    match given {
        [Some(value), None, None, None] => value.number().map(Law::Constant),
        [None, Some(value), None, None] => value.number().map(Law::Gaussian),
        [None, None, Some(value), None] => value.number().map(Law::Uniform),
        [None, None, None, Some(value)] => value.number().map(Law::Signs),
        _ => Err(field
            .problem("must have exactly one of `constant`, `gaussian`, `uniform` and `signs`")
            .hint("for instance { gaussian = 0.5 }, the standard deviation")),
    }
}
