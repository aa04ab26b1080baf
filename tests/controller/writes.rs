//! Writes that meet somebody else's, get lost or are refused: nobody's change is overwritten unseen, and no step is taken twice.

use flyball::sandbox::kubernetes::{Failure, Kind};
use serde_json::json;

use crate::scene::{PERIOD, Scene, at_once_both_ways, policy, resize, with};
use crate::wire::{Deed, is_write_of_scale};

fn conflict() -> Failure {
    Failure::conflict(Kind::of("apps/v1", "Deployment").unwrap(), "web")
}

/// A policy over 2 replicas that may add 2 a minute.
async fn slow_to_grow() -> Scene {
    let scene = Scene::new().await;
    scene.deploy("web", 2);
    scene.set("web", 200.0);
    let up = json!({"scaleUp": {"policies": [{"type": "Pods", "value": 2, "periodSeconds": 60}]}});
    scene.apply(with(policy("web"), "/spec/behavior", up));
    scene.pass(2 * PERIOD).await;
    scene
}

#[tokio::test(start_paused = true)]
async fn a_human_between_look_and_write_is_seen_and_decided_from() {
    let scene = slow_to_grow().await;
    let kubernetes = scene.kubernetes.clone();
    scene.wire.at_next_write(Deed::First(Box::pin(async move { resize(&kubernetes, "web", 7).await })));
    scene.set("web", 1000.0);
    scene.pass(PERIOD).await;
    assert_eq!(scene.size_writes(), 2, "one met the human's, one was decided anew");
    assert_eq!(scene.replicas("web"), 9, "two more than the human's 7, not two more than 2");
    let decision = &scene.status("web")["lastDecision"];
    assert_eq!((&decision["currentReplicas"], &decision["desiredReplicas"]), (&json!(7), &json!(9)));
    let events = scene.events("ScalingPolicy", "web").await;
    assert_eq!(events.len(), 1, "the write that failed is told to nobody: {events:?}");
    assert!(events[0].2.contains("7 → 9"), "{events:?}");
    assert_eq!(scene.prometheus.queries(), 4, "the metrics were asked once for both");
}

#[tokio::test(start_paused = true)]
async fn a_humans_size_that_suits_the_metric_stays() {
    let scene = slow_to_grow().await;
    let kubernetes = scene.kubernetes.clone();
    scene.wire.at_next_write(Deed::First(Box::pin(async move { resize(&kubernetes, "web", 10).await })));
    scene.set("web", 1000.0);
    scene.pass(PERIOD).await;
    assert_eq!((scene.replicas("web"), scene.size_writes()), (10, 1));
    scene.expect("web", ("AbleToScale", "True", "ReadyForNewScale"));
}

#[tokio::test(start_paused = true)]
async fn a_human_who_switches_off_at_that_moment_stays_switched_off() {
    let scene = slow_to_grow().await;
    let kubernetes = scene.kubernetes.clone();
    scene.wire.at_next_write(Deed::First(Box::pin(async move { resize(&kubernetes, "web", 0).await })));
    scene.set("web", 1000.0);
    scene.pass(5 * PERIOD).await;
    assert_eq!((scene.replicas("web"), scene.size_writes()), (0, 1));
    scene.expect("web", ("ScalingActive", "False", "ScalingDisabled"));
    scene.expect("web", ("Ready", "True", "ScalingDisabled"));
    assert!(scene.events("ScalingPolicy", "web").await.is_empty(), "switching off is no fault");
}

