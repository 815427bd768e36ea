//! The `[network]` section: shape, activation, loss, precision and how the weights start.

use super::data::DataSpec;
use super::document::InputProblem;
use super::layers::{activation, drawn, widths};
use super::section::{Field, Section};
use rankfall_nets::activation::Activation;
use rankfall_nets::data::DatasetError;
use rankfall_nets::initialisation::WeightInitialisation;
use rankfall_nets::loss::Loss;
use rankfall_nets::network::{self as nets, Architecture, Network};
use rankfall_nets::scalar::Precision;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The network, what it minimises, and how it starts.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkSection {
    /// Its widths, in the way they were written.
    pub shape: NetworkShape,
    /// Whether layers are matrices.
    pub kind: Architecture,
    /// Of all layers but the last.
    pub activation: Activation,
    /// Whether layers have biases.
    pub bias: bool,
    /// What is minimised.
    pub loss: Loss,
    /// Of weights and gradients.
    pub precision: Precision,
    /// Who may run it.
    pub engine: EngineChoice,
    /// How the weights start.
    pub init: InitSpec,
    /// Replaces the smallest singular value of Θ₀, of Gaussian weights.
    pub smallest_singular_value: Option<f64>,
    /// Each trajectory has its own start.
    pub each_trajectory: bool,
}

/// The widths of a network.
#[derive(Clone, Debug, PartialEq)]
pub enum NetworkShape {
    /// One hidden layer of this width, between the inputs and the outputs of the data.
    Width(u64),
    /// All of them, inputs first.
    Layers(Vec<usize>),
}

/// Who may run a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EngineChoice {
    /// The exact engine where it can, else the dense one.
    Auto,
    /// The dense one.
    Dense,
}

/// How the weights start.
#[derive(Clone, Debug, PartialEq)]
pub enum InitSpec {
    /// Drawn.
    Drawn(WeightInitialisation),
    /// Read from a safetensors or NPZ file.
    File {
        /// Where it is, absolute.
        path: PathBuf,
        /// Checksum of the file when it was last read, as the resolved copy records it.
        checksum: Option<String>,
    },
}

impl NetworkShape {
    /// Width of the hidden layer of two layers.
    pub fn hidden(&self) -> Option<u64> {
        match self {
            NetworkShape::Width(width) => Some(*width),
            NetworkShape::Layers(layers) => match layers[..] {
                [_, width, _] => Some(width as u64),
                _ => None,
            },
        }
    }

    /// All widths; those of the data are 0 where they are not known.
    pub fn layers(&self, sizes: Option<[usize; 2]>) -> Vec<usize> {
        match self {
            NetworkShape::Layers(layers) => layers.clone(),
            NetworkShape::Width(width) => {
                let [inputs, outputs] = sizes.unwrap_or_default();
                vec![inputs, *width as usize, outputs]
            }
        }
    }
}

impl NetworkSection {
    /// Two linear layers without biases and with squared loss: the setting of the paper, whose
    /// weights start N(0, 1) where nothing is said. All other networks start as PyTorch does then.
    pub fn is_two_linear(&self) -> bool {
        self.shape.hidden().is_some()
            && self.kind == Architecture::Dense
            && self.activation == Activation::Linear
            && !self.bias
            && self.loss == Loss::Squared
    }

    /// The network for data of these sizes.
    pub fn spec(&self, sizes: Option<[usize; 2]>) -> nets::NetworkSpec {
        nets::NetworkSpec {
            layers: self.shape.layers(sizes),
            activation: self.activation,
            bias: self.bias,
            kind: self.kind,
        }
    }

    /// What is written as the kind of `init` where none is.
    fn default_kind(&self) -> &'static str {
        match self.is_two_linear() {
            true => "gaussian",
            false => "pytorch-default",
        }
    }
}

