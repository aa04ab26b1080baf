//! From what happened to what is published: the status of a policy. Renders the trace and what became of it; must not compute a
//! number, do IO, or move `lastTransitionTime` (that is [`super::conditions::merge`]'s alone).

mod budget;
mod changes;
mod decision;
mod recollection;
mod sentence;
mod told;

use crate::engine::{Absence, Direction, LimitReason, MetricKind, Mode, Outcome, Policy, Timestamp, Trace};

use super::conditions::{
    ABLE_TO_SCALE, AMBIGUOUS_SELECTOR, DRY_RUN, Draft, Drafts, FALLBACK, PAUSED, READY, SCALED_TO_ZERO, SCALING_ACTIVE,
    SCALING_LIMITED, STALLED, merge, reason, time,
};
use super::resolve::InvalidSpec;
use super::status::ScalingPolicyStatus;

pub use budget::{recent_rescales, restored};
pub use changes::differs;
pub use decision::{last_decision, limited_by};
pub use recollection::{is_due, recall, remember};
pub use sentence::rescale_reason;
use sentence::{failing_since, first_absent, metric_name, replicas};
pub use told::Told;

/// What one look at a policy came to.
#[derive(Debug, Clone, Copy)]
pub enum Situation<'a> {
    /// A decision was made.
    Decided {
        /// What it was made by.
        policy: &'a Policy,
        /// The decision.
        trace: &'a Trace,
        /// What became of it.
        write: WriteResult<'a>,
        /// Whether others measure the pods of the workload as well.
        overlap: &'a Overlap,
    },
    /// The spec or an annotation is wrong; nothing moves until a human mends it.
    InvalidSpec(&'a InvalidSpec),
    /// Somebody else drives the workload, so this policy holds.
    Rivaled {
        /// Who, and what to do, in one sentence.
        message: &'a str,
    },
    /// The workload or its scale could not be read.
    TargetFailed {
        /// CamelCase, for example [`reason::TARGET_NOT_FOUND`].
        reason: &'a str,
        /// One sentence with the mend.
        message: &'a str,
        /// No retry will help: the kind is unknown or has no scale.
        terminal: bool,
    },
}

/// Whether pods of the workload are measured for another workload as well.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Overlap {
    /// Nobody looked, so what was said before stands.
    #[default]
    Unknown,
    /// They are not, or no metric needs pods.
    None,
    /// They are. Who else, and what to do, in one sentence.
    Found(String),
}

/// What became of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteResult<'a> {
    /// Nothing was to be written, or the mode forbids it.
    NotNeeded,
    /// The API server acknowledged the new size.
    Written,
    /// The API server refused it, or could not be asked.
    Failed {
        /// One sentence.
        message: &'a str,
    },
}

/// The status after a look. What the situation knows nothing new about stays as it was.
#[must_use]
pub fn status(
    previous: Option<&ScalingPolicyStatus>,
    generation: i64,
    situation: Situation<'_>,
    now: Timestamp,
) -> ScalingPolicyStatus {
    let mut next = previous.cloned().unwrap_or_default();
    next.observed_generation = Some(generation);
    if let Situation::Decided { policy, trace, write, .. } = situation {
        next.current_replicas = Some(trace.current_replicas);
        // HPA keeps the previous wish where a write failed: this one is not in force.
        if !matches!(write, WriteResult::Failed { .. }) || next.desired_replicas.is_none() {
            next.desired_replicas = Some(trace.desired_replicas);
        }
        if write == WriteResult::Written {
            next.last_scale_time = Some(time(now));
        }
        next.metrics_summary = sentence::metrics_summary(trace);
        next.current_metrics = decision::current_metrics(policy, trace);
        next.last_decision = Some(last_decision(policy, trace));
    }
    next.conditions = merge(&next.conditions, &conditions(situation), generation, now);
    next
}

/// What a look says of the conditions; what it is silent about stays as it was.
#[must_use]
pub fn conditions(situation: Situation<'_>) -> Drafts {
    let mut drafts = Drafts::default();
    match situation {
        Situation::Decided { policy, trace, write, overlap } => {
            drafts.set.push(ready(policy, trace, write));
            drafts.set.push(able_to_scale(trace, write));
            drafts.set.extend(scaling_active(policy, trace));
            drafts.set.extend(scaling_limited(trace));
            drafts.set.extend(scaled_to_zero(policy, trace, write));
            drafts.set.extend(mode(trace));
            drafts.set.extend(stalled(policy, trace));
            drafts.set.extend(fallback(policy, trace));
            drafts.removed = vec![STALLED, FALLBACK, PAUSED, DRY_RUN];
            match overlap {
                Overlap::Unknown => {}
                Overlap::None => drafts.removed.push(AMBIGUOUS_SELECTOR),
                Overlap::Found(message) => {
                    drafts.set.push(Draft::yes(AMBIGUOUS_SELECTOR, reason::AMBIGUOUS_SELECTOR, message.as_str()));
                }
            }
            if !policy.settings.scale_to_zero {
                drafts.removed.push(SCALED_TO_ZERO);
            }
        }
        Situation::InvalidSpec(invalid) => {
            let message = invalid.to_string();
            drafts.set.push(Draft::no(READY, invalid.reason(), message.clone()));
            drafts.set.push(Draft::yes(STALLED, invalid.reason(), message.clone()));
            drafts.set.push(Draft::no(SCALING_ACTIVE, invalid.reason(), message));
        }
        Situation::Rivaled { message } => {
            drafts.set.push(Draft::no(READY, reason::CONFLICTING_AUTOSCALER, message));
            drafts.set.push(Draft::yes(STALLED, reason::CONFLICTING_AUTOSCALER, message));
            drafts.set.push(Draft::no(SCALING_ACTIVE, reason::CONFLICTING_AUTOSCALER, message));
        }
        Situation::TargetFailed { reason, message, terminal } => {
            drafts.set.push(Draft::no(READY, reason, message));
            drafts.set.push(Draft::no(ABLE_TO_SCALE, reason::FAILED_GET_SCALE, message));
            let unasked = "the metrics are not asked while the size of the workload cannot be read";
            drafts.set.push(Draft::unknown(SCALING_ACTIVE, reason::FAILED_GET_SCALE, unasked));
            if terminal {
                drafts.set.push(Draft::yes(STALLED, reason, message));
            }
            drafts.removed.push(STALLED);
        }
    }
    drafts
}

