//! The two forms of Event: stored as `events.k8s.io/v1`, shown and taken as core `v1` too. Pure.

use serde_json::Value;

/// Names of the fields that differ: in `events.k8s.io/v1` and in the core group.
const FIELDS: [(&str, &str); 7] = [
    ("note", "message"),
    ("regarding", "involvedObject"),
    ("reportingController", "reportingComponent"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
];

/// The core form of a stored event.
pub(super) fn to_core(event: &Value) -> Value {
    renamed(event, "v1", FIELDS.map(|(new, old)| (new, old)))
}

/// The stored form of a core event.
pub(super) fn from_core(event: &Value) -> Value {
    renamed(event, "events.k8s.io/v1", FIELDS.map(|(new, old)| (old, new)))
}

fn renamed(event: &Value, api_version: &str, fields: [(&str, &str); 7]) -> Value {
    let mut event = event.clone();
    let Some(map) = event.as_object_mut() else { return event };
    for (from, to) in fields {
        if let Some(value) = map.remove(from) {
            map.insert(to.to_owned(), value);
        }
    }
    map.insert("apiVersion".to_owned(), api_version.into());
    event
}
