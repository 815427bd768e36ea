//! A tensor as a checkpoint lists it: name, shape, type, and where its numbers are.

use crate::dtype::Dtype;
use crate::error::CheckpointError;
use crate::place::Place;
use crate::values::Values;

/// What a tensor is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Part of the network.
    #[default]
    Weight,
    /// What an optimiser keeps beside the weights, such as a running mean of gradients.
    Optimizer,
}

/// A tensor of a checkpoint. Its numbers are not in memory.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// Its name, parts joined by dots.
    pub name: String,
    /// Its sizes, outermost first; empty for a single number.
    pub shape: Vec<usize>,
    /// The type of its numbers.
    pub dtype: Dtype,
    /// What it is for.
    pub role: Role,
    /// The name of an earlier tensor that is the same stretch of the same file.
    pub tied_to: Option<String>,
    /// Why its numbers cannot be read, where they cannot.
    pub problem: Option<String>,
    pub(crate) place: Option<Place>,
}

/// Where the numbers of a tensor are, and in which order: equal for tensors that are tied.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    path: std::path::PathBuf,
    start: u64,
    offset: u64,
    strides: Vec<u64>,
    shape: Vec<usize>,
}

impl Tensor {
    /// A tensor whose numbers cannot be read, and of which nothing else is known.
    pub(crate) fn unreadable(name: String, problem: impl Into<String>) -> Self {
        Self {
            name,
            shape: Vec::new(),
            dtype: Dtype::Other("unknown".into()),
            role: Role::Weight,
            tied_to: None,
            problem: Some(problem.into()),
            place: None,
        }
    }

    /// A tensor at a place; a place that is not inside its region becomes the tensor's problem.
    pub(crate) fn at(name: String, shape: &[u64], dtype: Dtype, place: Place) -> Self {
        let problem = contradiction(shape, &dtype, &place);
        Self {
            name,
            shape: sizes_of(shape),
            dtype,
            role: Role::Weight,
            tied_to: None,
            place: problem.is_none().then_some(place),
            problem,
        }
    }

    /// How many numbers it has; `None` where that is more than memory has addresses.
    #[must_use]
    pub fn len(&self) -> Option<usize> {
        self.shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))
    }

    /// Whether it has no number at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// Its numbers, to be read from any place on.
    ///
    /// # Errors
    /// A tensor with a [`problem`](Self::problem), or a file that cannot be read.
    pub fn values(&self) -> Result<Values, CheckpointError> {
        match (&self.place, &self.problem) {
            (Some(place), None) => Values::open(&self.shape, &self.dtype, place),
            (_, problem) => {
                let detail = problem
                    .clone()
                    .unwrap_or_else(|| "its numbers are nowhere".into());
                Err(CheckpointError::new(
                    std::path::Path::new(&self.name),
                    detail,
                ))
            }
        }
    }

    /// What two tensors share exactly if they are the same numbers at the same place.
    pub(crate) fn identity(&self) -> Option<Identity> {
        let place = self.place.as_ref()?;
        let region = &place.region;
        let path = region.file.path.clone();
        Some(Identity {
            path,
            start: region.start,
            offset: place.offset,
            strides: place.strides.clone(),
            shape: self.shape.clone(),
        })
    }
}

/// Sizes as memory counts them.
pub(crate) fn sizes_of(shape: &[u64]) -> Vec<usize> {
    let size = |&n: &u64| usize::try_from(n).unwrap_or(usize::MAX);
    shape.iter().map(size).collect()
}

/// Why a tensor of this shape cannot lie at this place.
fn contradiction(shape: &[u64], dtype: &Dtype, place: &Place) -> Option<String> {
    let there = place.region.length;
    if shape.len() > 64 {
        return Some(format!("it claims {} dimensions", shape.len()));
    }
    if shape.len() != place.strides.len() {
        return Some(format!(
            "it has {} sizes and {} strides",
            shape.len(),
            place.strides.len()
        ));
    }
    let count = shape.iter().try_fold(1u64, |n, &d| n.checked_mul(d));
    if count == Some(0) {
        return None;
    }
    let size = dtype.size()? as u64;
    if count
        .and_then(|n| n.checked_mul(size))
        .is_none_or(|bytes| bytes > there)
    {
        return Some(format!(
            "its shape claims more numbers than the {there} bytes that are there for it: the file may be cut off, \
             or the tensor repeats its numbers"
        ));
    }
    let last = shape
        .iter()
        .zip(&place.strides)
        .try_fold(place.offset, |at, (&n, &stride)| {
            at.checked_add((n - 1).checked_mul(stride)?)
        });
    let end = last.and_then(|last| last.checked_add(1)?.checked_mul(size));
    match end {
        Some(end) if end <= there => None,
        _ => Some(format!(
            "it reaches beyond the {there} bytes that are there for it; the file may be cut off"
        )),
    }
}
