//! A Prometheus of the sandbox: keeps the samples that workloads export and answers `/api/v1/query` with the same raw bodies in
//! process and over HTTP. It knows a small part of PromQL (see [`expression`]) and says so of the rest; faults are on demand.

mod evaluate;
pub mod expression;
mod selector;
mod series;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::future::IntoFuture;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use evaluate::Outcome;
use series::Series;

use crate::clock::Clock;
use crate::engine::Timestamp;
use crate::sources::prometheus::{QueryForm, RawAnswer, Transport, TransportError};

/// Largest form that is read.
const MAX_FORM_BYTES: usize = 256 * 1024;
/// How the sandbox calls itself where a real one would show its address.
const HOST: &str = "prometheus.sandbox:9090";

/// What is wrong with the Prometheus, on demand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// Nobody listens: connections are refused.
    Off,
    /// Every query is answered with 503.
    Unavailable,
    /// Every query finds nothing.
    Empty,
    /// Every value is NaN.
    NotANumber,
    /// Every answer takes that long.
    Slow(Duration),
}

/// A Prometheus. Clones share the same samples.
#[derive(Clone)]
pub struct Prometheus {
    inner: Arc<Inner>,
}

struct Inner {
    series: Mutex<Series>,
    fault: tokio::sync::watch::Sender<Fault>,
    now: Box<dyn Fn() -> Timestamp + Send + Sync>,
    queries: Mutex<u64>,
    started: Mutex<Option<Timestamp>>,
}

