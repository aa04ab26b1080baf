//! Limit: how far one decision may go. With `behavior` the rate policies of the direction and the bounds, without it HPA's growth limit and
//! the bounds.

use super::memory::{changed_within, events};
use super::policy::{Behavior, Direction, GROWTH_FACTOR, GROWTH_FLOOR, Policy, RateKind, RatePolicy, Rules, Select};
use super::state::{ScaleEvent, State};
use super::time::Timestamp;
use super::trace::{Limit, LimitReason, RateLimit};

/// The bounds of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Fewest replicas.
    pub min: i32,
    /// Most replicas.
    pub max: i32,
}

/// The changes of both directions, and when they are looked at.
#[derive(Debug, Clone, Copy)]
pub struct History<'a> {
    /// Changes upwards.
    pub up_events: &'a [ScaleEvent],
    /// Changes downwards.
    pub down_events: &'a [ScaleEvent],
    /// The present instant.
    pub now: Timestamp,
}

/// The limit that the rules of `direction` set for a workload of `current` replicas, and the policy that set it (HPA
/// `calculateScaleUpLimitWithScalingRules` and its twin). May be negative downwards, and on the wrong side of `current` where the
/// budget is spent; the caller bounds it.
#[must_use]
pub fn rate_limit(
    direction: Direction,
    current: i32,
    rules: &Rules,
    history: History<'_>,
) -> (i32, Option<RatePolicy>) {
    if rules.select == Select::Disabled {
        return (current, None);
    }
    // The most permissive upwards is the largest, downwards the smallest.
    let wants_largest = (direction == Direction::Up) == (rules.select == Select::Max);
    let mut chosen: Option<(i32, RatePolicy)> = None;
    for policy in &rules.policies {
        let limit = limit_of(direction, current, policy, history);
        let better = chosen.is_none_or(|(best, _)| if wants_largest { limit > best } else { limit < best });
        if better {
            chosen = Some((limit, *policy));
        }
    }
    match chosen {
        Some((limit, policy)) => (limit, Some(policy)),
        None => (current, None), // no policy permits nothing
    }
}

fn limit_of(direction: Direction, current: i32, policy: &RatePolicy, history: History<'_>) -> i32 {
    let added = changed_within(history.up_events, policy.period_seconds, history.now);
    let removed = changed_within(history.down_events, policy.period_seconds, history.now);
    let start = current.saturating_sub(added).saturating_add(removed);
    match (direction, policy.kind) {
        (Direction::Up, RateKind::Pods) => start.saturating_add(policy.value),
        (Direction::Down, RateKind::Pods) => start.saturating_sub(policy.value),
        // The order of operations is HPA's: 100 + 10 % is 111 in doubles.
        (Direction::Up, RateKind::Percent) => {
            to_i32((f64::from(start) * (1.0 + f64::from(policy.value) / 100.0)).ceil())
        }
        (Direction::Down, RateKind::Percent) => to_i32(f64::from(start) * (1.0 - f64::from(policy.value) / 100.0)),
    }
}

/// Limits with `behavior`. The other direction's bound is not looked at (HPA).
#[must_use]
pub fn with_rates((current, desired): (i32, i32), bounds: Bounds, behavior: &Behavior, history: History<'_>) -> Limit {
    if desired > current {
        let (limit, policy) = rate_limit(Direction::Up, current, &behavior.up, history);
        let limit = limit.max(current);
        let (cap, reason) = if limit < bounds.max {
            (limit, LimitReason::ScaleUpLimit)
        } else {
            (bounds.max, LimitReason::TooManyReplicas)
        };
        let rate = RateLimit { direction: Direction::Up, replicas: limit, select: behavior.up.select, policy };
        limited(desired, desired.min(cap), reason, Some(rate))
    } else if desired < current {
        let (limit, policy) = rate_limit(Direction::Down, current, &behavior.down, history);
        let limit = limit.min(current);
        let (floor, reason) = if limit > bounds.min {
            (limit, LimitReason::ScaleDownLimit)
        } else {
            (bounds.min, LimitReason::TooFewReplicas)
        };
        let rate = RateLimit { direction: Direction::Down, replicas: limit, select: behavior.down.select, policy };
        limited(desired, desired.max(floor), reason, Some(rate))
    } else {
        limited(desired, desired, LimitReason::DesiredWithinRange, None)
    }
}

/// Limits without `behavior`: the bounds, and at most `factor` times the size or `floor` replicas (HPA
/// `convertDesiredReplicasWithRules`).
#[must_use]
pub fn with_growth((current, desired): (i32, i32), bounds: Bounds, (factor, floor): (f64, i32)) -> Limit {
    let growth = to_i32((f64::from(current) * factor).max(f64::from(floor)));
    let (cap, reason) = if growth < bounds.max {
        (growth, LimitReason::ScaleUpLimit)
    } else {
        (bounds.max, LimitReason::TooManyReplicas)
    };
    let rate = (desired > current).then_some(RateLimit {
        direction: Direction::Up,
        replicas: growth,
        select: Select::Max,
        policy: None,
    });
    if desired < bounds.min {
        return limited(desired, bounds.min, LimitReason::TooFewReplicas, rate);
    }
    limited(desired, desired.min(cap), reason, rate)
}

/// The step: the limits that apply to `stabilized`.
pub(super) fn limit(policy: &Policy, state: &State, now: Timestamp, (current, stabilized): (i32, i32)) -> Limit {
    let bounds = Bounds { min: policy.min_replicas, max: policy.max_replicas };
    match &policy.behavior {
        None => with_growth((current, stabilized), bounds, (GROWTH_FACTOR, GROWTH_FLOOR)),
        Some(behavior) => {
            let history =
                History { up_events: events(state, Direction::Up), down_events: events(state, Direction::Down), now };
            with_rates((current, stabilized), bounds, behavior, history)
        }
    }
}

fn limited(desired: i32, replicas: i32, reason: LimitReason, rate: Option<RateLimit>) -> Limit {
    let reason = if replicas == desired { LimitReason::DesiredWithinRange } else { reason };
    Limit { replicas, reason, rate }
}

#[allow(clippy::cast_possible_truncation)] // the cast truncates towards zero as HPA's does, and saturates where HPA's wraps
fn to_i32(value: f64) -> i32 {
    value as i32
}

#[cfg(test)]
mod tests;
