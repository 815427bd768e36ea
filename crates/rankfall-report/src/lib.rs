//! Figures, tables and report pages, drawn from what a run folder holds.

pub mod axis;
pub mod color;
pub mod figures;
pub mod font;
pub mod legend;
pub mod markup;
pub mod number;
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
pub mod table;
pub mod thin;

pub use figures::{Figure, draw_all};
pub use page::{ReportInput, report_page};
pub use scene::Scene;
pub use series::SeriesTable;
pub use sheet::Skipped;
pub use table::predicted_and_measured;
