//! Which workloads a HorizontalPodAutoscaler already drives, KEDA's included, since KEDA drives through one. A thin watch; must not
//! decide who yields.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use kube::api::ObjectMeta;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use serde::Deserialize;
use tokio::sync::watch;

use super::ClusterError;
use crate::api::TargetRef;

/// Longest that a start waits for the first list of HorizontalPodAutoscalers. After that the guard works with what it has: an API server
/// that does not tell them must not keep workloads from growing.
const SETTLE_DEADLINE: Duration = Duration::from_secs(5);

/// A workload within a namespace, whatever version of its API somebody names it by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WorkloadKey {
    namespace: String,
    group: String,
    kind: String,
    name: String,
}

impl WorkloadKey {
    /// The workload that `target` names in `namespace`.
    #[must_use]
    pub fn new(namespace: &str, target: &TargetRef) -> Self {
        let group = target.api_version.split_once('/').map_or("", |(group, _)| group);
        Self {
            namespace: namespace.to_owned(),
            group: group.to_owned(),
            kind: target.kind.clone(),
            name: target.name.clone(),
        }
    }
}

/// The workloads that HorizontalPodAutoscalers drive.
pub struct Rivals {
    index: Arc<Mutex<Index>>,
    settled: watch::Receiver<bool>,
}

/// Who drives what. Written by the watch task alone.
#[derive(Debug, Default)]
struct Index {
    /// What drives each workload, by the autoscaler's namespace and name.
    by_autoscaler: BTreeMap<(String, String), Driver>,
    /// What a running list has brought so far.
    listing: BTreeMap<(String, String), Driver>,
}

/// One autoscaler and its workload.
#[derive(Debug, Clone)]
struct Driver {
    workload: WorkloadKey,
    /// As a sentence names it.
    title: String,
}

impl Rivals {
    /// Starts to watch, in one namespace or in all.
    #[must_use]
    pub fn start(client: Client, namespace: Option<&str>) -> Self {
        let api: Api<ThinAutoscaler> = match namespace {
            Some(namespace) => Api::namespaced(client, namespace),
            None => Api::all(client),
        };
        let index = Arc::default();
        let (settling, settled) = watch::channel(false);
        // A weak reference ends the task where the rivals are dropped.
        tokio::spawn(follow(api, Arc::downgrade(&index), settling));
        Self { index, settled }
    }

    /// Returns once the first list is whole, is refused, or has taken too long.
    pub async fn settle(&self) {
        let mut settled = self.settled.clone();
        let _either_way = tokio::time::timeout(SETTLE_DEADLINE, settled.wait_for(|settled| *settled)).await;
    }

    /// The autoscaler that drives `workload`, as a sentence names it.
    #[must_use]
    pub fn of(&self, workload: &WorkloadKey) -> Option<String> {
        let index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        index.by_autoscaler.values().find(|driver| driver.workload == *workload).map(|driver| driver.title.clone())
    }
}

async fn follow(api: Api<ThinAutoscaler>, index: std::sync::Weak<Mutex<Index>>, settling: watch::Sender<bool>) {
    let mut events = watcher(api, watcher::Config::default()).default_backoff().boxed();
    loop {
        let event = events.try_next().await;
        let Some(index) = index.upgrade() else { return };
        match event {
            Ok(Some(event)) => {
                let whole = matches!(event, watcher::Event::InitDone);
                index.lock().unwrap_or_else(PoisonError::into_inner).apply(event);
                if whole {
                    settling.send_replace(true);
                }
            }
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(error = %complaint(error), "HorizontalPodAutoscalers cannot be watched: one that drives the same workload as a policy may go unnoticed");
                settling.send_replace(true);
            }
        }
    }
}

/// What the API server said, in one short line.
fn complaint(error: watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error) => {
            ClusterError::from(error).to_string()
        }
        other => other.to_string(),
    }
}

impl Index {
    fn apply(&mut self, event: watcher::Event<ThinAutoscaler>) {
        match event {
            watcher::Event::Init => self.listing.clear(),
            watcher::Event::InitApply(autoscaler) => {
                self.listing.extend(autoscaler.driver());
            }
            watcher::Event::InitDone => self.by_autoscaler = std::mem::take(&mut self.listing),
            watcher::Event::Apply(autoscaler) => self.by_autoscaler.extend(autoscaler.driver()),
            watcher::Event::Delete(autoscaler) => {
                if let Some((key, _)) = autoscaler.driver() {
                    self.by_autoscaler.remove(&key);
                }
            }
        }
    }
}

/// A HorizontalPodAutoscaler reduced to what it drives.
#[derive(Debug, Clone, Deserialize, kube::Resource)]
#[resource(inherit = k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler)]
struct ThinAutoscaler {
    metadata: ObjectMeta,
    spec: ThinAutoscalerSpec,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ThinAutoscalerSpec {
    scale_target_ref: ThinTarget,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ThinTarget {
    #[serde(default)]
    api_version: String,
    kind: String,
    name: String,
}

impl ThinAutoscaler {
    fn driver(&self) -> Option<((String, String), Driver)> {
        let (namespace, name) = (self.metadata.namespace.clone()?, self.metadata.name.clone()?);
        let target = &self.spec.scale_target_ref;
        let target =
            TargetRef { api_version: target.api_version.clone(), kind: target.kind.clone(), name: target.name.clone() };
        let owner = self.metadata.owner_references.iter().flatten().find(|owner| owner.kind == "ScaledObject");
        let title = match owner {
            Some(owner) => format!("ScaledObject {:?} through HorizontalPodAutoscaler {name:?}", owner.name),
            None => format!("HorizontalPodAutoscaler {name:?}"),
        };
        Some(((namespace.clone(), name), Driver { workload: WorkloadKey::new(&namespace, &target), title }))
    }
}
