//! Initial weights from a file, safetensors or NPZ: found by their usual names, else by shape and
//! order.

mod matching;

use crate::failure::{Failure, quoted, shown_path};
use faer::Mat;
use matching::{MatchError, NamedShape, assign};
use rankfall_core::model::network::Weights;
use rankfall_data::NpzArrays;
use rankfall_nets::network::{Layer, Network};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::path::Path;

/// Weights larger than this are not read: no network this program runs has them.
const LARGEST_FILE: u64 = 16 << 30;

/// Weights that were read.
pub struct GivenWeights<W> {
    /// The weights.
    pub weights: W,
    /// Checksum of the file.
    pub checksum: String,
    /// Which tensor was taken for what, where names other than the usual ones were read.
    pub note: Option<String>,
}

/// Reads the two matrices of a linear network of p inputs, width l and k outputs: `w1` (p × l) and
/// `w2` (l × k), each turned where both only fit turned; or two matrices under other names that fit
/// in one way alone. Names that end in `weight` are PyTorch's, outputs × inputs, where both ways
/// fit.
///
/// # Errors
/// Exit code 2: no such file, not safetensors or NPZ, not of floating-point numbers, no two
/// matrices that fit in one way alone.
pub fn read_two(path: &Path, sizes: [usize; 3]) -> Result<GivenWeights<Weights>, Failure> {
    read(path, |file| {
        let ([w1, w2], turned) = file.two(sizes)?;
        let names = ["w1", "w2"];
        let usual = [w1, w2].map(|place| file.tensors[place].name.as_str()) == names && !turned;
        let taken = [(w1, "W₁"), (w2, "W₂")].map(|(place, matrix)| {
            let turning = if turned { ", transposed" } else { "" };
            format!("{matrix} from {}{turning}", file.tensors[place].words())
        });
        let all = file.tensors.iter().enumerate();
        let others = all.filter(|(place, _)| ![w1, w2].contains(place));
        let others: Vec<String> = others.map(|(_, tensor)| tensor.words()).collect();
        let mut words = taken.join(", ");
        if !others.is_empty() {
            words += &format!("; not used: {}", shortened(&others));
        }
        Ok(Found {
            weights: Weights {
                w1: file.matrix(w1, turned)?,
                w2: file.matrix(w2, turned)?,
            },
            taken: (!usual || !others.is_empty()).then_some(words),
        })
    })
}

/// Reads the weights of a network, numbered as the network numbers its parameters: under PyTorch's
/// names, `layers.0.weight` (outputs × inputs, a list for a diagonal layer) and `layers.0.bias`; or
/// tensors of these shapes under other names whose numbers, or shapes, tell the layers apart.
///
/// # Errors
/// Exit code 2: no such file, not safetensors or NPZ, a tensor missing or one too many, of another
/// type, or of no layer for certain.
pub fn read_layers(path: &Path, network: &Network) -> Result<GivenWeights<Vec<f64>>, Failure> {
    read(path, |file| {
        let (places, usual) = match file.usual_places(network) {
            Some(places) => (file.checked(places, network)?, true),
            None => (file.places(network)?, false),
        };
        let mut parameters = vec![0.0; network.parameters()];
        let mut taken = Vec::new();
        for (index, (layer, place)) in network.layers().iter().zip(&places).enumerate() {
            file.fill(layer, place, &mut parameters)?;
            let bias = place.bias.map_or(String::new(), |bias| {
                format!(" and {}", file.tensors[bias].words())
            });
            let weight = file.tensors[place.weight].words();
            taken.push(format!("layer {} from {weight}{bias}", index + 1));
        }
        Ok(Found {
            weights: parameters,
            taken: (!usual).then(|| shortened(&taken)),
        })
    })
}

/// Weights with what was taken for them, in words.
struct Found<W> {
    weights: W,
    taken: Option<String>,
}

/// Why weights cannot be used, and what to do.
struct Wrong {
    why: String,
    hint: Option<String>,
}

impl From<String> for Wrong {
    fn from(why: String) -> Self {
        Self { why, hint: None }
    }
}

fn read<W>(
    path: &Path,
    find: impl FnOnce(&File) -> Result<Found<W>, Wrong>,
) -> Result<GivenWeights<W>, Failure> {
    let shown = shown_path(path);
    let name = shown_path(Path::new(path.file_name().unwrap_or_default()));
    let wrong = |wrong: Wrong| {
        let message = format!("cannot use {shown} as initial weights: {}", wrong.why);
        let failure = Failure::input(message);
        match wrong.hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    };
    let given = |(found, checksum): (Found<W>, String)| GivenWeights {
        weights: found.weights,
        checksum,
        note: (found.taken).map(|taken| format!("initial weights of {name}: {taken}")),
    };
    read_either(path, find).map(given).map_err(wrong)
}

