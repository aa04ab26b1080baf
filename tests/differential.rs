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
#[path = "differential/random.rs"]
mod random;
#[path = "differential/twins.rs"]
mod twins;

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use futures::future::join_all;
use libtest_mimic::Failed;

use control_plane::{Assets, Controllers, Options, Process, Shared, availability, trial};
use feeds::Feeds;
use pair::{Pair, Verdict};
use twins::Twins;

/// Fewest syncs of each side over all behaviors that count as a proof.
const LEAST_SYNCS: usize = 200;
/// Random behaviors beside those that are written down.
const RANDOM_BEHAVIORS: u64 = 6;

/// Whose twin it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    /// The HPA controller.
    Hpa,
    /// Flyball.
    Flyball,
}

impl Side {
    const BOTH: [Self; 2] = [Self::Hpa, Self::Flyball];

    /// The end of the name of everything that belongs to it.
    const fn word(self) -> &'static str {
        match self {
            Self::Hpa => "hpa",
            Self::Flyball => "flyball",
        }
    }
}

fn main() {
    let arguments = libtest_mimic::Arguments::from_args();
    let options = Options { controllers: Controllers::HorizontalPodAutoscaler };
    let shared = Shared::new(options).expect("a runtime starts");
    let for_trial = Arc::clone(&shared);
    let trials = vec![trial("twins_scale_alike", &availability(&options.programs()), move |assets| {
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
    twins::prepare(plane, external_port)?;
    let folder = tempfile::tempdir()?;
    let arguments = [
        "run".to_owned(),
        format!("--prometheus-url=http://127.0.0.1:{prometheus_port}"),
        "--metrics-bind-address=0".to_owned(),
        "--health-probe-bind-address=0".to_owned(),
    ];
    let environment = [("KUBECONFIG", OsString::from(plane.kubeconfig()))];
    let operator = Process::start(Path::new(env!("CARGO_BIN_EXE_flyball")), &arguments, &environment, folder.path())?;

    let behaviors = behaviors::all().into_iter().chain(random::behaviors(seed, RANDOM_BEHAVIORS));
    let verdicts = shared.block_on(async {
        let twins = Twins::start(plane.client().await?);
        let run = behaviors.enumerate().map(|(index, behavior)| Pair::new((index, behavior), &twins, &feeds).run());
        Ok::<_, Failed>(join_all(run).await)
    })?;
    let table = table(&verdicts);
    println!("{table}");
    let problems: Vec<String> = verdicts.iter().filter_map(Verdict::problem).collect();
    if !problems.is_empty() {
        let logs = format!("{}\n{}", operator.log_tail(), plane.logs());
        return Err(format!("FLYBALL_SEED={seed}\n{}\n{logs}", problems.join("\n")).into());
    }
    for side in Side::BOTH {
        let syncs: usize = verdicts.iter().map(|verdict| verdict.syncs(side)).sum();
        assert!(syncs >= LEAST_SYNCS, "only {syncs} syncs of {side:?} prove nothing");
    }
    Ok(())
}

/// One line per behavior.
fn table(verdicts: &[Verdict]) -> String {
    let mut lines =
        vec![format!("{:<44} {:>9} {:>13} {:>8}  {}", "behavior", "HPA syncs", "Flyball syncs", "rescales", "equal")];
    lines.extend(verdicts.iter().map(Verdict::line));
    lines.join("\n")
}
