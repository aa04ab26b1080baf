//! The recommendations that the windows still need, into status and back: what a restart must not forget. Shapes and bounds only; what
//! is needed, and what is made of it, the engine says.

use std::collections::BTreeMap;

use crate::api::status::{MAX_RECENT_RECOMMENDATIONS, RecommendationRecord, ScalingPolicyStatus};
use crate::engine::recollection::{MAX_RECOLLECTED, patience_millis};
use crate::engine::{Mode, Recollection, Recommendation, Standing, State, Timestamp};

use super::budget::micro_time;

/// Puts what the windows still need of `state` into `status`. Answers whether that alone is worth a write, given what `published` holds.
pub fn remember(
    status: &mut ScalingPolicyStatus,
    published: Option<&ScalingPolicyStatus>,
    (state, standing): (&State, Standing<'_>),
) -> bool {
    status.recent_recommendations = records(&Recollection::of(state, standing));
    is_due(published, (state, standing))
}

/// Whether what `published` holds of the recommendations is worth a write, given what the windows still need of `state`.
#[must_use]
pub fn is_due(published: Option<&ScalingPolicyStatus>, (state, standing): (&State, Standing<'_>)) -> bool {
    // Nonsense in place of a memory is a reason to write as well, unless the truth is nothing, which is what is read from it.
    let published = published.and_then(told).unwrap_or_default();
    !published.suffices(state, standing)
}

/// Takes the recommendations that `status` tells into `state`. `period_seconds` is the time between two passes; `generation` that of
/// the policy now. Where the size, or the policy, is not what it was when this was told, something was missed in between.
pub fn recall(
    state: &mut State,
    status: &ScalingPolicyStatus,
    (standing, generation, period_seconds): (Standing<'_>, i64, i32),
) {
    let Some(told) = told(status) else { return };
    let is_as_told = status.observed_generation == Some(generation)
        && match standing.policy.mode {
            Mode::Auto => status.desired_replicas == Some(standing.current),
            Mode::DryRun | Mode::Paused { .. } => false,
        };
    let patience_millis = is_as_told.then(|| patience_millis(standing.policy, period_seconds));
    state.recall(&told, standing, patience_millis);
}

fn records(told: &Recollection) -> Vec<RecommendationRecord> {
    let mut by_time: BTreeMap<Timestamp, (Option<i32>, Option<i32>)> = BTreeMap::new();
    for high in &told.highest {
        by_time.entry(high.at).or_default().0 = Some(high.replicas);
    }
    for low in &told.lowest {
        by_time.entry(low.at).or_default().1 = Some(low.replicas);
    }
    let record = |(at, (highest, lowest))| RecommendationRecord { time: micro_time(at), highest, lowest };
    by_time.into_iter().map(record).collect()
}

/// What `status` tells. `None` for nothing, and for what cannot have been written by this program: then the present size is all that is
/// known.
fn told(status: &ScalingPolicyStatus) -> Option<Recollection> {
    let records = &status.recent_recommendations;
    let at = |record: &RecommendationRecord| Timestamp::from_millis(record.time.0.as_millisecond());
    let is_sound = |record: &RecommendationRecord| {
        let mut numbers = record.highest.iter().chain(&record.lowest).peekable();
        numbers.peek().is_some() && numbers.all(|replicas| *replicas >= 0)
    };
    let sound = !records.is_empty()
        && records.len() <= MAX_RECENT_RECOMMENDATIONS
        && records.iter().all(is_sound)
        && records.is_sorted_by(|a, b| at(a) < at(b));
    if !sound {
        return None;
    }
    let entries = |number: fn(&RecommendationRecord) -> Option<i32>| -> Vec<Recommendation> {
        records.iter().filter_map(|record| Some(Recommendation { replicas: number(record)?, at: at(record) })).collect()
    };
    let told = Recollection { highest: entries(|record| record.highest), lowest: entries(|record| record.lowest) };
    let is_short = told.highest.len() <= MAX_RECOLLECTED && told.lowest.len() <= MAX_RECOLLECTED;
    is_short.then_some(told)
}

#[cfg(test)]
mod tests;
