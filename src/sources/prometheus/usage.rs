//! What pods use of cpu and memory, from cAdvisor's series in a Prometheus: one query a resource for all pods, shared by all policies.
//! Owns the sharing, the deadline and the limits of these two queries; must not decide anything, and never fails: whatever goes wrong
//! is a reading that says what.
//!
//! `query` says what is asked, `index` takes the answer apart once, `reading` looks up a workload's pods in it.

mod index;
mod query;
mod reading;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use self::index::UsageIndex;
pub use self::query::{DEFAULT_CPU, DEFAULT_MEMORY, LABELS, UsageQuery};
use self::reading::Told;
use super::decode::DecodeError;
use super::read::{refusal, why_partial};
use super::{DEFAULT_CONNECT_TIMEOUT, Limits, QueryForm, RawAnswer, Transport, TransportError};
use crate::api::query::PodUsage;
use crate::engine::{Absence, Absent, Pod, Reading, Timestamp};

/// How long one answer serves all who ask. A third of the default polling period: policies are due at any time of it, so each resource
/// is asked about three times a period however many they are, and what they see is fresher than one scrape.
pub const SHARED_FOR: Duration = Duration::from_secs(5);
/// Time for one answer. Twice that of other queries, because Prometheus walks every container's series for it.
pub const DEADLINE: Duration = Duration::from_secs(10);
/// Series in one answer: the 150,000 pods that Kubernetes supports in one cluster, with three containers each. Their index takes 30 MB.
pub const MAX_SERIES: usize = 450_000;
/// Size of a body after decompression: that many series at 220 bytes each.
pub const MAX_BODY_BYTES: usize = 96 * 1024 * 1024;
/// Bodies above this size are taken apart on a thread of their own, so that no other policy waits: this takes some 2 ms.
const LARGE_BODY_BYTES: usize = 256 * 1024;

/// The limits of a transport that carries these queries: few of them, with large answers.
#[must_use]
pub const fn limits() -> Limits {
    Limits {
        deadline: DEADLINE,
        connect_timeout: DEFAULT_CONNECT_TIMEOUT,
        body_bytes: MAX_BODY_BYTES,
        series: MAX_SERIES,
        concurrency: 2,
        waiting: super::DEFAULT_WAITING,
        requests_per_second: None,
    }
}

/// Asks one query; the way to a Prometheus, whatever it is made of.
type Ask = dyn Fn(QueryForm) -> BoxFuture<'static, Result<RawAnswer, TransportError>> + Send + Sync;

/// Stands where no Prometheus was named: every question is answered with what to do about it.
#[derive(Debug, Clone, Copy)]
pub struct Nowhere;

impl Transport for Nowhere {
    async fn post(&self, _: QueryForm) -> Result<RawAnswer, TransportError> {
        let cause = "usage of pods is asked at --prometheus-url, which is not given; give it, or run Flyball with \
                     --pod-metrics-from metrics-api";
        Err(TransportError::Unreachable { host: "any Prometheus".to_owned(), cause: cause.to_owned() })
    }
}

/// What an answer was found to say, for all who share it.
type Shared = watch::Receiver<Option<Arc<Result<Told, Absent>>>>;

/// The usage of pods as one Prometheus tells it.
pub struct PodUsages {
    ask: Arc<Ask>,
    cpu: Resource,
    memory: Resource,
}

/// One resource: its query and the answer that is shared.
struct Resource {
    query: UsageQuery,
    subject: Subject,
    flight: Mutex<Option<Flight>>,
}

/// What messages speak of.
#[derive(Debug, Clone, Copy)]
struct Subject {
    resource: &'static str,
    /// The flag that sets the query.
    flag: &'static str,
}

/// A question that was asked.
#[derive(Clone)]
struct Flight {
    since: Instant,
    told: Shared,
}

impl fmt::Debug for PodUsages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let queries = (&self.cpu.query, &self.memory.query);
        f.debug_struct("PodUsages").field("queries", &queries).finish_non_exhaustive()
    }
}

