//! Where the registry keeps its sources: by kind, namespace and name. Values only.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use crate::api::query::SourceKind;
use crate::api::source::{Audience, SourceKey};
use crate::sources::prometheus::Limits;
use crate::sources::prometheus::connection::Connection;
use crate::sources::prometheus::usage::Way;

/// The sources by their names.
pub(super) struct Shelf<S> {
    /// By name of the object.
    pub(super) cluster: BTreeMap<Arc<str>, Slot<S>>,
    /// By namespace, then by name.
    pub(super) namespaced: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Slot<S>>>,
    /// The kinds whose first list is whole, or cannot be had: before, a name that is not there may yet be to come.
    pub(super) listed: [bool; 2],
    /// Labels of namespaces; `None` until somebody needs them and they are known.
    pub(super) labels: Option<BTreeMap<String, BTreeMap<String, String>>>,
}

/// One source.
pub(super) struct Slot<S> {
    /// Which state of the object it speaks of.
    pub(super) revision: u64,
    pub(super) audience: Audience,
    pub(super) state: State<S>,
}

/// How far a source has come.
pub(super) enum State<S> {
    /// Its Secrets are not read yet.
    Pending,
    /// It can be asked.
    Connected(Arc<Client<S>>),
    /// It cannot, and why.
    Faulty(Arc<str>),
}

/// A client with what it was made from, so that an equal one need not be made.
pub(super) struct Client<S> {
    pub(super) connection: Connection,
    pub(super) limits: Limits,
    pub(super) source: S,
    /// The way for usage of pods, once it was asked for; or why there is none.
    pub(super) pods: OnceLock<Result<Way, String>>,
}

impl<S> Shelf<S> {
    pub(super) fn slot(&self, key: &SourceKey) -> Option<&Slot<S>> {
        match key.kind {
            SourceKind::Cluster => self.cluster.get(&key.name),
            SourceKind::Namespaced => self.namespaced.get(&key.namespace)?.get(&key.name),
        }
    }

    pub(super) fn slot_mut(&mut self, key: &SourceKey) -> Option<&mut Slot<S>> {
        match key.kind {
            SourceKind::Cluster => self.cluster.get_mut(&key.name),
            SourceKind::Namespaced => self.namespaced.get_mut(&key.namespace)?.get_mut(&key.name),
        }
    }

    pub(super) fn put(&mut self, key: &SourceKey, slot: Slot<S>) {
        let names = match key.kind {
            SourceKind::Cluster => &mut self.cluster,
            SourceKind::Namespaced => self.namespaced.entry(Arc::clone(&key.namespace)).or_default(),
        };
        names.insert(Arc::clone(&key.name), slot);
    }

    pub(super) fn take(&mut self, key: &SourceKey) {
        match key.kind {
            SourceKind::Cluster => drop(self.cluster.remove(&key.name)),
            SourceKind::Namespaced => {
                if let Some(names) = self.namespaced.get_mut(&key.namespace) {
                    names.remove(&key.name);
                    if names.is_empty() {
                        self.namespaced.remove(&key.namespace);
                    }
                }
            }
        }
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = SourceKey> {
        let key = |kind, namespace: &Arc<str>, name: &Arc<str>| SourceKey {
            kind,
            namespace: Arc::clone(namespace),
            name: Arc::clone(name),
        };
        let nowhere: Arc<str> = "".into();
        let cluster = self.cluster.keys().map(move |name| key(SourceKind::Cluster, &nowhere, name));
        let namespaced = self.namespaced.iter().flat_map(move |(namespace, names)| {
            names.keys().map(move |name| key(SourceKind::Namespaced, namespace, name))
        });
        cluster.chain(namespaced)
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = &Slot<S>> {
        self.cluster.values().chain(self.namespaced.values().flat_map(BTreeMap::values))
    }

    pub(super) fn is_settled(&self) -> bool {
        let needs_labels = self.slots().any(|slot| matches!(slot.audience, Audience::Labels(_)));
        self.listed.iter().all(|listed| *listed)
            && self.slots().all(|slot| !matches!(slot.state, State::Pending))
            && (self.labels.is_some() || !needs_labels)
    }
}

impl<S> Default for Shelf<S> {
    fn default() -> Self {
        Self { cluster: BTreeMap::new(), namespaced: BTreeMap::new(), listed: [false; 2], labels: None }
    }
}
