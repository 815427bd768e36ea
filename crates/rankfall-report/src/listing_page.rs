//! A page of figures and one table: the report of an inspection.

use crate::figures::Figure;
use crate::html;
use crate::markup::escape;

/// What the page is written from. All of it is escaped.
#[derive(Clone, Debug)]
pub struct Listing<'a> {
    /// The heading.
    pub title: &'a str,
    /// What it is about, in a line below.
    pub origin: &'a str,
    /// Sentences that a reader must see first.
    pub warnings: &'a [String],
    /// Above the columns of the table.
    pub headings: &'a [&'a str],
    /// One for each line.
    pub rows: &'a [Vec<String>],
    /// Below the table, what its columns are.
    pub legend: &'a str,
    /// Above the table.
    pub figures: &'a [Figure],
    /// The command line that repeats it.
    pub command: &'a str,
}

/// The whole page. It loads nothing.
#[must_use]
pub fn listing_page(listing: &Listing<'_>) -> String {
    let mut page = html::open(listing.title);
    page += &format!(
        "<h1>{}</h1>\n<p class=\"origin\">{}</p>\n",
        escape(listing.title),
        escape(listing.origin)
    );
    page += &html::navigation(listing.figures, "<a href=\"#table\">Table</a>");
    page += &html::warnings(listing.warnings);
    for figure in listing.figures {
        page += &html::figure_or_reason(figure.name, figure);
    }
    page += "<h2 id=\"table\">Table</h2>\n";
    page += &html::table(listing.headings, listing.rows);
    page += &format!("<p class=\"note\">{}</p>\n", escape(listing.legend));
    page += &format!(
        "<h2>Repeat it</h2>\n<pre><code>{}</code></pre>\n",
        escape(listing.command)
    );
    page + html::CLOSE
}
