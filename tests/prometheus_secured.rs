//! A real Prometheus behind its own web configuration file: TLS, client certificates, basic authentication. Ignored with the reason
//! where there is no Prometheus.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod control_plane;
mod secured;

use control_plane::{Assets, Program, availability, trial};
use flyball::engine::{Absence, Milli, Timestamp};
use flyball::sources::prometheus::connection::{Connection, Identity, Secret, Tls};
use flyball::sources::prometheus::{Limits, PrometheusSource, Transport, TransportError};
use flyball::sources::{Ask, MetricQuery, MetricSource, SeriesRule, SourceRef};
use libtest_mimic::Failed;
use secured::certificates::Ca;
use secured::{HASH, Secured, basic, post, transport, trusting};
use serde_json::{Value, json};

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
    let address = format!("http://127.0.0.1:{}", prometheus.port());
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
