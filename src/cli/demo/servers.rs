//! The loopback servers of the live demo: the Kubernetes API, Prometheus and Flyball's own metrics, so that `kubectl`, `curl` and the
//! controller itself use real sockets. Must not listen anywhere else.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::sandbox::World;
use crate::telemetry::{Metrics, http};

/// The first port that is tried.
const FIRST_PORT: u16 = 8099;
/// How many ports are tried before the system may choose any.
const PORTS_TRIED: u16 = 50;

/// Servers that run, and where.
pub(super) struct Servers {
    /// The Kubernetes API.
    pub(super) kubernetes: SocketAddr,
    /// Prometheus' API.
    pub(super) prometheus: SocketAddr,
    /// Flyball's own metrics.
    pub(super) metrics: SocketAddr,
    serving: JoinSet<std::io::Result<()>>,
}

impl Servers {
    /// Serves `world` and `metrics` until `cancel`.
    ///
    /// # Errors
    /// Where loopback has no free port.
    pub(super) async fn start(
        world: &World,
        metrics: Arc<Metrics>,
        cancel: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let kubernetes = listen(FIRST_PORT).await?;
        let prometheus = listen(FIRST_PORT + 1).await?;
        let own = listen(FIRST_PORT + 2).await?;
        let mut servers = Self {
            kubernetes: kubernetes.local_addr()?,
            prometheus: prometheus.local_addr()?,
            metrics: own.local_addr()?,
            serving: JoinSet::new(),
        };
        let (api, source) = (world.kubernetes.clone(), world.prometheus.clone());
        let (until, also_until) = (cancel.clone(), cancel.clone());
        servers.serving.spawn(async move { api.serve(kubernetes, until).await });
        servers.serving.spawn(async move { source.serve(prometheus, also_until).await });
        servers.serving.spawn(http::serve_metrics(own, metrics, cancel.clone()));
        Ok(servers)
    }

    /// The first server that has ended by itself, which none should: another program may have taken Prometheus' port while the demo
    /// had taken Prometheus away.
    pub(super) fn failed(&mut self) -> Option<anyhow::Error> {
        match self.serving.try_join_next()? {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(anyhow::Error::new(error).context("a loopback server of the demo ended")),
            Err(error) => Some(anyhow::Error::new(error).context("a loopback server of the demo broke")),
        }
    }
}

/// A listener on loopback, on `port` or the next free one.
async fn listen(port: u16) -> anyhow::Result<TcpListener> {
    for port in port..port.saturating_add(PORTS_TRIED) {
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            return Ok(listener);
        }
    }
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no port of 127.0.0.1 can be listened on")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_moves_on() {
        let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let taken = first.local_addr().unwrap();
        let second = listen(taken.port()).await.unwrap().local_addr().unwrap();
        assert_ne!(taken.port(), second.port());
        assert!(second.ip().is_loopback());
    }
}
