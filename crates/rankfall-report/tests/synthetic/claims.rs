//! A made-up record of `verify`, one claim for each kind, verdict and figure.

use rankfall_report::claims::{
    CLAIMS_SCHEMA, ClaimCurve, ClaimFigure, ClaimRecord, ClaimsRecord, ComparisonRecord, CurveStyle,
};

/// The record; labelled as synthetic wherever it shows.
pub fn record() -> ClaimsRecord {
    ClaimsRecord {
        schema: CLAIMS_SCHEMA,
        version: "0.1.0".into(),
        seed: 1,
        level: "quick".into(),
        setting: "SYNTHETIC TEST RECORD (nothing was tested): n = 1000, p = 5, k = 2, l = 10"
            .into(),
        command: "cargo run -p rankfall-report --example gallery -- FOLDER".into(),
        family_wise_rate: 0.01,
        comparisons: 143,
        seconds: 71.4,
        claims: vec![determinant(), rates(), order(), repulsion(), depth()],
    }
}

fn claim(id: &str, title: &str, kind: &str, verdict: &str) -> ClaimRecord {
    ClaimRecord {
        id: id.into(),
        title: title.into(),
        statement: String::new(),
        source: "the paper's setting".into(),
        kind: kind.into(),
        alternative: String::new(),
        prediction: None,
        measured: None,
        interval: None,
        relation: None,
        margin: None,
        p_value: None,
        verdict: verdict.into(),
        reason: String::new(),
        seconds: 3.2,
        comparisons: vec![],
        figure: None,
    }
}

fn comparison(what: String, prediction: f64, measured: f64, half: f64) -> ComparisonRecord {
    ComparisonRecord {
        what,
        prediction: Some(prediction),
        measured: Some(measured),
        interval: Some([measured - half, measured + half]),
        relation: rankfall_report::claims::relation([
            prediction - 3.0 * half,
            prediction + 3.0 * half,
        ])
        .map(str::to_owned),
        margin: Some([prediction - 3.0 * half, prediction + 3.0 * half]),
        p_value: Some(0.31),
        verdict: "holds".into(),
    }
}

fn curve(label: &str, style: CurveStyle, x: &[f64], y: &[f64]) -> ClaimCurve {
    ClaimCurve {
        label: label.into(),
        style,
        x: x.to_vec(),
        y: y.to_vec(),
        low: None,
        high: None,
    }
}

fn barred(curve: ClaimCurve, half: impl Fn(f64) -> f64) -> ClaimCurve {
    let low = curve.y.iter().map(|y| y - half(*y)).collect();
    let high = curve.y.iter().map(|y| y + half(*y)).collect();
    ClaimCurve {
        low: Some(low),
        high: Some(high),
        ..curve
    }
}

fn figure(title: &str, labels: [&str; 2], logs: [bool; 2], curves: Vec<ClaimCurve>) -> ClaimFigure {
    ClaimFigure {
        title: title.into(),
        caption: "Made up to try the figure.".into(),
        x_label: labels[0].into(),
        y_label: labels[1].into(),
        x_log: logs[0],
        y_log: logs[1],
        curves,
    }
}

/// A line under its theory.
fn determinant() -> ClaimRecord {
    let times: Vec<f64> = (0..=100).map(|i| f64::from(i) * 5.0).collect();
    let law: Vec<f64> = times.iter().map(|t| 13.74 - 0.396_332 * t).collect();
    let curves = vec![
        barred(
            curve("mean of 64 trajectories", CurveStyle::Line, &times, &law),
            |_| 3.0,
        ),
        curve(
            "log det M(0) − 2νk tr(S) t",
            CurveStyle::Dashed,
            &times,
            &law,
        ),
    ];
    ClaimRecord {
        statement: "Under stochastic gradient flow with l ≥ p + k, log det M(t) = log det M(0) − 2νk tr(S) t on every \
                    path, without spread."
            .into(),
        alternative: "a slope 5 % off".into(),
        prediction: Some(-0.396_332),
        measured: Some(-0.396_332_000_1),
        interval: Some([-0.396_332_000_3, -0.396_331_999_9]),
        margin: Some([-0.396_332_000_5, -0.396_331_999_5]),
        p_value: None,
        reason: "The largest distance from the law is 3·10⁻¹⁰ over 64 paths, within 16 roundings of the sum.".into(),
        figure: Some(figure(
            "log det M falls on its law",
            ["time t", "log det M"],
            [false, false],
            curves,
        )),
        ..claim("determinant-law", "The determinant law", "exact identity", "holds")
    }
}

