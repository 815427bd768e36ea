//! The forces on the eigenvalues in words: which split they belong to, what they are, how they are
//! scaled.

use crate::number::compact;
use crate::record::{DynamicsSummary, ForceScalesRecord};

/// Into which forces the drift of log λᵢ is split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// Common growth, and a repulsion that leaves a large eigenvalue alone.
    Regular,
    /// Common decay, and a repulsion that sums to zero.
    Antisymmetric,
}

impl Split {
    /// That of a dynamics; regular where the record names none, as older ones do not.
    #[must_use]
    pub fn of(one: &DynamicsSummary) -> Self {
        match one.force_split.as_deref() {
            Some("antisymmetric") => Self::Antisymmetric,
            _ => Self::Regular,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Regular => "regular",
            Self::Antisymmetric => "antisymmetric",
        }
    }

    /// What acts on all eigenvalues alike: its name and its formula.
    #[must_use]
    pub fn common(self) -> [&'static str; 2] {
        match self {
            Self::Regular => ["common growth", "Σ qᵢⱼ"],
            Self::Antisymmetric => ["common decay", "−Σ qᵢⱼ"],
        }
    }

    /// The observable that has it.
    #[must_use]
    pub fn common_observable(self) -> &'static str {
        match self {
            Self::Regular => "contribution_common_growth",
            Self::Antisymmetric => "contribution_common_decay",
        }
    }

    /// What the repulsion of λⱼ adds to the drift of log λᵢ.
    #[must_use]
    pub fn repulsion(self) -> &'static str {
        match self {
            Self::Regular => "4qᵢⱼλⱼ/(λᵢ − λⱼ)",
            Self::Antisymmetric => "2qᵢⱼ(λᵢ + λⱼ)/(λᵢ − λⱼ)",
        }
    }
}

/// The forces that are scaled and their factors.
#[must_use]
pub fn scaled(split: Split, forces: &ForceScalesRecord) -> String {
    let [common, _] = split.common();
    let all = [
        ("gradient", forces.gradient),
        ("own noise", forces.own_noise),
        (common, forces.common()),
        ("repulsion", forces.repulsion),
    ];
    let scaled = all.iter().filter(|(_, factor)| *factor != 1.0);
    let words: Vec<String> = scaled
        .map(|(force, factor)| match *force {
            "repulsion" => format!("{} repulsion × {}", split.name(), compact(*factor, 3)),
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
        assert_eq!(scaled(Split::Regular, &none), "all forces");
        let some = ForceScalesRecord {
            repulsion: 0.0,
            gradient: 0.5,
            ..none
        };
        let words = "gradient × 0.5, regular repulsion × 0";
        assert_eq!(scaled(Split::Regular, &some), words);
        let some = ForceScalesRecord {
            common_growth: None,
            common_decay: Some(2.0),
            ..none
        };
        assert_eq!(scaled(Split::Antisymmetric, &some), "common decay × 2");
    }
}
