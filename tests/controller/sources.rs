//! Policies that name their source: who may use which, what happens while one cannot be asked, and that no credential is ever written.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use flyball::cluster::client::Clients;
use flyball::controller::Settings;
use flyball::controller::sources::{SourceKeeper, SourceSettings};
use flyball::sandbox::Prometheus;
use flyball::sandbox::kubernetes::{Failure, KINDS};
use flyball::sources::prometheus::connection::Identity;
use flyball::sources::prometheus::usage::{PodUsages, UsageQuery};
use flyball::sources::prometheus::{Connection, Limits};
use flyball::sources::registry::{Connect, Registry};
use kube::Api;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::cellar::{Cellar, basic};
use crate::scene::{NAMESPACE, PERIOD, Scene, at_once_both_ways, policy, with};

/// Nobody may ever read this.
pub(crate) const PASSWORD: &str = "correct-horse-battery";

/// A scene with a keeper of sources in it.
pub(crate) struct Yard {
    pub(crate) scene: Scene,
    pub(crate) cellar: Cellar,
    registry: Registry<Cellar>,
    cancel: CancellationToken,
}

impl Drop for Yard {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

impl Yard {
    /// Where the flag names `flag`, if it is given.
    pub(crate) async fn with_flag(flag: Option<&str>) -> Self {
        let mut scene = Scene::without_controller();
        let cellar = Cellar::new(scene.clock);
        cellar.serve("main", &scene.prometheus, Identity::Anonymous);
        let flag = flag.map(|host| Connection::to(format!("http://{host}").parse().unwrap()));
        let of_flag = flag.as_ref().map(|flag| cellar.connect(flag, Limits::default()).unwrap());
        let way_of_flag = flag.as_ref().map(|flag| cellar.pod_usage(flag).unwrap());
        let (registry, refusals) = Registry::new(cellar.clone(), of_flag);
        scene.ready = registry.ready();
        let choose = registry.pod_usages(way_of_flag);
        scene.pod_usages = Some(PodUsages::choosing(choose, UsageQuery::cpu(None), UsageQuery::memory(None)));
        let clients = Clients::same(scene.wire.client(&scene.kubernetes));
        let settings = SourceSettings { instance: "test".into(), ..SourceSettings::default() };
        let keeper = SourceKeeper::new((clients, scene.clock), (registry.clone(), refusals), settings);
        let cancel = CancellationToken::new();
        tokio::spawn(keeper.run(cancel.clone()));
        registry.settle().await;
        let settings = Settings { namespace: None, concurrency: 16, instance: "test".into() };
        scene.start_over(registry.clone(), settings);
        scene.pass(1).await;
        Self { scene, cellar, registry, cancel }
    }

    async fn new() -> Self {
        Self::with_flag(None).await
    }

    /// A Deployment of two replicas with a load for three, and a policy that asks this source about it.
    fn policy(&self, name: &str, source: Value) {
        self.scene.deploy(name, 2);
        self.scene.set(name, 300.0);
        let policy = at_once_both_ways(policy(name));
        self.scene.apply(with(policy, "/spec/metrics/0/prometheus/sourceRef", source));
    }

    pub(crate) fn create(&self, object: Value) {
        self.scene.kubernetes.create(object).unwrap();
    }

    pub(crate) async fn edit(&self, (kind, name): (&str, &str), change: Value) {
        let kind = KINDS.iter().find(|known| known.kind == kind).unwrap();
        let resource = ApiResource {
            group: kind.group.into(),
            version: kind.version.into(),
            api_version: kind.api_version(),
            kind: kind.kind.into(),
            plural: kind.plural.into(),
        };
        let client = self.scene.kubernetes.client(NAMESPACE);
        let api: Api<DynamicObject> = if kind.namespaced {
            Api::namespaced_with(client, NAMESPACE, &resource)
        } else {
            Api::all_with(client, &resource)
        };
        api.patch(name, &PatchParams::default(), &Patch::Merge(change)).await.unwrap();
    }

