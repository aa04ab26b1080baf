//! The conditions of a policy: their types, their reasons, and the one function that moves `lastTransitionTime`. HPA's words where HPA
//! has them, since dashboards and runbooks know those. Must not decide what holds: that is `publish`'s work.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::engine::Timestamp;

use super::status::MAX_MESSAGE_LENGTH;

/// True: the policy is in control, or deliberately paused. The summary of all others.
pub const READY: &str = "Ready";
/// True: nothing will move until a human changes something. Absent otherwise (kstatus).
pub const STALLED: &str = "Stalled";
/// True: the scale of the workload can be read and written (HPA).
pub const ABLE_TO_SCALE: &str = "AbleToScale";
/// True: the metrics yield a number of replicas (HPA).
pub const SCALING_ACTIVE: &str = "ScalingActive";
/// True: a bound or a rate limit keeps the number from being what the metrics ask for (HPA).
pub const SCALING_LIMITED: &str = "ScalingLimited";
/// True: the policy itself set the workload to zero, and may take that back. Absent where policies may not (HPA).
pub const SCALED_TO_ZERO: &str = "ScaledToZero";
/// True: a metric fails, and the floor of `fallback` lies under the replicas. Absent otherwise.
pub const FALLBACK: &str = "Fallback";
/// True: pods of the workload are measured for another workload as well. A warning, absent otherwise: scaling goes on.
pub const AMBIGUOUS_SELECTOR: &str = "AmbiguousSelector";
/// True: the policy is paused. Absent otherwise.
pub const PAUSED: &str = "Paused";
/// True: the policy only says what it would do. Absent otherwise.
pub const DRY_RUN: &str = "DryRun";

/// Every type, in the order of the list. `Reconciling` (kstatus) is not among them: a new generation is decided on at once, and until
/// then `observedGeneration` says that it was not.
pub const ORDER: [&str; 10] = [
    READY,
    STALLED,
    ABLE_TO_SCALE,
    SCALING_ACTIVE,
    SCALING_LIMITED,
    SCALED_TO_ZERO,
    FALLBACK,
    AMBIGUOUS_SELECTOR,
    PAUSED,
    DRY_RUN,
];
/// The types that are always there, `Unknown` while nothing is known.
const ALWAYS: [&str; 4] = [READY, ABLE_TO_SCALE, SCALING_ACTIVE, SCALING_LIMITED];

