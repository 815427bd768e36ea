//! The points of a sweep: what varies put into the experiment, each point checked as a whole.

use crate::estimate;
use crate::experiment::document::{self, InputProblem, Origin, TomlNode};
use crate::experiment::keys::MOST_POINTS;
use crate::experiment::sweep::{self, Design, SweepAxisSpec, SweepOptions, SweepSpec};
use crate::experiment::{AccountSpec, EngineInput, Experiment, set};
use crate::failure::Failure;
use crate::save_plan::{SavePlan, Spacing};
use crate::shard::Shard;
use rankfall_core::random::{Purpose, StreamKey};
use std::path::Path;

/// One point of a sweep.
#[derive(Clone, Debug)]
pub struct SweepPoint {
    /// The values of the axes there, in their order.
    pub coordinates: Vec<TomlNode>,
    /// The experiment with these values, as its engine takes it.
    pub experiment: EngineInput,
    /// The work of each dynamics, once the data are read.
    pub work: Vec<Work>,
}

/// How much there is to do for one dynamics of a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Work {
    /// Trajectory-steps.
    pub steps: u64,
    /// About how long they take, in units of their own.
    pub cost: f64,
}

/// All points of a sweep.
#[derive(Clone, Debug)]
pub struct SweepPlan {
    /// What varies.
    pub spec: SweepSpec,
    /// The points, in order.
    pub points: Vec<SweepPoint>,
}

impl SweepPlan {
    /// The points of an experiment with a `[sweep]` table, or with `--over`.
    ///
    /// `source` names the file in messages; relative paths in it are taken from `folder`.
    ///
    /// # Errors
    /// Exit code 2 for values that cannot vary so, too many points, or a point that is no valid
    /// experiment, which is named.
    pub fn new(
        root: &TomlNode,
        source: &str,
        folder: &Path,
        given: &SweepOptions,
    ) -> Result<Self, Failure> {
        let wrong = |problem: InputProblem| problem.in_file(source);
        let spec = sweep::read(root, given).map_err(wrong)?;
        let coordinates = match spec.design {
            Design::Grid => grid(&spec.axes).map_err(wrong)?,
            Design::Random { points } => random(&spec.axes, points, seed_of(root)),
        };
        let count = coordinates.len();
        let mut points: Vec<SweepPoint> = Vec::with_capacity(count);
        for (index, coordinates) in coordinates.into_iter().enumerate() {
            let read = point(root, folder, &spec, index, &coordinates);
            let experiment = read.map_err(|problem| {
                let named = named(index, count, &spec.axes, &coordinates);
                of_point(problem, source, &named)
            })?;
            if index == 0 {
                estimate::check_points(count, experiment.labels().len())?;
            }
            let first = points.first().map_or(&experiment, |p| &p.experiment);
            if experiment.labels().len() != first.labels().len()
                || experiment.name() != first.name()
            {
                let message = "a sweep cannot vary the name or the number of dynamics";
                return Err(Failure::input(format!("{source}: {message}")));
            }
            points.push(SweepPoint {
                coordinates,
                experiment,
                work: Vec::new(),
            });
        }
        let plan = SweepPlan { spec, points };
        plan.refuse_idle_axes(root, folder).map_err(wrong)?;
        Ok(plan)
    }

    /// Refuses an axis on which no result of a sweep depends: that of `run.save`, for instance.
    fn refuse_idle_axes(&self, root: &TomlNode, folder: &Path) -> Result<(), InputProblem> {
        let Some(first) = self.points.first() else {
            return Ok(());
        };
        for (position, axis) in self.spec.axes.iter().enumerate() {
            let mut others = self
                .points
                .iter()
                .map(|point| &point.coordinates[position])
                .filter(|value| value.value != first.coordinates[position].value)
                .take(MOST_COMPARED)
                .peekable();
            let idle = others.peek().is_some()
                && others.all(|value| {
                    let mut coordinates = first.coordinates.clone();
                    coordinates[position] = value.clone();
                    let other = point(root, folder, &self.spec, 0, &coordinates);
                    other.is_ok_and(|other| measured(other) == measured(first.experiment.clone()))
                });
            if idle {
                return Err(axis
                    .problem("varies, but nothing that a sweep measures depends on it")
                    .hint("leave this axis out"));
            }
        }
        Ok(())
    }

