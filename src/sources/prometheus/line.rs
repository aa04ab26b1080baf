//! The line to one server: sends a query through the gate within its deadline, says of every outcome what it means, and probes while the
//! breaker is open. Must not know who asked, nor look into a successful answer.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::breaker::{PROBE_EVERY, Sign};
use super::gate::{Gate, Refusal};
use super::{Limits, QueryForm, RawAnswer, Transport, TransportError, read};
use crate::engine::{Absence, Absent, Timestamp};

/// What a probe asks: it costs the server nothing, and needs no data.
const PROBE: &str = "vector(1)";
/// Time for a probe. A server that needs longer for nothing is not well.
const PROBE_DEADLINE: Duration = Duration::from_secs(2);
/// Of the time that is left, the part that the server is not given: so its own word on a query that takes too long arrives, and is not
/// taken for silence.
const ANSWER_MARGIN_DIVISOR: u32 = 10;
/// The most of it.
const MAX_ANSWER_MARGIN: Duration = Duration::from_millis(500);
/// How Prometheus says that a query waited in its queue until its time was over: it is overloaded, whatever the query was.
const WAITED_IN_QUEUE: &str = "query queue";

/// The line to one server.
pub(super) struct Line<T> {
    pub(super) transport: T,
    pub(super) limits: Limits,
    pub(super) gate: Arc<Gate>,
    pub(super) tally: Tally,
}

/// What was sent since the line was made.
#[derive(Debug, Default)]
pub(super) struct Tally {
    requests: AtomicU64,
    probes: AtomicU64,
    outcomes: Mutex<BTreeMap<&'static str, u64>>,
}

/// One request.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) promql: Arc<str>,
    /// Whose questions it answers.
    pub(super) namespaces: Vec<Arc<str>>,
    pub(super) time: Timestamp,
    pub(super) end: Instant,
    /// Leave half of the time, so that its members can be asked one by one should it take too long.
    pub(super) leave_half: bool,
}

/// A request that brought no answer to decode.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Failure {
    pub(super) absent: Absent,
    /// It is the query that the server stumbled over: another one may well be answered.
    pub(super) about_query: bool,
}

impl Failure {
    fn new(absence: Absence, message: impl Into<Arc<str>>) -> Self {
        Self { absent: Absent { absence, message: message.into() }, about_query: false }
    }
}

impl<T: Transport> Line<T> {
    pub(super) fn new(transport: T, limits: Limits) -> Self {
        let gate = Arc::new(Gate::new(&limits));
        Self { transport, limits, gate, tally: Tally::default() }
    }

    /// Brings the answer to `order`, whose HTTP status is a success, or says why not.
    pub(super) async fn send(self: &Arc<Self>, order: &Order) -> Result<RawAnswer, Failure> {
        let pass = match self.gate.enter(&order.namespaces, order.end).await {
            Ok(pass) => pass,
            Err(refusal) => return Err(self.refused(&refusal)),
        };
        let left = order.end.saturating_duration_since(Instant::now());
        let share = if order.leave_half { left / 2 } else { left };
        let time_for_server = share - (share / ANSWER_MARGIN_DIVISOR).min(MAX_ANSWER_MARGIN);
        let form = QueryForm { promql: order.promql.clone(), time: order.time, timeout: time_for_server };
        let (outcome, sign) = match timeout_at(order.end, self.transport.post(form)).await {
            Ok(answered) => judge(answered),
            Err(_) => self.silent(),
        };
        let reason = outcome.as_ref().map_or_else(|failure| failure.absent.absence.reason(), |_| "Answered");
        self.tally.sent(reason);
        if pass.finish(&sign, order.time) {
            self.opened(&sign);
        }
        outcome
    }

    /// The deadline passed.
    fn silent(&self) -> (Result<RawAnswer, Failure>, Sign) {
        let message: Arc<str> = format!("Prometheus did not answer in full within {:?}.", self.limits.deadline).into();
        let sign = Sign::Ill { why: message.clone(), retry_after: None };
        (Err(Failure::new(Absence::Timeout, message)), sign)
    }

