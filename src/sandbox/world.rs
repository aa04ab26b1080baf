//! The world in one piece: a Kubernetes API, a Prometheus and workloads that live in both. It plays what surrounds Flyball in a
//! cluster: the Deployment controller, the kubelets, the traffic and the scraping. It must not decide sizes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand_pcg::Pcg64;
use rand_pcg::rand_core::{Rng, SeedableRng};
use serde_json::{Value, json};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::kubernetes::{Failure, Kubernetes};
use super::prometheus::Prometheus;
use super::workload::{Load, Workload, WorkloadSpec};
use crate::clock::Clock;
use crate::engine::Timestamp;

/// How often the world goes on, which is also how often metrics are scraped.
pub const STEP: Duration = Duration::from_secs(1);
/// Tells the randomness of the traffic from that of the uids, which start from the same seed.
const TRAFFIC_STREAM: u64 = 0x7472_6166_6669_6321;

/// An embedded world. Clones share it.
#[derive(Debug, Clone)]
pub struct World {
    /// The Kubernetes API.
    pub kubernetes: Kubernetes,
    /// The Prometheus API.
    pub prometheus: Prometheus,
    life: Arc<Mutex<Life>>,
}

#[derive(Debug)]
struct Life {
    workloads: Vec<Workload>,
    random: Pcg64,
}

impl World {
    /// A world with a Deployment for each of `specs`, in a namespace that is made where it is missing. The same seed and clock
    /// make the same world.
    ///
    /// # Errors
    /// Two workloads of one name, or a name that is none.
    pub fn new(clock: impl Clock, seed: u64, specs: Vec<WorkloadSpec>) -> Result<Self, Failure> {
        let now = clock.now();
        let kubernetes = Kubernetes::new(clock.clone(), seed);
        let prometheus = Prometheus::new(clock);
        for spec in &specs {
            let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": spec.namespace}});
            if kubernetes.object(("", "namespaces"), "", &spec.namespace).is_none() {
                kubernetes.create(namespace)?;
            }
            kubernetes.create(deployment(spec))?;
        }
        let workloads = specs.into_iter().map(|spec| Workload::new(spec, now)).collect();
        let random = Pcg64::seed_from_u64(seed ^ TRAFFIC_STREAM);
        let world = Self { kubernetes, prometheus, life: Arc::new(Mutex::new(Life { workloads, random })) };
        world.step(now);
        Ok(world)
    }

    fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes on to `now`: traffic arrives, pods start and stop as the Deployments ask, status and metrics say so.
    pub fn step(&self, now: Timestamp) {
        let mut life = self.life();
        let Life { workloads, random } = &mut *life;
        for workload in workloads {
            let chance = chance(random);
            let spec = workload.spec();
            let deployment = self.kubernetes.object(("apps", "deployments"), &spec.namespace, &spec.name);
            let replicas =
                deployment.as_ref().and_then(|deployment| deployment["spec"]["replicas"].as_i64()).unwrap_or(0);
            let load = workload.step(now, i32::try_from(replicas).unwrap_or(i32::MAX), chance);
            if let Some((deployment, status)) =
                deployment.map(|deployment| (deployment.clone(), status(&deployment, load)))
                && deployment["status"] != status
            {
                // The only refusal would be that the Deployment has just gone, and then it has no status to keep.
                drop(self.kubernetes.set_status(&deployment, status));
            }
            self.scrape(workload, now);
        }
    }

    fn scrape(&self, workload: &Workload, now: Timestamp) {
        let spec = workload.spec();
        let labels = [("app", spec.name.as_str()), ("namespace", spec.namespace.as_str())];
        for (name, value) in workload.exports() {
            self.prometheus.record(name, &labels, (value, now));
        }
    }

    /// Steps once a [`STEP`] of tokio's time until `cancel`.
    pub async fn run(&self, clock: impl Clock, cancel: CancellationToken) {
        let mut ticks = tokio::time::interval(STEP);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                _ = ticks.tick() => self.step(clock.now()),
            }
        }
    }

    /// How a workload does; `None` where there is none of that name.
    #[must_use]
    pub fn load(&self, namespace: &str, name: &str) -> Option<Load> {
        let life = self.life();
        let mut found = life.workloads.iter().filter(|workload| is(workload, namespace, name));
        found.next().map(Workload::load)
    }

    /// Lets `requests_per_second` more come to a workload until `until`. Says whether there is one of that name.
    pub fn spike(&self, (namespace, name): (&str, &str), requests_per_second: f64, until: Timestamp) -> bool {
        let mut life = self.life();
        let found = life.workloads.iter_mut().find(|workload| is(workload, namespace, name));
        found.map(|workload| workload.spike(requests_per_second, until)).is_some()
    }
}

fn is(workload: &Workload, namespace: &str, name: &str) -> bool {
    workload.spec().namespace == namespace && workload.spec().name == name
}

/// A number from -1 to 1.
fn chance(random: &mut Pcg64) -> f64 {
    f64::from(random.next_u32()) / f64::from(u32::MAX) * 2.0 - 1.0
}

fn deployment(spec: &WorkloadSpec) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": spec.name, "namespace": spec.namespace, "labels": {"app": spec.name}},
        "spec": {
            "replicas": spec.replicas,
            "selector": {"matchLabels": {"app": spec.name}},
            "template": {
                "metadata": {"labels": {"app": spec.name}},
                "spec": {"containers": [{"name": "main", "image": "example.com/sandbox:1"}]},
            },
        },
    })
}

