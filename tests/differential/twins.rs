//! The workloads: made in pairs, followed by a watch that writes down each size, and answered at once as if their pods were there.
//!
//! Where no controller makes pods, a Deployment's status says what its spec asks for as soon as the watch tells. Where HPA counts ready
//! pods (a Value target), the workload is a Rack: a custom resource whose selector takes in exactly as many of the ready pods in its
//! slots as its spec asks for, so that its pods come and go in one instant and never one by one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use libtest_mimic::Failed;
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

use crate::Side;
use crate::behaviors::{Behavior, Target};
use crate::control_plane::ControlPlane;
use crate::pods;

const NAMESPACE: &str = "default";
/// How long the external metrics API may take to be served through kube-apiserver on a busy machine.
const READY_ROUNDS: u32 = 300;

/// What scales.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Of apps/v1.
    Deployment,
    /// With pods in slots.
    Rack,
}

impl Kind {
    const fn api_version(self) -> &'static str {
        match self {
            Self::Deployment => "apps/v1",
            Self::Rack => "test.flyball.dev/v1",
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::Rack => "Rack",
        }
    }
}

/// Makes the cluster serve a metrics API (its group) from a port of loopback, and know racks.
pub(crate) fn prepare(plane: &ControlPlane, (group, port): (&str, u16)) -> Result<(), Failed> {
    let objects = json!({"apiVersion": "v1", "kind": "List", "items": [
        {
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "feeds", "namespace": NAMESPACE},
            "spec": {"type": "ExternalName", "externalName": "localhost"},
        },
        {
            "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": format!("v1beta1.{group}")},
            "spec": {
                "group": group, "version": "v1beta1", "insecureSkipTLSVerify": true,
                "groupPriorityMinimum": 100, "versionPriority": 100,
                "service": {"name": "feeds", "namespace": NAMESPACE, "port": port},
            },
        },
        rack_definition(),
    ]});
    let applied = plane.kubectl_with_input(&["apply", "-f", "-"], &objects.to_string())?;
    if !applied.status.success() {
        return Err(format!("cannot prepare: {}", String::from_utf8_lossy(&applied.stderr)).into());
    }
    let served = format!("/apis/{group}/v1beta1");
    let ready: [&[&str]; 3] =
        [&["get", "--raw", &served], &["get", "racks.test.flyball.dev"], &["get", "serviceaccount", "default"]];
    for command in ready {
        let mut round = 0;
        loop {
            let output = plane.kubectl(command)?;
            if output.status.success() {
                break;
            }
            round += 1;
            if round == READY_ROUNDS {
                let why = String::from_utf8_lossy(&output.stderr).into_owned();
                return Err(format!("kubectl {}: {why}\n{}", command.join(" "), plane.logs()).into());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }
    Ok(())
}

fn rack_definition() -> Value {
    let integer = json!({"type": "integer"});
    let schema = json!({"type": "object", "properties": {
        "spec": {"type": "object", "properties": {"replicas": integer}},
        "status": {"type": "object", "properties": {"replicas": integer, "selector": {"type": "string"}}},
    }});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "racks.test.flyball.dev"},
        "spec": {
            "group": "test.flyball.dev", "scope": "Namespaced", "names": {"kind": "Rack", "plural": "racks"},
            "versions": [{
                "name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema},
                "subresources": {"status": {}, "scale": {
                    "specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas", "labelSelectorPath": ".status.selector",
                }},
            }],
        },
    })
}

/// A size that a workload was given, and when the watch told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) replicas: i64,
    pub(crate) at: Instant,
}

/// How the pods of a workload keep up with its size.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Starts {
    /// So many never get ready.
    never: i64,
    /// Since when all others that its spec asks for are ready.
    pub(crate) whole_since: Option<Instant>,
    /// The longest that this ever took from a change of size.
    pub(crate) longest: Duration,
}

/// All workloads of the test.
#[derive(Clone)]
pub(crate) struct Twins {
    client: Client,
    /// Nobody else makes pods.
    plays_controllers: bool,
    seen: Arc<Mutex<BTreeMap<String, Vec<Seen>>>>,
    starts: Arc<Mutex<BTreeMap<String, Starts>>>,
}

