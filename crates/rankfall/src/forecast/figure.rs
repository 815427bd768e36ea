//! The picture of a forecast: every singular value of the layers relative to the largest, over
//! time, down through the rank tolerance.

use super::{DynamicsForecast, Forecast, MatrixForecast};
use crate::failure::{Failure, shown_path};
use crate::run_folder::atomic::write_whole;
use rankfall_report::axis::Scale;
use rankfall_report::color::Color;
use rankfall_report::number::compact;
use rankfall_report::plot::{Line, Plot, Side};
use rankfall_report::scene::{Dash, Scene, Stroke};
use rankfall_report::sheet::{Sharing, Sheet, SkipReason};
use rankfall_report::{png, svg};
use std::path::Path;

/// More noise intensities than this are too many for one sheet.
const MOST_INTENSITIES: usize = 4;
/// How many decades below the tolerance are shown.
const DECADES_BELOW: f64 = 4.0;

/// The pen of the tolerance and of the end of the run.
const EDGE: Stroke = Stroke {
    color: Color::Ink,
    width: 1.0,
    dash: Dash::Dotted,
};

/// Draws W₁ and W₂ at each noise intensity at which a fall is predicted.
///
/// # Errors
/// Why there is nothing to draw.
pub fn draw(forecast: &Forecast) -> Result<Scene, SkipReason> {
    // Singular values depend on the noise alone.
    let mut distinct: Vec<Vec<&DynamicsForecast>> = Vec::new();
    let falls = |one: &&DynamicsForecast| one.reason.is_none() && !one.times.is_empty();
    for one in forecast.dynamics.iter().filter(falls) {
        let same = |all: &&mut Vec<&DynamicsForecast>| noise(all[0]) == noise(one);
        match distinct.iter_mut().find(same) {
            Some(all) => all.push(one),
            None => distinct.push(vec![one]),
        }
    }
    let shown = distinct.len().min(MOST_INTENSITIES);
    let plots: Vec<Plot> = distinct[..shown]
        .iter()
        .flat_map(|all| {
            all[0]
                .layers()
                .map(|matrix| panel(forecast, all[0], matrix))
        })
        .collect();
    let whose = distinct.iter().map(|all| {
        let labels: Vec<&str> = all.iter().map(|one| one.label.as_str()).collect();
        format!("{}: {}.", noise(all[0]), labels.join(", "))
    });
    let title = format!("What is predicted of {}", forecast.experiment);
    let left_out = match distinct.len() - shown {
        0 => String::new(),
        more => format!(" Not drawn: {more} more."),
    };
    let sheet = Sheet {
        description: format!(
            "{title}: singular values of W₁ and W₂ over time, {} panels.",
            plots.len()
        ),
        title,
        subtitle: format!(
            "slow flow, the limit of small noise · rankfall {}",
            env!("CARGO_PKG_VERSION")
        ),
        plots,
        columns: 2,
        sharing: Sharing::Own,
        legend: Vec::new(),
    };
    let pens = format!("Dotted: the rank tolerance and, upright, the end of the run.{left_out}");
    let notes: Vec<String> = whose.chain([pens]).collect();
    sheet.draw_with_notes(&notes)
}

/// Draws into a file, as its ending says.
///
/// # Errors
/// Exit code 2 where nothing can be drawn, or for another ending than `.svg` and `.png`; exit code
/// 1 where the file cannot be written.
pub fn write(forecast: &Forecast, path: &Path) -> Result<(), Failure> {
    let scene = draw(forecast)
        .map_err(|skipped| Failure::input(format!("there is nothing to draw: {skipped}")))?;
    let content = match path.extension().and_then(|ending| ending.to_str()) {
        Some("svg") => svg::render(&scene).into_bytes(),
        Some("png") => png::render(&scene).map_err(|error| Failure::input(error.to_string()))?,
        _ => {
            let words = format!("{} ends neither in .svg nor in .png", shown_path(path));
            return Err(Failure::input(words));
        }
    };
    write_whole(path, &content)
}

/// The noise that singular values depend on.
fn noise(one: &DynamicsForecast) -> String {
    let labels = format!("ν = {}", compact(one.noise_intensity, 3));
    match one.row_noise_intensity {
        Some(rows) => format!("{labels}, of rows {}", compact(rows, 3)),
        None => labels,
    }
}

fn panel(forecast: &Forecast, one: &DynamicsForecast, matrix: &MatrixForecast) -> Plot {
    let symbol = matrix.symbol();
    let mut plot = Plot::new(
        format!("{symbol}, {}", noise(one)),
        Side::new(Scale::Decades, "time t"),
        Side::new(Scale::Decades, format!("σ / σ₁ of {symbol}")),
    );
    let tolerance = forecast.rank_tolerance.log10();
    let lowest = tolerance - DECADES_BELOW;
    let count = matrix.log_singular_values.len();
    let x: Vec<Option<f64>> = one.times.iter().map(|&t| Scale::Decades.place(t)).collect();
    for index in 0..count {
        let places = x.iter().zip(&matrix.curves).map(|(x, logs)| {
            let y = Scale::place_of_log(logs[index] - logs[0])?;
            Some(((*x)?, y)).filter(|_| y >= lowest)
        });
        plot.lines.push(Line {
            places: places.collect(),
            stroke: Stroke::solid(Color::of_part(index, count), 1.8),
            end_label: None,
        });
    }
    let ends = x
        .iter()
        .flatten()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &x| {
            (low.min(x), high.max(x))
        });
    plot.lines
        .push(straight((ends.0, tolerance), (ends.1, tolerance)));
    if let Some(end) = Scale::Decades.place(forecast.time) {
        plot.lines.push(straight((end, lowest), (end, 0.0)));
    }
    plot
}

fn straight(from: (f64, f64), to: (f64, f64)) -> Line {
    Line {
        places: vec![Some(from), Some(to)],
        stroke: EDGE,
        end_label: None,
    }
}
