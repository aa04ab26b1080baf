//! What holds of every decision, whatever comes in. Plausible inputs find logic that is wrong, wild ones arithmetic that is.

use flyball::engine::{
    Absence, Absent, Action, Behavior, Decision, Direction, Metric, MetricKind, Milli, Mode, Observation, Outcome,
    Policy, RateKind, RatePolicy, Reading, Recommendation, Replicas, Rescale, Rules, Sample, ScaleEvent, Select,
    Settings, State, Target, Timestamp, asks_metrics, decide,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

const NOW_MILLIS: i64 = 1_800_000_000_000;

fn reading_of(value: i64) -> Reading {
    Reading::Complete(Sample { value: Milli::new(value), series: 1, age_millis: None })
}

fn absent() -> Absent {
    Absent { absence: Absence::Timeout, message: "no answer".into() }
}

fn any_select() -> impl Strategy<Value = Select> {
    prop_oneof![Just(Select::Max), Just(Select::Min), Just(Select::Disabled)]
}

fn any_kind() -> impl Strategy<Value = RateKind> {
    prop_oneof![Just(RateKind::Pods), Just(RateKind::Percent)]
}

/// Rules as they pass validation.
fn rules() -> impl Strategy<Value = Rules> {
    let policy = (any_kind(), 1..=200, 1..=120).prop_map(|(kind, value, period_seconds)| RatePolicy {
        kind,
        value,
        period_seconds,
    });
    (option::of(0..=600), any_select(), vec(policy, 1..4), option::of(0.0..0.5))
        .prop_map(|(window_seconds, select, policies, tolerance)| Rules { window_seconds, select, policies, tolerance })
}

fn behavior() -> impl Strategy<Value = Option<Behavior>> {
    option::of((rules(), rules()).prop_map(|(up, down)| Behavior { up, down }))
}

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![
        (1..50_000i64).prop_map(|target| Target::Value(Milli::new(target))),
        (1..50_000i64).prop_map(|target| Target::AverageValue(Milli::new(target))),
    ]
}

/// A policy as it passes validation, running.
fn policy() -> impl Strategy<Value = Policy> {
    (1..20, 0..80, vec(target(), 1..4), behavior(), 0..=600).prop_map(|(min, more, targets, behavior, window)| Policy {
        min_replicas: min,
        max_replicas: min + more,
        metrics: targets
            .into_iter()
            .map(|target| Metric { name: "m".into(), kind: MetricKind::Prometheus, target })
            .collect(),
        behavior,
        downscale_window_seconds: window,
        mode: Mode::Auto,
        settings: Settings::default(),
    })
}

fn reading() -> impl Strategy<Value = Reading> {
    let value = -50_000..2_000_000i64;
    prop_oneof![
        4 => value.clone().prop_map(reading_of),
        1 => value.prop_map(|value| {
            Reading::Partial(Sample { value: Milli::new(value), series: 2, age_millis: Some(1) }, absent())
        }),
        1 => Just(Reading::Missing(absent())),
    ]
}

fn event() -> impl Strategy<Value = ScaleEvent> {
    (1..40, 0..200_000i64).prop_map(|(change, age)| ScaleEvent {
        change,
        at: Timestamp::from_millis(NOW_MILLIS - age),
        outdated: false,
    })
}

fn state() -> impl Strategy<Value = State> {
    let recommendation = (0..120, 0..900_000i64)
        .prop_map(|(replicas, age)| Recommendation { replicas, at: Timestamp::from_millis(NOW_MILLIS - age) });
    (option::of(vec(recommendation, 0..12)), vec(event(), 0..5), vec(event(), 0..5)).prop_map(
        |(recommendations, up_events, down_events)| State {
            recommendations,
            up_events,
            down_events,
            scaled_to_zero: false,
        },
    )
}

