//! The two seams with hooks in them: a client whose answers can be lost or late, and a metric source that panics, waits and counts.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flyball::engine::Reading;
use flyball::sandbox::{Kubernetes, Prometheus};
use flyball::sources::prometheus::PrometheusSource;
use flyball::sources::{Ask, MetricSource};
use futures::future::BoxFuture;
use http::request::Parts;

/// What befalls a request on its way.
pub(crate) enum Deed {
    /// This happens first, then the request goes on.
    First(BoxFuture<'static, ()>),
    /// The request is carried out, and its answer never arrives.
    LoseAnswer,
}

type Hook = Box<dyn FnMut(&Parts) -> Option<Deed> + Send>;

/// A wire to the API server that can be tampered with.
#[derive(Clone, Default)]
pub(crate) struct Wire {
    hook: Arc<Mutex<Option<Hook>>>,
}

impl Wire {
    /// Lets `hook` see each request from now on.
    pub(crate) fn tamper(&self, hook: impl FnMut(&Parts) -> Option<Deed> + Send + 'static) {
        *self.hook.lock().unwrap() = Some(Box::new(hook));
    }

    /// Does `deed` to the next write of a size, once.
    pub(crate) fn at_next_write(&self, deed: Deed) {
        let mut deed = Some(deed);
        self.tamper(move |parts| if is_write_of_scale(parts) { deed.take() } else { None });
    }

    /// A client over this wire.
    pub(crate) fn client(&self, kubernetes: &Kubernetes) -> kube::Client {
        let (wire, kubernetes) = (self.clone(), kubernetes.clone());
        let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
            let (wire, kubernetes) = (wire.clone(), kubernetes.clone());
            async move {
                let (parts, body) = request.into_parts();
                let deed = wire.hook.lock().unwrap().as_mut().and_then(|hook| hook(&parts));
                let body = body.collect_bytes().await?;
                let request = http::Request::from_parts(parts, body);
                match deed {
                    None => Ok::<_, tower::BoxError>(kubernetes.call(request).await?),
                    Some(Deed::First(event)) => {
                        event.await;
                        Ok(kubernetes.call(request).await?)
                    }
                    Some(Deed::LoseAnswer) => {
                        drop(kubernetes.call(request).await?);
                        Err("connection reset by peer".into())
                    }
                }
            }
        });
        kube::Client::new(service, "shop")
    }
}

pub(crate) fn is_write_of_scale(parts: &Parts) -> bool {
    parts.method == http::Method::PUT && parts.uri.path().ends_with("/scale")
}

/// A query that holds this word makes the source panic.
pub(crate) const PANIC: &str = "fall_over";

/// The sandbox's Prometheus behind the real source, with an eye on it.
#[derive(Clone)]
pub(crate) struct Probe {
    source: Arc<PrometheusSource<Prometheus>>,
    inner: Arc<Watched>,
}

#[derive(Default)]
struct Watched {
    asked: Mutex<BTreeMap<Arc<str>, Vec<tokio::time::Instant>>>,
    delay: Mutex<Duration>,
    panics: Mutex<bool>,
    running: AtomicUsize,
    most_running: AtomicUsize,
}

impl Probe {
    pub(crate) fn new(source: PrometheusSource<Prometheus>) -> Self {
        let probe = Self { source: Arc::new(source), inner: Arc::default() };
        probe.set_panics(true);
        probe
    }

    /// When `query` was asked.
    pub(crate) fn asked(&self, query: &str) -> Vec<tokio::time::Instant> {
        self.inner.asked.lock().unwrap().get(query).cloned().unwrap_or_default()
    }

    /// Every query with the instants at which it was asked.
    pub(crate) fn all_asked(&self) -> BTreeMap<Arc<str>, Vec<tokio::time::Instant>> {
        self.inner.asked.lock().unwrap().clone()
    }

    /// Each answer takes so long from now on.
    pub(crate) fn set_delay(&self, delay: Duration) {
        *self.inner.delay.lock().unwrap() = delay;
    }

    /// Whether [`PANIC`] does what it says.
    pub(crate) fn set_panics(&self, panics: bool) {
        *self.inner.panics.lock().unwrap() = panics;
    }

    /// The most queries that ran at once.
    pub(crate) fn most_running(&self) -> usize {
        self.inner.most_running.load(Ordering::SeqCst)
    }
}

impl MetricSource for Probe {
    async fn read(&self, ask: Ask<'_>) -> Reading {
        let query = ask.query;
        let asked_at = tokio::time::Instant::now();
        self.inner.asked.lock().unwrap().entry(query.promql.clone()).or_default().push(asked_at);
        let panics = *self.inner.panics.lock().unwrap();
        assert!(!(panics && query.promql.contains(PANIC)), "this query panics, as the test wants it");
        let running = self.inner.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.inner.most_running.fetch_max(running, Ordering::SeqCst);
        let delay = *self.inner.delay.lock().unwrap();
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let reading = self.source.read(ask).await;
        self.inner.running.fetch_sub(1, Ordering::SeqCst);
        reading
    }
}
