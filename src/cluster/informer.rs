//! What a watch tells of one kind, kept by namespace and name: a list replaces everything once it is whole, and a watch that keeps
//! failing is believed for a minute. Knows no kind; what of an object is worth keeping is its user's to say. Must not write.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::time::Instant;

use super::ClusterError;

/// How long a failing watch is believed: an API server that restarts is not asked for every object at once, and a watch that is gone
/// for good (rights taken away) does not leave old objects standing.
pub(super) const BELIEVED_FOR: Duration = Duration::from_secs(60);

/// A running watch of one kind, and what is kept of its objects. The watch ends where this is dropped.
#[derive(Debug)]
pub struct Informer<V> {
    /// As sentences name the objects, in the plural.
    what: &'static str,
    store: Arc<Mutex<Store<V>>>,
    /// The first list is whole, or has failed.
    settled: watch::Receiver<bool>,
}

/// Why the objects of a kind are not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// No list has been taken in whole yet.
    #[error("the API server has not listed the {what} yet; this is tried again in the next pass")]
    Unlisted {
        /// The objects.
        what: &'static str,
    },
    /// The watch fails: from the beginning, or for longer than it is believed.
    #[error("{what} cannot be watched: {complaint}")]
    Unwatched {
        /// The objects.
        what: &'static str,
        /// What the API server last said, in one short line.
        complaint: String,
    },
}

impl Unknown {
    /// A static word for conditions, metrics and logs.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Unlisted { .. } => "NotListed",
            Self::Unwatched { .. } => "NotWatched",
        }
    }
}

/// The objects of one kind by namespace (empty for those of the cluster) and name.
#[derive(Debug, Clone)]
pub struct Objects<V> {
    by_namespace: BTreeMap<String, BTreeMap<Arc<str>, V>>,
}

/// What is kept, and how far it can be believed. Written by the watch's task alone.
#[derive(Debug)]
pub(super) struct Store<V> {
    synced: bool,
    /// Since when the watch has failed without bringing anything, and what it last said.
    failing: Option<(Instant, String)>,
    objects: Objects<V>,
    /// What a running list has brought so far; replaces `objects` when it is whole.
    listing: Objects<V>,
}

impl<V: Send + 'static> Informer<V> {
    /// Starts to watch what `api` selects. `keep` reduces an object to what is kept of it, under its name, or keeps nothing.
    pub fn start<K>(
        what: &'static str,
        api: Api<K>,
        keep: impl FnMut(&Arc<str>, K) -> Option<V> + Send + 'static,
    ) -> Self
    where
        K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        let store = Arc::default();
        let (settling, settled) = watch::channel(false);
        // A weak reference ends the task where the informer is dropped.
        tokio::spawn(follow((what, api), keep, Arc::downgrade(&store), settling));
        Self { what, store, settled }
    }

    /// Returns once the first list is whole, is refused, or has taken too long.
    pub async fn settle(&self, deadline: Duration) {
        let mut settled = self.settled.clone();
        let _either_way = tokio::time::timeout(deadline, settled.wait_for(|settled| *settled)).await;
    }

    /// Looks at the objects. Others wait meanwhile, so the look should be short.
    ///
    /// # Errors
    /// Why they are not known. Never no objects instead.
    pub fn read<T>(&self, look: impl FnOnce(&Objects<V>) -> T) -> Result<T, Unknown> {
        let store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        store.believed(self.what).map(look)
    }

    /// Looks at the objects as they were last seen, however long ago: for a caller that asks the API server itself before it relies
    /// on them.
    pub fn last_seen<T>(&self, look: impl FnOnce(&Objects<V>) -> T) -> T {
        look(&self.store.lock().unwrap_or_else(PoisonError::into_inner).objects)
    }
}

