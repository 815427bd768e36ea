//! How a measurement becomes a verdict.
//!
//! A claim says that a number θ lies in a margin [a, b] (one point, where a = b). It is compared
//! with an estimate θ̂, approximately normal with standard error s on m degrees of freedom.
//!
//! **Interval.** With C statistical comparisons in the whole list of claims, each gets the share
//! α/C of the family-wise rate α = 1 %: the interval is θ̂ ± t s with P(|T_m| > t) = α/C. By
//! Bonferroni's inequality all C intervals hold their truths together with probability 1 − α at
//! least, whatever the dependence between them. Where a claim may be looked at twice, with
//! independent noise ([`crate::Verification::find`]), each look has half of its share: C is then
//! the number of looks.
//!
//! **Verdict.** *Fails*: the interval lies entirely outside the margin. *Holds*: it lies inside the
//! margin and misses what the named alternative says. Else *cannot tell*. If the claim is true,
//! then θ is in the margin, and *fails* needs an interval that misses θ: over the whole list this
//! happens with probability α at most. *Holds* is as strict in the other direction: if θ is outside
//! the margin, the interval must miss θ for it.
//!
//! **p-value.** Of the hypothesis that the claim is true, θ ∈ [a, b]: p = P(|T_m| ≥ δ/s), δ the
//! distance of θ̂ from the margin. For θ in the margin δ ≤ |θ̂ − θ|, so that p is at least the
//! p-value of the point hypothesis θ, which is uniform: P(p ≤ x) ≤ x. And p ≤ α/C exactly where the
//! verdict is *fails*. Of several comparisons a claim has p = min(1, m min pᵢ).
//!
//! An **exact** comparison has no error but rounding; its margin is derived from that, the interval
//! is the number itself, and there is no p-value: nothing is random once the numbers are drawn.

use rankfall_core::measure::rates::Estimate;
use statrs::distribution::{ContinuousCDF, StudentsT};

/// At most this probability of any *fails* among true claims, over the whole list.
pub const FAMILY_WISE_RATE: f64 = 0.01;

/// What became of a claim or of one comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// The claim says nothing here.
    DoesNotApply,
    /// Inside the margin, and the named alternative is rejected.
    Holds,
    /// Neither the one nor the other.
    CannotTell,
    /// Outside the margin.
    Fails,
}

impl Verdict {
    /// As it is written in tables and records.
    pub fn words(self) -> &'static str {
        match self {
            Self::DoesNotApply => "does not apply",
            Self::Holds => "holds",
            Self::CannotTell => "cannot tell",
            Self::Fails => "fails",
        }
    }
}

/// How a number is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Measurement {
    /// To rounding.
    Exact(f64),
    /// To a statistical error.
    Statistical(Estimate),
}

impl Measurement {
    /// The number.
    pub fn value(self) -> f64 {
        match self {
            Self::Exact(value) => value,
            Self::Statistical(estimate) => estimate.value,
        }
    }
}

/// One prediction beside one measurement.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// What is compared, in words and symbols.
    pub what: String,
    /// What theory says.
    pub prediction: f64,
    /// What was found.
    pub measured: Measurement,
    /// Where the claim puts it, prediction included; an end may be infinite.
    pub margin: [f64; 2],
    /// Where the named alternative puts it; none where this comparison does not tell them apart.
    pub alternative: Option<[f64; 2]>,
}

impl Comparison {
    /// A number known to rounding: the claim allows `margin` on both sides of the prediction.
    pub fn exact(what: impl Into<String>, prediction: f64, measured: f64, margin: f64) -> Self {
        Self::new(
            what.into(),
            prediction,
            Measurement::Exact(measured),
            margin,
        )
    }

    /// A number known to a statistical error, likewise.
    pub fn statistical(
        what: impl Into<String>,
        prediction: f64,
        estimate: Estimate,
        margin: f64,
    ) -> Self {
        let measured = Measurement::Statistical(estimate);
        Self::new(what.into(), prediction, measured, margin)
    }

