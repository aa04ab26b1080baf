//! Carries a query to a Prometheus and its raw answer back. Owns addresses, connections and the limits on both; must not look
//! into the body, that is `decode`'s.
//!
//! `client` sends; `invalid` refuses connections that cannot be made, `reach` addresses that must not be reached, `credentials` and
//! `sigv4` say who we are, `tls` speaks it, `headers` reads those of answers, `cause` words failures.

mod cause;
mod client;
mod credentials;
mod headers;
mod invalid;
mod reach;
mod sigv4;
mod tls;

use std::future::{Future, ready};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

pub use self::client::HttpTransport;
pub(crate) use self::invalid::parse_address;
pub use self::invalid::{InvalidConnection, Problem};
pub use self::tls::install_tls_provider;
use crate::engine::{Absence, Timestamp};

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
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RawAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The body after decompression. Of an answer that is not a success it may be only the beginning.
    pub body: Bytes,
    /// How long the server asks us to stay away (`Retry-After` of 429 and 503), at most an hour.
    pub retry_after: Option<Duration>,
    /// What time the server has (`Date`), to the second.
    pub date: Option<Timestamp>,
    /// What the connection belongs to, such as `--prometheus-url` or `ClusterPrometheusSource default`.
    pub label: Option<Arc<str>>,
}

impl RawAnswer {
    /// An answer of which only status and body are known.
    #[must_use]
    pub fn new(status: u16, body: impl Into<Bytes>) -> Self {
        Self { status, body: body.into(), ..Self::default() }
    }
}

/// Carries queries. The sandbox answers in process with the same raw bodies.
pub trait Transport: Send + Sync + 'static {
    /// Posts `form` and brings the answer, whatever its status, within the limits that the transport was made with.
    fn post(&self, form: QueryForm) -> impl Future<Output = Result<RawAnswer, TransportError>> + Send;

    /// When the server was started, among others: the answer to GET `/api/v1/status/runtimeinfo`, within the same limits. Whoever has
    /// nothing to say answers 404, as Thanos and others do.
    fn runtime_info(&self) -> impl Future<Output = Result<RawAnswer, TransportError>> + Send {
        ready(Ok(RawAnswer::new(404, Bytes::new())))
    }

    /// What the server says of itself: the answer to GET `/api/v1/status/buildinfo`, within the same limits. Whoever has nothing to
    /// say answers 404, as Thanos and others do.
    fn build_info(&self) -> impl Future<Output = Result<RawAnswer, TransportError>> + Send {
        ready(Ok(RawAnswer::new(404, Bytes::new())))
    }
}

/// Why no answer came. No message holds a credential: only the host and the port of an address are ever shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// No connection.
    #[error("Cannot reach {host}: {cause}.")]
    Unreachable {
        /// `host:port`.
        host: String,
        /// What the operating system says.
        cause: String,
    },
    /// There was a server, but no trust between it and us.
    #[error("Cannot speak TLS with {host}: {cause}.")]
    Tls {
        /// `host:port`.
        host: String,
        /// What is wrong with whose certificate.
        cause: String,
        /// It is our own certificate that is missing or refused.
        ours: bool,
    },
    /// The name leads to an address that must not be reached, see [`super::connection::Reach`].
    #[error("Refused to connect to {host}: {cause}.")]
    Forbidden {
        /// `host:port`.
        host: String,
        /// Which address, and why not.
        cause: String,
    },
    /// Our own credentials cannot be read or sent.
    #[error("The credentials of {label} cannot be used: {cause}.")]
    Credentials {
        /// What the connection belongs to.
        label: Arc<str>,
        /// What is wrong with them.
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
            Self::Tls { ours: true, .. } | Self::Credentials { .. } => Absence::Unauthorized,
            Self::Unreachable { .. } | Self::Tls { .. } => Absence::Unreachable,
            Self::Forbidden { .. } => Absence::AddressForbidden,
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

#[cfg(test)]
mod tests;
