//! Writes a policy's status by server-side apply under Flyball's own field manager. Never touches spec or labels.

use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::{Api, Client, Resource};
use serde_json::json;

use super::{ClusterError, within_deadline};
use crate::api::{FIELD_MANAGER, ScalingPolicy, ScalingPolicyStatus};

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
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    let applied = json!({
        "apiVersion": ScalingPolicy::api_version(&()),
        "kind": ScalingPolicy::kind(&()),
        "metadata": {"name": name},
        "status": status,
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    within_deadline(api.patch_status(name, &params, &Patch::Apply(&applied))).await.map(drop)
}
