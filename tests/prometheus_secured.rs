//! A real Prometheus behind its own web configuration file: TLS, client certificates, basic authentication. Ignored with the reason
//! where there is no Prometheus.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "prometheus_connections/certificates.rs"]
mod certificates;
mod control_plane;

use std::time::Duration;

use certificates::{Ca, Pair};
use control_plane::{Assets, Process, Program, availability, free_port, trial};
use flyball::engine::{Absence, Milli, Timestamp};
use flyball::sources::prometheus::connection::{Connection, Identity, Reach, Secret, Tls};
use flyball::sources::prometheus::{
    HttpTransport, Limits, PrometheusSource, QueryForm, RawAnswer, Transport, TransportError,
};
use flyball::sources::{Ask, MetricQuery, MetricSource, SeriesRule, SourceRef};
use libtest_mimic::Failed;
use serde_json::{Value, json};
use url::Url;

/// bcrypt of `hunter2`, at the least cost that there is.
const HASH: &str = "$2b$04$abcdefghijklmnopqrstuuV3duMsC0HpUex6N9qapiuOHHWkwRXVm";
/// Time to start on a busy machine.
const READY_DEADLINE: Duration = Duration::from_secs(60);

fn main() {
    let arguments = libtest_mimic::Arguments::from_args();
    let prometheus = availability(&[Program::Prometheus]);
    let trials = vec![
        trial("tls_and_basic_authentication", &prometheus, |assets| block_on(tls_and_basic(assets))),
        trial("client_certificates", &prometheus, |assets| block_on(client_certificates(assets))),
    ];
    libtest_mimic::run(&arguments, trials).exit();
}

fn block_on(test: impl Future<Output = ()>) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(test);
    Ok(())
}

/// A Prometheus with this web configuration.
struct Secured {
    process: Process,
    port: u16,
    folder: tempfile::TempDir,
}

