//! Reads one Secret or ConfigMap by its name: no list, no watch, so that a role can name each. Owns these requests; keeps nothing, and
//! prints nothing of what it read.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use kube::Client;
use serde::Deserialize;

use super::{ClusterError, within_deadline};
use crate::api::source::{Document, DocumentKind, DocumentRef, Unread};

/// A Secret or ConfigMap reduced to its values. No `Debug`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Values<T> {
    #[serde(default)]
    data: Option<BTreeMap<String, T>>,
}

/// What `reference` holds, or why it lastingly cannot be had.
///
/// # Errors
/// What may pass: the API server did not answer, or not with what was asked.
pub async fn read_document(client: &Client, reference: &DocumentRef) -> Result<Result<Document, Unread>, ClusterError> {
    let plural = match reference.kind {
        DocumentKind::Secret => "secrets",
        DocumentKind::ConfigMap => "configmaps",
    };
    if !can_stand_in_path(&reference.namespace) || !can_stand_in_path(&reference.name) {
        return Ok(Err(Unread::NotFound)); // no object has such a name
    }
    let path = format!("/api/v1/namespaces/{}/{plural}/{}", reference.namespace, reference.name);
    let unreadable = || ClusterError::Unreachable { message: format!("its answer for {reference} cannot be read") };
    let request = http::Request::get(path).body(Vec::new()).map_err(|_| unreadable())?;
    // As text: where kube itself decodes an answer and fails, it logs the whole of it.
    match within_deadline(client.request_text(request)).await {
        Ok(text) => Ok(Ok(decode(reference.kind, &text).ok_or_else(unreadable)?)),
        Err(ClusterError::NotFound { .. }) => Ok(Err(Unread::NotFound)),
        Err(ClusterError::Forbidden { .. }) => Ok(Err(Unread::Forbidden)),
        Err(error) => Err(error),
    }
}

fn decode(kind: DocumentKind, text: &str) -> Option<Document> {
    Some(match kind {
        DocumentKind::Secret => {
            let values: Values<ByteString> = serde_json::from_str(text).ok()?;
            Document::new(values.data.into_iter().flatten().map(|(key, value)| (key, value.0)))
        }
        DocumentKind::ConfigMap => {
            let values: Values<String> = serde_json::from_str(text).ok()?;
            Document::new(values.data.into_iter().flatten().map(|(key, value)| (key, value.into_bytes())))
        }
    })
}

fn can_stand_in_path(name: &str) -> bool {
    let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    !name.is_empty() && name != "." && name != ".." && name.chars().all(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded_by_kind() {
        let secret = decode(DocumentKind::Secret, r#"{"data":{"a":"aHVudGVyMg=="}}"#).unwrap();
        assert_eq!(secret.get("a"), Some(Some("hunter2".into())));
        let map = decode(DocumentKind::ConfigMap, r#"{"data":{"a":"x"},"binaryData":{"b":"AA=="}}"#).unwrap();
        assert_eq!((map.get("a"), map.get("b")), (Some(Some("x".into())), None));
        assert!(decode(DocumentKind::Secret, r#"{"metadata":{}}"#).is_some(), "an empty Secret");
        assert!(decode(DocumentKind::Secret, r#"{"data":{"a":"%%%"}}"#).is_none());
        assert!(decode(DocumentKind::Secret, "<html>").is_none());
    }

    #[test]
    fn names_lead_nowhere_else() {
        for (name, expected) in
            [("login", true), ("a.b-c", true), ("..", false), ("", false), ("a/b", false), ("a?b", false)]
        {
            assert_eq!(can_stand_in_path(name), expected, "{name:?}");
        }
    }
}