impl PodUsages {
    /// Asks these queries through `transport`, which should have [`limits`].
    pub fn new(transport: impl Transport, cpu: UsageQuery, memory: UsageQuery) -> Self {
        let transport = Arc::new(transport);
        let ask = move |form| -> BoxFuture<'static, Result<RawAnswer, TransportError>> {
            let transport = Arc::clone(&transport);
            Box::pin(async move { transport.post(form).await })
        };
        let resource = |query, subject| Resource { query, subject, flight: Mutex::default() };
        Self {
            ask: Arc::new(ask),
            cpu: resource(cpu, Subject { resource: "cpu", flag: "--pod-cpu-query" }),
            memory: resource(memory, Subject { resource: "memory", flag: "--pod-memory-query" }),
        }
    }

    /// What these pods of a namespace use of a resource, at `now`. `None` for a resource that cAdvisor does not measure: there is a
    /// query for cpu and one for memory.
    pub async fn read(&self, usage: &PodUsage, pods: (&str, &[Pod]), now: Timestamp) -> Option<Reading> {
        let resource = match &*usage.resource {
            "cpu" => &self.cpu,
            "memory" => &self.memory,
            _ => return None,
        };
        let mut told = self.flight(resource, now);
        let answer = told.wait_for(Option::is_some).await.ok().and_then(|answer| answer.clone());
        Some(match answer.as_deref() {
            Some(Ok(told)) => told.reading(usage, pods, now),
            Some(Err(absent)) => Reading::Missing(absent.clone()),
            // The task that asked is gone: it panicked, or the process ends.
            None => {
                let message = "nothing came of the question: this is a fault of Flyball, please report it.";
                Reading::Missing(resource.subject.absent(Absence::Malformed, message))
            }
        })
    }

    /// The answer that is on its way or still young, or else a new one.
    fn flight(&self, resource: &Resource, now: Timestamp) -> Shared {
        let mut flight = resource.flight.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flight.as_ref().filter(|flight| flight.serves()) {
            return flight.told.clone();
        }
        let (teller, told) = watch::channel(None);
        *flight = Some(Flight { since: Instant::now(), told: told.clone() });
        // A task of its own: whoever asked first may be given up while others wait.
        let (ask, question) = (Arc::clone(&self.ask), (resource.query.clone(), resource.subject));
        tokio::spawn(async move {
            let answer = tell(&*ask, question, now).await;
            teller.send_replace(Some(Arc::new(answer)));
        });
        told
    }
}

impl Flight {
    /// Young enough to be shared, or not yet back. One whose task died serves nobody.
    fn serves(&self) -> bool {
        let pending = self.told.borrow().is_none();
        if pending { self.told.has_changed().is_ok() } else { self.since.elapsed() < SHARED_FOR }
    }
}

/// Asks, and takes the answer apart.
async fn tell(ask: &Ask, (query, subject): (UsageQuery, Subject), now: Timestamp) -> Result<Told, Absent> {
    let form = QueryForm { promql: query.promql, time: now, timeout: DEADLINE };
    let raw = match timeout_at(Instant::now() + DEADLINE, ask(form)).await {
        Ok(Ok(raw)) => raw,
        Ok(Err(TransportError::TooLarge { .. })) => return Err(subject.too_much(Absence::TooLarge)),
        Ok(Err(error)) => return Err(subject.absent(error.absence(), &error.to_string())),
        Err(_) => {
            let message = format!("Prometheus did not answer in full within {DEADLINE:?}.");
            return Err(subject.absent(Absence::Timeout, &message));
        }
    };
    if !(200..300).contains(&raw.status) {
        let Absent { absence, message } = refusal(&raw);
        return Err(subject.absent(absence, &message));
    }
    let is_large = raw.body.len() > LARGE_BODY_BYTES;
    let read = move || UsageIndex::read(&raw.body, MAX_SERIES);
    let (index, answer) = if is_large {
        let failed = || subject.absent(Absence::Malformed, "the answer could not be taken apart.");
        tokio::task::spawn_blocking(read).await.map_err(|_| failed())?
    } else {
        read()
    }
    .map_err(|error| match error {
        DecodeError::TooManySeries { .. } => subject.too_much(Absence::TooManySeries),
        error => subject.absent(error.absence(), &error.to_string()),
    })?;
    Ok(Told { index, partial: why_partial(&answer), window_seconds: query.window_seconds, subject })
}

impl Subject {
    fn absent(self, absence: Absence, message: &str) -> Absent {
        let Self { resource, flag } = self;
        Absent { absence, message: format!("asked for the {resource} of pods ({flag}): {message}").into() }
    }

    fn too_much(self, absence: Absence) -> Absent {
        let message = format!(
            "the answer is larger than the limit of {MAX_SERIES} series and {MAX_BODY_BYTES} bytes; aggregate to one series a \
             container, leave out namespaces that no policy is in, or run Flyball with --pod-metrics-from metrics-api"
        );
        self.absent(absence, &message)
    }
}

#[cfg(test)]
mod tests;
