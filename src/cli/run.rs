//! `flyball run`: the operator. Wires clients, source, loop and servers together, and stops them in order.

mod pod_metrics;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use self::pod_metrics::PodMetricsArgs;
use super::UsageError;
use super::kubeconfig::configuration;
use crate::clock::SystemClock;
use crate::cluster::client::{Clients, RequestObserver};
use crate::controller::sources::{SourceKeeper, SourceSettings};
use crate::controller::{Controller, DEFAULT_CONCURRENCY, Settings};
use crate::sources::prometheus::usage::{self, Way};
use crate::sources::prometheus::{HttpTransport, InvalidConnection, Limits, PrometheusSource, transport_of_flag};
use crate::sources::recipe::Allowance;
use crate::sources::registry::{HttpConnector, Registry};
use crate::telemetry::logs::{self, LogFormat};
use crate::telemetry::{Metrics, http};

/// Arguments of `flyball run`. Each is an environment variable as well.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Address of the Prometheus API, such as `http://prometheus-server.monitoring`: what is asked where a policy names no source
    /// and there is no ClusterPrometheusSource named default
    #[arg(long, env = "FLYBALL_PROMETHEUS_URL", value_name = "URL")]
    prometheus_url: Option<String>,
    /// Hosts that PrometheusSources of namespaces may name, such as *.example.com; any if not given
    #[arg(long, env = "FLYBALL_ALLOWED_PROMETHEUS_HOSTS", value_name = "HOST,...", value_delimiter = ',')]
    allowed_prometheus_hosts: Vec<String>,
    #[command(flatten)]
    pod_metrics: PodMetricsArgs,
    /// Where to serve /metrics; 0 for nowhere
    #[arg(long, env = "FLYBALL_METRICS_BIND_ADDRESS", value_name = "ADDRESS", default_value = "0.0.0.0:8080", value_parser = bind_address)]
    metrics_bind_address: Bind,
    /// Where to serve /healthz and /readyz; 0 for nowhere
    #[arg(long, env = "FLYBALL_HEALTH_PROBE_BIND_ADDRESS", value_name = "ADDRESS", default_value = "0.0.0.0:8081", value_parser = bind_address)]
    health_probe_bind_address: Bind,
    /// The one namespace to watch; all if not given
    #[arg(long, env = "FLYBALL_WATCH_NAMESPACE", value_name = "NAMESPACE")]
    watch_namespace: Option<String>,
    /// How many policies may be looked at at once
    #[arg(long, env = "FLYBALL_CONCURRENCY", value_name = "N", default_value_t = DEFAULT_CONCURRENCY, value_parser = concurrency)]
    concurrency: usize,
    /// A level (error, warn, info, debug, trace) or a filter such as info,kube=warn
    #[arg(long, env = "FLYBALL_LOG_LEVEL", value_name = "LEVEL", default_value = "info")]
    log_level: String,
    /// The shape of log lines
    #[arg(long, env = "FLYBALL_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    log_format: LogFormat,
    /// Elect a leader among several replicas. Not built yet, and therefore refused
    #[arg(long, env = "FLYBALL_LEADER_ELECT")]
    leader_elect: bool,
    /// A kubeconfig file; otherwise KUBECONFIG, ~/.kube/config, or the pod's service account
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<std::path::PathBuf>,
    /// The context of the kubeconfig
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

/// An address to listen on, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bind(Option<SocketAddr>);

/// `0.0.0.0:8080`, `:8080` as Go writes it, or `0` for nowhere.
fn bind_address(text: &str) -> Result<Bind, String> {
    if text == "0" {
        return Ok(Bind(None));
    }
    let full = if text.starts_with(':') { format!("0.0.0.0{text}") } else { text.to_owned() };
    full.parse()
        .map(|address| Bind(Some(address)))
        .map_err(|_| "expected an address such as 0.0.0.0:8080 or [::1]:8080, or 0 for nowhere".into())
}

/// Most passes at once that can be asked for: each may hold an answer of Prometheus in memory.
const MAX_CONCURRENCY: usize = 10_000;

fn concurrency(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(passes) if (1..=MAX_CONCURRENCY).contains(&passes) => Ok(passes),
        _ => Err(format!("expected a number from 1 to {MAX_CONCURRENCY}")),
    }
}

