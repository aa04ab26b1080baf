//! HPA's own metric types: usage of pods from `metrics.k8s.io`, custom and external metrics, and the pods that decide what they mean.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use flyball::clock::Clock;
use flyball::sandbox::kubernetes::{Asked, Failure, Fault};
use k8s_openapi::jiff;
use serde_json::{Value, json};

use crate::scene::{NAMESPACE, PERIOD, Scene, at_once_both_ways, policy, with};

const USAGE_API: (&str, &str) = ("metrics.k8s.io", "v1beta1");
const OLD_CUSTOM_API: (&str, &str) = ("custom.metrics.k8s.io", "v1beta1");
const EXTERNAL_API: (&str, &str) = ("external.metrics.k8s.io", "v1beta1");

/// What pods use, in thousandths of a core, by their names.
#[derive(Clone, Default)]
pub(crate) struct Usage(Arc<Mutex<BTreeMap<String, i64>>>);

impl Usage {
    /// Served as metrics-server does, always fresh.
    pub(crate) fn served_in(scene: &Scene) -> Self {
        let (usage, clock) = (Self::default(), scene.clock);
        let seen = usage.clone();
        let answer = move |asked: &Asked| {
            let time = jiff::Timestamp::from_millisecond(clock.now().as_millis()).unwrap().to_string();
            let all = seen.0.lock().unwrap();
            let labelled = |name: &str| json!({"metadata": {"labels": {"app": app_of(name)}}});
            let items = all.iter().filter(|(name, _)| asked.selects(&labelled(name))).map(|(name, millis)| {
                let containers = json!([{"name": "main", "usage": {"cpu": format!("{millis}m"), "memory": "1Mi"}}]);
                json!({"metadata": {"name": name}, "timestamp": time, "window": "15s", "containers": containers})
            });
            assert_eq!(asked.steps, ["namespaces", NAMESPACE, "pods"]);
            Ok(json!({"kind": "PodMetricsList", "items": items.collect::<Vec<_>>()}))
        };
        scene.kubernetes.aggregate(USAGE_API, Some(Arc::new(answer)));
        usage
    }

    /// Each of `pods` pods of `web` uses so much from now on, and no other does.
    pub(crate) fn set(&self, pods: usize, millis: i64) {
        *self.0.lock().unwrap() = (0..pods).map(|index| (format!("web-{index}"), millis)).collect();
    }
}

fn app_of(pod: &str) -> &str {
    pod.split('-').next().unwrap_or_default()
}

/// Pods of `web` from `from` to below `to`, each requesting 100m; as old as time or still pending.
pub(crate) fn make_pods(scene: &Scene, (from, to): (usize, usize), running: bool) {
    for index in from..to {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": format!("web-{index}"), "namespace": NAMESPACE, "labels": {"app": "web"}},
            "spec": {"containers": [{"name": "main", "resources": {"requests": {"cpu": "100m"}}}]},
        });
        scene.kubernetes.create(pod.clone()).unwrap();
        let ready = json!([{"type": "Ready", "status": "True", "lastTransitionTime": "2020-01-01T00:00:10Z"}]);
        let status = if running {
            json!({"phase": "Running", "startTime": "2020-01-01T00:00:00Z", "conditions": ready})
        } else {
            json!({"phase": "Pending"})
        };
        scene.kubernetes.set_status(&pod, status).unwrap();
    }
}

/// A policy with this metric alone, which moves at once both ways.
pub(crate) fn policy_by(metric: &Value) -> Value {
    at_once_both_ways(with(policy("web"), "/spec/metrics", json!([metric])))
}

pub(crate) fn cpu() -> Value {
    json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}})
}

/// So many running pods of `web`, each using so much, and a policy that aims at half of what they request.
pub(crate) async fn scene_of(pods: usize, millis: i64) -> (Scene, Usage) {
    let scene = Scene::new().await;
    let usage = Usage::served_in(&scene);
    usage.set(pods, millis);
    scene.deploy("web", i32::try_from(pods).unwrap());
    make_pods(&scene, (0, pods), true);
    scene.apply(policy_by(&cpu()));
    (scene, usage)
}

#[tokio::test(start_paused = true)]
async fn cpu_utilization_scales_up_and_down_and_costs_one_request_a_pass() {
    let (scene, usage) = scene_of(4, 90).await;
    scene.pass(PERIOD).await;
    assert_eq!(scene.replicas("web"), 8, "90 % of 50 % over 4 pods asks for 7.2");
    scene.expect("web", ("ScalingActive", "True", "ValidMetricFound"));
    let status = scene.status("web");
    assert_eq!(status["metricsSummary"], "90%/50%");
    let current =
        json!({"type": "Resource", "name": "resource-0", "current": {"averageValue": "90m", "averageUtilization": 90}});
    assert_eq!(status["currentMetrics"][0], current);
    let message = status["lastDecision"]["message"].as_str().unwrap();
    assert!(message.contains("90 % is 1.80 × its target 50 % of what 4 pods request"), "{message}");

    make_pods(&scene, (4, 8), true);
    usage.set(8, 50);
    scene.pass(2 * PERIOD).await;
    assert_eq!(scene.replicas("web"), 8);
    let before = scene.requests_besides_watches();
    scene.pass(10 * PERIOD).await;
    let mut after = scene.requests_besides_watches();
    let asked = ("get".to_owned(), "metrics.k8s.io".to_owned());
    assert_eq!(after[&asked], before[&asked] + 10);
    after.insert(asked.clone(), before[&asked]);
    assert_eq!(after, before, "pods and sizes come from watches");

    usage.set(8, 20);
    scene.pass(PERIOD).await;
    assert_eq!(scene.replicas("web"), 4);
}

