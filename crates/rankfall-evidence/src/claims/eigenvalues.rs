//! The stochastic differential equation of the eigenvalues of M against realised increments.

use faer::Mat;
use rankfall_core::model::dynamics::{Dynamics, ForceSplit, Integrator};
use rankfall_core::model::network::Start;
use rankfall_core::simd::lanes::{BLOCK, Lanes};
use rankfall_core::step::inspector::StepInspector;
use rankfall_core::theory::forces::EigenvalueForces;

use crate::bench::Bench;
use crate::claim::{Claim, Provenance, Strength, Suite, Test};
use crate::decision::Comparison;
use crate::evidence::{Evidence, Stop, unmeasured};
use crate::one_step::{OneStep, estimate};
use crate::picture::{Picture, Style};
use crate::scales::{horizon, negative_gradient, stable_step, subscript};
use crate::setting::Setting;
use crate::simulation::{Simulation, flow};

/// To this share of its scale a prediction is tested. The step is so short that what it leaves out
/// is far less.
pub(super) const RESOLUTION: f64 = 0.03;
/// The length of the step times the stiffness: what is left out is about this share.
const SHORT: f64 = 1e-4;

pub const DRIFT: Claim = Claim {
    suite: Suite::Exact,
    id: "eigenvalue-drift",
    title: "The drift of the eigenvalues, repulsion included",
    statement: "d log λᵢ = [4 aᵢ'A bᵢ − qᵢᵢ + Σ qᵢⱼ + Σ 4 qᵢⱼ λⱼ/(λᵢ − λⱼ)] dt + noise, sums over j ≠ i, \
                vᵢ = (aᵢ; bᵢ) the eigenvectors of M and qᵢⱼ = ν[(aᵢ'Saᵢ)(bⱼ'bⱼ) + (aⱼ'Saⱼ)(bᵢ'bᵢ) + \
                2(aᵢ'Saⱼ)(bᵢ'bⱼ)].",
    provenance: Provenance::Paper,
    strength: Strength::Asymptotic,
    alternative: "the same without the repulsion Σ 4 qᵢⱼ λⱼ/(λᵢ − λⱼ)",
    test: Test::Setting {
        comparisons: applies,
        measure: drift,
    },
};

pub const COVARIATION: Claim = Claim {
    suite: Suite::Exact,
    id: "eigenvalue-covariation",
    title: "The noises of the eigenvalues are correlated",
    statement: "d⟨log λᵢ, log λⱼ⟩ = 16ν (aᵢ'Saⱼ)(bᵢ'bⱼ) dt for all i, j; for i = j this is 4qᵢᵢ dt.",
    provenance: Provenance::Beyond,
    strength: Strength::Asymptotic,
    alternative: "independent driving noises: no covariation between different eigenvalues",
    test: Test::Setting {
        comparisons: |setting| applies(setting).map(|d| d * (d + 1) / 2),
        measure: covariation,
    },
};

pub const ANISOTROPIC: Claim = Claim {
    suite: Suite::Exact,
    id: "eigenvalue-covariation-anisotropic",
    title: "The same with inputs of different variances",
    statement: "d⟨log λᵢ, log λⱼ⟩ = 16ν (aᵢ'Saⱼ)(bᵢ'bⱼ) dt, for p = 4, k = 2 and inputs of variances 1, 1/2, \
                1/3, 1/4: the noise of the gradient has the covariance of the inputs.",
    provenance: Provenance::Beyond,
    strength: Strength::Asymptotic,
    alternative: "independent driving noises: no covariation between different eigenvalues",
    test: Test::Setting {
        comparisons: |setting| setting.own_problem().map(|()| 21),
        measure: |bench| {
            let mut setting = bench.setting.clone();
            setting.problem = super::decay::drawn(bench.setting, 4, 2)?;
            covariation(&Bench {
                setting: &setting,
                ..*bench
            })
        },
    },
};

pub(super) fn applies(setting: &Setting) -> Result<usize, String> {
    setting.small(16)?;
    setting.noisy()?;
    setting.full_rank()?;
    Ok(setting.rows_of_theta())
}

