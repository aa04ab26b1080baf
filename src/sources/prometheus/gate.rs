//! Lets queries to one source pass: so many at once, so fast, namespace by namespace, and none while the breaker is open. Joins the pure
//! parts `queue`, `pace` and `breaker` to time and tasks; must not know what is asked.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::Limits;
use super::breaker::{Breaker, BreakerState, Outage, Sign};
use super::pace::Pace;
use super::queue::Queue;
use crate::engine::Timestamp;

/// The gate before one source.
#[derive(Debug)]
pub(super) struct Gate {
    started: Instant,
    limit: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    queue: Queue<Waiting>,
    in_flight: usize,
    breaker: Breaker,
    pace: Pace,
    /// A task waits for the pace to allow the next one.
    timer: bool,
}

type Waiting = oneshot::Sender<Result<Pass, Refusal>>;

/// Why a query may not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The breaker is open.
    Outage(Outage),
    /// Too many wait already.
    Full,
    /// The deadline passed while it waited.
    Late,
}

/// The permission for one query; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Pass {
    gate: Arc<Gate>,
}

/// What can be seen from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct View {
    pub(super) state: BreakerState,
    pub(super) waiting: usize,
    pub(super) in_flight: usize,
}

impl Gate {
    pub(super) fn new(limits: &Limits) -> Self {
        let inner = Inner {
            queue: Queue::new(limits.waiting),
            in_flight: 0,
            breaker: Breaker::default(),
            pace: Pace::per_second(limits.requests_per_second),
            timer: false,
        };
        Self { started: Instant::now(), limit: limits.concurrency.max(1), inner: Mutex::new(inner) }
    }

    /// Waits for a turn until `end`, in the line of whichever of `namespaces` has the shortest: nobody loses by sharing.
    pub(super) async fn enter(self: &Arc<Self>, namespaces: &[Arc<str>], end: Instant) -> Result<Pass, Refusal> {
        let (turn, mine) = oneshot::channel();
        let refused = {
            let mut inner = self.lock();
            if let Some(outage) = inner.breaker.outage() {
                return Err(Refusal::Outage(outage.clone()));
            }
            if inner.queue.is_full() {
                inner.queue.retain(|waiting| !waiting.is_closed());
            }
            let shortest = namespaces.iter().min_by_key(|namespace| inner.queue.waiting(namespace));
            inner.queue.push(shortest.unwrap_or(&Arc::from("")), turn)
        };
        if let Some(refused) = refused {
            // The receiver may have gone away by itself.
            let _ = refused.send(Err(Refusal::Full));
        }
        self.admit();
        match timeout_at(end, mine).await {
            Ok(Ok(turn)) => turn,
            // The sender is dropped with the gate alone, which this call holds.
            Ok(Err(_)) | Err(_) => Err(Refusal::Late),
        }
    }

    /// The breaker's next probe, if there is one to make: its instant.
    pub(super) fn next_probe(&self) -> Option<Instant> {
        self.lock().breaker.next_probe().map(|after| self.started + after)
    }

    /// Whether a probe may be sent now; its end must be told to [`Gate::probed`].
    pub(super) fn begin_probe(&self) -> bool {
        self.lock().breaker.begin_probe(self.started.elapsed())
    }

    /// Takes in how a probe ended.
    pub(super) fn probed(self: &Arc<Self>, sign: &Sign) {
        self.lock().breaker.probed(sign, self.started.elapsed());
        self.admit();
    }

    pub(super) fn view(&self) -> View {
        let inner = self.lock();
        View { state: inner.breaker.state(), waiting: inner.queue.len(), in_flight: inner.in_flight }
    }

    /// Lets everybody through, or away, who need not wait any longer.
    fn admit(self: &Arc<Self>) {
        // Answered after the lock is released: a permission that nobody takes comes back here at once.
        let mut answers: Vec<(Waiting, Result<Pass, Refusal>)> = Vec::new();
        let mut inner = self.lock();
        while !inner.queue.is_empty() {
            if let Some(outage) = inner.breaker.outage().cloned() {
                if let Some(waiting) = inner.queue.pop() {
                    answers.push((waiting, Err(Refusal::Outage(outage))));
                }
                continue;
            }
            if inner.in_flight >= inner.breaker.most_in_flight(self.limit) {
                break;
            }
            if let Err(ready) = inner.pace.take(self.started.elapsed()) {
                self.wake_at(&mut inner, ready);
                break;
            }
            // Whoever went away must not cost the pace a turn.
            while let Some(waiting) = inner.queue.pop() {
                if !waiting.is_closed() {
                    inner.in_flight += 1;
                    answers.push((waiting, Ok(Pass { gate: self.clone() })));
                    break;
                }
            }
        }
        drop(inner);
        for (waiting, answer) in answers {
            drop(waiting.send(answer));
        }
    }

    fn wake_at(self: &Arc<Self>, inner: &mut Inner, ready: Duration) {
        if inner.timer {
            return;
        }
        inner.timer = true;
        let (gate, at) = (Arc::downgrade(self), self.started + ready);
        tokio::spawn(async move {
            sleep_until(at).await;
            if let Some(gate) = gate.upgrade() {
                gate.lock().timer = false;
                gate.admit();
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass {
    /// The query has ended; `at` is the time it asked for. Answers whether that opened the breaker.
    pub(super) fn finish(self, sign: &Sign, at: Timestamp) -> bool {
        let now = self.gate.started.elapsed();
        self.gate.lock().breaker.heard(sign, (now, at))
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.gate.lock().in_flight -= 1;
        self.gate.admit();
    }
}

#[cfg(test)]
mod tests;
