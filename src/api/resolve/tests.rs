use serde_json::{Value, json};

use super::*;
use crate::api::query::{DescribedObject, MetricQuery, NamedMetric, PodUsage, SeriesRule, SourceKind, SourceRef};
use crate::engine::{self, Fallback, FloorKind, Metric, Milli, OnMissing, RateKind, RatePolicy, Rules, Select, Target};

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
        on_missing: crate::engine::OnMissing::Hold,
    }];
    let policy = Policy {
        min_replicas: 1,
        max_replicas: 10,
        metrics,
        behavior: None,
        downscale_window_seconds: 300,
        mode: Mode::Auto,
        settings: Settings::default(),
        fallback: None,
    };
    assert_eq!(resolved.policy, policy);
    assert_eq!(resolved.polling_period_seconds, 15);
    assert_eq!(
        resolved.target,
        TargetRef { api_version: "apps/v1".into(), kind: "Deployment".into(), name: "web".into() }
    );
    let query = MetricQuery {
        source: SourceRef::default(),
        promql: "sum(up)".into(),
        series: SeriesRule::Sum,
        max_sample_age_seconds: None,
    };
    assert_eq!(resolved.requests, [MetricRequest::Prometheus(query)]);
}

#[test]
fn words_of_a_query_are_filled_in_and_wrong_ones_all_told() {
    let of = |namespace: &Value, query: &str| {
        let mut metric = metric(&json!({"type": "Value", "value": 5}));
        metric["prometheus"]["query"] = json!(query);
        let mut policy = manifest(&json!({"metrics": [metric]}));
        policy["metadata"]["namespace"] = namespace.clone();
        resolve(&serde_json::from_value(policy).unwrap()).map(|mut resolved| resolved.requests.remove(0))
    };
    let filled = r#"up{ns="shop",app="web"}"#;
    let query = MetricQuery {
        source: SourceRef::default(),
        promql: filled.into(),
        series: SeriesRule::Sum,
        max_sample_age_seconds: None,
    };
    let shop = json!("shop");
    assert_eq!(of(&shop, r#"up{ns="{{namespace}}",app="{{name}}"}"#), Ok(MetricRequest::Prometheus(query)));
    let error = of(&Value::Null, r#"up{ns="{{namespace}}",app="{{app}}"}"#).unwrap_err().to_string();
    let expected = "spec.metrics[0].prometheus.query: {{namespace}} needs metadata.namespace: write it into the policy; \
        spec.metrics[0].prometheus.query: {{app}} is no word that can be filled in: {{namespace}} and {{name}} of the target can; \
        for two braces that mean themselves write {\\x7b";
    assert_eq!(error, expected);
    let long = format!("up{{a=\"{}\"}}", "{{namespace}}".repeat(300));
    let error = of(&json!("n".repeat(63)), &long).unwrap_err().to_string();
    assert!(error.contains("is longer than 4096 characters"), "{error}");
}

#[test]
fn a_metric_names_its_source() {
    let metric = |reference: serde_json::Value| {
        json!({"metrics": [{"type": "Prometheus", "prometheus": {
            "query": "up", "target": {"type": "Value", "value": "1"}, "sourceRef": reference,
        }}]})
    };
    for (kind, expected) in
        [("PrometheusSource", SourceKind::Namespaced), ("ClusterPrometheusSource", SourceKind::Cluster)]
    {
        let resolved = resolve_spec(&metric(json!({"kind": kind, "name": "team"}))).unwrap();
        let MetricRequest::Prometheus(query) = &resolved.requests[0] else { panic!("{:?}", resolved.requests) };
        assert_eq!(query.source, SourceRef { kind: expected, name: "team".into() });
        assert_eq!(query.source.kind.as_str(), kind);
    }
    let problems = resolve_spec(&metric(json!({"kind": "Thermometer", "name": ""}))).unwrap_err().problems;
    let fields: Vec<_> = problems.iter().map(|problem| problem.field.as_str()).collect();
    assert_eq!(fields, ["spec.metrics[0].prometheus.sourceRef.kind", "spec.metrics[0].prometheus.sourceRef.name"]);
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
    let query = |index: usize| match &resolved.requests[index] {
        MetricRequest::Prometheus(query) => query,
        other => panic!("{other:?}"),
    };
    assert_eq!(query(0).series, SeriesRule::ExactlyOne);
    assert_eq!(query(0).max_sample_age_seconds, Some(60));
    assert_eq!(query(1).series, SeriesRule::Sum);
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
fn each_mistake_in_a_metric_of_hpa_names_field_value_and_mend() {
    let cases: Vec<(Value, &str)> = vec![
        (json!({"metrics": [{"type": "Resource"}]}), "spec.metrics[0].resource: is missing: type Resource needs it"),
        (
            json!({"metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization"}}}]}),
            "spec.metrics[0].resource.target.averageUtilization: is missing: write it, or averageValue",
        ),
        (
            json!({"metrics": [{"type": "External", "external": {
                "metric": {"name": "a/b"}, "target": {"type": "Value", "value": "1"},
            }}]}),
            "spec.metrics[0].external.metric.name: a/b cannot stand in a path: write a name without / and %",
        ),
        (
            json!({"metrics": [{"type": "External", "external": {
                "metric": {"name": "a", "selector": {"matchLabels": {"b": "c,d"}}}, "target": {"type": "Value", "value": "1"},
            }}]}),
            "spec.metrics[0].external.metric.selector: \"c,d\" is no requirement on a label such as app=web, tier in (a, b) or !canary",
        ),
        (
            json!({"metrics": [{"type": "Pods", "pods": {"metric": {"name": "a"}, "target": {"type": "Value", "value": "1"}}}]}),
            "spec.metrics[0].pods.target.averageValue: is missing: target type AverageValue needs it",
        ),
    ];
    for (spec, expected) in cases {
        assert_eq!(resolve_spec(&spec).unwrap_err().to_string(), expected, "{spec}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let error = resolve_spec(
        &json!({"minReplicas": 0, "maxReplicas": 0, "pollingPeriodSeconds": -5, "metrics": [{"type": "Pods"}]}),
    )
    .unwrap_err();
    let fields: Vec<_> = error.problems.iter().map(|problem| problem.field.as_str()).collect();
    assert_eq!(fields, ["spec.maxReplicas", "spec.minReplicas", "spec.metrics[0].pods", "spec.pollingPeriodSeconds"]);
    assert_eq!(error.reason(), "InvalidSpec");
}

/// One metric of HPA's own types, resolved.
fn resolve_metric(metric: &Value) -> (engine::MetricKind, Target, MetricRequest) {
    let mut resolved = resolve_spec(&json!({"metrics": [metric]})).unwrap();
    let metric = resolved.policy.metrics.remove(0);
    (metric.kind, metric.target, resolved.requests.remove(0))
}

fn named(name: &str, selector: &str) -> NamedMetric {
    NamedMetric { name: name.into(), selector: selector.into() }
}

#[test]
fn no_metrics_at_all_are_cpu_at_80_percent() {
    let resolved = resolve_spec(&json!({"metrics": []})).unwrap();
    let kind = engine::MetricKind::Resource { resource: "cpu".into(), container: None };
    assert_eq!(
        resolved.policy.metrics,
        [Metric {
            name: "cpu".into(),
            kind,
            target: Target::Utilization(80),
            on_missing: crate::engine::OnMissing::Hold
        }]
    );
    assert_eq!(resolved.requests, [MetricRequest::PodUsage(PodUsage { resource: "cpu".into(), container: None })]);
}

#[test]
fn usage_prefers_the_average_value_as_hpa_does() {
    let metric = |target: &Value| json!({"type": "Resource", "resource": {"name": "memory", "target": target}});
    let (kind, target, _) = resolve_metric(&metric(&json!({"type": "Utilization", "averageUtilization": 70})));
    assert_eq!(kind, engine::MetricKind::Resource { resource: "memory".into(), container: None });
    assert_eq!(target, Target::Utilization(70));
    let both = json!({"type": "Utilization", "averageUtilization": 70, "averageValue": "1Ki"});
    assert_eq!(resolve_metric(&metric(&both)).1, Target::AverageValue(Milli::new(1_024_000)));
    let container = json!({"type": "ContainerResource", "containerResource": {
        "name": "cpu", "container": "main", "target": {"type": "AverageValue", "averageValue": "500m"},
    }});
    let usage = PodUsage { resource: "cpu".into(), container: Some("main".into()) };
    let kind = engine::MetricKind::Resource { resource: "cpu".into(), container: Some("main".into()) };
    let target = Target::AverageValue(Milli::new(500));
    assert_eq!(resolve_metric(&container), (kind, target, MetricRequest::PodUsage(usage)));
}

#[test]
fn custom_and_external_metrics_name_what_they_ask() {
    let pods = json!({"type": "Pods", "pods": {
        "metric": {"name": "qps", "selector": {"matchExpressions": [{"key": "verb", "operator": "In", "values": ["POST", "GET"]}]}},
        "target": {"type": "AverageValue", "averageValue": "1k"},
    }});
    let target = Target::AverageValue(Milli::new(1_000_000));
    let request = MetricRequest::PodMetric(named("qps", "verb in (GET,POST)"));
    assert_eq!(resolve_metric(&pods), (engine::MetricKind::Pods, target, request));
    let object = |target: &Value| {
        json!({"type": "Object", "object": {
            "describedObject": {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": "main"},
            "metric": {"name": "hits"}, "target": target,
        }})
    };
    let described =
        DescribedObject { api_version: "networking.k8s.io/v1".into(), kind: "Ingress".into(), name: "main".into() };
    let request = MetricRequest::Object(described, named("hits", ""));
    let both = |kind: &str| object(&json!({"type": kind, "value": "2", "averageValue": "3"}));
    let (value, average) = (Target::Value(Milli::new(2_000)), Target::AverageValue(Milli::new(3_000)));
    assert_eq!(resolve_metric(&both("Value")), (engine::MetricKind::Object, value, request.clone()));
    assert_eq!(resolve_metric(&both("AverageValue")), (engine::MetricKind::Object, average, request));
    let external = |target: &Value| {
        json!({"type": "External", "external": {
            "metric": {"name": "queue", "selector": {"matchLabels": {"q": "a"}}}, "target": target,
        }})
    };
    let request = MetricRequest::External(named("queue", "q=a"));
    let only_value = external(&json!({"type": "Value", "value": "2"}));
    assert_eq!(resolve_metric(&only_value), (engine::MetricKind::External, value, request));
    assert_eq!(resolve_metric(&external(&json!({"type": "Value", "value": "2", "averageValue": "3"}))).1, average);
}

#[test]
fn a_type_of_a_newer_version_is_refused() {
    let error = resolve_spec(&json!({"metrics": [{"type": "Kafka"}]})).unwrap_err();
    assert!(
        error.to_string().starts_with("spec.metrics[0].type: is a word that this Flyball does not know"),
        "{error}"
    );
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
fn what_an_absence_counts_as() {
    let with = |on_missing: &Value, fallback: &Value| {
        let mut metric = metric(&json!({"type": "Value", "value": "1"}));
        metric["prometheus"]["onMissing"] = on_missing.clone();
        resolve_spec(&json!({"metrics": [metric], "fallback": fallback}))
            .map(|resolved| (resolved.policy.metrics[0].on_missing, resolved.policy.fallback))
            .map_err(|error| error.to_string())
    };
    let floor = |after_failures, replicas, kind| Some(Fallback { after_failures, replicas, kind });
    let (nothing, three) = (Value::Null, json!({"replicas": 3}));
    for (on_missing, fallback, expected) in [
        (&nothing, &nothing, (OnMissing::Hold, None)),
        (&json!("Zero"), &nothing, (OnMissing::Zero, None)),
        (&json!("Ignore"), &nothing, (OnMissing::Ignore, None)),
        (&nothing, &three, (OnMissing::Fallback, floor(3, 3, FloorKind::Static))),
        (&json!("Hold"), &three, (OnMissing::Hold, floor(3, 3, FloorKind::Static))),
        (&json!("Fallback"), &three, (OnMissing::Fallback, floor(3, 3, FloorKind::Static))),
        (
            &nothing,
            &json!({"policy": "Current", "afterFailures": 1}),
            (OnMissing::Fallback, floor(1, 0, FloorKind::Current)),
        ),
    ] {
        assert_eq!(with(on_missing, fallback), Ok(expected), "{on_missing} {fallback}");
    }
    for (on_missing, fallback, words) in [
        (json!("Fallback"), nothing.clone(), "spec.metrics[0].prometheus.onMissing: Fallback needs spec.fallback"),
        (json!("Guess"), nothing.clone(), "write Hold, Zero, Ignore or Fallback"),
        (nothing.clone(), json!({}), "spec.fallback.replicas: is missing"),
        (nothing.clone(), json!({"replicas": 11}), "spec.fallback.replicas: 11 is more than maxReplicas 10"),
        (nothing.clone(), json!({"replicas": -1}), "spec.fallback.replicas: -1 is not within 0 to 10000"),
        (nothing.clone(), json!({"replicas": 3, "afterFailures": 0}), "spec.fallback.afterFailures: 0 is not within"),
        (nothing.clone(), json!({"replicas": 3, "policy": "Lower"}), "write Static, AtLeast or Current"),
    ] {
        let error = with(&on_missing, &fallback).unwrap_err();
        assert!(error.contains(words), "{words:?} is missing: {error}");
    }
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
