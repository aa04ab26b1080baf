//! What users write and read: the custom resource `scalingpolicies.flyball.dev/v1alpha1`, its rules, defaults, conditions and reasons,
//! and the one conversion into `engine::Policy`. Must not do IO.

pub mod quantity;
pub mod status;
