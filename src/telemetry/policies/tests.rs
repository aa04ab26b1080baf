//! What a scrape says of policies, line by line.

use super::*;
use crate::api::publish::{self, Situation, WriteResult};
use crate::engine::{
    self, Absence, Metric, MetricKind, Milli, Observation, Reading, Replicas, Sample, Settings, State, Target,
};
use crate::telemetry::Metrics;

const NOW: Timestamp = Timestamp::from_millis(1_767_225_600_000);

fn key(name: &str) -> PolicyKey {
    PolicyKey { namespace: "shop".into(), name: name.into() }
}

fn policy() -> Policy {
    Policy {
        min_replicas: 2,
        max_replicas: 7,
        metrics: vec![
            Metric {
                name: "rps".into(),
                kind: MetricKind::Prometheus,
                target: Target::AverageValue(Milli::new(100_000)),
                on_missing: crate::engine::OnMissing::Hold,
            },
            Metric {
                name: "queue".into(),
                kind: MetricKind::Prometheus,
                target: Target::Value(Milli::new(500)),
                on_missing: crate::engine::OnMissing::Hold,
            },
        ],
        behavior: None,
        downscale_window_seconds: 300,
        mode: Mode::Auto,
        settings: Settings::default(),
        fallback: None,
    }
}

fn value(milli: i64) -> Reading {
    Reading::Complete(Sample { value: Milli::new(milli), series: 1, age_millis: None })
}

/// The report of one real decision on 4 replicas.
fn report(policy: Policy, readings: Vec<Reading>) -> Arc<PolicyReport> {
    let replicas = Replicas { spec: 4, ready: Some(3) };
    let (_, decision) =
        engine::decide(&policy, State::default(), &Observation { now: NOW, replicas, pods: None, readings });
    let (trace, write) = (&decision.trace, WriteResult::Written);
    let situation = Situation::Decided { policy: &policy, trace, write, overlap: &publish::Overlap::None };
    let status = publish::status(None, 1, situation, NOW);
    Arc::new(PolicyReport {
        target: TargetRef { api_version: "apps/v1".into(), kind: "Deployment".into(), name: "web".into() },
        policy: Arc::new(policy),
        trace: Arc::new(decision.trace),
        status: Arc::new(status),
        ready_replicas: Some(3),
        last_scale: Some(NOW),
        requests: [("load".into(), "00c0ffee00c0ffee".to_owned())].into(),
    })
}

fn publish(metrics: &Metrics, name: &str, report: Arc<PolicyReport>) {
    metrics.policies.publish_status(&key(name), report.status.clone());
    metrics.policies.publish(&key(name), report);
}

fn lines(metrics: &Metrics, name: &str) -> Vec<String> {
    let text = metrics.render().unwrap();
    text.lines().filter(|line| line.contains(&format!(",name=\"{name}\""))).map(str::to_owned).collect()
}

