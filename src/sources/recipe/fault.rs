//! What keeps a source from being asked, in words that a condition can carry.

use std::fmt;

use crate::api::source::{DocumentKind, DocumentRef};

/// One thing that keeps a source from being asked. Messages name fields, objects and keys, and never a value of a Secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The spec asks for what is not possible or not allowed.
    #[error("{field} {mend}")]
    Invalid {
        /// Path of the field.
        field: String,
        /// What is wrong and how to mend it.
        mend: String,
    },
    /// A Secret or ConfigMap is not there.
    #[error("{document}, which {field} names, does not exist; create it, or correct the name")]
    NotFound {
        /// Path of the field.
        field: String,
        /// Which.
        document: DocumentRef,
    },
    /// We may not read it.
    #[error("{document}, which {field} names, may not be read; allow Flyball's service account to get it by name")]
    Forbidden {
        /// Path of the field.
        field: String,
        /// Which.
        document: DocumentRef,
    },
    /// It has no such key.
    #[error("{document}, which {field} names, has no key {key:?}; add it, or correct the key")]
    KeyMissing {
        /// Path of the field.
        field: String,
        /// Which.
        document: DocumentRef,
        /// The key.
        key: String,
    },
    /// What it holds cannot be used.
    #[error("key {key:?} of {document}, which {field} names, {why}")]
    Unusable {
        /// Path of the field.
        field: String,
        /// Which.
        document: DocumentRef,
        /// The key.
        key: String,
        /// What is wrong with the value, without the value.
        why: &'static str,
    },
}

impl Fault {
    /// The CamelCase word for conditions and events.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        let is_secret = match self {
            Self::Invalid { .. } => return "InvalidSpec",
            Self::Unusable { .. } => return "CredentialUnusable",
            Self::NotFound { document, .. } | Self::Forbidden { document, .. } | Self::KeyMissing { document, .. } => {
                matches!(document.kind, DocumentKind::Secret)
            }
        };
        match self {
            Self::NotFound { .. } if is_secret => "SecretNotFound",
            Self::NotFound { .. } => "ConfigMapNotFound",
            Self::Forbidden { .. } if is_secret => "SecretForbidden",
            Self::Forbidden { .. } => "ConfigMapForbidden",
            _ if is_secret => "SecretKeyMissing",
            _ => "ConfigMapKeyMissing",
        }
    }
}

/// Everything that keeps a source from being asked; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(pub(super) Vec<Fault>);

impl Faults {
    /// The word of the first.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        self.0.first().map_or("InvalidSpec", Fault::reason)
    }

    /// Only a change of the object itself can mend it.
    #[must_use]
    pub fn stalled(&self) -> bool {
        self.0.iter().any(|fault| matches!(fault, Fault::Invalid { .. }))
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { "; " })?;
            fault.fmt(f)?;
        }
        f.write_str(".")
    }
}

impl std::error::Error for Faults {}
