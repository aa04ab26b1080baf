//! KEDA's ScaledObjects. KEDA hands its triggers to an HPA that it makes and scales between zero and one by itself; a policy does what
//! that HPA does. What concerns zero becomes a comment, what would change the number of replicas above it is carried or refused.

mod triggers;

use serde_json::{Value, json};

use super::sketch::{Sketch, plain_text};
use super::{Draft, Problem};
use crate::api::spec::{PAUSED_ANNOTATION, PAUSED_REPLICAS_ANNOTATION};

/// Most replicas where a ScaledObject does not say (KEDA default).
const DEFAULT_MAX_REPLICAS: i32 = 100;
/// Where the HPA's behavior stands in a ScaledObject.
const BEHAVIOR: &str = "/spec/advanced/horizontalPodAutoscalerConfig/behavior";

/// The fields of a ScaledObject's spec that are looked at here.
const SPEC_FIELDS: &[&str] = &[
    "scaleTargetRef",
    "pollingInterval",
    "cooldownPeriod",
    "initialCooldownPeriod",
    "idleReplicaCount",
    "minReplicaCount",
    "maxReplicaCount",
    "fallback",
    "advanced",
    "triggers",
];

/// The policy that decides as KEDA's HPA for `object` does.
pub(super) fn convert(object: &Value) -> Result<Draft, Vec<Problem>> {
    let mut sketch = Sketch::new(object);
    unknown(object.get("spec"), "spec", SPEC_FIELDS, &mut sketch);
    target(object, &mut sketch);
    bounds(object, &mut sketch);
    timing(object, &mut sketch);
    advanced(object, &mut sketch);
    pauses(object, &mut sketch);
    if object.pointer("/spec/fallback").is_some() {
        sketch.note(
            "spec.metrics",
            "fallback is not carried over: Flyball has no number of replicas for the time when a metric is missing. It then keeps \
             the replicas, and may raise but never lower them by the metrics that are left.",
        );
    }
    let metrics = triggers::metrics(object.pointer("/spec/triggers"), &mut sketch);
    sketch.spec.insert("metrics".into(), Value::Array(metrics));
    sketch.finish().map_err(|problems| problems.into_iter().map(in_words_of_keda).collect())
}

/// Refuses the fields of `object` that are not `known`.
fn unknown(object: Option<&Value>, path: &str, known: &[&str], sketch: &mut Sketch) {
    let names = object.and_then(Value::as_object).into_iter().flatten().map(|(name, _)| name);
    for name in names.filter(|name| !known.contains(&name.as_str())) {
        sketch.refuse(
            format!("{path}.{name}"),
            "",
            "is no field of a ScaledObject that Flyball knows: remove it, or tell us about it",
        );
    }
}

fn target(object: &Value, sketch: &mut Sketch) {
    let path = "spec.scaleTargetRef";
    let Some(Value::Object(written)) = object.pointer("/spec/scaleTargetRef") else {
        return sketch.refuse(path, "", "is missing");
    };
    let mut target = written.clone();
    // Names the container whose environment KEDA reads trigger metadata from; triggers with such metadata are refused themselves.
    target.remove("envSourceContainerName");
    target.entry("apiVersion").or_insert_with(|| json!("apps/v1"));
    target.entry("kind").or_insert_with(|| json!("Deployment"));
    sketch.spec.insert("scaleTargetRef".into(), Value::Object(target));
}

fn bounds(object: &Value, sketch: &mut Sketch) {
    let written = |name: &str| object.pointer(&format!("/spec/{name}"));
    let min = written("minReplicaCount").cloned().unwrap_or_else(|| json!(0));
    if min == json!(0) {
        sketch.spec.insert("minReplicas".into(), json!(1));
        sketch
            .note("spec.minReplicas", "minReplicaCount is 0, and Flyball does not scale to zero yet: 1 replica stays.");
    } else {
        sketch.spec.insert("minReplicas".into(), min);
        if let Some(idle) = written("idleReplicaCount") {
            let text = format!(
                "idleReplicaCount {} is not carried over: Flyball does not scale to zero yet, and keeps minReplicas.",
                plain_text(idle)
            );
            sketch.note("spec.minReplicas", text);
        }
    }
    let max = written("maxReplicaCount").cloned();
    if max.is_none() {
        sketch.note("spec.maxReplicas", "maxReplicaCount is not given: this is KEDA's default.");
    }
    sketch.spec.insert("maxReplicas".into(), max.unwrap_or_else(|| json!(DEFAULT_MAX_REPLICAS)));
}

