//! Figures and report pages, drawn from what a run folder holds.

pub mod record;
