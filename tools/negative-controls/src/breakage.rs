//! The breakages: exact replacements in the sources, and who should notice.

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
    /// From the root of the workspace.
    pub file: &'static str,
    /// What is there.
    pub find: &'static str,
    /// What it becomes.
    pub replace: &'static str,
}

/// Who should notice.
pub enum Catcher {
    /// One of these claims, by its verdict.
    Claims(&'static [&'static str]),
    /// A test, for what no claim can see.
    Test {
        /// Its crate.
        package: &'static str,
        /// Its name.
        name: &'static str,
    },
}

impl Breakage {
    /// That every replacement matches exactly once.
    pub fn check(&self, root: &Path) -> Result<(), Box<dyn Error>> {
        for change in self.changes {
            let text = fs::read_to_string(root.join(change.file))
                .map_err(|e| format!("{}: {}: {e}", self.id, change.file))?;
            let count = text.matches(change.find).count();
            if count != 1 {
                let message = format!(
                    "{}: {} has {count} places of {:?}, not one",
                    self.id, change.file, change.find
                );
                return Err(message.into());
            }
        }
        Ok(())
    }

    /// Makes it wrong.
    pub fn apply(&self, root: &Path) -> Result<(), Box<dyn Error>> {
        self.check(root)?;
        self.each(root, |c| (c.find, c.replace))
    }

    /// Makes it right again.
    pub fn revert(&self, root: &Path) -> Result<(), Box<dyn Error>> {
        self.each(root, |c| (c.replace, c.find))
    }

    fn each(
        &self,
        root: &Path,
        pair: impl Fn(&Change) -> (&'static str, &'static str),
    ) -> Result<(), Box<dyn Error>> {
        for change in self.changes {
            let path = root.join(change.file);
            let (from, to) = pair(change);
            let text = fs::read_to_string(&path)?;
            fs::write(&path, text.replacen(from, to, 1))?;
        }
        Ok(())
    }
}

const STEPPER: &str = "crates/rankfall-core/src/stepper.rs";
const DYNAMICS: &str = "crates/rankfall-core/src/dynamics.rs";
const INCREMENT: &str = "crates/rankfall-core/src/increment.rs";
const FORCES: &str = "crates/rankfall-core/src/forces.rs";

