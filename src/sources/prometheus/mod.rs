//! Asks a Prometheus. Owns the deadline and the concurrency of one source; must not decide anything, and never fails: whatever
//! goes wrong is a reading that says what.
//!
//! `transport` carries, `decode` parses, `read` judges; this file joins them. Only `transport` knows sockets, so the sandbox
//! can answer in process with the same raw bodies.

mod build_info;
pub mod connection;
pub mod decode;
pub mod read;
mod text;
pub mod transport;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

pub use self::connection::Connection;
pub use self::decode::{Answer, DecodeError, decode};
pub use self::read::{Noted, read, read_answer};
pub use self::transport::{
    HttpTransport, InvalidConnection, QueryForm, RawAnswer, Transport, TransportError, install_tls_provider,
};
use super::{Ask, MetricQuery, MetricSource};
use crate::engine::{Absence, Reading, Timestamp};

/// Time for one reading, the wait for a free slot included. A third of the default polling period, so that a slow source is late
/// by less than one period.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(5);
/// Time for a connection. Within a cluster it takes milliseconds; one lost SYN is retried after 1 s.
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Size of a body after decompression. 5,000 series are about 1.1 MB; what is larger is a query that nobody meant to scale by.
pub const DEFAULT_BODY_BYTES: usize = 8 * 1024 * 1024;
/// Series in one answer: room for a shared query over every workload of a large cluster, 160 kB of points.
pub const DEFAULT_SERIES: usize = 10_000;
/// Queries in flight to one source. Prometheus runs 20 at a time (`--query.max-concurrency`); some are left to people.
pub const DEFAULT_CONCURRENCY: usize = 16;
/// The longest deadline that is taken at its word, so that adding it to an instant cannot overflow.
const MAX_DEADLINE: Duration = Duration::from_secs(3600);
/// How much is read of the body of a failure: Prometheus' own are a few hundred bytes.
const MAX_ERROR_BODY_BYTES: usize = 64 * 1024;
/// What the address of the operator's own flag is called in messages.
const FLAG: &str = "--prometheus-url";
/// How many different remarks are remembered as logged. Beyond it they go to the debug level, so that memory stays bounded.
const MAX_REMEMBERED_REMARKS: usize = 256;

/// The limits of one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Time for one reading, the wait for a free slot included.
    pub deadline: Duration,
    /// Time for a connection, within the deadline.
    pub connect_timeout: Duration,
    /// Bytes of a body after decompression.
    pub body_bytes: usize,
    /// Series in one answer.
    pub series: usize,
    /// Queries in flight, 1 or more (0 counts as 1).
    pub concurrency: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            deadline: DEFAULT_DEADLINE,
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            body_bytes: DEFAULT_BODY_BYTES,
            series: DEFAULT_SERIES,
            concurrency: DEFAULT_CONCURRENCY,
        }
    }
}

/// One Prometheus as a source of metrics.
#[derive(Debug)]
pub struct PrometheusSource<T> {
    transport: T,
    limits: Limits,
    permits: Semaphore,
    stats: QueryStats,
    logged_remarks: Mutex<BTreeSet<Arc<str>>>,
}

/// What a source counted since it was made.
#[derive(Debug, Default)]
struct QueryStats {
    requests: AtomicU64,
    incomplete: AtomicU64,
}

impl PrometheusSource<HttpTransport> {
    /// The Prometheus at `address`, which the operator's own flag gives.
    ///
    /// # Errors
    /// The address cannot be used, see [`InvalidConnection`].
    pub fn connect(address: &str, limits: Limits) -> Result<Self, InvalidConnection> {
        let connection = Connection::of_flag(address).map_err(|problem| problem.of(FLAG))?;
        Ok(Self::new(HttpTransport::new(&connection, FLAG, limits)?, limits))
    }
}

impl<T: Transport> PrometheusSource<T> {
    /// A source that asks through `transport`.
    pub fn new(transport: T, limits: Limits) -> Self {
        let limits = Limits { deadline: limits.deadline.min(MAX_DEADLINE), ..limits };
        let slots = limits.concurrency.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            transport,
            limits,
            permits: Semaphore::new(slots),
            stats: QueryStats::default(),
            logged_remarks: Mutex::default(),
        }
    }

    /// Requests handed to the transport since the source was made.
    pub fn requests_total(&self) -> u64 {
        self.stats.requests.load(Ordering::Relaxed)
    }

    /// Readings that were missing or partial since the source was made; their classes are in the readings.
    pub fn incomplete_total(&self) -> u64 {
        self.stats.incomplete.load(Ordering::Relaxed)
    }

    /// The reading of what is asked, with the server's remarks.
    pub async fn read_noted(&self, Ask { query, at, .. }: Ask<'_>) -> Noted {
        let noted = match self.ask(query, at).await {
            Ok(raw) => read(&raw, query, at, self.limits.series),
            Err(reading) => reading.into(),
        };
        if noted.reading.absent().is_some() {
            self.stats.incomplete.fetch_add(1, Ordering::Relaxed);
        }
        noted
    }

    async fn ask(&self, query: &MetricQuery, at: Timestamp) -> Result<RawAnswer, Reading> {
        let limits = &self.limits;
        let end = Instant::now() + limits.deadline;
        // The permit is held until the body is read, and given back when this future is dropped.
        let _permit = match timeout_at(end, self.permits.acquire()).await {
            Ok(Ok(permit)) => permit,
            Ok(Err(_)) => return Err(Reading::missing(Absence::Unavailable, "The source was shut down.")),
            Err(_) => {
                let message = format!(
                    "No free slot among {} concurrent queries within {:?}; the source answers too slowly for so many queries.",
                    limits.concurrency, limits.deadline
                );
                return Err(Reading::missing(Absence::Timeout, message));
            }
        };
        let timeout = end.saturating_duration_since(Instant::now());
        let form = QueryForm { promql: Arc::clone(&query.promql), time: at, timeout };
        self.stats.requests.fetch_add(1, Ordering::Relaxed);
        match timeout_at(end, self.transport.post(form)).await {
            Ok(Ok(raw)) => Ok(raw),
            Ok(Err(error)) => Err(Reading::missing(error.absence(), error.to_string())),
            Err(_) => {
                let message = format!("Prometheus did not answer in full within {:?}.", limits.deadline);
                Err(Reading::missing(Absence::Timeout, message))
            }
        }
    }

    /// Says each remark once at the level that people read; a query is asked again every few seconds.
    fn log_remarks(&self, query: &MetricQuery, remarks: &[String]) {
        for remark in remarks {
            let key: Arc<str> = format!("{}\n{remark}", query.promql).into();
            let mut logged = self.logged_remarks.lock().unwrap_or_else(PoisonError::into_inner);
            let fresh = logged.len() < MAX_REMEMBERED_REMARKS && logged.insert(key);
            drop(logged);
            if fresh {
                tracing::warn!(query = %query.promql, remark, "Prometheus remarks on a query");
            } else {
                tracing::debug!(query = %query.promql, remark, "Prometheus remarks on a query");
            }
        }
    }
}

impl<T: Transport> MetricSource for PrometheusSource<T> {
    async fn read(&self, ask: Ask<'_>) -> Reading {
        let noted = self.read_noted(ask).await;
        self.log_remarks(ask.query, &noted.remarks);
        noted.reading
    }
}

#[cfg(test)]
mod tests;
