//! Measures claims and gives their verdicts.

use std::time::Instant;

use crate::bench::{Bench, Gallery, Look, Supervisor};
use crate::claim::{Claim, Suite, Test};
use crate::claims;
use crate::decision::{self, Judgement, Verdict};
use crate::evidence::{Evidence, Stop};
use crate::experiments::Experiments;
use crate::network_setting::NetworkSetting;
use crate::picture::Picture;
use crate::setting::{Level, Setting};
use crate::statement;

/// What claims are tested on.
#[derive(Clone, Debug)]
pub enum Subject {
    /// Two linear layers. In the paper's setting also everything that claims test on problems of
    /// their own.
    TwoLayers(Setting),
    /// A network given by its layers.
    Network(NetworkSetting),
}

impl Subject {
    /// In words.
    pub fn words(&self) -> &str {
        match self {
            Self::TwoLayers(setting) => &setting.words,
            Self::Network(setting) => &setting.words,
        }
    }

    /// Of everything that is drawn.
    pub fn seed(&self) -> u64 {
        match self {
            Self::TwoLayers(setting) => setting.seed,
            Self::Network(setting) => setting.seed,
        }
    }

    /// How many statistical comparisons a claim makes here, at most, or why it does not apply.
    pub fn comparisons(&self, claim: &Claim) -> Result<usize, String> {
        match (claim.test, self) {
            (Test::Setting { comparisons, .. }, Self::TwoLayers(setting)) => comparisons(setting),
            (Test::Gallery(statements), Self::TwoLayers(setting)) => {
                setting.own_problem().map(|()| statements.len())
            }
            (Test::Network { comparisons, .. }, Self::Network(setting)) => comparisons(setting),
            (Test::Network { .. }, Self::TwoLayers(_)) => {
                Err("it is about a network that an experiment file gives by its layers".into())
            }
            (Test::Gallery(_), Self::Network(_)) => {
                Err("it is about bundled experiments, which the file does not change".into())
            }
            (Test::Setting { .. }, Self::Network(_)) => Err(match claim.suite {
                Suite::Exact => "it is about two linear layers in the exact engine".into(),
                Suite::Networks => {
                    "it is about networks of its own, which the file does not change".into()
                }
            }),
        }
    }
}

/// What became of a claim.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The claim.
    pub claim: &'static Claim,
    /// Its verdict.
    pub verdict: Verdict,
    /// Why, in one sentence.
    pub reason: String,
    /// Joint p-value of its statistical comparisons.
    pub p_value: Option<f64>,
    /// Its comparisons.
    pub comparisons: Vec<Judgement>,
    /// Which of them decided, from 0.
    pub decisive: Option<usize>,
    /// A picture.
    pub figure: Option<Picture>,
    /// Wall time.
    pub seconds: f64,
}

impl Finding {
    /// The comparison that decided.
    pub fn deciding(&self) -> Option<&Judgement> {
        self.comparisons.get(self.decisive?)
    }

    /// Judges what a claim measured; its comparisons share the family-wise rate with others,
    /// `comparisons` in all.
    fn judged(claim: &'static Claim, evidence: Evidence, comparisons: usize, seconds: f64) -> Self {
        let judged = evidence.comparisons.into_iter();
        let judged: Vec<Judgement> = judged.map(|c| decision::judge(c, comparisons)).collect();
        let verdict = decision::joint_verdict(&judged);
        let decisive = decision::decisive(&judged);
        Self {
            claim,
            verdict,
            reason: reason(verdict, &judged, decisive, &evidence.sentence),
            p_value: decision::joint_p_value(&judged),
            comparisons: judged,
            decisive,
            figure: evidence.figure,
            seconds,
        }
    }
}

/// All claims on one subject.
pub struct Verification<'a> {
    /// What they are tested on.
    pub subject: &'a Subject,
    /// How much is spent.
    pub level: Level,
    /// At least 1; results do not depend on it.
    pub threads: usize,
    /// Who may stop it.
    pub supervisor: &'a dyn Supervisor,
    gallery: Gallery<'a>,
}

impl<'a> Verification<'a> {
    /// Of nothing yet.
    pub fn new(
        subject: &'a Subject,
        level: Level,
        threads: usize,
        supervisor: &'a dyn Supervisor,
        experiments: &'a dyn Experiments,
    ) -> Self {
        Self {
            subject,
            level,
            threads,
            supervisor,
            gallery: Gallery::new(experiments),
        }
    }

