//! The shapes of the case files, and their conversion into the engine's types and back. See `hpa/README.md`.

use flyball::engine::behavior::{BehaviorDraft, PolicyDraft, RulesDraft, Word};
use flyball::engine::{
    Behavior, Direction, RateKind, RatePolicy, Recommendation, Rules, ScaleEvent, Select, Timestamp,
};
use serde::{Deserialize, Serialize};

/// The instant at which every case is decided.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

#[derive(Deserialize, Serialize, Default)]
pub(crate) struct WireRules {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) window_s: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) select: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) policies: Option<Vec<WirePolicy>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tolerance: Option<f64>,
}

#[derive(Deserialize, Serialize)]
pub(crate) struct WirePolicy {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    value: i32,
    #[serde(default)]
    period_s: i32,
}

#[derive(Deserialize, Serialize, Default)]
pub(crate) struct WireBehavior {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) up: Option<WireRules>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) down: Option<WireRules>,
}

#[derive(Deserialize)]
pub(crate) struct WireEvent {
    change: i32,
    age_s: i64,
}

#[derive(Deserialize)]
pub(crate) struct WireRecommendation {
    replicas: i32,
    age_s: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum WireDirection {
    Up,
    Down,
}

impl From<WireDirection> for Direction {
    fn from(direction: WireDirection) -> Self {
        match direction {
            WireDirection::Up => Self::Up,
            WireDirection::Down => Self::Down,
        }
    }
}

impl WireRules {
    pub(crate) fn draft(&self) -> RulesDraft {
        let policy = |policy: &WirePolicy| PolicyDraft {
            kind: kind(&policy.kind),
            value: policy.value,
            period_seconds: policy.period_s,
        };
        RulesDraft {
            window_seconds: self.window_s,
            select: self.select.as_deref().map(select),
            policies: self.policies.as_ref().map(|policies| policies.iter().map(policy).collect()),
            tolerance: self.tolerance,
        }
    }

    /// Rules that a decision can use as they are: nothing is filled in but the selection.
    pub(crate) fn rules(&self) -> Result<Rules, String> {
        let draft = self.draft();
        let select = match draft.select {
            None => Select::Max,
            Some(Word::Known(select)) => select,
            Some(Word::Unknown) => return Err(format!("unknown select {:?}", self.select)),
        };
        let mut policies = Vec::new();
        for policy in draft.policies.unwrap_or_default() {
            let Word::Known(kind) = policy.kind else { return Err("unknown type of policy".to_owned()) };
            policies.push(RatePolicy { kind, value: policy.value, period_seconds: policy.period_seconds });
        }
        Ok(Rules { window_seconds: draft.window_seconds, select, policies, tolerance: draft.tolerance })
    }

    pub(crate) fn of(draft: &RulesDraft) -> Self {
        let select = |word: Word<Select>| match word {
            Word::Known(Select::Max) => "max",
            Word::Known(Select::Min) => "min",
            Word::Known(Select::Disabled) => "disabled",
            Word::Unknown => "unknown",
        };
        let kind = |word: Word<RateKind>| match word {
            Word::Known(RateKind::Pods) => "pods",
            Word::Known(RateKind::Percent) => "percent",
            Word::Unknown => "unknown",
        };
        let policy = |policy: &PolicyDraft| WirePolicy {
            kind: kind(policy.kind).to_owned(),
            value: policy.value,
            period_s: policy.period_seconds,
        };
        Self {
            window_s: draft.window_seconds,
            select: draft.select.map(|word| select(word).to_owned()),
            policies: draft.policies.as_ref().map(|policies| policies.iter().map(policy).collect()),
            tolerance: draft.tolerance,
        }
    }
}

impl WireBehavior {
    pub(crate) fn draft(&self) -> BehaviorDraft {
        BehaviorDraft { up: self.up.as_ref().map(WireRules::draft), down: self.down.as_ref().map(WireRules::draft) }
    }

    pub(crate) fn of(draft: &BehaviorDraft) -> Self {
        Self { up: draft.up.as_ref().map(WireRules::of), down: draft.down.as_ref().map(WireRules::of) }
    }
}

/// Both directions, ready to use.
pub(crate) fn behavior(up: &WireRules, down: &WireRules) -> Result<Behavior, String> {
    Ok(Behavior { up: up.rules()?, down: down.rules()? })
}

pub(crate) fn events(events: &[WireEvent]) -> Vec<ScaleEvent> {
    let event =
        |event: &WireEvent| ScaleEvent { change: event.change, at: NOW.plus_seconds(-event.age_s), outdated: false };
    events.iter().map(event).collect()
}

pub(crate) fn recommendations(recommendations: &[WireRecommendation]) -> Vec<Recommendation> {
    let one = |one: &WireRecommendation| Recommendation { replicas: one.replicas, at: NOW.plus_seconds(-one.age_s) };
    recommendations.iter().map(one).collect()
}

fn select(word: &str) -> Word<Select> {
    match word {
        "max" => Word::Known(Select::Max),
        "min" => Word::Known(Select::Min),
        "disabled" => Word::Known(Select::Disabled),
        _ => Word::Unknown,
    }
}

fn kind(word: &str) -> Word<RateKind> {
    match word {
        "pods" => Word::Known(RateKind::Pods),
        "percent" => Word::Known(RateKind::Percent),
        _ => Word::Unknown,
    }
}