/// Opens a file by its content.
fn read_either<W>(
    path: &Path,
    find: impl FnOnce(&File) -> Result<Found<W>, Wrong>,
) -> Result<(Found<W>, String), Wrong> {
    if !rankfall_data::is_in_memory(path) {
        let metadata = std::fs::metadata(path).map_err(|error| error.to_string())?;
        if !metadata.is_file() || metadata.len() > LARGEST_FILE {
            return Err("it is not a file of at most 16 GiB".to_owned().into());
        }
    }
    let of_data = |error: rankfall_data::DataError| error.to_string();
    if NpzArrays::are_in(path).map_err(of_data)? {
        let read = || {
            let arrays = NpzArrays::open(path)?;
            let shapes = arrays.shapes()?;
            Ok(find(&File::of_arrays(&arrays, shapes)))
        };
        let (found, checksum) =
            rankfall_data::while_hashing(path, read).map_err(|error| Wrong {
                why: of_data(error),
                hint: Some(FROM_PYTORCH.to_owned()),
            })?;
        return Ok((found?, checksum));
    }
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|error| Wrong {
        why: format!("it is not a safetensors file ({error}), nor an NPZ"),
        hint: Some(FROM_PYTORCH.to_owned()),
    })?;
    Ok((
        find(&File::of_safetensors(&tensors))?,
        rankfall_data::sha256_of(&bytes),
    ))
}

const FROM_PYTORCH: &str =
    "from PyTorch: safetensors.torch.save_file(model.state_dict(), \"model.safetensors\")";

/// Where the tensors of a layer are in the file.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Place {
    weight: usize,
    bias: Option<usize>,
}

/// The numbers of the tensor of a name, or why they cannot be read.
type Reader<'a> = dyn Fn(&str) -> Result<Vec<f64>, String> + 'a;

/// An open file.
struct File<'a> {
    tensors: Vec<NamedShape>,
    numbers: Box<Reader<'a>>,
}

impl<'a> File<'a> {
    fn of_safetensors(tensors: &'a SafeTensors<'a>) -> Self {
        let named = |(name, view): (String, TensorView)| NamedShape {
            name,
            shape: view.shape().to_vec(),
        };
        let mut all: Vec<NamedShape> = tensors.tensors().into_iter().map(named).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        let numbers = |name: &str| {
            let view = tensors.tensor(name).map_err(|error| error.to_string())?;
            numbers_of(&view).ok_or_else(|| {
                format!(
                    "{} is of type {:?}; F16, BF16, F32 or F64 is needed",
                    quoted(name),
                    view.dtype()
                )
            })
        };
        Self {
            tensors: all,
            numbers: Box::new(numbers),
        }
    }

    fn of_arrays(arrays: &'a NpzArrays, shapes: Vec<(String, Vec<u64>)>) -> Self {
        let named = |(name, shape): (String, Vec<u64>)| NamedShape {
            name,
            shape: shape.into_iter().map(|size| size as usize).collect(),
        };
        Self {
            tensors: shapes.into_iter().map(named).collect(),
            numbers: Box::new(|name| {
                let read = arrays.numbers(name, LARGEST_FILE);
                read.map_err(|error| error.to_string())
            }),
        }
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.tensors.iter().position(|t| t.name == name)
    }

    fn numbers(&self, place: usize) -> Result<Vec<f64>, String> {
        (self.numbers)(&self.tensors[place].name)
    }

    /// The places of W₁ and W₂ of p inputs, width l and k outputs, and whether they are transposed
    /// there.
    fn two(&self, [p, l, k]: [usize; 3]) -> Result<([usize; 2], bool), Wrong> {
        let upright = [vec![p, l], vec![l, k]];
        let turned = [vec![l, p], vec![k, l]];
        let all: Vec<&NamedShape> = self.tensors.iter().collect();
        if let [Some(w1), Some(w2)] = ["w1", "w2"].map(|name| self.find(name)) {
            let fit =
                |wanted: &[Vec<usize>; 2]| all[w1].shape == wanted[0] && all[w2].shape == wanted[1];
            return Ok(([w1, w2], !fit(&upright) && fit(&turned)));
        }
        let are_pytorch = all.iter().all(|t| t.name.ends_with("weight"));
        match [assign(&all, &upright), assign(&all, &turned)].each_ref() {
            [_, Ok(places)] if are_pytorch => Ok(([places[0], places[1]], true)),
            [Ok(places), Err(_)] => Ok(([places[0], places[1]], false)),
            [Err(_), Ok(places)] => Ok(([places[0], places[1]], true)),
            [one, other] => {
                let of_order = [one, other].contains(&&Err(MatchError::Order));
                let needs = format!("w1 {:?} and w2 {:?} are needed", upright[0], upright[1]);
                Err(self.unclear(&needs, of_order || one.is_ok(), "w1 and w2"))
            }
        }
    }

