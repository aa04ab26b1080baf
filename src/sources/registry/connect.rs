//! How the registry comes by clients: over HTTP, or, in tests, in process.

use crate::api::query::SourceRef;
use crate::api::source::{BuildInfo, SourceKey};
use crate::engine::Timestamp;
use crate::sources::MetricSource;
use crate::sources::prometheus::connection::Connection;
use crate::sources::prometheus::transport::InvalidConnection;
use crate::sources::prometheus::usage::{self, Way};
use crate::sources::prometheus::{Activity, HttpTransport, Limits, PrometheusSource};

/// What clients take for the name of the object that they belong to. Several may share one, so the name is put in when it is known who asks.
pub const LABEL: &str = "\u{2039}source\u{203a}";

/// Makes clients of connections. The seam under the registry: tests answer in process.
pub trait Connect: Send + Sync + 'static {
    /// The client of one connection.
    type Source: MetricSource;

    /// A client for `connection`. Makes no request yet.
    ///
    /// # Errors
    /// Why none can be made.
    fn connect(&self, connection: &Connection, limits: Limits) -> Result<Self::Source, NotConnected>;

    /// The way for usage of pods over `connection`, with [`usage::limits`]. Makes no request yet.
    ///
    /// # Errors
    /// Why there is none.
    fn pod_usage(&self, connection: &Connection) -> Result<Way, NotConnected>;

    /// Who answers, and when it says that it is; `None` where it does not say.
    fn identify(&self, source: &Self::Source) -> impl Future<Output = Option<Identification>> + Send;

    /// What the client did so far.
    fn activity(&self, source: &Self::Source) -> Activity;
}

/// Why no client can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NotConnected {
    /// The CamelCase word.
    pub reason: &'static str,
    /// One sentence, without any credential.
    pub message: String,
    /// Only a change of the object can mend it, not one of its Secrets.
    pub stalled: bool,
}

/// Connects over HTTP.
#[derive(Debug, Clone, Copy, Default)]
pub struct HttpConnector;

impl Connect for HttpConnector {
    type Source = PrometheusSource<HttpTransport>;

    fn connect(&self, connection: &Connection, limits: Limits) -> Result<Self::Source, NotConnected> {
        let transport = HttpTransport::new(connection, LABEL, limits).map_err(not_connected)?;
        Ok(PrometheusSource::new(transport, limits))
    }

    fn pod_usage(&self, connection: &Connection) -> Result<Way, NotConnected> {
        let default = SourceKey::of(&SourceRef::default(), "").to_string();
        HttpTransport::new(connection, default, usage::limits()).map(Way::through).map_err(not_connected)
    }

    async fn identify(&self, source: &Self::Source) -> Option<Identification> {
        source.identify().await
    }

    fn activity(&self, source: &Self::Source) -> Activity {
        source.activity()
    }
}

fn not_connected(InvalidConnection { problem, .. }: InvalidConnection) -> NotConnected {
    let of_secrets = ["InvalidCertificate", "InvalidCredentials", "ClientNotBuilt"];
    NotConnected {
        reason: problem.reason(),
        message: problem.to_string(),
        stalled: !of_secrets.contains(&problem.reason()),
    }
}

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identification {
    /// Its build.
    pub build_info: Option<BuildInfo>,
    /// What its clock shows.
    pub now: Option<Timestamp>,
}
