//! How many allocations one decision makes, counted. A decision runs for each policy at each interval; what it allocates is its trace.

#[path = "../benches/decision/situation.rs"]
mod situation;

use flyball::engine::decide;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// The list of proposals in the trace, and nothing else. Each proposal that is missing shares its message with the reading.
const MOST: u64 = 1;

/// Alone in its file, since the profiler counts the whole process.
#[test]
fn a_decision_allocates_no_more_than_its_trace() {
    let (policy, mut state, mut observation) = situation::busy();
    // The first decision may let the list of recommendations grow; from then on outdated places are used again.
    for _ in 0..3 {
        observation.now = observation.now.plus_seconds(15);
        state = decide(&policy, state, &observation).0;
    }
    observation.now = observation.now.plus_seconds(15);
    let _profiler = dhat::Profiler::builder().testing().build();
    let before = dhat::HeapStats::get();
    let (_state, decision) = decide(&policy, state, &observation);
    let after = dhat::HeapStats::get();
    let allocations = after.total_blocks - before.total_blocks;
    let bytes = after.total_bytes - before.total_bytes;
    println!("{allocations} allocations, {bytes} bytes per decision");
    assert_eq!(decision.trace.proposals.len(), 1);
    assert!(decision.trace.limit.is_some(), "every step was reached");
    assert!(allocations <= MOST, "{allocations} allocations ({bytes} bytes), at most {MOST} expected");
}
