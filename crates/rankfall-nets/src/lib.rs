//! Networks of any depth, activation and loss under every kind of gradient noise.
//!
//! Two linear layers have an exact engine in `rankfall-core`; this crate is for
//! everything else, in the precision that networks are trained in, and for any number of seeds. It
//! knows no files, no plots and no terminal.

pub mod activation;
pub mod alignment;
pub mod data;
pub mod ensemble;
pub mod features;
pub mod gradient;
pub mod hessian;
pub mod inert;
pub mod initialisation;
pub mod layout;
pub mod loss;
pub mod matrix;
pub mod network;
pub mod neurons;
pub mod noise;
pub mod observe;
pub mod optimizer;
pub mod predictions;
pub mod scalar;
pub mod schedule;
pub mod sharpness;
pub mod spectra;
pub mod stack_law;
pub mod symmetric;
pub mod targets;
pub mod teacher;
pub mod training;
pub mod window;
