use super::*;
use crate::api::resolve::Problem;
use crate::engine::{
    Absence, Absent, Held, Limit, Metric, MetricKind, Milli, Observation, PerPod, PodSamples, Proposal, RateKind,
    RateLimit, RatePolicy, Reading, Replicas, Sample, Select, Settings, Stabilization, State, Target, decide,
};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn policy() -> Policy {
    let metric = |name: &str, target| Metric {
        name: name.into(),
        kind: MetricKind::Prometheus,
        target,
        on_missing: crate::engine::OnMissing::Hold,
    };
    Policy {
        min_replicas: 2,
        max_replicas: 8,
        metrics: vec![
            metric("http_rps", Target::AverageValue(Milli::new(100_000))),
            metric("queue", Target::Value(Milli::new(300_000))),
        ],
        behavior: None,
        downscale_window_seconds: 300,
        mode: Mode::Auto,
        settings: Settings::default(),
        fallback: None,
    }
}

fn sample(value: i64) -> Sample {
    Sample { value: Milli::new(value), series: 1, age_millis: None }
}

/// 1224 requests a second, held against 100 per replica at 6 replicas.
fn http(value: i64, ratio: f64, replicas: i32) -> Proposal {
    Proposal {
        reading: Reading::Complete(sample(value)),
        target: Target::AverageValue(Milli::new(100_000)),
        ratio: Some(ratio),
        tolerance: 0.1,
        within_tolerance: (ratio - 1.0).abs() <= 0.1,
        per_pod: None,
        reported: Some(Milli::new(value / 6)),
        replicas: Some(replicas),
        failing: None,
        taken_for: crate::engine::OnMissing::Hold,
    }
}

fn queue(reading: Reading) -> Proposal {
    let sample = reading.sample();
    Proposal {
        reading,
        target: Target::Value(Milli::new(300_000)),
        ratio: sample.map(|sample| sample.value.to_f64() / 300.0),
        tolerance: 0.1,
        within_tolerance: false,
        per_pod: None,
        reported: sample.map(|sample| sample.value),
        replicas: sample.map(|_| 3),
        failing: None,
        taken_for: crate::engine::OnMissing::Hold,
    }
}

fn timeout() -> Reading {
    Reading::missing(Absence::Timeout, "no answer within 5 s")
}

/// A decision from 6 to 8: 13 are asked for, 4 pods in 15 s and `maxReplicas` limit.
fn trace() -> Trace {
    let policy = RatePolicy { kind: RateKind::Pods, value: 4, period_seconds: 15 };
    let rate = RateLimit { direction: Direction::Up, replicas: 10, select: Select::Max, policy: Some(policy) };
    Trace {
        at: NOW,
        current_replicas: 6,
        min_replicas: 2,
        max_replicas: 8,
        mode: Mode::Auto,
        proposals: vec![http(1_224_000, 2.04, 13)],
        outcome: Outcome::Valid { winner: 0, degraded: false },
        recommended_replicas: Some(13),
        stabilization: Some(Stabilization { replicas: 13, held: None }),
        limit: Some(Limit { replicas: 8, reason: LimitReason::TooManyReplicas, rate: Some(rate) }),
        desired_replicas: 8,
    }
}

fn quiet() -> Trace {
    Trace {
        proposals: vec![http(630_000, 1.05, 6)],
        recommended_replicas: Some(6),
        stabilization: Some(Stabilization { replicas: 6, held: None }),
        limit: Some(Limit { replicas: 6, reason: LimitReason::DesiredWithinRange, rate: None }),
        desired_replicas: 6,
        ..trace()
    }
}

fn unasked(outcome: Outcome, current: i32, desired: i32) -> Trace {
    Trace {
        current_replicas: current,
        outcome,
        proposals: vec![],
        recommended_replicas: None,
        stabilization: None,
        limit: None,
        desired_replicas: desired,
        ..trace()
    }
}