#[tokio::test(start_paused = true)]
async fn two_conflicts_are_told_and_the_next_period_is_fine() {
    let scene = slow_to_grow().await;
    scene.refuse(("update", "deployments/scale"), conflict(), 2);
    scene.set("web", 400.0);
    scene.pass(PERIOD).await;
    assert_eq!((scene.replicas("web"), scene.size_writes()), (2, 2), "no third try within a pass");
    let message = scene.expect("web", ("AbleToScale", "False", "FailedUpdateScale"));
    assert!(message.contains("changed by somebody else"), "{message}");
    scene.expect("web", ("Ready", "False", "FailedUpdateScale"));
    scene.pass(PERIOD).await;
    assert_eq!((scene.replicas("web"), scene.size_writes()), (4, 3));
    scene.pass(PERIOD).await;
    scene.expect("web", ("Ready", "True", "Controlled"));
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_is_lost_counts_against_the_rate() {
    let scene = slow_to_grow().await;
    scene.wire.at_next_write(Deed::LoseAnswer);
    scene.set("web", 1000.0);
    scene.pass(PERIOD).await;
    assert_eq!(scene.replicas("web"), 4, "it was carried out");
    let message = scene.expect("web", ("AbleToScale", "False", "FailedUpdateScale"));
    assert!(message.contains("connection reset by peer"), "{message}");
    scene.pass(2 * PERIOD).await;
    assert_eq!((scene.replicas("web"), scene.size_writes()), (4, 1), "no second step within its minute");
    scene.expect("web", ("ScalingLimited", "True", "ScaleUpLimit"));
    scene.expect("web", ("Ready", "True", "Controlled"));
    assert!(scene.status("web")["lastScaleTime"].is_string(), "the size was changed, and it says when");
    scene.pass(3 * PERIOD).await;
    assert_eq!(scene.replicas("web"), 6, "the next step comes when its time has come");
}

/// The watch lags behind the write whose answer was lost: the old size is still believed, and the write from it meets a conflict.
#[tokio::test(start_paused = true)]
async fn a_lost_write_counts_even_where_the_watch_lags_behind() {
    let scene = slow_to_grow().await;
    let (clock, kubernetes) = (tokio::time::Instant::now(), scene.kubernetes.clone());
    let mut writes = 0;
    // The write of the first pass arrives when the second pass is about to write: after the second has looked.
    scene.wire.tamper(move |parts| {
        if !is_write_of_scale(parts) {
            return None;
        }
        writes += 1;
        match writes {
            1 => {
                // Held up on its way: neither answered nor carried out for now.
                Some(Deed::First(Box::pin(std::future::pending())))
            }
            2 => {
                let kubernetes = kubernetes.clone();
                Some(Deed::First(Box::pin(async move { resize(&kubernetes, "web", 4).await })))
            }
            _ => None,
        }
    });
    scene.set("web", 1000.0);
    while scene.replicas("web") == 2 {
        scene.pass(1).await;
        assert!(clock.elapsed().as_secs() < 120, "the second write never came");
    }
    scene.pass(5).await;
    assert_eq!(scene.replicas("web"), 4, "what landed late counts: no step on top of it within the minute");
}

#[tokio::test(start_paused = true)]
async fn a_refused_write_is_told_once_and_tried_again() {
    let scene = slow_to_grow().await;
    let words = "deployments.apps \"web\" is forbidden: User \"flyball\" cannot update resource \"deployments/scale\"";
    scene.refuse(("update", "deployments/scale"), Failure::new(403, "Forbidden", words), usize::MAX);
    scene.set("web", 400.0);
    scene.pass(5 * 60).await;
    let message = scene.expect("web", ("AbleToScale", "False", "FailedUpdateScale"));
    assert!(message.contains("the API server refuses") && message.contains("cannot update"), "{message}");
    assert!(message.contains("role of Flyball's service account"), "the mend is named: {message}");
    scene.expect("web", ("Ready", "False", "FailedUpdateScale"));
    let events = scene.events("ScalingPolicy", "web").await;
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!((events[0].0.as_str(), events[0].1.as_str()), ("Warning", "FailedUpdateScale"));
    let status = scene.status("web");
    assert_eq!((&status["currentReplicas"], &status["desiredReplicas"]), (&json!(2), &json!(2)), "not in force");
    assert!(scene.size_writes() <= 9, "{} writes in 5 minutes", scene.size_writes());
    scene.kubernetes.intercept(None);
    scene.pass(60 + PERIOD).await;
    assert_eq!(scene.replicas("web"), 4);
    scene.pass(PERIOD).await;
    scene.expect("web", ("Ready", "True", "Controlled"));
}

#[tokio::test(start_paused = true)]
async fn a_status_that_cannot_be_written_is_written_later_and_stops_no_decision() {
    let scene = Scene::new().await;
    let unavailable = Failure::new(500, "InternalError", "etcdserver: leader changed");
    scene.refuse(("patch", "scalingpolicies/status"), unavailable, 2);
    scene.deploy("web", 2);
    scene.set("web", 400.0);
    scene.apply(at_once_both_ways(policy("web")));
    scene.pass(1).await;
    assert_eq!((scene.replicas("web"), scene.status_writes()), (4, 1));
    assert!(scene.status("web")["conditions"].is_null());
    scene.pass(3 * PERIOD).await;
    scene.expect("web", ("Ready", "True", "Controlled"));
    assert!(scene.status("web")["lastScaleTime"].is_string(), "the change of size is not forgotten");
}
