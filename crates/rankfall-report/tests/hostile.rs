//! Records that a run could produce but no one hopes for: every figure draws or says why not.

use rankfall_report::record::{SeriesRow, Summary};
use rankfall_report::scene::Scene;
use rankfall_report::{Figure, ReportInput, SeriesTable, draw_all, png, report_page, svg, table};

mod markup;
mod synthetic;

use synthetic::Recipe;

/// Draws everything in every form; returns the figures and the page.
fn draw(summary: &Summary, rows: Vec<SeriesRow>) -> (Vec<Figure>, String) {
    let series = SeriesTable::from_rows(rows);
    let figures = draw_all(summary, &series);
    for figure in &figures {
        match &figure.outcome {
            Ok(scene) => check(figure.name, scene),
            Err(skipped) => assert!(!skipped.reason.is_empty(), "{}", figure.name),
        }
    }
    let (experiment_toml, command) = ("name = \"<b>\"", "rankfall run a.toml --out '<out>'");
    let page = report_page(&ReportInput {
        summary,
        table: &series,
        experiment_toml,
        command,
    });
    markup::check("page", &page);
    for line in table::to_text(summary).lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    (figures, page)
}

fn check(name: &str, scene: &Scene) {
    let image = png::render(scene).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert!(image.starts_with(b"\x89PNG"), "{name}");
    let drawn = svg::render(scene);
    markup::check(name, &drawn);
    assert!(
        !drawn.contains("NaN") && !drawn.contains("inf"),
        "{name}: {drawn}"
    );
    assert!(drawn.len() < 1_500_000, "{name} has {} bytes", drawn.len());
}

fn drawn(figures: &[Figure]) -> Vec<&str> {
    figures
        .iter()
        .filter(|f| f.outcome.is_ok())
        .map(|f| f.name)
        .collect()
}

#[test]
fn the_standard_record_draws_every_figure() {
    let (summary, rows) = Recipe::standard().record();
    let (figures, page) = draw(&summary, rows);
    assert_eq!(drawn(&figures).len(), figures.len());
    assert_eq!(page.matches("<svg ").count(), figures.len());
    assert!(
        !page.contains("http")
            || page.matches("http").count() == page.matches("http://www.w3.org/2000/svg").count()
    );
    assert!(page.contains("SYNTHETIC TEST RECORD") && page.contains("class=\"warnings\""));
    // 13.74 − 2 · 0.02 · 2 · 4.954 · 500
    assert!(page.contains("−184.42"), "the law is in the table");
}

#[test]
fn equal_records_give_equal_pages() {
    let page = || {
        let (summary, rows) = Recipe::standard().record();
        draw(&summary, rows).1
    };
    assert_eq!(page(), page());
}

#[test]
fn labels_are_text_and_never_markup() {
    let labels = [
        "<script>alert(1)</script>",
        "",
        "\u{0}\u{1b}]0;x\u{7}\"'&",
        &"a very long name ".repeat(40),
    ];
    let dynamics = labels
        .map(|label| ("stochastic-gradient-flow", label.to_owned()))
        .to_vec();
    let (mut summary, rows) = Recipe {
        dynamics,
        ..Recipe::standard()
    }
    .record();
    summary.experiment = "<img src=x onerror=alert(1)>".into();
    summary.warnings = vec!["<script>".into()];
    summary.problem.data = "<i>".into();
    summary.version = "<u>".into();
    let (figures, page) = draw(&summary, rows);
    assert_eq!(drawn(&figures).len(), figures.len());
    for tag in ["<script", "<img", "<i>", "<b>", "<u>", "<out>"] {
        assert!(!page.contains(tag), "{tag} reached the page");
    }
    assert!(!page.contains('\u{0}') && !page.contains('\u{1b}'));
    assert!(page.contains("&lt;script&gt;alert(1)"));
}

#[test]
fn one_and_eight_dynamics_one_and_two_hundred_saves() {
    for count in [1, 8] {
        for saves in [1, 200] {
            let dynamics = (0..count).map(|i| ("sgd", format!("run {i}"))).collect();
            let (summary, rows) = Recipe {
                dynamics,
                saves,
                ..Recipe::standard()
            }
            .record();
            let (figures, _) = draw(&summary, rows);
            assert!(
                drawn(&figures).contains(&"seed"),
                "{count} dynamics, {saves} saves"
            );
        }
    }
}

