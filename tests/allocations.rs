//! How often one decision asks for memory. Alone in its process: the counter sees every thread.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use flyball::api::publish::{self, Overlap, Situation, Told, WriteResult};
use flyball::engine::{
    Container, Metric, MetricKind, Milli, Mode, Observation, Phase, Pod, PodResources, PodSample, PodSamples, Policy,
    Readiness, Reading, ReadyStatus, Replicas, Sample, Settings, State, Target, Timestamp, behavior, decide,
};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// Decisions that are counted.
const DECISIONS: u64 = 1000;
/// The list of proposals in the trace. The state's own lists are reused.
const MOST_PER_DECISION: u64 = 1;

/// Pods of the workload whose cpu is measured: more than a name a lookup, fewer than a bench.
const PODS: usize = 20;

fn policy(with_behavior: bool, metric: Metric) -> Policy {
    Policy {
        min_replicas: 2,
        max_replicas: 50,
        metrics: vec![metric],
        behavior: with_behavior.then(|| behavior::complete(behavior::BehaviorDraft::default()).unwrap()),
        downscale_window_seconds: 300,
        mode: Mode::Auto,
        settings: Settings::default(),
        fallback: None,
    }
}

fn seen(pods: Option<Arc<[Pod]>>, reading: Reading) -> Observation {
    let now = Timestamp::from_millis(1_800_000_000_000);
    Observation { now, replicas: Replicas { spec: 10, ready: Some(10) }, pods, readings: vec![reading] }
}

/// 130 of 100 per replica.
fn by_value() -> (Metric, Observation) {
    let target = Target::AverageValue(Milli::new(100_000));
    let sample = Sample { value: Milli::new(1_300_000), series: 1, age_millis: None };
    (
        Metric {
            name: "load".into(),
            kind: MetricKind::Prometheus,
            target,
            on_missing: flyball::engine::OnMissing::Hold,
        },
        seen(None, Reading::Complete(sample)),
    )
}

/// 65 % of 50 %, of half of the pods; the others have failed.
fn by_pods() -> (Metric, Observation) {
    let requests = [("cpu".into(), Milli::new(1000))].into_iter().collect();
    let container = Container { name: "app".into(), requests, restart_always: false };
    let resources = Arc::new(PodResources { containers: vec![container], ..PodResources::default() });
    let old = Timestamp::from_millis(0);
    let pod = |index: usize| Pod {
        name: format!("web-{index}").into(),
        phase: if index.is_multiple_of(2) { Phase::Running } else { Phase::Failed },
        deleting: false,
        ready: Some(Readiness { status: ReadyStatus::True, changed: old }),
        started: Some(old),
        resources: Arc::clone(&resources),
    };
    let pods: Arc<[Pod]> = (0..PODS).map(pod).collect();
    let sample =
        |pod: &Pod| PodSample { pod: Arc::clone(&pod.name), value: Milli::new(650), at: old, window_seconds: 30 };
    let samples = PodSamples::new(pods.iter().map(sample).collect(), None);
    let kind = MetricKind::Resource { resource: "cpu".into(), container: None };
    let metric = Metric {
        name: "cpu".into(),
        kind,
        target: Target::Utilization(50),
        on_missing: flyball::engine::OnMissing::Hold,
    };
    (metric, seen(Some(pods), Reading::PerPod(Arc::new(samples))))
}

/// Decisions whose report would find nothing new, and finds that out from the decisions.
fn an_unchanged_pass_reports_without_an_allocation() {
    let (metric, seen) = by_value();
    let policy = Policy { max_replicas: 10, ..policy(false, metric) };
    let (state, decision) = decide(&policy, State::default(), &seen);
    let trace = Arc::new(decision.trace);
    let situation =
        Situation::Decided { policy: &policy, trace: &trace, write: WriteResult::NotNeeded, overlap: &Overlap::None };
    let published = publish::status(None, 1, situation, seen.now);
    let told = Told::new(&published, (trace.clone(), Overlap::None));
    let _profiler = dhat::Profiler::builder().testing().build();
    for _ in 0..DECISIONS {
        assert!(told.covers((&published, 1), (&trace, &Overlap::None), (&state, None)));
    }
    let blocks = dhat::HeapStats::get().total_blocks;
    assert!(blocks < DECISIONS / 10, "{blocks} allocations in {DECISIONS} reports");
}

#[test]
fn a_decision_in_steady_state_allocates_its_list_of_proposals_and_nothing_else() {
    for (with_behavior, (metric, mut seen)) in
        [(true, by_value()), (false, by_value()), (true, by_pods()), (false, by_pods())]
    {
        let policy = policy(with_behavior, metric);
        let mut state = State::default();
        let mut step = |count: u64| {
            for _ in 0..count {
                seen.now = seen.now.plus_seconds(15);
                let (after, decision) = decide(&policy, std::mem::take(&mut state), &seen);
                assert_eq!(decision.trace.recommended_replicas, Some(13));
                state = after;
            }
        };
        // Fills the window, so that the memory has its final size.
        step(50);
        let _profiler = dhat::Profiler::builder().testing().build();
        step(DECISIONS);
        let blocks = dhat::HeapStats::get().total_blocks;
        // The test harness has a thread of its own and may allocate a handful of times meanwhile; that never adds up to one a decision.
        assert!(blocks / DECISIONS <= MOST_PER_DECISION, "{blocks} allocations in {DECISIONS} decisions");
    }
    // In the same test: one process has one counter.
    an_unchanged_pass_reports_without_an_allocation();
}
