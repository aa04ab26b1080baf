//! The whole controller on the sandbox, under paused time: the code that runs in a cluster, over an API server and a Prometheus in memory.
//! Each scenario says what a user would see: replicas, conditions, events, metrics, and the requests that it cost.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "controller/bad_input.rs"]
mod bad_input;
#[path = "controller/cellar.rs"]
mod cellar;
#[path = "controller/following.rs"]
mod following;
#[path = "controller/isolation.rs"]
mod isolation;
#[path = "controller/life.rs"]
mod life;
#[path = "controller/memory.rs"]
mod memory;
#[path = "controller/missing.rs"]
mod missing;
#[path = "controller/modes.rs"]
mod modes;
#[path = "controller/outage.rs"]
mod outage;
#[path = "controller/pods.rs"]
mod pods;
#[path = "controller/rivals.rs"]
mod rivals;
#[path = "controller/scene.rs"]
mod scene;
#[path = "controller/selectors.rs"]
mod selectors;
#[path = "controller/sources.rs"]
mod sources;
#[path = "controller/templates.rs"]
mod templates;
#[path = "controller/usage.rs"]
mod usage;
#[path = "controller/usage_sources.rs"]
mod usage_sources;
#[path = "controller/wire.rs"]
mod wire;
#[path = "controller/writes.rs"]
mod writes;
