//! What the API says when it refuses: `Status` objects with the code, reason and words of the real server.

use serde_json::{Value, json};

use super::kind::Kind;

/// A refused request.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// HTTP status.
    pub code: u16,
    /// Machine-readable reason.
    pub reason: &'static str,
    /// One sentence.
    pub message: String,
    /// `details` of the Status.
    pub details: Value,
}

impl Failure {
    /// A failure without details.
    pub fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: json!({}) }
    }

    fn about(kind: &Kind, name: &str, (code, reason): (u16, &'static str), message: String) -> Self {
        let mut details = json!({"name": name, "kind": kind.plural});
        if !kind.group.is_empty() {
            details["group"] = kind.group.into();
        }
        Self { code, reason, message, details }
    }

    /// The object is not there.
    #[must_use]
    pub fn not_found(kind: &Kind, name: &str) -> Self {
        Self::about(kind, name, (404, "NotFound"), format!("{} \"{name}\" not found", kind.resource()))
    }

    /// No such path.
    #[must_use]
    pub fn no_resource() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource")
    }

    /// The path is there, the method is not.
    #[must_use]
    pub fn method_not_allowed() -> Self {
        Self::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
    }

    /// The name is taken.
    #[must_use]
    pub fn already_exists(kind: &Kind, name: &str) -> Self {
        Self::about(kind, name, (409, "AlreadyExists"), format!("{} \"{name}\" already exists", kind.resource()))
    }

    /// The object is not as the writer saw it.
    #[must_use]
    pub fn conflict(kind: &Kind, name: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} \"{name}\": the object has been modified; please apply your changes to the latest version and try again",
            kind.resource()
        );
        Self::about(kind, name, (409, "Conflict"), message)
    }

    /// The object that the writer means has been replaced by another of the same name.
    #[must_use]
    pub fn uid_conflict(kind: &Kind, name: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} \"{name}\": the UID in the precondition does not match the UID in record",
            kind.resource()
        );
        Self::about(kind, name, (409, "Conflict"), message)
    }

    /// Another field manager owns what this one wants to set.
    #[must_use]
    pub fn apply_conflict(fields: &[(String, String)]) -> Self {
        let causes: Vec<Value> = fields
            .iter()
            .map(|(field, manager)| {
                json!({"reason": "FieldManagerConflict", "message": format!("conflict with \"{manager}\""), "field": field})
            })
            .collect();
        let plural = if fields.len() == 1 { "conflict" } else { "conflicts" };
        let first = fields.first().map(|(_, manager)| manager.as_str()).unwrap_or_default();
        let names: Vec<&str> = fields.iter().map(|(field, _)| field.as_str()).collect();
        let message =
            format!("Apply failed with {} {plural}: {plural} with \"{first}\": {}", fields.len(), names.join(", "));
        Self { code: 409, reason: "Conflict", message, details: json!({"causes": causes}) }
    }

    /// A field has a value that cannot be; `problem` is `reason` and message, such as `("FieldValueRequired", "Required value")`.
    #[must_use]
    pub fn invalid((group, kind): (&str, &str), name: &str, field: &str, problem: (&str, &str)) -> Self {
        let (reason, text) = problem;
        let qualified = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        let mut details =
            json!({"name": name, "kind": kind, "causes": [{"reason": reason, "message": text, "field": field}]});
        if !group.is_empty() {
            details["group"] = group.into();
        }
        Self {
            code: 422,
            reason: "Invalid",
            message: format!("{qualified} \"{name}\" is invalid: {field}: {text}"),
            details,
        }
    }

    /// The request makes no sense.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// The version asked for has left the history.
    #[must_use]
    pub fn expired(version: u64, oldest: u64) -> Self {
        Self::new(410, "Expired", format!("too old resource version: {version} ({oldest})"))
    }

    /// The `Status` object that carries it.
    #[must_use]
    pub fn status(&self) -> Value {
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "details": self.details, "code": self.code,
        })
    }
}
