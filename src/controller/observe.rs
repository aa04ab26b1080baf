//! Read: what the metrics say, which pods there are and how large the workload is, put into one observation. Asks only what the decision
//! will use.

use std::sync::Arc;

use futures::future::join_all;
use tokio::time::Instant;

use super::Context;
use super::registry::Subject;
use super::selectors::MOST_OTHERS;
use crate::api::Resolved;
use crate::api::publish::Overlap;
use crate::api::query::{MetricRequest, PodUsage};
use crate::clock::Clock;
use crate::cluster::SeenScale;
use crate::engine::{self, Absence, Absent, Observation, Pod, Reading, State, Timestamp};
use crate::sources::kubernetes::PodScope;
use crate::sources::{Ask, MetricSource};

/// What was seen of a workload.
#[derive(Debug, Clone)]
pub(super) struct Observed {
    /// What the decision is made from.
    pub observation: Observation,
    /// Whether others measure its pods as well.
    pub overlap: Overlap,
}

/// The observation of a workload as it was seen, now. All requests go out together, each under its source's own deadline.
pub(super) async fn observe<M: MetricSource, C: Clock>(
    context: &Context<M, C>,
    (subject, resolved): (&Subject, &Resolved),
    (state, seen): (&State, &SeenScale),
) -> Observed {
    let replicas = seen.replicas;
    if !engine::asks_metrics(&resolved.policy, state, replicas) {
        let observation = Observation { now: context.clock.now(), replicas, pods: None, readings: Vec::new() };
        return Observed { observation, overlap: Overlap::Unknown };
    }
    let namespace = subject.key.namespace.as_str();
    let (pods, overlap) = if subject.needs_pods() {
        let (pods, overlap) = pods(context, (subject, resolved), seen).await;
        (Some(pods), overlap)
    } else {
        (None, Overlap::None)
    };
    let now = context.clock.now();
    let place = Place { namespace, seen, pods: pods.as_ref() };
    let readings = join_all(resolved.requests.iter().map(|request| async {
        let started = Instant::now();
        let reading = read(context, request, (place, now)).await;
        let failed = reading.absent().map(|absent| absent.absence.reason());
        context.metrics.queried(started.elapsed().as_secs_f64(), failed);
        reading
    }));
    let observation = Observation { now, replicas, readings: readings.await, pods: pods.and_then(Result::ok) };
    Observed { observation, overlap }
}

/// What a request is asked for.
#[derive(Clone, Copy)]
struct Place<'a> {
    namespace: &'a str,
    seen: &'a SeenScale,
    /// The workload's pods, or why they are not known; `None` where no metric needs them.
    pods: Option<&'a Result<Arc<[Pod]>, Absent>>,
}

/// The workload's pods, and whether others select some of them.
async fn pods<M, C>(
    context: &Context<M, C>,
    (subject, resolved): (&Subject, &Resolved),
    seen: &SeenScale,
) -> (Result<Arc<[Pod]>, Absent>, Overlap) {
    let selector = seen.selector.as_deref().unwrap_or_default();
    let test = match context.selectors.hold(subject, (&resolved.target, selector)) {
        Ok(test) => test,
        Err(error) => {
            let absent = Absent { absence: Absence::InvalidSelector, message: error.to_string().into() };
            return (Err(absent), Overlap::None);
        }
    };
    match context.pods.of(&subject.key.namespace, &test).await {
        Ok(selected) => {
            let others = context.selectors.others(&subject.key, &selected.labels);
            let names: Vec<&str> = others.iter().map(|key| key.name.as_str()).collect();
            (Ok(selected.pods), overlap(selector, &names))
        }
        Err(absent) => (Err(absent), Overlap::Unknown),
    }
}

/// HPA stops here, both sides, until somebody notices. Going on with a warning serves the workload better: what is measured is too much
/// rather than too little, and a size that is stuck at peak is the worse harm.
fn overlap(selector: &str, others: &[&str]) -> Overlap {
    if others.is_empty() {
        return Overlap::None;
    }
    let named: Vec<String> = others.iter().take(MOST_OTHERS - 1).map(|name| format!("{name:?}")).collect();
    let more = if others.len() < MOST_OTHERS { "" } else { " and more" };
    Overlap::Found(format!(
        "pods that {selector:?} selects are measured by ScalingPolicy {}{more} as well, so each counts the other's pods; give their workloads selectors that share no pod",
        named.join(", ")
    ))
}

async fn read<M: MetricSource, C>(
    context: &Context<M, C>,
    request: &MetricRequest,
    (place, now): (Place<'_>, Timestamp),
) -> Reading {
    let namespace = place.namespace;
    match request {
        MetricRequest::Prometheus(query) => context.source.read(Ask { query, namespace, at: now }).await,
        MetricRequest::PodUsage(usage) => match place.scope() {
            Ok(scope) => pod_usage(context, usage, ((scope, place.known_pods()), now)).await,
            Err(absent) => Reading::Missing(absent),
        },
        MetricRequest::PodMetric(metric) => match place.scope() {
            Ok(scope) => context.metrics_apis.pod_metric(metric, scope, now).await,
            Err(absent) => Reading::Missing(absent),
        },
        MetricRequest::Object(object, metric) => {
            context.metrics_apis.object_metric((object, metric), namespace, now).await
        }
        MetricRequest::External(metric) => context.metrics_apis.external_metric(metric, namespace, now).await,
    }
}

/// What the pods use. The one place that knows which source tells it: Prometheus for what it has a query for, where it was chosen.
async fn pod_usage<M, C>(
    context: &Context<M, C>,
    usage: &PodUsage,
    ((scope, pods), now): ((PodScope<'_>, &[Pod]), Timestamp),
) -> Reading {
    if let Some(usages) = &context.pod_usages
        && let Some(reading) = usages.read(usage, (scope.namespace, pods), now).await
    {
        return reading;
    }
    context.metrics_apis.pod_usage(usage, scope, now).await
}

impl<'a> Place<'a> {
    /// Whose pods are meant; without the pods themselves their values would mean nothing, and are not asked.
    fn scope(self) -> Result<PodScope<'a>, Absent> {
        if let Some(Err(absent)) = self.pods {
            return Err(absent.clone());
        }
        Ok(PodScope { namespace: self.namespace, selector: self.seen.selector.as_deref().unwrap_or_default() })
    }

    fn known_pods(self) -> &'a [Pod] {
        self.pods.and_then(|pods| pods.as_deref().ok()).unwrap_or_default()
    }
}
