//! Thin watches of the common workload kinds, so that a decision that changes nothing needs no request. Keeps a few words per object;
//! starts a watch when the first policy names its kind. Must not write.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use kube::api::{ApiResource, ObjectMeta};
use kube::core::DynamicResourceScope;
use kube::{Api, Client, Resource};
use serde::Deserialize;

use super::SeenScale;
use super::informer::Informer;
use crate::api::TargetRef;
use crate::api::metrics::Selector;
use crate::engine::Replicas;

/// Kinds whose `/scale` is `spec.replicas` of the object itself, and whose status tells ready replicas. Everything else is read by GET.
const WATCHED_KINDS: [(&str, &str); 3] =
    [("Deployment", "deployments"), ("StatefulSet", "statefulsets"), ("ReplicaSet", "replicasets")];
/// The group and version of the kinds above.
const WATCHED_API_VERSION: &str = "apps/v1";

/// The sizes of all workloads of the watched kinds.
pub struct Workloads {
    client: Client,
    /// The one namespace to watch; `None` for all. Where rights end at a namespace, a wider watch would be refused.
    namespace: Option<String>,
    informers: Mutex<HashMap<&'static str, Arc<Informer<SeenScale>>>>,
}

impl Workloads {
    /// No watch yet.
    #[must_use]
    pub fn new(client: Client, namespace: Option<String>) -> Self {
        Self { client, namespace, informers: Mutex::new(HashMap::new()) }
    }

    /// The size of `target` as the watch last told it. `None` where its kind is not watched, the first list is not whole, the watch has
    /// failed for a minute, or it has not seen it: then the API server is asked. A write cannot go wrong before that minute is over,
    /// since it names the version seen.
    #[must_use]
    pub fn seen(&self, namespace: &str, target: &TargetRef) -> Option<SeenScale> {
        let informer = self.informer(target)?;
        informer.read(|workloads| workloads.get(namespace, &target.name).cloned()).ok()?
    }

    /// Ready replicas of `target`, where a watch tells them.
    #[must_use]
    pub fn ready(&self, namespace: &str, target: &TargetRef) -> Option<i32> {
        self.seen(namespace, target)?.replicas.ready
    }

    /// The informer of the target's kind; starts its watch on first use.
    fn informer(&self, target: &TargetRef) -> Option<Arc<Informer<SeenScale>>> {
        if target.api_version != WATCHED_API_VERSION {
            return None;
        }
        let (kind, plural) = WATCHED_KINDS.into_iter().find(|(kind, _)| *kind == target.kind)?;
        let mut informers = self.informers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(informer) = informers.get(kind) {
            return Some(informer.clone());
        }
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
        let informer = Arc::new(Informer::start(plural, api, |_, workload: ThinWorkload| workload.seen()));
        informers.insert(kind, informer.clone());
        Some(informer)
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
    selector: Option<Selector>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ThinStatus {
    ready_replicas: Option<i32>,
    /// Absent until the workload's own controller has written a status; then `ready_replicas` absent means 0.
    observed_generation: Option<i64>,
}

impl ThinWorkload {
    /// `None` where it carries no version, without which nothing could be written.
    fn seen(self) -> Option<SeenScale> {
        let spec = self.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1).max(0);
        let ready = self.status.as_ref().and_then(|status| {
            status.observed_generation?;
            Some(status.ready_replicas.unwrap_or(0))
        });
        let resource_version = self.metadata.resource_version?;
        let selector = self.spec.as_ref().and_then(|spec| spec.selector.as_ref()?.to_notation().ok());
        let replicas = Replicas { spec, ready };
        Some(SeenScale { replicas, resource_version, uid: self.metadata.uid, selector })
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
