//! One decision: the steps in their order, and the trace of them. Owns what is decided before any metric is looked at.

use super::clamp::{Bounds, Change, clamp, rate};
use super::combine::combine;
use super::memory::remember;
use super::missing::follow_failures;
use super::observation::{Observation, Replicas};
use super::policy::{Mode, Policy};
use super::propose::propose;
use super::rate_limit::Events;
use super::stabilize::{Wish, stabilize};
use super::state::{Recommendation, State};
use super::trace::{Action, Decision, LimitReason, Outcome, Trace};

/// Decides. Total: no input panics, and nothing that is missing, broken or nonsense lowers the size.
///
/// The state goes in by value and comes out changed. A policy never seen before is seeded with the present size, so that nothing
/// shrinks before a full window was seen (HPA rule); the end of a pause, or of a time at zero, counts as a first sight as well.
#[must_use]
pub fn decide(policy: &Policy, mut state: State, observation: &Observation) -> (State, Decision) {
    let current = observation.replicas.spec.max(0);
    let bounds = Bounds::of(policy, current);
    let mut trace = Trace {
        at: observation.now,
        current_replicas: current,
        min_replicas: bounds.min,
        max_replicas: bounds.max,
        mode: policy.mode,
        proposals: Vec::new(),
        outcome: Outcome::Paused,
        recommended_replicas: None,
        stabilization: None,
        limit: None,
        desired_replicas: current,
    };
    // Whoever took the workload out of zero made it theirs to switch off.
    state.scaled_to_zero &= current == 0;
    if let Mode::Paused { replicas } = policy.mode {
        state.forget_recommendations();
        trace.desired_replicas = replicas.map_or(current, |fixed| fixed.max(0));
    } else if is_switched_off(policy, &state, current) {
        state.forget_recommendations();
        trace.outcome = Outcome::Disabled;
    } else {
        let seed = Recommendation { replicas: current, at: observation.now };
        state.recommendations.get_or_insert_with(|| vec![seed]);
        if current > bounds.max {
            (trace.outcome, trace.desired_replicas) = (Outcome::AboveMax, bounds.max);
        } else if current < bounds.min && current > 0 {
            (trace.outcome, trace.desired_replicas) = (Outcome::BelowMin, bounds.min);
        } else {
            follow_metrics(policy, &mut state, (observation, bounds), &mut trace);
        }
    }
    let action = action(policy.mode, current, trace.desired_replicas);
    (state, Decision { action, trace })
}

/// A decision on a workload of this size looks at metrics; where it does not, nobody has to be asked.
#[must_use]
pub fn asks_metrics(policy: &Policy, state: &State, replicas: Replicas) -> bool {
    let current = replicas.spec.max(0);
    let bounds = Bounds::of(policy, current);
    !matches!(policy.mode, Mode::Paused { .. })
        && !is_switched_off(policy, state, current)
        && current <= bounds.max
        && (current == 0 || current >= bounds.min)
}

/// Whether the size is zero and not this policy's to change: somebody else set it, or nothing would tell what to change it to (HPA rule).
fn is_switched_off(policy: &Policy, state: &State, current: i32) -> bool {
    let own = policy.settings.scale_to_zero && state.scaled_to_zero;
    current == 0 && !(own && (policy.min_replicas > 0 || policy.is_measured_at_zero()))
}

/// Asks the metrics, and takes what they recommend through windows and limits. Leaves the size alone where they recommend nothing.
fn follow_metrics(policy: &Policy, state: &mut State, seen: (&Observation, Bounds), trace: &mut Trace) {
    let (observation, bounds) = seen;
    let current = trace.current_replicas;
    trace.proposals.extend(policy.metrics.iter().enumerate().map(|metric| propose(policy, observation, metric)));
    follow_failures(policy, state, (observation.now, current), &mut trace.proposals);
    let (outcome, recommended) = combine(&trace.proposals, current);
    trace.outcome = outcome;
    trace.recommended_replicas = recommended;
    let Some(proposal) = recommended else {
        state.blind = Some(Recommendation { replicas: current, at: observation.now });
        return;
    };

    let wish = Wish { current, proposal, now: observation.now };
    let (stabilization, slot) = stabilize(policy, state, wish);
    // The raw wish is stored, whatever becomes of it (HPA rule).
    let stored = state.recommendations.get_or_insert_default();
    remember(stored, slot, Recommendation { replicas: proposal, at: observation.now });
    trace.stabilization = Some(stabilization);

    let change = Change { current, desired: stabilization.replicas };
    let mut limit = match &policy.behavior {
        None => clamp(change, bounds, policy.settings.growth),
        Some(behavior) => rate(change, bounds, behavior, &Events::of(state, observation.now)),
    };
    if current == 0 && limit.replicas < bounds.min {
        // Rate rules know no lower bound on the way up. Who leaves zero goes to the minimum at least (HPA rule).
        (limit.replicas, limit.reason) = (bounds.min, LimitReason::TooFewReplicas);
    }
    trace.desired_replicas = limit.replicas;
    trace.limit = Some(limit);
}

fn action(mode: Mode, current: i32, desired: i32) -> Action {
    if desired == current {
        Action::Hold
    } else if mode == Mode::DryRun {
        Action::WouldScaleTo(desired)
    } else {
        Action::ScaleTo(desired)
    }
}

#[cfg(test)]
mod tests;
