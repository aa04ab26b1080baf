//! The two ends of one series: the external metrics API that HPA asks through kube-apiserver, and the Prometheus API that Flyball asks.
//!
//! Owns the values and when each side fetched them. A value is there for both the moment it is set: nothing is scraped.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Form, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Duration, Instant};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::Side;
use crate::control_plane::ControlPlane;

/// Connections whose handshake is done and that nobody has taken yet: more than kube-apiserver opens at once.
const ACCEPTED: usize = 64;

/// Fetches nearer to each other belong to one sync: the cpu and the memory of one pod are told in one answer, and asked for apart.
const ONE_SYNC: Duration = Duration::from_millis(300);

/// The values, and who asked for them when.
#[derive(Debug, Default)]
pub(crate) struct Feeds {
    series: Mutex<BTreeMap<String, Series>>,
}

#[derive(Debug, Default)]
struct Series {
    /// `None` answers with an error.
    value: Option<f64>,
    fetched: BTreeMap<Side, Vec<Instant>>,
}

impl Feeds {
    /// What both sides get from now on; `None` is a failure.
    pub(crate) fn set(&self, name: &str, value: Option<f64>) {
        self.change(name, |series| series.value = value);
    }

    /// When `side` fetched `name`.
    pub(crate) fn fetched(&self, name: &str, side: Side) -> Vec<Instant> {
        self.change(name, |series| series.fetched.get(&side).cloned().unwrap_or_default())
    }

    /// The value for `side`, whose sync is noted.
    pub(crate) fn fetch(&self, name: &str, side: Side) -> Option<f64> {
        self.change(name, |series| {
            let fetched = series.fetched.entry(side).or_default();
            if fetched.last().is_none_or(|last| last.elapsed() > ONE_SYNC) {
                fetched.push(Instant::now());
            }
            series.value
        })
    }

    fn change<T>(&self, name: &str, change: impl FnOnce(&mut Series) -> T) -> T {
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        change(series.entry(name.to_owned()).or_default())
    }
}

pub(crate) fn json_answer(body: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// Serves the Prometheus API on loopback for as long as the runtime lives; the promise is its port.
pub(crate) async fn serve_prometheus(feeds: Arc<Feeds>) -> io::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let port = listener.local_addr()?.port();
    let router = Router::new().route("/api/v1/query", post(prometheus_query)).with_state(feeds);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(port)
}

/// An instant query whose PromQL is the name of the series.
async fn prometheus_query(State(feeds): State<Arc<Feeds>>, Form(form): Form<BTreeMap<String, String>>) -> Response {
    let time: f64 = form.get("time").and_then(|time| time.parse().ok()).unwrap_or_default();
    let Some(value) = form.get("query").and_then(|name| feeds.fetch(name, Side::Flyball)) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let point = json!({"metric": {}, "value": [time, value.to_string()]});
    json_answer(&json!({"status": "success", "data": {"resultType": "vector", "result": [point]}}))
}

/// Serves the external metrics API; the promise is its port.
pub(crate) async fn serve_external(feeds: Arc<Feeds>, plane: &ControlPlane) -> io::Result<u16> {
    let group = "/apis/external.metrics.k8s.io";
    let router = Router::new()
        .route(&format!("{group}/v1beta1"), get(resources))
        .route(&format!("{group}/v1beta1/namespaces/{{namespace}}/{{metric}}"), get(external_metric))
        .with_state(feeds);
    serve_tls(router, plane).await
}

/// Serves on loopback with the certificate of the API server for as long as the runtime lives; the promise is its port.
pub(crate) async fn serve_tls(router: Router, plane: &ControlPlane) -> io::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let port = listener.local_addr()?.port();
    let acceptor = TlsAcceptor::from(Arc::new(tls(plane).map_err(io::Error::other)?));
    let (sender, accepted) = mpsc::channel(ACCEPTED);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, sender) = (acceptor.clone(), sender.clone());
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    // Nobody takes it only when the test is over.
                    let _ = sender.send(stream).await;
                }
            });
        }
    });
    tokio::spawn(async move { axum::serve(Handshaken { accepted }, router).await });
    Ok(port)
}

fn tls(plane: &ControlPlane) -> Result<rustls::ServerConfig, Box<dyn std::error::Error + Send + Sync>> {
    let (certificate, key) = plane.serving_certificate();
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(key)?;
    Ok(rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?)
}

/// Connections whose TLS handshake is done.
struct Handshaken {
    accepted: mpsc::Receiver<TlsStream<TcpStream>>,
}

impl axum::serve::Listener for Handshaken {
    type Io = TlsStream<TcpStream>;
    type Addr = ();

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.accepted.recv().await {
            Some(stream) => (stream, ()),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(())
    }
}

/// What kube-apiserver asks for to see that the API is there.
async fn resources() -> Response {
    json_answer(&json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "external.metrics.k8s.io/v1beta1",
        "resources": [{
            "name": "externalmetrics", "singularName": "", "namespaced": true, "kind": "ExternalMetricValueList", "verbs": ["get"],
        }],
    }))
}

async fn external_metric(State(feeds): State<Arc<Feeds>>, Path((_, name)): Path<(String, String)>) -> Response {
    let Some(value) = feeds.fetch(&name, Side::Hpa) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    json_answer(&json!({
        "kind": "ExternalMetricValueList", "apiVersion": "external.metrics.k8s.io/v1beta1", "metadata": {},
        "items": [{
            // HPA never looks at the age of an external metric.
            "metricName": name, "metricLabels": {}, "timestamp": "2026-01-01T00:00:00Z",
            "value": format!("{:.0}m", value * 1000.0),
        }],
    }))
}
