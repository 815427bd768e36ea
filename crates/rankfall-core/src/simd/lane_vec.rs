//! Lanes one after the other, where none of a full block straddles two cache lines: reading and
//! writing those that do takes twice as long.

use std::ops::{Deref, DerefMut};

use aligned_vec::{AVec, ConstAlign};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::simd::lanes::{Lanes, Mask};

/// Bytes of a cache line.
pub const LINE: usize = 64;

/// A vector of lanes that begins where a cache line does.
#[derive(Clone, Debug, PartialEq)]
pub struct LaneVec<const N: usize>(AVec<Lanes<N>, ConstAlign<LINE>>);

impl<const N: usize> LaneVec<N> {
    /// `count` times the same lanes.
    pub fn filled(lanes: Lanes<N>, count: usize) -> Self {
        std::iter::repeat_n(lanes, count).collect()
    }

    /// `count` zeros.
    pub fn zeros(count: usize) -> Self {
        Self::filled(Lanes::ZERO, count)
    }

    /// `count` lanes, lane i of which is what `f` makes of `each`\[i\] and their number.
    pub fn gather<T>(each: &[T; N], count: usize, f: impl Fn(&T, usize) -> f64) -> Self {
        let of_all = |number| Lanes(each.each_ref().map(|one| f(one, number)));
        (0..count).map(of_all).collect()
    }

    /// Empty, with room for `count`.
    pub fn with_room(count: usize) -> Self {
        Self(AVec::with_capacity(LINE, count))
    }

    /// Drops what was here, and keeps its room.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Adds a copy of `lanes` at the end.
    pub fn append(&mut self, lanes: &[Lanes<N>]) {
        self.0.extend_from_slice(lanes);
    }

    /// Grows with zeros or shrinks to `count`.
    pub fn resize(&mut self, count: usize) {
        self.0.resize(count, Lanes::ZERO);
    }

    /// Drops what was here and takes over a copy of `lanes`.
    pub fn copy_of(&mut self, lanes: &[Lanes<N>]) {
        self.clear();
        self.append(lanes);
    }
}

impl<const N: usize> Default for LaneVec<N> {
    fn default() -> Self {
        Self(AVec::new(LINE))
    }
}

impl<const N: usize> Deref for LaneVec<N> {
    type Target = [Lanes<N>];
    #[inline(always)]
    fn deref(&self) -> &[Lanes<N>] {
        &self.0
    }
}

impl<const N: usize> DerefMut for LaneVec<N> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [Lanes<N>] {
        &mut self.0
    }
}

impl<const N: usize> FromIterator<Lanes<N>> for LaneVec<N> {
    fn from_iter<I: IntoIterator<Item = Lanes<N>>>(lanes: I) -> Self {
        Self(AVec::from_iter(LINE, lanes))
    }
}

impl<'a, const N: usize> IntoIterator for &'a LaneVec<N> {
    type Item = &'a Lanes<N>;
    type IntoIter = std::slice::Iter<'a, Lanes<N>>;
    #[inline(always)]
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a, const N: usize> IntoIterator for &'a mut LaneVec<N> {
    type Item = &'a mut Lanes<N>;
    type IntoIter = std::slice::IterMut<'a, Lanes<N>>;
    #[inline(always)]
    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

impl<const N: usize> Serialize for LaneVec<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self[..].serialize(serializer)
    }
}

impl<'de, const N: usize> Deserialize<'de> for LaneVec<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let lanes = Vec::<Lanes<N>>::deserialize(deserializer)?;
        Ok(lanes.into_iter().collect())
    }
}

/// As many lanes as are kept on the stack.
const FEW: usize = 12;

/// Lanes that are needed for a moment, zero at first: on the stack where they are few, since asking
/// the system for room takes as long as working on them.
#[repr(C, align(64))]
pub struct Scratch<const N: usize> {
    few: [Lanes<N>; FEW],
    many: LaneVec<N>,
    count: usize,
}

impl<const N: usize> Scratch<N> {
    /// `count` zeros.
    #[inline(always)]
    pub fn zeros(count: usize) -> Self {
        Self {
            few: [Lanes::ZERO; FEW],
            many: if count > FEW {
                LaneVec::zeros(count)
            } else {
                LaneVec::default()
            },
            count,
        }
    }

    /// All of them.
    #[inline(always)]
    pub fn lanes(&mut self) -> &mut [Lanes<N>] {
        if self.count > FEW {
            &mut self.many
        } else {
            &mut self.few[..self.count]
        }
    }
}

/// Zero in the lanes that do not move.
#[inline(always)]
pub fn zero_outside<const N: usize>(mask: Mask<N>, increment: &mut [Lanes<N>]) {
    if (!mask).any() {
        for entry in increment {
            *entry = entry.select(mask, Lanes::ZERO);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts_a_line<const N: usize>(lanes: &LaneVec<N>) -> bool {
        (lanes.as_ptr() as usize).is_multiple_of(LINE)
    }

    #[test]
    fn every_way_to_make_one_starts_a_line() {
        for count in 1..40 {
            let mut lanes = LaneVec::<8>::zeros(count);
            assert!(starts_a_line(&lanes) && starts_a_line(&lanes.clone()));
            lanes.resize(3 * count);
            assert!(starts_a_line(&lanes));
            let mut copy = LaneVec::default();
            copy.copy_of(&lanes);
            assert!(starts_a_line(&copy) && copy == lanes);
            let mut appended = LaneVec::with_room(2 * count);
            appended.append(&lanes[..count]);
            appended.append(&lanes[count..]);
            assert!(starts_a_line(&appended) && appended == lanes);
        }
    }

    #[test]
    fn scratch_has_the_room_that_was_asked_for() {
        for count in [0, 1, FEW, FEW + 1, 5 * FEW] {
            let mut scratch = Scratch::<8>::zeros(count);
            let lanes = scratch.lanes();
            assert_eq!(lanes.len(), count);
            assert!(lanes.iter().all(|x| x.0 == [0.0; 8]));
            assert!(count == 0 || (lanes.as_ptr() as usize).is_multiple_of(LINE));
        }
    }

    #[test]
    fn what_is_kept_comes_back() {
        let lanes: LaneVec<2> = (0..5).map(|i| Lanes([f64::from(i), -0.0])).collect();
        let kept = postcard::to_stdvec(&lanes).unwrap();
        let back: LaneVec<2> = postcard::from_bytes(&kept).unwrap();
        assert!(starts_a_line(&back));
        for (new, old) in back.iter().zip(&lanes) {
            assert_eq!(new.to_bits(), old.to_bits());
        }
    }
}