    fn refused(&self, refusal: &Refusal) -> Failure {
        let Limits { concurrency, deadline, waiting, .. } = self.limits;
        match refusal {
            Refusal::Outage(outage) => {
                let since = calendar(outage.since);
                let every = PROBE_EVERY.as_secs();
                let message = format!(
                    "The source is not asked since {since}, because it failed again and again; it is probed every {every} s \
                     until it answers. Its last words: {}",
                    outage.why
                );
                Failure::new(Absence::Unavailable, message)
            }
            Refusal::Full => Failure::new(
                Absence::Unavailable,
                format!(
                    "{waiting} queries wait for the source already, which is the limit; it answers too slowly for so many."
                ),
            ),
            Refusal::Late => Failure::new(
                Absence::Timeout,
                format!(
                    "No free slot among {concurrency} concurrent queries within {deadline:?}; the source answers too slowly for so many queries."
                ),
            ),
        }
    }

    /// The breaker opened: from now on only probes are sent, until one is answered.
    fn opened(self: &Arc<Self>, sign: &Sign) {
        if let Sign::Ill { why, .. } = sign {
            tracing::warn!(%why, "A Prometheus is not asked any more until it answers a probe");
        }
        tokio::spawn(probe(Arc::downgrade(self)));
    }
}

impl Tally {
    fn sent(&self, reason: &'static str) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        *self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).entry(reason).or_default() += 1;
    }

    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    pub(super) fn probes(&self) -> u64 {
        self.probes.load(Ordering::Relaxed)
    }

    pub(super) fn outcomes(&self) -> BTreeMap<&'static str, u64> {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Probes until the breaker is no longer open, or the source is gone.
async fn probe<T: Transport>(line: Weak<Line<T>>) {
    loop {
        let Some(at) = line.upgrade().and_then(|line| line.gate.next_probe()) else { return };
        sleep_until(at).await;
        let Some(line) = line.upgrade() else { return };
        if !line.gate.begin_probe() {
            // Closed meanwhile, or told to wait for longer.
            continue;
        }
        let limit = PROBE_DEADLINE.min(line.limits.deadline);
        // The epoch is as good as any time for a constant, and keeps the wall clock out of here.
        let form = QueryForm { promql: PROBE.into(), time: Timestamp::default(), timeout: limit };
        line.tally.probes.fetch_add(1, Ordering::Relaxed);
        let sign = match timeout(limit, line.transport.post(form)).await {
            Ok(answered) => judge(answered).1,
            Err(_) => Sign::Ill { why: "the probe was not answered".into(), retry_after: None },
        };
        line.gate.probed(&sign);
        if sign == Sign::Well {
            tracing::info!("A Prometheus answers again");
        }
    }
}

/// What came of a request, and what that says of the server's health.
fn judge(answered: Result<RawAnswer, TransportError>) -> (Result<RawAnswer, Failure>, Sign) {
    let raw = match answered {
        Ok(raw) if (200..300).contains(&raw.status) => return (Ok(raw), Sign::Well),
        Ok(raw) => raw,
        Err(error) => {
            let absence = error.absence();
            let about_query = absence == Absence::TooLarge;
            let failure = Failure { about_query, ..Failure::new(absence, error.to_string()) };
            let sign = match absence {
                Absence::TooLarge => Sign::Well,
                Absence::Unreachable | Absence::Timeout | Absence::Malformed => {
                    Sign::Ill { why: failure.absent.message.clone(), retry_after: None }
                }
                // Refused on our side, before anything was sent.
                _ => Sign::Neither,
            };
            return (Err(failure), sign);
        }
    };
    let absent = read::refusal(&raw);
    let ill = || Sign::Ill { why: absent.message.clone(), retry_after: raw.retry_after };
    // Prometheus' own word that this query took too long, which 408 and 504 of a proxy are not.
    let out_of_time = absent.absence == Absence::Timeout && !matches!(raw.status, 408 | 504);
    let (sign, about_query) = match raw.status {
        _ if out_of_time && absent.message.contains(WAITED_IN_QUEUE) => (ill(), false),
        _ if out_of_time => (Sign::Neither, true),
        408 | 429 | 500..=599 => (ill(), false),
        // Too long for a proxy between us, or for the server.
        413 | 414 | 431 => (Sign::Well, true),
        _ => (Sign::Well, absent.absence == Absence::BadQuery),
    };
    (Err(Failure { absent, about_query }), sign)
}

/// An instant as people read it, to the second: the same in every message of one outage.
fn calendar(at: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_second(at.as_millis().div_euclid(1000)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
