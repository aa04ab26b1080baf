//! Prometheus servers by host name, each with the identity that it wants, behind the real registry and the real keeper.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use flyball::clock::Clock as _;
use flyball::sandbox::{Prometheus, SimClock};
use flyball::sources::prometheus::connection::{Connection, Identity, Secret};
use flyball::sources::prometheus::usage::Way;
use flyball::sources::prometheus::{
    Activity, Limits, PrometheusSource, QueryForm, RawAnswer, Transport, TransportError,
};
use flyball::sources::registry::{Connect, Identification, NotConnected};

/// Where the servers stand. Clones are the same cellar.
#[derive(Clone)]
pub(crate) struct Cellar {
    clock: SimClock,
    servers: Arc<Mutex<BTreeMap<String, Server>>>,
    made: Arc<Mutex<Vec<Connection>>>,
}

struct Server {
    prometheus: Prometheus,
    wants: Identity,
    /// Seconds that its clock is ahead.
    skew_seconds: i64,
}

impl Cellar {
    pub(crate) fn new(clock: SimClock) -> Self {
        Self { clock, servers: Arc::default(), made: Arc::default() }
    }

    /// A server at `http://host`, which wants `identity`.
    pub(crate) fn serve(&self, host: &str, prometheus: &Prometheus, identity: Identity) {
        let server = Server { prometheus: prometheus.clone(), wants: identity, skew_seconds: 0 };
        self.servers.lock().unwrap().insert(host.to_owned(), server);
    }

    /// The server wants another identity from now on.
    pub(crate) fn demand(&self, host: &str, identity: Identity) {
        self.servers.lock().unwrap().get_mut(host).unwrap().wants = identity;
    }

    pub(crate) fn skew(&self, host: &str, seconds: i64) {
        self.servers.lock().unwrap().get_mut(host).unwrap().skew_seconds = seconds;
    }

    /// The connections that clients were made of, in order.
    pub(crate) fn made(&self) -> Vec<Connection> {
        self.made.lock().unwrap().clone()
    }
}

pub(crate) fn basic(username: &str, password: &str) -> Identity {
    Identity::Basic { username: Secret::new(username), password: Secret::new(password) }
}

impl Connect for Cellar {
    type Source = PrometheusSource<Door>;

    fn connect(&self, connection: &Connection, limits: Limits) -> Result<Self::Source, NotConnected> {
        self.made.lock().unwrap().push(connection.clone());
        Ok(PrometheusSource::new(Door { cellar: self.clone(), connection: connection.clone() }, limits))
    }

    fn pod_usage(&self, connection: &Connection) -> Result<Way, NotConnected> {
        Ok(Way::through(Door { cellar: self.clone(), connection: connection.clone() }))
    }

    async fn identify(&self, source: &Self::Source) -> Option<Identification> {
        source.identify().await
    }

    fn activity(&self, source: &Self::Source) -> Activity {
        source.activity()
    }
}

/// The way to one server with one identity.
pub(crate) struct Door {
    cellar: Cellar,
    connection: Connection,
}

impl Door {
    /// The server, if it lets us in, and how far its clock is ahead.
    fn open(&self) -> Result<(Prometheus, i64), Result<RawAnswer, TransportError>> {
        let host = self.connection.url.host_str().unwrap().to_owned();
        let servers = self.cellar.servers.lock().unwrap();
        match servers.get(&host) {
            None => Err(Err(TransportError::Unreachable { host, cause: "connection refused".to_owned() })),
            Some(server) if server.wants != self.connection.identity => Err(Ok(RawAnswer::new(401, "Unauthorized"))),
            Some(server) => Ok((server.prometheus.clone(), server.skew_seconds)),
        }
    }
}

impl Transport for Door {
    async fn post(&self, form: QueryForm) -> Result<RawAnswer, TransportError> {
        match self.open() {
            Ok((prometheus, _)) => prometheus.post(form).await,
            Err(answer) => answer,
        }
    }

    async fn build_info(&self) -> Result<RawAnswer, TransportError> {
        match self.open() {
            Ok((_, skew)) => {
                let body = r#"{"status":"success","data":{"version":"3.5.0","revision":"8be3","branch":"HEAD"}}"#;
                let date = Some(self.cellar.clock.now().plus_seconds(skew));
                Ok(RawAnswer { date, ..RawAnswer::new(200, body) })
            }
            Err(answer) => answer,
        }
    }
}
