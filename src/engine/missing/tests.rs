//! Failures in a row, floors, and what an absence is taken for, step by step through `decide`.

use super::*;
use crate::engine::tests_support::{complete, policy, seen};
use crate::engine::{Absent, Action, Milli, Outcome, Sample, decide};

fn failed() -> Reading {
    Reading::missing(Absence::Unreachable, "no connection")
}

fn empty() -> Reading {
    Reading::missing(Absence::Empty, "no series")
}

fn partial(value: i64) -> Reading {
    let absent = Absent { absence: Absence::Warnings, message: "a store did not answer".into() };
    Reading::Partial(Sample { value: Milli::new(value * 1000), series: 1, age_millis: None }, absent)
}

/// Two metrics that are treated alike.
fn two(on_missing: OnMissing, fallback: Option<Fallback>) -> Policy {
    let mut policy = policy(1, 20);
    policy.metrics[0].on_missing = on_missing;
    let other = Metric { name: "other".into(), ..policy.metrics[0].clone() };
    policy.metrics.push(other);
    policy.fallback = fallback;
    policy.downscale_window_seconds = 0;
    policy
}

fn one(fallback: Fallback) -> Policy {
    let mut policy = two(OnMissing::Fallback, Some(fallback));
    policy.metrics.truncate(1);
    policy
}

const FLOOR: Fallback = Fallback { after_failures: 3, replicas: 6, kind: FloorKind::Static };

/// The sizes that a workload takes which starts at `size` and is looked at every 15 s.
fn sizes(policy: &Policy, mut size: i32, readings: impl IntoIterator<Item = Reading>) -> Vec<i32> {
    // Settled: a first decision is held by the size that it finds.
    let mut state = State { recommendations: Some(Vec::new()), ..State::default() };
    let mut sizes = Vec::new();
    for (step, reading) in (0..).zip(readings) {
        let (after, decision) = decide(policy, state, &seen(step * 15, size, vec![reading]));
        state = after;
        size = decision.trace.desired_replicas;
        sizes.push(size);
    }
    sizes
}

#[test]
fn the_floor_holds_after_so_many_failures_and_leaves_after_so_many_answers() {
    let story = [complete(400), failed(), empty(), partial(100), failed(), complete(400), complete(400), complete(400)];
    assert_eq!(sizes(&one(FLOOR), 4, story), [4, 4, 4, 6, 6, 6, 6, 4]);
    // A single answer in between begins the count anew ...
    let story = [failed(), failed(), complete(400), failed(), failed(), complete(400)];
    assert_eq!(sizes(&one(FLOOR), 4, story), [4; 6]);
    // ... and does not take the floor away once it holds.
    let flapping = (0..12).map(|step| if step < 3 || step % 2 == 0 { failed() } else { complete(400) });
    assert_eq!(sizes(&one(FLOOR), 4, flapping)[2..], [6; 10]);
}

#[test]
fn floors_by_kind_and_none_of_them_lowers() {
    let outage = || std::iter::repeat_with(failed).take(4);
    let with = |kind, replicas| one(Fallback { after_failures: 2, replicas, kind });
    for (kind, replicas, expected) in [
        (FloorKind::Static, 6, [4, 6, 6, 6]),
        (FloorKind::Static, 2, [4, 4, 4, 4]),
        (FloorKind::AtLeast, 6, [4, 6, 6, 6]),
        (FloorKind::AtLeast, 2, [4, 4, 4, 4]),
        (FloorKind::Current, 0, [4, 4, 4, 4]),
        (FloorKind::Static, -7, [4, 4, 4, 4]),
        (FloorKind::Static, 1000, [4, 8, 16, 20]),
    ] {
        assert_eq!(sizes(&with(kind, replicas), 4, outage()), expected, "{kind:?} {replicas}");
    }
}

