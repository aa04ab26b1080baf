//! What other autoscalers were told, as ScalingPolicies: HorizontalPodAutoscalers, KEDA's ScaledObjects, rules of prometheus-adapter.
//! Owns the translation, the comments where something differs, and the refusal of what cannot be expressed: a policy that lost a
//! metric would ask for fewer replicas than its original, so nothing is ever left out silently. Must not do IO.

mod adapter;
mod fields;
mod hpa;
mod keda;
mod read;
mod sketch;
mod yaml;

use serde_json::Value;

pub use crate::api::resolve::Problem;
pub use adapter::Rules;
pub use read::{Unreadable, objects};
pub use yaml::WriteError;

/// A ScalingPolicy made from something else.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// The whole object, ready to be applied.
    pub object: Value,
    /// What a reader has to know, in the order of the fields.
    pub notes: Vec<Note>,
}

/// What differs at a field, or needs attention.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Path of the field in the policy, as `spec.metrics[0].type`; empty for the policy as a whole.
    pub field: String,
    /// Whole sentences.
    pub text: String,
}

/// What became of one object.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// A policy.
    Policy(Draft),
    /// It is no autoscaler, or another object's; the sentence says which.
    PassedOver(String),
    /// It cannot be expressed; never empty. Paths are those of the original.
    Refused(Vec<Problem>),
}

impl Draft {
    /// A YAML document with the notes as comments above their fields.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn yaml(&self) -> Result<String, WriteError> {
        let mut comments = yaml::Comments::new();
        for Note { field, text } in &self.notes {
            comments.entry(field.clone()).or_default().push(text.clone());
        }
        yaml::document(&self.object, &comments)
    }
}

/// Translates one object. With the rules of an adapter, the Object and External metrics of HPAs become queries to Prometheus.
#[must_use]
pub fn import(object: &Value, rules: Option<&Rules>) -> Outcome {
    let object = without_nulls(object);
    let (api_version, kind) = (text(&object, "/apiVersion"), text(&object, "/kind"));
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let converted = match (group, kind) {
        ("autoscaling", "HorizontalPodAutoscaler") => {
            if let Some(other) = hpa::owner(&object) {
                return Outcome::PassedOver(other);
            }
            hpa::convert(&object, version, rules)
        }
        ("keda.sh", "ScaledObject") => keda::convert(&object),
        _ => return Outcome::PassedOver(format!("{} is no autoscaler that can be imported", title(&object))),
    };
    match converted {
        Ok(draft) => Outcome::Policy(draft),
        Err(problems) => Outcome::Refused(problems),
    }
}

/// Kind, namespace and name for people: `HorizontalPodAutoscaler shop/web`.
#[must_use]
pub fn title(object: &Value) -> String {
    let or = |text: &str, other: &str| if text.is_empty() { other.to_owned() } else { text.to_owned() };
    let name = or(text(object, "/metadata/name"), "without a name");
    let kind = or(text(object, "/kind"), "object without a kind");
    match text(object, "/metadata/namespace") {
        "" => format!("{kind} {name}"),
        namespace => format!("{kind} {namespace}/{name}"),
    }
}

/// The text at `pointer`; empty where there is none.
fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Kubernetes takes `null` as absent, and so does everything below.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(name, value)| (name.clone(), without_nulls(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_nulls).collect()),
        other => other.clone(),
    }
}
