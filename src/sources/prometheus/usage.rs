//! What pods use of cpu and memory, from cAdvisor's series in a Prometheus: one query a resource for all pods, shared by all policies.
//! Owns the sharing, the deadline and the limits of these two queries; must not decide anything, and never fails: whatever goes wrong
//! is a reading that says what.
//!
//! `query` says what is asked, `way` carries it, `index` takes the answer apart once, `reading` looks up a workload's pods in it.

mod index;
mod query;
mod reading;
mod way;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use self::index::UsageIndex;
pub use self::query::{DEFAULT_CPU, DEFAULT_MEMORY, LABELS, UsageQuery};
use self::reading::Told;
pub use self::way::Way;
use super::decode::DecodeError;
use super::read::{refusal, why_partial};
use super::{DEFAULT_CONNECT_TIMEOUT, Limits, QueryForm, Transport, TransportError};
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

/// Chooses the way to the usage of a namespace's pods, or says why there is none.
type Choose = dyn Fn(&str) -> Result<Way, Absent> + Send + Sync;

/// What an answer was found to say, for all who share it.
type Shared = watch::Receiver<Option<Arc<Result<Told, Absent>>>>;

/// The usage of pods as a Prometheus tells it.
pub struct PodUsages {
    choose: Box<Choose>,
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
    way: Way,
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
        let way = Way::through(transport);
        Self::choosing(move |_| Ok(way.clone()), cpu, memory)
    }

    /// Asks these queries on the way that `choose` names for a namespace, looked up each time. All on one way share their answers.
    pub fn choosing(
        choose: impl Fn(&str) -> Result<Way, Absent> + Send + Sync + 'static,
        cpu: UsageQuery,
        memory: UsageQuery,
    ) -> Self {
        let resource = |query, subject| Resource { query, subject, flight: Mutex::default() };
        Self {
            choose: Box::new(choose),
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
        let way = match (self.choose)(pods.0) {
            Ok(way) => way,
            Err(absent) => return Some(Reading::Missing(resource.subject.absent(absent.absence, &absent.message))),
        };
        let mut told = resource.flight(way, now);
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
}

impl Resource {
    /// The answer that is on `way` or still young, or else a new one.
    fn flight(&self, way: Way, now: Timestamp) -> Shared {
        let mut flight = self.flight.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flight.as_ref().filter(|flight| flight.way.is(&way) && flight.serves()) {
            return flight.told.clone();
        }
        let (teller, told) = watch::channel(None);
        *flight = Some(Flight { since: Instant::now(), way: way.clone(), told: told.clone() });
        // A task of its own: whoever asked first may be given up while others wait.
        let question = (self.query.clone(), self.subject);
        tokio::spawn(async move {
            let answer = tell(&way, question, now).await;
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
async fn tell(way: &Way, (query, subject): (UsageQuery, Subject), now: Timestamp) -> Result<Told, Absent> {
    let form = QueryForm { promql: query.promql, time: now, timeout: DEADLINE };
    let raw = match timeout_at(Instant::now() + DEADLINE, way.ask(form)).await {
        Ok(Ok(raw)) => raw,
        Ok(Err(TransportError::TooLarge { .. })) => return Err(subject.too_much(Absence::TooLarge)),
        Ok(Err(error)) => return Err(subject.absent(error.absence(), &way.blame(&error))),
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
