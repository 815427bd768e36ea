//! A made-up record, for pictures and tests: the exact determinant law and the decay rates of a
//! real problem, but random walks instead of a simulation. It is labelled as synthetic wherever it
//! shows.

#![allow(dead_code, reason = "the gallery and the tests use different parts")]

pub mod claims;
pub mod sweep;

use rankfall_report::observable::Observable;
use rankfall_report::record::{
    DynamicsSummary, EXACT, EXACT_LAW, Ends, ForceScalesRecord, LogDetSummary, LossSummary,
    MatrixSummary, ProblemSummary, RankSummary, SUMMARY_SCHEMA, SeriesRow, SpectrumEnds, Summary,
};

/// Noise intensity, outputs and trace of the made-up problem.
const NU: f64 = 0.02;
const OUTPUTS: usize = 2;
const TRACE: f64 = 4.954;
/// Rates of log σᵢ under the stochastic flow; they add up to −νk tr(S).
const RATES: [f64; 7] = [0.0, 0.0, -0.0183, -0.0207, -0.0222, -0.0681, -0.068_86];
/// log σᵢ of Θ at t = 0.
const START: [f64; 7] = [1.62, 1.45, 1.22, 1.02, 0.86, 0.52, 0.18];

/// What to make up.
pub struct Recipe {
    /// Kinds and labels.
    pub dynamics: Vec<(&'static str, String)>,
    /// Saves after t = 0.
    pub saves: usize,
    /// The last of them.
    pub time: f64,
    /// Logarithmic instead of linear saves.
    pub logarithmic: bool,
    /// Trajectories of the noisy dynamics.
    pub trajectories: usize,
    /// Whether the truth behind the data is known.
    pub truth: bool,
    /// Whether contributions of forces are recorded under stochastic gradient flow, the flow
    /// without repulsion among them: a label that starts with "without".
    pub forces: bool,
}

impl Recipe {
    /// Both flows and three descents over t = 500.
    pub fn standard() -> Self {
        let dynamics = [
            ("gradient-flow", "gradient flow"),
            ("stochastic-gradient-flow", "stochastic gradient flow"),
            ("gradient-descent", "gradient descent"),
            (
                "label-noise-gradient-descent",
                "label-noise gradient descent",
            ),
            ("sgd", "stochastic gradient descent"),
        ];
        Self {
            dynamics: dynamics
                .map(|(kind, label)| (kind, label.to_owned()))
                .to_vec(),
            saves: 200,
            time: 500.0,
            logarithmic: false,
            trajectories: 64,
            truth: true,
            forces: false,
        }
    }

    /// The stochastic flow with and without repulsion, with the contributions of all forces.
    pub fn forces() -> Self {
        let kind = "stochastic-gradient-flow";
        Self {
            dynamics: vec![
                (kind, "stochastic gradient flow".into()),
                (kind, "without repulsion".into()),
            ],
            forces: true,
            ..Self::standard()
        }
    }

    /// The record it makes.
    pub fn record(&self) -> (Summary, Vec<SeriesRow>) {
        let mut rows = Vec::new();
        let mut dynamics = Vec::new();
        for (i, (kind, label)) in self.dynamics.iter().enumerate() {
            let made = Made::new(self, kind, label, i as u64);
            made.rows(label, self, &mut rows);
            dynamics.push(made.summary(kind, label, self));
        }
        let problem = ProblemSummary {
            trace_sxx: Some(TRACE),
            loss_floor: Some(0.25),
            data: "made up for this picture; no data were read and nothing was simulated".into(),
            ..ProblemSummary::two_layers(1000, [5, 10, OUTPUTS])
        };
        let summary = Summary {
            schema: SUMMARY_SCHEMA,
            version: "0.1.0".into(),
            engine: EXACT.into(),
            engine_reason: "two linear layers".into(),
            experiment: "SYNTHETIC TEST RECORD (not a simulation)".into(),
            seed: 1,
            problem,
            dynamics,
            warnings: vec![
                "This is a synthetic test record: its numbers were made up to try the figures."
                    .into(),
            ],
            monitor: None,
        };
        (summary, rows)
    }

