//! The size of a workload: read from a thin watch where there is one, else by GET on `/scale`; written by PUT on `/scale` with the
//! version that the decision saw. Never writes the workload itself.

use k8s_openapi::api::autoscaling::v1::{Scale, ScaleSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, PostParams};

use super::client::Clients;
use super::kinds::Kinds;
use super::workloads::Workloads;
use super::{ClusterError, within_deadline};
use crate::api::{FIELD_MANAGER, TargetRef};
use crate::engine::Replicas;

/// A size together with the version at which it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenScale {
    /// The size.
    pub replicas: Replicas,
    /// The workload's resourceVersion; a write carries it, so that nobody's change is overwritten unseen.
    pub resource_version: String,
    /// The workload's uid: `kubectl describe` shows only events that carry it.
    pub uid: Option<String>,
}

/// Reads and writes sizes.
pub struct Scales {
    clients: Clients,
    kinds: Kinds,
    workloads: Workloads,
}

impl Scales {
    /// Over these clients and within `namespace`, or within all; watches start when the first policy needs them.
    #[must_use]
    pub fn new(clients: Clients, namespace: Option<String>) -> Self {
        let kinds = Kinds::new(clients.reads.clone());
        let workloads = Workloads::new(clients.reads.clone(), namespace);
        Self { clients, kinds, workloads }
    }

    /// The size as last seen: from the watch without a request where the kind is watched and in sync, else by [`Self::look`].
    ///
    /// # Errors
    /// As [`Self::look`].
    pub async fn read(&self, namespace: &str, target: &TargetRef) -> Result<SeenScale, ClusterError> {
        if let Some(seen) = self.workloads.seen(namespace, target) {
            return Ok(seen);
        }
        self.look(namespace, target).await
    }

    /// The size as the API server tells it now.
    ///
    /// # Errors
    /// What discovery or the GET on `/scale` said; [`ClusterError::NotFound`] names the target.
    pub async fn look(&self, namespace: &str, target: &TargetRef) -> Result<SeenScale, ClusterError> {
        let resource = self.kinds.scalable(target).await?;
        let api = self.api(namespace, &resource, false);
        let scale = within_deadline(api.get_scale(&target.name)).await.map_err(|error| named(error, target))?;
        let ready = self.workloads.ready(namespace, target);
        seen(&scale, ready)
    }

    /// Asks for `replicas`, provided that nobody changed the workload since `at`.
    ///
    /// # Errors
    /// [`ClusterError::Conflict`] where somebody did; else what the PUT on `/scale` said. [`ClusterError::outcome_unknown`] tells
    /// whether the write may have landed all the same.
    pub async fn write(
        &self,
        namespace: &str,
        target: &TargetRef,
        (replicas, at): (i32, &SeenScale),
    ) -> Result<SeenScale, ClusterError> {
        let resource = self.kinds.scalable(target).await?;
        let wanted = Scale {
            metadata: ObjectMeta {
                name: Some(target.name.clone()),
                namespace: Some(namespace.to_owned()),
                resource_version: Some(at.resource_version.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(ScaleSpec { replicas: Some(replicas) }),
            status: None,
        };
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let api = self.api(namespace, &resource, true);
        let written = within_deadline(api.replace_scale(&target.name, &params, &wanted))
            .await
            .map_err(|error| named(error, target))?;
        seen(&written, at.replicas.ready)
    }

    fn api(&self, namespace: &str, resource: &ApiResource, write: bool) -> Api<DynamicObject> {
        let client = if write { &self.clients.writes } else { &self.clients.reads };
        Api::namespaced_with(client.clone(), namespace, resource)
    }
}

fn seen(scale: &Scale, ready: Option<i32>) -> Result<SeenScale, ClusterError> {
    let spec = scale.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(0);
    let Some(resource_version) = scale.metadata.resource_version.clone() else {
        // Without a version a write could overwrite anything, so there is nothing to act on.
        return Err(ClusterError::Refused { code: 200, message: "the scale carries no resourceVersion".into() });
    };
    Ok(SeenScale { replicas: Replicas { spec: spec.max(0), ready }, resource_version, uid: scale.metadata.uid.clone() })
}

fn named(error: ClusterError, target: &TargetRef) -> ClusterError {
    match error {
        ClusterError::NotFound { .. } => ClusterError::NotFound { what: format!("{} {:?}", target.kind, target.name) },
        other => other,
    }
}