fn observation() -> impl Strategy<Value = Observation> {
    (0..120, option::of(0..120), vec(reading(), 0..4)).prop_map(|(spec, ready, readings)| Observation {
        now: Timestamp::from_millis(NOW_MILLIS),
        replicas: Replicas { spec, ready },
        pods: None,
        readings,
    })
}

fn edge_i32() -> impl Strategy<Value = i32> {
    prop_oneof![any::<i32>(), Just(i32::MIN), Just(i32::MAX), -2..3]
}

fn edge_i64() -> impl Strategy<Value = i64> {
    prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX), -2..3i64]
}

fn wild_rules() -> impl Strategy<Value = Rules> {
    let policy = (any_kind(), edge_i32(), edge_i32()).prop_map(|(kind, value, period_seconds)| RatePolicy {
        kind,
        value,
        period_seconds,
    });
    let tolerance = prop_oneof![any::<f64>(), Just(f64::NAN), Just(f64::INFINITY), Just(-1.0)];
    (option::of(edge_i32()), any_select(), vec(policy, 0..3), option::of(tolerance))
        .prop_map(|(window_seconds, select, policies, tolerance)| Rules { window_seconds, select, policies, tolerance })
}

fn wild_policy() -> impl Strategy<Value = Policy> {
    let target = prop_oneof![
        edge_i64().prop_map(|target| Target::Value(Milli::new(target))),
        edge_i64().prop_map(|target| Target::AverageValue(Milli::new(target))),
    ];
    let mode = prop_oneof![
        3 => Just(Mode::Auto),
        1 => Just(Mode::DryRun),
        1 => option::of(edge_i32()).prop_map(|replicas| Mode::Paused { replicas }),
    ];
    let behavior = option::of((wild_rules(), wild_rules()).prop_map(|(up, down)| Behavior { up, down }));
    (edge_i32(), edge_i32(), vec(target, 0..3), behavior, (edge_i32(), mode)).prop_map(
        |(min_replicas, max_replicas, targets, behavior, (downscale_window_seconds, mode))| Policy {
            min_replicas,
            max_replicas,
            metrics: targets
                .into_iter()
                .map(|target| Metric { name: "m".into(), kind: MetricKind::Prometheus, target })
                .collect(),
            behavior,
            downscale_window_seconds,
            mode,
            settings: Settings::default(),
        },
    )
}

fn wild_state() -> impl Strategy<Value = State> {
    let instant = || edge_i64().prop_map(Timestamp::from_millis);
    let recommendation = (edge_i32(), instant()).prop_map(|(replicas, at)| Recommendation { replicas, at });
    let event = (edge_i32(), instant(), any::<bool>())
        .prop_map(|(change, at, outdated)| ScaleEvent { change, at, outdated })
        .boxed();
    (option::of(vec(recommendation, 0..5)), vec(event.clone(), 0..4), vec(event, 0..4)).prop_map(
        |(recommendations, up_events, down_events)| State {
            recommendations,
            up_events,
            down_events,
            scaled_to_zero: false,
        },
    )
}

fn wild_observation() -> impl Strategy<Value = Observation> {
    let reading = prop_oneof![edge_i64().prop_map(reading_of), Just(Reading::Missing(absent()))];
    (edge_i64(), edge_i32(), option::of(edge_i32()), vec(reading, 0..4)).prop_map(|(now, spec, ready, readings)| {
        Observation { now: Timestamp::from_millis(now), replicas: Replicas { spec, ready }, pods: None, readings }
    })
}

fn decided(policy: &Policy, state: &State, observation: &Observation) -> Decision {
    decide(policy, state.clone(), observation).1
}

/// Whether every metric of the policy was answered in full.
fn all_complete(policy: &Policy, observation: &Observation) -> bool {
    observation.readings.len() >= policy.metrics.len()
        && observation.readings[..policy.metrics.len()].iter().all(|reading| matches!(reading, Reading::Complete(_)))
}

