//! Sends requests over HTTP and reads answers within limits. Owns the one HTTP client of a connection; what may be sent where is
//! settled before, in `invalid` and `reach`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::HeaderMap;
use tokio::time::timeout;
use url::{Url, form_urlencoded};

use super::super::connection::Connection;
use super::super::text::one_line;
use super::super::{Limits, MAX_ERROR_BODY_BYTES};
use super::cause::{Cause, MAX_CAUSE_CHARS, cause};
use super::credentials::{Credentials, Header};
use super::invalid::{Checked, InvalidConnection, Problem, check};
use super::reach::Guard;
use super::sigv4::Signed;
use super::tls::{Asked, client_config, explain, install_tls_provider};
use super::{QueryForm, RawAnswer, Transport, TransportError, headers};
use crate::clock::{Clock, SystemClock};
use crate::engine::Timestamp;

/// Who we say we are.
const USER_AGENT: &str = concat!("flyball/", env!("CARGO_PKG_VERSION"));
/// Headers of an answer over HTTP/2, so that they cannot fill memory; Prometheus sends about 300 bytes. HTTP/1 has a limit of its own.
const MAX_HEADER_BYTES: u32 = 64 * 1024;

/// A Prometheus behind HTTP. Cheap to share by reference; all queries use one pool of connections.
pub struct HttpTransport {
    client: prometheus_http_query::Client,
    label: Arc<str>,
    /// `host:port`, all of the address that may be shown.
    host: String,
    /// The address that queries are posted to, and that of `/status/buildinfo`. May hold a password.
    query_url: Url,
    build_info_url: Url,
    runtime_info_url: Url,
    parameters: Vec<(&'static str, String)>,
    credentials: Credentials,
    /// Connections lead to a proxy that the connection names.
    proxied: bool,
    /// A client certificate is shown to whoever asks.
    certified: bool,
    asked: Arc<Asked>,
    now: Box<dyn Fn() -> Timestamp + Send + Sync>,
    limits: Limits,
}

/// Shows label and host only: the address may hold a password.
impl fmt::Debug for HttpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpTransport").field("label", &self.label).field("host", &self.host).finish_non_exhaustive()
    }
}

impl HttpTransport {
    /// A transport over `connection`, which belongs to what `label` names: `--prometheus-url`, or `ClusterPrometheusSource default`.
    /// Messages say so.
    ///
    /// # Errors
    /// The connection cannot be made, see [`Problem`]. Nothing is sent to find out.
    pub fn new(connection: &Connection, label: impl Into<Arc<str>>, limits: Limits) -> Result<Self, InvalidConnection> {
        let label = label.into();
        Self::build(connection, Arc::clone(&label), limits).map_err(|problem| problem.of(label))
    }

    fn build(connection: &Connection, label: Arc<str>, limits: Limits) -> Result<Self, Problem> {
        let guard = Guard::new(&connection.reach);
        let Checked { url, headers, parameters } = check(connection, &guard)?;
        let credentials = Credentials::new(&connection.identity)?;
        let host = host_and_port(&url).ok_or(Problem::NoHost)?;
        let (client, asked) = http_client(connection, &url, (guard, headers, &limits))?;
        let client = prometheus_http_query::Client::from(client, url.as_str())
            .map_err(|_| Problem::Client("the address was refused".to_owned()))?;
        let under = |path: &str| {
            let mut url = url.clone();
            url.set_path(&format!("{}{path}", url.path().trim_end_matches('/')));
            url
        };
        Ok(Self {
            client,
            label,
            host,
            query_url: under("/api/v1/query"),
            build_info_url: under("/api/v1/status/buildinfo"),
            runtime_info_url: under("/api/v1/status/runtimeinfo"),
            parameters,
            credentials,
            proxied: connection.proxy.is_some(),
            certified: connection.tls.identity_pem.is_some(),
            asked,
            now: Box::new(|| SystemClock.now()),
            limits,
        })
    }

