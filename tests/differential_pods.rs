//! "Change two lines of your HPA and nothing else changes", proven over pods that run: a real kube-controller-manager makes the pods of
//! twin Deployments, kwok lets them run and get ready, an aggregated `metrics.k8s.io` tells what they use; the HPA controller scales one
//! twin, Flyball's own binary the other. Replicas are compared change by change, as in `differential`.
//!
//! `FLYBALL_SEED=N` repeats the random behaviors of a run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "differential/behaviors.rs"]
#[allow(dead_code, reason = "behaviors without pods are played in differential")]
mod behaviors;
mod control_plane;
#[path = "differential/documented.rs"]
mod documented;
#[path = "differential/feeds.rs"]
#[allow(dead_code, reason = "no external metrics here")]
mod feeds;
#[path = "differential/pair.rs"]
mod pair;
#[path = "differential/pods.rs"]
mod pods;
#[path = "differential/random.rs"]
#[allow(dead_code, reason = "behaviors without pods are played in differential")]
mod random;
#[path = "differential/side.rs"]
mod side;
#[path = "differential/trial.rs"]
mod trial;
#[path = "differential/twins.rs"]
mod twins;
#[path = "differential/usage.rs"]
mod usage;

use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::Failed;

use behaviors::Behavior;
use control_plane::{Assets, Controllers, Options, Shared, availability};
use feeds::Feeds;
use side::Side;
use trial::Operator;
use twins::Twins;
use usage::{Source, Usage};

/// Fewest syncs of each side over all behaviors that count as a proof.
const LEAST_SYNCS: usize = 200;
/// Random behaviors beside those that are written down.
const RANDOM_BEHAVIORS: u64 = 3;

fn main() {
    let arguments = libtest_mimic::Arguments::from_args();
    let options = Options { controllers: Controllers::RunningPods { sync_seconds: 1 } };
    let shared = Shared::new(options).expect("a runtime starts");
    let for_trial = Arc::clone(&shared);
    let real = availability(&documented::OPTIONS.programs());
    let trials = vec![
        control_plane::trial("twins_with_pods_scale_alike", &availability(&options.programs()), move |assets| {
            twins_with_pods_scale_alike(&for_trial, assets)
        }),
        control_plane::trial("the_documentations_example_scales_alike_by_two_changed_lines", &real, |assets| {
            documented::scales_alike(assets, "tests/differential/php-apache.yaml", Duration::from_secs(150))
        }),
        // Its window is of five minutes, and then it gives back one pod a minute: `-- --ignored` runs it.
        control_plane::trial("the_walkthrough_scales_alike_in_a_quarter_of_an_hour", &real, |assets| {
            documented::scales_alike(assets, "tests/import/walkthrough.yaml", Duration::from_secs(1200))
        })
        .with_ignored_flag(true),
    ];
    let conclusion = libtest_mimic::run(&arguments, trials);
    // `exit` runs no destructors.
    drop(shared);
    conclusion.exit();
}

fn twins_with_pods_scale_alike(shared: &Shared, assets: &Assets) -> Result<(), Failed> {
    let seed = random::seed()?;
    eprintln!("FLYBALL_SEED={seed} repeats the random behaviors");
    let plane = shared.plane_with_definitions(assets)?;
    let feeds = Arc::<Feeds>::default();
    let usage = Usage::new(shared.block_on(plane.client())?, Arc::clone(&feeds));
    let behaviors: Vec<Behavior> = pods::all().into_iter().chain(pods::random(seed, RANDOM_BEHAVIORS)).collect();
    // The same again under other numbers, for those that are played a second time.
    register(&usage, &[behaviors.clone(), behaviors.clone()].concat());
    let (prometheus_port, api) = shared.block_on(async {
        let prometheus_port = feeds::serve_prometheus(Arc::clone(&feeds)).await?;
        Ok::<_, Failed>((prometheus_port, usage.serve(plane).await?))
    })?;
    twins::prepare(plane, api)?;
    let operator = Operator::start(plane, prometheus_port)?;
    let verdicts = shared.block_on(async {
        let twins = Twins::start(plane.client().await?, false);
        let mut verdicts = trial::play(&behaviors, 0, (&twins, &feeds)).await;
        // Where pods start more slowly than autoscalers look, HPA decides on some of them. What differs is played once more with the
        // machine to itself; what is decided otherwise differs again.
        for (index, verdict) in verdicts.iter_mut().enumerate().filter(|(_, verdict)| verdict.problem().is_some()) {
            println!("once more, since {}", verdict.problem().unwrap_or_default());
            let again = trial::play(&behaviors[index..=index], behaviors.len() + index, (&twins, &feeds)).await;
            *verdict = again.into_iter().next().ok_or("nothing was played")?;
        }
        Ok::<_, Failed>(verdicts)
    })?;
    trial::judge(&verdicts, LEAST_SYNCS).map_err(|failed| {
        let why = failed.message().unwrap_or_default();
        format!("FLYBALL_SEED={seed}\n{why}\n{}", operator.logs(plane)).into()
    })
}

/// Tells what serves the usage of pods whose pods the twins will be.
fn register(usage: &Usage, behaviors: &[Behavior]) {
    for (index, behavior) in behaviors.iter().enumerate() {
        let Some(template) = behavior.pods else { continue };
        for side in Side::BOTH {
            let source = Source { side, series: pair::series(index), metrics: behavior.metrics.clone(), template };
            usage.register(("default", &pair::name(index, side)), source);
        }
    }
}