    /// The experiment of the first point: what all have in common can be read off it.
    ///
    /// # Errors
    /// Exit code 2 for a plan without points, which [`SweepPlan::new`] does not make.
    pub fn first(&self) -> Result<&EngineInput, Failure> {
        let first = self.points.first();
        first
            .map(|point| &point.experiment)
            .ok_or_else(|| Failure::input("the sweep has no points"))
    }

    /// How messages name a point: its number from 1, and its values.
    pub fn named(&self, index: usize) -> String {
        let coordinates = self.points.get(index).map(|p| &p.coordinates[..]);
        named(
            index,
            self.points.len(),
            &self.spec.axes,
            coordinates.unwrap_or_default(),
        )
    }

    /// The points that a shard has: dealt out one by one, since cost often grows along an axis.
    pub fn points_of(&self, shard: Option<Shard>) -> impl Iterator<Item = usize> {
        let is_own = move |at: &usize| shard.is_none_or(|shard| shard.is_dealt(*at as u64));
        (0..self.points.len()).filter(is_own)
    }

    /// The resolved copy: that of the first point, and the sweep, whose values replace its own.
    ///
    /// # Errors
    /// Exit code 2 for a plan without points.
    pub fn resolved_toml(&self) -> Result<String, Failure> {
        Ok(self.first()?.resolved_toml() + &sweep::resolved(&self.spec))
    }
}

/// Values of an axis that are looked at before it is taken to change nothing.
const MOST_COMPARED: usize = 100;

/// What of an experiment bears on the results of a sweep: it saves when it has to, and labels are
/// names.
fn measured(mut experiment: EngineInput) -> EngineInput {
    experiment.run_mut().save = SavePlan {
        points: 1,
        spacing: Spacing::Linear,
    };
    match &mut experiment {
        EngineInput::Exact(exact) => exact.dynamics.iter_mut().for_each(|d| d.label.clear()),
        EngineInput::Dense(dense, why) => {
            dense.dynamics.iter_mut().for_each(|d| d.label.clear());
            why.clear();
        }
    }
    experiment
}

/// Every combination, the last axis fastest.
fn grid(axes: &[SweepAxisSpec]) -> Result<Vec<Vec<TomlNode>>, InputProblem> {
    let mut points: Vec<Vec<TomlNode>> = vec![Vec::new()];
    for axis in axes {
        let values = axis.values()?;
        let count = (points.len() as u64).saturating_mul(values.len() as u64);
        if count > MOST_POINTS {
            let message =
                format!("makes {count} points or more; a sweep has at most {MOST_POINTS}");
            let hint = "fewer values, or design = \"random\" with the number of points you want";
            return Err(axis.problem(message).hint(hint));
        }
        let extended = |point: &Vec<TomlNode>| {
            let with = |value: &TomlNode| [&point[..], std::slice::from_ref(value)].concat();
            values.iter().map(with).collect::<Vec<_>>()
        };
        points = points.iter().flat_map(extended).collect();
    }
    Ok(points)
}

/// Independent uniform draws along each axis: point i is the same however many there are.
fn random(axes: &[SweepAxisSpec], points: u64, seed: u64) -> Vec<Vec<TomlNode>> {
    let key = StreamKey::new(seed, Purpose::SweepDesign, 0);
    let point = |index: u64| {
        let mut draws = key.reader(index, 0);
        axes.iter()
            .map(|axis| axis.value_at((draws.word() >> 11) as f64 * f64::EPSILON / 2.0))
            .collect()
    };
    (0..points).map(point).collect()
}

/// The seed of the design: that of the run, before the points have their own.
fn seed_of(root: &TomlNode) -> u64 {
    document::number(root.at("run.seed")).map_or(1, |seed| seed as u64)
}

