//! Modes, annotations, edits, deletion: what is asked, written and remembered.

use serde_json::json;

use crate::scene::{PERIOD, Scene, policy, query, with};

#[tokio::test(start_paused = true)]
async fn a_dry_run_publishes_and_writes_nothing() {
    let scene = Scene::new().await;
    scene.deploy("web", 2);
    scene.set("web", 800.0);
    scene.apply(with(policy("web"), "/spec/mode", "DryRun"));
    scene.pass(4 * PERIOD).await;
    assert_eq!((scene.replicas("web"), scene.size_writes()), (2, 0));
    let status = scene.status("web");
    assert_eq!((&status["currentReplicas"], &status["desiredReplicas"]), (&json!(2), &json!(4)));
    let message = status["lastDecision"]["message"].as_str().unwrap();
    assert!(message.starts_with("2 → 4: ") && message.ends_with("dry run: nothing is written"), "{message}");
    scene.expect("web", ("Ready", "True", "DryRun"));
    scene.expect("web", ("DryRun", "True", "DryRun"));
    assert!(scene.events("ScalingPolicy", "web").await.is_empty());
    assert_eq!(scene.gauge("flyball_dry_run{namespace=\"shop\",name=\"web\"}"), Some(1.0));
    scene.edit("web", json!({"spec": {"mode": "Auto"}})).await;
    scene.pass(1).await;
    assert_eq!((scene.replicas("web"), scene.size_writes()), (4, 1), "an edit is decided on at once");
    scene.pass(PERIOD).await;
    scene.expect("web", ("DryRun", "", ""));
}

#[tokio::test(start_paused = true)]
async fn a_paused_policy_asks_nothing_and_resumes_with_a_fresh_window() {
    let scene = Scene::new().await;
    scene.add("web", 6);
    scene.pass(2 * PERIOD).await;
    scene.edit("web", json!({"spec": {"mode": "Paused"}})).await;
    scene.pass(PERIOD).await;
    let before = (scene.prometheus.queries(), scene.requests_besides_watches());
    scene.set("web", 100.0);
    scene.pass(20 * 60).await;
    assert_eq!((scene.prometheus.queries(), scene.requests_besides_watches()), before);
    scene.expect("web", ("Paused", "True", "Paused"));
    scene.expect("web", ("Ready", "True", "Paused"));
    scene.expect("web", ("ScalingActive", "False", "Paused"));
    assert!(scene.events("ScalingPolicy", "web").await.is_empty(), "a pause is no fault");
    assert_eq!(scene.gauge("flyball_paused{namespace=\"shop\",name=\"web\"}"), Some(1.0));
    scene.edit("web", json!({"spec": {"mode": "Auto"}})).await;
    scene.pass(290).await;
    assert_eq!(scene.replicas("web"), 6, "the window begins with the end of the pause");
    scene.expect("web", ("Paused", "", ""));
    scene.expect("web", ("AbleToScale", "True", "ScaleDownStabilized"));
    scene.pass(2 * PERIOD).await;
    assert_eq!(scene.replicas("web"), 1);
}

#[tokio::test(start_paused = true)]
async fn annotations_pause_at_once_and_at_a_size() {
    let scene = Scene::new().await;
    scene.add("web", 4);
    scene.pass(2 * PERIOD).await;
    scene.edit("web", json!({"metadata": {"annotations": {"flyball.dev/paused": "true"}}})).await;
    scene.pass(1).await;
    let message = scene.expect("web", ("Paused", "True", "Paused"));
    assert_eq!(message, "the policy is paused, and the size left as it is");
    scene.edit("web", json!({"metadata": {"annotations": {"flyball.dev/paused-replicas": "9"}}})).await;
    scene.pass(1).await;
    assert_eq!((scene.replicas("web"), scene.size_writes()), (9, 1));
    let message = scene.expect("web", ("Paused", "True", "Paused"));
    assert_eq!(message, "the policy is paused at 9 replicas");
    let events = scene.events("ScalingPolicy", "web").await;
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0].2, "New size: 9; reason: Paused at 9 replicas. 4 → 9: paused at 9");
    scene.resize("web", 3).await;
    scene.pass(PERIOD).await;
    assert_eq!(scene.replicas("web"), 9, "paused-replicas holds its size");
    let change = json!({"flyball.dev/paused": null, "flyball.dev/paused-replicas": null});
    scene.edit("web", json!({"metadata": {"annotations": change}})).await;
    scene.pass(1).await;
    scene.expect("web", ("Paused", "", ""));
    assert_eq!(scene.replicas("web"), 9, "a fresh window");
}

