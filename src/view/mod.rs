//! What people look at: the waterfall of one decision, the history of many, the chart and the live screen. Pure renderers: values in,
//! text out. Must not do IO, read a clock, or compute a decision; may import `api` and `engine` only.

pub mod chart;
pub mod history;
#[cfg(feature = "sandbox")]
pub mod screen;
pub mod text;
pub mod waterfall;

pub use history::{History, Point, Reason};
pub use waterfall::{Style, Subject, waterfall};