/// All of them.
pub const ALL: &[Breakage] = &[
    Breakage {
        id: "no-ito-correction",
        what: "Lie–Euler without its Itô correction",
        changes: &[Change {
            file: STEPPER,
            find: "Lanes::splat(-0.5 * h * nu)",
            replace: "Lanes::splat(-0.0 * h * nu)",
        }],
        catcher: Catcher::Claims(&["determinant-law"]),
    },
    Breakage {
        id: "noise-off-by-five-percent",
        what: "ν 5 % too large",
        changes: &[Change {
            file: DYNAMICS,
            find: "let total = self.step_size * self.label_noise;",
            replace: "let total = 1.05 * self.step_size * self.label_noise;",
        }],
        catcher: Catcher::Claims(&["determinant-law"]),
    },
    Breakage {
        id: "white-noise-covariance",
        what: "noise of covariance I instead of S_xx",
        changes: &[Change {
            file: INCREMENT,
            find: "problem.roots.iter().map(|&r| deviation * r)",
            replace: "problem.roots.iter().map(|_| deviation)",
        }],
        catcher: Catcher::Claims(&["eigenvalue-covariation-anisotropic"]),
    },
    Breakage {
        id: "independent-noises",
        what: "covariations of different eigenvalues taken as zero",
        changes: &[Change {
            file: FORCES,
            find: "        4.0 * self.coupling[i][j]",
            replace: "        if i == j { 4.0 * self.coupling[i][j] } else { 0.0 }",
        }],
        catcher: Catcher::Claims(&["eigenvalue-covariation"]),
    },
    Breakage {
        id: "sign-of-repulsion",
        what: "repulsion with the wrong sign, in the prediction",
        changes: &[Change {
            file: FORCES,
            find: "            repulsion += 4.0 * q * self.repulsion_weight(i, j);",
            replace: "            repulsion -= 4.0 * q * self.repulsion_weight(i, j);",
        }],
        catcher: Catcher::Claims(&["eigenvalue-drift"]),
    },
    Breakage {
        id: "counterfactual-doubles",
        what: "removing repulsion in a run doubles it instead",
        changes: &[Change {
            file: "crates/rankfall-core/src/counterfactual.rs",
            find: "Lanes::splat(scale - 1.0).mul_add(force(), sum)",
            replace: "Lanes::splat(1.0 - scale).mul_add(force(), sum)",
        }],
        catcher: Catcher::Claims(&["repulsion"]),
    },
    Breakage {
        id: "twice-q-ii",
        what: "a factor 2 in q_ii",
        changes: &[Change {
            file: FORCES,
            find: "                q[i * m + j] = nu * (squares + (mixed + mixed));",
            replace: "                q[i * m + j] = nu * (squares + (mixed + mixed)) * Lanes::splat(if i == j { 2.0 } else { 1.0 });",
        }],
        catcher: Catcher::Claims(&["eigenvalue-drift"]),
    },
    Breakage {
        id: "stale-layer",
        what: "W2 updated with the new W1, not the old",
        changes: &[Change {
            file: "crates/rankfall-core/src/update/fixed.rs",
            find: "            let value = *entry;
            let mut sum = value;
            for s in 0..Q {
                sum = row[s].mul_add(old[s], sum);
                new[s] = row[s].mul_add(value, new[s]);
            }",
            replace: "            let value = *entry;
            let mut sum = value;
            for s in 0..Q {
                sum = row[s].mul_add(old[s], sum);
            }
            for s in 0..Q {
                new[s] = row[s].mul_add(sum, new[s]);
            }",
        }],
        catcher: Catcher::Claims(&["step-determinant"]),
    },
    Breakage {
        id: "noise-used-again",
        what: "label noise of full-batch descent reused in every step",
        changes: &[Change {
            file: INCREMENT,
            find: "self.key.fill_normals(trajectories, fine, &mut self.normals);",
            replace: "self.key.fill_normals(trajectories, fine % substeps, &mut self.normals);",
        }],
        catcher: Catcher::Claims(&["label-noise-limit"]),
    },
    Breakage {
        id: "batch-noise-used-again",
        what: "label noise of SGD reused in every step",
        changes: &[Change {
            file: INCREMENT,
            find: "self.add_label_noise(trajectories, state.step, slot);",
            replace: "self.add_label_noise(trajectories, 0, slot);",
        }],
        catcher: Catcher::Claims(&["larger-label-noise", "larger-step-size"]),
    },
    Breakage {
        id: "variance-for-deviation",
        what: "SGD adds label noise of standard deviation δ, not √δ",
        changes: &[Change {
            file: INCREMENT,
            find: "                    deviation: dynamics.label_noise.sqrt(),
                    distribution,",
            replace: "                    deviation: dynamics.label_noise,
                    distribution,",
        }],
        catcher: Catcher::Claims(&["step-determinant-sgd"]),
    },
    Breakage {
        id: "sampling-with-for-without",
        what: "sampling without replacement treated as with",
        changes: &[Change {
            file: "crates/rankfall-core/src/batches.rs",
            find: "            Sampling::WithReplacement => {
                let mut reader",
            replace: "            Sampling::WithReplacement | Sampling::WithoutReplacement if size > 0 => {
                let mut reader",
        }, Change {
            file: "crates/rankfall-core/src/batches.rs",
            find: "            Sampling::WithoutReplacement => self.choose_distinct(step, out),",
            replace: "            Sampling::WithReplacement | Sampling::WithoutReplacement => self.choose_distinct(step, out),",
        }],
        catcher: Catcher::Claims(&["step-determinant-sampling"]),
    },
    Breakage {
        id: "no-jacobi",
        what: "the columns are never rotated between steps",
        changes: &[Change {
            file: "crates/rankfall-core/src/state.rs",
            find: "        let cosine = 0.5 / self.factor.columns() as f64;",
            replace: "        let cosine = 2.0 + self.factor.columns() as f64;",
        }],
        catcher: Catcher::Claims(&["plain-doubles"]),
    },
    Breakage {
        id: "tall-form-for-wide",
        what: "the closed form for k ≤ p used for p < k",
        changes: &[Change {
            file: "crates/rankfall-core/src/theory/decay.rs",
            find: "            Ok(self.wide(nu))",
            replace: "            Ok(wrongly_tall(self, nu))",
        }, Change {
            file: "crates/rankfall-core/src/theory/decay.rs",
            find: "fn not_negative(what: &'static str, value: f64)",
            replace: "/// As for k ≤ p: k zeros, and −(ν/2) eig(k S + tr(S) I) for the p others.
fn wrongly_tall(seen: &Seen, nu: f64) -> Vec<f64> {
    let (k, trace) = (seen.outputs, seen.trace());
    let mut rates = vec![0.0; k];
    rates.extend(seen.values.iter().map(|s| -0.5 * nu * (k as f64 * s + trace)));
    rates
}

fn not_negative(what: &'static str, value: f64)",
        }],
        catcher: Catcher::Claims(&["decay-rates-wide"]),
    },
    Breakage {
        id: "quantiles-of-another-cell",
        what: "quantiles read from the histogram of another cell",
        changes: &[Change {
            file: "crates/rankfall-core/src/statistics.rs",
            find: "self.histograms[cell].bin_of_rank(rank(q))",
            replace: "self.histograms[0 * cell].bin_of_rank(rank(q))",
        }],
        catcher: Catcher::Test {
            package: "rankfall-core",
            name: "histogram_quantiles_are_within_half_a_bin",
        },
    },
];
