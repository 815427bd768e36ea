//! What is claimed about gradient noise and rank, as evidence: each [`claim::Claim`] predicts
//! something, measures it with a [`bench::Bench`], and gets a verdict that could have been another.
//!
//! [`decision`] says how a verdict comes about; [`claims`] holds the claims, one file per theme;
//! [`verification`] runs them in a setting: the paper's, a user's two linear layers, or a user's
//! network of any depth. Nothing here reads files or draws pictures.

pub mod bench;
pub mod claim;
pub mod claims;
pub mod decision;
pub mod evidence;
pub mod experiments;
pub mod linear;
pub mod network_setting;
pub mod one_step;
pub mod optimum;
pub mod picture;
pub mod scales;
pub mod setting;
pub mod simulation;
pub mod small;
pub mod statement;
pub mod verification;

pub use claim::{Claim, Provenance, Strength, Suite};
pub use decision::Verdict;
pub use evidence::Stop;
pub use network_setting::NetworkSetting;
pub use setting::{Level, Setting};
pub use verification::{Finding, Subject, Verification};
