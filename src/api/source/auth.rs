//! How a source says who Flyball is, and where the credentials for it are kept. Names of Secrets and keys only; no credential ever stands
//! in these objects.
#![allow(unreachable_pub)] // KubeSchema copies each struct into a function body, where `pub` reaches nobody

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules;
use crate::api::metrics::{MAX_LABEL_LENGTH, MAX_NAME_LENGTH};

/// Longest path of a token file, in characters.
pub const MAX_PATH_LENGTH: usize = 1024;
/// The folder that token files lie in: where Kubernetes mounts what it projects, and nothing else of the operator's.
pub const TOKEN_FOLDER: &str = "/var/run/secrets/";
/// Service that requests are signed for where the source does not say: Amazon Managed Service for Prometheus.
pub const DEFAULT_SIGV4_SERVICE: &str = "aps";

/// One way to say who we are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Auth {
    /// User and password (HTTP basic authentication). Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic: Option<BasicAuth>,
    /// A token (Authorization: Bearer). Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rules::one_token())]
    pub bearer: Option<BearerAuth>,
    /// AWS Signature Version 4, for Amazon Managed Service for Prometheus. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sigv4: Option<SigV4Auth>,
}

/// HTTP basic authentication.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BasicAuth {
    /// The user. No default.
    pub username: SecretSource,
    /// The password. No default.
    pub password: SecretSource,
}

/// A token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BearerAuth {
    /// The Secret that holds the token. No default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<SecretKeyRef>,
    /// A file of the operator that holds the token and is read again as it changes, such as a projected service account token. No default; below /var/run/secrets/.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = MAX_PATH_LENGTH))]
    #[x_kube(validation = rules::token_file_is_projected())]
    pub token_file: Option<String>,
}

/// AWS Signature Version 4.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SigV4Auth {
    /// Region, such as eu-central-1. No default.
    #[schemars(length(min = 1, max = MAX_LABEL_LENGTH), regex(pattern = "^[a-z0-9-]+$"))]
    pub region: String,
    /// Service that the signature is for. Default: aps.
    #[serde(default = "default_service")]
    #[schemars(length(min = 1, max = MAX_LABEL_LENGTH), regex(pattern = "^[a-z0-9-]+$"))]
    pub service: String,
    /// The access key's id. No default.
    pub access_key_id: SecretSource,
    /// The access key itself. No default.
    pub secret_access_key: SecretSource,
    /// The token of temporary credentials. Default: none, for lasting ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_token: Option<SecretSource>,
}

/// How TLS is spoken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TlsSpec {
    /// Certificate authorities in PEM that are trusted instead of the system's. Default: the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rules::one_ca())]
    pub ca: Option<PemSource>,
    /// Flyball's own certificate and key (mTLS): a Secret of type kubernetes.io/tls, with tls.crt and tls.key. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<SecretRef>,
    /// The name that the server's certificate must carry. Default: the host of url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = MAX_NAME_LENGTH))]
    pub server_name: Option<String>,
    /// Take any certificate, so that whoever is on the way can read the credentials and change the numbers. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub insecure_skip_verify: bool,
}

/// Certificates in PEM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PemSource {
    /// A key of a Secret. Set exactly when configMapKeyRef is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<SecretKeyRef>,
    /// A key of a ConfigMap. Set exactly when secretKeyRef is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<ConfigMapKeyRef>,
}

/// Where a credential is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretSource {
    /// A key of a Secret. No default.
    pub secret_key_ref: SecretKeyRef,
}

/// Where the value of a header is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeaderSource {
    /// A key of a Secret. No default.
    pub secret_key_ref: SecretKeyRef,
}

/// One value of a Secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// The namespace of the Secret. No default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = MAX_LABEL_LENGTH))]
    pub namespace: Option<String>,
    /// Name of the Secret. No default.
    #[schemars(length(min = 1, max = MAX_NAME_LENGTH), regex(pattern = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub name: String,
    /// Key within the Secret. No default.
    #[schemars(length(min = 1, max = MAX_NAME_LENGTH), regex(pattern = "^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

/// One value of a ConfigMap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMapKeyRef {
    /// The namespace of the ConfigMap. No default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = MAX_LABEL_LENGTH))]
    pub namespace: Option<String>,
    /// Name of the ConfigMap. No default.
    #[schemars(length(min = 1, max = MAX_NAME_LENGTH), regex(pattern = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub name: String,
    /// Key within the ConfigMap. No default.
    #[schemars(length(min = 1, max = MAX_NAME_LENGTH), regex(pattern = "^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

/// A whole Secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretRef {
    /// The namespace of the Secret. No default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = MAX_LABEL_LENGTH))]
    pub namespace: Option<String>,
    /// Name of the Secret. No default.
    #[schemars(length(min = 1, max = MAX_NAME_LENGTH), regex(pattern = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub secret_name: String,
}

fn default_service() -> String {
    DEFAULT_SIGV4_SERVICE.to_owned()
}
