//! A manifest held against the definition of the custom resource: types, missing fields, unknown fields, words of an enumeration.
//! Owns that walk; bounds and what fields mean to each other are `resolve`'s.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::Finding;
use crate::api::crd::Definition;

/// Findings of one manifest. A file full of mistakes is read no faster for being listed whole.
const MAX_FINDINGS: usize = 100;
/// Fields of a manifest beside those of the definition.
const TOP: [&str; 4] = ["apiVersion", "kind", "metadata", "status"];

/// The definition's schema of `spec`, made once.
static SPEC: LazyLock<Option<Value>> = LazyLock::new(|| {
    let definition = serde_json::to_value(Definition::ScalingPolicies.definition().ok()?).ok()?;
    definition.pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec").cloned()
});

/// What is wrong with the shape of `object`.
pub(super) fn check(object: &Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    let named = |field: &str| object["metadata"][field].as_str().is_some_and(|name| !name.is_empty());
    if !named("name") && !named("generateName") {
        let mend = "Write the name of the policy.".to_owned();
        findings.push(Finding::error("missing-field", "metadata.name", "is missing".to_owned(), mend));
    }
    if let (Some(fields), Some(schema)) = (object.as_object(), SPEC.as_ref()) {
        for field in fields.keys().filter(|field| *field != "spec" && !TOP.contains(&field.as_str())) {
            findings.push(unknown(field, field, &["spec"]));
        }
        match fields.get("spec").filter(|spec| !spec.is_null()) {
            Some(spec) => value(spec, schema, "spec", &mut findings),
            None => findings.push(missing("spec")),
        }
    }
    findings.truncate(MAX_FINDINGS);
    findings
}

fn value(found: &Value, schema: &Value, path: &str, findings: &mut Vec<Finding>) {
    // Kubernetes takes null as absent; whether that may be is said where the field is required.
    if found.is_null() {
        return;
    }
    let expected = match schema["type"].as_str() {
        Some("object") => found.as_object().map(|fields| object(fields, schema, path, findings)).is_none(),
        Some("array") => {
            let items = found.as_array();
            for (index, item) in items.into_iter().flatten().enumerate() {
                value(item, &schema["items"], &format!("{path}[{index}]"), findings);
            }
            items.is_none()
        }
        Some("string") => !found.is_string(),
        Some("integer") => !(found.is_i64() || found.is_u64()),
        Some("boolean") => !found.is_boolean(),
        _ if schema["x-kubernetes-int-or-string"] == true => !(found.is_string() || found.is_i64() || found.is_u64()),
        _ => false,
    };
    if expected {
        let wanted = schema["type"].as_str().unwrap_or("string or whole number");
        let article = if wanted.starts_with(['a', 'i', 'o']) { "an" } else { "a" };
        let message = format!("{} is no {wanted}", shown(found));
        let mend = if found.is_number() && wanted.contains("string") {
            format!("Put it into quotes: \"{}\".", shown(found))
        } else {
            format!("Write {article} {wanted}.")
        };
        findings.push(Finding::error("wrong-type", path, message, mend));
    } else if let (Some(words), Some(word)) = (schema["enum"].as_array(), found.as_str())
        && !words.iter().any(|known| known == word)
    {
        let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
        let message = format!("{} is not one of its words", shown(found));
        findings.push(Finding::error("unknown-word", path, message, format!("Write {}.", listed(&words))));
    }
}

fn object(found: &Map<String, Value>, schema: &Value, path: &str, findings: &mut Vec<Finding>) {
    let known = schema["properties"].as_object();
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    for field in required.filter(|field| found.get(*field).is_none_or(Value::is_null)) {
        findings.push(missing(&format!("{path}.{field}")));
    }
    for (field, inside) in found {
        let path = format!("{path}.{field}");
        match (known.and_then(|known| known.get(field)), &schema["additionalProperties"]) {
            (Some(schema), _) => value(inside, schema, &path, findings),
            (None, schema) if schema.is_object() => value(inside, schema, &path, findings),
            (None, _) => {
                let known: Vec<&str> = known.into_iter().flat_map(Map::keys).map(String::as_str).collect();
                findings.push(unknown(field, &path, &known));
            }
        }
    }
}

fn missing(path: &str) -> Finding {
    Finding::error("missing-field", path, "is missing".to_owned(), "Write it: it has no default.".to_owned())
}

/// The API server would drop such a field, and with it what the author meant.
fn unknown(field: &str, path: &str, known: &[&str]) -> Finding {
    let mend = match nearest(field, known) {
        Some(near) => format!("Did you mean {near}?"),
        None if known.is_empty() => "Leave it out.".to_owned(),
        None => format!("Its neighbours are {}.", listed(known)),
    };
    Finding::error("unknown-field", path, "is no field of a ScalingPolicy".to_owned(), mend)
}

fn listed(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [all @ .., last] => format!("{} or {last}", all.join(", ")),
    }
}

fn shown(value: &Value) -> String {
    let text = match value {
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        other => other.to_string(),
    };
    text.chars().take(64).collect()
}

/// The known word that differs least, if it differs by little.
fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let few = 1 + word.len() / 4;
    known
        .iter()
        .map(|other| (distance(word, other), *other))
        .filter(|(distance, _)| *distance <= few)
        .min()
        .map(|(_, near)| near)
}

/// Letters to change, add or leave out; capitals count nothing.
fn distance(one: &str, other: &str) -> usize {
    let letters = |text: &str| text.chars().take(64).flat_map(char::to_lowercase).collect::<Vec<_>>();
    let (one, other) = (letters(one), letters(other));
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (above, letter) in one.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], above + 1);
        for (place, candidate) in other.iter().enumerate() {
            let changed = diagonal + usize::from(letter != candidate);
            diagonal = row[place + 1];
            row[place + 1] = changed.min(row[place] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}
