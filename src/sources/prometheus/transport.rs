//! Carries a query to a Prometheus and its raw answer back. Owns addresses, connections and the limits on both; must not look
//! into the body, that is `decode`'s.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use url::Url;

use super::text::one_line;
use super::{Limits, MAX_ERROR_BODY_BYTES};
use crate::engine::{Absence, Timestamp};

/// Who we say we are.
const USER_AGENT: &str = concat!("flyball/", env!("CARGO_PKG_VERSION"));
/// Characters kept of what the operating system or TLS says of a failed connection.
const MAX_CAUSE_CHARS: usize = 160;

/// The form that is posted to `/api/v1/query`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryForm {
    /// The query.
    pub promql: Arc<str>,
    /// The instant to evaluate it at.
    pub time: Timestamp,
    /// How long the server may take over it.
    pub timeout: Duration,
}

impl QueryForm {
    /// `time` as Prometheus reads it: seconds since the epoch, to the millisecond.
    #[must_use]
    pub fn time_param(&self) -> String {
        let millis = self.time.as_millis();
        let sign = if millis < 0 { "-" } else { "" };
        let millis = millis.unsigned_abs();
        format!("{sign}{}.{:03}", millis / 1000, millis % 1000)
    }

    /// `timeout` as Prometheus reads it, at least a millisecond (0 would mean none).
    #[must_use]
    pub fn timeout_param(&self) -> String {
        format!("{}ms", self.timeout.as_millis().max(1))
    }
}

/// What came back, whatever it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The body after decompression. Of an answer that is not a success it may be only the beginning.
    pub body: Bytes,
}

/// Carries queries. The sandbox answers in process with the same raw bodies.
pub trait Transport: Send + Sync + 'static {
    /// Posts `form` and brings the answer, whatever its status, within the limits that the transport was made with.
    fn post(&self, form: QueryForm) -> impl Future<Output = Result<RawAnswer, TransportError>> + Send;
}

/// Why no answer came. No message holds a credential: only the host and the port of an address are ever shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// No connection.
    #[error("Cannot reach {host}: {cause}.")]
    Unreachable {
        /// `host:port`.
        host: String,
        /// What the operating system or TLS says.
        cause: String,
    },
    /// The deadline passed.
    #[error("{host} did not answer in full within {deadline:?}.")]
    Timeout {
        /// `host:port`.
        host: String,
        /// The deadline of the whole exchange.
        deadline: Duration,
    },
    /// The body is larger than the limit.
    #[error(
        "The answer of {host} is larger than the limit of {limit_bytes} bytes; aggregate the query, for example with sum()."
    )]
    TooLarge {
        /// `host:port`.
        host: String,
        /// The limit, after decompression.
        limit_bytes: usize,
    },
    /// The connection was there, but the answer broke off, even before its first byte, or is not HTTP, or its compression is corrupt.
    #[error("The answer of {host} broke off or is corrupt: {cause}.")]
    Broken {
        /// `host:port`.
        host: String,
        /// What the HTTP client says.
        cause: String,
    },
}

impl TransportError {
    /// The class of the absence that this error leads to.
    #[must_use]
    pub const fn absence(&self) -> Absence {
        match self {
            Self::Unreachable { .. } => Absence::Unreachable,
            Self::Timeout { .. } => Absence::Timeout,
            Self::TooLarge { .. } => Absence::TooLarge,
            Self::Broken { .. } => Absence::Malformed,
        }
    }

    /// The CamelCase word for conditions, events and metric labels.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        self.absence().reason()
    }
}

/// Why an address cannot be used. Never repeats the address: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// Not a URL at all.
    #[error("--prometheus-url is not a URL ({0}); write it as http://prometheus.monitoring:9090")]
    Syntax(url::ParseError),
    /// Neither http nor https.
    #[error("--prometheus-url has the scheme `{0}`; only http and https are supported")]
    Scheme(String),
    /// No host.
    #[error("--prometheus-url names no host; write it as http://prometheus.monitoring:9090")]
    NoHost,
    /// A query or a fragment.
    #[error("--prometheus-url has a `?` or `#` part, which cannot be kept; give scheme, host, port and path only")]
    Extra,
    /// The path already leads into the API.
    #[error("--prometheus-url leads into the API itself; leave out /api/v1 and what follows")]
    ApiPath,
    /// The HTTP client cannot be built, for want of usable CA certificates for example.
    #[error("the HTTP client for --prometheus-url cannot be built: {0}")]
    Client(String),
}

impl InvalidUrl {
    /// The CamelCase word for conditions, events and metric labels.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Client(_) => "ClientNotBuilt",
            _ => "InvalidUrl",
        }
    }
}

/// Makes ring the process' TLS provider unless there is one already. `main` calls it first of all; [`HttpTransport::new`] calls
/// it too, because the HTTP client panics without a provider, even for plain http.
pub fn install_tls_provider() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // An error means that another thread was faster, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

/// A Prometheus behind HTTP. Cheap to share by reference; all queries use one pool of connections.
pub struct HttpTransport {
    client: prometheus_http_query::Client,
    /// `host:port`, all of the address that may be shown.
    host: String,
    limits: Limits,
}

/// Shows the host only: the address may hold a password.
impl fmt::Debug for HttpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpTransport").field("host", &self.host).finish_non_exhaustive()
    }
}

impl HttpTransport {
    /// A transport to the Prometheus whose base address is `address` (`/api/v1/query` is added).
    ///
    /// # Errors
    /// The address cannot be used, see [`InvalidUrl`].
    pub fn new(address: &str, limits: Limits) -> Result<Self, InvalidUrl> {
        let url = base_url(address)?;
        let host = host_and_port(&url).ok_or(InvalidUrl::NoHost)?;
        let client = http_client(&url, &limits)?;
        let client = prometheus_http_query::Client::from(client, url.as_str())
            .map_err(|_| InvalidUrl::Client("the address was refused".to_owned()))?;
        Ok(Self { client, host, limits })
    }

