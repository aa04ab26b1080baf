//! What goes into a policy's memory and what is overwritten there. The only place that changes [`State`]'s lists.

use super::policy::{Direction, Policy, Rules};
use super::recollection::Recollection;
use super::state::{Recommendation, Rescale, ScaleEvent, State};
use super::time::Timestamp;

/// Most recommendations that are remembered: the longest window (3600 s) at the shortest period (1 s), and some to spare.
pub const MAX_RECOMMENDATIONS: usize = 4096;
/// Most written changes of one direction that are remembered: the longest period (1800 s) at the shortest period of decisions (1 s),
/// and some to spare.
pub const MAX_SCALE_EVENTS: usize = 2048;

/// Stores what was asked for, in the place of one that no window needs any more where there is one (HPA rule). At the limit the
/// youngest entry takes the higher of both: that can only hold on longer, never lower earlier.
pub fn remember(stored: &mut Vec<Recommendation>, slot: Option<usize>, recommendation: Recommendation) {
    if let Some(old) = slot.and_then(|slot| stored.get_mut(slot)) {
        *old = recommendation;
    } else if stored.len() < MAX_RECOMMENDATIONS {
        stored.push(recommendation);
    } else if let Some(youngest) = stored.iter_mut().max_by_key(|stored| stored.at) {
        youngest.replicas = youngest.replicas.max(recommendation.replicas);
        youngest.at = youngest.at.max(recommendation.at);
    }
}

impl State {
    /// What was recommended before says nothing about what comes after.
    pub(super) fn forget_recommendations(&mut self) {
        self.recommendations = None;
        self.blind = None;
        self.recalled = Recollection::default();
    }

    /// Remembers a change of size that the API server acknowledged, so that rate policies count it. Without `behavior` nothing counts
    /// changes, and none is kept (HPA rule).
    pub fn record_rescale(&mut self, policy: &Policy, rescale: Rescale) {
        if rescale.to == rescale.from {
            return; // no change, and no event of none
        }
        self.scaled_to_zero = rescale.to == 0 && rescale.from > 0 && policy.rests_at_zero();
        let Some(behavior) = &policy.behavior else { return };
        let (direction, rules, events) = if rescale.to > rescale.from {
            (Direction::Up, &behavior.up, &mut self.up_events)
        } else {
            (Direction::Down, &behavior.down, &mut self.down_events)
        };
        let change = match direction {
            Direction::Up => rescale.to.saturating_sub(rescale.from),
            Direction::Down => rescale.from.saturating_sub(rescale.to),
        };
        store_event(events, rules, ScaleEvent { change, at: rescale.at, outdated: false });
    }
}

/// Marks what is older than every period of its direction, and stores in the last place so marked, else at the end (HPA rule). At the
/// limit the youngest event takes the new one's change as well, so that the budget stays spent.
fn store_event(events: &mut Vec<ScaleEvent>, rules: &Rules, event: ScaleEvent) {
    let longest_millis = longest_period_millis(rules);
    let mut slot = None;
    for (index, old) in events.iter_mut().enumerate() {
        old.outdated |= is_older(event.at, old.at, longest_millis);
        if old.outdated {
            slot = Some(index);
        }
    }
    if let Some(old) = slot.and_then(|slot| events.get_mut(slot)) {
        *old = event;
    } else if events.len() < MAX_SCALE_EVENTS {
        events.push(event);
    } else if let Some(youngest) = events.iter_mut().max_by_key(|old| old.at) {
        youngest.change = youngest.change.saturating_add(event.change);
        youngest.at = youngest.at.max(event.at);
    }
}

fn longest_period_millis(rules: &Rules) -> i64 {
    rules.policies.iter().map(|policy| i64::from(policy.period_seconds) * 1000).max().unwrap_or(0).max(0)
}

const fn is_older(now: Timestamp, at: Timestamp, millis: i64) -> bool {
    now.millis_since(at) > millis
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tests_support::{at, behavior, policy};

    #[test]
    fn a_recommendation_takes_the_place_it_is_given() {
        let recommendation = |replicas, seconds| Recommendation { replicas, at: at(seconds) };
        let mut stored = vec![recommendation(1, 0), recommendation(2, 1)];
        remember(&mut stored, Some(0), recommendation(3, 2));
        remember(&mut stored, None, recommendation(4, 3));
        remember(&mut stored, Some(99), recommendation(5, 4));
        let replicas: Vec<i32> = stored.iter().map(|stored| stored.replicas).collect();
        assert_eq!(replicas, [3, 2, 4, 5]);
    }

    #[test]
    fn a_full_memory_keeps_the_higher_number() {
        let mut stored = vec![Recommendation { replicas: 7, at: at(0) }; MAX_RECOMMENDATIONS];
        remember(&mut stored, None, Recommendation { replicas: 3, at: at(9) });
        assert_eq!(stored.len(), MAX_RECOMMENDATIONS);
        assert_eq!(stored.iter().max_by_key(|stored| stored.at), Some(&Recommendation { replicas: 7, at: at(9) }));
    }

    #[test]
    fn events_are_kept_only_with_behavior() {
        let rescale = Rescale { from: 3, to: 5, at: at(0) };
        let mut state = State::default();
        state.record_rescale(&policy(1, 10), rescale);
        assert_eq!(state, State::default());
        let mut with_behavior = policy(1, 10);
        with_behavior.behavior = Some(behavior());
        state.record_rescale(&with_behavior, rescale);
        state.record_rescale(&with_behavior, Rescale { from: 5, to: 1, at: at(1) });
        assert_eq!(state.up_events, [ScaleEvent { change: 2, at: at(0), outdated: false }]);
        assert_eq!(state.down_events, [ScaleEvent { change: 4, at: at(1), outdated: false }]);
        state.record_rescale(&with_behavior, Rescale { from: 1, to: 2, at: at(16) });
        assert_eq!(
            state.up_events,
            [ScaleEvent { change: 1, at: at(16), outdated: false }],
            "16 s > 15 s: overwritten"
        );
    }

    #[test]
    fn a_full_list_of_events_keeps_the_budget_spent() {
        let mut with_behavior = policy(1, 10);
        with_behavior.behavior = Some(behavior());
        let mut state = State::default();
        for _ in 0..=MAX_SCALE_EVENTS {
            state.record_rescale(&with_behavior, Rescale { from: 1, to: 2, at: at(0) });
        }
        assert_eq!(state.up_events.len(), MAX_SCALE_EVENTS);
        assert_eq!(state.up_events.iter().map(|event| event.change).sum::<i32>(), 2049);
    }
}
