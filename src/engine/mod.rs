//! The decision. Pure: no clock, network, file, randomness, async or Kubernetes type; everything comes in as a value.
//!
//! `observe → propose → combine → stabilize → limit → decide`, one file a step. Rules marked "HPA" are those of `autoscaling/v2`
//! in Kubernetes v1.36.

pub mod behavior;
pub mod clamp;
pub mod combine;
pub mod decide;
pub mod grouping;
pub mod memory;
pub mod milli;
pub mod missing;
pub mod observation;
pub mod per_pod;
pub mod pods;
pub mod policy;
pub mod propose;
pub mod rate_limit;
pub mod recollection;
pub mod requests;
pub mod samples;
pub mod stabilize;
pub mod state;
#[cfg(test)]
mod tests_support;
pub mod time;
pub mod trace;

pub use decide::{asks_metrics, decide};
pub use milli::Milli;
pub use missing::{Failing, Fallback, FloorKind, OnMissing, Streak};
pub use observation::{Absence, Absent, Observation, Reading, Replicas, Sample};
pub use pods::{Container, Phase, Pod, PodResources, Readiness, ReadyStatus, Requests};
pub use policy::{
    Behavior, Direction, Growth, Metric, MetricKind, Mode, Policy, RateKind, RatePolicy, Rules, Select, Settings,
    Target, WarmUp,
};
pub use recollection::{Recollection, Standing};
pub use samples::{ContainerUsages, PodSample, PodSamples};
pub use state::{Recommendation, Rescale, ScaleEvent, State};
pub use time::Timestamp;
pub use trace::{
    Action, Decision, Held, Limit, LimitReason, Outcome, PerPod, Proposal, RateLimit, Stabilization, Trace,
};