fn failed() -> Trace {
    Trace { proposals: vec![queue(timeout())], ..unasked(Outcome::MetricsFailed { first: 0 }, 6, 6) }
}

fn held_down() -> Trace {
    let held = Held { direction: Direction::Down, window_seconds: 300, until: Some(NOW.plus_seconds(42)) };
    Trace {
        proposals: vec![http(200_000, 0.33, 2)],
        recommended_replicas: Some(2),
        stabilization: Some(Stabilization { replicas: 6, held: Some(held) }),
        ..quiet()
    }
}

fn limited_down(reason: LimitReason, rate: RateLimit, desired: i32) -> Trace {
    Trace {
        proposals: vec![http(100_000, 0.17, 1)],
        recommended_replicas: Some(1),
        stabilization: Some(Stabilization { replicas: 1, held: None }),
        limit: Some(Limit { replicas: desired, reason, rate: Some(rate) }),
        desired_replicas: desired,
        ..trace()
    }
}

fn decided<'a>(policy: &'a Policy, trace: &'a Trace, write: WriteResult<'a>) -> Situation<'a> {
    Situation::Decided { policy, trace, write, overlap: &Overlap::None }
}

#[test]
fn pods_that_others_measure_are_a_warning_that_stands_until_somebody_looked_again() {
    let (policy, trace) = (policy(), quiet());
    let look = |before: Option<&ScalingPolicyStatus>, overlap: &Overlap| {
        let write = WriteResult::NotNeeded;
        status(before, 1, Situation::Decided { policy: &policy, trace: &trace, write, overlap }, NOW)
    };
    let told = |status: &ScalingPolicyStatus| {
        let found = status.conditions.iter().find(|condition| condition.type_ == AMBIGUOUS_SELECTOR);
        found.map(|condition| (condition.status.clone(), condition.reason.clone(), condition.message.clone()))
    };
    let first = look(None, &Overlap::Found("api as well".into()));
    let expected = ("True".to_owned(), "AmbiguousSelector".to_owned(), "api as well".to_owned());
    assert_eq!(told(&first), Some(expected.clone()));
    assert!(first.conditions.iter().any(|condition| condition.type_ == READY && condition.status == "True"));
    let second = look(Some(&first), &Overlap::Unknown);
    assert_eq!(told(&second), Some(expected));
    let third = look(Some(&second), &Overlap::None);
    assert_eq!(told(&third), None);
    assert!(differs(&second, &third));
}