/// The words that conditions give as reasons.
pub mod reason {
    /// Ready: the policy sets the replicas.
    pub const CONTROLLED: &str = "Controlled";
    /// Ready, `DryRun`: the policy only says what it would do.
    pub const DRY_RUN: &str = "DryRun";
    /// Ready, `Paused`, `ScalingActive`: somebody paused the policy.
    pub const PAUSED: &str = "Paused";
    /// `Fallback`: a metric failed so often that the floor holds.
    pub const METRIC_FAILING: &str = "MetricFailing";
    /// An event: the metrics answered often enough, so that the floor is taken away.
    pub const METRICS_RECOVERED: &str = "MetricsRecovered";
    /// Ready: some metric has no value, or not all of it; replicas are not lowered.
    pub const METRIC_UNAVAILABLE: &str = "MetricUnavailable";
    /// Ready, Stalled: the workload does not exist.
    pub const TARGET_NOT_FOUND: &str = "TargetNotFound";
    /// Ready, Stalled: the kind of the workload is unknown or has no scale.
    pub const TARGET_NOT_SCALABLE: &str = "TargetNotScalable";
    /// Ready, Stalled, `ScalingActive`: somebody else drives the workload.
    pub const CONFLICTING_AUTOSCALER: &str = "ConflictingAutoscaler";
    /// Any: not looked at yet.
    pub const NOT_YET_KNOWN: &str = "NotYetKnown";
    /// `AbleToScale` (HPA).
    pub const SUCCEEDED_GET_SCALE: &str = "SucceededGetScale";
    /// `AbleToScale` (HPA).
    pub const FAILED_GET_SCALE: &str = "FailedGetScale";
    /// `AbleToScale` (HPA).
    pub const READY_FOR_NEW_SCALE: &str = "ReadyForNewScale";
    /// `AbleToScale` (HPA).
    pub const SCALE_UP_STABILIZED: &str = "ScaleUpStabilized";
    /// `AbleToScale` (HPA).
    pub const SCALE_DOWN_STABILIZED: &str = "ScaleDownStabilized";
    /// `AbleToScale` (HPA).
    pub const SUCCEEDED_RESCALE: &str = "SucceededRescale";
    /// `AbleToScale`, Ready (HPA).
    pub const FAILED_UPDATE_SCALE: &str = "FailedUpdateScale";
    /// `ScalingActive` (HPA).
    pub const VALID_METRIC_FOUND: &str = "ValidMetricFound";
    /// `ScalingActive` (HPA).
    pub const FAILED_GET_RESOURCE_METRIC: &str = "FailedGetResourceMetric";
    /// `ScalingActive` (HPA).
    pub const FAILED_GET_CONTAINER_RESOURCE_METRIC: &str = "FailedGetContainerResourceMetric";
    /// `ScalingActive` (HPA).
    pub const FAILED_GET_PODS_METRIC: &str = "FailedGetPodsMetric";
    /// `ScalingActive` (HPA).
    pub const FAILED_GET_OBJECT_METRIC: &str = "FailedGetObjectMetric";
    /// `ScalingActive` (HPA).
    pub const FAILED_GET_EXTERNAL_METRIC: &str = "FailedGetExternalMetric";
    /// `ScalingActive` (HPA): the metric is of a type that nobody here knows.
    pub const INVALID_METRIC_SOURCE_TYPE: &str = "InvalidMetricSourceType";
    /// `ScalingActive` (HPA): the workload tells no selector, or none that can be read.
    pub const INVALID_SELECTOR: &str = "InvalidSelector";
    /// Of an event only (HPA): the workload tells no selector at all.
    pub const SELECTOR_REQUIRED: &str = "SelectorRequired";
    /// `AmbiguousSelector` (HPA's word): policies of several workloads measure the same pods.
    pub const AMBIGUOUS_SELECTOR: &str = "AmbiguousSelector";
    /// `ScaledToZero` (HPA).
    pub const SCALED_TO_ZERO: &str = "ScaledToZero";
    /// `ScaledToZero` (HPA).
    pub const NOT_SCALED_TO_ZERO: &str = "NotScaledToZero";
    /// `ScalingActive`: as HPA's `FailedGetExternalMetric`, for Prometheus.
    pub const FAILED_GET_PROMETHEUS_METRIC: &str = "FailedGetPrometheusMetric";
    /// `ScalingActive`, Ready (HPA): somebody set the workload to zero.
    pub const SCALING_DISABLED: &str = "ScalingDisabled";
}

/// A condition before it is merged: what holds now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// One of [`ORDER`].
    pub kind: &'static str,
    /// `True`, `False` or `Unknown`.
    pub status: &'static str,
    /// CamelCase, not empty.
    pub reason: String,
    /// One sentence.
    pub message: String,
}

impl Draft {
    /// A condition that holds.
    #[must_use]
    pub fn yes(kind: &'static str, reason: &str, message: impl Into<String>) -> Self {
        Self::new(kind, "True", reason, message.into())
    }

    /// A condition that does not hold.
    #[must_use]
    pub fn no(kind: &'static str, reason: &str, message: impl Into<String>) -> Self {
        Self::new(kind, "False", reason, message.into())
    }

    /// A condition of which nothing is known.
    #[must_use]
    pub fn unknown(kind: &'static str, reason: &str, message: impl Into<String>) -> Self {
        Self::new(kind, "Unknown", reason, message.into())
    }

    fn new(kind: &'static str, status: &'static str, reason: &str, message: String) -> Self {
        Self { kind, status, reason: reason.to_owned(), message: shortened(message) }
    }
}

/// What a look at the policy says of its conditions. What it is silent about stays as it was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drafts {
    /// Conditions that are known now.
    pub set: Vec<Draft>,
    /// Types that no longer apply.
    pub removed: Vec<&'static str>,
}

