//! The `[network]` section: the width and how the weights start.

use super::absolute_path;
use super::data::{DataSpec, flag_or, word};
use super::document::{Problem, Value};
use super::keys;
use super::section::{Field, Section};
use std::path::{Path, PathBuf};

/// The two-layer linear network x ↦ W₂ᵀW₁ᵀx with W₁ (p × l) and W₂ (l × k).
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkSpec {
    /// l.
    pub width: u64,
    /// How W₁ and W₂ start.
    pub init: InitSpec,
}

/// How the weights start.
#[derive(Clone, Debug, PartialEq)]
pub enum InitSpec {
    /// Independent entries N(0, scale²).
    Gaussian {
        /// Standard deviation of the entries.
        scale: f64,
        /// Replaces the smallest singular value of Θ₀ where l ≥ p + k.
        smallest_singular_value: Option<f64>,
        /// Each trajectory has its own start.
        each_trajectory: bool,
    },
    /// Balanced: W₁ᵀW₁ = W₂W₂ᵀ.
    Balanced {
        /// Standard deviation of the entries it is drawn from.
        scale: f64,
        /// Each trajectory has its own start.
        each_trajectory: bool,
    },
    /// The arrays `w1` (p × l) and `w2` (l × k) of a file.
    File {
        /// Where it is, absolute.
        path: PathBuf,
        /// Checksum of the file when it was last read, as the resolved copy records it.
        checksum: Option<String>,
    },
}

impl InitSpec {
    /// Gaussian of scale 1, shared by all trajectories.
    pub const DEFAULT: InitSpec = InitSpec::Gaussian {
        scale: 1.0,
        smallest_singular_value: None,
        each_trajectory: false,
    };

    /// Whether each trajectory has its own start.
    pub fn each_trajectory(&self) -> bool {
        match self {
            InitSpec::Gaussian {
                each_trajectory, ..
            }
            | InitSpec::Balanced {
                each_trajectory, ..
            } => *each_trajectory,
            InitSpec::File { .. } => false,
        }
    }

    /// Records the checksum of the file that was read; nothing to do for drawn weights.
    pub fn set_checksum(&mut self, sum: String) {
        if let InitSpec::File { checksum, .. } = self {
            *checksum = Some(sum);
        }
    }
}

/// The widest network; only min(l, p + k) columns are ever simulated, but Θ₀ is drawn in full.
const WIDEST: u64 = 100_000_000;

/// Reads the section.
pub fn read(section: &Section, folder: &Path, data: &DataSpec) -> Result<NetworkSpec, Problem> {
    let width = section.required("width", "width = 10")?;
    let width = width.integer(1..=WIDEST)?;
    let init = match section.field("init") {
        Some(field) => init(&field, folder, width, data)?,
        None => InitSpec::DEFAULT,
    };
    Ok(NetworkSpec { width, init })
}

fn init(field: &Field, folder: &Path, width: u64, data: &DataSpec) -> Result<InitSpec, Problem> {
    if !matches!(field.node.value, Value::Table(_)) {
        let hint = "write init = { kind = \"gaussian\", scale = 1.0 }";
        return Err(field.wrong_type("a table").hint(hint));
    }
    let section = field.section(&keys::INIT)?;
    match section.kind(Some("gaussian"))? {
        "gaussian" => Ok(InitSpec::Gaussian {
            scale: scale(&section)?,
            smallest_singular_value: smallest(&section, width, data)?,
            each_trajectory: flag_or(&section, "each_trajectory", false)?,
        }),
        "balanced" => Ok(InitSpec::Balanced {
            scale: scale(&section)?,
            each_trajectory: flag_or(&section, "each_trajectory", false)?,
        }),
        _ => Ok(InitSpec::File {
            path: absolute_path(
                &section.required("path", "path = \"start.safetensors\"")?,
                folder,
            )?,
            checksum: section.field("checksum").map(|f| word(&f)).transpose()?,
        }),
    }
}

fn scale(section: &Section) -> Result<f64, Problem> {
    section.field("scale").map_or(Ok(1.0), |f| f.positive())
}

fn smallest(section: &Section, width: u64, data: &DataSpec) -> Result<Option<f64>, Problem> {
    let Some(field) = section.field("smallest_singular_value") else {
        return Ok(None);
    };
    if let DataSpec::Gaussian(g) = data {
        let rows = (g.inputs + g.outputs) as u64;
        if width < rows {
            let message = format!("needs a width of at least inputs + outputs = {rows}");
            return Err(field.problem(format!("{message}, but the width is {width}")));
        }
    }
    field.positive().map(Some)
}
