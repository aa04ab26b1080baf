//! What holds of every decision by metrics with a value per pod, whatever comes in.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use flyball::engine::grouping::GroupRule;
use flyball::engine::per_pod::{Asked, Census, Goal, PodsAnswer, SeenPods, by_pods};
use flyball::engine::propose::{Tolerances, propose};
use flyball::engine::{
    Absence, Absent, Container, Metric, MetricKind, Milli, Mode, Observation, Outcome, Phase, Pod, PodResources,
    PodSample, PodSamples, Policy, Proposal, Readiness, Reading, ReadyStatus, Replicas, Settings, State, Target,
    Timestamp, WarmUp, decide,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// A pod and its sample, if it has one.
type Seen = (Pod, Option<PodSample>);

fn pod(name: &str, request: i64) -> Pod {
    let requests = [("cpu".into(), Milli::new(request))].into_iter().collect();
    let container = Container { name: "app".into(), requests, restart_always: false };
    Pod {
        name: name.into(),
        phase: Phase::Running,
        deleting: false,
        ready: Some(Readiness { status: ReadyStatus::True, changed: NOW.plus_seconds(-3000) }),
        started: Some(NOW.plus_seconds(-3600)),
        resources: Arc::new(PodResources { containers: vec![container], ..PodResources::default() }),
    }
}

fn sample(name: &str, value: i64) -> PodSample {
    PodSample { pod: name.into(), value: Milli::new(value), at: NOW, window_seconds: 30 }
}

fn phase() -> impl Strategy<Value = Phase> {
    prop_oneof![
        6 => Just(Phase::Running),
        1 => Just(Phase::Pending),
        1 => Just(Phase::Succeeded),
        1 => Just(Phase::Failed),
        1 => Just(Phase::Unknown),
    ]
}

/// Pods as they occur: most are old and ready, each requests something.
fn pods(most: usize) -> impl Strategy<Value = Vec<Seen>> {
    let status =
        prop_oneof![4 => Just(ReadyStatus::True), 1 => Just(ReadyStatus::False), 1 => Just(ReadyStatus::Unknown)];
    let ready = option::weighted(0.9, (status, 0..4000i64));
    let one = (phase(), prop::bool::weighted(0.1), ready, option::weighted(0.95, 0..4000i64), 1..4000i64);
    vec((one, option::weighted(0.85, 0..8000i64)), 0..most).prop_map(|list| {
        let with_name = |(index, ((phase, deleting, ready, started, request), value)): (usize, (_, Option<i64>))| {
            let ready: Option<(ReadyStatus, i64)> = ready;
            let (started, name): (Option<i64>, String) = (started, format!("p{index}"));
            let ready = ready.map(|(status, age)| Readiness { status, changed: NOW.plus_seconds(-age) });
            let started = started.map(|age| NOW.plus_seconds(-age));
            (Pod { phase, deleting, ready, started, ..pod(&name, request) }, value.map(|value| sample(&name, value)))
        };
        list.into_iter().enumerate().map(with_name).collect()
    })
}

fn metric() -> impl Strategy<Value = Metric> {
    let resource = |name: &str| MetricKind::Resource { resource: name.into(), container: None };
    let average = (1..4000i64).prop_map(|target| Target::AverageValue(Milli::new(target)));
    prop_oneof![
        (1..300).prop_map(Target::Utilization).prop_map(move |target| (resource("cpu"), target)),
        average.clone().prop_map(move |target| (resource("memory"), target)),
        average.prop_map(|target| (MetricKind::Pods, target)),
    ]
    .prop_map(|(kind, target)| Metric {
        name: "m".into(),
        kind,
        target,
        on_missing: flyball::engine::OnMissing::Hold,
    })
}

fn policy(metric: Metric) -> Policy {
    Policy {
        min_replicas: 1,
        max_replicas: 1000,
        metrics: vec![metric],
        behavior: None,
        downscale_window_seconds: 0,
        mode: Mode::Auto,
        settings: Settings::default(),
        fallback: None,
    }
}

fn observation(spec: i32, seen: Vec<Seen>, partial: Option<Absent>) -> Observation {
    let (pods, samples): (Vec<Pod>, Vec<Option<PodSample>>) = seen.into_iter().unzip();
    let samples = PodSamples::new(samples.into_iter().flatten().collect(), partial);
    Observation {
        now: NOW,
        replicas: Replicas { spec, ready: None },
        pods: Some(pods.into()),
        readings: vec![Reading::PerPod(Arc::new(samples))],
    }
}

fn proposed(metric: &Metric, spec: i32, seen: Vec<Seen>) -> Proposal {
    propose(&policy(metric.clone()), &observation(spec, seen, None), (0, metric))
}

fn answered(goal: Goal<'_>, spec: i32, (seen, census): (&[Seen], Census)) -> Option<PodsAnswer> {
    let (pods, samples): (Vec<Pod>, Vec<Option<PodSample>>) = seen.iter().cloned().unzip();
    let samples = PodSamples::new(samples.into_iter().flatten().collect(), None);
    let rule = GroupRule::new(Some("cpu"), WarmUp::default(), NOW);
    let asked = Asked { goal, tolerances: Tolerances { down: 0.1, up: 0.1 }, current: spec };
    by_pods(asked, SeenPods { pods: &pods, samples: &samples, rule, census }).ok()
}

fn told(proposal: &Proposal) -> (Option<i32>, Option<f64>, Option<Milli>, Option<Absence>) {
    let absence = proposal.reading.absent().map(|absent| absent.absence);
    (proposal.replicas, proposal.ratio, proposal.reported, absence)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_goes_against_its_own_ratio(metric in metric(), spec in 1..60, seen in pods(40)) {
        let proposal = proposed(&metric, spec, seen);
        if let (Some(replicas), Some(ratio)) = (proposal.replicas, proposal.ratio) {
            prop_assert!(replicas <= spec || ratio > 1.0, "{proposal:?}");
            prop_assert!(replicas >= spec || ratio < 1.0, "{proposal:?}");
        } else {
            prop_assert!(proposal.reading.absent().is_some(), "{proposal:?}");
        }
    }

    #[test]
    fn who_ended_and_who_is_not_listed_changes_nothing(
        (metric, spec, seen) in (metric(), 1..60, pods(20)),
        gone in vec((any::<bool>(), prop_oneof![Just(Phase::Succeeded), Just(Phase::Failed)], option::of(0..9000i64)), 0..5),
        stray in option::of(0..9000i64),
    ) {
        let before = proposed(&metric, spec, seen.clone());
        let mut more = seen;
        for (index, (deleting, phase, value)) in gone.into_iter().enumerate() {
            let name = format!("gone{index}");
            // Neither a request nor readiness is needed of them.
            let bare = Pod { phase, resources: Arc::default(), ready: None, ..pod(&name, 1) };
            let going = Pod { deleting: true, phase: Phase::Running, ..bare.clone() };
            more.push((if deleting { going } else { bare }, value.map(|value| sample(&name, value))));
        }
        let mut observation = observation(spec, more.clone(), None);
        let samples = more.iter().filter_map(|(_, sample)| sample.clone());
        let samples = samples.chain(stray.map(|value| sample("nobody", value))).collect();
        observation.readings = vec![Reading::PerPod(Arc::new(PodSamples::new(samples, None)))];
        let after = propose(&policy(metric.clone()), &observation, (0, &metric));
        if before.replicas.is_some() || after.replicas.is_some() {
            prop_assert_eq!(told(&before), told(&after));
        }
    }

    #[test]
    fn the_order_of_pods_and_samples_means_nothing(metric in metric(), spec in 1..60, seen in pods(20), turn in 0..20usize) {
        let mut turned = seen.clone();
        turned.reverse();
        turned.rotate_left(turn.min(seen.len()));
        prop_assert_eq!(told(&proposed(&metric, spec, seen)).0, told(&proposed(&metric, spec, turned)).0);
    }

    #[test]
    fn where_everybody_lives_the_count_is_that_of_hpa(spec in 1..60, seen in pods(20), percent in 1..300) {
        let mut living = seen;
        for (pod, _) in &mut living {
            pod.deleting = false;
            pod.phase = if pod.phase == Phase::Pending { Phase::Pending } else { Phase::Running };
        }
        for goal in [Goal::Utilization { percent, resource: "cpu", container: None }, Goal::Average(Milli::new(percent.into()))] {
            let of = |census| answered(goal, spec, (&living, census));
            prop_assert_eq!(of(Census::Hpa), of(Census::Living));
        }
    }

    /// A pod whose sample is lost holds on to at least one more replica than if the pod were not there.
    #[test]
    fn a_lost_sample_never_shrinks_deeper(
        values in vec(0..1000i64, 1..30), percent in 1..300, spec in 1..60, lost in 1..5usize,
    ) {
        let kept: Vec<Seen> = values
            .iter()
            .enumerate()
            .map(|(index, value)| (pod(&format!("p{index}"), 1000), Some(sample(&format!("p{index}"), *value))))
            .collect();
        let mut with_lost = kept.clone();
        with_lost.extend((0..lost).map(|index| (pod(&format!("lost{index}"), 1000), None)));
        let metric = Metric {
            name: "cpu".into(),
            kind: MetricKind::Resource { resource: "cpu".into(), container: None },
            target: Target::Utilization(percent), on_missing: flyball::engine::OnMissing::Hold };
        let (without, with) = (proposed(&metric, spec, kept), proposed(&metric, spec, with_lost));
        if without.ratio.unwrap() < 1.0 {
            prop_assert!(with.replicas >= without.replicas, "{without:?}\n{with:?}");
        }
    }

    #[test]
    fn no_sample_and_no_whole_answer_ever_lowers(metric in metric(), spec in 1..60, seen in pods(20)) {
        let absent = Absent { absence: Absence::Warnings, message: "some of the data is missing".into() };
        let lost: Vec<Seen> = seen.iter().map(|(pod, _)| (pod.clone(), None)).collect();
        for observation in [observation(spec, seen, Some(absent)), observation(spec, lost, None)] {
            let state = State { recommendations: Some(vec![]), ..State::default() };
            let (_, decision) = decide(&policy(metric.clone()), state, &observation);
            prop_assert!(decision.trace.desired_replicas >= spec, "{decision:?}");
        }
    }
}

fn edge() -> impl Strategy<Value = i64> {
    prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX), -2..3i64]
}

