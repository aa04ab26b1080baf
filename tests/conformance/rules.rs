//! From a case's input to the engine's answer, one function a kind. Computes no rule itself: whatever is decided here is decided by the
//! engine's public functions.

use flyball::engine::behavior::{self, BehaviorDraft, Fault, FaultField, RatePolicyDraft, RulesDraft};
use flyball::engine::limit::{Bounds, History, rate_limit, with_growth, with_rates};
use flyball::engine::memory::changed_within;
use flyball::engine::propose::{
    Tolerance, for_average, for_external_average, for_value, sum_of_external_average, sum_of_external_value,
};
use flyball::engine::stabilize::{simple, with_windows};
use flyball::engine::{
    Behavior, Direction, Milli, Mode, Policy, RateKind, RatePolicy, Recommendation, Rescale, Rules, ScaleEvent, Select,
    State, Timestamp,
};
use serde_json::{Map, Value, json};

/// The instant of every case. Ages are counted back from it; that of a time never set is 10⁹ seconds.
const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

type Answer = Result<Value, String>;

/// The function that answers cases of `kind`.
pub(crate) fn of_kind(kind: &str) -> Option<fn(&Value) -> Answer> {
    Some(match kind {
        "calc:object_value" | "calc:external_value" => calc_value,
        "calc:object_average" | "calc:external_average" => calc_average,
        "limit" => limit,
        "rate" => rate,
        "clamp" => clamp,
        "stabilize_simple" => stabilize_simple,
        "stabilize_behavior" => stabilize_behavior,
        "event_store" => event_store,
        "rules_default" => rules_default,
        "behavior_default" => behavior_default,
        "validate_behavior" => validate_behavior,
        _ => return None,
    })
}

/// Kinds of metrics that need pods, and whole passes, most of which have such a metric.
pub(crate) fn is_unsupported(kind: &str) -> bool {
    matches!(
        kind,
        "calc:utilization"
            | "calc:pods_average"
            | "classify"
            | "request"
            | "ratio"
            | "samples"
            | "status_quantity"
            | "sync"
    )
}

fn calc_value(input: &Value) -> Answer {
    let Some(values) = samples(input)? else { return Ok(json!({"error": "no_samples"})) };
    let sum = sum_of_external_value(&values); // that of an object metric's single value is the value
    let target = Milli::new(long(&input["target"], "value_milli")?);
    let answer = for_value((sum, target), (int(input, "current_replicas")?, ready_pods(input)?), tolerance(input));
    Ok(match answer.replicas {
        Some(replicas) => json!({"replicas": replicas, "value_milli": answer.reported.get()}),
        None => json!({"error": "no_pods"}),
    })
}

fn calc_average(input: &Value) -> Answer {
    let Some(values) = samples(input)? else { return Ok(json!({"error": "no_samples"})) };
    let target = Milli::new(long(&input["target"], "average_milli")?);
    // HPA counts the replicas of the status here; the engine passes those of the spec on purpose, the rule is the same.
    let count = if input["status_replicas"].is_null() { "current_replicas" } else { "status_replicas" };
    let (count, tolerance) = (int(input, count)?, tolerance(input));
    let answer = match (input["calc"].as_str(), values.as_slice()) {
        (Some("object_average"), [value]) => for_average((*value, target), count, tolerance),
        (_, values) => for_external_average((sum_of_external_average(values), target), count, tolerance),
    };
    Ok(match answer.replicas {
        Some(replicas) => json!({"replicas": replicas, "average_milli": answer.reported.get()}),
        None => json!({"error": "no_pods"}),
    })
}

fn limit(input: &Value) -> Answer {
    let (up_events, down_events) = (events(input, "up_events")?, events(input, "down_events")?);
    let history = History { up_events: &up_events, down_events: &down_events, now: NOW };
    let (limit, _) = rate_limit(direction(input)?, int(input, "current")?, &rules(&input["rules"])?, history);
    Ok(json!({"limit": limit}))
}

fn rate(input: &Value) -> Answer {
    let (up_events, down_events) = (events(input, "up_events")?, events(input, "down_events")?);
    let history = History { up_events: &up_events, down_events: &down_events, now: NOW };
    let behavior = Behavior { up: rules(&input["up"])?, down: rules(&input["down"])? };
    let limit = with_rates((int(input, "current")?, int(input, "desired")?), bounds(input)?, &behavior, history);
    Ok(json!({"desired": limit.replicas, "reason": limit.reason.reason()}))
}

fn clamp(input: &Value) -> Answer {
    let factor = input["growth_factor"].as_f64().ok_or("no growth_factor")?;
    let growth = (factor, int(input, "growth_floor")?);
    let limit = with_growth((int(input, "current")?, int(input, "desired")?), bounds(input)?, growth);
    Ok(json!({"desired": limit.replicas, "reason": limit.reason.reason()}))
}

fn stabilize_simple(input: &Value) -> Answer {
    let mut stored = recommendations(input)?;
    let proposal = Recommendation { replicas: int(input, "proposal")?, at: NOW };
    let stabilized = simple(&mut stored, proposal, int(input, "window_s")?);
    Ok(json!({"stabilized": stabilized, "stored": stored.len(), "stored_after": replicas(&stored)}))
}

