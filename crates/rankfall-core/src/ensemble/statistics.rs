//! Statistics over trajectories, folded along a fixed binary tree over blocks.
//!
//! A block of trajectories is a leaf; two nodes merge only with their sibling in the tree. The
//! result therefore has the same bits whatever the order in which blocks finish, the number of
//! threads, or the division into shards. What is kept does not grow with the number of
//! trajectories: one node per level of the tree, and histograms, whose counts commute.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::ensemble::histogram::Histogram;
pub use crate::trajectories::stop_reason::StopReason;

/// Up to this many trajectories every value is kept and quantiles are exact.
pub const EXACT_QUANTILES: u64 = 1024;

/// Bins of ln|x| (or of x, for logarithmic quantities) beyond [`EXACT_QUANTILES`].
pub const HISTOGRAM_BIN: f64 = 1.0 / 64.0;

/// The quantiles that are reported.
pub const QUANTILES: [f64; 5] = [0.05, 0.25, 0.5, 0.75, 0.95];

/// At most so many diverged trajectories are listed one by one, those of the lowest index.
pub const LISTED_DIVERGENCES: usize = 100;

/// A trajectory that was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Divergence {
    /// Its index.
    pub trajectory: u64,
    /// The step at which it was stopped.
    pub step: u64,
    /// Why.
    pub reason: StopReason,
}

/// The trajectories that were stopped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Divergences {
    /// How many.
    pub count: u64,
    /// The step at which the first of them was stopped.
    pub earliest: Option<u64>,
    /// Those of the lowest index, in index order: at most [`LISTED_DIVERGENCES`].
    pub first: Vec<Divergence>,
}

impl Divergences {
    fn of(all: &[Divergence]) -> Self {
        Self {
            count: all.len() as u64,
            earliest: all.iter().map(|d| d.step).min(),
            first: all.iter().take(LISTED_DIVERGENCES).copied().collect(),
        }
    }

    /// `other` comes later in index order.
    fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.earliest = self.earliest.into_iter().chain(other.earliest).min();
        let room = LISTED_DIVERGENCES.saturating_sub(self.first.len());
        self.first.extend(other.first.into_iter().take(room));
    }
}

/// What one block hands in.
#[derive(Clone, Debug)]
pub struct BlockSamples {
    /// Index of the block.
    pub block: u64,
    /// One list of cell values per trajectory that survived, in index order, with its index.
    pub survivors: Vec<(u64, Vec<f64>)>,
    /// Those that did not, in index order.
    pub diverged: Vec<Divergence>,
}

/// What kind of quantity each cell is, and how its spread is kept: the same for every shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellLayout {
    /// Which cells are logarithms already, and are binned as they are.
    logarithmic: Vec<bool>,
    keep_values: bool,
}

/// A leaf made ready to be taken in, which can be done apart from the statistics.
pub struct BlockMoments {
    block: u64,
    node: Node,
    /// The bins of every cell, trajectory by trajectory; empty where values are kept.
    bins: Vec<i32>,
}

/// Statistics of a range of blocks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Node {
    count: u64,
    mean: Vec<f64>,
    /// Σ (x − mean)².
    squares: Vec<f64>,
    /// Trajectory by trajectory, all cells; empty where values are not kept.
    values: Vec<(u64, Vec<f64>)>,
    diverged: Divergences,
}

/// Statistics of some of the blocks of an ensemble.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    form: CellLayout,
    /// By (level, index): the node of blocks index·2^level … (index + 1)·2^level.
    nodes: BTreeMap<(u32, u64), Node>,
    /// One per cell; empty where values are kept.
    histograms: Vec<Histogram>,
}

/// Statistics of one cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CellStatistics {
    /// Mean over the survivors; NaN where any value is undefined or none survived.
    pub mean: f64,
    /// Sample standard deviation (n − 1); NaN for fewer than two.
    pub deviation: f64,
    /// At [`QUANTILES`]: type 7 where exact, else the middle of a bin.
    pub quantiles: [f64; 5],
}

/// Statistics of the whole ensemble.
pub struct Totals<'a> {
    node: Node,
    form: &'a CellLayout,
    histograms: &'a [Histogram],
}

impl CellLayout {
    /// How many cells each trajectory has.
    pub fn cells(&self) -> usize {
        self.logarithmic.len()
    }

