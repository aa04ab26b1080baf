//! Selectors of workloads, where metrics have a value per pod: none, none that can be read, and two that select the same pods.

use std::sync::Arc;

use flyball::sandbox::kubernetes::{Asked, Failure, Fault};
use serde_json::{Value, json};

use crate::pods::{Usage, cpu, make_pods, policy_by, scene_of};
use crate::scene::{PERIOD, Scene, deployment, policy, query, with};

/// A Deployment of this name whose selector and pods have these labels.
fn selecting(name: &str, labels: &Value) -> Value {
    let deployment = with(deployment(name, 4), "/spec/selector/matchLabels", labels.clone());
    with(deployment, "/spec/template/metadata/labels", labels.clone())
}

/// A policy of this name, by cpu, for this Deployment.
fn policy_of(name: &str, workload: &str) -> Value {
    with(with(policy_by(&cpu()), "/metadata/name", name), "/spec/scaleTargetRef/name", workload)
}

async fn warnings(scene: &Scene, policy: &str) -> Vec<String> {
    let events = scene.events("ScalingPolicy", policy).await.into_iter();
    events.filter(|(kind, ..)| kind == "Warning").map(|(_, reason, _)| reason).collect()
}

#[tokio::test(start_paused = true)]
async fn without_a_selector_metrics_that_need_pods_fail_as_in_hpa_and_others_go_on() {
    let scene = Scene::new().await;
    Usage::served_in(&scene).set(4, 90);
    scene.kubernetes.create(with(deployment("web", 4), "/spec/selector", json!({}))).unwrap();
    make_pods(&scene, (0, 4), true);
    scene.apply(policy_by(&cpu()));
    scene.pass(3 * PERIOD).await;
    scene.expect("web", ("ScalingActive", "False", "InvalidSelector"));
    assert_eq!(warnings(&scene, "web").await, ["SelectorRequired"], "once");

    scene.set("web", 800.0);
    let load = policy("web").pointer("/spec/metrics/0").cloned().unwrap();
    scene.edit("web", json!({"spec": {"metrics": [cpu(), load]}})).await;
    scene.pass(PERIOD).await;
    assert_eq!(scene.replicas("web"), 8, "a query needs no pods: {}", query("web"));
    scene.expect("web", ("ScalingActive", "True", "ValidMetricFound"));
    scene.expect("web", ("Ready", "False", "MetricUnavailable"));
}

