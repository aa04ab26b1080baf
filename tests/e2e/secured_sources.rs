//! The operator's own binary, whose only Prometheus is a source object with credentials: the real server asks for them, and the real
//! API server keeps them. What happens as they are taken away, changed and brought back, without a restart.
//!
//! The server listens on loopback, which a cluster's source may reach (a namespace's may not).

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::control_plane::{Assets, Exporter, Process, Program, Shared, availability, free_port, trial};
use crate::operator::{OPTIONS, QUIET, SCRAPE_INTERVAL, SERIES, policy};
use crate::secured::certificates::{Ca, Pair};
use crate::secured::{HASH, PASSWORD, Secured, basic, trusting};
use crate::support::{apply, eventually, succeed};

/// Where the credentials lie: not where the policy is.
const VAULT: &str = "vault";

/// All trials of this file.
pub(crate) fn trials() -> Vec<Trial> {
    let mut programs = OPTIONS.programs();
    programs.push(Program::Prometheus);
    let found = availability(&programs);
    vec![
        trial("sources::a_password_goes_and_returns", &found, a_password_goes_and_returns),
        trial("sources::a_client_certificate_goes_and_returns", &found, a_client_certificate_goes_and_returns),
    ]
}

/// A cluster with one workload, whose policy asks the source `default`, and the operator, which knows no other Prometheus.
struct World {
    operator: Process,
    metrics_port: u16,
    exporter: Exporter,
    _prometheus: Secured,
    assets: Assets,
    // The cluster and the log's folder go last.
    shared: Arc<Shared>,
    _folder: TempDir,
}

/// What makes a world a trial's own.
struct Guarded<'a> {
    ca: &'a Ca,
    /// The web configuration of the server.
    web: Value,
    /// What its readiness is asked with, if it wants one.
    client: Option<&'a Pair>,
    /// What the source says beyond its address and who may ask.
    spec: Value,
    documents: Vec<Value>,
}

