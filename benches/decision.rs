//! How long one decision takes: one Prometheus metric, `behavior`, 20 remembered recommendations and a few scale events.
//! `cargo bench --bench decision`.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use flyball::engine::decide;

#[path = "decision/situation.rs"]
mod situation;

fn decision(criterion: &mut Criterion) {
    let (policy, state, observation) = situation::busy();
    let mut group = criterion.benchmark_group("decide");
    group.bench_function("one metric, behavior, 20 recommendations, 6 events", |bencher| {
        // As in the loop: each decision takes the state that the last one gave back.
        let (mut state, mut observation) = (state.clone(), observation.clone());
        bencher.iter(|| {
            observation.now = observation.now.plus_seconds(15);
            let (after, decision) = decide(&policy, std::mem::take(&mut state), black_box(&observation));
            state = after;
            decision
        });
    });
    group.finish();
}

criterion_group!(benches, decision);
criterion_main!(benches);
