//! Behaviors over pods that run: what the pods are, and how they use what they use.
//!
//! A load is of the whole workload and shared by its pods that are ready and measured, as behind a load balancer: in millicores of cpu, in
//! MiB of memory. Loads lie half a replica away from where the answer changes, since utilization is rounded to whole percent and pods come
//! one by one.

use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client};
use libtest_mimic::Failed;
use serde_json::{Value, json};
use tokio::time::{Duration, sleep};

use crate::behaviors::{Behavior, Goal, Step, Target, load, percent, pods, quick};
use crate::control_plane::FAKE_NODE;
use crate::random::{Dice, rules};

/// How often it is looked whether the pods of a new workload run, and how often at most.
const POLL: Duration = Duration::from_millis(100);
const POLLS: u32 = 600;
/// More than fit into the time of a random behavior.
const RANDOM_STEPS: u64 = 12;

/// A container of every pod.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Container {
    pub(crate) name: &'static str,
    /// Millicores that it requests.
    pub(crate) cpu: i64,
    /// MiB that it requests.
    pub(crate) memory: i64,
    /// Millicores that it uses whatever the load is.
    pub(crate) burns: i64,
}

/// What the pods of a workload are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PodTemplate {
    /// The first bears the load where a metric names none.
    pub(crate) containers: &'static [Container],
    /// So many of the first pods never get ready.
    pub(crate) unready: usize,
    /// So many pods have no sample.
    pub(crate) silent: usize,
    /// Seconds that a sample covers.
    pub(crate) window_seconds: u32,
    /// Millicores that a pod uses to start, for as long as a window reaches back to its start.
    pub(crate) start_burns: f64,
}

const WEB: Container = Container { name: "web", cpu: 1000, memory: 128, burns: 0 };
const SIDECAR: Container = Container { name: "sidecar", cpu: 250, memory: 64, burns: 200 };
const ALONE: PodTemplate =
    PodTemplate { containers: &[WEB], unready: 0, silent: 0, window_seconds: 0, start_burns: 0.0 };
const IDLE_SIDECAR: Container = Container { burns: 0, ..SIDECAR };
const WITH_SIDECAR: PodTemplate = PodTemplate { containers: &[WEB, SIDECAR], ..ALONE };

impl PodTemplate {
    /// The spec of a pod that runs on the fake node, and goes at once when it is deleted.
    pub(crate) fn spec(&self) -> Value {
        let container = |container: &Container| {
            let Container { name, cpu, memory, .. } = container;
            let requests = json!({"cpu": format!("{cpu}m"), "memory": format!("{memory}Mi")});
            json!({"name": name, "image": name, "resources": {"requests": requests}})
        };
        json!({
            "nodeName": FAKE_NODE, "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": false,
            "containers": self.containers.iter().map(container).collect::<Vec<_>>(),
        })
    }
}

/// Waits until the pods of the workload `name` run; then takes readiness from those that are never to have had it.
pub(crate) async fn await_start(
    client: &Client,
    (name, replicas): (&str, i64),
    template: &PodTemplate,
) -> Result<(), Failed> {
    let api: Api<Pod> = Api::default_namespaced(client.clone());
    let of_workload = ListParams::default().labels(&format!("app={name}"));
    let mut running = Vec::new();
    for poll in 0.. {
        running = api.list(&of_workload).await?.items;
        running.retain(|pod| pod.status.as_ref().is_some_and(|status| status.phase.as_deref() == Some("Running")));
        if i64::try_from(running.len()).is_ok_and(|count| count == replicas) {
            break;
        }
        if poll == POLLS {
            return Err(format!("{} of {replicas} pods of {name} run", running.len()).into());
        }
        sleep(POLL).await;
    }
    for pod in running.iter().take(template.unready) {
        let started = pod.status.as_ref().and_then(|status| status.start_time.clone());
        let conditions = json!([{"type": "Ready", "status": "False", "lastTransitionTime": started}]);
        let never_ready = Patch::Strategic(json!({"status": {"conditions": conditions}}));
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        api.patch_status(name, &PatchParams::default(), &never_ready).await?;
    }
    Ok(())
}

