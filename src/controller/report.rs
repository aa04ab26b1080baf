//! Report: publishes what a pass found, as status, events, metrics and a log line. Everything is rendered from the finding; nothing is
//! computed again, and nothing is written that says the same as before.

use std::sync::Arc;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Resource;

use super::Context;
use super::act::{Acted, Write};
use super::registry::{Memory, Subject};
use crate::api::conditions::{ABLE_TO_SCALE, AMBIGUOUS_SELECTOR, FALLBACK, SCALING_ACTIVE, reason, time};
use crate::api::publish::{self, Situation, Told, WriteResult};
use crate::api::{InvalidSpec, Resolved, ScalingPolicy, ScalingPolicyStatus, TargetRef};
use crate::clock::Clock;
use crate::cluster::events::Notice;
use crate::cluster::status::write_status;
use crate::cluster::{ClusterError, SeenScale};
use crate::engine::{Direction, Outcome, Standing, Timestamp};
use crate::sources::MetricSource;
use crate::telemetry::PolicyReport;

/// What a pass came to.
pub(super) enum Finding<'a> {
    /// The spec cannot be used.
    Invalid(&'a InvalidSpec),
    /// The target's size could not be read.
    Unreadable {
        /// What was in the way.
        error: &'a ClusterError,
        /// The same in words.
        message: String,
    },
    /// Somebody else drives the workload.
    Rivaled {
        /// Who, and what to do.
        message: String,
    },
    /// A decision was made, and carried out as far as that went.
    Decided(&'a Resolved, Box<Acted>),
}

/// Publishes `finding`; leaves in `memory` what the API server now holds.
pub(super) async fn report<M: MetricSource, C: Clock>(
    context: &Context<M, C>,
    subject: &Subject,
    memory: &mut Memory,
    finding: Finding<'_>,
) {
    if let Finding::Decided(resolved, acted) = &finding
        && let Some(status) = told_already(subject, memory, (resolved, acted))
    {
        count(context, acted);
        publish_report(context, subject, (resolved, acted), (status, memory.last_scale));
        return;
    }
    let mut status = {
        let situation = situation(&finding);
        publish::status(memory.status.as_deref(), subject.generation, situation, context.clock.now())
    };
    // A change of size whose answer was lost, or whose status was not written, is told late rather than never.
    status.last_scale_time = memory.last_scale.map(time);
    status.recent_rescales = publish::recent_rescales(&memory.state);
    let is_due = remember(memory, &mut status, &finding);
    tell_conditions(context, (subject, &finding), memory.status.as_deref(), &status);
    let status = Arc::new(status);
    if !subject.is_superseded() {
        context.metrics.policies.publish_status(&subject.key, status.clone());
    }
    match &finding {
        Finding::Invalid(invalid) => context.metrics.sync_failed(invalid.reason()),
        Finding::Unreadable { error, .. } => context.metrics.sync_failed(error.reason()),
        Finding::Rivaled { .. } => context.metrics.sync_failed(reason::CONFLICTING_AUTOSCALER),
        Finding::Decided(resolved, acted) => {
            tell_rescale(context, subject, resolved, (acted, &status));
            count(context, acted);
            publish_report(context, subject, (resolved, acted), (status.clone(), memory.last_scale));
        }
    }
    let is_published = publish_status(context, subject, memory, (status, is_due)).await;
    memory.told = match (&memory.status, finding) {
        (Some(published), Finding::Decided(_, acted)) if is_published && matches!(acted.write, Write::NotNeeded) => {
            Some(Told::new(published, (acted.trace.clone(), acted.overlap)))
        }
        _ => None,
    };
}

/// The published status, where it tells all of this pass already: then none is built, and nothing is written.
fn told_already(
    subject: &Subject,
    memory: &Memory,
    (resolved, acted): (&Resolved, &Acted),
) -> Option<Arc<ScalingPolicyStatus>> {
    let (told, published) = (memory.told.as_ref()?, memory.status.as_ref()?);
    let trace = &acted.trace;
    let covered = matches!(acted.write, Write::NotNeeded)
        && told.covers((published, subject.generation), (trace, &acted.overlap), (&memory.state, memory.last_scale));
    let standing = Standing { policy: &resolved.policy, current: trace.current_replicas, now: trace.at };
    (covered && !publish::is_due(Some(published), (&memory.state, standing))).then(|| published.clone())
}

/// What scrapes and the demo's screen read of a decision.
fn publish_report<M: MetricSource, C: Clock>(
    context: &Context<M, C>,
    subject: &Subject,
    (resolved, acted): (&Resolved, &Acted),
    (status, last_scale): (Arc<ScalingPolicyStatus>, Option<Timestamp>),
) {
    if let Some(policy) = &subject.policy
        && !subject.is_superseded()
    {
        let report = PolicyReport {
            target: resolved.target.clone(),
            policy: policy.clone(),
            trace: acted.trace.clone(),
            status,
            ready_replicas: acted.seen.replicas.ready,
            last_scale,
            requests: subject.requests.clone(),
        };
        context.metrics.policies.publish(&subject.key, Arc::new(report));
    }
}

fn situation<'a>(finding: &'a Finding<'_>) -> Situation<'a> {
    match finding {
        Finding::Invalid(invalid) => Situation::InvalidSpec(invalid),
        Finding::Unreadable { error, message } => {
            Situation::TargetFailed { reason: error.reason(), message, terminal: error.terminal() }
        }
        Finding::Rivaled { message } => Situation::Rivaled { message },
        Finding::Decided(resolved, acted) => Situation::Decided {
            policy: &resolved.policy,
            trace: &acted.trace,
            overlap: &acted.overlap,
            write: match &acted.write {
                Write::NotNeeded => WriteResult::NotNeeded,
                Write::Done(_) => WriteResult::Written,
                Write::Failed { message, .. } => WriteResult::Failed { message },
            },
        },
    }
}

/// Puts the recommendations that a restart must know of into `status`. Answers whether they alone are worth a write. A pass without a
/// decision has none to add.
fn remember(memory: &Memory, status: &mut ScalingPolicyStatus, finding: &Finding<'_>) -> bool {
    let Finding::Decided(resolved, acted) = finding else { return false };
    let trace = &acted.trace;
    let current = match &acted.write {
        Write::Done(rescale) => rescale.to,
        Write::NotNeeded | Write::Failed { .. } => trace.current_replicas,
    };
    let standing = Standing { policy: &resolved.policy, current, now: trace.at };
    publish::remember(status, memory.status.as_deref(), (&memory.state, standing))
}

/// Writes `status` where it says something new. Answers whether what is published says the same now.
async fn publish_status<M: MetricSource, C: Clock>(
    context: &Context<M, C>,
    subject: &Subject,
    memory: &mut Memory,
    (status, is_due): (Arc<ScalingPolicyStatus>, bool),
) -> bool {
    if !is_due && memory.status.as_deref().is_some_and(|published| !publish::differs(published, &status)) {
        return true;
    }
    if subject.is_superseded() {
        return false; // another policy may have its name by now, and speaks for itself
    }
    let name = (subject.key.namespace.as_str(), subject.key.name.as_str());
    match write_status(&context.client, name, &status).await {
        Ok(()) => {
            context.metrics.status_written();
            memory.status = Some(status);
            true
        }
        Err(ClusterError::NotFound { .. }) => false, // the policy was deleted meanwhile
        Err(error) => {
            // The old status stays in memory, so the next pass tries again.
            context.metrics.sync_failed("StatusNotWritten");
            tracing::warn!(policy = %subject.key, %error, "The status could not be written");
            false
        }
    }
}

/// Warning events for conditions that turned bad, or bad for another reason, since what was last published, and one for the end of a
/// fallback.
fn tell_conditions<M: MetricSource, C: Clock>(
    context: &Context<M, C>,
    (subject, finding): (&Subject, &Finding<'_>),
    before: Option<&ScalingPolicyStatus>,
    after: &ScalingPolicyStatus,
) {
    for condition in after.conditions.iter().filter(|condition| is_bad(condition)) {
        let known = before.and_then(|status| status.conditions.iter().find(|known| known.type_ == condition.type_));
        if known.is_some_and(|known| known.status == condition.status && known.reason == condition.reason) {
            continue;
        }
        tracing::warn!(policy = %subject.key, condition = condition.type_, reason = condition.reason, "{}", condition.message);
        context.events.tell(Notice {
            regarding: policy_reference(subject),
            reason: event_reason(condition, finding).to_owned(),
            note: condition.message.clone(),
            warning: true,
        });
    }
    if fallback_ended(before, after) {
        context.events.tell(Notice {
            regarding: policy_reference(subject),
            reason: reason::METRICS_RECOVERED.into(),
            note: "the metrics answered often enough in a row: the floor of spec.fallback is taken away".into(),
            warning: false,
        });
    }
}

/// Conditions whose turning bad is worth an event. Ready and Stalled repeat what these say; pausing and switching off are no faults.
fn is_bad(condition: &Condition) -> bool {
    match condition.type_.as_str() {
        ABLE_TO_SCALE | SCALING_ACTIVE => {
            condition.status == "False" && ![reason::SCALING_DISABLED, reason::PAUSED].contains(&&*condition.reason)
        }
        AMBIGUOUS_SELECTOR | FALLBACK => condition.status == "True",
        _ => false,
    }
}

/// An event carries the condition's word, but for one that HPA has a word of its own for.
fn event_reason<'a>(condition: &'a Condition, finding: &Finding<'_>) -> &'a str {
    let selects_nothing = |seen: &SeenScale| seen.selector.as_deref().is_none_or(|text| text.trim().is_empty());
    match finding {
        Finding::Decided(_, acted) if condition.reason == reason::INVALID_SELECTOR && selects_nothing(&acted.seen) => {
            reason::SELECTOR_REQUIRED
        }
        _ => &condition.reason,
    }
}

/// The floor of a fallback lay under the size, and does no longer.
fn fallback_ended(before: Option<&ScalingPolicyStatus>, after: &ScalingPolicyStatus) -> bool {
    let holds = |status: &ScalingPolicyStatus| status.conditions.iter().any(|condition| condition.type_ == FALLBACK);
    before.is_some_and(holds) && !holds(after)
}

fn tell_rescale<M: MetricSource, C: Clock>(
    context: &Context<M, C>,
    subject: &Subject,
    resolved: &Resolved,
    (acted, status): (&Acted, &ScalingPolicyStatus),
) {
    let Write::Done(rescale) = &acted.write else { return };
    let arithmetic = status.last_decision.as_ref().map_or("", |decision| decision.message.as_str());
    let reason = publish::rescale_reason(&resolved.policy, &acted.trace);
    tracing::info!(
        policy = %subject.key,
        replicas.from = rescale.from,
        replicas.to = rescale.to,
        reason,
        "Rescaled: {arithmetic}"
    );
    let note = format!("New size: {}; reason: {reason}. {arithmetic}", rescale.to);
    for regarding in [policy_reference(subject), target_reference(subject, &resolved.target, &acted.seen)] {
        context.events.tell(Notice {
            regarding,
            reason: "SuccessfulRescale".into(),
            note: note.clone(),
            warning: false,
        });
    }
}

fn count<M: MetricSource, C: Clock>(context: &Context<M, C>, acted: &Acted) {
    match &acted.write {
        Write::Done(rescale) => {
            let direction = if rescale.to > rescale.from { Direction::Up } else { Direction::Down };
            context.metrics.rescaled(direction);
        }
        Write::Failed { error, .. } => context.metrics.sync_failed(error.reason()),
        Write::NotNeeded => {}
    }
    if let Outcome::MetricsFailed { .. } = acted.trace.outcome {
        context.metrics.sync_failed("MetricsFailed");
    }
}

fn policy_reference(subject: &Subject) -> ObjectReference {
    ObjectReference {
        api_version: Some(ScalingPolicy::api_version(&()).into_owned()),
        kind: Some(ScalingPolicy::kind(&()).into_owned()),
        name: Some(subject.key.name.clone()),
        namespace: Some(subject.key.namespace.clone()),
        uid: Some(subject.uid.clone()),
        ..ObjectReference::default()
    }
}

fn target_reference(subject: &Subject, target: &TargetRef, seen: &SeenScale) -> ObjectReference {
    ObjectReference {
        api_version: Some(target.api_version.clone()),
        kind: Some(target.kind.clone()),
        name: Some(target.name.clone()),
        namespace: Some(subject.key.namespace.clone()),
        uid: seen.uid.clone(),
        ..ObjectReference::default()
    }
}
