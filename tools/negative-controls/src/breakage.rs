//! The breakages: exact replacements in the sources of the core, and who should notice.
//!
//! All of them are built into one copy, each behind a switch: an expression becomes
//! `(if crate::broken(7) { wrong } else { right })`. The environment says which one is on.

use std::error::Error;
use std::fs;
use std::path::Path;

/// One thing done wrong on purpose.
pub struct Breakage {
    /// A short name.
    pub id: &'static str,
    /// What is wrong, in words.
    pub what: &'static str,
    /// What makes it so.
    pub changes: &'static [Change],
    /// Who should notice.
    pub catcher: Catcher,
}

/// A replacement that must match exactly once.
pub struct Change {
    /// In `crates/rankfall-core/src`.
    pub file: &'static str,
    /// The expression that is there.
    pub find: &'static str,
    /// What follows it, where the expression alone is there more than once.
    pub before: &'static str,
    /// What it becomes.
    pub replace: &'static str,
}

/// The environment variable that says which breakage is on, counted from 1.
pub const SWITCH: &str = "RANKFALL_BREAKAGE";

/// Asks for it.
const ASK: &str = r#"
/// Whether this breakage is on.
#[inline]
pub fn broken(which: u32) -> bool {
    static ON: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    let asked = || std::env::var("RANKFALL_BREAKAGE").ok().and_then(|v| v.parse().ok());
    *ON.get_or_init(|| asked().unwrap_or(0)) == which
}
"#;

/// Who should notice.
pub enum Catcher {
    /// One of these claims, by its verdict.
    Claims(&'static [&'static str]),
    /// A test, for what no claim can see.
    Test {
        /// Its crate.
        package: &'static str,
        /// Its file in `tests`; none for one of the library.
        file: Option<&'static str>,
        /// Its name.
        name: &'static str,
    },
}

impl Breakage {
    /// That every replacement matches exactly once.
    pub fn check(&self, root: &Path) -> Result<(), Box<dyn Error>> {
        for change in self.changes {
            let text = fs::read_to_string(root.join(CORE).join(change.file))
                .map_err(|e| format!("{}: {}: {e}", self.id, change.file))?;
            let count = text.matches(&change.context()).count();
            if count != 1 {
                let message = format!(
                    "{}: {} has {count} places of {:?}, not one",
                    self.id,
                    change.file,
                    change.context()
                );
                return Err(message.into());
            }
        }
        Ok(())
    }

    /// Builds it in, to be switched on as number `which`.
    fn build_in(&self, root: &Path, which: usize) -> Result<(), Box<dyn Error>> {
        self.check(root)?;
        for change in self.changes {
            let path = root.join(CORE).join(change.file);
            let text = fs::read_to_string(&path)?;
            let Change {
                find,
                before,
                replace,
                ..
            } = change;
            let switched =
                format!("(if crate::broken({which}) {{ {replace} }} else {{ {find} }}){before}");
            fs::write(&path, text.replacen(&change.context(), &switched, 1))?;
        }
        Ok(())
    }
}

impl Change {
    fn context(&self) -> String {
        format!("{}{}", self.find, self.before)
    }
}

/// Builds all of them into the workspace at `root`, none of them on.
pub fn build_in_all(root: &Path) -> Result<(), Box<dyn Error>> {
    for (place, breakage) in ALL.iter().enumerate() {
        breakage.build_in(root, place + 1)?;
    }
    let library = root.join(CORE).join("lib.rs");
    let text = fs::read_to_string(&library)?;
    fs::write(&library, text + ASK)?;
    Ok(())
}

const CORE: &str = "crates/rankfall-core/src";

/// Those whose claims take a second or two: a step, the noise, its reuse, a force, a closed form.
pub const CHEAPEST: [&str; 6] = [
    "no-ito-correction",
    "noise-off-by-five-percent",
    "sign-of-repulsion",
    "stale-layer",
    "noise-used-again",
    "tall-form-for-wide",
];