    fn new(what: String, prediction: f64, measured: Measurement, margin: f64) -> Self {
        Self {
            what,
            prediction,
            measured,
            margin: [prediction - margin, prediction + margin],
            alternative: None,
        }
    }

    /// Replaces the margin.
    #[must_use]
    pub fn within(mut self, margin: [f64; 2]) -> Self {
        self.margin = margin;
        self
    }

    /// The alternative says: at this value.
    #[must_use]
    pub fn against(self, value: f64) -> Self {
        self.against_range([value, value])
    }

    /// The same where the alternative can be told apart.
    #[must_use]
    pub fn against_if(self, told: bool, value: f64) -> Self {
        if told { self.against(value) } else { self }
    }

    /// The alternative says: somewhere in this range.
    #[must_use]
    pub fn against_range(mut self, range: [f64; 2]) -> Self {
        self.alternative = Some(range);
        self
    }

    /// Whether it shares in the family-wise rate.
    pub fn is_statistical(&self) -> bool {
        matches!(self.measured, Measurement::Statistical(_))
    }
}

/// A comparison with its verdict.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// What was compared.
    pub comparison: Comparison,
    /// The simultaneous interval; the number itself where it is exact.
    pub interval: [f64; 2],
    /// Of the hypothesis that the claim is true; none where it is exact.
    pub p_value: Option<f64>,
    /// The verdict.
    pub verdict: Verdict,
    /// Where it cannot be told: how many times more trajectories would tell, from the standard
    /// error as it is; none where more would not help.
    pub more: Option<f64>,
}

/// Judges one of `comparisons` comparisons that share the family-wise rate.
pub fn judge(comparison: Comparison, comparisons: usize) -> Judgement {
    let value = comparison.measured.value();
    let (half, defined) = match comparison.measured {
        Measurement::Exact(_) => (0.0, !value.is_nan()),
        Measurement::Statistical(estimate) => {
            let level = FAMILY_WISE_RATE / comparisons.max(1) as f64;
            let half = two_sided_quantile(level, estimate.degrees) * estimate.standard_error;
            (half, value.is_finite() && half.is_finite())
        }
    };
    let interval = [value - half, value + half];
    let [low, high] = comparison.margin;
    let inside = low <= interval[0] && interval[1] <= high;
    let outside = interval[1] < low || high < interval[0];
    let rejected = comparison
        .alternative
        .is_none_or(|[a, b]| interval[1] < a || b < interval[0]);
    let verdict = match (inside && rejected, outside) {
        _ if !defined => Verdict::CannotTell,
        (_, true) => Verdict::Fails,
        (true, _) => Verdict::Holds,
        _ => Verdict::CannotTell,
    };
    let estimate = match comparison.measured {
        Measurement::Statistical(estimate) if defined => Some(estimate),
        _ => None,
    };
    let more = estimate.filter(|_| verdict == Verdict::CannotTell);
    Judgement {
        p_value: estimate.map(|estimate| p_value(&estimate, comparison.margin)),
        more: more.and_then(|_| times_more(&comparison, value, half)),
        comparison,
        interval,
        verdict,
    }
}

/// The half-width shrinks like one over the root of the number of trajectories: it must come down
/// to the distance to the nearest end of the margin, or of the alternative.
fn times_more(comparison: &Comparison, value: f64, half: f64) -> Option<f64> {
    let [low, high] = comparison.margin;
    let mut room = (value - low).abs().min((high - value).abs());
    if (low..=high).contains(&value)
        && let Some([a, b]) = comparison.alternative
    {
        let distance = (a - value).max(value - b);
        room = room.min(distance);
    }
    let factor = (half / room).powi(2);
    (room > 0.0 && factor.is_finite() && factor > 1.0).then_some(factor)
}

