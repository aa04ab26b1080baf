//! The two clients: one for reads, which kube may retry, and one for writes, which nothing may repeat. Owns their making only.

use std::sync::Arc;

use kube::client::{Body, ClientBuilder};
use kube::{Client, Config};

/// Told of every request that leaves for the API server, by its HTTP method.
pub type RequestObserver = Arc<dyn Fn(&http::Method) + Send + Sync>;

/// Clients with one configuration and two tempers.
#[derive(Clone)]
pub struct Clients {
    /// For reads and watches: kube's own retries on 429, 503 and 504 are welcome here.
    pub reads: Client,
    /// For writes to `/scale`: never repeated by the client, since a repeated write could land after the decision has aged.
    pub writes: Client,
}

impl Clients {
    /// Both tempers in one client, for an embedded API server that neither fails nor retries.
    #[must_use]
    pub fn same(client: Client) -> Self {
        Self { reads: client.clone(), writes: client }
    }

    /// Clients for `config`; every request is shown to `observe` first.
    ///
    /// # Errors
    /// Where the configuration has unusable certificates, credentials or proxies.
    pub fn connect(config: &Config, observe: &RequestObserver) -> Result<Self, kube::Error> {
        let mut for_reads = config.clone();
        for_reads.default_retry = true;
        let mut for_writes = config.clone();
        for_writes.default_retry = false;
        Ok(Self { reads: observed(for_reads, observe.clone())?, writes: observed(for_writes, observe.clone())? })
    }
}

fn observed(config: Config, observe: RequestObserver) -> Result<Client, kube::Error> {
    let count = tower::util::MapRequestLayer::new(move |request: http::Request<Body>| {
        observe(request.method());
        request
    });
    Ok(ClientBuilder::try_from(config)?.with_layer(&count).build())
}
