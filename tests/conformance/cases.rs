//! What each kind of case asks, put to the engine's own steps. Nothing here computes an answer.

use flyball::engine::behavior::{FieldName, Problem, default_behavior, default_rules, validate};
use flyball::engine::clamp::{Bounds, Change, clamp, rate};
use flyball::engine::memory::remember;
use flyball::engine::propose::{Comparison, Tolerances, by_average, by_value, sum_for_average, sum_for_value};
use flyball::engine::rate_limit::{Events, change_within, limit};
use flyball::engine::stabilize::{Stabilized, Windows, Wish, stabilize_behavior, stabilize_simple};
use flyball::engine::{Direction, Growth, Limit, Milli, Mode, Policy, Recommendation, Rescale, Settings, State};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::wire::{self, NOW, WireBehavior, WireDirection, WireEvent, WireRecommendation, WireRules};
use super::{pods, sync};

pub(crate) type Answer = Result<Value, String>;

/// What the engine says to the input of a case; an error where the case cannot be put to it.
pub(crate) fn answer(kind: &str, input: &Value) -> Answer {
    match kind {
        "calc" => match input.get("calc").and_then(Value::as_str) {
            Some("utilization") => pods::calculated(&read(input)?, true),
            Some("pods_average") => pods::calculated(&read(input)?, false),
            _ => calc(read(input)?),
        },
        "classify" => pods::classified(&read(input)?),
        "request" => pods::requested(read(input)?),
        "ratio" => pods::compared(&read(input)?),
        "samples" => pods::sampled(read(input)?),
        "sync" => sync::passed(&read(input)?),
        "status_quantity" => pods::written(&read(input)?),
        "limit" => limited(read(input)?),
        "rate" => rated(&read(input)?),
        "clamp" => clamped(&read(input)?),
        "stabilize_simple" => stabilized_simple(&read(input)?),
        "stabilize_behavior" => stabilized_behavior(&read(input)?),
        "event_store" => event_stored(read(input)?),
        "rules_default" => rules_defaulted(read(input)?),
        "behavior_default" => behavior_defaulted(read(input)?),
        "validate_behavior" => validated(read(input)?),
        _ => Err(format!("the kind {kind:?} is not known here")),
    }
}

fn read<T: DeserializeOwned>(input: &Value) -> Result<T, String> {
    T::deserialize(input).map_err(|error| format!("the input does not have the shape of its kind: {error}"))
}

#[derive(Deserialize)]
struct Calc {
    calc: String,
    current_replicas: i32,
    #[serde(default)]
    status_replicas: Option<i32>,
    #[serde(default)]
    tolerance: CalcTolerance,
    #[serde(default)]
    pods: Vec<CalcPod>,
    target: CalcTarget,
    #[serde(default)]
    samples: Option<CalcSamples>,
}

#[derive(Deserialize)]
#[serde(default)]
pub(crate) struct CalcTolerance {
    pub(crate) down: f64,
    pub(crate) up: f64,
}

/// HPA's own.
impl Default for CalcTolerance {
    fn default() -> Self {
        Self { down: 0.1, up: 0.1 }
    }
}

#[derive(Deserialize)]
struct CalcPod {
    phase: String,
    ready: Option<String>,
}

#[derive(Deserialize, Default)]
pub(crate) struct CalcTarget {
    pub(crate) utilization_percent: Option<i32>,
    pub(crate) value_milli: Option<i64>,
    pub(crate) average_milli: Option<i64>,
}

#[derive(Deserialize, Default)]
struct CalcSamples {
    value_milli: Option<i64>,
    values_milli: Option<Vec<i64>>,
}

