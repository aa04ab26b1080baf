//! Whether a decision says anything that the published status does not, asked of the decisions themselves: most passes change nothing,
//! and need not build a status to find that out. Where in doubt the answer is that it does; then [`super::differs`] decides.

use std::sync::Arc;

use crate::api::conditions::time;
use crate::api::status::{MAX_RECENT_RESCALES, ScalingPolicyStatus};
use crate::engine::{Proposal, Reading, State, Timestamp, Trace};

use super::Overlap;
use super::changes::{NEWS_DIVISOR, thousandths};

/// The decision that a published status tells, or another that says the same.
#[derive(Debug, Clone)]
pub struct Told {
    trace: Arc<Trace>,
    overlap: Overlap,
    /// The values as published, in thousandths of the target's unit: small moves must not add up unseen.
    values: Vec<Option<i128>>,
}

impl Told {
    /// Of the status that is published, and of a decision without a write that it tells.
    #[must_use]
    pub fn new(published: &ScalingPolicyStatus, (trace, overlap): (Arc<Trace>, Overlap)) -> Self {
        Self { trace, overlap, values: published.current_metrics.iter().map(thousandths).collect() }
    }

    /// A pass that decided so, and wrote no size, has nothing to add to `published`, the status that this is of. Allocates nothing.
    #[must_use]
    pub fn covers(
        &self,
        (published, generation): (&ScalingPolicyStatus, i64),
        (trace, overlap): (&Trace, &Overlap),
        (state, last_scale): (&State, Option<Timestamp>),
    ) -> bool {
        let changes = state.up_events.iter().chain(&state.down_events).filter(|event| !event.outdated).count();
        published.observed_generation == Some(generation)
            && published.last_scale_time == last_scale.map(time)
            // Each change sets `last_scale`, so as many as before are the same as before.
            && changes < MAX_RECENT_RESCALES
            && published.recent_rescales.len() == changes
            && self.overlap == *overlap
            && says_the_same(&self.trace, trace)
            && self.values.len() == trace.proposals.len()
            && self.values.iter().zip(&trace.proposals).all(|(value, proposal)| is_near(*value, proposal))
    }
}

/// All that conditions and the decision are told from, but for times and values.
fn says_the_same(told: &Trace, now: &Trace) -> bool {
    let held = |trace: &Trace| {
        trace.stabilization.map(|step| (step.replicas, step.held.map(|held| (held.direction, held.window_seconds))))
    };
    let limit = |trace: &Trace| {
        trace.limit.map(|limit| {
            (limit.replicas, limit.reason, limit.rate.map(|rate| (rate.direction, rate.select, rate.policy)))
        })
    };
    let numbers = |trace: &Trace| {
        let bounds = (trace.min_replicas, trace.max_replicas);
        (trace.current_replicas, bounds, trace.recommended_replicas, trace.desired_replicas)
    };
    numbers(told) == numbers(now)
        && told.mode == now.mode
        && told.outcome == now.outcome
        && held(told) == held(now)
        && limit(told) == limit(now)
        && told.proposals.len() == now.proposals.len()
        && told.proposals.iter().zip(&now.proposals).all(|(told, now)| proposes_the_same(told, now))
}

fn proposes_the_same(told: &Proposal, now: &Proposal) -> bool {
    // Whatever is not whole is told with its reason, and since when: that is left to the sentences.
    let is_whole = |proposal: &Proposal| {
        matches!(proposal.reading, Reading::Complete(_) | Reading::PerPod(_)) && proposal.failing.is_none()
    };
    let all_count = |proposal: &Proposal| proposal.per_pod.map(|per_pod| (per_pod.unready == 0, per_pod.missing == 0));
    is_whole(told)
        && is_whole(now)
        && told.target == now.target
        && told.within_tolerance == now.within_tolerance
        && told.replicas == now.replicas
        && told.taken_for == now.taken_for
        && told.ratio.is_some() == now.ratio.is_some()
        && all_count(told) == all_count(now)
}

/// The value is within a tenth of its target of what was published.
fn is_near(published: Option<i128>, now: &Proposal) -> bool {
    match (published, now.measured()) {
        (Some(published), Some(now_value)) => {
            let target = i128::from(now.target.amount().get());
            (i128::from(now_value.get()) - published).abs() * NEWS_DIVISOR <= target
        }
        (published, now_value) => published.is_some() == now_value.is_some(),
    }
}

#[cfg(test)]
mod tests;