fn stabilize_behavior(input: &Value) -> Answer {
    let mut stored = recommendations(input)?;
    let proposal = Recommendation { replicas: int(input, "proposal")?, at: NOW };
    let windows = (int(input, "up_window_s")?, int(input, "down_window_s")?);
    let stabilized = with_windows(&mut stored, proposal, int(input, "current")?, windows);
    Ok(json!({"stabilized": stabilized, "stored": stored.len(), "stored_after": replicas(&stored)}))
}

fn event_store(input: &Value) -> Answer {
    let direction = direction(input)?;
    let stored = events(input, "stored")?;
    let sum_before = match input["sum_period_s"] {
        Value::Null => None,
        _ => Some(changed_within(&stored, int(input, "sum_period_s")?, NOW)),
    };
    let mut behavior = None;
    if !input["rules"].is_null() {
        let rules = rules(&input["rules"])?;
        behavior = Some(Behavior { up: rules.clone(), down: rules });
    }
    let policy = Policy {
        min_replicas: 0,
        max_replicas: i32::MAX,
        metrics: Vec::new(),
        behavior,
        downscale_window_seconds: 300,
        mode: Mode::Auto,
    };
    let mut state = State::default();
    let rescale = Rescale { from: int(input, "from")?, to: int(input, "to")?, at: NOW };
    let after = match direction {
        Direction::Up => {
            state.up_events = stored;
            state.record_rescale(&policy, rescale);
            state.up_events
        }
        Direction::Down => {
            state.down_events = stored;
            state.record_rescale(&policy, rescale);
            state.down_events
        }
    };
    let after = after.iter().map(|event| json!({"change": event.change, "outdated": event.outdated}));
    Ok(json!({"sum_before": sum_before, "stored_after": after.collect::<Vec<_>>()}))
}

fn rules_default(input: &Value) -> Answer {
    let draft = draft_rules(&input["rules"])?.unwrap_or_default();
    Ok(json!({"rules": rules_json(&behavior::complete_rules(direction(input)?, draft))}))
}

fn behavior_default(input: &Value) -> Answer {
    let completed = draft(&input["behavior"])?.map(behavior::complete);
    let completed = completed.map(|completed| {
        json!({"up": completed.up.as_ref().map(rules_json), "down": completed.down.as_ref().map(rules_json)})
    });
    Ok(json!({"behavior": completed}))
}

fn validate_behavior(input: &Value) -> Answer {
    let Some(draft) = draft(&input["behavior"])? else { return Ok(json!({"valid": true})) };
    Ok(match behavior::check(&draft) {
        Ok(_) => json!({"valid": true}),
        Err(faults) => {
            let first = faults.first().ok_or("refused without a fault")?;
            json!({"valid": false, "field": field(first), "why": first.why.to_string()})
        }
    })
}

fn field(fault: &Fault) -> String {
    let direction = match fault.direction {
        Direction::Up => "up",
        Direction::Down => "down",
    };
    match fault.field {
        FaultField::Window => format!("{direction}.window_s"),
        FaultField::Select => format!("{direction}.select"),
        FaultField::Policies => format!("{direction}.policies"),
        FaultField::PolicyKind(index) => format!("{direction}.policies[{index}].type"),
        FaultField::PolicyValue(index) => format!("{direction}.policies[{index}].value"),
        FaultField::PolicyPeriod(index) => format!("{direction}.policies[{index}].period_s"),
        FaultField::Tolerance => format!("{direction}.tolerance"),
    }
}

// What follows reads JSON.

fn long(value: &Value, key: &str) -> Result<i64, String> {
    value[key].as_i64().ok_or_else(|| format!("{key}: {} is no 64-bit integer", value[key]))
}

fn int(value: &Value, key: &str) -> Result<i32, String> {
    i32::try_from(long(value, key)?).map_err(|_| format!("{key}: {} is no 32-bit integer", value[key]))
}

fn list<'a>(value: &'a Value, key: &str) -> Result<&'a [Value], String> {
    match &value[key] {
        Value::Null => Ok(&[]),
        Value::Array(list) => Ok(list),
        other => Err(format!("{key}: {other} is no list")),
    }
}

fn direction(input: &Value) -> Result<Direction, String> {
    match input["direction"].as_str() {
        Some("up") => Ok(Direction::Up),
        Some("down") => Ok(Direction::Down),
        other => Err(format!("direction: {other:?}")),
    }
}

fn bounds(input: &Value) -> Result<Bounds, String> {
    Ok(Bounds { min: int(input, "min")?, max: int(input, "max")? })
}

fn tolerance(input: &Value) -> Tolerance {
    let of = |side: &str| input["tolerance"][side].as_f64().unwrap_or(flyball::engine::policy::DEFAULT_TOLERANCE);
    Tolerance { down: of("down"), up: of("up") }
}

