//! Watches both kinds of source, and, where somebody needs them, the labels of namespaces. Must not read Secrets or decide who may ask.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use kube::api::ObjectMeta;
use kube::core::DeserializeGuard;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::with_causes;
use crate::api::query::SourceKind;
use crate::api::source::object::{IntoSource, key_of};
use crate::api::source::{SourceKey, SourceObject};
use crate::api::{ClusterPrometheusSource, PrometheusSource};

/// The labels of each namespace.
pub type NamespaceLabels = BTreeMap<String, BTreeMap<String, String>>;

/// What became of sources.
#[derive(Debug)]
pub enum SourceEvent {
    /// A source is there, or has changed.
    Seen(Box<SourceObject>),
    /// An object cannot be read: it is older than the schema.
    Unreadable(SourceKey),
    /// A source is gone.
    Gone(SourceKey),
    /// The list is whole: there are these of the kind, and no others.
    Listed(SourceKind, BTreeSet<SourceKey>),
    /// The API server does not serve the kind, or not to us.
    Unserved(SourceKind),
}

/// What becomes of sources: the cluster's, and those of one namespace or of all. Never ends.
#[must_use]
pub fn watch_sources(client: &Client, namespace: Option<&str>) -> BoxStream<'static, SourceEvent> {
    let namespaced = match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    };
    let of_namespaces = follow::<PrometheusSource>(namespaced);
    let of_cluster = follow::<ClusterPrometheusSource>(Api::all(client.clone()));
    stream::select(of_namespaces, of_cluster).boxed()
}

fn follow<K>(api: Api<DeserializeGuard<K>>) -> impl Stream<Item = SourceEvent> + Send + 'static
where
    K: IntoSource + Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    let mut listing = BTreeSet::new();
    let mut complained = false;
    let events = watcher(api, watcher::Config::default()).default_backoff();
    events.filter_map(move |event| {
        let translated = match event {
            Ok(event) => {
                complained = false;
                translate(event, &mut listing)
            }
            Err(error) => complaint::<K>(&error, &mut complained),
        };
        std::future::ready(translated)
    })
}

fn translate<K: IntoSource + Resource<DynamicType = ()>>(
    event: watcher::Event<DeserializeGuard<K>>,
    listing: &mut BTreeSet<SourceKey>,
) -> Option<SourceEvent> {
    let key = |object: &DeserializeGuard<K>| key_of::<K>(object.namespace().as_deref(), Some(&object.name_any()));
    let seen = |object: DeserializeGuard<K>, key| match object.0 {
        Ok(object) => SourceEvent::Seen(Box::new(object.source())),
        Err(_) => SourceEvent::Unreadable(key),
    };
    Some(match event {
        watcher::Event::Init => {
            listing.clear();
            return None;
        }
        watcher::Event::InitApply(object) => {
            let key = key(&object);
            listing.insert(key.clone());
            seen(object, key)
        }
        watcher::Event::InitDone => SourceEvent::Listed(K::KIND, std::mem::take(listing)),
        watcher::Event::Apply(object) => {
            let key = key(&object);
            seen(object, key)
        }
        watcher::Event::Delete(object) => SourceEvent::Gone(key(&object)),
    })
}

/// Says once what is in the way. A kind that is not installed, or not ours to see, is no reason to wait.
fn complaint<K: IntoSource>(error: &watcher::Error, complained: &mut bool) -> Option<SourceEvent> {
    let kind = K::KIND.as_str();
    let refused = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status)) => status.code,
        _ => 0,
    };
    if !std::mem::replace(complained, true) {
        match refused {
            404 => tracing::info!(
                "The API server knows no {kind}; to use them: flyball crd | kubectl apply --server-side -f -"
            ),
            401 | 403 => tracing::warn!("The API server does not let Flyball list {kind}: none of them will be used"),
            _ => tracing::warn!("The watch of {kind} failed and is tried again: {}", with_causes(error)),
        }
    }
    matches!(refused, 401 | 403 | 404).then_some(SourceEvent::Unserved(K::KIND))
}

/// The labels of all namespaces, again whenever one changes.
#[must_use]
pub fn watch_labels(client: &Client) -> BoxStream<'static, NamespaceLabels> {
    let api: Api<ThinNamespace> = Api::all(client.clone());
    let (mut known, mut listing) = (NamespaceLabels::new(), NamespaceLabels::new());
    let events = watcher(api, watcher::Config::default()).default_backoff();
    let changes = events.filter_map(move |event| {
        let changed = match event {
            Ok(watcher::Event::Init) => {
                listing.clear();
                false
            }
            Ok(watcher::Event::InitApply(namespace)) => {
                listing.extend([namespace.labelled()]);
                false
            }
            Ok(watcher::Event::InitDone) => {
                known = std::mem::take(&mut listing);
                true
            }
            Ok(watcher::Event::Apply(namespace)) => {
                let (name, labels) = namespace.labelled();
                known.get(&name) != Some(&labels) && known.insert(name, labels).is_none_or(|_| true)
            }
            Ok(watcher::Event::Delete(namespace)) => known.remove(&namespace.labelled().0).is_some(),
            Err(error) => {
                tracing::warn!(
                    "Namespaces cannot be watched: sources that select them by labels are not used: {}",
                    with_causes(&error)
                );
                false
            }
        };
        std::future::ready(changed.then(|| known.clone()))
    });
    changes.boxed()
}

/// A namespace reduced to its labels.
#[derive(Debug, Clone, Deserialize, kube::Resource)]
#[resource(inherit = k8s_openapi::api::core::v1::Namespace)]
struct ThinNamespace {
    metadata: ObjectMeta,
}

impl ThinNamespace {
    fn labelled(self) -> (String, BTreeMap<String, String>) {
        (self.metadata.name.unwrap_or_default(), self.metadata.labels.unwrap_or_default())
    }
}
