//! Asks a Prometheus. Owns the limits of one source; must not decide anything, and never fails: whatever goes wrong is a reading that
//! says what.
//!
//! `desk` gathers what many policies ask at once and asks each thing once, as `plan` and `fuse` say (`apart`, `quarantine`: where that fails); `gate` lets queries pass, in turn (`queue`), so fast (`pace`),
//! and not while the server is ill (`breaker`); `line` sends them. `transport` carries, `decode` parses, `read` judges; this file joins
//! them. Only `transport` knows sockets, so the sandbox can answer in process with the same raw bodies.

mod apart;
pub mod breaker;
mod build_info;
pub mod connection;
pub mod decode;
mod desk;
mod fresh;
pub mod fuse;
mod gate;
mod line;
mod pace;
mod plan;
mod quarantine;
mod queue;
pub mod read;
pub mod sharing;
mod start;
mod text;
pub mod transport;
pub mod usage;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::{join, join_all};

use self::breaker::BreakerState;
use self::desk::Desk;
use self::fresh::{Horizons, within_age, within_window};
use self::line::Line;
use self::plan::{Planner, Shapes};
use self::start::Start;

pub use self::connection::Connection;
pub use self::decode::{Answer, DecodeError, LabelledAnswer, decode, decode_each, decode_labelled};
pub use self::desk::GATHER_WINDOW;
pub use self::fresh::SCRAPE_GRACE;
pub use self::read::{Noted, read, read_answer};
pub use self::transport::{
    HttpTransport, InvalidConnection, QueryForm, RawAnswer, Transport, TransportError, install_tls_provider,
};
use super::{Ask, MetricQuery, MetricSource};
use crate::engine::{Absence, Reading};

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
/// Queries that wait for a free slot, of all namespaces together: many times what a source in good health ever sees, since what is asked
/// together counts once, and 1 MB.
pub const DEFAULT_WAITING: usize = 4_096;
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
    /// Queries that wait for their turn, of all namespaces together.
    pub waiting: usize,
    /// Requests a second, evenly spaced; `None` and 0 set no limit.
    pub requests_per_second: Option<u32>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            deadline: DEFAULT_DEADLINE,
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            body_bytes: DEFAULT_BODY_BYTES,
            series: DEFAULT_SERIES,
            concurrency: DEFAULT_CONCURRENCY,
            waiting: DEFAULT_WAITING,
            requests_per_second: None,
        }
    }
}

/// One Prometheus as a source of metrics. Clones share one desk: what they ask at once is asked together.
pub struct PrometheusSource<T> {
    desk: Arc<Desk<T>>,
    horizons: Arc<Horizons>,
    start: Arc<Start>,
    incomplete: Arc<AtomicU64>,
    logged_remarks: Arc<Mutex<BTreeSet<Arc<str>>>>,
}

impl<T> Clone for PrometheusSource<T> {
    fn clone(&self) -> Self {
        Self {
            desk: self.desk.clone(),
            horizons: self.horizons.clone(),
            start: self.start.clone(),
            incomplete: self.incomplete.clone(),
            logged_remarks: self.logged_remarks.clone(),
        }
    }
}

impl<T> fmt::Debug for PrometheusSource<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrometheusSource").finish_non_exhaustive()
    }
}

/// What a source did since it was made, and how it stands: for metrics.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Activity {
    /// Questions of policies.
    pub questions: u64,
    /// Requests sent by outcome: `Answered`, or the reason of the absence. Probes are not among them.
    pub requests: BTreeMap<&'static str, u64>,
    /// Probes sent while the breaker was open.
    pub probes: u64,
    /// Requests that asked several different queries at once.
    pub joint_requests: u64,
    /// Queries that those asked.
    pub joint_members: u64,
    /// Such requests whose members had to be asked one by one after all.
    pub fallbacks: u64,
    /// Queries waiting for their turn now.
    pub waiting: usize,
    /// Queries in flight now.
    pub in_flight: usize,
    /// Whether the source is asked now.
    pub breaker: BreakerState,
}

