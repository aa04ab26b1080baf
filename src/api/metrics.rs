//! The wire types of `spec.metrics`: HPA's five types as they stand in `autoscaling/v2`, and Prometheus. Shapes only.
#![allow(unreachable_pub)] // KubeSchema copies each struct into a function body, where `pub` reaches nobody

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fallback::OnMissingSpec;
use super::quantity::{Quantity, target_schema};
use super::rules;

/// Longest PromQL of a metric, in characters: room for a page of it, and a bound for what one policy can make Prometheus parse.
pub const MAX_QUERY_LENGTH: usize = 4096;
/// Longest name of a metric, in characters: it becomes a label value.
pub const MAX_METRIC_NAME_LENGTH: usize = 63;
/// What a metric name may hold.
pub const METRIC_NAME_PATTERN: &str = "^[A-Za-z0-9]([A-Za-z0-9_.:-]*[A-Za-z0-9])?$";
/// Longest `maxSampleAgeSeconds`: a day. Older data says nothing about the load of now.
pub const MAX_SAMPLE_AGE_SECONDS: i32 = 86_400;
/// Longest Kubernetes name, in characters.
pub(super) const MAX_NAME_LENGTH: usize = 253;
/// Longest Kubernetes label value or label-like name, in characters.
pub(super) const MAX_LABEL_LENGTH: usize = 63;
/// Longest `group/version`, in characters: a domain name, a slash and a label.
pub(super) const MAX_API_VERSION_LENGTH: usize = MAX_NAME_LENGTH + 1 + MAX_LABEL_LENGTH;
/// Longest key of a label, in characters: a domain name, a slash and a label.
const MAX_LABEL_KEY_LENGTH: usize = MAX_NAME_LENGTH + 1 + MAX_LABEL_LENGTH;
/// Most labels, expressions or values of a selector: more than anybody selects by.
const MAX_SELECTOR_ITEMS: usize = 64;
/// Shape of `group/version` and `version`.
pub(super) const API_VERSION_PATTERN: &str = "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[a-z]([-a-z0-9]*[a-z0-9])?$";
/// Shape of a kind.
pub(super) const KIND_PATTERN: &str = "^[A-Za-z]([-A-Za-z0-9]*[A-Za-z0-9])?$";
/// Shape of a name that can stand in a URL path (HPA rule).
pub(super) const PATH_SEGMENT_PATTERN: &str = "^[^/%]+$";

/// One metric: its type and the block of that type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::block_matches_type())]
pub struct MetricSpec {
    /// Where the metric comes from. No default; one of HPA's (Resource, ContainerResource, Pods, Object, External) or Prometheus.
    #[serde(rename = "type")]
    pub kind: MetricKind,
    /// Name of the metric in status, events and metrics, unique within the policy. Default: the type and the position, as in prometheus-0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = MAX_METRIC_NAME_LENGTH), regex(pattern = METRIC_NAME_PATTERN))]
    pub name: Option<String>,
    /// A query to Prometheus. Set exactly when type is Prometheus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<PrometheusMetric>,
    /// CPU or memory of the pods, as in HPA. Set exactly when type is Resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<ResourceMetric>,
    /// CPU or memory of one container of the pods, as in HPA. Set exactly when type is ContainerResource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_resource: Option<ContainerResourceMetric>,
    /// A metric of each pod from the custom metrics API, as in HPA. Set exactly when type is Pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods: Option<PodsMetric>,
    /// A metric of one Kubernetes object from the custom metrics API, as in HPA. Set exactly when type is Object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectMetric>,
    /// A metric from the external metrics API, as in HPA. Set exactly when type is External.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalMetric>,
}

/// Where a metric comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MetricKind {
    /// CPU or memory of the pods.
    Resource,
    /// CPU or memory of one container of the pods.
    ContainerResource,
    /// A custom metric of each pod.
    Pods,
    /// A custom metric of one object.
    Object,
    /// A metric of the external metrics API.
    External,
    /// A query to Prometheus.
    Prometheus,
    /// A word of a newer Flyball; refused when resolved, so that it cannot make a whole list of policies unreadable.
    #[serde(other)]
    #[schemars(skip)]
    Unknown,
}

