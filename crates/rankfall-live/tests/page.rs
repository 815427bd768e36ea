//! The page that is checked in: one file, with the colours of the figures, and nothing to load.

use rankfall_report::color::Color;
use std::path::Path;

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("page")
        .join(name);
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn its_colours_are_those_of_the_figures() {
    let style = read("src/style.css");
    let (light, dark) = style.split_once("prefers-color-scheme: dark").unwrap();
    for color in Color::all() {
        let name = color.variable().unwrap();
        let shade = color.shade();
        for (part, rgb) in [(light, shade.light), (dark, shade.dark)] {
            let expected = format!("{name}: #{rgb:06x};");
            assert!(part.contains(&expected), "{expected}");
        }
    }
}

#[test]
fn it_has_what_its_sources_say_and_loads_nothing() {
    let page = read("dist/page.html");
    assert!(page.len() < 400_000, "{}", page.len());
    assert!(page.contains("\"START\"") && page.contains("uPlot"));
    for loading in [
        "src=\"",
        "@import",
        "url(",
        "<link rel=\"stylesheet\"",
        "eval(",
        "new Function(",
    ] {
        assert!(!page.contains(loading), "{loading}");
    }
    // The style sheet is in it as it is written.
    assert!(page.contains(read("src/style.css").trim()));
    // The licence of what is in it.
    assert!(page.contains("Leon Sorokin") && page.contains("MIT License"));
}
