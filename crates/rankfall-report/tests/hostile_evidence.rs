//! Claims, sweeps, rates and forces that no one hopes for: every figure draws or says why not,
//! every page is well formed, nothing panics, and equal records give equal bytes.

use rankfall_report::claims::{ClaimCurve, ClaimFigure, ClaimRecord, ClaimsRecord, CurveStyle};
use rankfall_report::figures::{rates, sweep};
use rankfall_report::record::{DynamicsSummary, SeriesRow, Summary};
use rankfall_report::scene::Scene;
use rankfall_report::sweep::SweepTable;
use rankfall_report::{
    Figure, SeriesTable, SkipReason, SweepReport, claim_figure, claims_page, claims_text, draw_all,
    png, svg, sweep_page,
};

mod markup;
mod synthetic;

use synthetic::Recipe;

const WILD: [f64; 12] = [
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::MAX,
    f64::MIN,
    f64::MIN_POSITIVE,
    1e-320,
    0.0,
    -0.0,
    -1.0,
    1e150,
    3.0,
];
const MARKUP: &str = "<script>alert(1)</script>\u{0}\u{1b}]0;x\u{7}\"'&&amp;<b";

fn check(name: &str, outcome: &Result<Scene, SkipReason>) {
    match outcome {
        Ok(scene) => {
            let image = png::render(scene).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(image.starts_with(b"\x89PNG"), "{name}");
            let drawn = svg::render(scene);
            markup::check(name, &drawn);
            assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{name}");
            assert_eq!(drawn, svg::render(scene), "{name}");
        }
        Err(skipped) => assert!(!skipped.reason.is_empty(), "{name}"),
    }
}

fn check_claims(record: &ClaimsRecord) -> String {
    for claim in &record.claims {
        if let Some(figure) = &claim.figure {
            check("claim", &claim_figure::scene(figure, &claim.id));
        }
    }
    let page = claims_page(record);
    markup::check("claims page", &page);
    assert!(!page.contains("<script") && !page.contains("NaN"));
    for width in [0, 40, 80, 100_000] {
        let text = claims_text(record, width);
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
    }
    page
}

fn curve(style: CurveStyle, x: &[f64], y: &[f64]) -> ClaimCurve {
    ClaimCurve {
        label: MARKUP.into(),
        style,
        x: x.to_vec(),
        y: y.to_vec(),
        low: Some(y.iter().map(|v| v * 0.5).collect()),
        high: Some(y.iter().map(|v| v * 2.0).collect()),
    }
}

fn figure(logs: [bool; 2], curves: Vec<ClaimCurve>) -> ClaimFigure {
    ClaimFigure {
        title: MARKUP.repeat(9),
        caption: MARKUP.into(),
        x_label: MARKUP.into(),
        y_label: MARKUP.repeat(9),
        x_log: logs[0],
        y_log: logs[1],
        curves,
    }
}

#[test]
fn the_synthetic_claims_are_a_page_with_every_figure() {
    let record = synthetic::claims::record();
    let page = check_claims(&record);
    let figures = record.claims.iter().filter(|c| c.figure.is_some()).count();
    assert_eq!(page.matches("<svg ").count(), figures);
    for words in ["2 hold", "1 fails", "1 cannot be told", "1 does not apply"] {
        assert!(page.contains(words), "{words}");
    }
    assert!(
        page.contains("href=\"#claim-strong-order\"") && page.contains("id=\"claim-strong-order\"")
    );
    assert_eq!(page, claims_page(&synthetic::claims::record()));
    // Nothing is fetched from anywhere.
    let addresses = page.matches("http").count();
    assert_eq!(
        addresses,
        page.matches("http://www.w3.org/2000/svg").count()
    );
}

#[test]
fn claims_survive_json() {
    let mut record = synthetic::claims::record();
    // Few digits: not every reader of JSON rounds the others to the same double.
    let simple = || vec![curve(CurveStyle::Points, &[1.0, 2.0], &[0.5, 4.0])];
    for claim in &mut record.claims {
        claim.comparisons.clear();
        claim.figure.iter_mut().for_each(|f| f.curves = simple());
    }
    let json = serde_json::to_string(&record).expect("written");
    let read: ClaimsRecord = serde_json::from_str(&json).expect("read");
    assert!(read == record, "{json}");
}

