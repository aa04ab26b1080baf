//! What rate policies promise. For every change of size at an instant t, and for each policy with period P: the new size lies within the
//! policy's amount of the size at t - P (changes at exactly t - P included). `Max` promises that of the most permissive policy, `Min` of
//! all. A percentage is rounded up growing, and its remainder dropped shrinking (HPA), so that one pod may always go.
//!
//! It is not a bound on the sum of all changes within P: what shrank and grew again within a period was no growth (HPA).

use flyball::engine::{
    Action, Behavior, Milli, Observation, Policy, RateKind, RatePolicy, Reading, Rules, Sample, Select, State, Target,
    decide,
};
use proptest::prelude::*;

use crate::given;

/// The size at `millis`, out of the changes so far.
fn size_at(changes: &[(i64, i32)], millis: i64) -> i32 {
    changes.iter().rev().find(|(at, _)| *at <= millis).map_or(changes[0].1, |(_, size)| *size)
}

fn promised(kind: RateKind, value: i32, (start, up): (i32, bool)) -> i32 {
    let (start, value) = (f64::from(start), f64::from(value));
    let bound = match (kind, up) {
        (RateKind::Pods, true) => start + value,
        (RateKind::Pods, false) => start - value,
        (RateKind::Percent, true) => (start * (1.0 + value / 100.0)).ceil(),
        (RateKind::Percent, false) => (start * (1.0 - value / 100.0)).trunc(),
    };
    #[allow(clippy::cast_possible_truncation)] // a small whole number
    let bound = bound as i32;
    bound
}

/// Fails where the last of `changes` broke the promise of `rules`.
fn check(rules: &Rules, changes: &[(i64, i32)]) -> Result<(), TestCaseError> {
    let [.., (_, from), (at, to)] = changes else { return Ok(()) };
    let up = to > from;
    let bound = |policy: &RatePolicy| {
        let start = size_at(&changes[..changes.len() - 1], at - i64::from(policy.period_seconds) * 1000);
        promised(policy.kind, policy.value, (start, up))
    };
    let bounds = rules.policies.iter().map(bound);
    let bound = if up == (rules.select == Select::Max) { bounds.max() } else { bounds.min() };
    let bound = bound.ok_or_else(|| TestCaseError::fail("no policy permitted a change"))?;
    prop_assert!(rules.select != Select::Disabled, "a disabled direction moved: {changes:?}");
    prop_assert!(
        if up { *to <= bound } else { *to >= bound },
        "{from} to {to}, promised {bound}: {changes:?} {rules:?}"
    );
    Ok(())
}

fn follow(behavior: &Behavior, loads: &[(i64, i64)]) -> Result<usize, TestCaseError> {
    let policy = Policy {
        min_replicas: 1,
        max_replicas: 500,
        metrics: vec![flyball::engine::Metric {
            name: "load".into(),
            kind: flyball::engine::MetricKind::Prometheus,
            target: Target::AverageValue(Milli::new(1000)),
            on_missing: flyball::engine::OnMissing::Hold,
        }],
        behavior: Some(behavior.clone()),
        downscale_window_seconds: 0,
        mode: flyball::engine::Mode::Auto,
        settings: flyball::engine::Settings::default(),
        fallback: None,
    };
    let (mut state, mut observation): (State, Observation) = (State::default(), given::observation(0, 50, Vec::new()));
    let mut changes = vec![(i64::MIN, 50)];
    for (millis, load) in loads {
        let sample = Sample { value: Milli::new(load * 1000), series: 1, age_millis: None };
        observation = given::later(&observation, *millis, vec![Reading::Complete(sample)]);
        let (after, decision) = decide(&policy, state, &observation);
        state = after;
        given::carry_out(&policy, &mut state, &mut observation, &decision);
        if let Action::ScaleTo(to) = decision.action {
            let up = to > changes[changes.len() - 1].1;
            changes.push((observation.now.as_millis(), to));
            check(if up { &behavior.up } else { &behavior.down }, &changes)?;
        }
    }
    Ok(changes.len() - 1)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Over random loads and random intervals, no change exceeds what the policies of its direction promise.
    #[test]
    fn rate_policies_are_never_exceeded(
        (up, down) in (given::rules(), given::rules()),
        loads in prop::collection::vec((500..40_000_i64, 0..600_i64), 20..120),
    ) {
        follow(&Behavior { up, down }, &loads)?;
    }

    /// The same for one policy a direction and no window, where the bound is tight; here something always moves.
    #[test]
    fn one_rate_policy_is_never_exceeded(
        (up, down) in (given::rate_policy(), given::rate_policy()),
        loads in prop::collection::vec((500..40_000_i64, 0..600_i64), 20..120),
    ) {
        let rules = |policy| Rules { window_seconds: Some(0), select: Select::Max, policies: vec![policy], tolerance: Some(0.0) };
        let moved = follow(&Behavior { up: rules(up), down: rules(down) }, &loads)?;
        prop_assert!(moved > 0);
    }
}
