//! The embedded world for the demo, simulations and tests: an in-memory Kubernetes API, a Prometheus API, workloads under load.
//! Under paused tokio time and a seed it does the same thing every time. It stands beside the operator: nothing that runs in a
//! cluster may need it, and it must not decide anything.

pub mod clock;
pub mod kubernetes;

pub use clock::SimClock;
pub use kubernetes::Kubernetes;