#[test]
#[allow(clippy::too_many_lines)] // a table
fn the_sentence_tells_the_arithmetic() {
    let down = |policy, select| RateLimit { direction: Direction::Down, replicas: 3, select, policy };
    let percent = RatePolicy { kind: RateKind::Percent, value: 50, period_seconds: 60 };
    let cases: Vec<(Trace, &str, Vec<&str>)> = vec![
        (
            trace(),
            "6 → 8: http_rps 1224 is 2.04 × its target 100 per replica at 6 replicas and asks for 13; at most 10 by 4 Pods in 15 s; at most 8 by maxReplicas",
            vec!["MaxReplicas"],
        ),
        (
            Trace { mode: Mode::DryRun, ..trace() },
            "6 → 8: http_rps 1224 is 2.04 × its target 100 per replica at 6 replicas and asks for 13; at most 10 by 4 Pods in 15 s; at most 8 by maxReplicas; dry run: nothing is written",
            vec!["MaxReplicas", "DryRun"],
        ),
        (
            quiet(),
            "stays at 6: http_rps 630 is 1.05 × its target 100 per replica at 6 replicas, within the tolerance of 0.1, and keeps 6",
            vec!["Tolerance"],
        ),
        (
            held_down(),
            "stays at 6: http_rps 200 is 0.33 × its target 100 per replica at 6 replicas and asks for 2; the scale-down window of 300 s holds 6",
            vec!["StabilizationWindow"],
        ),
        (
            limited_down(LimitReason::ScaleDownLimit, down(Some(percent), Select::Max), 3),
            "6 → 3: http_rps 100 is 0.17 × its target 100 per replica at 6 replicas and asks for 1; at least 3 by 50 Percent in 60 s",
            vec!["ScaleDownPolicy"],
        ),
        (
            limited_down(LimitReason::ScaleDownLimit, RateLimit { replicas: 6, ..down(None, Select::Disabled) }, 6),
            "stays at 6: http_rps 100 is 0.17 × its target 100 per replica at 6 replicas and asks for 1; scale-down is disabled",
            vec!["ScaleDownPolicy"],
        ),
        (
            limited_down(LimitReason::TooFewReplicas, RateLimit { replicas: 0, ..down(Some(percent), Select::Max) }, 2),
            "6 → 2: http_rps 100 is 0.17 × its target 100 per replica at 6 replicas and asks for 1; at least 2 by minReplicas",
            vec!["MinReplicas"],
        ),
        (
            Trace {
                proposals: vec![http(1_224_000, 2.04, 13), queue(timeout())],
                outcome: Outcome::Valid { winner: 0, degraded: true },
                ..trace()
            },
            "6 → 8: http_rps 1224 is 2.04 × its target 100 per replica at 6 replicas and asks for 13, the most of 2 metrics; queue has no value (Timeout), so nothing is lowered; at most 10 by 4 Pods in 15 s; at most 8 by maxReplicas",
            vec!["MetricUnavailable", "MaxReplicas"],
        ),
        (
            failed(),
            "stays at 6: http_rps has no value to act on (Timeout: no answer within 5 s)",
            vec!["MetricUnavailable"],
        ),
        (unasked(Outcome::AboveMax, 12, 8), "12 → 8: the size was above maxReplicas 8", vec!["MaxReplicas"]),
        (unasked(Outcome::BelowMin, 1, 2), "1 → 2: the size was below minReplicas 2", vec!["MinReplicas"]),
        (
            unasked(Outcome::Disabled, 0, 0),
            "stays at 0: the workload was set to zero by somebody else, and is left there",
            vec!["ScalingDisabled"],
        ),
        (
            Trace { mode: Mode::Paused { replicas: Some(4) }, ..unasked(Outcome::Paused, 6, 4) },
            "6 → 4: paused at 4",
            vec!["Paused"],
        ),
    ];
    for (trace, message, limited_by) in cases {
        let decision = last_decision(&policy(), &trace);
        assert_eq!(decision.message, message);
        assert_eq!(decision.limited_by, limited_by, "{message}");
    }
}

#[test]
fn partial_data_is_told_apart_from_none() {
    let absent = Absent { absence: Absence::Warnings, message: "a store is down".into() };
    let mut trace = trace();
    trace.proposals.push(queue(Reading::Partial(sample(150_000), absent)));
    trace.outcome = Outcome::Valid { winner: 0, degraded: true };
    let decision = last_decision(&policy(), &trace);
    assert!(
        decision.message.contains("queue is incomplete (PartialData), so nothing is lowered"),
        "{}",
        decision.message
    );
    assert_eq!(decision.limited_by, ["PartialData", "MaxReplicas"]);
    assert_eq!(decision.proposals[1].value, Some("150".into()));
    assert_eq!(decision.proposals[1].reason.as_deref(), Some("PartialData"));
}