    fn times(&self) -> Vec<f64> {
        let last = self.saves.max(1) as f64;
        let place = |i: usize| {
            let share = i as f64 / last;
            if self.logarithmic {
                self.time * 1e-5f64.powf(1.0 - share)
            } else {
                self.time * share
            }
        };
        std::iter::once(0.0)
            .chain((1..=self.saves).map(place))
            .collect()
    }
}

/// Values of a function of the spectrum, one per trajectory.
type Each<'a> = dyn Fn(&dyn Fn(&[f64; 7]) -> f64) -> Vec<f64> + 'a;
/// Takes the values of an observable, its index and its law.
type Push<'a> = dyn FnMut(&str, usize, Vec<f64>, Option<f64>) + 'a;

/// Trajectories of one dynamics: `spectra[trajectory][save]` are log σᵢ of Θ.
struct Made {
    times: Vec<f64>,
    spectra: Vec<Vec<[f64; 7]>>,
    nu: f64,
    flow: bool,
    repulsion: f64,
}

impl Made {
    fn new(recipe: &Recipe, kind: &str, label: &str, stream: u64) -> Self {
        let times = recipe.times();
        let (nu, excess) = match kind {
            "stochastic-gradient-flow" => (NU, 0.0),
            "sgd" => (NU, 0.087),
            "label-noise-gradient-descent" => (NU / 2.0, 0.004),
            _ => (0.0, 0.0),
        };
        let count = if nu > 0.0 { recipe.trajectories } else { 1 };
        let repulsion = if recipe.forces && label.starts_with("without") {
            0.0
        } else {
            1.0
        };
        let spectra = (0..count)
            .map(|i| {
                trajectory(
                    &times,
                    nu,
                    excess,
                    repulsion,
                    &mut Generator(1 + 1000 * stream + i as u64),
                )
            })
            .collect();
        Self {
            times,
            spectra,
            nu,
            flow: kind.ends_with("flow") && repulsion == 1.0,
            repulsion,
        }
    }

    fn rows(&self, label: &str, recipe: &Recipe, rows: &mut Vec<SeriesRow>) {
        for (save, time) in self.times.iter().enumerate() {
            let mut push = |observable: &str, index: usize, values: Vec<f64>, law: Option<f64>| {
                rows.push(row(label, observable, index as u32, *time, values, law));
            };
            let each = |f: &dyn Fn(&[f64; 7]) -> f64| {
                self.spectra
                    .iter()
                    .map(|t| f(&t[save]))
                    .collect::<Vec<f64>>()
            };
            let law = self.flow.then(|| self.law(*time));
            push("log_det", 0, each(&|s| self.log_det(s, *time)), law);
            for i in 0..7 {
                push("log_singular_value_theta", i + 1, each(&|s| s[i]), None);
                push("log_eigenvalue_m", i + 1, each(&|s| 2.0 * s[i]), None);
            }
            for i in 0..5 {
                push("log_singular_value_w1", i + 1, each(&|s| s[i] - 0.25), None);
            }
            push(
                "numerical_rank_w1",
                0,
                each(&|s| numerical_rank(&s[..5])),
                None,
            );
            push(
                "effective_rank_w1",
                0,
                each(&|s| effective_rank(&s[..5])),
                None,
            );
            push("stable_rank_w1", 0, each(&|s| stable_rank(&s[..5])), None);
            push("numerical_rank_product", 0, each(&|_| 2.0), None);
            push(
                "effective_rank_product",
                0,
                each(&|s| 1.0 + effective_rank(&s[..2]) / 2.1 - 0.3 * decay(*time)),
                None,
            );
            push(
                "stable_rank_product",
                0,
                each(&|s| stable_rank(&s[..2])),
                None,
            );
            let excess = |s: &[f64; 7]| {
                9.0 * decay(*time) + self.nu * 0.6 * (1.0 + 3.0 * (s[0] - START[0]).abs())
            };
            push("excess_loss", 0, each(&|s| excess(s).max(1e-14)), None);
            push("loss", 0, each(&|s| 0.25 + excess(s)), None);
            if recipe.truth {
                push(
                    "population_loss",
                    0,
                    each(&|s| 0.01 + 1.1 * excess(s)),
                    None,
                );
            }
            let drift = |s: &[f64; 7]| {
                1e-15 * time + self.nu * time.sqrt() * (1.0 + (s[0] - START[0]).abs())
            };
            push("balance_drift", 0, each(&drift), None);
            if recipe.forces && self.nu > 0.0 {
                self.contributions(*time, &each, &mut push);
            }
        }
    }