fn check_action(policy: &Policy, decision: &Decision) -> Result<(), TestCaseError> {
    let Decision { action, trace } = decision;
    let expected = if trace.desired_replicas == trace.current_replicas {
        Action::Hold
    } else if policy.mode == Mode::DryRun {
        Action::WouldScaleTo(trace.desired_replicas)
    } else {
        Action::ScaleTo(trace.desired_replicas)
    };
    prop_assert_eq!(*action, expected);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_result_is_within_the_bounds(policy in policy(), state in state(), observation in observation()) {
        let decision = decided(&policy, &state, &observation);
        if decision.trace.outcome != Outcome::Disabled && !matches!(decision.trace.outcome, Outcome::MetricsFailed { .. }) {
            let desired = decision.trace.desired_replicas;
            prop_assert!((policy.min_replicas..=policy.max_replicas).contains(&desired), "{decision:?}");
        }
    }

    #[test]
    fn nothing_missing_or_partial_ever_lowers(policy in policy(), state in state(), observation in observation()) {
        let decision = decided(&policy, &state, &observation);
        if !all_complete(&policy, &observation) && decision.trace.outcome != Outcome::AboveMax {
            prop_assert!(decision.trace.desired_replicas >= observation.replicas.spec, "{decision:?}");
        }
    }

    #[test]
    fn more_load_never_means_fewer_replicas(
        (policy, state, observation) in (policy(), state(), observation()),
        index in 0..3usize,
        (low, more) in (-50_000..500_000i64, 0..500_000i64),
    ) {
        let mut observation = observation;
        let index = index % (observation.readings.len() + 1);
        observation.readings.resize(observation.readings.len().max(index + 1), Reading::Missing(absent()));
        observation.readings[index] = reading_of(low);
        let before = decided(&policy, &state, &observation);
        observation.readings[index] = reading_of(low + more);
        let after = decided(&policy, &state, &observation);
        prop_assert!(after.trace.desired_replicas >= before.trace.desired_replicas, "{before:?}\n{after:?}");
    }

    #[test]
    fn a_fixed_point_stays(policy in policy(), observation in observation(), steps in 1..40i64) {
        // Every metric is exactly on its target.
        let size = observation.replicas.spec.clamp(policy.min_replicas, policy.max_replicas);
        let on_target = |metric: &Metric| reading_of(match metric.target {
            Target::Value(target) => target.get(),
 Target::Utilization(percent) => i64::from(percent) * 1000,
            Target::AverageValue(target) => target.get() * i64::from(size),
        });
        let readings: Vec<Reading> = policy.metrics.iter().map(on_target).collect();
        let mut state = State::default();
        for step in 0..steps {
            let now = Timestamp::from_millis(NOW_MILLIS).plus_seconds(step * 15);
            let replicas = Replicas { spec: size, ready: observation.replicas.ready };
            let (after, decision) = decide(&policy, state, &Observation { now, replicas, pods: None, readings: readings.clone() });
            prop_assert_eq!(decision.action, Action::Hold);
            prop_assert_eq!(decision.trace.recommended_replicas, Some(size));
            state = after;
        }
    }

    #[test]
    fn stabilization_only_delays(policy in policy(), state in state(), observation in observation()) {
        let trace = decided(&policy, &state, &observation).trace;
        if let (Some(wish), Some(stabilization)) = (trace.recommended_replicas, trace.stabilization) {
            let (low, high) = (wish.min(trace.current_replicas), wish.max(trace.current_replicas));
            prop_assert!((low..=high).contains(&stabilization.replicas), "{trace:?}");
            prop_assert_eq!(stabilization.held.is_some(), stabilization.replicas != wish);
            if let Some(held) = stabilization.held {
                prop_assert!(held.until.is_some_and(|until| until >= trace.at), "{trace:?}");
                prop_assert_eq!(held.direction == Direction::Up, wish > stabilization.replicas);
            }
        }
    }

    #[test]
    fn nothing_panics_and_nonsense_never_lowers_for_want_of_data(
        policy in wild_policy(), state in wild_state(), observation in wild_observation(),
    ) {
        let (mut state, decision) = decide(&policy, state, &observation);
        check_action(&policy, &decision)?;
        let trace = &decision.trace;
        prop_assert!(trace.desired_replicas >= 0);
        if policy.min_replicas > policy.max_replicas && !matches!(policy.mode, Mode::Paused { .. }) {
            prop_assert!(trace.desired_replicas >= trace.current_replicas, "contradicting bounds lowered: {decision:?}");
        }
        let rescale = Rescale { from: trace.current_replicas, to: trace.desired_replicas, at: trace.at };
        state.record_rescale(&policy, rescale);
        let (_, again) = decide(&policy, state, &observation);
        check_action(&policy, &again)?;
    }

    /// Whoever asks metrics only where `asks_metrics` says so never starves a decision of them.
    #[test]
    fn metrics_are_looked_at_exactly_where_they_are_asked_for(
        policy in wild_policy(), state in wild_state(), observation in wild_observation(),
    ) {
        let outcome = decided(&policy, &state, &observation).trace.outcome;
        let looked = matches!(outcome, Outcome::Valid { .. } | Outcome::MetricsFailed { .. });
        prop_assert_eq!(asks_metrics(&policy, &state, observation.replicas), looked);
    }

    #[test]
    fn the_same_input_gives_the_same_answer(policy in policy(), state in state(), observation in observation()) {
        let first = decide(&policy, state.clone(), &observation);
        prop_assert_eq!(first, decide(&policy, state, &observation));
    }
}

