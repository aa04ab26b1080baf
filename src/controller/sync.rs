//! One pass over one policy: read, observe, decide, act, report, in a straight line. Must not keep anything: memory goes in and comes out.

use std::sync::Arc;

use super::act::{self, Write};
use super::registry::{Memory, Subject, Unconfirmed};
use super::report::{self, Finding};
use super::{Context, observe};
use crate::api::Resolved;
use crate::clock::Clock;
use crate::cluster::SeenScale;
use crate::cluster::rivals::WorkloadKey;
use crate::engine::{Absence, Absent, MetricKind, Outcome, Policy, Trace};
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
        Ok(resolved) if let Some(message) = rival(&context, &subject, resolved).await => {
            report::report(&context, &subject, &mut memory, Finding::Rivaled { message }).await;
            // Looking again costs nothing, so the way is free one period after the rival is gone.
            false
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

/// Who else drives the workload that this policy would write to, in a sentence with the mend.
async fn rival<M, C>(context: &Context<M, C>, subject: &Subject, resolved: &Resolved) -> Option<String> {
    if !subject.writes() {
        return None;
    }
    let target = &resolved.target;
    let workload = WorkloadKey::new(&subject.key.namespace, target);
    if let Some(autoscaler) = context.rivals.of(&workload).await {
        return Some(format!(
            "{} {:?} is driven by {autoscaler} already; delete that, or set mode: DryRun to see what this policy would do",
            target.kind, target.name
        ));
    }
    let elder = context.claims.elder(&subject.key)?;
    Some(format!(
        "{} {:?} is driven by the older ScalingPolicy {:?} already; delete one of the two, or set mode: DryRun",
        target.kind, target.name, elder.name
    ))
}

/// A pass over a valid policy whose target was found. Answers whether it failed.
async fn pass<M: MetricSource, C: Clock>(
    context: &Context<M, C>,
    (subject, resolved): (&Subject, &Resolved),
    memory: &mut Memory,
    seen: SeenScale,
) -> bool {
    memory.confirm(&resolved.policy, &seen);
    memory.recall(subject, resolved, (seen.replicas.spec, context.clock.now()));
    let observed = observe::observe(context, (subject, resolved), (&memory.state, &seen)).await;
    if subject.is_superseded() {
        // Somebody paused, edited or deleted the policy while the metrics were asked: what it says now counts, and its own pass follows.
        return false;
    }
    let acted = act::decide_and_act(context, (subject, resolved), memory, (seen, observed)).await;
    match &acted.write {
        Write::Done(rescale) => memory.record(&resolved.policy, *rescale),
        Write::Failed { rescale, error, .. } if error.outcome_unknown() => {
            let resource_version = acted.seen.resource_version.clone();
            memory.unconfirmed = Some(Unconfirmed { rescale: *rescale, resource_version });
        }
        Write::Failed { .. } | Write::NotNeeded => {}
    }
    // Where some metric works, the policy may still have to grow, and keeps its pace.
    let failed = matches!(acted.write, Write::Failed { .. })
        || matches!(acted.trace.outcome, Outcome::MetricsFailed { .. })
            && !only_sources_are_away(&resolved.policy, &acted.trace);
    report::report(context, subject, memory, Finding::Decided(resolved, Box::new(acted))).await;
    failed
}

/// Whether all that failed is that a Prometheus does not answer. Its source spares it already, so that a pass costs nobody anything; the
/// policy keeps its pace, and is current in the first slot after the outage.
fn only_sources_are_away(policy: &Policy, trace: &Trace) -> bool {
    policy.metrics.iter().zip(&trace.proposals).all(|(metric, proposal)| {
        let away = |absent: &Absent| {
            let away = matches!(absent.absence, Absence::Unreachable | Absence::Unavailable | Absence::Timeout);
            away && metric.kind == MetricKind::Prometheus
        };
        proposal.reading.absent().is_none_or(away)
    })
}
