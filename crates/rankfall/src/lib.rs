//! What gradient noise does to the rank of a network, from Rust.
//!
//! ```
//! use rankfall::prelude::*;
//!
//! let experiment = Experiment::builder("mine")
//!     .gaussian(1000, 5, 2) // rows, inputs, outputs
//!     .width(10)
//!     .dynamics(DynamicsBuilder::gradient_flow("GF"))
//!     .dynamics(DynamicsBuilder::stochastic_gradient_flow("SGF").label_noise(2.0))
//!     .time(50.0)
//!     .trajectories(8)
//!     .save_points(5)
//!     .build()?;
//! let run = experiment.run()?;
//! let (log_det, smallest) = {
//!     let flow = run.dynamics("SGF")?;
//!     (flow.log_det()?, flow.log_singular_value("w1", 5)?)
//! };
//! for at in 0..log_det.times.len() {
//!     let (measured, law) = (log_det.mean[at].unwrap(), log_det.law[at].unwrap());
//!     println!("t = {}: log det {measured:.3}, law {law:.3}", log_det.times[at]);
//!     println!("  log σ₅ from {:?} to {:?}", smallest.q05[at], smallest.q95[at]);
//!     assert!((measured - law).abs() < 1e-9);
//! }
//! # assert!(run.dynamics("GF")?.log_det()?.mean[5] > log_det.mean[5]);
//! # Ok::<(), rankfall::Failure>(())
//! ```
//!
//! # The paper's figure
//!
//! ```no_run
//! use rankfall::prelude::*;
//!
//! let paper = Experiment::bundled("paper")?;
//! paper.run()?.save("runs/paper".as_ref())?; // summary, series, weights, figures/seed.svg, report.html
//! # Ok::<(), rankfall::Failure>(())
//! ```
//!
//! # Moments of one's own
//!
//! ```
//! use rankfall::prelude::*;
//!
//! let rows: Vec<[f64; 3]> = (0..40).map(|i| { let x = f64::from(i) / 20.0 - 1.0; [x, x * x, 2.0 * x] }).collect();
//! let mut moments = GramAccumulator::new(2, 1);
//! for [a, b, y] in &rows {
//!     moments.add_rows(&[*a, *b], &[*y])?; // one row, or many of a chunk, rows first
//! }
//! let experiment = Experiment::builder("own-moments")
//!     .gaussian(40, 2, 1) // the sizes; the numbers are those of the moments
//!     .width(4)
//!     .dynamics(DynamicsBuilder::gradient_flow("GF"))
//!     .time(200.0)
//!     .build()?;
//! let run = experiment.runner().on_moments(&moments.gram()).run()?;
//! assert!(run.dynamics("GF")?.loss()?.mean.last() < Some(&Some(0.1)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A counterfactual: the same noise without repulsion
//!
//! ```
//! use rankfall::prelude::*;
//!
//! let flow = |label: &str| DynamicsBuilder::stochastic_gradient_flow(label).label_noise(2.0);
//! let run = Experiment::builder("without-repulsion")
//!     .gaussian(1000, 5, 2)
//!     .width(10)
//!     .dynamics(flow("SGF"))
//!     .dynamics(flow("without").force("repulsion", 0.0))
//!     .time(100.0)
//!     .set("run.common_noise", true)
//!     .build()?
//!     .run()?;
//! let end = |label: &str| -> Result<_, Failure> {
//!     Ok(run.dynamics(label)?.effective_rank("theta")?.mean.last().copied().flatten())
//! };
//! assert!(end("SGF")? < end("without")?);
//! # Ok::<(), Failure>(())
//! ```
//!
//! # A network of any depth
//!
//! ```
//! use rankfall::prelude::*;
//!
//! let run = Experiment::builder("deep")
//!     .gaussian(100, 4, 2)
//!     .layers(&[4, 8, 8, 2])
//!     .set("network.activation", "relu")
//!     .dynamics(DynamicsBuilder::sgd("SGD").step_size(0.05).batch_size(10))
//!     .steps(200)
//!     .build()?
//!     .run()?;
//! let loss = run.dynamics("SGD")?.loss()?;
//! assert!(loss.mean.last() < loss.mean.first());
//! assert!(run.dynamics("SGD")?.log_singular_value("w3", 2).is_ok());
//! # Ok::<(), Failure>(())
//! ```
//!
//! # A sweep
//!
//! ```
//! use rankfall::prelude::*;
//!
//! let experiment = Experiment::builder("plane")
//!     .gaussian(200, 3, 2)
//!     .width(6)
//!     .dynamics(DynamicsBuilder::stochastic_gradient_flow("SGF"))
//!     .time(20.0)
//!     .build()?;
//! let sweep = experiment.sweep(&["network.width=6,8", "dynamics.0.label_noise=0.5,1,2"])?;
//! assert_eq!((sweep.points(), sweep.coordinates(4)), (6, vec!["8".into(), "1".into()]));
//! let slope = sweep.metric(4, 0, "log_det_slope", 0).unwrap();
//! assert!((slope.value.unwrap() / slope.prediction.unwrap() - 1.0).abs() < 1e-9);
//! # Ok::<(), Failure>(())
//! ```
//!
//! # A quantity of one's own
//!
//! ```
//! use rankfall::prelude::*;
//!
//! let experiment = Experiment::builder("own")
//!     .gaussian(1000, 5, 2)
//!     .width(10)
//!     .dynamics(DynamicsBuilder::stochastic_gradient_flow("SGF").label_noise(2.0))
//!     .time(10.0)
//!     .trajectories(4)
//!     .build()?;
//! let run = experiment.runner().observe("largest_entry", |state| {
//!     let w1 = state.w1;
//!     (0..w1.ncols()).flat_map(|j| (0..w1.nrows()).map(move |i| w1[(i, j)].abs())).fold(0.0, f64::max)
//! }).run()?;
//! assert!(run.dynamics("SGF")?.observable("largest_entry")?.q50.iter().all(|v| *v > Some(0.0)));
//! # Ok::<(), Failure>(())
//! ```
//!
//! # Folders
//!
//! [`run::execute`] and [`sweep::execute`] run into a folder, with checkpoints, shards and going
//! on; [`merge::merge`] puts shards together. Nothing here prints: warnings go to the crate `log`,
//! progress to a [`watch::Watch`], and results are returned. The numerics are in `rankfall-core`
//! and `rankfall-nets`, the readers of data in `rankfall-data`, the figures in `rankfall-report`.