fn calc(input: Calc) -> Answer {
    let target = input.target.value_milli.or(input.target.average_milli).map(Milli::new).ok_or("no target")?;
    let samples = input.samples.unwrap_or_default();
    let values = samples.values_milli.unwrap_or_else(|| samples.value_milli.into_iter().collect());
    if values.is_empty() {
        return Ok(json!({"error": "no_samples"}));
    }
    let value = match input.calc.as_str() {
        "external_average" => sum_for_average(&values),
        _ => sum_for_value(&values),
    };
    let tolerances = Tolerances { down: input.tolerance.down, up: input.tolerance.up };
    let asked = Comparison { value, target, tolerances };
    match input.calc.as_str() {
        "object_value" | "external_value" => {
            let is_ready = |pod: &&CalcPod| pod.phase == "Running" && pod.ready.as_deref() == Some("True");
            let count = i32::try_from(input.pods.iter().filter(is_ready).count()).map_err(|error| error.to_string())?;
            let ready = (!input.pods.is_empty()).then_some(count);
            Ok(match by_value(asked, input.current_replicas, ready) {
                Some(answer) => json!({"replicas": answer.replicas, "value_milli": answer.reported.get()}),
                None => json!({"error": "no_pods"}),
            })
        }
        "object_average" | "external_average" => {
            let answer = by_average(asked, input.status_replicas.ok_or("no status_replicas")?);
            Ok(json!({"replicas": answer.replicas, "average_milli": answer.reported.get()}))
        }
        other => Err(format!("the calc {other:?} is not known here")),
    }
}

#[derive(Deserialize)]
struct LimitInput {
    direction: WireDirection,
    current: i32,
    #[serde(default)]
    up_events: Vec<WireEvent>,
    #[serde(default)]
    down_events: Vec<WireEvent>,
    rules: WireRules,
}

fn limited(input: LimitInput) -> Answer {
    let (up, down) = (wire::events(&input.up_events), wire::events(&input.down_events));
    let events = Events { up: &up, down: &down, now: NOW };
    let limit = limit(input.direction.into(), input.current, &input.rules.rules()?, &events);
    Ok(json!({"limit": limit.replicas}))
}

#[derive(Deserialize)]
struct RateInput {
    current: i32,
    desired: i32,
    min: i32,
    max: i32,
    #[serde(default)]
    up_events: Vec<WireEvent>,
    #[serde(default)]
    down_events: Vec<WireEvent>,
    up: WireRules,
    down: WireRules,
}

fn rated(input: &RateInput) -> Answer {
    let (up, down) = (wire::events(&input.up_events), wire::events(&input.down_events));
    let events = Events { up: &up, down: &down, now: NOW };
    let change = Change { current: input.current, desired: input.desired };
    let bounds = Bounds { min: input.min, max: input.max };
    Ok(told(rate(change, bounds, &wire::behavior(&input.up, &input.down)?, &events)))
}

#[derive(Deserialize)]
struct ClampInput {
    current: i32,
    desired: i32,
    min: i32,
    max: i32,
    growth_factor: f64,
    growth_floor: i32,
}

fn clamped(input: &ClampInput) -> Answer {
    let change = Change { current: input.current, desired: input.desired };
    let growth = Growth { factor: input.growth_factor, floor: input.growth_floor };
    Ok(told(clamp(change, Bounds { min: input.min, max: input.max }, growth)))
}

fn told(limit: Limit) -> Value {
    json!({"desired": limit.replicas, "reason": limit.reason.reason()})
}

#[derive(Deserialize)]
struct SimpleInput {
    window_s: i32,
    #[serde(default)]
    recommendations: Vec<WireRecommendation>,
    proposal: i32,
}

fn stabilized_simple(input: &SimpleInput) -> Answer {
    let stored = wire::recommendations(&input.recommendations);
    // The present size plays no part on this path.
    let wish = Wish { current: 0, proposal: input.proposal, now: NOW };
    let stabilized = stabilize_simple(&stored, input.window_s, wish);
    Ok(stored_after(stored, stabilized, input.proposal))
}

#[derive(Deserialize)]
struct BehaviorInput {
    current: i32,
    proposal: i32,
    up_window_s: i32,
    down_window_s: i32,
    #[serde(default)]
    recommendations: Vec<WireRecommendation>,
}

