//! What a run measured on its way, look by look, with bounded memory: its series.

use crate::protocol::SlowFrame;
use rankfall::grid::LAW;
use rankfall::summarise::series_row;
use rankfall_core::ensemble::statistics::{BlockSamples, CellStatistics, Totals};
use rankfall_core::measure::layout::Layout;
use rankfall_report::observable::Observable;
use rankfall_report::record::SeriesRow;
use std::collections::BTreeMap;

/// Most looks that are kept.
const MOST_LOOKS: usize = 256;
/// Most numbers that are kept, each with its quantiles: fewer looks of large networks.
const MOST_CELLS: usize = 1 << 15;

/// The four matrices, in the order of a frame, as observables name them.
pub const MATRICES: [&str; 4] = ["theta", "w1", "w2", "product"];

/// Looks at a run from its start on. Where there are too many, every second of them goes, and from
/// then on they are taken at longer distances.
#[derive(Default)]
pub struct RunHistory {
    /// What every trajectory had at the start.
    start: BTreeMap<u64, Vec<f64>>,
    looks: Vec<Look>,
    /// How much later than the last one a look must be.
    distance: f64,
}

/// What was measured at one time.
struct Look {
    time: f64,
    survivors: u64,
    cells: Vec<CellStatistics>,
    slow: Option<SlowFrame>,
}

impl RunHistory {
    /// Keeps what every trajectory has at the start, unless it is there already.
    pub fn begin(&mut self, samples: &[BlockSamples]) {
        if self.start.is_empty() {
            let survivors = samples.iter().flat_map(|block| &block.survivors);
            self.start = survivors.cloned().collect();
        }
    }

    /// Whether a look at this time is to be taken: one that is later than the last by as much as it
    /// must.
    pub fn wants(&self, time: f64) -> bool {
        let last = self.looks.last().map(|look| look.time);
        last.is_none_or(|last| time > last && time >= last + self.distance)
    }

    /// Takes a look, later than all before.
    pub fn take(&mut self, time: f64, layout: &Layout, totals: &Totals, slow: Option<&SlowFrame>) {
        if self.looks.last().is_some_and(|look| time <= look.time) {
            return;
        }
        let cells: Vec<CellStatistics> = (0..layout.observables.len())
            .map(|place| totals.cell(place))
            .collect();
        let most = (MOST_CELLS / cells.len().max(1)).clamp(8, MOST_LOOKS);
        self.looks.push(Look {
            time,
            survivors: totals.survivors(),
            cells,
            slow: slow.cloned(),
        });
        if self.looks.len() > most {
            self.thin(2.0 * time / most as f64);
        }
    }

    fn thin(&mut self, distance: f64) {
        let (mut place, all) = (0, self.looks.len());
        self.looks.retain(|_| {
            place += 1;
            place % 2 == 1 || place == all
        });
        self.distance = distance;
    }

    /// Every observable at every look.
    pub fn series(&self, label: &str, layout: &Layout) -> Vec<SeriesRow> {
        let position = |name: &str| layout.position(name, 0);
        let law_place = position(LAW);
        let mut rows = Vec::new();
        for (place, measured) in layout.observables.iter().enumerate() {
            if measured.name == LAW {
                continue;
            }
            let observable = Observable::measured(measured.name, measured.index);
            for look in &self.looks {
                let law = match measured.name {
                    "log_det" => law_place.map(|at| look.cells[at].mean),
                    name => look.slow_mean(name, measured.index),
                };
                let law = law.filter(|value| value.is_finite());
                let cell = &look.cells[place];
                rows.push(series_row(
                    label,
                    &observable,
                    look.time,
                    cell,
                    look.survivors,
                    law,
                ));
            }
        }
        rows
    }

    /// Samples of two saves, the start and these: of every trajectory that is still there. One that
    /// all shared at the start stands for those that came of it.
    pub fn from_start(&self, now: Vec<BlockSamples>) -> Vec<BlockSamples> {
        let start = |trajectory: u64| self.start.get(&trajectory).or(self.start.get(&0));
        let both = |(trajectory, values): (u64, Vec<f64>)| {
            let before = start(trajectory).cloned();
            let before = before.unwrap_or_else(|| vec![f64::NAN; values.len()]);
            (trajectory, [before, values].concat())
        };
        now.into_iter()
            .map(|block| BlockSamples {
                survivors: block.survivors.into_iter().map(both).collect(),
                ..block
            })
            .collect()
    }
}

impl Look {
    /// What the slow flow says of a singular value.
    fn slow_mean(&self, name: &str, index: u32) -> Option<f64> {
        let matrix = name.strip_prefix("log_singular_value_")?;
        let place = MATRICES.iter().position(|known| *known == matrix)?;
        let slow = self.slow.as_ref()?;
        let at = (index as usize).checked_sub(1)?;
        slow.log_sigma.get(place)?.get(at).copied().flatten()
    }
}
