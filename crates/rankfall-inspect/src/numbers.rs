//! Where the numbers of a matrix come from: a tensor of a checkpoint, or memory.

use rankfall_checkpoints::{CheckpointError, Values};
use std::fmt::Debug;

/// Numbers by their place, read as doubles.
pub trait Numbers: Debug + Sync {
    /// Fills `out` with the numbers from the `start`-th on.
    ///
    /// # Errors
    /// A file that cannot be read.
    ///
    /// # Panics
    /// Where there are fewer numbers than that.
    fn read(&self, start: usize, out: &mut [f64]) -> Result<(), CheckpointError>;
}

impl Numbers for Values {
    fn read(&self, start: usize, out: &mut [f64]) -> Result<(), CheckpointError> {
        Self::read(self, start, out)
    }
}

/// Numbers in memory, one after the other.
#[derive(Clone, Copy, Debug)]
pub enum InMemory<'a> {
    /// Of single precision.
    Single(&'a [f32]),
    /// Of double precision.
    Double(&'a [f64]),
}

impl Numbers for InMemory<'_> {
    fn read(&self, start: usize, out: &mut [f64]) -> Result<(), CheckpointError> {
        match self {
            Self::Single(values) => {
                let from = &values[start..start + out.len()];
                out.iter_mut()
                    .zip(from)
                    .for_each(|(to, &x)| *to = f64::from(x));
            }
            Self::Double(values) => out.copy_from_slice(&values[start..start + out.len()]),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decompose::spectrum;
    use crate::view::{Fused, views};

    #[test]
    fn numbers_in_memory_have_the_spectrum_of_their_matrix() {
        let single: Vec<f32> = vec![3.0, 0.0, 0.0, 0.0, 4.0, 0.0];
        let double: Vec<f64> = single.iter().map(|&x| f64::from(x)).collect();
        let view = views("w", &[2, 3], Fused::Whole).unwrap().remove(0);
        let both: [(InMemory<'_>, f64); 2] = [
            (InMemory::Single(&single), f64::from(f32::EPSILON)),
            (InMemory::Double(&double), f64::EPSILON),
        ];
        for (numbers, epsilon) in both {
            let found = spectrum(&numbers, &view.slices, epsilon, 1).unwrap();
            for (sigma, truth) in found.sigmas.iter().zip([4.0, 3.0]) {
                assert!((sigma.value - truth).abs() <= sigma.bound, "{sigma:?}");
            }
        }
    }
}
