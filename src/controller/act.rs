//! Act: carries a decision out, if there is anything to carry out. On a conflict it looks again and decides again, once; it never writes a
//! number that was decided for another size.

use std::sync::Arc;

use super::Context;
use super::observe::{self, Observed};
use super::registry::{Memory, Subject};
use crate::api::Resolved;
use crate::api::publish::Overlap;
use crate::clock::Clock;
use crate::cluster::{ClusterError, SeenScale};
use crate::engine::{self, Action, Decision, Observation, Rescale, Trace};
use crate::sources::MetricSource;

/// What became of a decision.
#[derive(Debug)]
pub(super) struct Acted {
    /// What led to the decision that was carried out, or would have been: the second where the first met a conflict.
    pub trace: Arc<Trace>,
    /// What the API server said.
    pub write: Write,
    /// The size that it was made from.
    pub seen: SeenScale,
    /// Whether others measure its pods as well.
    pub overlap: Overlap,
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

/// Decides on what was observed and writes the result where one is due. Leaves in `memory` what the engine remembers.
pub(super) async fn decide_and_act<M: MetricSource, C: Clock>(
    context: &Context<M, C>,
    (subject, resolved): (&Subject, &Resolved),
    memory: &mut Memory,
    (seen, Observed { observation, overlap }): (SeenScale, Observed),
) -> Acted {
    let (state, decision) = engine::decide(&resolved.policy, memory.state.clone(), &observation);
    let write = write(context, (subject, resolved), &decision, &seen).await;
    if !matches!(write, Write::Failed { error: ClusterError::Conflict, .. }) {
        memory.state = state;
        return Acted { trace: Arc::new(decision.trace), write, seen, overlap };
    }
    // Somebody changed the workload between our look and our write. Their number may be wiser than ours: decide anew from it.
    let Ok(seen) = context.scales.look(&subject.key.namespace, &resolved.target).await else {
        memory.state = state;
        return Acted { trace: Arc::new(decision.trace), write, seen, overlap };
    };
    // That somebody may have been an earlier write of ours.
    memory.confirm(&resolved.policy, &seen);
    let Observed { observation, overlap } = if observation.readings.is_empty() {
        observe::observe(context, (subject, resolved), (&memory.state, &seen)).await
    } else {
        Observed { observation: Observation { replicas: seen.replicas, ..observation }, overlap }
    };
    let (state, decision) = engine::decide(&resolved.policy, memory.state.clone(), &observation);
    memory.state = state;
    let write = self::write(context, (subject, resolved), &decision, &seen).await;
    Acted { trace: Arc::new(decision.trace), write, seen, overlap }
}

async fn write<M: MetricSource, C: Clock>(
    context: &Context<M, C>,
    (subject, resolved): (&Subject, &Resolved),
    decision: &Decision,
    seen: &SeenScale,
) -> Write {
    let Action::ScaleTo(replicas) = decision.action else { return Write::NotNeeded };
    if subject.is_superseded() {
        return Write::NotNeeded; // what the policy says now counts, and its own pass follows
    }
    let rescale = Rescale { from: decision.trace.current_replicas, to: replicas, at: decision.trace.at };
    match context.scales.write(&subject.key.namespace, &resolved.target, (replicas, seen)).await {
        Ok(_written) => Write::Done(rescale),
        Err(error) => Write::Failed { rescale, message: error.to_string(), error },
    }
}