    /// Prepares a leaf: its moments, and the bins its values fall into.
    pub fn condense(&self, leaf: BlockSamples) -> BlockMoments {
        let mut node = Node::empty(self.logarithmic.len());
        node.diverged = Divergences::of(&leaf.diverged);
        let mut bins = Vec::new();
        for (trajectory, values) in leaf.survivors {
            node.take_one(&values);
            if self.keep_values {
                node.values.push((trajectory, values));
            } else {
                let binned = values.iter().zip(&self.logarithmic);
                bins.extend(binned.map(|(&value, &logarithmic)| bin(value, logarithmic)));
            }
        }
        BlockMoments {
            block: leaf.block,
            node,
            bins,
        }
    }
}

impl Statistics {
    /// For an ensemble of `trajectories` in all (whatever part of them this takes in);
    /// `logarithmic` says it of each cell.
    pub fn new(trajectories: u64, logarithmic: Vec<bool>, keep_trajectories: bool) -> Self {
        let keep_values = keep_trajectories || trajectories <= EXACT_QUANTILES;
        let histograms = if keep_values { 0 } else { logarithmic.len() };
        Self {
            form: CellLayout {
                logarithmic,
                keep_values,
            },
            nodes: BTreeMap::new(),
            histograms: vec![Histogram::default(); histograms],
        }
    }

    /// Whether quantiles are exact.
    pub fn is_exact(&self) -> bool {
        self.form.keep_values
    }

    /// What each cell is.
    pub fn form(&self) -> &CellLayout {
        &self.form
    }

    /// Takes a block in.
    pub fn insert(&mut self, leaf: BlockSamples) {
        let condensed = self.form.condense(leaf);
        self.insert_condensed(condensed);
    }

    /// Takes in a block that [`CellLayout::condense`] of this form prepared.
    pub fn insert_condensed(&mut self, leaf: BlockMoments) {
        if !self.histograms.is_empty() {
            for of_one in leaf.bins.chunks_exact(self.histograms.len()) {
                for (histogram, &bin) in self.histograms.iter_mut().zip(of_one) {
                    histogram.add(bin);
                }
            }
        }
        self.insert_node(0, leaf.block, leaf.node);
    }

    fn insert_node(&mut self, mut level: u32, mut index: u64, mut node: Node) {
        while let Some(sibling) = self.nodes.remove(&(level, index ^ 1)) {
            node = if index & 1 == 0 {
                node.merge(sibling)
            } else {
                sibling.merge(node)
            };
            (level, index) = (level + 1, index >> 1);
        }
        self.nodes.insert((level, index), node);
    }

    /// Takes in the statistics of other blocks of the same ensemble: the result has the bits of
    /// one that took in all the blocks itself.
    ///
    /// # Errors
    /// In words, for statistics of another ensemble, or of blocks that are there already.
    pub fn absorb(&mut self, other: Self) -> Result<(), String> {
        if other.form != self.form || !other.is_consistent() {
            return Err("they are statistics of other quantities".to_owned());
        }
        let ours = self.blocks();
        let twice = other
            .blocks()
            .into_iter()
            .find(|b| ours.iter().any(|o| o.start < b.end && b.start < o.end));
        if let Some(blocks) = twice {
            return Err(format!("blocks {blocks:?} are there twice"));
        }
        for ((level, index), node) in other.nodes {
            self.insert_node(level, index, node);
        }
        for (own, new) in self.histograms.iter_mut().zip(&other.histograms) {
            own.merge(new);
        }
        Ok(())
    }

    /// Whether all parts have the sizes they must have.
    fn is_consistent(&self) -> bool {
        let cells = self.form.logarithmic.len();
        let histograms = if self.form.keep_values { 0 } else { cells };
        let node = |(&(level, index), node): (&(u32, u64), &Node)| {
            level < 40
                && index < 1 << 40
                && node.mean.len() == cells
                && node.squares.len() == cells
                && node.values.iter().all(|(_, values)| values.len() == cells)
        };
        self.histograms.len() == histograms && self.nodes.iter().all(node)
    }

