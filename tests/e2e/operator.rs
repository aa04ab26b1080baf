//! The operator's own binary on a real cluster with a real Prometheus: it follows the metric, holds when data is missing, tells why,
//! and goes when it is told to. Every test has a control plane of its own, since operators in one cluster elect one leader.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::control_plane::{
    Assets, Controllers, Exporter, Options, Process, Program, Prometheus, Shared, availability, free_port, trial,
};
use crate::support::{apply, eventually, succeed};

pub(crate) const OPTIONS: Options = Options { controllers: Controllers::Workloads };
/// How often Prometheus looks at the exporter.
pub(crate) const SCRAPE_INTERVAL: Duration = Duration::from_millis(500);
/// How long nothing may happen before a test believes that nothing will: several polling periods of 1 s.
pub(crate) const QUIET: Duration = Duration::from_secs(6);
/// What the policies of these tests ask for; the target is 10 a replica.
pub(crate) const SERIES: &str = r#"queue_depth{queue="orders"}"#;

/// All trials of this file.
pub(crate) fn trials() -> Vec<Trial> {
    let mut programs = OPTIONS.programs();
    programs.push(Program::Prometheus);
    let found = availability(&programs);
    let with_world = |name: &str, test: fn(&mut World) -> Result<(), Failed>| {
        trial(name, &found, move |assets| test(&mut World::start(assets)?))
    };
    vec![
        with_world("operator::it_follows_the_metric_and_says_why", it_follows_the_metric_and_says_why),
        with_world("operator::missing_data_never_lowers", missing_data_never_lowers),
        with_world("operator::it_goes_when_told_and_leaves_no_lease", it_goes_when_told_and_leaves_no_lease),
        with_world("operator::its_own_metrics_are_well_formed", its_own_metrics_are_well_formed),
    ]
}

/// A cluster with one workload and its policy, the operator, Prometheus and what it scrapes.
struct World {
    operator: Process,
    metrics_port: u16,
    health_port: u16,
    prometheus: Prometheus,
    exporter: Exporter,
    assets: Assets,
    // The cluster and the log's folder go last.
    shared: Arc<Shared>,
    _folder: TempDir,
}

impl World {
    /// Starts everything with a queue of 50 and 2 replicas, and waits until the 5 replicas are there that this takes.
    fn start(assets: &Assets) -> Result<Self, Failed> {
        let shared = Shared::new(OPTIONS)?;
        let plane = shared.plane_with_definitions(assets)?;
        let (exporter, prometheus) = shared.block_on(async {
            let exporter = Exporter::start().await?;
            exporter.set(SERIES, 50.0);
            let prometheus = Prometheus::start(assets, &[exporter.target()], SCRAPE_INTERVAL).await?;
            Ok::<_, Failed>((exporter, prometheus))
        })?;
        succeed(plane.kubectl(&["create", "deployment", "web", "--image=web", "--replicas=2"])?)?;
        apply(plane, &policy())?;
        let folder = tempfile::tempdir()?;
        let (metrics_port, health_port) = (free_port()?, free_port()?);
        let arguments = [
            "run".to_owned(),
            format!("--prometheus-url={}", prometheus.url()),
            format!("--metrics-bind-address=127.0.0.1:{metrics_port}"),
            format!("--health-probe-bind-address=127.0.0.1:{health_port}"),
        ];
        let environment = [("KUBECONFIG", OsString::from(plane.kubeconfig()))];
        let operator =
            Process::start(Path::new(env!("CARGO_BIN_EXE_flyball")), &arguments, &environment, folder.path())?;
        let assets = assets.clone();
        let mut world =
            Self { operator, metrics_port, health_port, prometheus, exporter, assets, shared, _folder: folder };
        world.reaches(5)?;
        Ok(world)
    }

    fn kubectl(&self, arguments: &[&str]) -> Result<String, Failed> {
        succeed(self.shared.plane(&self.assets)?.kubectl(arguments)?)
    }

    fn replicas(&self) -> Result<i64, Failed> {
        Ok(self.kubectl(&["get", "deployment", "web", "-o", "jsonpath={.spec.replicas}"])?.trim().parse()?)
    }

    /// Waits for `replicas`; the operator's log tells why they did not come, and its end ends the wait.
    fn reaches(&mut self, replicas: i64) -> Result<(), Failed> {
        let mut ended = None;
        let reached = eventually(&format!("{replicas} replicas"), || {
            ended = self.operator.ended();
            Ok(ended.is_some() || self.replicas()? == replicas)
        });
        let ended = ended.map_or(Ok(()), |exit| Err(format!("the operator ended: {exit}").into()));
        reached.and(ended).map_err(|error| self.with_log(&error))
    }

