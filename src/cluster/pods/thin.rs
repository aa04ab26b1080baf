//! A pod reduced to what the engine needs: serde skips what is not named, so nothing else is ever allocated.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::ObjectMeta;
use serde::Deserialize;

use super::Labels;
use crate::api::quantity::Quantity;
use crate::engine::{Container, Phase, Pod, PodResources, Readiness, ReadyStatus, Requests, Timestamp};

#[derive(Debug, Clone, Deserialize, kube::Resource)]
#[resource(inherit = core::Pod)]
pub(super) struct ThinPod {
    pub(super) metadata: ObjectMeta,
    #[serde(default)]
    spec: ThinSpec,
    #[serde(default)]
    status: ThinStatus,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ThinSpec {
    containers: Option<Vec<ThinContainer>>,
    init_containers: Option<Vec<ThinContainer>>,
    resources: Option<ThinResources>,
    overhead: Option<BTreeMap<String, Quantity>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ThinContainer {
    name: String,
    resources: Option<ThinResources>,
    restart_policy: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct ThinResources {
    requests: Option<BTreeMap<String, Quantity>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ThinStatus {
    phase: Option<String>,
    conditions: Option<Vec<ThinCondition>>,
    start_time: Option<Time>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ThinCondition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    last_transition_time: Option<Time>,
}

impl ThinPod {
    /// The uid of the controller that made it.
    pub(super) fn owner(&self) -> Option<String> {
        let mut owners = self.metadata.owner_references.iter().flatten();
        owners.find(|owner| owner.controller == Some(true)).map(|owner| owner.uid.clone())
    }

    /// Labels and the pod.
    pub(super) fn into_parts(self, name: &Arc<str>) -> (Labels, Pod) {
        let resources = self.resources();
        let Self { metadata, status, .. } = self;
        let labels = metadata.labels.unwrap_or_default().into();
        let pod = Pod {
            name: name.clone(),
            phase: phase(status.phase.as_deref()),
            deleting: metadata.deletion_timestamp.is_some(),
            ready: status.conditions.iter().flatten().find(|condition| condition.kind == "Ready").map(readiness),
            started: status.start_time.as_ref().map(timestamp),
            resources: Arc::new(resources),
        };
        (labels, pod)
    }

    fn resources(&self) -> PodResources {
        let containers = |listed: &Option<Vec<ThinContainer>>| listed.iter().flatten().map(container).collect();
        PodResources {
            containers: containers(&self.spec.containers),
            init_containers: containers(&self.spec.init_containers),
            pod_requests: requests(self.spec.resources.as_ref().and_then(|resources| resources.requests.as_ref())),
            overhead: requests(self.spec.overhead.as_ref()),
        }
    }
}

fn container(thin: &ThinContainer) -> Container {
    Container {
        name: thin.name.as_str().into(),
        requests: requests(thin.resources.as_ref().and_then(|resources| resources.requests.as_ref())),
        restart_always: thin.restart_policy.as_deref() == Some("Always"),
    }
}

/// An amount that cannot be read counts as not requested, which fails a utilization rather than bending it.
fn requests(amounts: Option<&BTreeMap<String, Quantity>>) -> Requests {
    let amounts = amounts.into_iter().flatten();
    amounts.filter_map(|(name, amount)| Some((name.as_str().into(), amount.to_milli().ok()?))).collect()
}

fn phase(phase: Option<&str>) -> Phase {
    match phase {
        // What was only just created has no phase yet.
        Some("Pending" | "") | None => Phase::Pending,
        Some("Running") => Phase::Running,
        Some("Succeeded") => Phase::Succeeded,
        Some("Failed") => Phase::Failed,
        Some(_) => Phase::Unknown,
    }
}

fn readiness(condition: &ThinCondition) -> Readiness {
    Readiness {
        status: match condition.status.as_str() {
            "True" => ReadyStatus::True,
            "False" => ReadyStatus::False,
            _ => ReadyStatus::Unknown,
        },
        changed: condition.last_transition_time.as_ref().map(timestamp).unwrap_or_default(),
    }
}

fn timestamp(time: &Time) -> Timestamp {
    Timestamp::from_millis(time.0.as_millisecond())
}
