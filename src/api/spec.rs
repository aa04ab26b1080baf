//! The wire type of the custom resource: what users write. Shapes, defaults and bounds only; what the fields mean for a decision is
//! `resolve`'s business, and nothing here may be looked at by the engine.
#![allow(unreachable_pub)] // KubeSchema copies each struct into a function body, where `pub` reaches nobody

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::behavior::BehaviorSpec;
use super::fallback::FallbackSpec;
use super::metrics::{
    API_VERSION_PATTERN, KIND_PATTERN, MAX_API_VERSION_LENGTH, MAX_LABEL_LENGTH, MAX_NAME_LENGTH, MetricSpec,
    PATH_SEGMENT_PATTERN,
};
use super::rules;
use super::status::ScalingPolicyStatus;

/// API group of the custom resources.
pub const GROUP: &str = "flyball.dev";
/// API version of the custom resources.
pub const VERSION: &str = "v1alpha1";
/// Name under which Flyball writes, visible in `managedFields`; GitOps tools are told to ignore it, so it never changes.
pub const FIELD_MANAGER: &str = "flyball";
/// Annotation that pauses a policy without a change of its spec: `"true"` or `"false"`.
pub const PAUSED_ANNOTATION: &str = "flyball.dev/paused";
/// Annotation that pauses a policy at a number of replicas, for example `"4"`.
pub const PAUSED_REPLICAS_ANNOTATION: &str = "flyball.dev/paused-replicas";
/// Most replicas any policy may ask for: beyond this a typo is likelier than a wish, and clusters end at some 5,000 nodes.
pub const MAX_REPLICAS: i32 = 10_000;
/// Most metrics of a policy: each costs a query per period.
pub const MAX_METRICS: usize = 16;
/// Seconds between two decisions where a policy does not say (HPA's sync period).
pub const DEFAULT_POLLING_PERIOD_SECONDS: i32 = 15;
/// Longest time between two decisions, in seconds.
pub const MAX_POLLING_PERIOD_SECONDS: i32 = 3600;
/// Replicas that a policy keeps at least where it does not say (HPA default).
pub const DEFAULT_MIN_REPLICAS: i32 = 1;

/// What a user asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[allow(clippy::duplicated_attributes)] // columns share types
#[kube(
    group = "flyball.dev",
    version = "v1alpha1",
    kind = "ScalingPolicy",
    plural = "scalingpolicies",
    singular = "scalingpolicy",
    shortname = "scp",
    category = "autoscaling",
    namespaced,
    status = "ScalingPolicyStatus",
    derive = "PartialEq",
    doc = "Sets the number of replicas of one workload from metrics, and says why. An autoscaling/v2 HorizontalPodAutoscaler becomes a ScalingPolicy by changing its apiVersion and kind.",
    selectable = ".spec.scaleTargetRef.name",
    printcolumn(
        name = "Target",
        type_ = "string",
        json_path = ".spec.scaleTargetRef.name",
        description = "The workload whose replicas are set"
    ),
    printcolumn(
        name = "Metrics",
        type_ = "string",
        json_path = ".status.metricsSummary",
        description = "Current value and target of each metric"
    ),
    printcolumn(name = "Min", type_ = "integer", json_path = ".spec.minReplicas", description = "Fewest replicas"),
    printcolumn(name = "Max", type_ = "integer", json_path = ".spec.maxReplicas", description = "Most replicas"),
    printcolumn(
        name = "Current",
        type_ = "integer",
        json_path = ".status.currentReplicas",
        description = "Replicas that the workload was asked to have when last looked at"
    ),
    printcolumn(
        name = "Desired",
        type_ = "integer",
        json_path = ".status.desiredReplicas",
        description = "Replicas that were decided on last"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status",
        description = "Whether the policy is in control"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp",
        description = "Time since the policy was created"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].reason",
        description = "Why the policy is or is not in control",
        priority = 1
    ),
    printcolumn(
        name = "Mode",
        type_ = "string",
        json_path = ".spec.mode",
        description = "Auto, DryRun or Paused",
        priority = 1
    ),
    printcolumn(
        name = "Last-Scale",
        type_ = "date",
        json_path = ".status.lastScaleTime",
        description = "Time since the replicas were last changed",
        priority = 1
    ),
    printcolumn(
        name = "Query",
        type_ = "string",
        json_path = ".spec.metrics[0].prometheus.query",
        description = "The query of the first metric",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::min_at_most_max(), validation = rules::floor_at_most_max(), validation = rules::fallback_is_there())]