/// One policy of pods per period, in one direction.
fn one_rate(value: i32, period_seconds: i32) -> Rules {
    let policies = vec![RatePolicy { kind: RateKind::Pods, value, period_seconds }];
    Rules { window_seconds: Some(0), select: Select::Max, policies, tolerance: None }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Within any sliding period the size never moves further from the period's start than the policy says. One direction at a time:
    /// what grew within a period may be taken back on top of what may shrink (HPA rule).
    #[test]
    fn a_rate_is_kept_over_every_sliding_period(
        (pods, period, grows) in (1..20, 5..120, any::<bool>()),
        loads in vec((0..200_000i64, 1..40i64), 5..60),
    ) {
        let moving = one_rate(pods, period);
        let still = Rules { select: Select::Disabled, ..moving.clone() };
        let (up, down) = if grows { (moving, still) } else { (still, moving) };
        let policy = Policy {
            min_replicas: 1,
            max_replicas: 200,
            metrics: vec![Metric { name: "m".into(), kind: MetricKind::Prometheus, target: Target::AverageValue(Milli::new(1000)) }],
            behavior: Some(Behavior { up, down }),
            downscale_window_seconds: 0,
            mode: Mode::Auto,
 settings: Settings::default(),
        };
        let (mut state, mut spec, mut seconds) = (State::default(), 100, 0);
        // The size in force from each second on.
        let mut sizes = vec![(i64::MIN, spec)];
        for (load, pause) in loads {
            seconds += pause;
            let now = Timestamp::from_millis(NOW_MILLIS).plus_seconds(seconds);
            let replicas = Replicas { spec, ready: None };
            let (after, decision) = decide(&policy, state, &Observation { now, replicas, pods: None, readings: vec![reading_of(load)] });
            state = after;
            if let Action::ScaleTo(to) = decision.action {
                state.record_rescale(&policy, Rescale { from: spec, to, at: now });
                spec = to;
                sizes.push((seconds, spec));
            }
            let begin = seconds - i64::from(period);
            let at_begin = sizes.iter().rev().find(|(since, _)| *since <= begin).map_or(100, |(_, size)| *size);
            prop_assert!((spec - at_begin).abs() <= pods, "{at_begin} -> {spec} within {period} s");
        }
    }
}
