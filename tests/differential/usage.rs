//! What pods use, as `metrics.k8s.io` tells it to both sides through kube-apiserver, from the loads that the test sets.
//!
//! Owns who asked when. Each answer is of this instant, and so are the pods in it: a sample of a pod that is gone would lower HPA's average,
//! which is a listed deviation and not what is compared here.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::api::ListParams;
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::Side;
use crate::behaviors::Target;
use crate::control_plane::ControlPlane;
use crate::feeds::{Feeds, json_answer, serve_tls};
use crate::pods::PodTemplate;

const GROUP: &str = "metrics.k8s.io";
const MIB: f64 = 1_048_576.0;

/// Whose pods they are: the namespace, and the value of the label `app`.
type Workload = (String, String);

/// Where the usage of a workload's pods comes from.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) side: Side,
    /// The beginning of the names of the series of its metrics.
    pub(crate) series: String,
    pub(crate) metrics: Vec<Target>,
    pub(crate) template: PodTemplate,
}

/// The pods that run, and what they use.
pub(crate) struct Usage {
    client: Client,
    feeds: Arc<Feeds>,
    sources: Mutex<BTreeMap<Workload, Source>>,
}

/// A pod that runs.
#[derive(Debug, Clone, Copy)]
struct Running {
    is_ready: bool,
    /// The second in which it last got ready or lost it.
    changed: i64,
}

impl Usage {
    pub(crate) fn new(client: Client, feeds: Arc<Feeds>) -> Arc<Self> {
        Arc::new(Self { client, feeds, sources: Mutex::default() })
    }

    /// The pods of `workload` use what `source` says.
    pub(crate) fn register(&self, (namespace, app): (&str, &str), source: Source) {
        let workload = (namespace.to_owned(), app.to_owned());
        self.sources.lock().unwrap_or_else(PoisonError::into_inner).insert(workload, source);
    }

    /// Serves the API for as long as the runtime lives; the promise is what it serves, and its port.
    pub(crate) async fn serve(self: Arc<Self>, plane: &ControlPlane) -> io::Result<(&'static str, u16)> {
        let router = Router::new()
            .route(&format!("/apis/{GROUP}/v1beta1"), get(resources))
            .route(&format!("/apis/{GROUP}/v1beta1/namespaces/{{namespace}}/pods"), get(pod_metrics))
            .with_state(self);
        Ok((GROUP, serve_tls(router, plane).await?))
    }

    /// The pods of `workload` that run, by name; `None` where the API server does not tell.
    async fn pods(&self, (namespace, app): &Workload) -> Option<Vec<(String, Running)>> {
        let api = Api::<Pod>::namespaced(self.client.clone(), namespace);
        let pods = api.list(&ListParams::default().labels(&format!("app={app}")).match_any()).await.ok()?;
        let mut running: Vec<_> = pods.into_iter().filter_map(Running::of).collect();
        running.sort_by(|left, right| left.0.cmp(&right.0));
        Some(running)
    }

    #[allow(clippy::disallowed_methods, reason = "a real HPA controller looks at a real clock")]
    /// The items of the answer; `None` where one of the loads is a failure.
    async fn items(&self, workload: &Workload) -> Option<Vec<Value>> {
        let source = self.sources.lock().unwrap_or_else(PoisonError::into_inner).get(workload).cloned()?;
        let load = |(index, _)| self.feeds.fetch(&format!("{}_{index}", source.series), source.side);
        let loads: Vec<Option<f64>> = source.metrics.iter().enumerate().map(load).collect();
        let loads: Vec<f64> = loads.into_iter().collect::<Option<_>>()?;
        let (pods, now) = (self.pods(workload).await?, Timestamp::now().as_second());
        // The load that is set is what all samples add up to, however many pods there are just then.
        let sampled = pods.get(source.template.silent..).unwrap_or_default();
        let bearing = sampled.iter().filter(|(_, pod)| pod.is_ready).count().max(1);
        let item = |(name, pod): &(String, Running)| {
            let window = i64::from(source.template.window_seconds);
            let starts = pod.changed.saturating_add(window) > now;
            let share = |load: &f64| if pod.is_ready { load / bearing as f64 } else { 0.0 };
            let shares: Vec<f64> = loads.iter().map(share).collect();
            json!({
                "metadata": {"name": name, "namespace": workload.0, "labels": {"app": workload.1}},
                "timestamp": Timestamp::from_second(now).map(|time| time.to_string()).unwrap_or_default(),
                "window": format!("{window}s"),
                "containers": source.containers(&shares, starts),
            })
        };
        Some(sampled.iter().map(item).collect())
    }
}

impl Running {
    /// A pod with its name, if it runs.
    fn of(pod: Pod) -> Option<(String, Self)> {
        let (status, metadata) = (pod.status.unwrap_or_default(), pod.metadata);
        let runs = metadata.deletion_timestamp.is_none() && status.phase.as_deref() == Some("Running");
        let ready = status.conditions.into_iter().flatten().find(|condition| condition.type_ == "Ready");
        let is_ready = ready.as_ref().is_some_and(|ready| ready.status == "True");
        let changed = ready.and_then(|ready| ready.last_transition_time).map_or(i64::MAX, |time| time.0.as_second());
        metadata.name.filter(|_| runs).map(|name| (name, Self { is_ready, changed }))
    }
}

impl Source {
    /// What each container uses of its pod's shares of the loads.
    fn containers(&self, shares: &[f64], starts: bool) -> Vec<Value> {
        let template = &self.template;
        let used = |(index, container): (usize, &crate::pods::Container)| {
            let borne = |of: &str| -> f64 {
                let bears = |target: &Target| match target {
                    Target::Usage { resource, container: named, .. } => {
                        *resource == of && named.map_or(index == 0, |named| named == container.name)
                    }
                    Target::Average(_) | Target::Value(_) => false,
                };
                self.metrics.iter().zip(shares).filter(|(target, _)| bears(target)).map(|(_, share)| share).sum()
            };
            let start = if starts && index == 0 { template.start_burns } else { 0.0 };
            let cpu = (borne("cpu") + start + container.burns as f64).floor();
            let memory = (borne("memory") * MIB).floor();
            json!({"name": container.name, "usage": {"cpu": format!("{cpu}m"), "memory": format!("{memory}")}})
        };
        template.containers.iter().enumerate().map(used).collect()
    }
}

/// What kube-apiserver asks for to see that the API is there.
async fn resources() -> Response {
    json_answer(&json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": format!("{GROUP}/v1beta1"),
        "resources": [{"name": "pods", "singularName": "", "namespaced": true, "kind": "PodMetrics", "verbs": ["get", "list"]}],
    }))
}

async fn pod_metrics(
    State(usage): State<Arc<Usage>>,
    Path(namespace): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let app = query.get("labelSelector").and_then(|selector| selector.strip_prefix("app=")).unwrap_or_default();
    let Some(items) = usage.items(&(namespace, app.to_owned())).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    json_answer(
        &json!({"kind": "PodMetricsList", "apiVersion": format!("{GROUP}/v1beta1"), "metadata": {}, "items": items}),
    )
}
