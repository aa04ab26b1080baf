use serde_json::{Value, json};

use super::*;
use crate::engine::{Milli, RateKind, RatePolicy, Rules, Select};

fn manifest(spec: &Value) -> Value {
    let mut whole = json!({
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        "maxReplicas": 10,
        "metrics": [metric(&json!({"type": "AverageValue", "averageValue": "100"}))],
    });
    for (key, value) in spec.as_object().unwrap() {
        whole[key] = value.clone();
    }
    json!({"apiVersion": "flyball.dev/v1alpha1", "kind": "ScalingPolicy", "metadata": {"name": "web"}, "spec": whole})
}

fn metric(target: &Value) -> Value {
    json!({"type": "Prometheus", "prometheus": {"query": "sum(up)", "target": target}})
}

fn resolve_spec(spec: &Value) -> Result<Resolved, InvalidSpec> {
    resolve(&serde_json::from_value(manifest(spec)).unwrap())
}

fn resolve_annotated(mode: &str, annotations: &Value) -> Result<Mode, String> {
    let mut policy = manifest(&json!({"mode": mode}));
    policy["metadata"]["annotations"] = annotations.clone();
    resolve(&serde_json::from_value(policy).unwrap()).map(|resolved| resolved.policy.mode).map_err(|e| e.to_string())
}

#[test]
fn defaults_are_those_of_hpa() {
    let resolved = resolve_spec(&json!({})).unwrap();
    let metrics = vec![Metric {
        name: "prometheus-0".into(),
        kind: engine::MetricKind::Prometheus,
        target: Target::AverageValue(Milli::new(100_000)),
    }];
    let policy = Policy {
        min_replicas: 1,
        max_replicas: 10,
        metrics,
        behavior: None,
        downscale_window_seconds: 300,
        mode: Mode::Auto,
        settings: Settings::default(),
    };
    assert_eq!(resolved.policy, policy);
    assert_eq!(resolved.polling_period_seconds, 15);
    assert_eq!(
        resolved.target,
        TargetRef { api_version: "apps/v1".into(), kind: "Deployment".into(), name: "web".into() }
    );
    let query = MetricQuery { promql: "sum(up)".into(), series: SeriesRule::Sum, max_sample_age_seconds: None };
    assert_eq!(resolved.queries, vec![query]);
}

#[test]
fn behavior_is_completed_in_both_directions() {
    let resolved =
        resolve_spec(&json!({"behavior": {"scaleDown": {"selectPolicy": "Min", "tolerance": "0.05"}}})).unwrap();
    let behavior = resolved.policy.behavior.unwrap();
    let percent = RatePolicy { kind: RateKind::Percent, value: 100, period_seconds: 15 };
    let pods = RatePolicy { kind: RateKind::Pods, value: 4, period_seconds: 15 };
    assert_eq!(
        behavior.up,
        Rules { window_seconds: Some(0), select: Select::Max, policies: vec![pods, percent], tolerance: None }
    );
    let down = Rules { window_seconds: None, select: Select::Min, policies: vec![percent], tolerance: Some(0.05) };
    assert_eq!(behavior.down, down);
}

#[test]
fn names_and_queries_align_with_metrics() {
    let mut named = metric(&json!({"type": "Value", "value": 5}));
    named["name"] = json!("depth");
    named["prometheus"]["series"] = json!("ExactlyOne");
    named["prometheus"]["maxSampleAgeSeconds"] = json!(60);
    let plain = metric(&json!({"type": "AverageValue", "averageValue": "500m"}));
    let resolved = resolve_spec(&json!({"metrics": [named, plain]})).unwrap();
    let names: Vec<_> = resolved.policy.metrics.iter().map(|metric| metric.name.to_string()).collect();
    assert_eq!(names, ["depth", "prometheus-1"]);
    assert_eq!(resolved.policy.metrics[0].target, Target::Value(Milli::new(5000)));
    assert_eq!(resolved.queries[0].series, SeriesRule::ExactlyOne);
    assert_eq!(resolved.queries[0].max_sample_age_seconds, Some(60));
    assert_eq!(resolved.queries[1].series, SeriesRule::Sum);
}

