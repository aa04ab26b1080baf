//! Writes the status of policies and sources by server-side apply under Flyball's own field manager. Never touches spec or labels.

use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde_json::json;

use super::{ClusterError, within_deadline};
use crate::api::query::SourceKind;
use crate::api::source::{SourceKey, SourceStatus};
use crate::api::{ClusterPrometheusSource, FIELD_MANAGER, PrometheusSource, ScalingPolicy, ScalingPolicyStatus};

/// Makes `status` the policy's status, whole.
///
/// # Errors
/// What the API server said; [`ClusterError::NotFound`] where the policy is gone.
pub async fn write_status(
    client: &Client,
    (namespace, name): (&str, &str),
    status: &ScalingPolicyStatus,
) -> Result<(), ClusterError> {
    let resource = ApiResource::erase::<ScalingPolicy>(&());
    let api = Api::namespaced_with(client.clone(), namespace, &resource);
    apply::<ScalingPolicy>(&api, name, status).await
}

/// Makes `status` the source's status, whole.
///
/// # Errors
/// What the API server said; [`ClusterError::NotFound`] where the source is gone.
pub async fn write_source_status(client: &Client, key: &SourceKey, status: &SourceStatus) -> Result<(), ClusterError> {
    match key.kind {
        SourceKind::Namespaced => {
            let resource = ApiResource::erase::<PrometheusSource>(&());
            let api = Api::namespaced_with(client.clone(), &key.namespace, &resource);
            apply::<PrometheusSource>(&api, &key.name, status).await
        }
        SourceKind::Cluster => {
            let resource = ApiResource::erase::<ClusterPrometheusSource>(&());
            let api = Api::all_with(client.clone(), &resource);
            apply::<ClusterPrometheusSource>(&api, &key.name, status).await
        }
    }
}

async fn apply<K: Resource<DynamicType = ()>>(
    api: &Api<DynamicObject>,
    name: &str,
    status: &(impl Serialize + Sync),
) -> Result<(), ClusterError> {
    let applied = json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        "metadata": {"name": name},
        "status": status,
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    within_deadline(api.patch_status(name, &params, &Patch::Apply(&applied))).await.map(drop)
}
