//! `rankfall inspect` as a library: from paths to an inspection or a comparison, and from there to
//! files.

use crate::failure::{Failure, shown_path};
use crate::results::Drawing;
use crate::run_folder::atomic::{remove_leftovers, write_atomically, write_whole};
use crate::run_folder::{self, REPORT};
use crate::watch::Watch;
use rankfall_checkpoints::{Checkpoint, CheckpointError, find};
use rankfall_data::parquet_columns::{
    ByteArray, ColumnContent, ColumnValues, TableColumn, TableWriter,
};
use rankfall_inspect::columns::{self, COLUMNS, Cell};
use rankfall_inspect::compare::{self, CheckpointComparison};
use rankfall_inspect::plan::{Choice, Plan};
use rankfall_inspect::record::{Inspection, Row};
use rankfall_inspect::saved::{self, Saved};
use rankfall_inspect::{estimate, figures, inspect, table};
use rankfall_report::{Listing, listing_page};
use std::path::{Path, PathBuf};

/// From so many seconds on an estimate is given before an inspection starts.
pub const LONG: f64 = 10.0;
/// Steps of progress for the whole of an inspection.
const PROGRESS: f64 = 1e6;

/// What to inspect, and how.
#[derive(Clone, Debug)]
pub struct InspectionRequest {
    /// Files, folders or patterns.
    pub paths: Vec<PathBuf>,
    /// Which tensors, and how fused ones are taken.
    pub choice: Choice,
    /// Threads; the numbers do not depend on them.
    pub threads: usize,
    /// A folder for record, figures and report; spectra that are done are kept there until
    /// [`write()`] is through.
    pub out: Option<PathBuf>,
    /// Whether to go on with what a stopped inspection left in that folder.
    pub resume: bool,
}

/// Inspects the checkpoints that the paths mean.
///
/// A file that is asked for by name has to be readable; of a folder, those that are not are rows
/// with a reason.
///
/// # Errors
/// Exit code 2 for paths without a checkpoint.
pub fn run(request: &InspectionRequest, watch: &dyn Watch) -> Result<Inspection, Failure> {
    let plan = plan(request)?;
    let expected = estimate::seconds(&plan, request.threads);
    if expected > LONG {
        let jobs = plan.jobs.len();
        log::warn!(
            "{jobs} matrices will take about {expected:.0} s; --layers chooses some of them"
        );
    }
    let saved = match &request.out {
        Some(folder) => Some(open_saved(folder, request.resume)?),
        None => None,
    };
    let watching = Watching(watch);
    watch.begin("inspect");
    let inspection = inspect::inspect(plan, request.threads, saved.as_ref(), &watching);
    watch.end();
    Ok(inspection)
}

/// Compares the two checkpoints of a request.
///
/// # Errors
/// Exit code 2 where the paths do not mean two checkpoints.
pub fn compare(
    request: &InspectionRequest,
    watch: &dyn Watch,
) -> Result<CheckpointComparison, Failure> {
    let found = checkpoints(&request.paths)?;
    let [a, b] = &found[..] else {
        let message = format!(
            "--compare takes two checkpoints, and these paths mean {}",
            found.len()
        );
        return Err(Failure::input(message).hint("rankfall inspect --compare BEFORE AFTER"));
    };
    let plan_of = |path: &Path| -> Result<Plan, Failure> {
        let mut plan = Plan::default();
        plan.add(
            &Checkpoint::open(path).map_err(|e| failure(&e))?,
            &request.choice,
        );
        Ok(plan)
    };
    let (a, b) = (plan_of(a)?, plan_of(b)?);
    watch.begin("compare");
    let comparison = compare::compare(a, b, request.threads, &Watching(watch));
    watch.end();
    Ok(comparison)
}

/// All checkpoints of all paths, each once.
fn checkpoints(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut all: Vec<PathBuf> = Vec::new();
    for path in paths {
        for found in find(path).map_err(|e| failure(&e))? {
            if !all.contains(&found) {
                all.push(found);
            }
        }
    }
    Ok(all)
}

fn failure(error: &CheckpointError) -> Failure {
    let failure = Failure::input(format!("{}: {}", shown_path(&error.path), error.detail));
    match &error.cure {
        Some(cure) => failure.hint(cure.clone()),
        None => failure,
    }
}

fn plan(request: &InspectionRequest) -> Result<Plan, Failure> {
    let found = checkpoints(&request.paths)?;
    let mut opened: Vec<Checkpoint> = Vec::new();
    let mut plan = Plan::default();
    let mut broken = Vec::new();
    for path in &found {
        match Checkpoint::open(path) {
            Ok(checkpoint) => opened.push(checkpoint),
            Err(error) if request.paths.contains(path) => return Err(failure(&error)),
            Err(error) => broken.push(Row {
                name: shown_path(path),
                file: path.display().to_string(),
                reason: Some(error.detail),
                role: "weight",
                ..Row::default()
            }),
        }
    }
    // Along training; those without a step in the order of their names.
    opened.sort_by_key(|checkpoint| checkpoint.step.unwrap_or(u64::MAX));
    opened
        .iter()
        .for_each(|checkpoint| plan.add(checkpoint, &request.choice));
    plan.rows.extend(broken);
    Ok(plan)
}

fn open_saved(folder: &Path, resume: bool) -> Result<Saved, Failure> {
    let made = std::fs::create_dir_all(folder).and_then(|()| Saved::open(folder, resume));
    made.map_err(|error| Failure::writing(folder, &error))
}

/// Hands on progress in whole numbers.
struct Watching<'a>(&'a dyn Watch);