    /// The same with another wall clock, which signatures need. The machine's own is the default.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.now = Box::new(move || clock.now());
        self
    }

    /// The `host:port` that is asked; the part of the address that may be shown.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// What the connection belongs to.
    #[must_use]
    pub fn label(&self) -> &Arc<str> {
        &self.label
    }

    /// Sends `request`, once more where the server refuses credentials that have changed since, and brings the answer within the
    /// deadline.
    async fn exchange(&self, request: Request<'_>) -> Result<RawAnswer, TransportError> {
        let deadline = self.limits.deadline;
        let late = |_| TransportError::Timeout { host: self.host.clone(), deadline };
        timeout(deadline, async {
            let (raw, sent) = self.send(request).await?;
            if raw.status == 401 && self.credentials.renewed(&sent).await {
                return Ok(self.send(request).await?.0);
            }
            Ok(raw)
        })
        .await
        .map_err(late)?
    }

    async fn send(&self, request: Request<'_>) -> Result<(RawAnswer, Vec<Header>), TransportError> {
        let sent = self.authorize(request).await?;
        let response = match request {
            Request::Query(pairs) => self.post_form(pairs, &sent).await?,
            Request::Page(url) => {
                let headers: HeaderMap = sent.iter().cloned().collect();
                let get = self.client.inner().get(url.clone()).headers(headers);
                get.send().await.map_err(|error| self.classify(&error))?
            }
        };
        self.asked.answered();
        let status = response.status().as_u16();
        let retry_after = headers::retry_after(status, response.headers());
        let date = headers::date(response.headers());
        let body = self.body(response).await?;
        Ok((RawAnswer { status, body, retry_after, date, label: Some(Arc::clone(&self.label)) }, sent))
    }

    async fn authorize(&self, request: Request<'_>) -> Result<Vec<Header>, TransportError> {
        let body = match (request, &self.credentials) {
            // The client encodes the same pairs in the same way and order; `tests` check that the bytes agree.
            (Request::Query(pairs), Credentials::SigV4(_)) => {
                form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
            }
            _ => String::new(),
        };
        let (method, url) = match request {
            Request::Query(_) => ("POST", &self.query_url),
            Request::Page(url) => ("GET", url),
        };
        let signed = Signed { method, url, headers: &[], body: body.as_bytes() };
        self.credentials
            .headers(signed, (self.now)())
            .await
            .map_err(|cause| TransportError::Credentials { label: Arc::clone(&self.label), cause })
    }

    async fn post_form(
        &self,
        pairs: &[(&'static str, String)],
        headers: &[Header],
    ) -> Result<reqwest::Response, TransportError> {
        let Some(((_, promql), others)) = pairs.split_first() else { return Err(self.not_sent()) };
        let mut query = self.client.query(promql);
        for (name, value) in others {
            query = query.query(name, value);
        }
        for (name, value) in headers {
            query = query.header(name.clone(), value.clone());
        }
        match query.post_raw().await {
            Ok(response) => Ok(response),
            Err(prometheus_http_query::Error::Client(error)) => {
                Err(error.inner().map_or_else(|| self.not_sent(), |error| self.classify(error)))
            }
            // The other kinds concern addresses and selectors, which were settled before.
            Err(_) => Err(self.not_sent()),
        }
    }

    fn not_sent(&self) -> TransportError {
        TransportError::Broken { host: self.host.clone(), cause: "the request was not sent".to_owned() }
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
        if error.is_timeout() {
            let cause = format!("no connection within {:?}", self.limits.connect_timeout.min(self.limits.deadline));
            return TransportError::Unreachable { host, cause };
        }
        match cause(error) {
            Cause::Refused(why) => {
                let host = if self.proxied { format!("the proxy of {host}") } else { host };
                TransportError::Forbidden { host, cause: why.to_string() }
            }
            Cause::Tls(error) => {
                let (cause, ours) = explain(&error);
                TransportError::Tls { host, cause, ours }
            }
            Cause::Other(cause) if error.is_connect() => TransportError::Unreachable { host, cause },
            Cause::Other(cause) => match self.asked.explain(self.certified) {
                Some(cause) => TransportError::Tls { host, cause, ours: true },
                None => TransportError::Broken { host, cause },
            },
        }
    }
}

/// What is sent.
#[derive(Clone, Copy)]
enum Request<'a> {
    /// The form, the query first.
    Query(&'a [(&'static str, String)]),
    /// A page about the server.
    Page(&'a Url),
}

impl Transport for HttpTransport {
    async fn post(&self, form: QueryForm) -> Result<RawAnswer, TransportError> {
        let own = [
            ("query", form.promql.as_ref().to_owned()),
            ("time", form.time_param()),
            ("timeout", form.timeout_param()),
        ];
        let pairs: Vec<_> = own.into_iter().chain(self.parameters.iter().cloned()).collect();
        self.exchange(Request::Query(&pairs)).await
    }

    async fn build_info(&self) -> Result<RawAnswer, TransportError> {
        self.exchange(Request::Page(&self.build_info_url)).await
    }

    async fn runtime_info(&self) -> Result<RawAnswer, TransportError> {
        self.exchange(Request::Page(&self.runtime_info_url)).await
    }
}

/// The one HTTP client of a connection.
fn http_client(
    connection: &Connection,
    url: &Url,
    (guard, headers, limits): (Guard, HeaderMap, &Limits),
) -> Result<(reqwest::Client, Arc<Asked>), Problem> {
    install_tls_provider();
    let https = |url: &Url| url.scheme() == "https";
    let (tls, asked) = client_config(&connection.tls, https(url) || connection.proxy.as_ref().is_some_and(https))?;
    let mut builder = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .tls_backend_preconfigured(tls)
        .dns_resolver(guard)
        .default_headers(headers)
        // A redirect would carry the query, and credentials, to an address that no admin chose.
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(limits.connect_timeout)
        .timeout(limits.deadline)
        .pool_max_idle_per_host(limits.concurrency)
        .http2_max_header_list_size(MAX_HEADER_BYTES)
        // Load balancers drop idle connections after 60 s; a query sent into a dropped one would be lost.
        .pool_idle_timeout(Duration::from_secs(45))
        .tcp_keepalive(Duration::from_secs(30));
    if let Some(proxy) = &connection.proxy {
        let proxy = reqwest::Proxy::all(proxy.as_str()).map_err(|_| Problem::Proxy("was refused"))?;
        builder = builder.proxy(proxy);
    } else if !connection.proxy_from_environment || is_loopback(url) {
        // A proxy from the environment cannot reach this machine's own loopback.
        builder = builder.no_proxy();
    }
    let client = builder.build().map_err(|error| {
        Problem::Client(match cause(&error) {
            Cause::Refused(why) => why.to_string(),
            Cause::Tls(error) => one_line(&error.to_string(), MAX_CAUSE_CHARS),
            Cause::Other(cause) => cause,
        })
    })?;
    Ok((client, asked))
}

pub(super) fn host_and_port(url: &Url) -> Option<String> {
    Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?))
}

pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
