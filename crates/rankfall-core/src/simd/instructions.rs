//! The choice of vector instructions, and work that is compiled once for each of them.
//!
//! One binary holds all of them and picks the best the processor has; every choice gives the same
//! bits.

#[cfg(target_arch = "x86_64")]
use std::hint::black_box;

use crate::simd::registers::VectorInstructions;

/// The vector instructions that lane work is compiled for; every choice gives the same bits.
#[derive(Clone, Copy, Debug)]
pub struct Instructions(pulp::Arch);

/// Work to be compiled once per instruction set; implementors mark `run` `#[inline(always)]`.
pub trait LaneWork {
    /// What the work returns.
    type Output;
    /// Whether it is compiled for the widest instructions too: where its lanes fill them, and it is
    /// done in steps, not at saves alone.
    const WIDE: bool;
    /// Does it.
    fn run(self) -> Self::Output;

    /// Does it as compiled for these instructions.
    // Never inlined: where it were, the work would be compiled again for all instructions. It is a
    // method of the work, not of the instructions, because the compiler shares its time out by the
    // file of the type.
    #[inline(never)]
    fn run_on(self, instructions: Instructions) -> Self::Output
    where
        Self: Sized,
    {
        #[cfg(target_arch = "x86_64")]
        return match instructions.0 {
            pulp::Arch::V4(simd) => match Self::WIDE {
                true => pulp::Simd::vectorize(simd, InLanes(self)),
                false => pulp::Simd::vectorize(*simd, InLanes(self)),
            },
            pulp::Arch::V3(simd) => pulp::Simd::vectorize(simd, InLanes(self)),
            _ => without_extensions(self),
        };
        #[cfg(not(target_arch = "x86_64"))]
        instructions.0.dispatch(InLanes(self))
    }
}

/// Work on registers of vector instructions: [`BLOCK`](crate::simd::lanes::BLOCK) lanes are as many
/// parts as it takes to fill one each.
pub trait RegisterWork {
    /// What the work returns.
    type Output;
    /// Does it, PARTS registers of `S` for a block; implementors mark it `#[inline(always)]`.
    fn run<S: VectorInstructions, const PARTS: usize>(self, simd: S) -> Self::Output;

    /// Does it on the registers of these instructions, if they are vector instructions; for others
    /// it is not compiled.
    #[inline(never)]
    fn run_on_registers(self, instructions: Instructions) -> Option<Self::Output>
    where
        Self: Sized,
    {
        #[cfg(target_arch = "x86_64")]
        return match instructions.0 {
            pulp::Arch::V4(simd) => Some(simd.vectorize(InParts::<_, Self, 1>(simd, self))),
            pulp::Arch::V3(simd) => Some(simd.vectorize(InParts::<_, Self, 2>(simd, self))),
            _ => None,
        };
        #[cfg(not(target_arch = "x86_64"))]
        {
            let _ = instructions;
            None
        }
    }
}

/// [`RegisterWork`] with PARTS registers.
#[cfg(target_arch = "x86_64")]
struct InParts<S, A, const PARTS: usize>(S, A);

#[cfg(target_arch = "x86_64")]
impl<S: VectorInstructions, A: RegisterWork, const PARTS: usize> pulp::NullaryFnOnce
    for InParts<S, A, PARTS>
{
    type Output = A::Output;
    #[inline(always)]
    fn call(self) -> A::Output {
        align_frame();
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
        let portable = ("portable", Self::portable());
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = pulp::x86::V3::try_new().map(|simd| ("avx2", Self(pulp::Arch::V3(simd))));
            let avx512 =
                pulp::x86::V4::try_new().map(|simd| ("avx512", Self(pulp::Arch::V4(simd))));
            [Some(portable), avx2, avx512]
                .into_iter()
                .flatten()
                .collect()
        }
        #[cfg(not(target_arch = "x86_64"))]
        vec![portable]
    }

    /// Whether one register holds a full block.
    pub fn have_registers_of_a_block(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return matches!(self.0, pulp::Arch::V4(_));
        #[cfg(not(target_arch = "x86_64"))]
        false
    }
}

/// Has the frame of the function it is inlined into begin where a cache line does. The compiler
/// puts registers aside in the frame, and those that straddle two lines are slow to come back; it
/// aligns a frame only where something in it asks for that before registers are given out.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn align_frame() {
    #[repr(align(64))]
    struct Line(#[expect(dead_code)] u8);
    // A variable: a value that is only referred to would be a constant, and in no frame.
    let line = Line(0);
    black_box(&line);
}

/// With what every processor of this target has. Compiled once per work: inside others it would be
/// compiled into each of them, and be as large as all vector code together.
#[cfg(target_arch = "x86_64")]
#[inline(never)]
fn without_extensions<W: LaneWork>(work: W) -> W::Output {
    work.run()
}