    /// The `host:port` that is asked; the part of the address that may be shown.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Reads the body up to the limit. Of a failure only the beginning is kept, and whatever part of it came: the status is
    /// what counts there, and a large or broken error page must not hide it.
    async fn body(&self, mut response: reqwest::Response) -> Result<Bytes, TransportError> {
        let success = response.status().is_success();
        let limit = if success { self.limits.body_bytes } else { MAX_ERROR_BODY_BYTES.min(self.limits.body_bytes) };
        let too_large = || TransportError::TooLarge { host: self.host.clone(), limit_bytes: limit };
        // Where the server tells the size, there is no need to read what cannot be kept.
        let announced = usize::try_from(response.content_length().unwrap_or(0)).unwrap_or(usize::MAX);
        if success && announced > limit {
            return Err(too_large());
        }
        let mut body = BytesMut::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len().saturating_add(chunk.len()) <= limit => body.extend_from_slice(&chunk),
                Ok(Some(_)) if success => return Err(too_large()),
                Ok(Some(chunk)) => {
                    body.extend_from_slice(&chunk[..limit - body.len()]);
                    return Ok(body.freeze());
                }
                Ok(None) => return Ok(body.freeze()),
                Err(_) if !success => return Ok(body.freeze()),
                Err(error) => return Err(self.classify(&error)),
            }
        }
    }

    fn classify(&self, error: &reqwest::Error) -> TransportError {
        let host = self.host.clone();
        if error.is_timeout() && !error.is_connect() {
            return TransportError::Timeout { host, deadline: self.limits.deadline };
        }
        if error.is_connect() {
            let cause = if error.is_timeout() {
                format!("no connection within {:?}", self.limits.connect_timeout.min(self.limits.deadline))
            } else {
                innermost(error)
            };
            return TransportError::Unreachable { host, cause };
        }
        TransportError::Broken { host, cause: innermost(error) }
    }
}

impl Transport for HttpTransport {
    async fn post(&self, form: QueryForm) -> Result<RawAnswer, TransportError> {
        let sent = self
            .client
            .query(&form.promql)
            .query("time", form.time_param())
            .query("timeout", form.timeout_param())
            .post_raw()
            .await;
        let response = match sent {
            Ok(response) => response,
            Err(prometheus_http_query::Error::Client(error)) => {
                let fallback =
                    || TransportError::Broken { host: self.host.clone(), cause: "the request was not sent".to_owned() };
                return Err(error.inner().map_or_else(fallback, |error| self.classify(error)));
            }
            // The other kinds concern addresses and selectors, which were settled before.
            Err(_) => {
                return Err(TransportError::Broken {
                    host: self.host.clone(),
                    cause: "the request was not sent".to_owned(),
                });
            }
        };
        let status = response.status().as_u16();
        Ok(RawAnswer { status, body: self.body(response).await? })
    }
}

/// The one HTTP client of a source.
fn http_client(url: &Url, limits: &Limits) -> Result<reqwest::Client, InvalidUrl> {
    install_tls_provider();
    let mut builder = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        // A redirect would carry the query, and one day credentials, to an address that no admin chose.
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(limits.connect_timeout)
        .timeout(limits.deadline)
        .pool_max_idle_per_host(limits.concurrency)
        // Load balancers drop idle connections after 60 s; a query sent into a dropped one would be lost.
        .pool_idle_timeout(Duration::from_secs(45))
        .tcp_keepalive(Duration::from_secs(30));
    if url.scheme() == "http" {
        // No TLS can happen, so an image without CA certificates must not be an obstacle.
        builder = builder.tls_certs_only([]);
    }
    if is_loopback(url) {
        // A proxy from the environment cannot reach this machine's own loopback.
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| InvalidUrl::Client(innermost(&error)))
}

/// Checks `address` and brings it into the form that the client joins `/api/v1/query` to.
fn base_url(address: &str) -> Result<Url, InvalidUrl> {
    let mut url = Url::parse(address.trim()).map_err(InvalidUrl::Syntax)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(InvalidUrl::Scheme(one_line(url.scheme(), 20)));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(InvalidUrl::NoHost);
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(InvalidUrl::Extra);
    }
    let path = url.path().trim_end_matches('/').to_owned();
    if path.ends_with("/api/v1") || path.contains("/api/v1/") {
        return Err(InvalidUrl::ApiPath);
    }
    url.set_path(&path);
    Ok(url)
}

fn host_and_port(url: &Url) -> Option<String> {
    Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// What lies at the bottom of an error, on one line. The outer layers repeat the address, with its password if it has one; the
/// innermost speaks of sockets, names and certificates only.
fn innermost(error: &reqwest::Error) -> String {
    let Some(mut cause) = error.source() else { return "the HTTP client gave no cause".to_owned() };
    let mut kind = None;
    loop {
        if let Some(error) = cause.downcast_ref::<io::Error>() {
            kind = Some(error.kind());
        }
        match cause.source() {
            Some(deeper) => cause = deeper,
            None => break,
        }
    }
    match kind {
        Some(io::ErrorKind::ConnectionRefused) => "connection refused".to_owned(),
        Some(io::ErrorKind::ConnectionReset) => "connection reset".to_owned(),
        Some(io::ErrorKind::UnexpectedEof) => "the connection was closed too early".to_owned(),
        _ => one_line(cause.to_string().trim_end_matches('.'), MAX_CAUSE_CHARS),
    }
}

#[cfg(test)]
mod tests;
