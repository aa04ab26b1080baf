//! Decide: the one place where the steps are put together. `run`, `demo` and the tests call this and nothing else.

use super::combine::combine;
use super::limit::limit;
use super::observation::{Observation, Replicas};
use super::policy::{Mode, Policy};
use super::propose::propose;
use super::stabilize::stabilize;
use super::state::{Recommendation, State};
use super::trace::{Action, Decision, Outcome, Trace};

/// Decides how many replicas `policy` gives a workload, from what was seen and what is remembered. Pure: equal arguments give equal
/// answers. Never panics, and never lowers replicas on data that is missing, partial or not a number.
///
/// A policy whose `min_replicas` exceeds its `max_replicas` cannot come from [`crate::api`]; should one arrive, the larger number is both
/// bounds, since that never lowers below what somebody asked for.
#[must_use]
pub fn decide(policy: &Policy, mut state: State, observation: &Observation) -> (State, Decision) {
    if policy.min_replicas > policy.max_replicas {
        let sound = Policy { max_replicas: policy.min_replicas, ..policy.clone() };
        return decide(&sound, state, observation);
    }
    let current = observation.replicas.spec;
    let mut trace = Trace {
        at: observation.now,
        current_replicas: current,
        min_replicas: policy.min_replicas,
        max_replicas: policy.max_replicas,
        mode: policy.mode,
        proposals: Vec::new(),
        outcome: Outcome::Paused,
        recommended_replicas: None,
        stabilization: None,
        limit: None,
        desired_replicas: current,
    };
    if let Some((outcome, desired)) = without_metrics(policy, observation.replicas) {
        trace.outcome = outcome;
        trace.desired_replicas = desired;
        match outcome {
            // What was recommended before a pause says nothing about the workload that wakes: begin anew with its size then.
            Outcome::Paused | Outcome::Disabled => state.recommendations = None,
            _ => state.seed(current, observation.now),
        }
        return (state, finish(policy.mode, trace));
    }
    state.seed(current, observation.now);
    trace.proposals = propose(policy, observation);
    let (outcome, recommended) = combine(&trace.proposals, current);
    trace.outcome = outcome;
    trace.recommended_replicas = recommended;
    if let Some(replicas) = recommended {
        let recommendation = Recommendation { replicas, at: observation.now };
        let stabilization = stabilize(policy, &mut state, recommendation, current);
        let limit = limit(policy, &state, observation.now, (current, stabilization.replicas));
        trace.stabilization = Some(stabilization);
        trace.limit = Some(limit);
        trace.desired_replicas = limit.replicas;
    }
    (state, finish(policy.mode, trace))
}

/// The decision on a workload of this size looks at metrics. Where it does not, nobody has to be asked.
#[must_use]
pub fn asks_metrics(policy: &Policy, replicas: Replicas) -> bool {
    without_metrics(policy, replicas).is_none()
}

/// What is decided before any metric is looked at (HPA, but for the pause).
fn without_metrics(policy: &Policy, replicas: Replicas) -> Option<(Outcome, i32)> {
    let current = replicas.spec;
    if let Mode::Paused { replicas } = policy.mode {
        return Some((Outcome::Paused, replicas.unwrap_or(current).max(0)));
    }
    if current == 0 {
        return Some((Outcome::Disabled, 0));
    }
    if current > policy.max_replicas {
        return Some((Outcome::AboveMax, policy.max_replicas));
    }
    (current < policy.min_replicas).then_some((Outcome::BelowMin, policy.min_replicas))
}

fn finish(mode: Mode, trace: Trace) -> Decision {
    let action = if trace.desired_replicas == trace.current_replicas {
        Action::Hold
    } else if mode == Mode::DryRun {
        Action::WouldScaleTo(trace.desired_replicas)
    } else {
        Action::ScaleTo(trace.desired_replicas)
    };
    Decision { action, trace }
}

#[cfg(test)]
mod tests;