fn wild_pods() -> impl Strategy<Value = Vec<Seen>> {
    let status = prop_oneof![Just(ReadyStatus::True), Just(ReadyStatus::False), Just(ReadyStatus::Unknown)];
    let state = (phase(), any::<bool>(), option::of((status, edge())), option::of(edge()));
    // Names repeat, as no API would ever tell.
    let one = (0..4, state, (edge(), any::<bool>()), option::of((edge(), edge(), any::<i32>())));
    let one = one.prop_map(|(name, (phase, deleting, ready, started), (request, pod_level), value)| {
        let name = format!("p{name}");
        let bare = pod(&name, request);
        let mut resources = (*bare.resources).clone();
        if pod_level {
            resources.pod_requests = [("memory".into(), Milli::new(request))].into_iter().collect();
            resources.overhead = [("cpu".into(), Milli::new(request))].into_iter().collect();
        }
        let ready = ready.map(|(status, at)| Readiness { status, changed: Timestamp::from_millis(at) });
        let started = started.map(Timestamp::from_millis);
        let sample = value.map(|(value, at, window_seconds)| PodSample {
            at: Timestamp::from_millis(at),
            window_seconds,
            ..sample(&name, value)
        });
        (Pod { phase, deleting, ready, started, resources: Arc::new(resources), ..bare }, sample)
    });
    vec(one, 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nonsense_neither_panics_nor_leaves_the_bounds(
        seen in wild_pods(),
        (spec, now, target, percent) in (any::<i32>(), edge(), edge(), any::<i32>()),
        (init, delay) in (any::<i32>(), any::<i32>()),
    ) {
        let resource = |container: Option<&str>| MetricKind::Resource {
            resource: "cpu".into(),
            container: container.map(Into::into),
        };
        let targets = [Target::Utilization(percent), Target::AverageValue(Milli::new(target)), Target::Value(Milli::new(target))];
        for kind in [resource(None), resource(Some("app")), resource(Some("other")), MetricKind::Pods, MetricKind::Object] {
            for target in targets {
                let mut policy = policy(Metric { name: "m".into(), kind: kind.clone(), target, on_missing: flyball::engine::OnMissing::Hold });
                policy.settings.warm_up = WarmUp {
                    cpu_initialization_period_seconds: init,
                    initial_readiness_delay_seconds: delay,
                };
                let mut observation = observation(spec, seen.clone(), None);
                observation.now = Timestamp::from_millis(now);
                let (_, decision) = decide(&policy, State::default(), &observation);
                let trace = decision.trace;
                if matches!(trace.outcome, Outcome::Valid { .. } | Outcome::AboveMax | Outcome::BelowMin) {
                    prop_assert!((1..=1000).contains(&trace.desired_replicas), "{trace:?}");
                } else {
                    prop_assert_eq!(trace.desired_replicas, spec.max(0));
                }
            }
        }
        for census in [Census::Hpa, Census::Living] {
            let goal = Goal::Utilization { percent, resource: "cpu", container: None };
            let answer = answered(goal, spec, (&seen, census));
            prop_assert!(answer.is_none_or(|answer| answer.counts.ready as usize <= seen.len()));
        }
    }
}
