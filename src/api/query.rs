//! What a policy asks: the requests that resolving it yields. Values only; asking is `sources`' work.

use std::sync::Arc;

/// What to ask for one metric.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum MetricRequest {
    /// A query to a Prometheus, for one value.
    Prometheus(MetricQuery),
    /// What the workload's pods use of a resource.
    PodUsage(PodUsage),
    /// A metric of each of the workload's pods.
    PodMetric(NamedMetric),
    /// A metric of one object.
    Object(DescribedObject, NamedMetric),
    /// A metric of something outside the cluster.
    External(NamedMetric),
}

/// A resource that pods use.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PodUsage {
    /// `cpu`, `memory`, or any other resource.
    pub resource: Arc<str>,
    /// Only this container of each pod; `None` for all of them together.
    pub container: Option<Arc<str>>,
}

/// A metric of one of the metrics APIs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NamedMetric {
    /// Its name; can stand in a path.
    pub name: Arc<str>,
    /// A label selector in Kubernetes' notation that narrows it down; empty where there is none.
    pub selector: Arc<str>,
}

/// An object in the namespace of the policy.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DescribedObject {
    /// API group and version, as `apps/v1`; `v1` for the core group.
    pub api_version: Arc<str>,
    /// Kind.
    pub kind: Arc<str>,
    /// Name; can stand in a path.
    pub name: Arc<str>,
}

/// One question to a Prometheus.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MetricQuery {
    /// Which source is asked.
    pub source: SourceRef,
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

/// Which source is asked. One of the namespaced kind lies in the namespace of the policy that asks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceRef {
    /// The kind of the object that names it.
    pub kind: SourceKind,
    /// The name of that object.
    pub name: Arc<str>,
}

/// The kinds of source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceKind {
    /// `ClusterPrometheusSource`.
    Cluster,
    /// `PrometheusSource`, in the namespace of the policy.
    Namespaced,
}

/// The cluster source that is asked where a policy names none.
pub const DEFAULT_SOURCE: &str = "default";

impl SourceKind {
    /// The kind as manifests write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cluster => "ClusterPrometheusSource",
            Self::Namespaced => "PrometheusSource",
        }
    }
}

/// The one that is asked where a policy names none.
impl Default for SourceRef {
    fn default() -> Self {
        Self { kind: SourceKind::Cluster, name: DEFAULT_SOURCE.into() }
    }
}
