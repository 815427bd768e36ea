//! What all pages share: frame, style sheet, tables, figures.

use crate::color::{Color, Shade};
use crate::figures::Figure;
use crate::markup::escape;
use crate::scene::Scene;
use crate::sheet::SkipReason;
use crate::svg::{Surroundings, render_for};

const STYLE: &str = include_str!("page.css");

/// Closes what [`open`] opened.
pub const CLOSE: &str = "</main>\n</body>\n</html>\n";

/// The start of a page up to its first heading. The page loads nothing.
pub fn open(title: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{} – rankfall</title>\n<style>\n{}</style>\n</head>\n<body>\n<main>\n",
        escape(title),
        style(),
    )
}

fn style() -> String {
    let variables = |of: fn(Shade) -> u32| -> String {
        Color::all()
            .filter_map(|c| Some(format!("{}:#{:06x};", c.variable()?, of(c.shade()))))
            .collect()
    };
    STYLE
        .replace("/*LIGHT*/", &variables(|s| s.light))
        .replace("/*DARK*/", &variables(|s| s.dark))
}

/// A table that scrolls sideways where it is wide; `rows` are rows of [`row`].
pub fn table<S: AsRef<str>>(headings: &[S], rows: &str) -> String {
    let cells: String = headings
        .iter()
        .map(|name| format!("<th scope=\"col\">{}</th>", escape(name.as_ref())))
        .collect();
    format!(
        "<div class=\"scroll\"><table>\n<thead><tr>{cells}</tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n"
    )
}

/// A row of text; its first cell is its heading.
pub fn row(cells: &[String]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| escape(cell)).collect();
    markup_row(&cells)
}

/// A row of cells that are markup already.
pub fn markup_row(cells: &[String]) -> String {
    let mut cells = cells.iter();
    let first = cells.next().map_or("", String::as_str);
    let rest: String = cells.map(|cell| format!("<td>{cell}</td>")).collect();
    format!("<tr><th scope=\"row\">{first}</th>{rest}</tr>\n")
}

/// A picture with what is said about it, as the target of links to `#id`.
pub fn figure(id: &str, scene: &Scene, caption: &str, look_for: &str) -> String {
    let look_for = if look_for.is_empty() {
        String::new()
    } else {
        format!(
            "<p class=\"note\"><strong>What to look for.</strong> {}</p>",
            escape(look_for)
        )
    };
    format!(
        "<figure id=\"{}\">\n{}<figcaption><p>{}</p>{look_for}</figcaption></figure>\n",
        escape(id),
        render_for(scene, Surroundings::Page),
        escape(caption),
    )
}

/// A figure as the target of links to `#id`, or why it is not drawn.
pub fn figure_or_reason(id: &str, shown: &Figure) -> String {
    match &shown.outcome {
        Ok(scene) => figure(id, scene, &shown.caption, shown.look_for),
        Err(skipped) => not_drawn(&shown.title, skipped),
    }
}

/// Why a figure is not drawn.
pub fn not_drawn(title: &str, skipped: &SkipReason) -> String {
    format!(
        "<p class=\"note\">{} is not drawn: {}.</p>\n",
        escape(title),
        escape(&skipped.reason)
    )
}

/// Sentences that a reader must see before anything else; nothing where there are none.
pub fn warnings(all: &[String]) -> String {
    if all.is_empty() {
        return String::new();
    }
    let items: String = all
        .iter()
        .map(|w| format!("<li>{}</li>\n", escape(w)))
        .collect();
    format!(
        "<section class=\"warnings\" role=\"note\"><h2>Before reading on</h2>\n<ul>\n{items}</ul></section>\n"
    )
}
