//! Deep linear networks x ↦ Πᵀx, Π = W₁W₂…W_N, under gradient flow and stochastic gradient flow.
//!
//! Two layers have an engine of their own that is exact in more ways; this one is for what depth
//! changes: single layers keep no determinant, but pairs of neighbours, stacked, do. With
//! Pⱼ = W₁…Wⱼ₋₁ and Qⱼ = Wⱼ₊₁…W_N every layer moves by (Itô)
//!
//! ```text
//! dWⱼ = Pⱼᵀ dG Qⱼᵀ,   dG = (S_xy − S_xx Π) dt + √ν S_xx^{1/2} dB.
//! ```
//!
//! Everything here is plain double precision at full width, in the eigenbasis of S_xx: it is right
//! as long as the smallest singular value of a stack is far above rounding (10⁻¹⁰ of the largest,
//! say), and [`stack::StackReading::smallest_ratio`] says whether it is.

pub mod extrapolation;
pub mod gradient_flow;
pub mod network;
pub mod shared_paths;
pub mod stack;
pub mod stochastic_flow;
