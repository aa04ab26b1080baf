//! The custom resource on a real API server: accepted, explained, defaulted, shown in columns; and a user's mistake refused with the
//! path of the field and what to do, by the server itself.

use std::sync::Arc;

use flyball::api::ScalingPolicy;
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use crate::control_plane::{ControlPlane, Controllers, Options, Shared, availability, trial};
use crate::support::{apply, refused, succeed};

/// All trials of this file.
pub(crate) fn trials(shared: &Arc<Shared>) -> Vec<Trial> {
    let plane = availability(&Options { controllers: Controllers::Workloads }.programs());
    let with_crd = |name: &str, test: fn(&ControlPlane) -> Result<(), Failed>| {
        let shared = Arc::clone(shared);
        trial(name, &plane, move |assets| test(shared.plane_with_definitions(assets)?))
    };
    vec![
        with_crd("policy::the_server_finds_nothing_wrong_with_the_definition", nothing_is_wrong_with_the_definition),
        with_crd("policy::a_mistake_is_refused_with_its_path_and_mend", a_mistake_is_refused_with_its_path_and_mend),
        with_crd("policy::a_tolerance_may_be_any_number", a_tolerance_may_be_any_number),
        with_crd("policy::targets_are_taken_and_refused_as_in_an_hpa", targets_are_taken_and_refused_as_in_an_hpa),
        with_crd("policy::an_hpa_manifest_is_accepted_as_it_is", an_hpa_manifest_is_accepted_as_it_is),
        with_crd("policy::defaults_are_filled_in_on_create", defaults_are_filled_in_on_create),
        with_crd("policy::explain_tells_every_field", explain_tells_every_field),
        with_crd("policy::columns_read_well", columns_read_well),
        with_crd("policy::it_is_found_by_short_name_category_and_target", it_is_found),
        with_crd("policy::applying_again_changes_nothing", applying_again_changes_nothing),
    ]
}

fn policy(name: &str) -> Value {
    json!({
        "apiVersion": "flyball.dev/v1alpha1",
        "kind": "ScalingPolicy",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": 2,
            "maxReplicas": 10,
            "metrics": [prometheus(&json!({"type": "AverageValue", "averageValue": "100"}))],
        },
    })
}

fn prometheus(target: &Value) -> Value {
    json!({"type": "Prometheus", "prometheus": {"query": "sum(rate(http_requests_total[2m]))", "target": target}})
}