pub mod available;
pub mod builder;
pub mod bundled;
pub mod checkpoint;
pub mod dense;
pub mod difference;
pub mod doubts;
pub mod engine;
pub mod estimate;
pub mod exact;
pub mod experiment;
pub mod failure;
pub mod finished;
pub mod finished_folder;
pub mod forecast;
pub mod given_weights;
pub mod grid;
pub mod in_memory;
pub mod inspection;
pub mod merge;
pub mod monitored;
pub mod options;
pub mod part;
pub mod preparation;
pub mod results;
pub mod run;
pub mod run_folder;
pub mod save_plan;
pub mod session;
pub mod shard;
pub mod shard_bytes;
pub mod stability;
pub mod stepping;
pub mod summarise;
pub mod survival;
pub mod sweep;
pub mod template;
pub mod verification;
pub mod watch;

pub use failure::Failure;

/// What most programs need.
pub mod prelude {
    pub use crate::builder::{DynamicsBuilder, ExperimentBuilder};
    pub use crate::experiment::Experiment;
    pub use crate::failure::Failure;
    pub use crate::in_memory::{DynamicsResult, Run, Runner, Sweep};
    pub use crate::watch::{Silent, Watch};
    pub use rankfall_core::ensemble::Snapshot;
    pub use rankfall_core::model::gram::{Gram, GramAccumulator};
    pub use rankfall_report::series::Curve;
}
