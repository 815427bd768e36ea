//! The forces on the eigenvalues in words: which split they belong to, what they are, how they are
//! scaled.

use crate::number::compact;
use crate::record::{DynamicsSummary, ForceScalesRecord};

/// Into which forces the drift of log λᵢ is split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    /// Its name.
    pub name: &'static str,
    /// What acts on all eigenvalues alike.
    pub common: &'static str,
    /// Its formula.
    pub common_formula: &'static str,
    /// The observable that has it.
    pub common_observable: &'static str,
    /// What the repulsion of λⱼ adds to the drift of log λᵢ.
    pub repulsion: &'static str,
}

impl Split {
    /// Common growth, and a repulsion that leaves a large eigenvalue alone.
    pub const REGULAR: Self = Self {
        name: "regular",
        common: "common growth",
        common_formula: "Σ qᵢⱼ",
        common_observable: "contribution_common_growth",
        repulsion: "4qᵢⱼλⱼ/(λᵢ − λⱼ)",
    };
    /// Common decay, and a repulsion that sums to zero.
    pub const ANTISYMMETRIC: Self = Self {
        name: "antisymmetric",
        common: "common decay",
        common_formula: "−Σ qᵢⱼ",
        common_observable: "contribution_common_decay",
        repulsion: "2qᵢⱼ(λᵢ + λⱼ)/(λᵢ − λⱼ)",
    };

    /// That of a dynamics; regular where the record names none, as older ones do not.
    #[must_use]
    pub fn of(one: &DynamicsSummary) -> Self {
        match one.force_split.as_deref() {
            Some("antisymmetric") => Self::ANTISYMMETRIC,
            _ => Self::REGULAR,
        }
    }
}

/// The forces that are scaled and their factors.
#[must_use]
pub fn scaled(split: Split, forces: &ForceScalesRecord) -> String {
    let all = [
        ("gradient", forces.gradient),
        ("own noise", forces.own_noise),
        (split.common, forces.common()),
        ("repulsion", forces.repulsion),
    ];
    let scaled = all.iter().filter(|(_, factor)| *factor != 1.0);
    let words: Vec<String> = scaled
        .map(|(force, factor)| match *force {
            "repulsion" => format!("{} repulsion × {}", split.name, compact(*factor, 3)),
            force => format!("{force} × {}", compact(*factor, 3)),
        })
        .collect();
    if words.is_empty() {
        "all forces".into()
    } else {
        words.join(", ")
    }
}

/// What is done to the forces of a dynamics, with the split where something is.
#[must_use]
pub fn words(one: &DynamicsSummary) -> String {
    match &one.forces {
        Some(forces) => scaled(Split::of(one), forces),
        None => "all forces".into(),
    }
}

/// Whether eigenvalues can meet.
#[must_use]
pub fn meet(one: &DynamicsSummary) -> bool {
    one.forces.is_some_and(|forces| forces.repulsion < 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_scaled_forces_are_named() {
        let none = ForceScalesRecord {
            gradient: 1.0,
            own_noise: 1.0,
            common_growth: Some(1.0),
            common_decay: None,
            repulsion: 1.0,
        };
        assert_eq!(scaled(Split::REGULAR, &none), "all forces");
        let some = ForceScalesRecord {
            repulsion: 0.0,
            gradient: 0.5,
            ..none
        };
        let words = "gradient × 0.5, regular repulsion × 0";
        assert_eq!(scaled(Split::REGULAR, &some), words);
        let some = ForceScalesRecord {
            common_growth: None,
            common_decay: Some(2.0),
            ..none
        };
        assert_eq!(scaled(Split::ANTISYMMETRIC, &some), "common decay × 2");
    }
}
