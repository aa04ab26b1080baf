//! A Prometheus that is away: what that costs it, that nobody shrinks for it, and that everybody is back at once.

use std::time::Duration;

use flyball::sandbox::prometheus::Fault;

use crate::scene::{PERIOD, Scene, policy, query, with};

const POLICIES: usize = 20;

/// A fleet with a query of its own for each, every other one over one shape.
async fn fleet() -> Scene {
    let mut scene = Scene::without_controller();
    for index in 0..POLICIES {
        let name = format!("p{index}");
        scene.deploy(&name, 4);
        scene.set(&name, 400.0);
        let asked = if index % 2 == 0 { query(&name) } else { format!("{} + 0 * {index}", query(&name)) };
        scene.apply(with(policy(&name), "/spec/metrics/0/prometheus/query", asked));
    }
    scene.start(256);
    scene.pass(2 * 60).await;
    scene
}

#[tokio::test(start_paused = true)]
async fn ten_minutes_without_prometheus_cost_probes_only_and_nobody_shrinks() {
    for fault in [Fault::Off, Fault::Unavailable, Fault::Slow(Duration::from_secs(60))] {
        let scene = fleet().await;
        let steady = scene.prometheus.queries();
        scene.pass(4 * PERIOD).await;
        let per_round = (scene.prometheus.queries() - steady) / 4;
        let begun = scene.prometheus.queries();
        scene.prometheus.set_fault(fault);
        // What would be read if the outage were taken for a value.
        (0..POLICIES).for_each(|index| scene.set(&format!("p{index}"), 0.0));
        scene.pass(10 * 60).await;
        let cost = scene.prometheus.queries() - begun;
        // One probe each 5 s, and before the breaker opened what was on its way: no more than one round.
        assert!(cost <= 120 + per_round.min(40), "{fault:?}: {cost} requests in 10 minutes");
        let writes = scene.size_writes();
        let message = scene.expect("p0", ("Ready", "False", "MetricUnavailable"));
        assert!(message.contains("SourceUnavailable: The source is not asked since 2026-01-01T00:0"), "{message}");
        let status_writes = scene.status_writes();

        (0..POLICIES).for_each(|index| scene.set(&format!("p{index}"), 400.0));
        scene.prometheus.set_fault(Fault::None);
        let back = scene.prometheus.queries();
        // The next probe, and then each policy's next slot.
        scene.pass(5 + PERIOD).await;
        for index in 0..POLICIES {
            scene.expect(&format!("p{index}"), ("Ready", "True", "Controlled"));
        }
        let recovery = scene.prometheus.queries() - back;
        assert!(
            recovery <= 2 * per_round + 2,
            "{fault:?}: no stampede, {recovery} requests against {per_round} a round"
        );
        // Longer than the window that holds a size.
        scene.pass(6 * 60).await;
        assert_eq!(scene.size_writes(), writes, "{fault:?}: nobody moved, then or later");
        assert!((0..POLICIES).all(|index| scene.replicas(&format!("p{index}")) == 4), "{fault:?}");
        assert!(status_writes < 4 * u64::try_from(POLICIES).unwrap(), "{fault:?}: an outage is written once or twice");
    }
}

/// A metric that works is not delayed by one whose source is away, and may still raise.
#[tokio::test(start_paused = true)]
async fn an_outage_that_ends_is_followed_by_growth_within_a_period() {
    let scene = Scene::new().await;
    scene.add("web", 4);
    scene.pass(4 * PERIOD).await;
    scene.prometheus.set_fault(Fault::Off);
    scene.pass(10 * 60).await;
    scene.set("web", 800.0);
    scene.prometheus.set_fault(Fault::None);
    scene.pass(5 + PERIOD).await;
    assert_eq!(scene.replicas("web"), 8, "no pause of its own adds to the outage");
}
