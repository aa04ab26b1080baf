//! The pods of the cluster, as thin as the rules of HPA allow: one watch, started when the first policy needs pods, into an index by
//! namespace. Pods of one template share what their spec asks for. Must not judge what a pod counts for.

mod thin;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::Instant;

use super::{ClusterError, REQUEST_DEADLINE};
use crate::api::selector::LabelTest;
use crate::engine::{Absence, Absent, Pod, PodResources};
use thin::ThinPod;

/// How long a failing watch is believed. Pods come and go faster than sizes are changed, and their states are old by then.
const BELIEVED_FOR: Duration = Duration::from_secs(60);
/// Templates kept before those that no pod uses any more are swept out.
const FIRST_SWEEP: usize = 1_024;

/// Labels of a pod, sorted by key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels(Vec<(Box<str>, Box<str>)>);

/// Pods that a selector selects.
#[derive(Debug, Clone)]
pub struct Selected {
    /// The pods, sorted by name.
    pub pods: Arc<[Pod]>,
    /// Their labels. Neighbours that share theirs, as pods of one template do, stand here once.
    pub labels: Vec<Arc<Labels>>,
}

/// All pods that may be seen.
pub struct Pods {
    client: Client,
    /// The one namespace to watch; `None` for all.
    namespace: Option<String>,
    watched: OnceLock<Watched>,
}

struct Watched {
    index: Arc<Mutex<Index>>,
    /// The first list is whole, or has failed.
    settled: watch::Receiver<bool>,
}

/// What is kept. Written by the watch task alone.
#[derive(Default)]
struct Index {
    synced: bool,
    /// Since when the watch has failed without bringing anything, and what it last said.
    failing: Option<(Instant, String)>,
    by_namespace: BTreeMap<String, BTreeMap<Arc<str>, Entry>>,
    /// What a running list has brought so far; replaces `by_namespace` when it is whole.
    listing: BTreeMap<String, BTreeMap<Arc<str>, Entry>>,
    templates: Templates,
}

#[derive(Debug, Clone)]
struct Entry {
    labels: Arc<Labels>,
    pod: Pod,
}

/// What pods of one owner share, by the owner's uid.
#[derive(Default)]
struct Templates {
    by_owner: HashMap<String, (Arc<Labels>, Arc<PodResources>)>,
    sweep_at: usize,
}

impl Pods {
    /// No watch yet.
    #[must_use]
    pub const fn new(client: Client, namespace: Option<String>) -> Self {
        Self { client, namespace, watched: OnceLock::new() }
    }

    /// The pods of `namespace` that pass `test`. The first call starts the watch, and waits for its first list.
    ///
    /// # Errors
    /// Why the pods are not known: no whole list yet, or a watch that has failed for a minute. Never an empty list instead.
    pub async fn of(&self, namespace: &str, test: &LabelTest) -> Result<Selected, Absent> {
        let watched = self.watched.get_or_init(|| self.start());
        let mut settled = watched.settled.clone();
        let _either_way = tokio::time::timeout(REQUEST_DEADLINE, settled.wait_for(|settled| *settled)).await;
        let index = watched.index.lock().unwrap_or_else(PoisonError::into_inner);
        index.select(namespace, test)
    }

    fn start(&self) -> Watched {
        let api: Api<ThinPod> = match &self.namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        };
        let index = Arc::default();
        let (settling, settled) = watch::channel(false);
        // A weak reference ends the task where the pods are dropped.
        tokio::spawn(follow(api, Arc::downgrade(&index), settling));
        Watched { index, settled }
    }
}