impl fmt::Debug for Prometheus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prometheus").field("fault", &self.fault()).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Prometheus {
    /// A Prometheus without samples, which evaluates at `clock`'s now where a query names no time.
    #[must_use]
    pub fn new(clock: impl Clock) -> Self {
        let inner = Inner {
            series: Mutex::new(Series::default()),
            fault: tokio::sync::watch::Sender::new(Fault::None),
            now: Box::new(move || clock.now()),
            queries: Mutex::new(0),
            started: Mutex::new(None),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Keeps a sample of the series `name{labels}`.
    pub fn record(&self, name: &str, labels: &[(&str, &str)], (value, at): (f64, Timestamp)) {
        lock(&self.inner.series).record(name, labels, (at.as_millis(), value));
    }

    /// What is wrong at present.
    #[must_use]
    pub fn fault(&self) -> Fault {
        *self.inner.fault.borrow()
    }

    /// Breaks or heals it.
    pub fn set_fault(&self, fault: Fault) {
        self.inner.fault.send_replace(fault);
    }

    /// From now on it says that it was started at `at`, as a server does that came back. Before, it says nothing of its start.
    pub fn set_started(&self, at: Timestamp) {
        *lock(&self.inner.started) = Some(at);
    }

    /// Queries that were asked so far, whatever came of them.
    #[must_use]
    pub fn queries(&self) -> u64 {
        *lock(&self.inner.queries)
    }

    /// The HTTP status and the body that `query` at `at` is answered with. Waits where the fault is slowness.
    pub async fn answer(&self, query: &str, at: Timestamp) -> (u16, Bytes) {
        *lock(&self.inner.queries) += 1;
        let fault = self.fault();
        if let Fault::Slow(duration) = fault {
            tokio::time::sleep(duration).await;
        }
        if matches!(fault, Fault::Off | Fault::Unavailable) {
            return (503, Bytes::from_static(b"Service Unavailable\n"));
        }
        let outcome = expression::parse(query)
            .map_err(|error| format!("invalid parameter \"query\": {error}"))
            .and_then(|parsed| evaluate::evaluate(&parsed, &lock(&self.inner.series), at.as_millis()));
        match outcome {
            Err(error) => (400, bad_data(&error)),
            Ok(outcome) => (200, success(outcome, at, fault)),
        }
    }

    /// Serves `/api/v1/query` over HTTP on `listener` until `cancel`; while the fault is [`Fault::Off`], nobody listens there.
    ///
    /// # Errors
    /// What accepting connections, or listening again after the fault, fails with.
    pub async fn serve(&self, listener: TcpListener, cancel: CancellationToken) -> std::io::Result<()> {
        let address = listener.local_addr()?;
        let mut listener = Some(listener);
        let mut fault = self.inner.fault.subscribe();
        while !cancel.is_cancelled() {
            if let Some(listener) = listener.take() {
                let prometheus = self.clone();
                let router = axum::Router::new().fallback(move |request: Request<Body>| {
                    let prometheus = prometheus.clone();
                    async move { prometheus.answer_http(request).await }
                });
                tokio::select! {
                    result = axum::serve(listener, router).into_future() => return result,
                    () = cancel.cancelled() => break,
                    _ = fault.wait_for(|fault| *fault == Fault::Off) => {}
                }
            } else {
                tokio::select! {
                    () = cancel.cancelled() => break,
                    _ = fault.wait_for(|fault| *fault != Fault::Off) => {}
                }
                listener = Some(TcpListener::bind(address).await?);
            }
        }
        Ok(())
    }

    async fn answer_http(&self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        if self.fault() == Fault::Off {
            return broken_off();
        }
        if parts.uri.path().ends_with("/-/ready") || parts.uri.path().ends_with("/-/healthy") {
            return Response::new(Body::from("Prometheus Server is Ready.\n"));
        }
        if !parts.uri.path().ends_with("/api/v1/query") {
            return respond(404, Bytes::from_static(b"404 page not found\n"));
        }
        let Ok(body) = axum::body::to_bytes(body, MAX_FORM_BYTES).await else {
            return respond(413, Bytes::from_static(b"http: request body too large\n"));
        };
        let in_url = parts.uri.query().unwrap_or_default().as_bytes();
        let pairs = url::form_urlencoded::parse(&body).chain(url::form_urlencoded::parse(in_url));
        let form: BTreeMap<String, String> = pairs.map(|(key, value)| (key.into_owned(), value.into_owned())).collect();
        let now = (self.inner.now)();
        let at = match form.get("time").map(|text| text.parse::<f64>()) {
            None => now,
            Some(Ok(seconds)) if seconds.is_finite() => from_seconds(seconds),
            Some(_) => {
                let error = "invalid parameter \"time\": cannot parse to a valid timestamp";
                return respond(400, bad_data(error));
            }
        };
        let (status, body) = self.answer(form.get("query").map_or("", String::as_str), at).await;
        respond(status, body)
    }
}

#[allow(clippy::cast_possible_truncation)] // a float beyond the range saturates, which is what is wanted
fn from_seconds(seconds: f64) -> Timestamp {
    Timestamp::from_millis((seconds * 1000.0).round() as i64)
}

/// An answer that breaks off at once, for connections that are still open when nobody should be there.
fn broken_off() -> Response<Body> {
    let error = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    Response::new(Body::from_stream(futures::stream::once(async move { Err::<Bytes, _>(error) })))
}

fn respond(status: u16, body: Bytes) -> Response<Body> {
    let kind = if body.starts_with(b"{") { "application/json" } else { "text/plain; charset=utf-8" };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
    response
}

/// The body of an answer, in the words and the order of Prometheus.
fn success(outcome: Outcome, at: Timestamp, fault: Fault) -> Bytes {
    let sample = |value: f64| {
        let value = if fault == Fault::NotANumber { f64::NAN } else { value };
        json!([seconds(at), number(value)])
    };
    let (kind, result) = match outcome {
        Outcome::Scalar(value) => ("scalar", sample(value)),
        Outcome::Vector(_) if fault == Fault::Empty => ("vector", json!([])),
        Outcome::Vector(vector) => {
            let entry = |(labels, value)| json!({"metric": labels, "value": sample(value)});
            ("vector", vector.into_iter().map(entry).collect())
        }
    };
    Bytes::from(format!(r#"{{"status":"success","data":{{"resultType":"{kind}","result":{result}}}}}"#))
}

/// The body that says that a query cannot be answered.
fn bad_data(error: &str) -> Bytes {
    Bytes::from(format!(r#"{{"status":"error","errorType":"bad_data","error":{}}}"#, json!(error)))
}

/// Seconds, with the milliseconds only where there are some.
fn seconds(at: Timestamp) -> Value {
    let millis = at.as_millis();
    if millis % 1000 == 0 {
        return (millis / 1000).into();
    }
    let (sign, millis) = (if millis < 0 { "-" } else { "" }, millis.unsigned_abs());
    let text = format!("{sign}{}.{:03}", millis / 1000, millis % 1000);
    text.parse::<f64>().map_or(Value::Null, Value::from)
}

/// A value as Go prints it.
fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        (if value > 0.0 { "+Inf" } else { "-Inf" }).to_owned()
    } else {
        value.to_string()
    }
}

impl Transport for Prometheus {
    async fn post(&self, form: QueryForm) -> Result<RawAnswer, TransportError> {
        if self.fault() == Fault::Off {
            *lock(&self.inner.queries) += 1;
            return Err(TransportError::Unreachable { host: HOST.to_owned(), cause: "connection refused".to_owned() });
        }
        // What is slow here is the way, not the query: whoever asks ends the wait, as over HTTP.
        let (status, body) = self.answer(&form.promql, form.time).await;
        Ok(RawAnswer::new(status, body))
    }

    async fn runtime_info(&self) -> Result<RawAnswer, TransportError> {
        if self.fault() == Fault::Off {
            return Err(TransportError::Unreachable { host: HOST.to_owned(), cause: "connection refused".to_owned() });
        }
        let started = *lock(&self.inner.started);
        let Some(started) = started.and_then(|at| jiff::Timestamp::from_millisecond(at.as_millis()).ok()) else {
            return Ok(RawAnswer::new(404, Bytes::new()));
        };
        Ok(RawAnswer::new(200, format!(r#"{{"status":"success","data":{{"startTime":"{started}"}}}}"#)))
    }
}
