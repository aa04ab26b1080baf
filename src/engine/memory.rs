//! What is remembered: recommendations and scale events, in HPA's stores. Places of what is too old are used again, so that memory is
//! bounded by window over period; ages are compared in milliseconds, `<` and `≤` as HPA compares them.

use super::policy::{Direction, Policy, Rules};
use super::state::{Recommendation, Rescale, ScaleEvent, State};
use super::time::Timestamp;

impl State {
    /// The first look at a workload: the present size is the first recommendation, so nothing shrinks before a window has passed.
    pub(super) fn seed(&mut self, current: i32, now: Timestamp) {
        if self.recommendations.is_none() {
            self.recommendations = Some(vec![Recommendation { replicas: current, at: now }]);
        }
    }

    /// Remembers a change of size that the API server acknowledged, so that rate policies count it. Nothing is kept without `behavior`
    /// (HPA), and a change to the same size is none.
    pub fn record_rescale(&mut self, policy: &Policy, rescale: Rescale) {
        let Some(behavior) = &policy.behavior else { return };
        if rescale.to > rescale.from {
            store_event(&mut self.up_events, &behavior.up, rescale);
        } else if rescale.to < rescale.from {
            store_event(&mut self.down_events, &behavior.down, rescale);
        }
    }
}

/// Stores `rescale` among the events of its direction, in the last place whose event is older than every period of `rules` (HPA).
pub fn store_event(events: &mut Vec<ScaleEvent>, rules: &Rules, rescale: Rescale) {
    let longest_seconds = rules.policies.iter().map(|policy| policy.period_seconds).max().unwrap_or(0);
    for event in events.iter_mut() {
        event.outdated = rescale.at.millis_since(event.at) > millis(longest_seconds);
    }
    let change = i32::try_from(rescale.to.abs_diff(rescale.from)).unwrap_or(i32::MAX);
    let event = ScaleEvent { change, at: rescale.at, outdated: false };
    match events.iter_mut().rev().find(|stored| stored.outdated) {
        Some(place) => *place = event,
        None => events.push(event),
    }
}

/// The replicas that changed within the last `period_seconds` (HPA: strictly younger than the period).
#[must_use]
pub fn changed_within(events: &[ScaleEvent], period_seconds: i32, now: Timestamp) -> i32 {
    let young = events.iter().filter(|event| now.millis_since(event.at) < millis(period_seconds));
    young.fold(0_i32, |sum, event| sum.saturating_add(event.change))
}

/// Stores a recommendation in the last place that `outdated` gives up, else at the end (HPA).
pub(super) fn store_recommendation(
    recommendations: &mut Vec<Recommendation>,
    new: Recommendation,
    outdated: impl Fn(&Recommendation) -> bool,
) {
    match recommendations.iter_mut().rev().find(|stored| outdated(stored)) {
        Some(place) => *place = new,
        None => recommendations.push(new),
    }
}

/// The events of one direction.
pub(super) fn events(state: &State, direction: Direction) -> &[ScaleEvent] {
    match direction {
        Direction::Up => &state.up_events,
        Direction::Down => &state.down_events,
    }
}

pub(super) const fn millis(seconds: i32) -> i64 {
    seconds as i64 * 1000
}