#[test]
fn who_lowers_the_size_by_hand_in_an_outage_meets_the_floor() {
    for (kind, expected) in [(FloorKind::Static, 3), (FloorKind::AtLeast, 8), (FloorKind::Current, 8)] {
        let policy = one(Fallback { after_failures: 1, replicas: 3, kind });
        let (state, _) = decide(&policy, State::default(), &seen(0, 8, vec![failed()]));
        let (_, decision) = decide(&policy, state, &seen(15, 2, vec![failed()]));
        let limited = expected.min(4); // two replicas may become four in one step
        assert_eq!(decision.action, Action::ScaleTo(limited), "{kind:?}");
        assert_eq!(decision.trace.recommended_replicas, Some(expected), "{kind:?}");
    }
}

#[test]
fn a_floor_is_never_above_what_a_healthy_metric_asks() {
    let policy = two(OnMissing::Fallback, Some(Fallback { after_failures: 1, ..FLOOR }));
    let (_, decision) = decide(&policy, State::default(), &seen(0, 5, vec![failed(), complete(900)]));
    assert_eq!(decision.trace.desired_replicas, 9);
    let (_, decision) = decide(&policy, State::default(), &seen(0, 5, vec![failed(), complete(100)]));
    assert_eq!(decision.trace.desired_replicas, 6);
    assert_eq!(decision.trace.outcome, Outcome::Valid { winner: 0, degraded: true });
}

#[test]
fn what_an_absence_is_taken_for() {
    let settled = || State { recommendations: Some(Vec::new()), ..State::default() };
    let low = || complete(100);
    // (treatment, readings of both metrics, size after one look at 5)
    let table = [
        (OnMissing::Hold, [empty(), low()], 5),
        (OnMissing::Zero, [empty(), low()], 1),
        (OnMissing::Zero, [empty(), empty()], 1),
        (OnMissing::Zero, [failed(), low()], 5),
        (OnMissing::Zero, [partial(100), low()], 5),
        (OnMissing::Ignore, [empty(), low()], 1),
        (OnMissing::Ignore, [failed(), low()], 1),
        (OnMissing::Ignore, [failed(), failed()], 5),
        (OnMissing::Ignore, [partial(100), failed()], 5),
        (OnMissing::Ignore, [partial(900), low()], 9),
        (OnMissing::Ignore, [partial(300), low()], 3),
        (OnMissing::Fallback, [failed(), low()], 5),
    ];
    for (treatment, readings, expected) in table {
        let (_, decision) = decide(&two(treatment, None), settled(), &seen(0, 5, readings.to_vec()));
        assert_eq!(decision.trace.desired_replicas, expected, "{treatment:?} {readings:?}");
    }
}

#[test]
fn a_streak_is_told_and_forgotten() {
    let policy = one(FLOOR);
    let mut state = State::default();
    let mut told = Vec::new();
    for (step, reading) in
        [failed(), failed(), failed(), complete(400), complete(400), complete(400)].into_iter().enumerate()
    {
        let seconds = i64::try_from(step).unwrap() * 15;
        let (after, decision) = decide(&policy, state, &seen(seconds, 4, vec![reading]));
        state = after;
        told.push(decision.trace.proposals[0].failing.map(|f| (f.failures, f.answers, f.floor, f.is_news())));
    }
    let expected = [
        Some((1, 0, None, false)),
        Some((2, 0, None, true)),
        Some((3, 0, Some(6), true)),
        Some((3, 1, Some(6), true)),
        Some((3, 2, Some(6), true)),
        None,
    ];
    assert_eq!(told, expected);
    assert!(state.streaks.is_empty());
    // A metric that the policy no longer names is forgotten as well.
    let (state, _) = decide(&policy, State::default(), &seen(0, 4, vec![failed()]));
    let mut renamed = policy.clone();
    renamed.metrics[0].name = "another".into();
    let (state, _) = decide(&renamed, state, &seen(15, 4, vec![failed()]));
    assert_eq!(state.streaks.iter().map(|streak| &*streak.metric).collect::<Vec<_>>(), ["another"]);
}