#[test]
fn the_record_holds_every_step() {
    let decision = last_decision(&policy(), &trace());
    assert_eq!((decision.direction.as_str(), decision.metric_name.as_deref()), ("Up", Some("http_rps")));
    let numbers = (
        decision.current_replicas,
        decision.recommended_replicas,
        decision.stabilized_replicas,
        decision.desired_replicas,
    );
    assert_eq!(numbers, (6, Some(13), Some(13), 8));
    assert_eq!((decision.min_replicas, decision.max_replicas), (2, 8));
    let proposal = &decision.proposals[0];
    assert_eq!(
        (proposal.ratio.as_deref(), proposal.tolerance.as_deref(), proposal.series),
        (Some("2.04"), Some("0.1"), None)
    );
    assert_eq!(
        (proposal.target.0.as_str(), proposal.value.as_ref().map(|value| value.0.as_str())),
        ("100", Some("1224"))
    );
    let rate = decision.rate_limit.unwrap();
    assert_eq!(
        (rate.replicas, rate.policy.as_deref(), rate.select_policy.as_str()),
        (10, Some("4 Pods in 15 s"), "Max")
    );
    assert_eq!(decision.time, time(NOW));
    let hold = last_decision(&policy(), &held_down()).stabilization.unwrap();
    assert_eq!(
        (hold.direction.as_str(), hold.window_seconds, hold.until),
        ("Down", 300, Some(time(NOW.plus_seconds(42))))
    );
}

#[test]
#[allow(clippy::too_many_lines)] // a table
fn conditions_speak_as_hpa_does() {
    use WriteResult::{NotNeeded, Written};
    let broken = WriteResult::Failed { message: "the API server refused" };
    let degraded = Trace {
        proposals: vec![http(1_224_000, 2.04, 13), queue(timeout())],
        outcome: Outcome::Valid { winner: 0, degraded: true },
        ..trace()
    };
    let dry = Trace { mode: Mode::DryRun, ..trace() };
    let paused = Trace { mode: Mode::Paused { replicas: None }, ..unasked(Outcome::Paused, 6, 6) };
    // Status and reason of Ready, AbleToScale, ScalingActive, ScalingLimited, and what else is there.
    let cases: Vec<(Trace, WriteResult<'_>, [&str; 4], &[&str])> = vec![
        (
            trace(),
            Written,
            ["True/Controlled", "True/SucceededRescale", "True/ValidMetricFound", "True/TooManyReplicas"],
            &[],
        ),
        (
            quiet(),
            NotNeeded,
            ["True/Controlled", "True/ReadyForNewScale", "True/ValidMetricFound", "False/DesiredWithinRange"],
            &[],
        ),
        (
            held_down(),
            NotNeeded,
            ["True/Controlled", "True/ScaleDownStabilized", "True/ValidMetricFound", "False/DesiredWithinRange"],
            &[],
        ),
        (
            trace(),
            broken,
            ["False/FailedUpdateScale", "False/FailedUpdateScale", "True/ValidMetricFound", "True/TooManyReplicas"],
            &[],
        ),
        (
            degraded,
            Written,
            ["False/MetricUnavailable", "True/SucceededRescale", "True/ValidMetricFound", "True/TooManyReplicas"],
            &[],
        ),
        (
            failed(),
            NotNeeded,
            [
                "False/MetricUnavailable",
                "True/SucceededGetScale",
                "False/FailedGetPrometheusMetric",
                "Unknown/NotYetKnown",
            ],
            &[],
        ),
        (
            dry,
            NotNeeded,
            ["True/DryRun", "True/ReadyForNewScale", "True/ValidMetricFound", "True/TooManyReplicas"],
            &["DryRun"],
        ),
        (
            paused,
            NotNeeded,
            ["True/Paused", "True/SucceededGetScale", "False/Paused", "Unknown/NotYetKnown"],
            &["Paused"],
        ),
        (
            unasked(Outcome::Disabled, 0, 0),
            NotNeeded,
            ["True/ScalingDisabled", "True/SucceededGetScale", "False/ScalingDisabled", "Unknown/NotYetKnown"],
            &[],
        ),
        (
            unasked(Outcome::AboveMax, 12, 8),
            Written,
            ["True/Controlled", "True/SucceededRescale", "Unknown/NotYetKnown", "Unknown/NotYetKnown"],
            &[],
        ),
    ];
    for (trace, write, expected, others) in cases {
        let status = status(None, 7, decided(&policy(), &trace, write), NOW);
        let of = |kind: &str| {
            status.conditions.iter().find(|c| c.type_ == kind).map(|c| format!("{}/{}", c.status, c.reason))
        };
        let seen = [READY, ABLE_TO_SCALE, SCALING_ACTIVE, SCALING_LIMITED].map(|kind| of(kind).unwrap_or_default());
        assert_eq!(seen, expected, "{:?} {write:?}", trace.outcome);
        assert_eq!(status.conditions.len(), 4 + others.len());
        assert!(others.iter().all(|kind| of(kind).is_some_and(|state| state.starts_with("True/"))));
        assert!(status.conditions.iter().all(|c| c.observed_generation == Some(7)));
        assert_eq!(status.observed_generation, Some(7));
    }
}

