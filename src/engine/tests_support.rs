//! Small values for the unit tests of the engine.

use super::{
    Behavior, Metric, MetricKind, Milli, Mode, Observation, Policy, Reading, Replicas, Sample, Settings, Target,
    Timestamp, behavior,
};

/// An instant `seconds` from an arbitrary beginning.
pub(super) const fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000).plus_seconds(seconds)
}

/// A policy of one metric with a target of 100 per replica, without `behavior`.
pub(super) fn policy(min_replicas: i32, max_replicas: i32) -> Policy {
    Policy {
        min_replicas,
        max_replicas,
        metrics: vec![Metric {
            name: "load".into(),
            kind: MetricKind::Prometheus,
            target: Target::AverageValue(Milli::new(100_000)),
        }],
        behavior: None,
        downscale_window_seconds: 300,
        mode: Mode::Auto,
        settings: Settings::default(),
    }
}

/// A behavior of nothing but defaults.
pub(super) fn behavior() -> Behavior {
    behavior::complete(behavior::BehaviorDraft::default()).unwrap()
}

/// A whole answer of `value` units.
pub(super) fn complete(value: i64) -> Reading {
    Reading::Complete(Sample { value: Milli::new(value * 1000), series: 1, age_millis: None })
}

/// One look at a workload of `spec` replicas.
pub(super) fn seen(seconds: i64, spec: i32, readings: Vec<Reading>) -> Observation {
    Observation { now: at(seconds), replicas: Replicas { spec, ready: None }, pods: None, readings }
}
