//! Whole decisions: what is decided before the metrics, and that the trace tells each step.

use super::*;
use crate::engine::tests_support::{at, behavior, complete, policy, seen};
use crate::engine::{Absence, Direction, LimitReason, MetricKind, Reading, Rescale, Sample};

fn missing() -> Reading {
    Reading::missing(Absence::Timeout, "Prometheus did not answer within 5 s")
}

fn first(policy: &Policy, observation: &Observation) -> Decision {
    decide(policy, State::default(), observation).1
}

#[test]
fn what_is_decided_before_the_metrics() {
    let modes = |mode, min, max| Policy { mode, ..policy(min, max) };
    let paused = |replicas| Mode::Paused { replicas };
    let table = [
        ("above max", modes(Mode::Auto, 1, 5), 9, Outcome::AboveMax, Action::ScaleTo(5)),
        ("below min", modes(Mode::Auto, 3, 5), 2, Outcome::BelowMin, Action::ScaleTo(3)),
        ("below min, dry", modes(Mode::DryRun, 3, 5), 2, Outcome::BelowMin, Action::WouldScaleTo(3)),
        ("switched off", modes(Mode::Auto, 3, 5), 0, Outcome::Disabled, Action::Hold),
        ("paused", modes(paused(None), 1, 5), 9, Outcome::Paused, Action::Hold),
        ("paused at", modes(paused(Some(4)), 1, 5), 9, Outcome::Paused, Action::ScaleTo(4)),
        ("paused at a negative", modes(paused(Some(-4)), 1, 5), 0, Outcome::Paused, Action::Hold),
        (
            "contradiction, above",
            modes(Mode::Auto, 5, 3),
            9,
            Outcome::Valid { winner: 0, degraded: false },
            Action::Hold,
        ),
        ("contradiction, below", modes(Mode::Auto, 5, 3), 4, Outcome::BelowMin, Action::ScaleTo(5)),
    ];
    for (name, policy, spec, outcome, action) in table {
        let decision = first(&policy, &seen(0, spec, vec![complete(1)]));
        assert_eq!((decision.trace.outcome, decision.action), (outcome, action), "{name}");
    }
}

#[test]
fn a_first_sight_seeds_the_present_size_and_so_holds() {
    let (state, decision) = decide(&policy(1, 10), State::default(), &seen(0, 8, vec![complete(200)]));
    assert_eq!(decision.action, Action::Hold);
    assert_eq!(decision.trace.recommended_replicas, Some(2));
    let stabilization = decision.trace.stabilization.unwrap();
    let held = stabilization.held.unwrap();
    assert_eq!((held.direction, held.window_seconds, held.until), (Direction::Down, 300, Some(at(300))));
    let stored: Vec<i32> = state.recommendations.unwrap().iter().map(|stored| stored.replicas).collect();
    assert_eq!(stored, [8, 2]);
}

#[test]
fn after_the_window_the_size_follows() {
    let policy = policy(1, 10);
    let (state, _) = decide(&policy, State::default(), &seen(0, 8, vec![complete(200)]));
    let (state, decision) = decide(&policy, state, &seen(300, 8, vec![complete(200)]));
    assert_eq!(decision.action, Action::Hold, "the far edge of the window counts");
    let (_, decision) = decide(&policy, state, &seen(301, 8, vec![complete(200)]));
    assert_eq!(decision.action, Action::ScaleTo(2));
}

#[test]
fn no_kind_of_missing_data_lowers_and_none_is_remembered_as_a_wish() {
    let partial = Reading::Partial(
        Sample { value: crate::engine::Milli::new(1), series: 1, age_millis: None },
        missing().absent().unwrap().clone(),
    );
    for reading in [vec![missing()], vec![], vec![partial]] {
        let before = State { recommendations: Some(vec![]), ..State::default() };
        let (state, decision) = decide(&policy(1, 10), before.clone(), &seen(0, 8, reading));
        assert_eq!(decision.action, Action::Hold);
        assert_eq!(decision.trace.outcome, Outcome::MetricsFailed { first: 0 });
        assert_eq!(decision.trace.stabilization, None);
        assert_eq!(state.recommendations, before.recommendations);
        assert_eq!(state.blind, Some(Recommendation { replicas: 8, at: at(0) }), "but that nobody saw anything is");
    }
}

#[test]
fn a_metric_that_works_raises_beside_one_that_fails() {
    let mut two = policy(1, 10);
    two.metrics.push(two.metrics[0].clone());
    let decision = first(&two, &seen(0, 4, vec![missing(), complete(700)]));
    assert_eq!(decision.trace.outcome, Outcome::Valid { winner: 1, degraded: true });
    assert_eq!(decision.action, Action::ScaleTo(7));
    let decision = first(&two, &seen(0, 4, vec![missing(), complete(100)]));
    assert_eq!(decision.trace.outcome, Outcome::MetricsFailed { first: 0 });
}

