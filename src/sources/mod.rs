//! Where observations come from. Owns the seam to a metric source; must not decide anything.

pub mod kubernetes;
pub mod prometheus;
pub mod recipe;
pub mod registry;

use std::future::Future;

pub use crate::api::query::{MetricQuery, SeriesRule, SourceKind, SourceRef};
use crate::engine::{Reading, Timestamp};

/// One question of one policy.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// What is asked.
    pub query: &'a MetricQuery,
    /// The namespace of the policy that asks: a source that many share serves their namespaces in turn.
    pub namespace: &'a str,
    /// The instant of the observation, never in the future. A source may evaluate a few milliseconds later, together with others.
    pub at: Timestamp,
}

/// Answers queries. Never fails: whatever goes wrong is a [`Reading`] with its reason.
pub trait MetricSource: Send + Sync + 'static {
    /// The reading of what is asked, within the source's own deadline.
    fn read(&self, ask: Ask<'_>) -> impl Future<Output = Reading> + Send;
}
