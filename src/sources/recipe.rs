//! From what a source object says, and the Secrets that it names, to a connection with its limits. Pure. Checks everything again that the
//! API server checks: objects may be older than the rules, or come from elsewhere.

mod fault;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

pub use self::fault::{Fault, Faults};
use super::prometheus::Limits;
use super::prometheus::connection::{Connection, Identity, Reach, Secret, Tls};
use crate::api::query::SourceKind;
use crate::api::source::auth::{ConfigMapKeyRef, SecretKeyRef, TOKEN_FOLDER};
use crate::api::source::rules::{TAKEN_HEADERS, TAKEN_PARAMETERS};
use crate::api::source::spec::{
    MAX_MAX_CONCURRENCY, MAX_MAX_REQUESTS_PER_SECOND, MAX_MAX_RESPONSE_BYTES, MAX_MAX_SERIES, MAX_TIMEOUT_SECONDS,
    MIN_MAX_RESPONSE_BYTES,
};
use crate::api::source::{Auth, DocumentKind, DocumentRef, Documents, Header, SourceKey, SourceSpec, TlsSpec, Unread};

/// Longest credential, in bytes: a header of 16 KiB is more than any server takes.
const MAX_CREDENTIAL_BYTES: usize = 16 * 1024;
/// The keys of a Secret of type kubernetes.io/tls.
const TLS_KEYS: [&str; 2] = ["tls.crt", "tls.key"];

/// What the operator allows sources to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowance {
    /// Hosts that namespaced sources may name, as `prometheus.shop.svc` or `*.example.com`; any if `None`.
    pub hosts: Option<Arc<[String]>>,
}

/// The Secrets and ConfigMaps that the source names, each to be read by name. None where its references are not allowed.
#[must_use]
pub fn documents(key: &SourceKey, spec: &SourceSpec) -> BTreeSet<DocumentRef> {
    let nothing = Documents::new();
    let mut kitchen = Kitchen { key, documents: &nothing, wanted: BTreeSet::new(), faults: Vec::new() };
    // The same way as for the connection itself, so that nothing can be forgotten.
    kitchen.identity(spec.auth.as_ref());
    kitchen.tls(spec.tls.as_ref());
    kitchen.headers(&spec.headers);
    kitchen.wanted
}

/// How much the source may be asked, within the bounds of the API whatever the object says.
#[must_use]
pub fn limits(spec: &SourceSpec) -> Limits {
    let bounded = |value: i32, most: i32| usize::try_from(value.clamp(1, most)).unwrap_or(1);
    let seconds = u64::try_from(spec.timeout_seconds.clamp(1, MAX_TIMEOUT_SECONDS)).unwrap_or(1);
    let bytes = spec.max_response_bytes.clamp(MIN_MAX_RESPONSE_BYTES, MAX_MAX_RESPONSE_BYTES);
    Limits {
        deadline: Duration::from_secs(seconds),
        body_bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
        series: bounded(spec.max_series, MAX_MAX_SERIES),
        concurrency: bounded(spec.max_concurrency, MAX_MAX_CONCURRENCY),
        requests_per_second: spec
            .max_requests_per_second
            .map(|rate| u32::try_from(rate.clamp(1, MAX_MAX_REQUESTS_PER_SECOND)).unwrap_or(1)),
        ..Limits::default()
    }
}

/// The connection that the source asks for, with the credentials of `documents` in it.
///
/// # Errors
/// Everything that is in the way, all at once.
pub fn connection(
    key: &SourceKey,
    spec: &SourceSpec,
    documents: &Documents,
    allowance: &Allowance,
) -> Result<Connection, Faults> {
    let mut kitchen = Kitchen { key, documents, wanted: BTreeSet::new(), faults: Vec::new() };
    let url = kitchen.url("spec.url", &spec.url);
    let proxy = spec.proxy_url.as_ref().and_then(|proxy| kitchen.url("spec.proxyUrl", proxy));
    let identity = kitchen.identity(spec.auth.as_ref());
    let tls = kitchen.tls(spec.tls.as_ref());
    let headers = kitchen.headers(&spec.headers);
    let parameters = kitchen.parameters(spec);
    let reach = match key.kind {
        // Who owns the cluster may well put a proxy beside the operator.
        SourceKind::Cluster => Reach { loopback: true, allowed_hosts: None },
        SourceKind::Namespaced => Reach { loopback: false, allowed_hosts: allowance.hosts.clone() },
    };
    match url {
        Some(url) if kitchen.faults.is_empty() => {
            Ok(Connection { url, identity, tls, headers, parameters, proxy, proxy_from_environment: false, reach })
        }
        _ => Err(Faults(kitchen.faults)),
    }
}

/// Where a connection is made: collects what is wanted and what is wrong.
struct Kitchen<'a> {
    key: &'a SourceKey,
    documents: &'a Documents,
    wanted: BTreeSet<DocumentRef>,
    faults: Vec<Fault>,
}

