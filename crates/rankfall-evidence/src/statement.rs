//! Statements about what bundled experiments leave, and how they are measured: the difference of
//! two values, task by task, has a least or a greatest size on average.
//!
//! Statements are about tasks in which what they compare is defined: no dynamics of the comparison
//! diverged, no spectrum is zero, a loss is reached that is compared at. Others are left out and
//! counted; where they are more than a quarter, it cannot be told.

use std::collections::BTreeSet;

use crate::bench::Bench;
use crate::decision::Comparison;
use crate::evidence::{Evidence, Stop, mean_of};
use crate::experiments::{self, Trajectory};
use crate::picture::{Picture, Style};

/// The loss that moments are compared by.
const LOSS: &str = "loss";

/// The share of tasks that may be left out.
const MOST_LEFT_OUT: f64 = 0.25;

/// When a value is taken.
#[derive(Clone, Copy, Debug, PartialEq)]
enum When {
    /// At t = 0.
    Start,
    /// At the last save.
    End,
    /// At the first save whose training loss is not above that of this dynamics at its last save.
    AsLowAs(&'static str),
}

/// An observable of a bundled experiment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Observable {
    experiment: &'static str,
    name: &'static str,
    index: u32,
    /// Whether its natural logarithm is compared.
    log: bool,
}

/// An observable under one dynamics, at some time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantity {
    of: Observable,
    dynamics: &'static str,
    when: When,
}

/// What is said of a mean over trajectories.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Relation {
    Above(f64),
    Below(f64),
    Within(f64),
}

/// A value, or the difference of two of the same trajectory number, and what is said of its mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Statement {
    value: Quantity,
    minus: Option<Quantity>,
    relation: Relation,
}

impl Observable {
    /// By its experiment, name and index.
    pub const fn new(experiment: &'static str, name: &'static str, index: u32) -> Self {
        Self {
            experiment,
            name,
            index,
            log: false,
        }
    }

    /// Its natural logarithm: differences become ratios.
    pub const fn log(self) -> Self {
        Self { log: true, ..self }
    }

    /// Under this dynamics, at the last save.
    pub const fn under(self, dynamics: &'static str) -> Quantity {
        Quantity {
            of: self,
            dynamics,
            when: When::End,
        }
    }
}

impl Quantity {
    /// The same at t = 0.
    pub const fn at_the_start(self) -> Self {
        Self {
            when: When::Start,
            ..self
        }
    }

    /// The same where the training loss was first as low as that of `dynamics` is at the end.
    pub const fn at_the_loss_of(self, dynamics: &'static str) -> Self {
        Self {
            when: When::AsLowAs(dynamics),
            ..self
        }
    }

    /// Less than `other` by at least `least`.
    pub const fn below(self, other: Self, least: f64) -> Statement {
        self.stated(Some(other), Relation::Below(-least))
    }

    /// More than `other` by at least `least`.
    pub const fn above(self, other: Self, least: f64) -> Statement {
        self.stated(Some(other), Relation::Above(least))
    }

    /// Off `other` by at most `most`.
    pub const fn near(self, other: Self, most: f64) -> Statement {
        self.stated(Some(other), Relation::Within(most))
    }

    /// Off its own start by at most `most`.
    pub const fn keeps(self, most: f64) -> Statement {
        self.near(self.at_the_start(), most)
    }

    /// At least this.
    pub const fn at_least(self, least: f64) -> Statement {
        self.stated(None, Relation::Above(least))
    }

    const fn stated(self, minus: Option<Self>, relation: Relation) -> Statement {
        Statement {
            value: self,
            minus,
            relation,
        }
    }

    /// In one task; none where it is not defined.
    fn of(&self, task: &[Trajectory]) -> Result<Option<f64>, Stop> {
        let own = experiments::of(task, self.dynamics)?;
        let Some(series) = own.series(self.of.name, self.of.index)? else {
            return Ok(None);
        };
        let place = match self.when {
            When::Start => Some(0),
            When::End => series.len().checked_sub(1),
            When::AsLowAs(other) => {
                let reached = experiments::of(task, other)?.series(LOSS, 0)?;
                let low = reached.and_then(|losses| losses.last().copied());
                let losses = own.series(LOSS, 0)?.unwrap_or_default();
                low.and_then(|low| losses.iter().position(|&loss| loss <= low))
            }
        };
        let value = place.and_then(|place| series.get(place).copied());
        let scaled = value.map(|v| if self.of.log { libm::log(v) } else { v });
        Ok(scaled.filter(|v| v.is_finite()))
    }

    fn words(&self) -> String {
        let when = match self.when {
            When::Start => " at the start".to_owned(),
            When::End => String::new(),
            When::AsLowAs(other) => format!(" at the training loss of {other}"),
        };
        format!("{}{when}", self.dynamics)
    }
}

