//! HPA's rules for metrics with a value per pod, beside those that the conformance cases pin.

use std::sync::Arc;

use super::*;
use crate::engine::tests_support::{at, pod, usage};
use crate::engine::{Phase, PodSample, WarmUp};

const CPU_AT_HALF: Goal<'static> = Goal::Utilization { percent: 50, resource: "cpu", container: None };

fn asked(goal: Goal<'_>, current: i32) -> Asked<'_> {
    Asked { goal, tolerances: Tolerances { down: 0.1, up: 0.1 }, current }
}

fn answered(asked: Asked<'_>, census: Census, pods: &[Pod], samples: Vec<PodSample>) -> Result<PodsAnswer, Absent> {
    let samples = PodSamples::new(samples, None);
    let rule = GroupRule::new(Some("memory"), WarmUp::default(), at(0));
    by_pods(asked, SeenPods { pods, samples: &samples, rule, census })
}

#[test]
fn what_is_missing_counts_against_the_direction() {
    let pods = [pod("a"), pod("b"), pod("c"), pod("d")];
    let all = |value| ["a", "b"].map(|name| usage(name, value)).to_vec();
    let table = [
        // 20 % of two, all of the other two: (400 + 2000) / 4000 = 60 % is above the target, so nothing moves.
        ("down is stopped where the fill turns the ratio", all(200), 4, 4, Some(60.0 / 50.0)),
        // 200 % of two, nothing of the others: 100 % of four.
        ("up by less", all(2000), 4, 8, Some(2.0)),
        ("up is stopped within the tolerance", all(1050), 4, 4, Some(52.0 / 50.0)),
        ("exactly on the target nothing is filled", all(500), 4, 4, Some(1.0)),
        ("a lower number than the present is no growth", all(2000), 9, 9, Some(2.0)),
    ];
    for (name, samples, current, replicas, filled) in table {
        let answer = answered(asked(CPU_AT_HALF, current), Census::Hpa, &pods, samples).unwrap();
        assert_eq!((answer.replicas, answer.counts.filled_ratio), (replicas, filled), "{name}");
    }
    let answer = answered(asked(Goal::Average(Milli::new(1000)), 4), Census::Hpa, &pods, all(100)).unwrap();
    assert_eq!(answer.replicas, 3, "(100 + 100 + 1000 + 1000) / 4 = 550 of 1000");
}

#[test]
fn unready_pods_count_as_idle_and_only_when_growing() {
    let pending = |name| Pod { phase: Phase::Pending, ..pod(name) };
    let pods = [pod("a"), pod("b"), pending("c"), pending("d")];
    let all = |value| ["a", "b", "c"].map(|name| usage(name, value)).to_vec();
    let answer = answered(asked(CPU_AT_HALF, 4), Census::Hpa, &pods, all(1600)).unwrap();
    assert_eq!((answer.replicas, answer.counts.filled_ratio), (7, Some(80.0 / 50.0)));
    let answer = answered(asked(CPU_AT_HALF, 4), Census::Hpa, &pods, all(250)).unwrap();
    assert_eq!((answer.replicas, answer.counts.filled_ratio), (1, None));
}

#[test]
fn only_the_census_of_the_living_leaves_out_who_ended_and_who_is_not_listed() {
    let ended = Pod { phase: Phase::Succeeded, resources: Arc::default(), ..pod("job") };
    let pods = [pod("a"), ended];
    let samples = || vec![usage("a", 3000), usage("stray", 1000)];
    let goal = Goal::Average(Milli::new(1000));
    let hpa = answered(asked(goal, 1), Census::Hpa, &pods, samples()).unwrap();
    assert_eq!((hpa.average, hpa.counts.missing, hpa.replicas), (Milli::new(2000), 1, 4));
    let living = answered(asked(goal, 1), Census::Living, &pods, samples()).unwrap();
    assert_eq!((living.average, living.counts.ignored, living.replicas), (Milli::new(3000), 1, 3));
}

#[test]
fn a_request_that_is_missing_fails_the_metric_only_where_the_pod_lives() {
    let mut bare = pod("b");
    let container = crate::engine::Container {
        requests: crate::engine::Requests::default(),
        ..bare.resources.containers[0].clone()
    };
    bare.resources = Arc::new(crate::engine::PodResources { containers: vec![container], ..Default::default() });
    let going = Pod { deleting: true, ..bare.clone() };
    let failed = |census, other: &Pod| {
        let answer = answered(asked(CPU_AT_HALF, 2), census, &[pod("a"), other.clone()], vec![usage("a", 500)]);
        answer.err().map(|absent| absent.absence)
    };
    assert_eq!(failed(Census::Hpa, &going), Some(Absence::RequestMissing));
    assert_eq!(failed(Census::Living, &going), None);
    assert_eq!(failed(Census::Living, &bare), Some(Absence::RequestMissing));
}

#[test]
fn everything_saturates() {
    let pods = [pod("a"), pod("b")];
    let most = vec![usage("a", i64::MAX), usage("b", i64::MAX)];
    let answer = answered(asked(CPU_AT_HALF, 2), Census::Hpa, &pods, most.clone()).unwrap();
    assert_eq!((answer.counts.utilization_percent, answer.replicas), (Some(i32::MAX), 85_899_346));
    let answer = answered(asked(Goal::Average(Milli::new(1)), 2), Census::Hpa, &pods, most).unwrap();
    assert_eq!((answer.average, answer.replicas), (Milli::MAX, i32::MAX));
    let least = vec![usage("a", i64::MIN), usage("b", i64::MIN)];
    let answer = answered(asked(CPU_AT_HALF, 2), Census::Hpa, &pods, least).unwrap();
    assert_eq!(answer.counts.utilization_percent, Some(i32::MIN));
}
