//! Which workloads a HorizontalPodAutoscaler already drives, KEDA's included, since KEDA drives through one. A thin watch; must not
//! decide who yields.

use std::sync::Arc;
use std::time::Duration;

use kube::api::ObjectMeta;
use kube::{Api, Client};
use serde::Deserialize;

use super::informer::{Informer, Objects};
use super::{ClusterError, within_deadline};
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
    client: Client,
    informer: Informer<Driver>,
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
            Some(namespace) => Api::namespaced(client.clone(), namespace),
            None => Api::all(client.clone()),
        };
        let keep = |_: &_, autoscaler: ThinAutoscaler| autoscaler.driver();
        Self { client, informer: Informer::start("HorizontalPodAutoscalers", api, keep) }
    }

    /// Returns once the first list is whole, is refused, or has taken too long.
    pub async fn settle(&self) {
        self.informer.settle(SETTLE_DEADLINE).await;
    }

    /// The autoscaler that drives `workload`, as a sentence names it. Where the watch is not believed any more, the autoscaler that it
    /// last named is asked for: one that is gone must not keep a policy from its workload, one that is there must not be fought.
    pub async fn of(&self, workload: &WorkloadKey) -> Option<String> {
        match self.informer.read(|autoscalers| driver_of(autoscalers, workload)) {
            Ok(found) => found.map(|(_, title)| title),
            Err(_unknown) => {
                let (name, title) = self.informer.last_seen(|autoscalers| driver_of(autoscalers, workload))?;
                self.still_drives((&name, title), workload).await
            }
        }
    }

    async fn still_drives(&self, (name, title): (&str, String), workload: &WorkloadKey) -> Option<String> {
        let api: Api<ThinAutoscaler> = Api::namespaced(self.client.clone(), &workload.namespace);
        match within_deadline(api.get(name)).await {
            Ok(autoscaler) => {
                autoscaler.driver().filter(|driver| driver.workload == *workload).map(|driver| driver.title)
            }
            // Gone, or nobody may know: what cannot be seen must not keep a workload from growing.
            Err(ClusterError::NotFound { .. } | ClusterError::Forbidden { .. }) => None,
            // An API server that does not answer takes no sizes either.
            Err(_) => Some(title),
        }
    }
}

/// Name and title of the first autoscaler, by name, that drives `workload`.
fn driver_of(autoscalers: &Objects<Driver>, workload: &WorkloadKey) -> Option<(Arc<str>, String)> {
    let mut drivers = autoscalers.within(&workload.namespace);
    drivers.find_map(|(name, driver)| (driver.workload == *workload).then(|| (name.clone(), driver.title.clone())))
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
    fn driver(self) -> Option<Driver> {
        let (namespace, name) = (self.metadata.namespace?, self.metadata.name?);
        let ThinTarget { api_version, kind, name: target } = self.spec.scale_target_ref;
        let owner = self.metadata.owner_references.iter().flatten().find(|owner| owner.kind == "ScaledObject");
        let title = match owner {
            Some(owner) => format!("ScaledObject {:?} through HorizontalPodAutoscaler {name:?}", owner.name),
            None => format!("HorizontalPodAutoscaler {name:?}"),
        };
        let workload = WorkloadKey::new(&namespace, &TargetRef { api_version, kind, name: target });
        Some(Driver { workload, title })
    }
}
