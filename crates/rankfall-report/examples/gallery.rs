//! Every figure and the page, drawn from a synthetic test record into a folder.
//!
//! `cargo run -p rankfall-report --example gallery -- FOLDER`

use std::path::Path;
use std::{env, error, fs};

use rankfall_report::figures::{rates, sweep};
use rankfall_report::{
    ReportInput, Scene, SeriesTable, claim_figure, claims_page, claims_text, draw_all, png,
    report_page, svg, sweep_page, table,
};

#[path = "../tests/synthetic/mod.rs"]
mod synthetic;

use synthetic::Recipe;

fn main() -> Result<(), Box<dyn error::Error>> {
    let folder = env::args().nth(1).ok_or("say which folder to draw into")?;
    let folder = Path::new(&folder);
    draw(&Recipe::standard(), &folder.join("standard"))?;
    let two = Recipe {
        dynamics: Recipe::standard().dynamics[..2].to_vec(),
        ..Recipe::standard()
    };
    draw(
        &Recipe {
            logarithmic: true,
            time: 5e4,
            ..two
        },
        &folder.join("long"),
    )?;
    let sweep = (0..8)
        .map(|i| ("stochastic-gradient-flow", format!("ν sweep, run {i}")))
        .collect();
    draw(
        &Recipe {
            dynamics: sweep,
            truth: false,
            ..Recipe::standard()
        },
        &folder.join("sweep"),
    )?;
    let labels = [
        "<script>alert(1)</script>",
        "",
        &"a very long name ".repeat(20),
    ];
    let odd = labels.map(|label| ("sgd", label.to_owned())).to_vec();
    let odd = Recipe {
        dynamics: odd,
        saves: 1,
        ..Recipe::standard()
    };
    draw(&odd, &folder.join("odd"))?;
    draw(&Recipe::forces(), &folder.join("forces"))?;
    draw_claims(&folder.join("claims"))?;
    draw_sweeps(&folder.join("sweeps"))?;
    Ok(())
}

fn draw_claims(folder: &Path) -> Result<(), Box<dyn error::Error>> {
    fs::create_dir_all(folder)?;
    let record = synthetic::claims::record();
    for claim in &record.claims {
        if let Some(figure) = &claim.figure {
            write(
                &claim_figure::scene(figure, &claim.id)?,
                &folder.join(&claim.id),
            )?;
        }
    }
    fs::write(folder.join("claims.html"), claims_page(&record))?;
    println!("{}", claims_text(&record, 100));
    Ok(())
}

fn draw_sweeps(folder: &Path) -> Result<(), Box<dyn error::Error>> {
    fs::create_dir_all(folder)?;
    let report = synthetic::sweep::report();
    for (i, part) in report.parts.iter().enumerate() {
        for figure in sweep::figures(&part.table, &report.origin(part)) {
            write(
                &figure.outcome?,
                &folder.join(format!("{}-{}", figure.name, i + 1)),
            )?;
        }
    }
    let cases = synthetic::sweep::rates();
    write(
        &rates::scene(&cases, "SYNTHETIC (not a simulation)")?,
        &folder.join("rates"),
    )?;
    fs::write(folder.join("sweep.html"), sweep_page(&report))?;
    Ok(())
}

/// The scene as both files, named `path` with their extensions.
fn write(scene: &Scene, path: &Path) -> Result<(), Box<dyn error::Error>> {
    fs::write(path.with_extension("svg"), svg::render(scene))?;
    fs::write(path.with_extension("png"), png::render(scene)?)?;
    Ok(())
}

fn draw(recipe: &Recipe, folder: &Path) -> Result<(), Box<dyn error::Error>> {
    fs::create_dir_all(folder)?;
    let (summary, rows) = recipe.record();
    let series = SeriesTable::from_rows(rows);
    for figure in draw_all(&summary, &series) {
        match figure.outcome {
            Ok(scene) => write(&scene, &folder.join(figure.name))?,
            Err(skipped) => println!("{}: {skipped}", figure.name),
        }
    }
    let page = report_page(&ReportInput {
        summary: &summary,
        table: &series,
        experiment_toml: "name = \"synthetic test record\"\n",
        command: "cargo run -p rankfall-report --example gallery -- FOLDER",
    });
    fs::write(folder.join("report.html"), page)?;
    println!("{}", table::to_text(&summary));
    Ok(())
}
