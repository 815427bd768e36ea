//! Figures of runs of any size stay pictures that a page can hold, and say what they leave out.

use rankfall_report::record::{
    DENSE, DynamicsSummary, LossSummary, MatrixSummary, ProblemSummary, SeriesRow, Summary,
    weights_name,
};
use rankfall_report::scene::{Item, Scene};
use rankfall_report::{Figure, SeriesTable, draw_all, png, svg};

mod markup;
mod synthetic;

use synthetic::Recipe;

/// Pixels at scale 1 across and down.
const LARGEST: (f64, f64) = (1_600.0, 2_600.0);

fn check(figures: &[Figure]) {
    for figure in figures {
        let Ok(scene) = &figure.outcome else { continue };
        let (name, width, height) = (figure.name, scene.width, scene.height);
        assert!(
            width <= LARGEST.0 && height <= LARGEST.1,
            "{name}: {width} x {height}"
        );
        let drawn = svg::render(scene);
        markup::check(name, &drawn);
        assert!(drawn.len() < 4_000_000, "{name} has {} bytes", drawn.len());
        let image = png::render(scene).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(image.starts_with(b"\x89PNG"), "{name}");
    }
}

fn words(scene: &Scene) -> String {
    let text = |item: &Item| match item {
        Item::Text(text) => Some(text.content.clone()),
        _ => None,
    };
    scene
        .items
        .iter()
        .filter_map(text)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Every figure that is drawn says how many dynamics it leaves out.
fn check_said(figures: &[Figure], count: usize) {
    let note = format!("first 16 of {count} dynamics");
    for figure in figures {
        let Ok(scene) = &figure.outcome else { continue };
        let said = words(scene).contains(&note);
        assert_eq!(said, count > 16, "{} of {count} dynamics", figure.name);
    }
}

const KINDS: [&str; 5] = [
    "gradient-flow",
    "stochastic-gradient-flow",
    "gradient-descent",
    "label-noise-gradient-descent",
    "sgd",
];

#[test]
fn one_to_a_thousand_dynamics_make_figures_of_bounded_size() {
    for count in [1, 2, 16, 100, 1000] {
        let label = |i: usize| format!("{i} {}", "a label of a hundred characters ".repeat(3));
        let recipe = Recipe {
            dynamics: (0..count)
                .map(|i| (KINDS[i % KINDS.len()], label(i)))
                .collect(),
            saves: 8,
            trajectories: 3,
            ..Recipe::standard()
        };
        let (summary, rows) = recipe.record();
        let figures = draw_all(&summary, &SeriesTable::from_rows(rows));
        assert!(
            figures
                .iter()
                .any(|f| f.name == "seed" && f.outcome.is_ok())
        );
        check(&figures);
        check_said(&figures, count);
    }
}

#[test]
fn two_hundred_singular_values_are_thinned_and_that_is_said() {
    let (summary, mut rows) = Recipe {
        saves: 8,
        ..Recipe::standard()
    }
    .record();
    for observable in ["log_singular_value_theta", "log_singular_value"] {
        let first: Vec<SeriesRow> = rows
            .iter()
            .filter(|r| r.observable == observable && r.index == 1)
            .cloned()
            .collect();
        rows.retain(|r| r.observable != observable);
        for row in first {
            rows.extend((1..=200).map(|index| SeriesRow {
                index,
                mean: row.mean.map(|v| v - 0.01 * f64::from(index)),
                q50: row.q50.map(|v| v - 0.01 * f64::from(index)),
                ..row.clone()
            }));
        }
    }
    let figures = draw_all(&summary, &SeriesTable::from_rows(rows));
    check(&figures);
    let said = |name: &str| {
        let figure = figures.iter().find(|f| f.name == name).expect("listed");
        words(figure.outcome.as_ref().expect("drawn"))
    };
    let seed = said("seed");
    assert!(
        seed.contains("Of the 200 singular values of W₁ the largest 5 and the smallest"),
        "{seed}"
    );
    assert!(seed.contains("σ₁ … σ₅ and σ₂₀₀ of W₁"), "{seed}");
    for name in ["singular_values_theta", "singular_values_w1"] {
        assert!(said(name).contains("24 of 200"), "{name}: {}", said(name));
    }
}

#[test]
fn the_seed_figure_has_the_noise_and_every_dynamics_of_its_legend() {
    let (summary, rows) = Recipe::standard().record();
    let figures = draw_all(&summary, &SeriesTable::from_rows(rows));
    let seed = figures[0].outcome.as_ref().expect("drawn");
    let said = words(seed);
    for part in [
        "δ = ",
        "ν = 0.02",
        "without noise",
        "with noise",
        "Θ = [W₁; W₂ᵀ]",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    // Its line of the determinant, five singular values, and its sample in the legend.
    for (i, one) in summary.dynamics.iter().enumerate() {
        let pen = rankfall_report::figures::style::pens(&summary.dynamics)[i];
        let lines = seed.items.iter().filter(|item| {
            matches!(item, Item::Polyline { points, stroke } if points.len() > 2 && stroke.color == pen.color)
        });
        assert_eq!(lines.count(), 6, "{}", one.label);
    }
}

/// A dense record: `count` dynamics of a network of `depth` layers with `values` singular values
/// each.
fn network(count: usize, depth: usize, values: u32) -> (Summary, Vec<SeriesRow>) {
    let loss = || LossSummary {
        initial: Some(1.0),
        final_mean: Some(0.5),
        final_std: None,
    };
    let matrix = |name: String, layer: Option<u32>| MatrixSummary {
        name,
        layer,
        ..MatrixSummary::default()
    };
    let layers = (1..=depth as u32).map(|j| matrix(weights_name(j), Some(j)));
    let matrices: Vec<_> = layers.chain([matrix("product".into(), None)]).collect();
    let one = |i: usize| DynamicsSummary {
        label: format!("dynamics {i}"),
        kind: KINDS[2 + i % 3].into(),
        noise_intensity: if i.is_multiple_of(3) { 0.0 } else { 0.02 },
        step_size: 0.01,
        steps: 100,
        trajectories: 1,
        loss: loss(),
        matrices: matrices.clone(),
        ..DynamicsSummary::default()
    };
    let summary = Summary {
        version: "0.1.0".into(),
        engine: DENSE.into(),
        experiment: "SYNTHETIC TEST RECORD (not a simulation)".into(),
        seed: 1,
        problem: ProblemSummary {
            samples: 100,
            layers: vec![10; depth + 1],
            kind: "dense".into(),
            activation: "linear".into(),
            loss: "squared".into(),
            data: "made up".into(),
            ..ProblemSummary::default()
        },
        dynamics: (0..count).map(one).collect(),
        ..Summary::default()
    };
    let mut rows = Vec::new();
    for i in 0..count {
        for save in 0..5 {
            let mut push = |observable: &str, layer: Option<u32>, index: u32, value: f64| {
                rows.push(SeriesRow {
                    dynamics: format!("dynamics {i}"),
                    observable: observable.into(),
                    layer,
                    index,
                    time: f64::from(save),
                    mean: Some(value),
                    std_error: None,
                    q05: Some(value),
                    q25: Some(value),
                    q50: Some(value),
                    q75: Some(value),
                    q95: Some(value),
                    law: None,
                });
            };
            push("loss", None, 0, 10.0 * 1e-8f64.powi(save));
            for layer in 1..=depth as u32 {
                push("numerical_rank", Some(layer), 0, 5.0);
                for index in 1..=values {
                    let value = -f64::from(index * save as u32) * 0.1;
                    push("log_singular_value", Some(layer), index, value);
                }
            }
            push("log_singular_value_product", None, 1, -f64::from(save));
        }
    }
    (summary, rows)
}

#[test]
fn dense_figures_are_bounded_for_any_number_of_dynamics_and_layers() {
    for (count, depth, values) in [
        (1, 2, 5),
        (2, 10, 200),
        (8, 3, 10),
        (16, 3, 5),
        (100, 10, 5),
        (1000, 1, 2),
    ] {
        let (summary, rows) = network(count, depth, values);
        let figures = draw_all(&summary, &SeriesTable::from_rows(rows));
        check(&figures);
        check_said(&figures, count);
        let pages = figures
            .iter()
            .filter(|f| f.name.starts_with("singular_values"));
        let mut titles = String::new();
        for page in pages {
            titles += &words(page.outcome.as_ref().expect("drawn"));
        }
        // One axis serves all layers of a row, so that its label names none.
        assert!(!titles.contains("singular values of W"), "{titles}");
        for i in 0..count.min(16) {
            let panel = format!("dynamics {i}, W₁");
            assert!(titles.contains(&panel), "{panel} of {count}");
        }
        if depth > 7 {
            assert!(titles.contains("7 of 10 layers"), "{titles}");
        }
        let mut names: Vec<_> = figures.iter().map(|f| f.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), figures.len(), "files of one name");
    }
}

#[test]
fn regression_has_no_accuracy_and_losses_end_at_rounding() {
    let (summary, rows) = network(2, 2, 3);
    let figures = draw_all(&summary, &SeriesTable::from_rows(rows));
    assert_eq!(figures[0].title, "Loss over time");
    let said = words(figures[0].outcome.as_ref().expect("drawn"));
    // 10, 10⁻⁷, 10⁻¹⁵, 10⁻²³, 10⁻³¹, of which the last two are below 10 · 10⁻¹⁶.
    assert!(said.contains("below rounding"), "{said}");
    assert!(said.contains("10⁻¹⁵") && !said.contains("10⁻²⁰"), "{said}");
}