    /// The blocks that were taken in, as ascending ranges.
    pub fn blocks(&self) -> Vec<Range<u64>> {
        let mut ranges: Vec<Range<u64>> = self
            .nodes
            .keys()
            .map(|&(level, index)| index << level..(index + 1) << level)
            .collect();
        ranges.sort_by_key(|range| range.start);
        let mut joined: Vec<Range<u64>> = Vec::new();
        for range in ranges {
            match joined.last_mut() {
                Some(last) if last.end == range.start => last.end = range.end,
                _ => joined.push(range),
            }
        }
        joined
    }

    /// The statistics of all blocks that were taken in, in index order.
    pub fn totals(&self) -> Totals<'_> {
        let mut in_order: Vec<(u64, &Node)> = self
            .nodes
            .iter()
            .map(|(&(level, index), node)| (index << level, node))
            .collect();
        in_order.sort_by_key(|&(first, _)| first);
        let empty = Node::empty(self.form.logarithmic.len());
        let node = in_order
            .into_iter()
            .fold(empty, |sum, (_, node)| sum.merge(node.clone()));
        Totals {
            node,
            form: &self.form,
            histograms: &self.histograms,
        }
    }
}

impl Totals<'_> {
    /// How many survived.
    pub fn survivors(&self) -> u64 {
        self.node.count
    }

    /// Those that did not.
    pub fn divergences(&self) -> &Divergences {
        &self.node.diverged
    }

    /// Every trajectory's cells, where kept.
    pub fn trajectories(&self) -> Option<&[(u64, Vec<f64>)]> {
        self.form.keep_values.then_some(self.node.values.as_slice())
    }

    /// The statistics of one cell.
    pub fn cell(&self, cell: usize) -> CellStatistics {
        let node = &self.node;
        if node.count == 0 || !node.mean[cell].is_finite() {
            return CellStatistics {
                mean: f64::NAN,
                deviation: f64::NAN,
                quantiles: [f64::NAN; 5],
            };
        }
        let deviation = if node.count < 2 {
            f64::NAN
        } else {
            (node.squares[cell] / (node.count - 1) as f64).sqrt()
        };
        CellStatistics {
            mean: node.mean[cell],
            deviation,
            quantiles: self.quantiles(cell),
        }
    }

    fn quantiles(&self, cell: usize) -> [f64; 5] {
        if self.form.keep_values {
            let mut sorted: Vec<f64> = self.node.values.iter().map(|(_, v)| v[cell]).collect();
            sorted.sort_unstable_by(f64::total_cmp);
            return QUANTILES.map(|q| quantile_of_sorted(&sorted, q));
        }
        let rank = |q: f64| (q * (self.node.count - 1) as f64).round() as u64;
        QUANTILES.map(|q| {
            let bin = self.histograms[cell].bin_of_rank(rank(q));
            bin.map_or(f64::NAN, |bin| {
                middle_of_bin(bin, self.form.logarithmic[cell])
            })
        })
    }
}

/// The quantile of type 7 (Hyndman and Fan 1996) of sorted values.
pub fn quantile_of_sorted(sorted: &[f64], q: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let place = q * last as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(last);
    let fraction = place - below as f64;
    sorted[below] + fraction * (sorted[above] - sorted[below])
}

/// Bin of a value: its own for logarithmic quantities, that of ln|x| with the sign of x otherwise;
/// values without one (zero, infinite) go to the ends.
fn bin(value: f64, logarithmic: bool) -> i32 {
    if logarithmic {
        return (value / HISTOGRAM_BIN).floor() as i32;
    }
    // ln|x| lies within ±750: 10⁵ bins keep the signs apart and zero between them.
    const OFFSET: f64 = 100_000.0;
    if value == 0.0 {
        0
    } else {
        let place = (libm::log(value.abs()) / HISTOGRAM_BIN).floor() + OFFSET;
        (place.copysign(value)) as i32
    }
}

fn middle_of_bin(bin: i32, logarithmic: bool) -> f64 {
    let bin = f64::from(bin);
    if logarithmic {
        (bin + 0.5) * HISTOGRAM_BIN
    } else if bin == 0.0 {
        0.0
    } else {
        libm::exp((bin.abs() - 100_000.0 + 0.5) * HISTOGRAM_BIN).copysign(bin)
    }
}

impl Node {
    fn empty(cells: usize) -> Self {
        Self {
            count: 0,
            mean: vec![0.0; cells],
            squares: vec![0.0; cells],
            values: Vec::new(),
            diverged: Divergences::default(),
        }
    }

