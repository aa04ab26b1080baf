//! Thin watches of the common workload kinds, so that a decision that changes nothing needs no request. Keeps a few words per object;
//! starts a watch when the first policy names its kind. Must not write.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use futures::{StreamExt, TryStreamExt};
use kube::api::{ApiResource, ObjectMeta};
use kube::core::DynamicResourceScope;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource};
use serde::Deserialize;
use std::borrow::Cow;
use std::time::Duration;
use tokio::time::Instant;

use super::SeenScale;
use crate::api::TargetRef;
use crate::engine::Replicas;

/// Kinds whose `/scale` is `spec.replicas` of the object itself, and whose status tells ready replicas. Everything else is read by GET.
const WATCHED_KINDS: [(&str, &str); 3] =
    [("Deployment", "deployments"), ("StatefulSet", "statefulsets"), ("ReplicaSet", "replicasets")];
/// The group and version of the kinds above.
const WATCHED_API_VERSION: &str = "apps/v1";

/// How long a failing watch is believed: an API server that restarts is not asked for every workload at once, and a watch that is gone
/// for good (rights taken away) does not leave old sizes standing. A write cannot go wrong meanwhile, since it names the version seen.
const BELIEVED_FOR: Duration = Duration::from_secs(60);

/// The sizes of all workloads of the watched kinds.
pub struct Workloads {
    client: Client,
    /// The one namespace to watch; `None` for all. Where rights end at a namespace, a wider watch would be refused.
    namespace: Option<String>,
    indexes: Mutex<HashMap<String, Arc<Index>>>,
}

/// What is kept of one kind. Written by its watch task alone, read by syncs.
#[derive(Default)]
struct Index {
    inner: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    /// A first list has been taken in whole.
    synced: bool,
    /// Since when the watch has failed without bringing anything.
    failing_since: Option<Instant>,
    by_name: BTreeMap<(String, String), SeenScale>,
    /// What a running list has brought so far; replaces `by_name` when it is whole.
    listing: BTreeMap<(String, String), SeenScale>,
}

impl Workloads {
    /// No watch yet.
    #[must_use]
    pub fn new(client: Client, namespace: Option<String>) -> Self {
        Self { client, namespace, indexes: Mutex::new(HashMap::new()) }
    }

    /// The size of `target` as the watch last told it. `None` where its kind is not watched, the first list is not whole, or the
    /// watch has not seen it: then the API server is asked.
    #[must_use]
    pub fn seen(&self, namespace: &str, target: &TargetRef) -> Option<SeenScale> {
        let index = self.index(target)?;
        let entries = index.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if !entries.synced || entries.failing_since.is_some_and(|since| since.elapsed() > BELIEVED_FOR) {
            return None;
        }
        entries.by_name.get(&(namespace.to_owned(), target.name.clone())).cloned()
    }

    /// Ready replicas of `target`, where a watch tells them.
    #[must_use]
    pub fn ready(&self, namespace: &str, target: &TargetRef) -> Option<i32> {
        self.seen(namespace, target)?.replicas.ready
    }

    /// The index of the target's kind; starts its watch on first use.
    fn index(&self, target: &TargetRef) -> Option<Arc<Index>> {
        if target.api_version != WATCHED_API_VERSION {
            return None;
        }
        let (kind, plural) = WATCHED_KINDS.into_iter().find(|(kind, _)| *kind == target.kind)?;
        let mut indexes = self.indexes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = indexes.get(kind) {
            return Some(index.clone());
        }
        let index = Arc::new(Index::default());
        indexes.insert(kind.to_owned(), index.clone());
        let resource = ApiResource {
            group: "apps".into(),
            version: "v1".into(),
            api_version: WATCHED_API_VERSION.into(),
            kind: kind.into(),
            plural: plural.into(),
        };
        let api: Api<ThinWorkload> = match &self.namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        };
        // The task ends with the runtime; a weak reference ends it earlier where the workloads are dropped.
        tokio::spawn(follow(api, Arc::downgrade(&index)));
        Some(index)
    }
}

async fn follow(api: Api<ThinWorkload>, index: std::sync::Weak<Index>) {
    let mut events = watcher(api, watcher::Config::default()).default_backoff().boxed();
    loop {
        let event = match events.try_next().await {
            Ok(Some(event)) => event,
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(%error, "The watch of workloads failed, it is tried again");
                let Some(index) = index.upgrade() else { return };
                let mut entries = index.inner.lock().unwrap_or_else(PoisonError::into_inner);
                entries.failing_since.get_or_insert_with(Instant::now);
                continue;
            }
        };
        let Some(index) = index.upgrade() else { return };
        index.inner.lock().unwrap_or_else(PoisonError::into_inner).apply(event);
    }
}

impl Entries {
    fn apply(&mut self, event: watcher::Event<ThinWorkload>) {
        // The beginning of a list is only an attempt.
        if !matches!(event, watcher::Event::Init) {
            self.failing_since = None;
        }
        match event {
            watcher::Event::Init => self.listing.clear(),
            watcher::Event::InitApply(workload) => {
                if let Some((key, seen)) = workload.seen() {
                    self.listing.insert(key, seen);
                }
            }
            watcher::Event::InitDone => {
                self.by_name = std::mem::take(&mut self.listing);
                self.synced = true;
            }
            watcher::Event::Apply(workload) => {
                if let Some((key, seen)) = workload.seen() {
                    self.by_name.insert(key, seen);
                }
            }
            watcher::Event::Delete(workload) => {
                if let Some((key, _)) = workload.seen() {
                    self.by_name.remove(&key);
                }
            }
        }
    }
}

/// A workload reduced to its size: serde skips what is not named, so nothing else is ever allocated.
#[derive(Debug, Clone, Deserialize)]
struct ThinWorkload {
    metadata: ObjectMeta,
    spec: Option<ThinSpec>,
    status: Option<ThinStatus>,
}

#[derive(Debug, Clone, Deserialize)]
struct ThinSpec {
    replicas: Option<i32>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ThinStatus {
    ready_replicas: Option<i32>,
    /// Absent until the workload's own controller has written a status; then `ready_replicas` absent means 0.
    observed_generation: Option<i64>,
}

impl ThinWorkload {
    fn seen(&self) -> Option<((String, String), SeenScale)> {
        let key = (self.metadata.namespace.clone()?, self.metadata.name.clone()?);
        let spec = self.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1).max(0);
        let ready = self.status.as_ref().and_then(|status| {
            status.observed_generation?;
            Some(status.ready_replicas.unwrap_or(0))
        });
        let resource_version = self.metadata.resource_version.clone()?;
        Some((key, SeenScale { replicas: Replicas { spec, ready }, resource_version, uid: self.metadata.uid.clone() }))
    }
}

impl Resource for ThinWorkload {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn kind(resource: &ApiResource) -> Cow<'_, str> {
        resource.kind.as_str().into()
    }
    fn group(resource: &ApiResource) -> Cow<'_, str> {
        resource.group.as_str().into()
    }
    fn version(resource: &ApiResource) -> Cow<'_, str> {
        resource.version.as_str().into()
    }
    fn plural(resource: &ApiResource) -> Cow<'_, str> {
        resource.plural.as_str().into()
    }
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