impl World {
    /// Starts everything with a queue of 50 and 2 replicas, and waits until the 5 replicas are there that this takes.
    fn start(assets: &Assets, guarded: Guarded<'_>) -> Result<Self, Failed> {
        let Guarded { ca, web, client, mut spec, documents } = guarded;
        let shared = Shared::new(OPTIONS)?;
        let plane = shared.plane_with_definitions(assets)?;
        let (exporter, prometheus) = shared.block_on(async {
            let exporter = Exporter::start().await?;
            exporter.set(SERIES, 50.0);
            let interval = format!("{}ms", SCRAPE_INTERVAL.as_millis());
            let config = json!({
                "global": {"scrape_interval": interval, "scrape_timeout": interval},
                "scrape_configs": [{"job_name": "test", "static_configs": [{"targets": [exporter.target()]}]}],
            });
            let mut prometheus = Secured::scraping(assets, (&ca.server(&["localhost"]), web), &config);
            prometheus.ready(&prometheus.connection(basic(PASSWORD), trusting(ca, client))).await;
            Ok::<_, Failed>((exporter, prometheus))
        })?;
        apply(plane, &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": VAULT}}))?;
        for document in &documents {
            apply(plane, document)?;
        }
        spec["url"] = prometheus.url().into();
        spec["allowedNamespaces"] = json!({"from": "Names", "names": ["default"]});
        apply(
            plane,
            &json!({"apiVersion": "flyball.dev/v1alpha1", "kind": "ClusterPrometheusSource",
                "metadata": {"name": "default"}, "spec": spec}),
        )?;
        succeed(plane.kubectl(&["create", "deployment", "web", "--image=web", "--replicas=2"])?)?;
        apply(plane, &policy())?;
        let folder = tempfile::tempdir()?;
        let metrics_port = free_port()?;
        let arguments = [
            "run".to_owned(),
            format!("--metrics-bind-address=127.0.0.1:{metrics_port}"),
            "--health-probe-bind-address=0".to_owned(),
        ];
        let environment = [("KUBECONFIG", OsString::from(plane.kubeconfig()))];
        let operator =
            Process::start(Path::new(env!("CARGO_BIN_EXE_flyball")), &arguments, &environment, folder.path())?;
        let assets = assets.clone();
        let mut world =
            Self { operator, metrics_port, exporter, _prometheus: prometheus, assets, shared, _folder: folder };
        world.reaches(5)?;
        world.is_ready_and_known()?;
        Ok(world)
    }

    fn kubectl(&self, arguments: &[&str]) -> Result<String, Failed> {
        succeed(self.shared.plane(&self.assets)?.kubectl(arguments)?)
    }

    fn apply(&self, manifest: &Value) -> Result<(), Failed> {
        apply(self.shared.plane(&self.assets)?, manifest).map(drop)
    }

    fn replicas(&self) -> Result<i64, Failed> {
        Ok(self.kubectl(&["get", "deployment", "web", "-o", "jsonpath={.spec.replicas}"])?.trim().parse()?)
    }

    fn reaches(&mut self, replicas: i64) -> Result<(), Failed> {
        let reached = eventually(&format!("{replicas} replicas"), || Ok(self.replicas()? == replicas));
        let ended = self.operator.ended().map_or(Ok(()), |exit| Err(format!("the operator ended: {exit}").into()));
        ended.and(reached).map_err(|error| self.with_log(&error))
    }

    fn status(&self, kind: &str, name: &str) -> Result<Value, Failed> {
        let object: Value = serde_json::from_str(&self.kubectl(&["get", kind, name, "-o", "json"])?)?;
        Ok(object["status"].clone())
    }

    /// Status, reason and message of a condition.
    fn condition(&self, (kind, name): (&str, &str), condition: &str) -> Result<[String; 3], Failed> {
        let status = self.status(kind, name)?;
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        let found = conditions.into_iter().find(|found| found["type"] == condition).unwrap_or_default();
        Ok(["status", "reason", "message"].map(|field| found[field].as_str().unwrap_or_default().to_owned()))
    }

    /// The source says that it is ready, and who answers.
    fn is_ready_and_known(&self) -> Result<(), Failed> {
        self.source_says("True", "Connected")?;
        let status = self.status("clusterpromsource", "default")?;
        let info = &status["buildInfo"];
        assert_eq!(info["flavour"], "Prometheus", "{status}");
        assert!(info["version"].as_str().is_some_and(|version| !version.is_empty()), "{status}");
        assert!(status["clockSkewSeconds"].as_i64().is_some_and(|skew| skew.abs() <= 1), "{status}");
        Ok(())
    }

    fn source_says(&self, status: &str, reason: &str) -> Result<(), Failed> {
        let mut last = Default::default();
        let said = eventually(&format!("the source is {status}, {reason}"), || {
            last = self.condition(("clusterpromsource", "default"), "Ready")?;
            Ok(last[0] == status && last[1] == reason)
        });
        said.map_err(|error| self.with_log(&format!("{}; {last:?}", error.message().unwrap_or_default()).into()))
    }

    /// The credentials are wrong in this way: source and policy say so by the object's name, and though the queue is nearly empty nothing
    /// shrinks, until `mend`; then the queue counts again.
    fn holds_until(
        &mut self,
        (reason, words): (&str, &str),
        mend: impl FnOnce(&Self) -> Result<(), Failed>,
    ) -> Result<(), Failed> {
        let before = self.replicas()?;
        self.source_says("False", reason)?;
        let mut last = Default::default();
        let told = eventually("the policy says so", || {
            last = self.condition(("scp", "web"), "ScalingActive")?;
            Ok(last[0] == "False" && last[2].contains("ClusterPrometheusSource \"default\"") && last[2].contains(words))
        });
        told.map_err(|error| self.with_log(&format!("{}; {last:?}", error.message().unwrap_or_default()).into()))?;
        self.exporter.set(SERIES, 21.0);
        let end = Instant::now() + QUIET;
        while Instant::now() < end {
            assert_eq!(self.replicas()?, before, "{}", self.operator.log_tail());
            std::thread::sleep(std::time::Duration::from_millis(250));
        }
        mend(self)?;
        self.is_ready_and_known()?;
        self.reaches(3)?;
        self.exporter.set(SERIES, 50.0);
        self.reaches(5)
    }

    /// None of `secrets` is in what the operator wrote: log, metrics, status and events.
    fn tells_nobody(&self, secrets: &[&str]) -> Result<(), Failed> {
        let url = format!("http://127.0.0.1:{}/metrics", self.metrics_port);
        let metrics = self.shared.block_on(async { reqwest::get(url).await?.error_for_status()?.text().await })?;
        assert!(metrics.contains("flyball_source_"), "{metrics}");
        let objects = self.kubectl(&["get", "clusterpromsource,scp,events", "-A", "-o", "json"])?;
        for (place, text) in [("log", self.operator.log()), ("metrics", metrics), ("objects", objects)] {
            for secret in secrets {
                assert!(!text.contains(secret), "the {place} tell a secret");
            }
        }
        Ok(())
    }

    fn with_log(&self, error: &Failed) -> Failed {
        format!("{}\n{}", error.message().unwrap_or_default(), self.operator.log_tail()).into()
    }
}

fn document(kind: &str, name: &str, data: &Value) -> Value {
    let field = if kind == "Secret" { "stringData" } else { "data" };
    let metadata = json!({"name": name, "namespace": VAULT});
    json!({"apiVersion": "v1", "kind": kind, "metadata": metadata, field: data})
}

fn login(password: &str) -> Value {
    document("Secret", "login", &json!({"username": "flyball", "password": password}))
}

/// Basic authentication over TLS by an authority of one's own, from a ConfigMap.
fn a_password_goes_and_returns(assets: &Assets) -> Result<(), Failed> {
    let wrong = "pass-phrase-of-somebody-else";
    let ca = Ca::new("ca");
    let key = |key: &str| json!({"secretKeyRef": {"namespace": VAULT, "name": "login", "key": key}});
    let mut world = World::start(
        assets,
        Guarded {
            ca: &ca,
            web: json!({"basic_auth_users": {"flyball": HASH}}),
            client: None,
            spec: json!({
                "auth": {"basic": {"username": key("username"), "password": key("password")}},
                "tls": {"ca": {"configMapKeyRef": {"namespace": VAULT, "name": "authority", "key": "ca.crt"}}},
            }),
            documents: vec![document("ConfigMap", "authority", &json!({"ca.crt": ca.pem})), login(PASSWORD)],
        },
    )?;
    world.apply(&login(wrong))?;
    world.holds_until(("Unauthorized", "401"), |world| world.apply(&login(PASSWORD)))?;
    world.kubectl(&["-n", VAULT, "delete", "secret", "login"])?;
    world.holds_until(("SecretNotFound", "vault/login"), |world| world.apply(&login(PASSWORD)))?;
    world.tells_nobody(&[PASSWORD, wrong])
}

fn client_certificate(pair: &Pair) -> Value {
    let data = json!({"tls.crt": pair.certificate, "tls.key": pair.key});
    let mut secret = document("Secret", "client", &data);
    secret["type"] = "kubernetes.io/tls".into();
    secret
}

/// A certificate of our own and a password; the authority is in a Secret.
fn a_client_certificate_goes_and_returns(assets: &Assets) -> Result<(), Failed> {
    let (ca, clients, other) = (Ca::new("ca"), Ca::new("clients"), Ca::new("other"));
    let (right, wrong) = (clients.client(), other.client());
    let key = |name: &str, key: &str| json!({"secretKeyRef": {"namespace": VAULT, "name": name, "key": key}});
    let mut world = World::start(
        assets,
        Guarded {
            ca: &ca,
            web: json!({
                "tls_server_config": {"client_auth_type": "RequireAndVerifyClientCert", "client_ca_file": clients.pem},
                "basic_auth_users": {"flyball": HASH},
            }),
            client: Some(&right),
            spec: json!({
                "auth": {"basic": {"username": key("login", "username"), "password": key("login", "password")}},
                "tls": {
                    "ca": key("authority", "ca.crt"),
                    "clientCertificate": {"namespace": VAULT, "secretName": "client"},
                },
            }),
            documents: vec![
                document("Secret", "authority", &json!({"ca.crt": ca.pem})),
                login(PASSWORD),
                client_certificate(&right),
            ],
        },
    )?;
    world.apply(&client_certificate(&wrong))?;
    world.holds_until(("Unauthorized", "client certificate"), |world| world.apply(&client_certificate(&right)))?;
    world.kubectl(&["-n", VAULT, "delete", "secret", "client"])?;
    world.holds_until(("SecretNotFound", "vault/client"), |world| world.apply(&client_certificate(&right)))?;
    // A line of each key, as nothing prints a whole one.
    let line = |pair: &Pair| pair.key.lines().nth(1).unwrap_or_default().to_owned();
    world.tells_nobody(&[PASSWORD, &line(&right), &line(&wrong)])
}
