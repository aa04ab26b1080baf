//! One policy cannot hurt another, and the loop keeps its rhythm: panics, slow sources, slow kinds, many policies.

use std::time::Duration;

use serde_json::json;

use crate::scene::{PERIOD, Scene, policy, query, with};
use crate::wire::{Deed, PANIC};

#[tokio::test(start_paused = true)]
async fn a_pass_that_panics_ends_alone_and_keeps_its_memory() {
    let scene = Scene::new().await;
    scene.add("healthy", 4);
    // The first 6 replicas are remembered: lowering waits for the window, panics or not.
    scene.deploy("sick", 6);
    scene.set("sick", 600.0);
    let sick = format!("{} + 0 * {PANIC}", query("sick"));
    scene.prometheus.record(PANIC, &[], (0.0, flyball::clock::Clock::now(&scene.clock)));
    let good = with(policy("sick"), "/spec/behavior", json!({"scaleDown": {"stabilizationWindowSeconds": 120}}));
    scene.apply(good);
    scene.pass(3 * PERIOD).await;
    let status = scene.status("sick");
    scene.edit("sick", json!({"metadata": {"annotations": {"other": "1"}}})).await;
    let mut metrics = policy("sick")["spec"]["metrics"].clone();
    metrics[0]["prometheus"]["query"] = sick.clone().into();
    scene.edit("sick", json!({"spec": {"metrics": metrics}})).await;
    scene.pass(10 * 60).await;
    let asked = scene.probe.asked(&sick);
    assert!((9..=16).contains(&asked.len()), "tried again with growing pauses: {}", asked.len());
    let last = asked.len() - 1;
    assert_eq!((asked[last] - asked[last - 1]).as_secs(), 60);
    let panics = scene.gauge("flyball_sync_panics_total").unwrap();
    assert!((panics - f64::from(u32::try_from(asked.len()).unwrap())).abs() < 0.5, "{panics} panics");
    assert_eq!(scene.status("sick")["lastDecision"], status["lastDecision"]);
    scene.set("healthy", 700.0);
    scene.pass(PERIOD).await;
    assert_eq!(scene.replicas("healthy"), 7, "the others go on");
    let metrics = policy("sick")["spec"]["metrics"].clone();
    scene.edit("sick", json!({"spec": {"metrics": metrics}})).await;
    scene.pass(PERIOD).await;
    scene.expect("sick", ("Ready", "True", "Controlled"));
    assert_eq!(scene.replicas("sick"), 6);
}

#[tokio::test(start_paused = true)]
async fn no_more_passes_run_at_once_than_allowed_and_all_get_their_turn() {
    let mut scene = Scene::without_controller();
    for index in 0..40 {
        scene.add(&format!("p{index}"), 2);
    }
    scene.probe.set_delay(Duration::from_secs(2));
    scene.start(8);
    scene.pass(120).await;
    assert_eq!(scene.probe.most_running(), 8);
    for (query, asked) in scene.probe.all_asked() {
        assert!((7..=9).contains(&asked.len()), "{query}: {} passes in 8 periods", asked.len());
    }
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_kind_whose_discovery_hangs_keeps_nobody_else_waiting() {
    let scene = Scene::new().await;
    scene.add("healthy", 4);
    scene.wire.tamper(|parts| {
        let hangs = parts.uri.path().starts_with("/apis/broken.example.com");
        hangs.then(|| Deed::First(Box::pin(std::future::pending())))
    });
    for index in 0..20 {
        let name = format!("sick{index}");
        let target = json!({"apiVersion": "broken.example.com/v1", "kind": format!("Kind{index}"), "name": name});
        scene.apply(with(policy(&name), "/spec/scaleTargetRef", target));
    }
    scene.set("healthy", 700.0);
    scene.pass(PERIOD).await;
    assert_eq!(scene.replicas("healthy"), 7, "a write waits for no other kind's discovery");
    let message = scene.expect("sick0", ("Ready", "False", "Timeout"));
    assert!(message.contains("did not answer within 5 s"), "{message}");
    scene.expect("sick0", ("Stalled", "", ""));
}

/// Long after the start, discovery hangs: what is known of the kind still serves, and the workload can grow.
#[tokio::test(start_paused = true)]
async fn a_known_kind_outlives_its_discovery() {
    let scene = Scene::new().await;
    scene.add("web", 4);
    scene.pass(11 * 60).await;
    scene.wire.tamper(|parts| {
        let hangs = ["/apis", "/apis/", "/apis/apps", "/apis/apps/", "/apis/apps/v1"].contains(&parts.uri.path());
        hangs.then(|| Deed::First(Box::pin(std::future::pending())))
    });
    scene.set("web", 700.0);
    scene.pass(PERIOD + 6).await;
    assert_eq!(scene.replicas("web"), 7);
    scene.expect("web", ("Ready", "True", "Controlled"));
}

#[tokio::test(start_paused = true)]
async fn a_thousand_policies_are_each_decided_once_a_period_and_spread_over_it() {
    const POLICIES: usize = 1_000;
    let mut scene = Scene::without_controller();
    scene.set("all", 200.0);
    for index in 0..POLICIES {
        let name = format!("p{index}");
        scene.deploy(&name, 2);
        // A query of its own for each, over the one series.
        let asked = format!("load{{app=\"all\"}} + 0 * {index}");
        scene.apply(with(policy(&name), "/spec/metrics/0/prometheus/query", asked));
    }
    let begun = tokio::time::Instant::now();
    scene.start(256);
    scene.pass(60).await;
    let requests = scene.requests_besides_watches();
    scene.pass(240).await;
    let asked = scene.probe.all_asked();
    assert_eq!(asked.len(), POLICIES);
    let mut per_slot = [0_u32; 10];
    for (query, times) in &asked {
        assert!((20..=22).contains(&times.len()), "{query}: {} passes in 20 periods", times.len());
        let regular = times[1..].windows(2).all(|pair| (pair[1] - pair[0]).as_millis().abs_diff(15_000) <= 20);
        assert!(regular, "{query} drifts");
        let millis = (times[5] - begun).as_millis() % u128::from(PERIOD * 1000);
        per_slot[usize::try_from(millis / 1_500).unwrap()] += 1;
    }
    assert!(per_slot.iter().all(|count| (60..=140).contains(count)), "the slots bear the same: {per_slot:?}");
    assert_eq!(scene.requests_besides_watches(), requests, "four minutes of steady state cost no request");
    assert_eq!(scene.gauge("flyball_policies"), Some(1_000.0));
    scene.stop().await;
}
