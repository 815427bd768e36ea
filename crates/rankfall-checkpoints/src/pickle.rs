//! Pickles, read and never executed: an interpreter of all opcodes of protocols 0 to 5 that builds
//! inert nodes.
//!
//! Nothing is imported and nothing is called. What a pickle would call is looked up in a list of a
//! dozen names (`objects.rs`) that are understood as tensors and containers; everything else
//! becomes an object that has a name, arguments and a state, and does nothing.
//!
//! Nodes lie in one list and refer to each other by number: nothing is nested in memory, a node
//! that is its own part is no problem, and the list has a limit. A pickle of n bytes makes at most
//! n nodes, and texts of at most n bytes.

mod node;
mod objects;
mod opcodes;

pub use node::{Id, Node, Nodes, Rebuilt};
pub use opcodes::{MOST_NODES, Pickle, load};