/// Points on their theory.
fn rates() -> ClaimRecord {
    let predicted = [0.0, 0.0, -0.0183, -0.0207, -0.0222, -0.0681, -0.0689];
    let measured = [
        1e-6, -1e-6, -0.01782, -0.02002, -0.02122, -0.06924, -0.06987,
    ];
    let index: Vec<f64> = (1..=7).map(f64::from).collect();
    let comparisons = (0..7)
        .map(|i| {
            comparison(
                format!("rate of log σ{}", ["₁", "₂", "₃", "₄", "₅", "₆", "₇"][i]),
                predicted[i],
                measured[i],
                4e-4,
            )
        })
        .collect();
    ClaimRecord {
        statement: "As ν → 0 the rates of log σᵢ tend to 0 (k times) and −(ν/2) eig(kS + tr(S) UUᵀ).".into(),
        alternative: "the closed form for p < k".into(),
        prediction: Some(-0.0183),
        measured: Some(-0.01782),
        interval: Some([-0.0186, -0.0170]),
        margin: Some([-0.0195, -0.0171]),
        p_value: Some(0.083),
        reason: "The interval of the third rate reaches past the margin; four times the time would halve it.".into(),
        comparisons,
        figure: Some(figure(
            "Decay rates, predicted and measured",
            ["index i", "rate of log σᵢ"],
            [false, false],
            vec![
                curve("closed form, ν → 0", CurveStyle::Dashed, &index, &predicted),
                barred(
                    curve("measured, 99 % intervals", CurveStyle::Points, &index, &measured),
                    |y| 4e-4 + y.abs() * 0.02,
                ),
            ],
        )),
        ..claim("decay-rates", "Decay rates of the singular values", "asymptotic", "cannot tell")
    }
}

/// Two kinds of points on logarithmic axes, each with its theory; a bar leaves the axis.
fn order() -> ClaimRecord {
    let steps: Vec<f64> = (4..=10).map(|i| 0.5f64.powi(i)).collect();
    let euler: Vec<f64> = steps.iter().map(|h| 0.17 * h.powf(0.52)).collect();
    let lie: Vec<f64> = steps.iter().map(|h| 0.07 * h.powf(0.53)).collect();
    let line = |c: f64| steps.iter().map(|h| c * h.sqrt()).collect::<Vec<f64>>();
    ClaimRecord {
        statement: "Euler–Maruyama and Lie–Euler converge with strong order ½.".into(),
        alternative: "order 1".into(),
        prediction: Some(0.5),
        measured: Some(0.62),
        interval: Some([0.58, 0.66]),
        margin: Some([0.47, 0.53]),
        p_value: Some(0.0),
        reason: "The interval of the slope lies outside the margin (a made-up failure).".into(),
        figure: Some(figure(
            "Strong error against step size",
            ["step size h", "root mean square difference at T = 1"],
            [true, true],
            vec![
                barred(
                    curve("Euler–Maruyama", CurveStyle::Points, &steps, &euler),
                    |y| 0.1 * y + 6e-4,
                ),
                barred(
                    curve("Lie–Euler", CurveStyle::Points, &steps, &lie),
                    |y| 0.1 * y + 2e-3,
                ),
                curve("order ½", CurveStyle::Dashed, &steps, &line(0.16)),
                curve("order ½, shifted", CurveStyle::Dashed, &steps, &line(0.065)),
            ],
        )),
        ..claim(
            "strong-order",
            "Strong order of the integrators",
            "asymptotic",
            "fails",
        )
    }
}

/// Two lines with bands and no theory; a one-sided margin.
fn repulsion() -> ClaimRecord {
    let times: Vec<f64> = (0..=60).map(|i| f64::from(i) * 5.0).collect();
    let falling: Vec<f64> = times.iter().map(|t| 1.2 * (-0.07 * t).exp()).collect();
    let staying: Vec<f64> = times.iter().map(|t| 0.9 + 0.1 * (0.05 * t).sin()).collect();
    ClaimRecord {
        statement: "Without repulsion the smallest singular value does not decay.".into(),
        alternative: "no difference".into(),
        measured: Some(19.3),
        interval: Some([18.1, 20.5]),
        margin: Some([0.0, f64::MAX]),
        p_value: Some(2.3e-41),
        reason: "The median log σ₇ with repulsion lies 19.3 below that without it.".into(),
        figure: Some(figure(
            "The smallest singular value with and without repulsion",
            ["time t", "smallest singular value of Θ"],
            [false, true],
            vec![
                barred(
                    curve("with repulsion", CurveStyle::Line, &times, &falling),
                    |y| 0.5 * y,
                ),
                barred(
                    curve("repulsion scaled by 0", CurveStyle::Line, &times, &staying),
                    |y| 0.2 * y,
                ),
            ],
        )),
        ..claim(
            "repulsion-kills",
            "Repulsion is what kills the small eigenvalues",
            "qualitative",
            "holds",
        )
    }
}

fn depth() -> ClaimRecord {
    ClaimRecord {
        source: "derived here".into(),
        statement: "In depth 3, determinants of adjacent stacks fall on every path.".into(),
        reason: "The experiment has two layers.".into(),
        seconds: 0.0,
        ..claim(
            "adjacent-stacks",
            "Adjacent stacks in depth 3",
            "exact identity",
            "does not apply",
        )
    }
}
