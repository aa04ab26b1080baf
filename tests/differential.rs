//! "Change two lines of your HPA and nothing else changes", proven: the HPA controller of a real kube-controller-manager and Flyball's
//! own binary on one real kube-apiserver, each over its own twin of a workload, fed the same series, replicas compared change by change.
//!
//! All behaviors run side by side in one trial. What the two loops cannot share is their clocks: each syncs once a second at a phase of
//! its own. So the sequence of sizes must be the same, and each change must come within two syncs of its counterpart.
//! `FLYBALL_SEED=N` repeats the random behaviors of a run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "differential/behaviors.rs"]
mod behaviors;
mod control_plane;
#[path = "differential/feeds.rs"]
mod feeds;
#[path = "differential/pair.rs"]
mod pair;
#[path = "differential/pods.rs"]
#[allow(dead_code, reason = "nothing makes pods here; see differential_pods")]
mod pods;
#[path = "differential/random.rs"]
mod random;
#[path = "differential/side.rs"]
mod side;
#[path = "differential/trial.rs"]
mod trial;
#[path = "differential/twins.rs"]
mod twins;

use std::sync::Arc;

use libtest_mimic::Failed;

use control_plane::{Assets, Controllers, Options, Shared, availability};
use feeds::Feeds;
use side::Side;
use trial::Operator;
use twins::Twins;

/// Fewest syncs of each side over all behaviors that count as a proof.
const LEAST_SYNCS: usize = 200;
/// Random behaviors beside those that are written down.
const RANDOM_BEHAVIORS: u64 = 6;

fn main() {
    let arguments = libtest_mimic::Arguments::from_args();
    let options = Options { controllers: Controllers::HorizontalPodAutoscaler };
    let shared = Shared::new(options).expect("a runtime starts");
    let for_trial = Arc::clone(&shared);
    let trials = vec![control_plane::trial("twins_scale_alike", &availability(&options.programs()), move |assets| {
        twins_scale_alike(&for_trial, assets)
    })];
    let conclusion = libtest_mimic::run(&arguments, trials);
    // `exit` runs no destructors.
    drop(shared);
    conclusion.exit();
}

fn twins_scale_alike(shared: &Shared, assets: &Assets) -> Result<(), Failed> {
    let seed = random::seed()?;
    eprintln!("FLYBALL_SEED={seed} repeats the random behaviors");
    let plane = shared.plane_with_definitions(assets)?;
    let feeds = Arc::<Feeds>::default();
    let (prometheus_port, external_port) = shared.block_on(async {
        let prometheus_port = feeds::serve_prometheus(Arc::clone(&feeds)).await?;
        Ok::<_, std::io::Error>((prometheus_port, feeds::serve_external(Arc::clone(&feeds), plane).await?))
    })?;
    twins::prepare(plane, ("external.metrics.k8s.io", external_port))?;
    let operator = Operator::start(plane, prometheus_port)?;
    let behaviors: Vec<_> = behaviors::all().into_iter().chain(random::behaviors(seed, RANDOM_BEHAVIORS)).collect();
    let verdicts = shared.block_on(async {
        let twins = Twins::start(plane.client().await?, true);
        Ok::<_, Failed>(trial::play(&behaviors, 0, (&twins, &feeds)).await)
    })?;
    trial::judge(&verdicts, LEAST_SYNCS).map_err(|failed| {
        let why = failed.message().unwrap_or_default();
        format!("FLYBALL_SEED={seed}\n{why}\n{}", operator.logs(plane)).into()
    })
}
