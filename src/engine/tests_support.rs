//! Small values for the unit tests of the engine.

use std::sync::Arc;

use super::{
    Behavior, Container, Metric, MetricKind, Milli, Mode, Observation, Phase, Pod, PodResources, PodSample, Policy,
    Readiness, Reading, ReadyStatus, Replicas, Sample, Settings, Target, Timestamp, behavior,
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
            on_missing: crate::engine::OnMissing::Hold,
        }],
        behavior: None,
        downscale_window_seconds: 300,
        mode: Mode::Auto,
        settings: Settings::default(),
        fallback: None,
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

/// A pod that is old and ready, of one container that requests one cpu.
pub(super) fn pod(name: &str) -> Pod {
    let requests = [("cpu".into(), Milli::new(1000))].into_iter().collect();
    let container = Container { name: "app".into(), requests, restart_always: false };
    Pod {
        name: name.into(),
        phase: Phase::Running,
        deleting: false,
        ready: Some(Readiness { status: ReadyStatus::True, changed: at(-3000) }),
        started: Some(at(-3600)),
        resources: Arc::new(PodResources { containers: vec![container], ..PodResources::default() }),
    }
}

/// What a pod uses now, in thousandths.
pub(super) fn usage(pod: &str, value: i64) -> PodSample {
    PodSample { pod: pod.into(), value: Milli::new(value), at: at(0), window_seconds: 30 }
}