fn stabilized_behavior(input: &BehaviorInput) -> Answer {
    let stored = wire::recommendations(&input.recommendations);
    let windows = Windows { up_seconds: input.up_window_s, down_seconds: input.down_window_s };
    let wish = Wish { current: input.current, proposal: input.proposal, now: NOW };
    let stabilized = stabilize_behavior(&stored, windows, wish);
    Ok(stored_after(stored, stabilized, input.proposal))
}

fn stored_after(mut stored: Vec<Recommendation>, stabilized: Stabilized, proposal: i32) -> Value {
    remember(&mut stored, stabilized.slot, Recommendation { replicas: proposal, at: NOW });
    let replicas: Vec<i32> = stored.iter().map(|stored| stored.replicas).collect();
    json!({"stabilized": stabilized.replicas, "stored": replicas.len(), "stored_after": replicas})
}

#[derive(Deserialize)]
struct EventInput {
    direction: WireDirection,
    rules: Option<WireRules>,
    #[serde(default)]
    stored: Vec<WireEvent>,
    from: i32,
    to: i32,
    sum_period_s: i32,
}

fn event_stored(input: EventInput) -> Answer {
    let behavior = input.rules.as_ref().map(|rules| wire::behavior(rules, rules)).transpose()?;
    let policy = Policy {
        min_replicas: 1,
        max_replicas: 1000,
        metrics: vec![],
        behavior,
        downscale_window_seconds: 300,
        mode: Mode::Auto,
        settings: Settings::default(),
        fallback: None,
    };
    let stored = wire::events(&input.stored);
    let sum_before = change_within(&stored, input.sum_period_s, NOW);
    let direction = Direction::from(input.direction);
    let mut state = match direction {
        Direction::Up => State { up_events: stored, ..State::default() },
        Direction::Down => State { down_events: stored, ..State::default() },
    };
    state.record_rescale(&policy, Rescale { from: input.from, to: input.to, at: NOW });
    let events = match direction {
        Direction::Up => state.up_events,
        Direction::Down => state.down_events,
    };
    let stored_after: Vec<Value> =
        events.iter().map(|event| json!({"change": event.change, "outdated": event.outdated})).collect();
    Ok(json!({"sum_before": sum_before, "stored_after": stored_after}))
}

#[derive(Deserialize)]
struct RulesInput {
    direction: WireDirection,
    rules: Option<WireRules>,
}

fn rules_defaulted(input: RulesInput) -> Answer {
    let draft = input.rules.as_ref().map(WireRules::draft);
    Ok(json!({"rules": WireRules::of(&default_rules(input.direction.into(), draft))}))
}

#[derive(Deserialize)]
struct BehaviorHolder {
    behavior: Option<WireBehavior>,
}

fn behavior_defaulted(input: BehaviorHolder) -> Answer {
    let completed = input.behavior.map(|behavior| WireBehavior::of(&default_behavior(behavior.draft())));
    Ok(json!({"behavior": completed}))
}

fn validated(input: BehaviorHolder) -> Answer {
    let Err(invalid) = validate(&input.behavior.unwrap_or_default().draft()) else { return Ok(json!({"valid": true})) };
    let rules = match invalid.field.direction {
        Direction::Up => "up",
        Direction::Down => "down",
    };
    let name = match invalid.field.name {
        FieldName::Window => "window_s",
        FieldName::Select => "select",
        FieldName::Policies => "policies",
        FieldName::Tolerance => "tolerance",
        FieldName::Kind => "type",
        FieldName::Value => "value",
        FieldName::Period => "period_s",
    };
    let field = match invalid.field.policy {
        Some(index) => format!("{rules}.policies[{index}].{name}"),
        None => format!("{rules}.{name}"),
    };
    let why = match invalid.problem {
        Problem::Required => "required",
        Problem::TooSmall { .. } => "too_small",
        Problem::TooLarge { .. } => "too_large",
        Problem::Unsupported { .. } => "unsupported",
    };
    Ok(json!({"valid": false, "field": field, "why": why}))
}
