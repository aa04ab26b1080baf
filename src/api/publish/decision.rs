//! The trace of a decision as `status.lastDecision` and `status.currentMetrics`. Copies numbers and computes none.

use crate::api::conditions::{shortened, time};
use crate::api::quantity::Quantity;
use crate::api::status::{
    FailingRecord, LastDecision, MAX_STATUS_METRICS, MetricProposal, MetricStatus, MetricValue, PodCounts,
    RateLimitRecord, StabilizationHold,
};
use crate::engine::{
    Direction, LimitReason, MetricKind, Mode, OnMissing, Outcome, PerPod, Policy, Proposal, Reading, Select, Target,
    Trace,
};

use super::sentence::{fraction, metric_name, rate_policy, sentence};

/// The decision as it is published.
#[must_use]
pub fn last_decision(policy: &Policy, trace: &Trace) -> LastDecision {
    let metric = match trace.outcome {
        Outcome::Valid { winner: index, .. } | Outcome::MetricsFailed { first: index } => Some(index),
        Outcome::AboveMax | Outcome::BelowMin | Outcome::Disabled | Outcome::Paused => None,
    };
    let held = trace.stabilization.and_then(|stabilization| stabilization.held);
    let rate = trace.limit.and_then(|limit| limit.rate);
    LastDecision {
        time: time(trace.at),
        direction: direction_of(trace).to_owned(),
        message: shortened(sentence(policy, trace)),
        current_replicas: trace.current_replicas,
        min_replicas: trace.min_replicas,
        max_replicas: trace.max_replicas,
        recommended_replicas: trace.recommended_replicas,
        stabilized_replicas: trace.stabilization.map(|stabilization| stabilization.replicas),
        desired_replicas: trace.desired_replicas,
        metric_name: metric.map(|index| metric_name(policy, index).to_owned()),
        limited_by: limited_by(trace).into_iter().map(str::to_owned).collect(),
        proposals: proposals(policy, trace),
        stabilization: held.map(|held| StabilizationHold {
            direction: direction(held.direction).to_owned(),
            window_seconds: held.window_seconds,
            until: held.until.map(time),
        }),
        rate_limit: rate.map(|rate| RateLimitRecord {
            direction: direction(rate.direction).to_owned(),
            replicas: rate.replicas,
            select_policy: select(rate.select).to_owned(),
            policy: rate.policy.map(rate_policy),
        }),
    }
}

/// Everything that kept the number from being what the metrics asked for, in the order of the pipeline. Words for
/// `status.lastDecision.limitedBy` and for metric labels.
#[must_use]
pub fn limited_by(trace: &Trace) -> Vec<&'static str> {
    let mut words = Vec::new();
    match trace.outcome {
        Outcome::Valid { winner, degraded } => {
            match trace.proposals.get(winner) {
                Some(proposal) if proposal.rests_on_floor() => words.push("Fallback"),
                Some(proposal) if proposal.within_tolerance => words.push("Tolerance"),
                _ => {}
            }
            let any = |wanted: fn(&Reading) -> bool| degraded && trace.proposals.iter().any(|p| wanted(&p.reading));
            if any(|reading| matches!(reading, Reading::Missing(_))) {
                words.push("MetricUnavailable");
            }
            if any(Reading::is_partial) {
                words.push("PartialData");
            }
        }
        Outcome::MetricsFailed { .. } => words.push("MetricUnavailable"),
        Outcome::AboveMax => words.push("MaxReplicas"),
        Outcome::BelowMin => words.push("MinReplicas"),
        Outcome::Disabled => words.push("ScalingDisabled"),
        Outcome::Paused => words.push("Paused"),
    }
    if trace.stabilization.is_some_and(|stabilization| stabilization.held.is_some()) {
        words.push("StabilizationWindow");
    }
    match trace.limit.map(|limit| limit.reason) {
        Some(LimitReason::ScaleUpLimit) => words.push("ScaleUpPolicy"),
        Some(LimitReason::ScaleDownLimit) => words.push("ScaleDownPolicy"),
        Some(LimitReason::TooManyReplicas) => words.push("MaxReplicas"),
        Some(LimitReason::TooFewReplicas) => words.push("MinReplicas"),
        Some(LimitReason::DesiredWithinRange) | None => {}
    }
    if trace.mode == Mode::DryRun && trace.desired_replicas != trace.current_replicas {
        words.push("DryRun");
    }
    words
}

