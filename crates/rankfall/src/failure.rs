//! What a command reports when it cannot finish: a sentence, ways out, and the exit code.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

/// Which of the promised exit codes a failure ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The run, or a claim, failed: exit code 1.
    Run,
    /// What the person gave was wrong: exit code 2.
    Input,
    /// Stopped by a signal, with everything so far saved: exit code 130.
    Interrupted,
}

impl FailureKind {
    /// The exit code as a number.
    pub fn code(self) -> u8 {
        match self {
            FailureKind::Run => 1,
            FailureKind::Input => 2,
            FailureKind::Interrupted => 130,
        }
    }
}

/// Why a command ended early, and what to do about it.
///
/// Shown as `rankfall: MESSAGE`, with each way out on an indented line below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Decides the exit code.
    pub kind: FailureKind,
    /// What is wrong and where, without the leading `rankfall: `.
    pub message: String,
    /// What to do, one line each.
    pub hints: Vec<String>,
}

impl Failure {
    fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Failure {
            kind,
            message: message.into(),
            hints: Vec::new(),
        }
    }

    /// The input was wrong (exit code 2).
    pub fn input(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Input, message)
    }

    /// The run failed (exit code 1).
    pub fn run(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Run, message)
    }

    /// The run was interrupted (exit code 130).
    pub fn interrupted(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Interrupted, message)
    }

    /// A file that could not be written, with the system's reason (exit code 1).
    pub fn writing(path: &Path, error: &dyn fmt::Display) -> Self {
        Self::run(format!("cannot write {}: {error}", shown_path(path)))
    }

    /// Adds a line that says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The exit code for the operating system.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.kind.code())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rankfall: {}", self.message)?;
        for hint in &self.hints {
            write!(f, "\n  {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

/// A path as messages show it, with control characters escaped.
pub fn shown_path(path: &Path) -> String {
    let text = path.display().to_string();
    if text.chars().any(char::is_control) {
        text.escape_debug().to_string()
    } else {
        text
    }
}

/// Text from a person in quotes, escaped and cut to a length that fits a message.
pub fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    let shown: String = text.chars().take(LONGEST).collect();
    let more = if text.chars().count() > LONGEST {
        "…"
    } else {
        ""
    };
    format!("\"{}{more}\"", escaped(&shown))
}

/// A number as a person writes it and TOML reads it: all digits where they are few, else an exponent.
pub fn number_text(number: f64) -> String {
    if number.fract() == 0.0 && number.abs() < 1e16 {
        format!("{number:.0}")
    } else {
        format!("{number:?}")
    }
}

/// Text with control characters and quotes escaped, everything else as it is.
pub fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if c.is_control() || c == '"' || c == '\\' {
            out.extend(c.escape_debug());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_the_promised_ones() {
        assert_eq!(Failure::run("x").kind.code(), 1);
        assert_eq!(Failure::input("x").kind.code(), 2);
        assert_eq!(Failure::interrupted("x").kind.code(), 130);
    }

    #[test]
    fn message_comes_first_and_hints_are_indented() {
        let failure = Failure::input("width is 0").hint("use 1").hint("or 2");
        assert_eq!(failure.to_string(), "rankfall: width is 0\n  use 1\n  or 2");
    }

    #[test]
    fn numbers_are_written_as_a_person_does() {
        let written = [5.0, 0.01, -3.5, 1e300, 1e-300, 1e16, 123_456.0].map(number_text);
        let expected = ["5", "0.01", "-3.5", "1e300", "1e-300", "1e16", "123456"];
        assert_eq!(written, expected);
    }

    #[test]
    fn quoted_text_is_escaped_and_cut() {
        assert_eq!(quoted("a\u{1b}b"), "\"a\\u{1b}b\"");
        assert_eq!(quoted(&"x".repeat(61)), format!("\"{}…\"", "x".repeat(60)));
    }
}
