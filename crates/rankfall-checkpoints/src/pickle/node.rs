//! What a pickle is made of.

use crate::dtype::Dtype;
use std::rc::Rc;

/// The number of a node.
pub type Id = usize;

/// A stretch of numbers that tensors are views of.
#[derive(Clone, Debug, PartialEq)]
pub struct Storage {
    /// The type of its numbers.
    pub dtype: Dtype,
    /// Which of the storages of the file.
    pub key: String,
    /// Where it begins in a larger storage, in numbers.
    pub offset: u64,
}

/// A tensor: a view of a storage.
#[derive(Clone, Debug, PartialEq)]
pub struct Rebuilt {
    /// The node of its storage.
    pub storage: Id,
    /// Its first number.
    pub offset: u64,
    /// Its sizes.
    pub shape: Vec<u64>,
    /// Numbers from one index to the next.
    pub strides: Vec<u64>,
    /// Its type, where that is not its storage's.
    pub dtype: Option<Dtype>,
}

/// A value of a pickle.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// Nothing.
    None,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number beyond 64 bits; its digits are not kept.
    Huge,
    /// A floating number.
    Float(f64),
    /// A text.
    Text(Box<str>),
    /// Bytes, which are not kept.
    Bytes,
    /// A list, a tuple or a set.
    List(Vec<Id>),
    /// Keys and values in order.
    Dict(Vec<(Id, Id)>),
    /// The name of something that would be imported: `module.name`.
    Global(Rc<str>),
    /// A storage.
    Storage(Box<Storage>),
    /// A tensor.
    Tensor(Box<Rebuilt>),
    /// Anything else: what it was made by, and the state that was given to it.
    Object {
        /// `module.name` of what would have been called, or what it is in words.
        class: Rc<str>,
        /// What it would have been called with.
        arguments: Option<Id>,
        /// The state it was given.
        state: Option<Id>,
    },
}

/// The nodes of a pickle.
#[derive(Debug, Default)]
pub struct Nodes(Vec<Node>);

impl Nodes {
    /// Adds a node; its number.
    pub fn add(&mut self, node: Node) -> Id {
        self.0.push(node);
        self.0.len() - 1
    }

    /// A node.
    pub fn get(&self, id: Id) -> &Node {
        self.0.get(id).unwrap_or(&Node::None)
    }

    /// A node, to be changed.
    pub fn get_mut(&mut self, id: Id) -> Option<&mut Node> {
        self.0.get_mut(id)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The text of a node.
    pub fn text(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The items of a node that is a list or a tuple.
    pub fn list(&self, id: Id) -> Option<&[Id]> {
        match self.get(id) {
            Node::List(items) => Some(items),
            _ => None,
        }
    }

    /// The whole number of a node that is not negative.
    pub fn count(&self, id: Id) -> Option<u64> {
        match self.get(id) {
            Node::Int(n) => u64::try_from(*n).ok(),
            _ => None,
        }
    }

    /// The whole numbers of a node that is a list of them.
    pub fn counts(&self, id: Id) -> Option<Vec<u64>> {
        self.list(id)?.iter().map(|&id| self.count(id)).collect()
    }

    /// The value of a text key of a node that is a dictionary.
    pub fn entry(&self, id: Id, key: &str) -> Option<Id> {
        let Node::Dict(entries) = self.get(id) else {
            return None;
        };
        let found = entries
            .iter()
            .rev()
            .find(|(k, _)| self.text(*k) == Some(key));
        found.map(|(_, value)| *value)
    }
}
