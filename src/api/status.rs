//! The wire types of `status`: what Flyball publishes. Shapes only: filling them is `publish`'s work, drawing them is `view`'s.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, MicroTime, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::quantity::Quantity;

/// Most entries of any list in status: as many as the spec may have metrics.
pub const MAX_STATUS_METRICS: usize = 16;
/// Longest message in status, in characters. A sentence or two; what is longer is cut.
pub const MAX_MESSAGE_LENGTH: usize = 2048;
/// Longest word in status (a reason, a type, a name), in characters.
pub const MAX_WORD_LENGTH: usize = 128;
/// Most conditions, those of other writers included.
pub const MAX_CONDITIONS: usize = 32;

/// Most changes of size that status holds. What does not fit is added to the oldest that does, so that it counts longer, never shorter.
pub const MAX_RECENT_RESCALES: usize = 32;

/// Most entries of the recommendations that status holds: twelve for each direction, as the engine tells them.
pub const MAX_RECENT_RECOMMENDATIONS: usize = 24;

/// What Flyball last saw, decided and did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScalingPolicyStatus {
    /// The generation of the spec that this status speaks of; -1 until Flyball has seen the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Replicas that the workload was asked to have when last looked at (`scale.spec.replicas`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_replicas: Option<i32>,
    /// Replicas that Flyball decided on last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired_replicas: Option<i32>,
    /// When Flyball last changed the number of replicas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_scale_time: Option<Time>,
    /// Changes of size that still count against the rate policies, so that a restart forgets no budget; absent without behavior.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_RECENT_RESCALES))]
    pub recent_rescales: Vec<RescaleRecord>,
    /// What the stabilization windows still need of past recommendations, oldest first, so that a restart begins no window anew; absent while the present size says it all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_RECENT_RECOMMENDATIONS))]
    pub recent_recommendations: Vec<RecommendationRecord>,
    /// Current and target of each metric in one line, as `kubectl get` shows it: `612m/500m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = MAX_MESSAGE_LENGTH))]
    pub metrics_summary: Option<String>,
    /// The last value of each metric, in the order of the spec.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = "MAX_STATUS_METRICS"))]
    pub current_metrics: Vec<MetricStatus>,
    /// The state in the words of HPA and of kstatus: Ready, Stalled, AbleToScale, ScalingActive, ScalingLimited, and, where on, ScaledToZero, AmbiguousSelector, Paused and DryRun.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions_schema")]
    pub conditions: Vec<Condition>,
    /// The last decision with everything that led to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_decision: Option<LastDecision>,
}

/// One change of size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RescaleRecord {
    /// When it was decided on, to the millisecond: rate policies count in seconds.
    pub time: MicroTime,
    /// Replicas added, or, below 0, taken away.
    pub change: i32,
}

/// What was recommended up to one instant, where it can still hold the size. Within the bounds of the policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecommendationRecord {
    /// When it was recommended, to the millisecond.
    pub time: MicroTime,
    /// Replicas; more than at any later time. For the window of scaleDown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub highest: Option<i32>,
    /// Replicas; fewer than at any later time. For the window of scaleUp, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub lowest: Option<i32>,
}

/// The last value of one metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetricStatus {
    /// The type of the metric, as in the spec.
    #[serde(rename = "type")]
    #[schemars(length(max = MAX_WORD_LENGTH))]
    pub kind: String,
    /// The name of the metric.
    #[schemars(length(max = MAX_WORD_LENGTH))]
    pub name: String,
    /// The value; absent while there is none to act on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<MetricValue>,
}

/// A value in the form that the metric's target has.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetricValue {
    /// The value of the whole workload (target type Value).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Quantity>,
    /// The value per replica (target type AverageValue), or per pod (Utilization).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average_value: Option<Quantity>,
    /// Usage in percent of what the pods request (target type Utilization).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average_utilization: Option<i32>,
}

/// One decision, step by step: the same numbers that decided, none of them computed again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastDecision {
    /// When the metrics and the size were looked at.
    pub time: Time,
    /// Up, Down or None.
    #[schemars(length(max = MAX_WORD_LENGTH))]
    pub direction: String,
    /// The decision in one sentence, with its arithmetic.
    #[schemars(length(max = MAX_MESSAGE_LENGTH))]
    pub message: String,
    /// Replicas before.
    pub current_replicas: i32,
    /// The lower bound that applied.
    pub min_replicas: i32,
    /// The upper bound that applied.
    pub max_replicas: i32,
    /// What the metrics asked for together, before windows and limits; absent where they could not be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recommended_replicas: Option<i32>,
    /// What stabilization made of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stabilized_replicas: Option<i32>,
    /// The final number.
    pub desired_replicas: i32,
    /// The metric that asked for most, or the first that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = MAX_WORD_LENGTH))]
    pub metric_name: Option<String>,
    /// What kept the number from being the recommended one: StabilizationWindow, ScaleUpPolicy, ScaleDownPolicy, MaxReplicas, MinReplicas, Tolerance, Fallback, MetricUnavailable, PartialData, ScalingDisabled, Paused, DryRun.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = MAX_WORD_LENGTH)))]
    pub limited_by: Vec<String>,
    /// What each metric proposed, in the order of the spec.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = "MAX_STATUS_METRICS"))]
    pub proposals: Vec<MetricProposal>,
    /// The stabilization window that held the number, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stabilization: Option<StabilizationHold>,
    /// The rate limit of the direction that was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimitRecord>,
}