const fn cpu(goal: Goal) -> Target {
    Target::Usage { resource: "cpu", container: None, goal }
}

const fn memory(goal: Goal) -> Target {
    Target::Usage { resource: "memory", container: None, goal }
}

fn behavior(name: &str, rules: Option<Value>, (metrics, loads): (Vec<Target>, &[f64])) -> Behavior {
    Behavior { pods: Some(ALONE), ..Behavior::new(name, rules, loads).metrics(metrics) }
}

/// All that are written down.
pub(crate) fn all() -> Vec<Behavior> {
    [resources(), containers(), doubtful_pods(), disturbances()].into_iter().flatten().collect()
}

fn resources() -> Vec<Behavior> {
    // What the documentation writes down as the defaults, but for the window of shrinking.
    let documented = json!({
        "scaleDown": {"stabilizationWindowSeconds": 5, "policies": [percent(100, 15)]},
        "scaleUp": {"stabilizationWindowSeconds": 0, "policies": [percent(100, 15), pods(4, 15)], "selectPolicy": "Max"},
    });
    let paced = json!({
        "scaleUp": {"policies": [pods(2, 2)]},
        "scaleDown": {"stabilizationWindowSeconds": 2, "policies": [percent(40, 2)], "tolerance": "0.02"},
    });
    let half = || vec![cpu(Goal::Percent(50))];
    vec![
        behavior("cpu: half of the request, documented behavior", Some(documented), (half(), &[950.0, 5750.0, 1250.0]))
            .longest(15),
        behavior("cpu: half of the request, no behavior", None, (half(), &[950.0, 5750.0, 1250.0])),
        behavior(
            "cpu: half of the request, quick",
            quick(),
            (half(), &[1000.0, 1750.0, 2750.0, 90_000.0, 2250.0, 2450.0, 0.0]),
        ),
        behavior(
            "cpu: 70 percent of the request, paced",
            Some(paced),
            (vec![cpu(Goal::Percent(70))], &[1400.0, 8000.0, 3800.0]),
        )
        .longest(2),
        behavior(
            "cpu: 250m for each pod",
            quick(),
            (vec![cpu(Goal::Average("250m"))], &[500.0, 875.0, 2375.0, 2560.0, 1125.0, 3.0]),
        ),
        behavior(
            "memory: 60 percent of the request",
            quick(),
            (vec![memory(Goal::Percent(60))], &[150.0, 410.0, 790.0, 260.0]),
        ),
        behavior(
            "memory: 100Mi for each pod",
            quick(),
            (vec![memory(Goal::Average("100Mi"))], &[200.0, 450.0, 1150.0, 260.0]),
        ),
    ]
}

fn containers() -> Vec<Behavior> {
    let of_web = Target::Usage { resource: "cpu", container: Some("web"), goal: Goal::Percent(50) };
    let memory_of_web = Target::Usage { resource: "memory", container: Some("web"), goal: Goal::Average("100Mi") };
    let both = |cpu: f64, memory: f64| Step::Load(vec![Some(cpu), Some(memory)]);
    let beside = |behavior: Behavior| Behavior { pods: Some(WITH_SIDECAR), ..behavior };
    vec![
        beside(behavior(
            "container: its cpu, beside a busy one",
            quick(),
            (vec![of_web], &[900.0, 2750.0, 4750.0, 1250.0]),
        )),
        // A pod requests 1250m.
        Behavior {
            pods: Some(PodTemplate { containers: &[WEB, IDLE_SIDECAR], ..ALONE }),
            ..behavior(
                "cpu of pods with a sidecar",
                quick(),
                (vec![cpu(Goal::Percent(60))], &[1100.0, 2625.0, 4875.0, 1875.0]),
            )
        },
        beside(behavior("container: its memory", quick(), (vec![memory_of_web], &[200.0, 450.0, 850.0]))),
        behavior(
            "cpu and memory: the higher counts",
            quick(),
            (vec![cpu(Goal::Percent(50)), memory(Goal::Percent(60))], &[]),
        )
        .steps(vec![
            both(950.0, 150.0),
            both(2750.0, 150.0),
            both(2750.0, 690.0),
            both(1250.0, 690.0),
            both(1250.0, 190.0),
        ]),
    ]
}

