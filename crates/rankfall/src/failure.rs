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
    /// The line of a file in which it is, with the place marked.
    pub excerpt: Option<String>,
    /// What to do, one line each.
    pub hints: Vec<String>,
}

impl Failure {
    fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Failure {
            kind,
            message: message.into(),
            excerpt: None,
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
        if let Some(excerpt) = &self.excerpt {
            write!(f, "\n{excerpt}")?;
        }
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

/// A path as a word of a command for a shell: in quotes where it needs them.
pub fn shell_word(path: &Path) -> String {
    let text = shown_path(path);
    let is_plain = |c: char| c.is_alphanumeric() || "._-/\\:+,@%=".contains(c);
    match text.chars().all(is_plain) && !text.is_empty() {
        true => text,
        false => format!("'{}'", text.replace('\'', r"'\''")),
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

/// A number as a person writes it and TOML reads it: all digits where they are few, else an
/// exponent.
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

/// Whether a terminal obeys a character instead of showing it: control characters but the end of a
/// line and the tabulator, those that turn the direction of text, and invisible tags.
fn is_obeyed(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' => true,
        '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}' => true,
        c => c.is_control(),
    }
}

/// Text as it may be printed: what a terminal would obey is shown as an escape, such as `\u{202e}`.
pub fn visible(text: &str) -> String {
    replaced(text, |c| c.escape_unicode().to_string())
}

/// The same of a JSON text, which stays JSON: such characters are only ever inside its strings.
pub fn visible_json(text: &str) -> String {
    replaced(text, |c| {
        let mut units = [0; 2];
        let units = c.encode_utf16(&mut units).iter();
        units.map(|unit| format!("\\u{unit:04x}")).collect()
    })
}

fn replaced(text: &str, escape: impl Fn(char) -> String) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match is_obeyed(c) {
            true => out += &escape(c),
            false => out.push(c),
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
    fn paths_in_commands_are_one_word_of_a_shell() {
        let word = |path: &str| shell_word(Path::new(path));
        assert_eq!(word("runs/größe-1.toml"), "runs/größe-1.toml");
        assert_eq!(word("my runs/$(x)"), "'my runs/$(x)'");
        assert_eq!(word("it's"), r"'it'\''s'");
        assert_eq!(word(""), "''");
    }

    #[test]
    fn numbers_are_written_as_a_person_does() {
        let written = [5.0, 0.01, -3.5, 1e300, 1e-300, 1e16, 123_456.0].map(number_text);
        let expected = ["5", "0.01", "-3.5", "1e300", "1e-300", "1e16", "123456"];
        assert_eq!(written, expected);
    }

    #[test]
    fn what_a_terminal_would_obey_is_shown() {
        let hostile = "a\u{1b}[2J\u{9b}31m\r\u{7f}\u{202a}\u{202e}\u{2066}\u{2069}\u{200e}\u{200f}\u{61c}\u{e0041}\n\tσ₁";
        let shown = r"a\u{1b}[2J\u{9b}31m\u{d}\u{7f}\u{202a}\u{202e}\u{2066}\u{2069}\u{200e}\u{200f}\u{61c}\u{e0041}";
        assert_eq!(visible(hostile), format!("{shown}\n\tσ₁"));
    }

    #[test]
    fn json_stays_the_same_json() {
        let hostile = "\u{1b}]0;x\u{7}\u{85}\u{202e}\u{2069}\u{e0041}\\ \"σ\n";
        let json = serde_json::to_string_pretty(&[hostile]).unwrap();
        let shown = visible_json(&json);
        assert!(!shown.chars().any(is_obeyed), "{shown}");
        assert_eq!(
            serde_json::from_str::<[String; 1]>(&shown).unwrap(),
            [hostile]
        );
    }

    #[test]
    fn quoted_text_is_escaped_and_cut() {
        assert_eq!(quoted("a\u{1b}b"), "\"a\\u{1b}b\"");
        assert_eq!(quoted(&"x".repeat(61)), format!("\"{}…\"", "x".repeat(60)));
    }
}
