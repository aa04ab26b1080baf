//! Pods as HPA sees them: what phase, readiness, age and requests they have. Plain values, as thin as the rules allow; must not know
//! where they come from, nor decide what they mean (that is [`super::grouping`]'s and [`super::requests`]'s work).

use std::sync::Arc;

use super::milli::Milli;
use super::time::Timestamp;

/// One pod that the workload's selector matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Name, unique within the namespace.
    pub name: Arc<str>,
    /// `status.phase`.
    pub phase: Phase,
    /// A deletion timestamp is set.
    pub deleting: bool,
    /// The Ready condition; `None` where the pod has none yet.
    pub ready: Option<Readiness>,
    /// `status.startTime`; `None` where the kubelet has not taken the pod yet.
    pub started: Option<Timestamp>,
    /// What its spec asks for. Pods of one template share it.
    pub resources: Arc<PodResources>,
}

/// `status.phase` of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Not all containers have started yet, or the pod is not scheduled.
    Pending,
    /// Bound to a node, and at least one container runs or starts.
    Running,
    /// Every container ended well.
    Succeeded,
    /// Every container ended, and one of them badly.
    Failed,
    /// Anything else, also what a future Kubernetes may say.
    Unknown,
}

/// A pod's Ready condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readiness {
    /// `status` of the condition.
    pub status: ReadyStatus,
    /// `lastTransitionTime` of the condition; the epoch where it was never set.
    pub changed: Timestamp,
}

/// The status of a pod's Ready condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReadyStatus {
    /// Ready.
    True,
    /// Not ready.
    False,
    /// The node does not say.
    Unknown,
}

/// What a pod's spec asks for: the same for all pods of one template.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PodResources {
    /// `spec.containers`.
    pub containers: Vec<Container>,
    /// `spec.initContainers`, in their order.
    pub init_containers: Vec<Container>,
    /// `spec.resources.requests`: pod-level requests; empty where none are set.
    pub pod_requests: Requests,
    /// `spec.overhead`; empty where there is none.
    pub overhead: Requests,
}

/// One container of a pod's spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Name, unique within the pod.
    pub name: Arc<str>,
    /// `resources.requests`.
    pub requests: Requests,
    /// `restartPolicy: Always` on an init container, which then keeps running beside the others (a sidecar). Means nothing elsewhere.
    pub restart_always: bool,
}

/// Requested amounts by resource name (`cpu`, `memory`), in thousandths of the resource's unit: cores for cpu, bytes for memory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Requests(Vec<(Arc<str>, Milli)>);

impl Requests {
    /// The amount of `resource`, if it is requested.
    #[must_use]
    pub fn get(&self, resource: &str) -> Option<Milli> {
        // A pod requests two or three resources: walking them is faster than any index.
        self.0.iter().find(|(name, _)| &**name == resource).map(|(_, amount)| *amount)
    }

    /// Nothing is requested.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(Arc<str>, Milli)> for Requests {
    fn from_iter<I: IntoIterator<Item = (Arc<str>, Milli)>>(amounts: I) -> Self {
        Self(amounts.into_iter().collect())
    }
}

impl Pod {
    /// Running and Ready: what HPA multiplies with for a Value target.
    #[must_use]
    pub fn is_running_and_ready(&self) -> bool {
        self.phase == Phase::Running && self.ready.is_some_and(|ready| ready.status == ReadyStatus::True)
    }

    /// Every container has ended for good: the pod will never take load again.
    #[must_use]
    pub const fn is_terminal(&self) -> bool {
        matches!(self.phase, Phase::Succeeded | Phase::Failed)
    }
}

/// How many of `pods` are Running and Ready.
#[must_use]
pub fn running_and_ready(pods: &[Pod]) -> i32 {
    i32::try_from(pods.iter().filter(|pod| pod.is_running_and_ready()).count()).unwrap_or(i32::MAX)
}
