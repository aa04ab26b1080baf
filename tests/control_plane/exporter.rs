//! A metrics endpoint whose values a test sets.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// Series by their name with labels, as in `requests_total{app="web"}`.
#[derive(Debug, Default)]
struct Page {
    series: BTreeMap<String, f64>,
    failing: bool,
}

/// Serves what was set, at `/metrics` on a free port of loopback, until it is dropped.
#[derive(Debug)]
pub(crate) struct Exporter {
    address: SocketAddr,
    page: Arc<Mutex<Page>>,
    server: tokio::task::JoinHandle<()>,
}

impl Exporter {
    /// Starts with no series.
    pub(crate) async fn start() -> io::Result<Self> {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let page = Arc::<Mutex<Page>>::default();
        let router = Router::new().route("/metrics", get(render)).with_state(Arc::clone(&page));
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                eprintln!("the exporter ended: {error}");
            }
        });
        Ok(Self { address, page, server })
    }

    /// `HOST:PORT`, as a scrape target.
    pub(crate) fn target(&self) -> String {
        self.address.to_string()
    }

    /// Sets one series, for instance `queue_depth{queue="orders"}`.
    pub(crate) fn set(&self, series: &str, value: f64) {
        self.change(|page| page.series.insert(series.to_owned(), value));
    }

    /// Adds to one series, which starts at 0: a counter.
    pub(crate) fn add(&self, series: &str, value: f64) {
        self.change(|page| *page.series.entry(series.to_owned()).or_default() += value);
    }

    /// Removes one series; Prometheus marks it stale with its next scrape.
    pub(crate) fn remove(&self, series: &str) {
        self.change(|page| page.series.remove(series));
    }

    /// Answers every scrape with 500 while `failing`.
    pub(crate) fn set_failing(&self, failing: bool) {
        self.change(|page| page.failing = failing);
    }

    fn change<T>(&self, change: impl FnOnce(&mut Page) -> T) {
        change(&mut self.page.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn render(State(page): State<Arc<Mutex<Page>>>) -> Response {
    let page = page.lock().unwrap_or_else(PoisonError::into_inner);
    if page.failing {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let mut text = String::new();
    for (series, value) in &page.series {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{series} {value}");
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}
