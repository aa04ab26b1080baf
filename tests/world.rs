//! The real controller in the embedded world, on paused time: it follows a spike, holds without Prometheus, and the same seed
//! tells the same story twice.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use flyball::clock::Clock;
use flyball::cluster::client::Clients;
use flyball::controller::{Controller, Settings};
use flyball::sandbox::prometheus::Fault;
use flyball::sandbox::{SimClock, WorkloadSpec, World};
use flyball::sources::prometheus::{Limits, PrometheusSource};
use flyball::telemetry::Metrics;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

fn policy() -> Value {
    json!({
        "apiVersion": "flyball.dev/v1alpha1", "kind": "ScalingPolicy", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "minReplicas": 2, "maxReplicas": 6, "pollingPeriodSeconds": 5,
            "metrics": [{"type": "Prometheus", "prometheus": {
                "query": "sum(rate(http_requests_total{app=\"web\"}[15s]))",
                "target": {"type": "AverageValue", "averageValue": "100"},
            }}],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 30}},
        },
    })
}

/// What an onlooker sees: sizes after each act, and everything that was written.
struct Story {
    sizes: Vec<i64>,
    all: String,
    writes: u64,
}

async fn story(seed: u64) -> Story {
    let clock = SimClock::new();
    let world = World::new(clock, seed, vec![WorkloadSpec::new("shop", "web")]).unwrap();
    world.kubernetes.create(policy()).unwrap();
    let cancel = CancellationToken::new();
    let living = tokio::spawn({
        let (world, cancel) = (world.clone(), cancel.clone());
        async move { world.run(clock, cancel).await }
    });
    let client = world.kubernetes.client("default");
    let source = PrometheusSource::new(world.prometheus.clone(), Limits::default());
    let settings = Settings { namespace: None, concurrency: 4, instance: "sandbox".to_owned() };
    let clients = Clients::same(client.clone());
    let controller = Controller::new((clients, source, clock), Arc::new(Metrics::new()), settings);
    let controlling = tokio::spawn(controller.run(client, cancel.clone()));
    let mut story = Story { sizes: Vec::new(), all: String::new(), writes: 0 };
    let act = async |seconds: u64, story: &mut Story| {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let deployment = world.kubernetes.object(("apps", "deployments"), "shop", "web").unwrap();
        let policy = world.kubernetes.object(("flyball.dev", "scalingpolicies"), "shop", "web").unwrap();
        story.sizes.push(deployment["spec"]["replicas"].as_i64().unwrap());
        story.all.push_str(&format!("{deployment}\n{policy}\n"));
    };
    act(60, &mut story).await;
    world.spike(("shop", "web"), 600.0, clock.now().plus_seconds(60));
    act(50, &mut story).await;
    world.prometheus.set_fault(Fault::Off);
    act(120, &mut story).await;
    world.prometheus.set_fault(Fault::None);
    act(120, &mut story).await;
    cancel.cancel();
    living.await.unwrap();
    controlling.await.unwrap().unwrap();
    let writes = |call: &(&(String, String), &u64)| call.0.1 == "deployments/scale" && call.0.0 != "get";
    story.writes = world.kubernetes.requests().iter().filter(writes).map(|(_, count)| count).sum();
    story.all.push_str(&format!("{:?}", world.kubernetes.requests()));
    story
}

#[tokio::test(start_paused = true)]
async fn the_controller_lives_in_the_sandbox() {
    let story = story(7).await;
    assert_eq!(
        story.sizes,
        [2, 6, 6, 2],
        "calm, spike to the maximum, held without Prometheus, down again: {}",
        story.all
    );
    assert!(story.writes >= 2 && story.writes < 20, "{}", story.all);
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_tells_the_same_story() {
    assert_eq!(story(7).await.all, story(7).await.all);
}
