//! Runs claims one after the other and gives their verdicts.

use std::time::Instant;

use crate::bench::{Bench, Look, Watch};
use crate::claim::{Claim, Evidence, Heading, Stop};
use crate::claims;
use crate::decision::{self, Judged, Verdict};
use crate::figure::Figure;
use crate::setting::{Level, Setting};

/// What became of a claim.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The claim.
    pub claim: Heading,
    /// Its verdict.
    pub verdict: Verdict,
    /// Why, in one sentence.
    pub reason: String,
    /// Joint p-value of its statistical comparisons.
    pub p_value: Option<f64>,
    /// Its comparisons.
    pub comparisons: Vec<Judged>,
    /// Which of them decided, from 0.
    pub decisive: Option<usize>,
    /// A picture.
    pub figure: Option<Figure>,
    /// Wall time.
    pub seconds: f64,
}

impl Finding {
    /// The comparison that decided.
    pub fn deciding(&self) -> Option<&Judged> {
        self.comparisons.get(self.decisive?)
    }

    /// Judges what a claim measured; its comparisons share the family-wise rate with others,
    /// `comparisons` in all.
    pub fn judged(claim: Heading, evidence: Evidence, comparisons: usize, seconds: f64) -> Self {
        let judged = evidence.comparisons.into_iter();
        let judged: Vec<Judged> = judged.map(|c| decision::judge(c, comparisons)).collect();
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

    /// A claim that was not measured, for this reason.
    pub fn without_evidence(
        claim: Heading,
        verdict: Verdict,
        reason: String,
        seconds: f64,
    ) -> Self {
        Self {
            claim,
            verdict,
            reason,
            p_value: None,
            comparisons: Vec::new(),
            decisive: None,
            figure: None,
            seconds,
        }
    }

    /// What became of measuring a claim that began at `clock`.
    ///
    /// # Errors
    /// Only an interruption; whatever else prevents a measurement becomes the reason of *cannot
    /// tell*.
    pub fn of(
        claim: Heading,
        outcome: Result<Evidence, Stop>,
        comparisons: usize,
        clock: Instant,
    ) -> Result<Self, Stop> {
        let seconds = clock.elapsed().as_secs_f64();
        match outcome {
            Ok(evidence) => Ok(Self::judged(claim, evidence, comparisons, seconds)),
            Err(Stop::Interrupted) => Err(Stop::Interrupted),
            Err(Stop::Unmeasured(reason)) => {
                let verdict = Verdict::CannotTell;
                Ok(Self::without_evidence(claim, verdict, reason, seconds))
            }
        }
    }
}

/// All claims in one setting.
pub struct Suite<'a> {
    setting: &'a Setting,
    comparisons: usize,
}

impl<'a> Suite<'a> {
    /// For this setting. Counts the comparisons of the whole list that are possible here, whichever
    /// claims are asked for: a verdict does not depend on what else is run.
    pub fn new(setting: &'a Setting) -> Self {
        let counts = claims::ALL.iter().map(|c| (c.comparisons)(setting));
        Self {
            setting,
            comparisons: counts.map(|c| c.unwrap_or(0)).sum::<usize>().max(1),
        }
    }

    /// How many comparisons share the family-wise rate.
    pub fn comparisons(&self) -> usize {
        self.comparisons
    }

    /// Measures a claim and judges it. Where the first look cannot tell and more trajectories would, it is
    /// looked at once more, with noise of its own, and the second look is what is said.
    ///
    /// # Errors
    /// Only an interruption; whatever else prevents a measurement becomes the reason of *cannot
    /// tell*.
    pub fn find(
        &self,
        claim: &'static Claim,
        level: Level,
        threads: usize,
        watch: &dyn Watch,
    ) -> Result<Finding, Stop> {
        let first = self.look(claim, level, threads, watch, Look::FIRST)?;
        let Some(times) = enlarged(&first, level) else {
            return Ok(first);
        };
        let look = Look { number: 1, times };
        let second = self.look(claim, level, threads, watch, look)?;
        Ok(Finding {
            reason: format!(
                "{}; a second look with {times:.1} times as many trajectories, as the first could not tell",
                second.reason
            ),
            seconds: first.seconds + second.seconds,
            ..second
        })
    }

    /// Measures a claim once and judges it, as one of the [`LOOKS`] that it may get.
    ///
    /// # Errors
    /// As for [`Self::find`].
    pub fn look(
        &self,
        claim: &'static Claim,
        level: Level,
        threads: usize,
        watch: &dyn Watch,
        look: Look,
    ) -> Result<Finding, Stop> {
        if let Err(reason) = (claim.comparisons)(self.setting) {
            let verdict = Verdict::DoesNotApply;
            return Ok(Finding::without_evidence(
                claim.heading,
                verdict,
                reason,
                0.0,
            ));
        }
        let clock = Instant::now();
        let bench = Bench {
            setting: self.setting,
            level,
            threads,
            watch,
            look,
        };
        let outcome = (claim.measure)(&bench);
        Finding::of(claim.heading, outcome, LOOKS * self.comparisons, clock)
    }
}

/// How often a claim is looked at, at most: looks share its part of the family-wise rate.
pub const LOOKS: usize = 2;

/// How many times more trajectories a second look gets, if there is to be one: twice what the first says
/// that it takes, which is known to some half only, within limits.
fn enlarged(first: &Finding, level: Level) -> Option<f64> {
    let most: f64 = level.pick(None, Some(16.0), Some(4.0))?;
    let told = first.verdict != Verdict::CannotTell;
    let takes = first.comparisons.iter().filter_map(|j| j.more);
    let takes = takes.fold(0.0, f64::max);
    (!told && takes > 0.0).then(|| (2.0 * takes).clamp(most.min(4.0), most))
}

/// What was done, and for other verdicts than *holds* what stands in the way.
fn reason(verdict: Verdict, judged: &[Judged], decisive: Option<usize>, sentence: &str) -> String {
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
