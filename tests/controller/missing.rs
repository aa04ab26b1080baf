//! What a policy says of missing data, as its users see it: `onMissing` and `fallback` through an outage and back.

use flyball::clock::Clock;
use flyball::sandbox::prometheus::Fault;
use serde_json::{Value, json};

use crate::scene::{PERIOD, Scene, at_once_both_ways, policy, with};

/// Below 64 failures in a row a policy waits at most this long.
const LONGEST_WAIT: u64 = 60 + PERIOD;

fn with_fallback(fallback: Value) -> Value {
    with(at_once_both_ways(policy("web")), "/spec/fallback", fallback)
}

async fn scene_with(policy: Value) -> Scene {
    let scene = Scene::new().await;
    scene.deploy("web", 4);
    scene.set("web", 400.0);
    scene.apply(policy);
    scene.pass(2 * PERIOD).await;
    scene.expect("web", ("Ready", "True", "Controlled"));
    scene
}

#[tokio::test(start_paused = true)]
async fn a_floor_holds_through_an_outage_of_any_kind_and_leaves_after_it() {
    for fault in [Fault::Off, Fault::Unavailable, Fault::Empty, Fault::NotANumber] {
        let scene = scene_with(with_fallback(json!({"afterFailures": 3, "replicas": 7}))).await;
        scene.prometheus.set_fault(fault);
        scene.pass(PERIOD).await;
        assert_eq!(scene.replicas("web"), 4, "{fault:?}: one failure is no outage");
        scene.expect("web", ("Fallback", "", ""));
        scene.pass(5 * PERIOD).await;
        assert_eq!(scene.replicas("web"), 7, "{fault:?}");
        let message = scene.expect("web", ("Fallback", "True", "MetricFailing"));
        assert!(message.starts_with("metric load has failed ") && message.contains(" since "), "{message}");
        assert!(message.ends_with("the workload keeps at least 7 replicas"), "{message}");
        let status = scene.status("web");
        assert_eq!(status["lastDecision"]["proposals"][0]["failing"]["floor"], 7, "{status}");
        let told = scene.events("ScalingPolicy", "web").await;
        assert_eq!(told.iter().filter(|event| event.1 == "MetricFailing").count(), 1, "{fault:?}: {told:?}");
        assert!(told.iter().any(|event| event.2.contains("load failing, its fallback applies")), "{told:?}");

        scene.prometheus.set_fault(Fault::None);
        scene.pass(LONGEST_WAIT).await;
        scene.pass(3 * PERIOD).await;
        scene.expect("web", ("Fallback", "", ""));
        assert_eq!(scene.replicas("web"), 4, "{fault:?}: the metric asks for four");
        let told = scene.events("ScalingPolicy", "web").await;
        assert_eq!(told.iter().filter(|event| event.1 == "MetricsRecovered").count(), 1, "{fault:?}: {told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_at_peak_lowers_nothing_whatever_the_floor() {
    for fallback in [
        json!({"afterFailures": 1, "replicas": 1}),
        json!({"afterFailures": 1, "policy": "Current"}),
        json!({"afterFailures": 1, "replicas": 2, "policy": "AtLeast"}),
    ] {
        let scene = scene_with(with_fallback(fallback.clone())).await;
        scene.prometheus.set_fault(Fault::Off);
        scene.pass(600).await;
        assert_eq!(scene.replicas("web"), 4, "{fallback}");
        assert_eq!(scene.size_writes(), 0, "{fallback}");
    }
}

#[tokio::test(start_paused = true)]
async fn empty_counts_as_zero_only_where_the_policy_says_so_and_a_failure_never_does() {
    let zero = with(at_once_both_ways(policy("web")), "/spec/metrics/0/prometheus/onMissing", "Zero");
    for (policy, fault, expected) in [
        (zero.clone(), Fault::Empty, 1),
        (zero.clone(), Fault::Unavailable, 4),
        (zero.clone(), Fault::Off, 4),
        (zero, Fault::NotANumber, 4),
        (at_once_both_ways(policy("web")), Fault::Empty, 4),
    ] {
        let scene = scene_with(policy).await;
        scene.prometheus.set_fault(fault);
        scene.pass(300).await;
        assert_eq!(scene.replicas("web"), expected, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_ignored_metric_leaves_the_others_to_decide() {
    let mut two = at_once_both_ways(policy("web"));
    let mut extra = two["spec"]["metrics"][0].clone();
    extra["name"] = json!("extra");
    extra["prometheus"]["query"] = json!("load{app=\"nobody\"}");
    extra["prometheus"]["onMissing"] = json!("Ignore");
    two["spec"]["metrics"].as_array_mut().unwrap().push(extra);
    let scene = scene_with(two).await;
    scene.set("web", 150.0);
    scene.pass(2 * PERIOD).await;
    assert_eq!(scene.replicas("web"), 2, "what is ignored keeps nobody from lowering");
    assert_eq!(scene.status("web")["lastDecision"]["proposals"][1]["countedAs"], "Nothing");
    scene.prometheus.set_fault(Fault::Off);
    scene.pass(10 * PERIOD).await;
    assert_eq!(scene.replicas("web"), 2, "where nobody answers, nothing moves");
}

#[tokio::test(start_paused = true)]
async fn a_window_that_reaches_back_beyond_a_restart_of_prometheus_lowers_nothing() {
    let query = "sum(load{app=\"web\"}) + 0 * sum(rate(load{app=\"web\"}[2m]))";
    let over_two_minutes = |policy| with(policy, "/spec/metrics/0/prometheus/query", query);
    let scene = scene_with(over_two_minutes(at_once_both_ways(policy("web")))).await;
    scene.prometheus.set_fault(Fault::Off);
    scene.pass(2 * PERIOD).await;
    scene.prometheus.set_fault(Fault::None);
    scene.prometheus.set_started(scene.clock.now());
    scene.set("web", 150.0);
    scene.pass(150).await;
    assert_eq!(scene.replicas("web"), 4, "the window is half filled");
    let message = scene.expect("web", ("Ready", "False", "MetricUnavailable"));
    assert!(message.contains("WindowTooYoung") && message.contains("looks back 120 s"), "{message}");
    scene.pass(2 * LONGEST_WAIT).await;
    assert_eq!(scene.replicas("web"), 2, "and full again after the window and a minute");
    scene.expect("web", ("Ready", "True", "Controlled"));
}

#[tokio::test(start_paused = true)]
async fn samples_that_no_longer_come_are_stale_and_lower_nothing() {
    let limited = with(at_once_both_ways(policy("web")), "/spec/metrics/0/prometheus/maxSampleAgeSeconds", 60);
    let scene = scene_with(limited).await;
    scene.set("web", 100.0);
    scene.stop_scraping("web");
    scene.pass(30).await;
    assert_eq!(scene.replicas("web"), 1, "30 s are allowed");
    scene.pass(45).await;
    scene.resize("web", 4).await;
    scene.pass(180).await;
    assert_eq!(scene.replicas("web"), 4, "what is older than 60 s lowers nothing");
    let message = scene.expect("web", ("Ready", "False", "MetricUnavailable"));
    assert!(message.contains("StaleSample") && message.contains("maxSampleAgeSeconds"), "{message}");
}