#[test]
fn no_dynamics_and_no_rows_skip_everything() {
    let (mut summary, rows) = Recipe::standard().record();
    assert!(drawn(&draw(&summary, vec![]).0).is_empty());
    summary.dynamics.clear();
    let (figures, page) = draw(&summary, rows);
    assert!(drawn(&figures).is_empty());
    assert!(page.contains("is not drawn"));
}

#[test]
fn a_record_of_nulls_skips_everything() {
    let (summary, mut rows) = Recipe::standard().record();
    for row in &mut rows {
        (row.mean, row.std_error, row.law) = (None, None, None);
        (row.q05, row.q25, row.q50, row.q75, row.q95) = (None, None, None, None, None);
    }
    assert!(drawn(&draw(&summary, rows).0).is_empty());
}

#[test]
fn single_nulls_leave_gaps() {
    let (summary, mut rows) = Recipe::standard().record();
    for row in rows.iter_mut().step_by(3) {
        (row.mean, row.q50, row.q25) = (None, None, None);
    }
    let (figures, _) = draw(&summary, rows);
    assert_eq!(drawn(&figures).len(), figures.len());
}

#[test]
fn only_the_start_is_saved() {
    let (summary, mut rows) = Recipe::standard().record();
    rows.retain(|row| row.time == 0.0);
    let (figures, _) = draw(&summary, rows);
    assert!(drawn(&figures).contains(&"seed"));
}

#[test]
fn spectra_far_below_doubles_have_axes() {
    let recipe = Recipe {
        time: 2e5,
        logarithmic: true,
        ..Recipe::standard()
    };
    let (summary, rows) = recipe.record();
    let (figures, _) = draw(&summary, rows);
    assert_eq!(drawn(&figures).len(), figures.len());
    let eigenvalues = figures
        .iter()
        .find(|f| f.name == "eigenvalues")
        .expect("listed");
    let svg = svg::render(eigenvalues.outcome.as_ref().expect("drawn"));
    assert!(svg.contains(">10⁻¹⁰⁰⁰⁰<"), "ticks at powers of ten");
    assert!(
        svg.contains(">0</text>") && svg.contains(">10⁴<"),
        "time from zero over decades"
    );
}

#[test]
fn values_of_any_size_are_survived() {
    let wild = [
        f64::MAX,
        f64::MIN,
        f64::MIN_POSITIVE,
        0.0,
        -0.0,
        f64::NAN,
        f64::INFINITY,
        -1.0,
        1e-320,
        1e150,
    ];
    let (summary, rows) = Recipe {
        saves: 20,
        ..Recipe::standard()
    }
    .record();
    for constant in wild {
        let mut rows = rows.clone();
        for row in &mut rows {
            let value = Some(constant);
            (row.mean, row.std_error, row.law) = (value, value, value);
            (row.q05, row.q25, row.q50, row.q75, row.q95) = (value, value, value, value, value);
        }
        draw(&summary, rows);
    }
    let mut rows = rows;
    for (i, row) in rows.iter_mut().enumerate() {
        row.mean = Some(wild[i % wild.len()]);
        row.q50 = Some(wild[(i / 3) % wild.len()]);
        row.q95 = Some(wild[(i / 7) % wild.len()]);
        row.time = if i % 11 == 0 {
            wild[(i / 11) % wild.len()]
        } else {
            row.time
        };
    }
    draw(&summary, rows);
}

#[test]
fn a_hundred_thousand_saves_stay_a_small_picture() {
    let dynamics = Recipe::standard().dynamics[1..2].to_vec();
    let recipe = Recipe {
        dynamics,
        saves: 20_000,
        trajectories: 2,
        ..Recipe::standard()
    };
    let (summary, rows) = recipe.record();
    draw(&summary, rows);
}

#[test]
fn what_diverged_is_said_before_anything_else() {
    let (mut summary, rows) = Recipe::standard().record();
    summary.warnings.clear();
    summary.dynamics[1].diverged = 3;
    let (_, page) = draw(&summary, rows);
    let (warning, table) = (
        page.find("3 of 64 trajectories diverged"),
        page.find("<table"),
    );
    assert!(warning.is_some() && warning < table);
}

#[test]
fn more_outputs_than_inputs_follow_the_second_layer() {
    let (mut summary, rows) = Recipe::standard().record();
    summary.problem.layers[0] = 1;
    summary.problem.inputs = 1;
    let (figures, page) = draw(&summary, rows);
    assert!(figures.iter().any(|f| f.name == "singular_values_w2"));
    assert!(page.contains("rank of W₂"));
}