    /// One more trajectory, as [`Node::merge`] would take it in.
    fn take_one(&mut self, values: &[f64]) {
        let before = self.count as f64;
        self.count += 1;
        if self.count == 1 {
            self.mean.copy_from_slice(values);
            return;
        }
        let share = 1.0 / (before + 1.0);
        let moments = self.mean.iter_mut().zip(&mut self.squares);
        for ((mean, squares), &value) in moments.zip(values) {
            let difference = value - *mean;
            *mean += difference * share;
            *squares += difference * difference * (before * share);
        }
    }

    /// Chan, Golub and LeVeque 1983; `other` comes later in index order.
    fn merge(mut self, mut other: Self) -> Self {
        self.diverged.merge(std::mem::take(&mut other.diverged));
        if other.count == 0 {
            return self;
        }
        if self.count == 0 {
            return Self {
                diverged: self.diverged,
                ..other
            };
        }
        let (a, b) = (self.count as f64, other.count as f64);
        let share = b / (a + b);
        for cell in 0..self.mean.len() {
            let difference = other.mean[cell] - self.mean[cell];
            self.mean[cell] += difference * share;
            self.squares[cell] += other.squares[cell] + difference * difference * (a * share);
        }
        self.count += other.count;
        self.values.append(&mut other.values);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(trajectory: u64) -> f64 {
        ((trajectory * 7919) % 1009) as f64 / 100.0 - 3.0
    }

    fn leaf(block: u64) -> BlockSamples {
        let trajectories = block * 8..block * 8 + 8;
        let survivors = trajectories
            .clone()
            .filter(|t| t % 13 != 5)
            .map(|t| (t, vec![value(t), value(t).exp()]))
            .collect();
        let diverged = trajectories
            .filter(|t| t % 13 == 5)
            .map(|trajectory| Divergence {
                trajectory,
                step: 3,
                reason: StopReason::OutOfRange,
            })
            .collect();
        BlockSamples {
            block,
            survivors,
            diverged,
        }
    }

    fn folded(order: &[u64], exact: bool) -> Statistics {
        let count = if exact { 8 } else { EXACT_QUANTILES + 1 };
        let mut statistics = Statistics::new(count, vec![true, false], false);
        for &block in order {
            statistics.insert(leaf(block));
        }
        statistics
    }

    #[test]
    fn the_order_of_blocks_changes_no_bit() {
        let forward: Vec<u64> = (0..37).collect();
        let mut shuffled = forward.clone();
        shuffled.sort_by_key(|b| (b * 31) % 37);
        for exact in [true, false] {
            let (a, b) = (folded(&forward, exact), folded(&shuffled, exact));
            assert_eq!(a, b);
            for cell in 0..2 {
                let (x, y) = (a.totals().cell(cell), b.totals().cell(cell));
                assert_eq!(x.mean.to_bits(), y.mean.to_bits());
            }
        }
    }

    #[test]
    fn parts_merge_to_the_bits_of_the_whole_in_any_order() {
        let all: Vec<u64> = (0..37).collect();
        for exact in [true, false] {
            let whole = folded(&all, exact);
            for cuts in [vec![0, 37], vec![0, 5, 6, 6, 20, 37], (0..=37).collect()] {
                let parts: Vec<&[u64]> = cuts.windows(2).map(|w| &all[w[0]..w[1]]).collect();
                for backwards in [true, false] {
                    let mut sum = folded(&[], exact);
                    let mut take = |blocks: &&[u64]| sum.absorb(folded(blocks, exact)).unwrap();
                    if backwards {
                        parts.iter().rev().for_each(&mut take);
                    } else {
                        parts.iter().for_each(&mut take);
                    }
                    assert_eq!(sum, whole);
                    assert_eq!(sum.blocks().first(), Some(&(0..37)));
                    assert_eq!(sum.blocks().len(), 1);
                }
            }
        }
    }

    #[test]
    fn what_does_not_belong_is_not_absorbed() {
        let mut sum = folded(&[0, 1, 2, 3, 9], true);
        assert_eq!(sum.blocks(), vec![0..4, 9..10]);
        let twice = sum.absorb(folded(&[8, 9], true)).unwrap_err();
        assert!(twice.contains("8..10 are there twice"), "{twice}");
        assert!(sum.absorb(folded(&[5], false)).is_err());
        assert!(sum.absorb(Statistics::new(8, vec![true], false)).is_err());
        sum.absorb(folded(&[5], true)).unwrap();
        assert_eq!(sum.blocks(), vec![0..4, 5..6, 9..10]);
    }

    #[test]
    fn what_is_kept_does_not_grow_with_the_number_of_trajectories() {
        let mut statistics = folded(&[], false);
        for block in 0..20_000 {
            statistics.insert(leaf(block));
            // One node per level of the tree: as many as block + 1 has binary digits that are one.
            assert_eq!(statistics.nodes.len() as u32, (block + 1_u64).count_ones());
        }
        let encoded = |s: &Statistics| postcard::to_stdvec(s).unwrap().len();
        let few = folded(&(0..200).collect::<Vec<_>>(), false);
        assert!(encoded(&statistics) < 4 * encoded(&few));
    }

    #[test]
    fn only_so_many_divergences_are_listed() {
        let blocks: Vec<u64> = (0..400).collect();
        let statistics = folded(&blocks, true);
        let totals = statistics.totals();
        let diverged = totals.divergences();
        assert_eq!(
            diverged.count,
            (0..3200).filter(|t| t % 13 == 5).count() as u64
        );
        let first: Vec<u64> = (0..)
            .filter(|t| t % 13 == 5)
            .take(LISTED_DIVERGENCES)
            .collect();
        let listed: Vec<u64> = diverged.first.iter().map(|d| d.trajectory).collect();
        assert_eq!(listed, first);
    }

    #[test]
    fn moments_and_quantiles_are_those_of_the_values() {
        let statistics = folded(&(0..37).collect::<Vec<_>>(), true);
        let totals = statistics.totals();
        let mut values: Vec<f64> = (0..296).filter(|t| t % 13 != 5).map(value).collect();
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
        let cell = totals.cell(0);
        assert_eq!(totals.survivors(), values.len() as u64);
        assert!(
            (cell.mean - mean).abs() < 1e-13 && (cell.deviation - variance.sqrt()).abs() < 1e-12
        );
        values.sort_by(f64::total_cmp);
        assert_eq!(
            cell.quantiles,
            QUANTILES.map(|q| quantile_of_sorted(&values, q))
        );
        let diverged = totals.divergences();
        assert_eq!(diverged.count, 296 - values.len() as u64);
        assert_eq!(diverged.count, diverged.first.len() as u64);
        assert!(diverged.first.is_sorted_by_key(|d| d.trajectory));
        assert_eq!(diverged.earliest, Some(3));
    }

    #[test]
    fn histogram_quantiles_are_within_half_a_bin() {
        let blocks: Vec<u64> = (0..200).collect();
        let (exact, binned) = (folded(&blocks, true), folded(&blocks, false));
        let (exact, binned) = (exact.totals(), binned.totals());
        for cell in 0..2 {
            let (a, b) = (exact.cell(cell), binned.cell(cell));
            assert_eq!(a.mean.to_bits(), b.mean.to_bits());
            for (x, y) in a.quantiles.into_iter().zip(b.quantiles) {
                let error = if cell == 0 { x - y } else { (x / y).ln() };
                // Half a bin, and the gap between neighbouring values that type 7 interpolates.
                assert!(error.abs() < HISTOGRAM_BIN / 2.0 + 0.011, "{x} {y}");
            }
        }
    }

    #[test]
    fn quantiles_of_type_seven() {
        assert_eq!(quantile_of_sorted(&[1.0, 2.0, 3.0, 4.0], 0.25), 1.75);
        assert_eq!(quantile_of_sorted(&[5.0], 0.95), 5.0);
        assert!(quantile_of_sorted(&[], 0.5).is_nan());
    }

    #[test]
    fn undefined_values_make_the_cell_undefined() {
        let mut statistics = Statistics::new(2, vec![true], false);
        let survivors = vec![(0, vec![1.0]), (1, vec![f64::NEG_INFINITY])];
        statistics.insert(BlockSamples {
            block: 0,
            survivors,
            diverged: vec![],
        });
        assert!(statistics.totals().cell(0).mean.is_nan());
    }
}