/// What one metric proposed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetricProposal {
    /// The name of the metric.
    #[schemars(length(max = MAX_WORD_LENGTH))]
    pub name: String,
    /// Value, AverageValue or Utilization.
    #[schemars(length(max = MAX_WORD_LENGTH))]
    pub target_type: String,
    /// The target.
    pub target: Quantity,
    /// The value that was read, over all series; for metrics with a value per pod, the average of the pods that count, in percent of their requests where the target is a Utilization. Absent where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Quantity>,
    /// Value over target, with two decimals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = MAX_WORD_LENGTH))]
    pub ratio: Option<String>,
    /// The tolerance that applied, as a fraction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = MAX_WORD_LENGTH))]
    pub tolerance: Option<String>,
    /// Replicas that this metric alone would ask for; absent where it could not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// The number of series that were summed, where more than one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<i32>,
    /// How the pods counted, for metrics with a value per pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods: Option<PodCounts>,
    /// What the absence was taken for where it did not hold: Zero, or Nothing where the metric was left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = MAX_WORD_LENGTH))]
    pub counted_as: Option<String>,
    /// Since when the metric fails; absent while all is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<FailingRecord>,
    /// Why there was no value, or not all of it: EmptyResult, NotFinite, StaleSample, Timeout and so on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = MAX_WORD_LENGTH))]
    pub reason: Option<String>,
    /// The reason in one sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = MAX_MESSAGE_LENGTH))]
    pub message: Option<String>,
}

/// A metric that fails, or that failed and has not answered often enough since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailingRecord {
    /// The first failure in a row.
    pub since: Time,
    /// Failures in a row when this was written, whatever their kind.
    pub failures: i32,
    /// The replicas that spec.fallback keeps at least on account of this metric; absent while it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<i32>,
}

/// How the pods of a workload counted for a metric with a value per pod, as in HPA.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodCounts {
    /// Pods that count with their sample.
    pub ready: i32,
    /// Pods that do not take load yet: they count as idle, and only when growing.
    pub unready: i32,
    /// Pods that ought to have a sample and have none: they count against any change.
    pub missing: i32,
    /// Pods that are going or gone.
    pub ignored: i32,
}

/// A stabilization window that held a recommendation back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StabilizationHold {
    /// Up or Down: the direction that was held back.
    #[schemars(length(max = MAX_WORD_LENGTH))]
    pub direction: String,
    /// The length of the window in seconds.
    pub window_seconds: i32,
    /// When the recommendation that holds leaves the window, if nothing newer replaces it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}

/// The bound that rate policies set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RateLimitRecord {
    /// Up or Down.
    #[schemars(length(max = MAX_WORD_LENGTH))]
    pub direction: String,
    /// The most (Up) or fewest (Down) replicas that the policies allow now.
    pub replicas: i32,
    /// Max, Min or Disabled.
    #[schemars(length(max = MAX_WORD_LENGTH))]
    pub select_policy: String,
    /// The policy that set it, as `4 Pods in 15 s`; absent for a disabled direction and for the growth limit without behavior.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = MAX_WORD_LENGTH))]
    pub policy: Option<String>,
}

/// `metav1.Condition` with bounds, as a list keyed by type: appliers own one condition each, not the list.
pub(in crate::api) fn conditions_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "array",
        "maxItems": MAX_CONDITIONS,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["lastTransitionTime", "message", "reason", "status", "type"],
            "properties": {
                "type": {"type": "string", "maxLength": 316, "description": "What the condition is about, in CamelCase: Ready, AbleToScale, ScalingActive and so on."},
                "status": {"type": "string", "enum": ["True", "False", "Unknown"], "description": "Whether it holds: True, False or Unknown."},
                "reason": {"type": "string", "minLength": 1, "maxLength": 1024, "description": "Why, in one CamelCase word for programs."},
                "message": {"type": "string", "maxLength": 32768, "description": "Why, in a sentence for people."},
                "lastTransitionTime": {"type": "string", "format": "date-time", "description": "When the status last changed from one value to another."},
                "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0, "description": "The generation of the spec that the condition speaks of."},
            },
        },
    })
}