/// One state on a path of the flow, what theory says there, and short steps from it.
pub(super) struct Local {
    start: Start,
    forces: EigenvalueForces,
    /// Of the step.
    pub(super) length: f64,
    /// log λᵢ before it.
    pub(super) before: Vec<f64>,
    /// Eigenvectors, one after the other.
    pub(super) vectors: Vec<Vec<f64>>,
    /// A.
    gradient: Mat<f64>,
}

impl Local {
    pub(super) fn new(bench: &Bench) -> Result<Self, Stop> {
        let setting = bench.setting;
        let problem = &setting.problem;
        let (nu, h) = (
            setting.noise_intensity(),
            stable_step(setting, setting.width)?,
        );
        let steps = (horizon(setting) / h).ceil() as u64;
        let plan = Simulation::flow(nu, h, 1, vec![0, steps]).stream(20);
        let run = bench
            .at_first()
            .run(&setting.setup(setting.width, false), &plan)?;
        let weights = run.weights.ok_or_else(|| unmeasured("the path diverged"))?;
        let start = Start::of(&weights, problem);
        let still =
            StepInspector::new(&flow(Integrator::LieEuler, nu, h), problem, &start, 0, 0, 0);
        let still = still.ok_or_else(|| unmeasured("nothing takes steps"))?;
        let forces = still.forces(0, nu);
        let before = log_eigenvalues(&still).iter().map(|l| l.0[0]).collect();
        let svd = rankfall_core::linalg::dense::thin_svd(&start.left);
        let vectors = (0..svd.sigma.len())
            .map(|i| svd.u.col_as_slice(i).to_vec())
            .collect();
        let gradient = negative_gradient(problem, &start);
        Ok(Self {
            length: SHORT / crate::setting::stiffness(problem, &start),
            start,
            forces,
            before,
            vectors,
            gradient,
        })
    }

    pub(super) fn dynamics(&self, setting: &Setting) -> Dynamics {
        flow(Integrator::LieEuler, setting.noise_intensity(), self.length)
    }

    /// Δ log λᵢ of each lane.
    pub(super) fn change(&self, walk: &StepInspector) -> Vec<Lanes<BLOCK>> {
        let after = log_eigenvalues(walk);
        let pairs = after.into_iter().zip(&self.before);
        pairs.map(|(x, &y)| x - Lanes::splat(y)).collect()
    }

    /// 2 vᵢ'H(ΔG − hA)vᵢ = 4 aᵢ'(ΔG − hA)bᵢ: the noise of log λᵢ to first order, of mean zero.
    fn noise(&self, i: usize, increment: &[Lanes<BLOCK>], outputs: usize) -> Lanes<BLOCK> {
        let (a, b) = self.vectors[i].split_at(increment.len() / outputs);
        let mut sum = Lanes::ZERO;
        for (entry, &g) in increment.iter().enumerate() {
            let place = (entry / outputs, entry % outputs);
            let weight = 4.0 * a[place.0] * b[place.1];
            let noise = g - Lanes::splat(self.length * self.gradient[place]);
            sum += noise * Lanes::splat(weight);
        }
        sum
    }

    pub(super) fn draw<'a>(
        &'a self,
        setting: &'a Setting,
        dynamics: &'a Dynamics,
        stream: u32,
        trajectories: u64,
    ) -> OneStep<'a> {
        OneStep {
            problem: &setting.problem,
            start: &self.start,
            dynamics,
            seed: setting.seed,
            stream,
            trajectories,
        }
    }
}

fn log_eigenvalues(walk: &StepInspector) -> Vec<Lanes<BLOCK>> {
    let norms = walk.log_singular_values();
    norms.into_iter().map(|l| l + l).collect()
}

