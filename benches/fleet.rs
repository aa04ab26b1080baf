//! What `flyball run` costs in steady state: requests to the API server and to Prometheus per pass, CPU and memory, over a fleet of policies
//! on a real control plane and a real Prometheus. Counts are exact; seconds are this machine's.
//!
//! `cargo bench --bench fleet`, with `FLYBALL_FLEET_POLICIES` (default 100), `FLYBALL_FLEET_SECONDS` (default 60) and
//! `FLYBALL_FLEET_QUERIES`: `shape` (default: they differ in a label's value, and share requests) or `distinct` (nothing to share). Needs
//! a control plane: see CONTRIBUTING.md. Talks to loopback only and stops by itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark may fail by panicking")]

#[path = "../tests/control_plane/mod.rs"]
mod control_plane;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use control_plane::{Controllers, Exporter, Options, Process, Program, Prometheus, Shared, availability, free_port};
use serde_json::json;

const OPTIONS: Options = Options { controllers: Controllers::None };
/// Passes of the first period, first status writes and watches are over by then.
const SETTLE: Duration = Duration::from_secs(35);
/// Loads beyond this are not what the benchmark is for, and would fill the machine.
const MAX_POLICIES: u64 = 20_000;

fn main() {
    let policies = number("FLYBALL_FLEET_POLICIES", 100).min(MAX_POLICIES);
    let seconds = number("FLYBALL_FLEET_SECONDS", 60);
    let distinct = std::env::var("FLYBALL_FLEET_QUERIES").is_ok_and(|queries| queries == "distinct");
    let mut programs = OPTIONS.programs();
    programs.push(Program::Prometheus);
    let assets = match availability(&programs) {
        Ok(assets) => assets,
        Err(missing) => {
            println!("not measured: {missing}");
            return;
        }
    };
    let shared = Shared::new(OPTIONS).unwrap();
    let plane = shared.plane_with_definitions(&assets).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = OsString::from(plane.kubeconfig());
    shared.block_on(async {
        let exporter = Exporter::start().await.unwrap();
        for index in 0..policies {
            exporter.set(&format!("load{{app=\"web-{index}\"}}"), 20.0);
        }
        let prometheus = Prometheus::start(&assets, &[exporter.target()], Duration::from_secs(5)).await.unwrap();
        fill(&plane.client().await.unwrap(), policies, distinct).await;
        let port = free_port().unwrap();
        let arguments = [
            "run".to_owned(),
            format!("--prometheus-url={}", prometheus.url()),
            format!("--metrics-bind-address=127.0.0.1:{port}"),
            "--health-probe-bind-address=0".to_owned(),
        ];
        let mut operator = Process::start(
            Path::new(env!("CARGO_BIN_EXE_flyball")),
            &arguments,
            &[("KUBECONFIG", kubeconfig)],
            folder.path(),
        )
        .unwrap();
        tokio::time::sleep(SETTLE).await;
        let before = sample(port, &prometheus.url()).await;
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let after = sample(port, &prometheus.url()).await;
        operator.terminate().await.unwrap();
        println!("{} queries", if distinct { "distinct" } else { "one shape of" });
        report((policies, seconds), &before, &after);
    });
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// One Deployment and one policy each, the policy with the default period of 15 s.
async fn fill(client: &kube::Client, policies: u64, distinct: bool) {
    for index in 0..policies {
        let name = format!("web-{index}");
        let labels = json!({"app": name});
        // A constant of its own keeps each query from sharing with another.
        let own = if distinct { format!(" + 0.{index:06}") } else { String::new() };
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
            "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": {
                "metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "web"}]},
            }},
        });
        let policy = json!({
            "apiVersion": "flyball.dev/v1alpha1", "kind": "ScalingPolicy", "metadata": {"name": name},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
                "minReplicas": 2, "maxReplicas": 10,
                "metrics": [{"type": "Prometheus", "prometheus": {
                    "query": format!("sum(load{{app=\"{name}\"}}){own}"),
                    "target": {"type": "AverageValue", "averageValue": "10"},
                }}],
                "behavior": {"scaleDown": {"stabilizationWindowSeconds": 300}},
            },
        });
        post(client, "/apis/apps/v1/namespaces/default/deployments", &deployment).await;
        post(client, "/apis/flyball.dev/v1alpha1/namespaces/default/scalingpolicies", &policy).await;
    }
}

async fn post(client: &kube::Client, path: &str, object: &serde_json::Value) {
    let request = http::Request::post(path).header("content-type", "application/json");
    client.request_text(request.body(serde_json::to_vec(object).unwrap()).unwrap()).await.unwrap();
}

/// Counters and gauges by series, from the operator and from Prometheus.
type Sample = BTreeMap<String, f64>;

async fn sample(port: u16, prometheus: &str) -> Sample {
    let mut sample = Sample::new();
    for url in [format!("http://127.0.0.1:{port}/metrics"), format!("{prometheus}/metrics")] {
        let text = reqwest::get(&url).await.unwrap().text().await.unwrap();
        let source = if url.contains(prometheus) { "prometheus" } else { "flyball" };
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if let Some((series, value)) = line.rsplit_once(' ') {
                sample.insert(format!("{source} {series}"), value.parse().unwrap_or(f64::NAN));
            }
        }
    }
    sample
}

fn report((policies, seconds): (u64, u64), before: &Sample, after: &Sample) {
    let sum = |sample: &Sample, prefix: &str| -> f64 {
        sample.iter().filter(|(series, _)| series.starts_with(prefix)).map(|(_, value)| value).sum()
    };
    let grown = |prefix: &str| sum(after, prefix) - sum(before, prefix);
    let passes = grown("flyball flyball_syncs_total");
    #[allow(clippy::cast_precision_loss)] // a few thousand at most
    let rounds = passes / policies as f64;
    let cpu_seconds = grown("flyball process_cpu_seconds_total");
    let watched = "watches that end and begin anew included";
    println!("{policies} policies, one metric each, period 15 s, nothing to change, {seconds} s");
    println!("  passes                              {passes:>10.0}");
    println!(
        "  API server requests per pass        {:>10.4}  ({watched})",
        grown("flyball flyball_api_requests_total") / passes
    );
    println!("  status writes                       {:>10.0}", grown("flyball flyball_status_writes_total"));
    println!(
        "  Prometheus queries per pass         {:>10.4}",
        grown("prometheus prometheus_http_requests_total{code=\"200\",handler=\"/api/v1/query\"}") / passes
    );
    println!(
        "  Prometheus queries per round        {:>10.1}",
        grown("prometheus prometheus_http_requests_total{code=\"200\",handler=\"/api/v1/query\"}") / rounds
    );
    println!(
        "  Prometheus CPU per round            {:>10.1} ms  (its scrapes included)",
        grown("prometheus process_cpu_seconds_total") / rounds * 1_000.0
    );
    println!("  CPU per pass                        {:>10.3} ms", cpu_seconds / passes * 1_000.0);
    println!(
        "  resident memory                     {:>10.1} MiB",
        sum(after, "flyball process_resident_memory_bytes") / 1_048_576.0
    );
    println!("  open files                          {:>10.0}", sum(after, "flyball process_open_fds"));
    println!(
        "  mean lateness                       {:>10.3} ms",
        grown("flyball flyball_schedule_lateness_seconds_sum")
            / grown("flyball flyball_schedule_lateness_seconds_count")
            * 1_000.0
    );
}