#[test]
fn a_metric_that_fails_is_named_with_its_class_and_sentence() {
    let status = status(None, 1, decided(&policy(), &failed(), WriteResult::NotNeeded), NOW);
    let active = status.conditions.iter().find(|c| c.type_ == SCALING_ACTIVE).unwrap();
    assert_eq!(active.message, "metric http_rps: Timeout: no answer within 5 s");
    assert_eq!(status.metrics_summary.as_deref(), Some("<unknown>/300"));
    assert_eq!(status.current_metrics[0].current, None);
}

#[test]
fn numbers_of_the_status_are_those_of_hpa() {
    let first = status(None, 1, decided(&policy(), &trace(), WriteResult::Written), NOW);
    assert_eq!((first.current_replicas, first.desired_replicas), (Some(6), Some(8)));
    assert_eq!(first.last_scale_time, Some(time(NOW)));
    assert_eq!(first.metrics_summary.as_deref(), Some("204/100"));
    let current = first.current_metrics[0].current.as_ref().unwrap();
    assert_eq!((&current.value, &current.average_value), (&None, &Some("204".into())));
    // A write that failed leaves the wish of before in force.
    let mut next = trace();
    next.desired_replicas = 7;
    let second =
        status(Some(&first), 1, decided(&policy(), &next, WriteResult::Failed { message: "no" }), NOW.plus_seconds(9));
    assert_eq!((second.desired_replicas, &second.last_scale_time), (Some(8), &first.last_scale_time));
}

#[test]
fn a_bad_spec_stalls_and_keeps_what_was_known() {
    let before = status(None, 1, decided(&policy(), &trace(), WriteResult::Written), NOW);
    let problem =
        Problem { field: "spec.minReplicas".into(), value: "0".into(), fix: "is wrong".into(), reason: "InvalidSpec" };
    let invalid = InvalidSpec { problems: vec![problem] };
    let after = status(Some(&before), 2, Situation::InvalidSpec(&invalid), NOW.plus_seconds(15));
    assert_eq!((after.current_replicas, after.desired_replicas), (Some(6), Some(8)));
    assert_eq!(after.last_decision, before.last_decision);
    let kinds: Vec<_> = after.conditions.iter().map(|c| format!("{}={}/{}", c.type_, c.status, c.reason)).collect();
    assert_eq!(
        kinds,
        [
            "Ready=False/InvalidSpec",
            "Stalled=True/InvalidSpec",
            "AbleToScale=True/SucceededRescale",
            "ScalingActive=False/InvalidSpec",
            "ScalingLimited=True/TooManyReplicas",
        ]
    );
    assert_eq!(after.conditions[0].message, "spec.minReplicas: 0 is wrong");
    let mended = status(Some(&after), 3, decided(&policy(), &quiet(), WriteResult::NotNeeded), NOW.plus_seconds(30));
    assert!(mended.conditions.iter().all(|condition| condition.type_ != STALLED));
}

