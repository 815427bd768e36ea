//! What label noise, isotropic noise and mini-batches do to log det M in two linear layers, theory
//! beside measurement: the table of docs/measurements/networks.md and docs/figures/log-det-zoo.png.
//!
//! `cargo run --release -p rankfall --example log_det_zoo` prints and draws them; `quick` after
//! `--` takes fewer states, draws and paths. The states are those of the claims `log-det-…` of
//! `rankfall verify --suite networks --seed 2`.

use std::error::Error;

use rankfall_evidence::Level;
use rankfall_evidence::bench::{Bench, Gallery, NoSupervisor};
use rankfall_evidence::claims::log_det::{D, Path, PathNoise, Task, Zoo, compare, seen};
use rankfall_evidence::decision::Measurement;
use rankfall_evidence::experiments::NoExperiments;
use rankfall_report::axis::Scale;
use rankfall_report::color::Color;
use rankfall_report::figures::style::LAW;
use rankfall_report::legend::LegendEntry;
use rankfall_report::plot::{Area, ErrorBar, Line, Marker, Plot, Side};
use rankfall_report::png;
use rankfall_report::scene::{Dash, Stroke};
use rankfall_report::sheet::{Sharing, Sheet};
use rankfall_report::symbol::Symbol;

/// Widths of the runs; what they are called.
const WIDTHS: [(usize, &str); 4] = [
    (D, "l = d = 5"),
    (D + 1, "l = d + 1"),
    (D + 2, "l = d + 2"),
    (2 * D, "l = 2d"),
];

const KINDS: [Zoo; 3] = [Zoo::LabelNoise, Zoo::MiniBatches, Zoo::Isotropic];

/// η of the runs, and 2Tt tr M⁻¹ at their end under isotropic noise: so small that no path comes
/// near a singular M, where E tr M⁻¹ is infinite for l ≤ d + 1.
const RATE: f64 = 0.01;
const WARMTH: f64 = 0.03;
/// Runs start where tr M⁻¹ is least among the states of so many seeds.
const SEEDS: u64 = 64;

/// Steps of a run, and how many of them lie between two saves.
const STEPS: u64 = 3000;
const EVERY: u64 = 60;

fn main() -> Result<(), Box<dyn Error>> {
    let (level, paths) = match std::env::args().nth(1).as_deref() {
        Some("quick") => (Level::Quick, 32),
        _ => (Level::Full, 256),
    };
    let gallery = Gallery::new(&NoExperiments);
    let bench = Bench::of_seed(2, level, 2, &NoSupervisor, &gallery);
    let mut plots = Vec::new();
    for zoo in KINDS {
        let mut plot = Plot::new(
            format!("Over a run: {}", zoo.name()),
            Side::new(Scale::Linear, "time t"),
            Side::new(Scale::Linear, "log det M, less its start"),
        );
        for (place, (width, name)) in WIDTHS.into_iter().enumerate() {
            let (task, inverse) = well_conditioned(width)?;
            let temperature = 0.5 * WARMTH / (STEPS as f64 * RATE * inverse);
            let runs = bench.each(paths, &|path| {
                let along = PathNoise {
                    zoo,
                    rate: RATE,
                    temperature,
                    trajectory: path as u64,
                };
                task.path(along, STEPS, EVERY)
            })?;
            let (mean, error) = last(&runs, |p| &p.measured);
            let (law, _) = last(&runs, |p| &p.law);
            let t = STEPS as f64 * RATE;
            println!(
                "{}, {name}: log det M at t = {t} {mean:+.4} ± {error:.4}, theory {law:+.4}",
                zoo.name()
            );
            add(&mut plot, &runs, place);
        }
        plots.push(plot);
    }
    for zoo in KINDS {
        plots.push(one_step(&bench, zoo)?);
    }
    let picture = Sheet {
        title: "What noise does to log det M in two linear layers".into(),
        subtitle: "p = 3, k = 2, n = 12; runs without the first-order part of the noise, whose mean is zero; bands hold nine of ten \
                   paths, bars are 95 % intervals".into(),
        description: "Change of log det M over runs and in single steps under three kinds of noise, at four widths, \
                      with theory dashed."
            .into(),
        plots,
        columns: 3,
        sharing: Sharing::Own,
        legend: legend(),
    };
    let path = "docs/figures/log-det-zoo.png";
    std::fs::write(path, png::render(&picture.draw()?)?)?;
    println!("{path}");
    Ok(())
}

