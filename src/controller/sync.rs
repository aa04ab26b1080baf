//! One pass over one policy: read, observe, decide, act, report, in a straight line. Must not keep anything: memory goes in and comes out.

use std::sync::Arc;

use super::act::{self, Acted, Write};
use super::registry::{Memory, Subject};
use super::report::{self, Finding};
use super::{Context, observe};
use crate::api::Resolved;
use crate::clock::Clock;
use crate::cluster::SeenScale;
use crate::engine::Outcome;
use crate::sources::MetricSource;

/// Runs one pass; answers with the memory for the next.
pub(super) async fn sync<M: MetricSource, C: Clock>(
    context: Arc<Context<M, C>>,
    subject: Arc<Subject>,
    mut memory: Memory,
) -> Memory {
    let failed = match &subject.resolved {
        Err(invalid) => {
            report::report(&context, &subject, &mut memory, Finding::Invalid(invalid)).await;
            true
        }
        Ok(resolved) => match context.scales.read(&subject.key.namespace, &resolved.target).await {
            Err(error) => {
                report::report(
                    &context,
                    &subject,
                    &mut memory,
                    Finding::Unreadable { message: error.to_string(), error: &error },
                )
                .await;
                true
            }
            Ok(seen) => pass(&context, (&subject, resolved), &mut memory, seen).await,
        },
    };
    memory.failures = if failed { memory.failures.saturating_add(1) } else { 0 };
    memory
}

/// A pass over a valid policy whose target was found. Answers whether it failed.
async fn pass<M: MetricSource, C: Clock>(
    context: &Context<M, C>,
    (subject, resolved): (&Subject, &Resolved),
    memory: &mut Memory,
    seen: SeenScale,
) -> bool {
    confirm(resolved, memory, &seen);
    let observation = observe::observe(context, resolved, seen.replicas).await;
    let state = std::mem::take(&mut memory.state);
    let acted = act::decide_and_act(context, (subject, resolved), state, (seen, observation)).await;
    remember(resolved, memory, &acted);
    let failed = matches!(acted.write, Write::Failed { .. })
        || matches!(
            acted.decision.trace.outcome,
            Outcome::MetricsFailed { .. } | Outcome::Valid { degraded: true, .. }
        );
    report::report(context, subject, memory, Finding::Decided(resolved, Box::new(acted))).await;
    failed
}

/// A write whose answer was lost counts against the rate limits once its effect is seen.
fn confirm(resolved: &Resolved, memory: &mut Memory, seen: &SeenScale) {
    if let Some(rescale) = memory.unconfirmed.take()
        && rescale.to == seen.replicas.spec
    {
        memory.state.record_rescale(&resolved.policy, rescale);
        memory.last_scale = Some(rescale.at);
    }
}

fn remember(resolved: &Resolved, memory: &mut Memory, acted: &Acted) {
    memory.state = acted.state.clone();
    match &acted.write {
        Write::Done(rescale) => {
            memory.state.record_rescale(&resolved.policy, *rescale);
            memory.last_scale = Some(rescale.at);
        }
        Write::Failed { rescale, error, .. } if error.outcome_unknown() => memory.unconfirmed = Some(*rescale),
        Write::Failed { .. } | Write::NotNeeded => {}
    }
}
