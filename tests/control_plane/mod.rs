//! A real control plane for tests: etcd, kube-apiserver, kube-controller-manager and Prometheus as child processes on loopback.
//!
//! Owns where the programs come from, how they are built when they are asked for, how they run and how they end. It must not know
//! what any test is about. Everything waits with a deadline, and a failure to start carries the end of the program's own log.
#![allow(dead_code, reason = "each test binary that includes this module uses its own part of it")]

mod assets;
mod build;
mod exporter;
mod launch;
mod process;
mod prometheus;
mod shared;
mod trial;

#[allow(unused_imports, reason = "each test binary uses its own part")]
pub(crate) use {
    assets::{Assets, Program, Unavailable, availability},
    exporter::Exporter,
    launch::{ControlPlane, Controllers, FAKE_NODE, Options, StartError},
    process::{Exit, Process, free_port},
    prometheus::Prometheus,
    shared::Shared,
    trial::trial,
};