async fn follow(api: Api<ThinPod>, index: Weak<Mutex<Index>>, settling: watch::Sender<bool>) {
    let mut events = watcher(api, watcher::Config::default()).default_backoff().boxed();
    loop {
        let event = events.try_next().await;
        let Some(index) = index.upgrade() else { return };
        let mut index = index.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Ok(Some(event)) => {
                let whole = matches!(event, watcher::Event::InitDone);
                index.apply(event);
                if whole {
                    settling.send_replace(true);
                }
            }
            Ok(None) => return,
            Err(error) => {
                let complaint = complaint(error);
                tracing::warn!(error = complaint, "The watch of pods failed, it is tried again");
                let since = index.failing.take().map_or_else(Instant::now, |(since, _)| since);
                index.failing = Some((since, complaint));
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
    fn select(&self, namespace: &str, test: &LabelTest) -> Result<Selected, Absent> {
        let lost = self.failing.as_ref().filter(|(since, _)| !self.synced || since.elapsed() > BELIEVED_FOR);
        if let Some((_, complaint)) = lost {
            let message = format!("pods cannot be watched: {complaint}");
            return Err(Absent { absence: Absence::Unavailable, message: message.into() });
        }
        if !self.synced {
            let message = "the API server has not listed the pods yet; this is tried again in the next pass";
            return Err(Absent { absence: Absence::Unavailable, message: message.into() });
        }
        let pods = self.by_namespace.get(namespace).into_iter().flat_map(BTreeMap::values);
        let mut labels: Vec<Arc<Labels>> = Vec::new();
        let selected = pods.filter(|entry| test.passes(|key| entry.labels.get(key))).map(|entry| {
            if labels.last().is_none_or(|last| !Arc::ptr_eq(last, &entry.labels)) {
                labels.push(entry.labels.clone());
            }
            entry.pod.clone()
        });
        Ok(Selected { pods: selected.collect(), labels })
    }

    fn apply(&mut self, event: watcher::Event<ThinPod>) {
        // The beginning of a list is only an attempt.
        if !matches!(event, watcher::Event::Init) {
            self.failing = None;
        }
        match event {
            watcher::Event::Init => self.listing.clear(),
            watcher::Event::InitApply(pod) => {
                if let Some((namespace, entry)) = self.templates.entry(pod) {
                    self.listing.entry(namespace).or_default().insert(entry.pod.name.clone(), entry);
                }
            }
            watcher::Event::InitDone => {
                self.by_namespace = std::mem::take(&mut self.listing);
                self.synced = true;
            }
            watcher::Event::Apply(pod) => {
                if let Some((namespace, entry)) = self.templates.entry(pod) {
                    self.by_namespace.entry(namespace).or_default().insert(entry.pod.name.clone(), entry);
                }
            }
            watcher::Event::Delete(pod) => {
                let (Some(namespace), Some(name)) = (&pod.metadata.namespace, &pod.metadata.name) else { return };
                if let Some(pods) = self.by_namespace.get_mut(namespace) {
                    pods.remove(name.as_str());
                    if pods.is_empty() {
                        self.by_namespace.remove(namespace);
                    }
                }
            }
        }
    }
}

impl Templates {
    /// The namespace and the entry of a pod; `None` where it has no name.
    fn entry(&mut self, pod: ThinPod) -> Option<(String, Entry)> {
        let owner = pod.owner();
        let (namespace, labels, pod) = pod.into_parts()?;
        let Some(owner) = owner else { return Some((namespace, Entry { labels: Arc::new(labels), pod })) };
        if self.by_owner.len() >= self.sweep_at.max(FIRST_SWEEP) {
            self.by_owner.retain(|_, (_, resources)| Arc::strong_count(resources) > 1);
            self.sweep_at = self.by_owner.len() * 2;
        }
        let shared = self.by_owner.entry(owner).or_insert_with(|| (Arc::default(), pod.resources.clone()));
        if *shared.0 != labels {
            shared.0 = Arc::new(labels);
        }
        if shared.1 != pod.resources {
            shared.1 = pod.resources.clone();
        }
        Some((namespace, Entry { labels: shared.0.clone(), pod: Pod { resources: shared.1.clone(), ..pod } }))
    }
}

impl Labels {
    /// The value of the label `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let index = self.0.binary_search_by(|(name, _)| (**name).cmp(key)).ok()?;
        self.0.get(index).map(|(_, value)| &**value)
    }

    /// Keys and values, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (&**key, &**value))
    }
}

impl From<BTreeMap<String, String>> for Labels {
    fn from(labels: BTreeMap<String, String>) -> Self {
        Self(labels.into_iter().map(|(key, value)| (key.into_boxed_str(), value.into_boxed_str())).collect())
    }
}

#[cfg(test)]
mod tests;