impl inspect::InspectionWatch for Watching<'_> {
    fn progress(&self, done: f64, total: f64) {
        self.0
            .progress((done / total * PROGRESS) as u64, PROGRESS as u64);
    }

    fn interrupted(&self) -> bool {
        self.0.interrupted()
    }
}

/// Writes record, table, figures and report into a folder. The spectra that were kept there go
/// last, and stay where some are missing: whoever is stopped on the way resumes from them.
///
/// # Errors
/// Exit code 1 where a file cannot be written.
pub fn write(inspection: &Inspection, folder: &Path, command: &str) -> Result<Drawing, Failure> {
    std::fs::create_dir_all(folder.join(run_folder::FIGURES))
        .map_err(|e| Failure::writing(folder, &e))?;
    let (json, csv) = (json(inspection)?, folder.join("singular-values.csv"));
    write_whole(&folder.join("inspection.json"), json.as_bytes())?;
    write_csv(inspection, &csv, true)?;
    let figures = figures::all(inspection);
    let page = page(inspection, &figures, command);
    let mut drawing = Drawing::of(figures);
    drawing.files.push((REPORT.to_owned(), page.into_bytes()));
    drawing.write(folder)?;
    if !inspection.interrupted {
        saved::remove(folder);
    }
    remove_leftovers(folder);
    remove_leftovers(&folder.join(run_folder::FIGURES));
    Ok(drawing)
}

fn page(inspection: &Inspection, figures: &[rankfall_report::Figure], command: &str) -> String {
    let cells = |row: &Row| {
        let cell = |name: &&str| {
            let found = COLUMNS.iter().find(|(column, _)| column == name);
            found.map_or_else(String::new, |(_, cell)| shown(&cell(row)))
        };
        SHOWN.iter().map(cell).collect()
    };
    let rows: Vec<Vec<String>> = inspection.tensors.iter().map(cells).collect();
    listing_page(&Listing {
        title: &format!("Spectra of {}", figures::subject(inspection)),
        origin: &table::totals(inspection).trim_end().replace('\n', "; "),
        warnings: &inspection.notes,
        headings: &SHOWN,
        rows: &rows,
        legend: "Rank: singular values above tolerance times the largest, the tolerance being the longer side times ε \
                 of the precision of storage. alpha, alpha_distance: exponent and distance of WeightWatcher's power \
                 law. error_bound: no singular value is wrong by more.",
        figures,
        command,
    })
}

/// Columns of the report; all of them are in `inspection.json`.
const SHOWN: [&str; 15] = [
    "name",
    "shape",
    "dtype",
    "matrix",
    "sigma_max",
    "sigma_min",
    "error_bound",
    "numerical_rank",
    "effective_rank",
    "stable_rank",
    "log_abs_det",
    "alpha",
    "alpha_distance",
    "mp_share",
    "reason",
];

fn shown(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => text.clone().unwrap_or_default(),
        Cell::Whole(n) => n.map(|n| n.to_string()).unwrap_or_default(),
        Cell::Real(x) => x
            .map(|x| rankfall_report::number::compact(x, 4))
            .unwrap_or_default(),
        Cell::Truth(is) => is.to_string(),
    }
}

/// An inspection or a comparison as `--json` prints it.
///
/// # Errors
/// Exit code 1 where that cannot be done, which no value is known for.
pub fn json(of: &impl serde::Serialize) -> Result<String, Failure> {
    run_folder::json("the inspection", of)
}

/// Writes the table as CSV.
///
/// # Errors
/// Exit code 1 where the file cannot be written.
pub fn write_csv(
    inspection: &Inspection,
    path: &Path,
    singular_values: bool,
) -> Result<(), Failure> {
    let text = match singular_values {
        true => columns::singular_values_csv(&inspection.tensors),
        false => columns::csv(&inspection.tensors),
    };
    write_whole(path, text.as_bytes())
}

/// Writes the table as Parquet.
///
/// # Errors
/// Exit code 1 where the file cannot be written.
pub fn write_parquet(inspection: &Inspection, path: &Path) -> Result<(), Failure> {
    let columns = COLUMNS.iter();
    let (layout, values): (Vec<TableColumn>, Vec<ColumnValues>) = columns
        .map(|(name, cell)| {
            let (content, values) = column(&inspection.tensors, *cell);
            ((*name, content), values)
        })
        .unzip();
    write_atomically(path, |file| {
        let mut writer = TableWriter::new(file, &layout)?;
        writer.append(&values)?;
        writer.finish().map(|_| ())
    })
    .map(|_| ())
}

/// What a column holds; every cell of it is of the same kind.
fn column(rows: &[Row], cell: fn(&Row) -> Cell) -> (ColumnContent, ColumnValues) {
    let (mut texts, mut wholes, mut reals, mut truths) = (vec![], vec![], vec![], vec![]);
    for row in rows {
        match cell(row) {
            Cell::Text(text) => texts.push(text.map(|t| ByteArray::from(t.into_bytes()))),
            Cell::Whole(n) => wholes.push(n.and_then(|n| i64::try_from(n).ok())),
            Cell::Real(x) => reals.push(x),
            Cell::Truth(is) => truths.push(i32::from(is)),
        }
    }
    match cell(&Row::default()) {
        Cell::Text(_) => (
            ColumnContent::NullableText,
            ColumnValues::NullableText(texts),
        ),
        Cell::Whole(_) => (
            ColumnContent::NullableInt64,
            ColumnValues::NullableInt64(wholes),
        ),
        Cell::Real(_) => (ColumnContent::Nullable, ColumnValues::Nullable(reals)),
        Cell::Truth(_) => (ColumnContent::Int32, ColumnValues::Int32(truths)),
    }
}