impl MetricKind {
    /// The word in the spec.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resource => "Resource",
            Self::ContainerResource => "ContainerResource",
            Self::Pods => "Pods",
            Self::Object => "Object",
            Self::External => "External",
            Self::Prometheus => "Prometheus",
            Self::Unknown => "Unknown",
        }
    }

    /// The field that holds the block of this type.
    #[must_use]
    pub const fn block(self) -> &'static str {
        match self {
            Self::Resource => "resource",
            Self::ContainerResource => "containerResource",
            Self::Pods => "pods",
            Self::Object => "object",
            Self::External => "external",
            Self::Prometheus => "prometheus",
            Self::Unknown => "metric",
        }
    }
}

/// A query to Prometheus.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PrometheusMetric {
    /// PromQL that yields an instant vector or a scalar, the value of the whole workload. Between its quotes, {{namespace}} and {{name}} stand for those of the target, escaped (as a regular expression after =~ and !~); other words in double braces are refused. No default; 1 to 4096 characters, also once filled in.
    #[schemars(length(min = 1, max = MAX_QUERY_LENGTH))]
    pub query: String,
    /// What the value is held against. No default; type Value or AverageValue.
    pub target: MetricTarget,
    /// The Prometheus to ask. Default: the ClusterPrometheusSource named default, or else the operator's --prometheus-url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ref: Option<SourceReference>,
    /// How old a sample may be before it counts as missing, which never lowers replicas. Default: what Prometheus itself looks back, usually 300 seconds; 1 to 86400.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = MAX_SAMPLE_AGE_SECONDS))]
    pub max_sample_age_seconds: Option<i32>,
    /// What the metric counts as while it has no whole answer: Hold moves nothing and lowers nothing; Zero takes an answer without series for zero; Ignore leaves the metric out; Fallback holds, with the floor of spec.fallback. Default: Fallback where the policy has one, else Hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_missing: Option<OnMissingSpec>,
    /// What to do with an answer of several series: Sum adds them, ExactlyOne refuses them. Default: Sum.
    #[serde(default)]
    pub series: SeriesSpec,
}

/// The object that says where a Prometheus is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceReference {
    /// PrometheusSource, of the namespace of the policy, or ClusterPrometheusSource. No default.
    pub kind: SourceKindSpec,
    /// Name of the object. No default.
    #[schemars(length(min = 1, max = MAX_NAME_LENGTH), regex(pattern = PATH_SEGMENT_PATTERN))]
    pub name: String,
}

/// The kinds of source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SourceKindSpec {
    /// Of the namespace of the policy.
    PrometheusSource,
    /// Of the cluster.
    ClusterPrometheusSource,
    /// A word of a newer Flyball; refused when resolved, so that it cannot make a whole list of policies unreadable.
    #[serde(other)]
    #[schemars(skip)]
    Unknown,
}

/// What to do with an answer of several series.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SeriesSpec {
    /// Add them, as HPA does for external metrics.
    #[default]
    Sum,
    /// Refuse more than one.
    ExactlyOne,
    /// A word of a newer Flyball; refused when resolved, so that it cannot make a whole list of policies unreadable.
    #[serde(other)]
    #[schemars(skip)]
    Unknown,
}

/// What a metric is held against.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetricTarget {
    /// Which of the fields below counts: Value, AverageValue or Utilization. No default.
    #[serde(rename = "type")]
    pub kind: TargetKind,
    /// Target for the metric of the whole workload, in the metric's unit. No default; a quantity greater than 0, as 100, 0.5 or 500m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "target_schema")]
    pub value: Option<Quantity>,
    /// Target for the metric divided by the number of replicas, in the metric's unit. No default; a quantity greater than 0, as 100, 0.5 or 500m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "target_schema")]
    pub average_value: Option<Quantity>,
    /// Target for the average use of a resource across pods, in percent of their requests. No default; 1 or more, not supported for Prometheus yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub average_utilization: Option<i32>,
}

