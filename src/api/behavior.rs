//! The wire types of `spec.behavior`, field by field those of `autoscaling/v2`. Shapes only: completing them is the engine's work.
#![allow(unreachable_pub)] // KubeSchema copies each struct into a function body, where `pub` reaches nobody

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::engine::behavior::{MAX_PERIOD_SECONDS, MAX_WINDOW_SECONDS};

use super::quantity::{Quantity, fraction_schema};
use super::rules;

/// Most rate policies of one direction: more than anybody has been seen to use, and a bound for the cost of the CEL rules.
pub const MAX_RATE_POLICIES: usize = 16;

/// How fast and how late to scale, each direction by itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BehaviorSpec {
    /// Rules for adding replicas. Default: no window, and the more of 4 pods and 100 percent per 15 seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_up: Option<RulesSpec>,
    /// Rules for removing replicas. Default: a window of 300 seconds, and 100 percent per 15 seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_down: Option<RulesSpec>,
}

/// The rules of one direction.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::policies_not_empty())]
pub struct RulesSpec {
    /// How long to look back over past recommendations and take the safest of them, so that a short dip or peak moves nothing. Default: 0 seconds for scaleUp, 300 seconds for scaleDown; 0 to 3600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = MAX_WINDOW_SECONDS))]
    pub stabilization_window_seconds: Option<i32>,
    /// Which policy counts: Max, the one that permits the largest change; Min, the smallest; Disabled, no scaling in this direction. Default: Max.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub select_policy: Option<SelectPolicy>,
    /// How much may change within which time. Default: for scaleUp 4 pods per 15 seconds and 100 percent per 15 seconds, for scaleDown 100 percent per 15 seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = MAX_RATE_POLICIES))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub policies: Option<Vec<RatePolicySpec>>,
    /// How far the metric may be from its target before this direction reacts, as a fraction of the target. Default: 0.1, which is 10 percent; 0 or more, as 0.05, "0.05" or 50m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "fraction_schema")]
    pub tolerance: Option<Quantity>,
}

/// Which policy counts: Max, the one that permits the largest change; Min, the smallest; Disabled, no scaling in this direction. Default: Max.
// The schema of an optional enum keeps this text and not that of the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SelectPolicy {
    /// The one that permits the largest change.
    Max,
    /// The one that permits the smallest change.
    Min,
    /// None: this direction is switched off.
    Disabled,
    /// A word of a newer Flyball; refused when resolved, so that it cannot make a whole list of policies unreadable.
    #[serde(other)]
    #[schemars(skip)]
    Unknown,
}

/// How much may change within a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RatePolicySpec {
    /// The unit of value: Pods, a number of replicas; Percent, a share of the replicas at the start of the period. No default.
    #[serde(rename = "type")]
    pub kind: RateKindSpec,
    /// The change that is permitted. No default; replicas or percent, greater than 0.
    #[schemars(range(min = 1))]
    pub value: i32,
    /// The period in which the change is permitted. No default; 1 to 1800 seconds.
    #[schemars(range(min = 1, max = MAX_PERIOD_SECONDS))]
    pub period_seconds: i32,
}

/// The unit of a rate policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RateKindSpec {
    /// A number of pods.
    Pods,
    /// A share of the replicas at the start of the period.
    Percent,
    /// A word of a newer Flyball; refused when resolved, so that it cannot make a whole list of policies unreadable.
    #[serde(other)]
    #[schemars(skip)]
    Unknown,
}