impl PrometheusSource<HttpTransport> {
    /// The Prometheus at `address`, which the operator's own flag gives.
    ///
    /// # Errors
    /// The address cannot be used, see [`InvalidConnection`].
    pub fn connect(address: &str, limits: Limits) -> Result<Self, InvalidConnection> {
        Ok(Self::new(transport_of_flag(address, limits)?, limits))
    }
}

/// The way to the Prometheus at `address`, which the operator's own flag gives.
///
/// # Errors
/// The address cannot be used, see [`InvalidConnection`].
pub fn transport_of_flag(address: &str, limits: Limits) -> Result<HttpTransport, InvalidConnection> {
    let connection = Connection::of_flag(address).map_err(|problem| problem.of(FLAG))?;
    HttpTransport::new(&connection, FLAG, limits)
}

impl<T: Transport> PrometheusSource<T> {
    /// A source that asks through `transport`.
    pub fn new(transport: T, limits: Limits) -> Self {
        Self::with_planner(transport, limits, Box::new(Shapes::default()))
    }

    fn with_planner(transport: T, limits: Limits, planner: Box<dyn Planner>) -> Self {
        let limits = Limits { deadline: limits.deadline.min(MAX_DEADLINE), ..limits };
        let desk = Desk::new(Line::new(transport, limits), planner);
        Self {
            desk: Arc::new(desk),
            horizons: Arc::default(),
            start: Arc::default(),
            incomplete: Arc::default(),
            logged_remarks: Arc::default(),
        }
    }

    /// Requests handed to the transport since the source was made, probes aside.
    pub fn requests_total(&self) -> u64 {
        self.desk.line.tally.requests()
    }

    /// Readings that were missing or partial since the source was made; their classes are in the readings.
    pub fn incomplete_total(&self) -> u64 {
        self.incomplete.load(Ordering::Relaxed)
    }

    /// What the source did since it was made, and how it stands.
    #[must_use]
    pub fn activity(&self) -> Activity {
        let (line, tally) = (&self.desk.line, &self.desk.tally);
        let gate = line.gate.view();
        Activity {
            questions: tally.questions.load(Ordering::Relaxed),
            requests: line.tally.outcomes(),
            probes: line.tally.probes(),
            joint_requests: tally.joints.load(Ordering::Relaxed),
            joint_members: tally.joint_members.load(Ordering::Relaxed),
            fallbacks: tally.fallbacks.load(Ordering::Relaxed),
            waiting: gate.waiting,
            in_flight: gate.in_flight,
            breaker: gate.state,
        }
    }

    /// The reading of what is asked, with the server's remarks.
    pub async fn read_noted(&self, Ask { query, namespace, at }: Ask<'_>) -> Noted {
        let horizon = self.horizons.of(&query.promql);
        let ages = async {
            let allowed_seconds = query.max_sample_age_seconds?;
            let queries = horizon.as_ref().and_then(|horizon| horizon.newest_sample_queries.as_deref());
            let newest = match queries {
                Some(queries) => {
                    Some(join_all(queries.iter().map(|promql| self.desk.ask((promql, namespace), at))).await)
                }
                None => None,
            };
            Some((allowed_seconds, newest))
        };
        // Together, so that what is asked of many policies' samples can share requests as well.
        let (heard, ages) = join(self.desk.ask((&query.promql, namespace), at), ages).await;
        let mut noted = match &heard.answer {
            Ok(answer) => Noted { reading: read_answer(answer, query, heard.time), remarks: read::remarks(answer) },
            Err(absent) => Reading::Missing(absent.clone()).into(),
        };
        if let Some((allowed_seconds, newest)) = &ages {
            noted.reading = within_age(noted.reading, (*allowed_seconds, newest.as_deref()));
        }
        match &noted.reading {
            Reading::Missing(absent) if absent.absence != Absence::Empty => self.start.failed(absent.absence),
            _ => {
                let started = self.start.known(&self.desk.line.transport).await;
                noted.reading = within_window(noted.reading, horizon.as_deref(), (started, heard.time));
            }
        }
        if noted.reading.absent().is_some() {
            self.incomplete.fetch_add(1, Ordering::Relaxed);
        }
        noted
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