#[test]
fn every_stage_of_a_decision_has_its_gauge() {
    let metrics = Metrics::new();
    publish(&metrics, "web", report(policy(), vec![value(900_000), value(250)]));
    let lines = lines(&metrics, "web");
    for expected in [
        "flyball_metric_value{namespace=\"shop\",name=\"web\",metric=\"rps\"} 225.0",
        "flyball_metric_value{namespace=\"shop\",name=\"web\",metric=\"queue\"} 0.25",
        "flyball_metric_target{namespace=\"shop\",name=\"web\",metric=\"rps\"} 100.0",
        "flyball_metric_target{namespace=\"shop\",name=\"web\",metric=\"queue\"} 0.5",
        "flyball_replicas_current{namespace=\"shop\",name=\"web\"} 4.0",
        "flyball_replicas_recommended{namespace=\"shop\",name=\"web\"} 9.0",
        "flyball_replicas_stabilized{namespace=\"shop\",name=\"web\"} 9.0",
        "flyball_replicas_desired{namespace=\"shop\",name=\"web\"} 7.0",
        "flyball_replicas_ready{namespace=\"shop\",name=\"web\"} 3.0",
        "flyball_replicas_min{namespace=\"shop\",name=\"web\"} 2.0",
        "flyball_replicas_max{namespace=\"shop\",name=\"web\"} 7.0",
        "flyball_limited{namespace=\"shop\",name=\"web\",reason=\"TooManyReplicas\"} 1.0",
        "flyball_limited{namespace=\"shop\",name=\"web\",reason=\"TooFewReplicas\"} 0.0",
        "flyball_limited{namespace=\"shop\",name=\"web\",reason=\"ScaleUpLimit\"} 0.0",
        "flyball_limited{namespace=\"shop\",name=\"web\",reason=\"ScaleDownLimit\"} 0.0",
        "flyball_paused{namespace=\"shop\",name=\"web\"} 0.0",
        "flyball_dry_run{namespace=\"shop\",name=\"web\"} 0.0",
        "flyball_last_decision_timestamp_seconds{namespace=\"shop\",name=\"web\"} 1767225600.0",
        "flyball_last_scale_timestamp_seconds{namespace=\"shop\",name=\"web\"} 1767225600.0",
        "flyball_metric_request{namespace=\"shop\",name=\"web\",metric=\"load\",request=\"00c0ffee00c0ffee\"} 1.0",
        "flyball_policy_info{namespace=\"shop\",name=\"web\",target_kind=\"Deployment\",target_name=\"web\"} 1.0",
        "flyball_condition{namespace=\"shop\",name=\"web\",type=\"Ready\",status=\"True\"} 1.0",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected} is missing in\n{}", lines.join("\n"));
    }
}

#[test]
fn what_is_not_known_has_no_series() {
    let metrics = Metrics::new();
    let missing = Reading::missing(Absence::Empty, "nothing");
    publish(&metrics, "web", report(policy(), vec![missing.clone(), missing]));
    let lines = lines(&metrics, "web").join("\n");
    for absent in ["metric_value", "replicas_recommended", "replicas_stabilized", "limited"] {
        assert!(!lines.contains(&format!("flyball_{absent}{{")), "{absent}: a number that nobody computed\n{lines}");
    }
    assert!(lines.contains("flyball_replicas_desired{namespace=\"shop\",name=\"web\"} 4.0"), "{lines}");
    assert!(lines.contains("flyball_metric_target{"), "{lines}");
    assert!(lines.contains("type=\"ScalingActive\",status=\"False\"} 1.0"), "{lines}");
}

#[test]
fn series_vanish_with_their_policy_and_stay_with_others() {
    let metrics = Metrics::new();
    for name in ["web", "api"] {
        publish(&metrics, name, report(policy(), vec![value(400_000), value(500)]));
    }
    assert!(metrics.render().unwrap().contains("flyball_policies 2\n"));
    let of_both = lines(&metrics, "api").len();
    metrics.policies.forget(&key("web"));
    assert!(lines(&metrics, "web").is_empty());
    assert_eq!(lines(&metrics, "api").len(), of_both);
    metrics.policies.forget(&key("api"));
    let text = metrics.render().unwrap();
    assert!(text.contains("flyball_policies 0\n") && !text.contains("namespace="), "{text}");
}

#[test]
fn each_family_is_whole_and_described_once() {
    let metrics = Metrics::new();
    for name in ["web", "api", "quote\"and\\slash"] {
        publish(&metrics, name, report(policy(), vec![value(400_000), value(500)]));
    }
    let text = metrics.render().unwrap();
    let mut families: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ').map(|(name, _)| name)).collect();
    let count = families.len();
    families.sort_unstable();
    families.dedup();
    assert_eq!(families.len(), count, "a family that stands in two places is refused by Prometheus");
    for family in families {
        assert!(text.contains(&format!("# HELP {family} ")), "{family} is not described");
    }
    assert!(text.contains("name=\"quote\\\"and\\\\slash\""), "labels are escaped: {text}");
}
