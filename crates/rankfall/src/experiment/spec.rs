//! What an experiment is, once it is read.

use super::data::DataSpec;
use super::dynamics::DynamicsSpec;
use super::network::NetworkSection;
use super::run::RunSpec;

/// A validated experiment.
#[derive(Clone, Debug, PartialEq)]
pub struct Experiment {
    /// A label, safe as the name of a folder.
    pub name: String,
    /// Where the data come from.
    pub data: DataSpec,
    /// The network and its start.
    pub network: NetworkSection,
    /// The dynamics, in file order, with distinct labels.
    pub dynamics: Vec<DynamicsSpec>,
    /// How long, how often, and what is measured and kept.
    pub run: RunSpec,
}