/// Deliberate states (paused, dry run, switched off) stay True, so that a pause fails no pipeline.
fn ready(policy: &Policy, trace: &Trace, write: WriteResult<'_>) -> Draft {
    if let WriteResult::Failed { message } = write {
        return Draft::no(READY, reason::FAILED_UPDATE_SCALE, message);
    }
    match (trace.outcome, trace.mode) {
        (Outcome::Paused, _) => Draft::yes(READY, reason::PAUSED, paused(trace)),
        (Outcome::Disabled, _) => Draft::yes(READY, reason::SCALING_DISABLED, disabled()),
        (Outcome::MetricsFailed { first }, _) => {
            let message = format!("{}; the size is held", absence(policy, trace, first));
            Draft::no(READY, reason::METRIC_UNAVAILABLE, message)
        }
        (Outcome::Valid { degraded: true, .. }, _) => {
            let first = first_absent(trace).map_or(0, |(index, _)| index);
            let message = format!("{}; until this is mended, nothing is lowered", absence(policy, trace, first));
            Draft::no(READY, reason::METRIC_UNAVAILABLE, message)
        }
        (_, Mode::DryRun) => Draft::yes(READY, reason::DRY_RUN, "decisions are published and not written"),
        _ => Draft::yes(READY, reason::CONTROLLED, "the policy sets the number of replicas"),
    }
}

fn able_to_scale(trace: &Trace, write: WriteResult<'_>) -> Draft {
    match write {
        WriteResult::Failed { message } => return Draft::no(ABLE_TO_SCALE, reason::FAILED_UPDATE_SCALE, message),
        WriteResult::Written => {
            let message = format!("the workload was asked for {}", replicas(trace.desired_replicas));
            return Draft::yes(ABLE_TO_SCALE, reason::SUCCEEDED_RESCALE, message);
        }
        WriteResult::NotNeeded => {}
    }
    let Some(stabilization) = trace.stabilization else {
        return Draft::yes(ABLE_TO_SCALE, reason::SUCCEEDED_GET_SCALE, "the scale of the workload was read");
    };
    match stabilization.held.map(|held| (held.direction, held.window_seconds)) {
        Some((Direction::Up, seconds)) => {
            let message = format!("a lower recommendation of the last {seconds} s holds the size down");
            Draft::yes(ABLE_TO_SCALE, reason::SCALE_UP_STABILIZED, message)
        }
        Some((Direction::Down, seconds)) => {
            let message = format!("a higher recommendation of the last {seconds} s holds the size up");
            Draft::yes(ABLE_TO_SCALE, reason::SCALE_DOWN_STABILIZED, message)
        }
        None => Draft::yes(ABLE_TO_SCALE, reason::READY_FOR_NEW_SCALE, "no window holds the recommendation back"),
    }
}

fn scaling_active(policy: &Policy, trace: &Trace) -> Option<Draft> {
    Some(match trace.outcome {
        Outcome::Valid { winner, .. } => {
            let message = format!("a number of replicas was computed from {}", metric_name(policy, winner));
            Draft::yes(SCALING_ACTIVE, reason::VALID_METRIC_FOUND, message)
        }
        Outcome::MetricsFailed { first } => {
            Draft::no(SCALING_ACTIVE, failed_reason(policy, trace, first), absence(policy, trace, first))
        }
        Outcome::Disabled => Draft::no(SCALING_ACTIVE, reason::SCALING_DISABLED, disabled()),
        Outcome::Paused => Draft::no(SCALING_ACTIVE, reason::PAUSED, paused(trace)),
        // The metrics were not asked, so what was known of them stands (HPA).
        Outcome::AboveMax | Outcome::BelowMin => return None,
    })
}

