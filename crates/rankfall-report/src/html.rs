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

/// A table of text that scrolls sideways where it is wide; the first cell of a row is its heading.
pub fn table<S: AsRef<str>>(headings: &[S], rows: &[Vec<String>]) -> String {
    let escaped = |row: &Vec<String>| row.iter().map(|cell| escape(cell)).collect();
    markup_table(headings, &rows.iter().map(escaped).collect::<Vec<_>>())
}

/// A [`table`] of cells that are markup already.
pub fn markup_table<S: AsRef<str>>(headings: &[S], rows: &[Vec<String>]) -> String {
    let heading = |name: &S| format!("<th scope=\"col\">{}</th>", escape(name.as_ref()));
    let row = |cells: &Vec<String>| {
        let mut cells = cells.iter();
        let first = cells.next().map_or("", String::as_str);
        let rest: String = cells.map(|cell| format!("<td>{cell}</td>")).collect();
        format!("<tr><th scope=\"row\">{first}</th>{rest}</tr>\n")
    };
    format!(
        "<div class=\"scroll\"><table>\n<thead><tr>{}</tr></thead>\n<tbody>\n{}</tbody></table></div>\n",
        headings.iter().map(heading).collect::<String>(),
        rows.iter().map(row).collect::<String>(),
    )
}

/// Names with what is said of them.
pub fn facts(facts: &[(&str, String)]) -> String {
    let fact = |(name, text): &(&str, String)| format!("<dt>{name}</dt><dd>{}</dd>", escape(text));
    let facts: String = facts.iter().map(fact).collect();
    format!("<dl class=\"facts\">{facts}</dl>\n")
}

/// Links to the figures that are drawn, and `more` of them, which are markup.
pub fn navigation(figures: &[Figure], more: &str) -> String {
    let drawn = figures.iter().filter(|figure| figure.outcome.is_ok());
    let link = |f: &Figure| format!("<a href=\"#{}\">{}</a> ", escape(f.name), escape(&f.title));
    let links: String = drawn.map(link).collect();
    format!("<nav>{links}{more}</nav>\n")
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
    let items = all.iter().map(|w| format!("<li>{}</li>\n", escape(w)));
    let items: String = items.collect();
    format!(
        "<section class=\"warnings\" role=\"note\"><h2>Before reading on</h2>\n<ul>\n{items}</ul></section>\n"
    )
}
