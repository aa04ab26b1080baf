use proptest::prelude::*;

use super::*;
use crate::api::publish::{Situation, WriteResult, differs, recent_rescales, status};
use crate::engine::{
    Absence, Action, Container, Metric, MetricKind, Milli, Mode, Observation, OnMissing, Phase, Pod, PodResources,
    PodSample, PodSamples, Policy, Readiness, ReadyStatus, Replicas, Sample, Settings, Target, decide,
};

const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const PODS: i32 = 4;

/// 100 per replica, 400 in all, and half of what the pods request.
fn policy(mode: Mode) -> Policy {
    let cpu = MetricKind::Resource { resource: "cpu".into(), container: None };
    let metric = |name: &str, kind, target| Metric { name: name.into(), kind, target, on_missing: OnMissing::Hold };
    Policy {
        min_replicas: 2,
        max_replicas: 6,
        metrics: vec![
            metric("load", MetricKind::Prometheus, Target::AverageValue(Milli::new(100_000))),
            metric("queue", MetricKind::External, Target::Value(Milli::new(400_000))),
            metric("cpu", cpu, Target::Utilization(50)),
        ],
        behavior: None,
        downscale_window_seconds: 60,
        fallback: None,
        mode,
        settings: Settings::default(),
    }
}

fn pods() -> Arc<[Pod]> {
    let requests = [("cpu".into(), Milli::new(1000))].into_iter().collect();
    let container = Container { name: "app".into(), requests, restart_always: false };
    let resources = Arc::new(PodResources { containers: vec![container], ..PodResources::default() });
    let old = START.plus_seconds(-100_000);
    let pod = |index: i32| Pod {
        name: format!("web-{index}").into(),
        phase: Phase::Running,
        deleting: false,
        ready: Some(Readiness { status: ReadyStatus::True, changed: old }),
        started: Some(old),
        resources: Arc::clone(&resources),
    };
    (0..PODS).map(pod).collect()
}

/// Load, queue, use of each pod, and how many of them tell it; each metric fails now and then.
fn readings(pods: &[Pod], (load, queue, usage): (i64, i64, i64), now: Timestamp) -> Vec<Reading> {
    let whole = |value: i64| match value {
        0 => Reading::missing(Absence::Timeout, "no answer"),
        value => Reading::Complete(Sample { value: Milli::new(value), series: 1, age_millis: None }),
    };
    let sample = |pod: &Pod| PodSample { pod: pod.name.clone(), value: Milli::new(usage), at: now, window_seconds: 30 };
    let telling = if usage % 7 == 0 { 3 } else { pods.len() };
    let samples = PodSamples::new(pods.iter().take(telling).map(sample).collect(), None);
    vec![whole(load), whole(queue), Reading::PerPod(Arc::new(samples))]
}

fn step() -> impl Strategy<Value = (i64, i64, i64)> {
    let near = |middle: i64| prop_oneof![8 => middle * 93 / 100..middle * 107 / 100, 1 => 1..3 * middle, 1 => Just(0)];
    (near(400_000), near(400_000), 470_i64..530)
}

proptest! {
    /// What is passed over would not have been written, however long the values drift.
    #[test]
    fn what_is_covered_is_no_news(steps in prop::collection::vec(step(), 2..60), dry in any::<bool>()) {
        let policy = policy(if dry { Mode::DryRun } else { Mode::Auto });
        let pods = pods();
        let (mut state, mut now) = (State::default(), START);
        let mut published: Option<ScalingPolicyStatus> = None;
        let mut told: Option<Told> = None;
        for values in steps {
            now = now.plus_seconds(15);
            let replicas = Replicas { spec: PODS, ready: None };
            let seen = Observation { now, replicas, pods: Some(pods.clone()), readings: readings(&pods, values, now) };
            let (after, decision) = decide(&policy, state, &seen);
            state = after;
            let is_write = matches!(decision.action, Action::ScaleTo(_));
            // The size never changes, so a write is one that failed.
            let write = if is_write { WriteResult::Failed { message: "no" } } else { WriteResult::NotNeeded };
            let trace = Arc::new(decision.trace);
            let situation = Situation::Decided { policy: &policy, trace: &trace, write, overlap: &Overlap::None };
            let mut built = status(published.as_ref(), 1, situation, now);
            built.recent_rescales = recent_rescales(&state);
            let is_news = published.as_ref().is_none_or(|published| differs(published, &built));
            if let (Some(told), Some(published), false) = (&told, &published, is_write) {
                let covered = told.covers((published, 1), (&trace, &Overlap::None), (&state, None));
                prop_assert!(!covered || !is_news, "{published:#?} is not news: {built:#?}");
                prop_assert!(!told.covers((published, 2), (&trace, &Overlap::None), (&state, None)));
                prop_assert!(!told.covers((published, 1), (&trace, &Overlap::Found("x".into())), (&state, None)));
                prop_assert!(!told.covers((published, 1), (&trace, &Overlap::None), (&state, Some(now))));
                if covered {
                    continue;
                }
            }
            if is_news {
                published = Some(built);
            }
            told = published.as_ref().filter(|_| !is_write).map(|published| Told::new(published, (trace, Overlap::None)));
        }
    }
}

#[test]
fn a_quiet_pass_is_covered_and_a_loud_one_is_not() {
    let (policy, pods) = (policy(Mode::Auto), pods());
    let look = |state: State, values: (i64, i64, i64)| {
        let replicas = Replicas { spec: PODS, ready: None };
        let seen =
            Observation { now: START, replicas, pods: Some(pods.clone()), readings: readings(&pods, values, START) };
        let (state, decision) = decide(&policy, state, &seen);
        (state, Arc::new(decision.trace))
    };
    let (state, trace) = look(State::default(), (400_000, 400_000, 500));
    let situation =
        Situation::Decided { policy: &policy, trace: &trace, write: WriteResult::NotNeeded, overlap: &Overlap::None };
    let published = status(None, 1, situation, START);
    let told = Told::new(&published, (trace, Overlap::None));
    for (values, expected) in [
        ((400_000, 400_000, 500), true),
        ((430_000, 420_000, 510), true),
        // A tenth of 100 per replica, of 400, and of 50 %; beyond it the tolerance ends as well.
        ((441_000, 400_000, 500), false),
        ((400_000, 441_000, 500), false),
        ((400_000, 400_000, 560), false),
        ((0, 400_000, 500), false),
    ] {
        let (state, trace) = look(state.clone(), values);
        assert_eq!(told.covers((&published, 1), (&trace, &Overlap::None), (&state, None)), expected, "{values:?}");
    }
}