impl Kitchen<'_> {
    fn invalid(&mut self, field: &str, mend: impl Into<String>) {
        self.faults.push(Fault::Invalid { field: field.to_owned(), mend: mend.into() });
    }

    fn url(&mut self, field: &str, text: &str) -> Option<Url> {
        // Never repeats the address: it may hold a password.
        let mend = match Url::parse(text) {
            Ok(url) if !matches!(url.scheme(), "http" | "https") => "must begin with http:// or https://",
            Ok(url) if url.host_str().is_none_or(str::is_empty) => "names no host",
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                "must hold no user and no password: keep them in a Secret and name it under spec.auth.basic"
            }
            Ok(url) if url.query().is_some() || url.fragment().is_some() => {
                "must hold no `?` and no `#`: write parameters under spec.queryParameters"
            }
            Ok(url) => return Some(url),
            Err(_) => "is no URL: write it as http://prometheus.monitoring.svc:9090",
        };
        self.invalid(field, mend);
        None
    }

    fn identity(&mut self, auth: Option<&Auth>) -> Identity {
        let Some(auth) = auth else { return Identity::Anonymous };
        match (&auth.basic, &auth.bearer, &auth.sigv4) {
            (None, None, None) => Identity::Anonymous,
            (Some(basic), None, None) => {
                let username = self.credential("spec.auth.basic.username", &basic.username.secret_key_ref);
                let password = self.credential("spec.auth.basic.password", &basic.password.secret_key_ref);
                match (username, password) {
                    (Some(username), Some(password)) => Identity::Basic { username, password },
                    _ => Identity::Anonymous,
                }
            }
            (None, Some(bearer), None) => match (&bearer.secret_key_ref, &bearer.token_file) {
                (Some(token), None) => {
                    self.credential("spec.auth.bearer", token).map_or(Identity::Anonymous, Identity::Bearer)
                }
                (None, Some(path)) => self.token_file(path),
                _ => {
                    self.invalid("spec.auth.bearer", "needs exactly one of secretKeyRef and tokenFile");
                    Identity::Anonymous
                }
            },
            (None, None, Some(sigv4)) => {
                let id = self.credential("spec.auth.sigv4.accessKeyId", &sigv4.access_key_id.secret_key_ref);
                let key = self.credential("spec.auth.sigv4.secretAccessKey", &sigv4.secret_access_key.secret_key_ref);
                let token = sigv4.session_token.as_ref();
                let session_token =
                    token.and_then(|token| self.credential("spec.auth.sigv4.sessionToken", &token.secret_key_ref));
                match (id, key) {
                    (Some(access_key_id), Some(secret_access_key)) => Identity::SigV4 {
                        region: sigv4.region.clone(),
                        service: sigv4.service.clone(),
                        access_key_id,
                        secret_access_key,
                        session_token,
                    },
                    _ => Identity::Anonymous,
                }
            }
            _ => {
                self.invalid("spec.auth", "holds more than one of basic, bearer and sigv4: keep one");
                Identity::Anonymous
            }
        }
    }

    fn token_file(&mut self, path: &str) -> Identity {
        let field = "spec.auth.bearer.tokenFile";
        if self.key.kind == SourceKind::Namespaced {
            self.invalid(field, "is for a ClusterPrometheusSource only: use secretKeyRef");
        } else if !path.starts_with(TOKEN_FOLDER) || path.contains("..") {
            self.invalid(field, format!("must lie below {TOKEN_FOLDER} and hold no `..`"));
        } else {
            return Identity::BearerFile(path.into());
        }
        Identity::Anonymous
    }

    fn tls(&mut self, spec: Option<&TlsSpec>) -> Tls {
        let Some(spec) = spec else { return Tls::default() };
        if spec.insecure_skip_verify && self.key.kind == SourceKind::Namespaced {
            self.invalid(
                "spec.tls.insecureSkipVerify",
                "is for a ClusterPrometheusSource only: name a CA under spec.tls.ca",
            );
        }
        let ca = spec.ca.as_ref().and_then(|ca| match (&ca.secret_key_ref, &ca.config_map_key_ref) {
            (Some(SecretKeyRef { namespace, name, key }), None) => {
                self.pem("spec.tls.ca", (DocumentKind::Secret, namespace.as_ref(), name), key)
            }
            (None, Some(ConfigMapKeyRef { namespace, name, key })) => {
                self.pem("spec.tls.ca", (DocumentKind::ConfigMap, namespace.as_ref(), name), key)
            }
            _ => {
                self.invalid("spec.tls.ca", "needs exactly one of secretKeyRef and configMapKeyRef");
                None
            }
        });
        let own = spec.client_certificate.as_ref().map(|own| {
            let place = (DocumentKind::Secret, own.namespace.as_ref(), own.secret_name.as_str());
            TLS_KEYS.map(|key| self.pem("spec.tls.clientCertificate", place, key))
        });
        let identity_pem = own.and_then(|[certificate, key]| Some(Secret::new(format!("{}\n{}", certificate?, key?))));
        Tls {
            ca_pem: ca,
            identity_pem,
            server_name: spec.server_name.clone(),
            insecure_skip_verify: spec.insecure_skip_verify,
        }
    }

    fn headers(&mut self, headers: &[Header]) -> Vec<(String, Secret)> {
        let mut made: Vec<(String, Secret)> = Vec::new();
        for (index, header) in headers.iter().enumerate() {
            let field = format!("spec.headers[{index}]");
            let name = header.name.to_ascii_lowercase();
            let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+.^_`|~-".contains(c);
            if name.is_empty() || !name.chars().all(is_token) {
                self.invalid(&field, "has a name that no header can have");
            } else if TAKEN_HEADERS.contains(&name.as_str()) {
                self.invalid(&field, "is a header that HTTP or authentication sets: write credentials under spec.auth");
            } else if made.iter().any(|(other, _)| other.eq_ignore_ascii_case(&name)) {
                self.invalid(&field, "has the name of another: keep one of the two");
            }
            let value = match (&header.value, &header.value_from) {
                (Some(value), None) if value.chars().all(|c| (' '..='~').contains(&c)) => {
                    Some(Secret::new(value.as_str()))
                }
                (None, Some(from)) => self.credential(&field, &from.secret_key_ref),
                (Some(_), None) => {
                    self.invalid(&field, "has a value with characters that no header can carry");
                    None
                }
                _ => {
                    self.invalid(&field, "needs exactly one of value and valueFrom");
                    None
                }
            };
            made.extend(value.map(|value| (header.name.clone(), value)));
        }
        made
    }

    fn parameters(&mut self, spec: &SourceSpec) -> Vec<(String, String)> {
        let mut made = Vec::new();
        for (index, parameter) in spec.query_parameters.iter().enumerate() {
            if TAKEN_PARAMETERS.contains(&parameter.name.as_str()) {
                self.invalid(&format!("spec.queryParameters[{index}]"), "is a parameter that Flyball sets itself");
            }
            made.push((parameter.name.clone(), parameter.value.clone()));
        }
        made
    }

    /// A credential for a header. Line breaks at its end are an editor's, not the credential's.
    fn credential(&mut self, field: &str, SecretKeyRef { namespace, name, key }: &SecretKeyRef) -> Option<Secret> {
        let (document, value) = self.value(field, (DocumentKind::Secret, namespace.as_ref(), name), key)?;
        let text = value.trim_end_matches(['\r', '\n']);
        let why = if text.is_empty() {
            "is empty"
        } else if text.len() > MAX_CREDENTIAL_BYTES {
            "is longer than 16 KiB"
        } else if text.chars().any(char::is_control) {
            "holds line breaks or other characters that no header can carry"
        } else {
            return Some(Secret::new(text));
        };
        self.faults.push(Fault::Unusable { field: field.to_owned(), document, key: key.clone(), why });
        None
    }

    fn pem(&mut self, field: &str, place: (DocumentKind, Option<&String>, &str), key: &str) -> Option<Arc<str>> {
        let (document, value) = self.value(field, place, key)?;
        if !value.contains("-----BEGIN ") {
            let why = "holds no PEM: it should begin with -----BEGIN";
            self.faults.push(Fault::Unusable { field: field.to_owned(), document, key: key.to_owned(), why });
            return None;
        }
        Some(value)
    }

    /// The value of a key, and where it was found. The namespace is that of the object, or the one that a cluster's source names.
    fn value(
        &mut self,
        field: &str,
        (kind, namespace, name): (DocumentKind, Option<&String>, &str),
        key: &str,
    ) -> Option<(DocumentRef, Arc<str>)> {
        let namespace = match (self.key.kind, namespace) {
            (SourceKind::Cluster, Some(namespace)) => namespace.clone(),
            (SourceKind::Cluster, None) => {
                self.invalid(field, "names no namespace: write the one in which it lies");
                return None;
            }
            (SourceKind::Namespaced, None) => self.key.namespace.to_string(),
            (SourceKind::Namespaced, Some(_)) => {
                self.invalid(field, "names a namespace, which only a ClusterPrometheusSource may: leave it out");
                return None;
            }
        };
        let document = DocumentRef { kind, namespace, name: name.to_owned() };
        self.wanted.insert(document.clone());
        let field = field.to_owned();
        let fault = match self.documents.get(&document) {
            None | Some(Err(Unread::NotFound)) => Fault::NotFound { field, document },
            Some(Err(Unread::Forbidden)) => Fault::Forbidden { field, document },
            Some(Ok(values)) => match values.get(key) {
                Some(Some(value)) => return Some((document, value)),
                Some(None) => Fault::Unusable { field, document, key: key.to_owned(), why: "is no text" },
                None => Fault::KeyMissing { field, document, key: key.to_owned() },
            },
        };
        self.faults.push(fault);
        None
    }
}

#[cfg(test)]
mod tests;
