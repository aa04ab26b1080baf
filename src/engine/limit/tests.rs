use super::*;
use crate::engine::fixtures::{NOW, ago, rate, rules};
use LimitReason::{DesiredWithinRange, ScaleDownLimit, ScaleUpLimit, TooFewReplicas, TooManyReplicas};
use RateKind::{Percent, Pods};

const BOUNDS: Bounds = Bounds { min: 2, max: 20 };

fn event(change: i32, age: i64) -> ScaleEvent {
    ScaleEvent { change, at: ago(age), outdated: false }
}

fn quiet() -> History<'static> {
    History { up_events: &[], down_events: &[], now: NOW }
}

#[test]
fn the_limit_and_the_policy_that_set_it() {
    let (four, half) = (rate(Pods, 4, 60), rate(Percent, 50, 60));
    let cases = [
        (Direction::Up, 10, Select::Max, 15, Some(half)),
        (Direction::Up, 10, Select::Min, 14, Some(four)),
        (Direction::Up, 4, Select::Max, 8, Some(four)),
        (Direction::Up, 8, Select::Max, 12, Some(four)), // the first of equals
        (Direction::Down, 10, Select::Max, 5, Some(half)),
        (Direction::Down, 10, Select::Min, 6, Some(four)),
        (Direction::Down, 3, Select::Max, -1, Some(four)),
        (Direction::Down, 3, Select::Min, 1, Some(half)), // 1.5 truncated
        (Direction::Up, 3, Select::Min, 5, Some(half)),   // 4.5 rounded up
        (Direction::Up, 10, Select::Disabled, 10, None),
        (Direction::Down, 10, Select::Disabled, 10, None),
    ];
    for (direction, current, select, limit, policy) in cases {
        let rules = rules(None, select, vec![four, half]);
        let answer = rate_limit(direction, current, &rules, quiet());
        assert_eq!(answer, (limit, policy), "{direction:?} {current} {select:?}");
    }
    let artefact = rules(None, Select::Max, vec![rate(Percent, 10, 60)]);
    assert_eq!(rate_limit(Direction::Up, 100, &artefact, quiet()).0, 111, "100 * 1.1 in doubles");
    let none = rules(None, Select::Max, Vec::new());
    assert_eq!(rate_limit(Direction::Up, 7, &none, quiet()), (7, None), "no policy permits nothing");
}

#[test]
fn changes_within_the_period_are_spent() {
    let policy = rules(None, Select::Max, vec![rate(Pods, 5, 60)]);
    // (changes up, changes down) by age -> limits (up, down) of 10 replicas
    let cases = [
        ((vec![event(3, 59)], vec![]), (12, 2)),
        ((vec![event(3, 60)], vec![]), (15, 5)), // exactly one period old is no longer counted
        ((vec![], vec![event(3, 59)]), (18, 8)),
        ((vec![event(2, 5), event(3, 30)], vec![event(1, 1)]), (11, 1)),
        ((vec![event(9, 5)], vec![]), (6, -4)), // more than the budget is spent
    ];
    for ((up_events, down_events), limits) in cases {
        let history = History { up_events: &up_events, down_events: &down_events, now: NOW };
        let limit = |direction| rate_limit(direction, 10, &policy, history).0;
        assert_eq!((limit(Direction::Up), limit(Direction::Down)), limits, "{history:?}");
    }
}

#[test]
fn reasons_with_behavior() {
    let behavior = |select| Behavior {
        up: rules(None, select, vec![rate(Pods, 5, 60)]),
        down: rules(None, select, vec![rate(Pods, 5, 60)]),
    };
    // (current, desired) -> (replicas, reason)
    let cases = [
        ((10, 12), Select::Max, (12, DesiredWithinRange)),
        ((10, 16), Select::Max, (15, ScaleUpLimit)),
        ((15, 21), Select::Max, (20, TooManyReplicas)), // a limit equal to max is max's
        ((18, 30), Select::Max, (20, TooManyReplicas)),
        ((10, 8), Select::Max, (8, DesiredWithinRange)),
        ((10, 3), Select::Max, (5, ScaleDownLimit)),
        ((7, 1), Select::Max, (2, TooFewReplicas)), // a limit equal to min is min's
        ((4, 0), Select::Max, (2, TooFewReplicas)),
        ((10, 10), Select::Max, (10, DesiredWithinRange)),
        ((10, 12), Select::Disabled, (10, ScaleUpLimit)),
        ((10, 8), Select::Disabled, (10, ScaleDownLimit)),
    ];
    for (numbers, select, expected) in cases {
        let limit = with_rates(numbers, BOUNDS, &behavior(select), quiet());
        assert_eq!((limit.replicas, limit.reason), expected, "{numbers:?} {select:?}");
        assert_eq!(limit.rate.is_none(), numbers.0 == numbers.1);
    }
    // A budget that is overspent never turns the direction around.
    let spent = [event(9, 5)];
    let history = History { up_events: &spent, ..quiet() };
    let limit = with_rates((10, 12), BOUNDS, &behavior(Select::Max), history);
    assert_eq!((limit.replicas, limit.reason), (10, ScaleUpLimit));
    assert_eq!(limit.rate.map(|rate| (rate.replicas, rate.policy)), Some((10, Some(rate(Pods, 5, 60)))));
}

#[test]
fn reasons_without_behavior() {
    let cases = [
        ((10, 12), (12, DesiredWithinRange)),
        ((3, 20), (6, ScaleUpLimit)),
        ((1, 20), (4, ScaleUpLimit)),
        ((10, 30), (20, TooManyReplicas)), // growth equal to max is max's
        ((15, 30), (20, TooManyReplicas)),
        ((10, 1), (2, TooFewReplicas)),
        ((10, 10), (10, DesiredWithinRange)),
        ((i32::MAX, i32::MAX), (20, TooManyReplicas)),
    ];
    for (numbers, expected) in cases {
        let limit = with_growth(numbers, BOUNDS, (GROWTH_FACTOR, GROWTH_FLOOR));
        assert_eq!((limit.replicas, limit.reason), expected, "{numbers:?}");
    }
}
