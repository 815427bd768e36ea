//! How far `verify` is: which claim of how many, a bar, the time gone and about the time left.

use crate::interruption;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rankfall::watch::Watch;
use std::io::IsTerminal;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Where nobody says how wide the terminal is.
const COLUMNS: usize = 80;

/// How wide what is printed may be: as the terminal is, or 80 characters where there is none.
pub fn columns_of_stdout() -> usize {
    let size = console::Term::stdout().size_checked();
    size.map_or(COLUMNS, |(_, columns)| usize::from(columns))
}

/// The bar on standard error; hidden where that is no terminal, or a dumb one.
pub struct ClaimBar {
    shown: ProgressBar,
    costs: Vec<f64>,
    begun: AtomicUsize,
    started: Instant,
}

impl ClaimBar {
    /// Of claims that cost about so much each.
    pub fn new(costs: &[f64], quiet: bool) -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let visible = !quiet && !dumb && std::io::stderr().is_terminal();
        let target = if visible {
            ProgressDrawTarget::stderr_with_hz(5)
        } else {
            ProgressDrawTarget::hidden()
        };
        let shown = ProgressBar::with_draw_target(Some(1000), target);
        // The longest parts together have 76 characters, so that 80 columns hold all of it.
        let style = ProgressStyle::with_template("{prefix} [{bar:12}] {msg}");
        if let Ok(style) = style {
            shown.set_style(style.progress_chars("=> "));
        }
        shown.enable_steady_tick(Duration::from_millis(500));
        Self {
            shown,
            costs: costs.to_vec(),
            begun: AtomicUsize::new(0),
            started: Instant::now(),
        }
    }

    /// What the claims before `place` cost of all.
    fn share(&self, place: usize) -> f64 {
        let all: f64 = self.costs.iter().sum();
        let done: f64 = self.costs.iter().take(place).sum();
        if all > 0.0 { done / all } else { 0.0 }
    }

    /// Prints while the bar is out of the way.
    pub fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        self.shown.suspend(print)
    }
}

impl Watch for ClaimBar {
    fn begin(&self, id: &str) {
        let place = self.begun.fetch_add(1, Ordering::Relaxed);
        let elapsed = self.started.elapsed().as_secs_f64();
        let done = self.share(place);
        self.shown.set_position((1000.0 * done) as u64);
        self.shown
            .set_prefix(format!("{}/{}", place + 1, self.costs.len()));
        self.shown.set_message(message(id, elapsed, done));
    }

    fn end(&self) {
        self.shown.finish_and_clear();
    }

    fn interrupted(&self) -> bool {
        interruption::requested()
    }
}

/// Which claim, how long it has taken, and how long it will.
fn message(id: &str, elapsed: f64, done: f64) -> String {
    let left = match done > 0.0 {
        true => format!("about {} left", clock(elapsed * (1.0 - done) / done)),
        false => "time left unknown".to_owned(),
    };
    format!("{id}, {}, {left}", clock(elapsed))
}

/// Minutes and seconds, with hours where there are some.
fn clock(seconds: f64) -> String {
    let s = seconds.max(0.0).round() as u64;
    match s {
        0..3600 => format!("{}:{:02}", s / 60, s % 60),
        _ => format!("{}:{:02}:{:02}", s / 3600, s % 3600 / 60, s % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_says_which_claim_of_how_many_and_for_how_long() {
        let bar = ClaimBar::new(&[1.0, 3.0], true);
        bar.begin("determinant-law");
        bar.begin("strong-order");
        assert_eq!(bar.shown.prefix(), "2/2");
        assert_eq!(bar.shown.position(), 250);
        assert_eq!(message("a", 30.0, 0.25), "a, 0:30, about 1:30 left");
        assert_eq!(message("a", 0.0, 0.0), "a, 0:00, time left unknown");
    }

    #[test]
    fn the_longest_line_fits_eighty_columns() {
        let longest = rankfall_evidence::claims::ALL
            .iter()
            .map(|c| message(c.id, 3599.0, 0.5).chars().count())
            .max();
        let frame = "26/26 [============] ".len();
        assert!(longest.is_some_and(|l| l + frame <= 80), "{longest:?}");
    }

    #[test]
    fn times_are_clock_times() {
        assert_eq!(clock(59.6), "1:00");
        assert_eq!(clock(7261.0), "2:01:01");
        assert_eq!(clock(f64::NAN), "0:00");
    }
}
