//! What the properties are tried on: situations that can occur, and nonsense.

use std::ops::Range;

use flyball::engine::{
    Absence, Absent, Action, Behavior, Decision, Metric, MetricKind, Milli, Mode, Observation, Policy, RateKind,
    RatePolicy, Reading, Recollection, Recommendation, Replicas, Rescale, Rules, Sample, ScaleEvent, Select, Settings,
    State, Target, Timestamp,
};
use proptest::option;
use proptest::prelude::*;

/// Sizes that a workload may have.
pub(crate) const CURRENT: Range<i32> = 1..120;
/// The present instant of a situation, in milliseconds.
const NOW: i64 = 1_800_000_000_000;

/// The value at which `replicas` are exactly what `target` asks for.
pub(crate) fn at_target(target: Target, replicas: i32) -> Milli {
    match target {
        Target::Value(_) | Target::Utilization(_) => target.amount(),
        Target::AverageValue(target) => Milli::new(target.get() * i64::from(replicas)),
    }
}

pub(crate) fn no_answer() -> Reading {
    Reading::missing(Absence::Timeout, "no answer")
}

pub(crate) fn partly(sample: Sample) -> Reading {
    Reading::Partial(sample, Absent { absence: Absence::Warnings, message: "some of the data is missing".into() })
}

pub(crate) fn sample() -> impl Strategy<Value = Sample> {
    let value = prop_oneof![5 => 0..20_000_i64, 5 => 0..1_000_000_i64, 1 => any::<i64>(), 1 => Just(0)];
    value.prop_map(|value| Sample { value: Milli::new(value), series: 1, age_millis: Some(0) })
}

pub(crate) fn incomplete() -> impl Strategy<Value = Reading> {
    prop_oneof![Just(no_answer()), sample().prop_map(partly)]
}

fn reading() -> impl Strategy<Value = Reading> {
    prop_oneof![8 => sample().prop_map(Reading::Complete), 1 => incomplete()]
}

pub(crate) fn readings(count: usize) -> impl Strategy<Value = Vec<Reading>> {
    prop::collection::vec(reading(), count)
}

fn target() -> impl Strategy<Value = Target> {
    let milli = prop_oneof![(1..20_000_i64), (1..=1_000_000_000_i64)].prop_map(Milli::new);
    (milli, any::<bool>())
        .prop_map(|(milli, whole)| if whole { Target::Value(milli) } else { Target::AverageValue(milli) })
}

fn metrics(targets: Vec<Target>) -> Vec<Metric> {
    let metric = |(index, target)| Metric {
        name: format!("m{index}").into(),
        kind: MetricKind::Prometheus,
        target,
        on_missing: flyball::engine::OnMissing::Hold,
    };
    targets.into_iter().enumerate().map(metric).collect()
}

pub(crate) fn rate_policy() -> impl Strategy<Value = RatePolicy> {
    let kind = prop_oneof![Just(RateKind::Pods), Just(RateKind::Percent)];
    (kind, 1..150_i32, 1..=120_i32).prop_map(|(kind, value, period_seconds)| RatePolicy { kind, value, period_seconds })
}

fn select() -> impl Strategy<Value = Select> {
    prop_oneof![4 => Just(Select::Max), 2 => Just(Select::Min), 1 => Just(Select::Disabled)]
}

pub(crate) fn rules() -> impl Strategy<Value = Rules> {
    let tolerance = option::of(prop_oneof![Just(0.0), 0.0..0.5_f64]);
    (option::of(0..=120_i32), select(), prop::collection::vec(rate_policy(), 1..4), tolerance)
        .prop_map(|(window_seconds, select, policies, tolerance)| Rules { window_seconds, select, policies, tolerance })
}

/// A policy that the API lets through.
pub(crate) fn policy() -> impl Strategy<Value = Policy> {
    let behavior = option::of((rules(), rules()).prop_map(|(up, down)| Behavior { up, down }));
    let mode = prop_oneof![Just(Mode::Auto), Just(Mode::DryRun)];
    let bounds = (0..50_i32, 0..100_i32).prop_map(|(min, more)| (min, (min + more).max(1)));
    (bounds, prop::collection::vec(target(), 3), behavior, 0..=120_i32, mode).prop_map(
        |((min_replicas, max_replicas), targets, behavior, downscale_window_seconds, mode)| {
            let metrics = metrics(targets);
            Policy {
                min_replicas,
                max_replicas,
                metrics,
                behavior,
                downscale_window_seconds,
                mode,
                settings: Settings::default(),
                fallback: None,
            }
        },
    )
}

fn event() -> impl Strategy<Value = ScaleEvent> {
    (1..50_i32, 0..200_i64).prop_map(|(change, age)| {
        let at = Timestamp::from_millis(NOW).plus_seconds(-age);
        ScaleEvent { change, at, outdated: false }
    })
}

/// What a policy may remember.
pub(crate) fn state() -> impl Strategy<Value = State> {
    let recommendation = (0..200_i32, 0..200_i64).prop_map(|(replicas, age)| {
        let at = Timestamp::from_millis(NOW).plus_seconds(-age);
        Recommendation { replicas, at }
    });
    let events = || prop::collection::vec(event(), 0..4);
    let recommendations = option::of(prop::collection::vec(recommendation.clone(), 0..8));
    (recommendations, option::of(recommendation), events(), events()).prop_map(
        |(recommendations, blind, up_events, down_events)| State {
            recommendations,
            blind,
            recalled: Recollection::default(),
            up_events,
            down_events,
            scaled_to_zero: false,
            streaks: Vec::new(),
        },
    )
}

