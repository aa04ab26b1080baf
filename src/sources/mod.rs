//! Where observations come from. Owns the seam to a metric source; must not decide anything.

pub mod prometheus;

use std::future::Future;
use std::sync::Arc;

use crate::engine::{Reading, Timestamp};

/// One question to a Prometheus.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MetricQuery {
    /// PromQL that yields an instant vector or a scalar.
    pub promql: Arc<str>,
    /// What to do with several series.
    pub series: SeriesRule,
    /// Samples older than this many seconds are stale; `None` leaves it to Prometheus' own lookback of 5 minutes.
    pub max_sample_age_seconds: Option<i32>,
}

/// What to do with an answer of several series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SeriesRule {
    /// Sum them, as HPA does for external metrics.
    #[default]
    Sum,
    /// Refuse more than one.
    ExactlyOne,
}

/// Answers queries. Never fails: whatever goes wrong is a [`Reading`] with its reason.
pub trait MetricSource: Send + Sync + 'static {
    /// The reading of `query` at `at`, within the source's own deadline.
    fn read(&self, query: &MetricQuery, at: Timestamp) -> impl Future<Output = Reading> + Send;
}