    /// What the forces added to log λᵢ = 2 log σᵢ: repulsion makes up for what the others leave.
    fn contributions(&self, time: f64, each: &Each<'_>, push: &mut Push<'_>) {
        for i in 0..7 {
            let gradient =
                |s: &[f64; 7]| 0.02 * time * (0.5 - i as f64 / 7.0) + 0.1 * (s[0] - START[0]);
            let own = |_: &[f64; 7]| -0.03 * time * (1.0 + 0.2 * i as f64);
            let common = |_: &[f64; 7]| 0.06 * time * (1.0 + 0.1 * i as f64);
            let martingale = |s: &[f64; 7]| 0.9 * (s[(i + 3) % 7].sin() * time.sqrt() * 0.3);
            let residual = |s: &[f64; 7]| 1e-3 * time.sqrt() * s[i].cos();
            let all = |s: &[f64; 7]| {
                let others = gradient(s) + own(s) + common(s) + martingale(s) + residual(s);
                2.0 * (s[i] - START[i]) - others
            };
            let repulsion = |s: &[f64; 7]| self.repulsion * all(s);
            push("contribution_gradient", i + 1, each(&gradient), None);
            push("contribution_own_noise", i + 1, each(&own), None);
            push("contribution_common_growth", i + 1, each(&common), None);
            push("contribution_repulsion", i + 1, each(&repulsion), None);
            push("contribution_martingale", i + 1, each(&martingale), None);
            if self.repulsion < 1.0 {
                let reflection = |s: &[f64; 7]| 2.0 * time * (i as f64 - 3.0) + 0.1 * s[i].sin();
                push("contribution_reflection", i + 1, each(&reflection), None);
            }
            push("contribution_residual", i + 1, each(&residual), None);
            push(
                "contribution_quadrature_error",
                i + 1,
                each(&|_| 2e-6 * time),
                None,
            );
            for j in (0..7).filter(|j| *j != i) {
                let share = |s: &[f64; 7]| {
                    let weight = if j < i {
                        1.0 / (1.0 + j as f64)
                    } else {
                        -0.02 / (1.0 + j as f64)
                    };
                    repulsion(s).abs() * -weight / 2.2
                };
                push(
                    "contribution_repulsion_pair",
                    i * 7 + j + 1,
                    each(&share),
                    None,
                );
            }
        }
    }

    /// The sum of the spectrum; the flow's noise cancels in it up to rounding.
    fn log_det(&self, spectrum: &[f64; 7], time: f64) -> f64 {
        let sum = 2.0 * spectrum.iter().sum::<f64>();
        if self.flow {
            self.law(time) + 1e-13 * (sum * 1e3).sin() * time.sqrt()
        } else {
            sum
        }
    }

    fn law(&self, time: f64) -> f64 {
        2.0 * START.iter().sum::<f64>() - 2.0 * self.nu * OUTPUTS as f64 * TRACE * time
    }