/// Rules within the cost limits, a structural schema, names that nobody else has.
fn nothing_is_wrong_with_the_definition(plane: &ControlPlane) -> Result<(), Failed> {
    let output = plane.kubectl(&["get", "crd", "scalingpolicies.flyball.dev", "-o", "json"])?;
    let definition: Value = serde_json::from_str(&succeed(output)?)?;
    let conditions = definition["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let state = |kind: &str| conditions.iter().find(|c| c["type"] == kind).map(|c| c["status"].clone());
    assert_eq!(state("Established"), Some(json!("True")), "{conditions:?}");
    assert_eq!(state("NamesAccepted"), Some(json!("True")), "{conditions:?}");
    assert!(state("NonStructuralSchema").is_none_or(|status| status == "False"), "{conditions:?}");
    Ok(())
}

/// What is changed in a good policy, the field that is to be named, and words of the message.
type Mistake = (&'static str, Value, &'static str, &'static str);

fn mistakes() -> Vec<Mistake> {
    let tolerance = |value: Value, words| -> Mistake {
        ("/spec/behavior", json!({"scaleUp": {"tolerance": value}}), "spec.behavior.scaleUp.tolerance", words)
    };
    let target = |target: Value| json!([prometheus(&target)]);
    let named = |name: &str| {
        let mut metric = prometheus(&json!({"type": "Value", "value": 5}));
        metric["name"] = json!(name);
        metric
    };
    vec![
        ("/spec/minReplicas", json!(11), "spec.minReplicas", "lower `minReplicas`, or raise `maxReplicas`"),
        ("/spec/maxReplicas", json!(0), "spec.maxReplicas", "greater than or equal to 1"),
        ("/spec/maxReplicas", json!(1_000_000), "spec.maxReplicas", "less than or equal to 10000"),
        ("/spec/maxReplicas", Value::Null, "spec.maxReplicas", "Required value"),
        ("/spec/pollingPeriodSeconds", json!(0), "spec.pollingPeriodSeconds", "greater than or equal to 1"),
        ("/spec/mode", json!("Off"), "spec.mode", "supported values: \"Auto\", \"DryRun\", \"Paused\""),
        ("/spec/scaleTargetRef/apiVersion", json!("v1"), "spec.scaleTargetRef.apiVersion", "for example `apps/v1`"),
        (
            "/spec/metrics",
            target(json!({"type": "Value"})),
            "spec.metrics[0].prometheus.target.value",
            "Required value",
        ),
        (
            "/spec/metrics",
            target(json!({"type": "AverageValue", "averageValue": "0"})),
            "spec.metrics[0].prometheus.target.averageValue",
            "should match '^[+]?([0-9]*[1-9]",
        ),
        (
            "/spec/metrics",
            target(json!({"type": "AverageValue", "averageValue": -3})),
            "spec.metrics[0].prometheus.target.averageValue",
            "should be greater than 0",
        ),
        (
            "/spec/metrics",
            json!([{"type": "Prometheus"}]),
            "spec.metrics[0].type",
            "the block that `type` names must be set",
        ),
        ("/spec/metrics", json!([named("load"), named("load")]), "spec.metrics", "must be unique within `metrics`"),
        (
            "/spec/behavior",
            json!({"scaleDown": {"policies": []}}),
            "spec.behavior.scaleDown.policies",
            "must hold at least one policy",
        ),
        (
            "/spec/behavior",
            json!({"scaleDown": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 3600}]}}),
            "spec.behavior.scaleDown.policies[0].periodSeconds",
            "less than or equal to 1800",
        ),
        tolerance(json!(-0.05), "greater than or equal to 0"),
        tolerance(json!("-50m"), "should match '^[+]?([0-9]+"),
        tolerance(json!("10%"), "should match '^[+]?([0-9]+"),
        tolerance(json!("9".repeat(33)), "may not be more than 32 bytes"),
        tolerance(json!(true), "must not validate the schema (not)"),
        tolerance(json!({}), "must not validate the schema (not)"),
        tolerance(json!([]), "must not validate the schema (not)"),
        tolerance(json!({"value": 1}), "must have at most 0 items"),
        tolerance(json!([0.1]), "must have at most 0 items"),
        ("/spec/minReplica", json!(3), "spec.minReplica", "unknown field"),
    ]
}