/// The status that the Deployment controller would write: counts that are 0 are left out, as its JSON does.
fn status(deployment: &Value, load: Load) -> Value {
    let mut status = json!({"observedGeneration": deployment["metadata"]["generation"]});
    let counts = [
        ("replicas", load.pods),
        ("updatedReplicas", load.pods),
        ("readyReplicas", load.ready),
        ("availableReplicas", load.ready),
        ("unavailableReplicas", load.pods - load.ready),
    ];
    for (field, count) in counts.into_iter().filter(|(_, count)| *count != 0) {
        status[field] = count.into();
    }
    status
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::apps::v1::Deployment;
    use kube::Api;
    use kube::api::{Patch, PatchParams};

    use super::*;
    use crate::sandbox::{SimClock, Wave};

    fn spec() -> WorkloadSpec {
        let wave = Wave { base: 150.0, amplitude: 60.0, period_seconds: 120.0, noise: 0.05 };
        WorkloadSpec { wave, ..WorkloadSpec::new("shop", "web") }
    }

    /// A short story, as one text: everything that anybody could see.
    async fn story(seed: u64) -> String {
        let clock = SimClock::new();
        let world = World::new(clock, seed, vec![spec(), WorkloadSpec::new("shop", "api")]).unwrap();
        let cancel = CancellationToken::new();
        let running = tokio::spawn({
            let (world, cancel) = (world.clone(), cancel.clone());
            async move { world.run(clock, cancel).await }
        });
        let api: Api<Deployment> = Api::namespaced(world.kubernetes.client("shop"), "shop");
        let mut story = String::new();
        for replicas in [2, 5, 3] {
            let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
            api.patch("web", &PatchParams::default(), &patch).await.unwrap();
            tokio::time::sleep(Duration::from_secs(100)).await;
            let query = "sum(rate(http_requests_total{namespace=\"shop\",app=\"web\"}[1m]))";
            let (status, body) = world.prometheus.answer(query, clock.now()).await;
            let deployment = world.kubernetes.object(("apps", "deployments"), "shop", "web").unwrap();
            story.push_str(&format!("{status} {} {deployment}\n", String::from_utf8_lossy(&body)));
        }
        cancel.cancel();
        running.await.unwrap();
        story
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_seed_tells_the_same_story() {
        let first = story(7).await;
        assert_eq!(first, story(7).await);
        assert_ne!(first, story(8).await);
        assert!(first.contains("\"readyReplicas\":5") && first.contains("\"resultType\":\"vector\""), "{first}");
    }

    #[tokio::test(start_paused = true)]
    async fn pods_follow_the_deployment_after_their_start() {
        let clock = SimClock::new();
        let world = World::new(clock, 1, vec![spec()]).unwrap();
        let api: Api<Deployment> = Api::namespaced(world.kubernetes.client("shop"), "shop");
        let patch = Patch::Merge(json!({"spec": {"replicas": 4}}));
        api.patch("web", &PatchParams::default(), &patch).await.unwrap();
        let seen = |second: i64| {
            world.step(clock.now().plus_seconds(second));
            let deployment = world.kubernetes.object(("apps", "deployments"), "shop", "web").unwrap();
            let count = |field: &str| deployment["status"][field].as_i64().unwrap_or(0);
            (count("replicas"), count("readyReplicas"), count("unavailableReplicas"), count("observedGeneration"))
        };
        assert_eq!(seen(1), (4, 2, 2, 2));
        assert_eq!(seen(3), (4, 2, 2, 2));
        assert_eq!(seen(4), (4, 4, 0, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_step_that_changes_nothing_writes_nothing() {
        let clock = SimClock::new();
        let world = World::new(clock, 1, vec![spec()]).unwrap();
        let version = || world.kubernetes.object(("apps", "deployments"), "shop", "web").unwrap()["metadata"].clone();
        let before = version();
        (1..50).for_each(|second| world.step(clock.now().plus_seconds(second)));
        assert_eq!(version(), before);
    }

    /// Simulations replay days; this is a quarter of one, asked about every 15 seconds.
    #[tokio::test(start_paused = true)]
    async fn hours_pass_quickly() {
        let clock = SimClock::new();
        let world = World::new(clock, 1, vec![spec()]).unwrap();
        let cancel = CancellationToken::new();
        let running = tokio::spawn({
            let (world, cancel) = (world.clone(), cancel.clone());
            async move { world.run(clock, cancel).await }
        });
        let mut answers = 0;
        for _ in 0..6 * 60 * 4 {
            tokio::time::sleep(Duration::from_secs(15)).await;
            let query = "sum(rate(http_requests_total{app=\"web\"}[1m]))";
            let (status, body) = world.prometheus.answer(query, clock.now()).await;
            answers += usize::from(status == 200 && body.len() > 100);
        }
        cancel.cancel();
        running.await.unwrap();
        assert_eq!(answers, 6 * 60 * 4);
        assert_eq!(clock.now().millis_since(super::super::clock::EPOCH), 6 * 60 * 60 * 1000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_spike_comes_and_goes() {
        let clock = SimClock::new();
        let world = World::new(clock, 1, vec![WorkloadSpec::new("shop", "web")]).unwrap();
        let now = clock.now();
        assert!(world.spike(("shop", "web"), 500.0, now.plus_seconds(10)));
        assert!(!world.spike(("shop", "nobody"), 500.0, now.plus_seconds(10)));
        world.step(now.plus_seconds(5));
        assert!(world.load("shop", "web").unwrap().arriving > 600.0);
        world.step(now.plus_seconds(10));
        assert!(world.load("shop", "web").unwrap().arriving < 200.0);
        assert_eq!(world.load("shop", "nobody"), None);
    }
}
