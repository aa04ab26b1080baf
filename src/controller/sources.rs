//! Keeps the registry of sources true: follows the objects, reads the Secrets that they name, probes, and says of each whether it is ready.
//! Must not answer queries: that is the registry's.
//!
//! One task owns what is known. Each look at a source runs in a task of its own, one at a time for each source.

mod look;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::sync::mpsc;
use tokio::task::{Id, JoinError, JoinHandle, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::look::{Memory, look};
use crate::api::query::SourceKind;
use crate::api::source::{Audience, SourceKey, SourceObject};
use crate::clock::Clock;
use crate::cluster::client::Clients;
use crate::cluster::events::Events;
use crate::cluster::prometheus_sources::{NamespaceLabels, SourceEvent, watch_labels, watch_sources};
use crate::sources::recipe::Allowance;
use crate::sources::registry::{Connect, Registry};

/// How often the Secrets of a source are read again. They are read by name and not watched, so that no role has to allow more; half a
/// minute is what a rotation may take to be noticed where the old credential is still taken.
pub const REREAD_EVERY: Duration = Duration::from_secs(30);
/// How soon after a look a refused query (401, 403) may cause the next: a wrong password must not read Secrets with each query.
pub const REREAD_AFTER_REFUSAL: Duration = Duration::from_secs(5);
/// How often a source that answers is probed. One that does not is probed at each look.
pub const PROBE_EVERY: Duration = Duration::from_secs(60);
/// Looks at once: each costs a few requests to the API server and one or two to its source.
const MAX_LOOKS: usize = 8;

/// How sources are kept.
#[derive(Debug, Clone, Default)]
pub struct SourceSettings {
    /// The one namespace whose sources are used; `None` for all.
    pub namespace: Option<String>,
    /// What sources may do.
    pub allowance: Allowance,
    /// The name of this process in events.
    pub instance: String,
}

/// What each look may use.
struct Keeping<K: Connect, C> {
    client: kube::Client,
    registry: Registry<K>,
    clock: C,
    events: Events,
    allowance: Allowance,
}

/// Keeps the registry.
pub struct SourceKeeper<K: Connect, C> {
    keeping: Arc<Keeping<K, C>>,
    settings: SourceSettings,
    reads: kube::Client,
    refusals: mpsc::Receiver<SourceKey>,
    known: BTreeMap<SourceKey, Entry>,
    running: JoinSet<Memory>,
    /// Which source a running look is at, and which state of it. Written by the loop alone.
    tasks: HashMap<Id, (SourceKey, u64)>,
    revisions: u64,
    event_writer: JoinHandle<()>,
}

/// What is known of one source.
struct Entry {
    /// Names this state of the object.
    revision: u64,
    object: Arc<SourceObject>,
    memory: Memory,
    due: Instant,
    looked: Option<Instant>,
}

impl<K: Connect, C: Clock> SourceKeeper<K, C> {
    /// A keeper of `registry`, whose refusals arrive on `refusals`.
    pub fn new(
        (clients, clock): (Clients, C),
        (registry, refusals): (Registry<K>, mpsc::Receiver<SourceKey>),
        settings: SourceSettings,
    ) -> Self {
        let (events, event_writer) = Events::start(clients.writes.clone(), clock.clone(), settings.instance.clone());
        let keeping =
            Keeping { client: clients.writes, registry, clock, events, allowance: settings.allowance.clone() };
        Self {
            keeping: Arc::new(keeping),
            settings,
            reads: clients.reads,
            refusals,
            known: BTreeMap::new(),
            running: JoinSet::new(),
            tasks: HashMap::new(),
            revisions: 0,
            event_writer,
        }
    }

    /// Keeps the registry until `cancel`.
    pub async fn run(mut self, cancel: CancellationToken) {
        let mut events = watch_sources(&self.reads, self.settings.namespace.as_deref());
        let mut labels: Option<BoxStream<'static, NamespaceLabels>> = None;
        loop {
            self.start_due();
            let wake = self.wake_at();
            tokio::select! {
                biased;
                () = cancel.cancelled() => break,
                Some(ended) = self.running.join_next_with_id(), if !self.running.is_empty() => self.finish(ended),
                Some(event) = events.next() => self.take_in(event),
                all = next_of(&mut labels) => self.keeping.registry.set_labels(all),
                Some(key) = self.refusals.recv() => self.refused(&key),
                () = super::sleep_until(wake) => {}
            }
            if labels.is_none() && self.needs_labels() {
                labels = Some(watch_labels(&self.reads));
            }
        }
        self.running.shutdown().await;
        drop(self.keeping);
        // What was to be told is told, unless that takes too long.
        let _ended_or_abandoned = tokio::time::timeout(super::EVENTS_DEADLINE, self.event_writer).await;
    }

    fn needs_labels(&self) -> bool {
        self.known.values().any(|entry| matches!(entry.object.audience, Audience::Labels(_)))
    }

    fn is_running(&self, key: &SourceKey) -> bool {
        self.tasks.values().any(|(running, _)| running == key)
    }

    /// When the loop has to look again without anything else happening.
    fn wake_at(&self) -> Option<Instant> {
        if self.running.len() >= MAX_LOOKS {
            return None; // the end of a look wakes it
        }
        self.known.iter().filter(|(key, _)| !self.is_running(key)).map(|(_, entry)| entry.due).min()
    }

    fn start_due(&mut self) {
        let now = Instant::now();
        let mut due: Vec<(Instant, SourceKey)> = self
            .known
            .iter()
            .filter(|(key, entry)| entry.due <= now && !self.is_running(key))
            .map(|(key, entry)| (entry.due, key.clone()))
            .collect();
        due.sort();
        for (_, key) in due.into_iter().take(MAX_LOOKS.saturating_sub(self.running.len())) {
            let Some(entry) = self.known.get_mut(&key) else { continue };
            entry.looked = Some(now);
            entry.due = now + REREAD_EVERY;
            let subject = (Arc::clone(&entry.object), entry.revision);
            // The loop keeps its copy: should the look panic, nothing that was remembered is lost.
            let task = self.running.spawn(look(Arc::clone(&self.keeping), subject, entry.memory.clone()));
            self.tasks.insert(task.id(), (key, entry.revision));
        }
    }

    fn finish(&mut self, ended: Result<(Id, Memory), JoinError>) {
        let (task, memory) = match ended {
            Ok((task, memory)) => (task, Some(memory)),
            Err(error) => (error.id(), None),
        };
        let Some((key, revision)) = self.tasks.remove(&task) else { return };
        let Some(memory) = memory else {
            tracing::error!(source = %key, "A look at a source panicked; it is tried again");
            return;
        };
        // What was found of an older state, or of a namesake that is gone, is found again.
        if let Some(entry) = self.known.get_mut(&key).filter(|entry| entry.revision == revision) {
            entry.memory = memory;
        }
    }

    fn take_in(&mut self, event: SourceEvent) {
        match event {
            SourceEvent::Seen(object) => self.see(*object),
            SourceEvent::Unreadable(key) => {
                tracing::error!(source = %key, "A source cannot be read; its policies hold");
                self.forget(&key);
                // It is there all the same: the flag must not stand in for it.
                self.revisions += 1;
                self.keeping.registry.admit(&key, self.revisions, Audience::All);
                let why = "its spec cannot be read; compare it with the present definition (kubectl explain)";
                self.keeping.registry.disconnect((&key, self.revisions), why);
            }
            SourceEvent::Gone(key) => {
                self.forget(&key);
                self.keeping.registry.remove(&key);
                tracing::info!(source = %key, namespace = &*key.namespace, "Source deleted; the policies that name it hold");
            }
            SourceEvent::Listed(kind, keys) => self.list(kind, &keys),
            SourceEvent::Unserved(kind) => self.keeping.registry.set_listed(kind),
        }
    }

    fn list(&mut self, kind: SourceKind, keys: &BTreeSet<SourceKey>) {
        let gone: Vec<SourceKey> =
            self.known.keys().filter(|key| key.kind == kind && !keys.contains(*key)).cloned().collect();
        for key in gone {
            self.forget(&key);
        }
        self.keeping.registry.retain(kind, keys);
        self.keeping.registry.set_listed(kind);
    }

    fn see(&mut self, object: SourceObject) {
        let key = object.key.clone();
        let known = self.known.get(&key);
        // Our own status, and whatever else is not of the spec, comes back here too.
        let same = |entry: &&Entry| {
            entry.object.uid == object.uid
                && entry.object.generation == object.generation
                && entry.object.spec == object.spec
                && entry.object.audience == object.audience
        };
        if known.filter(same).is_some() {
            return;
        }
        let memory = match known.filter(|entry| entry.object.uid == object.uid) {
            Some(entry) => entry.memory.clone(),
            None => Memory::of(&object.status),
        };
        self.revisions += 1;
        self.keeping.registry.admit(&key, self.revisions, object.audience.clone());
        let entry = Entry {
            revision: self.revisions,
            object: Arc::new(object),
            memory: memory.renewed(),
            due: Instant::now(),
            looked: None,
        };
        self.known.insert(key, entry);
    }

    fn forget(&mut self, key: &SourceKey) {
        self.known.remove(key);
    }

    /// A query was refused: the Secret may have changed.
    fn refused(&mut self, key: &SourceKey) {
        if let Some(entry) = self.known.get_mut(key) {
            let soonest = entry.looked.map_or_else(Instant::now, |looked| looked + REREAD_AFTER_REFUSAL);
            entry.due = entry.due.min(soonest);
        }
    }
}

async fn next_of(labels: &mut Option<BoxStream<'static, NamespaceLabels>>) -> NamespaceLabels {
    match labels {
        Some(labels) => match labels.next().await {
            Some(all) => all,
            None => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}
