//! The triggers of a ScaledObject, one metric each. A trigger that cannot be a metric is refused: without it the policy would ask for
//! fewer replicas than KEDA did.

use serde_json::{Map, Value, json};

use super::super::sketch::{Sketch, plain_text};
use super::unknown;

const TRIGGER_FIELDS: &[&str] = &["type", "name", "metadata", "metricType", "authenticationRef", "useCachedMetrics"];
/// What says how KEDA reaches its Prometheus; for a policy the operator knows that.
const CONNECTION: &[&str] = &[
    "authModes",
    "authMode",
    "customHeaders",
    "queryParameters",
    "unsafeSsl",
    "timeout",
    "namespace",
    "cortexOrgID",
    "cortexOrgId",
    "awsRegion",
    "identityOwner",
];
/// What a Prometheus trigger says about the metric itself.
const PROMETHEUS: &[&str] =
    &["serverAddress", "query", "threshold", "activationThreshold", "metricName", "ignoreNullValues"];
/// What a cpu or memory trigger says.
const RESOURCE: &[&str] = &["type", "value", "containerName", "activationValue"];

/// The metrics of `triggers`, in their order; those that cannot be expressed are refused in `sketch`.
pub(super) fn metrics(triggers: Option<&Value>, sketch: &mut Sketch) -> Vec<Value> {
    let triggers = triggers.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if triggers.is_empty() {
        sketch.refuse("spec.triggers", "", "is empty: there is nothing to decide by");
    }
    triggers.iter().enumerate().map(|(index, written)| Trigger::read(written, index, sketch).metric(sketch)).collect()
}

/// One trigger and the two paths of it.
struct Trigger<'a> {
    written: &'a Value,
    kind: String,
    /// In the ScaledObject.
    path: String,
    /// In the policy.
    metric_path: String,
}

impl<'a> Trigger<'a> {
    fn read(written: &'a Value, index: usize, sketch: &mut Sketch) -> Self {
        let path = format!("spec.triggers[{index}]");
        unknown(Some(written), &path, TRIGGER_FIELDS, sketch);
        let kind = written.get("type").map(plain_text).unwrap_or_default();
        Self { written, kind, path, metric_path: format!("spec.metrics[{index}]") }
    }

    fn metric(&self, sketch: &mut Sketch) -> Value {
        let metric = match self.kind.as_str() {
            "prometheus" => self.prometheus(sketch),
            "cpu" | "memory" => self.resource(sketch),
            "cron" => {
                let fix = "asks for replicas by the time of day, which a policy cannot yet: without it there would be fewer replicas than KEDA keeps";
                self.refuse(("type", "cron"), fix, sketch);
                Map::new()
            }
            other => {
                let fix = "is not a trigger that Flyball knows: prometheus, cpu and memory are; a query to Prometheus may say the same";
                self.refuse(("type", other), fix, sketch);
                Map::new()
            }
        };
        if let Some(name) = self.written.get("name") {
            let mut metric = metric;
            metric.insert("name".into(), name.clone());
            return Value::Object(metric);
        }
        Value::Object(metric)
    }

    fn prometheus(&self, sketch: &mut Sketch) -> Map<String, Value> {
        self.unknown_metadata(&[PROMETHEUS, CONNECTION], sketch);
        let target = match self.metric_type("AverageValue").as_str() {
            "AverageValue" => json!({"type": "AverageValue", "averageValue": self.required("threshold", sketch)}),
            "Value" => json!({"type": "Value", "value": self.required("threshold", sketch)}),
            other => {
                self.refuse(("metricType", other), "is not for a query: write AverageValue or Value", sketch);
                Value::Null
            }
        };
        if let Some(address) = self.metadata("serverAddress") {
            let text = format!("The address {address} is for the operator: start it with --prometheus-url.");
            sketch.note(format!("{}.prometheus", self.metric_path), text);
        }
        self.connection_notes(sketch);
        self.activation_note("activationThreshold", sketch);
        // The words that Go's ParseBool reads as false.
        let off = |value: String| ["false", "False", "FALSE", "f", "F", "0"].contains(&value.as_str());
        if !self.metadata("ignoreNullValues").is_some_and(off) {
            let text = "KEDA takes an empty result as 0. Flyball takes it as missing, and never removes replicas for it; where \
                        nothing really means zero, end the query with `or vector(0)`.";
            sketch.note(format!("{}.prometheus.query", self.metric_path), text);
        }
        let query = self.required("query", sketch);
        // KEDA refuses an answer of several series, too.
        let prometheus = json!({"query": query, "series": "ExactlyOne", "target": target});
        Map::from_iter([("type".into(), json!("Prometheus")), ("prometheus".into(), prometheus)])
    }

