//! The tensors inside what a pickle stands for, each with the path to it as its name.

use crate::contents::{Contents, OpaqueObject};
use crate::pickle::{Id, Node, Nodes, Rebuilt};
use crate::tensor::{Role, Tensor};
use std::collections::HashSet;

/// Deeper than this nothing is looked for: checkpoints are nested a handful of times.
const DEEPEST: usize = 100;
/// A longer name is cut.
const LONGEST_NAME: usize = 1000;
/// More bytes of paths and shapes no checkpoint has: one dictionary can name a tensor a million
/// times.
const MOST_LISTED: usize = 1 << 28;
/// So many objects without a meaning are named.
const MOST_INERT: usize = 1000;
/// Parts of the paths inside pickled modules that say nothing.
const SILENT: &[&str] = &["_modules", "_parameters", "_buffers"];
/// What training loops call the step they were at.
const STEPS: &[&str] = &["global_step", "step", "iteration", "iter", "epoch"];

/// A node on the way, and its path: parts joined by dots.
struct Visit {
    id: Id,
    path: String,
    depth: usize,
    role: Role,
}

/// Walks from the root. Every container is entered once, however many ways lead to it; every tensor
/// is listed under each of its names, as `make` makes it of name and view.
///
/// # Errors
/// A sentence: a list of tensors beyond all bounds.
pub fn walk(
    nodes: &Nodes,
    root: Id,
    make: impl Fn(String, &Rebuilt) -> Tensor,
) -> Result<Contents, String> {
    let mut contents = Contents {
        step: step(nodes, root),
        ..Contents::default()
    };
    let mut entered = HashSet::new();
    let first = Visit {
        id: root,
        path: String::new(),
        depth: 0,
        role: Role::Weight,
    };
    let mut left = vec![first];
    let mut listed = 0;
    while let Some(visit) = left.pop() {
        if visit.depth > DEEPEST {
            let class = format!("what is nested deeper than {DEEPEST} levels");
            contents.add_inert(visit.path, &class);
            continue;
        }
        let mut inside: Vec<Visit> = Vec::new();
        let mut add = |part: &str, id: Id, role: Role| {
            // A tensor has a name for every way to it; anything else is entered once.
            let sizes = match nodes.get(id) {
                Node::Tensor(tensor) => size_of::<Tensor>() + 16 * tensor.shape.len(),
                _ if entered.insert(id) => 0,
                _ => return,
            };
            let path = extended(&visit.path, part);
            listed += size_of::<Visit>() + path.len() + sizes;
            if listed <= MOST_LISTED {
                inside.push(Visit {
                    id,
                    path,
                    depth: visit.depth + 1,
                    role,
                });
            }
        };
        match nodes.get(visit.id) {
            Node::Tensor(tensor) => {
                let role = visit.role;
                let tensor = make(visit.path, tensor);
                contents.tensors.push(Tensor { role, ..tensor });
            }
            Node::Dict(entries) => {
                let role = role_of_dict(nodes, visit.id, visit.role);
                for &(key, value) in entries {
                    add(&part(nodes, key), value, role);
                }
            }
            Node::List(items) => {
                for (i, &item) in items.iter().enumerate() {
                    add(&i.to_string(), item, visit.role);
                }
            }
            Node::Object {
                class,
                arguments,
                state,
            } => {
                for id in arguments.iter().chain(state) {
                    add("", *id, visit.role);
                }
                contents.add_inert(visit.path, class);
            }
            _ => {}
        }
        if listed > MOST_LISTED {
            return Err(format!(
                "the names and shapes in it take more than {MOST_LISTED} bytes: no checkpoint has as many"
            ));
        }
        left.extend(inside.into_iter().rev());
    }
    Ok(contents)
}

impl Contents {
    fn add_inert(&mut self, path: String, class: &str) {
        if self.inert.len() < MOST_INERT {
            let class = class.chars().take(LONGEST_NAME).collect();
            self.inert.push(OpaqueObject { path, class });
        }
    }
}

/// Everything below a dictionary of `state` and `param_groups` belongs to an optimiser.
fn role_of_dict(nodes: &Nodes, id: Id, role: Role) -> Role {
    let has = |key| nodes.entry(id, key).is_some();
    if has("state") && has("param_groups") {
        Role::Optimizer
    } else {
        role
    }
}

fn part(nodes: &Nodes, key: Id) -> String {
    match nodes.get(key) {
        Node::Text(text) => text.to_string(),
        Node::Int(n) => n.to_string(),
        Node::Bool(b) => b.to_string(),
        Node::Float(x) => x.to_string(),
        _ => "?".into(),
    }
}

fn extended(path: &str, part: &str) -> String {
    let mut name = path.to_owned();
    if !part.is_empty() && !SILENT.contains(&part) {
        if !name.is_empty() {
            name.push('.');
        }
        let room = LONGEST_NAME.saturating_sub(name.len());
        name.extend(part.chars().take(room));
    }
    name
}

/// A whole number under one of the usual names, at the root or one level below.
fn step(nodes: &Nodes, root: Id) -> Option<u64> {
    let Node::Dict(entries) = nodes.get(root) else {
        return None;
    };
    let named = |id: Id| {
        STEPS
            .iter()
            .find_map(|name| nodes.count(nodes.entry(id, name)?))
    };
    named(root).or_else(|| {
        let is_plain = |id: &Id| role_of_dict(nodes, *id, Role::Weight) == Role::Weight;
        entries
            .iter()
            .map(|(_, value)| *value)
            .filter(is_plain)
            .find_map(named)
    })
}