/// The experiment of one point.
fn point(
    root: &TomlNode,
    folder: &Path,
    spec: &SweepSpec,
    index: usize,
    coordinates: &[TomlNode],
) -> Result<EngineInput, InputProblem> {
    let mut root = root.clone();
    for (axis, value) in spec.axes.iter().zip(coordinates) {
        if spec.vary_seed && axis.key == "run.seed" {
            return Err(axis.problem("varies, and so does the seed of every point (vary_seed)"));
        }
        let written = document::shown(value);
        let value = TomlNode {
            value: value.value.clone(),
            origin: Origin::Set {
                argument: format!("{}={written}", axis.key).into(),
                value: written,
            },
        };
        set(&mut root, &axis.key, &value)?;
    }
    let mut experiment = Experiment::from_tree(&root, folder)?.engine_at(&root)?;
    if experiment.run().keep_trajectories {
        let message = "`run.keep_trajectories` is true, and a sweep keeps none";
        return Err(InputProblem::new(&Origin::Whole, message).hint("leave it out"));
    }
    // Forces and accounts take room and time, and no metric is about them.
    experiment.run_mut().force_balance = None;
    experiment.run_mut().account = AccountSpec::Off;
    if spec.vary_seed {
        let run = experiment.run_mut();
        run.seed = run.seed.wrapping_add(index as u64);
    }
    Ok(experiment)
}

fn named(index: usize, count: usize, axes: &[SweepAxisSpec], coordinates: &[TomlNode]) -> String {
    let value = |(axis, value): (&SweepAxisSpec, &TomlNode)| {
        format!("{} = {}", axis.key, document::shown(value))
    };
    let values: Vec<String> = axes.iter().zip(coordinates).map(value).collect();
    format!("point {} of {count} ({})", index + 1, values.join(", "))
}