impl Statement {
    /// The experiments it is about.
    pub fn experiments(&self) -> impl Iterator<Item = &'static str> {
        [Some(self.value), self.minus]
            .into_iter()
            .flatten()
            .map(|v| v.of.experiment)
    }

    /// With the experiment where a claim is about several.
    fn words(&self, several: bool) -> String {
        let of = self.value.of;
        let mut what = named(of.name, of.index);
        if of.log {
            what = format!("log of the {what}");
        }
        let apart = self.minus.is_some_and(|v| v.of.experiment != of.experiment);
        if several && !apart {
            what = format!("{}, {what}", of.experiment);
        }
        let one = |v: &Quantity| match apart {
            true => format!("{}, {}", v.words(), v.of.experiment),
            false => v.words(),
        };
        match &self.minus {
            None => format!("{what}: {}", one(&self.value)),
            Some(minus) => format!("{what}: {} − {}", one(&self.value), one(minus)),
        }
    }

    fn compare(&self, bench: &Bench<impl Sync>, several: bool) -> Result<Comparison, Stop> {
        let of = |value: &Quantity| -> Result<Vec<Option<f64>>, Stop> {
            let runs = bench.runs(value.of.experiment)?;
            runs.iter().map(|task| value.of(task)).collect()
        };
        let values = of(&self.value)?;
        let others = match &self.minus {
            Some(minus) => of(minus)?,
            None => vec![Some(0.0); values.len()],
        };
        let tasks = values.len().min(others.len());
        let pairs = values.into_iter().zip(others);
        let differences: Vec<f64> = pairs.filter_map(|(v, o)| Some(v? - o?)).collect();
        let left = differences.len();
        if (tasks - left) as f64 > MOST_LEFT_OUT * tasks as f64 {
            return Err(Stop::Unmeasured(format!(
                "{} is defined in {left} of {tasks} tasks only: in others a dynamics diverged, a spectrum is zero, or \
                 the loss was not reached",
                self.words(several)
            )));
        }
        let estimate = mean_of(&differences)?;
        let mut what = self.words(several);
        if left < tasks {
            what += &format!(" ({left} of {tasks} tasks)");
        }
        let one_sided = |bound: f64, margin: [f64; 2]| {
            let comparison = Comparison::statistical(what.clone(), bound, estimate, 0.0);
            let comparison = comparison.within(margin);
            match self.minus {
                Some(_) => comparison.against(0.0),
                None => comparison,
            }
        };
        Ok(match self.relation {
            Relation::Above(least) => one_sided(least, [least, f64::INFINITY]),
            Relation::Below(most) => one_sided(most, [f64::NEG_INFINITY, most]),
            Relation::Within(most) => Comparison::statistical(what, 0.0, estimate, most),
        })
    }
}

/// An observable in words: `effective_rank_layer` 2 is "effective rank of layer 2".
fn named(observable: &str, index: u32) -> String {
    let parts = [
        ("_layer", format!(" of layer {index}")),
        ("_features", format!(" of the features of layer {index}")),
        ("_product", " of the map".to_owned()),
        ("_jacobian", " of the Jacobian".to_owned()),
        ("_stack", format!(" of layers {index} and {}", index + 1)),
    ];
    let found = parts
        .iter()
        .find_map(|(suffix, of)| Some((observable.strip_suffix(suffix)?, of.as_str())));
    let (stem, of) = found.unwrap_or((observable, ""));
    let stem = stem.replace("held_out", "held-out").replace('_', " ");
    format!("{stem}{of}")
}

/// Measures statements one by one; the figure shows the observable of the first.
pub fn measure(statements: &[Statement], bench: &Bench<impl Sync>) -> Result<Evidence, Stop> {
    let experiments: BTreeSet<&str> = statements.iter().flat_map(Statement::experiments).collect();
    let several = experiments.len() > 1;
    let mut comparisons = Vec::new();
    for statement in statements {
        comparisons.push(statement.compare(bench, several)?);
    }
    let Some(first) = statements.first() else {
        return Err(Stop::Unmeasured("it states nothing".into()));
    };
    let tasks = bench.runs(first.value.of.experiment)?.len();
    Ok(Evidence {
        comparisons,
        figure: Some(figure(statements, first.value.of, bench)?),
        sentence: format!("{tasks} tasks, each with data, start and noise of a seed of its own"),
    })
}

