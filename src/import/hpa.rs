//! HorizontalPodAutoscalers of `autoscaling/v2`, its beta of the same shape, and `v1`. Their spec is that of a ScalingPolicy already;
//! here is only what HPA fills in by itself, and what v1 writes otherwise.

use serde_json::{Value, json};

use super::sketch::{Sketch, problem};
use super::{Draft, Problem, Rules, text};

/// What v1 calls its one metric.
const V1_CPU_FIELD: &str = "targetCPUUtilizationPercentage";
/// CPU utilization that HPA aims at where nothing else is given, in percent of the requests (HPA default).
const DEFAULT_CPU_PERCENT: i32 = 80;
/// Where `autoscaling/v1` keeps what it has no fields for.
const V1_ANNOTATIONS: &[&str] =
    &["autoscaling.alpha.kubernetes.io/metrics", "autoscaling.alpha.kubernetes.io/behavior"];

/// Says whose HPA it is, if another controller's: that would make it again.
pub(super) fn owner(object: &Value) -> Option<String> {
    let owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array)?;
    let keda = owners.iter().find(|owner| text(owner, "/kind") == "ScaledObject")?;
    let name = text(keda, "/name");
    Some(format!("{} belongs to ScaledObject {name}: import that instead", super::title(object)))
}

/// The policy that decides as `object` does.
pub(super) fn convert(object: &Value, version: &str, rules: Option<&Rules>) -> Result<Draft, Vec<Problem>> {
    let mut sketch = Sketch::new(object);
    if let Some(Value::Object(spec)) = object.get("spec") {
        sketch.spec = spec.clone();
    }
    match version {
        "v2" | "v2beta2" => {}
        "v1" => from_v1(object, &mut sketch),
        _ => {
            let fix = "is a version of HPA that is not read: get the object as autoscaling/v2 with `kubectl get hpa.v2.autoscaling`";
            return Err(vec![problem("apiVersion", text(object, "/apiVersion"), fix)]);
        }
    }
    let known = ["apiVersion", "kind", "metadata", "spec", "status"];
    for name in
        object.as_object().into_iter().flatten().map(|(name, _)| name).filter(|name| !known.contains(&name.as_str()))
    {
        sketch.refuse(name, "", "is no field of a HorizontalPodAutoscaler: does it belong into spec?");
    }
    let metrics = sketch.spec.get("metrics").and_then(Value::as_array);
    if !sketch.spec.contains_key("metrics") || metrics.is_some_and(Vec::is_empty) {
        sketch.spec.insert("metrics".into(), json!([cpu(&json!(DEFAULT_CPU_PERCENT))]));
        let text = "The HorizontalPodAutoscaler names no metric: HPA then takes the CPU at 80 % of the requests.";
        sketch.note("spec.metrics", text);
    }
    if let Some(rules) = rules {
        by_rules(rules, text(object, "/metadata/namespace"), &mut sketch);
    }
    sketch.finish()
}

/// Writes what prometheus-adapter would serve as queries of its rules.
fn by_rules(rules: &Rules, namespace: &str, sketch: &mut Sketch) {
    let Some(Value::Array(mut metrics)) = sketch.spec.remove("metrics") else { return };
    for (index, metric) in metrics.iter_mut().enumerate() {
        let path = format!("spec.metrics[{index}]");
        match rules.translate(metric, namespace) {
            None => {}
            Some(Ok(query)) => {
                let (kind, block) = (text(metric, "/type").to_owned(), text(metric, "/type").to_lowercase());
                let name = text(metric, &format!("/{block}/metric/name")).to_owned();
                sketch
                    .note(path, format!("The {kind} metric {name}, by the rule of prometheus-adapter that serves it."));
                *metric = query;
            }
            Some(Err((field, value, fix))) => {
                let field = if field.is_empty() { path } else { format!("{path}.{field}") };
                sketch.refuse(field, value, fix);
            }
        }
    }
    sketch.spec.insert("metrics".into(), Value::Array(metrics));
}

fn from_v1(object: &Value, sketch: &mut Sketch) {
    if let Some(percent) = sketch.spec.remove(V1_CPU_FIELD) {
        sketch.spec.insert("metrics".into(), json!([cpu(&percent)]));
    }
    let annotations = object.pointer("/metadata/annotations");
    for name in V1_ANNOTATIONS.iter().filter(|name| annotations.is_some_and(|all| all.get(**name).is_some())) {
        let fix =
            "holds what v1 has no field for: get the object as autoscaling/v2 with `kubectl get hpa.v2.autoscaling`";
        sketch.refuse(format!("metadata.annotations[{name}]"), "", fix);
    }
}

fn cpu(percent: &Value) -> Value {
    json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": percent}}})
}
