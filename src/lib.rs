//! Flyball reads Prometheus, decides how many replicas a workload needs, sets them through the `scale` subresource, and can always say why.
//!
//! The house: `engine` decides and knows nothing of the world; `api` is what users write and read; `sources` asks Prometheus;
//! `cluster` is what Kubernetes is to us; `controller` is the loop; `sandbox` an embedded world for demo and tests; `view` what
//! people look at; `telemetry` logs and metrics; `import` makes policies from what other
//! autoscalers were told; `check` reads policies without a cluster; `cli` one file per command. Imports point one way: see ARCHITECTURE.md.

pub mod api;
pub mod check;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod controller;
pub mod engine;
pub mod import;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod sources;
pub mod telemetry;
pub mod view;
