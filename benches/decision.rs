//! How long one decision takes. The road leads to 1,000,000 per second and core, so to less than 1 µs each.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use flyball::engine::{
    Container, Metric, MetricKind, Milli, Mode, Observation, Phase, Pod, PodResources, PodSample, PodSamples, Policy,
    Readiness, Reading, ReadyStatus, Replicas, Sample, Settings, State, Target, Timestamp, behavior, decide,
};

/// Decisions that lie in the memory of a policy in steady state: a window of 300 s at a period of 15 s.
const WARM_UP_DECISIONS: i64 = 40;

fn policy(with_behavior: bool, metrics: usize) -> Policy {
    let metric = Metric {
        name: "load".into(),
        kind: MetricKind::Prometheus,
        target: Target::AverageValue(Milli::new(100_000)),
        on_missing: flyball::engine::OnMissing::Hold,
    };
    Policy {
        min_replicas: 2,
        max_replicas: 50,
        metrics: vec![metric; metrics],
        behavior: with_behavior.then(behavior::BehaviorDraft::default).and_then(|draft| behavior::complete(draft).ok()),
        downscale_window_seconds: 300,
        mode: Mode::Auto,
        settings: Settings::default(),
        fallback: None,
    }
}

fn observation(step: i64, metrics: usize) -> Observation {
    let sample = Sample { value: Milli::new(900_000 + step % 7 * 50_000), series: 1, age_millis: Some(500) };
    Observation {
        now: Timestamp::from_millis(1_800_000_000_000).plus_seconds(step * 15),
        replicas: Replicas { spec: 10, ready: Some(10) },
        pods: None,
        readings: vec![Reading::Complete(sample); metrics],
    }
}

/// A policy of cpu at 50 %, and `count` pods that use 55 %.
fn by_pods(count: usize) -> (Policy, Observation) {
    let requests = [("cpu".into(), Milli::new(1000))].into_iter().collect();
    let container = Container { name: "app".into(), requests, restart_always: false };
    let resources = Arc::new(PodResources { containers: vec![container], ..PodResources::default() });
    let old = Timestamp::from_millis(0);
    let pod = |index: usize| Pod {
        name: format!("web-7d4b9c6f5-{index:05}").into(),
        phase: Phase::Running,
        deleting: false,
        ready: Some(Readiness { status: ReadyStatus::True, changed: old }),
        started: Some(old),
        resources: Arc::clone(&resources),
    };
    let pods: Arc<[Pod]> = (0..count).map(pod).collect();
    let sample =
        |pod: &Pod| PodSample { pod: Arc::clone(&pod.name), value: Milli::new(550), at: old, window_seconds: 30 };
    let samples = PodSamples::new(pods.iter().map(sample).collect(), None);
    let kind = MetricKind::Resource { resource: "cpu".into(), container: None };
    let metric = Metric {
        name: "cpu".into(),
        kind,
        target: Target::Utilization(50),
        on_missing: flyball::engine::OnMissing::Hold,
    };
    let readings = vec![Reading::PerPod(Arc::new(samples))];
    (
        Policy { metrics: vec![metric], ..policy(true, 0) },
        Observation { pods: Some(pods), readings, ..observation(0, 0) },
    )
}

fn decisions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decision");
    for (name, with_behavior, metrics) in
        [("behavior, one metric", true, 1), ("behavior, four metrics", true, 4), ("no behavior, one metric", false, 1)]
    {
        let policy = policy(with_behavior, metrics);
        let mut step = 0;
        let mut state = State::default();
        for _ in 0..WARM_UP_DECISIONS {
            step += 1;
            state = decide(&policy, state, &observation(step, metrics)).0;
        }
        let mut seen = observation(step, metrics);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                seen.now = seen.now.plus_seconds(15);
                let (after, decision) = decide(black_box(&policy), std::mem::take(&mut state), black_box(&seen));
                state = after;
                decision
            });
        });
    }
    for count in [10, 100, 1000] {
        let (policy, mut seen) = by_pods(count);
        let mut state = State::default();
        for _ in 0..WARM_UP_DECISIONS {
            seen.now = seen.now.plus_seconds(15);
            state = decide(&policy, state, &seen).0;
        }
        group.bench_function(format!("cpu of {count} pods"), |bencher| {
            bencher.iter(|| {
                seen.now = seen.now.plus_seconds(15);
                let (after, decision) = decide(black_box(&policy), std::mem::take(&mut state), black_box(&seen));
                state = after;
                decision
            });
        });
    }
    group.finish();
}

criterion_group!(benches, decisions);
criterion_main!(benches);
