//! A way out of a wrong command line: what to write instead of an option that a command does not
//! have.

use crate::arguments::Arguments;
use clap::CommandFactory;
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use rankfall::experiment::{keys, meaning};
use rankfall::failure::escaped;
use std::ffi::OsString;

/// A wrong command line with a way out, where the argument is one that people type for a key of the
/// experiment file, or an option of another command.
pub fn with_tip(mut error: clap::Error, given: &[OsString]) -> clap::Error {
    let unknown = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(flag)) if error.kind() == ErrorKind::UnknownArgument => {
            flag.clone()
        }
        _ => return error,
    };
    let given: Vec<String> = given
        .iter()
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    let tips = tips(&unknown, &given);
    if !tips.is_empty() {
        // Clap's own guesses are about spelling alone.
        error.remove(ContextKind::SuggestedArg);
        let tips = tips.into_iter().map(StyledStr::from).collect();
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
    }
    error
}

/// What to write instead of an option that a command does not have.
fn tips(flag: &str, given: &[String]) -> Vec<String> {
    let Some(name) = flag.strip_prefix("--") else {
        return Vec::new();
    };
    let root = Arguments::command();
    let command = given.get(1).map_or("", String::as_str);
    let has = |command: &clap::Command, name: &str| {
        command.get_arguments().any(|a| a.get_long() == Some(name))
    };
    let takes_sets = root.find_subcommand(command).is_some_and(|c| has(c, "set"));
    let mut tips = Vec::new();
    if takes_sets {
        tips.extend(set_instead(name, flag, given));
    }
    let others: Vec<String> = root
        .get_subcommands()
        .filter(|c| has(c, name))
        .map(|c| format!("rankfall {}", c.get_name()))
        .collect();
    if !others.is_empty() && tips.is_empty() {
        tips.push(format!("'{flag}' is an option of {}", others.join(" and ")));
    }
    tips
}

/// `--set` for an option that is the name of a key, or what others call it.
fn set_instead(name: &str, flag: &str, given: &[String]) -> Option<String> {
    let key = name.replace('-', "_");
    let here = Some(key.as_str())
        .into_iter()
        .chain(meaning(&key))
        .map(keys::settable)
        .find(|paths| !paths.is_empty());
    let mut paths = here?;
    paths.sort_by_key(|path| !path.starts_with("run."));
    let value = value_of(flag, given);
    let sets: Vec<String> = paths
        .iter()
        .take(3)
        .map(|path| format!("--set {}", shell_word(&format!("{path}={value}"))))
        .collect();
    Some(format!(
        "values of the experiment are changed by {}",
        sets.join(" or ")
    ))
}

/// The value that was given with an option, or a word for it.
fn value_of(flag: &str, given: &[String]) -> String {
    let at = given.iter().position(|argument| {
        let rest = argument.strip_prefix(flag);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
    });
    let value = at.and_then(|at| match given[at].split_once('=') {
        Some((_, value)) => Some(value),
        None => given.get(at + 1).map(String::as_str),
    });
    match value {
        Some(value) if !value.is_empty() && !value.starts_with("--") && value.len() < 100 => {
            escaped(value)
        }
        _ => "VALUE".to_owned(),
    }
}

/// A word as a shell takes it, in quotes where it needs them.
fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._+-=,/".contains(c);
    if word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{word}'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[test]
    fn an_option_that_is_a_key_is_told_how_keys_are_set() {
        for (line, tip) in [
            ("run a.toml --trajectories 10", "--set run.trajectories=10"),
            ("run a.toml --trajectories=10", "--set run.trajectories=10"),
            ("sweep a.toml --seed 3", "--set run.seed=3"),
            ("reproduce --time 5", "--set run.time=5"),
            ("run a.toml --width 5", "--set network.width=5"),
            ("run a.toml --lr 0.1", "--set dynamics.0.step_size=0.1"),
            (
                "run a.toml --learning-rate 0.1",
                "--set dynamics.0.step_size=0.1",
            ),
            (
                "run a.toml --step-size 0.1",
                "--set dynamics.0.step_size=0.1",
            ),
            ("run a.toml --batch-size 8", "--set dynamics.0.batch_size=8"),
            ("run a.toml --steps 8", "--set run.steps=8"),
            ("run a.toml --epochs 8", "--set run.epochs=8"),
            ("run a.toml --seed", "--set run.seed=VALUE"),
            ("run a.toml --init {}", "--set 'network.init={}'"),
            (
                "run a.toml --over a=1",
                "'--over' is an option of rankfall sweep",
            ),
            (
                "plot a --seed 1",
                "'--seed' is an option of rankfall verify",
            ),
        ] {
            let given: Vec<OsString> = format!("rankfall {line}")
                .split(' ')
                .map(Into::into)
                .collect();
            let error = Arguments::try_parse_from(&given).unwrap_err();
            let shown = with_tip(error, &given).to_string();
            assert!(shown.contains(tip), "{line}: {shown}");
            assert!(!shown.contains("similar argument"), "{line}: {shown}");
        }
    }
}
