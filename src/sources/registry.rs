//! All sources that policies may name, and the one that a query goes to. Owns who may use which, and the clients, of which equal
//! connections share one. Must not read objects or Secrets: the `controller` puts in what it finds.

mod connect;
mod pods;
mod ready;
mod shelf;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use tokio::sync::{mpsc, watch};

pub use self::connect::{Connect, HttpConnector, Identification, LABEL, NotConnected};
pub use self::ready::Ready;
use self::shelf::{Client, Shelf, Slot, State};
use super::prometheus::connection::Connection;
use super::prometheus::{Activity, Limits};
use super::{Ask, MetricSource, SourceKind, SourceRef};
use crate::api::query::DEFAULT_SOURCE;
use crate::api::source::{Audience, SourceKey};
use crate::engine::{Absence, Absent, Reading};

/// Refusals that wait to be looked at; what does not fit is found at the next regular look.
const MAX_WAITING_REFUSALS: usize = 64;
/// Longest that a start waits for the sources to be known. After that their policies hold until they are.
const SETTLE_DEADLINE: Duration = Duration::from_secs(5);

/// The sources. Clones are the same registry.
pub struct Registry<K: Connect> {
    inner: Arc<Inner<K>>,
}

impl<K: Connect> Clone for Registry<K> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

struct Inner<K: Connect> {
    connector: K,
    /// What the operator's own flag made; it is the default where no object is.
    fallback: Option<Arc<K::Source>>,
    shelf: RwLock<Shelf<K::Source>>,
    refused: mpsc::Sender<SourceKey>,
    /// Counts changes, for those who wait for one.
    changed: watch::Sender<u64>,
    ready: Ready,
}

impl<K: Connect> Registry<K> {
    /// An empty registry with the source that the operator's flag made, and where refusals are told.
    pub fn new(connector: K, fallback: Option<K::Source>) -> (Self, mpsc::Receiver<SourceKey>) {
        let (refused, refusals) = mpsc::channel(MAX_WAITING_REFUSALS);
        let inner = Inner {
            connector,
            fallback: fallback.map(Arc::new),
            shelf: RwLock::default(),
            refused,
            changed: watch::Sender::new(0),
            ready: Ready::default(),
        };
        (Self { inner: Arc::new(inner) }, refusals)
    }

