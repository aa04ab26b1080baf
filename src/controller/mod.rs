//! The loop: watches policies, starts passes when they are due, keeps what they remember. Decides nothing itself.
//!
//! One task owns the registry and the schedule. Each pass runs in a task of its own, so that a panic in one policy's pass ends there; the
//! memory stays with the loop until the pass has ended well.

mod act;
mod claims;
mod observe;
pub mod registry;
mod report;
pub mod schedule;
mod selectors;
pub mod sources;
mod sync;
mod wake;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use kube::core::DeserializeGuard;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use tokio::task::{Id, JoinError, JoinHandle, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::api::ScalingPolicy;
use crate::clock::Clock;
use crate::cluster::client::Clients;
use crate::cluster::events::Events;
use crate::cluster::rivals::Rivals;
use crate::cluster::{Pods, Scales};
use crate::sources::MetricSource;
use crate::sources::kubernetes::MetricsApis;
use crate::sources::prometheus::usage::PodUsages;
use crate::sources::registry::Ready;
use crate::telemetry::http::Health;
use crate::telemetry::{Metrics, PolicyKey};
use claims::Claims;
use registry::{Change, Memory, Registry, key_of};
use schedule::{Millis, PolicyId, Schedule};
use selectors::Selectors;

/// Longest that a stop waits for passes that are running: below the 30 s that Kubernetes grants, above the 5 s of any request.
const DRAIN_DEADLINE: Duration = Duration::from_secs(10);

/// Longest that a stop waits for events that are still to be written: one request's deadline.
const EVENTS_DEADLINE: Duration = Duration::from_secs(5);

/// Passes that may run at once. By Little's law, 10,000 policies at 15 s with answers in 50 ms keep 34 busy; 256 leaves room for a slow
/// Prometheus, and bounds memory and open requests.
pub const DEFAULT_CONCURRENCY: usize = 256;

/// What every pass may use.
pub struct Context<M, C> {
    /// For status writes.
    pub client: Client,
    /// Sizes of workloads.
    pub scales: Scales,
    /// The pods of workloads, for metrics with a value per pod.
    pub pods: Pods,
    /// Where metrics of type Prometheus come from.
    pub source: M,
    /// Where the metrics of HPA's own types come from.
    pub metrics_apis: MetricsApis,
    /// Where cpu and memory of pods come from; `None` for the metrics APIs as well.
    pub pod_usages: Option<PodUsages>,
    /// What time it is.
    pub clock: C,
    /// Own metrics.
    pub metrics: Arc<Metrics>,
    /// Kubernetes events.
    pub events: Events,
    /// Autoscalers of others.
    pub rivals: Rivals,
    /// Which policies would write to which workload.
    pub(crate) claims: Claims,
    /// Which policies measure which pods.
    pub(crate) selectors: Selectors,
}

/// How a controller runs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The one namespace to watch; `None` for all.
    pub namespace: Option<String>,
    /// Passes that may run at once, 1 or more.
    pub concurrency: usize,
    /// The name of this process in events.
    pub instance: String,
}

/// The loop cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ControllerError {
    /// The watch of policies ended for good.
    #[error("the watch of ScalingPolicies ended")]
    WatchEnded,
}

/// The loop and everything that it owns.
pub struct Controller<M, C> {
    context: Arc<Context<M, C>>,
    settings: Settings,
    health: Arc<Health>,
    registry: Registry,
    schedule: Schedule,
    running: JoinSet<Memory>,
    /// Which policy a running task works on. Written by the loop alone.
    tasks: HashMap<Id, (PolicyId, PolicyKey, Instant)>,
    /// The first list of policies is whole: before, an elder policy of a workload may yet be to come.
    listed: bool,
    epoch: Instant,
    /// Tells which sources have become ready.
    ready: Ready,
    /// The task that writes events; ends with the last of them once the context is gone.
    event_writer: JoinHandle<()>,
}

type PolicyEvent = watcher::Event<DeserializeGuard<ScalingPolicy>>;

