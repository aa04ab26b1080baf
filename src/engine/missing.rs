//! What a metric without a whole answer counts as: `onMissing` of the metric and `fallback` of the policy. Owns the count of failures
//! in a row and the floor that follows from it. A floor only ever raises: nothing here lowers a size, and nothing here knows windows or
//! limits.

use std::sync::Arc;

use super::observation::{Absence, Reading};
use super::policy::{Metric, Policy};
use super::state::State;
use super::time::Timestamp;
use super::trace::Proposal;

/// What a metric without a whole answer counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnMissing {
    /// Nothing moves on its account, and no other metric lowers (HPA rule).
    #[default]
    Hold,
    /// An answer without any series counts as zero. Only that: a failed, partial or stale answer holds.
    Zero,
    /// The metric does not count until it answers in full; the others decide. Where no other one answered in full, nothing is lowered.
    Ignore,
    /// As `Hold`, and once the policy's [`Fallback`] counts enough failures the size is at least its floor.
    Fallback,
}

/// A floor under the size while a metric fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fallback {
    /// Failures in a row before the floor holds, and whole answers in a row before it is taken away, 1 or more. The same for both, so
    /// that a metric that comes and goes does not move the workload up and down.
    pub after_failures: u32,
    /// Replicas of the floor, 0 or more.
    pub replicas: i32,
    /// What the floor is.
    pub kind: FloorKind,
}

/// What the floor under a failing metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FloorKind {
    /// The replicas of the fallback.
    #[default]
    Static,
    /// Those, or the size when the failures began, whichever is more.
    AtLeast,
    /// The size when the failures began.
    Current,
}

/// How long a metric has been without a whole answer. Kept from the first failure until it has recovered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Streak {
    /// The metric's name.
    pub metric: Arc<str>,
    /// Failures in a row, 1 or more.
    pub failures: u32,
    /// Whole answers in a row after them.
    pub answers: u32,
    /// The first failure.
    pub since: Timestamp,
    /// The size then, 0 or more.
    pub replicas: i32,
}

/// What a decision knows of a metric that fails, or that failed and has not answered often enough since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failing {
    /// The first failure in a row.
    pub since: Timestamp,
    /// Failures in a row, whatever their kind.
    pub failures: u32,
    /// Whole answers in a row since the last failure.
    pub answers: u32,
    /// The size does not go below this on account of the metric; `None` while the floor does not hold.
    pub floor: Option<i32>,
}

impl Failing {
    /// One lost answer is noise: only what failed again, or holds a floor, is told.
    #[must_use]
    pub const fn is_news(self) -> bool {
        self.failures > 1 || self.floor.is_some()
    }
}

/// Whether this metric's reading is to count as zero.
pub(super) fn counts_as_zero(metric: &Metric, reading: &Reading) -> bool {
    let empty = matches!(reading, Reading::Missing(absent) if absent.absence == Absence::Empty);
    empty && metric.on_missing == OnMissing::Zero
}

/// Counts who failed, and puts floors under the proposals of those that failed often enough.
pub(super) fn follow_failures(
    policy: &Policy,
    state: &mut State,
    (now, current): (Timestamp, i32),
    proposals: &mut [Proposal],
) {
    let streaks = &mut state.streaks;
    streaks.retain(|streak| policy.metrics.iter().any(|metric| metric.name == streak.metric));
    for (metric, proposal) in policy.metrics.iter().zip(proposals) {
        let place = streaks.iter().position(|streak| streak.metric == metric.name);
        let fallback = policy.fallback.filter(|_| metric.on_missing == OnMissing::Fallback);
        let place = match place {
            None if proposal.is_whole() => continue,
            None => {
                streaks.push(Streak {
                    metric: metric.name.clone(),
                    failures: 1,
                    answers: 0,
                    since: now,
                    replicas: current,
                });
                streaks.len() - 1
            }
            Some(place) => {
                count(streaks, place, proposal.is_whole());
                place
            }
        };
        if streaks.get(place).is_some_and(|streak| streak.has_ended(fallback)) {
            streaks.remove(place);
        } else if let Some(streak) = streaks.get(place) {
            proposal.failing = Some(streak.told(fallback));
        }
    }
}

fn count(streaks: &mut [Streak], place: usize, whole: bool) {
    let Some(streak) = streaks.get_mut(place) else { return };
    if whole {
        streak.answers = streak.answers.saturating_add(1);
    } else {
        streak.failures = streak.failures.saturating_add(1);
        streak.answers = 0;
    }
}

impl Streak {
    /// Failures that never reached the floor are forgotten at the first whole answer; the others once as many answers came in a row.
    fn has_ended(&self, fallback: Option<Fallback>) -> bool {
        match fallback.filter(|fallback| self.failures >= fallback.after_failures.max(1)) {
            Some(fallback) => self.answers >= fallback.after_failures.max(1),
            None => self.answers > 0,
        }
    }

    fn told(&self, fallback: Option<Fallback>) -> Failing {
        let reached = fallback.filter(|fallback| self.failures >= fallback.after_failures.max(1));
        let floor = reached.map(|fallback| match fallback.kind {
            FloorKind::Static => fallback.replicas,
            FloorKind::AtLeast => fallback.replicas.max(self.replicas),
            FloorKind::Current => self.replicas,
        });
        Failing {
            since: self.since,
            failures: self.failures,
            answers: self.answers,
            floor: floor.map(|floor| floor.max(0)),
        }
    }
}

#[cfg(test)]
mod tests;