fn timing(object: &Value, sketch: &mut Sketch) {
    for name in ["cooldownPeriod", "initialCooldownPeriod"] {
        if let Some(seconds) = object.pointer(&format!("/spec/{name}")) {
            let text = format!(
                "{name} {} is not carried over: it delays scaling to zero only. How late to remove replicas above that is \
                 behavior.scaleDown.stabilizationWindowSeconds, 300 where it is not given.",
                plain_text(seconds)
            );
            sketch.note("spec.minReplicas", text);
        }
    }
    if let Some(seconds) = object.pointer("/spec/pollingInterval") {
        let text = format!(
            "pollingInterval {} is not carried over: it is how often KEDA looks whether to leave zero. From one replica on its HPA \
             decided every 15 seconds, and so does this policy.",
            plain_text(seconds)
        );
        sketch.note("spec.pollingPeriodSeconds", text);
        sketch.spec.insert("pollingPeriodSeconds".into(), json!(15));
    }
}

fn advanced(object: &Value, sketch: &mut Sketch) {
    let advanced = object.pointer("/spec/advanced");
    let known = ["restoreToOriginalReplicaCount", "horizontalPodAutoscalerConfig", "scalingModifiers"];
    unknown(advanced, "spec.advanced", &known, sketch);
    let config = object.pointer("/spec/advanced/horizontalPodAutoscalerConfig");
    unknown(config, "spec.advanced.horizontalPodAutoscalerConfig", &["name", "behavior"], sketch);
    let modifiers = object.pointer("/spec/advanced/scalingModifiers").and_then(Value::as_object);
    if modifiers.is_some_and(|modifiers| !modifiers.is_empty()) {
        let fix = "combines the triggers by a formula, which a policy cannot: write the formula as one PromQL query";
        sketch.refuse("spec.advanced.scalingModifiers", "", fix);
    }
    if object.pointer("/spec/advanced/restoreToOriginalReplicaCount") == Some(&json!(true)) {
        let text = "restoreToOriginalReplicaCount is not carried over: a policy that is deleted leaves the replicas as they are.";
        sketch.note("spec.scaleTargetRef", text);
    }
    if let Some(behavior) = object.pointer(BEHAVIOR) {
        sketch.spec.insert("behavior".into(), behavior.clone());
    }
}

/// KEDA pauses by annotations.
fn pauses(object: &Value, sketch: &mut Sketch) {
    let annotations = object.pointer("/metadata/annotations").and_then(Value::as_object);
    for (name, value) in annotations.into_iter().flatten() {
        let Some(word) = name.strip_prefix("autoscaling.keda.sh/") else { continue };
        let on = plain_text(value) != "false";
        match word {
            "paused-replicas" => sketch.annotate(PAUSED_REPLICAS_ANNOTATION, json!(plain_text(value))),
            "paused" if on => sketch.annotate(PAUSED_ANNOTATION, json!("true")),
            "paused-scale-in" if on => disable("scaleDown", name, sketch),
            "paused-scale-out" if on => disable("scaleUp", name, sketch),
            "paused" | "paused-scale-in" | "paused-scale-out" => {}
            _ => sketch.note("metadata", format!("The annotation {name} is not carried over.")),
        }
    }
}

/// Switches a direction off, whatever else its rules say.
fn disable(direction: &str, annotation: &str, sketch: &mut Sketch) {
    let behavior = sketch.spec.entry("behavior").or_insert_with(|| json!({}));
    if let Some(behavior) = behavior.as_object_mut() {
        let rules = behavior.entry(direction).or_insert_with(|| json!({}));
        if let Some(rules) = rules.as_object_mut() {
            rules.insert("selectPolicy".into(), json!("Disabled"));
        }
    }
    sketch.note(format!("spec.behavior.{direction}.selectPolicy"), format!("As the annotation {annotation} says."));
}

/// The same problem with the path of the ScaledObject.
fn in_words_of_keda(mut problem: Problem) -> Problem {
    let renamed = [
        ("spec.minReplicas", "spec.minReplicaCount"),
        ("spec.maxReplicas", "spec.maxReplicaCount"),
        ("spec.behavior", "spec.advanced.horizontalPodAutoscalerConfig.behavior"),
        ("spec.metrics", "spec.triggers"),
    ];
    for (ours, theirs) in renamed {
        if let Some(rest) = problem.field.strip_prefix(ours) {
            problem.field = format!("{theirs}{rest}");
            break;
        }
    }
    for (ours, theirs) in [
        ("prometheus.target.averageValue", "metadata.threshold"),
        ("prometheus.target.value", "metadata.threshold"),
        ("prometheus.query", "metadata.query"),
    ] {
        problem.field = problem.field.replace(ours, theirs);
    }
    problem.fix = problem.fix.replace("minReplicas", "minReplicaCount").replace("maxReplicas", "maxReplicaCount");
    problem
}
