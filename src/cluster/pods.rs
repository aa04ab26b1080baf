//! The pods of the cluster, as thin as the rules of HPA allow: one watch, started when the first policy needs pods, into an index by
//! namespace. Pods of one template share what their spec asks for. Must not judge what a pod counts for.

mod thin;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

use kube::{Api, Client};

use super::REQUEST_DEADLINE;
use super::informer::{Informer, Objects};
use crate::api::selector::LabelTest;
use crate::engine::{Absence, Absent, Pod, PodResources};
use thin::ThinPod;

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
    watched: OnceLock<Informer<Entry>>,
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
        let informer = self.watched.get_or_init(|| self.start());
        informer.settle(REQUEST_DEADLINE).await;
        informer
            .read(|pods| select(pods, namespace, test))
            .map_err(|unknown| Absent { absence: Absence::Unavailable, message: unknown.to_string().into() })
    }

    fn start(&self) -> Informer<Entry> {
        let api: Api<ThinPod> = match &self.namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        };
        let mut templates = Templates::default();
        Informer::start("pods", api, move |name, pod| Some(templates.entry(name, pod)))
    }
}

fn select(pods: &Objects<Entry>, namespace: &str, test: &LabelTest) -> Selected {
    let mut labels: Vec<Arc<Labels>> = Vec::new();
    let pods = pods.within(namespace).map(|(_, entry)| entry).filter(|entry| test.passes(|key| entry.labels.get(key)));
    let selected = pods.map(|entry| {
        if labels.last().is_none_or(|last| !Arc::ptr_eq(last, &entry.labels)) {
            labels.push(entry.labels.clone());
        }
        entry.pod.clone()
    });
    Selected { pods: selected.collect(), labels }
}

impl Templates {
    /// What is kept of a pod.
    fn entry(&mut self, name: &Arc<str>, pod: ThinPod) -> Entry {
        let owner = pod.owner();
        let (labels, pod) = pod.into_parts(name);
        let Some(owner) = owner else { return Entry { labels: Arc::new(labels), pod } };
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
        Entry { labels: shared.0.clone(), pod: Pod { resources: shared.1.clone(), ..pod } }
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
