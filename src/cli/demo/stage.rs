//! What the demo runs on: one workload, one policy, and the controller of `flyball run` over them. Owns their numbers and what is said
//! of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use anyhow::Context as _;
use kube::Client;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::api::ScalingPolicy;
use crate::clock::Clock;
use crate::cluster::client::Clients;
use crate::controller::{Controller, ControllerError, Settings};
use crate::engine::Timestamp;
use crate::sandbox::{Wave, WorkloadSpec, World};
use crate::sources::MetricSource;
use crate::telemetry::{Metrics, PolicyKey, PolicyReport};

/// Namespace and name of the workload, and of its policy.
pub(super) const WORKLOAD: (&str, &str) = ("shop", "web");
/// Requests per second when nothing happens: less than the smallest size serves.
pub(super) const BASE_LOAD: f64 = 85.0;
/// Requests per second in the calm before the story.
pub(super) const CALM_LOAD: f64 = 190.0;
/// Seconds for which the world exists when the demo begins, more than the query looks back.
const PAST_SECONDS: i64 = 10;
/// Requests per second that one pod serves: somewhat more than the target, as one would set it.
const POD_CAPACITY: f64 = 160.0;
/// The scaleDown window of the policy.
pub(super) const WINDOW_SECONDS: i64 = 10;
/// What the policy asks Prometheus.
pub(super) const QUERY: &str = "sum(rate(http_requests_total{namespace=\"shop\",app=\"web\"}[5s]))";
/// What is short here, in one line for the screen.
pub(super) const SHORT_WINDOWS: &str = "short here: polling 2 s (default 15 s), scaleDown window 10 s (default 300 s)";
/// The policy, in one line.
pub(super) const POLICY: &str = "policy shop/web: Deployment/web, 2 to 10 replicas, 100 requests/s per replica";

/// A clock that is early for as long as the past of the world is made, and right from then on.
#[derive(Debug, Clone)]
struct EarlyClock<C> {
    clock: C,
    early_millis: Arc<AtomicI64>,
}

impl<C: Clock> Clock for EarlyClock<C> {
    fn now(&self) -> Timestamp {
        let early_millis = self.early_millis.load(Ordering::Relaxed);
        Timestamp::from_millis(self.clock.now().as_millis().saturating_sub(early_millis))
    }
}

/// The world of the demo, with a past of [`PAST_SECONDS`] in calm: a rate needs samples from before.
///
/// # Errors
/// None that could be met: the names are fixed.
pub(super) fn world(clock: impl Clock, seed: u64) -> anyhow::Result<World> {
    let workload = WorkloadSpec {
        pod_capacity: POD_CAPACITY,
        wave: Wave { noise: 0.15, ..Wave::calm(BASE_LOAD) },
        ..WorkloadSpec::new(WORKLOAD.0, WORKLOAD.1)
    };
    let clock = EarlyClock { clock, early_millis: Arc::new(AtomicI64::new(PAST_SECONDS * 1000)) };
    let world = World::new(clock.clone(), seed, vec![workload]).context("the embedded cluster refuses the workload")?;
    world.spike(WORKLOAD, CALM_LOAD - BASE_LOAD, clock.now().plus_seconds(PAST_SECONDS * 2));
    for second in (0..PAST_SECONDS).rev() {
        clock.early_millis.store(second * 1000, Ordering::Relaxed);
        world.step(clock.now());
    }
    let policy = serde_json::to_value(policy()?)?;
    world.kubernetes.create(policy).context("the embedded cluster refuses the policy")?;
    Ok(world)
}

/// The policy of the demo, checked as the wire type that users write.
fn policy() -> anyhow::Result<ScalingPolicy> {
    // Shorter than the polling period, so that each decision may go two pods further, whenever exactly it is made.
    let two_pods_at_a_time = json!([{"type": "Pods", "value": 2, "periodSeconds": 1}]);
    let metric = json!({
        "type": "Prometheus",
        "name": "http_rps",
        "prometheus": {"query": QUERY, "target": {"type": "AverageValue", "averageValue": "100"}},
    });
    let policy = json!({
        "apiVersion": "flyball.dev/v1alpha1",
        "kind": "ScalingPolicy",
        "metadata": {"name": WORKLOAD.1, "namespace": WORKLOAD.0},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": WORKLOAD.1},
            "minReplicas": 2,
            "maxReplicas": 10,
            "pollingPeriodSeconds": 2,
            "metrics": [metric],
            "behavior": {
                "scaleUp": {"policies": two_pods_at_a_time},
                "scaleDown": {"stabilizationWindowSeconds": WINDOW_SECONDS, "policies": two_pods_at_a_time},
            },
        },
    });
    serde_json::from_value(policy).context("the policy of the demo does not parse")
}

/// The controller at work.
pub(super) struct Operator {
    metrics: Arc<Metrics>,
    key: PolicyKey,
    running: JoinHandle<Result<(), ControllerError>>,
}

impl Operator {
    /// Starts the controller of `flyball run`, which ends with `cancel`.
    pub(super) fn start<M: MetricSource, C: Clock>(
        (clients, source, clock): (Clients, M, C),
        metrics: Arc<Metrics>,
        cancel: CancellationToken,
    ) -> Self {
        let policies: Client = clients.reads.clone();
        let settings = Settings { namespace: None, concurrency: 4, instance: "flyball-demo".into() };
        let controller = Controller::new((clients, source, clock), metrics.clone(), settings);
        let key = PolicyKey { namespace: WORKLOAD.0.into(), name: WORKLOAD.1.into() };
        Self { metrics, key, running: tokio::spawn(controller.run(policies, cancel)) }
    }

    /// The last decision over the demo's policy, once there is one.
    pub(super) fn report(&self) -> Option<Arc<PolicyReport>> {
        self.metrics.policies.get(&self.key)
    }

    /// Whether it has ended by itself, which it should not.
    pub(super) fn has_ended(&self) -> bool {
        self.running.is_finished()
    }

    /// Waits for its end, after `cancel`.
    ///
    /// # Errors
    /// Where it ended for another reason.
    pub(super) async fn ended(self) -> anyhow::Result<()> {
        Ok(self.running.await.context("the controller broke")??)
    }
}
