//! What the engine's unit tests are built from.

use super::{
    Absence, Absent, Behavior, Metric, Milli, Mode, Observation, Policy, RateKind, RatePolicy, Reading, Recommendation,
    Replicas, Rules, Sample, Select, State, Target, Timestamp,
};

pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

pub(crate) fn ago(seconds: i64) -> Timestamp {
    NOW.plus_seconds(-seconds)
}

pub(crate) fn complete(value: i64) -> Reading {
    Reading::Complete(Sample { value: Milli::new(value), series: 1, age_millis: None })
}

pub(crate) fn partial(value: i64) -> Reading {
    let absent = Absent { absence: Absence::Warnings, message: "one replica of Prometheus did not answer".into() };
    Reading::Partial(Sample { value: Milli::new(value), series: 1, age_millis: None }, absent)
}

pub(crate) fn missing() -> Reading {
    Reading::missing(Absence::Timeout, "no answer within 5 s")
}

pub(crate) fn observation(spec: i32, readings: Vec<Reading>) -> Observation {
    Observation { now: NOW, replicas: Replicas { spec, ready: None }, readings }
}

pub(crate) fn rate(kind: RateKind, value: i32, period_seconds: i32) -> RatePolicy {
    RatePolicy { kind, value, period_seconds }
}

pub(crate) fn rules(window_seconds: Option<i32>, select: Select, policies: Vec<RatePolicy>) -> Rules {
    Rules { window_seconds, select, policies, tolerance: None }
}

/// Windows and nothing else that could limit.
pub(crate) fn windows(up: Option<i32>, down: Option<i32>) -> Behavior {
    let free = |window| rules(window, Select::Max, vec![rate(RateKind::Pods, 1000, 15)]);
    Behavior { up: free(up), down: free(down) }
}

/// 2 to 20 replicas, `metrics` metrics with a target of 1 a replica, no `behavior`.
pub(crate) fn policy(metrics: usize) -> Policy {
    let metric = |index| Metric { name: format!("m{index}").into(), target: Target::AverageValue(Milli::new(1000)) };
    Policy {
        min_replicas: 2,
        max_replicas: 20,
        metrics: (0..metrics).map(metric).collect(),
        behavior: None,
        downscale_window_seconds: 300,
        mode: Mode::Auto,
    }
}

/// Recommendations by age in seconds.
pub(crate) fn remembered(recommendations: &[(i32, i64)]) -> State {
    let recommendation = |(replicas, age): &(i32, i64)| Recommendation { replicas: *replicas, at: ago(*age) };
    State { recommendations: Some(recommendations.iter().map(recommendation).collect()), ..State::default() }
}
