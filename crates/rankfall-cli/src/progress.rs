//! How far a run is: a bar on a terminal that can redraw a line, a line now and then elsewhere,
//! nothing when quiet.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use rankfall::failure::visible;
use std::ffi::OsStr;
use std::fmt;
use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Reports progress on standard error; may be called from any thread.
pub struct ProgressReport {
    shown: Shown,
}

enum Shown {
    Nothing,
    Bar(ProgressBar),
    Lines(Mutex<Lines>),
}

impl ProgressReport {
    /// Progress of one dynamics, or of other work, by its label; the rate is that of so many of a
    /// unit, none where it says nothing.
    pub fn new(label: &str, quiet: bool, unit: Option<&'static str>) -> Self {
        let label = &visible(label);
        let shown = if quiet {
            Shown::Nothing
        } else if can_redraw() {
            Shown::Bar(bar(label, unit))
        } else {
            Shown::Lines(Mutex::new(Lines::new(label, unit, Instant::now())))
        };
        ProgressReport { shown }
    }

    /// So much of all is done.
    pub fn update(&self, done: u64, total: u64) {
        match &self.shown {
            Shown::Nothing => {}
            Shown::Bar(bar) => {
                bar.set_length(total);
                bar.set_position(done.min(total));
            }
            Shown::Lines(lines) => {
                // A line lost to a thread that panicked is no reason to panic as well.
                let line = lines
                    .lock()
                    .ok()
                    .and_then(|mut lines| lines.due(done, total, Instant::now()));
                if let Some(line) = line {
                    let _ = writeln!(std::io::stderr(), "{line}");
                }
            }
        }
    }

    /// The dynamics is done; the bar goes away.
    pub fn finish(&self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }
}

/// Whether standard error is a terminal on which a line can be drawn over.
fn can_redraw() -> bool {
    redraws(std::env::var_os("TERM").as_deref()) && std::io::stderr().is_terminal()
}

/// Whether a terminal that calls itself so takes escape sequences: not a dumb one, and not one
/// without a name but on Windows, where they have none.
fn redraws(term: Option<&OsStr>) -> bool {
    term.map_or(cfg!(windows), |name| name != "dumb" && !name.is_empty())
}

fn bar(label: &str, unit: Option<&'static str>) -> ProgressBar {
    // Not even one step is known yet: a length of 0 would show as 100 %.
    let bar = ProgressBar::with_draw_target(Some(u64::MAX), ProgressDrawTarget::stderr_with_hz(5));
    let pace = move |state: &ProgressState, out: &mut dyn fmt::Write| {
        let left = state.eta().as_secs_f64();
        let _ = match state.pos() {
            0 => write!(out, "starting"),
            _ => write!(out, "{}{} left", pace(state.per_sec(), unit), Seconds(left)),
        };
    };
    let template = "{msg} [{wide_bar}] {percent} %, {pace}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.with_key("pace", pace).progress_chars("=> "));
    }
    bar.set_message(label.to_owned());
    bar
}

/// Lines at most one per [`Lines::EVERY`].
struct Lines {
    label: String,
    unit: Option<&'static str>,
    start: Instant,
    last: Instant,
}

impl Lines {
    const EVERY: Duration = Duration::from_secs(10);

    fn new(label: &str, unit: Option<&'static str>, now: Instant) -> Self {
        Lines {
            label: label.to_owned(),
            unit,
            start: now,
            last: now,
        }
    }

    /// The line to print at this moment, if one is due.
    fn due(&mut self, done: u64, total: u64, now: Instant) -> Option<String> {
        if now.duration_since(self.last) < Self::EVERY || total == 0 {
            return None;
        }
        self.last = now;
        let fraction = (done as f64 / total as f64).min(1.0);
        let elapsed = now.duration_since(self.start).as_secs_f64();
        let rate = done as f64 / elapsed;
        let left = if done > 0 {
            format!("{} left", Seconds(elapsed * (1.0 - fraction) / fraction))
        } else {
            "time left unknown".to_owned()
        };
        let percent = (100.0 * fraction).floor();
        let pace = pace(rate, self.unit);
        Some(format!("{}: {percent} %, {pace}{left}", self.label))
    }
}

/// So many of a unit per second, with three digits and a comma; nothing where there is no unit.
fn pace(rate: f64, unit: Option<&'static str>) -> String {
    let Some(unit) = unit else {
        return String::new();
    };
    let (scaled, many) = match rate {
        r if r >= 1e6 => (r / 1e6, " million"),
        r if r >= 1e3 => (r / 1e3, " thousand"),
        r => (r, ""),
    };
    let digits = if scaled >= 100.0 { 0 } else { 1 };
    format!("{scaled:.digits$}{many} {unit}/s, ")
}

/// A duration in the two largest units that fit.
struct Seconds(f64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DAY: u64 = 86_400;
        const YEAR: u64 = 365 * DAY;
        let s = self.0.ceil().max(0.0) as u64;
        match s {
            0..60 => write!(f, "{s} s"),
            60..3600 => write!(f, "{} min {} s", s / 60, s % 60),
            3600..DAY => write!(f, "{} h {} min", s / 3600, s % 3600 / 60),
            DAY..YEAR => write!(f, "{} d {} h", s / DAY, s % DAY / 3600),
            _ => write!(f, "more than a year"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn lines_come_at_most_every_ten_seconds() {
        let start = Instant::now();
        let mut lines = Lines::new("SGD", None, start);
        let printed = (0..100).filter(|s| lines.due(*s, 100, after(start, *s)).is_some());
        assert_eq!(
            printed.collect::<Vec<_>>(),
            [10, 20, 30, 40, 50, 60, 70, 80, 90]
        );
    }

    #[test]
    fn a_line_has_share_rate_and_time_left() {
        let start = Instant::now();
        let mut lines = Lines::new("SGD", Some("trajectory-steps"), start);
        let line = lines.due(30_000_000, 120_000_000, after(start, 20));
        let expected = "SGD: 25 %, 1.5 million trajectory-steps/s, 1 min 0 s left";
        assert_eq!(line.as_deref(), Some(expected));
        let line = lines.due(0, 100, after(start, 40));
        assert!(line.unwrap().ends_with("time left unknown"));
        assert_eq!(lines.due(0, 0, after(start, 80)), None);
    }

    #[test]
    fn rates_and_times_are_readable() {
        let pace = |rate| pace(rate, Some("steps"));
        assert_eq!(pace(12.34), "12.3 steps/s, ");
        assert_eq!(pace(33.1e6), "33.1 million steps/s, ");
        assert_eq!(pace(123_456.0), "123 thousand steps/s, ");
        assert_eq!(super::pace(12.34, None), "");
        assert_eq!(Seconds(7200.5).to_string(), "2 h 0 min");
        assert_eq!(Seconds(90_000.0).to_string(), "1 d 1 h");
        assert_eq!(Seconds(f64::INFINITY).to_string(), "more than a year");
    }

    #[test]
    fn dumb_terminals_get_lines() {
        let redraws = |name: &str| super::redraws(Some(OsStr::new(name)));
        assert!(redraws("xterm-256color") && redraws("linux"));
        assert!(!redraws("dumb") && !redraws(""));
        assert_eq!(super::redraws(None), cfg!(windows));
    }

    #[test]
    fn quiet_and_loud_take_any_numbers() {
        for progress in [
            ProgressReport::new("x", true, None),
            ProgressReport::new("x", false, None),
        ] {
            progress.update(0, 0);
            progress.update(10, 5);
            progress.finish();
        }
    }
}