impl Twins {
    /// Follows them from now on.
    pub(crate) fn start(client: Client, plays_controllers: bool) -> Self {
        let twins = Self { client, plays_controllers, seen: Arc::default(), starts: Arc::default() };
        for kind in [Kind::Deployment, Kind::Rack] {
            let twins = twins.clone();
            tokio::spawn(async move { twins.follow(kind).await });
        }
        twins
    }

    async fn follow(&self, kind: Kind) {
        let api = self.api(kind.api_version(), kind.word());
        // With pauses after errors: when the runtime ends, a loop that only meets errors would never let go of its thread.
        let mut events = watcher(api.clone(), watcher::Config::default()).default_backoff().boxed();
        while let Some(event) = events.next().await {
            let Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object)) = event else { continue };
            let Some(replicas) = object.data.pointer("/spec/replicas").and_then(Value::as_i64) else { continue };
            let name = object.metadata.name.unwrap_or_default();
            self.note(&name, replicas);
            self.note_ready(&name, &object.data);
            let exist = object.data.pointer("/status/replicas").and_then(Value::as_i64);
            if self.plays_controllers && exist != Some(replicas) {
                let mut status = json!({"status": {"replicas": replicas}});
                if kind == Kind::Rack {
                    let slots: Vec<String> = (0..replicas).map(|slot| slot.to_string()).collect();
                    status["status"]["selector"] = json!(format!("app={name},slot in ({})", slots.join(",")));
                }
                let _gone_or_next_time = api.patch_status(&name, &PatchParams::default(), &Patch::Merge(status)).await;
            }
        }
    }

    fn note(&self, name: &str, replicas: i64) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let sizes = seen.entry(name.to_owned()).or_default();
        if sizes.last().is_none_or(|last| last.replicas != replicas) {
            sizes.push(Seen { replicas, at: Instant::now() });
        }
    }

    fn note_ready(&self, name: &str, object: &Value) {
        let of = |pointer: &str| object.pointer(pointer).and_then(Value::as_i64).unwrap_or_default();
        let (asked, exist, ready) = (of("/spec/replicas"), of("/status/replicas"), of("/status/readyReplicas"));
        let changed = self.sizes(name).last().map_or_else(Instant::now, |seen| seen.at);
        self.change_starts(name, |starts| {
            let is_whole = exist == asked && ready + starts.never >= asked;
            if is_whole && starts.whole_since.is_none() {
                starts.longest = starts.longest.max(changed.elapsed());
            }
            starts.whole_since = is_whole.then(|| starts.whole_since.unwrap_or_else(Instant::now));
        });
    }

    fn change_starts<T>(&self, name: &str, change: impl FnOnce(&mut Starts) -> T) -> T {
        let mut starts = self.starts.lock().unwrap_or_else(PoisonError::into_inner);
        change(starts.entry(name.to_owned()).or_default())
    }

    /// How the pods of `name` keep up; `None` where no controller makes any.
    pub(crate) fn starts(&self, name: &str) -> Option<Starts> {
        (!self.plays_controllers).then(|| self.change_starts(name, |starts| *starts))
    }

    /// The sizes of `name` so far, each only where it differs from the one before.
    pub(crate) fn sizes(&self, name: &str) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned().unwrap_or_default()
    }

    /// Gives the workload `name` another size, as a human does.
    pub(crate) async fn resize(&self, kind: Kind, name: &str, replicas: i64) -> kube::Result<()> {
        let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
        self.api(kind.api_version(), kind.word()).patch(name, &PatchParams::default(), &patch).await.map(drop)
    }

    /// Gives the autoscaler of `side` other bounds.
    pub(crate) async fn bound(&self, side: Side, name: &str, (min, max): (i64, i64)) -> kube::Result<()> {
        let patch = Patch::Merge(json!({"spec": {"minReplicas": min, "maxReplicas": max}}));
        self.autoscalers(side).patch(name, &PatchParams::default(), &patch).await.map(drop)
    }

    /// Makes the workload `name` with as many ready pods as it can ever have, where somebody counts them.
    pub(crate) async fn make(&self, behavior: &Behavior, side: Side, name: &str) -> Result<(), Failed> {
        let kind = behavior.kind();
        if kind == Kind::Rack && side == Side::Hpa {
            for slot in 0..behavior.max {
                self.make_pod(name, slot).await?;
            }
        }
        let labels = json!({"app": name});
        let mut object = json!({
            "apiVersion": kind.api_version(), "kind": kind.word(), "metadata": {"name": name}, "spec": {"replicas": behavior.start},
        });
        if kind == Kind::Deployment {
            object["spec"]["selector"] = json!({"matchLabels": labels});
            let spec = match &behavior.pods {
                Some(template) => template.spec(),
                None => json!({"containers": [{"name": "web", "image": "web"}]}),
            };
            object["spec"]["template"] = json!({"metadata": {"labels": labels}, "spec": spec});
        }
        self.create(&self.api(kind.api_version(), kind.word()), object).await?;
        match &behavior.pods {
            Some(template) if template.unready > 0 => {
                self.change_starts(name, |starts| starts.never = template.unready.try_into().unwrap_or_default());
                pods::await_start(&self.client, (name, behavior.start), template).await
            }
            Some(template) => pods::await_start(&self.client, (name, behavior.start), template).await,
            None => Ok(()),
        }
    }

    /// A pod that no kubelet runs says itself that it is ready.
    async fn make_pod(&self, app: &str, slot: i64) -> kube::Result<()> {
        let name = format!("{app}-{slot}");
        let pods = self.api("v1", "Pod");
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "labels": {"app": app, "slot": slot.to_string()}},
            "spec": {"nodeName": "none", "automountServiceAccountToken": false, "containers": [{"name": "web", "image": "web"}]},
        });
        self.create(&pods, pod).await?;
        let ready = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
        pods.patch_status(&name, &PatchParams::default(), &Patch::Merge(ready)).await.map(drop)
    }

    /// Makes the autoscaler of `side` for the workload of the same name: the same spec, but for where the series come from.
    pub(crate) async fn autoscale(&self, behavior: &Behavior, side: Side, name: &str) -> kube::Result<()> {
        let (api_version, kind) = match side {
            Side::Hpa => ("autoscaling/v2", "HorizontalPodAutoscaler"),
            Side::Flyball => ("flyball.dev/v1alpha1", "ScalingPolicy"),
        };
        let metric = |(index, target): (usize, &Target)| target.metric(side, &format!("{}_{index}", behavior.series));
        let metrics: Vec<Value> = behavior.metrics.iter().enumerate().map(metric).collect();
        let target = behavior.kind();
        let mut spec = json!({
            "scaleTargetRef": {"apiVersion": target.api_version(), "kind": target.word(), "name": name},
            "minReplicas": behavior.min, "maxReplicas": behavior.max, "metrics": metrics,
        });
        if let Some(rules) = &behavior.rules {
            spec["behavior"] = rules.clone();
        }
        if side == Side::Flyball {
            spec["pollingPeriodSeconds"] = json!(1);
        }
        let object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": spec});
        self.create(&self.autoscalers(side), object).await
    }

    fn autoscalers(&self, side: Side) -> Api<DynamicObject> {
        match side {
            Side::Hpa => self.api("autoscaling/v2", "HorizontalPodAutoscaler"),
            Side::Flyball => self.api("flyball.dev/v1alpha1", "ScalingPolicy"),
        }
    }

    async fn create(&self, api: &Api<DynamicObject>, object: Value) -> kube::Result<()> {
        let object: DynamicObject = serde_json::from_value(object).map_err(kube::Error::SerdeError)?;
        api.create(&PostParams::default(), &object).await.map(drop)
    }

    fn api(&self, api_version: &str, kind: &str) -> Api<DynamicObject> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let mut resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        if kind == "ScalingPolicy" {
            resource.plural = "scalingpolicies".to_owned();
        }
        Api::namespaced_with(self.client.clone(), NAMESPACE, &resource)
    }
}
