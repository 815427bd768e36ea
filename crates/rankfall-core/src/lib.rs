//! Numerics of rankfall: two-layer linear networks under gradient noise.
//!
//! A network x ↦ W₂ᵀW₁ᵀx learns y = βᵀx. Gradient flow keeps the rank of its weights; gradient
//! noise destroys it. This crate computes both, exactly where there is a law, with singular values
//! that stay right however small they get. It knows no files, no plots and no terminal.
//!
//! The way of the data: [`synthetic`] or a reader makes a [`gram::Gram`]; [`problem`] turns it to
//! the eigenbasis of S_xx; [`network`] makes a start and reduces its width; [`ensemble`] runs one of
//! the [`dynamics`] over blocks of trajectories, side by side in [`lanes`]; [`observe`] measures
//! them and [`statistics`] folds what was measured.
//!
//! ```
//! use std::sync::Arc;
//! use rankfall_core::optimizer::Optimizer;
//! use rankfall_core::dynamics::{Dynamics, ForceScales, Integrator, Kind};
//! use rankfall_core::ensemble::{EnsembleSpec, Unattended};
//! use rankfall_core::instructions::Instructions;
//! use rankfall_core::network::Initialisation;
//! use rankfall_core::problem::Problem;
//! use rankfall_core::setup::{Setup, Source};
//! use rankfall_core::synthetic::{Covariance, Synthetic, Teacher};
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
//!     dynamics: Dynamics { kind, step_size: 0.01, label_noise: 2.0, optimizer: Optimizer::default() },
//!     stream: 0, trajectories: 8, save_steps: vec![0, 1000, 5000], time_unit: 0.01,
//!     rank_tolerance: 1e-3, keep_trajectories: false, reductions: true,
//!     force_balance: None,
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

pub mod batches;
pub mod block;
pub mod box_muller;
pub mod columns;
pub mod counterfactual;
pub mod couples;
pub mod deep;
pub mod dense;
pub mod displacement;
pub mod dynamics;
pub mod ensemble;
pub mod force_balance;
pub mod forces;
pub mod graded;
mod graded_moments;
pub mod gradient_flow;
pub mod gram;
pub mod histogram;
pub mod increment;
pub mod instructions;
pub mod lane_math;
pub mod lane_problem;
pub mod lane_vec;
pub mod lanes;
pub mod network;
pub mod normals;
pub mod observe;
pub mod optimizer;
pub mod plain;
pub mod problem;
pub mod products;
pub mod random;
pub mod ranks;
pub mod rates;
pub mod registers;
pub mod rowwise;
pub mod runner;
pub mod scalar_products;
pub mod setup;
mod small;
pub mod spectra;
pub mod stability;
pub mod state;
pub mod statistics;
pub mod stepper;
pub mod stiffness;
pub mod strang;
pub mod synthetic;
pub mod theory;
pub mod threads;
pub mod tiles;
pub mod time_step;
pub mod turns;
pub mod update;
pub mod upkeep;
pub mod walk;
