//! What is claimed about gradient noise and rank, as evidence: each [`claim::Claim`] predicts
//! something in a [`setting::Setting`], measures it, and gets a verdict that could have been another.
//!
//! [`decision`] says how a verdict comes about; [`claims`] holds the claims, one file per theme;
//! [`suite`] runs them. [`networks`] holds those about networks beyond two linear layers. Nothing here
//! reads files or draws pictures.

pub mod bench;
pub mod claim;
pub mod claims;
pub mod decision;
pub mod figure;
pub mod linear;
pub mod networks;
pub mod one_step;
pub mod optimum;
pub mod setting;
pub mod suite;

pub use claim::{Claim, Kind, Source};
pub use decision::Verdict;
pub use setting::{Level, Setting};
pub use suite::{Finding, Suite};