impl<M: MetricSource, C: Clock> Controller<M, C> {
    /// A controller over these clients, reading from `source` at `clock`'s time.
    pub fn new((clients, source, clock): (Clients, M, C), metrics: Arc<Metrics>, settings: Settings) -> Self {
        let (events, event_writer) = Events::start(clients.writes.clone(), clock.clone(), settings.instance.clone());
        let client = clients.writes.clone();
        let rivals = Rivals::start(clients.reads.clone(), settings.namespace.as_deref());
        let context = Context {
            pods: Pods::new(clients.reads.clone(), settings.namespace.clone()),
            // The client that repeats nothing: a pause of its own would eat the deadline, and the next pass asks again.
            metrics_apis: MetricsApis::new(clients.writes.clone()),
            pod_usages: None,
            client,
            scales: Scales::new(clients, settings.namespace.clone()),
            source,
            clock,
            metrics,
            events,
            rivals,
            claims: Claims::default(),
            selectors: Selectors::default(),
        };
        Self {
            context: Arc::new(context),
            settings,
            health: Arc::default(),
            registry: Registry::default(),
            schedule: Schedule::default(),
            running: JoinSet::new(),
            tasks: HashMap::new(),
            listed: false,
            epoch: Instant::now(),
            ready: Ready::default(),
            event_writer,
        }
    }

    /// Takes cpu and memory of pods from there, and from `metrics.k8s.io` where there is `None`, as a new controller does.
    #[must_use]
    pub fn with_pod_usages(mut self, usages: Option<PodUsages>) -> Self {
        // Nobody shares the context before the controller runs.
        if let Some(context) = Arc::get_mut(&mut self.context) {
            context.pod_usages = usages;
        }
        self
    }

    /// What the probes of this controller read.
    #[must_use]
    pub fn health(&self) -> Arc<Health> {
        self.health.clone()
    }

    /// Runs until `cancel`, then lets the passes that are running end.
    ///
    /// # Errors
    /// [`ControllerError::WatchEnded`], after which the process should end and be started again.
    pub async fn run(mut self, policies: Client, cancel: CancellationToken) -> Result<(), ControllerError> {
        tokio::select! {
            () = self.context.rivals.settle() => {}
            () = cancel.cancelled() => {}
        }
        let mut events = Box::pin(watch(policies, self.settings.namespace.as_deref()));
        loop {
            self.start_due();
            let wake = self.wake_at();
            tokio::select! {
                biased;
                () = cancel.cancelled() => break,
                Some(ended) = self.running.join_next_with_id(), if !self.running.is_empty() => self.finish(ended),
                event = events.next() => match event {
                    Some(Ok(event)) => self.take_in(event),
                    Some(Err(error)) => tracing::warn!("{}", watch_complaint(&error)),
                    None => return Err(ControllerError::WatchEnded),
                },
                sources = self.ready.next() => self.wake(&sources),
                () = sleep_until(wake) => {}
            }
        }
        self.drain().await;
        Ok(())
    }

    fn now(&self) -> Millis {
        Millis::try_from(self.epoch.elapsed().as_millis()).unwrap_or(Millis::MAX)
    }

    /// When the loop has to look at the schedule again without anything else happening.
    fn wake_at(&self) -> Option<Instant> {
        if !self.listed || self.running.len() >= self.settings.concurrency {
            return None; // the whole list, or the end of a pass, wakes it
        }
        self.schedule.next_due().map(|due| self.epoch + Duration::from_millis(due))
    }

    fn start_due(&mut self) {
        let now = self.now();
        while self.listed && self.running.len() < self.settings.concurrency {
            let Some((id, due)) = self.schedule.start_due(now) else { break };
            let Some(entry) = self.registry.get_mut(id) else {
                self.schedule.remove(id);
                continue;
            };
            self.context.metrics.started_late(Duration::from_millis(now.saturating_sub(due)).as_secs_f64());
            // The loop keeps its copy: should the pass panic, nothing that was remembered is lost.
            let key = entry.subject.key.clone();
            let pass = sync::sync(self.context.clone(), entry.subject.clone(), entry.memory.clone());
            let task = self.running.spawn(pass);
            self.tasks.insert(task.id(), (id, key, Instant::now()));
        }
        self.context.metrics.running(self.running.len());
    }