    fn shelf(&self) -> RwLockReadGuard<'_, Shelf<K::Source>> {
        self.inner.shelf.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Shelf<K::Source>) -> T) -> T {
        let mut shelf: RwLockWriteGuard<'_, _> = self.inner.shelf.write().unwrap_or_else(PoisonError::into_inner);
        let changed = change(&mut shelf);
        drop(shelf);
        self.inner.changed.send_modify(|count| *count = count.wrapping_add(1));
        changed
    }

    /// The list of this kind is whole, or there will be none.
    pub fn set_listed(&self, kind: SourceKind) {
        self.change(|shelf| shelf.listed[kind as usize] = true);
    }

    /// The labels of all namespaces.
    pub fn set_labels(&self, labels: BTreeMap<String, BTreeMap<String, String>>) {
        self.change(|shelf| shelf.labels = Some(labels));
    }

    /// A source is there, and these may ask it. What it is asked through stays as it was, unless others may ask now: they wait until it is
    /// looked at again. `revision` names this state of the object; what was found for an older one no longer counts.
    pub fn admit(&self, key: &SourceKey, revision: u64, audience: Audience) {
        self.change(|shelf| match shelf.slot_mut(key) {
            Some(slot) => {
                slot.revision = revision;
                if slot.audience != audience {
                    slot.audience = audience;
                    slot.state = State::Pending;
                }
            }
            None => shelf.put(key, Slot { revision, audience, state: State::Pending }),
        });
    }

    /// The source is asked through `connection` from now on. One that equals what it has changes nothing; one that equals another's
    /// shares its client.
    ///
    /// # Errors
    /// The client cannot be made; the source is then faulty, with that message.
    pub fn connect(
        &self,
        (key, revision): (&SourceKey, u64),
        connection: Connection,
        limits: Limits,
    ) -> Result<(), NotConnected> {
        let equal = self.shelf().slots().find_map(|slot| match &slot.state {
            State::Connected(client) if client.limits == limits && client.connection == connection => {
                Some(Arc::clone(client))
            }
            _ => None,
        });
        let made = match equal {
            Some(client) => Ok(client),
            None => {
                let made = self.inner.connector.connect(&connection, limits);
                made.map(|source| Arc::new(Client { connection, limits, source, pods: OnceLock::new() }))
            }
        };
        match made {
            Ok(client) => {
                self.set_state((key, revision), State::Connected(client));
                Ok(())
            }
            Err(error) => {
                self.set_state((key, revision), State::Faulty(error.message.as_str().into()));
                Err(error)
            }
        }
    }

    /// The source cannot be asked, for the reason that `message` gives.
    pub fn disconnect(&self, (key, revision): (&SourceKey, u64), message: &str) {
        self.set_state((key, revision), State::Faulty(message.into()));
    }

    fn set_state(&self, (key, revision): (&SourceKey, u64), state: State<K::Source>) {
        let became_ready = self.change(|shelf| {
            // Gone or changed meanwhile: what its object no longer says is not asked.
            let Some(slot) = shelf.slot_mut(key).filter(|slot| slot.revision == revision) else { return false };
            let is_new = match (&slot.state, &state) {
                (State::Connected(before), State::Connected(after)) => !Arc::ptr_eq(before, after),
                (_, after) => matches!(after, State::Connected(_)),
            };
            slot.state = state;
            is_new
        });
        if became_ready {
            self.inner.ready.tell(key);
        }
    }

    /// Tells which sources have become ready, or are asked through another connection.
    #[must_use]
    pub fn ready(&self) -> Ready {
        self.inner.ready.clone()
    }

    /// There are these sources of a kind, and no others.
    pub fn retain(&self, kind: SourceKind, keys: &BTreeSet<SourceKey>) {
        self.change(|shelf| {
            for gone in shelf.keys().filter(|key| key.kind == kind && !keys.contains(key)).collect::<Vec<_>>() {
                self.inner.ready.forget(&gone);
                shelf.take(&gone);
            }
        });
    }

    /// The source is gone.
    pub fn remove(&self, key: &SourceKey) {
        self.inner.ready.forget(key);
        self.change(|shelf| shelf.take(key));
    }

    /// Whether the source can be asked.
    #[must_use]
    pub fn is_connected(&self, key: &SourceKey) -> bool {
        self.shelf().slot(key).is_some_and(|slot| matches!(slot.state, State::Connected(_)))
    }

    /// How many clients there are, the flag's aside.
    #[must_use]
    pub fn clients(&self) -> usize {
        let shelf = self.shelf();
        let connected = shelf.slots().filter_map(|slot| match &slot.state {
            State::Connected(client) => Some(Arc::as_ptr(client).cast::<()>()),
            _ => None,
        });
        connected.collect::<BTreeSet<_>>().len()
    }

    /// What each client did, by the name of its source: `default`, or `shop/team` for a namespace's. One that several share is shown for
    /// the first of them, so that sums are right.
    #[must_use]
    pub fn activities(&self) -> BTreeMap<Arc<str>, Activity> {
        let shelf = self.shelf();
        let mut seen = BTreeSet::new();
        let mut activities = BTreeMap::new();
        if let Some(fallback) = &self.inner.fallback {
            activities.insert(DEFAULT_SOURCE.into(), self.inner.connector.activity(fallback));
        }
        for key in shelf.keys() {
            let Some(State::Connected(client)) = shelf.slot(&key).map(|slot| &slot.state) else { continue };
            if !seen.insert(Arc::as_ptr(client).cast::<()>()) {
                continue;
            }
            let name = match key.kind {
                SourceKind::Cluster => Arc::clone(&key.name),
                SourceKind::Namespaced => format!("{}/{}", key.namespace, key.name).into(),
            };
            activities.insert(name, self.inner.connector.activity(&client.source));
        }
        activities
    }

    /// Returns once every source is known and its Secrets were looked at, or that has taken too long.
    pub async fn settle(&self) {
        let mut changed = self.inner.changed.subscribe();
        let settled = changed.wait_for(|_| self.shelf().is_settled());
        let _either_way = tokio::time::timeout(SETTLE_DEADLINE, settled).await;
    }

    /// Asks the source itself, whoever may use it; `None` where it cannot be asked.
    pub async fn probe(&self, key: &SourceKey, ask: Ask<'_>) -> Option<(Reading, Option<Identification>)> {
        let client = match &self.shelf().slot(key)?.state {
            State::Connected(client) => Arc::clone(client),
            State::Pending | State::Faulty(_) => return None,
        };
        let reading = client.source.read(ask).await;
        let worth_asking = !matches!(reading, Reading::Missing(_));
        let identification = if worth_asking { self.inner.connector.identify(&client.source).await } else { None };
        Some((renamed(reading, key), identification))
    }

    /// What a question of `namespace` for `source` goes to.
    fn find(&self, source: &SourceRef, namespace: &str) -> Result<Found<K::Source>, Absent> {
        let shelf = self.shelf();
        let slot = match source.kind {
            SourceKind::Cluster => shelf.cluster.get(&source.name),
            SourceKind::Namespaced => shelf.namespaced.get(namespace).and_then(|names| names.get(&source.name)),
        };
        let key = || SourceKey::of(source, namespace);
        let absent = |absence, message: String| Err(Absent { absence, message: message.into() });
        let is_default = source.kind == SourceKind::Cluster && &*source.name == DEFAULT_SOURCE;
        let Some(slot) = slot else {
            if !shelf.listed[source.kind as usize] {
                let message = format!("{} is not known yet: the list of its kind has not come.", key());
                return absent(Absence::SourceNotReady, message);
            }
            return match &self.inner.fallback {
                Some(fallback) if is_default => Ok(Found::Flag(Arc::clone(fallback))),
                _ => absent(Absence::SourceNotFound, not_found(&key(), is_default)),
            };
        };
        if !slot.audience.admits(namespace, shelf.labels.as_ref().and_then(|all| all.get(namespace))) {
            if matches!(slot.audience, Audience::Labels(_)) && shelf.labels.is_none() {
                let message = format!("{} selects namespaces by labels, which are not known yet.", key());
                return absent(Absence::SourceNotReady, message);
            }
            let message = format!(
                "{} does not allow namespace {:?} to use it; its spec.allowedNamespaces would have to, or name another source under sourceRef.",
                key(),
                namespace
            );
            return absent(Absence::SourceNotAllowed, message);
        }
        match &slot.state {
            State::Connected(client) => Ok(Found::Object(Arc::clone(client))),
            State::Faulty(message) => absent(Absence::SourceNotReady, format!("{}: {message}", key())),
            State::Pending => {
                absent(Absence::SourceNotReady, format!("{} is not ready yet: its Secrets are being read.", key()))
            }
        }
    }
}

