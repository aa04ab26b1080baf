//! Where observations come from. Owns the seam to a metric source; must not decide anything.

pub mod kubernetes;
pub mod prometheus;

use std::future::Future;

pub use crate::api::query::{MetricQuery, SeriesRule, SourceKind, SourceRef};
use crate::engine::{Reading, Timestamp};

/// Answers queries. Never fails: whatever goes wrong is a [`Reading`] with its reason.
pub trait MetricSource: Send + Sync + 'static {
    /// The reading of `query` at `at`, within the source's own deadline.
    fn read(&self, query: &MetricQuery, at: Timestamp) -> impl Future<Output = Reading> + Send;
}
