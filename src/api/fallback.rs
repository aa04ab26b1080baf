//! The wire types of what a metric without an answer counts as: `onMissing` of a metric and `fallback` of the policy. Shapes only; what
//! they mean is `engine::missing`'s.
#![allow(unreachable_pub)] // KubeSchema copies each struct into a function body, where `pub` reaches nobody

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules;
use super::spec::MAX_REPLICAS;

/// Failures in a row before the floor holds where a policy does not say: one lost answer is noise, three are an outage.
pub const DEFAULT_AFTER_FAILURES: i32 = 3;
/// Most failures in a row that a policy may wait for: 25 minutes at the default period.
pub const MAX_AFTER_FAILURES: i32 = 100;

/// A floor under the replicas while a metric fails. It only ever raises: while a metric fails, nothing is lowered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::floor_has_replicas())]
pub struct FallbackSpec {
    /// Failures in a row, of whatever kind, before the floor holds, and whole answers in a row before it is taken away. Default: 3; 1 to 100.
    #[serde(default = "default_after_failures")]
    #[schemars(range(min = 1, max = MAX_AFTER_FAILURES))]
    pub after_failures: i32,
    /// Replicas of the floor. No default; 0 to 10000, not needed where policy is Current.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = MAX_REPLICAS))]
    pub replicas: Option<i32>,
    /// What the floor is: Static is replicas; Current is the size when the failures began; AtLeast is the higher of the two. Default: Static.
    #[serde(default)]
    pub policy: FloorSpec,
}

/// What the floor under a failing metric is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FloorSpec {
    /// The replicas of the fallback.
    #[default]
    Static,
    /// Those, or the size when the failures began, whichever is more.
    AtLeast,
    /// The size when the failures began.
    Current,
    /// A word of a newer Flyball; refused when resolved, so that it cannot make a whole list of policies unreadable.
    #[serde(other)]
    #[schemars(skip)]
    Unknown,
}

/// What the metric counts as while it has no whole answer: Hold moves nothing and lowers nothing; Zero takes an answer without series for zero; Ignore leaves the metric out; Fallback holds, with the floor of spec.fallback. Default: Fallback where the policy has one, else Hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnMissingSpec {
    /// Nothing moves on its account, and nothing is lowered.
    Hold,
    /// An answer without series counts as zero; failed and partial answers hold.
    Zero,
    /// The metric does not count until it answers in full.
    Ignore,
    /// Hold, and the floor of spec.fallback.
    Fallback,
    /// A word of a newer Flyball; refused when resolved, so that it cannot make a whole list of policies unreadable.
    #[serde(other)]
    #[schemars(skip)]
    Unknown,
}

const fn default_after_failures() -> i32 {
    DEFAULT_AFTER_FAILURES
}