/// Runs the operator until SIGTERM or SIGINT.
///
/// # Errors
/// Where it cannot start, or a part of it that it cannot do without has ended.
pub async fn run(args: RunArgs) -> anyhow::Result<()> {
    // In full, so that a flag that nobody uses does not compile.
    let RunArgs {
        prometheus_url,
        allowed_prometheus_hosts,
        pod_metrics,
        metrics_bind_address,
        health_probe_bind_address,
        watch_namespace,
        concurrency,
        log_level,
        log_format,
        leader_elect,
        kubeconfig,
        context,
    } = args;
    logs::start(&log_level, log_format).map_err(|error| UsageError(error.to_string()))?;
    if leader_elect {
        let why = "--leader-elect is not built yet; run a single replica without it";
        return Err(UsageError(why.into()).into());
    }
    let (of_flag, way_of_flag) = of_flag(prometheus_url.as_deref())?;
    let (sources, refusals) = Registry::new(HttpConnector, of_flag);
    let choose = sources.pod_usages(way_of_flag);
    let usages = pod_metrics.usages(watch_namespace.as_deref(), choose)?;
    let metrics = Arc::new(Metrics::new());
    let config = configuration(kubeconfig.as_deref(), context.as_deref()).await?;
    let observed = metrics.clone();
    let observe: RequestObserver = Arc::new(move |method| observed.api_requested(method));
    let clients = Clients::connect(&config, &observe).context("the API server's client could not be made")?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        kubernetes = %config.cluster_url,
        namespace = watch_namespace.as_deref().unwrap_or("*"),
        pod_metrics = if usages.is_some() { "prometheus" } else { "metrics-api" },
        concurrency,
        "Starting"
    );
    let cancel = CancellationToken::new();
    let reported = sources.clone();
    metrics.sources.watch_all(move || reported.activities());
    let hosts = (!allowed_prometheus_hosts.is_empty()).then(|| allowed_prometheus_hosts.into());
    let keeper = SourceKeeper::new(
        (clients.clone(), SystemClock),
        (sources.clone(), refusals),
        SourceSettings { namespace: watch_namespace.clone(), allowance: Allowance { hosts }, instance: instance() },
    );
    let settings = Settings { namespace: watch_namespace, concurrency, instance: instance() };
    let policies = clients.reads.clone();
    let controller = Controller::new((clients, sources.clone(), SystemClock), metrics.clone(), settings)
        .with_pod_usages(usages)
        .with_ready(sources.ready());
    let servers =
        Servers::start(metrics, controller.health(), (metrics_bind_address, health_probe_bind_address)).await?;
    cancel_on_signal(cancel.clone())?;
    let keeping = tokio::spawn(keeper.run(cancel.clone()));
    tokio::select! {
        () = sources.settle() => {}
        () = cancel.cancelled() => {}
    }
    let loops = async {
        controller.run(policies, cancel.clone()).await?;
        cancel.cancel();
        Ok::<_, anyhow::Error>(())
    };
    // Without its keeper the registry would grow old unnoticed.
    let kept = async { keeping.await.context("the keeper of Prometheus sources ended") };
    tokio::try_join!(loops, kept)?;
    servers.stop().await;
    tracing::info!("Stopped");
    Ok(())
}

/// What the flag's address makes: a source of queries, and the way for usage of pods, whose answers are larger.
fn of_flag(url: Option<&str>) -> Result<(Option<PrometheusSource<HttpTransport>>, Option<Way>), UsageError> {
    let usage_error = |error: InvalidConnection| UsageError(error.to_string());
    let source = url.map(|url| PrometheusSource::connect(url, Limits::default())).transpose().map_err(usage_error)?;
    let way = url.map(|url| transport_of_flag(url, usage::limits()).map(Way::through)).transpose();
    Ok((source, way.map_err(usage_error)?))
}

fn cancel_on_signal(cancel: CancellationToken) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        cancel.cancel();
    });
    Ok(())
}

/// The name of this process in events: the pod's name, where Kubernetes tells it.
fn instance() -> String {
    std::env::var("POD_NAME").or_else(|_| std::env::var("HOSTNAME")).unwrap_or_else(|_| "flyball".into())
}

/// The HTTP servers that run beside the loop.
struct Servers {
    cancel: CancellationToken,
    tasks: Vec<tokio::task::JoinHandle<std::io::Result<()>>>,
}

/// How long open connections may take to end: a scrape, not a download.
const SERVERS_STOP_WITHIN: Duration = Duration::from_secs(2);

impl Servers {
    async fn start(
        metrics: Arc<Metrics>,
        health: Arc<http::Health>,
        (metrics_address, health_address): (Bind, Bind),
    ) -> anyhow::Result<Self> {
        let mut servers = Self { cancel: CancellationToken::new(), tasks: Vec::new() };
        if let Bind(Some(address)) = metrics_address {
            let listener = http::listen("--metrics-bind-address", address).await?;
            servers.tasks.push(tokio::spawn(http::serve_metrics(listener, metrics, servers.cancel.clone())));
        }
        if let Bind(Some(address)) = health_address {
            let listener = http::listen("--health-probe-bind-address", address).await?;
            servers.tasks.push(tokio::spawn(http::serve_health(listener, health, servers.cancel.clone())));
        }
        Ok(servers)
    }

    async fn stop(self) {
        self.cancel.cancel();
        for task in self.tasks {
            let _ended_or_abandoned = tokio::time::timeout(SERVERS_STOP_WITHIN, task).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bind_addresses_as_people_write_them() {
        for (text, expected) in [
            ("0", Some(None)),
            (":8080", Some(Some("0.0.0.0:8080"))),
            ("127.0.0.1:9090", Some(Some("127.0.0.1:9090"))),
            ("[::1]:80", Some(Some("[::1]:80"))),
            ("8080", None),
            ("localhost:80", None),
        ] {
            let parsed = bind_address(text).ok().map(|bind| bind.0);
            assert_eq!(parsed, expected.map(|address| address.map(|address| address.parse().unwrap())), "{text}");
        }
    }
}
