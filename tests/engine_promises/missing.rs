//! Whatever a policy says of missing data: an outage never takes a replica away.

use flyball::engine::{Fallback, FloorKind, OnMissing, Policy, Reading, State, decide};
use proptest::option;
use proptest::prelude::*;

use super::given::{incomplete, situation};

fn treatment() -> impl Strategy<Value = OnMissing> {
    prop_oneof![Just(OnMissing::Hold), Just(OnMissing::Zero), Just(OnMissing::Ignore), Just(OnMissing::Fallback)]
}

fn fallback() -> impl Strategy<Value = Option<Fallback>> {
    let kind = prop_oneof![Just(FloorKind::Static), Just(FloorKind::AtLeast), Just(FloorKind::Current)];
    option::of((0..5_u32, -2..40_i32, kind).prop_map(|(after_failures, replicas, kind)| Fallback {
        after_failures,
        replicas,
        kind,
    }))
}

fn treated(mut policy: Policy, treatment: OnMissing, fallback: Option<Fallback>) -> Policy {
    for metric in &mut policy.metrics {
        metric.on_missing = treatment;
    }
    policy.fallback = fallback;
    policy
}

proptest! {
    /// However long nothing answers in full, and whatever the policy says of it, nothing is lowered.
    #[test]
    fn an_outage_never_lowers(
        (policy, mut state, mut observation) in situation(),
        (treatment, fallback) in (treatment(), fallback()),
        answers in prop::collection::vec(prop::collection::vec(incomplete(), 3), 1..12),
    ) {
        let policy = treated(policy, treatment, fallback);
        let mut size = observation.replicas.spec.min(policy.max_replicas);
        for readings in answers {
            observation.replicas.spec = size;
            observation.readings = readings;
            observation.now = observation.now.plus_seconds(15);
            let (after, decision) = decide(&policy, state, &observation);
            state = after;
            prop_assert!(decision.trace.desired_replicas >= size, "{decision:#?}");
            size = decision.trace.desired_replicas;
        }
    }

    /// Where everything answers in full, what a policy says of missing data changes nothing.
    #[test]
    fn whole_answers_are_decided_the_same(
        (policy, state, observation) in situation(),
        (treatment, fallback) in (treatment(), fallback()),
    ) {
        prop_assume!(observation.readings.iter().all(|reading| matches!(reading, Reading::Complete(_))));
        let state = State { streaks: Vec::new(), ..state };
        let plain = decide(&policy, state.clone(), &observation).1;
        let other = decide(&treated(policy, treatment, fallback), state, &observation).1;
        prop_assert_eq!(plain.trace.desired_replicas, other.trace.desired_replicas);
    }
}