#[test]
fn a_target_that_fails_stalls_only_where_no_retry_helps() {
    for (terminal, stalled) in [(false, false), (true, true)] {
        let situation = Situation::TargetFailed {
            reason: reason::TARGET_NOT_FOUND,
            message: "Deployment web is not there",
            terminal,
        };
        let status = status(None, 1, situation, NOW);
        let of = |kind: &str| {
            status.conditions.iter().find(|c| c.type_ == kind).map(|c| (c.status.as_str(), c.reason.as_str()))
        };
        assert_eq!(of(READY), Some(("False", "TargetNotFound")));
        assert_eq!(of(ABLE_TO_SCALE), Some(("False", "FailedGetScale")));
        assert_eq!(of(STALLED).is_some(), stalled);
        assert_eq!(of(SCALING_ACTIVE), Some(("Unknown", "FailedGetScale")));
    }
}

#[test]
fn only_news_is_written() {
    let policy = policy();
    let quiet_at = |value: i64, seconds: i64| {
        let trace = Trace { at: NOW.plus_seconds(seconds), proposals: vec![http(value, 1.05, 6)], ..quiet() };
        status(None, 1, decided(&policy, &trace, WriteResult::NotNeeded), NOW.plus_seconds(seconds))
    };
    let written = quiet_at(630_000, 0); // 105 per replica of 100
    let failing = |message: &str| {
        let trace = Trace { proposals: vec![queue(Reading::missing(Absence::Stale, message))], ..failed() };
        status(None, 1, decided(&policy, &trace, WriteResult::NotNeeded), NOW)
    };
    let scaled = status(None, 1, decided(&policy, &trace(), WriteResult::Written), NOW);
    let cases = [
        ("nothing", &written, written.clone(), false),
        ("time alone", &written, quiet_at(630_000, 3600), false),
        ("noise up to a tenth of the target", &written, quiet_at(690_000, 15), false),
        ("noise downwards", &written, quiet_at(570_000, 15), false),
        ("more than a tenth", &written, quiet_at(690_006, 15), true),
        ("generation", &written, ScalingPolicyStatus { observed_generation: Some(2), ..written.clone() }, true),
        ("replicas", &written, ScalingPolicyStatus { current_replicas: Some(7), ..written.clone() }, true),
        ("a first decision", &ScalingPolicyStatus::default(), written.clone(), true),
        ("a rescale", &written, scaled, true),
        ("a metric lost", &written, failing("the newest sample is 312 s old"), true),
        (
            "an age in a message",
            &failing("the newest sample is 312 s old"),
            failing("the newest sample is 1327.5 s old"),
            false,
        ),
        (
            "another message",
            &failing("the newest sample is 312 s old"),
            failing("the newest sample is of tomorrow"),
            true,
        ),
    ];
    for (what, old, new, expected) in cases {
        assert_eq!(differs(old, &new), expected, "{what}");
    }
}

#[test]
fn limits_winner_and_reasons_are_news() {
    let policy = policy();
    let of = |trace: &Trace| status(None, 1, decided(&policy, trace, WriteResult::NotNeeded), NOW);
    let two = |winner, second| Trace {
        proposals: vec![http(630_000, 1.05, 6), queue(second)],
        outcome: Outcome::Valid { winner, degraded: false },
        ..quiet()
    };
    let base = two(0, Reading::Complete(sample(150_000)));
    assert!(differs(&of(&base), &of(&two(1, Reading::Complete(sample(150_000))))), "winner");
    assert!(differs(&of(&base), &of(&two(0, timeout()))), "reason");
    assert!(differs(&of(&quiet()), &of(&held_down())), "limits");
}