    fn source_status(&self, kind: &str, name: &str) -> Value {
        let (plural, namespace) = match kind {
            "PrometheusSource" => ("prometheussources", NAMESPACE),
            _ => ("clusterprometheussources", ""),
        };
        self.scene.kubernetes.object(("flyball.dev", plural), namespace, name).unwrap()["status"].clone()
    }

    /// Asserts status and reason of the source's condition; returns the message.
    #[track_caller]
    fn expect_source(&self, (kind, name): (&str, &str), condition: (&str, &str, &str)) -> String {
        let status = self.source_status(kind, name);
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        let found = conditions.into_iter().find(|found| found["type"] == condition.0).unwrap_or_default();
        let is = (found["status"].as_str().unwrap_or(""), found["reason"].as_str().unwrap_or(""));
        assert_eq!(is, (condition.1, condition.2), "{status}");
        found["message"].as_str().unwrap_or("").to_owned()
    }

    /// Everything that the API server holds but Secrets, and the operator's own metrics.
    async fn everything(&self) -> String {
        let client = self.scene.kubernetes.client(NAMESPACE);
        let mut all = self.scene.metrics.render().unwrap();
        for kind in KINDS.iter().filter(|kind| kind.kind != "Secret") {
            let root = if kind.group.is_empty() { "api".to_owned() } else { format!("apis/{}", kind.group) };
            let path = format!("/{root}/{}/{}", kind.version, kind.plural);
            all += &client.request_text(http::Request::get(path).body(Vec::new()).unwrap()).await.unwrap();
        }
        all
    }
}

pub(crate) fn cluster_source(name: &str, host: &str, extra: &Value) -> Value {
    let mut spec = json!({"url": format!("http://{host}"), "allowedNamespaces": {"from": "All"}});
    spec.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    let metadata = json!({"name": name});
    json!({"apiVersion": "flyball.dev/v1alpha1", "kind": "ClusterPrometheusSource", "metadata": metadata, "spec": spec})
}

fn team_source(host: &str, extra: &Value) -> Value {
    let mut spec = json!({"url": format!("http://{host}")});
    spec.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    let metadata = json!({"name": "team", "namespace": NAMESPACE});
    json!({"apiVersion": "flyball.dev/v1alpha1", "kind": "PrometheusSource", "metadata": metadata, "spec": spec})
}

pub(crate) fn secret(values: &[(&str, &str)]) -> Value {
    let encode = |value: &str| base64::engine::general_purpose::STANDARD.encode(value);
    let data: BTreeMap<_, _> = values.iter().map(|(key, value)| (*key, encode(value))).collect();
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login", "namespace": NAMESPACE}, "data": data})
}

/// User and password out of the Secret `login`.
fn login() -> Value {
    let key = |key: &str| json!({"secretKeyRef": {"name": "login", "key": key}});
    json!({"auth": {"basic": {"username": key("username"), "password": key("password")}}})
}

const TEAM: (&str, &str) = ("PrometheusSource", "team");
const MAIN: (&str, &str) = ("ClusterPrometheusSource", "main");

fn reference((kind, name): (&str, &str)) -> Value {
    json!({"kind": kind, "name": name})
}

#[tokio::test(start_paused = true)]
async fn a_policy_asks_the_source_that_it_names() {
    let yard = Yard::new().await;
    let empty = Prometheus::new(yard.scene.clock);
    yard.cellar.serve("empty", &empty, Identity::Anonymous);
    yard.cellar.skew("main", -40);
    yard.create(cluster_source("main", "main", &json!({})));
    yard.create(team_source("empty", &json!({})));
    yard.policy("web", reference(MAIN));
    yard.policy("api", reference(TEAM));
    yard.scene.pass(2 * PERIOD).await;
    assert_eq!((yard.scene.replicas("web"), yard.scene.replicas("api")), (3, 2));
    let message = yard.scene.expect("api", ("ScalingActive", "False", "FailedGetPrometheusMetric"));
    assert!(message.contains("no series"), "{message}");
    let message = yard.expect_source(MAIN, ("Ready", "True", "Connected"));
    assert!(message.starts_with("Prometheus 3.5.0 answers. Its clock is behind"), "{message}");
    let status = yard.source_status(MAIN.0, MAIN.1);
    assert_eq!(status["buildInfo"], json!({"version": "3.5.0", "flavour": "Prometheus"}));
    assert_eq!((&status["clockSkewSeconds"], &status["observedGeneration"]), (&json!(-40), &json!(1)));
    assert_eq!(yard.source_status(TEAM.0, TEAM.1)["clockSkewSeconds"], 0);
    // What says the same is not written again.
    let writes = |yard: &Yard| yard.scene.requests("patch", "clusterprometheussources/status");
    let before = writes(&yard);
    yard.scene.pass(600).await;
    assert_eq!(writes(&yard), before);
}

#[tokio::test(start_paused = true)]
async fn a_source_is_for_those_whom_its_owner_allows() {
    let yard = Yard::new().await;
    let others = json!({"allowedNamespaces": {"from": "Names", "names": ["depot"]}});
    yard.create(cluster_source("main", "main", &others));
    yard.policy("web", reference(MAIN));
    yard.scene.pass(2 * PERIOD).await;
    assert_eq!(yard.scene.replicas("web"), 2);
    let message = yard.scene.expect("web", ("ScalingActive", "False", "FailedGetPrometheusMetric"));
    assert!(message.contains("ClusterPrometheusSource \"main\" does not allow namespace \"shop\""), "{message}");
    assert!(message.contains("allowedNamespaces"), "{message}");
    assert_eq!(yard.scene.requests("list", "namespaces"), 0, "nobody needs labels yet");
    // A label that the namespace does not have yet.
    let selector = json!({"from": "Selector", "names": null, "selector": {"matchLabels": {"metrics": "shared"}}});
    yard.edit(MAIN, json!({"spec": {"allowedNamespaces": selector}})).await;
    yard.scene.pass(90).await;
    assert_eq!(yard.scene.replicas("web"), 2);
    yard.edit(("Namespace", NAMESPACE), json!({"metadata": {"labels": {"metrics": "shared"}}})).await;
    yard.scene.pass(90).await;
    assert_eq!(yard.scene.replicas("web"), 3);
    // And taken away again: what was allowed is not any more, and nothing shrinks.
    yard.scene.set("web", 100.0);
    yard.edit(("Namespace", NAMESPACE), json!({"metadata": {"labels": {"metrics": null}}})).await;
    yard.scene.pass(600).await;
    assert_eq!(yard.scene.replicas("web"), 3);
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_comes_later_mends_its_source() {
    let yard = Yard::new().await;
    yard.cellar.demand("main", basic("flyball", PASSWORD));
    yard.create(team_source("main", &login()));
    yard.policy("web", reference(TEAM));
    yard.scene.pass(2 * PERIOD).await;
    let message = yard.expect_source(TEAM, ("Ready", "False", "SecretNotFound"));
    assert!(message.contains("Secret shop/login, which spec.auth.basic.username names, does not exist"), "{message}");
    let said = yard.scene.expect("web", ("ScalingActive", "False", "FailedGetPrometheusMetric"));
    assert!(said.contains("PrometheusSource \"team\": Secret shop/login"), "{said}");
    assert_eq!(yard.scene.replicas("web"), 2);
    yard.create(secret(&[("username", "flyball"), ("password", PASSWORD)]));
    yard.scene.pass(120).await;
    yard.expect_source(TEAM, ("Ready", "True", "Connected"));
    assert_eq!(yard.scene.replicas("web"), 3);
    let events: Vec<_> = yard.scene.events(TEAM.0, TEAM.1).await;
    let told: Vec<_> = events.iter().map(|(kind, reason, _)| (kind.as_str(), reason.as_str())).collect();
    assert_eq!(told, [("Warning", "SecretNotFound"), ("Normal", "Connected")]);
    assert!(!yard.scene.event_uids(TEAM.0, TEAM.1).await.iter().any(String::is_empty));
    // A key that is not there, and a Secret that goes again: known, and nothing shrinks.
    yard.edit(("Secret", "login"), json!({"data": {"password": null}})).await;
    yard.scene.pass(40).await;
    yard.expect_source(TEAM, ("Ready", "False", "SecretKeyMissing"));
    yard.scene.set("web", 100.0);
    yard.scene.kubernetes.delete(&secret(&[])).unwrap();
    yard.scene.pass(600).await;
    yard.expect_source(TEAM, ("Ready", "False", "SecretNotFound"));
    assert_eq!(yard.scene.replicas("web"), 3);
}

/// A policy that has failed for long is looked at once a minute; its source does not make it wait for that.
#[tokio::test(start_paused = true)]
async fn a_source_that_becomes_ready_wakes_who_waits_for_it() {
    let yard = Yard::new().await;
    yard.cellar.demand("main", basic("flyball", PASSWORD));
    yard.create(team_source("main", &login()));
    // Those that wait for another source, and those that do well, are left alone.
    yard.create(cluster_source("main", "nowhere", &json!({})));
    yard.policy("web", reference(TEAM));
    yard.policy("api", reference(MAIN));
    for (round, replicas) in [(1, 3), (2, 5), (3, 2)] {
        yard.scene.pass(600).await;
        yard.scene.set("web", f64::from(replicas) * 100.0);
        let passes = |yard: &Yard| yard.scene.gauge("flyball_syncs_total").unwrap_or_default();
        yard.create(secret(&[("username", "flyball"), ("password", PASSWORD)]));
        let mut seconds = 0;
        let before = loop {
            let before = passes(&yard);
            yard.scene.pass(1).await;
            seconds += 1;
            if yard.source_status(TEAM.0, TEAM.1)["conditions"][0]["reason"] == "Connected" {
                break before;
            }
            assert!(seconds <= 31, "round {round}: the Secret is read each 30 s");
        };
        yard.scene.pass(1).await;
        assert_eq!(yard.scene.replicas("web"), i64::from(replicas), "round {round}: it did not wait for its turn");
        assert!(passes(&yard) - before <= 3.0, "round {round}: woken once");
        yard.scene.kubernetes.delete(&secret(&[])).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_rotated_secret_is_used_as_soon_as_the_old_one_is_refused() {
    let yard = Yard::new().await;
    yard.cellar.demand("main", basic("flyball", PASSWORD));
    yard.create(secret(&[("username", "flyball"), ("password", PASSWORD)]));
    yard.create(team_source("main", &login()));
    yard.policy("web", reference(TEAM));
    yard.scene.pass(2 * PERIOD).await;
    assert_eq!(yard.scene.replicas("web"), 3);
    let clients = yard.cellar.made().len();
    yard.scene.pass(300).await;
    assert_eq!(yard.cellar.made().len(), clients, "what has not changed is not made again");
    yard.cellar.demand("main", basic("flyball", "next"));
    let rotated = secret(&[("username", "flyball"), ("password", "next")]);
    yard.edit(("Secret", "login"), json!({"data": rotated["data"]})).await;
    yard.scene.set("web", 500.0);
    // One pass is refused, the Secret is read at once, and the next pass gets its answer.
    yard.scene.pass(2 * PERIOD + 1).await;
    assert_eq!(yard.scene.replicas("web"), 5);
    assert_eq!(yard.cellar.made().len(), clients + 1);
    assert_eq!(yard.cellar.made().last().unwrap().identity, basic("flyball", "next"));
    // A password that stays wrong reads the Secret now and then, and not with each query.
    yard.cellar.demand("main", basic("flyball", "another"));
    let before = yard.scene.requests("get", "secrets");
    yard.scene.pass(300).await;
    let reads = yard.scene.requests("get", "secrets") - before;
    assert!((10..=60).contains(&reads), "{reads} reads in 300 s");
    let message = yard.expect_source(TEAM, ("Ready", "False", "Unauthorized"));
    assert!(message.contains("PrometheusSource \"team\""), "{message}");
    assert_eq!(yard.scene.replicas("web"), 5);
    assert_eq!(yard.scene.requests("list", "secrets") + yard.scene.requests("watch", "secrets"), 0, "by name only");
}

#[tokio::test(start_paused = true)]
async fn a_deleted_source_holds_its_policies_and_says_so() {
    let yard = Yard::new().await;
    yard.create(team_source("main", &json!({})));
    yard.policy("web", reference(TEAM));
    yard.scene.pass(2 * PERIOD).await;
    assert_eq!(yard.scene.replicas("web"), 3);
    yard.scene.set("web", 100.0);
    yard.scene.kubernetes.delete(&team_source("main", &json!({}))).unwrap();
    yard.scene.pass(600).await;
    assert_eq!(yard.scene.replicas("web"), 3);
    let message = yard.scene.expect("web", ("ScalingActive", "False", "FailedGetPrometheusMetric"));
    assert!(message.contains("There is no PrometheusSource \"team\" in namespace \"shop\"; create it"), "{message}");
    yard.create(team_source("main", &json!({})));
    yard.scene.pass(90).await;
    assert_eq!(yard.scene.replicas("web"), 1);
}

/// The object wins over the flag, even while it cannot be asked: another server could say anything.
#[tokio::test(start_paused = true)]
async fn the_default_is_the_object_and_else_the_flag() {
    let yard = Yard::with_flag(Some("flag")).await;
    let of_flag = Prometheus::new(yard.scene.clock);
    yard.cellar.serve("flag", &of_flag, Identity::Anonymous);
    let feed = |value: f64| {
        let (of_flag, clock) = (of_flag.clone(), yard.scene.clock);
        of_flag.record("load", &[("app", "web")], (value, flyball::clock::Clock::now(&clock)));
    };
    feed(700.0);
    yard.scene.deploy("web", 2);
    yard.scene.set("web", 300.0);
    yard.scene.apply(at_once_both_ways(policy("web")));
    yard.scene.pass(2 * PERIOD).await;
    assert_eq!(yard.scene.replicas("web"), 7, "the flag's");
    let locked =
        json!({"auth": {"bearer": {"secretKeyRef": {"namespace": NAMESPACE, "name": "login", "key": "token"}}}});
    yard.create(cluster_source("default", "main", &locked));
    feed(100.0);
    yard.scene.pass(120).await;
    assert_eq!(yard.scene.replicas("web"), 7, "the flag does not stand in for an object that is not ready");
    let message = yard.scene.expect("web", ("ScalingActive", "False", "FailedGetPrometheusMetric"));
    assert!(message.contains("ClusterPrometheusSource \"default\": Secret shop/login"), "{message}");
    yard.edit(("ClusterPrometheusSource", "default"), json!({"spec": {"auth": null}})).await;
    yard.scene.pass(90).await;
    assert_eq!(yard.scene.replicas("web"), 3, "the object's");
    yard.scene.kubernetes.delete(&cluster_source("default", "main", &json!({}))).unwrap();
    feed(100.0);
    yard.scene.pass(30).await;
    assert_eq!(yard.scene.replicas("web"), 1, "the flag's again");
}

#[tokio::test(start_paused = true)]
async fn equal_connections_share_one_client() {
    let yard = Yard::new().await;
    for name in ["a", "b", "c"] {
        yard.create(cluster_source(name, "main", &json!({})));
    }
    yard.create(cluster_source("narrow", "main", &json!({"maxSeries": 5})));
    yard.create(team_source("main", &json!({})));
    yard.scene.pass(5).await;
    // The namespace's may not reach what the cluster's may, so it is another.
    assert_eq!((yard.registry.clients(), yard.cellar.made().len()), (3, 3));
}

/// An API server that does not tell Secrets for a while takes no source away.
#[tokio::test(start_paused = true)]
async fn a_source_outlives_an_outage_of_the_api_server() {
    let yard = Yard::new().await;
    yard.cellar.demand("main", basic("flyball", PASSWORD));
    yard.create(secret(&[("username", "flyball"), ("password", PASSWORD)]));
    yard.create(team_source("main", &login()));
    yard.policy("web", reference(TEAM));
    yard.scene.pass(2 * PERIOD).await;
    let unavailable = Failure { code: 503, ..Failure::no_resource() };
    yard.scene.refuse(("get", "secrets"), unavailable, 100);
    yard.scene.set("web", 600.0);
    yard.scene.pass(120).await;
    assert_eq!(yard.scene.replicas("web"), 6);
    yard.expect_source(TEAM, ("Ready", "True", "Connected"));
    let forbidden = Failure { code: 403, ..Failure::no_resource() };
    yard.scene.refuse(("get", "secrets"), forbidden, 100);
    yard.scene.pass(60).await;
    let message = yard.expect_source(TEAM, ("Ready", "False", "SecretForbidden"));
    assert!(message.contains("get it by name"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn what_only_a_human_can_mend_is_stalled() {
    let yard = Yard::new().await;
    // As if it came from before the rules.
    yard.create(team_source("me:secret@main", &json!({"tls": {"insecureSkipVerify": true}})));
    yard.scene.pass(5).await;
    let message = yard.expect_source(TEAM, ("Stalled", "True", "InvalidSpec"));
    assert!(message.contains("spec.url must hold no user") && message.contains("insecureSkipVerify"), "{message}");
    assert!(yard.cellar.made().is_empty());
    yard.edit(TEAM, json!({"spec": {"url": "http://main", "tls": null}})).await;
    yard.scene.pass(5).await;
    yard.expect_source(TEAM, ("Stalled", "", ""));
    yard.expect_source(TEAM, ("Ready", "True", "Connected"));
    assert_eq!(yard.source_status(TEAM.0, TEAM.1)["observedGeneration"], 2);
}

/// Where log lines go in a test.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Through every way that credentials can go wrong, with the log at its most talkative.
#[tokio::test(start_paused = true)]
async fn no_credential_is_ever_written() {
    let logged = Logged::default();
    let writer = logged.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .finish();
    // While there is a single subscriber, tracing asks only the thread that meets a log line first whether it is wanted, and remembers its
    // answer for all; the scenarios beside this one want none.
    let _second = tracing::Dispatch::new(tracing_subscriber::fmt().with_writer(std::io::sink).finish());
    let _guard = tracing::subscriber::set_default(subscriber);
    let yard = Yard::new().await;
    yard.cellar.demand("main", basic("flyball", PASSWORD));
    yard.create(secret(&[("username", "flyball"), ("password", PASSWORD)]));
    let mut extra = login();
    extra["headers"] = json!([{"name": "X-Key", "valueFrom": {"secretKeyRef": {"name": "login", "key": "password"}}}]);
    yard.create(team_source("main", &extra));
    yard.create(cluster_source("main", "nowhere", &json!({})));
    yard.policy("web", reference(TEAM));
    yard.scene.pass(60).await;
    yard.expect_source(TEAM, ("Ready", "True", "Connected"));
    yard.cellar.demand("main", basic("flyball", "else"));
    yard.scene.pass(60).await;
    yard.expect_source(TEAM, ("Ready", "False", "Unauthorized"));
    let broken = format!("{PASSWORD}\nsecond line");
    let broken = secret(&[("username", "flyball"), ("password", &broken)]);
    yard.edit(("Secret", "login"), json!({"data": broken["data"]})).await;
    yard.scene.pass(60).await;
    yard.expect_source(TEAM, ("Ready", "False", "CredentialUnusable"));
    // The answer for the Secret is no Secret, and holds the password.
    yard.edit(("Secret", "login"), json!({"data": {"password": PASSWORD}})).await;
    yard.scene.pass(60).await;
    let pem = json!({"ca": {"secretKeyRef": {"name": "login", "key": "username"}}});
    yard.edit(TEAM, json!({"spec": {"tls": pem}})).await;
    yard.scene.pass(60).await;
    let written = yard.everything().await;
    let log = String::from_utf8(logged.0.lock().unwrap().clone()).unwrap();
    assert!(written.contains("Unauthorized"), "events and status are looked at");
    assert!(log.contains("CredentialUnusable"), "the log is caught");
    let encoded = base64::engine::general_purpose::STANDARD.encode(PASSWORD);
    for word in [PASSWORD, &encoded, "second line"] {
        assert!(!written.contains(word), "{word} stands in an object, an event or a metric");
        assert!(!log.contains(word), "{word} stands in the log");
    }
}
