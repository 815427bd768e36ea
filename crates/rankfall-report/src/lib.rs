//! Figures, tables and report pages, drawn from what a run folder holds.
//!
//! A figure is made in three steps: [`figures`] turns curves into [`plot`]s, [`sheet`] lays them
//! out as a [`Scene`] of primitives, and [`svg`] and [`png`] render the same scene.
//!
//! ```
//! use rankfall_report::color::Color;
//! use rankfall_report::scene::{Item, Point, Scene, Stroke};
//! use rankfall_report::{png, svg};
//!
//! let points = vec![Point::new(10.0, 10.0), Point::new(90.0, 40.0)];
//! let line = Item::Polyline { points, stroke: Stroke::solid(Color::Series(0), 2.0) };
//! let (title, description) = ("A line".into(), "It falls.".into());
//! let scene = Scene { width: 100.0, height: 50.0, title, description, items: vec![line] };
//! assert!(svg::render(&scene).contains("<polyline points=\"10,10 90,40\""));
//! assert!(png::render(&scene)?.starts_with(b"\x89PNG"));
//! # Ok::<(), rankfall_report::png::PngError>(())
//! ```

pub mod axis;
mod claim_cells;
pub mod claim_figure;
pub mod claims;
mod claims_page;
mod claims_text;
pub mod color;
pub mod figures;
pub mod font;
pub mod forces;
pub mod frame;
pub mod gradient;
pub mod heatmap;
mod html;
pub mod legend;
mod listing_page;
pub mod markup;
pub mod number;
pub mod observable;
pub mod page;
pub mod panel;
pub mod plot;
pub mod png;
pub mod record;
pub mod scene;
pub mod series;
pub mod sheet;
pub mod spread;
pub mod svg;
pub mod sweep;
mod sweep_page;
pub mod symbol;
pub mod table;
pub mod terminal;
pub mod thin;
pub mod tiles;

pub use claims_page::claims_page;
pub use claims_text::{claim_lines, claims_closing, claims_heading, claims_text};
pub use figures::{Figure, draw_all};
pub use listing_page::{Listing, listing_page};
pub use page::{ReportInput, report_page};
pub use scene::Scene;
pub use series::SeriesTable;
pub use sheet::SkipReason;
pub use sweep_page::{SweepPart, SweepReport, sweep_page};
