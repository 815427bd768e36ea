//! What is printed at the end of a run, a shard or a sweep: tables for people, JSON for programs.

use rankfall::failure::{Failure, quoted, shown_path};
use rankfall::run::{Content, FinishedFolder};
use rankfall::run_folder::partial::{ShardKind, ShardRecord};
use rankfall::run_folder::{REPORT, SWEEP, json as json_text, summary_as_written};
use rankfall::sweep::record::SweepSummary;
use rankfall_report::record::Summary;
use rankfall_report::table;

/// Prints what a person, or with `json` a program, wants to see at the end.
///
/// # Errors
/// Exit code 1 where standard output cannot be written.
pub fn print(done: &FinishedFolder, json: bool) -> Result<(), Failure> {
    if json {
        return match &done.content {
            Content::Shard(record) => crate::print_json(&json_text("the shard", record)?),
            _ => crate::print_json(&summary_as_written(&done.path)?),
        };
    }
    let text = match &done.content {
        Content::Run(summary) => run(summary) + &files(done),
        Content::Sweep(summary) => sweep(summary, done) + &files(done),
        Content::Shard(record) => shard(record, done),
    };
    crate::print(&text)
}

fn run(summary: &Summary) -> String {
    let engine = format!("\n{} engine: {}\n", summary.engine, summary.engine_reason);
    table::to_text(summary) + &engine + &notes(&summary.warnings)
}

fn sweep(summary: &SweepSummary, done: &FinishedFolder) -> String {
    let axes: Vec<&str> = summary.axes.iter().map(|a| a.key.as_str()).collect();
    let mut text = format!("{} points over {}\n", summary.points, axes.join(" × "));
    for d in &summary.dynamics {
        let said = d.ranges.iter().map(|range| {
            let what = match (range.metric.as_str(), range.index) {
                ("effective_rank_theta", _) => "effective rank of Θ".to_owned(),
                ("surviving_singular_values", _) => "surviving singular values of Θ".to_owned(),
                (name, 0) => name.replace('_', " "),
                (name, index) => format!("{} {index}", name.replace('_', " ")),
            };
            format!("{what} {:.3} to {:.3}", range.least, range.most)
        });
        let said: Vec<String> = said.collect();
        let said = match said.is_empty() {
            true => "no numbers".to_owned(),
            false => said.join(", "),
        };
        text += &format!(
            "{}: at the end {said}; {} points with divergence, {} without a survivor\n",
            d.label, d.points_with_divergence, d.points_without_survivors
        );
    }
    text += &notes(&summary.warnings);
    if !done.before {
        text += &format!("the table is {}/{SWEEP}\n", shown_path(&done.path));
    }
    text
}

fn notes(warnings: &[String]) -> String {
    warnings.iter().map(|w| format!("note: {w}\n")).collect()
}

/// Where figures and report are, or that nothing was changed.
fn files(done: &FinishedFolder) -> String {
    match &done.drawing {
        Some(drawing) => drawing.listing(&done.path),
        None => {
            let shown = shown_path(&done.path);
            let note = match done.path.join(REPORT).exists() {
                true => String::new(),
                false => format!("note: it has no report; rankfall plot {shown} draws it\n"),
            };
            format!("{shown} was finished already; nothing was changed\n{note}")
        }
    }
}

fn shard(record: &ShardRecord, done: &FinishedFolder) -> String {
    let (which, shown) = (record.which(), shown_path(&done.path));
    let whole = match record.of {
        ShardKind::Run => "run",
        ShardKind::Sweep => "sweep",
    };
    let end = match done.before {
        true => format!("was finished in {shown} already; nothing was changed"),
        false => format!(
            "is in {shown}; rankfall merge makes the {whole} of all {}",
            which.count
        ),
    };
    if record.of == ShardKind::Sweep {
        let points = record.parts.iter().map(|part| part.count).sum::<u64>();
        let experiment = quoted(&record.experiment);
        return format!("shard {which} of {experiment}, {points} points, {end}\n");
    }
    let lines = record.parts.iter().map(|part| {
        format!(
            "{}: {} trajectories, {} diverged, {:.1} s\n",
            part.label, part.count, part.diverged, part.seconds
        )
    });
    lines.collect::<String>() + &format!("shard {which} {end}\n")
}