    /// Sees `replicas`, and nothing else, for a while.
    fn stays_at(&self, replicas: i64) -> Result<(), Failed> {
        let end = tokio::time::Instant::now() + QUIET;
        while tokio::time::Instant::now() < end {
            let now = self.replicas()?;
            if now != replicas {
                return Err(self.with_log(&format!("{now} replicas, and it should hold at {replicas}").into()));
            }
            std::thread::sleep(Duration::from_millis(250));
        }
        Ok(())
    }

    fn policy(&self) -> Result<Value, Failed> {
        Ok(serde_json::from_str(&self.kubectl(&["get", "scp", "web", "-o", "json"])?)?)
    }

    fn condition(&self, kind: &str) -> Result<Value, Failed> {
        let policy = self.policy()?;
        let conditions = policy["status"]["conditions"].as_array().cloned().unwrap_or_default();
        Ok(conditions.into_iter().find(|condition| condition["type"] == kind).unwrap_or_default())
    }

    fn get(&self, port: u16, path: &str) -> Result<String, Failed> {
        let url = format!("http://127.0.0.1:{port}{path}");
        Ok(self.shared.block_on(async { reqwest::get(url).await?.error_for_status()?.text().await })?)
    }

    fn with_log(&self, error: &Failed) -> Failed {
        format!("{}\n{}", error.message().unwrap_or_default(), self.operator.log_tail()).into()
    }
}

/// Reacts at once in both directions, so that a test need not wait for a window.
pub(crate) fn policy() -> Value {
    json!({
        "apiVersion": "flyball.dev/v1alpha1",
        "kind": "ScalingPolicy",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "minReplicas": 2,
            "maxReplicas": 8,
            "pollingPeriodSeconds": 1,
            "metrics": [{"type": "Prometheus", "prometheus": {
                "query": "sum(queue_depth)", "target": {"type": "AverageValue", "averageValue": "10"},
            }}],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}},
        },
    })
}

fn it_follows_the_metric_and_says_why(world: &mut World) -> Result<(), Failed> {
    world.exporter.set(SERIES, 500.0);
    world.reaches(8)?;
    eventually("the bound is told", || Ok(world.condition("ScalingLimited")?["reason"] == "TooManyReplicas"))?;
    world.exporter.set(SERIES, 31.0);
    world.reaches(4)?;
    eventually("status tells the decision", || {
        let status = world.policy()?["status"].clone();
        Ok(status["desiredReplicas"] == 4 && status["lastDecision"].is_object() && status["observedGeneration"] == 1)
    })?;
    assert_eq!(world.condition("Ready")?["status"], "True");
    let events = world.kubectl(&["get", "events", "-o", "jsonpath={.items[*].reason}"])?;
    assert!(events.contains("SuccessfulRescale"), "{events}");
    Ok(())
}

/// A stopped Prometheus, a failing exporter, a series that is gone: each holds the replicas, and ends when the data is back.
fn missing_data_never_lowers(world: &mut World) -> Result<(), Failed> {
    let inactive =
        |world: &World| eventually("it is told", || Ok(world.condition("ScalingActive")?["status"] == "False"));
    world.prometheus.stop();
    world.exporter.set(SERIES, 21.0);
    inactive(world)?;
    world.stays_at(5)?;
    let shared = Arc::clone(&world.shared);
    shared.block_on(world.prometheus.restart())?;
    world.reaches(3)?;
    world.exporter.remove(SERIES);
    inactive(world)?;
    world.stays_at(3)?;
    world.exporter.set(SERIES, 70.0);
    world.reaches(7)?;
    world.exporter.set_failing(true);
    inactive(world)?;
    world.stays_at(7)
}

fn it_goes_when_told_and_leaves_no_lease(world: &mut World) -> Result<(), Failed> {
    let shared = Arc::clone(&world.shared);
    let exit = shared.block_on(world.operator.terminate())?;
    assert_eq!(exit.code(), Some(0), "{}", world.operator.log_tail());
    let holders = world.kubectl(&["get", "leases", "-A", "-o", "jsonpath={.items[*].spec.holderIdentity}"])?;
    assert!(!holders.contains("flyball"), "a lease is still held: {holders}");
    world.exporter.set(SERIES, 80.0);
    world.stays_at(5)
}

fn its_own_metrics_are_well_formed(world: &mut World) -> Result<(), Failed> {
    eventually("it is ready", || Ok(!world.get(world.health_port, "/readyz")?.is_empty()))?;
    let metrics = world.get(world.metrics_port, "/metrics")?;
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), &metrics)?;
    let check = std::process::Command::new("promtool").args(["check", "metrics"]).stdin(file.reopen()?).output()?;
    succeed(check).map_err(|error| format!("{}\nin\n{metrics}", error.message().unwrap_or_default()))?;
    Ok(())
}
