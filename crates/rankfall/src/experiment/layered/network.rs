//! The `[network]` section: layers, activation, loss, precision and how the weights start.

use super::keys;
use super::{name_of, pick};
use crate::experiment::absolute_path;
use crate::experiment::data::{flag_or, word};
use crate::experiment::document::{Problem, Value};
use crate::experiment::section::{Field, Section};
use rankfall_nets::activation::Activation;
use rankfall_nets::initialisation::{Initialisation, Law};
use rankfall_nets::loss::Loss;
use rankfall_nets::network::{Architecture, MOST_PARAMETERS, Network, NetworkSpec};
use rankfall_nets::scalar::Precision;
use std::path::{Path, PathBuf};

/// The network, what it minimises, and how it starts.
#[derive(Clone, Debug, PartialEq)]
pub struct LayeredNetwork {
    /// Layers and activation.
    pub spec: NetworkSpec,
    /// What is minimised.
    pub loss: Loss,
    /// Of weights and gradients.
    pub precision: Precision,
    /// Who may run it.
    pub engine: Engine,
    /// How the weights start.
    pub init: InitChoice,
    /// Each trajectory has its own start.
    pub each_trajectory: bool,
}

/// Who may run a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// The exact engine where it can, else the dense one.
    Auto,
    /// The dense one.
    Dense,
}

/// How the weights start.
#[derive(Clone, Debug, PartialEq)]
pub enum InitChoice {
    /// Drawn.
    Drawn(Initialisation),
    /// Read from a safetensors or NPZ file with PyTorch's names: `layers.0.weight` (outputs × inputs).
    File {
        /// Where it is, absolute.
        path: PathBuf,
        /// Checksum of the file when it was last read, as the resolved copy records it.
        checksum: Option<String>,
    },
}

/// Widest layer that can be asked for.
const WIDEST: u64 = MOST_PARAMETERS as u64;
/// Most layers.
const DEEPEST: usize = 1000;
/// The values of [`keys::PRECISIONS`].
pub(super) const PRECISIONS: [Precision; 2] = [Precision::F64, Precision::F32];
/// The values of [`keys::ENGINES`].
pub(super) const ENGINES: [Engine; 2] = [Engine::Auto, Engine::Dense];

/// Reads the section.
pub fn read(section: &Section, folder: &Path) -> Result<LayeredNetwork, Problem> {
    let kind = match section.kind(Some("dense"))? {
        "dense" => Architecture::Dense,
        _ => Architecture::DiagonalLinear,
    };
    let spec = NetworkSpec {
        layers: layers(section)?,
        activation: activation(section)?,
        bias: flag_or(section, "bias", false)?,
        kind,
    };
    let network = Network::new(&spec).map_err(|error| section.problem(error.to_string()))?;
    let field = section.field("precision");
    let precision = field
        .map(|f| pick(&f, keys::PRECISIONS, &PRECISIONS))
        .transpose()?;
    let loss = section
        .field("loss")
        .map(|f| pick(&f, keys::LOSSES, &Loss::ALL))
        .transpose()?;
    let engine = section
        .field("engine")
        .map(|f| pick(&f, keys::ENGINES, &ENGINES))
        .transpose()?;
    let (init, each_trajectory) = match section.field("init") {
        Some(field) => init(&field, folder, &network)?,
        None => (InitChoice::Drawn(Initialisation::PytorchDefault), false),
    };
    Ok(LayeredNetwork {
        spec,
        loss: loss.unwrap_or_default(),
        precision: precision.unwrap_or_default(),
        engine: engine.unwrap_or(Engine::Auto),
        init,
        each_trajectory,
    })
}

/// A list of widths, inputs first.
pub(super) fn layers(section: &Section) -> Result<Vec<usize>, Problem> {
    let field = section.required("layers", "layers = [784, 256, 10]")?;
    let items = field.list()?;
    if items.len() < 2 || items.len() > DEEPEST + 1 {
        let message = format!("has {} widths", items.len());
        let hint = "give inputs, hidden layers if any, and outputs: layers = [784, 256, 10]";
        return Err(field.problem(message).hint(hint));
    }
    let width = |item: &Field| item.integer(1..=WIDEST).map(|w| w as usize);
    items.iter().map(width).collect()
}

