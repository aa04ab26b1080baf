//! Usage of pods from Prometheus: one query a resource for all pods, shared by all policies, and what missing series keep from happening.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use flyball::clock::Clock;
use flyball::sandbox::Prometheus;
use flyball::sandbox::prometheus::Fault;
use flyball::sources::prometheus::usage::{PodUsages, UsageQuery};
use flyball::sources::prometheus::{QueryForm, RawAnswer, Transport, TransportError};
use serde_json::{Value, json};

use crate::scene::{NAMESPACE, PERIOD, Scene, at_once_both_ways, policy, with};

/// The sandbox's Prometheus, which can warn that something is missing. Counts what is asked about pods.
#[derive(Clone)]
struct Monitored {
    prometheus: Prometheus,
    warns: Arc<AtomicBool>,
    asked: Arc<AtomicU64>,
}

impl Transport for Monitored {
    async fn post(&self, form: QueryForm) -> Result<RawAnswer, TransportError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mut raw = Transport::post(&self.prometheus, form).await?;
        if self.warns.load(Ordering::Relaxed) {
            let text = String::from_utf8_lossy(&raw.body).replacen('{', r#"{"warnings":["a store is away"],"#, 1);
            raw.body = Bytes::from(text);
        }
        Ok(raw)
    }
}

/// What each container uses: pod and container, thousandths of a core, and its counter.
type Meters = BTreeMap<(String, &'static str), (f64, f64)>;

/// A scene whose pods are measured by cAdvisor.
struct Measured {
    scene: Scene,
    source: Monitored,
    meters: Mutex<Meters>,
}

impl Measured {
    async fn new() -> Self {
        let mut scene = Scene::without_controller();
        let prometheus = scene.prometheus.clone();
        let source = Monitored { prometheus, warns: Arc::default(), asked: Arc::default() };
        scene.pod_usages = Some(PodUsages::new(source.clone(), UsageQuery::cpu(None), UsageQuery::memory(None)));
        scene.start(256);
        let measured = Self { scene, source, meters: Mutex::default() };
        measured.pass(1).await;
        measured
    }

    /// A Deployment of so many pods, as old as time, whose containers request 100m and use so much.
    fn deploy(&self, name: &str, pods: usize, millicores: f64) {
        deploy_pods(&self.scene, name, pods);
        self.use_up((name, 0..pods), millicores);
    }

    /// Lets every container of these pods use so much from now on.
    fn use_up(&self, (name, pods): (&str, std::ops::Range<usize>), millicores: f64) {
        for index in pods {
            for container in ["main", "log"] {
                let key = (format!("{name}-{index}"), container);
                self.meters.lock().unwrap().entry(key).or_insert((0.0, 1000.0)).0 = millicores;
            }
        }
    }

    /// Nothing measures this container any more.
    fn lose(&self, pod: &str, container: &'static str) {
        self.meters.lock().unwrap().remove(&(pod.to_owned(), container));
    }

    async fn pass(&self, seconds: u64) {
        for _ in 0..seconds {
            for ((pod, container), (millicores, counter)) in self.meters.lock().unwrap().iter_mut() {
                *counter += *millicores / 1000.0;
                let record = |name: &str, container: &str, value: f64| {
                    let labels = [("namespace", NAMESPACE), ("pod", pod), ("container", container), ("cpu", "total")];
                    self.scene.prometheus.record(name, &labels, (value, self.scene.clock.now()));
                };
                record("container_cpu_usage_seconds_total", container, *counter);
                record("container_memory_working_set_bytes", container, *millicores * 1_048_576.0);
                // The pod's own cgroup, which no query may count as well.
                record("container_cpu_usage_seconds_total", "", *counter * 2.0);
                record("container_memory_working_set_bytes", "", *millicores * 2_097_152.0);
            }
            self.scene.pass(1).await;
        }
    }

    fn asked(&self) -> u64 {
        self.source.asked.load(Ordering::Relaxed)
    }

    fn counts(&self, name: &str) -> Value {
        self.scene.status(name)["lastDecision"]["proposals"][0]["pods"].clone()
    }
}

/// A Deployment of so many pods, as old as time, whose two containers request 100m and 100Mi each.
pub(crate) fn deploy_pods(scene: &Scene, name: &str, pods: usize) {
    scene.deploy(name, i32::try_from(pods).unwrap());
    for index in 0..pods {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": format!("{name}-{index}"), "namespace": NAMESPACE, "labels": {"app": name}},
            "spec": {"containers": [
                {"name": "main", "resources": {"requests": {"cpu": "100m", "memory": "100Mi"}}},
                {"name": "log", "resources": {"requests": {"cpu": "100m", "memory": "100Mi"}}},
            ]},
        });
        scene.kubernetes.create(pod.clone()).unwrap();
        let ready = json!([{"type": "Ready", "status": "True", "lastTransitionTime": "2020-01-01T00:00:10Z"}]);
        let status = json!({"phase": "Running", "startTime": "2020-01-01T00:00:00Z", "conditions": ready});
        scene.kubernetes.set_status(&pod, status).unwrap();
    }
}