#[test]
fn each_mistake_names_field_value_and_mend() {
    let target = |target: Value| json!({"metrics": [metric(&target)]});
    let up = |rules: Value| json!({"behavior": {"scaleUp": rules}});
    let cases: Vec<(Value, &str)> = vec![
        (
            json!({"minReplicas": 11}),
            "spec.minReplicas: 11 is more than maxReplicas 10: lower minReplicas, or raise maxReplicas",
        ),
        (
            json!({"minReplicas": 0}),
            "spec.minReplicas: 0 asks for scaling to zero, which is not supported yet: write 1 or more",
        ),
        (json!({"minReplicas": -1}), "spec.minReplicas: -1 is negative: write 1 or more"),
        (json!({"maxReplicas": 10_001}), "spec.maxReplicas: 10001 is not within 1 to 10000: choose a number within"),
        (
            json!({"pollingPeriodSeconds": 0}),
            "spec.pollingPeriodSeconds: 0 is not within 1 to 3600: choose a number within",
        ),
        (
            json!({"metrics": []}),
            "spec.metrics: is empty, and the CPU metric that HPA then takes is not supported yet: add a metric of type Prometheus",
        ),
        (
            json!({"metrics": [{"type": "Prometheus"}]}),
            "spec.metrics[0].prometheus: is missing: type Prometheus needs it",
        ),
        (
            target(json!({"type": "Utilization", "averageUtilization": 70})),
            "spec.metrics[0].prometheus.target.type: Utilization is not supported for Prometheus yet: use Value with a query that yields the percentage, or AverageValue",
        ),
        (
            target(json!({"type": "Value", "averageValue": "1"})),
            "spec.metrics[0].prometheus.target.value: is missing: target type Value needs it",
        ),
        (
            target(json!({"type": "Value", "value": "0"})),
            "spec.metrics[0].prometheus.target.value: 0 must be greater than 0: for example 100 or 500m",
        ),
        (
            target(json!({"type": "Value", "value": "1K"})),
            "spec.metrics[0].prometheus.target.value: 1K is not a quantity such as 100, 0.5, 500m, 2k or 1Gi",
        ),
        (
            json!({"scaleTargetRef": {"apiVersion": "v1", "kind": "Pod", "name": "web"}}),
            "spec.scaleTargetRef.apiVersion: v1 must name the API group and version of the target: for a Deployment write apps/v1",
        ),
        (
            up(json!({"policies": []})),
            "spec.behavior.scaleUp.policies: is empty: name at least one policy, or leave the field out for the default",
        ),
        (
            up(json!({"tolerance": "x"})),
            "spec.behavior.scaleUp.tolerance: x is not a quantity such as 100, 0.5, 500m, 2k or 1Gi",
        ),
        (up(json!({"tolerance": "-0.1"})), "spec.behavior.scaleUp.tolerance: -0.1 is too small: give 0 or more"),
        (
            up(json!({"policies": [{"type": "Pods", "value": 1, "periodSeconds": 1801}]})),
            "spec.behavior.scaleUp.policies[0].periodSeconds: 1801 is too large: give 1800 or less",
        ),
    ];
    for (spec, expected) in cases {
        assert_eq!(resolve_spec(&spec).unwrap_err().to_string(), expected, "{spec}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let error = resolve_spec(&json!({"minReplicas": 0, "maxReplicas": 0, "pollingPeriodSeconds": -5, "metrics": []}))
        .unwrap_err();
    let fields: Vec<_> = error.problems.iter().map(|problem| problem.field.as_str()).collect();
    assert_eq!(fields, ["spec.maxReplicas", "spec.minReplicas", "spec.metrics", "spec.pollingPeriodSeconds"]);
    assert_eq!(error.reason(), "InvalidSpec");
}

#[test]
fn the_types_of_hpa_are_refused_by_name() {
    let cpu = json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}});
    let error = resolve_spec(&json!({"metrics": [metric(&json!({"type": "Value", "value": 1})), cpu]})).unwrap_err();
    assert_eq!(error.to_string(), "spec.metrics[1].type: Resource is not supported yet: use type Prometheus");
    assert_eq!(error.reason(), "UnsupportedMetricType");
}