#[test]
fn lines_of_the_terminal_table_fit() {
    let mut record = synthetic::claims::record();
    record.claims[0].id = "a-very-long-identifier-of-a-claim-".repeat(5);
    for width in [40, 60, 80, 120] {
        let text = claims_text(&record, width);
        let table = text.split("\n\n").next().unwrap_or("");
        let longest = table.lines().map(|l| l.chars().count()).max().unwrap_or(0);
        assert!(longest <= width, "{width}:\n{text}");
        assert!(text.contains("5 claims: 2 hold"), "{text}");
    }
}

#[test]
fn hostile_words_and_numbers_of_claims_stay_words_and_numbers() {
    let mut record = synthetic::claims::record();
    let words = |claim: &mut ClaimRecord| {
        for text in [
            &mut claim.id,
            &mut claim.title,
            &mut claim.statement,
            &mut claim.source,
            &mut claim.kind,
            &mut claim.alternative,
            &mut claim.verdict,
            &mut claim.reason,
        ] {
            *text = MARKUP.into();
        }
    };
    record.claims.iter_mut().for_each(words);
    for text in [
        &mut record.version,
        &mut record.level,
        &mut record.setting,
        &mut record.command,
    ] {
        *text = MARKUP.into();
    }
    check_claims(&record);
    for a in WILD {
        for b in WILD {
            for claim in &mut record.claims {
                (claim.prediction, claim.measured) = (Some(a), Some(b));
                (claim.interval, claim.margin) = (Some([a, b]), Some([b, a]));
                (claim.p_value, claim.seconds) = (Some(a), b);
                claim.figure = None;
            }
            (record.seconds, record.family_wise_rate) = (a, b);
            check_claims(&record);
        }
    }
    record.claims.clear();
    check_claims(&record);
}

#[test]
fn figures_of_claims_draw_what_can_be_drawn() {
    use CurveStyle::{Dashed, Line, Points};
    let styles = [Line, Dashed, Points];
    for logs in [[false, false], [true, true], [false, true]] {
        for style in styles {
            for one in WILD {
                check(
                    "one",
                    &claim_figure::scene(&figure(logs, vec![curve(style, &[one], &[one])]), ""),
                );
            }
            let backwards: Vec<f64> = WILD.iter().rev().copied().collect();
            let all = vec![
                curve(style, &WILD, &backwards),
                curve(style, &[], &[1.0]),
                curve(style, &[1.0, 2.0], &[3.0]),
            ];
            check("all", &claim_figure::scene(&figure(logs, all), MARKUP));
        }
        check("none", &claim_figure::scene(&figure(logs, vec![]), ""));
        let many: Vec<ClaimCurve> = (0..40)
            .map(|i| curve(styles[i % 3], &[1.0, 2.0], &[2.0, 1.0]))
            .collect();
        check("many", &claim_figure::scene(&figure(logs, many), ""));
    }
    let single = figure([false, false], vec![curve(Points, &[1.0], &[1.0])]);
    assert!(claim_figure::scene(&single, "").is_ok());
    let negative = figure([false, true], vec![curve(Points, &[1.0], &[-1.0])]);
    assert!(claim_figure::scene(&negative, "").is_err());
}

fn check_sweep(report: &SweepReport) -> (Vec<Figure>, String) {
    let mut all = Vec::new();
    for part in &report.parts {
        let figures = sweep::figures(&part.table, &report.origin(part));
        for figure in &figures {
            check(figure.name, &figure.outcome);
        }
        all.extend(figures);
    }
    let page = sweep_page(report);
    markup::check("sweep page", &page);
    assert!(!page.contains("<script"));
    (all, page)
}

fn one_part(table: SweepTable) -> SweepReport {
    let mut report = synthetic::sweep::report();
    report.parts.truncate(1);
    report.parts[0].table = table;
    report
}