pub struct ScalingPolicySpec {
    /// The workload whose replicas are set, in the namespace of the policy. No default; any kind with a scale subresource.
    pub scale_target_ref: ScaleTargetRef,
    /// Fewest replicas that the workload is given. Default: 1; 1 or more, since scaling to zero is not supported yet.
    #[serde(default = "default_min_replicas")]
    #[schemars(range(min = 1, max = MAX_REPLICAS))]
    pub min_replicas: i32,
    /// Most replicas that the workload is given. No default; 1 to 10000, at least minReplicas.
    #[schemars(range(min = 1, max = MAX_REPLICAS))]
    pub max_replicas: i32,
    /// The metrics that decide: each proposes a number of replicas, and the highest wins. Default: cpu at 80 percent of what the pods request, as in HPA; at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_METRICS))]
    #[x_kube(merge_strategy = ListMerge::Atomic, validation = rules::metric_names_unique())]
    pub metrics: Vec<MetricSpec>,
    /// How fast and how late to scale. Default: as HPA without behavior, which is at most the double or 4 replicas upwards, and downwards the highest recommendation of the last 300 seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behavior: Option<BehaviorSpec>,
    /// A floor under the replicas while a metric fails. Default: none, so that the size is held while a metric fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<FallbackSpec>,
    /// How often the metrics are asked and a decision is made. Default: 15 seconds; 1 to 3600.
    #[serde(default = "default_polling_period_seconds")]
    #[schemars(range(min = 1, max = MAX_POLLING_PERIOD_SECONDS))]
    pub polling_period_seconds: i32,
    /// What to do with a decision: Auto writes it; DryRun publishes it and writes nothing; Paused asks nothing and holds the replicas. Default: Auto; the annotations flyball.dev/paused and flyball.dev/paused-replicas pause without a change of the spec.
    #[serde(default)]
    pub mode: ModeSpec,
}

/// The workload whose replicas are set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::target_names_group())]
pub struct ScaleTargetRef {
    /// API group and version of the workload, for example apps/v1. No default, except for a ReplicationController, which is of v1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = MAX_API_VERSION_LENGTH), regex(pattern = API_VERSION_PATTERN))]
    pub api_version: Option<String>,
    /// Kind of the workload, for example Deployment. No default; any kind with a scale subresource.
    #[schemars(length(min = 1, max = MAX_LABEL_LENGTH), regex(pattern = KIND_PATTERN))]
    pub kind: String,
    /// Name of the workload. No default.
    #[schemars(length(min = 1, max = MAX_NAME_LENGTH), regex(pattern = PATH_SEGMENT_PATTERN))]
    pub name: String,
}

/// What to do with a decision.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ModeSpec {
    /// Write it.
    #[default]
    Auto,
    /// Publish it, write nothing.
    DryRun,
    /// Ask nothing, hold the replicas.
    Paused,
    /// A word of a newer Flyball; refused when resolved, so that it cannot make a whole list of policies unreadable.
    #[serde(other)]
    #[schemars(skip)]
    Unknown,
}

const fn default_min_replicas() -> i32 {
    DEFAULT_MIN_REPLICAS
}

const fn default_polling_period_seconds() -> i32 {
    DEFAULT_POLLING_PERIOD_SECONDS
}