/// The list of conditions after a look: in fixed order, each with the generation it speaks of. The only place that moves
/// `lastTransitionTime`, and only where the status changes.
#[must_use]
pub fn merge(previous: &[Condition], drafts: &Drafts, generation: i64, now: Timestamp) -> Vec<Condition> {
    let mut merged = Vec::new();
    for kind in ORDER {
        let before = previous.iter().find(|condition| condition.type_ == kind);
        let fresh = drafts.set.iter().find(|draft| draft.kind == kind).cloned();
        if fresh.is_none() && drafts.removed.contains(&kind) {
            continue;
        }
        let fresh = match (fresh, before) {
            (Some(fresh), _) => fresh,
            (None, Some(before)) => {
                merged.push(before.clone());
                continue;
            }
            (None, None) if ALWAYS.contains(&kind) => {
                Draft::unknown(kind, reason::NOT_YET_KNOWN, "Flyball has not looked at this yet")
            }
            (None, None) => continue,
        };
        let unchanged = before.filter(|before| before.status == fresh.status);
        merged.push(Condition {
            type_: kind.to_owned(),
            status: fresh.status.to_owned(),
            reason: fresh.reason,
            message: fresh.message,
            last_transition_time: unchanged.map_or_else(|| time(now), |before| before.last_transition_time.clone()),
            observed_generation: Some(generation),
        });
    }
    merged
}

/// An instant as Kubernetes writes it: whole seconds. What lies beyond the calendar becomes the epoch.
#[must_use]
pub fn time(at: Timestamp) -> Time {
    Time(k8s_openapi::jiff::Timestamp::from_second(at.as_millis().div_euclid(1000)).unwrap_or_default())
}

/// `text` cut to what a message in status may hold.
#[must_use]
pub(super) fn shortened(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(MAX_MESSAGE_LENGTH - 1) {
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drafts(set: Vec<Draft>, removed: &[&'static str]) -> Drafts {
        Drafts { set, removed: removed.to_vec() }
    }

    #[test]
    fn all_are_there_at_the_first_visit() {
        let merged =
            merge(&[], &drafts(vec![Draft::yes(READY, "Controlled", "fine")], &[]), 3, Timestamp::from_millis(5_999));
        let seen: Vec<_> = merged.iter().map(|c| (c.type_.as_str(), c.status.as_str())).collect();
        let unknown = "Unknown";
        assert_eq!(
            seen,
            [(READY, "True"), (ABLE_TO_SCALE, unknown), (SCALING_ACTIVE, unknown), (SCALING_LIMITED, unknown)]
        );
        assert!(merged.iter().all(|c| c.observed_generation == Some(3) && !c.reason.is_empty()));
        assert!(merged.iter().all(|c| c.last_transition_time == time(Timestamp::from_millis(5_000))), "whole seconds");
    }

    #[test]
    fn transition_time_moves_only_with_the_status() {
        let at = |seconds| Timestamp::default().plus_seconds(seconds);
        let first = merge(&[], &drafts(vec![Draft::yes(READY, "Controlled", "a")], &[]), 1, at(10));
        let second = merge(&first, &drafts(vec![Draft::yes(READY, "DryRun", "b")], &[]), 2, at(20));
        assert_eq!((second[0].reason.as_str(), second[0].observed_generation), ("DryRun", Some(2)));
        assert_eq!(second[0].last_transition_time, time(at(10)));
        let third = merge(&second, &drafts(vec![Draft::no(READY, "Broken", "c")], &[]), 2, at(30));
        assert_eq!(third[0].last_transition_time, time(at(30)));
    }

    #[test]
    fn silence_keeps_and_removal_removes() {
        let at = Timestamp::default();
        let set = vec![Draft::yes(PAUSED, "Paused", "a"), Draft::yes(STALLED, "InvalidSpec", "b")];
        let first = merge(&[], &drafts(set, &[]), 1, at);
        let second = merge(&first, &drafts(vec![], &[STALLED]), 2, at);
        let kinds: Vec<_> = second.iter().map(|c| c.type_.as_str()).collect();
        assert_eq!(kinds, [READY, ABLE_TO_SCALE, SCALING_ACTIVE, SCALING_LIMITED, PAUSED]);
        assert_eq!(second[4].observed_generation, Some(1), "what was not looked at still speaks of its own generation");
    }

    #[test]
    fn messages_are_bounded() {
        let draft = Draft::yes(READY, "Controlled", "ä".repeat(MAX_MESSAGE_LENGTH + 1));
        assert_eq!(draft.message.chars().count(), MAX_MESSAGE_LENGTH);
    }
}