#[test]
fn the_trace_tells_the_rate_and_the_bound() {
    let mut policy = policy(1, 8);
    policy.behavior = Some(behavior());
    let (mut state, decision) = decide(&policy, State::default(), &seen(0, 4, vec![complete(1300)]));
    let limit = decision.trace.limit.unwrap();
    assert_eq!(decision.trace.recommended_replicas, Some(13));
    assert_eq!((limit.replicas, limit.reason, limit.rate.unwrap().replicas), (8, LimitReason::TooManyReplicas, 8));
    state.record_rescale(&policy, Rescale { from: 4, to: 8, at: at(0) });
    policy.max_replicas = 20;
    let (_, decision) = decide(&policy, state, &seen(5, 8, vec![complete(1300)]));
    let limit = decision.trace.limit.unwrap();
    assert_eq!((decision.action, limit.reason), (Action::Hold, LimitReason::ScaleUpLimit), "the budget is spent");
    assert_eq!(limit.rate.and_then(|rate| rate.policy), policy.behavior.map(|behavior| behavior.up.policies[0]));
}

#[test]
fn the_end_of_a_pause_counts_as_a_first_sight() {
    let running = policy(1, 10);
    let paused = Policy { mode: Mode::Paused { replicas: None }, ..running.clone() };
    let (state, _) = decide(&running, State::default(), &seen(0, 8, vec![complete(200)]));
    let (state, _) = decide(&paused, state, &seen(15, 8, vec![]));
    let (_, decision) = decide(&running, state, &seen(3600, 8, vec![complete(200)]));
    assert_eq!(decision.action, Action::Hold);
}

#[test]
fn only_its_own_zero_is_left_again() {
    let gated = |min, kind| {
        let mut policy = policy(min, 10);
        policy.settings.scale_to_zero = true;
        policy.metrics[0].kind = kind;
        policy
    };
    let (load, pods) = (MetricKind::External, MetricKind::Pods);
    let with_behavior = Policy { behavior: Some(behavior()), ..gated(7, load.clone()) };
    let own = State { scaled_to_zero: true, ..State::default() };
    let own_zero = own.clone();
    let table = [
        ("its own", gated(0, load.clone()), own.clone(), Action::ScaleTo(3)),
        ("somebody's", gated(0, load.clone()), State::default(), Action::Hold),
        ("gate off", policy(0, 10), own.clone(), Action::Hold),
        ("nothing would tell", gated(0, pods), own.clone(), Action::Hold),
        ("to the minimum", gated(4, load), own.clone(), Action::ScaleTo(4)),
        ("to the minimum, against the rate", with_behavior, own, Action::ScaleTo(7)),
    ];
    let at_zero = Replicas { spec: 0, ready: None };
    assert!(asks_metrics(&gated(4, MetricKind::Pods), &own_zero, at_zero), "a minimum is a reason to come back");
    for (name, policy, state, action) in table {
        let seen = seen(0, 0, vec![complete(250)]);
        assert_eq!(asks_metrics(&policy, &state, seen.replicas), action != Action::Hold, "{name}");
        let (_, decision) = decide(&policy, state, &seen);
        assert_eq!(decision.action, action, "{name}");
        assert_eq!(decision.trace.proposals.first().and_then(|proposal| proposal.ratio), None, "{name}");
    }
}

#[test]
fn a_zero_is_its_own_until_somebody_leaves_it() {
    let mut policy = policy(0, 10);
    policy.settings.scale_to_zero = true;
    let mut state = State::default();
    let to = |to| Rescale { from: 4, to, at: at(0) };
    state.record_rescale(&policy, to(0));
    assert!(state.scaled_to_zero);
    let (state, _) = decide(&policy, state, &seen(0, 3, vec![complete(250)]));
    assert!(!state.scaled_to_zero);
    let mut state = State { scaled_to_zero: true, ..state };
    state.record_rescale(&policy, to(1));
    assert!(!state.scaled_to_zero);
    state.record_rescale(&Policy { min_replicas: 1, ..policy }, to(0));
    assert!(!state.scaled_to_zero, "no zero that the policy may wish for");
}

#[test]
fn a_policy_without_metrics_moves_nothing() {
    let none = Policy { metrics: vec![], ..policy(1, 10) };
    let decision = first(&none, &seen(0, 4, vec![complete(9000)]));
    assert_eq!((decision.action, decision.trace.outcome), (Action::Hold, Outcome::MetricsFailed { first: 0 }));
}
