//! Predicted against realised drift of singular values, force by force: the table of
//! docs/measurements/networks.md and docs/figures/drift-prediction.png.
//!
//! `cargo run --release -p rankfall --example drift_prediction` prints and draws them; `quick`
//! after `--` takes fewer states and draws. The states are those of the claims `drift-…` of
//! `rankfall verify --suite networks --seed 2`.

use std::error::Error;

use rankfall_evidence::Level;
use rankfall_evidence::bench::{Bench, Gallery, NoSupervisor};
use rankfall_evidence::claims::drift::{NETWORKS, StepChange, Unit, slopes, units};
use rankfall_evidence::decision::{Comparison, Measurement};
use rankfall_evidence::experiments::NoExperiments;
use rankfall_report::axis::{Scale, Tick};
use rankfall_report::color::Color;
use rankfall_report::figures::style::LAW;
use rankfall_report::legend::LegendEntry;
use rankfall_report::plot::{ErrorBar, Line, Marker, Plot, Side};
use rankfall_report::png;
use rankfall_report::sheet::{Sharing, Sheet};
use rankfall_report::symbol::{GlyphShape, Symbol};

const NAMES: [&str; 3] = [
    "two linear layers, 3–5–2",
    "three linear layers, 3–4–4–2",
    "two layers of rectifiers, 3–8–2",
];

/// The number of the state whose forces are drawn one by one: it has label noise.
const SHOWN: usize = 3;

/// A force of a point.
type Force = fn(&StepChange) -> f64;

const FORCES: [(&str, Force); 3] = [
    ("own noise", |p| p.own_noise),
    ("repulsion", |p| p.repulsion),
    ("growth", |p| p.growth),
];

fn main() -> Result<(), Box<dyn Error>> {
    let level = match std::env::args().nth(1).as_deref() {
        Some("quick") => Level::Quick,
        _ => Level::Full,
    };
    let gallery = Gallery::new(&NoExperiments);
    let bench = Bench::of_seed(2, level, 2, &NoSupervisor, &gallery);
    let mut rows: [Vec<Plot>; 3] = Default::default();
    for (network, name) in NETWORKS.into_iter().zip(NAMES) {
        let units = units(&bench, network)?;
        println!("{name}: {} states", units.len());
        for comparison in slopes(&units)? {
            println!("  {}", line(&comparison));
        }
        rows[0].push(whole(&units, name));
        rows[1].push(second_order(&units));
        rows[2].push(forces(&units[SHOWN]));
    }
    let picture = Sheet {
        title: "Drift of singular values: predicted and realised".into(),
        subtitle: "every singular value of every layer; bars are two standard errors of the realised mean; above, those with longer \
                   bars than a quarter of the panel are left out".into(),
        description: "Realised against predicted change of the logarithms of singular values in one step, and the \
                      forces that make it up in one state."
            .into(),
        plots: rows.into_iter().flatten().collect(),
        columns: 3,
        sharing: Sharing::Own,
        legend: legend(),
    };
    let path = "docs/figures/drift-prediction.png";
    std::fs::write(path, png::render(&picture.draw()?)?)?;
    println!("{path}");
    Ok(())
}

/// A slope with its 95 % interval.
fn line(comparison: &Comparison) -> String {
    let Measurement::Statistical(estimate) = comparison.measured else {
        return comparison.what.clone();
    };
    let half = estimate.half_width(0.95);
    let margin = 0.5 * (comparison.margin[1] - comparison.margin[0]);
    format!(
        "{}: {:.4} [{:.4}, {:.4}], margin ± {margin:.4}, alternative {:.3}",
        comparison.what,
        estimate.value,
        estimate.value - half,
        estimate.value + half,
        comparison.alternative.map_or(f64::NAN, |a| a[0])
    )
}

fn own(label: &str) -> Side {
    Side {
        shared: false,
        ..Side::new(Scale::Linear, label)
    }
}

/// The line on which both agree, between the smallest and the largest x.
fn agreement(plot: &mut Plot) {
    let places = || plot.marks.iter().map(|m| m.at.0);
    let (low, high) = (
        places().fold(f64::INFINITY, f64::min),
        places().fold(f64::NEG_INFINITY, f64::max),
    );
    plot.lines.push(Line {
        places: vec![Some((low, low)), Some((high, high))],
        stroke: LAW,
        end_label: None,
    });
}

