//! Whole passes: an input put to `decide` and to the rendering of status, the functions that the controller calls. What the controller
//! does between the two (writing, and deciding once more after a conflict) is played here; nothing here computes an answer.

use flyball::api::ScalingPolicyStatus;
use flyball::api::conditions::{self, reason};
use flyball::api::publish::{self, Overlap, Situation, WriteResult};
use flyball::api::selector::LabelTest;
use flyball::engine::propose::{sum_for_average, sum_for_value};
use flyball::engine::{
    Absence, Action, Decision, Growth, Metric, MetricKind, Milli, Mode, Observation, Outcome, Policy, Reading,
    Replicas, Rescale, Sample, Settings, State, Target, WarmUp, decide,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde::Deserialize;
use serde_json::{Value, json};

use super::cases::{Answer, CalcTarget};
use super::pods::{self, WirePod, WireSample};
use super::wire::{self, NOW, WireBehavior, WireRecommendation};

/// The conditions that HPA has as well, and the one that says what HPA says in another.
const SHARED: [&str; 5] = [
    conditions::ABLE_TO_SCALE,
    conditions::SCALING_ACTIVE,
    conditions::SCALING_LIMITED,
    conditions::SCALED_TO_ZERO,
    conditions::AMBIGUOUS_SELECTOR,
];

#[derive(Deserialize)]
pub(crate) struct Sync {
    min: i32,
    max: i32,
    #[serde(default)]
    behavior: Option<WireBehavior>,
    #[serde(default)]
    gates: Gates,
    #[serde(default)]
    controller: Controller,
    target: ScaleTarget,
    #[serde(default)]
    pods: Vec<WirePod>,
    #[serde(default)]
    other_autoscaler_selectors: Vec<String>,
    metrics: Vec<WireMetric>,
    #[serde(default)]
    recommendations: Option<Vec<WireRecommendation>>,
    #[serde(default)]
    prior: Prior,
    #[serde(default)]
    faults: Faults,
    repeat: Option<u32>,
}

#[derive(Deserialize)]
#[serde(default)]
struct Gates {
    scale_to_zero: bool,
    per_policy_tolerance: bool,
}

#[derive(Deserialize)]
#[serde(default)]
struct Controller {
    tolerance: f64,
    down_window_s: i32,
    cpu_init_s: i32,
    readiness_delay_s: i32,
    growth_factor: f64,
    growth_floor: i32,
}

#[derive(Deserialize)]
struct ScaleTarget {
    spec_replicas: i32,
    selector: String,
}

#[derive(Deserialize)]
struct WireMetric {
    #[serde(rename = "type")]
    kind: String,
    resource: Option<String>,
    container: Option<String>,
    #[serde(default)]
    target: CalcTarget,
    #[serde(default)]
    observed: Value,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Prior {
    status_current: i32,
    status_desired: i32,
    last_scale_age_s: Option<i64>,
    conditions: Vec<WireCondition>,
}

#[derive(Deserialize)]
struct WireCondition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Faults {
    read_scale: Option<String>,
    write_scale: Option<String>,
}

impl Default for Gates {
    fn default() -> Self {
        Self { scale_to_zero: false, per_policy_tolerance: true }
    }
}

impl Default for Controller {
    fn default() -> Self {
        Self {
            tolerance: 0.1,
            down_window_s: 300,
            cpu_init_s: 300,
            readiness_delay_s: 30,
            growth_factor: 2.0,
            growth_floor: 4,
        }
    }
}

/// What a pass left behind.
struct Passed {
    status: ScalingPolicyStatus,
    decision: Option<Decision>,
    /// The size that was written.
    written: Option<Rescale>,
    failed: bool,
}

pub(crate) fn passed(input: &Sync) -> Answer {
    let policy = policy(input)?;
    let (observation, overlap) = observation(input)?;
    let mut state = State {
        recommendations: input.recommendations.as_deref().map(wire::recommendations),
        scaled_to_zero: input
            .prior
            .conditions
            .iter()
            .any(|c| c.kind == conditions::SCALED_TO_ZERO && c.status == "True"),
        ..State::default()
    };
    let mut status = status_before(&input.prior);
    let mut status_written = false;
    let mut last = None;
    for _ in 0..input.repeat.unwrap_or(1) {
        let passed = pass((&policy, &observation, &overlap), &mut state, &status, &input.faults);
        status_written |= publish::differs(&status, &passed.status);
        status = passed.status.clone();
        last = Some(passed);
    }
    Ok(told(input, &last.ok_or("no pass was run")?, status_written))
}

fn pass(
    (policy, observation, overlap): (&Policy, &Observation, &Overlap),
    state: &mut State,
    before: &ScalingPolicyStatus,
    faults: &Faults,
) -> Passed {
    if faults.read_scale.is_some() {
        let situation =
            Situation::TargetFailed { reason: reason::FAILED_GET_SCALE, message: "an error", terminal: false };
        let status = publish::status(Some(before), 1, situation, NOW);
        return Passed { status, decision: None, written: None, failed: true };
    }
    let (mut after, mut decision) = decide(policy, state.clone(), observation);
    let mut fault = faults.write_scale.as_deref().filter(|_| matches!(decision.action, Action::ScaleTo(_)));
    if fault.is_some_and(|fault| fault.starts_with("conflict")) {
        // The controller looks again, decides again, and writes once more.
        (after, decision) = decide(policy, state.clone(), observation);
        fault = fault.filter(|fault| *fault != "conflict_once");
    }
    *state = after;
    let written = match decision.action {
        Action::ScaleTo(to) if fault.is_none() => {
            Some(Rescale { from: decision.trace.current_replicas, to, at: decision.trace.at })
        }
        _ => None,
    };
    if let Some(rescale) = written {
        state.record_rescale(policy, rescale);
    }
    let write = match (written, fault) {
        (Some(_), _) => WriteResult::Written,
        (None, Some(message)) => WriteResult::Failed { message },
        (None, None) => WriteResult::NotNeeded,
    };
    let situation = Situation::Decided { policy, trace: &decision.trace, write, overlap };
    let status = publish::status(Some(before), 1, situation, NOW);
    let outcome = decision.trace.outcome;
    let failed =
        fault.is_some() || matches!(outcome, Outcome::MetricsFailed { .. } | Outcome::Valid { degraded: true, .. });
    Passed { status, decision: Some(decision), written, failed }
}

fn policy(input: &Sync) -> Result<Policy, String> {
    let mut behavior = match &input.behavior {
        Some(WireBehavior { up: Some(up), down: Some(down) }) => Some(wire::behavior(up, down)?),
        Some(_) => return Err("a behavior has both directions".to_owned()),
        None => None,
    };
    if let Some(behavior) = behavior.as_mut().filter(|_| !input.gates.per_policy_tolerance) {
        // Where the gate is off, tolerances of policies are fields that nobody reads.
        (behavior.up.tolerance, behavior.down.tolerance) = (None, None);
    }
    let metric = |(index, wire): (usize, &WireMetric)| Metric {
        name: format!("{}-{index}", wire.kind).into(),
        kind: wire.kind(),
        target: wire.target(),
        on_missing: flyball::engine::OnMissing::Hold,
    };
    let Controller { tolerance, down_window_s, cpu_init_s, readiness_delay_s, growth_factor, growth_floor } =
        input.controller;
    Ok(Policy {
        min_replicas: input.min,
        max_replicas: input.max,
        metrics: input.metrics.iter().enumerate().map(metric).collect(),
        behavior,
        downscale_window_seconds: down_window_s,
        mode: Mode::Auto,
        settings: Settings {
            tolerance,
            warm_up: WarmUp {
                cpu_initialization_period_seconds: cpu_init_s,
                initial_readiness_delay_seconds: readiness_delay_s,
            },
            growth: Growth { factor: growth_factor, floor: growth_floor },
            scale_to_zero: input.gates.scale_to_zero,
        },
        fallback: None,
    })
}

/// What the controller would see, and who else measures the same pods. Without a selector that can be read nothing of the pods is known.
fn observation(input: &Sync) -> Result<(Observation, Overlap), String> {
    let replicas = Replicas { spec: input.target.spec_replicas, ready: None };
    let mut readings = input.metrics.iter().map(WireMetric::reading).collect::<Result<Vec<_>, _>>()?;
    let test = match LabelTest::parse(&input.target.selector) {
        Ok(test) => test,
        Err(error) => {
            for (metric, reading) in input.metrics.iter().zip(&mut readings) {
                if metric.kind().is_per_pod() {
                    *reading = Reading::missing(Absence::InvalidSelector, error.to_string());
                }
            }
            return Ok((Observation { now: NOW, replicas, pods: None, readings }, Overlap::None));
        }
    };
    let selects = |test: &LabelTest, pod: &WirePod| test.passes(|key| pod.labels.get(key).map(String::as_str));
    let own: Vec<&WirePod> = input.pods.iter().filter(|pod| selects(&test, pod)).collect();
    let mut overlap = Overlap::None;
    for other in &input.other_autoscaler_selectors {
        let other = LabelTest::parse(other).map_err(|error| error.to_string())?;
        if own.iter().any(|pod| selects(&other, pod)) {
            overlap = Overlap::Found("another policy measures the same pods".to_owned());
        }
    }
    let pods = Some(own.into_iter().map(WirePod::pod).collect());
    Ok((Observation { now: NOW, replicas, pods, readings }, overlap))
}

impl WireMetric {
    fn kind(&self) -> MetricKind {
        match self.kind.as_str() {
            "resource" | "container_resource" => MetricKind::Resource {
                resource: self.resource.as_deref().unwrap_or("cpu").into(),
                container: self.container.as_deref().map(Into::into),
            },
            "object" => MetricKind::Object,
            "external" => MetricKind::External,
            // Of a type that nobody knows it is only known that it has no value.
            _ => MetricKind::Pods,
        }
    }

    fn target(&self) -> Target {
        let CalcTarget { utilization_percent, value_milli, average_milli } = self.target;
        match (utilization_percent, average_milli) {
            (Some(percent), None) => Target::Utilization(percent),
            (_, Some(average)) => Target::AverageValue(Milli::new(average)),
            (None, None) => Target::Value(Milli::new(value_milli.unwrap_or_default())),
        }
    }

    /// What a source would say.
    fn reading(&self) -> Result<Reading, String> {
        if self.kind == "unknown" {
            return Ok(Reading::missing(Absence::Unsupported, "unknown type"));
        }
        if self.observed.is_null() || self.observed.get("failure").is_some() {
            return Ok(Reading::missing(Absence::Unavailable, "the source failed"));
        }
        if self.observed.as_array().is_some_and(Vec::is_empty) {
            return Ok(Reading::missing(Absence::Empty, "no series"));
        }
        let wrong = |error: serde_json::Error| error.to_string();
        if self.observed.is_array() {
            let samples = Vec::<WireSample>::deserialize(&self.observed).map_err(wrong)?;
            return Ok(Reading::PerPod(pods::samples(&samples, self.container.as_deref()).into()));
        }
        let values: Vec<i64> = match (self.observed.get("values_milli"), self.observed.get("value_milli")) {
            (Some(values), _) => Vec::deserialize(values).map_err(wrong)?,
            (None, Some(value)) => vec![i64::deserialize(value).map_err(wrong)?],
            (None, None) => return Err(format!("nothing observed in {}", self.observed)),
        };
        if values.is_empty() {
            return Ok(Reading::missing(Absence::Empty, "no series"));
        }
        let is_average = self.kind == "external" && self.target.average_milli.is_some();
        let value = if is_average { sum_for_average(&values) } else { sum_for_value(&values) };
        Ok(Reading::Complete(Sample { value, series: 1, age_millis: None }))
    }
}

fn status_before(prior: &Prior) -> ScalingPolicyStatus {
    let condition = |condition: &WireCondition| Condition {
        type_: condition.kind.clone(),
        status: condition.status.clone(),
        reason: condition.reason.clone(),
        message: String::new(),
        last_transition_time: conditions::time(NOW),
        observed_generation: Some(1),
    };
    ScalingPolicyStatus {
        current_replicas: Some(prior.status_current),
        desired_replicas: Some(prior.status_desired),
        last_scale_time: prior.last_scale_age_s.map(|age| conditions::time(NOW.plus_seconds(-age))),
        conditions: prior.conditions.iter().map(condition).collect(),
        ..ScalingPolicyStatus::default()
    }
}

fn told(input: &Sync, passed: &Passed, status_written: bool) -> Value {
    let was = |condition: &&Condition| input.prior.conditions.iter().any(|prior| prior.kind == condition.type_);
    // HPA has no word for what is not known yet. A list keyed by type has no order that means anything: Flyball's is always the same,
    // HPA's is that in which conditions came to be.
    let shared = |condition: &&Condition| SHARED.contains(&condition.type_.as_str()) && condition.status != "Unknown";
    let (old, new): (Vec<&Condition>, Vec<&Condition>) = passed.status.conditions.iter().filter(shared).partition(was);
    let conditions: Vec<Value> =
        old.into_iter().chain(new).map(|c| json!({"type": c.type_, "status": c.status, "reason": c.reason})).collect();
    let proposals = passed.decision.iter().flat_map(|decision| &decision.trace.proposals);
    let utilization = proposals.clone().find_map(|proposal| proposal.per_pod?.utilization_percent);
    let outcomes: serde_json::Map<String, Value> = input
        .metrics
        .iter()
        .zip(proposals)
        .map(|(metric, proposal)| {
            let error = match proposal.reading.absent().map(|absent| absent.absence) {
                None => "none",
                Some(Absence::Unsupported) => "spec",
                Some(_) => "internal",
            };
            let replicas = proposal.replicas.unwrap_or(input.prior.status_current);
            (metric.kind.clone(), json!({"action": action(input.prior.status_current, replicas), "error": error}))
        })
        .collect();
    json!({
        "desired": passed.status.desired_replicas,
        "scale_written": passed.written.is_some(),
        "status_written": status_written,
        "conditions": conditions,
        "utilization_percent": utilization,
        "outcome": {
            "action": passed.written.map_or("none", |rescale| action(rescale.from, rescale.to)),
            "error": if passed.failed { "internal" } else { "none" },
        },
        "metric_outcomes": outcomes,
        "rescale_event": passed.written.is_some(),
    })
}

fn action(from: i32, to: i32) -> &'static str {
    match to.cmp(&from) {
        std::cmp::Ordering::Greater => "up",
        std::cmp::Ordering::Less => "down",
        std::cmp::Ordering::Equal => "none",
    }
}
