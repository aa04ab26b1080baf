//! What the API server does to an object on its way in: names, defaults, generation, and which half of it a writer may change. Pure.

use jiff::Timestamp as CalendarTime;
use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::kind::{KINDS, Kind};
use super::store::Place;
use crate::engine::Timestamp;

/// Longest name of an object (DNS-1123 subdomain).
const MAX_NAME_CHARS: usize = 253;

/// The kind Namespace.
pub(super) fn namespace_kind() -> &'static Kind {
    KINDS.iter().find(|kind| kind.plural == "namespaces").unwrap_or(&KINDS[0])
}

/// RFC 3339 with seconds, as Kubernetes writes time.
pub(super) fn calendar(at: Timestamp) -> String {
    let seconds = at.as_millis().div_euclid(1000);
    CalendarTime::from_second(seconds).map_or_else(|_| "1970-01-01T00:00:00Z".to_owned(), |time| time.to_string())
}

/// Checks a new object and fills in what the server fills in.
pub(super) fn admit_new(place: &Place, object: &mut Value) -> Result<(), Failure> {
    let named = (place.kind.group, place.kind.kind);
    if place.name.is_empty() {
        let problem = ("FieldValueRequired", "Required value: name or generateName is required");
        return Err(Failure::invalid(named, "", "metadata.name", problem));
    }
    let prefix = object["metadata"]["generateName"].as_str().unwrap_or_default();
    // A prefix may end in dashes, which what is appended makes part of a name.
    for (field, name) in
        [("metadata.name", place.name.as_str()), ("metadata.generateName", prefix.trim_end_matches('-'))]
    {
        if !name.is_empty() && !is_subdomain(name) {
            let text = format!(
                "Invalid value: \"{name}\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character"
            );
            return Err(Failure::invalid(named, &place.name, field, ("FieldValueInvalid", &text)));
        }
    }
    if object["metadata"]["resourceVersion"].as_str().is_some_and(|version| !version.is_empty()) {
        return Err(Failure::bad_request("resourceVersion should not be set on objects to be created"));
    }
    default_spec(place.kind, object);
    validate(place, object)
}

fn is_subdomain(name: &str) -> bool {
    let edge = |character: Option<char>| character.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    name.len() <= MAX_NAME_CHARS
        && name.split('.').all(|label| {
            edge(label.chars().next())
                && edge(label.chars().last())
                && label.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        })
}

/// Gives a new object its identity.
pub(super) fn stamp_new(place: &Place, object: &mut Value, (uid, now): (String, Timestamp)) {
    let api_version = if place.kind.is_core_event() { "events.k8s.io/v1".to_owned() } else { place.kind.api_version() };
    object["apiVersion"] = api_version.into();
    object["kind"] = place.kind.kind.into();
    let metadata = &mut object["metadata"];
    metadata["name"] = place.name.clone().into();
    if place.kind.namespaced {
        metadata["namespace"] = place.namespace.clone().into();
    }
    metadata["uid"] = uid.into();
    metadata["creationTimestamp"] = calendar(now).into();
    if let Some(map) = metadata.as_object_mut() {
        map.remove("managedFields");
        map.remove("generation");
        if place.kind.generation {
            map.insert("generation".to_owned(), 1.into());
        }
    }
    match (place.kind.plural, place.kind.group) {
        ("namespaces", _) => {
            object["metadata"]["labels"]["kubernetes.io/metadata.name"] = place.name.clone().into();
            object["spec"] = json!({"finalizers": ["kubernetes"]});
            object["status"] = json!({"phase": "Active"});
        }
        (_, "flyball.dev") => object["status"] = json!({"observedGeneration": -1}),
        ("pods", _) => object["status"] = json!({"phase": "Pending"}),
        _ if place.kind.status => object["status"] = json!({}),
        _ => {}
    }
    if place.kind.plural == "statefulsets" || place.kind.plural == "replicasets" {
        object["status"] = json!({"replicas": 0});
    }
}

fn default_spec(kind: &Kind, object: &mut Value) {
    let defaults: &[(&str, Value)] = match (kind.group, kind.plural) {
        ("apps", _) => &[("replicas", json!(1))],
        ("flyball.dev", "scalingpolicies") => {
            &[("minReplicas", json!(1)), ("pollingPeriodSeconds", json!(15)), ("mode", json!("Auto"))]
        }
        ("flyball.dev", _) => &[
            ("timeoutSeconds", json!(5)),
            ("maxConcurrency", json!(16)),
            ("maxResponseBytes", json!(8_388_608)),
            ("maxSeries", json!(10_000)),
        ],
        _ => return,
    };
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else { return };
    for (field, value) in defaults {
        if spec.get(*field).is_none_or(Value::is_null) {
            spec.insert((*field).to_owned(), value.clone());
        }
    }
    let metrics = spec.get_mut("metrics").and_then(Value::as_array_mut).into_iter().flatten();
    for prometheus in metrics.filter_map(|metric| metric.get_mut("prometheus")?.as_object_mut()) {
        prometheus.entry("series").or_insert_with(|| json!("Sum"));
    }
}

