//! Proposals of single metrics.

use super::*;
use std::sync::Arc;

use crate::engine::tests_support::{complete, pod, policy, seen, usage};
use crate::engine::{Phase, Pod, PodSample, PodSamples, Replicas, Sample};

fn proposed(target: Target, value: i64, replicas: Replicas) -> Proposal {
    let reading = Reading::Complete(Sample { value: Milli::new(value), series: 1, age_millis: None });
    let metric =
        Metric { name: "m".into(), kind: MetricKind::Prometheus, target, on_missing: crate::engine::OnMissing::Hold };
    propose(&policy(1, 10), &Observation { replicas, ..seen(0, 0, vec![reading]) }, (0, &metric))
}

#[test]
fn each_rule_of_a_proposal() {
    let (value, average) = (Target::Value(Milli::new(1000)), Target::AverageValue(Milli::new(1000)));
    let table = [
        ("value doubles", value, 2000, 4, None, Some(8)),
        ("value counts ready pods", value, 2000, 4, Some(3), Some(6)),
        ("above the target never fewer", value, 2000, 4, Some(1), Some(4)),
        ("below the target never more", value, 850, 4, Some(10), Some(4)),
        ("no pod is ready", value, 500, 4, Some(0), Some(2)),
        ("within, at the edge", value, 1100, 4, None, Some(4)),
        ("above the edge", value, 1101, 4, None, Some(5)),
        ("negative is none", value, -5000, 4, None, Some(0)),
        ("from zero without tolerance", value, 10, 0, None, Some(1)),
        ("average", average, 9001, 4, Some(1), Some(10)),
        ("average within", average, 4400, 4, None, Some(4)),
        ("average negative", average, -1, 4, None, Some(0)),
        ("average from zero", average, 1001, 0, None, Some(2)),
        ("saturates", average, i64::MAX, 4, None, Some(i32::MAX)),
        ("a target of zero says nothing", Target::Value(Milli::new(0)), 5, 4, None, None),
        ("a negative target says nothing", Target::AverageValue(Milli::new(-1)), 5, 4, None, None),
    ];
    for (name, target, milli, spec, ready, expected) in table {
        assert_eq!(proposed(target, milli, Replicas { spec, ready }).replicas, expected, "{name}");
    }
}

#[test]
fn sums_stop_where_hpa_stops() {
    let table: [(&[i64], i64, i64); 7] = [
        (&[], 0, 0),
        (&[1, 2, 3], 6, 6),
        (&[-5000], -5000, i64::MAX),
        (&[10, -20, 30], 20, i64::MAX),
        (&[i64::MAX, 1, -100], i64::MAX, i64::MAX),
        (&[i64::MIN, -1, 5], i64::MIN + 5, i64::MAX),
        (&[20, -10], 10, 10),
    ];
    for (values, value, average) in table {
        assert_eq!(sum_for_value(values), Milli::new(value), "{values:?}");
        assert_eq!(sum_for_average(values), Milli::new(average), "{values:?}");
    }
}

#[test]
fn the_trace_of_an_average_per_replica() {
    let proposal = proposed(Target::AverageValue(Milli::new(1000)), 9001, Replicas { spec: 5, ready: None });
    assert_eq!(proposal.reported, Some(Milli::new(1801)));
    assert_eq!(proposal.ratio, Some(9001.0 / (1000.0 * 5.0)));
    let at_zero = proposed(Target::AverageValue(Milli::new(1000)), 9001, Replicas { spec: 0, ready: None });
    assert_eq!((at_zero.reported, at_zero.ratio), (None, None));
}

#[test]
fn no_reading_is_not_asked_and_proposes_nothing() {
    let policy = policy(1, 10);
    let proposal = propose(&policy, &seen(0, 3, vec![]), (0, &policy.metrics[0]));
    assert_eq!(proposal.reading.absent().map(|absent: &Absent| absent.absence), Some(Absence::NotAsked));
    assert_eq!(proposal.replicas, None);
}

fn cpu() -> MetricKind {
    MetricKind::Resource { resource: "cpu".into(), container: None }
}

/// What a metric of cpu at 50 % asks for at `spec` replicas.
fn of_cpu(spec: i32, pods: Vec<Pod>, samples: Vec<PodSample>) -> Proposal {
    let mut observation = seen(0, spec, vec![Reading::PerPod(PodSamples::new(samples, None).into())]);
    observation.pods = Some(pods.into());
    let metric = Metric {
        name: "cpu".into(),
        kind: cpu(),
        target: Target::Utilization(50),
        on_missing: crate::engine::OnMissing::Hold,
    };
    propose(&policy(1, 10), &observation, (0, &metric))
}

#[test]
fn the_trace_of_a_utilization() {
    let pods = vec![pod("a"), pod("b"), pod("c"), Pod { deleting: true, ..pod("d") }];
    let samples = vec![usage("a", 1000), usage("b", 1010), usage("d", 9000)];
    let proposal = of_cpu(3, pods, samples);
    // 100 % of 50 % for two, and nothing for the third: 67 % of 50 % for three.
    assert_eq!(proposal.replicas, Some(5));
    assert_eq!((proposal.ratio, proposal.reported), (Some(2.0), Some(Milli::new(1005))));
    assert_eq!(proposal.measured(), Some(Milli::new(100_000)));
    let counts = proposal.per_pod.unwrap();
    assert_eq!((counts.ready, counts.unready, counts.missing, counts.ignored), (2, 0, 1, 1));
    assert_eq!((counts.utilization_percent, counts.filled_ratio), (Some(100), Some(67.0 / 50.0)));
}