/// The state of that width with the least tr M⁻¹.
fn well_conditioned(width: usize) -> Result<(Task, f64), Box<dyn Error>> {
    let mut best: Option<(Task, f64)> = None;
    for seed in 2..2 + SEEDS {
        let task = Task::draw(seed, width)?;
        let inverse = task.inverse_trace()?;
        if best.as_ref().is_none_or(|(_, least)| inverse < *least) {
            best = Some((task, inverse));
        }
    }
    best.ok_or_else(|| "no state was drawn".into())
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Mean and standard error at the last save.
fn last(runs: &[Path], of: fn(&Path) -> &Vec<f64>) -> (f64, f64) {
    let values: Vec<f64> = runs.iter().filter_map(|p| of(p).last().copied()).collect();
    let m = mean(&values);
    let squares: f64 = values.iter().map(|v| (v - m) * (v - m)).sum();
    let n = values.len() as f64;
    (m, (squares / (n * (n - 1.0))).sqrt())
}

/// Widths are told apart by colour and dash.
fn pen(place: usize) -> Stroke {
    let dashes = [Dash::Solid, Dash::Long, Dash::DashDot, Dash::Dotted];
    Stroke {
        color: Color::Series(place),
        width: 3.0,
        dash: dashes[place % dashes.len()],
    }
}

/// Mean and band of the runs, and the mean of what theory says along them.
fn add(plot: &mut Plot, runs: &[Path], place: usize) {
    let times = &runs[0].times;
    let column = |of: fn(&Path) -> &Vec<f64>, save: usize| -> Vec<f64> {
        let mut values: Vec<f64> = runs.iter().map(|p| of(p)[save]).collect();
        values.sort_by(f64::total_cmp);
        values
    };
    let (mut measured, mut law, mut edges) = (Vec::new(), Vec::new(), Vec::new());
    for (save, &t) in times.iter().enumerate() {
        let values = column(|p| &p.measured, save);
        let at = |q: f64| values[(q * (values.len() - 1) as f64).round() as usize];
        measured.push(Some((t, mean(&values))));
        edges.push(Some((t, at(0.05), at(0.95))));
        law.push(Some((t, mean(&column(|p| &p.law, save)))));
    }
    plot.bands.push(Area {
        edges,
        color: Color::Series(place),
        opacity: 0.15,
    });
    plot.lines.push(Line {
        places: measured,
        stroke: pen(place),
        end_label: None,
    });
    plot.lines.push(Line {
        places: law,
        stroke: LAW,
        end_label: None,
    });
}

/// What noise does in one step, against the width.
fn one_step(bench: &Bench<()>, zoo: Zoo) -> Result<Plot, Box<dyn Error>> {
    let mut plot = Plot::new(
        format!("In one step: {}", zoo.name()),
        Side::new(Scale::Linear, "width l"),
        Side::new(Scale::Linear, unit(zoo)),
    );
    let mut theory = Vec::new();
    for (place, (width, name)) in WIDTHS.into_iter().enumerate() {
        let comparison = compare(zoo, width, &seen(bench, zoo, width)?)?;
        let Measurement::Statistical(estimate) = comparison.measured else {
            continue;
        };
        let (x, half) = (width as f64, estimate.half_width(0.95));
        println!(
            "{}, {name}, one step: {:+.4} ± {half:.4}, theory {:+.0}, margin ± {:.4}",
            zoo.name(),
            estimate.value,
            comparison.prediction,
            comparison.margin[1] - comparison.prediction
        );
        theory.push(Some((x, comparison.prediction)));
        plot.bars.push(ErrorBar {
            x,
            low: Some(estimate.value - half),
            high: Some(estimate.value + half),
            color: Color::Series(place),
        });
        plot.marks.push(Marker {
            at: (x, estimate.value),
            symbol: Symbol::of_series(place),
        });
    }
    plot.lines.push(Line {
        places: theory,
        stroke: LAW,
        end_label: None,
    });
    // Zero belongs to the picture: it is what no effect would be.
    plot.lines.push(Line {
        places: vec![Some((D as f64, 0.0)), Some((2.0 * D as f64, 0.0))],
        stroke: Stroke::solid(Color::Grid, 1.0),
        end_label: None,
    });
    Ok(plot)
}

/// What changes are measured in.
fn unit(zoo: Zoo) -> &'static str {
    match zoo {
        Zoo::LabelNoise => "change, in units of 2η²(δ/n) k tr S",
        Zoo::MiniBatches => "change, in units of 2η²(E|x|²|r|² − |A|²)/b",
        Zoo::Isotropic => "change, in units of 2Tη tr M⁻¹",
    }
}

fn legend() -> Vec<LegendEntry> {
    let entry = |(place, (_, name)): (usize, (usize, &str))| LegendEntry {
        symbol: Some(Symbol::of_series(place)),
        bands: vec![(Color::Series(place), 0.15)],
        ..LegendEntry::line(name, pen(place))
    };
    let mut entries: Vec<LegendEntry> = WIDTHS.into_iter().enumerate().map(entry).collect();
    entries.push(LegendEntry::line("theory", LAW));
    entries
}