/// The last value of each metric, in the order of the spec.
pub(super) fn current_metrics(policy: &Policy, trace: &Trace) -> Vec<MetricStatus> {
    let one = |(index, proposal): (usize, &Proposal)| MetricStatus {
        kind: kind_of(policy, index).to_owned(),
        name: metric_name(policy, index).to_owned(),
        current: proposal.reported.map(|reported| {
            let quantity = match policy.metrics.get(index).map(|metric| &metric.kind) {
                Some(MetricKind::Resource { resource, .. }) => Quantity::of_resource(resource, reported),
                _ => reported.into(),
            };
            match (proposal.target, proposal.per_pod) {
                (Target::AverageValue(_), _) => MetricValue { average_value: Some(quantity), ..MetricValue::default() },
                (_, Some(counts)) => MetricValue {
                    average_value: Some(quantity),
                    average_utilization: counts.utilization_percent,
                    ..MetricValue::default()
                },
                (Target::Value(_) | Target::Utilization(_), None) => {
                    MetricValue { value: Some(quantity), ..MetricValue::default() }
                }
            }
        }),
    };
    trace.proposals.iter().take(MAX_STATUS_METRICS).enumerate().map(one).collect()
}

/// The type of the metric at `index`, as its spec names it.
fn kind_of(policy: &Policy, index: usize) -> &'static str {
    match policy.metrics.get(index).map(|metric| &metric.kind) {
        Some(MetricKind::Resource { container: None, .. }) => "Resource",
        Some(MetricKind::Resource { container: Some(_), .. }) => "ContainerResource",
        Some(MetricKind::Pods) => "Pods",
        Some(MetricKind::Object) => "Object",
        Some(MetricKind::External) => "External",
        Some(MetricKind::Prometheus) | None => "Prometheus",
    }
}

fn proposals(policy: &Policy, trace: &Trace) -> Vec<MetricProposal> {
    let one = |(index, proposal): (usize, &Proposal)| {
        let (target_type, target) = match proposal.target {
            Target::Utilization(_) => ("Utilization", proposal.target.amount()),
            Target::Value(target) => ("Value", target),
            Target::AverageValue(target) => ("AverageValue", target),
        };
        let sample = proposal.reading.sample();
        let absent = proposal.reading.absent();
        MetricProposal {
            name: metric_name(policy, index).to_owned(),
            target_type: target_type.to_owned(),
            target: target.into(),
            value: match proposal.per_pod {
                Some(_) => proposal.measured().map(Quantity::from),
                None => sample.map(|sample| Quantity::from(sample.value)),
            },
            ratio: proposal.ratio.map(|ratio| format!("{ratio:.2}")),
            tolerance: proposal.ratio.map(|_| fraction(proposal.tolerance)),
            replicas: proposal.replicas,
            series: sample.filter(|sample| sample.series > 1).map(|s| i32::try_from(s.series).unwrap_or(i32::MAX)),
            pods: proposal.per_pod.map(pod_counts),
            counted_as: match proposal.taken_for {
                OnMissing::Zero => Some("Zero".to_owned()),
                OnMissing::Ignore => Some("Nothing".to_owned()),
                OnMissing::Hold | OnMissing::Fallback => None,
            },
            failing: proposal.failing.filter(|failing| failing.is_news()).map(|failing| FailingRecord {
                since: time(failing.since),
                failures: i32::try_from(failing.failures).unwrap_or(i32::MAX),
                floor: failing.floor,
            }),
            reason: absent.map(|absent| absent.absence.reason().to_owned()),
            message: absent.map(|absent| shortened(absent.message.to_string())),
        }
    };
    trace.proposals.iter().take(MAX_STATUS_METRICS).enumerate().map(one).collect()
}

fn pod_counts(counts: PerPod) -> PodCounts {
    let whole = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
    PodCounts {
        ready: whole(counts.ready),
        unready: whole(counts.unready),
        missing: whole(counts.missing),
        ignored: whole(counts.ignored),
    }
}

const fn direction_of(trace: &Trace) -> &'static str {
    if trace.desired_replicas > trace.current_replicas {
        direction(Direction::Up)
    } else if trace.desired_replicas < trace.current_replicas {
        direction(Direction::Down)
    } else {
        "None"
    }
}

const fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Up => "Up",
        Direction::Down => "Down",
    }
}

const fn select(select: Select) -> &'static str {
    match select {
        Select::Max => "Max",
        Select::Min => "Min",
        Select::Disabled => "Disabled",
    }
}
