//! A scene: an API server, a Prometheus and a running controller, and the words to play on it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flyball::clock::Clock;
use flyball::cluster::client::Clients;
use flyball::controller::{Controller, ControllerError, Settings};
use flyball::sandbox::kubernetes::{Failure, Fault};
use flyball::sandbox::{Kubernetes, Prometheus, SimClock};
use flyball::sources::MetricSource;
use flyball::sources::prometheus::usage::PodUsages;
use flyball::sources::prometheus::{Limits, PrometheusSource};
use flyball::sources::registry::Ready;
use flyball::telemetry::Metrics;
use flyball::telemetry::http::Health;
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::wire::{Probe, Wire};

/// Everything happens here.
pub(crate) const NAMESPACE: &str = "shop";
/// Seconds between two passes of a policy that says nothing else.
pub(crate) const PERIOD: u64 = 15;

/// A world with a controller in it.
pub(crate) struct Scene {
    pub(crate) clock: SimClock,
    pub(crate) kubernetes: Kubernetes,
    pub(crate) prometheus: Prometheus,
    pub(crate) probe: Probe,
    pub(crate) wire: Wire,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) health: Arc<Health>,
    /// What tells usage of pods to the next controller; nothing for `metrics.k8s.io`.
    pub(crate) pod_usages: Option<PodUsages>,
    /// Tells controllers which sources have become ready.
    pub(crate) ready: Ready,
    values: Mutex<BTreeMap<String, f64>>,
    running: Option<Running>,
}

struct Running {
    cancel: CancellationToken,
    task: JoinHandle<Result<(), ControllerError>>,
}

impl Scene {
    /// A world with a controller that has taken in an empty list.
    pub(crate) async fn new() -> Self {
        let mut scene = Self::without_controller();
        scene.start(256);
        scene.pass(1).await;
        scene
    }

    pub(crate) fn without_controller() -> Self {
        let clock = SimClock::new();
        let kubernetes = Kubernetes::new(clock, 1);
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
        kubernetes.create(namespace).unwrap();
        let prometheus = Prometheus::new(clock);
        // Room for many at once: what is tested here is the controller's own bound.
        let limits = Limits { concurrency: 10_000, ..Limits::default() };
        Self {
            clock,
            probe: Probe::new(PrometheusSource::new(prometheus.clone(), limits)),
            kubernetes,
            prometheus,
            wire: Wire::default(),
            metrics: Arc::default(),
            health: Arc::default(),
            pod_usages: None,
            ready: Ready::default(),
            values: Mutex::default(),
            running: None,
        }
    }

    /// Starts a controller; it knows nothing of an earlier one.
    pub(crate) fn start(&mut self, concurrency: usize) {
        self.start_with(Settings { namespace: None, concurrency, instance: "test".into() });
    }

    /// Starts a controller that looks at one namespace only.
    pub(crate) fn start_in(&mut self, namespace: Option<&str>) {
        let namespace = namespace.map(str::to_owned);
        self.start_with(Settings { namespace, concurrency: 16, instance: "test".into() });
    }

    fn start_with(&mut self, settings: Settings) {
        self.start_over(self.probe.clone(), settings);
    }

    /// Starts a controller that asks `source`.
    pub(crate) fn start_over(&mut self, source: impl MetricSource, settings: Settings) {
        let client = self.wire.client(&self.kubernetes);
        self.metrics = Arc::new(Metrics::new());
        let parts = (Clients::same(client.clone()), source, self.clock);
        let controller = Controller::new(parts, self.metrics.clone(), settings)
            .with_pod_usages(self.pod_usages.take())
            .with_ready(self.ready.clone());
        self.health = controller.health();
        let cancel = CancellationToken::new();
        let task = tokio::spawn(controller.run(client, cancel.clone()));
        self.running = Some(Running { cancel, task });
    }

    /// Stops it as SIGTERM would, and waits for its end.
    pub(crate) async fn stop(&mut self) {
        let Running { cancel, task } = self.running.take().unwrap();
        cancel.cancel();
        task.await.unwrap().expect("a stop is no failure");
    }