    fn summary(&self, kind: &str, label: &str, recipe: &Recipe) -> DynamicsSummary {
        let last = self.times.len() - 1;
        let mean = |f: &dyn Fn(&[f64; 7]) -> f64| {
            Some(self.spectra.iter().map(|t| f(&t[last])).sum::<f64>() / self.spectra.len() as f64)
        };
        let ends = |f: &dyn Fn(&[f64; 7]) -> f64| Ends {
            initial: Some(f(&START)),
            final_mean: mean(f),
        };
        let matrix = |name: &str, layer: Option<u32>, count: usize, shift: f64| MatrixSummary {
            name: name.into(),
            layer,
            log_singular_values: Some(SpectrumEnds {
                initial: START[..count].iter().map(|s| Some(s - shift)).collect(),
                final_mean: (0..count).map(|i| mean(&|s| s[i] - shift)).collect(),
            }),
            numerical_rank: RankSummary {
                rank: ends(&|s| numerical_rank(&s[..count])),
                tolerance: Some(1e-3),
            },
            effective_rank: ends(&|s| effective_rank(&s[..count])),
            stable_rank: ends(&|s| stable_rank(&s[..count])),
            ..MatrixSummary::default()
        };
        let loss = |floor: f64| LossSummary {
            initial: Some(floor + 9.0),
            final_mean: Some(floor + 0.6 * self.nu),
            final_std: (self.nu > 0.0).then_some(0.2 * self.nu),
        };
        let (_, label_noise) = if self.nu > 0.0 { (0, 2.0) } else { (0, 0.0) };
        let log_det = LogDetSummary {
            of: "M".into(),
            layer: None,
            initial: Some(self.law(0.0)),
            final_mean: mean(&|s| self.log_det(s, recipe.time)),
            final_std: (self.nu > 0.0).then_some(if self.flow { 3e-12 } else { 1.4 }),
            law_final: self.flow.then(|| self.law(recipe.time)),
        };
        let mut summary = DynamicsSummary {
            label: label.into(),
            kind: kind.into(),
            noise_intensity: self.nu,
            step_size: 0.01,
            schedule: "constant".into(),
            label_noise,
            forces: (self.repulsion != 1.0).then_some(ForceScalesRecord {
                gradient: 1.0,
                own_noise: 1.0,
                common_growth: Some(1.0),
                common_decay: None,
                repulsion: self.repulsion,
            }),
            force_split: (recipe.forces && self.nu > 0.0).then(|| "regular".into()),
            steps: (recipe.time * 100.0) as u64,
            trajectories: self.spectra.len() as u64,
            reductions: vec!["Width 10 was reduced to 7 (synthetic sentence).".into()],
            seconds: 1.0,
            trajectory_steps_per_second: 3.2e6,
            predictions: vec![log_det.prediction(EXACT_LAW, "not stated: it is of flows")],
            log_det: Some(log_det),
            matrices: vec![
                matrix("theta", None, 7, 0.0),
                matrix("w1", Some(1), 5, 0.25),
                matrix("w2", Some(2), 2, 0.5),
                matrix("product", None, 2, 1.0),
            ],
            loss: loss(0.25),
            excess_loss: Some(loss(0.0)),
            population_loss: recipe.truth.then(|| loss(0.01)),
            quantiles: "type 7, exact".into(),
            ..DynamicsSummary::default()
        };
        summary.name_two_layers();
        summary
    }
}

fn decay(time: f64) -> f64 {
    (-0.9 * time).exp() + 0.02 * (-0.08 * time).exp()
}

/// Random walks with the rates of the flow; what stays alive is pulled back to its start.
fn trajectory(
    times: &[f64],
    nu: f64,
    excess: f64,
    repulsion: f64,
    noise: &mut Generator,
) -> Vec<[f64; 7]> {
    let mut state = START;
    let mut before = 0.0;
    let mut saved = Vec::new();
    for time in times {
        let step = time - before;
        before = *time;
        for i in 0..7 {
            let pull = if i < 2 {
                0.05 * (START[i] - state[i]) * step.min(10.0)
            } else {
                0.0
            };
            let kick = (0.5 * nu * step.min(20.0)).sqrt()
                * noise.normal()
                * if i < 2 { 0.25 } else { 0.6 };
            state[i] += RATES[i] * (nu / NU) * (1.0 + excess) * step * (1.1 * repulsion - 0.1)
                + pull * f64::from(u8::from(nu > 0.0))
                + kick;
        }
        state.sort_by(|a, b| b.total_cmp(a));
        saved.push(state);
    }
    saved
}

fn numerical_rank(logs: &[f64]) -> f64 {
    logs.iter().filter(|s| **s - logs[0] > 1e-3f64.ln()).count() as f64
}

fn effective_rank(logs: &[f64]) -> f64 {
    let total: f64 = logs.iter().map(|s| s.exp()).sum();
    let entropy: f64 = logs
        .iter()
        .map(|s| s.exp() / total)
        .filter(|q| *q > 0.0)
        .map(|q| -q * q.ln())
        .sum();
    entropy.exp()
}

fn stable_rank(logs: &[f64]) -> f64 {
    logs.iter().map(|s| (2.0 * (s - logs[0])).exp()).sum()
}

fn row(
    dynamics: &str,
    observable: &str,
    index: u32,
    time: f64,
    mut values: Vec<f64>,
    law: Option<f64>,
) -> SeriesRow {
    values.sort_by(f64::total_cmp);
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    let quantile = |q: f64| {
        let place = q * (n - 1.0);
        let (low, high) = (
            values[place.floor() as usize],
            values[place.ceil() as usize],
        );
        Some(low + (high - low) * place.fract())
    };
    let of = Observable::measured(observable, index);
    SeriesRow {
        dynamics: dynamics.into(),
        observable: of.name,
        layer: of.layer,
        index: of.index,
        time,
        mean: Some(mean),
        std_error: (values.len() > 1).then(|| (variance / n).sqrt()),
        q05: quantile(0.05),
        q25: quantile(0.25),
        q50: quantile(0.5),
        q75: quantile(0.75),
        q95: quantile(0.95),
        law,
    }
}

/// SplitMix64 [Steele, Lea and Flood 2014].
struct Generator(u64);

impl Generator {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
}
