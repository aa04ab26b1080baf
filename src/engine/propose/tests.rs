use super::*;
use crate::engine::fixtures::{complete, missing, observation, partial, policy};
use crate::engine::{Metric, Sample};

const TENTH: Tolerance = Tolerance { down: 0.1, up: 0.1 };

fn milli(thousandths: i64) -> Milli {
    Milli::new(thousandths)
}

#[test]
fn tolerance_is_closed_and_never_holds_what_is_no_number() {
    let cases = [
        (1.0, true),
        (1.1, true),
        (0.9, true),
        (1.100_000_000_000_1, false),
        (0.899_999_999_999_9, false),
        (f64::NAN, false),
        (f64::INFINITY, false),
        (f64::NEG_INFINITY, false),
    ];
    for (ratio, holds) in cases {
        assert_eq!(TENTH.holds(ratio), holds, "{ratio}");
    }
    let none = Tolerance { down: 0.0, up: 0.0 };
    assert!(none.holds(1.0) && !none.holds(1.0 + f64::EPSILON));
    assert!(!Tolerance { down: f64::NAN, up: f64::NAN }.holds(1.0));
}

#[test]
fn value_targets() {
    // (value, target, current, ready) -> (replicas, within tolerance)
    let cases = [
        ((1_100, 1_000, 10, Some(10)), (Some(10), true)),
        ((1_101, 1_000, 10, Some(10)), (Some(12), false)),
        ((900, 1_000, 10, Some(10)), (Some(10), true)),
        ((899, 1_000, 10, Some(10)), (Some(9), false)),
        // Doubles: 25/11 * 11 is a little more than 25.
        ((25_000, 11_000, 11, Some(11)), (Some(26), false)),
        ((2_000, 1_000, 10, Some(4)), (Some(8), false)),
        // From 0 the ratio itself, without tolerance; pods do not matter.
        ((10, 1_000, 0, None), (Some(1), false)),
        ((1_000, 1_000, 0, Some(7)), (Some(1), false)),
        ((0, 1_000, 0, None), (Some(0), false)),
        // No pod known: held within the tolerance, else nothing to multiply.
        ((1_050, 1_000, 7, None), (Some(7), true)),
        ((5_000, 1_000, 7, None), (None, false)),
        ((-5_000, 1_000, 2, Some(2)), (Some(-10), false)),
        ((i64::MAX, 1, 2, Some(2)), (Some(i32::MAX), false)),
        ((i64::MIN, 1, 2, Some(2)), (Some(i32::MIN), false)),
    ];
    for ((value, target, current, ready), expected) in cases {
        let answer = for_value((milli(value), milli(target)), (current, ready), TENTH);
        assert_eq!(
            (answer.replicas, answer.within_tolerance),
            expected,
            "{value}/{target} at {current}, {ready:?} ready"
        );
        assert_eq!(answer.reported, milli(value));
    }
}

#[test]
fn average_targets() {
    // (value, target, count) -> (replicas, reported)
    let cases = [
        ((25_000, 1_000, 11), (25, 2_273)), // divides once: no artefact
        ((5_500, 1_000, 5), (5, 1_100)),
        ((5_501, 1_000, 5), (6, 1_101)),
        ((4_500, 1_000, 5), (5, 900)),
        ((4_499, 1_000, 5), (5, 900)),
        ((3_999, 1_000, 5), (4, 800)),
        ((0, 1_000, 5), (0, 0)),
        ((-1, 1_000, 5), (0, 0)),
        ((-5_000, 1_000, 5), (-5, -1_000)),
        ((i64::MAX, 1, 1), (i32::MAX, i64::MAX)),
    ];
    for ((value, target, count), expected) in cases {
        let answer = for_average((milli(value), milli(target)), count, TENTH);
        assert_eq!(
            (answer.replicas, answer.reported),
            (Some(expected.0), milli(expected.1)),
            "{value}/{target} at {count}"
        );
    }
    let from_zero = for_average((milli(2_500), milli(1_000)), 0, TENTH);
    assert_eq!((from_zero.replicas, from_zero.within_tolerance), (Some(3), false));
}