    fn matrix(&self, place: usize, turned: bool) -> Result<Mat<f64>, String> {
        let tensor = &self.tensors[place];
        let &[rows, columns] = &tensor.shape[..] else {
            return Err(format!("{} is no matrix", tensor.words()));
        };
        let values = self.numbers(place)?;
        let entry = |i: usize, j: usize| values[i * columns + j];
        Ok(match turned {
            false => Mat::from_fn(rows, columns, entry),
            true => Mat::from_fn(columns, rows, |i, j| entry(j, i)),
        })
    }

    /// Places under the names that this program writes, if all are there.
    fn usual_places(&self, network: &Network) -> Option<Vec<Place>> {
        let place = |(index, layer): (usize, &Layer)| {
            let bias = match layer.biases.is_empty() {
                true => None,
                false => Some(self.find(&format!("layers.{index}.bias"))?),
            };
            let weight = self.find(&format!("layers.{index}.weight"))?;
            Some(Place { weight, bias })
        };
        network.layers().iter().enumerate().map(place).collect()
    }

    /// Refuses shapes that do not fit the usual names, and tensors beside them.
    fn checked(&self, places: Vec<Place>, network: &Network) -> Result<Vec<Place>, Wrong> {
        let has = |index: usize| {
            let of = |p: &Place| p.weight == index || p.bias == Some(index);
            places.iter().any(of)
        };
        let all = self.tensors.iter().enumerate();
        if let Some((_, more)) = all.into_iter().find(|(index, _)| !has(*index)) {
            let name = quoted(&more.name);
            return Err(format!("it has a tensor {name}, and the network has none").into());
        }
        for (layer, place) in network.layers().iter().zip(&places) {
            let biases = place.bias.map(|bias| (bias, vec![layer.outputs]));
            for (place, needed) in [(place.weight, weight_shape(layer))]
                .into_iter()
                .chain(biases)
            {
                let tensor = &self.tensors[place];
                if tensor.shape != needed {
                    let why = format!(
                        "{} has shape {:?}, but the network needs {needed:?}",
                        quoted(&tensor.name),
                        tensor.shape
                    );
                    let turned = tensor.shape.iter().eq(needed.iter().rev());
                    let hint =
                        turned.then(|| "transpose it: weights are outputs × inputs".to_owned());
                    return Err(Wrong { why, hint });
                }
            }
        }
        Ok(places)
    }

    /// Places under whatever names, by shape and order.
    fn places(&self, network: &Network) -> Result<Vec<Place>, Wrong> {
        let layers = network.layers();
        let has_biases = layers.iter().any(|layer| !layer.biases.is_empty());
        let is_bias = |&place: &usize| has_biases && self.tensors[place].shape.len() == 1;
        let (biases, weights): (Vec<usize>, Vec<usize>) =
            (0..self.tensors.len()).partition(is_bias);
        let shapes: Vec<Vec<usize>> = layers.iter().map(weight_shape).collect();
        let weights = self.assigned(&weights, &shapes, network)?;
        if !has_biases {
            let place = |weight| Place { weight, bias: None };
            return Ok(weights.into_iter().map(place).collect());
        }
        let biases = match self.biases_beside(&weights, &biases) {
            Some(places) => places,
            None => {
                let shapes: Vec<Vec<usize>> = layers.iter().map(|l| vec![l.outputs]).collect();
                self.assigned(&biases, &shapes, network)?
            }
        };
        for (&bias, layer) in biases.iter().zip(layers) {
            if self.tensors[bias].shape != [layer.outputs] {
                return Err(self.unclear_layers(network, false));
            }
        }
        let pairs = weights.into_iter().zip(biases);
        let place = |(weight, bias)| Place {
            weight,
            bias: Some(bias),
        };
        Ok(pairs.map(place).collect())
    }