pub(crate) fn observation(millis: i64, spec: i32, readings: Vec<Reading>) -> Observation {
    let now = Timestamp::from_millis(NOW.saturating_add(millis));
    Observation { now, replicas: Replicas { spec, ready: None }, pods: None, readings }
}

/// A situation that can occur: a sound policy with three metrics, and a workload that is not switched off.
pub(crate) fn situation() -> impl Strategy<Value = (Policy, State, Observation)> {
    let ready = option::of(0..150_i32);
    (policy(), state(), CURRENT, ready, readings(3)).prop_map(|(policy, state, spec, ready, readings)| {
        let mut observation = observation(0, spec, readings);
        observation.replicas.ready = ready;
        (policy, state, observation)
    })
}

/// A situation in which the size is within the bounds, so that metrics decide.
pub(crate) fn settled() -> impl Strategy<Value = (Policy, State, Observation)> {
    situation().prop_map(|(policy, state, mut observation)| {
        let spec = &mut observation.replicas.spec;
        *spec = (*spec).clamp(policy.min_replicas.max(1), policy.max_replicas);
        (policy, state, observation)
    })
}

/// `observation`, some time later, with other readings.
pub(crate) fn later(observation: &Observation, millis: i64, readings: Vec<Reading>) -> Observation {
    let now = Timestamp::from_millis(observation.now.as_millis() + millis);
    Observation { now, readings, pods: None, replicas: observation.replicas }
}

/// What the loop does after a decision: writes the size and remembers that it did. A dry run's size does not change.
pub(crate) fn carry_out(policy: &Policy, state: &mut State, observation: &mut Observation, decision: &Decision) {
    if let Action::ScaleTo(to) = decision.action {
        let from = observation.replicas.spec;
        state.record_rescale(policy, Rescale { from, to, at: observation.now });
        observation.replicas.spec = to;
    }
}

fn any_int() -> impl Strategy<Value = i32> {
    prop_oneof![4 => -3..60_i32, 1 => any::<i32>(), 1 => Just(i32::MAX), 1 => Just(i32::MIN)]
}

fn any_long() -> impl Strategy<Value = i64> {
    prop_oneof![4 => -3..60_000_i64, 1 => any::<i64>(), 1 => Just(i64::MAX), 1 => Just(i64::MIN)]
}

fn any_instant() -> impl Strategy<Value = Timestamp> {
    any_long().prop_map(Timestamp::from_millis)
}

fn any_rules() -> impl Strategy<Value = Rules> {
    let policy = (any::<bool>(), any_int(), any_int()).prop_map(|(pods, value, period_seconds)| {
        let kind = if pods { RateKind::Pods } else { RateKind::Percent };
        RatePolicy { kind, value, period_seconds }
    });
    let tolerance = option::of(prop_oneof![any::<f64>(), Just(f64::NAN), Just(-0.5), Just(f64::INFINITY)]);
    (option::of(any_int()), select(), prop::collection::vec(policy, 0..3), tolerance)
        .prop_map(|(window_seconds, select, policies, tolerance)| Rules { window_seconds, select, policies, tolerance })
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let behavior = option::of((any_rules(), any_rules()).prop_map(|(up, down)| Behavior { up, down }));
    let target = (any_long().prop_map(Milli::new), any::<bool>())
        .prop_map(|(milli, whole)| if whole { Target::Value(milli) } else { Target::AverageValue(milli) });
    let paused = option::of(any_int()).prop_map(|replicas| Mode::Paused { replicas });
    let mode = prop_oneof![3 => Just(Mode::Auto), 1 => Just(Mode::DryRun), 1 => paused];
    (any_int(), any_int(), prop::collection::vec(target, 0..3), behavior, any_int(), mode).prop_map(
        |(min_replicas, max_replicas, targets, behavior, downscale_window_seconds, mode)| {
            let metrics = metrics(targets);
            Policy {
                min_replicas,
                max_replicas,
                metrics,
                behavior,
                downscale_window_seconds,
                mode,
                settings: Settings::default(),
                fallback: None,
            }
        },
    )
}

fn any_state() -> impl Strategy<Value = State> {
    let recommendation = || (any_int(), any_instant()).prop_map(|(replicas, at)| Recommendation { replicas, at });
    let event = || {
        (any_int(), any_instant(), any::<bool>()).prop_map(|(change, at, outdated)| ScaleEvent { change, at, outdated })
    };
    let events = move || prop::collection::vec(event(), 0..4);
    let recommendations = option::of(prop::collection::vec(recommendation(), 0..5));
    (recommendations, option::of(recommendation()), events(), events()).prop_map(
        |(recommendations, blind, up_events, down_events)| State {
            recommendations,
            blind,
            recalled: Recollection::default(),
            up_events,
            down_events,
            scaled_to_zero: false,
            streaks: Vec::new(),
        },
    )
}

/// Whatever the types admit.
pub(crate) fn anything() -> impl Strategy<Value = (Policy, State, Observation)> {
    let sample =
        || any_long().prop_map(|value| Sample { value: Milli::new(value), series: u32::MAX, age_millis: Some(value) });
    let reading = prop_oneof![3 => sample().prop_map(Reading::Complete), 1 => sample().prop_map(partly),
        1 => Just(no_answer())];
    let replicas = (any_int(), option::of(any_int())).prop_map(|(spec, ready)| Replicas { spec, ready });
    let observation = (any_instant(), replicas, prop::collection::vec(reading, 0..4))
        .prop_map(|(now, replicas, readings)| Observation { now, replicas, pods: None, readings });
    (any_policy(), any_state(), observation)
}