#[test]
fn the_synthetic_sweeps_draw_every_figure() {
    let report = synthetic::sweep::report();
    let (figures, page) = check_sweep(&report);
    assert_eq!(figures.len(), 5);
    assert!(figures.iter().all(|f| f.outcome.is_ok()));
    assert_eq!(page.matches("<svg ").count(), 5);
    assert_eq!(page, sweep_page(&synthetic::sweep::report()));
    let maps = svg::render(figures[0].outcome.as_ref().expect("drawn"));
    assert!(
        maps.contains("every trajectory diverged"),
        "the hatching is named"
    );
}

#[test]
fn sweeps_of_any_shape_draw_or_say_why_not() {
    let table = synthetic::sweep::plane(4, 3);
    for one in WILD {
        let mut wild = table.clone();
        wild.metrics
            .iter_mut()
            .for_each(|m| m.values.fill(Some(one)));
        wild.metrics[2].prediction = Some(vec![Some(one); 12]);
        check_sweep(&one_part(wild.clone()));
        wild.axes[0].values.fill(one);
        wild.axes[1].values[1] = one;
        check_sweep(&one_part(wild));
    }
    let changes: [&dyn Fn(&mut SweepTable); 8] = [
        &|t| t.metrics.clear(),
        &|t| t.axes.clear(),
        &|t| t.axes[1].values.clear(),
        &|t| t.axes.push(t.axes[0].clone()),
        &|t| t.metrics.iter_mut().for_each(|m| m.values.truncate(5)),
        &|t| t.metrics.iter_mut().for_each(|m| m.values.fill(None)),
        &|t| t.metrics.iter_mut().for_each(|m| m.label = MARKUP.into()),
        &|t| {
            t.axes
                .iter_mut()
                .for_each(|a| (a.label, a.name) = (MARKUP.into(), MARKUP.into()))
        },
    ];
    for change in changes {
        let mut changed = table.clone();
        change(&mut changed);
        check_sweep(&one_part(changed));
    }
    let mut hostile = one_part(synthetic::sweep::line(1));
    for text in [
        &mut hostile.experiment,
        &mut hostile.version,
        &mut hostile.problem,
        &mut hostile.command,
        &mut hostile.experiment_toml,
        &mut hostile.parts[0].dynamics,
        &mut hostile.warnings[0],
    ] {
        *text = MARKUP.into();
    }
    check_sweep(&hostile);
}

#[test]
fn a_plane_too_fine_for_cells_is_refused_with_a_reason() {
    let (figures, _) = check_sweep(&one_part(synthetic::sweep::plane(200, 3)));
    let reason = figures[0].outcome.as_ref().err().map(|s| s.reason.clone());
    assert!(reason.is_some_and(|r| r.contains("200 values")));
    assert!(figures[1].outcome.is_ok());
}

#[test]
fn everything_diverged_is_a_picture_too() {
    let mut table = synthetic::sweep::plane(4, 3);
    for metric in &mut table.metrics {
        metric.values.fill(None);
        metric.prediction = None;
    }
    let (figures, _) = check_sweep(&one_part(table));
    assert!(figures[0].outcome.is_ok() && figures[1].outcome.is_err());
}

#[test]
fn rates_of_any_size_draw_or_say_why_not() {
    check("rates", &rates::scene(&synthetic::sweep::rates(), MARKUP));
    assert!(rates::scene(&synthetic::sweep::rates(), "").is_ok());
    for one in WILD {
        let mut cases = synthetic::sweep::rates();
        for case in &mut cases {
            case.title = MARKUP.into();
            case.predicted[0] = one;
            case.measured[1] = one;
            case.low.fill(one);
            case.high.truncate(2);
        }
        check("wild", &rates::scene(&cases, ""));
        cases.truncate(1);
        cases[0].predicted = vec![one];
        cases[0].measured = vec![one];
        check("single", &rates::scene(&cases, ""));
    }
    check("none", &rates::scene(&[], ""));
}

const FORCES: [&str; 3] = ["counterfactual", "force_balance", "pushes"];

