//! What the kinds about pods ask, put to the engine's own steps. Nothing here computes an answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use flyball::api::quantity::{Quantity, Suffixes};
use flyball::engine::grouping::{Group, GroupRule};
use flyball::engine::per_pod::{Asked, Census, Goal, SeenPods, Usage, by_pods};
use flyball::engine::propose::Tolerances;
use flyball::engine::requests::request_of;
use flyball::engine::samples::DEFAULT_WINDOW_SECONDS;
use flyball::engine::{
    Absence, Container, ContainerUsages, Milli, Phase, Pod, PodResources, PodSample, PodSamples, Readiness,
    ReadyStatus, Requests, WarmUp,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::cases::{Answer, CalcTarget, CalcTolerance};
use super::wire::NOW;

type Amounts = BTreeMap<String, i64>;

#[derive(Deserialize)]
pub(crate) struct WirePod {
    name: String,
    #[serde(default)]
    phase: Option<String>,
    #[serde(default)]
    deleting: bool,
    ready: Option<String>,
    ready_changed_age_s: Option<i64>,
    started_age_s: Option<i64>,
    #[serde(default)]
    containers: Vec<WireContainer>,
    #[serde(default)]
    init_containers: Vec<WireContainer>,
    #[serde(default)]
    pod_request_milli: Amounts,
    #[serde(default)]
    overhead_milli: Amounts,
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct WireContainer {
    name: String,
    #[serde(default)]
    request_milli: Amounts,
    #[serde(default)]
    restart_always: bool,
}

/// One sample of a pod: `usage_milli` of its containers, or one `value_milli`.
#[derive(Deserialize)]
pub(crate) struct WireSample {
    pod: String,
    #[serde(default)]
    age_s: i64,
    window_s: Option<i32>,
    usage_milli: Option<BTreeMap<String, Option<i64>>>,
    value_milli: Option<i64>,
}

impl WirePod {
    pub(crate) fn pod(&self) -> Pod {
        let at = |age: i64| NOW.plus_seconds(-age);
        let status = |word: &str| match word {
            "True" => ReadyStatus::True,
            "False" => ReadyStatus::False,
            _ => ReadyStatus::Unknown,
        };
        let ready = self.ready.as_deref().map(|word| Readiness {
            status: status(word),
            changed: self.ready_changed_age_s.map(at).unwrap_or_default(),
        });
        let phase = match self.phase.as_deref() {
            Some("Pending") => Phase::Pending,
            Some("Running") => Phase::Running,
            Some("Succeeded") => Phase::Succeeded,
            Some("Failed") => Phase::Failed,
            _ => Phase::Unknown,
        };
        Pod {
            name: self.name.as_str().into(),
            phase,
            deleting: self.deleting,
            ready,
            started: self.started_age_s.map(at),
            resources: Arc::new(PodResources {
                containers: self.containers.iter().map(WireContainer::container).collect(),
                init_containers: self.init_containers.iter().map(WireContainer::container).collect(),
                pod_requests: requests(&self.pod_request_milli),
                overhead: requests(&self.overhead_milli),
            }),
        }
    }
}

impl WireContainer {
    fn container(&self) -> Container {
        Container {
            name: self.name.as_str().into(),
            requests: requests(&self.request_milli),
            restart_always: self.restart_always,
        }
    }
}

impl WireSample {
    /// The pod's sample, if what was reported makes one.
    fn sample(&self, container: Option<&str>) -> Option<PodSample> {
        let (pod, at) = (self.pod.as_str().into(), NOW.plus_seconds(-self.age_s));
        let window_seconds = self.window_s.unwrap_or(DEFAULT_WINDOW_SECONDS);
        let Some(usage) = &self.usage_milli else {
            return Some(PodSample { pod, value: Milli::new(self.value_milli?), at, window_seconds });
        };
        let containers = usage.iter().map(|(name, milli)| (name.as_str().into(), milli.map(Milli::new))).collect();
        ContainerUsages { pod, containers, at, window_seconds }.sample(container)
    }
}

fn requests(amounts: &Amounts) -> Requests {
    amounts.iter().map(|(resource, milli)| (resource.as_str().into(), Milli::new(*milli))).collect()
}

pub(crate) fn pods(pods: &[WirePod]) -> Vec<Pod> {
    pods.iter().map(WirePod::pod).collect()
}

pub(crate) fn samples(samples: &[WireSample], container: Option<&str>) -> PodSamples {
    PodSamples::new(samples.iter().filter_map(|sample| sample.sample(container)).collect(), None)
}

/// The class of error that a case expects for a reason of the engine's.
fn error(absence: Absence) -> Answer {
    let word = match absence {
        Absence::Empty => "no_samples",
        Absence::NoPods => "no_pods",
        Absence::NoUsableSamples => "no_usable_samples",
        Absence::NoSampleMatches => "no_sample_matches_a_pod",
        Absence::RequestMissing => "request_missing",
        Absence::ContainerMissing => "container_missing",
        other => return Err(format!("no case knows {other:?}")),
    };
    Ok(json!({"error": word}))
}

/// HPA's own where a case does not say.
#[derive(Deserialize, Clone, Copy)]
struct WireWarmUp {
    #[serde(default = "five_minutes")]
    cpu_init_s: i32,
    #[serde(default = "half_a_minute")]
    readiness_delay_s: i32,
}

const fn five_minutes() -> i32 {
    300
}

const fn half_a_minute() -> i32 {
    30
}

impl From<WireWarmUp> for WarmUp {
    fn from(wire: WireWarmUp) -> Self {
        Self {
            cpu_initialization_period_seconds: wire.cpu_init_s,
            initial_readiness_delay_seconds: wire.readiness_delay_s,
        }
    }
}

#[derive(Deserialize)]
pub(crate) struct Calc {
    current_replicas: i32,
    #[serde(default)]
    tolerance: CalcTolerance,
    #[serde(flatten)]
    warm_up: WireWarmUp,
    #[serde(default)]
    pods: Vec<WirePod>,
    resource: Option<String>,
    container: Option<String>,
    target: CalcTarget,
    #[serde(default)]
    samples: Vec<WireSample>,
}

pub(crate) fn calculated(input: &Calc, utilization: bool) -> Answer {
    if input.samples.is_empty() {
        return error(Absence::Empty);
    }
    let (resource, container) = (input.resource.as_deref(), input.container.as_deref());
    let goal = match (utilization, input.target.utilization_percent, input.target.average_milli) {
        (true, Some(percent), _) => Goal::Utilization { percent, resource: resource.ok_or("no resource")?, container },
        (_, _, Some(average)) => Goal::Average(Milli::new(average)),
        _ => return Err("no target".to_owned()),
    };
    let (pods, samples) = (pods(&input.pods), samples(&input.samples, container));
    // A Pods metric is no resource, whatever else the case tells.
    let resource = resource.filter(|_| utilization);
    let rule = GroupRule::new(resource, input.warm_up.into(), NOW);
    let tolerances = Tolerances { down: input.tolerance.down, up: input.tolerance.up };
    let asked = Asked { goal, tolerances, current: input.current_replicas };
    match by_pods(asked, SeenPods { pods: &pods, samples: &samples, rule, census: Census::Hpa }) {
        Err(absent) => error(absent.absence),
        Ok(answer) => Ok(json!({
            "replicas": answer.replicas,
            "average_milli": answer.average.get(),
            "utilization_percent": answer.counts.utilization_percent,
        })),
    }
}

#[derive(Deserialize)]
pub(crate) struct Classify {
    resource: String,
    #[serde(flatten)]
    warm_up: WireWarmUp,
    pods: Vec<WirePod>,
    #[serde(default)]
    samples: Vec<WireSample>,
}

pub(crate) fn classified(input: &Classify) -> Answer {
    let samples = samples(&input.samples, None);
    let rule = GroupRule::new(Some(&input.resource), input.warm_up.into(), NOW);
    let (mut ready, mut unready, mut missing, mut ignored) = (0, Vec::new(), Vec::new(), Vec::new());
    for pod in pods(&input.pods) {
        match rule.group(&pod, samples.get(&pod.name)) {
            Group::Ready => ready += 1,
            Group::Unready => unready.push(pod.name.to_string()),
            Group::Missing => missing.push(pod.name.to_string()),
            Group::Ignored => ignored.push(pod.name.to_string()),
        }
    }
    for names in [&mut unready, &mut missing, &mut ignored] {
        names.sort();
    }
    Ok(json!({"ready_count": ready, "unready": unready, "missing": missing, "ignored": ignored}))
}

#[derive(Deserialize)]
pub(crate) struct RequestInput {
    resource: String,
    container: Option<String>,
    #[serde(default = "is_on")]
    pod_level_requests_gate: bool,
    pods: Vec<WirePod>,
}

/// The gate is on since Kubernetes 1.34.
const fn is_on() -> bool {
    true
}

pub(crate) fn requested(mut input: RequestInput) -> Answer {
    if !input.pod_level_requests_gate {
        // Where the gate is off, pod-level requests are fields that nobody reads.
        input.pods.iter_mut().for_each(|pod| pod.pod_request_milli.clear());
    }
    let mut found = BTreeMap::new();
    for pod in pods(&input.pods) {
        match request_of(&pod, &input.resource, input.container.as_deref()) {
            Ok(request) => found.insert(pod.name.to_string(), request.get()),
            Err(missing) => return error(missing.absent(&pod, &input.resource, None).absence),
        };
    }
    Ok(json!({"request_milli": found}))
}

#[derive(Deserialize)]
pub(crate) struct RatioInput {
    calc: String,
    samples_milli: Amounts,
    #[serde(default)]
    request_milli: Amounts,
    target: CalcTarget,
}

pub(crate) fn compared(input: &RatioInput) -> Answer {
    let mut usage = Usage::default();
    let goal = match (input.calc.as_str(), input.target.utilization_percent, input.target.average_milli) {
        ("utilization", Some(percent), _) => Goal::Utilization { percent, resource: "", container: None },
        ("average", _, Some(average)) => Goal::Average(Milli::new(average)),
        _ => return Err("no target".to_owned()),
    };
    for (pod, milli) in &input.samples_milli {
        match (goal, input.request_milli.get(pod)) {
            (Goal::Utilization { .. }, Some(request)) => usage.add(Milli::new(*milli), Milli::new(*request)),
            (Goal::Average(_), _) => usage.add(Milli::new(*milli), Milli::default()),
            (Goal::Utilization { .. }, None) => {}
        }
    }
    let Some(share) = usage.against(goal) else { return error(Absence::NoSampleMatches) };
    Ok(json!({
        "ratio": share.ratio,
        "utilization_percent": share.percent,
        "average_milli": share.average.get(),
    }))
}

#[derive(Deserialize)]
pub(crate) struct SamplesInput {
    source: String,
    raw: Value,
    container: Option<String>,
}

pub(crate) fn sampled(input: SamplesInput) -> Answer {
    if input.raw.as_array().is_some_and(Vec::is_empty) || input.raw.is_null() {
        return error(Absence::Empty);
    }
    let wrong = |error: serde_json::Error| error.to_string();
    match input.source.as_str() {
        "external" => Ok(json!({"values_milli": Vec::<i64>::deserialize(input.raw).map_err(wrong)?})),
        "object" => {
            let holder = input.raw.get("value_milli").or(input.raw.get(0)).cloned().unwrap_or(input.raw);
            let value = holder.get("value_milli").cloned().unwrap_or(holder);
            Ok(json!({"value_milli": i64::deserialize(value).map_err(wrong)?}))
        }
        _ => {
            let raw = Vec::<WireSample>::deserialize(input.raw).map_err(wrong)?;
            let samples = samples(&raw, input.container.as_deref());
            let told = |sample: &PodSample| {
                let value = json!({"value_milli": sample.value.get(), "window_s": sample.window_seconds});
                (sample.pod.to_string(), value)
            };
            Ok(json!({"per_pod": samples.as_slice().iter().map(told).collect::<serde_json::Map<_, _>>()}))
        }
    }
}

#[derive(Deserialize)]
pub(crate) struct QuantityInput {
    resource: String,
    raw_milli: i64,
}

pub(crate) fn written(input: &QuantityInput) -> Answer {
    let quantity = Quantity::of_resource(&input.resource, Milli::new(input.raw_milli));
    let milli = quantity.to_milli().map_err(|error| error.to_string())?.get();
    let family = match Suffixes::of(&input.resource) {
        Suffixes::Binary => "binary",
        Suffixes::Decimal => "decimal",
    };
    Ok(json!({"milli": milli, "suffix_family": family}))
}
