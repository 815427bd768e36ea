//! The few calls that are understood: what rebuilds tensors and containers. Everything else is an
//! object that does nothing.

use super::node::{Id, Node, Nodes, Rebuilt, Storage};
use crate::dtype::Dtype;

/// PyTorch itself allows 64.
const MOST_DIMENSIONS: usize = 64;
/// Keys are small numbers or addresses.
const LONGEST_KEY: usize = 200;

/// What a call of `function` with `arguments` stands for.
pub fn called(nodes: &Nodes, function: Id, arguments: Id) -> Node {
    let class = match nodes.get(function) {
        Node::Global(name) => name.clone(),
        Node::Object { class, .. } => class.clone(),
        _ => "a call of what is no function".into(),
    };
    let inert = Node::Object {
        class: class.clone(),
        arguments: Some(arguments),
        state: None,
    };
    let Some(given) = nodes.list(arguments) else {
        return inert;
    };
    understood(nodes, &class, given).unwrap_or(inert)
}

fn understood(nodes: &Nodes, name: &str, given: &[Id]) -> Option<Node> {
    match name {
        "collections.OrderedDict"
        | "collections.defaultdict"
        | "builtins.dict"
        | "__builtin__.dict" => {
            let pairs = given.last().and_then(|&id| nodes.list(id)).unwrap_or(&[]);
            let pair = |&id: &Id| match nodes.list(id) {
                Some(&[key, value]) => Some((key, value)),
                _ => None,
            };
            Some(Node::Dict(pairs.iter().map(pair).collect::<Option<_>>()?))
        }
        "torch._utils._rebuild_tensor" | "torch._utils._rebuild_tensor_v2" => {
            tensor(nodes, given, None)
        }
        "torch._utils._rebuild_tensor_v3" => {
            let dtype = nodes.get(*given.get(6)?);
            let Node::Global(name) = dtype else {
                return None;
            };
            tensor(nodes, given, Some(dtype_of(name)?))
        }
        // The parameter, or the object of a class of its own, is the tensor inside.
        "torch._utils._rebuild_parameter" | "torch._utils._rebuild_parameter_with_state" => {
            is_tensor(nodes, *given.first()?)
        }
        "torch._tensor._rebuild_from_type_v2" | "torch._tensor._rebuild_from_type" => {
            let &[function, _, arguments, ..] = given else {
                return None;
            };
            // One level: the function of this call is not such a call again.
            match nodes.get(function) {
                Node::Global(name) if !name.contains("_rebuild_from_type") => {
                    understood(nodes, name, nodes.list(arguments)?)
                }
                _ => None,
            }
        }
        "torch.Size" | "builtins.list" | "builtins.tuple" | "builtins.set" | "__builtin__.set" => {
            Some(Node::List(nodes.list(*given.first()?)?.to_vec()))
        }
        _ => None,
    }
}

fn is_tensor(nodes: &Nodes, id: Id) -> Option<Node> {
    match nodes.get(id) {
        Node::Tensor(tensor) => Some(Node::Tensor(tensor.clone())),
        _ => None,
    }
}

/// A tensor from (storage, offset, shape, strides, …).
fn tensor(nodes: &Nodes, given: &[Id], dtype: Option<Dtype>) -> Option<Node> {
    let &[storage, offset, shape, strides, ..] = given else {
        return None;
    };
    let Node::Storage(_) = nodes.get(storage) else {
        return None;
    };
    if nodes.list(shape)?.len().max(nodes.list(strides)?.len()) > MOST_DIMENSIONS {
        return None;
    }
    let (offset, shape, strides) = (
        nodes.count(offset)?,
        nodes.counts(shape)?,
        nodes.counts(strides)?,
    );
    Some(Node::Tensor(Box::new(Rebuilt {
        storage,
        offset,
        shape,
        strides,
        dtype,
    })))
}

/// What PyTorch's persistent identifiers stand for: storages. Others are objects without a meaning.
pub fn persistent(nodes: &Nodes, id: Id) -> Node {
    storage(nodes, id).unwrap_or(Node::Object {
        class: "a persistent identifier".into(),
        arguments: Some(id),
        state: None,
    })
}

/// From ("storage", type, key, device, count[, (view, offset, count)]).
fn storage(nodes: &Nodes, id: Id) -> Option<Node> {
    let given = nodes.list(id)?;
    let &[word, class, key, ..] = given else {
        return None;
    };
    if nodes.text(word) != Some("storage") {
        return None;
    }
    let Node::Global(class) = nodes.get(class) else {
        return None;
    };
    let key = match nodes.get(key) {
        Node::Text(key) if key.len() <= LONGEST_KEY => key.to_string(),
        Node::Int(key) => key.to_string(),
        _ => return None,
    };
    let view = given.get(5).and_then(|&view| nodes.list(view));
    let offset = view
        .and_then(|view| nodes.count(*view.get(1)?))
        .unwrap_or(0);
    Some(Node::Storage(Box::new(Storage {
        dtype: storage_type(class),
        key,
        offset,
    })))
}

/// The type of the numbers of a storage class, such as `torch.FloatStorage`.
fn storage_type(class: &str) -> Dtype {
    let last = class.rsplit('.').next().unwrap_or(class);
    let name = last.strip_suffix("Storage").unwrap_or(last).to_lowercase();
    named(&name)
}

/// The type of a name such as `torch.float8_e4m3fn`.
fn dtype_of(name: &str) -> Option<Dtype> {
    name.strip_prefix("torch.").map(named)
}

/// The type that PyTorch calls so, in storages or since.
fn named(name: &str) -> Dtype {
    let int = |bytes, signed| Dtype::Int { bytes, signed };
    match name {
        "float64" | "double" => Dtype::F64,
        "float32" | "float" => Dtype::F32,
        "float16" | "half" => Dtype::F16,
        "bfloat16" => Dtype::Bf16,
        "float8_e4m3fn" => Dtype::F8E4m3,
        "float8_e5m2" => Dtype::F8E5m2,
        "bool" => Dtype::Bool,
        "int8" | "char" => int(1, true),
        "int16" | "short" => int(2, true),
        "int32" | "int" => int(4, true),
        "int64" | "long" => int(8, true),
        "uint8" | "byte" | "untyped" => int(1, false),
        "uint16" => int(2, false),
        "uint32" => int(4, false),
        "uint64" => int(8, false),
        "complex64" | "complexfloat" => Dtype::Complex { bytes: 8 },
        "complex128" | "complexdouble" => Dtype::Complex { bytes: 16 },
        other => Dtype::Other(other.to_owned()),
    }
}