#[test]
fn pods_that_ended_and_samples_of_nobody_are_left_out() {
    let ended = || Pod { phase: Phase::Succeeded, resources: Arc::default(), ..pod("job") };
    let low = |name| usage(name, 100);
    let proposal = of_cpu(2, vec![pod("a"), pod("b"), ended()], vec![low("a"), low("b"), low("job"), low("nobody")]);
    assert_eq!(proposal.replicas, Some(1), "{proposal:?}");
    let without_request = vec![pod("a"), Pod { resources: Arc::default(), ..pod("b") }];
    let proposal = of_cpu(2, without_request, vec![low("a"), low("b")]);
    assert_eq!(proposal.replicas, Some(1), "a pod of no container requests nothing and is no failure (HPA)");
}

#[test]
fn above_the_target_pods_that_go_take_nothing_away() {
    let going = |name| Pod { deleting: true, ..pod(name) };
    let pods = vec![pod("a"), going("b"), going("c"), going("d")];
    assert_eq!(of_cpu(4, pods, vec![usage("a", 1500)]).replicas, Some(4), "HPA: ceil(3 * 1) = 3");
}

#[test]
fn what_cannot_be_counted_says_why() {
    let why = |proposal: Proposal| {
        assert_eq!(proposal.replicas, None);
        proposal.reading.absent().map(|absent| absent.absence)
    };
    assert_eq!(why(of_cpu(2, vec![], vec![usage("a", 1)])), Some(Absence::NoPods));
    assert_eq!(why(of_cpu(2, vec![pod("a")], vec![])), Some(Absence::NoUsableSamples));
    let young = Pod { ready: None, ..pod("a") };
    assert_eq!(why(of_cpu(2, vec![young], vec![usage("a", 1)])), Some(Absence::NoUsableSamples));
    let metric = |kind, target| Metric { name: "m".into(), kind, target, on_missing: crate::engine::OnMissing::Hold };
    let per_pod = || Reading::PerPod(PodSamples::new(vec![usage("a", 1)], None).into());
    let average = Target::AverageValue(Milli::new(1));
    let table = [
        ("pods never seen", metric(cpu(), average), per_pod(), None, Some(Absence::NoPods)),
        (
            "one value for pods",
            metric(MetricKind::Pods, average),
            complete(1),
            Some(pod("a")),
            Some(Absence::Malformed),
        ),
        ("values per pod for all", metric(MetricKind::External, average), per_pod(), None, Some(Absence::Malformed)),
        ("pods have no whole", metric(cpu(), Target::Value(Milli::new(1))), per_pod(), Some(pod("a")), None),
        ("percent of nothing", metric(MetricKind::Pods, Target::Utilization(1)), per_pod(), Some(pod("a")), None),
        ("no percent", metric(cpu(), Target::Utilization(0)), per_pod(), Some(pod("a")), None),
    ];
    for (name, metric, reading, pod, absence) in table {
        let mut observation = seen(0, 2, vec![reading]);
        observation.pods = pod.map(|pod| vec![pod].into());
        assert_eq!(why(propose(&policy(1, 10), &observation, (0, &metric))), absence, "{name}");
    }
}

#[test]
fn a_value_counts_the_pods_that_are_there() {
    let mut observation = seen(0, 4, vec![complete(2)]);
    observation.pods = Some(vec![pod("a"), pod("b"), pod("c"), Pod { ready: None, ..pod("d") }].into());
    let metric = Metric {
        name: "m".into(),
        kind: MetricKind::Object,
        target: Target::Value(Milli::new(1000)),
        on_missing: crate::engine::OnMissing::Hold,
    };
    assert_eq!(propose(&policy(1, 10), &observation, (0, &metric)).replicas, Some(6));
}

#[test]
fn the_tolerance_of_its_own_side_is_told_and_nonsense_is_none() {
    let with = |up: f64, down: f64| {
        let mut behavior = crate::engine::tests_support::behavior();
        (behavior.up.tolerance, behavior.down.tolerance) = (Some(up), Some(down));
        Policy { behavior: Some(behavior), ..policy(1, 10) }
    };
    for (up, down, value, expected) in [
        (0.2, 0.05, 800, 0.2),
        (0.2, 0.05, 200, 0.05),
        (0.2, 0.05, 400, 0.2), // at the target: growing is what would come first
        (0.0, 0.05, 800, 0.0),
        (-0.3, 0.05, 800, DEFAULT_TOLERANCE),
        (f64::INFINITY, 0.05, 800, DEFAULT_TOLERANCE),
        (f64::NAN, 0.05, 800, DEFAULT_TOLERANCE),
        (0.2, -1.0, 200, DEFAULT_TOLERANCE),
    ] {
        let policy = with(up, down);
        let proposal = propose(&policy, &seen(0, 4, vec![complete(value)]), (0, &policy.metrics[0]));
        assert!((proposal.tolerance - expected).abs() < f64::EPSILON, "{up} {down} {value}: {}", proposal.tolerance);
    }
}
