//! Refuses connections that cannot be made, before anything is sent. Owns the rules on addresses, headers and parameters and their
//! sentences; sends nothing. No message repeats an address or a value: either may hold a password.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::super::connection::{Connection, Identity};
use super::super::text::one_line;
use super::reach::Guard;

/// Extra headers of one connection. A tenant takes one.
const MAX_HEADERS: usize = 32;
/// Extra parameters of one connection.
const MAX_PARAMETERS: usize = 32;
/// Characters shown of a header's or parameter's name.
const MAX_NAME_CHARS: usize = 60;
/// Different names of extra parameters in the life of the process. They are kept for ever, because the HTTP API client wants
/// them so; the APIs that we know have about 20 between them.
const MAX_PARAMETER_NAMES: usize = 256;
/// Bytes of one such name.
const MAX_PARAMETER_NAME_BYTES: usize = 64;
/// What the query itself sends, and extra parameters must leave alone.
const OWN_PARAMETERS: [&str; 4] = ["query", "time", "timeout", "limit"];
/// Headers that HTTP itself needs, or that would change what the answer looks like.
const OWN_HEADERS: [HeaderName; 15] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::ACCEPT_ENCODING,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::UPGRADE,
    header::TE,
    header::TRAILER,
    header::EXPECT,
    header::RANGE,
    header::USER_AGENT,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("keep-alive"),
];

/// A connection that cannot be made, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{label}: {problem}")]
pub struct InvalidConnection {
    /// What the connection belongs to, such as `--prometheus-url` or `ClusterPrometheusSource default`.
    pub label: Arc<str>,
    /// What is wrong.
    pub problem: Problem,
}

/// Why a connection cannot be made. Never repeats an address or a credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Not a URL at all.
    #[error("the address is not a URL ({0}); write it as http://prometheus.monitoring:9090")]
    Syntax(url::ParseError),
    /// Neither http nor https.
    #[error("the address has the scheme `{0}`; only http and https are supported")]
    Scheme(String),
    /// No host.
    #[error("the address names no host; write it as http://prometheus.monitoring:9090")]
    NoHost,
    /// A query or a fragment.
    #[error("the address has a `?` or `#` part, which cannot be kept; give scheme, host, port and path only")]
    Extra,
    /// The path already leads into the API.
    #[error("the address leads into the API itself; leave out /api/v1 and what follows")]
    ApiPath,
    /// A user or password in the address beside another identity.
    #[error("the address holds a user or password beside other credentials; leave them out of the address")]
    TwoIdentities,
    /// The address, or the proxy's, must not be reached.
    #[error("{0}")]
    Forbidden(String),
    /// The proxy's address cannot be used.
    #[error("the address of the proxy {0}")]
    Proxy(&'static str),
    /// A header that cannot be sent.
    #[error("the header `{name}` {why}")]
    Header {
        /// Its name, shortened.
        name: String,
        /// Why not.
        why: &'static str,
    },
    /// A parameter that cannot be sent.
    #[error("the parameter `{name}` {why}")]
    Parameter {
        /// Its name, shortened.
        name: String,
        /// Why not.
        why: &'static str,
    },
    /// Credentials that cannot be sent.
    #[error("{0}")]
    Credentials(&'static str),
    /// Certificates or keys that cannot be used.
    #[error("{0}")]
    Tls(String),
    /// The HTTP client cannot be built, for want of usable CA certificates for example.
    #[error("the HTTP client cannot be built: {0}")]
    Client(String),
}

impl InvalidConnection {
    /// The CamelCase word for conditions, events and metric labels.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        self.problem.reason()
    }
}

impl Problem {
    /// The CamelCase word for conditions, events and metric labels.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Client(_) => "ClientNotBuilt",
            Self::Forbidden(_) => "AddressForbidden",
            Self::TwoIdentities | Self::Credentials(_) => "InvalidCredentials",
            Self::Tls(_) => "InvalidCertificate",
            Self::Header { .. } => "InvalidHeader",
            Self::Parameter { .. } => "InvalidParameter",
            Self::Proxy(_) => "InvalidProxy",
            Self::Syntax(_) | Self::Scheme(_) | Self::NoHost | Self::Extra | Self::ApiPath => "InvalidUrl",
        }
    }

    /// The same with the name of what the connection belongs to.
    #[must_use]
    pub fn of(self, label: impl Into<Arc<str>>) -> InvalidConnection {
        InvalidConnection { label: label.into(), problem: self }
    }
}

/// Reads `address` and brings it into the form that the client joins `/api/v1/query` to.
pub(crate) fn parse_address(address: &str) -> Result<Url, Problem> {
    base_url(Url::parse(address.trim()).map_err(Problem::Syntax)?)
}