#[tokio::test(start_paused = true)]
async fn a_selector_that_cannot_be_read_is_told_from_none() {
    let scene = Scene::new().await;
    Usage::served_in(&scene).set(4, 90);
    // The scale is then read by GET, whose selector is text that anybody's controller may have written.
    scene.kubernetes.intercept(Some(Box::new(|call| {
        let watched = call.resource == "deployments" && ["list", "watch"].contains(&call.verb);
        watched.then(|| Fault::Refuse(Failure::new(403, "Forbidden", "deployments is forbidden")))
    })));
    scene.kubernetes.create(selecting("web", &json!({"app": "not a selector"}))).unwrap();
    scene.apply(policy_by(&cpu()));
    scene.pass(3 * PERIOD).await;
    let message = scene.expect("web", ("ScalingActive", "False", "InvalidSelector"));
    assert!(message.contains("\"not a selector\" is no requirement on a label"), "{message}");
    assert_eq!(warnings(&scene, "web").await, ["InvalidSelector"]);
    assert_eq!((scene.size_writes(), scene.requests("get", "metrics.k8s.io")), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn two_that_select_the_same_pods_are_warned_and_go_on() {
    let (scene, usage) = scene_of(4, 50).await;
    scene.pass(PERIOD).await;
    scene.kubernetes.create(selecting("front", &json!({"app": "web"}))).unwrap();
    scene.apply(policy_of("front", "front"));
    scene.pass(2 * PERIOD).await;
    let message = scene.expect("web", ("AmbiguousSelector", "True", "AmbiguousSelector"));
    assert_eq!(
        message,
        "pods that \"app=web\" selects are measured by ScalingPolicy \"front\" as well, so each counts the other's pods; give their workloads selectors that share no pod"
    );
    scene.expect("front", ("AmbiguousSelector", "True", "AmbiguousSelector"));
    scene.expect("web", ("ScalingActive", "True", "ValidMetricFound"));
    scene.expect("web", ("Ready", "True", "Controlled"));
    assert_eq!(warnings(&scene, "web").await, ["AmbiguousSelector"]);
    assert_eq!(warnings(&scene, "front").await, ["AmbiguousSelector"]);

    let (writes, before) = (scene.status_writes(), scene.requests_besides_watches());
    scene.pass(20 * PERIOD).await;
    assert_eq!(scene.status_writes(), writes, "told once");
    let asked = ("get".to_owned(), "metrics.k8s.io".to_owned());
    let mut after = scene.requests_besides_watches();
    after.insert(asked.clone(), before[&asked]);
    assert_eq!(after, before, "the overlap is seen without a request");

    usage.set(4, 90);
    scene.pass(PERIOD).await;
    assert_eq!((scene.replicas("web"), scene.replicas("front")), (8, 8), "HPA would have stopped both");
    scene.delete_policy("front");
    scene.pass(2 * PERIOD).await;
    scene.expect("web", ("AmbiguousSelector", "", ""));
}

#[tokio::test(start_paused = true)]
async fn selectors_that_share_no_pod_and_policies_of_one_workload_are_not_ambiguous() {
    let (scene, _usage) = scene_of(4, 50).await;
    // Another label of the same pods, which none of them has.
    scene.kubernetes.create(selecting("back", &json!({"app": "web", "tier": "back"}))).unwrap();
    scene.apply(policy_of("back", "back"));
    scene.apply(with(policy_of("try", "web"), "/spec/mode", "DryRun"));
    // A policy by a query counts no pods.
    scene.kubernetes.create(selecting("queue", &json!({"app": "web"}))).unwrap();
    scene.set("queue", 400.0);
    scene.apply(policy("queue"));
    scene.pass(4 * PERIOD).await;
    for name in ["web", "back", "try", "queue"] {
        scene.expect(name, ("AmbiguousSelector", "", ""));
    }
    scene.edit("queue", json!({"spec": {"metrics": [cpu()]}})).await;
    scene.pass(2 * PERIOD).await;
    scene.expect("queue", ("AmbiguousSelector", "True", "AmbiguousSelector"));
    scene.expect("web", ("AmbiguousSelector", "True", "AmbiguousSelector"));
    scene.edit("queue", json!({"spec": {"metrics": policy("queue")["spec"]["metrics"]}})).await;
    scene.pass(2 * PERIOD).await;
    for name in ["web", "try", "queue"] {
        scene.expect(name, ("AmbiguousSelector", "", ""));
    }
}

#[tokio::test(start_paused = true)]
async fn a_pass_that_looks_at_no_pods_leaves_the_warning_as_it_was() {
    let (scene, _usage) = scene_of(4, 50).await;
    scene.kubernetes.create(selecting("front", &json!({"app": "web"}))).unwrap();
    scene.apply(policy_of("front", "front"));
    scene.pass(3 * PERIOD).await;
    scene.expect("web", ("AmbiguousSelector", "True", "AmbiguousSelector"));
    let gone = |_: &Asked| Err(Failure::new(503, "ServiceUnavailable", "no endpoints"));
    scene.kubernetes.aggregate(("metrics.k8s.io", "v1beta1"), Some(Arc::new(gone)));
    scene.edit("web", json!({"spec": {"mode": "Paused"}})).await;
    scene.pass(3 * PERIOD).await;
    scene.expect("web", ("AmbiguousSelector", "True", "AmbiguousSelector"));
    scene.expect("front", ("AmbiguousSelector", "True", "AmbiguousSelector"));
}
