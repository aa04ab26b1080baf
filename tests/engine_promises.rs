//! What holds for every decision, whatever comes in. Each property is a promise that the README may repeat.

#[path = "engine_promises/given.rs"]
mod given;
#[path = "engine_promises/missing.rs"]
mod missing;
#[path = "engine_promises/rates.rs"]
mod rates;
#[path = "engine_promises/restarts.rs"]
mod restarts;

use flyball::engine::{Action, Direction, Milli, Mode, Outcome, Policy, Reading, Sample, State, asks_metrics, decide};
use proptest::prelude::*;

use given::{anything, observation, policy, readings, settled, situation, state};

fn within_bounds(policy: &Policy, current: i32) -> bool {
    (policy.min_replicas..=policy.max_replicas).contains(&current)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Unless paused or switched off (0), a workload ends up within its bounds, wherever it was before.
    #[test]
    fn desired_is_within_bounds((policy, state, observation) in situation()) {
        let (_, decision) = decide(&policy, state, &observation);
        prop_assert!(within_bounds(&policy, decision.trace.desired_replicas), "{decision:#?}");
    }

    /// One metric that is missing, partial or never asked is enough: nothing shrinks.
    #[test]
    fn incomplete_data_never_lowers(
        (policy, state, mut observation) in situation(),
        (bad, at) in (given::incomplete(), any::<prop::sample::Index>()),
        forget in any::<bool>(),
    ) {
        let at = at.index(observation.readings.len());
        if forget { observation.readings.truncate(at) } else { observation.readings[at] = bad }
        let current = observation.replicas.spec.min(policy.max_replicas);
        observation.replicas.spec = current;
        let (_, decision) = decide(&policy, state, &observation);
        prop_assert!(decision.trace.desired_replicas >= current, "{decision:#?}");
    }

    /// All metrics failing moves nothing at all.
    #[test]
    fn nothing_known_moves_nothing((policy, state, mut observation) in settled()) {
        for reading in &mut observation.readings {
            *reading = given::no_answer();
        }
        let before = state.clone();
        let (after, decision) = decide(&policy, state, &observation);
        prop_assert_eq!(decision.action, Action::Hold);
        prop_assert_eq!(decision.trace.outcome, Outcome::MetricsFailed { first: 0 });
        // ... and is not remembered as a recommendation of anything.
        prop_assert!(before.recommendations.is_none() || after.recommendations == before.recommendations);
        // The window of shrinking knows that nobody saw anything.
        prop_assert_eq!(after.blind.map(|blind| blind.replicas), Some(observation.replicas.spec));
    }

    /// More of one metric, all else equal, never means fewer replicas: not with pods unready, nor with more of them ready than asked
    /// for, nor with part of the data missing.
    #[test]
    fn more_load_never_means_fewer(
        (mut policy, state, observation) in settled(),
        (low, more) in (0..3000_i64, 0..1500_i64),
        (metrics, partial) in (1..=3_usize, any::<bool>()),
    ) {
        policy.metrics.truncate(metrics);
        let desired = |permille: i64| {
            let mut observation = observation.clone();
            let whole = given::at_target(policy.metrics[0].target, observation.replicas.spec);
            let sample = Sample { value: Milli::new(whole.get() * permille / 1000), series: 1, age_millis: None };
            observation.readings[0] = if partial { given::partly(sample) } else { Reading::Complete(sample) };
            decide(&policy, state.clone(), &observation).1.trace.desired_replicas
        };
        let (with_low, with_high) = (desired(low), desired(low + more));
        prop_assert!(with_low <= with_high, "{with_low} at {low}, {with_high} at {} per mille of the target", low + more);
    }

    /// Exactly at the target nothing changes, whatever is remembered.
    #[test]
    fn at_the_target_nothing_changes((policy, state, mut observation) in settled()) {
        let current = observation.replicas.spec;
        observation.readings = policy.metrics.iter().map(|metric| {
            let value = given::at_target(metric.target, current);
            Reading::Complete(Sample { value, series: 1, age_millis: None })
        }).collect();
        let (_, decision) = decide(&policy, state, &observation);
        prop_assert_eq!(decision.action, Action::Hold, "{:#?}", decision.trace);
    }

    /// Windows and limits only delay: the stabilized number lies between the present size and the recommendation, the desired one
    /// between the present size and the stabilized one. What is said to be held is held towards the present size.
    #[test]
    fn windows_and_limits_only_delay((policy, state, observation) in settled()) {
        let current = observation.replicas.spec;
        let trace = decide(&policy, state, &observation).1.trace;
        let Some((recommended, stabilization)) = trace.recommended_replicas.zip(trace.stabilization) else {
            return Ok(());
        };
        let between = |x: i32, a: i32, b: i32| a.min(b) <= x && x <= a.max(b);
        prop_assert!(between(stabilization.replicas, current, recommended), "{trace:#?}");
        prop_assert!(between(trace.desired_replicas, current, stabilization.replicas), "{trace:#?}");
        match stabilization.held {
            None => prop_assert_eq!(stabilization.replicas, recommended),
            Some(held) => {
                let expected = if recommended > current { Direction::Up } else { Direction::Down };
                prop_assert_eq!(held.direction, expected);
                prop_assert!(held.window_seconds > 0 || policy.behavior.is_none());
                prop_assert!(held.until.is_none_or(|until| until >= trace.at), "{trace:#?}");
            }
        }
    }

    /// A policy that was never seen, as after a restart, shrinks nothing at first sight.
    #[test]
    fn the_first_decision_never_lowers((policy, _, observation) in settled()) {
        let current = observation.replicas.spec;
        let window = policy.behavior.as_ref().and_then(|behavior| behavior.down.window_seconds);
        prop_assume!(policy.behavior.is_none() || window.unwrap_or(policy.downscale_window_seconds) > 0);
        let (_, decision) = decide(&policy, State::default(), &observation);
        prop_assert!(decision.trace.desired_replicas >= current, "{decision:#?}");
    }

    /// DryRun decides the same and writes nothing.
    #[test]
    fn a_dry_run_decides_the_same((mut policy, state, observation) in situation()) {
        policy.mode = Mode::Auto;
        let (auto_state, auto) = decide(&policy, state.clone(), &observation);
        policy.mode = Mode::DryRun;
        let (dry_state, dry) = decide(&policy, state, &observation);
        prop_assert_eq!(auto_state, dry_state);
        prop_assert_eq!(auto.trace.desired_replicas, dry.trace.desired_replicas);
        prop_assert_eq!(matches!(auto.action, Action::ScaleTo(_)), matches!(dry.action, Action::WouldScaleTo(_)));
        prop_assert!(!matches!(dry.action, Action::ScaleTo(_)));
    }

    /// Nonsense does not panic: any integer, any instant, any float, bounds in the wrong order. Equal inputs give equal answers, the
    /// Metrics are asked exactly where the decision looks at them.
    #[test]
    fn metrics_are_asked_where_they_are_looked_at((policy, state, observation) in anything()) {
        let asked = asks_metrics(&policy, &state, observation.replicas);
        let (_, decision) = decide(&policy, state, &observation);
        let looked = matches!(decision.trace.outcome, Outcome::Valid { .. } | Outcome::MetricsFailed { .. });
        prop_assert_eq!(asked, looked);
    }

    /// action says what the trace says, and no size is negative unless a bound is.
    #[test]
    fn nonsense_neither_panics_nor_differs((policy, state, observation) in anything()) {
        let (state_after, decision) = decide(&policy, state.clone(), &observation);
        let again = decide(&policy, state, &observation);
        // As text, since NaN differs from itself.
        prop_assert_eq!(format!("{:?}", (state_after, &decision)), format!("{again:?}"));
        let trace = &decision.trace;
        prop_assert_eq!(decision.action == Action::Hold, trace.desired_replicas == trace.current_replicas);
        if policy.max_replicas >= 0 && trace.current_replicas >= 0 {
            prop_assert!(trace.desired_replicas >= 0, "{trace:#?}");
        }
    }

    /// Incomplete data lowers nothing even where policy and memory are nonsense, unless the size is above the maximum.
    #[test]
    fn nonsense_on_incomplete_data_never_lowers((mut policy, state, mut observation) in anything()) {
        if matches!(policy.mode, Mode::Paused { .. }) {
            policy.mode = Mode::Auto;
        }
        observation.replicas.spec = observation.replicas.spec.min(policy.max_replicas.max(policy.min_replicas));
        observation.readings.truncate(policy.metrics.len().saturating_sub(1));
        let (_, decision) = decide(&policy, state, &observation);
        prop_assert!(decision.trace.desired_replicas >= decision.trace.current_replicas, "{decision:#?}");
    }

    /// Memory is bounded by the windows over the interval, however long it goes on.
    #[test]
    fn memory_is_bounded(policy in policy(), steps in prop::collection::vec((5_000..30_000_i64, readings(3)), 100..200)) {
        let mut state = State::default();
        let mut observation = observation(0, policy.min_replicas.max(1), Vec::new());
        for (millis, readings) in steps {
            observation = given::later(&observation, millis, readings);
            let (after, decision) = decide(&policy, state, &observation);
            state = after;
            given::carry_out(&policy, &mut state, &mut observation, &decision);
        }
        // At least 5 s lie between two decisions; the longest window is 120 s, the longest period 120 s.
        let most = 120 / 5 + 2;
        prop_assert!(state.recommendations.as_ref().is_none_or(|stored| stored.len() <= most), "{state:#?}");
        prop_assert!(state.up_events.len() <= most && state.down_events.len() <= most, "{state:#?}");
    }

    /// The same inputs again, from a state as remembered, give the same decisions.
    #[test]
    fn a_replay_decides_the_same(
        policy in policy(),
        state in state(),
        steps in prop::collection::vec((1..60_000_i64, readings(3)), 1..30),
    ) {
        let run = || {
            let (mut state, mut decisions) = (state.clone(), Vec::new());
            let mut observation = observation(0, policy.min_replicas.max(1), Vec::new());
            for (millis, readings) in steps.clone() {
                observation = given::later(&observation, millis, readings);
                let (after, decision) = decide(&policy, state, &observation);
                state = after;
                given::carry_out(&policy, &mut state, &mut observation, &decision);
                decisions.push(decision);
            }
            (state, decisions)
        };
        prop_assert_eq!(run(), run());
    }
}