/// Which field of a target counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TargetKind {
    /// A share of what the pods requested.
    Utilization,
    /// The value of the whole workload.
    Value,
    /// The value divided by the replicas.
    AverageValue,
    /// A word of a newer Flyball; refused when resolved, so that it cannot make a whole list of policies unreadable.
    #[serde(other)]
    #[schemars(skip)]
    Unknown,
}

/// CPU or memory of the pods.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceMetric {
    /// The resource: cpu, memory or another that pods request. No default.
    #[schemars(length(min = 1, max = MAX_NAME_LENGTH))]
    pub name: String,
    /// What the value is held against. No default; type Utilization or AverageValue.
    pub target: MetricTarget,
}

/// CPU or memory of one container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerResourceMetric {
    /// The resource: cpu, memory or another that containers request. No default.
    #[schemars(length(min = 1, max = MAX_NAME_LENGTH))]
    pub name: String,
    /// The container within the pods. No default.
    #[schemars(length(min = 1, max = MAX_LABEL_LENGTH))]
    pub container: String,
    /// What the value is held against. No default; type Utilization or AverageValue.
    pub target: MetricTarget,
}

/// A custom metric of each pod.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodsMetric {
    /// The metric by name and selector. No default.
    pub metric: MetricIdentifier,
    /// What the value is held against. No default; type AverageValue.
    pub target: MetricTarget,
}

/// A custom metric of one object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectMetric {
    /// The object that the metric describes, in the namespace of the policy. No default.
    pub described_object: ObjectReference,
    /// The metric by name and selector. No default.
    pub metric: MetricIdentifier,
    /// What the value is held against. No default; type Value or AverageValue.
    pub target: MetricTarget,
}

/// A metric of the external metrics API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExternalMetric {
    /// The metric by name and selector. No default.
    pub metric: MetricIdentifier,
    /// What the value is held against. No default; type Value or AverageValue.
    pub target: MetricTarget,
}

/// A metric of one of the metrics APIs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetricIdentifier {
    /// The name of the metric. No default.
    #[schemars(length(min = 1, max = MAX_NAME_LENGTH), regex(pattern = PATH_SEGMENT_PATTERN))]
    pub name: String,
    /// Labels that narrow the metric down. Default: none, which leaves only the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<Selector>,
}

/// A label selector, the shape of `metav1.LabelSelector` with bounds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Selector {
    /// Labels and the values that they must have. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "labels_schema")]
    pub match_labels: Option<BTreeMap<String, String>>,
    /// Requirements on labels, all of which must hold. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = MAX_SELECTOR_ITEMS))]
    pub match_expressions: Option<Vec<Requirement>>,
}

/// A requirement on one label, the shape of `metav1.LabelSelectorRequirement` with bounds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Requirement {
    /// The label. No default.
    #[schemars(length(min = 1, max = MAX_LABEL_KEY_LENGTH))]
    pub key: String,
    /// In, NotIn, Exists or DoesNotExist. No default.
    pub operator: SelectorOperator,
    /// The values for In and NotIn. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = MAX_SELECTOR_ITEMS), inner(length(max = MAX_LABEL_LENGTH)))]
    pub values: Option<Vec<String>>,
}

/// How a label is held against values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SelectorOperator {
    /// The label has one of the values.
    In,
    /// The label has none of the values.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is not there.
    DoesNotExist,
}

/// An object in the namespace of the policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectReference {
    /// API group and version of the object. Default: the core group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = MAX_API_VERSION_LENGTH), regex(pattern = API_VERSION_PATTERN))]
    pub api_version: Option<String>,
    /// Kind of the object. No default.
    #[schemars(length(min = 1, max = MAX_LABEL_LENGTH), regex(pattern = KIND_PATTERN))]
    pub kind: String,
    /// Name of the object. No default.
    #[schemars(length(min = 1, max = MAX_NAME_LENGTH), regex(pattern = PATH_SEGMENT_PATTERN))]
    pub name: String,
}

fn labels_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "maxProperties": MAX_SELECTOR_ITEMS,
        "additionalProperties": {"type": "string", "maxLength": MAX_LABEL_LENGTH},
    })
}