/// The values of an object or external metric; `None` where the source answered with nothing.
fn samples(input: &Value) -> Result<Option<Vec<Milli>>, String> {
    let samples = &input["samples"];
    if !samples["value_milli"].is_null() {
        return Ok(Some(vec![Milli::new(long(samples, "value_milli")?)]));
    }
    let mut values = Vec::new();
    for value in list(samples, "values_milli")? {
        values.push(Milli::new(value.as_i64().ok_or_else(|| format!("{value} is no 64-bit integer"))?));
    }
    Ok((!values.is_empty()).then_some(values))
}

/// The pods that are Running and Ready; `None` where there is no pod.
fn ready_pods(input: &Value) -> Result<Option<i32>, String> {
    let pods = list(input, "pods")?;
    let ready = pods.iter().filter(|pod| pod["phase"] == "Running" && pod["ready"] == "True").count();
    let ready = i32::try_from(ready).map_err(|error| error.to_string())?;
    Ok((!pods.is_empty()).then_some(ready))
}

fn at(value: &Value) -> Result<Timestamp, String> {
    let age = value["age_s"].as_f64().ok_or_else(|| format!("age_s: {}", value["age_s"]))?;
    #[allow(clippy::cast_possible_truncation)] // an age in milliseconds
    let millis = (age * 1000.0).round() as i64;
    Ok(Timestamp::from_millis(NOW.as_millis().saturating_sub(millis)))
}

fn events(input: &Value, key: &str) -> Result<Vec<ScaleEvent>, String> {
    let event = |value: &Value| {
        let outdated = value["outdated"].as_bool().unwrap_or(false);
        Ok(ScaleEvent { change: int(value, "change")?, at: at(value)?, outdated })
    };
    list(input, key)?.iter().map(event).collect()
}

fn recommendations(input: &Value) -> Result<Vec<Recommendation>, String> {
    let recommendation = |value: &Value| Ok(Recommendation { replicas: int(value, "replicas")?, at: at(value)? });
    list(input, "recommendations")?.iter().map(recommendation).collect()
}

fn replicas(stored: &[Recommendation]) -> Vec<i32> {
    stored.iter().map(|recommendation| recommendation.replicas).collect()
}

/// Rules to decide by. They are not checked: a rule answers whatever it is asked.
fn rules(value: &Value) -> Result<Rules, String> {
    let select = match value["select"].as_str() {
        None | Some("max") => Select::Max,
        Some("min") => Select::Min,
        Some("disabled") => Select::Disabled,
        Some(other) => return Err(format!("select: {other}")),
    };
    let mut policies = Vec::new();
    for policy in list(value, "policies")? {
        let kind = match policy["type"].as_str() {
            Some("pods") => RateKind::Pods,
            Some("percent") => RateKind::Percent,
            other => return Err(format!("type: {other:?}")),
        };
        let (value, period_seconds) = (int(policy, "value")?, int(policy, "period_s")?);
        policies.push(RatePolicy { kind, value, period_seconds });
    }
    let window_seconds = if value["window_s"].is_null() { None } else { Some(int(value, "window_s")?) };
    Ok(Rules { window_seconds, select, policies, tolerance: value["tolerance"].as_f64() })
}

fn draft(value: &Value) -> Result<Option<BehaviorDraft>, String> {
    if value.is_null() {
        return Ok(None);
    }
    Ok(Some(BehaviorDraft { up: draft_rules(&value["up"])?, down: draft_rules(&value["down"])? }))
}

fn draft_rules(value: &Value) -> Result<Option<RulesDraft>, String> {
    if value.is_null() {
        return Ok(None);
    }
    let policy = |policy: &Value| {
        let kind = capital(policy["type"].as_str().unwrap_or_default());
        Ok(RatePolicyDraft { kind, value: int(policy, "value")?, period_seconds: int(policy, "period_s")? })
    };
    let policies = match &value["policies"] {
        Value::Null => None,
        _ => Some(list(value, "policies")?.iter().map(policy).collect::<Result<Vec<_>, String>>()?),
    };
    let window_seconds = if value["window_s"].is_null() { None } else { Some(int(value, "window_s")?) };
    let select = value["select"].as_str().map(capital);
    Ok(Some(RulesDraft { window_seconds, select, policies, tolerance: value["tolerance"].as_f64() }))
}

/// A draft in the words of the cases; what is not set is absent.
fn rules_json(draft: &RulesDraft) -> Value {
    let mut rules = Map::new();
    if let Some(window) = draft.window_seconds {
        rules.insert("window_s".into(), json!(window));
    }
    if let Some(select) = &draft.select {
        rules.insert("select".into(), json!(select.to_lowercase()));
    }
    if let Some(policies) = &draft.policies {
        let policy = |policy: &RatePolicyDraft| json!({"type": policy.kind.to_lowercase(), "value": policy.value, "period_s": policy.period_seconds});
        rules.insert("policies".into(), policies.iter().map(policy).collect());
    }
    if let Some(tolerance) = draft.tolerance {
        rules.insert("tolerance".into(), json!(tolerance));
    }
    Value::Object(rules)
}

/// The cases write words in small letters, the API with a capital.
fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
