//! A workload that somebody else drives: nobody fights, everybody is told, and the way is taken when it is free.

use flyball::sandbox::kubernetes::{Failure, Fault};
use serde_json::{Value, json};

use crate::scene::{NAMESPACE, PERIOD, Scene, policy, query, with};

fn autoscaler(name: &str, target: &str) -> Value {
    json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target}, "maxReplicas": 5},
    })
}

/// A policy of another name for the Deployment `web`.
fn second(name: &str) -> Value {
    let policy = with(policy("web"), "/metadata/name", name);
    with(policy, "/spec/metrics/0/prometheus/query", query("web"))
}

#[tokio::test(start_paused = true)]
async fn beside_a_horizontal_pod_autoscaler_a_policy_holds_and_says_so() {
    let scene = Scene::new().await;
    scene.kubernetes.create(autoscaler("web-hpa", "web")).unwrap();
    scene.deploy("web", 2);
    scene.set("web", 800.0);
    scene.apply(policy("web"));
    scene.add("neighbour", 3);
    scene.pass(4 * PERIOD).await;
    assert_eq!((scene.replicas("web"), scene.size_writes()), (2, 0));
    let message = scene.expect("web", ("Stalled", "True", "ConflictingAutoscaler"));
    assert_eq!(
        message,
        "Deployment \"web\" is driven by HorizontalPodAutoscaler \"web-hpa\" already; delete that, or set mode: DryRun to see what this policy would do"
    );
    scene.expect("web", ("Ready", "False", "ConflictingAutoscaler"));
    let events = scene.events("ScalingPolicy", "web").await;
    assert_eq!(events, [("Warning".into(), "ConflictingAutoscaler".into(), message)], "once");
    scene.expect("neighbour", ("Ready", "True", "Controlled"));

    scene.kubernetes.delete(&autoscaler("web-hpa", "web")).unwrap();
    scene.pass(PERIOD).await;
    assert_eq!(scene.replicas("web"), 4, "the way is free");
    scene.pass(PERIOD).await;
    scene.expect("web", ("Stalled", "", ""));
    scene.expect("web", ("Ready", "True", "Controlled"));
}

#[tokio::test(start_paused = true)]
async fn an_autoscaler_that_comes_later_is_yielded_to() {
    let scene = Scene::new().await;
    scene.add("web", 4);
    scene.pass(2 * PERIOD).await;
    scene.expect("web", ("Ready", "True", "Controlled"));
    scene.kubernetes.create(autoscaler("web", "web")).unwrap();
    scene.set("web", 2_000.0);
    scene.pass(3 * PERIOD).await;
    assert_eq!((scene.replicas("web"), scene.size_writes()), (4, 0));
    scene.expect("web", ("Stalled", "True", "ConflictingAutoscaler"));
}

