//! Data sets that are known by their names.

use super::table::standardize_targets;
use crate::experiment::document::InputProblem;
use crate::experiment::section::{Field, Section};
use crate::experiment::suggest::nearest;
use crate::failure::quoted;
use rankfall_data::{BUNDLED, Bundled};

/// A table inside the program.
#[derive(Clone, Debug, PartialEq)]
pub struct BundledTable {
    /// Which.
    pub name: &'static str,
    /// Centre and scale the inputs by the training part.
    pub standardize: bool,
    /// Scale the targets by the training part as well.
    pub standardize_targets: bool,
    /// Rows held out.
    pub held_out: u64,
    /// Checksum of what was read, as the resolved copy records it.
    pub checksum: Option<String>,
}

pub(super) fn bundled(section: &Section) -> Result<BundledTable, InputProblem> {
    let field = section.required("dataset")?;
    let name = named(&field, &BUNDLED.map(|one| one.name))?;
    let standardize = section.flag("standardize")?;
    let classes = Bundled::find(name).is_some_and(Bundled::has_classes);
    Ok(BundledTable {
        name,
        standardize,
        standardize_targets: standardize_targets(section, standardize, classes)?,
        held_out: section.whole("held_out")?,
        checksum: section.optional("checksum", Field::word)?,
    })
}

/// One of the names, or the nearest in the message.
pub(super) fn named(field: &Field, names: &[&'static str]) -> Result<&'static str, InputProblem> {
    let given = field.text()?;
    if let Some(found) = names.iter().find(|name| **name == given) {
        return Ok(found);
    }
    let meant = match nearest(&given, names) {
        Some(near) => format!("; did you mean \"{near}\"?"),
        None => ", which is none of them".to_owned(),
    };
    Err(field
        .problem(format!("is {}{meant}", quoted(&given)))
        .hint("rankfall data lists what there is"))
}
