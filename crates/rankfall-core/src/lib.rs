//! Numerics of rankfall: two-layer linear networks under gradient noise.
//!
//! A network x ↦ W₂ᵀW₁ᵀx learns y = βᵀx. Gradient flow keeps the rank of its weights; gradient
//! noise destroys it. This crate computes both, exactly where there is a law, with singular values
//! that stay right however small they get. It knows no files, no plots and no terminal.
//!
//! The way of the data: [`model::synthetic`] or a reader makes a [`model::gram::Gram`];
//! [`model::problem`] turns it to the eigenbasis of S_xx; [`model::network`] makes a start and
//! reduces its width; [`ensemble`] runs one of the [`model::dynamics`] over blocks of
//! [`trajectories`], which [`step`] moves, side by side in [`simd::lanes`]; [`measure`] measures
//! them and [`ensemble::statistics`] folds what was measured.
//!
//! The folders stand in an order, and each uses only those before it: `simd`, `random`, `kernels`
//! (private), `linalg`, `model`, `trajectories`, `theory`, `step`, `measure`, `plain`, `ensemble`,
//! `deep`. No two files use each other. `tests/layout.rs` holds both.
//!
//! ```
//! use std::sync::Arc;
//! use rankfall_core::model::optimizer::Optimizer;
//! use rankfall_core::model::dynamics::{Dynamics, ForceScales, Integrator, Kind};
//! use rankfall_core::ensemble::{EnsembleSpec, Unattended};
//! use rankfall_core::simd::instructions::Instructions;
//! use rankfall_core::model::network::Initialisation;
//! use rankfall_core::model::problem::Problem;
//! use rankfall_core::model::setup::{Setup, Source};
//! use rankfall_core::model::synthetic::{Covariance, Synthetic, Teacher};
//!
//! let data = Synthetic {
//!     samples: 1000, inputs: 5, outputs: 2, covariance: Covariance::Identity,
//!     teacher: Teacher::Gaussian, residual_noise: 0.0,
//! }
//! .draw(1, 0, false)?;
//! let problem = Problem::new(&data.gram, None, Some(data.truth))?;
//! let setup = Setup {
//!     source: Source::Shared(Arc::new(problem)),
//!     initialisation: Initialisation::Gaussian { scale: 1.0, smallest_singular_value: None },
//!     width: 10, seed: 1, each_start: false,
//! };
//! let kind = Kind::StochasticGradientFlow {
//!     integrator: Integrator::LieEuler, time_step: 0.01, batch_size: 1,
//!     forces: ForceScales::default(), brownian_substeps: 1,
//! };
//! let flow = EnsembleSpec {
//!     dynamics: Dynamics { kind, step_size: 0.01, label_noise: 2.0, optimizer: Optimizer::default(), classes: None },
//!     stream: 0, trajectories: 8, save_steps: vec![0, 1000, 5000], time_unit: 0.01,
//!     rank_tolerance: 1e-3, keep_trajectories: false, reductions: true,
//!     force_balance: None,
//!     account: None,
//!     own_observables: Vec::new(),
//! };
//! let outcome = flow.run(&setup, 2, None, &Unattended, Instructions::best())?;
//! let totals = outcome.statistics.totals();
//! let cell = |save: usize, name: &str| {
//!     let place = outcome.layout.position(name, 0).expect("always measured");
//!     totals.cell(save * outcome.layout.observables.len() + place)
//! };
//! // log det M falls by 2νk tr(S_xx) t, on every path alike.
//! assert!(cell(2, "log_det").mean < cell(0, "log_det").mean - 15.0);
//! assert!((cell(2, "log_det").mean - cell(2, "log_det_law").mean).abs() < 1e-9);
//! assert!(cell(2, "log_det").deviation < 1e-9);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod deep;
pub mod ensemble;
mod kernels;
pub mod linalg;
pub mod measure;
pub mod model;
pub mod plain;
pub mod random;
pub mod simd;
pub mod step;
pub mod theory;
pub mod trajectories;