/// The chance that a repetition with as many trajectories is not told to hold, if the truth is
/// where the estimate is and the standard error what it is; 0 or 1 where it is exact. The estimate
/// is off by a standard error itself, so that its mean over many seeds is larger than the chance.
pub fn chance_of_not_holding(judged: &Judgement) -> f64 {
    let Measurement::Statistical(estimate) = judged.comparison.measured else {
        return f64::from(u8::from(judged.verdict != Verdict::Holds));
    };
    let half = 0.5 * (judged.interval[1] - judged.interval[0]);
    let Some(law) = student(estimate.degrees) else {
        return 1.0;
    };
    // That the estimate, here at `value`, moves by more than this towards what it must not reach.
    let moves = |distance: f64| {
        let room = distance - half;
        match estimate.standard_error > 0.0 {
            true => law.cdf(-room / estimate.standard_error),
            false => f64::from(u8::from(room < 0.0)),
        }
    };
    let value = estimate.value;
    let [low, high] = judged.comparison.margin;
    let mut chance = moves(value - low) + moves(high - value);
    if let Some([a, b]) = judged.comparison.alternative {
        chance += moves((a - value).max(value - b));
    }
    if chance.is_nan() {
        1.0
    } else {
        chance.min(1.0)
    }
}

/// t with P(|T| > t) = `level`.
pub fn two_sided_quantile(level: f64, degrees: f64) -> f64 {
    match student(degrees) {
        Some(law) => -law.inverse_cdf(0.5 * level),
        None => f64::NAN,
    }
}

/// P(|T| ≥ distance from the margin / standard error).
fn p_value(estimate: &Estimate, [low, high]: [f64; 2]) -> f64 {
    let distance = (low - estimate.value).max(estimate.value - high);
    if distance <= 0.0 {
        return 1.0;
    }
    if estimate.standard_error == 0.0 {
        return 0.0;
    }
    let law = student(estimate.degrees);
    law.map_or(f64::NAN, |law| {
        (2.0 * law.cdf(-distance / estimate.standard_error)).min(1.0)
    })
}

/// Beyond 10⁷ degrees of freedom the law is normal to seven digits.
fn student(degrees: f64) -> Option<StudentsT> {
    StudentsT::new(0.0, 1.0, degrees.clamp(1.0, 1e7)).ok()
}

/// min(1, m min pᵢ) over the statistical comparisons; none if there are none.
pub fn joint_p_value(judged: &[Judgement]) -> Option<f64> {
    let values: Vec<f64> = judged.iter().filter_map(|j| j.p_value).collect();
    let smallest = values.iter().copied().reduce(f64::min)?;
    Some((smallest * values.len() as f64).min(1.0))
}

/// The verdict of a claim: the worst of its comparisons.
pub fn joint_verdict(judged: &[Judgement]) -> Verdict {
    let worst = judged.iter().map(|j| j.verdict).max();
    worst.unwrap_or(Verdict::CannotTell)
}