/// Checks an address and brings it into that form.
pub(super) fn base_url(mut url: Url) -> Result<Url, Problem> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Problem::Scheme(one_line(url.scheme(), 20)));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(Problem::NoHost);
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Problem::Extra);
    }
    let path = url.path().trim_end_matches('/').to_owned();
    if path.ends_with("/api/v1") || path.contains("/api/v1/") {
        return Err(Problem::ApiPath);
    }
    url.set_path(&path);
    Ok(url)
}

/// What of a connection is settled before anything is sent.
#[derive(Debug)]
pub(super) struct Checked {
    /// The base address.
    pub(super) url: Url,
    /// Extra headers, not to be printed.
    pub(super) headers: HeaderMap,
    /// Extra parameters.
    pub(super) parameters: Vec<(&'static str, String)>,
}

/// Checks all of `connection` but its credentials and certificates.
pub(super) fn check(connection: &Connection, guard: &Guard) -> Result<Checked, Problem> {
    let url = base_url(connection.url.clone())?;
    let named = !url.username().is_empty() || url.password().is_some();
    if named && connection.identity != Identity::Anonymous {
        return Err(Problem::TwoIdentities);
    }
    guard.check_url(&url).map_err(|why| Problem::Forbidden(format!("the address must not be reached: {why}")))?;
    if let Some(proxy) = &connection.proxy {
        check_proxy(proxy, connection)?;
        guard.check_url(proxy).map_err(|why| Problem::Forbidden(format!("the proxy must not be reached: {why}")))?;
    }
    let headers = extra_headers(connection, named)?;
    Ok(Checked { url, headers, parameters: extra_parameters(connection)? })
}

fn check_proxy(proxy: &Url, connection: &Connection) -> Result<(), Problem> {
    match proxy.scheme() {
        "http" => {}
        // To the proxy the same certificates, names and keys would be shown as to Prometheus.
        "https" if connection.tls == super::super::connection::Tls::default() => {}
        "https" => return Err(Problem::Proxy("is https, which goes with the system's certificates only; use http")),
        _ => return Err(Problem::Proxy("has an unsupported scheme; only http and https are supported")),
    }
    if proxy.host_str().is_none_or(str::is_empty) {
        return Err(Problem::Proxy("names no host"));
    }
    Ok(())
}

fn extra_headers(connection: &Connection, named: bool) -> Result<HeaderMap, Problem> {
    let mut headers = HeaderMap::new();
    for (name, value) in &connection.headers {
        let refuse = |why| Problem::Header { name: one_line(name, MAX_NAME_CHARS), why };
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refuse("is not a header's name"))?;
        if OWN_HEADERS.contains(&key) {
            return Err(refuse("is set by Flyball itself; leave it out"));
        }
        let anonymous = connection.identity == Identity::Anonymous && !named;
        if key == header::AUTHORIZATION && !anonymous {
            return Err(refuse("goes with no other credentials; leave out one of the two"));
        }
        if key.as_str().starts_with("x-amz-") && matches!(connection.identity, Identity::SigV4 { .. }) {
            return Err(refuse("is part of the signature; leave it out"));
        }
        let mut value = HeaderValue::from_str(value.expose())
            .map_err(|_| refuse("has a value with characters that no header may carry"))?;
        value.set_sensitive(true);
        if headers.len() >= MAX_HEADERS {
            return Err(refuse("is one too many; at most 32 are allowed"));
        }
        if headers.insert(key, value).is_some() {
            return Err(refuse("is given twice"));
        }
    }
    Ok(headers)
}

fn extra_parameters(connection: &Connection) -> Result<Vec<(&'static str, String)>, Problem> {
    let mut parameters = Vec::new();
    for (name, value) in &connection.parameters {
        let refuse = |why| Problem::Parameter { name: one_line(name, MAX_NAME_CHARS), why };
        if OWN_PARAMETERS.contains(&name.as_str()) {
            return Err(refuse("is set by Flyball itself; leave it out"));
        }
        if name.is_empty() || name.len() > MAX_PARAMETER_NAME_BYTES {
            return Err(refuse("needs a name of 1 to 64 bytes"));
        }
        if parameters.len() >= MAX_PARAMETERS {
            return Err(refuse("is one too many; at most 32 are allowed"));
        }
        let name = intern(name).ok_or_else(|| {
            refuse("is one too many different name since Flyball started; restart it, or use fewer names")
        })?;
        parameters.push((name, value.clone()));
    }
    Ok(parameters)
}

/// The same name, living as long as the process.
fn intern(name: &str) -> Option<&'static str> {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name) {
        return Some(known);
    }
    if names.len() >= MAX_PARAMETER_NAMES {
        return None;
    }
    let kept: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.insert(kept);
    Some(kept)
}
