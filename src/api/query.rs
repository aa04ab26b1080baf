//! What a policy asks: the queries that resolving it yields. Values only; asking is `sources`' work.

use std::sync::Arc;

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
