use super::*;
use crate::engine::fixtures::{complete, missing, observation, partial, policy};
use crate::engine::propose::propose;
use crate::engine::{Milli, Target};

const fn valid(winner: usize, degraded: bool) -> Outcome {
    Outcome::Valid { winner, degraded }
}

const fn failed(first: usize) -> Outcome {
    Outcome::MetricsFailed { first }
}

#[test]
fn the_highest_wins_and_incomplete_data_never_lowers() {
    // Readings in thousandths of replicas, held against a workload of 4.
    let cases = [
        (vec![complete(2_000)], valid(0, false), Some(2)),
        (vec![complete(2_000), complete(8_000), complete(6_000)], valid(1, false), Some(8)),
        (vec![complete(8_000), complete(8_000)], valid(0, false), Some(8)), // the first of equals
        (vec![complete(0), complete(0)], valid(1, false), Some(0)),         // a kept 0 is replaced
        (vec![complete(-5_000)], valid(0, false), Some(0)),
        (vec![complete(0), complete(-5_000)], valid(1, false), Some(0)),
        (vec![missing()], failed(0), None),
        (vec![missing(), missing()], failed(0), None),
        (vec![complete(2_000), missing()], failed(1), None),
        (vec![missing(), complete(2_000), missing()], failed(0), None),
        (vec![complete(4_000), missing()], valid(0, true), Some(4)), // equal holds
        (vec![missing(), complete(8_000)], valid(1, true), Some(8)),
        (vec![partial(2_000)], failed(0), None),
        (vec![partial(8_000)], valid(0, true), Some(8)),
        (vec![complete(2_000), partial(3_000)], failed(1), None),
        (vec![complete(6_000), partial(3_000)], valid(0, true), Some(6)),
        (vec![], failed(0), None),
    ];
    for (readings, outcome, recommended) in cases {
        let proposals = propose(&policy(readings.len()), &observation(4, readings.clone()));
        assert_eq!(combine(&proposals, 4), (outcome, recommended), "{readings:?}");
    }
}

#[test]
fn a_number_without_a_proposal_counts_as_failing() {
    let mut proposals = propose(&policy(2), &observation(4, vec![complete(2_000), complete(2_000)]));
    (proposals[1].target, proposals[1].replicas) = (Target::Value(Milli::new(1)), None);
    assert_eq!(combine(&proposals, 4), (failed(1), None));
}