    fn finish(&mut self, ended: Result<(Id, Memory), JoinError>) {
        let (task, memory) = match ended {
            Ok((task, memory)) => (task, Some(memory)),
            Err(error) => (error.id(), None),
        };
        let Some((id, key, started)) = self.tasks.remove(&task) else { return };
        self.context.metrics.synced(started.elapsed().as_secs_f64());
        let now = self.now();
        let Some(entry) = self.registry.get_mut(id) else {
            if !self.registry.contains(&key) {
                // The pass may have published after the policy was forgotten.
                self.context.metrics.policies.forget(&key);
            }
            return;
        };
        match memory {
            Some(memory) => entry.memory = memory,
            None => {
                self.context.metrics.panicked();
                entry.memory.failures = entry.memory.failures.saturating_add(1);
                tracing::error!(policy = %entry.subject.key, "A pass panicked; replicas are untouched, it is tried again");
            }
        }
        let failures = entry.memory.failures;
        self.schedule.done(id, failures, now);
        self.context.metrics.events_dropped(self.context.events.dropped_total());
    }

    fn take_in(&mut self, event: PolicyEvent) {
        match event {
            watcher::Event::Init => self.registry.begin_list(),
            watcher::Event::InitApply(object) | watcher::Event::Apply(object) => self.apply(object),
            watcher::Event::InitDone => {
                for (key, id) in self.registry.end_list() {
                    self.schedule.remove(id);
                    self.context.metrics.policies.forget(&key);
                    self.context.claims.release(&key);
                    self.context.selectors.release(&key);
                }
                self.listed = true;
                self.health.set_ready(true);
            }
            watcher::Event::Delete(object) => {
                let key = key_of(&object);
                if self.forget(&key) {
                    tracing::info!(policy = %key, "Policy deleted, replicas stay as they are");
                }
            }
        }
    }

    fn apply(&mut self, object: DeserializeGuard<ScalingPolicy>) {
        let key = key_of(&object);
        let object = match object.0 {
            Ok(object) => object,
            Err(invalid) => {
                // Only an object older than the schema can get here. What it asks for is unknown, so nothing is done for it.
                tracing::error!(policy = %key, error = %invalid, "A ScalingPolicy cannot be read; replicas are untouched");
                self.context.metrics.sync_failed("Unreadable");
                self.forget(&key);
                return;
            }
        };
        let now = self.now();
        for change in self.registry.apply(&object) {
            match change {
                Change::Gone(id) => self.schedule.remove(id),
                Change::Due(id) => {
                    if let Some(entry) = self.registry.get_mut(id) {
                        entry.subject.claim(&self.context.claims);
                        if !entry.subject.needs_pods() {
                            self.context.selectors.release(&entry.subject.key);
                        }
                        let rhythm = (entry.subject.uid.as_str(), entry.subject.period_millis());
                        self.schedule.upsert(id, rhythm, now);
                    }
                }
            }
        }
    }

    /// Forgets a policy. Answers whether there was one.
    fn forget(&mut self, key: &PolicyKey) -> bool {
        self.context.metrics.policies.forget(key);
        self.context.claims.release(key);
        let id = self.registry.remove(key);
        // After the registry, which marks the policy: a pass that is running takes its selector in no more.
        self.context.selectors.release(key);
        if let Some(id) = id {
            self.schedule.remove(id);
        }
        id.is_some()
    }

    async fn drain(mut self) {
        self.health.set_ready(false);
        tracing::info!(running = self.running.len(), "Stopping: passes that are running may end");
        let all_ended = async { while self.running.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN_DEADLINE, all_ended).await.is_err() {
            tracing::warn!(abandoned = self.running.len(), "Some passes did not end in time");
            self.running.abort_all();
            while self.running.join_next().await.is_some() {}
        }
        drop(self.context);
        if tokio::time::timeout(EVENTS_DEADLINE, self.event_writer).await.is_err() {
            tracing::warn!("Some events were not written in time");
        }
    }
}

fn watch(client: Client, namespace: Option<&str>) -> impl Stream<Item = Result<PolicyEvent, watcher::Error>> + use<> {
    let api: Api<DeserializeGuard<ScalingPolicy>> = match namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    };
    watcher(api, watcher::Config::default()).default_backoff().boxed()
}

/// The one fault that every newcomer meets deserves its mend.
fn watch_complaint(error: &watcher::Error) -> String {
    if let watcher::Error::InitialListFailed(kube::Error::Api(status)) = error
        && status.code == 404
    {
        return "The API server knows no ScalingPolicy; install it with: flyball crd | kubectl apply --server-side -f -".into();
    }
    format!("The watch of ScalingPolicies failed and is tried again: {error}")
}

async fn sleep_until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
