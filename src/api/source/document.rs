//! Secrets and ConfigMaps that sources name, as values. Nothing that a Secret holds can be printed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// What holds values by key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DocumentKind {
    /// A Secret.
    Secret,
    /// A ConfigMap.
    ConfigMap,
}

/// Which Secret or ConfigMap.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentRef {
    /// Its kind.
    pub kind: DocumentKind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// As sentences name it: `Secret shop/login`.
impl fmt::Display for DocumentRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            DocumentKind::Secret => "Secret",
            DocumentKind::ConfigMap => "ConfigMap",
        };
        write!(f, "{kind} {}/{}", self.namespace, self.name)
    }
}

/// The values of a Secret or ConfigMap. Shows its keys and no value.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Document(BTreeMap<String, Option<Arc<str>>>);

impl Document {
    /// A document of these values; what is no text is there, and cannot be used.
    pub fn new(values: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        Self(values.into_iter().map(|(key, value)| (key, String::from_utf8(value).ok().map(Arc::from))).collect())
    }

    /// The value of `key`: `None` where there is none, `Some(None)` where it is no text.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Option<Arc<str>>> {
        self.0.get(key).cloned()
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Why a document cannot be had; lasting, so that whatever was read before counts no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// There is none of that name.
    NotFound,
    /// The API server does not let us.
    Forbidden,
}

/// What was read, by reference.
pub type Documents = BTreeMap<DocumentRef, Result<Document, Unread>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_never_shows_its_values() {
        let document = Document::new([("password".to_owned(), b"hunter2".to_vec()), ("bin".to_owned(), vec![0xff])]);
        assert_eq!(format!("{document:?}"), r#"{"bin", "password"}"#);
        assert_eq!(document.get("password"), Some(Some("hunter2".into())));
        assert_eq!((document.get("bin"), document.get("other")), (Some(None), None));
    }
}