    /// Some of the tensors given to layers whose tensors have these shapes.
    fn assigned(
        &self,
        of: &[usize],
        shapes: &[Vec<usize>],
        network: &Network,
    ) -> Result<Vec<usize>, Wrong> {
        let tensors: Vec<&NamedShape> = of.iter().map(|&place| &self.tensors[place]).collect();
        let turned: Vec<Vec<usize>> = shapes
            .iter()
            .map(|s| s.iter().rev().copied().collect())
            .collect();
        let are_pytorch = tensors
            .iter()
            .all(|t| t.shape.len() < 2 || t.name.ends_with("weight"));
        match assign(&tensors, shapes) {
            Ok(places) if are_pytorch || assign(&tensors, &turned).is_err() => {
                Ok(places.into_iter().map(|place| of[place]).collect())
            }
            Ok(_) | Err(MatchError::Order) => Err(self.unclear_layers(network, true)),
            Err(MatchError::Shapes) => Err(self.unclear_layers(network, false)),
        }
    }

    /// The biases `….bias` of the weights `….weight`, if that is how all are named.
    fn biases_beside(&self, weights: &[usize], biases: &[usize]) -> Option<Vec<usize>> {
        let bias = |&weight: &usize| {
            let stem = self.tensors[weight].name.strip_suffix("weight")?;
            self.find(&format!("{stem}bias"))
        };
        let found: Vec<usize> = weights.iter().map(bias).collect::<Option<_>>()?;
        (found.len() == biases.len()).then_some(found)
    }

    /// Copies the tensors of a layer to its parameters.
    fn fill(&self, layer: &Layer, place: &Place, parameters: &mut [f64]) -> Result<(), String> {
        let values = self.numbers(place.weight)?;
        let weights = &mut parameters[layer.weights.clone()];
        if layer.diagonal {
            weights.copy_from_slice(&values);
        } else {
            for (at, weight) in weights.iter_mut().enumerate() {
                let (input, output) = (at / layer.outputs, at % layer.outputs);
                *weight = values[output * layer.inputs + input];
            }
        }
        if let Some(bias) = place.bias {
            parameters[layer.biases.clone()].copy_from_slice(&self.numbers(bias)?);
        }
        Ok(())
    }

    fn unclear_layers(&self, network: &Network, ambiguous: bool) -> Wrong {
        let shapes: Vec<String> = network
            .layers()
            .iter()
            .map(|layer| match layer.biases.is_empty() {
                true => format!("{:?}", weight_shape(layer)),
                false => format!(
                    "{:?} with a bias of [{}]",
                    weight_shape(layer),
                    layer.outputs
                ),
            })
            .collect();
        let biases = match network.layers()[0].biases.is_empty() {
            true => " and no biases",
            false => "",
        };
        let needs = format!(
            "the layers need weights, outputs × inputs, of {}{biases}",
            shortened(&shapes)
        );
        self.unclear(
            &needs,
            ambiguous,
            "layers.0.weight, layers.0.bias, layers.1.weight, …",
        )
    }

    fn unclear(&self, needs: &str, ambiguous: bool, usual: &str) -> Wrong {
        let has: Vec<String> = self.tensors.iter().map(NamedShape::words).collect();
        let why = match ambiguous {
            true => "its names do not tell which tensor is which",
            false => "its tensors do not fit",
        };
        Wrong {
            why: format!("{why}: {needs}; it has {}", shortened(&has)),
            hint: Some(format!(
                "rename its tensors to {usual}, and leave out others"
            )),
        }
    }
}

impl NamedShape {
    /// Name and shape for a message.
    fn words(&self) -> String {
        format!("{} {:?}", quoted(&self.name), self.shape)
    }
}

/// Outputs × inputs, as PyTorch has them; a list for a diagonal layer.
fn weight_shape(layer: &Layer) -> Vec<usize> {
    match layer.diagonal {
        true => vec![layer.inputs],
        false => vec![layer.outputs, layer.inputs],
    }
}

/// A list that fits a message.
fn shortened(all: &[String]) -> String {
    const SHOWN: usize = 12;
    let shown = all[..all.len().min(SHOWN)].join(", ");
    match all.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// The numbers of a tensor as doubles; None for a type that has none.
fn numbers_of(view: &TensorView) -> Option<Vec<f64>> {
    let data = view.data();
    Some(match view.dtype() {
        Dtype::F64 => each(data, f64::from_le_bytes),
        Dtype::F32 => each(data, |bytes| f64::from(f32::from_le_bytes(bytes))),
        Dtype::F16 => each(data, |bytes| rankfall_data::half(u16::from_le_bytes(bytes))),
        // The upper half of a single.
        Dtype::BF16 => each(data, |[low, high]| {
            f64::from(f32::from_le_bytes([0, 0, low, high]))
        }),
        _ => return None,
    })
}

fn each<const N: usize>(data: &[u8], number: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    let (chunks, _) = data.as_chunks::<N>();
    chunks.iter().map(|&chunk| number(chunk)).collect()
}