#[tokio::test(start_paused = true)]
async fn a_deleted_policys_series_vanish_and_replicas_stay() {
    let scene = Scene::new().await;
    scene.add("web", 4);
    scene.add("other", 2);
    scene.pass(PERIOD).await;
    assert!(scene.metrics.render().unwrap().contains("name=\"web\""));
    scene.delete_policy("web");
    let asked = scene.probe.asked(&query("web")).len();
    scene.set("web", 2000.0);
    scene.pass(10 * PERIOD).await;
    let text = scene.metrics.render().unwrap();
    assert!(!text.contains("name=\"web\"") && text.contains("name=\"other\""), "{text}");
    assert_eq!(scene.gauge("flyball_policies"), Some(1.0));
    assert_eq!((scene.replicas("web"), scene.probe.asked(&query("web")).len()), (4, asked));
}

/// The pass that was running when the policy was deleted neither writes nor brings its series back.
#[tokio::test(start_paused = true)]
async fn a_policy_deleted_during_its_pass_stays_deleted() {
    let scene = Scene::new().await;
    scene.add("web", 4);
    scene.pass(PERIOD).await;
    scene.probe.set_delay(std::time::Duration::from_secs(4));
    scene.set("web", 800.0);
    let asked = scene.probe.asked(&query("web")).len();
    while scene.probe.asked(&query("web")).len() == asked {
        scene.pass(1).await;
    }
    scene.delete_policy("web");
    scene.pass(PERIOD).await;
    assert_eq!((scene.replicas("web"), scene.size_writes()), (4, 0));
    assert!(!scene.metrics.render().unwrap().contains("name=\"web\""));
}

/// Whoever pauses a policy while its pass waits for Prometheus has paused it.
#[tokio::test(start_paused = true)]
async fn an_edit_during_a_pass_supersedes_it() {
    let scene = Scene::new().await;
    scene.add("web", 4);
    scene.pass(PERIOD).await;
    scene.probe.set_delay(std::time::Duration::from_secs(4));
    scene.set("web", 800.0);
    let asked = scene.probe.asked(&query("web")).len();
    while scene.probe.asked(&query("web")).len() == asked {
        scene.pass(1).await;
    }
    scene.edit("web", json!({"spec": {"mode": "Paused"}})).await;
    scene.pass(5).await;
    assert_eq!((scene.replicas("web"), scene.size_writes()), (4, 0));
    scene.expect("web", ("Paused", "True", "Paused"));
}

#[tokio::test(start_paused = true)]
async fn a_policy_created_again_remembers_nothing() {
    let scene = Scene::new().await;
    scene.add("web", 6);
    scene.pass(PERIOD).await;
    scene.set("web", 100.0);
    scene.pass(280).await;
    scene.delete_policy("web");
    scene.apply(policy("web"));
    scene.pass(270).await;
    assert_eq!(scene.replicas("web"), 6, "the old policy's window is not the new one's");
    scene.pass(60).await;
    assert_eq!(scene.replicas("web"), 1);
}

#[tokio::test(start_paused = true)]
async fn own_status_and_foreign_metadata_cause_no_pass() {
    let scene = Scene::new().await;
    scene.add("web", 2);
    scene.pass(2 * PERIOD).await;
    let asked = || scene.probe.asked(&query("web")).len();
    let before = asked();
    scene.set("web", 400.0);
    scene.edit("web", json!({"metadata": {"labels": {"team": "shop"}, "annotations": {"note": "hello"}}})).await;
    scene.pass(4 * PERIOD).await;
    assert_eq!(scene.replicas("web"), 4);
    assert!(scene.status_writes() >= 3);
    assert_eq!(asked() - before, 4, "one pass a period, whatever was written");
}

#[tokio::test(start_paused = true)]
async fn bounds_are_kept_whoever_breaks_them() {
    let scene = Scene::new().await;
    scene.deploy("web", 30);
    scene.set("web", 2000.0);
    scene.apply(policy("web"));
    scene.pass(1).await;
    assert_eq!(scene.replicas("web"), 20);
    let events = scene.events("ScalingPolicy", "web").await;
    let note = "New size: 20; reason: Current number of replicas above Spec.MaxReplicas. 30 → 20: the size was above maxReplicas 20";
    assert_eq!(events, [("Normal".into(), "SuccessfulRescale".into(), note.into())]);
    scene.edit("web", json!({"spec": {"minReplicas": 20, "maxReplicas": 25}})).await;
    scene.resize("web", 3).await;
    scene.pass(PERIOD).await;
    assert_eq!(scene.replicas("web"), 20);
}
