//! The size follows the metric, and nothing else costs anything.

use flyball::engine::Timestamp;
use flyball::sandbox::{SimClock, Wave, WorkloadSpec, World};

use crate::scene::{NAMESPACE, PERIOD, Scene, at_once_both_ways, policy};

#[tokio::test(start_paused = true)]
async fn follows_the_metric_up_with_one_write_and_says_so() {
    let scene = Scene::new().await;
    scene.add("web", 2);
    scene.pass(PERIOD).await;
    assert_eq!((scene.replicas("web"), scene.size_writes()), (2, 0));
    scene.expect("web", ("Ready", "True", "Controlled"));
    scene.expect("web", ("Stalled", "", ""));

    scene.set("web", 380.0);
    scene.pass(PERIOD).await;
    assert_eq!((scene.replicas("web"), scene.size_writes()), (4, 1), "one rescale is one write");
    let words = "2 → 4: load 380 is 1.90 × its target 100 per replica at 2 replicas and asks for 4";
    let note = format!("New size: 4; reason: load above target. {words}");
    for kind in ["ScalingPolicy", "Deployment"] {
        let events = scene.events(kind, "web").await;
        assert_eq!(events, [("Normal".into(), "SuccessfulRescale".into(), note.clone())], "{kind}");
    }
    let deployment = scene.kubernetes.object(("apps", "deployments"), NAMESPACE, "web").unwrap();
    assert_eq!(scene.event_uids("Deployment", "web").await, [deployment["metadata"]["uid"].as_str().unwrap()]);
    let status = scene.status("web");
    let decision = &status["lastDecision"];
    assert_eq!(decision["message"], words);
    assert_eq!(decision["direction"], "Up");
    assert_eq!((&decision["currentReplicas"], &decision["desiredReplicas"]), (&2.into(), &4.into()));
    assert_eq!((&decision["recommendedReplicas"], &decision["stabilizedReplicas"]), (&4.into(), &4.into()));
    assert_eq!((&decision["minReplicas"], &decision["maxReplicas"]), (&1.into(), &20.into()));
    let proposal = &decision["proposals"][0];
    assert_eq!(
        (&proposal["value"], &proposal["ratio"], &proposal["replicas"]),
        (&"380".into(), &"1.90".into(), &4.into())
    );
    assert!(status["lastScaleTime"].is_string(), "{status}");
    assert_eq!(scene.gauge("flyball_rescales_total{direction=\"up\"}"), Some(1.0));

    scene.pass(PERIOD).await;
    assert_eq!((scene.replicas("web"), scene.size_writes()), (4, 1));
    scene.expect("web", ("AbleToScale", "True", "ReadyForNewScale"));
}

#[tokio::test(start_paused = true)]
async fn follows_the_metric_down_once_a_full_window_was_seen() {
    let scene = Scene::new().await;
    scene.add("web", 6);
    scene.pass(PERIOD).await;
    scene.set("web", 150.0);
    scene.pass(4 * 60).await;
    assert_eq!(scene.replicas("web"), 6, "the window of 300 s has not passed");
    scene.expect("web", ("AbleToScale", "True", "ScaleDownStabilized"));
    scene.pass(2 * 60).await;
    assert_eq!((scene.replicas("web"), scene.size_writes()), (2, 1));
    let events = scene.events("ScalingPolicy", "web").await;
    assert_eq!(events.len(), 1);
    assert!(events[0].2.starts_with("New size: 2; reason: All metrics below target. 6 → 2: load 150"), "{events:?}");
    assert_eq!(scene.gauge("flyball_rescales_total{direction=\"down\"}"), Some(1.0));
}

#[tokio::test(start_paused = true)]
async fn equal_rescales_within_minutes_are_each_told() {
    let scene = Scene::new().await;
    scene.deploy("web", 2);
    scene.set("web", 200.0);
    scene.apply(at_once_both_ways(policy("web")));
    for load in [400.0, 200.0, 400.0, 200.0] {
        scene.pass(PERIOD).await;
        scene.set("web", load);
    }
    scene.pass(2 * PERIOD).await;
    assert_eq!((scene.replicas("web"), scene.size_writes()), (2, 4));
    assert_eq!(scene.events("Deployment", "web").await.len(), 4, "an event for each change of size");
}

#[tokio::test(start_paused = true)]
async fn steady_state_costs_no_request_and_writes_no_status() {
    let scene = Scene::new().await;
    scene.add("web", 3);
    scene.add("api", 5);
    scene.pass(2 * PERIOD).await;
    let before = (scene.requests_besides_watches(), scene.prometheus.queries());
    scene.pass(20 * PERIOD).await;
    assert_eq!(scene.requests_besides_watches(), before.0);
    assert_eq!(scene.prometheus.queries() - before.1, 2 * 20, "each was decided once a period");
}

#[tokio::test(start_paused = true)]
async fn noise_within_the_tolerance_writes_no_status() {
    let scene = Scene::new().await;
    scene.add("web", 3);
    scene.pass(2 * PERIOD).await;
    let before = scene.requests_besides_watches();
    for noise in [1.03, 0.97, 1.01, 0.99, 1.02, 0.98, 1.0, 1.03, 0.97, 0.975] {
        scene.set("web", 300.0 * noise);
        scene.pass(PERIOD).await;
    }
    assert_eq!(scene.requests_besides_watches(), before);
    assert_eq!(scene.gauge("flyball_metric_value{namespace=\"shop\",name=\"web\",metric=\"load\"}"), Some(97.5));
}

#[tokio::test(start_paused = true)]
async fn a_world_of_waves_is_followed() {
    let mut scene = Scene::without_controller();
    let wave = Wave { base: 400.0, amplitude: 200.0, period_seconds: 1200.0, noise: 0.02 };
    let spec = WorkloadSpec { wave, ..WorkloadSpec::new(NAMESPACE, "web") };
    let clock = SimClock::starting_at(Timestamp::from_millis(1_767_225_600_000));
    let world = World::new(clock, 7, vec![spec]).unwrap();
    (scene.kubernetes, scene.prometheus) = (world.kubernetes.clone(), world.prometheus.clone());
    scene.probe = crate::wire::Probe::new(flyball::sources::prometheus::PrometheusSource::new(
        world.prometheus.clone(),
        flyball::sources::prometheus::Limits::default(),
    ));
    let asked = "sum(http_request_rate{app=\"web\"})";
    scene.apply(crate::scene::with(policy("web"), "/spec/metrics/0/prometheus/query", asked));
    scene.start(16);
    let cancel = tokio_util::sync::CancellationToken::new();
    let running = tokio::spawn({
        let (world, cancel) = (world.clone(), cancel.clone());
        async move { world.run(clock, cancel).await }
    });
    scene.pass(400).await;
    assert!((5..=7).contains(&scene.replicas("web")), "600 at the crest: {}", scene.replicas("web"));
    let load = world.load(NAMESPACE, "web").unwrap();
    assert!(load.utilization < 1.0 && load.queue < 1.0, "{load:?}");
    scene.pass(1_000).await;
    assert!((3..=6).contains(&scene.replicas("web")), "200 in the trough, up again since: {}", scene.replicas("web"));
    assert_eq!(scene.status("web")["currentReplicas"].as_i64(), Some(scene.replicas("web")));
    cancel.cancel();
    running.await.unwrap();
    scene.stop().await;
}
