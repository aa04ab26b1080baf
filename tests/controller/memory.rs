//! Windows that go on through a restart, and what that costs.

use flyball::sandbox::kubernetes::Failure;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use crate::scene::{NAMESPACE, PERIOD, Scene, policy, with};

/// Seconds by which a restart may hold longer with windows up to 300 s, and one pass until it is seen.
const GRAIN: u64 = 30 + PERIOD;

impl Scene {
    async fn restart(&mut self) {
        self.stop().await;
        self.start(16);
    }

    fn told(&self, name: &str) -> Value {
        self.status(name)["recentRecommendations"].clone()
    }
}

/// 6 replicas, needed until now; from now on 1 would do.
async fn after_a_peak() -> Scene {
    let scene = Scene::new().await;
    scene.add("web", 6);
    scene.pass(4 * PERIOD).await;
    scene.set("web", 100.0);
    scene
}

/// 2 replicas, enough until now; from now on 6 are needed, once that has lasted two minutes.
async fn before_a_peak() -> Scene {
    let scene = Scene::new().await;
    scene.deploy("web", 2);
    scene.set("web", 200.0);
    scene.apply(with(policy("web"), "/spec/behavior", json!({"scaleUp": {"stabilizationWindowSeconds": 120}})));
    scene.pass(4 * PERIOD).await;
    scene.set("web", 600.0);
    scene
}

