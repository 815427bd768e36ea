//! The choice of vector instructions, and work that is compiled once for each of them.
//!
//! One binary holds all of them and picks the best the processor has; every choice gives the same bits.

use crate::simd::registers::VectorInstructions;

/// The vector instructions that lane work is compiled for; every choice gives the same bits.
#[derive(Clone, Copy, Debug)]
pub struct Instructions(pulp::Arch);

/// Work to be compiled once per instruction set; implementors mark `run` `#[inline(always)]`.
pub trait LaneWork {
    /// What the work returns.
    type Output;
    /// Whether its lanes do not fill the widest instructions, which are then not compiled.
    const NARROW: bool;
    /// Does it.
    fn run(self) -> Self::Output;
}

/// Work on registers of vector instructions: [`BLOCK`](crate::simd::lanes::BLOCK) lanes are as many parts as it takes to fill one each.
pub trait RegisterWork {
    /// What the work returns.
    type Output;
    /// Does it, PARTS registers of `S` for a block; implementors mark it `#[inline(always)]`.
    fn run<S: VectorInstructions, const PARTS: usize>(self, simd: S) -> Self::Output;
}

/// [`RegisterWork`] with PARTS registers.
struct InParts<S, A, const PARTS: usize>(S, A);

impl<S: VectorInstructions, A: RegisterWork, const PARTS: usize> pulp::NullaryFnOnce
    for InParts<S, A, PARTS>
{
    type Output = A::Output;
    #[inline(always)]
    fn call(self) -> A::Output {
        self.1.run::<S, PARTS>(self.0)
    }
}

struct InLanes<W>(W);

impl<W: LaneWork> pulp::WithSimd for InLanes<W> {
    type Output = W::Output;
    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) -> W::Output {
        self.0.run()
    }
}

impl Instructions {
    /// The best this processor has.
    pub fn best() -> Self {
        Self(pulp::Arch::new())
    }

    /// Only what every processor of this target has; slow, for comparison.
    pub fn portable() -> Self {
        Self(pulp::Arch::Scalar)
    }

    /// Every choice this processor can run, by name.
    pub fn available() -> Vec<(&'static str, Self)> {
        let mut all = vec![("portable", Self::portable())];
        #[cfg(target_arch = "x86_64")]
        {
            if let Some(simd) = pulp::x86::V3::try_new() {
                all.push(("avx2", Self(pulp::Arch::V3(simd))));
            }
            if let Some(simd) = pulp::x86::V4::try_new() {
                all.push(("avx512", Self(pulp::Arch::V4(simd))));
            }
        }
        all
    }

    /// Whether one register holds a full block.
    pub fn have_registers_of_a_block(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return matches!(self.0, pulp::Arch::V4(_));
        #[cfg(not(target_arch = "x86_64"))]
        false
    }

    /// Runs `work` as compiled for these instructions.
    #[inline]
    pub fn dispatch<W: LaneWork>(self, work: W) -> W::Output {
        if W::NARROW {
            return self.dispatch_narrow(work);
        }
        #[cfg(target_arch = "x86_64")]
        return match self.0 {
            pulp::Arch::V4(simd) => pulp::Simd::vectorize(simd, InLanes(work)),
            pulp::Arch::V3(simd) => pulp::Simd::vectorize(simd, InLanes(work)),
            _ => without_extensions(work),
        };
        #[cfg(not(target_arch = "x86_64"))]
        self.0.dispatch(InLanes(work))
    }

    /// Runs `work` on the registers of these instructions, if they are vector instructions; for others it is
    /// not compiled.
    #[inline]
    pub fn dispatch_registers<A: RegisterWork>(self, work: A) -> Option<A::Output> {
        #[cfg(target_arch = "x86_64")]
        return match self.0 {
            pulp::Arch::V4(simd) => Some(simd.vectorize(InParts::<_, A, 1>(simd, work))),
            pulp::Arch::V3(simd) => Some(simd.vectorize(InParts::<_, A, 2>(simd, work))),
            _ => None,
        };
        #[cfg(not(target_arch = "x86_64"))]
        {
            drop(work);
            None
        }
    }

    #[inline]
    fn dispatch_narrow<W: LaneWork>(self, work: W) -> W::Output {
        #[cfg(target_arch = "x86_64")]
        if !matches!(self.0, pulp::Arch::Scalar)
            && let Some(simd) = pulp::x86::V3::try_new()
        {
            return pulp::Simd::vectorize(simd, InLanes(work));
        }
        without_extensions(work)
    }
}

/// With what every processor of this target has. Compiled once per work: inside others it would be compiled
/// into each of them, and be as large as all vector code together.
#[inline(never)]
fn without_extensions<W: LaneWork>(work: W) -> W::Output {
    work.run()
}