fn doubtful_pods() -> Vec<Behavior> {
    let half = || vec![cpu(Goal::Percent(50))];
    let of = |template: PodTemplate, behavior: Behavior| Behavior { pods: Some(template), ..behavior };
    vec![
        of(
            PodTemplate { silent: 2, ..ALONE },
            behavior("two of six pods without a sample", quick(), (half(), &[3000.0, 4750.0, 9000.0, 4300.0, 900.0]))
                .sizes(2, 6, 16),
        ),
        of(
            PodTemplate { unready: 2, ..ALONE },
            behavior("two of six pods that never got ready", quick(), (half(), &[3000.0, 4800.0, 7250.0, 2750.0]))
                .sizes(2, 6, 16),
        ),
        // Without the rule about young pods' cpu each start would look like load, and call for more pods that start.
        of(
            PodTemplate { window_seconds: 3, start_burns: 4000.0, ..ALONE },
            behavior("pods that burn cpu to start", quick(), (half(), &[950.0, 2250.0, 4750.0])).longest(5),
        ),
        of(
            PodTemplate { window_seconds: 3, ..ALONE },
            behavior(
                "memory of pods that start counts",
                quick(),
                (vec![memory(Goal::Percent(60))], &[150.0, 410.0, 260.0]),
            )
            .longest(5),
        ),
    ]
}

fn disturbances() -> Vec<Behavior> {
    let paced = json!({
        "scaleUp": {"policies": [pods(3, 3)]},
        "scaleDown": {"stabilizationWindowSeconds": 3, "policies": [pods(3, 3)]},
    });
    let half = || vec![cpu(Goal::Percent(50))];
    vec![
        behavior("the usage of pods cannot be had: holds", quick(), (half(), &[])).steps(vec![
            load(2750.0),
            Step::Load(vec![None]),
            load(1250.0),
            Step::LoadFor(vec![None], 3),
            load(4250.0),
        ]),
        behavior("sizes set by hand are brought back at its pace", Some(paced), (half(), &[]))
            .steps(vec![load(2750.0), Step::Resize(12), Step::Resize(2), load(1750.0)])
            .longest(3),
    ]
}

/// So many random behaviors of `seed`, always the same.
pub(crate) fn random(seed: u64, count: u64) -> impl Iterator<Item = Behavior> {
    (0..count).map(move |index| {
        let mut dice = Dice::new(seed, index);
        let (up, up_longest) = rules(&mut dice, &[0, 0, 3]);
        let (down, down_longest) = rules(&mut dice, &[0, 2, 4]);
        let (min, max) = (1 + dice.below(3), 6 + dice.below(11));
        let start = min + dice.below(max - min + 1);
        let target = 30 + dice.below(60);
        // Whole percent are lost by rounding down: less than a third of a replica's share, with at most 16 of them.
        let share = |replicas: u64| (replicas as f64 + 0.5) * target as f64 * 10.0;
        let steps = (0..RANDOM_STEPS).map(|_| Step::Load(vec![Some(share(dice.below(max + 2)))])).collect();
        let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        Behavior {
            longest_seconds: up_longest.max(down_longest),
            steps,
            random: true,
            ..behavior(
                &format!("random {index}: {min} to {max}, cpu {target} percent"),
                Some(json!({"scaleUp": up, "scaleDown": down})),
                (vec![cpu(Goal::Percent(signed(target)))], &[]),
            )
            .sizes(signed(min), signed(start), signed(max))
        }
    })
}
