//! One GET to a metrics API: the path, the limits, and what a refusal means. Must not read what was answered.

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use kube::Client;
use kube::client::Body;
use kube::core::Status;

use super::{Api, MAX_BODY_BYTES};
use crate::engine::{Absence, Absent};

/// Longest part of a server's message that is passed on, in characters.
const MAX_MESSAGE_CHARS: usize = 300;

/// A path with its query, each step and value encoded.
#[derive(Debug, Clone)]
pub(super) struct Path(url::Url);

/// No answer that could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The API server knows no such path: nobody serves the API, or not in this version.
    Unserved,
    /// Refused with this HTTP status, in the server's words.
    Status(u16, String),
    /// More than [`MAX_BODY_BYTES`].
    TooLarge,
    /// The transport failed.
    Unreachable(String),
}

impl Path {
    pub(super) fn of(group: &str, version: &str) -> Self {
        // The address is the client's business; only path and query of this one are used.
        let base = url::Url::parse("http://api/").unwrap_or_else(|_| unreachable!("a constant address"));
        Self(base).below(&["apis", group, version])
    }

    pub(super) fn below(mut self, steps: &[&str]) -> Self {
        if let Ok(mut path) = self.0.path_segments_mut() {
            path.pop_if_empty().extend(steps);
        }
        self
    }

    /// With a value in the query, unless it is empty.
    pub(super) fn with(mut self, key: &str, value: &str) -> Self {
        if !value.is_empty() {
            self.0.query_pairs_mut().append_pair(key, value);
        }
        self
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0[url::Position::BeforePath..]
    }
}

/// The body of a successful answer.
pub(super) async fn get(client: &Client, path: &Path) -> Result<Bytes, Refusal> {
    let request = http::Request::get(path.as_str()).body(Body::empty());
    let request = request.map_err(|error| Refusal::Unreachable(error.to_string()))?;
    let answer = client.send(request).await.map_err(|error| Refusal::Unreachable(shortened(&error.to_string())))?;
    let (parts, body) = answer.into_parts();
    let body = match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => return Err(Refusal::TooLarge),
        Err(error) => return Err(Refusal::Unreachable(shortened(&error.to_string()))),
    };
    if parts.status.is_success() {
        return Ok(body);
    }
    Err(match serde_json::from_slice::<Status>(&body) {
        Ok(status) => Refusal::of(&Status { code: parts.status.as_u16(), ..status }),
        // A path that no API serves is answered in plain text.
        Err(_) if parts.status == http::StatusCode::NOT_FOUND => Refusal::Unserved,
        Err(_) => Refusal::Status(parts.status.as_u16(), shortened(&String::from_utf8_lossy(&body))),
    })
}

impl Refusal {
    pub(super) fn of(status: &Status) -> Self {
        if status.code == 404 && status.message.contains("could not find the requested resource") {
            return Self::Unserved;
        }
        Self::Status(status.code, shortened(&status.message))
    }

    pub(super) const fn is_unserved(&self) -> bool {
        matches!(self, Self::Unserved)
    }

    /// The same as the reason of a missing reading.
    pub(super) fn absent(self, api: Api) -> Absent {
        let Api { group, mend } = api;
        let (absence, message) = match self {
            Self::Unserved => (Absence::Unavailable, format!("the API server serves no {group}; {mend}")),
            Self::Status(401 | 403, message) => (
                Absence::Unauthorized,
                format!(
                    "the API server refuses: {message}; allow get and list in {group} in the role of Flyball's service account"
                ),
            ),
            Self::Status(404, message) => (Absence::Empty, format!("{group} has no such metric: {message}")),
            Self::Status(400 | 422, message) => (Absence::BadQuery, format!("{group} refused the request: {message}")),
            Self::Status(408 | 504, message) => {
                (Absence::Timeout, format!("{group} did not answer in time: {message}"))
            }
            Self::Status(503, message) => (
                Absence::Unavailable,
                format!("what serves {group} is not available: {message}; check its APIService and pods"),
            ),
            Self::Status(code, message) => (Absence::Unavailable, format!("{group} answered {code}: {message}")),
            Self::TooLarge => {
                (Absence::TooLarge, format!("{group} answered more than {} MiB", MAX_BODY_BYTES / (1024 * 1024)))
            }
            Self::Unreachable(message) => (Absence::Unreachable, format!("no answer from the API server: {message}")),
        };
        Absent { absence, message: message.into() }
    }
}

fn shortened(message: &str) -> String {
    message.chars().filter(|c| !c.is_control()).take(MAX_MESSAGE_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_users_write_cannot_leave_its_step_of_the_path() {
        let path =
            Path::of("g", "v1").below(&["namespaces", "a b", "..", "x?y#z/w"]).with("labelSelector", "a in (b,c)");
        let path = path.with("metricLabelSelector", "");
        assert!(path.as_str().starts_with("/apis/g/v1/namespaces/a%20b/"), "{}", path.as_str());
        assert!(path.as_str().ends_with("x%3Fy%23z%2Fw?labelSelector=a+in+%28b%2Cc%29"), "{}", path.as_str());
    }
}
