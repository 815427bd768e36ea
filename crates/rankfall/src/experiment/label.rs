//! The name of an experiment and the labels of its dynamics.

use super::document::InputProblem;
use super::section::Field;
use crate::failure::quoted;

/// The name of an experiment.
pub fn name(field: &Field) -> Result<String, InputProblem> {
    let name = field.text()?;
    label_text(field, &name)?;
    let as_path = name.contains(['/', '\\', ':']) || name.contains("..") || name == ".";
    if as_path {
        let message = format!("is {}, but it is a label, not a path", quoted(&name));
        let hint = "leave out / \\ : and ..; --out says where the results go";
        return Err(field.problem(message).hint(hint));
    }
    Ok(name)
}

/// Checks what labels and the name have in common: short, visible, no blanks at the ends.
pub fn label_text(field: &Field, text: &str) -> Result<(), InputProblem> {
    let wrong = if text.trim().is_empty() {
        "is empty".to_owned()
    } else if text.chars().count() > 100 || text.len() > 200 {
        format!(
            "is {} characters long, at most 100 (200 bytes) are allowed",
            text.chars().count()
        )
    } else if text.chars().any(char::is_control) {
        format!("is {}, which has control characters in it", quoted(text))
    } else if text.trim() != text {
        format!("is {}, with a blank at an end", quoted(text))
    } else {
        return Ok(());
    };
    Err(field.problem(wrong))
}
