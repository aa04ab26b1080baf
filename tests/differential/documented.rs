//! The promise itself: a manifest of Kubernetes' documentation, two of its lines changed, over a twin of the workload that the
//! HorizontalPodAutoscaler scales. Nothing is sped up: both controllers run as they come, with their own defaults.

use std::path::Path;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, Client};
use libtest_mimic::Failed;
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep};

use crate::Side;
use crate::behaviors::{Goal, Target};
use crate::control_plane::{Assets, ControlPlane, Controllers, Options, Shared};
use crate::feeds::{self, Feeds};
use crate::pods::{Container, PodTemplate};
use crate::trial::Operator;
use crate::twins;
use crate::usage::{Source, Usage};

/// What is run: the defaults of everything.
pub(crate) const OPTIONS: Options = Options { controllers: Controllers::RunningPods { sync_seconds: 15 } };
const NAME: &str = "php-apache";
const SERIES: &str = "documented";
/// The pods of the walkthrough, with samples such as those of metrics-server.
const TEMPLATE: PodTemplate = PodTemplate {
    containers: &[Container { name: NAME, cpu: 200, memory: 64, burns: 0 }],
    unready: 0,
    silent: 0,
    window_seconds: 5,
    start_burns: 0.0,
};
/// Each load in millicores of the whole workload, and the size at which both are to arrive.
const STORY: [(f64, i32); 3] = [(200.0, 2), (1330.0, 10), (250.0, 2)];
/// How long both are watched on after they arrived: another sync of each.
const QUIET: Duration = Duration::from_secs(17);
const POLL: Duration = Duration::from_millis(250);

/// A size, and when it was seen.
type Seen = (i32, Duration);

/// Applies `manifest` (a path in the project) as it is to one twin, with two lines changed to the other; both must go through the same
/// sizes, each of them arriving within `deadline` of every load.
pub(crate) fn scales_alike(assets: &Assets, manifest: &str, deadline: Duration) -> Result<(), Failed> {
    let shared = Shared::new(OPTIONS)?;
    let plane = shared.plane_with_definitions(assets)?;
    let feeds = Arc::<Feeds>::default();
    let usage = Usage::new(shared.block_on(plane.client())?, Arc::clone(&feeds));
    let cpu = Target::Usage { resource: "cpu", container: None, goal: Goal::Percent(70) };
    for side in Side::BOTH {
        let source = Source { side, series: SERIES.to_owned(), metrics: vec![cpu], template: TEMPLATE };
        usage.register((side.word(), NAME), source);
    }
    let (prometheus_port, api) = shared.block_on(async {
        let prometheus_port = feeds::serve_prometheus(Arc::clone(&feeds)).await?;
        Ok::<_, Failed>((prometheus_port, usage.serve(plane).await?))
    })?;
    twins::prepare(plane, api)?;
    let operator = Operator::start(plane, prometheus_port)?;
    set(&feeds, STORY[0].0);
    apply(plane, manifest)?;
    let sizes = shared.block_on(async { watch(plane.client().await?, &feeds, deadline).await })?;
    let [hpa, flyball] = Side::BOTH.map(|side| &sizes[side as usize]);
    println!("{manifest}\n  HPA     {}\n  Flyball {}", told(hpa), told(flyball));
    // One replica was made before anybody looked: Flyball looks at once, and HPA a period later.
    let sequence =
        |sizes: &[Seen]| sizes.iter().map(|(size, _)| *size).skip_while(|size| *size == 1).collect::<Vec<_>>();
    let arrived = STORY.iter().all(|(_, size)| sequence(hpa).contains(size));
    if !arrived || sequence(hpa) != sequence(flyball) || sequence(hpa).last() != Some(&STORY[2].1) {
        return Err(format!("HPA {}\nFlyball {}\n{}", told(hpa), told(flyball), operator.logs(plane)).into());
    }
    Ok(())
}

fn set(feeds: &Feeds, load: f64) {
    feeds.set(&format!("{SERIES}_0"), Some(load));
}

fn told(sizes: &[Seen]) -> String {
    sizes.iter().map(|(size, at)| format!("{size} at {} s", at.as_secs())).collect::<Vec<_>>().join(", ")
}

/// The workload in a namespace for each side, and over it the manifest as it is, or with its two lines changed.
fn apply(plane: &ControlPlane, manifest: &str) -> Result<(), Failed> {
    let hpa = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(manifest))?;
    let policy = with_two_lines_changed(&hpa);
    for (side, autoscaler) in [(Side::Hpa, &hpa), (Side::Flyball, &policy)] {
        let namespace = side.word();
        let labels = json!({"app": NAME});
        kubectl(plane, &["create", "namespace", namespace], "")?;
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": NAME},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": TEMPLATE.spec()},
            },
        });
        kubectl(plane, &["apply", "-n", namespace, "-f", "-"], &deployment.to_string())?;
        kubectl(plane, &["apply", "-n", namespace, "-f", "-"], autoscaler)?;
    }
    Ok(())
}

/// The promise: these two lines, and nothing else.
fn with_two_lines_changed(hpa: &str) -> String {
    let changed = |line: &str| match line {
        "apiVersion: autoscaling/v2" => "apiVersion: flyball.dev/v1alpha1".to_owned(),
        "kind: HorizontalPodAutoscaler" => "kind: ScalingPolicy".to_owned(),
        other => other.to_owned(),
    };
    let policy: Vec<String> = hpa.lines().map(changed).collect();
    assert_eq!(hpa.lines().zip(&policy).filter(|(was, is)| was != is).count(), 2, "{hpa}");
    policy.join("\n")
}

fn kubectl(plane: &ControlPlane, arguments: &[&str], input: &str) -> Result<Value, Failed> {
    let output = plane.kubectl_with_input(&[arguments, &["-o", "json"]].concat(), input)?;
    if !output.status.success() {
        return Err(format!("kubectl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Tells the story, and returns the sizes that each side went through.
async fn watch(client: Client, feeds: &Feeds, deadline: Duration) -> Result<[Vec<Seen>; 2], Failed> {
    let begun = Instant::now();
    let apis: [Api<Deployment>; 2] = Side::BOTH.map(|side| Api::namespaced(client.clone(), side.word()));
    let mut sizes: [Vec<Seen>; 2] = Default::default();
    for (load, arrival) in STORY {
        set(feeds, load);
        let (mut end, mut arrived) = (Instant::now() + deadline, false);
        while Instant::now() < end {
            for (api, seen) in apis.iter().zip(&mut sizes) {
                let size = api.get(NAME).await?.spec.and_then(|spec| spec.replicas).unwrap_or_default();
                if seen.last().is_none_or(|(last, _)| *last != size) {
                    seen.push((size, begun.elapsed()));
                }
            }
            if !arrived && sizes.iter().all(|seen| seen.last().is_some_and(|(last, _)| *last == arrival)) {
                (end, arrived) = (Instant::now() + QUIET, true);
            }
            sleep(POLL).await;
        }
        if !arrived {
            let [hpa, flyball] = &sizes;
            return Err(format!("not both at {arrival}; HPA: {}; Flyball: {}", told(hpa), told(flyball)).into());
        }
    }
    Ok(sizes)
}