/// A policy with this metric alone, which moves at once both ways.
pub(crate) fn policy_by(name: &str, metric: &Value) -> Value {
    at_once_both_ways(with(policy(name), "/spec/metrics", json!([metric])))
}

pub(crate) fn at_half(resource: &str) -> Value {
    let target = json!({"type": "Utilization", "averageUtilization": 50});
    json!({"type": "Resource", "resource": {"name": resource, "target": target}})
}

/// So many pods at 50 % of what they request, which is the target.
async fn steady(pods: usize) -> Measured {
    let measured = Measured::new().await;
    measured.deploy("web", pods, 50.0);
    measured.pass(5).await;
    measured.scene.apply(policy_by("web", &at_half("cpu")));
    measured.pass(2 * PERIOD).await;
    assert_eq!(measured.scene.replicas("web"), i64::try_from(pods).unwrap());
    measured
}

#[tokio::test(start_paused = true)]
async fn cpu_from_prometheus_scales_up_and_down() {
    let measured = steady(4).await;
    measured.use_up(("web", 0..4), 90.0);
    measured.pass(PERIOD + 5).await;
    let scene = &measured.scene;
    assert_eq!(scene.replicas("web"), 8, "90 % of 50 % over 4 pods asks for 7.2");
    scene.expect("web", ("ScalingActive", "True", "ValidMetricFound"));
    let current = json!({"averageValue": "180m", "averageUtilization": 90});
    assert_eq!(scene.status("web")["currentMetrics"][0]["current"], current);
    assert_eq!(measured.counts("web"), json!({"ready": 4, "unready": 0, "missing": 0, "ignored": 0}));
    assert_eq!(scene.requests("get", "metrics.k8s.io"), 0);

    scene.resize("web", 4).await;
    measured.use_up(("web", 0..4), 20.0);
    measured.pass(PERIOD + 5).await;
    assert_eq!(scene.replicas("web"), 2);
}