/// The sign of a kind of noise.
fn symbol(noise: &str) -> Symbol {
    let place = match noise {
        "label noise" => 0,
        "mini-batches, label noise" => 1,
        _ => 2,
    };
    Symbol::of_series(place)
}

/// A prediction that leaves repulsion out.
const WITHOUT: Symbol = Symbol {
    shape: GlyphShape::Triangle,
    color: Color::Muted,
    filled: false,
};

fn put(plot: &mut Plot, x: f64, y: f64, half: f64, symbol: Symbol) {
    plot.bars.push(ErrorBar {
        x,
        low: Some(y - half),
        high: Some(y + half),
        color: symbol.color,
    });
    plot.marks.push(Marker { at: (x, y), symbol });
}

fn whole(units: &[Unit], name: &str) -> Plot {
    let label = "of log σ per unit of time, whole";
    let mut plot = Plot::new(
        name,
        own(&format!("predicted change {label}")),
        own("realised"),
    );
    let predicted = |p: &StepChange| (p.gradient + p.second_order()) / p.rate;
    let all = units.iter().flat_map(|u| &u.points).map(predicted);
    let (low, high) = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| {
        (l.min(x), h.max(x))
    });
    for unit in units {
        for p in &unit.points {
            let half = 2.0 * p.total.error / p.rate;
            if 2.0 * half < 0.25 * (high - low) {
                let y = p.total.mean / p.rate;
                put(&mut plot, predicted(p), y, half, symbol(&unit.noise));
            }
        }
    }
    agreement(&mut plot);
    plot
}

fn second_order(units: &[Unit]) -> Plot {
    let mut plot = Plot::new(
        "Second order: what the noise does",
        own("predicted, over the sum of the sizes of its forces"),
        own("realised, over the same"),
    );
    for unit in units {
        for p in &unit.points {
            let y = p.second.mean / p.size();
            let without = (p.second_order() - p.repulsion) / p.size();
            plot.marks.push(Marker {
                at: (without, y),
                symbol: WITHOUT,
            });
        }
    }
    for unit in units {
        for p in &unit.points {
            let (x, y) = (p.second_order() / p.size(), p.second.mean / p.size());
            let half = 2.0 * p.second.error / p.size();
            put(&mut plot, x, y, half, symbol(&unit.noise));
        }
    }
    agreement(&mut plot);
    plot
}

/// Sign of force number `i`; the realised sum is a disc of ink.
fn force_symbol(i: usize) -> Symbol {
    Symbol {
        filled: false,
        ..Symbol::of_series(i + 3)
    }
}

const REALISED: Symbol = Symbol {
    shape: GlyphShape::Disc,
    color: Color::Ink,
    filled: true,
};

fn forces(unit: &Unit) -> Plot {
    let mut x = own("layer and singular value");
    let tick = |(i, p): (usize, &StepChange)| Tick {
        at: i as f64,
        label: format!("{}, {}", p.layer, p.index),
    };
    x.ticks = Some(unit.points.iter().enumerate().map(tick).collect());
    let title = "One state, force by force";
    let mut plot = Plot::new(title, x, own("share of the sum of their sizes"));
    for (at, p) in unit.points.iter().enumerate() {
        let at = at as f64;
        for (i, (_, force)) in FORCES.iter().enumerate() {
            plot.marks.push(Marker {
                at: (at, force(p) / p.size()),
                symbol: force_symbol(i),
            });
        }
        let sum = p.second_order() / p.size();
        plot.lines.push(Line {
            places: vec![Some((at - 0.3, sum)), Some((at + 0.3, sum))],
            stroke: LAW,
            end_label: None,
        });
        let half = 2.0 * p.second.error / p.size();
        put(&mut plot, at, p.second.mean / p.size(), half, REALISED);
    }
    plot
}

fn legend() -> Vec<LegendEntry> {
    let noises = [
        "label noise",
        "mini-batches, label noise",
        "isotropic noise",
    ];
    let mut entries: Vec<LegendEntry> = noises
        .into_iter()
        .map(|noise| LegendEntry::symbol(noise, symbol(noise)))
        .collect();
    entries.push(LegendEntry::symbol("predicted without repulsion", WITHOUT));
    entries.push(LegendEntry::line("predicted; agreement", LAW));
    for (i, (name, _)) in FORCES.iter().enumerate() {
        entries.push(LegendEntry::symbol(*name, force_symbol(i)));
    }
    entries.push(LegendEntry::symbol("realised", REALISED));
    entries
}
