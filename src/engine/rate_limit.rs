//! How far the rate policies of one direction let the size go, given what was written lately. Must not know bounds.

use super::policy::{Direction, RateKind, RatePolicy, Rules, Select};
use super::state::{ScaleEvent, State};
use super::time::Timestamp;
use super::trace::RateLimit;

/// Written changes of size, seen from one instant.
#[derive(Debug, Clone, Copy)]
pub struct Events<'a> {
    /// Changes upwards.
    pub up: &'a [ScaleEvent],
    /// Changes downwards.
    pub down: &'a [ScaleEvent],
    /// The instant.
    pub now: Timestamp,
}

impl<'a> Events<'a> {
    /// Those that `state` remembers.
    #[must_use]
    pub fn of(state: &'a State, now: Timestamp) -> Self {
        Self { up: &state.up_events, down: &state.down_events, now }
    }

    /// Net growth over the last `period_seconds`.
    fn growth_within(&self, period_seconds: i32) -> i64 {
        change_within(self.up, period_seconds, self.now).saturating_sub(change_within(
            self.down,
            period_seconds,
            self.now,
        ))
    }
}

/// The sum of the changes younger than `period_seconds`, its far edge left out (HPA rule).
#[must_use]
pub fn change_within(events: &[ScaleEvent], period_seconds: i32, now: Timestamp) -> i64 {
    let period_millis = i64::from(period_seconds) * 1000;
    let young = events.iter().filter(|event| now.millis_since(event.at) < period_millis);
    young.fold(0, |sum, event| sum.saturating_add(i64::from(event.change)))
}

/// The size that `rules` allow at most (up) or at least (down), as HPA computes it: may lie beyond `current` the wrong way round
/// where the period's budget is overspent, and below zero for down. A direction without any policy does not move.
#[must_use]
pub fn limit(direction: Direction, current: i32, rules: &Rules, events: &Events<'_>) -> RateLimit {
    let mut limit = RateLimit { direction, replicas: current, select: rules.select, policy: None };
    if rules.select == Select::Disabled {
        return limit;
    }
    for policy in &rules.policies {
        let start = i64::from(current).saturating_sub(events.growth_within(policy.period_seconds));
        let allowed = allowed(direction, *policy, start);
        // "Max" is the largest change, so the highest size for up and the lowest for down; "Min" the other way round.
        let wins = match (rules.select == Select::Max, direction) {
            (true, Direction::Up) | (false, Direction::Down) => allowed > limit.replicas,
            (true, Direction::Down) | (false, Direction::Up) => allowed < limit.replicas,
        };
        if limit.policy.is_none() || wins {
            (limit.replicas, limit.policy) = (allowed, Some(*policy));
        }
    }
    limit
}

/// The size that one policy allows, for a period that began with `start` replicas. Growing by percent rounds up, shrinking cuts the
/// remainder off, so that one pod may always come or go (HPA rule).
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)] // floats saturate; integers were clamped
fn allowed(direction: Direction, policy: RatePolicy, start: i64) -> i32 {
    let value = i64::from(policy.value);
    let share = f64::from(policy.value) / 100.0;
    match (policy.kind, direction) {
        (RateKind::Pods, Direction::Up) => saturate(start.saturating_add(value)),
        (RateKind::Pods, Direction::Down) => saturate(start.saturating_sub(value)),
        (RateKind::Percent, Direction::Up) => (start as f64 * (1.0 + share)).ceil() as i32,
        (RateKind::Percent, Direction::Down) => (start as f64 * (1.0 - share)) as i32,
    }
}

#[allow(clippy::cast_possible_truncation)] // clamped before
fn saturate(replicas: i64) -> i32 {
    replicas.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tests_support::at;

    const PODS: RatePolicy = RatePolicy { kind: RateKind::Pods, value: 4, period_seconds: 60 };
    const PERCENT: RatePolicy = RatePolicy { kind: RateKind::Percent, value: 10, period_seconds: 60 };

    fn event(change: i32, age: i64) -> ScaleEvent {
        ScaleEvent { change, at: at(-age), outdated: false }
    }

    #[test]
    fn each_selection_in_each_direction_names_the_policy_that_set_it() {
        use Direction::{Down, Up};
        let table = [
            (Up, Select::Max, 100, 111, Some(PERCENT)),
            (Up, Select::Min, 100, 104, Some(PODS)),
            (Up, Select::Disabled, 100, 100, None),
            (Down, Select::Max, 100, 90, Some(PERCENT)),
            (Down, Select::Min, 100, 96, Some(PODS)),
            (Down, Select::Max, 3, -1, Some(PODS)),
            (Down, Select::Min, 15, 13, Some(PERCENT)),
        ];
        for (direction, select, current, replicas, policy) in table {
            let rules = Rules { window_seconds: None, select, policies: vec![PODS, PERCENT], tolerance: None };
            let limit = limit(direction, current, &rules, &Events { up: &[], down: &[], now: at(0) });
            assert_eq!((limit.replicas, limit.policy), (replicas, policy), "{direction:?} {select:?} {current}");
        }
    }

    #[test]
    fn written_changes_count_while_younger_than_the_period() {
        let rules = Rules { window_seconds: None, select: Select::Max, policies: vec![PODS], tolerance: None };
        let limit_with = |up: &[ScaleEvent], down: &[ScaleEvent]| {
            limit(Direction::Up, 10, &rules, &Events { up, down, now: at(0) }).replicas
        };
        assert_eq!(limit_with(&[event(5, 60)], &[]), 14, "exactly as old as the period: forgotten");
        assert_eq!(limit_with(&[event(5, 59)], &[]), 9, "overspent");
        assert_eq!(limit_with(&[], &[event(5, 10)]), 19, "what was taken away may come back");
        assert_eq!(limit_with(&[event(i32::MAX, 1), event(i32::MAX, 1)], &[]), i32::MIN, "saturates");
    }

    #[test]
    fn no_policy_is_no_permission() {
        for select in [Select::Max, Select::Min] {
            let rules = Rules { window_seconds: None, select, policies: vec![], tolerance: None };
            let limit = limit(Direction::Down, 10, &rules, &Events { up: &[], down: &[], now: at(0) });
            assert_eq!((limit.replicas, limit.policy), (10, None));
        }
    }
}