/// The whole way with the real engine: manifest, decision, status.
#[test]
fn a_manifest_is_decided_and_published() {
    let manifest = serde_json::json!({
        "apiVersion": "flyball.dev/v1alpha1",
        "kind": "ScalingPolicy",
        "metadata": {"name": "web"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "minReplicas": 2,
            "maxReplicas": 8,
            "metrics": [{"type": "Prometheus", "name": "http_rps", "prometheus": {"query": "sum(rate(x[2m]))", "target": {"type": "AverageValue", "averageValue": "100"}}}],
            "behavior": {"scaleUp": {"policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}]}},
        },
    });
    let resolved = crate::api::resolve::resolve(&serde_json::from_value(manifest).unwrap()).unwrap();
    let observe = |spec, reading| Observation {
        now: NOW,
        replicas: Replicas { spec, ready: Some(spec) },
        pods: None,
        readings: vec![reading],
    };
    let cases = [
        (
            observe(6, Reading::Complete(sample(1_224_000))),
            "6 → 8: http_rps 1224 is 2.04 × its target 100 per replica at 6 replicas and asks for 13; at most 10 by 4 Pods in 15 s; at most 8 by maxReplicas",
        ),
        (
            observe(6, Reading::Complete(sample(10_000))),
            "stays at 6: http_rps 10 is 0.02 × its target 100 per replica at 6 replicas and asks for 1; the scale-down window of 300 s holds 6",
        ),
        (observe(6, timeout()), "stays at 6: http_rps has no value to act on (Timeout: no answer within 5 s)"),
        (observe(9, timeout()), "9 → 8: the size was above maxReplicas 8"),
        (observe(1, timeout()), "1 → 2: the size was below minReplicas 2"),
        (observe(0, timeout()), "stays at 0: the workload was set to zero by somebody else, and is left there"),
    ];
    for (observation, expected) in cases {
        let (_, decision) = decide(&resolved.policy, State::default(), &observation);
        assert_eq!(last_decision(&resolved.policy, &decision.trace).message, expected);
        let status = status(None, 1, decided(&resolved.policy, &decision.trace, WriteResult::NotNeeded), NOW);
        let read: ScalingPolicyStatus = serde_json::from_value(serde_json::to_value(&status).unwrap()).unwrap();
        assert_eq!(read, status, "what is written reads back the same");
        assert!(!differs(&read, &status));
    }
}

#[test]
fn events_speak_as_hpa_does() {
    let policy = policy();
    let down = Trace { desired_replicas: 3, ..trace() };
    let cases = [
        (trace(), "http_rps above target"),
        (down, "All metrics below target"),
        (unasked(Outcome::AboveMax, 12, 8), "Current number of replicas above Spec.MaxReplicas"),
        (unasked(Outcome::BelowMin, 1, 2), "Current number of replicas below Spec.MinReplicas"),
        (unasked(Outcome::Paused, 6, 4), "Paused at 4 replicas"),
    ];
    for (trace, expected) in cases {
        assert_eq!(rescale_reason(&policy, &trace), expected);
    }
}

#[test]
fn numbers_are_short() {
    let cases = [
        (0, "0"),
        (612, "612m"),
        (1000, "1"),
        (2040, "2.04"),
        (1005, "1.01"),
        (-1500, "-1.5"),
        (99_999, "100"),
        (204_083, "204.1"),
        (999_960, "1000"),
        (1_224_533, "1225"),
        (i64::MAX, "9223372036854776"),
        (i64::MIN, "-9223372036854776"),
    ];
    for (thousandths, expected) in cases {
        assert_eq!(sentence::short(Milli::new(thousandths)), expected, "{thousandths}");
    }
}

#[test]
fn the_summary_counts_what_it_does_not_show() {
    let mut trace = quiet();
    trace.proposals = vec![http(630_000, 1.05, 6), queue(timeout()), queue(timeout()), queue(timeout())];
    assert_eq!(sentence::metrics_summary(&trace).as_deref(), Some("105/100,<unknown>/300,+2"));
}

#[test]
fn pods_are_told_as_they_counted() {
    let policy = Policy {
        metrics: vec![Metric {
            name: "cpu".into(),
            kind: MetricKind::Resource { resource: "cpu".into(), container: None },
            target: Target::Utilization(50),
            on_missing: crate::engine::OnMissing::Hold,
        }],
        ..policy()
    };
    let samples = PodSamples::new(Vec::new(), None);
    let per_pod = PerPod {
        ready: 2,
        unready: 0,
        missing: 1,
        ignored: 0,
        utilization_percent: Some(100),
        filled_ratio: Some(1.34),
    };
    let proposal = Proposal {
        reading: Reading::PerPod(samples.into()),
        target: Target::Utilization(50),
        ratio: Some(2.0),
        tolerance: 0.1,
        within_tolerance: false,
        per_pod: Some(per_pod),
        reported: Some(Milli::new(1005)),
        replicas: Some(5),
        failing: None,
        taken_for: crate::engine::OnMissing::Hold,
    };
    let mut trace = Trace { proposals: vec![proposal], ..trace() };
    let decision = last_decision(&policy, &trace);
    let words = "cpu 100 % is 2.00 × its target 50 % of what 2 pods request (1.34 × with 1 pod without a sample counted against it) and asks for 5";
    assert!(decision.message.contains(words), "{}", decision.message);
    assert_eq!(sentence::metrics_summary(&trace).as_deref(), Some("100%/50%"));
    let metrics = decision::current_metrics(&policy, &trace);
    assert_eq!(
        (metrics[0].kind.as_str(), metrics[0].current.as_ref().unwrap().average_value.as_ref().unwrap().0.as_str()),
        ("Resource", "1005m")
    );
    let absent = Absent { absence: Absence::Warnings, message: "a store did not answer".into() };
    let partial = PodSamples::new(Vec::new(), Some(absent));
    trace.proposals[0].reading = Reading::PerPod(partial.into());
    trace.outcome = Outcome::Valid { winner: 0, degraded: true };
    assert!(limited_by(&trace).contains(&"PartialData"));
}

#[test]
fn a_metric_that_fails_is_told_in_the_words_of_its_type() {
    let resource =
        |container: Option<&str>| MetricKind::Resource { resource: "cpu".into(), container: container.map(Into::into) };
    let table = [
        (resource(None), Absence::NoPods, "FailedGetResourceMetric"),
        (resource(Some("app")), Absence::Timeout, "FailedGetContainerResourceMetric"),
        (MetricKind::Pods, Absence::Empty, "FailedGetPodsMetric"),
        (MetricKind::Object, Absence::Empty, "FailedGetObjectMetric"),
        (MetricKind::External, Absence::Empty, "FailedGetExternalMetric"),
        (MetricKind::Prometheus, Absence::Empty, "FailedGetPrometheusMetric"),
        (MetricKind::External, Absence::Unsupported, "InvalidMetricSourceType"),
    ];
    for (kind, absence, reason) in table {
        let policy = Policy { metrics: vec![Metric { kind, ..policy().metrics[0].clone() }], ..policy() };
        let trace = Trace { proposals: vec![queue(Reading::missing(absence, "nothing"))], ..failed() };
        assert_eq!(scaling_active(&policy, &trace).unwrap().reason, reason);
    }
}

#[test]
fn every_write_tells_whose_zero_it_is() {
    let mut policy = Policy { min_replicas: 0, ..policy() };
    let zero = Trace { desired_replicas: 0, ..trace() };
    let told = |policy: &Policy, trace: &Trace, write| scaled_to_zero(policy, trace, write).map(|draft| draft.status);
    assert_eq!(told(&policy, &zero, WriteResult::Written), None, "the gate is off");
    policy.settings.scale_to_zero = true;
    assert_eq!(told(&policy, &zero, WriteResult::Written), Some("True"));
    assert_eq!(told(&policy, &trace(), WriteResult::Written), Some("False"));
    assert_eq!(told(&policy, &zero, WriteResult::NotNeeded), None);
}
