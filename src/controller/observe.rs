//! Read: what the metrics say and how large the workload is, put into one observation. Asks only what the decision will use.

use futures::future::join_all;
use tokio::time::Instant;

use super::Context;
use crate::api::Resolved;
use crate::clock::Clock;
use crate::engine::{self, Observation, Replicas, State};
use crate::sources::MetricSource;

/// The observation of a workload of this size, now. All queries go out together, each under its source's own deadline.
pub(super) async fn observe<M: MetricSource, C: Clock>(
    context: &Context<M, C>,
    resolved: &Resolved,
    (state, replicas): (&State, Replicas),
) -> Observation {
    let now = context.clock.now();
    if !engine::asks_metrics(&resolved.policy, state, replicas) {
        return Observation { now, replicas, pods: None, readings: Vec::new() };
    }
    let readings = join_all(resolved.queries.iter().map(|query| async {
        let started = Instant::now();
        let reading = context.source.read(query, now).await;
        let failed = reading.absent().map(|absent| absent.absence.reason());
        context.metrics.queried(started.elapsed().as_secs_f64(), failed);
        reading
    }));
    Observation { now, replicas, pods: None, readings: readings.await }
}