fn a_mistake_is_refused_with_its_path_and_mend(plane: &ControlPlane) -> Result<(), Failed> {
    let mut wrong = Vec::new();
    for (pointer, value, path, words) in mistakes() {
        let mut manifest = policy("mistake");
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        let parent = manifest.pointer_mut(parent).unwrap();
        parent[field] = value.clone();
        let output = plane.kubectl_with_input(&["create", "--dry-run=server", "-f", "-"], &manifest.to_string())?;
        match refused(output) {
            Ok(said) if said.contains(path) && said.contains(words) => {}
            Ok(said) => wrong.push(format!("{pointer} = {value}: no `{path}` with `{words}` in: {said}")),
            Err(error) => wrong.push(format!("{pointer} = {value}: {}", error.message().unwrap_or_default())),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// The documentation of HPA writes `tolerance: 0.05`, without quotes, which a field of integers and strings does not take.
fn a_tolerance_may_be_any_number(plane: &ControlPlane) -> Result<(), Failed> {
    for (index, tolerance) in
        [json!(0.05), json!("0.05"), json!("50m"), json!(0), json!(2), json!(1e-9)].iter().enumerate()
    {
        let mut manifest = policy(&format!("tolerance-{index}"));
        manifest["spec"]["behavior"] = json!({"scaleDown": {"tolerance": tolerance}});
        let kept = apply(plane, &manifest)?;
        assert_eq!(&kept["spec"]["behavior"]["scaleDown"]["tolerance"], tolerance, "{kept}");
        let policy: ScalingPolicy = serde_json::from_value(kept)?;
        assert!(flyball::api::resolve(&policy).is_ok(), "{tolerance} is accepted and not understood");
    }
    Ok(())
}

/// What Kubernetes takes for a quantity it takes without quotes as well. Both are asked, so that neither can change unseen.
fn targets_are_taken_and_refused_as_in_an_hpa(plane: &ControlPlane) -> Result<(), Failed> {
    let average = |value: Value| json!({"type": "AverageValue", "averageValue": value});
    let good = [json!(0.5), json!("0.5"), json!(12.25), json!(1e-3), json!(1e3), json!(5), json!("500m"), json!(".5")];
    let bad = [json!(0), json!(0.0), json!("0"), json!("0.0k"), json!(-0.5), json!("-1"), json!("ten"), json!(true)];
    let external = |target: Value| json!({"type": "External", "external": {"metric": {"name": "m"}, "target": target}});
    let pods = |target: Value| json!({"type": "Pods", "pods": {"metric": {"name": "m"}, "target": target}});
    let resource = |target: Value| json!({"type": "Resource", "resource": {"name": "cpu", "target": target}});
    let object = |target: Value| {
        let described = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"});
        json!({"type": "Object", "object": {"describedObject": described, "metric": {"name": "m"}, "target": target}})
    };
    let (value, both) =
        (json!({"type": "Value", "value": 0.5}), json!({"type": "Value", "value": 1, "averageValue": 0.5}));
    let percent = json!({"type": "Utilization", "averageUtilization": 70});
    let mut cases: Vec<(Value, bool)> = Vec::new();
    cases.extend(good.into_iter().map(|number| (external(average(number)), true)));
    cases.extend(bad.into_iter().map(|number| (external(average(number)), false)));
    for (metric, taken) in [
        (external(value.clone()), true),
        (external(both.clone()), false),
        (external(json!({"type": "Value"})), false),
        (pods(average(json!(0.5))), true),
        (pods(value.clone()), false),
        (resource(average(json!(0.25))), true),
        (resource(percent.clone()), true),
        (resource(value.clone()), false),
        (resource(json!({"type": "Utilization", "averageUtilization": 70, "averageValue": 1})), false),
        (object(value), true),
        (object(average(json!(0.5))), true),
        (object(percent), false),
    ] {
        cases.push((metric, taken));
    }
    let mut wrong = Vec::new();
    for (metric, taken) in cases {
        let kinds = [("autoscaling/v2", "HorizontalPodAutoscaler"), ("flyball.dev/v1alpha1", "ScalingPolicy")];
        for (api_version, kind) in kinds {
            let mut manifest = policy("number");
            (manifest["apiVersion"], manifest["kind"]) = (json!(api_version), json!(kind));
            manifest["spec"]["metrics"] = json!([metric]);
            let output = plane
                .kubectl_with_input(&["create", "--dry-run=server", "-o", "json", "-f", "-"], &manifest.to_string())?;
            if output.status.success() != taken {
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                wrong.push(format!("{kind} with {metric}: taken {}, expected {taken} {said}", !taken));
            } else if taken && kind == "ScalingPolicy" {
                let policy: ScalingPolicy = serde_json::from_slice(&output.stdout)?;
                assert!(flyball::api::resolve(&policy).is_ok(), "{metric} is accepted and not understood");
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

fn an_hpa_manifest_is_accepted_as_it_is(plane: &ControlPlane) -> Result<(), Failed> {
    let spec = json!({
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "hpa"},
        "minReplicas": 1,
        "maxReplicas": 5,
        "metrics": [
            {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}},
            {"type": "Pods", "pods": {"metric": {"name": "m"}, "target": {"type": "AverageValue", "averageValue": "1k"}}},
            {"type": "External", "external": {
                "metric": {"name": "queue", "selector": {"matchLabels": {"queue": "orders"}}},
                "target": {"type": "Value", "value": 30},
            }},
            {"type": "ContainerResource", "containerResource": {
                "name": "memory", "container": "app", "target": {"type": "AverageValue", "averageValue": "500Mi"},
            }},
            {"type": "Object", "object": {
                "describedObject": {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": "main"},
                "metric": {"name": "requests"}, "target": {"type": "Value", "value": "2k"},
            }},
        ],
        "behavior": {
            "scaleDown": {"stabilizationWindowSeconds": 300, "tolerance": 0.05, "selectPolicy": "Min",
                "policies": [{"type": "Percent", "value": 10, "periodSeconds": 60}]},
            "scaleUp": {"stabilizationWindowSeconds": 0, "policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}]},
        },
    });
    for (api_version, kind) in
        [("autoscaling/v2", "HorizontalPodAutoscaler"), ("flyball.dev/v1alpha1", "ScalingPolicy")]
    {
        let metadata = json!({"name": "hpa", "namespace": "default"});
        apply(plane, &json!({"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}))?;
    }
    Ok(())
}

fn defaults_are_filled_in_on_create(plane: &ControlPlane) -> Result<(), Failed> {
    let mut manifest = policy("defaults");
    manifest["spec"].as_object_mut().unwrap().remove("minReplicas");
    let kept = apply(plane, &manifest)?;
    let actual = [&kept["spec"]["minReplicas"], &kept["spec"]["pollingPeriodSeconds"], &kept["spec"]["mode"]];
    assert_eq!(actual, [&json!(1), &json!(15), &json!("Auto")], "{kept}");
    assert_eq!(
        kept["status"]["observedGeneration"], -1,
        "kstatus would call a policy done that nobody has seen: {kept}"
    );
    Ok(())
}

fn explain_tells_every_field(plane: &ControlPlane) -> Result<(), Failed> {
    let spec = succeed(plane.kubectl(&["explain", "scp.spec"])?)?;
    for field in ["scaleTargetRef", "minReplicas", "maxReplicas", "metrics", "behavior", "pollingPeriodSeconds", "mode"]
    {
        assert!(spec.contains(&format!("  {field}\t<")), "`kubectl explain scp.spec` lacks {field}:\n{spec}");
    }
    assert!(!spec.contains("<no description>"), "{spec}");
    let query = succeed(plane.kubectl(&["explain", "scp.spec.metrics.prometheus.query"])?)?;
    assert!(query.contains("PromQL"), "{query}");
    Ok(())
}

fn columns_read_well(plane: &ControlPlane) -> Result<(), Failed> {
    apply(plane, &policy("columns"))?;
    let condition = json!({"type": "Ready", "status": "True", "reason": "ReadyForNewScale", "message": "in control",
        "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let status = json!({"status": {"currentReplicas": 3, "desiredReplicas": 4, "metricsSummary": "130/100 (avg)",
        "observedGeneration": 1, "lastScaleTime": "2026-01-01T00:00:00Z", "conditions": [condition]}});
    let status = status.to_string();
    let patch = ["patch", "scp", "columns", "--subresource=status", "--type=merge", "-p", &status];
    succeed(plane.kubectl(&patch)?)?;
    let row = |arguments: &[&str]| -> Result<(String, String), Failed> {
        let table = succeed(plane.kubectl(arguments)?)?;
        // Columns are at least three spaces apart, words of one value only one.
        let line = |n: usize| {
            let line = table.lines().nth(n).unwrap_or_default();
            line.split("   ").map(str::trim).filter(|cell| !cell.is_empty()).collect::<Vec<_>>().join("|")
        };
        Ok((line(0), line(1)))
    };
    let (header, values) = row(&["get", "scp", "columns"])?;
    assert_eq!(header, "NAME|TARGET|METRICS|MIN|MAX|CURRENT|DESIRED|READY|AGE");
    assert!(values.starts_with("columns|columns|130/100 (avg)|2|10|3|4|True|"), "{values}");
    let (header, values) = row(&["get", "scp", "columns", "-o", "wide"])?;
    assert_eq!(header, "NAME|TARGET|METRICS|MIN|MAX|CURRENT|DESIRED|READY|AGE|REASON|MODE|LAST-SCALE|QUERY");
    assert!(values.contains("|ReadyForNewScale|Auto|"), "{values}");
    assert!(values.ends_with("|sum(rate(http_requests_total[2m]))"), "{values}");
    Ok(())
}

fn it_is_found(plane: &ControlPlane) -> Result<(), Failed> {
    apply(plane, &policy("found"))?;
    let wanted = "scalingpolicy.flyball.dev/found";
    let selector = "--field-selector=spec.scaleTargetRef.name=found";
    for arguments in [
        &["get", "scp", "-o", "name"][..],
        &["get", "autoscaling", "-o", "name"],
        &["get", "scp", selector, "-o", "name"],
    ] {
        let names = succeed(plane.kubectl(arguments)?)?;
        assert!(names.lines().any(|name| name == wanted), "{arguments:?}: {names}");
    }
    let others = succeed(plane.kubectl(&["get", "scp", selector, "-o", "name"])?)?;
    assert_eq!(others.trim(), wanted, "the field selector lets others through");
    Ok(())
}

/// Defaults that the server adds must not look like drift to GitOps tools. (The first update after a create is written even when
/// it changes nothing that can be seen, presumably the default of `status`, so the second and the third are compared.)
fn applying_again_changes_nothing(plane: &ControlPlane) -> Result<(), Failed> {
    let first = apply(plane, &policy("again"))?;
    let second = apply(plane, &policy("again"))?;
    let third = apply(plane, &policy("again"))?;
    assert_eq!(first["metadata"]["generation"], second["metadata"]["generation"]);
    assert_eq!(second["metadata"]["resourceVersion"], third["metadata"]["resourceVersion"], "{second}\n{third}");
    Ok(())
}
