//! Compares an answer with what a case expects of it.

use serde_json::Value;

/// One line for every key of `expected` that `answer` holds otherwise or not at all. Keys that are not expected are not compared.
pub(crate) fn differences(expected: &Value, answer: &Value) -> Vec<String> {
    let Some(expected) = expected.as_object() else { return vec!["`expect` is no object".to_owned()] };
    let mut differences = Vec::new();
    for (key, expected) in expected {
        match answer.get(key) {
            Some(found) if same(expected, found) => {}
            Some(found) => differences.push(format!("{key}: HPA says {expected}, Flyball {found}")),
            None => differences.push(format!("{key}: HPA says {expected}, Flyball nothing, but {answer}")),
        }
    }
    differences
}

/// Equal, where 1 is 1.0 as well. Below the top a key that is missing on either side is a difference.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => a == b,
            _ => a.as_f64() == b.as_f64(),
        },
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => left == right,
    }
}