/// HPA's word for a metric without a value, by the type of the metric.
fn failed_reason(policy: &Policy, trace: &Trace, index: usize) -> &'static str {
    let absent = trace.proposals.get(index).and_then(|proposal| proposal.reading.absent());
    match absent.map(|absent| absent.absence) {
        Some(Absence::Unsupported) => return reason::INVALID_METRIC_SOURCE_TYPE,
        Some(Absence::InvalidSelector) => return reason::INVALID_SELECTOR,
        _ => {}
    }
    match policy.metrics.get(index).map(|metric| &metric.kind) {
        Some(MetricKind::Resource { container: None, .. }) => reason::FAILED_GET_RESOURCE_METRIC,
        Some(MetricKind::Resource { container: Some(_), .. }) => reason::FAILED_GET_CONTAINER_RESOURCE_METRIC,
        Some(MetricKind::Pods) => reason::FAILED_GET_PODS_METRIC,
        Some(MetricKind::Object) => reason::FAILED_GET_OBJECT_METRIC,
        Some(MetricKind::External) => reason::FAILED_GET_EXTERNAL_METRIC,
        Some(MetricKind::Prometheus) | None => reason::FAILED_GET_PROMETHEUS_METRIC,
    }
}

/// Every write of a size says whose zero it is; the other passes leave that as it was (HPA).
fn scaled_to_zero(policy: &Policy, trace: &Trace, write: WriteResult<'_>) -> Option<Draft> {
    if write != WriteResult::Written || !policy.settings.scale_to_zero {
        return None;
    }
    Some(if trace.desired_replicas == 0 && policy.rests_at_zero() {
        Draft::yes(SCALED_TO_ZERO, reason::SCALED_TO_ZERO, "the policy set the workload to zero replicas")
    } else {
        Draft::no(SCALED_TO_ZERO, reason::NOT_SCALED_TO_ZERO, "the policy set the workload to more than zero replicas")
    })
}

fn scaling_limited(trace: &Trace) -> Option<Draft> {
    let limit = trace.limit?;
    let message = match limit.reason {
        LimitReason::DesiredWithinRange => {
            let message = "no bound and no rate limit changed the number of replicas";
            return Some(Draft::no(SCALING_LIMITED, limit.reason.reason(), message));
        }
        LimitReason::TooFewReplicas => format!("fewer replicas are wanted than minReplicas {}", trace.min_replicas),
        LimitReason::TooManyReplicas => format!("more replicas are wanted than maxReplicas {}", trace.max_replicas),
        LimitReason::ScaleUpLimit => "the number of replicas wants to grow faster than it may".to_owned(),
        LimitReason::ScaleDownLimit => "the number of replicas wants to shrink faster than it may".to_owned(),
    };
    Some(Draft::yes(SCALING_LIMITED, limit.reason.reason(), message))
}

/// A query that Prometheus refuses stays refused until somebody mends it.
fn stalled(policy: &Policy, trace: &Trace) -> Option<Draft> {
    let Outcome::MetricsFailed { first } = trace.outcome else { return None };
    let absent = trace.proposals.get(first)?.reading.absent()?;
    let refused = absent.absence == Absence::BadQuery;
    refused.then(|| Draft::yes(STALLED, absent.absence.reason(), absence(policy, trace, first)))
}

/// Which metric's floor lies under the size, and since when it fails.
fn fallback(policy: &Policy, trace: &Trace) -> Option<Draft> {
    let floors = trace.proposals.iter().enumerate();
    let (index, floor) = floors
        .filter_map(|(index, proposal)| Some((index, proposal.failing?.floor?)))
        .max_by_key(|(_, floor)| *floor)?;
    let since = trace.proposals.get(index).and_then(failing_since).unwrap_or_default();
    let name = metric_name(policy, index);
    let message = format!("metric {name} {since}; the workload keeps at least {}", replicas(floor));
    Some(Draft::yes(FALLBACK, reason::METRIC_FAILING, message))
}

fn mode(trace: &Trace) -> Option<Draft> {
    match trace.mode {
        Mode::Auto => None,
        Mode::DryRun => Some(Draft::yes(DRY_RUN, reason::DRY_RUN, "decisions are published and not written")),
        Mode::Paused { .. } => Some(Draft::yes(PAUSED, reason::PAUSED, paused(trace))),
    }
}

fn paused(trace: &Trace) -> String {
    match trace.mode {
        Mode::Paused { replicas: Some(count) } => format!("the policy is paused at {}", replicas(count)),
        _ => "the policy is paused, and the size left as it is".to_owned(),
    }
}

fn disabled() -> String {
    "the workload was set to zero replicas by somebody else, and is left there".to_owned()
}

/// Metric, class and sentence.
fn absence(policy: &Policy, trace: &Trace, index: usize) -> String {
    let name = metric_name(policy, index);
    match trace.proposals.get(index).and_then(|proposal| proposal.reading.absent()) {
        Some(absent) => {
            let since = trace.proposals.get(index).and_then(failing_since);
            let since = since.map(|since| format!(" ({since})")).unwrap_or_default();
            format!("metric {name}: {}: {}{since}", absent.absence.reason(), absent.message.trim_end_matches('.'))
        }
        None => format!("metric {name} has no value to act on"),
    }
}

#[cfg(test)]
mod tests;
