//! The situation that speed and allocations are measured on.

use flyball::engine::{
    Behavior, Metric, Milli, Mode, Observation, Policy, RateKind, RatePolicy, Reading, Recommendation, Replicas, Rules,
    Sample, ScaleEvent, Select, State, Target, Timestamp,
};

/// A policy as many have it, in the middle of a day: growing, with a history of five minutes.
pub(crate) fn busy() -> (Policy, State, Observation) {
    let now = Timestamp::from_millis(1_800_000_000_000);
    let rate = |kind, value| RatePolicy { kind, value, period_seconds: 60 };
    let rules = |window_seconds, value| Rules {
        window_seconds: Some(window_seconds),
        select: Select::Max,
        policies: vec![rate(RateKind::Pods, value), rate(RateKind::Percent, 10 * value)],
        tolerance: None,
    };
    let policy = Policy {
        min_replicas: 2,
        max_replicas: 100,
        metrics: vec![Metric { name: "requests".into(), target: Target::AverageValue(Milli::new(100_000)) }],
        behavior: Some(Behavior { up: rules(0, 4), down: rules(300, 2) }),
        downscale_window_seconds: 300,
        mode: Mode::Auto,
    };
    let recommendations =
        (1..=20).rev().map(|age| Recommendation { replicas: 20 + age % 3, at: now.plus_seconds(i64::from(-15 * age)) });
    let events = |change| {
        (1..=3).map(move |age| ScaleEvent { change, at: now.plus_seconds(-25 * age), outdated: false }).collect()
    };
    let state =
        State { recommendations: Some(recommendations.collect()), up_events: events(2), down_events: events(1) };
    let sample = Sample { value: Milli::new(2_812_345), series: 1, age_millis: Some(3_000) };
    let replicas = Replicas { spec: 23, ready: Some(23) };
    (policy, state, Observation { now, replicas, readings: vec![Reading::Complete(sample)] })
}