fn validate(place: &Place, object: &Value) -> Result<(), Failure> {
    let named = (place.kind.group, place.kind.kind);
    if place.kind.group != "apps" {
        return Ok(());
    }
    if let Some(replicas) = object["spec"]["replicas"].as_i64().filter(|replicas| *replicas < 0) {
        let text = format!("Invalid value: {replicas}: must be greater than or equal to 0");
        return Err(Failure::invalid(named, &place.name, "spec.replicas", ("FieldValueInvalid", &text)));
    }
    let labels = &object["spec"]["selector"]["matchLabels"];
    if !object["spec"]["selector"].is_object() {
        return Err(Failure::invalid(named, &place.name, "spec.selector", ("FieldValueRequired", "Required value")));
    }
    let template = &object["spec"]["template"]["metadata"]["labels"];
    if labels.as_object().is_some_and(|labels| labels.iter().any(|(key, value)| template.get(key) != Some(value))) {
        let text = "Invalid value: null: `selector` does not match template `labels`";
        return Err(Failure::invalid(named, &place.name, "spec.template.metadata.labels", ("FieldValueInvalid", text)));
    }
    Ok(())
}

/// Takes from `object` only what a writer through `subresource` may change, and counts the generation.
pub(super) fn admit_update(
    place: &Place,
    present: &Value,
    object: &mut Value,
    subresource: &str,
) -> Result<(), Failure> {
    if !place.kind.unconditional && object["metadata"]["resourceVersion"].as_str().is_none_or(str::is_empty) {
        let problem = ("FieldValueInvalid", "Invalid value: 0: must be specified for an update");
        return Err(Failure::invalid(
            (place.kind.group, place.kind.kind),
            &place.name,
            "metadata.resourceVersion",
            problem,
        ));
    }
    if subresource == "status" {
        let status = object.get("status").cloned();
        *object = present.clone();
        set(object, "status", status);
        return Ok(());
    }
    object["apiVersion"] = present["apiVersion"].clone();
    object["kind"] = present["kind"].clone();
    if place.kind.status {
        set(object, "status", present.get("status").cloned());
    }
    default_spec(place.kind, object);
    validate(place, object)?;
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp", "generation", "generateName"] {
        let kept = present["metadata"].get(field).cloned();
        set(&mut object["metadata"], field, kept);
    }
    set(&mut object["metadata"], "managedFields", None);
    drop_empty_maps(&mut object["metadata"]);
    if place.kind.generation && wants_differ(place.kind, present, object) {
        let next = present["metadata"]["generation"].as_i64().unwrap_or_default().saturating_add(1);
        object["metadata"]["generation"] = next.into();
    }
    Ok(())
}

fn drop_empty_maps(metadata: &mut Value) {
    for field in ["labels", "annotations"] {
        if metadata[field].is_null() || metadata[field].as_object().is_some_and(Map::is_empty) {
            set(metadata, field, None);
        }
    }
}

/// Whether what the user asks for differs: all but metadata and status; for Deployments the annotations too, as the real server counts.
fn wants_differ(kind: &Kind, present: &Value, object: &Value) -> bool {
    let wish = |value: &Value| {
        let mut wish = value.clone();
        set(&mut wish, "metadata", None);
        set(&mut wish, "status", None);
        wish
    };
    let annotations = |value: &Value| value["metadata"].get("annotations").cloned();
    wish(present) != wish(object) || (kind.plural == "deployments" && annotations(present) != annotations(object))
}

/// The part of an object whose fields managers own through `subresource`: no identity, and not the other half.
pub(super) fn ownable(object: &Value, subresource: &str) -> Value {
    if subresource == "status" {
        return object.get("status").map_or_else(|| json!({}), |status| json!({"status": status}));
    }
    let mut part = object.clone();
    for field in ["apiVersion", "kind", "status"] {
        set(&mut part, field, None);
    }
    let identity = [
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "generation",
        "generateName",
        "managedFields",
    ];
    for field in identity {
        set(&mut part["metadata"], field, None);
    }
    if part["metadata"].as_object().is_none_or(Map::is_empty) {
        set(&mut part, "metadata", None);
    }
    part
}

/// Sets or removes a field of a map.
pub(super) fn set(object: &mut Value, field: &str, value: Option<Value>) {
    let Some(map) = object.as_object_mut() else { return };
    match value {
        Some(value) => {
            map.insert(field.to_owned(), value);
        }
        None => {
            map.remove(field);
        }
    }
}

/// The `autoscaling/v1` Scale of a workload. Like the real one it leaves `spec.replicas` out where it is 0.
pub(super) fn scale_of(workload: &Value) -> Value {
    let metadata = &workload["metadata"];
    let replicas = workload["spec"]["replicas"].as_i64().unwrap_or_default();
    let labels = workload["spec"]["selector"]["matchLabels"].as_object();
    let selector: Vec<String> = labels
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"], "creationTimestamp": metadata["creationTimestamp"],
        },
        "spec": if replicas == 0 { json!({}) } else { json!({"replicas": replicas}) },
        "status": {"replicas": workload["status"]["replicas"].as_i64().unwrap_or_default(), "selector": selector.join(",")},
    })
}