/// All of them.
pub const ALL: &[Breakage] = &[
    Breakage {
        id: "no-ito-correction",
        what: "Lie–Euler without its Itô correction",
        changes: &[Change {
            file: "step/ito.rs",
            find: "Lanes::splat(-0.5 * h * nu)",
            before: "",
            replace: "Lanes::splat(-0.0 * h * nu)",
        }],
        catcher: Catcher::Claims(&["determinant-law"]),
    },
    Breakage {
        id: "noise-off-by-five-percent",
        what: "ν 5 % too large",
        changes: &[Change {
            file: "model/dynamics.rs",
            find: "self.step_size * self.label_noise",
            before: "",
            replace: "1.05 * self.step_size * self.label_noise",
        }],
        catcher: Catcher::Claims(&["determinant-law"]),
    },
    Breakage {
        id: "white-noise-covariance",
        what: "noise of covariance I instead of S_xx",
        changes: &[Change {
            file: "step/increment.rs",
            find: "deviation * root",
            before: ", problem.outputs))",
            replace: "deviation",
        }],
        catcher: Catcher::Claims(&["eigenvalue-covariation-anisotropic"]),
    },
    Breakage {
        id: "independent-noises",
        what: "covariations of different eigenvalues taken as zero",
        changes: &[Change {
            file: "theory/forces.rs",
            find: "4.0 * self.coupling[i][j]",
            before: "",
            replace: "if i == j { 4.0 * self.coupling[i][j] } else { 0.0 }",
        }],
        catcher: Catcher::Claims(&["eigenvalue-covariation"]),
    },
    Breakage {
        id: "sign-of-repulsion",
        what: "repulsion with the wrong sign, in the prediction",
        changes: &[Change {
            file: "theory/forces.rs",
            find: "4.0 * q * self.repulsion_weight(i, j)",
            before: "",
            replace: "-4.0 * q * self.repulsion_weight(i, j)",
        }],
        catcher: Catcher::Claims(&["eigenvalue-drift"]),
    },
    Breakage {
        id: "counterfactual-doubles",
        what: "removing repulsion in a run doubles it instead",
        changes: &[Change {
            file: "step/counterfactual.rs",
            find: "Lanes::splat(scale - 1.0).mul_add(force(), sum)",
            before: "",
            replace: "Lanes::splat(1.0 - scale).mul_add(force(), sum)",
        }],
        catcher: Catcher::Claims(&["repulsion"]),
    },
    Breakage {
        id: "one-sided-repulsion",
        what: "the antisymmetric repulsion that is removed pushes the small down, and the large not up",
        changes: &[Change {
            file: "theory/forces.rs",
            find: "(push, push)",
            before: "",
            replace: "(Lanes::ZERO, push)",
        }],
        catcher: Catcher::Claims(&["repulsion-left-out"]),
    },
    Breakage {
        id: "splits-confused",
        what: "the antisymmetric repulsion that is removed is the regular one",
        changes: &[
            Change {
                file: "theory/forces.rs",
                find: "Lanes::splat(2.0) * q * (Lanes::ONE + ratio) / gap",
                before: "",
                replace: "Lanes::splat(4.0) * q / gap",
            },
            Change {
                file: "theory/forces.rs",
                find: "(push, push)",
                before: "",
                replace: "(push * ratio, push)",
            },
        ],
        catcher: Catcher::Claims(&["repulsion-left-out"]),
    },
    Breakage {
        id: "antisymmetric-repulsion-doubles",
        what: "removing the antisymmetric repulsion in a run doubles it instead",
        changes: &[Change {
            file: "theory/forces.rs",
            find: "if i < j { up } else { -down }",
            before: "",
            replace: "if (i < j) == (split == ForceSplit::Regular) { up } else { -down }",
        }],
        catcher: Catcher::Claims(&["repulsion-left-out"]),
    },
    Breakage {
        id: "twice-q-ii",
        what: "a factor 2 in q_ii",
        changes: &[Change {
            file: "theory/forces.rs",
            find: "q[i * m + j] = nu * (squares + (mixed + mixed))",
            before: "",
            replace: "q[i * m + j] = nu * (squares + (mixed + mixed)) * Lanes::splat(if i == j { 2.0 } else { 1.0 })",
        }],
        catcher: Catcher::Claims(&["eigenvalue-drift"]),
    },
    Breakage {
        id: "stale-layer",
        what: "W2 updated with the new W1, not the old",
        changes: &[
            Change {
                file: "kernels/fixed.rs",
                find: "new[s] = row[s].mul_add(value, new[s])",
                before: "",
                replace: "",
            },
            Change {
                file: "kernels/fixed.rs",
                find: "*entry = sum",
                before: "",
                replace: "for s in 0..Q { new[s] = row[s].mul_add(sum, new[s]); } *entry = sum",
            },
        ],
        catcher: Catcher::Claims(&["step-determinant"]),
    },
    Breakage {
        id: "noise-used-again",
        what: "label noise of full-batch descent reused in every step",
        changes: &[Change {
            file: "step/increment.rs",
            find: "self.normals.of_step(step)",
            before: "",
            replace: "self.normals.of_step(0)",
        }],
        catcher: Catcher::Claims(&["label-noise-limit"]),
    },
    Breakage {
        id: "batch-noise-used-again",
        what: "label noise of SGD reused in every step",
        changes: &[Change {
            file: "step/increment.rs",
            find: "self.draw_label_noise(trajectories, number)",
            before: "",
            replace: "self.draw_label_noise(trajectories, 0)",
        }],
        catcher: Catcher::Claims(&["reductions", "larger-step-size"]),
    },
    Breakage {
        id: "variance-for-deviation",
        what: "SGD adds label noise of standard deviation δ, not √δ",
        changes: &[Change {
            file: "step/increment.rs",
            find: "dynamics.label_noise.sqrt()",
            before: ",",
            replace: "dynamics.label_noise",
        }],
        catcher: Catcher::Claims(&["step-determinant-sgd"]),
    },
    Breakage {
        id: "sampling-with-for-without",
        what: "sampling without replacement treated as with",
        changes: &[Change {
            file: "step/batches.rs",
            find: "self.sampling",
            before: " {
            Sampling::WithReplacement => {
                let mut reader",
            replace: "if self.sampling == Sampling::WithoutReplacement { Sampling::WithReplacement } else { self.sampling }",
        }],
        catcher: Catcher::Claims(&["step-determinant-sampling"]),
    },
    Breakage {
        id: "rows-beside-the-gradient",
        what: "the account of mini-batches takes the second moment of row gradients for their variance",
        changes: &[Change {
            file: "measure/account/mean.rs",
            find: "(of_row - full_square)",
            before: "",
            replace: "of_row",
        }],
        catcher: Catcher::Test {
            package: "rankfall-core",
            file: Some("account"),
            name: "what_is_left_has_mean_zero",
        },
    },
    Breakage {
        id: "label-noise-on-one-output",
        what: "the account has label noise on one output only",
        changes: &[Change {
            file: "measure/account/mean.rs",
            find: "Lanes::splat(dynamics.label_noise * k as f64)",
            before: "",
            replace: "Lanes::splat(dynamics.label_noise)",
        }],
        catcher: Catcher::Claims(&["account-label-noise"]),
    },
    Breakage {
        id: "no-jacobi",
        what: "the columns are never rotated between steps",
        changes: &[Change {
            file: "linalg/reorthogonalization.rs",
            find: "lost.any()",
            before: "",
            replace: "false",
        }],
        catcher: Catcher::Claims(&["plain-doubles"]),
    },
    Breakage {
        id: "tall-form-for-wide",
        what: "the closed form for k ≤ p used for p < k",
        changes: &[Change {
            file: "theory/decay.rs",
            find: "self.wide(nu)",
            before: "",
            replace: "let mut rates = vec![0.0; k]; rates.extend(self.values.iter().map(|s| -0.5 * nu * (k as f64 * s + self.trace()))); rates",
        }],
        catcher: Catcher::Claims(&["decay-rates-wide"]),
    },
    Breakage {
        id: "flips-used-again",
        what: "labels flipped alike in every step",
        changes: &[Change {
            file: "trajectories/class_gradient.rs",
            find: "self.key.words(self.trajectories, self.step, slot as u32)",
            before: "",
            replace: "self.key.words(self.trajectories, 0, slot as u32)",
        }],
        catcher: Catcher::Claims(&["classification-full-batch", "classification-mini-batch"]),
    },
    Breakage {
        id: "a-tenth-more-flips",
        what: "labels flip a tenth more often than they should",
        changes: &[Change {
            file: "model/classification.rs",
            find: "uniform >= *probability",
            before: "",
            replace: "uniform >= 1.1 * *probability",
        }],
        catcher: Catcher::Claims(&["classification-full-batch"]),
    },
    Breakage {
        id: "no-ito-correction-with-classes",
        what: "the flow of a loss of classes without its Itô correction",
        changes: &[Change {
            file: "step/ito.rs",
            find: "exponential(side, -0.5 * h * nu)",
            before: "",
            replace: "exponential(side, -0.0 * h * nu)",
        }],
        catcher: Catcher::Claims(&["classification-law"]),
    },
    Breakage {
        id: "quantiles-of-another-cell",
        what: "quantiles read from the histogram of another cell",
        changes: &[Change {
            file: "ensemble/statistics.rs",
            find: "self.histograms[cell].bin_of_rank(rank(q))",
            before: "",
            replace: "self.histograms[0 * cell].bin_of_rank(rank(q))",
        }],
        catcher: Catcher::Test {
            package: "rankfall-core",
            file: None,
            name: "histogram_quantiles_are_within_half_a_bin",
        },
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_breakage_has_its_place_in_the_sources() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for breakage in ALL {
            let checked = breakage.check(&root).map_err(|e| e.to_string());
            assert_eq!(checked, Ok(()));
        }
    }
}