#[test]
fn two_metrics_of_one_name_are_refused() {
    let mut second = metric(&json!({"type": "Value", "value": 1}));
    second["name"] = json!("prometheus-0");
    let error = resolve_spec(&json!({"metrics": [metric(&json!({"type": "Value", "value": 1})), second]})).unwrap_err();
    assert_eq!(
        error.to_string(),
        "spec.metrics[1].name: prometheus-0 is also the name of spec.metrics[0]: rename one of the two"
    );
}

#[test]
fn a_word_of_a_newer_version_is_refused_and_leaves_the_list_readable() {
    let mut metric = metric(&json!({"type": "Percentile", "value": "1"}));
    metric["prometheus"]["series"] = json!("Max");
    let rules = json!({"selectPolicy": "Median", "policies": [{"type": "Nodes", "value": 1, "periodSeconds": 15}]});
    let spec = json!({"mode": "Advise", "metrics": [metric, {"type": "Kafka"}], "behavior": {"scaleDown": rules}});
    let error = resolve_spec(&spec).unwrap_err();
    let fields: Vec<_> = error.problems.iter().map(|problem| problem.field.as_str()).collect();
    let expected = [
        "spec.metrics[0].prometheus.target.type",
        "spec.metrics[0].prometheus.series",
        "spec.metrics[1].type",
        "spec.behavior.scaleDown.selectPolicy",
        "spec.behavior.scaleDown.policies[0].type",
        "spec.mode",
    ];
    assert_eq!(fields, expected, "{error}");
}

#[test]
fn a_long_value_is_cut() {
    let error =
        resolve_spec(&json!({"metrics": [metric(&json!({"type": "Value", "value": "ä".repeat(500)}))]})).unwrap_err();
    assert!(error.to_string().chars().count() < 200, "{error}");
}

#[test]
fn a_replication_controller_needs_no_group() {
    for reference in [
        json!({"kind": "ReplicationController", "name": "rc"}),
        json!({"apiVersion": "v1", "kind": "ReplicationController", "name": "rc"}),
    ] {
        assert_eq!(resolve_spec(&json!({"scaleTargetRef": reference})).unwrap().target.api_version, "v1");
    }
}

#[test]
fn annotations_pause() {
    let at = |replicas| Ok(Mode::Paused { replicas });
    let bad_number = |value: &str| {
        Err(format!(
            "metadata.annotations[flyball.dev/paused-replicas]: {value:?} must be a whole number from 0 to 10000 in quotes, for example \"4\""
        ))
    };
    let cases = [
        ("Auto", json!({}), Ok(Mode::Auto)),
        ("DryRun", json!({}), Ok(Mode::DryRun)),
        ("Paused", json!({}), at(None)),
        ("Auto", json!({"flyball.dev/paused": "true"}), at(None)),
        ("DryRun", json!({"flyball.dev/paused": "true"}), at(None)),
        ("Auto", json!({"flyball.dev/paused": "false"}), Ok(Mode::Auto)),
        ("Paused", json!({"flyball.dev/paused": "false"}), at(None)),
        ("Auto", json!({"flyball.dev/paused-replicas": "4"}), at(Some(4))),
        ("Paused", json!({"flyball.dev/paused-replicas": "0"}), at(Some(0))),
        ("Auto", json!({"flyball.dev/paused-replicas": "four"}), bad_number("four")),
        ("Auto", json!({"flyball.dev/paused-replicas": "-1"}), bad_number("-1")),
        ("Auto", json!({"flyball.dev/paused-replicas": "10001"}), bad_number("10001")),
        (
            "Auto",
            json!({"flyball.dev/paused": "yes"}),
            Err("metadata.annotations[flyball.dev/paused]: \"yes\" must be \"true\" or \"false\"".to_owned()),
        ),
    ];
    for (mode, annotations, expected) in cases {
        assert_eq!(resolve_annotated(mode, &annotations), expected, "{mode} {annotations}");
    }
}
