//! Does what a plan says: layers side by side, what dominates all others on every thread.

use crate::decompose;
use crate::measures;
use crate::plan::{Job, Plan};
use crate::record::{Inspection, Row, SCHEMA};
use crate::saved::Saved;
use crate::spectrum::{Failed, Spectrum};
use crate::workers;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// Who watches an inspection. Called from any thread.
pub trait InspectionWatch: Sync {
    /// So much of all the work is done, in the unit of [`Job::cost`].
    fn progress(&self, done: f64, total: f64);
    /// Whether to stop before the next tensor.
    fn interrupted(&self) -> bool {
        false
    }
}

/// Nobody watches.
pub struct Unwatched;

impl InspectionWatch for Unwatched {
    fn progress(&self, _: f64, _: f64) {}
}

/// Computes all spectra of a plan. `saved` keeps what is done, and has what was done before.
///
/// The numbers do not depend on `threads`. A tensor that fails is a row with the reason.
#[must_use]
pub fn inspect(
    plan: Plan,
    threads: usize,
    saved: Option<&Saved>,
    watch: &dyn InspectionWatch,
) -> Inspection {
    let total: f64 = plan.jobs.iter().map(Job::cost).sum();
    let rows: Vec<Mutex<Row>> = plan.rows.into_iter().map(Mutex::new).collect();
    let done = Mutex::new(0.0);
    let stopped = AtomicBool::new(false);
    let finish = |job: &Job, threads: usize| {
        let result = match watch.interrupted() {
            true => {
                stopped.store(true, Ordering::Relaxed);
                Err(Failed::Interrupted)
            }
            false => spectrum(job, threads, saved, &rows),
        };
        if let Ok(mut row) = rows[job.row].lock() {
            match result {
                Ok(spectrum) => {
                    let measures = measures::of(&spectrum, &job.slices, job.epsilon);
                    row.measured(spectrum, &measures);
                }
                Err(failed) => row.reason = Some(failed.to_string()),
            }
        }
        if let Ok(mut done) = done.lock() {
            *done += job.cost();
            watch.progress(*done, total);
        }
    };
    let mut jobs = plan.jobs;
    jobs.sort_by(|a, b| b.cost().total_cmp(&a.cost()));
    // What takes longer than all threads together have to do would keep one busy and the others
    // idle.
    let dominates = |job: &Job| job.cost() * threads as f64 > total;
    let large = jobs.iter().take_while(|job| dominates(job)).count();
    jobs[..large].iter().for_each(|job| finish(job, threads));
    workers::each(threads, &mut jobs[large..], |job| finish(job, 1));
    Inspection {
        schema: SCHEMA,
        tensors: rows
            .into_iter()
            .map(|row| row.into_inner().unwrap_or_default())
            .collect(),
        notes: plan.notes,
        interrupted: stopped.into_inner(),
    }
}

fn spectrum(
    job: &Job,
    threads: usize,
    saved: Option<&Saved>,
    rows: &[Mutex<Row>],
) -> Result<Spectrum, Failed> {
    let row = rows[job.row].lock().ok();
    let kept = saved.zip(row).map(|(saved, row)| (saved, saved.key(&row)));
    if let Some(spectrum) = kept.as_ref().and_then(|(saved, key)| saved.find(key)) {
        return Ok(spectrum);
    }
    let values = job.tensor.values()?;
    let spectrum = decompose::spectrum(&values, &job.slices, job.epsilon, threads)?;
    if let Some((saved, key)) = kept {
        saved.add(key, &spectrum);
    }
    Ok(spectrum)
}