async fn follow<K, V>(
    (what, api): (&'static str, Api<K>),
    mut keep: impl FnMut(&Arc<str>, K) -> Option<V>,
    store: Weak<Mutex<Store<V>>>,
    settling: watch::Sender<bool>,
) where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let mut events = watcher(api, watcher::Config::default()).default_backoff().boxed();
    loop {
        let event = events.try_next().await;
        let Some(store) = store.upgrade() else { return };
        let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
        let settles = match event {
            Ok(Some(event)) => {
                let whole = matches!(event, watcher::Event::InitDone);
                store.apply(event, &mut keep);
                whole
            }
            Ok(None) => return,
            Err(error) => {
                let complaint = complaint(error);
                tracing::warn!(error = complaint, "The watch of {what} failed, it is tried again");
                store.fail(complaint);
                true
            }
        };
        if settles {
            settling.send_replace(true);
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

impl<V> Store<V> {
    pub(super) fn apply<K: Resource>(
        &mut self,
        event: watcher::Event<K>,
        keep: &mut impl FnMut(&Arc<str>, K) -> Option<V>,
    ) {
        // The beginning of a list is only an attempt.
        if !matches!(event, watcher::Event::Init) {
            self.failing = None;
        }
        match event {
            watcher::Event::Init => self.listing = Objects::default(),
            watcher::Event::InitApply(object) => self.listing.put(object, keep),
            watcher::Event::InitDone => {
                self.objects = std::mem::take(&mut self.listing);
                self.synced = true;
            }
            watcher::Event::Apply(object) => self.objects.put(object, keep),
            watcher::Event::Delete(object) => {
                if let Some(name) = &object.meta().name {
                    self.objects.remove(object.meta().namespace.as_deref().unwrap_or_default(), name);
                }
            }
        }
    }

    pub(super) fn fail(&mut self, complaint: String) {
        let since = self.failing.take().map_or_else(Instant::now, |(since, _)| since);
        self.failing = Some((since, complaint));
    }

    pub(super) fn believed(&self, what: &'static str) -> Result<&Objects<V>, Unknown> {
        match &self.failing {
            Some((since, complaint)) if !self.synced || since.elapsed() > BELIEVED_FOR => {
                Err(Unknown::Unwatched { what, complaint: complaint.clone() })
            }
            _ if !self.synced => Err(Unknown::Unlisted { what }),
            _ => Ok(&self.objects),
        }
    }
}

impl<V> Objects<V> {
    /// What is kept of one object.
    #[must_use]
    pub fn get(&self, namespace: &str, name: &str) -> Option<&V> {
        self.by_namespace.get(namespace)?.get(name)
    }

    /// What is kept of the objects of a namespace, sorted by name.
    pub fn within(&self, namespace: &str) -> impl Iterator<Item = (&Arc<str>, &V)> {
        self.by_namespace.get(namespace).into_iter().flatten()
    }

    /// An object of which nothing is worth keeping is as one that is gone.
    fn put<K: Resource>(&mut self, object: K, keep: &mut impl FnMut(&Arc<str>, K) -> Option<V>) {
        let Some(name) = object.meta().name.as_deref().map(Arc::<str>::from) else { return };
        let namespace = object.meta().namespace.clone().unwrap_or_default();
        match keep(&name, object) {
            Some(kept) => {
                self.by_namespace.entry(namespace).or_default().insert(name, kept);
            }
            None => self.remove(&namespace, &name),
        }
    }

    fn remove(&mut self, namespace: &str, name: &str) {
        if let Some(objects) = self.by_namespace.get_mut(namespace) {
            objects.remove(name);
            if objects.is_empty() {
                self.by_namespace.remove(namespace);
            }
        }
    }
}

impl<V> Default for Objects<V> {
    fn default() -> Self {
        Self { by_namespace: BTreeMap::new() }
    }
}

impl<V> Default for Store<V> {
    fn default() -> Self {
        Self { synced: false, failing: None, objects: Objects::default(), listing: Objects::default() }
    }
}

#[cfg(test)]
mod tests;
