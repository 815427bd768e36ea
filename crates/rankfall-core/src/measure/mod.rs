//! What is measured of trajectories: its names and order ([`layout`]), losses ([`class_losses`] of
//! classes), determinant and balance ([`observe`]), singular values ([`spectra`]), what each force
//! contributed ([`force_balance`]), where the fall of log det M went ([`account`]), and decay rates
//! of a whole ensemble ([`rates`]).
//!
//! May use everything from `simd` to `step`. Looks at a copy of a state; never changes a path.

pub mod account;
pub mod class_losses;
pub mod force_balance;
pub mod layout;
pub mod observe;
pub mod rates;
pub mod spectra;
