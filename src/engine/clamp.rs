//! The last word on a number: bounds, and the speed that goes with them. Owns which of them is named as the reason.

use super::policy::{Behavior, Direction, Growth, Policy, Select};
use super::rate_limit::{Events, limit};
use super::trace::{Limit, LimitReason, RateLimit};

/// Fewest and most replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Fewest.
    pub min: i32,
    /// Most.
    pub max: i32,
}

/// The number before its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The present size.
    pub current: i32,
    /// The stabilized number.
    pub desired: i32,
}

impl Bounds {
    /// Those of a policy, made safe for the present size. Bounds that contradict each other (`min` above `max`, `max` below 1) are
    /// refused where policies are written; where they come through all the same, `min` wins and nothing is lowered.
    #[must_use]
    pub fn of(policy: &Policy, current: i32) -> Self {
        let (min, max) = (policy.min_replicas.max(0), policy.max_replicas);
        if max < 1 || min > max {
            let hold = min.max(current);
            return Self { min: hold, max: hold };
        }
        Self { min, max }
    }
}

/// HPA without `behavior`: bounds and the growth limit.
#[must_use]
pub fn clamp(change: Change, bounds: Bounds, growth: Growth) -> Limit {
    let reachable = growth_limit(change.current, growth);
    let (most, too_many) = if bounds.max > reachable {
        (reachable, LimitReason::ScaleUpLimit)
    } else {
        (bounds.max, LimitReason::TooManyReplicas)
    };
    let (replicas, reason) = if change.desired < bounds.min {
        (bounds.min, LimitReason::TooFewReplicas)
    } else if change.desired > most {
        (most, too_many)
    } else {
        (change.desired, LimitReason::DesiredWithinRange)
    };
    let rate = (change.desired > change.current).then_some(RateLimit {
        direction: Direction::Up,
        replicas: reachable,
        select: Select::Max,
        policy: None,
    });
    Limit { replicas, reason, rate }
}

#[allow(clippy::cast_possible_truncation)] // saturates
fn growth_limit(current: i32, growth: Growth) -> i32 {
    (growth.factor * f64::from(current)).max(f64::from(growth.floor)) as i32
}

/// HPA with `behavior`: the rate policies of the direction taken, and the bound on that side. The other bound does not apply, and a
/// size that stays is not looked at.
#[must_use]
pub fn rate(change: Change, bounds: Bounds, behavior: &Behavior, events: &Events<'_>) -> Limit {
    let Change { current, desired } = change;
    let unlimited = Limit { replicas: desired, reason: LimitReason::DesiredWithinRange, rate: None };
    if desired > current {
        let mut rate = limit(Direction::Up, current, &behavior.up, events);
        // An overspent budget stops growth; it does not take back.
        rate.replicas = rate.replicas.max(current);
        let (most, reason) = if rate.replicas < bounds.max {
            (rate.replicas, LimitReason::ScaleUpLimit)
        } else {
            (bounds.max, LimitReason::TooManyReplicas)
        };
        let reason = if desired > most { reason } else { unlimited.reason };
        Limit { replicas: desired.min(most), reason, rate: Some(rate) }
    } else if desired < current {
        let mut rate = limit(Direction::Down, current, &behavior.down, events);
        rate.replicas = rate.replicas.min(current);
        let (fewest, reason) = if rate.replicas > bounds.min {
            (rate.replicas, LimitReason::ScaleDownLimit)
        } else {
            (bounds.min, LimitReason::TooFewReplicas)
        };
        let reason = if desired < fewest { reason } else { unlimited.reason };
        Limit { replicas: desired.max(fewest), reason, rate: Some(rate) }
    } else {
        unlimited
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tests_support::{at, behavior, policy};

    const NO_EVENTS: Events<'_> = Events { up: &[], down: &[], now: at(0) };

    #[test]
    fn without_behavior() {
        use LimitReason::{DesiredWithinRange, ScaleUpLimit, TooFewReplicas, TooManyReplicas};
        let table = [
            (5, 99, (1, 10), 10, TooManyReplicas),
            (1, 99, (1, 10), 4, ScaleUpLimit),
            (0, 99, (0, 100), 4, ScaleUpLimit),
            (1, 0, (6, 100), 6, TooFewReplicas),
            (5, -10, (2, 9), 2, TooFewReplicas),
            (500, 1, (1, 1000), 1, DesiredWithinRange),
            (i32::MAX, i32::MAX, (1, i32::MAX), i32::MAX, DesiredWithinRange),
        ];
        for (current, desired, (min, max), replicas, reason) in table {
            let limit = clamp(Change { current, desired }, Bounds { min, max }, Growth::default());
            assert_eq!((limit.replicas, limit.reason), (replicas, reason), "{current} -> {desired} in [{min},{max}]");
        }
    }

    #[test]
    fn a_size_that_does_not_grow_is_told_no_growth_limit() {
        let bounds = Bounds { min: 1, max: 10 };
        for (current, desired, told) in [(5, 4, None), (5, 5, None), (5, 6, Some(10))] {
            let limit = clamp(Change { current, desired }, bounds, Growth::default());
            assert_eq!(limit.rate.map(|rate| rate.replicas), told, "{current} -> {desired}");
        }
        let stays = rate(Change { current: 5, desired: 5 }, bounds, &behavior(), &NO_EVENTS);
        assert_eq!((stays.replicas, stays.rate), (5, None), "a size that stays is not looked at");
    }

    #[test]
    fn the_rate_limit_is_told_even_where_a_bound_is_tighter() {
        // Defaults allow 5 -> max(5 + 4, 10) = 10.
        let limit = rate(Change { current: 5, desired: 13 }, Bounds { min: 1, max: 8 }, &behavior(), &NO_EVENTS);
        assert_eq!((limit.replicas, limit.reason), (8, LimitReason::TooManyReplicas));
        assert_eq!(limit.rate.map(|rate| rate.replicas), Some(10));
        let limit = rate(Change { current: 5, desired: 13 }, Bounds { min: 1, max: 20 }, &behavior(), &NO_EVENTS);
        assert_eq!((limit.replicas, limit.reason), (10, LimitReason::ScaleUpLimit));
    }

    #[test]
    fn contradicting_bounds_never_lower() {
        let table = [
            ((5, 3), 4, (5, 5)),
            ((5, 3), 9, (9, 9)),
            ((1, 0), 3, (3, 3)),
            ((-4, 7), 3, (0, 7)),
            ((2, 7), 9, (2, 7)),
            ((1, 1), 5, (1, 1)),
            ((3, 3), 9, (3, 3)),
        ];
        for ((min, max), current, (fewest, most)) in table {
            assert_eq!(Bounds::of(&policy(min, max), current), Bounds { min: fewest, max: most });
        }
    }
}
