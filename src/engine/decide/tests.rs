use super::*;
use crate::engine::fixtures::{
    self, NOW, ago, complete, missing, observation, partial, policy, rate, remembered, rules,
};
use crate::engine::{Behavior, Direction, LimitReason, RateKind, Recommendation, Rescale, Select};

fn seeded(replicas: i32) -> Option<Vec<Recommendation>> {
    Some(vec![Recommendation { replicas, at: NOW }])
}

#[test]
fn every_outcome() {
    let paused = |replicas| Mode::Paused { replicas };
    // (mode, size, reading) -> (outcome, action)
    let cases = [
        (Mode::Auto, 4, complete(8_000), Outcome::Valid { winner: 0, degraded: false }, Action::ScaleTo(8)),
        (Mode::Auto, 4, complete(4_000), Outcome::Valid { winner: 0, degraded: false }, Action::Hold),
        (Mode::Auto, 4, partial(8_000), Outcome::Valid { winner: 0, degraded: true }, Action::ScaleTo(8)),
        (Mode::Auto, 4, partial(1_000), Outcome::MetricsFailed { first: 0 }, Action::Hold),
        (Mode::Auto, 4, missing(), Outcome::MetricsFailed { first: 0 }, Action::Hold),
        (Mode::Auto, 25, missing(), Outcome::AboveMax, Action::ScaleTo(20)),
        (Mode::Auto, 1, missing(), Outcome::BelowMin, Action::ScaleTo(2)),
        (Mode::Auto, 0, complete(9_000), Outcome::Disabled, Action::Hold),
        (Mode::DryRun, 4, complete(8_000), Outcome::Valid { winner: 0, degraded: false }, Action::WouldScaleTo(8)),
        (Mode::DryRun, 4, missing(), Outcome::MetricsFailed { first: 0 }, Action::Hold),
        (Mode::DryRun, 25, missing(), Outcome::AboveMax, Action::WouldScaleTo(20)),
        (Mode::DryRun, 0, missing(), Outcome::Disabled, Action::Hold),
        (paused(None), 4, complete(8_000), Outcome::Paused, Action::Hold),
        (paused(Some(4)), 4, complete(8_000), Outcome::Paused, Action::Hold),
        (paused(Some(7)), 4, complete(8_000), Outcome::Paused, Action::ScaleTo(7)),
        (paused(Some(0)), 4, complete(8_000), Outcome::Paused, Action::ScaleTo(0)),
        (paused(Some(30)), 4, missing(), Outcome::Paused, Action::ScaleTo(30)), // a pause is above the bounds
        (paused(None), 25, missing(), Outcome::Paused, Action::Hold),
        (paused(Some(3)), 0, missing(), Outcome::Paused, Action::ScaleTo(3)),
    ];
    for (mode, size, reading, outcome, action) in cases {
        let policy = Policy { mode, ..policy(1) };
        let observation = observation(size, vec![reading]);
        let (_, decision) = decide(&policy, State::default(), &observation);
        assert_eq!((decision.trace.outcome, decision.action), (outcome, action), "{mode:?} {size} {observation:?}");
        let looked = matches!(outcome, Outcome::Valid { .. } | Outcome::MetricsFailed { .. });
        assert_eq!(asks_metrics(&policy, observation.replicas), looked);
        assert_eq!(decision.trace.proposals.len(), usize::from(looked), "what was not asked is not in the trace");
        let reached = matches!(outcome, Outcome::Valid { .. });
        assert_eq!(decision.trace.recommended_replicas.is_some(), reached);
        assert_eq!(decision.trace.stabilization.is_some(), reached);
        assert_eq!(decision.trace.limit.is_some(), reached);
    }
}

