//! What a connection to one Prometheus is made of, all credentials already read. Plain values: where they were read is the caller's
//! matter, and what is done with them `transport`'s. No credential can be printed: [`Secret`] shows nothing.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use url::Url;

use super::transport::{Problem, parse_address};

/// A credential. Neither `Debug` nor any message shows it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Wraps a credential.
    pub fn new(value: impl Into<Arc<str>>) -> Self {
        Self(value.into())
    }

    /// The credential itself, for the request that carries it and for nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Everything that a connection needs. Two equal values may share one client.
#[derive(Clone, PartialEq, Eq)]
pub struct Connection {
    /// The base address; `/api/v1/query` is added to its path.
    pub url: Url,
    /// How we say who we are.
    pub identity: Identity,
    /// How TLS is spoken, where the address is https.
    pub tls: Tls,
    /// Headers that every request carries, such as a tenant's.
    pub headers: Vec<(String, Secret)>,
    /// Parameters that every query carries in addition, such as `dedup=true`; never `query`, `time`, `timeout` or `limit`.
    pub parameters: Vec<(String, String)>,
    /// The proxy to go through: `http://`, or `https://` where `tls` is left alone. Its own host is checked as that of `url` is, and
    /// must be among the allowed ones; what it connects to, only the proxy can check. `None` goes straight, unless
    /// `proxy_from_environment`.
    pub proxy: Option<Url>,
    /// Take `HTTPS_PROXY` and the like from the environment: only for the address that the operator's own flags give.
    pub proxy_from_environment: bool,
    /// Where connections may lead.
    pub reach: Reach,
}

/// Shows neither user nor password of the addresses, and of extra parameters the names only.
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare = |url: &Url| {
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or(""), url.path())
        };
        let names: Vec<&str> = self.parameters.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Connection")
            .field("url", &bare(&self.url))
            .field("identity", &self.identity)
            .field("tls", &self.tls)
            .field("headers", &self.headers)
            .field("parameters", &names)
            .field("proxy", &self.proxy.as_ref().map(bare))
            .field("proxy_from_environment", &self.proxy_from_environment)
            .field("reach", &self.reach)
            .finish()
    }
}

impl Connection {
    /// A connection to `url` without credentials, extras, proxy or a way to loopback addresses.
    #[must_use]
    pub fn to(url: Url) -> Self {
        Self {
            url,
            identity: Identity::default(),
            tls: Tls::default(),
            headers: Vec::new(),
            parameters: Vec::new(),
            proxy: None,
            proxy_from_environment: false,
            reach: Reach::default(),
        }
    }

    /// What the operator's own flag says: `address` may lead to loopback, and a proxy comes from the environment.
    ///
    /// # Errors
    /// `address` is not one.
    pub fn of_flag(address: &str) -> Result<Self, Problem> {
        let reach = Reach { loopback: true, allowed_hosts: None };
        Ok(Self { proxy_from_environment: true, reach, ..Self::to(parse_address(address)?) })
    }
}

/// How we say who we are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Identity {
    /// Not at all.
    #[default]
    Anonymous,
    /// HTTP basic authentication.
    Basic {
        /// User.
        username: Secret,
        /// Password.
        password: Secret,
    },
    /// `Authorization: Bearer …`.
    Bearer(Secret),
    /// The same, read again from a file as it changes: projected service account tokens. Only admins may name files.
    BearerFile(PathBuf),
    /// AWS Signature Version 4, as Amazon Managed Service for Prometheus wants it.
    SigV4 {
        /// Region, such as `eu-central-1`.
        region: String,
        /// Service, nearly always `aps`.
        service: String,
        /// Access key id.
        access_key_id: Secret,
        /// Secret access key.
        secret_access_key: Secret,
        /// Token of temporary credentials.
        session_token: Option<Secret>,
    },
}

/// How TLS is spoken.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Tls {
    /// Certificates in PEM that are trusted instead of the system's.
    pub ca_pem: Option<Arc<str>>,
    /// Our own certificate and key in PEM, for mTLS.
    pub identity_pem: Option<Secret>,
    /// The name that the server's certificate must carry, where it is not the host of the address. The handshake itself (SNI) still
    /// names the host of the address.
    pub server_name: Option<String>,
    /// Take any certificate. Only where an admin allowed it.
    pub insecure_skip_verify: bool,
}

/// Of the PEM texts it shows only whether they are there: a key may stand in the wrong one.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("ca_pem", &self.ca_pem.is_some())
            .field("identity_pem", &self.identity_pem.is_some())
            .field("server_name", &self.server_name)
            .field("insecure_skip_verify", &self.insecure_skip_verify)
            .finish()
    }
}

/// Where connections may lead. Checked against the resolved address at the moment of connecting, so that a name which changes its
/// address in between leads nowhere else. Link-local addresses, where clouds keep their metadata, multicast and unspecified ones are
/// always refused.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reach {
    /// Loopback addresses may be reached: the operator's own flags may say so, a namespaced object never.
    pub loopback: bool,
    /// Hosts that may be asked, as `prometheus.monitoring.svc` or `*.example.com`; any if `None`.
    pub allowed_hosts: Option<Arc<[String]>>,
}