#[test]
fn external_overflow_is_reported_as_such() {
    let numbers = (Milli::MAX, milli(1_000));
    assert_eq!(for_external_average(numbers, 2, TENTH).reported, Milli::MAX);
    assert!(for_average(numbers, 2, TENTH).reported < Milli::MAX);
    assert_eq!(for_external_average((milli(4_000), milli(1_000)), 2, TENTH).reported, milli(2_000));
}

#[test]
fn sums() {
    let values = |list: &[i64]| list.iter().map(|value| milli(*value)).collect::<Vec<_>>();
    let cases: [(&[i64], Milli, Milli); 6] = [
        (&[], milli(0), milli(0)),
        (&[1, 2, 3], milli(6), milli(6)),
        (&[-5_000], Milli::MAX, milli(-5_000)),
        (&[10, -20, 30], Milli::MAX, milli(20)),
        (&[i64::MAX, 1, -100], Milli::MAX, Milli::MAX),
        (&[20, -10], milli(10), milli(10)),
    ];
    for (list, average, value) in cases {
        assert_eq!(sum_of_external_average(&values(list)), average, "{list:?}");
        assert_eq!(sum_of_external_value(&values(list)), value, "{list:?}");
    }
}

fn proposed(target: Target, (spec, ready): (i32, Option<i32>), value: i64) -> Option<i32> {
    let mut policy = policy(0);
    policy.metrics.push(Metric { name: "m".into(), target });
    let mut observation = observation(spec, vec![complete(value)]);
    observation.replicas.ready = ready;
    propose(&policy, &observation)[0].replicas
}

#[test]
fn ready_pods_count_where_there_are_any_and_never_against_the_ratio() {
    let whole = Target::Value(milli(1_000));
    // (spec, ready, value) -> proposal
    let cases = [
        (10, Some(10), 1_500, 15),
        (10, Some(4), 1_500, 10), // HPA: 6
        (10, Some(8), 2_000, 16),
        (10, Some(0), 2_000, 20), // HPA: 0
        (10, None, 2_000, 20),
        (10, Some(20), 600, 10), // HPA: 12
        (10, Some(10), 600, 6),
        (10, Some(10), 0, 0),
        (0, None, 300, 1),
    ];
    for (spec, ready, value, expected) in cases {
        assert_eq!(proposed(whole, (spec, ready), value), Some(expected), "{value} at {spec}, {ready:?} ready");
    }
    assert_eq!(proposed(Target::AverageValue(milli(1_000)), (4, Some(1)), 6_000), Some(6), "averages count no pods");
}

#[test]
fn each_metric_has_its_proposal_and_none_is_made_up() {
    let policy = policy(4);
    let proposals = propose(&policy, &observation(4, vec![complete(8_000), partial(2_000), missing()]));
    let replicas: Vec<_> = proposals.iter().map(|proposal| proposal.replicas).collect();
    assert_eq!(replicas, [Some(8), Some(2), None, None]);
    assert_eq!(proposals[0].ratio, Some(2.0));
    assert_eq!(proposals[0].reported, Some(milli(2_000)));
    assert_eq!((proposals[2].ratio, proposals[2].reported), (None, None));
    assert_eq!(proposals[3].reading.absent().map(|absent| absent.absence), Some(Absence::NotAsked));
    assert!(matches!(proposals[1].reading, Reading::Partial(Sample { .. }, _)));
}

#[test]
fn the_tolerance_is_that_of_the_ratios_side() {
    let mut policy = policy(1);
    let mut behavior = crate::engine::fixtures::windows(None, None);
    (behavior.up.tolerance, behavior.down.tolerance) = (Some(0.0), Some(0.5));
    policy.behavior = Some(behavior);
    for (value, tolerance, replicas) in [(4_001, 0.0, 5), (4_000, 0.5, 4), (2_000, 0.5, 4), (1_999, 0.5, 2)] {
        let proposal = &propose(&policy, &observation(4, vec![complete(value)]))[0];
        assert_eq!((proposal.tolerance, proposal.replicas), (tolerance, Some(replicas)), "{value}");
    }
}