#[test]
fn the_trace_tells_every_step() {
    let rates = |value| rules(Some(0), Select::Max, vec![rate(RateKind::Pods, value, 60)]);
    let mut down = rates(1);
    down.window_seconds = Some(120);
    let policy = Policy { behavior: Some(Behavior { up: rates(3), down }), ..policy(2) };
    let mut state = remembered(&[(9, 30), (12, 200)]);
    state.record_rescale(&policy, Rescale { from: 11, to: 10, at: ago(90) });
    let (after, decision) = decide(&policy, state, &observation(10, vec![complete(4_000), complete(5_000)]));
    let trace = decision.trace;
    assert_eq!(decision.action, Action::ScaleTo(9));
    assert_eq!((trace.at, trace.current_replicas), (NOW, 10));
    assert_eq!((trace.min_replicas, trace.max_replicas, trace.mode), (2, 20, Mode::Auto));
    assert_eq!(trace.outcome, Outcome::Valid { winner: 1, degraded: false });
    assert_eq!(trace.proposals.iter().map(|proposal| proposal.replicas).collect::<Vec<_>>(), [Some(4), Some(5)]);
    assert_eq!(trace.recommended_replicas, Some(5));
    let stabilization = trace.stabilization.unwrap();
    let held = stabilization.held.unwrap();
    assert_eq!((stabilization.replicas, held.direction, held.window_seconds), (9, Direction::Down, 120));
    assert_eq!(held.until, Some(NOW.plus_seconds(90)));
    let limit = trace.limit.unwrap();
    assert_eq!((limit.replicas, limit.reason), (9, LimitReason::DesiredWithinRange));
    assert_eq!(limit.rate.unwrap().policy, Some(rate(RateKind::Pods, 1, 60)));
    assert_eq!(trace.desired_replicas, 9);
    let stored: Vec<_> = after.recommendations.unwrap().iter().map(|stored| stored.replicas).collect();
    assert_eq!(stored, [9, 5], "the outdated place is used again, by the raw number");
}

#[test]
fn the_first_look_seeds_the_present_size() {
    let observation = observation(10, vec![complete(3_000)]);
    let (state, decision) = decide(&policy(1), State::default(), &observation);
    assert_eq!(decision.action, Action::Hold);
    assert_eq!(decision.trace.recommended_replicas, Some(3));
    assert_eq!(state.recommendations.unwrap().len(), 2);
    // Where no metric answers, or none is asked, the size is remembered all the same.
    for (size, reading) in [(10, missing()), (25, complete(1)), (1, complete(1))] {
        let (state, _) = decide(&policy(1), State::default(), &fixtures::observation(size, vec![reading]));
        assert_eq!(state.recommendations, seeded(size));
    }
}

fn observation_of(size: i32) -> Observation {
    observation(size, Vec::new())
}

#[test]
fn a_pause_forgets_recommendations_and_keeps_events() {
    let policy_with = |mode| Policy { mode, behavior: Some(crate::engine::fixtures::windows(None, None)), ..policy(1) };
    let auto = policy_with(Mode::Auto);
    let mut state = remembered(&[(9, 30)]);
    state.record_rescale(&auto, Rescale { from: 4, to: 9, at: ago(30) });
    let (state, _) = decide(&policy_with(Mode::Paused { replicas: None }), state, &observation_of(4));
    assert_eq!((state.recommendations.is_none(), state.up_events.len()), (true, 1));
    let (_, decision) = decide(&auto, state, &observation(4, vec![complete(2_000)]));
    assert_eq!(decision.action, Action::Hold, "the size after the pause is seeded");
}

#[test]
fn failing_metrics_remember_nothing() {
    let before = remembered(&[(9, 30)]);
    let (after, _) = decide(&policy(1), before.clone(), &observation(9, vec![missing()]));
    assert_eq!(after, before);
}

#[test]
fn bounds_in_the_wrong_order_are_the_larger_one() {
    let policy = Policy { min_replicas: 8, max_replicas: 3, ..policy(1) };
    for (size, desired) in [(2, 8), (8, 8), (12, 8)] {
        let (_, decision) = decide(&policy, State::default(), &observation(size, vec![complete(1_000)]));
        assert_eq!(decision.trace.desired_replicas, desired);
        assert_eq!((decision.trace.min_replicas, decision.trace.max_replicas), (8, 8));
    }
}
