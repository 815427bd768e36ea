//! Counts of integers, in pages: memory goes with the spread of the values, not with their number.

use serde::{Deserialize, Serialize};

/// Neighbouring bins that are kept together.
const PAGE: i32 = 32;

/// How often each bin was hit. Counts commute: the order of hits and merges changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram {
    /// Ascending.
    pages: Vec<Page>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Page {
    /// Its first bin is this times [`PAGE`].
    number: i32,
    /// No ensemble has more than 10⁹ trajectories, so counts cannot overflow.
    counts: [u32; PAGE as usize],
}

impl Histogram {
    /// One more hit of a bin.
    pub fn add(&mut self, bin: i32) {
        let page = self.page(bin.div_euclid(PAGE));
        page.counts[bin.rem_euclid(PAGE) as usize] += 1;
    }

    /// Adds the counts of another.
    pub fn merge(&mut self, other: &Self) {
        for page in &other.pages {
            let own = self.page(page.number);
            for (count, new) in own.counts.iter_mut().zip(page.counts) {
                *count = count.saturating_add(new);
            }
        }
    }

    fn page(&mut self, number: i32) -> &mut Page {
        let place = self.pages.binary_search_by_key(&number, |page| page.number);
        let place = place.unwrap_or_else(|place| {
            let counts = [0; PAGE as usize];
            self.pages.insert(place, Page { number, counts });
            place
        });
        &mut self.pages[place]
    }

    /// The bin of the hit with `rank` smaller or equal ones before it, ranks from 0; none if there
    /// are not so many hits.
    pub fn bin_of_rank(&self, rank: u64) -> Option<i32> {
        let mut seen = 0;
        for page in &self.pages {
            for (place, &count) in page.counts.iter().enumerate() {
                seen += u64::from(count);
                if rank < seen {
                    return Some(page.number.wrapping_mul(PAGE).wrapping_add(place as i32));
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BINS: [i32; 9] = [5, -1, 5, 1_000_000, -33, i32::MIN, i32::MAX, 0, -32];

    fn of(bins: &[i32]) -> Histogram {
        let mut histogram = Histogram::default();
        bins.iter().for_each(|&bin| histogram.add(bin));
        histogram
    }

    #[test]
    fn ranks_are_those_of_the_sorted_values() {
        let mut sorted = BINS;
        sorted.sort_unstable();
        let histogram = of(&BINS);
        let found: Vec<_> = (0..9)
            .filter_map(|rank| histogram.bin_of_rank(rank))
            .collect();
        assert_eq!(found, sorted);
        assert_eq!(histogram.bin_of_rank(9), None);
        assert_eq!(Histogram::default().bin_of_rank(0), None);
    }

    #[test]
    fn parts_merge_to_the_whole() {
        for cut in 0..BINS.len() {
            let (a, b) = BINS.split_at(cut);
            let mut sum = of(b);
            sum.merge(&of(a));
            assert_eq!(sum, of(&BINS));
        }
    }
}
