use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff;

use super::*;
use crate::engine::{Behavior, Policy, RateKind, RatePolicy, Rules, Select, Settings, behavior};

const NOW: i64 = 1_700_000_000_123;
const GENERATION: i64 = 3;

fn policy() -> Policy {
    let rules = |window_seconds| Rules {
        window_seconds: Some(window_seconds),
        select: Select::Max,
        policies: vec![RatePolicy { kind: RateKind::Pods, value: 4, period_seconds: 60 }],
        tolerance: None,
    };
    Policy {
        min_replicas: 1,
        max_replicas: 100,
        metrics: Vec::new(),
        behavior: Some(Behavior { up: rules(60), down: rules(300) }),
        downscale_window_seconds: 300,
        mode: Mode::Auto,
        settings: Settings::default(),
        fallback: None,
    }
}

fn standing(policy: &Policy) -> Standing<'_> {
    Standing { policy, current: 10, now: Timestamp::from_millis(NOW) }
}

fn entry(replicas: i32, seconds: i64) -> Recommendation {
    Recommendation { replicas, at: Timestamp::from_millis(NOW).plus_seconds(seconds) }
}

/// 10, then 4, 4 and 7.
fn remembered() -> State {
    let stored = vec![entry(10, -45), entry(4, -30), entry(4, -15), entry(7, 0)];
    State { recommendations: Some(stored), ..State::default() }
}

fn published() -> ScalingPolicyStatus {
    let mut status = ScalingPolicyStatus {
        observed_generation: Some(GENERATION),
        desired_replicas: Some(10),
        ..ScalingPolicyStatus::default()
    };
    assert!(remember(&mut status, None, (&remembered(), standing(&policy()))), "nobody knows of it yet");
    status
}

fn recalled(status: &ScalingPolicyStatus, policy: &Policy) -> State {
    let mut state = State::default();
    recall(&mut state, status, (standing(policy), GENERATION, 15));
    state
}

fn record(seconds: i64, highest: Option<i32>, lowest: Option<i32>) -> RecommendationRecord {
    RecommendationRecord { time: micro_time(entry(0, seconds).at), highest, lowest }
}

#[test]
fn what_is_written_comes_back_the_same() {
    let status = published();
    let expected = [record(-45, Some(10), None), record(-15, None, Some(4)), record(0, Some(7), Some(7))];
    assert_eq!(status.recent_recommendations, expected);
    let json = serde_json::to_value(&status).unwrap();
    assert_eq!(json["recentRecommendations"][1].as_object().unwrap().len(), 2, "{json}");
    let status: ScalingPolicyStatus = serde_json::from_value(json).unwrap();
    let state = recalled(&status, &policy());
    assert_eq!(state.recommendations, Some(Vec::new()));
    assert_eq!(state.recalled.highest, [entry(10, -45), entry(7, 0), entry(7, 0)]);
    assert_eq!(state.recalled.lowest, [entry(4, -15), entry(7, 0)]);
    let mut again = status.clone();
    assert!(!remember(&mut again, Some(&status), (&state, standing(&policy()))), "known already");
}

#[test]
fn where_something_was_missed_the_present_size_holds() {
    let sound = published();
    let with = |change: fn(&mut ScalingPolicyStatus)| {
        let mut status = sound.clone();
        change(&mut status);
        status
    };
    let table = [
        ("as it was", sound.clone(), 7),
        ("another size", with(|status| status.desired_replicas = Some(9)), 10),
        ("no size", with(|status| status.desired_replicas = None), 10),
        ("another policy", with(|status| status.observed_generation = Some(2)), 10),
    ];
    for (name, status, since) in table {
        assert_eq!(recalled(&status, &policy()).recalled.highest.last(), Some(&entry(since, 0)), "{name}");
    }
    let dry = Policy { mode: Mode::DryRun, ..policy() };
    assert_eq!(recalled(&sound, &dry).recalled.highest.last(), Some(&entry(10, 0)));
}

#[test]
fn nonsense_is_as_good_as_nothing() {
    let record_at =
        |time, highest| RecommendationRecord { time: MicroTime(time), highest: Some(highest), lowest: None };
    let table = [
        ("an old status", Vec::new()),
        ("negative", vec![record(-15, Some(-1), None)]),
        ("negative, in one of two", vec![record(-15, Some(4), Some(i32::MIN))]),
        ("of nothing", vec![record(-15, None, None)]),
        ("unordered", vec![record(0, Some(4), None), record(-15, Some(10), None)]),
        ("twice", vec![record(0, Some(4), None), record(0, Some(4), None)]),
        ("too many", (0..25).map(|index| record(index - 30, Some(4), None)).collect()),
        ("too many of one kind", (0..13).map(|index| record(index - 30, Some(4), None)).collect()),
    ];
    for (name, recent_recommendations) in table {
        let status = ScalingPolicyStatus { recent_recommendations, ..published() };
        assert_eq!(recalled(&status, &policy()), State::default(), "{name}");
    }
    for time in [jiff::Timestamp::MAX, jiff::Timestamp::MIN] {
        let status = ScalingPolicyStatus { recent_recommendations: vec![record_at(time, i32::MAX)], ..published() };
        let highest = recalled(&status, &policy()).recalled.highest;
        assert_eq!(highest, [entry(10, 0)], "an impossible time: only the present size counts");
    }
}

#[test]
fn as_many_as_can_be_told_fit() {
    let falling = (0..60).map(|step| entry(90 - step, i64::from(step) * 5 - 295));
    let state = State { recommendations: Some(falling.collect()), ..State::default() };
    let mut policy = policy();
    policy.behavior = Some(behavior::complete(behavior::BehaviorDraft::default()).unwrap());
    let mut status = published();
    remember(&mut status, None, (&state, Standing { current: 90, ..standing(&policy) }));
    assert_eq!(status.recent_recommendations.len(), 10);
    assert!(told(&status).is_some());
}
