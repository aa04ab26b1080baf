//! Act: carries a decision out, if there is anything to carry out. On a conflict it looks again and decides again, once; it never writes a
//! number that was decided for another size.

use super::registry::Subject;
use super::{Context, observe};
use crate::api::Resolved;
use crate::clock::Clock;
use crate::cluster::{ClusterError, SeenScale};
use crate::engine::{self, Action, Decision, Observation, Rescale, State};
use crate::sources::MetricSource;

/// What became of a decision.
#[derive(Debug)]
pub(super) struct Acted {
    /// The decision that was carried out, or would have been: the second where the first met a conflict.
    pub decision: Decision,
    /// The engine's memory after it.
    pub state: State,
    /// What the API server said.
    pub write: Write,
    /// Ready replicas as seen.
    pub ready_replicas: Option<i32>,
}

/// What the API server said to a write.
#[derive(Debug)]
pub(super) enum Write {
    /// There was nothing to write.
    NotNeeded,
    /// It took it.
    Done(Rescale),
    /// It did not, or never answered.
    Failed {
        /// What was asked for.
        rescale: Rescale,
        /// Why not.
        error: ClusterError,
        /// The same in words.
        message: String,
    },
}

/// Decides on `observation` and writes the result where one is due.
pub(super) async fn decide_and_act<M: MetricSource, C: Clock>(
    context: &Context<M, C>,
    (subject, resolved): (&Subject, &Resolved),
    state: State,
    (seen, observation): (SeenScale, Observation),
) -> Acted {
    let before = state.clone();
    let (state, decision) = engine::decide(&resolved.policy, state, &observation);
    let write = write(context, (subject, resolved), &decision, &seen).await;
    if !matches!(write, Write::Failed { error: ClusterError::Conflict, .. }) {
        return Acted { decision, state, write, ready_replicas: seen.replicas.ready };
    }
    // Somebody changed the workload between our look and our write. Their number may be wiser than ours: decide anew from it.
    let Ok(seen) = context.scales.look(&subject.key.namespace, &resolved.target).await else {
        return Acted { decision, state, write, ready_replicas: seen.replicas.ready };
    };
    let observation = if observation.readings.is_empty() {
        observe::observe(context, resolved, seen.replicas).await
    } else {
        Observation { replicas: seen.replicas, ..observation }
    };
    let (state, decision) = engine::decide(&resolved.policy, before, &observation);
    let write = self::write(context, (subject, resolved), &decision, &seen).await;
    Acted { decision, state, write, ready_replicas: seen.replicas.ready }
}

async fn write<M: MetricSource, C: Clock>(
    context: &Context<M, C>,
    (subject, resolved): (&Subject, &Resolved),
    decision: &Decision,
    seen: &SeenScale,
) -> Write {
    let Action::ScaleTo(replicas) = decision.action else { return Write::NotNeeded };
    let rescale = Rescale { from: decision.trace.current_replicas, to: replicas, at: decision.trace.at };
    match context.scales.write(&subject.key.namespace, &resolved.target, (replicas, seen)).await {
        Ok(_written) => Write::Done(rescale),
        Err(error) => Write::Failed { rescale, message: error.to_string(), error },
    }
}
