//! Statistics over trajectories, folded along a fixed binary tree over blocks.
//!
//! A block of trajectories is a leaf; two nodes merge only with their sibling in the tree. The
//! result therefore has the same bits whatever the order in which blocks finish, the number of
//! threads, or the division into shards.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Up to this many trajectories every value is kept and quantiles are exact.
pub const EXACT_QUANTILES: u64 = 1024;

/// Bins of ln|x| (or of x, for logarithmic quantities) beyond [`EXACT_QUANTILES`].
pub const HISTOGRAM_BIN: f64 = 1.0 / 64.0;

/// The quantiles that are reported.
pub const QUANTILES: [f64; 5] = [0.05, 0.25, 0.5, 0.75, 0.95];

/// A trajectory that was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diverged {
    /// Its index.
    pub trajectory: u64,
    /// The step at which it was stopped.
    pub step: u64,
}

/// What one block hands in.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// Index of the block.
    pub block: u64,
    /// One list of cell values per trajectory that survived, in index order, with its index.
    pub survivors: Vec<(u64, Vec<f64>)>,
    /// Those that did not.
    pub diverged: Vec<Diverged>,
}

/// How the spread of values is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Spread {
    /// Every value: trajectory by trajectory, all cells.
    Exact(Vec<(u64, Vec<f64>)>),
    /// Counts per bin, one sorted list per cell.
    Histogram(Vec<Vec<(i32, u64)>>),
}

/// Statistics of a range of blocks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Node {
    count: u64,
    mean: Vec<f64>,
    /// Σ (x − mean)².
    squares: Vec<f64>,
    spread: Spread,
    diverged: Vec<Diverged>,
}

/// Statistics of some of the blocks of an ensemble.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    /// Which cells are logarithms already, and are binned as they are.
    logarithmic: Vec<bool>,
    keep_values: bool,
    /// By (level, index): the node of blocks index·2^level … (index + 1)·2^level.
    nodes: BTreeMap<(u32, u64), Node>,
}

/// Statistics of one cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// Mean over the survivors; NaN where any value is undefined or none survived.
    pub mean: f64,
    /// Sample standard deviation (n − 1); NaN for fewer than two.
    pub deviation: f64,
    /// At [`QUANTILES`]: type 7 where exact, else the middle of a bin.
    pub quantiles: [f64; 5],
}

/// Statistics of the whole ensemble.
pub struct Totals {
    node: Node,
    logarithmic: Vec<bool>,
}

impl Statistics {
    /// For an ensemble of `trajectories` in all; `logarithmic` says it of each cell.
    pub fn new(trajectories: u64, logarithmic: Vec<bool>, keep_trajectories: bool) -> Self {
        let keep_values = keep_trajectories || trajectories <= EXACT_QUANTILES;
        Self {
            logarithmic,
            keep_values,
            nodes: BTreeMap::new(),
        }
    }

    /// Whether quantiles are exact.
    pub fn is_exact(&self) -> bool {
        self.keep_values
    }

    /// Takes a block in.
    pub fn insert(&mut self, leaf: Leaf) {
        let node = Node::of(&leaf, &self.logarithmic, self.keep_values);
        let (mut level, mut index) = (0, leaf.block);
        let mut node = node;
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

    /// The statistics of all blocks that were taken in, in index order.
    pub fn totals(&self) -> Totals {
        let mut in_order: Vec<(u64, &Node)> = self
            .nodes
            .iter()
            .map(|(&(level, index), node)| (index << level, node))
            .collect();
        in_order.sort_by_key(|&(first, _)| first);
        let empty = Node::empty(self.logarithmic.len(), self.keep_values);
        let node = in_order
            .into_iter()
            .fold(empty, |sum, (_, node)| sum.merge(node.clone()));
        Totals {
            node,
            logarithmic: self.logarithmic.clone(),
        }
    }
}

impl Totals {
    /// How many survived.
    pub fn survivors(&self) -> u64 {
        self.node.count
    }

    /// Those that did not, in index order.
    pub fn diverged(&self) -> &[Diverged] {
        &self.node.diverged
    }

    /// Every trajectory's cells, where kept.
    pub fn trajectories(&self) -> Option<&[(u64, Vec<f64>)]> {
        match &self.node.spread {
            Spread::Exact(values) => Some(values),
            Spread::Histogram(_) => None,
        }
    }

