//! Starting, stopping, starting again, and an API server that comes and goes.

use std::time::Duration;

use flyball::sandbox::kubernetes::{Failure, Fault};
use serde_json::json;

use crate::scene::{NAMESPACE, PERIOD, Scene, policy, query, with};

#[tokio::test(start_paused = true)]
async fn a_restart_writes_no_unchanged_status_and_lowers_nothing_before_a_full_window() {
    let mut scene = Scene::new().await;
    scene.add("web", 6);
    scene.pass(10 * PERIOD).await;
    scene.stop().await;
    let before = (scene.status_writes(), scene.size_writes());
    scene.start(16);
    scene.pass(4 * PERIOD).await;
    assert_eq!((scene.status_writes(), scene.size_writes()), before, "the same is not written again");
    assert_eq!(scene.gauge("flyball_replicas_desired{namespace=\"shop\",name=\"web\"}"), Some(6.0));
    scene.stop().await;
    scene.set("web", 100.0);
    scene.start(16);
    scene.pass(290).await;
    assert_eq!(scene.replicas("web"), 6, "what came before the restart is unknown, so nothing shrinks");
    scene.pass(2 * PERIOD).await;
    assert_eq!(scene.replicas("web"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_restart_after_a_change_of_size_keeps_its_time() {
    let mut scene = Scene::new().await;
    scene.add("web", 2);
    scene.set("web", 400.0);
    scene.pass(2 * PERIOD).await;
    let at = scene.status("web")["lastScaleTime"].clone();
    assert!(at.is_string());
    scene.stop().await;
    scene.start(16);
    scene.pass(2 * PERIOD).await;
    assert_eq!(scene.status("web")["lastScaleTime"], at);
    assert!(scene.gauge("flyball_last_scale_timestamp_seconds{namespace=\"shop\",name=\"web\"}").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_restart_forgets_no_budget() {
    let mut scene = Scene::new().await;
    scene.deploy("web", 2);
    scene.set("web", 2_000.0);
    let rates = json!({"scaleUp": {"policies": [{"type": "Pods", "value": 3, "periodSeconds": 600}]}});
    scene.apply(with(policy("web"), "/spec/behavior", rates));
    scene.pass(2 * PERIOD).await;
    assert_eq!(scene.replicas("web"), 5);
    assert_eq!(scene.status("web")["recentRescales"][0]["change"], 3);
    for _ in 0..3 {
        scene.stop().await;
        scene.start(16);
        scene.pass(2 * PERIOD).await;
        assert_eq!(scene.replicas("web"), 5, "three pods in ten minutes, whoever counts");
    }
    scene.expect("web", ("ScalingLimited", "True", "ScaleUpLimit"));
    scene.pass(600).await;
    assert_eq!(scene.replicas("web"), 8, "and no longer than that");
}

#[tokio::test(start_paused = true)]
async fn ready_only_after_the_first_list_and_no_longer_while_stopping() {
    let mut scene = Scene::without_controller();
    scene.refuse(("list", "scalingpolicies"), Failure::new(500, "InternalError", "etcdserver: no leader"), 3);
    scene.add("web", 2);
    scene.set("web", 400.0);
    scene.start(16);
    let health = scene.health.clone();
    assert!(!health.is_ready());
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!health.is_ready(), "no list has come through");
    scene.pass(60).await;
    assert!(health.is_ready());
    assert_eq!(scene.replicas("web"), 4, "it goes on once the list comes through");
    scene.stop().await;
    assert!(!health.is_ready());
}

#[tokio::test(start_paused = true)]
async fn an_api_server_without_the_crd_is_waited_for() {
    let mut scene = Scene::without_controller();
    scene.refuse(("list", "scalingpolicies"), Failure::no_resource(), 2);
    scene.add("web", 2);
    scene.set("web", 300.0);
    scene.start(16);
    scene.pass(60).await;
    assert_eq!(scene.replicas("web"), 3);
}

#[tokio::test(start_paused = true)]
async fn watches_that_break_or_expire_are_taken_up_again() {
    let scene = Scene::new().await;
    scene.add("web", 2);
    scene.pass(2 * PERIOD).await;
    // All watches expire; meanwhile lists fail and connections break.
    let mut left = 8;
    scene.kubernetes.intercept(Some(Box::new(move |call| {
        if !["list", "watch"].contains(&call.verb) || left == 0 {
            return None;
        }
        left -= 1;
        Some(if left % 2 == 0 {
            Fault::Disconnect
        } else {
            Fault::Refuse(Failure::new(503, "ServiceUnavailable", "apiserver is shutting down"))
        })
    })));
    scene.resize("web", 3).await;
    scene.kubernetes.compact();
    scene.add("late", 2);
    scene.set("web", 500.0);
    scene.set("late", 700.0);
    scene.pass(3 * 60).await;
    assert_eq!((scene.replicas("web"), scene.replicas("late")), (5, 7), "both are followed again");
    scene.delete_policy("late");
    scene.pass(PERIOD).await;
    let asked = scene.probe.asked(&query("late")).len();
    scene.pass(2 * PERIOD).await;
    assert_eq!(scene.probe.asked(&query("late")).len(), asked, "deletions are seen again");
}

#[tokio::test(start_paused = true)]
async fn a_policy_deleted_while_the_watch_was_away_is_forgotten() {
    let scene = Scene::new().await;
    scene.add("web", 2);
    scene.pass(PERIOD).await;
    scene.refuse(("list", "scalingpolicies"), Failure::new(503, "ServiceUnavailable", "no"), 3);
    // The history ends, so the watch has to list again; by then the policy is gone.
    scene.kubernetes.delete(&policy("web")).unwrap();
    scene.kubernetes.compact();
    scene.pass(60).await;
    assert_eq!(scene.gauge("flyball_policies"), Some(0.0));
    let asked = scene.probe.asked(&query("web")).len();
    scene.pass(2 * PERIOD).await;
    assert_eq!(scene.probe.asked(&query("web")).len(), asked);
}

#[tokio::test(start_paused = true)]
async fn a_stop_lets_running_passes_end_with_their_writes_and_events() {
    let mut scene = Scene::new().await;
    scene.add("web", 2);
    scene.pass(PERIOD).await;
    scene.probe.set_delay(Duration::from_secs(3));
    scene.set("web", 400.0);
    let asked = scene.probe.asked(&query("web")).len();
    while scene.probe.asked(&query("web")).len() == asked {
        scene.pass(1).await;
    }
    scene.stop().await;
    assert_eq!(scene.replicas("web"), 4, "the decision on its way was carried out");
    assert_eq!(scene.status("web")["desiredReplicas"], 4);
    assert_eq!(scene.events("ScalingPolicy", "web").await.len(), 1, "and told");
    let queries = scene.prometheus.queries();
    scene.pass(2 * PERIOD).await;
    assert_eq!(scene.prometheus.queries(), queries, "nothing runs on");
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_ever() {
    let mut scene = Scene::new().await;
    scene.add("web", 2);
    scene.probe.set_delay(Duration::from_secs(3600));
    scene.pass(1).await;
    let begun = tokio::time::Instant::now();
    scene.stop().await;
    assert!(begun.elapsed() <= Duration::from_secs(15), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn one_namespace_is_watched_where_only_one_may_be() {
    let mut scene = Scene::without_controller();
    scene.add("web", 2);
    scene.start_in(Some(NAMESPACE));
    scene.set("web", 400.0);
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let record = seen.clone();
    scene.kubernetes.intercept(Some(Box::new(move |call| {
        record.lock().unwrap().push((call.resource.clone(), call.namespace.clone()));
        None
    })));
    scene.pass(2 * PERIOD).await;
    assert_eq!(scene.replicas("web"), 4);
    let seen = seen.lock().unwrap();
    let outside: Vec<_> = seen.iter().filter(|(_, namespace)| namespace.as_deref() != Some(NAMESPACE)).collect();
    assert!(outside.is_empty(), "a Role in one namespace must suffice: {outside:?}");
}

/// A watch that is gone for good leaves no old size standing: after a minute the API server is asked instead.
#[tokio::test(start_paused = true)]
async fn a_watch_of_workloads_that_is_gone_for_good_is_not_believed() {
    let scene = Scene::new().await;
    scene.add("web", 4);
    scene.pass(2 * PERIOD).await;
    scene.kubernetes.intercept(Some(Box::new(|call| {
        let watched = call.resource == "deployments" && ["list", "watch"].contains(&call.verb);
        watched.then(|| Fault::Refuse(Failure::new(403, "Forbidden", "deployments.apps is forbidden")))
    })));
    scene.kubernetes.compact();
    scene.resize("web", 2).await;
    // The history ends once more, so that the open watch cannot bring the change.
    scene.kubernetes.compact();
    scene.pass(6 * 60).await;
    assert_eq!(scene.replicas("web"), 4, "the human's 2 is seen, and too few");
    assert_eq!(scene.status("web")["currentReplicas"], 4);
}

#[tokio::test(start_paused = true)]
async fn the_first_answer_after_a_long_outage_lowers_nothing_before_a_full_window() {
    let scene = Scene::new().await;
    scene.add("web", 6);
    scene.pass(2 * PERIOD).await;
    scene.prometheus.set_fault(flyball::sandbox::prometheus::Fault::Off);
    scene.pass(20 * 60).await;
    scene.set("web", 100.0);
    scene.prometheus.set_fault(flyball::sandbox::prometheus::Fault::None);
    scene.pass(4 * 60).await;
    scene.expect("web", ("ScalingActive", "True", "ValidMetricFound"));
    assert_eq!(scene.replicas("web"), 6, "nobody knows what was needed during the outage");
    scene.expect("web", ("AbleToScale", "True", "ScaleDownStabilized"));
    scene.pass(3 * 60).await;
    assert_eq!(scene.replicas("web"), 1);
}