    fn connection_notes(&self, sketch: &mut Sketch) {
        let given: Vec<&str> = CONNECTION.iter().copied().filter(|name| self.metadata(name).is_some()).collect();
        if !given.is_empty() {
            let text = format!(
                "{} of the trigger: not carried over. Check that the operator's Prometheus answers this query with the same data.",
                given.join(", ")
            );
            sketch.note(format!("{}.prometheus", self.metric_path), text);
        }
        if self.written.get("authenticationRef").is_some() {
            let text = "authenticationRef is not carried over: credentials for Prometheus are the operator's.";
            sketch.note(format!("{}.prometheus", self.metric_path), text);
        }
    }

    fn resource(&self, sketch: &mut Sketch) -> Map<String, Value> {
        self.unknown_metadata(&[RESOURCE], sketch);
        let value = self.required("value", sketch);
        let old_type = self.metadata("type").unwrap_or_default();
        let target = match self.metric_type(&old_type).as_str() {
            "Utilization" => match value.parse::<i32>() {
                Ok(percent) => json!({"type": "Utilization", "averageUtilization": percent}),
                Err(_) => {
                    self.refuse(("metadata.value", &value), "is no whole number of percent", sketch);
                    Value::Null
                }
            },
            "AverageValue" => json!({"type": "AverageValue", "averageValue": value}),
            other => {
                self.refuse(("metricType", other), "must be Utilization or AverageValue", sketch);
                Value::Null
            }
        };
        self.activation_note("activationValue", sketch);
        let mut block = json!({"name": self.kind, "target": target});
        let (kind, field) = match self.metadata("containerName") {
            Some(container) => {
                block["container"] = json!(container);
                ("ContainerResource", "containerResource")
            }
            None => ("Resource", "resource"),
        };
        Map::from_iter([("type".into(), json!(kind)), (field.into(), block)])
    }

    fn activation_note(&self, name: &str, sketch: &mut Sketch) {
        if let Some(value) = self.metadata(name).filter(|value| value != "0") {
            let text = format!("{name} {value} is not carried over: it only says when to leave zero replicas.");
            sketch.note(self.metric_path.as_str(), text);
        }
    }

    fn metric_type(&self, default: &str) -> String {
        self.written.get("metricType").map_or_else(|| default.to_owned(), plain_text)
    }

    fn metadata(&self, name: &str) -> Option<String> {
        self.written.get("metadata").and_then(|all| all.get(name)).map(plain_text)
    }

    fn required(&self, name: &str, sketch: &mut Sketch) -> String {
        let value = self.metadata(name).unwrap_or_default();
        if value.trim().is_empty() {
            self.refuse((&format!("metadata.{name}"), ""), "is missing", sketch);
        }
        value
    }

    fn unknown_metadata(&self, known: &[&[&str]], sketch: &mut Sketch) {
        unknown(self.written.get("metadata"), &format!("{}.metadata", self.path), &known.concat(), sketch);
    }

    fn refuse(&self, (field, value): (&str, &str), fix: &str, sketch: &mut Sketch) {
        sketch.refuse(format!("{}.{field}", self.path), value, fix);
    }
}
