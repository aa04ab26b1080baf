//! The two small HTTP servers of the process: metrics, and health for the kubelet. Must not serve anything that changes state.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::Metrics;

/// What probes may know. Written by the loop.
#[derive(Debug, Default)]
pub struct Health {
    ready: AtomicBool,
}

impl Health {
    /// The first list of policies has been taken in (true), or the process is going away (false). A Prometheus that is down does not
    /// matter here: restarting would not bring it back.
    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Release);
    }

    /// What `/readyz` says.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }
}

/// An address could not be taken.
#[derive(Debug, thiserror::Error)]
#[error("{flag} {address} cannot be listened on: {source}; choose a free address, or 0 to switch it off")]
pub struct BindError {
    /// The flag that named it.
    pub flag: &'static str,
    /// The address.
    pub address: SocketAddr,
    /// What the system said.
    pub source: std::io::Error,
}

/// Listens on `address`, which `flag` named.
///
/// # Errors
/// [`BindError`] where the system refuses.
pub async fn listen(flag: &'static str, address: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|source| BindError { flag, address, source })
}

/// Serves `/metrics` until `cancel`.
///
/// # Errors
/// Where the listener breaks.
pub async fn serve_metrics(
    listener: TcpListener,
    metrics: Arc<Metrics>,
    cancel: CancellationToken,
) -> std::io::Result<()> {
    let router = Router::new().route("/metrics", get(render)).with_state(metrics);
    axum::serve(listener, router).with_graceful_shutdown(cancel.cancelled_owned()).await
}

async fn render(State(metrics): State<Arc<Metrics>>) -> Response {
    match metrics.render() {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// Serves `/healthz` and `/readyz` until `cancel`.
///
/// # Errors
/// Where the listener breaks.
pub async fn serve_health(
    listener: TcpListener,
    health: Arc<Health>,
    cancel: CancellationToken,
) -> std::io::Result<()> {
    let router =
        Router::new().route("/healthz", get(|| async { "ok\n" })).route("/readyz", get(ready)).with_state(health);
    axum::serve(listener, router).with_graceful_shutdown(cancel.cancelled_owned()).await
}

async fn ready(State(health): State<Arc<Health>>) -> (StatusCode, &'static str) {
    if health.is_ready() { (StatusCode::OK, "ok\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready\n") }
}