fn drift(bench: &Bench) -> Result<Evidence, Stop> {
    let setting = bench.setting;
    let local = Local::new(bench)?;
    let (d, k) = (local.before.len(), setting.outputs());
    let dynamics = local.dynamics(setting);
    let trajectories = bench.trajectories(4096, 1_200_000, 10_000_000);
    // The first-order noise has mean zero and is taken off: what is left fluctuates no more than it
    // drifts.
    let measure = |walk: &StepInspector, out: &mut [Lanes<BLOCK>]| {
        for (i, change) in local.change(walk).into_iter().enumerate() {
            out[i] = change - local.noise(i, walk.increment(), k);
        }
    };
    let draw = local.draw(setting, &dynamics, 21, trajectories);
    let means = draw.group_means(bench, d, &measure)?;
    let mut comparisons = Vec::new();
    for i in 0..d {
        let parts = local.forces.log_drift(ForceSplit::Regular, i);
        let scale = parts.own_noise.abs() + parts.common.abs() + parts.repulsion.abs();
        let margin = RESOLUTION * scale;
        let estimate = estimate(&means, i, 1.0 / local.length)?;
        let what = format!("drift of log λ{}", subscript(i + 1));
        let comparison = Comparison::statistical(what, parts.total(), estimate, margin);
        // Only where repulsion is a large part can its absence be told.
        let told = parts.repulsion.abs() > 4.0 * margin;
        comparisons.push(comparison.against_if(told, parts.total() - parts.repulsion));
    }
    let figure = drift_figure(&local, &comparisons);
    Ok(Evidence {
        comparisons,
        figure: Some(figure),
        sentence: format!(
            "{trajectories} steps of length {:.1e} from one state; the margin is 3 % of the sizes of the noise forces",
            local.length
        ),
    })
}

fn drift_figure(local: &Local, comparisons: &[Comparison]) -> Picture {
    let index: Vec<f64> = (1..=comparisons.len()).map(|i| i as f64).collect();
    let of = |f: &dyn Fn(usize) -> f64| (0..comparisons.len()).map(f).collect::<Vec<f64>>();
    let measured = of(&|i| comparisons[i].measured.value());
    let half = of(&|i| match comparisons[i].measured {
        crate::decision::Measurement::Statistical(e) => 4.0 * e.standard_error,
        crate::decision::Measurement::Exact(_) => 0.0,
    });
    let drift = |i: usize| local.forces.log_drift(ForceSplit::Regular, i);
    Picture::new(
        "Drift of the eigenvalues",
        "Measured drift of log λᵢ with four standard errors (points), all forces together (dashed), and \
         without the repulsion of the regular split (line).",
        "i, by falling eigenvalue",
        "drift of log λᵢ per unit of t",
    )
    .with("all forces", Style::Dashed, index.clone(), of(&|i| drift(i).total()))
    .with(
        "without repulsion",
        Style::Line,
        index.clone(),
        of(&|i| drift(i).total() - drift(i).repulsion),
    )
    .with_intervals("measured", index, measured, half)
}

fn covariation(bench: &Bench) -> Result<Evidence, Stop> {
    let setting = bench.setting;
    let local = Local::new(bench)?;
    let d = local.before.len();
    let pairs: Vec<(usize, usize)> = (0..d).flat_map(|i| (i..d).map(move |j| (i, j))).collect();
    let dynamics = local.dynamics(setting);
    let trajectories = bench.trajectories(4096, 1_200_000, 10_000_000);
    let measure = |walk: &StepInspector, out: &mut [Lanes<BLOCK>]| {
        let change = local.change(walk);
        for (value, &(i, j)) in out.iter_mut().zip(&pairs) {
            *value = change[i] * change[j];
        }
    };
    let draw = local.draw(setting, &dynamics, 22, trajectories);
    let means = draw.group_means(bench, pairs.len(), &measure)?;
    let mut comparisons = Vec::new();
    for (place, &(i, j)) in pairs.iter().enumerate() {
        let of = |i: usize, j: usize| local.forces.log_covariation(i, j);
        let margin = RESOLUTION * (of(i, i) * of(j, j)).sqrt();
        let estimate = estimate(&means, place, 1.0 / local.length)?;
        let what = format!("d⟨log λ{}, log λ{}⟩/dt", subscript(i + 1), subscript(j + 1));
        let comparison = Comparison::statistical(what, of(i, j), estimate, margin);
        let told = i != j && of(i, j).abs() > 4.0 * margin;
        comparisons.push(comparison.against_if(told, 0.0));
    }
    Ok(Evidence {
        comparisons,
        figure: None,
        sentence: format!(
            "{trajectories} steps of length {:.1e} from one state; the margin is 3 % of the geometric mean of the diffusions",
            local.length
        ),
    })
}