pub(super) fn activation(section: &Section) -> Result<Activation, Problem> {
    let field = section.field("activation");
    let found = field
        .map(|f| pick(&f, keys::ACTIVATIONS, &Activation::ALL))
        .transpose()?;
    Ok(found.unwrap_or_default())
}

/// The name of an activation.
pub(super) fn activation_name(activation: Activation) -> &'static str {
    name_of(keys::ACTIVATIONS, &Activation::ALL, &activation)
}

fn init(field: &Field, folder: &Path, network: &Network) -> Result<(InitChoice, bool), Problem> {
    let section = table(field)?;
    if section.kind(Some("pytorch-default"))? == "file" {
        let path = section.required("path", "path = \"start.safetensors\"")?;
        if let Some(each) = section.field("each_trajectory")
            && each.flag()?
        {
            return Err(each.problem("is true, but a file has one start for all trajectories"));
        }
        let choice = InitChoice::File {
            path: absolute_path(&path, folder)?,
            checksum: section.field("checksum").map(|f| word(&f)).transpose()?,
        };
        return Ok((choice, false));
    }
    let drawn = drawn(field, network)?;
    Ok((
        InitChoice::Drawn(drawn),
        flag_or(&section, "each_trajectory", false)?,
    ))
}

fn table<'a>(field: &Field<'a>) -> Result<Section<'a>, Problem> {
    if !matches!(field.node.value, Value::Table(_)) {
        let hint = "write init = { kind = \"he\" }";
        return Err(field.wrong_type("a table").hint(hint));
    }
    field.section(&keys::INIT)
}

/// Initial weights that are drawn.
pub(super) fn drawn(field: &Field, network: &Network) -> Result<Initialisation, Problem> {
    let section = table(field)?;
    let number = |name: &str| section.field(name).map_or(Ok(1.0), |f| f.non_negative());
    let initialisation = match section.kind(Some("pytorch-default"))? {
        "gaussian" => Initialisation::Gaussian {
            scale: number("scale")?,
        },
        "he" => Initialisation::He,
        "glorot" => Initialisation::Glorot,
        "orthogonal" => Initialisation::Orthogonal {
            gain: number("gain")?,
        },
        "balanced" => Initialisation::Balanced {
            scale: number("scale")?,
        },
        "layers" => Initialisation::Layers {
            weights: laws(
                &section.required("weights", "weights = [{ gaussian = 0.5 }, { signs = 1.0 }]")?,
            )?,
            biases: section
                .field("biases")
                .map_or(Ok(Vec::new()), |f| laws(&f))?,
        },
        "pytorch-default" => Initialisation::PytorchDefault,
        _ => return Err(field.problem("is of kind \"file\", but a teacher is drawn")),
    };
    let checked = initialisation.check(network);
    checked.map_err(|error| field.problem(format!("cannot be had: {error}")))?;
    Ok(initialisation)
}

fn laws(field: &Field) -> Result<Vec<Law>, Problem> {
    field.list()?.iter().map(law).collect()
}

fn law(field: &Field) -> Result<Law, Problem> {
    let section = field.section(&keys::LAW)?;
    let given = ["constant", "gaussian", "uniform", "signs"].map(|name| section.field(name));
    match given {
        [Some(value), None, None, None] => value.number().map(Law::Constant),
        [None, Some(value), None, None] => value.non_negative().map(Law::Gaussian),
        [None, None, Some(value), None] => value.non_negative().map(Law::Uniform),
        [None, None, None, Some(value)] => value.non_negative().map(Law::Signs),
        _ => Err(field
            .problem("must have exactly one of `constant`, `gaussian`, `uniform` and `signs`")
            .hint("for instance { gaussian = 0.5 }, the standard deviation")),
    }
}
