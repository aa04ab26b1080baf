//! Combine: one recommendation out of all proposals. The highest wins; a metric that is missing or partial keeps the others from lowering.

use super::observation::Reading;
use super::trace::{Outcome, Proposal};

/// The outcome of `proposals` for a workload of `current` replicas, with the recommendation (0 or more) where there is one (HPA).
#[must_use]
pub fn combine(proposals: &[Proposal], current: i32) -> (Outcome, Option<i32>) {
    let mut best: Option<(usize, i32)> = None;
    let mut first_failing = None;
    for (index, proposal) in proposals.iter().enumerate() {
        let whole = matches!(proposal.reading, Reading::Complete(_)) && proposal.replicas.is_some();
        if !whole && first_failing.is_none() {
            first_failing = Some(index);
        }
        let Some(replicas) = proposal.replicas else { continue };
        // A kept 0 is replaced by any later proposal (HPA).
        if best.is_none_or(|(_, kept)| kept == 0 || replicas > kept) {
            best = Some((index, replicas));
        }
    }
    match (best, first_failing) {
        (None, first) => (Outcome::MetricsFailed { first: first.unwrap_or(0) }, None),
        (Some((_, replicas)), Some(first)) if replicas < current => (Outcome::MetricsFailed { first }, None),
        (Some((winner, replicas)), failing) => {
            (Outcome::Valid { winner, degraded: failing.is_some() }, Some(replicas.max(0)))
        }
    }
}

#[cfg(test)]
mod tests;