#[tokio::test(start_paused = true)]
async fn memory_and_single_containers_are_measured_alike() {
    let measured = Measured::new().await;
    measured.deploy("web", 2, 100.0);
    measured.deploy("api", 2, 10.0);
    measured.scene.apply(policy_by("web", &at_half("memory")));
    let target = json!({"type": "AverageValue", "averageValue": "5m"});
    let log = json!({"type": "ContainerResource", "containerResource": {"name": "cpu", "container": "log", "target": target}});
    measured.scene.apply(policy_by("api", &log));
    measured.pass(2 * PERIOD).await;
    assert_eq!(measured.scene.replicas("web"), 4, "100 MiB of 100 MiB requested, at a target of 50 %");
    assert_eq!(measured.scene.replicas("api"), 4, "10m where 5m are wanted");
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_is_not_measured_in_full_never_lowers() {
    for (name, containers) in [("gone altogether", &["main", "log"][..]), ("one container of two", &["log"][..])] {
        let measured = steady(4).await;
        for container in containers {
            measured.lose("web-3", container);
        }
        measured.use_up(("web", 0..3), 40.0);
        // For two minutes its last usage stands in the window; afterwards it is not known.
        measured.pass(150).await;
        assert_eq!(measured.scene.replicas("web"), 4, "{name}: 40 % and an unknown are no reason to shrink");
        assert_eq!(measured.counts("web"), json!({"ready": 3, "unready": 0, "missing": 1, "ignored": 0}), "{name}");
        measured.use_up(("web", 0..3), 120.0);
        measured.pass(PERIOD + 5).await;
        assert_eq!(measured.scene.replicas("web"), 8, "{name}: 120 % over three and nothing over the fourth");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_with_warnings_raises_and_never_lowers() {
    let measured = steady(4).await;
    measured.source.warns.store(true, Ordering::Relaxed);
    measured.use_up(("web", 0..4), 10.0);
    measured.pass(4 * PERIOD).await;
    assert_eq!(measured.scene.replicas("web"), 4);
    let proposal = &measured.scene.status("web")["lastDecision"]["proposals"][0];
    assert_eq!(proposal["reason"], "PartialData");
    assert!(proposal["message"].as_str().unwrap().contains("a store is away"), "{proposal}");
    measured.use_up(("web", 0..4), 100.0);
    // A policy without a whole answer is looked at once a minute only.
    measured.pass(60 + PERIOD).await;
    assert_eq!(measured.scene.replicas("web"), 8);
    measured.source.warns.store(false, Ordering::Relaxed);
    measured.scene.resize("web", 4).await;
    measured.use_up(("web", 0..4), 25.0);
    measured.pass(PERIOD + 5).await;
    assert_eq!(measured.scene.replicas("web"), 2, "a whole answer may lower");
}

#[tokio::test(start_paused = true)]
async fn no_answer_holds_and_says_why() {
    for (fault, words) in [
        (Fault::Empty, "let it scrape the kubelets' /metrics/cadvisor, set --pod-cpu-query"),
        (Fault::NotANumber, "Prometheus has no cpu of the workload's pods"),
        (Fault::Unavailable, "asked for the cpu of pods (--pod-cpu-query): The server is not able to answer"),
        (Fault::Off, "connection refused"),
    ] {
        let measured = steady(4).await;
        measured.scene.prometheus.set_fault(fault);
        measured.use_up(("web", 0..4), 5.0);
        measured.pass(10 * PERIOD).await;
        assert_eq!(measured.scene.replicas("web"), 4, "{fault:?}");
        let message = measured.scene.expect("web", ("ScalingActive", "False", "FailedGetResourceMetric"));
        assert!(message.contains(words), "{fault:?}: {message}");
        measured.scene.prometheus.set_fault(Fault::None);
        measured.pass(60 + PERIOD).await;
        assert_eq!(measured.scene.replicas("web"), 1, "{fault:?} is over");
    }
}

#[tokio::test(start_paused = true)]
async fn all_policies_share_one_query_a_resource() {
    let measured = Measured::new().await;
    let names: Vec<String> = (0..40).map(|index| format!("app{index}")).collect();
    for name in &names {
        measured.deploy(name, 2, 50.0);
    }
    measured.pass(5).await;
    for name in &names {
        let policy = policy_by(name, &at_half("cpu"));
        let metrics = json!([at_half("cpu"), at_half("memory")]);
        measured.scene.apply(with(policy, "/spec/metrics", metrics));
    }
    measured.pass(PERIOD).await;
    let before = measured.asked();
    measured.pass(10 * PERIOD).await;
    let asked = measured.asked() - before;
    assert!((40..=62).contains(&asked), "{asked} for 10 periods of 40 policies with two resources, shared for 5 s");
    assert!(names.iter().all(|name| measured.scene.replicas(name) == 2));
}

#[tokio::test(start_paused = true)]
async fn other_resources_are_asked_of_the_metrics_api() {
    let measured = steady(2).await;
    let target = json!({"type": "AverageValue", "averageValue": "1Gi"});
    let disk = json!({"type": "Resource", "resource": {"name": "ephemeral-storage", "target": target}});
    measured.deploy("disk", 2, 50.0);
    let asked = measured.asked();
    measured.scene.delete_policy("web");
    measured.scene.apply(policy_by("disk", &disk));
    measured.pass(PERIOD).await;
    let message = measured.scene.expect("disk", ("ScalingActive", "False", "FailedGetResourceMetric"));
    assert!(message.contains("the API server serves no metrics.k8s.io"), "{message}");
    assert_eq!(measured.asked(), asked);
}
