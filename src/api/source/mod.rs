//! What admins and teams write to tell Flyball of a Prometheus: `ClusterPrometheusSource`, owned by whoever runs the cluster, and
//! `PrometheusSource`, owned by a namespace. Address and credentials stand in one object, so that nobody can send the credentials of one
//! to the address of another. Shapes, defaults and bounds only; `sources` makes connections of them.
#![allow(unreachable_pub)] // KubeSchema copies each struct into a function body, where `pub` reaches nobody

pub mod auth;
pub mod document;
pub mod object;
pub(crate) mod rules;
pub mod spec;
pub mod status;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::metrics::{MAX_LABEL_LENGTH, Selector};
pub use auth::{
    Auth, BasicAuth, BearerAuth, ConfigMapKeyRef, HeaderSource, PemSource, SecretKeyRef, SecretRef, SecretSource,
    SigV4Auth, TlsSpec,
};
pub use document::{Document, DocumentKind, DocumentRef, Documents, Unread};
pub use object::{Audience, SourceKey, SourceObject};
pub use spec::{Header, Parameter, SourceSpec};
pub use status::{BuildInfo, SourceFinding, SourceStatus, source_status};

/// Fields that only an admin may set, and that the namespaced kind therefore does not have: Secrets elsewhere, files of the operator, and
/// certificates that nobody checks.
pub(super) const ADMIN_FIELDS: [&str; 3] = ["namespace", "tokenFile", "insecureSkipVerify"];
/// Most namespaces that are named one by one; beyond, a label says it better.
pub const MAX_NAMESPACES: usize = 256;

/// A Prometheus that the policies of this namespace may ask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[allow(clippy::duplicated_attributes)] // columns share types
#[kube(
    group = "flyball.dev",
    version = "v1alpha1",
    kind = "PrometheusSource",
    plural = "prometheussources",
    singular = "prometheussource",
    shortname = "promsource",
    category = "autoscaling",
    namespaced,
    status = "SourceStatus",
    derive = "PartialEq",
    doc = "Address and credentials of a Prometheus that the ScalingPolicies of this namespace may ask. Its Secrets and ConfigMaps are those of this namespace.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status",
        description = "Whether it answers"
    ),
    printcolumn(name = "URL", type_ = "string", json_path = ".spec.url", description = "The address that is asked"),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp",
        description = "Time since it was created"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].reason",
        description = "Why it does or does not answer"
    ),
    printcolumn(
        name = "Flavour",
        type_ = "string",
        json_path = ".status.buildInfo.flavour",
        description = "Prometheus, Thanos, Mimir, Cortex or VictoriaMetrics",
        priority = 1
    ),
    printcolumn(
        name = "Version",
        type_ = "string",
        json_path = ".status.buildInfo.version",
        description = "The version that it tells",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::tls_only_over_https())]
pub struct PrometheusSourceSpec {
    /// Where it is and how it is asked.
    #[serde(flatten)]
    pub source: SourceSpec,
}

/// A Prometheus that policies of the namespaces named here may ask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[allow(clippy::duplicated_attributes)] // columns share types
#[kube(
    group = "flyball.dev",
    version = "v1alpha1",
    kind = "ClusterPrometheusSource",
    plural = "clusterprometheussources",
    singular = "clusterprometheussource",
    shortname = "clusterpromsource",
    category = "autoscaling",
    status = "SourceStatus",
    derive = "PartialEq",
    doc = "Address and credentials of a Prometheus, and the namespaces whose ScalingPolicies may ask it. The one named default is asked where a policy names none.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status",
        description = "Whether it answers"
    ),
    printcolumn(name = "URL", type_ = "string", json_path = ".spec.url", description = "The address that is asked"),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp",
        description = "Time since it was created"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].reason",
        description = "Why it does or does not answer"
    ),
    printcolumn(
        name = "Flavour",
        type_ = "string",
        json_path = ".status.buildInfo.flavour",
        description = "Prometheus, Thanos, Mimir, Cortex or VictoriaMetrics",
        priority = 1
    ),
    printcolumn(
        name = "Version",
        type_ = "string",
        json_path = ".status.buildInfo.version",
        description = "The version that it tells",
        priority = 1
    ),
    printcolumn(
        name = "Namespaces",
        type_ = "string",
        json_path = ".spec.allowedNamespaces.from",
        description = "Which namespaces may use it",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::tls_only_over_https())]
pub struct ClusterPrometheusSourceSpec {
    /// The namespaces whose policies may ask this source. No default: who owns it says it.
    #[x_kube(validation = rules::names_exactly_for_names(), validation = rules::selector_exactly_for_selector())]
    pub allowed_namespaces: AllowedNamespaces,
    /// Where it is and how it is asked.
    #[serde(flatten)]
    pub source: SourceSpec,
}

/// Namespaces, in the manner of the Gateway API's `allowedRoutes.namespaces`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AllowedNamespaces {
    /// All, those of names, or those whose labels match selector. No default; All, Names or Selector.
    pub from: NamespacesFrom,
    /// Namespaces by name. Set exactly when from is Names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = MAX_NAMESPACES), inner(length(min = 1, max = MAX_LABEL_LENGTH)))]
    pub names: Option<Vec<String>>,
    /// Labels of namespaces. Set exactly when from is Selector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<Selector>,
}

/// How namespaces are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum NamespacesFrom {
    /// Every one.
    All,
    /// Those that are listed.
    Names,
    /// Those with certain labels.
    Selector,
    /// A word of a newer Flyball; allows nobody, and cannot make a whole list of sources unreadable.
    #[serde(other)]
    #[schemars(skip)]
    Unknown,
}