#[tokio::test(start_paused = true)]
async fn pods_without_a_sample_keep_the_size() {
    let (scene, usage) = scene_of(4, 50).await;
    scene.pass(PERIOD).await;
    usage.set(2, 10);
    scene.pass(4 * PERIOD).await;
    assert_eq!(scene.replicas("web"), 4, "two that may be busy are no reason to shrink");
    let counts = json!({"ready": 2, "unready": 0, "missing": 2, "ignored": 0});
    assert_eq!(scene.status("web")["lastDecision"]["proposals"][0]["pods"], counts);
    usage.set(4, 10);
    scene.pass(PERIOD).await;
    assert_eq!(scene.replicas("web"), 1);
}

#[tokio::test(start_paused = true)]
async fn pods_that_are_not_ready_yet_count_as_idle_when_growing() {
    let (scene, usage) = scene_of(4, 50).await;
    scene.pass(PERIOD).await;
    scene.resize("web", 8).await;
    make_pods(&scene, (4, 8), false);
    usage.set(4, 100);
    scene.pass(4 * PERIOD).await;
    assert_eq!(scene.replicas("web"), 8, "the four on their way will take half of the load");
    let message = scene.status("web")["lastDecision"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("4 pods not ready"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn without_metrics_server_nothing_moves_and_the_mend_is_named() {
    let (scene, usage) = scene_of(4, 90).await;
    scene.kubernetes.aggregate(USAGE_API, None);
    scene.pass(10 * 60).await;
    assert_eq!((scene.replicas("web"), scene.size_writes()), (4, 0));
    let message = scene.expect("web", ("ScalingActive", "False", "FailedGetResourceMetric"));
    assert!(message.contains("the API server serves no metrics.k8s.io; install metrics-server, or "), "{message}");
    assert_eq!(scene.status("web")["metricsSummary"], "<unknown>%/50%");
    let unavailable = |_: &Asked| Err(Failure::new(503, "ServiceUnavailable", "no endpoints"));
    scene.kubernetes.aggregate(USAGE_API, Some(Arc::new(unavailable)));
    scene.pass(3 * 60).await;
    let message = scene.expect("web", ("ScalingActive", "False", "FailedGetResourceMetric"));
    assert!(message.contains("what serves metrics.k8s.io is not available: no endpoints"), "{message}");
    assert_eq!(scene.size_writes(), 0);
    let again = Usage::served_in(&scene);
    again.set(4, 90);
    drop(usage);
    scene.pass(2 * 60).await;
    assert_eq!(scene.replicas("web"), 8);
}

#[tokio::test(start_paused = true)]
async fn pods_that_may_not_be_watched_are_missing_and_not_none() {
    let scene = Scene::new().await;
    scene.kubernetes.intercept(Some(Box::new(|call| {
        (call.resource == "pods").then(|| Fault::Refuse(Failure::new(403, "Forbidden", "pods is forbidden")))
    })));
    let usage = Usage::served_in(&scene);
    usage.set(4, 10);
    scene.deploy("web", 4);
    make_pods(&scene, (0, 4), true);
    scene.apply(policy_by(&cpu()));
    scene.pass(2 * 60).await;
    assert_eq!(scene.size_writes(), 0);
    let message = scene.expect("web", ("ScalingActive", "False", "FailedGetResourceMetric"));
    assert!(message.contains("pods cannot be watched: the API server refuses: pods is forbidden"), "{message}");
    scene.kubernetes.intercept(None);
    scene.pass(5 * 60).await;
    assert_eq!(scene.replicas("web"), 1, "once they are seen, it goes on");
}

#[tokio::test(start_paused = true)]
async fn a_workload_whose_selector_selects_everything_is_refused_as_hpa_does() {
    let scene = Scene::new().await;
    Usage::served_in(&scene).set(4, 90);
    let mut deployment = crate::scene::deployment("web", 4);
    deployment["spec"]["selector"] = json!({});
    scene.kubernetes.create(deployment).unwrap();
    make_pods(&scene, (0, 4), true);
    scene.apply(policy_by(&cpu()));
    scene.pass(2 * PERIOD).await;
    let message = scene.expect("web", ("ScalingActive", "False", "InvalidSelector"));
    assert!(message.contains("the workload has no selector"), "{message}");
    assert_eq!((scene.size_writes(), scene.requests("get", "metrics.k8s.io")), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn no_metrics_at_all_are_cpu_at_80_percent() {
    let scene = Scene::new().await;
    Usage::served_in(&scene).set(4, 100);
    scene.deploy("web", 4);
    make_pods(&scene, (0, 4), true);
    scene.apply(with(policy("web"), "/spec/metrics", json!([])));
    scene.pass(PERIOD).await;
    assert_eq!(scene.replicas("web"), 5);
    assert_eq!(scene.status("web")["metricsSummary"], "100%/80%");
}

/// Answers with one value, which can be changed.
fn serve_value(scene: &Scene, api: (&str, &str), steps: &[&str]) -> Arc<Mutex<String>> {
    let value = Arc::new(Mutex::new("0".to_owned()));
    let (seen, wanted) = (value.clone(), steps.iter().map(|step| (*step).to_owned()).collect::<Vec<_>>());
    let answer = move |asked: &Asked| {
        assert_eq!(asked.steps, wanted);
        Ok(json!({"items": [{"timestamp": null, "value": *seen.lock().unwrap()}]}))
    };
    scene.kubernetes.aggregate(api, Some(Arc::new(answer)));
    value
}

#[tokio::test(start_paused = true)]
async fn an_external_metric_scales_both_ways_and_watches_no_pod() {
    let scene = Scene::new().await;
    scene.deploy("web", 4);
    let value = serve_value(&scene, EXTERNAL_API, &["namespaces", NAMESPACE, "queue depth"]);
    *value.lock().unwrap() = "600".into();
    scene.apply(policy_by(&json!({"type": "External", "external": {
        "metric": {"name": "queue depth"}, "target": {"type": "AverageValue", "averageValue": "100"},
    }})));
    scene.pass(PERIOD).await;
    assert_eq!(scene.replicas("web"), 6);
    *value.lock().unwrap() = "250".into();
    scene.pass(PERIOD).await;
    assert_eq!(scene.replicas("web"), 3);
    let gone = |_: &Asked| Err(Failure::new(404, "NotFound", "no external metric queue depth found"));
    scene.kubernetes.aggregate(EXTERNAL_API, Some(Arc::new(gone)));
    scene.pass(5 * 60).await;
    assert_eq!(scene.replicas("web"), 3);
    let message = scene.expect("web", ("ScalingActive", "False", "FailedGetExternalMetric"));
    assert!(message.contains("has no such metric: no external metric queue depth found"), "{message}");
    assert_eq!(scene.requests("list", "pods") + scene.requests("watch", "pods"), 0);
}

#[tokio::test(start_paused = true)]
async fn an_adapter_of_the_older_version_serves_metrics_of_an_object() {
    let scene = Scene::new().await;
    scene.deploy("web", 4);
    let steps = ["namespaces", NAMESPACE, "deployments.apps", "front", "hits"];
    *serve_value(&scene, OLD_CUSTOM_API, &steps).lock().unwrap() = "700".into();
    scene.apply(policy_by(&json!({"type": "Object", "object": {
        "describedObject": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "front"},
        "metric": {"name": "hits"}, "target": {"type": "AverageValue", "averageValue": "100"},
    }})));
    scene.pass(PERIOD).await;
    assert_eq!(scene.replicas("web"), 7);
    let asked = scene.requests("get", "custom.metrics.k8s.io");
    scene.pass(4 * PERIOD).await;
    assert_eq!(scene.requests("get", "custom.metrics.k8s.io"), asked + 4, "the version is remembered");
    scene.kubernetes.aggregate(OLD_CUSTOM_API, None);
    scene.pass(2 * 60).await;
    let message = scene.expect("web", ("ScalingActive", "False", "FailedGetObjectMetric"));
    assert!(message.contains("serves no custom.metrics.k8s.io; install an adapter"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn a_custom_metric_of_pods_is_averaged_over_them() {
    let scene = Scene::new().await;
    scene.deploy("web", 2);
    make_pods(&scene, (0, 2), true);
    let answer = |asked: &Asked| {
        assert_eq!(asked.steps, ["namespaces", NAMESPACE, "pods", "*", "qps"]);
        assert_eq!((&*asked.query["labelSelector"], &*asked.query["metricLabelSelector"]), ("app=web", "verb=GET"));
        let of =
            |name: &str| json!({"describedObject": {"kind": "Pod", "name": name}, "timestamp": null, "value": "150"});
        Ok(json!({"items": [of("web-0"), of("web-1")]}))
    };
    scene.kubernetes.aggregate(("custom.metrics.k8s.io", "v1beta2"), Some(Arc::new(answer)));
    scene.apply(policy_by(&json!({"type": "Pods", "pods": {
        "metric": {"name": "qps", "selector": {"matchLabels": {"verb": "GET"}}},
        "target": {"type": "AverageValue", "averageValue": "100"},
    }})));
    scene.pass(PERIOD).await;
    assert_eq!(scene.replicas("web"), 3);
    assert_eq!(scene.status("web")["metricsSummary"], "150/100");
}
