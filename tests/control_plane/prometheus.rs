//! A Prometheus of the test's own: free port, fresh data, the targets that the test names.

use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use super::assets::{Assets, Program};
use super::launch::{StartError, install_tls_provider};
use super::process::{POLL, Process, free_port};

/// It replays nothing and is ready in well under a second; a busy machine gets a minute.
const READY_DEADLINE: Duration = Duration::from_secs(60);

/// A running (or stopped) Prometheus.
#[derive(Debug)]
pub(crate) struct Prometheus {
    process: Option<Process>,
    program: PathBuf,
    port: u16,
    folder: TempDir,
}

impl Prometheus {
    /// Starts one that scrapes `targets` (`HOST:PORT`, path `/metrics`) every `interval`.
    pub(crate) async fn start(assets: &Assets, targets: &[String], interval: Duration) -> Result<Self, StartError> {
        // The HTTP client insists on one, though nothing here is encrypted.
        install_tls_provider();
        let program = assets.path(Program::Prometheus).ok_or(StartError::NotAsked("prometheus"))?.to_owned();
        let folder = tempfile::tempdir()?;
        let config = serde_json::json!({
            "global": {"scrape_interval": format!("{}ms", interval.as_millis()), "scrape_timeout": format!("{}ms", interval.as_millis())},
            "scrape_configs": [{"job_name": "test", "static_configs": [{"targets": targets}]}],
        });
        // JSON is YAML.
        std::fs::write(folder.path().join("prometheus.yml"), config.to_string())?;
        let mut prometheus = Self { process: None, program, port: free_port()?, folder };
        prometheus.restart().await?;
        Ok(prometheus)
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Kills it. Its port then refuses connections.
    pub(crate) fn stop(&mut self) {
        self.process = None;
    }

    /// Starts it again on the same port and data, and waits until it answers.
    pub(crate) async fn restart(&mut self) -> Result<(), StartError> {
        self.stop();
        let folder = self.folder.path();
        let arguments = [
            format!("--config.file={}", folder.join("prometheus.yml").display()),
            format!("--storage.tsdb.path={}", folder.join("data").display()),
            format!("--web.listen-address=127.0.0.1:{}", self.port),
            "--log.level=warn".to_owned(),
        ];
        let mut process = Process::start(&self.program, &arguments, &[], folder)?;
        let url = format!("{}/-/ready", self.url());
        let ready = async {
            loop {
                if process.ended().is_some() {
                    return false;
                }
                if reqwest::get(&url).await.is_ok_and(|answer| answer.status().is_success()) {
                    return true;
                }
                tokio::time::sleep(POLL).await;
            }
        };
        let ready = tokio::time::timeout(READY_DEADLINE, ready).await.unwrap_or(false);
        if !ready {
            return Err(StartError::NotReady { program: "prometheus", log: process.log_tail() });
        }
        self.process = Some(process);
        Ok(())
    }

    /// The value of an instant query that yields one series, if there is one.
    pub(crate) async fn query(&self, promql: &str) -> Option<f64> {
        let url = url::Url::parse_with_params(&format!("{}/api/v1/query", self.url()), [("query", promql)]).ok()?;
        let body: serde_json::Value =
            serde_json::from_slice(&reqwest::get(url).await.ok()?.bytes().await.ok()?).ok()?;
        body.pointer("/data/result/0/value/1")?.as_str()?.parse().ok()
    }
}