/// Writes into status as somebody might by hand.
async fn write_status(scene: &Scene, status: Value) {
    let resource = ApiResource {
        group: "flyball.dev".into(),
        version: "v1alpha1".into(),
        api_version: "flyball.dev/v1alpha1".into(),
        kind: "ScalingPolicy".into(),
        plural: "scalingpolicies".into(),
    };
    let api: kube::Api<DynamicObject> =
        kube::Api::namespaced_with(scene.kubernetes.client(NAMESPACE), NAMESPACE, &resource);
    let change = Patch::Merge(json!({"status": status}));
    api.patch_status("web", &PatchParams::default(), &change).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_window_of_shrinking_goes_on_through_restarts() {
    let mut scene = after_a_peak().await;
    for _ in 0..4 {
        scene.pass(70).await;
        scene.restart().await;
    }
    assert_eq!(scene.replicas("web"), 6, "280 s of 300");
    scene.expect("web", ("AbleToScale", "True", "ScaleDownStabilized"));
    scene.pass(20 + GRAIN).await;
    assert_eq!((scene.replicas("web"), scene.size_writes()), (1, 1));
    scene.pass(PERIOD).await;
    assert!(scene.told("web").is_null(), "the present size says it all again");
}

#[tokio::test(start_paused = true)]
async fn a_window_of_growing_goes_on_through_a_restart() {
    let mut scene = before_a_peak().await;
    scene.pass(60).await;
    scene.expect("web", ("AbleToScale", "True", "ScaleUpStabilized"));
    scene.restart().await;
    scene.pass(60 - GRAIN).await;
    assert_eq!(scene.replicas("web"), 2, "a restart is no way past the window");
    scene.expect("web", ("AbleToScale", "True", "ScaleUpStabilized"));
    scene.pass(GRAIN + PERIOD).await;
    assert_eq!(scene.replicas("web"), 6, "nor does it begin anew");
}

#[tokio::test(start_paused = true)]
async fn a_steady_policy_writes_nothing_and_a_restart_of_it_neither() {
    let mut scene = Scene::new().await;
    scene.deploy("web", 3);
    scene.set("web", 300.0);
    scene.apply(with(policy("web"), "/spec/behavior", json!({"scaleUp": {"stabilizationWindowSeconds": 120}})));
    // At its minimum, and asked for less.
    scene.deploy("idle", 1);
    scene.set("idle", 0.0);
    scene.apply(policy("idle"));
    // At its maximum, and asked for more.
    scene.deploy("busy", 20);
    scene.set("busy", 3_000.0);
    scene.apply(policy("busy"));
    // The idle one's first window has to pass: until then it is the window that holds it, and afterwards the minimum.
    scene.pass(22 * PERIOD).await;
    let before = scene.status_writes();
    scene.pass(100 * PERIOD).await;
    assert_eq!(scene.status_writes(), before, "100 passes of 3 policies");
    assert!(["web", "idle", "busy"].iter().all(|name| scene.told(name).is_null()));
    scene.delete_policy("idle");
    for _ in 0..3 {
        scene.restart().await;
        scene.pass(40 * PERIOD).await;
    }
    assert_eq!(scene.status_writes(), before, "3 restarts of 2 policies");
}

#[tokio::test(start_paused = true)]
async fn a_window_that_holds_costs_a_write_in_three_passes() {
    let scene = after_a_peak().await;
    let before = scene.status_writes();
    scene.pass(300).await;
    assert_eq!((scene.replicas("web"), scene.size_writes()), (6, 0));
    let told = scene.told("web");
    assert_eq!(told.as_array().unwrap().len(), 2, "the peak and the last look: {told}");
    assert_eq!((&told[0]["highest"], &told[1]["highest"]), (&json!(6), &json!(1)));
    assert!(told[0]["lowest"].is_null(), "no window of growing: {told}");
    let writes = scene.status_writes() - before;
    println!("{writes} status writes while a window of 300 s holds, in {} passes", 300 / PERIOD);
    assert!((2..=8).contains(&writes), "{writes} in {} passes", 300 / PERIOD);
}

#[tokio::test(start_paused = true)]
async fn after_a_long_absence_a_full_window_is_seen_before_anything_shrinks() {
    let mut scene = after_a_peak().await;
    scene.pass(60).await;
    scene.stop().await;
    scene.pass(120).await;
    scene.start(16);
    scene.pass(290).await;
    assert_eq!(scene.replicas("web"), 6, "nobody knows what was needed in the meantime");
    scene.pass(10 + GRAIN).await;
    assert_eq!(scene.replicas("web"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_peak_whose_status_was_never_written_is_not_forgotten() {
    let mut scene = after_a_peak().await;
    scene.pass(290).await;
    let unavailable = Failure::new(500, "InternalError", "etcdserver: leader changed");
    scene.refuse(("patch", "scalingpolicies/status"), unavailable, usize::MAX);
    scene.set("web", 1_000.0);
    scene.pass(PERIOD).await;
    assert_eq!(scene.replicas("web"), 10);
    scene.set("web", 100.0);
    scene.stop().await;
    scene.kubernetes.intercept(None);
    scene.start(16);
    scene.pass(290).await;
    assert_eq!(scene.replicas("web"), 10, "the size tells that something was missed");
    scene.pass(10 + GRAIN).await;
    assert_eq!(scene.replicas("web"), 1);
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_the_metric_is_remembered_through_a_restart() {
    let mut scene = after_a_peak().await;
    scene.pass(200).await;
    scene.prometheus.set_fault(flyball::sandbox::prometheus::Fault::Off);
    scene.pass(60).await;
    scene.restart().await;
    scene.pass(PERIOD).await;
    scene.prometheus.set_fault(flyball::sandbox::prometheus::Fault::None);
    scene.pass(270).await;
    assert_eq!(scene.replicas("web"), 6, "the window is counted from the end of the outage");
    scene.pass(30 + GRAIN).await;
    assert_eq!(scene.replicas("web"), 1);
}

/// Somebody else drove the workload for a while, so nobody asked the metrics.
#[tokio::test(start_paused = true)]
async fn after_a_time_without_decisions_a_full_window_is_seen_before_anything_shrinks() {
    let scene = Scene::new().await;
    scene.add("web", 6);
    scene.pass(4 * PERIOD).await;
    let autoscaler = json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web", "namespace": NAMESPACE},
        "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "maxReplicas": 9},
    });
    scene.kubernetes.create(autoscaler.clone()).unwrap();
    scene.pass(20 * 60).await;
    scene.expect("web", ("Stalled", "True", "ConflictingAutoscaler"));
    scene.set("web", 100.0);
    scene.kubernetes.delete(&autoscaler).unwrap();
    scene.pass(290).await;
    assert_eq!(scene.replicas("web"), 6, "nobody knows what was needed in the meantime");
    scene.pass(10 + GRAIN).await;
    assert_eq!(scene.replicas("web"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_pause_forgets_and_says_so() {
    let mut scene = after_a_peak().await;
    scene.pass(200).await;
    assert!(scene.told("web").is_array());
    scene.edit("web", json!({"metadata": {"annotations": {"flyball.dev/paused": "true"}}})).await;
    scene.pass(PERIOD).await;
    assert!(scene.told("web").is_null(), "what was asked for before a pause says nothing of what comes after");
    scene.stop().await;
    scene.edit("web", json!({"metadata": {"annotations": {"flyball.dev/paused": null}}})).await;
    scene.start(16);
    scene.pass(290).await;
    assert_eq!(scene.replicas("web"), 6);
}

#[tokio::test(start_paused = true)]
async fn what_was_written_by_hand_lowers_nothing() {
    let at = |time: &str, highest: i32| json!({"time": time, "highest": highest});
    let table = [
        ("nothing", json!(null)),
        ("negative", json!([at("2020-01-01T00:00:00.000000Z", -5)])),
        ("long ago", json!([at("2020-01-01T00:00:00.000000Z", 1)])),
        ("yet to come", json!([at("2999-01-01T00:00:00.000000Z", 1)])),
        ("unordered", json!([at("2020-01-02T00:00:00.000000Z", 1), at("2020-01-01T00:00:00.000000Z", 2)])),
    ];
    for (name, told) in table {
        let mut scene = after_a_peak().await;
        scene.pass(60).await;
        scene.stop().await;
        write_status(&scene, json!({"recentRecommendations": told})).await;
        scene.start(16);
        scene.pass(290).await;
        assert_eq!(scene.replicas("web"), 6, "{name}");
        scene.pass(10 + GRAIN).await;
        assert_eq!(scene.replicas("web"), 1, "{name}");
        scene.stop().await;
    }
}
