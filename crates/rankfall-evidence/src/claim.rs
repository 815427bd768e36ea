//! What a claim is: a statement with a prediction, a named alternative, and a way to measure.

use crate::bench::Bench;
use crate::evidence::{Evidence, Stop};
use crate::network_setting::NetworkSetting;
use crate::setting::Setting;
use crate::statement::Statement;

/// Where a claim was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// In the paper.
    Paper,
    /// Not in the paper, or only for another setting: derived here.
    Beyond,
}

impl Provenance {
    /// As it is written in tables and records.
    pub fn words(self) -> &'static str {
        match self {
            Self::Paper => "the paper",
            Self::Beyond => "derived here",
        }
    }
}

/// How strong a statement it is; decides where its margin comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strength {
    /// An equation between numbers: the margin is rounding, derived.
    ExactIdentity,
    /// The first terms of an expansion: the margin is what was left out, derived.
    Asymptotic,
    /// An inequality.
    Qualitative,
}

impl Strength {
    /// As it is written in tables and records.
    pub fn words(self) -> &'static str {
        match self {
            Self::ExactIdentity => "exact identity",
            Self::Asymptotic => "asymptotic",
            Self::Qualitative => "qualitative",
        }
    }
}

/// Claims that share a family-wise rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    /// About two linear layers, and what else has an exact law.
    Exact,
    /// About networks of any depth.
    Networks,
}

impl Suite {
    /// As it is asked for.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Networks => "networks",
        }
    }

    /// How often a claim is looked at, at most: looks share its part of the family-wise rate.
    /// States of networks are what is averaged over, and a second look would be at the same ones.
    pub fn looks(self) -> usize {
        match self {
            Self::Exact => 2,
            Self::Networks => 1,
        }
    }
}

/// One claim.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// With which others it shares the family-wise rate.
    pub suite: Suite,
    /// Its name on the command line: small letters, digits and hyphens.
    pub id: &'static str,
    /// A heading.
    pub title: &'static str,
    /// In words and symbols.
    pub statement: &'static str,
    /// Where it was made.
    pub provenance: Provenance,
    /// How strong it is.
    pub strength: Strength,
    /// What *holds* rejects.
    pub alternative: &'static str,
    /// How it is tested.
    pub test: Test,
}

/// How a claim is tested: on what, and by what. `comparisons` is the number of statistical
/// comparisons that it makes there, at most, or why it does not apply.
#[derive(Clone, Copy, Debug)]
pub enum Test {
    /// In a setting of two linear layers, or in the paper's on problems of its own.
    Setting {
        /// At most, or why not here.
        comparisons: fn(&Setting) -> Result<usize, String>,
        /// Measures it.
        measure: fn(&Bench) -> Result<Evidence, Stop>,
    },
    /// By the values that bundled experiments leave.
    Gallery(&'static [Statement]),
    /// On a network given by its layers.
    Network {
        /// At most, or why not here.
        comparisons: fn(&NetworkSetting) -> Result<usize, String>,
        /// Measures it.
        measure: fn(&Bench<NetworkSetting>) -> Result<Evidence, Stop>,
    },
}

impl Claim {
    /// The bundled experiments it is about, each once.
    pub fn experiments(&self) -> Vec<&'static str> {
        let Test::Gallery(statements) = self.test else {
            return Vec::new();
        };
        let mut names: Vec<&str> = statements.iter().flat_map(Statement::experiments).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}