/// What is wrong with a point: its name instead of a `--set` that nobody gave.
fn of_point(problem: InputProblem, source: &str, named: &str) -> Failure {
    let (message, hint) = (problem.message.clone(), problem.hint.clone());
    match problem.origin {
        Origin::Set { .. } | Origin::Whole => {
            let failure = Failure::input(format!("{source}: {named}: {message}"));
            hint.map_or(failure.clone(), |hint| failure.hint(hint))
        }
        _ => {
            let mut failure = problem.in_file(source);
            failure.message = format!("{} (met at {named})", failure.message);
            failure
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{ExactExperiment, tree};

    const BASE: &str = "name = \"s\"\n[data]\nkind = \"gaussian\"\nsamples = 10\ninputs = 3\n\
        outputs = 2\n[network]\nwidth = 5\n[[dynamics]]\nkind = \"sgd\"\n[[dynamics]]\n\
        kind = \"gradient-flow\"\n[run]\ntime = 1\n";

    fn plan_of(text: &str, over: &[&str], points: Option<u64>) -> Result<SweepPlan, Failure> {
        let root = tree(text, &[]).unwrap();
        let given = SweepOptions {
            over: over.iter().map(|s| (*s).to_owned()).collect(),
            random: points.map(|_| true),
            points,
            vary_seed: false,
        };
        SweepPlan::new(&root, "s.toml", Path::new("/"), &given)
    }

    fn exact(point: &SweepPoint) -> &ExactExperiment {
        match &point.experiment {
            EngineInput::Exact(exact) => exact,
            EngineInput::Dense(_, why) => panic!("{why}"),
        }
    }

    fn refused(over: &[&str]) -> String {
        plan_of(BASE, over, None).unwrap_err().to_string()
    }

    #[test]
    fn a_grid_has_every_combination_and_the_last_axis_is_fastest() {
        let plan = plan_of(
            BASE,
            &["network.width=5,6", "dynamics.0.batch_size=1,2,4"],
            None,
        );
        let plan = plan.unwrap();
        let at = |p: &SweepPoint| (exact(p).network.width, p.coordinates.len());
        assert_eq!(plan.points.len(), 6);
        assert_eq!(at(&plan.points[2]), (5, 2));
        assert_eq!(at(&plan.points[3]), (6, 2));
        assert_eq!(
            plan.named(4),
            "point 5 of 6 (network.width = 6, dynamics.0.batch_size = 2)"
        );
    }

    #[test]
    fn a_star_sets_every_item() {
        let plan = plan_of(BASE, &["dynamics.*.step_size=0.5"], None).unwrap();
        let steps = exact(&plan.points[0]).dynamics.iter();
        assert!(steps.map(|d| d.dynamics.step_size).all(|s| s == 0.5));
        assert!(refused(&["data.*.x=1"]).contains("`data` is not a list"));
    }

    #[test]
    fn random_points_stay_within_and_do_not_depend_on_their_number() {
        let over = ["dynamics.0.step_size=log(1e-3,1)", "network.width=5,7"];
        let few = plan_of(BASE, &over, Some(10)).unwrap();
        let many = plan_of(BASE, &over, Some(200)).unwrap();
        for (a, b) in few.points.iter().zip(&many.points) {
            assert_eq!(a.experiment, b.experiment);
        }
        let steps: Vec<f64> = many
            .points
            .iter()
            .map(|p| exact(p).dynamics[0].dynamics.step_size)
            .collect();
        assert!(steps.iter().all(|s| (1e-3..=1.0).contains(s)));
        // 200 uniform draws: each third of the three decades has 67 ± 7 of them.
        for decade in [1e-3, 1e-2, 1e-1] {
            let inside = steps
                .iter()
                .filter(|s| (decade..decade * 10.0).contains(*s));
            assert!((40..95).contains(&inside.count()));
        }
        let wide = many.points.iter().filter(|p| exact(p).network.width == 7);
        assert!((70..130).contains(&wide.count()));
    }

    #[test]
    fn seeds_are_shared_unless_they_vary() {
        let over = ["network.width=5,6"];
        let shared = plan_of(BASE, &over, None).unwrap();
        assert!(shared.points.iter().all(|p| p.experiment.run().seed == 1));
        let text = format!("{BASE}[sweep]\nvary_seed = true\n");
        let varied = plan_of(&text, &over, None).unwrap();
        let seeds: Vec<u64> = varied
            .points
            .iter()
            .map(|p| p.experiment.run().seed)
            .collect();
        assert_eq!(seeds, [1, 2]);
        let both = plan_of(&text, &["run.seed=1,2"], None).unwrap_err();
        assert!(both.message.contains("vary_seed"));
    }

    #[test]
    fn what_cannot_be_is_named() {
        let message = refused(&["dynamics.0.step_size=0.1,-1"]);
        assert!(
            message.contains("point 2 of 2 (dynamics.0.step_size = -1)"),
            "{message}"
        );
        assert!(message.contains("must be greater than 0"), "{message}");
        let message = refused(&["dynamics.0.stepsize=0.1"]);
        assert!(message.contains("did you mean `step_size`"), "{message}");
        assert!(refused(&["dynamics.7.step_size=0.1"]).contains("2 items"));
        assert!(refused(&["network.width=2.5,3"]).contains("whole number"));
        let message = refused(&[
            "network.width=log(1,1e6,1000)",
            "run.seed=linear(0,999,1000)",
        ]);
        assert!(message.contains("at most 100000"), "{message}");
        assert!(refused(&["run.keep_trajectories=true"]).contains("a sweep keeps none"));
    }

    #[test]
    fn an_axis_that_changes_nothing_is_refused() {
        for idle in ["run.save.points=5,10", "dynamics.0.label=a,b"] {
            let message = refused(&["network.width=5,6", idle]);
            let key = idle.split('=').next().unwrap();
            let said = format!("`{key}` varies, but nothing");
            assert!(message.contains(&said), "{message}");
        }
        assert!(plan_of(BASE, &["run.rank_tolerance=0.1,0.01"], None).is_ok());
        let random = plan_of(BASE, &["run.save.points=linear(5,50)"], Some(9));
        assert!(random.unwrap_err().message.contains("`run.save.points`"));
    }

    #[test]
    fn the_resolved_copy_is_the_same_sweep() {
        for points in [None, Some(7)] {
            let over = [
                "dynamics.0.step_size=log(1e-3,1,4)",
                "dynamics.0.sampling=epochs,sequential",
            ];
            let plan = plan_of(BASE, &over, points).unwrap();
            let again = plan_of(&plan.resolved_toml().unwrap(), &[], None).unwrap();
            assert_eq!(plan.points.len(), again.points.len());
            for (a, b) in plan.points.iter().zip(&again.points) {
                assert_eq!(a.experiment, b.experiment);
            }
        }
    }
}
