//! Logs, own metrics and health. Renders what others decided; must not decide or ask anything itself.

pub mod http;
pub mod logs;
pub mod metrics;
pub mod policies;
pub mod process;
pub mod sources;

pub use metrics::Metrics;
pub use policies::{PolicyKey, PolicyReport, PolicyReports};
pub use sources::SourceReports;