/// The observable over time, for every dynamics that the statements name with it: mean, and band
/// from the 5 % to the 95 % quantile.
fn figure(
    statements: &[Statement],
    of: Observable,
    bench: &Bench<impl Sync>,
) -> Result<Picture, Stop> {
    let runs = bench.runs(of.experiment)?;
    let what = named(of.name, of.index);
    let mut figure = Picture::new(
        &format!("{what}, {}", of.experiment),
        "Means over tasks; bands hold nine of ten.",
        "time t",
        &what,
    );
    let named = statements.iter().flat_map(|s| [Some(s.value), s.minus]);
    let mut shown: Vec<&str> = Vec::new();
    for other in named.flatten() {
        // Logarithm or not, it is shown as it is.
        let same = other.of.log() == of.log();
        if !same || shown.contains(&other.dynamics) {
            continue;
        }
        shown.push(other.dynamics);
        let mut all = Vec::new();
        for task in runs.iter() {
            all.extend(experiments::of(task, other.dynamics)?.series(of.name, of.index)?);
        }
        let times = experiments::of(&runs[0], other.dynamics)?.times.clone();
        let at = |save: usize| -> Vec<f64> {
            let values = all.iter().filter_map(|s| s.get(save).copied());
            let mut values: Vec<f64> = values.filter(|v| v.is_finite()).collect();
            values.sort_by(f64::total_cmp);
            values
        };
        let columns: Vec<Vec<f64>> = (0..times.len()).map(at).collect();
        let mean = |v: &Vec<f64>| v.iter().sum::<f64>() / v.len() as f64;
        let quantile = |v: &Vec<f64>, q: f64| {
            let place = (q * v.len().saturating_sub(1) as f64).round() as usize;
            v.get(place).copied().unwrap_or(f64::NAN)
        };
        let means = columns.iter().map(mean).collect();
        let band = [0.05, 0.95].map(|q| columns.iter().map(|v| quantile(v, q)).collect());
        figure = figure
            .with(other.dynamics, Style::Line, times, means)
            .between(band);
    }
    Ok(figure)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Gallery, NoSupervisor};
    use crate::decision::{Verdict, judge};
    use crate::experiments::Experiments;
    use crate::setting::Level;

    /// Noise takes 2 ± 0.1 from a rank of 5 while the loss falls to 0.2; descent keeps the rank
    /// and passes that loss half-way, at a rank of 4.9.
    struct Invented;

    impl Experiments for Invented {
        fn available(&self, _experiment: &str) -> Result<(), String> {
            Ok(())
        }
        fn run(&self, _experiment: &str, seed: u64) -> Result<Vec<Trajectory>, Stop> {
            let shift = 0.05 * ((seed % 5) as f64 - 2.0);
            let trajectory = |dynamics: &str, values: [f64; 6]| Trajectory {
                dynamics: dynamics.into(),
                times: vec![0.0, 1.0, 2.0],
                observables: vec![("loss".into(), 0), ("effective_rank_layer".into(), 1)],
                values: Some(values.to_vec()),
            };
            Ok(vec![
                trajectory("descent", [1.0, 5.0, 0.2, 4.9, 0.1, 4.8 + 0.1 * shift]),
                trajectory("noise", [1.0, 5.0, 0.3, 4.0, 0.2, 3.0 + shift]),
                Trajectory {
                    values: None,
                    ..trajectory("wild", [0.0; 6])
                },
            ])
        }
    }

    const RANK: Observable = Observable::new("paper", "effective_rank_layer", 1);
    const DESCENT: Quantity = RANK.under("descent");
    const NOISE: Quantity = RANK.under("noise");

    fn verdict(statement: Statement) -> Verdict {
        let gallery = Gallery::new(&Invented);
        let bench = Bench::of_seed(1, Level::Quick, 2, &NoSupervisor, &gallery);
        judge(statement.compare(&bench, false).unwrap(), 1).verdict
    }

    #[test]
    fn statements_hold_or_fail_by_what_they_state() {
        assert_eq!(verdict(NOISE.below(DESCENT, 1.5)), Verdict::Holds);
        assert_eq!(verdict(NOISE.below(DESCENT, 2.5)), Verdict::Fails);
        assert_eq!(verdict(NOISE.above(DESCENT, 1.5)), Verdict::Fails);
        assert_eq!(verdict(DESCENT.keeps(0.3)), Verdict::Holds);
        assert_eq!(verdict(NOISE.keeps(0.3)), Verdict::Fails);
        assert_eq!(verdict(NOISE.at_least(2.0)), Verdict::Holds);
        let then = DESCENT.at_the_loss_of("noise");
        assert_eq!(verdict(NOISE.below(then, 1.8)), Verdict::Holds);
        assert_eq!(verdict(then.near(DESCENT, 0.05)), Verdict::Fails);
    }

    #[test]
    fn what_diverged_or_is_not_there_is_not_measured() {
        let gallery = Gallery::new(&Invented);
        let bench = Bench::of_seed(1, Level::Quick, 1, &NoSupervisor, &gallery);
        let error = RANK
            .under("wild")
            .keeps(1.0)
            .compare(&bench, false)
            .unwrap_err();
        assert!(error.to_string().contains("in 0 of 24 tasks"), "{error}");
        let none = Observable::new("paper", "effective_rank_layer", 7);
        let error = none
            .under("noise")
            .keeps(1.0)
            .compare(&bench, false)
            .unwrap_err();
        assert!(error.to_string().contains("not measured"), "{error}");
    }

    #[test]
    fn observables_have_words() {
        assert_eq!(
            named("numerical_rank_features", 2),
            "numerical rank of the features of layer 2"
        );
        assert_eq!(named("held_out_loss", 0), "held-out loss");
        assert_eq!(named("log_det_stack", 1), "log det of layers 1 and 2");
    }
}