/// The comparison that decided, from 0: of the worst verdict that with the smallest p-value; among
/// those that are equal one that tells the alternative, and then that which comes nearest to the
/// end of its margin.
pub fn decisive(judged: &[Judgement]) -> Option<usize> {
    let strain = |j: &Judgement| {
        let [low, high] = j.comparison.margin;
        let value = j.comparison.measured.value();
        let reach = (0.5 * (high - low)).max(f64::MIN_POSITIVE);
        let off = (value - j.comparison.prediction).abs() / reach;
        if off.is_finite() { off } else { 0.0 }
    };
    let key = |j: &Judgement| {
        let told = j.comparison.alternative.is_some();
        (j.verdict, -j.p_value.unwrap_or(1.0), told, strain(j))
    };
    let mut best: Option<usize> = None;
    for (place, candidate) in judged.iter().enumerate() {
        if best.is_none_or(|b| key(candidate) > key(&judged[b])) {
            best = Some(place);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(value: f64, standard_error: f64) -> Estimate {
        Estimate {
            value,
            standard_error,
            degrees: 1e9,
        }
    }

    fn verdict(value: f64, margin: f64, alternative: f64) -> Verdict {
        let comparison = Comparison::statistical("x", 0.0, estimate(value, 1.0), margin);
        judge(comparison.against(alternative), 1).verdict
    }

    /// At one comparison the half-width is 2.576 standard errors.
    #[test]
    fn verdicts_by_hand() {
        assert_eq!(verdict(0.0, 2.6, 9.0), Verdict::Holds);
        assert_eq!(verdict(0.0, 2.5, 9.0), Verdict::CannotTell);
        assert_eq!(verdict(0.0, 2.6, 2.0), Verdict::CannotTell);
        assert_eq!(verdict(5.3, 2.6, 9.0), Verdict::Fails);
        assert_eq!(verdict(5.1, 2.6, 9.0), Verdict::CannotTell);
        assert_eq!(verdict(f64::NAN, 2.6, 9.0), Verdict::CannotTell);
    }

    #[test]
    fn exact_verdicts_by_hand() {
        let of = |value: f64| judge(Comparison::exact("x", 1.0, value, 0.1).against(2.0), 1);
        assert_eq!(of(1.05).verdict, Verdict::Holds);
        assert_eq!(of(1.2).verdict, Verdict::Fails);
        assert_eq!(of(f64::NAN).verdict, Verdict::CannotTell);
        assert_eq!(of(1.0).p_value, None);
        let weak = Comparison::exact("x", 1.0, 1.0, 0.1).against_range([0.5, 1.5]);
        assert_eq!(judge(weak, 1).verdict, Verdict::CannotTell);
    }

    /// The p-value passes α/C exactly where the verdict becomes *fails*.
    #[test]
    fn p_values_and_verdicts_agree() {
        for comparisons in [1, 40, 200] {
            for degrees in [3.0, 63.0, 1e9] {
                let level = FAMILY_WISE_RATE / comparisons as f64;
                let critical = two_sided_quantile(level, degrees);
                for (off, fails) in [(0.999, false), (1.001, true)] {
                    let estimate = Estimate {
                        value: 1.0 + off * critical,
                        standard_error: 1.0,
                        degrees,
                    };
                    let judged = judge(
                        Comparison::statistical("x", 0.0, estimate, 1.0),
                        comparisons,
                    );
                    assert_eq!(judged.verdict == Verdict::Fails, fails);
                    let p = judged.p_value.expect("statistical");
                    assert_eq!(p < level, fails, "{p} {level}");
                }
            }
        }
    }

    /// Tables of Student's distribution, and the two-sided tail of the normal law.
    #[test]
    fn quantiles_are_those_of_the_tables() {
        assert!((two_sided_quantile(0.05, 3.0) - 3.18245).abs() < 1e-4);
        assert!((two_sided_quantile(0.01, 30.0) - 2.75).abs() < 1e-3);
        assert!((two_sided_quantile(1e-4, 1e9) - 3.89059).abs() < 1e-4);
        // Against finite sums for whole degrees.
        for (level, degrees) in [(1e-4, 63.0), (1e-5, 15.0), (0.2, 2.0)] {
            let other = rankfall_core::measure::rates::student_t(1.0 - level, degrees);
            assert!((two_sided_quantile(level, degrees) / other - 1.0).abs() < 1e-6);
        }
    }

    /// Four times the trajectories halve the interval.
    #[test]
    fn what_it_would_take() {
        let half = two_sided_quantile(FAMILY_WISE_RATE, 1e9);
        let comparison = Comparison::statistical("x", 0.0, estimate(0.0, 1.0), 0.5 * half);
        let more = judge(comparison, 1).more.expect("cannot tell");
        assert!((more - 4.0).abs() < 1e-9);
    }

    #[test]
    fn the_worst_comparison_decides() {
        let of = |value: f64| {
            judge(
                Comparison::statistical("x", 0.0, estimate(value, 1.0), 3.0),
                1,
            )
        };
        let all = [of(0.0), of(9.0), of(20.0), of(1.0)];
        assert_eq!(joint_verdict(&all), Verdict::Fails);
        assert_eq!(decisive(&all), Some(2));
        let p = joint_p_value(&all).expect("statistical");
        assert!((p - 4.0 * all[2].p_value.expect("statistical")).abs() <= 1e-15);
        assert_eq!(joint_verdict(&[]), Verdict::CannotTell);
    }
}
