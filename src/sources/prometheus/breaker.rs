//! Whether one source may be asked at all. A pure state machine: instants and outcomes come in as values; it sends nothing itself.
//!
//! Closed, every query may go. A few failures in a row that say that the server is ill open it: then nothing is sent but one probe now
//! and then. A probe that is answered puts it on trial, where one query at a time may go; the first that is answered closes it, the first
//! that fails opens it again. So neither a dead server nor one that just came back is met by a crowd.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::Timestamp;

/// Failures in a row that open it: one lost answer is everyday life, five without a single success in between are an outage.
pub const FAILURES_TO_OPEN: u32 = 5;
/// Time between two probes, at least: seldom enough to be no burden for a server that starts, often enough that the end of an outage is
/// seen within a third of the default polling period.
pub const PROBE_EVERY: Duration = Duration::from_secs(5);
/// The longest pause that a server may ask for with `Retry-After`: nobody's replicas stand still for an hour because a proxy says so.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);

/// What an outcome says of the server's health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sign {
    /// It answered, if only to refuse this one query.
    Well,
    /// Nothing either way: a query that ran out of time on the server may be to blame itself.
    Neither,
    /// No answer, or one that says that it cannot (5xx, 429).
    Ill {
        /// One sentence.
        why: Arc<str>,
        /// The pause that it asked for.
        retry_after: Option<Duration>,
    },
}

/// Why the source is not asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// When the breaker opened.
    pub since: Timestamp,
    /// What the failure said that opened it.
    pub why: Arc<str>,
}

/// The state in a word, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BreakerState {
    /// Every query may go.
    #[default]
    Closed,
    /// None may.
    Open,
    /// One at a time may.
    Trial,
}

/// The breaker of one source. Instants are durations since any fixed moment.
#[derive(Debug, Default)]
pub struct Breaker {
    state: State,
    /// When the last probe began, whatever has happened since.
    last_probe: Option<Duration>,
}

#[derive(Debug)]
enum State {
    Closed { failures: u32 },
    Open { outage: Outage, next_probe: Duration, probing: bool },
    Trial,
}

impl Default for State {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

impl Breaker {
    /// How many queries may be in flight, where the limit of the source is `limit`.
    #[must_use]
    pub fn most_in_flight(&self, limit: usize) -> usize {
        match self.state {
            State::Closed { .. } => limit,
            State::Open { .. } => 0,
            State::Trial => limit.min(1),
        }
    }

    /// Why nothing may be sent, while that is so.
    #[must_use]
    pub const fn outage(&self) -> Option<&Outage> {
        match &self.state {
            State::Open { outage, .. } => Some(outage),
            State::Closed { .. } | State::Trial => None,
        }
    }

    /// The state in a word.
    #[must_use]
    pub const fn state(&self) -> BreakerState {
        match self.state {
            State::Closed { .. } => BreakerState::Closed,
            State::Open { .. } => BreakerState::Open,
            State::Trial => BreakerState::Trial,
        }
    }

    /// Takes in how a query ended. Answers whether that opened it.
    pub fn heard(&mut self, sign: &Sign, (now, at): (Duration, Timestamp)) -> bool {
        let (why, retry_after) = match sign {
            Sign::Neither => return false,
            Sign::Well => {
                // Also of a query that was sent before it opened: whoever answers is there.
                self.state = State::default();
                return false;
            }
            Sign::Ill { why, retry_after } => (why, retry_after.map(|pause| pause.min(MAX_RETRY_AFTER))),
        };
        let pause = retry_after.unwrap_or_default().max(PROBE_EVERY);
        match &mut self.state {
            State::Closed { failures } => {
                *failures += 1;
                if *failures < FAILURES_TO_OPEN && retry_after.is_none() {
                    return false;
                }
            }
            State::Trial => {}
            State::Open { next_probe, .. } => {
                // One that was sent before; its wish for a pause counts all the same.
                if retry_after.is_some() {
                    *next_probe = (*next_probe).max(now + pause);
                }
                return false;
            }
        }
        let outage = Outage { since: at, why: why.clone() };
        self.state = State::Open { outage, next_probe: self.earliest_probe(now + pause), probing: false };
        true
    }

    /// When the next probe may begin; `None` while there is nothing to probe or a probe is on its way.
    #[must_use]
    pub const fn next_probe(&self) -> Option<Duration> {
        match self.state {
            State::Open { next_probe, probing: false, .. } => Some(next_probe),
            _ => None,
        }
    }

    /// Begins a probe, if one may begin now.
    pub fn begin_probe(&mut self, now: Duration) -> bool {
        match &mut self.state {
            State::Open { next_probe, probing, .. } if !*probing && *next_probe <= now => {
                *probing = true;
                self.last_probe = Some(now);
                true
            }
            _ => false,
        }
    }

    /// Takes in how the probe ended.
    pub fn probed(&mut self, sign: &Sign, now: Duration) {
        let earliest = self.earliest_probe(now);
        let State::Open { next_probe, probing, .. } = &mut self.state else { return };
        match sign {
            Sign::Well => self.state = State::Trial,
            Sign::Neither | Sign::Ill { .. } => {
                let pause = match sign {
                    Sign::Ill { retry_after: Some(pause), .. } => (*pause).min(MAX_RETRY_AFTER),
                    _ => Duration::ZERO,
                };
                *probing = false;
                *next_probe = earliest.max(*next_probe).max(now + pause);
            }
        }
    }

    fn earliest_probe(&self, wanted: Duration) -> Duration {
        self.last_probe.map_or(wanted, |last| wanted.max(last + PROBE_EVERY))
    }
}

#[cfg(test)]
mod tests;
