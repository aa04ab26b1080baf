//! Read: what the metrics say, which pods there are and how large the workload is, put into one observation. Asks only what the decision
//! will use.

use std::sync::Arc;

use futures::future::join_all;
use tokio::time::Instant;

use super::Context;
use crate::api::Resolved;
use crate::api::query::{MetricRequest, PodUsage};
use crate::clock::Clock;
use crate::cluster::SeenScale;
use crate::engine::{self, Absent, Observation, Pod, Reading, State, Timestamp};
use crate::sources::kubernetes::PodScope;
use crate::sources::{Ask, MetricSource};

/// The observation of a workload as it was seen, now. All requests go out together, each under its source's own deadline.
pub(super) async fn observe<M: MetricSource, C: Clock>(
    context: &Context<M, C>,
    (namespace, resolved): (&str, &Resolved),
    (state, seen): (&State, &SeenScale),
) -> Observation {
    let replicas = seen.replicas;
    if !engine::asks_metrics(&resolved.policy, state, replicas) {
        return Observation { now: context.clock.now(), replicas, pods: None, readings: Vec::new() };
    }
    let pods = pods(context, (namespace, resolved), seen).await;
    let now = context.clock.now();
    let place = Place { namespace, seen, pods: pods.as_ref() };
    let readings = join_all(resolved.requests.iter().map(|request| async {
        let started = Instant::now();
        let reading = read(context, request, (place, now)).await;
        let failed = reading.absent().map(|absent| absent.absence.reason());
        context.metrics.queried(started.elapsed().as_secs_f64(), failed);
        reading
    }));
    Observation { now, replicas, readings: readings.await, pods: pods.and_then(Result::ok) }
}

/// What a request is asked for.
#[derive(Clone, Copy)]
struct Place<'a> {
    namespace: &'a str,
    seen: &'a SeenScale,
    /// The workload's pods, or why they are not known; `None` where no metric needs them.
    pods: Option<&'a Result<Arc<[Pod]>, Absent>>,
}

/// The workload's pods, where a metric has a value per pod. Nothing is watched for policies that need none.
async fn pods<M, C>(
    context: &Context<M, C>,
    (namespace, resolved): (&str, &Resolved),
    seen: &SeenScale,
) -> Option<Result<Arc<[Pod]>, Absent>> {
    if !resolved.policy.metrics.iter().any(|metric| metric.kind.is_per_pod()) {
        return None;
    }
    Some(context.pods.of(namespace, seen.selector.as_deref()).await)
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