impl Secured {
    fn start(assets: &Assets, server: &Pair, mut web: Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            path.display().to_string()
        };
        web["tls_server_config"]["cert_file"] = file("server.crt", &server.certificate).into();
        web["tls_server_config"]["key_file"] = file("server.key", &server.key).into();
        if let Some(ca) = web["tls_server_config"]["client_ca_file"].as_str().map(|pem| file("clients.crt", pem)) {
            web["tls_server_config"]["client_ca_file"] = ca.into();
        }
        let port = free_port().unwrap();
        // JSON is YAML.
        let arguments = [
            format!("--config.file={}", file("prometheus.yml", "{}")),
            format!("--web.config.file={}", file("web.yml", &web.to_string())),
            format!("--storage.tsdb.path={}", folder.path().join("data").display()),
            format!("--web.listen-address=127.0.0.1:{port}"),
            "--log.level=warn".to_owned(),
        ];
        let program = assets.path(Program::Prometheus).unwrap();
        let process = Process::start(program, &arguments, &[], folder.path()).unwrap();
        Self { process, port, folder }
    }

    fn connection(&self, identity: Identity, tls: Tls) -> Connection {
        let url = Url::parse(&format!("https://localhost:{}", self.port)).unwrap();
        let reach = Reach { loopback: true, allowed_hosts: Some(["localhost".to_owned()].into()) };
        Connection { identity, tls, reach, ..Connection::to(url) }
    }

    /// Waits until `connection` gets an answer.
    async fn ready(&mut self, connection: &Connection) {
        let ready = async {
            loop {
                assert!(self.process.ended().is_none(), "{}", self.process.log_tail());
                if post(connection).await.is_ok_and(|raw| raw.status == 200) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let ready = tokio::time::timeout(READY_DEADLINE, ready).await;
        assert!(ready.is_ok(), "not ready in {}: {:?}", self.folder.path().display(), post(connection).await);
    }
}

fn transport(connection: &Connection) -> HttpTransport {
    HttpTransport::new(connection, "ClusterPrometheusSource default", Limits::default()).unwrap()
}

async fn post(connection: &Connection) -> Result<RawAnswer, TransportError> {
    let time = Timestamp::from_millis(1_700_000_000_000);
    let form = QueryForm { promql: "6*7".into(), time, timeout: Duration::from_secs(5) };
    let answer = transport(connection).post(form).await;
    if let Err(error) = &answer {
        println!("{}: {error}", error.reason());
        assert!(!format!("{error} {error:?} {connection:?}").contains("hunter2"), "{error}");
    }
    answer
}

fn trusting(ca: &Ca, identity: Option<&Pair>) -> Tls {
    Tls {
        ca_pem: Some(ca.pem.as_str().into()),
        identity_pem: identity.map(|pair| Secret::new(pair.both())),
        ..Tls::default()
    }
}

fn basic(password: &str) -> Identity {
    Identity::Basic { username: Secret::new("flyball"), password: Secret::new(password) }
}

async fn tls_and_basic(assets: &Assets) {
    let (ca, other) = (Ca::new("ca"), Ca::new("other"));
    let web = json!({"basic_auth_users": {"flyball": HASH}});
    let mut prometheus = Secured::start(assets, &ca.server(&["localhost"]), web);
    let right = prometheus.connection(basic("hunter2"), trusting(&ca, None));
    prometheus.ready(&right).await;

    let info = transport(&right).build_info().await.unwrap();
    let body: Value = serde_json::from_slice(&info.body).unwrap();
    assert!(body["data"]["version"].is_string() && info.date.is_some(), "{body}");

    let source = PrometheusSource::new(transport(&right), Limits::default());
    let query = MetricQuery {
        source: SourceRef::default(),
        promql: "6*7".into(),
        series: SeriesRule::ExactlyOne,
        max_sample_age_seconds: None,
    };
    let reading =
        source.read(Ask { query: &query, namespace: "shop", at: Timestamp::from_millis(1_700_000_000_000) }).await;
    assert_eq!(reading.sample().map(|sample| sample.value), Some(Milli::new(42_000)), "{reading:?}");

    for identity in [basic("hunter3"), basic(""), Identity::Anonymous, Identity::Bearer(Secret::new("hunter2"))] {
        let raw = post(&prometheus.connection(identity, trusting(&ca, None))).await.unwrap();
        assert_eq!(raw.status, 401);
    }
    let wrong_name = Tls { server_name: Some("prometheus.example".to_owned()), ..trusting(&ca, None) };
    for (tls, words) in [
        (trusting(&other, None), "not trusted here"),
        (Tls::default(), "not trusted here"),
        (wrong_name, "is for localhost, not for prometheus.example"),
    ] {
        let error = post(&prometheus.connection(basic("hunter2"), tls)).await.unwrap_err();
        assert_eq!(error.absence(), Absence::Unreachable);
        assert!(error.to_string().contains(words), "{error}");
    }
    // The other way round: http to a server of https is answered, but not by the API.
    let address = format!("http://127.0.0.1:{}", prometheus.port);
    let raw = post(&Connection::of_flag(&address).unwrap()).await.unwrap();
    assert_eq!(raw.status, 400);
}

async fn client_certificates(assets: &Assets) {
    let (ca, clients, other) = (Ca::new("ca"), Ca::new("clients"), Ca::new("other"));
    let web = json!({
        "tls_server_config": {"client_auth_type": "RequireAndVerifyClientCert", "client_ca_file": clients.pem},
        "basic_auth_users": {"flyball": HASH},
    });
    let mut prometheus = Secured::start(assets, &ca.server(&["localhost"]), web);
    let right = prometheus.connection(basic("hunter2"), trusting(&ca, Some(&clients.client())));
    prometheus.ready(&right).await;
    assert_eq!(transport(&right).build_info().await.unwrap().status, 200);
    let unnamed = prometheus.connection(Identity::Anonymous, trusting(&ca, Some(&clients.client())));
    assert_eq!(post(&unnamed).await.unwrap().status, 401, "a certificate alone is not enough here");
    for identity in [None, Some(other.client())] {
        let tls = trusting(&ca, identity.as_ref());
        let error = post(&prometheus.connection(basic("hunter2"), tls)).await.unwrap_err();
        assert!(matches!(error, TransportError::Tls { ours: true, .. }), "{error:?}");
        assert_eq!(error.absence(), Absence::Unauthorized);
        assert!(error.to_string().contains("client certificate"), "{error}");
    }
}
