//! What users write and read: the custom resource `scalingpolicies.flyball.dev/v1alpha1`, its rules, defaults, conditions and reasons,
//! and the one conversion into `engine::Policy`. Must not do IO.

pub mod behavior;
pub mod conditions;
pub mod crd;
pub mod fallback;
pub mod metrics;
pub mod publish;
pub mod quantity;
pub mod query;
pub mod resolve;
mod resolve_behavior;
mod resolve_metrics;
mod resolve_missing;
mod resolve_query;
mod rules;
pub mod selector;
pub mod source;
pub mod spec;
pub mod status;

pub use resolve::{InvalidSpec, Resolved, TargetRef, resolve};
pub use source::{ClusterPrometheusSource, PrometheusSource};
pub use spec::{FIELD_MANAGER, GROUP, ScalingPolicy, ScalingPolicySpec, VERSION};
pub use status::ScalingPolicyStatus;