/// Reads the section.
pub fn read(
    section: &Section,
    folder: &Path,
    data: &DataSpec,
) -> Result<NetworkSection, InputProblem> {
    let kind = match section.kind(Some("dense"))? {
        "dense" => Architecture::Dense,
        _ => Architecture::DiagonalLinear,
    };
    let sizes = match data {
        DataSpec::Gram(_) => None,
        DataSpec::Rows(rows) => rows.sizes(),
    };
    let mut network = NetworkSection {
        shape: shape(section)?,
        kind,
        activation: activation(section)?,
        bias: section.flag("bias")?,
        loss: section.pick("loss")?,
        precision: section.pick("precision")?,
        engine: section.pick("engine")?,
        init: InitSpec::Drawn(WeightInitialisation::Gaussian { scale: 1.0 }),
        smallest_singular_value: None,
        each_trajectory: false,
    };
    // Of two linear layers the exact engine holds as many columns as matter, however wide they are.
    let is_built = match network.shape {
        NetworkShape::Width(_) => sizes.is_some() && !network.is_two_linear(),
        NetworkShape::Layers(_) => true,
    };
    let built = is_built
        .then(|| Network::new(&network.spec(sizes)))
        .transpose();
    let built = built.map_err(|error| section.problem(error.to_string()))?;
    if let (Some(sizes), Some(field)) = (sizes, section.field("layers")) {
        fits(&network, sizes, &field)?;
    }
    match section.field("init") {
        Some(field) => init(&mut network, &field, folder, built.as_ref(), sizes)?,
        None if network.is_two_linear() => {}
        None => network.init = InitSpec::Drawn(WeightInitialisation::PytorchDefault),
    }
    Ok(network)
}

fn shape(section: &Section) -> Result<NetworkShape, InputProblem> {
    match (section.field("width"), section.field("layers")) {
        (Some(width), None) => width.whole().map(NetworkShape::Width),
        (None, Some(layers)) => widths(&layers).map(NetworkShape::Layers),
        (Some(width), Some(_)) => Err(width.problem("and `network.layers` are both given").hint(
            "keep one of them: width is that of the one hidden layer, layers has all widths",
        )),
        (None, None) => Err(section.missing_as("width", "width = 10, or layers = [5, 10, 2]")),
    }
}

/// Refuses layers that begin or end otherwise than data of known sizes.
fn fits(network: &NetworkSection, sizes: [usize; 2], field: &Field) -> Result<(), InputProblem> {
    let layers = network.shape.layers(None);
    let (first, last) = (layers[0], layers[layers.len() - 1]);
    let error = match sizes {
        [columns, _] if columns != first => DatasetError::Inputs {
            columns,
            layer: first,
        },
        [_, columns] if columns != last && network.loss == Loss::Squared => DatasetError::Outputs {
            columns,
            layer: last,
        },
        _ => return Ok(()),
    };
    Err(InputProblem::new(
        &field.node.origin,
        format!("`{}`: {error}", field.path),
    ))
}

fn init(
    network: &mut NetworkSection,
    field: &Field,
    folder: &Path,
    built: Option<&Network>,
    sizes: Option<[usize; 2]>,
) -> Result<(), InputProblem> {
    let section = field.section()?;
    if section.kind(Some(network.default_kind()))? == "file" {
        network.init = InitSpec::File {
            path: section.required("path")?.path_from(folder)?,
            checksum: section.optional("checksum", Field::word)?,
        };
        return Ok(());
    }
    network.init = InitSpec::Drawn(drawn(field, network.default_kind(), built)?);
    network.each_trajectory = section.flag("each_trajectory")?;
    network.smallest_singular_value = section.optional("smallest_singular_value", |field| {
        let width = network.shape.hidden().unwrap_or(u64::MAX);
        let rows = sizes.map_or(0, |[p, k]| (p + k) as u64);
        match width < rows {
            true => Err(field.problem(format!(
                "needs a width of at least inputs + outputs = {rows}, but the width is {width}"
            ))),
            false => field.number(),
        }
    })?;
    Ok(())
}
