//! Both kinds of source as one value: which object it is, what it says, and who may use it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use kube::Resource;

use super::{AllowedNamespaces, ClusterPrometheusSource, NamespacesFrom, PrometheusSource, SourceSpec, SourceStatus};
use crate::api::query::{SourceKind, SourceRef};
use crate::api::selector::LabelTest;

/// Which object a source was made from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceKey {
    /// Its kind.
    pub kind: SourceKind,
    /// Its namespace; empty for a cluster's.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

impl SourceKey {
    /// The object that `source` names for a policy of `namespace`.
    #[must_use]
    pub fn of(source: &SourceRef, namespace: &str) -> Self {
        let namespace = match source.kind {
            SourceKind::Cluster => "",
            SourceKind::Namespaced => namespace,
        };
        Self { kind: source.kind, namespace: namespace.into(), name: Arc::clone(&source.name) }
    }
}

/// As sentences name it: `PrometheusSource "team"`, `ClusterPrometheusSource "default"`.
impl fmt::Display for SourceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.kind.as_str(), &*self.name)
    }
}

/// Whose policies may ask a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audience {
    /// Everybody's.
    All,
    /// Those of these namespaces.
    Names(BTreeSet<String>),
    /// Those of namespaces with such labels.
    Labels(LabelTest),
    /// Nobody's: what the object says cannot be read as an allowance.
    Nobody,
}

impl Audience {
    /// Whose policies `allowed` allows. What is not clear allows nobody.
    #[must_use]
    pub fn of(allowed: &AllowedNamespaces) -> Self {
        match (allowed.from, &allowed.names, &allowed.selector) {
            (NamespacesFrom::All, None, None) => Self::All,
            (NamespacesFrom::Names, Some(names), None) => Self::Names(names.iter().cloned().collect()),
            (NamespacesFrom::Selector, None, Some(selector)) => {
                match selector.to_notation().as_deref().map(LabelTest::parse) {
                    Ok(Ok(test)) => Self::Labels(test),
                    // An empty selector selects everything in Kubernetes; who means that writes All.
                    Ok(Err(_)) | Err(_) => Self::Nobody,
                }
            }
            _ => Self::Nobody,
        }
    }

    /// Whether policies of `namespace`, whose labels are `labels`, may ask.
    #[must_use]
    pub fn admits(&self, namespace: &str, labels: Option<&BTreeMap<String, String>>) -> bool {
        match self {
            Self::All => true,
            Self::Names(names) => names.contains(namespace),
            Self::Labels(test) => labels.is_some_and(|labels| test.passes(|key| labels.get(key).map(String::as_str))),
            Self::Nobody => false,
        }
    }
}

/// One source as the API server tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceObject {
    /// Which object.
    pub key: SourceKey,
    /// Its uid, for events.
    pub uid: String,
    /// The generation of its spec.
    pub generation: i64,
    /// What it says.
    pub spec: SourceSpec,
    /// Who may use it.
    pub audience: Audience,
    /// What was last published of it.
    pub status: SourceStatus,
}

/// Both kinds of object.
pub trait IntoSource {
    /// The kind.
    const KIND: SourceKind;
    /// The object as a source.
    fn source(&self) -> SourceObject;
}

impl IntoSource for PrometheusSource {
    const KIND: SourceKind = SourceKind::Namespaced;

    fn source(&self) -> SourceObject {
        object(self, (self.spec.source.clone(), Audience::All), self.status.clone())
    }
}

impl IntoSource for ClusterPrometheusSource {
    const KIND: SourceKind = SourceKind::Cluster;

    fn source(&self) -> SourceObject {
        let audience = Audience::of(&self.spec.allowed_namespaces);
        object(self, (self.spec.source.clone(), audience), self.status.clone())
    }
}

fn object<K: Resource + IntoSource>(
    object: &K,
    (spec, audience): (SourceSpec, Audience),
    status: Option<SourceStatus>,
) -> SourceObject {
    let meta = object.meta();
    SourceObject {
        key: key_of::<K>(meta.namespace.as_deref(), meta.name.as_deref()),
        uid: meta.uid.clone().unwrap_or_default(),
        generation: meta.generation.unwrap_or_default(),
        spec,
        audience,
        status: status.unwrap_or_default(),
    }
}

/// The key of an object of kind `K`.
#[must_use]
pub fn key_of<K: IntoSource>(namespace: Option<&str>, name: Option<&str>) -> SourceKey {
    SourceKey { kind: K::KIND, namespace: namespace.unwrap_or_default().into(), name: name.unwrap_or_default().into() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_audience_is_who_was_named_and_nobody_else() {
        let labels = BTreeMap::from([("team".to_owned(), "shop".to_owned())]);
        for (allowed, shop, other) in [
            (json!({"from": "All"}), true, true),
            (json!({"from": "Names", "names": ["shop", "depot"]}), true, false),
            (json!({"from": "Selector", "selector": {"matchLabels": {"team": "shop"}}}), true, false),
            (
                json!({"from": "Selector", "selector": {"matchExpressions": [{"key": "team", "operator": "Exists"}]}}),
                true,
                false,
            ),
            // What is not clear allows nobody.
            (json!({"from": "Selector", "selector": {}}), false, false),
            (json!({"from": "Selector"}), false, false),
            (json!({"from": "Names"}), false, false),
            (json!({"from": "All", "names": ["shop"]}), false, false),
            (json!({"from": "Everybody"}), false, false),
        ] {
            let audience = Audience::of(&serde_json::from_value(allowed.clone()).unwrap());
            assert_eq!(audience.admits("shop", Some(&labels)), shop, "{allowed}");
            assert_eq!(audience.admits("other", Some(&BTreeMap::new())), other, "{allowed}");
            if matches!(audience, Audience::Labels(_)) {
                assert!(!audience.admits("shop", None), "labels that are not known pass no test");
            }
        }
    }

    #[test]
    fn keys_are_named_as_people_know_them() {
        let source = SourceRef { kind: SourceKind::Namespaced, name: "team".into() };
        assert_eq!(SourceKey::of(&source, "shop").to_string(), "PrometheusSource \"team\"");
        assert_eq!(&*SourceKey::of(&source, "shop").namespace, "shop");
        assert_eq!(SourceKey::of(&SourceRef::default(), "shop").to_string(), "ClusterPrometheusSource \"default\"");
        assert_eq!(&*SourceKey::of(&SourceRef::default(), "shop").namespace, "");
    }
}