fn not_found(key: &SourceKey, is_default: bool) -> String {
    if is_default {
        return format!(
            "There is no {key}, and Flyball runs without --prometheus-url; create it, or name another source under sourceRef."
        );
    }
    match key.kind {
        SourceKind::Cluster => format!("There is no {key}; create it, or correct sourceRef.name."),
        SourceKind::Namespaced => {
            format!("There is no {key} in namespace {:?}; create it, or correct sourceRef.name.", &*key.namespace)
        }
    }
}

/// What a query goes to.
enum Found<S> {
    /// What an object says.
    Object(Arc<Client<S>>),
    /// What the flag says.
    Flag(Arc<S>),
}

impl<K: Connect> MetricSource for Registry<K> {
    async fn read(&self, ask: Ask<'_>) -> Reading {
        let found = match self.find(&ask.query.source, ask.namespace) {
            Ok(Found::Flag(source)) => return source.read(ask).await,
            Ok(Found::Object(client)) => client,
            Err(absent) => return Reading::Missing(absent),
        };
        let reading = found.source.read(ask).await;
        let Some(absent) = reading.absent() else { return reading };
        let key = SourceKey::of(&ask.query.source, ask.namespace);
        if absent.absence == Absence::Unauthorized {
            // The Secret may have changed; where nobody listens, or too many wait, the next regular look finds it.
            let _told = self.inner.refused.try_send(key.clone());
        }
        renamed(reading, &key)
    }
}

/// The same reading with a message that names the object, where the source itself is at fault.
fn renamed(reading: Reading, key: &SourceKey) -> Reading {
    let rename = |Absent { absence, message }: Absent| {
        let of_source = matches!(
            absence,
            Absence::Unauthorized
                | Absence::Unavailable
                | Absence::Unreachable
                | Absence::AddressForbidden
                | Absence::Timeout
                | Absence::TooLarge
                | Absence::Malformed
        );
        let message = if message.contains(LABEL) {
            message.replace(LABEL, &key.to_string())
        } else if of_source {
            format!("{key}: {message}")
        } else {
            return Absent { absence, message };
        };
        Absent { absence, message: message.into() }
    };
    match reading {
        Reading::Missing(absent) => Reading::Missing(rename(absent)),
        Reading::Partial(sample, absent) => Reading::Partial(sample, rename(absent)),
        other @ (Reading::Complete(_) | Reading::PerPod(_)) => other,
    }
}

#[cfg(test)]
mod tests;