    /// The statistics of one cell.
    pub fn cell(&self, cell: usize) -> Cell {
        let node = &self.node;
        if node.count == 0 || !node.mean[cell].is_finite() {
            return Cell {
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
        Cell {
            mean: node.mean[cell],
            deviation,
            quantiles: self.quantiles(cell),
        }
    }

    fn quantiles(&self, cell: usize) -> [f64; 5] {
        match &self.node.spread {
            Spread::Exact(values) => {
                let mut sorted: Vec<f64> = values.iter().map(|(_, v)| v[cell]).collect();
                sorted.sort_by(f64::total_cmp);
                QUANTILES.map(|q| quantile_of_sorted(&sorted, q))
            }
            Spread::Histogram(bins) => QUANTILES
                .map(|q| bin_quantile(&bins[cell], self.node.count, q, self.logarithmic[cell])),
        }
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

fn bin_quantile(bins: &[(i32, u64)], count: u64, q: f64, logarithmic: bool) -> f64 {
    let rank = (q * (count - 1) as f64).round() as u64;
    let mut seen = 0;
    for &(bin, here) in bins {
        seen += here;
        if rank < seen {
            return middle_of_bin(bin, logarithmic);
        }
    }
    f64::NAN
}

impl Node {
    fn empty(cells: usize, keep_values: bool) -> Self {
        let spread = if keep_values {
            Spread::Exact(Vec::new())
        } else {
            Spread::Histogram(vec![Vec::new(); cells])
        };
        Self {
            count: 0,
            mean: vec![0.0; cells],
            squares: vec![0.0; cells],
            spread,
            diverged: Vec::new(),
        }
    }

    fn of(leaf: &Leaf, logarithmic: &[bool], keep_values: bool) -> Self {
        let mut node = Self::empty(logarithmic.len(), keep_values);
        node.diverged = leaf.diverged.clone();
        for (trajectory, values) in &leaf.survivors {
            node = node.merge(Self::of_one(*trajectory, values, logarithmic, keep_values));
        }
        node
    }

    fn of_one(trajectory: u64, values: &[f64], logarithmic: &[bool], keep_values: bool) -> Self {
        let spread = if keep_values {
            Spread::Exact(vec![(trajectory, values.to_vec())])
        } else {
            let bins = values.iter().zip(logarithmic);
            Spread::Histogram(bins.map(|(&v, &log)| vec![(bin(v, log), 1)]).collect())
        };
        let squares = vec![0.0; values.len()];
        Self {
            count: 1,
            mean: values.to_vec(),
            squares,
            spread,
            diverged: Vec::new(),
        }
    }

    /// Chan, Golub and LeVeque 1983; `other` comes later in index order.
    fn merge(mut self, other: Self) -> Self {
        self.diverged.extend(other.diverged);
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
        match (&mut self.spread, other.spread) {
            (Spread::Exact(own), Spread::Exact(new)) => own.extend(new),
            (Spread::Histogram(own), Spread::Histogram(new)) => {
                for (own, new) in own.iter_mut().zip(new) {
                    *own = merge_bins(own, &new);
                }
            }
            // One ensemble keeps all its values or none.
            (own, new) => *own = new,
        }
        self
    }
}

/// Adds the counts of two sorted lists of bins.
fn merge_bins(a: &[(i32, u64)], b: &[(i32, u64)]) -> Vec<(i32, u64)> {
    let mut out = Vec::with_capacity(a.len() + b.len());
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        let take_a = j == b.len() || (i < a.len() && a[i].0 <= b[j].0);
        let take_b = i == a.len() || (j < b.len() && b[j].0 <= a[i].0);
        let bin = if take_a { a[i].0 } else { b[j].0 };
        let mut count = 0;
        if take_a {
            count += a[i].1;
            i += 1;
        }
        if take_b {
            count += b[j].1;
            j += 1;
        }
        out.push((bin, count));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(trajectory: u64) -> f64 {
        ((trajectory * 7919) % 1009) as f64 / 100.0 - 3.0
    }

    fn leaf(block: u64) -> Leaf {
        let trajectories = block * 8..block * 8 + 8;
        let survivors = trajectories
            .clone()
            .filter(|t| t % 13 != 5)
            .map(|t| (t, vec![value(t), value(t).exp()]))
            .collect();
        let diverged = trajectories
            .filter(|t| t % 13 == 5)
            .map(|trajectory| Diverged {
                trajectory,
                step: 3,
            })
            .collect();
        Leaf {
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
        assert_eq!(totals.diverged().len(), 296 - values.len());
        assert!(totals.diverged().is_sorted_by_key(|d| d.trajectory));
    }

    #[test]
    fn histogram_quantiles_are_within_half_a_bin() {
        let blocks: Vec<u64> = (0..200).collect();
        let (exact, binned) = (
            folded(&blocks, true).totals(),
            folded(&blocks, false).totals(),
        );
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
        statistics.insert(Leaf {
            block: 0,
            survivors,
            diverged: vec![],
        });
        assert!(statistics.totals().cell(0).mean.is_nan());
    }
}
