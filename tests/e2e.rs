//! End to end on a real control plane: what users of a cluster see, type and get.
//!
//! Where no control plane is to be had these are ignored with the reason, never passed; `FLYBALL_CONTROL_PLANE=required cargo test`
//! builds what is missing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod control_plane;
#[path = "e2e/examples.rs"]
mod examples;
#[path = "e2e/explain.rs"]
mod explain;
#[path = "e2e/ground.rs"]
mod ground;
#[path = "e2e/import.rs"]
mod import;
#[path = "e2e/operator.rs"]
mod operator;
#[path = "e2e/policy.rs"]
mod policy;
mod secured;
#[path = "e2e/secured_sources.rs"]
mod secured_sources;
#[path = "e2e/sources.rs"]
mod sources;
#[path = "e2e/support.rs"]
mod support;
#[path = "e2e/usage.rs"]
mod usage;

use control_plane::{Controllers, Options, Shared};

fn main() {
    let arguments = libtest_mimic::Arguments::from_args();
    let shared = Shared::new(Options { controllers: Controllers::Workloads }).expect("a runtime starts");
    let trials = [
        ground::trials(&shared),
        policy::trials(&shared),
        sources::trials(&shared),
        secured_sources::trials(),
        import::trials(&shared),
        examples::trials(&shared),
        explain::trials(&shared),
        operator::trials(),
        usage::trials(),
    ]
    .into_iter()
    .flatten()
    .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    // `exit` runs no destructors.
    drop(shared);
    conclusion.exit();
}
