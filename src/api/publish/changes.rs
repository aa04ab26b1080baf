//! Whether a status is worth a write. Live numbers belong into metrics: a status written per tick makes every watcher pay.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::api::conditions::STALLED;
use crate::api::quantity::Quantity;
use crate::api::status::{LastDecision, MetricProposal, MetricStatus, MetricValue, ScalingPolicyStatus};

/// A value that moved by more than its target divided by this is news.
pub(super) const NEWS_DIVISOR: i128 = 10;

/// Whether `new` tells something that `old`, the one last written, does not: replicas, conditions, limits, the deciding metric or its
/// reasons changed, or a metric moved by more than a tenth of its target. Times and noise are no news.
#[must_use]
pub fn differs(old: &ScalingPolicyStatus, new: &ScalingPolicyStatus) -> bool {
    old.observed_generation != new.observed_generation
        || old.current_replicas != new.current_replicas
        || old.desired_replicas != new.desired_replicas
        || old.last_scale_time != new.last_scale_time
        || old.recent_rescales != new.recent_rescales
        || conditions_differ(&old.conditions, &new.conditions)
        || match (&old.last_decision, &new.last_decision) {
            (None, None) => false,
            (Some(old), Some(new)) => decisions_differ(old, new),
            _ => true,
        }
        || metrics_differ(old, new)
}

fn conditions_differ(old: &[Condition], new: &[Condition]) -> bool {
    let same = |(old, new): (&Condition, &Condition)| {
        old.type_ == new.type_
            && old.status == new.status
            && old.reason == new.reason
            && old.observed_generation == new.observed_generation
            && same_words(&old.message, &new.message, old.type_ == STALLED)
    };
    old.len() != new.len() || !old.iter().zip(new).all(same)
}

/// Messages quote ages and counts that move with every tick; only in what a human has to mend does each digit count.
fn same_words(old: &str, new: &str, digits_count: bool) -> bool {
    fn words(text: &str) -> impl Iterator<Item = char> {
        text.chars().filter(|c| !c.is_ascii_digit() && *c != '.')
    }
    old == new || (!digits_count && words(old).eq(words(new)))
}

fn decisions_differ(old: &LastDecision, new: &LastDecision) -> bool {
    let proposals = |decision: &LastDecision| -> Vec<_> {
        let one = |p: &MetricProposal| {
            // Whether all pods count is news; how many do not moves with every rollout.
            let all_count = p.pods.as_ref().map(|pods| (pods.unready == 0, pods.missing == 0));
            let floor = p.failing.as_ref().and_then(|failing| failing.floor);
            let words = (p.reason.clone(), p.counted_as.clone());
            (p.name.clone(), p.target_type.clone(), p.target.clone(), words, p.value.is_some(), (all_count, floor))
        };
        decision.proposals.iter().map(one).collect()
    };
    old.current_replicas != new.current_replicas
        || old.desired_replicas != new.desired_replicas
        || old.min_replicas != new.min_replicas
        || old.max_replicas != new.max_replicas
        || old.metric_name != new.metric_name
        || old.limited_by != new.limited_by
        || proposals(old) != proposals(new)
}

/// Both lists are in the order of the spec, as the proposals with their targets are.
fn metrics_differ(old: &ScalingPolicyStatus, new: &ScalingPolicyStatus) -> bool {
    let proposals = new.last_decision.as_ref().map_or(&[][..], |decision| &decision.proposals);
    let moved = |(index, (old, new)): (usize, (&MetricStatus, &MetricStatus))| {
        old.name != new.name
            || match (thousandths(old), thousandths(new)) {
                (Some(old), Some(new)) => {
                    let target = proposals.get(index).and_then(|proposal| quantity(&proposal.target)).unwrap_or(0);
                    (new - old).abs() * NEWS_DIVISOR > target
                }
                (old, new) => old.is_some() != new.is_some(),
            }
    };
    old.current_metrics.len() != new.current_metrics.len()
        || old.current_metrics.iter().zip(&new.current_metrics).enumerate().any(moved)
}

/// The current value in thousandths of the target's unit.
pub(super) fn thousandths(metric: &MetricStatus) -> Option<i128> {
    let MetricValue { value, average_value, average_utilization } = metric.current.as_ref()?;
    // In the unit of the target, against which a move is measured.
    if let Some(percent) = average_utilization {
        return Some(i128::from(*percent) * 1000);
    }
    quantity(value.as_ref().or(average_value.as_ref())?)
}

fn quantity(quantity: &Quantity) -> Option<i128> {
    quantity.to_milli().ok().map(|value| i128::from(value.get()))
}
