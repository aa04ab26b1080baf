//! The embedded world for the demo, simulations and tests: an in-memory Kubernetes API, a Prometheus API, workloads under load.
//! Under paused tokio time and a seed it does the same thing every time. It stands beside the operator: nothing that runs in a
//! cluster may need it, and it must not decide anything.

pub mod clock;
pub mod kubernetes;
pub mod prometheus;
pub mod workload;
pub mod world;

pub use clock::SimClock;
pub use kubernetes::Kubernetes;
pub use prometheus::Prometheus;
pub use workload::{Load, Wave, WorkloadSpec};
pub use world::World;