    /// How many comparisons share the family-wise rate of a suite: those of all its claims that
    /// apply here, whichever are asked for, so that a verdict does not depend on what else is run.
    pub fn comparisons(&self, suite: Suite) -> usize {
        let counts = claims::of(suite).map(|claim| self.subject.comparisons(claim).unwrap_or(0));
        counts.sum::<usize>().max(1)
    }

    /// Measures a claim and judges it. Where the first look cannot tell and more trajectories
    /// would, it is looked at once more, with noise of its own, and the second look is what is
    /// said.
    ///
    /// # Errors
    /// Only an interruption; whatever else prevents a measurement becomes the reason of *cannot
    /// tell*, and data that are not there that of *does not apply*.
    pub fn find(&self, claim: &'static Claim) -> Result<Finding, Stop> {
        let first = self.look(claim, Look::FIRST)?;
        let Some(times) = enlarged(&first, self.level) else {
            return Ok(first);
        };
        let look = Look { number: 1, times };
        let second = self.look(claim, look)?;
        Ok(Finding {
            reason: format!(
                "{}; a second look with {times:.1} times as many trajectories, as the first could not tell",
                second.reason
            ),
            seconds: first.seconds + second.seconds,
            ..second
        })
    }

    /// Measures a claim once and judges it, as one of the looks that it may get; errors as for
    /// [`Self::find`].
    pub fn look(&self, claim: &'static Claim, look: Look) -> Result<Finding, Stop> {
        let applies = self.subject.comparisons(claim).map(|_| ());
        let available = |name| self.gallery.experiments.available(name);
        let there = |()| claim.experiments().into_iter().try_for_each(available);
        if let Err(reason) = applies.and_then(there) {
            return Ok(Finding {
                verdict: Verdict::DoesNotApply,
                ..Finding::judged(claim, Evidence::none(reason), 1, 0.0)
            });
        }
        let clock = Instant::now();
        let outcome = match (claim.test, self.subject) {
            (Test::Setting { measure, .. }, Subject::TwoLayers(setting)) => {
                measure(&self.bench(setting, look))
            }
            (Test::Network { measure, .. }, Subject::Network(setting)) => {
                measure(&self.bench(setting, look))
            }
            (Test::Gallery(statements), _) => {
                statement::measure(statements, &self.bench(self.subject, look))
            }
            _ => Err(Stop::Unmeasured("it does not apply here".into())),
        };
        let comparisons = claim.suite.looks() * self.comparisons(claim.suite);
        // Whatever else prevents a measurement becomes the reason of *cannot tell*.
        let evidence = match outcome {
            Err(Stop::Unmeasured(reason)) => Evidence::none(reason),
            outcome => outcome?,
        };
        let seconds = clock.elapsed().as_secs_f64();
        Ok(Finding::judged(claim, evidence, comparisons, seconds))
    }

    fn bench<'b, S>(&'b self, setting: &'b S, look: Look) -> Bench<'b, S> {
        Bench {
            setting,
            seed: self.subject.seed(),
            level: self.level,
            threads: self.threads,
            supervisor: self.supervisor,
            gallery: &self.gallery,
            look,
        }
    }
}

/// How many times more trajectories a second look gets, if there is to be one: twice what the first
/// says that it takes, which is known to some half only, within limits.
fn enlarged(first: &Finding, level: Level) -> Option<f64> {
    let most: f64 = level.pick(None, Some(16.0), Some(4.0))?;
    let once = first.claim.suite.looks() < 2;
    let told = first.verdict != Verdict::CannotTell;
    let takes = first.comparisons.iter().filter_map(|j| j.more);
    let takes = takes.fold(0.0, f64::max);
    (!once && !told && takes > 0.0).then(|| (2.0 * takes).clamp(most.min(4.0), most))
}

/// What was done, and for other verdicts than *holds* what stands in the way.
fn reason(
    verdict: Verdict,
    judged: &[Judgement],
    decisive: Option<usize>,
    sentence: &str,
) -> String {
    let Some(deciding) = decisive.and_then(|place| judged.get(place)) else {
        return sentence.to_owned();
    };
    let what = &deciding.comparison.what;
    match (verdict, deciding.more) {
        (Verdict::Fails, _) => format!("{what} lies outside the margin; {sentence}"),
        (Verdict::CannotTell, Some(more)) => {
            format!(
                "{what} would need about {} as many trajectories; {sentence}",
                times(more)
            )
        }
        (Verdict::CannotTell, None) => {
            format!("{what} is not told from the alternative; {sentence}")
        }
        _ => sentence.to_owned(),
    }
}

fn times(factor: f64) -> String {
    if factor < 10.0 {
        format!("{factor:.1} times")
    } else {
        format!("{factor:.0} times")
    }
}
