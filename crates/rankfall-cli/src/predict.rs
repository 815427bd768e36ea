//! `rankfall predict`: what will happen, without simulating it, as a table or as JSON.

use crate::arguments::predict::PredictArguments;
use rankfall::experiment::Experiment;
use rankfall::failure::Failure;
use rankfall::forecast::settings::RankSetting;
use rankfall::forecast::{DynamicsForecast, Forecast, MatrixForecast, figure, forecast};
use rankfall_report::number::{compact, from_natural_log, significant, subscript};
use rankfall_report::table::Table;
use serde_json::json;

/// `rankfall predict`.
///
/// # Errors
/// Exit code 2 for what is wrong with the experiment or its data.
pub fn predict(arguments: &PredictArguments) -> Result<(), Failure> {
    let read = Experiment::load(&arguments.experiment, &arguments.sets)?;
    let experiment = read.exact().map_err(|problem| {
        problem.in_file(&rankfall::failure::shown_path(&arguments.experiment))
    })?;
    let predicted = forecast(experiment.clone())?;
    if let Some(path) = &arguments.figure {
        figure::write(&predicted, path)?;
    }
    let settings = match arguments.rank.zip(arguments.steps) {
        Some((rank, steps)) => predicted.settings_for_rank(&experiment, rank, steps as f64),
        None => Vec::new(),
    };
    if arguments.json {
        let value = json!({ "forecast": predicted, "settings": settings });
        return crate::print_json(&format!("{value:#}\n"));
    }
    crate::print(&text(&predicted, &settings))
}

fn text(forecast: &Forecast, settings: &[RankSetting]) -> String {
    let mut text = String::new();
    for one in &forecast.dynamics {
        text += &of_dynamics(forecast, one);
        text.push('\n');
    }
    if !settings.is_empty() {
        text += &of_settings(settings);
    }
    for warning in &forecast.warnings {
        text += &format!("note: {warning}\n");
    }
    text
}

fn of_dynamics(forecast: &Forecast, one: &DynamicsForecast) -> String {
    let mut text = one.label.clone();
    if one.noise_intensity > 0.0 {
        text += &format!(", ν = {}", compact(one.noise_intensity, 3));
    }
    if let Some(rows) = one.row_noise_intensity {
        text += &format!(", noise of rows {}", compact(rows, 3));
    }
    text.push('\n');
    if let Some(reason) = &one.reason {
        text += &format!("  no fall is predicted: {reason}\n");
        text += &stable_step(one);
        return text;
    }
    let mut lines = Vec::new();
    for matrix in one.layers() {
        for fall in &matrix.falls {
            lines.push(vec![
                format!("σ{} of {}", subscript(fall.index), matrix.symbol()),
                compact(fall.time, 4),
                compact(fall.steps, 4),
                compact(fall.epochs, 4),
            ]);
        }
    }
    if !lines.is_empty() {
        text += &table(&["singular value", "falls at t", "steps", "epochs"], lines);
    }
    let ranks: Vec<String> = one.matrices.iter().map(rank).collect();
    text += &format!(
        "  ranks at t = {}: {}\n",
        compact(forecast.time, 4),
        ranks.join(", ")
    );
    if let Some([start, end]) = one.log_det {
        text += &format!("  log det M: {} → {}\n", compact(start, 6), compact(end, 6));
    }
    if let Some(cost) = one.excess_loss {
        text += &format!(
            "  the noise costs a training loss of {}\n",
            compact(cost, 3)
        );
    }
    if let Some(quiet) = one.quiet_until {
        text += &format!(
            "  next to nothing happens before t = {}\n",
            compact(quiet, 2)
        );
    }
    text += &stable_step(one);
    if let Some(order) = one.error_order {
        text += &format!(
            "  small-noise limit: times and falls of log σ to a relative {}\n",
            compact(order, 2)
        );
    }
    text
}

fn rank(matrix: &MatrixForecast) -> String {
    let (now, last) = (matrix.rank_at_end, matrix.survivors);
    let least = matrix
        .log_singular_values
        .last()
        .copied()
        .unwrap_or(f64::NAN);
    let then = if now == last {
        String::new()
    } else {
        format!(", {last} in the end")
    };
    format!(
        "{} {now} (σ down to {}{then})",
        matrix.symbol(),
        from_natural_log(least, 2)
    )
}

fn stable_step(one: &DynamicsForecast) -> String {
    match one.largest_stable_step {
        Some(step) => format!("  steps up to about {} are stable\n", significant(step, 2)),
        None => String::new(),
    }
}

fn of_settings(settings: &[RankSetting]) -> String {
    let mut lines = Vec::new();
    for one in settings {
        let value = |v: Option<f64>, none: &str| v.map_or(none.to_owned(), |v| compact(v, 3));
        let is_unknown = one.from.or(one.until).is_none() && one.reason.is_some();
        let [least, most] = if is_unknown {
            ["–", "–"]
        } else {
            ["0", "any"]
        };
        lines.push(vec![
            one.label.clone(),
            one.key.clone(),
            value(one.from, least),
            value(one.until, most),
        ]);
    }
    let mut text = table(&["dynamics", "set", "from", "below"], lines);
    for one in settings {
        if let Some(reason) = &one.reason {
            text += &format!("note: {} of {}: {reason}\n", one.key, one.label);
        }
    }
    text
}

fn table(headings: &[&str], rows: Vec<Vec<String>>) -> String {
    let headings = headings.iter().map(|&heading| heading.to_owned()).collect();
    Table { headings, rows }.to_text()
}