#[tokio::test(start_paused = true)]
async fn keda_is_named_by_its_own_object() {
    let scene = Scene::new().await;
    let owner = json!([{"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "orders", "uid": "1"}]);
    scene.kubernetes.create(with(autoscaler("keda-hpa-orders", "web"), "/metadata/ownerReferences", owner)).unwrap();
    scene.add("web", 2);
    scene.pass(PERIOD).await;
    let message = scene.expect("web", ("Stalled", "True", "ConflictingAutoscaler"));
    assert!(
        message.contains("ScaledObject \"orders\" through HorizontalPodAutoscaler \"keda-hpa-orders\""),
        "{message}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_beside_an_autoscaler_is_welcome() {
    let scene = Scene::new().await;
    scene.kubernetes.create(autoscaler("web", "web")).unwrap();
    scene.deploy("web", 2);
    scene.set("web", 800.0);
    scene.apply(with(policy("web"), "/spec/mode", "DryRun"));
    scene.pass(2 * PERIOD).await;
    scene.expect("web", ("Ready", "True", "DryRun"));
    assert_eq!(scene.status("web")["desiredReplicas"], 4);
    assert_eq!((scene.replicas("web"), scene.size_writes()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn of_two_policies_the_elder_drives_and_the_younger_follows_when_it_goes() {
    let scene = Scene::new().await;
    scene.add("web", 2);
    scene.pass(2 * PERIOD).await;
    scene.apply(second("an-early-name"));
    scene.set("web", 400.0);
    scene.pass(2 * PERIOD).await;
    assert_eq!(scene.replicas("web"), 4);
    assert_eq!(scene.size_writes(), 1, "one writer");
    let message = scene.expect("an-early-name", ("Stalled", "True", "ConflictingAutoscaler"));
    assert!(message.contains("the older ScalingPolicy \"web\""), "{message}");
    scene.expect("web", ("Ready", "True", "Controlled"));

    scene.delete_policy("web");
    scene.set("web", 800.0);
    scene.pass(2 * PERIOD).await;
    assert_eq!(scene.replicas("web"), 8);
    scene.expect("an-early-name", ("Ready", "True", "Controlled"));
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_the_elder_still_drives() {
    let mut scene = Scene::new().await;
    scene.add("web", 2);
    scene.pass(2 * PERIOD).await;
    scene.apply(second("an-early-name"));
    scene.pass(2 * PERIOD).await;
    scene.stop().await;
    scene.set("web", 400.0);
    scene.start(16);
    scene.pass(PERIOD).await;
    scene.expect("web", ("Ready", "True", "Controlled"));
    scene.expect("an-early-name", ("Stalled", "True", "ConflictingAutoscaler"));
    assert_eq!((scene.replicas("web"), scene.size_writes()), (4, 1));
}

/// Seconds until an open watch has ended by itself, has not come again, and is no longer believed.
const LOST_AFTER: u64 = 7 * 60;

/// From now on the autoscalers can neither be listed nor watched, and a request for one ends like this.
async fn lose_the_watch(scene: &Scene, get: Option<Failure>) {
    scene.kubernetes.intercept(Some(Box::new(move |call| {
        let refused = || Failure::new(403, "Forbidden", "horizontalpodautoscalers.autoscaling is forbidden");
        match (call.resource.as_str(), call.verb) {
            ("horizontalpodautoscalers", "list" | "watch") => Some(Fault::Refuse(refused())),
            ("horizontalpodautoscalers", "get") => get.clone().map(Fault::Refuse),
            _ => None,
        }
    })));
    scene.kubernetes.compact();
    scene.pass(2).await;
    // The history ends once more, so that the open watch cannot bring the change.
    scene.kubernetes.compact();
}

/// A policy that yields to an autoscaler, with a load that would have it grow to 8.
async fn yielding() -> Scene {
    let scene = Scene::new().await;
    scene.kubernetes.create(autoscaler("web-hpa", "web")).unwrap();
    scene.deploy("web", 4);
    scene.set("web", 800.0);
    scene.apply(policy("web"));
    scene.pass(2 * PERIOD).await;
    scene.expect("web", ("Stalled", "True", "ConflictingAutoscaler"));
    scene
}

#[tokio::test(start_paused = true)]
async fn an_autoscaler_that_went_while_the_watch_was_away_stands_in_nobodys_way() {
    let scene = yielding().await;
    lose_the_watch(&scene, None).await;
    scene.pass(LOST_AFTER).await;
    assert_eq!(scene.replicas("web"), 4, "the watch is gone, and the autoscaler is not");
    scene.expect("web", ("Stalled", "True", "ConflictingAutoscaler"));
    assert!(scene.requests("get", "horizontalpodautoscalers") > 0, "after a minute it is asked for by name");
    scene.kubernetes.delete(&autoscaler("web-hpa", "web")).unwrap();
    scene.pass(2 * PERIOD).await;
    assert_eq!(scene.replicas("web"), 8);
    scene.expect("web", ("Stalled", "", ""));
}

#[tokio::test(start_paused = true)]
async fn an_autoscaler_that_nobody_may_see_any_more_is_believed_for_a_minute() {
    let scene = yielding().await;
    let forbidden = Failure::new(403, "Forbidden", "horizontalpodautoscalers.autoscaling is forbidden");
    lose_the_watch(&scene, Some(forbidden)).await;
    scene.pass(2 * PERIOD).await;
    assert_eq!(scene.replicas("web"), 4);
    scene.pass(LOST_AFTER).await;
    assert_eq!(scene.replicas("web"), 8, "what cannot be seen must not keep a workload from growing");
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_does_not_answer_lets_nobody_fight() {
    let scene = yielding().await;
    lose_the_watch(&scene, Some(Failure::new(503, "ServiceUnavailable", "no endpoints"))).await;
    scene.pass(LOST_AFTER).await;
    assert!(scene.requests("get", "horizontalpodautoscalers") > 0);
    assert_eq!((scene.replicas("web"), scene.size_writes()), (4, 0));
    scene.kubernetes.intercept(None);
    scene.kubernetes.delete(&autoscaler("web-hpa", "web")).unwrap();
    scene.pass(10 * PERIOD).await;
    assert_eq!(scene.replicas("web"), 8);
}
