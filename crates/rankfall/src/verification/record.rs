//! From what claims found to the record that is written and drawn.

use rankfall_evidence::decision::{FAMILY_WISE_RATE, Judgement};
use rankfall_evidence::picture::{Picture, Style, Trace};
use rankfall_evidence::{Claim, Finding, Suite, Verification};
use rankfall_report::claims::{
    self, CLAIMS_SCHEMA, ClaimCurve, ClaimFigure, ClaimRecord, ClaimsRecord, ComparisonRecord,
    CurveStyle,
};

/// Everything that measuring claims found so far: `asked` are those that were to be measured. The
/// command that repeats it is for the caller to say.
pub fn claims_record(
    verification: &Verification,
    asked: &[&'static Claim],
    findings: &[Finding],
) -> ClaimsRecord {
    ClaimsRecord {
        schema: CLAIMS_SCHEMA,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        seed: verification.subject.seed(),
        level: verification.level.words().to_owned(),
        setting: verification.subject.words().to_owned(),
        command: String::new(),
        family_wise_rate: FAMILY_WISE_RATE,
        comparisons: comparisons(verification, asked) as u64,
        seconds: findings.iter().map(|finding| finding.seconds).sum(),
        claims: findings.iter().map(claim_record).collect(),
    }
}

/// How many comparisons share the family-wise rate: those of the suite, or, about a network given
/// by its layers, of the only one with claims that apply.
fn comparisons(verification: &Verification, asked: &[&'static Claim]) -> usize {
    let suites = [Suite::Exact, Suite::Networks].into_iter();
    let asked = suites.filter(|suite| asked.iter().any(|claim| claim.suite == *suite));
    asked
        .map(|suite| verification.comparisons(suite))
        .max()
        .unwrap_or(1)
}

/// JSON has no infinity; the ends of one-sided margins are the largest numbers there are.
fn end(value: f64) -> f64 {
    value.clamp(f64::MIN, f64::MAX)
}

fn known(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

fn range(ends: [f64; 2]) -> Option<[f64; 2]> {
    (!ends[0].is_nan() && !ends[1].is_nan()).then(|| ends.map(end))
}

fn relation(margin: [f64; 2]) -> Option<String> {
    claims::relation(range(margin)?).map(str::to_owned)
}

fn comparison_record(judged: &Judgement) -> ComparisonRecord {
    let comparison = &judged.comparison;
    ComparisonRecord {
        what: comparison.what.clone(),
        prediction: known(comparison.prediction),
        measured: known(comparison.measured.value()),
        interval: judged.p_value.and_then(|_| range(judged.interval)),
        relation: relation(comparison.margin),
        margin: range(comparison.margin),
        p_value: judged.p_value,
        verdict: judged.verdict.words().to_owned(),
    }
}

/// One claim and what was found.
fn claim_record(finding: &Finding) -> ClaimRecord {
    let claim = finding.claim;
    let deciding = finding.deciding().map(comparison_record);
    ClaimRecord {
        id: claim.id.to_owned(),
        title: claim.title.to_owned(),
        statement: claim.statement.to_owned(),
        source: claim.provenance.words().to_owned(),
        kind: claim.strength.words().to_owned(),
        alternative: claim.alternative.to_owned(),
        prediction: deciding.as_ref().and_then(|c| c.prediction),
        measured: deciding.as_ref().and_then(|c| c.measured),
        interval: deciding.as_ref().and_then(|c| c.interval),
        relation: deciding.as_ref().and_then(|c| c.relation.clone()),
        margin: deciding.as_ref().and_then(|c| c.margin),
        p_value: finding.p_value,
        verdict: finding.verdict.words().to_owned(),
        reason: finding.reason.clone(),
        seconds: finding.seconds,
        comparisons: finding.comparisons.iter().map(comparison_record).collect(),
        figure: finding.figure.as_ref().map(claim_figure),
    }
}

fn claim_figure(figure: &Picture) -> ClaimFigure {
    ClaimFigure {
        title: figure.title.clone(),
        caption: figure.caption.clone(),
        x_label: figure.x_label.clone(),
        y_label: figure.y_label.clone(),
        x_log: figure.x_log,
        y_log: figure.y_log,
        curves: figure.curves.iter().map(claim_curve).collect(),
    }
}

fn claim_curve(curve: &Trace) -> ClaimCurve {
    let [low, high] = match &curve.interval {
        Some([low, high]) => [Some(low.clone()), Some(high.clone())],
        None => [None, None],
    };
    ClaimCurve {
        label: curve.label.clone(),
        style: match curve.style {
            Style::Line => CurveStyle::Line,
            Style::Dashed => CurveStyle::Dashed,
            Style::Points => CurveStyle::Points,
        },
        x: curve.x.clone(),
        y: curve.y.clone(),
        low,
        high,
    }
}
