//! What can go wrong between us and the API server, in words that a condition can carry.

/// Longest part of a server's message that is passed on, in characters.
const MAX_MESSAGE_CHARS: usize = 300;

/// A request to the API server, or the look-up before it, failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClusterError {
    /// `apiVersion` is not `group/version` or `version`.
    #[error("spec.scaleTargetRef.apiVersion {api_version:?} is not of the form group/version, such as apps/v1")]
    InvalidApiVersion {
        /// As written.
        api_version: String,
    },
    /// The API server serves no such kind.
    #[error(
        "the API server knows no kind {kind:?} in {api_version:?}; check spec.scaleTargetRef.apiVersion and kind (kubectl api-resources lists them)"
    )]
    UnknownKind {
        /// As written.
        api_version: String,
        /// As written.
        kind: String,
    },
    /// The kind exists but has no `scale` subresource, or is not namespaced.
    #[error(
        "{kind} in {api_version} cannot be scaled: it has no scale subresource; name a kind that has one, such as a Deployment"
    )]
    NotScalable {
        /// As written.
        api_version: String,
        /// As written.
        kind: String,
    },
    /// The object does not exist.
    #[error("{what} does not exist in the policy's namespace; create it, or correct spec.scaleTargetRef.name")]
    NotFound {
        /// Kind and name.
        what: String,
    },
    /// The object changed since it was read.
    #[error("the workload was changed by somebody else at the same moment; it is looked at again in the next pass")]
    Conflict,
    /// The API server does not let us.
    #[error("the API server refuses: {message}; allow it in the role of Flyball's service account")]
    Forbidden {
        /// In the server's words.
        message: String,
    },
    /// The API server answered with another error.
    #[error("the API server answered {code}: {message}")]
    Refused {
        /// The HTTP status.
        code: u16,
        /// In the server's words.
        message: String,
    },
    /// No answer in time.
    #[error("the API server did not answer within {seconds} s")]
    Timeout {
        /// The deadline.
        seconds: u64,
    },
    /// The answer could not be had or read.
    #[error("no answer from the API server: {message}")]
    Unreachable {
        /// What the transport said.
        message: String,
    },
}

impl ClusterError {
    /// A static word for metrics and logs.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::InvalidApiVersion { .. } => "InvalidApiVersion",
            Self::UnknownKind { .. } => "TargetKindUnknown",
            Self::NotScalable { .. } => "TargetNotScalable",
            Self::NotFound { .. } => "TargetNotFound",
            Self::Conflict => "Conflict",
            Self::Forbidden { .. } => "Forbidden",
            Self::Refused { .. } => "Refused",
            Self::Timeout { .. } => "Timeout",
            Self::Unreachable { .. } => "Unreachable",
        }
    }

    /// Only a human can mend it: the policy is `Stalled`, not merely waiting.
    #[must_use]
    pub const fn terminal(&self) -> bool {
        matches!(self, Self::InvalidApiVersion { .. } | Self::UnknownKind { .. } | Self::NotScalable { .. })
    }

    /// The request may have been carried out although no answer came.
    #[must_use]
    pub const fn outcome_unknown(&self) -> bool {
        match self {
            Self::Timeout { .. } | Self::Unreachable { .. } => true,
            Self::Refused { code, .. } => *code >= 500,
            _ => false,
        }
    }
}

impl From<kube::Error> for ClusterError {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => {
                let message = shortened(&status.message);
                match status.code {
                    404 => Self::NotFound { what: message },
                    409 => Self::Conflict,
                    401 | 403 => Self::Forbidden { message },
                    code => Self::Refused { code, message },
                }
            }
            other => Self::Unreachable { message: shortened(&with_causes(&other)) },
        }
    }
}

/// The error and what caused it, in one line: the outermost words alone rarely help ("ServiceError").
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = inner.source();
    }
    text
}

fn shortened(message: &str) -> String {
    message.chars().filter(|c| !c.is_control()).take(MAX_MESSAGE_CHARS).collect()
}
