//! Who is asked: a real Prometheus with the data in a block of its own, or the sandbox's.

use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use libtest_mimic::Failed;
use tempfile::TempDir;

use crate::control_plane::{Assets, Process, Program, Unavailable, availability, free_port};
use crate::data::{NOW_SECONDS, open_metrics, series};

/// It is ready in well under a second; a busy machine gets a minute.
const READY_DEADLINE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);

/// Prometheus, with the tool that makes blocks beside it.
pub(crate) fn programs() -> Result<Assets, Unavailable> {
    let assets = availability(&[Program::Prometheus])?;
    let tool = assets.path(Program::Prometheus).map(|path| path.with_file_name("promtool"));
    if tool.is_some_and(|tool| tool.is_file()) {
        return Ok(assets);
    }
    let (reason, required) =
        ("no promtool beside prometheus".to_owned(), std::env::var_os("FLYBALL_CONTROL_PLANE").is_some());
    Err(Unavailable { reason, command: "apt-get install prometheus", required })
}

/// What answers queries.
pub(crate) enum Server {
    /// A child process.
    Real { url: String, client: reqwest::Client, process: Process, _folder: TempDir },
    /// In process.
    #[cfg(feature = "sandbox")]
    Sandbox(flyball::sandbox::prometheus::Prometheus),
}

impl Server {
    pub(crate) async fn real(assets: &Assets) -> Result<Self, Failed> {
        flyball::sources::prometheus::install_tls_provider();
        let program = assets.path(Program::Prometheus).ok_or("prometheus was not asked for")?;
        let folder = tempfile::tempdir()?;
        let (input, data) = (folder.path().join("input.txt"), folder.path().join("data"));
        std::fs::write(&input, open_metrics(&series()))?;
        let import = Command::new(program.with_file_name("promtool"))
            .args(["tsdb", "create-blocks-from", "openmetrics"])
            .args([&input, &data])
            .output()?;
        if !import.status.success() {
            return Err(format!("promtool: {}", String::from_utf8_lossy(&import.stderr)).into());
        }
        let config = folder.path().join("prometheus.yml");
        std::fs::write(&config, "{}\n")?;
        let port = free_port()?;
        let arguments = [
            format!("--config.file={}", config.display()),
            format!("--storage.tsdb.path={}", data.display()),
            "--storage.tsdb.retention.time=100y".to_owned(),
            format!("--web.listen-address=127.0.0.1:{port}"),
            "--log.level=warn".to_owned(),
        ];
        let mut process = Process::start(program, &arguments, &[], folder.path())?;
        let (url, client) = (format!("http://127.0.0.1:{port}"), reqwest::Client::new());
        let ready = async {
            loop {
                if process.ended().is_some() {
                    return false;
                }
                let answer = client.get(format!("{url}/-/ready")).send().await;
                if answer.is_ok_and(|answer| answer.status().is_success()) {
                    return true;
                }
                tokio::time::sleep(POLL).await;
            }
        };
        if !tokio::time::timeout(READY_DEADLINE, ready).await.unwrap_or(false) {
            return Err(format!("prometheus is not ready: {}", process.log_tail()).into());
        }
        Ok(Self::Real { url, client, process, _folder: folder })
    }

    #[cfg(feature = "sandbox")]
    pub(crate) fn sandbox() -> Self {
        use flyball::engine::Timestamp;
        let prometheus = flyball::sandbox::prometheus::Prometheus::new(flyball::sandbox::SimClock::new());
        for series in series() {
            for (at, value) in series.samples {
                prometheus.record(series.name, &series.labels, (value, Timestamp::from_millis(at * 1000)));
            }
        }
        Self::Sandbox(prometheus)
    }

    /// The body that answers `promql`, or why it was refused.
    pub(crate) async fn ask(&self, promql: &str) -> Result<Result<Bytes, String>, Failed> {
        let (refused, body) = match self {
            Self::Real { url, client, process, .. } => {
                let now = NOW_SECONDS.to_string();
                let form = client.post(format!("{url}/api/v1/query")).form(&[("query", promql), ("time", &now)]);
                let answer = form.send().await.map_err(|error| format!("{error}: {}", process.log_tail()))?;
                (!answer.status().is_success(), answer.bytes().await?)
            }
            #[cfg(feature = "sandbox")]
            Self::Sandbox(prometheus) => {
                let now = flyball::engine::Timestamp::from_millis(NOW_SECONDS * 1000);
                let (status, body) = prometheus.answer(promql, now).await;
                (status != 200, body)
            }
        };
        Ok(if refused { Err(String::from_utf8_lossy(&body).into_owned()) } else { Ok(body) })
    }
}
