//! Whether a `spec` is that of a ScalingPolicy: each part is read by itself, so that a mistake is told with its path, and compared with
//! what was understood, so that a field that would be lost is an error and not a surprise.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::Problem;
use super::sketch::problem;
use crate::api::behavior::RulesSpec;
use crate::api::metrics::{MetricKind, MetricSpec};
use crate::api::spec::ScaleTargetRef;

/// What the wire types read for a word that they do not know.
const UNKNOWN_WORD: &str = "Unknown";
/// The words of the spec, for those who wrote one in other letters.
const WORDS: &[&str] = &[
    "Resource",
    "ContainerResource",
    "Pods",
    "Object",
    "External",
    "Prometheus",
    "Utilization",
    "Value",
    "AverageValue",
    "Percent",
    "Max",
    "Min",
    "Disabled",
    "PrometheusSource",
    "ClusterPrometheusSource",
];
/// The fields that hold the block of a metric.
const BLOCKS: &[&str] = &["resource", "containerResource", "pods", "object", "external", "prometheus"];

/// All mistakes of `spec` that its types can tell.
pub(super) fn check(spec: &Map<String, Value>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for required in ["scaleTargetRef", "maxReplicas"] {
        if !spec.contains_key(required) {
            problems.push(problem(format!("spec.{required}"), "", "is missing"));
        }
    }
    for (name, value) in spec {
        let path = format!("spec.{name}");
        match name.as_str() {
            "scaleTargetRef" => understood::<ScaleTargetRef>(value, &path, &mut problems),
            "minReplicas" | "maxReplicas" | "pollingPeriodSeconds" => {
                understood::<i32>(value, &path, &mut problems);
            }
            "metrics" => metrics(value, &path, &mut problems),
            "behavior" => behavior(value, &path, &mut problems),
            _ => problems.push(problem(
                path,
                "",
                "is a field that Flyball does not know: remove it, or tell us about it",
            )),
        }
    }
    problems
}

fn metrics(value: &Value, path: &str, problems: &mut Vec<Problem>) {
    let Value::Array(items) = value else {
        problems.push(problem(path, "", "is no list"));
        return;
    };
    for (index, metric) in items.iter().enumerate() {
        let path = format!("{path}[{index}]");
        understood::<MetricSpec>(metric, &path, problems);
        let Ok(MetricSpec { kind, .. }) = serde_json::from_value(metric.clone()) else { continue };
        if kind == MetricKind::Unknown {
            continue;
        }
        if metric.get(kind.block()).is_none() {
            problems.push(problem(
                format!("{path}.{}", kind.block()),
                "",
                format!("is missing: type {} needs it", kind.as_str()),
            ));
        }
        for other in BLOCKS.iter().filter(|block| **block != kind.block() && metric.get(**block).is_some()) {
            problems.push(problem(
                format!("{path}.{other}"),
                "",
                format!("must not be set: type is {}", kind.as_str()),
            ));
        }
    }
}

fn behavior(value: &Value, path: &str, problems: &mut Vec<Problem>) {
    let Value::Object(directions) = value else {
        problems.push(problem(path, "", "is no object"));
        return;
    };
    for (name, rules) in directions {
        let path = format!("{path}.{name}");
        if ["scaleUp", "scaleDown"].contains(&name.as_str()) {
            understood::<RulesSpec>(rules, &path, problems);
        } else {
            problems.push(problem(path, "", "is a field that Flyball does not know: remove it, or tell us about it"));
        }
    }
}

/// Reads `value` as a `T`, and tells what `T` did not take from it.
fn understood<T: DeserializeOwned + Serialize>(value: &Value, path: &str, problems: &mut Vec<Problem>) {
    match serde_json::from_value::<T>(value.clone()).and_then(serde_json::to_value) {
        Ok(typed) => compare(value, &typed, path, problems),
        Err(error) => problems.push(problem(path, "", format!("cannot be read: {error}"))),
    }
}

fn compare(written: &Value, typed: &Value, path: &str, problems: &mut Vec<Problem>) {
    match (written, typed) {
        (Value::Object(written), Value::Object(typed)) => {
            for (name, value) in written {
                let path = format!("{path}.{name}");
                match typed.get(name) {
                    Some(typed) => compare(value, typed, &path, problems),
                    None => problems.push(problem(
                        path,
                        "",
                        "is a field that Flyball does not know: remove it, or tell us about it",
                    )),
                }
            }
        }
        (Value::Array(written), Value::Array(typed)) => {
            for (index, (value, typed)) in written.iter().zip(typed).enumerate() {
                compare(value, typed, &format!("{path}[{index}]"), problems);
            }
        }
        (Value::String(word), Value::String(typed)) if typed == UNKNOWN_WORD && word != typed => {
            let fix = match WORDS.iter().find(|known| known.eq_ignore_ascii_case(word)) {
                Some(known) => format!("is written {known}"),
                None => "is a word that Flyball does not know here".to_owned(),
            };
            problems.push(problem(path, word, fix));
        }
        _ => {}
    }
}
