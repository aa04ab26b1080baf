//! How often one decision asks for memory. Alone in its process: the counter sees every thread.

use flyball::engine::{
    Metric, MetricKind, Milli, Mode, Observation, Policy, Reading, Replicas, Sample, Settings, State, Target,
    Timestamp, behavior, decide,
};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// Decisions that are counted.
const DECISIONS: u64 = 1000;
/// The list of proposals in the trace. The state's own lists are reused.
const MOST_PER_DECISION: u64 = 1;

#[test]
fn a_decision_in_steady_state_allocates_its_list_of_proposals_and_nothing_else() {
    for with_behavior in [true, false] {
        let policy = Policy {
            min_replicas: 2,
            max_replicas: 50,
            metrics: vec![Metric {
                name: "load".into(),
                kind: MetricKind::Prometheus,
                target: Target::AverageValue(Milli::new(100_000)),
            }],
            behavior: with_behavior.then(|| behavior::complete(behavior::BehaviorDraft::default()).unwrap()),
            downscale_window_seconds: 300,
            mode: Mode::Auto,
            settings: Settings::default(),
        };
        let mut seen = Observation {
            now: Timestamp::from_millis(1_800_000_000_000),
            replicas: Replicas { spec: 10, ready: Some(10) },
            pods: None,
            readings: vec![Reading::Complete(Sample { value: Milli::new(1_300_000), series: 1, age_millis: None })],
        };
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
}
