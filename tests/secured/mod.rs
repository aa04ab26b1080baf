//! A real Prometheus behind its own web configuration file, on loopback: TLS, client certificates, basic authentication.
//!
//! Owns how it is started and how it is asked; what it is asked for is the tests'.
#![allow(dead_code, reason = "each test binary that includes this module uses its own part of it")]

pub(crate) mod certificates;

use std::time::Duration;

use flyball::engine::Timestamp;
use flyball::sources::prometheus::connection::{Connection, Identity, Reach, Secret, Tls};
use flyball::sources::prometheus::{HttpTransport, Limits, QueryForm, RawAnswer, Transport, TransportError};
use serde_json::{Value, json};
use url::Url;

use crate::control_plane::{Assets, Process, Program, free_port};
use certificates::{Ca, Pair};

/// The password that [`HASH`] is of. It may stand in no message.
pub(crate) const PASSWORD: &str = "hunter2";
/// bcrypt of [`PASSWORD`], at the least cost that there is.
pub(crate) const HASH: &str = "$2b$04$abcdefghijklmnopqrstuuV3duMsC0HpUex6N9qapiuOHHWkwRXVm";
/// Time to start on a busy machine.
const READY_DEADLINE: Duration = Duration::from_secs(60);

/// A Prometheus with a web configuration of the test's.
pub(crate) struct Secured {
    process: Process,
    port: u16,
    folder: tempfile::TempDir,
}

impl Secured {
    /// One that does not scrape. `client_ca_file` holds the certificates themselves instead of a path.
    pub(crate) fn start(assets: &Assets, server: &Pair, web: Value) -> Self {
        Self::scraping(assets, (server, web), &json!({}))
    }

    /// One with this configuration of its own, next to that of its web server.
    pub(crate) fn scraping(assets: &Assets, (server, mut web): (&Pair, Value), config: &Value) -> Self {
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
            format!("--config.file={}", file("prometheus.yml", &config.to_string())),
            format!("--web.config.file={}", file("web.yml", &web.to_string())),
            format!("--storage.tsdb.path={}", folder.path().join("data").display()),
            format!("--web.listen-address=127.0.0.1:{port}"),
            "--log.level=warn".to_owned(),
        ];
        let program = assets.path(Program::Prometheus).unwrap();
        let process = Process::start(program, &arguments, &[], folder.path()).unwrap();
        Self { process, port, folder }
    }

    /// Where it listens, on loopback.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// `https://localhost:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    pub(crate) fn connection(&self, identity: Identity, tls: Tls) -> Connection {
        let reach = Reach { loopback: true, allowed_hosts: Some(["localhost".to_owned()].into()) };
        Connection { identity, tls, reach, ..Connection::to(Url::parse(&self.url()).unwrap()) }
    }

    /// Waits until `connection` gets an answer.
    pub(crate) async fn ready(&mut self, connection: &Connection) {
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

pub(crate) fn transport(connection: &Connection) -> HttpTransport {
    HttpTransport::new(connection, "ClusterPrometheusSource default", Limits::default()).unwrap()
}

/// Asks, and looks for the password in what a failure prints.
pub(crate) async fn post(connection: &Connection) -> Result<RawAnswer, TransportError> {
    let time = Timestamp::from_millis(1_700_000_000_000);
    let form = QueryForm { promql: "6*7".into(), time, timeout: Duration::from_secs(5) };
    let answer = transport(connection).post(form).await;
    if let Err(error) = &answer {
        println!("{}: {error}", error.reason());
        assert!(!format!("{error} {error:?} {connection:?}").contains(PASSWORD), "{error}");
    }
    answer
}

pub(crate) fn trusting(ca: &Ca, identity: Option<&Pair>) -> Tls {
    Tls {
        ca_pem: Some(ca.pem.as_str().into()),
        identity_pem: identity.map(|pair| Secret::new(pair.both())),
        ..Tls::default()
    }
}

pub(crate) fn basic(password: &str) -> Identity {
    Identity::Basic { username: Secret::new("flyball"), password: Secret::new(password) }
}
