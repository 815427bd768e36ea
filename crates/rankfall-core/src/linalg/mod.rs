//! Linear algebra: columns that keep their relative accuracy however small they get ([`graded`]),
//! their reorthogonalisation ([`reorthogonalization`]) and when it is due
//! ([`reorthogonalization_schedule`]), ranks ([`ranks`]), decompositions of ordinary dense matrices
//! ([`dense`]), and the Sylvester equation ([`sylvester`]).
//!
//! May use `simd`, `random` and `kernels`.

pub mod dense;
pub mod graded;
pub mod ranks;
pub mod reorthogonalization;
pub mod reorthogonalization_schedule;
pub mod sylvester;