fn forces(summary: &Summary, rows: Vec<SeriesRow>) -> Vec<&'static str> {
    let series = SeriesTable::from_rows(rows);
    let mut figures = draw_all(summary, &series);
    figures.retain(|f| FORCES.contains(&f.name));
    for figure in &figures {
        check(figure.name, &figure.outcome);
    }
    let drawn = figures.iter().filter(|f| f.outcome.is_ok());
    drawn.map(|f| f.name).collect()
}

#[test]
fn forces_are_drawn_only_where_they_were_recorded() {
    let (summary, rows) = Recipe::forces().record();
    assert_eq!(forces(&summary, rows), FORCES);
    let (summary, rows) = Recipe::standard().record();
    let series = SeriesTable::from_rows(rows);
    let figures = draw_all(&summary, &series);
    assert!(figures.iter().all(|f| !FORCES.contains(&f.name)));
}

#[test]
fn forces_are_in_the_summary_only_where_they_are_scaled() {
    let (summary, _) = Recipe::forces().record();
    let json = |i: usize| serde_json::to_value(&summary.dynamics[i]).expect("written");
    assert!(json(0)["forces"].is_null());
    assert_eq!(json(1)["forces"]["repulsion"], 0.0);
    let read = |i: usize| serde_json::from_value::<DynamicsSummary>(json(i)).expect("read");
    assert_eq!(read(0).forces, None);
    assert_eq!(read(1).forces, summary.dynamics[1].forces);
}

#[test]
fn the_reader_of_markup_refuses_what_is_not_well_formed() {
    for bad in [
        "<a><b></a></b>",
        "<a>",
        "</a>",
        "<a x=1/>",
        "<a x=\"1\" x=\"2\"/>",
        "<a>&nbsp;</a>",
        "<a>1 > 0</a>",
        "<a>\u{0}</a>",
        "<a/>text",
    ] {
        let refused = std::panic::catch_unwind(|| markup::check("bad", bad)).is_err();
        assert!(refused, "{bad}");
    }
    markup::check(
        "good",
        "<!DOCTYPE html>\n<a x=\"&lt;\">b<br>&amp;<c/></a>\n",
    );
}

#[test]
fn a_counterfactual_needs_its_twin() {
    let (mut summary, rows) = Recipe::forces().record();
    summary.dynamics[0].noise_intensity *= 2.0;
    assert!(!forces(&summary, rows.clone()).contains(&"counterfactual"));
    summary.dynamics.remove(0);
    assert!(!forces(&summary, rows).contains(&"counterfactual"));
}

#[test]
fn a_counterfactual_that_diverged_is_not_drawn_as_if_it_had_not() {
    let (summary, mut rows) = Recipe::forces().record();
    let modified = summary.dynamics[1].label.clone();
    for row in rows.iter_mut().filter(|r| r.dynamics == modified) {
        (row.mean, row.q05, row.q25) = (None, None, None);
        (row.q50, row.q75, row.q95) = (None, None, None);
    }
    assert_eq!(forces(&summary, rows), ["force_balance", "pushes"]);
}

#[test]
fn contributions_of_any_size_and_shape_are_survived() {
    let recipe = Recipe {
        saves: 10,
        trajectories: 3,
        ..Recipe::forces()
    };
    let (mut summary, rows) = recipe.record();
    for one in WILD {
        let mut rows = rows.clone();
        for row in rows
            .iter_mut()
            .filter(|r| r.observable.starts_with("contribution"))
        {
            (row.mean, row.q25, row.q75) = (Some(one), Some(-one), Some(one));
        }
        forces(&summary, rows);
    }
    // Indices that are no square table, or none at all.
    for keep in [1, 2, 3, 5, 48] {
        let mut rows = rows.clone();
        rows.retain(|r| !r.observable.ends_with("pair") || r.index <= keep);
        forces(&summary, rows);
    }
    let mut wrong = rows.clone();
    for row in wrong.iter_mut().filter(|r| r.observable.ends_with("pair")) {
        row.index = if row.index % 2 == 0 { u32::MAX } else { 0 };
    }
    forces(&summary, wrong);
    let mut start = rows.clone();
    start.retain(|r| r.time == 0.0);
    forces(&summary, start);
    summary.dynamics[1].label = MARKUP.into();
    forces(&summary, rows);
}
