//! Usage of pods from a real Prometheus that scrapes what a kubelet's cAdvisor exports: the default queries, and the operator by them.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::control_plane::{
    Assets, ControlPlane, Controllers, Exporter, Options, Process, Program, Prometheus, Shared, availability, trial,
};
use crate::support::{apply, eventually, succeed};

const OPTIONS: Options = Options { controllers: Controllers::Workloads };
const SCRAPE_INTERVAL: Duration = Duration::from_millis(500);
/// How often counters grow: more often than they are scraped.
const TICK: Duration = Duration::from_millis(50);
/// How long a size is watched that must not change.
const QUIET: Duration = Duration::from_secs(8);
/// Cores that each container of the workload uses; it requests 0.1.
const CORES: f64 = 0.09;

pub(crate) fn trials() -> Vec<Trial> {
    let mut programs = OPTIONS.programs();
    programs.push(Program::Prometheus);
    vec![trial("usage::cpu_of_pods_comes_from_prometheus", &availability(&programs), cpu_of_pods_comes_from_prometheus)]
}

/// cAdvisor of all nodes: counters that grow while it lives.
struct Cadvisor {
    exporter: Arc<Exporter>,
    stopped: Arc<AtomicBool>,
}

impl Cadvisor {
    /// Containers of these pods at work, among everything else that cAdvisor exports.
    fn start(exporter: Arc<Exporter>, pods: &[String]) -> Self {
        let stopped = Arc::<AtomicBool>::default();
        let series = |pod: &str, container: &str, more: &str| {
            format!(
                r#"container_cpu_usage_seconds_total{{namespace="default",pod="{pod}",container="{container}",{more}}}"#
            )
        };
        for pod in pods {
            // Before it was started again, the container used a lot. Its last counter stays around.
            exporter.set(&series(pod, "main", r#"cpu="total",id="/before""#), 4000.0);
        }
        let (ticking, page, pods) = (Arc::clone(&stopped), Arc::clone(&exporter), pods.to_vec());
        std::thread::spawn(move || {
            let mut last = Instant::now();
            while !ticking.load(Ordering::Relaxed) {
                std::thread::sleep(TICK);
                let used = CORES * last.elapsed().as_secs_f64();
                last = Instant::now();
                for pod in &pods {
                    page.add(&series(pod, "main", r#"cpu="total",id="/now""#), used);
                    page.add(&series(pod, "", r#"cpu="total",id="/pod""#), used * 2.0);
                    page.add(&series(pod, "POD", r#"cpu="total",id="/pause""#), used);
                    page.add(&series(pod, "main", r#"cpu="cpu00",id="/now""#), used / 2.0);
                }
                page.add(r#"container_cpu_usage_seconds_total{id="/",cpu="total"}"#, used * 9.0);
            }
        });
        Self { exporter, stopped }
    }
}

impl Drop for Cadvisor {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

fn deployment() -> Value {
    let container = json!({"name": "main", "image": "busy", "resources": {"requests": {"cpu": "100m"}}});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "busy", "namespace": "default"},
        "spec": {
            "replicas": 2, "selector": {"matchLabels": {"app": "busy"}},
            "template": {"metadata": {"labels": {"app": "busy"}}, "spec": {"containers": [container]}},
        },
    })
}

fn policy() -> Value {
    json!({
        "apiVersion": "flyball.dev/v1alpha1", "kind": "ScalingPolicy", "metadata": {"name": "busy", "namespace": "default"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "busy"},
            "minReplicas": 1, "maxReplicas": 8, "pollingPeriodSeconds": 1,
            "metrics": [{"type": "Resource", "resource": {
                "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50},
            }}],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}},
        },
    })
}

/// The names of the workload's pods, once both are there, made to run: there is no kubelet that would do it.
fn running_pods(plane: &ControlPlane) -> Result<Vec<String>, Failed> {
    let mut pods = Vec::new();
    eventually("two pods are made", || {
        let listed = ["get", "pods", "-l", "app=busy", "-o", "jsonpath={.items[*].metadata.name}"];
        pods = succeed(plane.kubectl(&listed)?)?.split_whitespace().map(str::to_owned).collect();
        Ok(pods.len() == 2)
    })?;
    let ready = json!({"type": "Ready", "status": "True", "lastTransitionTime": "2020-01-01T00:00:10Z"});
    let status = json!({"phase": "Running", "startTime": "2020-01-01T00:00:00Z", "conditions": [ready]});
    let patch = json!({"status": status}).to_string();
    for pod in &pods {
        succeed(plane.kubectl(&["patch", "pod", pod, "--subresource=status", "--type=merge", "-p", &patch])?)?;
    }
    Ok(pods)
}

/// 90 % of what is requested against a target of 50 % takes four pods for two; without Prometheus nothing changes.
fn cpu_of_pods_comes_from_prometheus(assets: &Assets) -> Result<(), Failed> {
    let shared = Shared::new(OPTIONS)?;
    let plane = shared.plane_with_definitions(assets)?;
    apply(plane, &deployment())?;
    let pods = running_pods(plane)?;
    let exporter = Arc::new(shared.block_on(Exporter::start())?);
    let cadvisor = Cadvisor::start(exporter, &pods);
    let targets = [cadvisor.exporter.target()];
    let mut prometheus = shared.block_on(Prometheus::start(assets, &targets, SCRAPE_INTERVAL))?;
    apply(plane, &policy())?;
    let folder = tempfile::tempdir()?;
    let url = format!("--prometheus-url={}", prometheus.url());
    let arguments = ["run", &url, "--metrics-bind-address=0", "--health-probe-bind-address=0"].map(str::to_owned);
    let environment = [("KUBECONFIG", OsString::from(plane.kubeconfig()))];
    let operator = Process::start(Path::new(env!("CARGO_BIN_EXE_flyball")), &arguments, &environment, folder.path())?;
    let replicas = || -> Result<i64, Failed> {
        Ok(succeed(plane.kubectl(&["get", "deployment", "busy", "-o", "jsonpath={.spec.replicas}"])?)?
            .trim()
            .parse()?)
    };
    let stays = || -> Result<(), Failed> {
        let end = Instant::now() + QUIET;
        while Instant::now() < end {
            assert_eq!(replicas()?, 4, "{}", operator.log_tail());
            std::thread::sleep(Duration::from_millis(250));
        }
        Ok(())
    };
    eventually("4 replicas", || Ok(replicas()? == 4)).map_err(|error| {
        let status = plane.kubectl(&["get", "scp", "busy", "-o", "jsonpath={.status}"]).map(|it| it.stdout);
        let status = status.map(|text| String::from_utf8_lossy(&text).into_owned());
        format!("{}\n{status:?}\n{}", error.message().unwrap_or_default(), operator.log_tail())
    })?;
    // The two new pods are not ready: whether their load is less is not known.
    stays()?;
    prometheus.stop();
    eventually("it is told", || {
        let reason = r#"jsonpath={.status.conditions[?(@.type=="ScalingActive")].reason}"#;
        Ok(succeed(plane.kubectl(&["get", "scp", "busy", "-o", reason])?)? == "FailedGetResourceMetric")
    })?;
    stays()
}
