//! `flyball explain` on a real API server: with whom a policy shares its requests, planned from uids that the server gave.

use std::process::{Command, Output};
use std::sync::Arc;

use flyball::controller::schedule::phase;
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use crate::control_plane::{ControlPlane, Controllers, Options, Shared, availability, trial};
use crate::support::{apply, succeed};

/// Enough that ten slots hold some policies each.
const POLICIES: usize = 60;
const NAMESPACE: &str = "shared-requests";
const PERIOD_MILLIS: u64 = 15_000;

/// All trials of this file.
pub(crate) fn trials(shared: &Arc<Shared>) -> Vec<Trial> {
    let plane = availability(&Options { controllers: Controllers::Workloads }.programs());
    let shared = Arc::clone(shared);
    let trial = trial("explain::it_tells_who_shares_a_request", &plane, move |assets| {
        it_tells_who_shares_a_request(shared.plane_with_definitions(assets)?)
    });
    vec![trial]
}

fn explain(plane: &ControlPlane, arguments: &[&str]) -> std::io::Result<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flyball"));
    command.arg("explain").args(arguments).env("KUBECONFIG", plane.kubeconfig()).output()
}

fn policy(name: &str) -> Value {
    let metric = |metric: &str, query: String| {
        let target = json!({"type": "AverageValue", "averageValue": "100"});
        json!({"type": "Prometheus", "name": metric, "prometheus": {"query": query, "target": target}})
    };
    let metrics = [
        metric("load", format!("sum by (app) (rate(explained_requests_total{{app=\"{name}\"}}[2m]))")),
        metric("depth", "sum(explained_queue_depth)".to_owned()),
        metric(
            "renamed",
            format!("label_replace(explained_load{{app=\"{name}\"}}, \"to\", \"$1\", \"app\", \"(.*)\")"),
        ),
    ];
    json!({
        "apiVersion": "flyball.dev/v1alpha1",
        "kind": "ScalingPolicy",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "maxReplicas": 10,
            "metrics": metrics,
        },
    })
}

fn it_tells_who_shares_a_request(plane: &ControlPlane) -> Result<(), Failed> {
    apply(plane, &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}))?;
    let items: Vec<Value> = (0..POLICIES).map(|app| policy(&format!("app-{app:02}"))).collect();
    let applied = apply(plane, &json!({"apiVersion": "v1", "kind": "List", "items": items}))?;
    let policies: Vec<(String, u64)> = applied["items"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|policy| {
            let text = |field: &str| policy["metadata"][field].as_str().unwrap_or_default().to_owned();
            (text("name"), phase(&text("uid"), PERIOD_MILLIS))
        })
        .collect();
    assert_eq!(policies.len(), POLICIES);
    let slot_of = |slot: u64| policies.iter().filter(move |(_, phase)| *phase == slot).map(|(name, _)| name.as_str());
    // The fullest slot, so that there is something to tell.
    let slot = policies.iter().map(|(_, slot)| *slot).max_by_key(|slot| slot_of(*slot).count()).unwrap_or_default();
    let mut slot_names = slot_of(slot);
    let own = slot_names.next().unwrap_or_default();
    let company: Vec<String> = slot_names.map(|name| format!("{NAMESPACE}/{name}")).collect();
    assert!(company.len() >= 3, "{company:?}");

    let status = json!({"status": {"lastDecision": {
        "time": "2026-03-01T14:02:10Z", "direction": "None", "message": "stays 3",
        "currentReplicas": 3, "minReplicas": 1, "maxReplicas": 10, "recommendedReplicas": 3, "stabilizedReplicas": 3,
        "desiredReplicas": 3, "metricName": "load",
        "proposals": [{"name": "load", "targetType": "AverageValue", "target": "100", "value": "287", "replicas": 3}],
    }}});
    let patch =
        ["patch", "scp", own, "-n", NAMESPACE, "--subresource=status", "--type=merge", "-p", &status.to_string()];
    succeed(plane.kubectl(&patch)?)?;

    let text = succeed(explain(plane, &[&format!("scp/{own}"), "-n", NAMESPACE])?)?;
    println!("{text}");
    let said = text.replace("\n    ", " ");
    let (first, second, more) = (&company[0], &company[1], company.len() - 2);
    let rest = format!("{first}, {second} and {more} more");
    let shape = r#"sum by (app) (rate(explained_requests_total{app="?"}[2m]))"#;
    for line in [
        format!("  load: asked together with {} others of the shape {shape}: {rest}\n", company.len()),
        format!(
            "  depth: the same query as {rest}; shared with no other: no label is demanded, with = and the same value, by every selector\n"
        ),
        "  renamed: asked alone: the function label_replace() is not known to yield the same in a shared request\n"
            .into(),
    ] {
        assert!(said.contains(&line), "no {line:?} in\n{text}");
    }

    let json = succeed(explain(plane, &[own, "-n", NAMESPACE, "-o", "json"])?)?;
    let told: Value = serde_json::from_str(&json)?;
    assert_eq!(told.pointer("/sharedRequests/metrics/0/sameRequest/total"), Some(&json!(company.len())), "{json}");
    assert_eq!(told.pointer("/sharedRequests/metrics/1/sameQuery/policies/0"), Some(&json!(first)), "{json}");
    assert_eq!(told.pointer("/sharedRequests/remark"), None, "{json}");
    Ok(())
}