    /// Lets so many seconds pass; the metrics are scraped once a second.
    pub(crate) async fn pass(&self, seconds: u64) {
        for _ in 0..seconds {
            self.scrape();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    fn scrape(&self) {
        for (app, value) in self.values.lock().unwrap().iter() {
            self.prometheus.record("load", &[("app", app)], (*value, self.clock.now()));
        }
    }

    /// Sets `load{app="<app>"}` from now on.
    pub(crate) fn set(&self, app: &str, value: f64) {
        self.values.lock().unwrap().insert(app.to_owned(), value);
        self.scrape();
    }

    /// The value of `app` is scraped no more.
    pub(crate) fn stop_scraping(&self, app: &str) {
        self.values.lock().unwrap().remove(app);
    }

    /// A Deployment and a policy of one name, with a load that keeps the size.
    pub(crate) fn add(&self, name: &str, replicas: i32) {
        self.deploy(name, replicas);
        self.set(name, f64::from(replicas) * 100.0);
        self.apply(policy(name));
    }

    pub(crate) fn deploy(&self, name: &str, replicas: i32) {
        self.kubernetes.create(deployment(name, replicas)).unwrap();
    }

    pub(crate) fn apply(&self, policy: Value) {
        self.kubernetes.create(policy).unwrap();
    }

    /// Merges `change` into the policy, as `kubectl patch` does.
    pub(crate) async fn edit(&self, name: &str, change: Value) {
        let api = api(&self.kubernetes, "flyball.dev/v1alpha1", "ScalingPolicy", "scalingpolicies");
        api.patch(name, &PatchParams::default(), &Patch::Merge(change)).await.unwrap();
    }

    /// Sets the size of a Deployment as a human would.
    pub(crate) async fn resize(&self, name: &str, replicas: i32) {
        resize(&self.kubernetes, name, replicas).await;
    }

    pub(crate) fn delete_policy(&self, name: &str) {
        self.kubernetes.delete(&policy(name)).unwrap();
    }

    pub(crate) fn replicas(&self, name: &str) -> i64 {
        self.kubernetes.object(("apps", "deployments"), NAMESPACE, name).unwrap()["spec"]["replicas"].as_i64().unwrap()
    }

    pub(crate) fn policy_object(&self, name: &str) -> Arc<Value> {
        self.kubernetes.object(("flyball.dev", "scalingpolicies"), NAMESPACE, name).unwrap()
    }

    pub(crate) fn status(&self, name: &str) -> Value {
        self.policy_object(name)["status"].clone()
    }

    /// Status, reason and message of a condition; empty where it is absent.
    pub(crate) fn condition(&self, name: &str, kind: &str) -> (String, String, String) {
        let status = self.status(name);
        let found = status["conditions"].as_array().and_then(|all| all.iter().find(|c| c["type"] == kind).cloned());
        let text = |field: &str| found.as_ref().map_or("", |c| c[field].as_str().unwrap_or("")).to_owned();
        (text("status"), text("reason"), text("message"))
    }

    /// Asserts status and reason of a condition; both empty for one that must be absent. Returns the message.
    #[track_caller]
    pub(crate) fn expect(&self, name: &str, (kind, status, reason): (&str, &str, &str)) -> String {
        let (is_status, is_reason, message) = self.condition(name, kind);
        assert_eq!((is_status.as_str(), is_reason.as_str()), (status, reason), "{kind} of {name}: {message}");
        message
    }

    /// Type, reason and note of the events on an object of this kind and name, oldest first.
    pub(crate) async fn events(&self, kind: &str, name: &str) -> Vec<(String, String, String)> {
        let text = |text: Option<String>| text.unwrap_or_default();
        let events = self.events_on(kind, name).await.into_iter();
        events.map(|event| (text(event.type_), text(event.reason), text(event.note))).collect()
    }

    /// The uids that those events name: without, `kubectl describe` does not show them.
    pub(crate) async fn event_uids(&self, kind: &str, name: &str) -> Vec<String> {
        let events = self.events_on(kind, name).await.into_iter();
        events.map(|event| event.regarding.unwrap().uid.unwrap_or_default()).collect()
    }

    async fn events_on(&self, kind: &str, name: &str) -> Vec<Event> {
        let api: Api<Event> = Api::namespaced(self.kubernetes.client(NAMESPACE), NAMESPACE);
        let mut events = api.list(&ListParams::default()).await.unwrap().items;
        events.retain(|event| {
            let regarding = event.regarding.as_ref().unwrap();
            regarding.kind.as_deref() == Some(kind) && regarding.name.as_deref() == Some(name)
        });
        events.sort_by_key(|event| event.event_time.as_ref().map(|time| time.0));
        events
    }

    /// Requests so far of this verb and resource.
    pub(crate) fn requests(&self, verb: &str, resource: &str) -> u64 {
        self.kubernetes.requests().get(&(verb.to_owned(), resource.to_owned())).copied().unwrap_or(0)
    }

    pub(crate) fn size_writes(&self) -> u64 {
        self.requests("update", "deployments/scale")
    }

    pub(crate) fn status_writes(&self) -> u64 {
        self.requests("patch", "scalingpolicies/status")
    }

    /// Requests so far, watches aside.
    pub(crate) fn requests_besides_watches(&self) -> BTreeMap<(String, String), u64> {
        let mut requests = self.kubernetes.requests();
        requests.retain(|(verb, _), _| verb != "watch");
        requests
    }

    /// Answers calls of `verb` on `resource` with this HTTP status, `times` times.
    pub(crate) fn refuse(&self, (verb, resource): (&'static str, &'static str), failure: Failure, times: usize) {
        let mut left = times;
        self.kubernetes.intercept(Some(Box::new(move |call| {
            if call.verb != verb || call.resource != resource || left == 0 {
                return None;
            }
            left -= 1;
            Some(Fault::Refuse(failure.clone()))
        })));
    }

    /// The value of one line of `/metrics`, which begins with `series`.
    pub(crate) fn gauge(&self, series: &str) -> Option<f64> {
        let text = self.metrics.render().unwrap();
        let line = text.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')))?;
        line.rsplit(' ').next()?.parse().ok()
    }
}

/// The query of the policies below.
pub(crate) fn query(app: &str) -> String {
    format!("load{{app=\"{app}\"}}")
}

/// A policy of 100 per replica over 1 to 20 replicas of the Deployment of its name.
pub(crate) fn policy(name: &str) -> Value {
    json!({
        "apiVersion": "flyball.dev/v1alpha1", "kind": "ScalingPolicy",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": 1, "maxReplicas": 20,
            "metrics": [{
                "type": "Prometheus", "name": "load",
                "prometheus": {"query": query(name), "target": {"type": "AverageValue", "averageValue": "100"}},
            }],
        },
    })
}

/// `policy` with the value at a JSON pointer replaced.
pub(crate) fn with(mut policy: Value, pointer: &str, value: impl Into<Value>) -> Value {
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    policy.pointer_mut(parent).unwrap()[field] = value.into();
    policy
}

/// No window downwards, so that a scenario need not wait for it.
pub(crate) fn at_once_both_ways(policy: Value) -> Value {
    with(policy, "/spec/behavior", json!({"scaleDown": {"stabilizationWindowSeconds": 0}}))
}

pub(crate) fn deployment(name: &str, replicas: i32) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "main"}]}},
        },
    })
}

pub(crate) async fn resize(kubernetes: &Kubernetes, name: &str, replicas: i32) {
    let api = api(kubernetes, "apps/v1", "Deployment", "deployments");
    let change = Patch::Merge(json!({"spec": {"replicas": replicas}}));
    api.patch(name, &PatchParams::default(), &change).await.unwrap();
}

fn api(kubernetes: &Kubernetes, api_version: &str, kind: &str, plural: &str) -> Api<DynamicObject> {
    let (group, version) = api_version.split_once('/').unwrap();
    let resource = ApiResource {
        group: group.into(),
        version: version.into(),
        api_version: api_version.into(),
        kind: kind.into(),
        plural: plural.into(),
    };
    Api::namespaced_with(kubernetes.client(NAMESPACE), NAMESPACE, &resource)
}
