//! Starts etcd and kube-apiserver, with kube-controller-manager on request, and ends them in the order that they need.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use k8s_openapi::api::core::v1::Node;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::PostParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::json;
use tempfile::TempDir;

use super::assets::{Assets, Program};
use super::process::{POLL, Process, free_port};

/// From start to `/readyz` is 3.5 s on an idle machine of two cores; a busy one gets two minutes.
const READY_DEADLINE: Duration = Duration::from_secs(120);
/// A port that was free may be taken before the server binds it; then everything starts once more, with other ports.
const ATTEMPTS: u32 = 3;
/// The token of `admin`, who is in `system:masters`. It is good for a server on loopback that lives as long as a test.
const ADMIN_TOKEN: &str = "flyball-test-admin";
/// The node whose pods kwok keeps; a pod that is to run names it.
pub(crate) const FAKE_NODE: &str = "fake";
/// What kwok does to them.
const KWOK_STAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tools/control-plane/kwok/stages.yaml");
/// What stops a command against a server that does not answer.
const KUBECTL_TIMEOUT: &str = "--request-timeout=30s";

/// Which controllers run beside the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Controllers {
    /// None: `/scale` works, no pods are made.
    #[default]
    None,
    /// Deployments make ReplicaSets, these make pods (which nothing runs), what is deleted goes with what it owns.
    Workloads,
    /// HorizontalPodAutoscalers act, once a second; pods are admitted, and nothing makes any.
    HorizontalPodAutoscaler,
    /// The same over Deployments whose pods run and get ready on a fake node, kept by kwok.
    RunningPods {
        /// How often HorizontalPodAutoscalers are looked at.
        sync_seconds: u32,
    },
}

impl Controllers {
    /// What kube-controller-manager is told beyond how to reach the API; `None` where it is not needed.
    fn arguments(self) -> Option<Vec<String>> {
        let arguments: &[&str] = match self {
            Self::None => return None,
            Self::Workloads => &[
                "--controllers=deployment-controller,replicaset-controller,statefulset-controller,serviceaccount-controller,\
                 garbage-collector-controller,namespace-controller",
            ],
            Self::HorizontalPodAutoscaler => &[
                "--controllers=horizontal-pod-autoscaler-controller,serviceaccount-controller",
                "--horizontal-pod-autoscaler-sync-period=1s",
                // Its workers wait for the metrics of one object after the other; with enough of them the period stays what it is.
                "--concurrent-horizontal-pod-autoscaler-syncs=32",
            ],
            Self::RunningPods { .. } => &[
                "--controllers=horizontal-pod-autoscaler-controller,deployment-controller,replicaset-controller,serviceaccount-controller",
                "--concurrent-horizontal-pod-autoscaler-syncs=32",
            ],
        };
        let mut arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        if let Self::RunningPods { sync_seconds } = self {
            arguments.push(format!("--horizontal-pod-autoscaler-sync-period={sync_seconds}s"));
        }
        Some(arguments)
    }
}

/// What to start.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Options {
    /// The controllers beside the API.
    pub(crate) controllers: Controllers,
}

impl Options {
    /// The programs that these options need.
    pub(crate) fn programs(self) -> Vec<Program> {
        let mut programs = Program::API.to_vec();
        if self.controllers != Controllers::None {
            programs.push(Program::KubeControllerManager);
        }
        if let Controllers::RunningPods { .. } = self.controllers {
            programs.push(Program::Kwok);
        }
        programs
    }
}

/// Why something did not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// The test did not ask for the program.
    #[error("{0} is not among the programs that this test asked `availability` for")]
    NotAsked(&'static str),
    /// A file, a port or a process.
    #[error("cannot prepare or start a program: {0}")]
    Io(#[from] io::Error),
    /// It ended, or did not answer within its deadline.
    #[error("{program} did not become ready\n{log}")]
    NotReady {
        /// Its name.
        program: &'static str,
        /// The end of its log.
        log: String,
    },
    /// The client for it could not be made.
    #[error("cannot make a client: {0}")]
    Client(#[from] kube::Error),
    /// The kubeconfig that was written is not understood.
    #[error("cannot use the kubeconfig: {0}")]
    Kubeconfig(#[from] kube::config::KubeconfigError),
}

/// A running control plane. Its fields are dropped in this order: what uses the API first, etcd last, the data after them.
/// (kube-apiserver waits for an etcd that is gone, and keeps its port.)
#[derive(Debug)]
pub(crate) struct ControlPlane {
    kwok: Option<Process>,
    controllers: Option<Process>,
    apiserver: Process,
    etcd: Process,
    kubectl: PathBuf,
    port: u16,
    folder: TempDir,
}

impl ControlPlane {
    /// Starts one with fresh data on free ports of loopback, and returns once it is ready.
    ///
    /// # Errors
    /// With the end of the log of the program that did not become ready.
    pub(crate) async fn start(assets: &Assets, options: Options) -> Result<Self, StartError> {
        install_tls_provider();
        let mut plane = Self::start_api(assets).await;
        for _ in 1..ATTEMPTS {
            if plane.is_ok() {
                break;
            }
            plane = Self::start_api(assets).await;
        }
        let mut plane = plane?;
        if let Some(arguments) = options.controllers.arguments() {
            plane.start_controllers(assets, arguments)?;
        }
        if let Controllers::RunningPods { .. } = options.controllers {
            plane.start_kwok(assets).await?;
        }
        Ok(plane)
    }

    async fn start_api(assets: &Assets) -> Result<Self, StartError> {
        let folder = tempfile::tempdir()?;
        let (etcd, etcd_url) = start_etcd(assets, folder.path())?;
        let port = free_port()?;
        let arguments = apiserver_arguments(folder.path(), &etcd_url, port)?;
        let apiserver = Process::start(path(assets, Program::KubeApiserver)?, &arguments, &[], folder.path())?;
        let kubectl = path(assets, Program::Kubectl)?.to_owned();
        let mut plane = Self { kwok: None, controllers: None, apiserver, etcd, kubectl, port, folder };
        plane.write_kubeconfig()?;
        if tokio::time::timeout(READY_DEADLINE, plane.ready()).await.unwrap_or(false) {
            return Ok(plane);
        }
        let log = format!("{}\n{}", plane.etcd.log_tail(), plane.apiserver.log_tail());
        Err(StartError::NotReady { program: "kube-apiserver", log })
    }

    /// Waits for `/readyz`; false when a program ended instead.
    async fn ready(&mut self) -> bool {
        loop {
            if self.apiserver.ended().is_some() || self.etcd.ended().is_some() {
                return false;
            }
            // The client needs the certificate that the server writes when it starts.
            if let (Ok(client), Ok(request)) = (self.client().await, http::Request::get("/readyz").body(Vec::new()))
                && client.request_text(request).await.is_ok_and(|answer| answer == "ok")
            {
                return true;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn start_controllers(&mut self, assets: &Assets, mut arguments: Vec<String>) -> Result<(), StartError> {
        arguments.extend([
            format!("--kubeconfig={}", self.kubeconfig().display()),
            "--leader-elect=false".to_owned(),
            "--secure-port=0".to_owned(),
            format!("--service-account-private-key-file={}", self.folder.path().join("certs/apiserver.key").display()),
            "--use-service-account-credentials=false".to_owned(),
            "--kube-api-qps=2000".to_owned(),
            "--kube-api-burst=4000".to_owned(),
        ]);
        let program = path(assets, Program::KubeControllerManager)?;
        self.controllers = Some(Process::start(program, &arguments, &[], self.folder.path())?);
        Ok(())
    }

    /// Makes the fake node, whose pods kwok then keeps. Nothing schedules here: pods name the node themselves.
    async fn start_kwok(&mut self, assets: &Assets) -> Result<(), StartError> {
        let nodes: Api<Node> = Api::all(self.client().await?);
        let node = Node {
            metadata: ObjectMeta { name: Some(FAKE_NODE.to_owned()), ..ObjectMeta::default() },
            ..Node::default()
        };
        nodes.create(&PostParams::default(), &node).await?;
        let arguments = [
            format!("--kubeconfig={}", self.kubeconfig().display()),
            format!("--config={KWOK_STAGES}"),
            format!("--manage-single-node={FAKE_NODE}"),
            "--node-lease-duration-seconds=0".to_owned(),
            format!("--server-address=127.0.0.1:{}", free_port()?),
        ];
        self.kwok = Some(Process::start(path(assets, Program::Kwok)?, &arguments, &[], self.folder.path())?);
        Ok(())
    }

    /// The file that `KUBECONFIG` names; its user is admin.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig.yaml")
    }

    /// The certificate that the server made for itself on loopback, and its key: good for another server of the test.
    pub(crate) fn serving_certificate(&self) -> (PathBuf, PathBuf) {
        let certificates = self.folder.path().join("certs");
        (certificates.join("apiserver.crt"), certificates.join("apiserver.key"))
    }

    /// Trusts the certificate that the server made for itself.
    fn write_kubeconfig(&self) -> io::Result<()> {
        let content = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {
                "server": format!("https://127.0.0.1:{}", self.port),
                "certificate-authority": self.folder.path().join("certs/apiserver.crt"),
            }}],
            "users": [{"name": "admin", "user": {"token": ADMIN_TOKEN}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
        });
        // JSON is YAML.
        std::fs::write(self.kubeconfig(), content.to_string())
    }

    /// An admin's client.
    pub(crate) async fn client(&self) -> Result<Client, StartError> {
        let kubeconfig = Kubeconfig::read_from(self.kubeconfig())?;
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        Ok(Client::try_from(config)?)
    }

    /// Runs kubectl as admin, to its end.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> io::Result<Output> {
        self.kubectl_command(arguments).output()
    }

    /// Runs kubectl as admin with `manifest` as its input.
    pub(crate) fn kubectl_with_input(&self, arguments: &[&str], manifest: &str) -> io::Result<Output> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), manifest)?;
        self.kubectl_command(arguments).stdin(file.reopen()?).output()
    }

    fn kubectl_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.kubectl);
        command
            .arg(KUBECTL_TIMEOUT)
            .args(arguments)
            .env("KUBECONFIG", self.kubeconfig())
            // Discovery is cached here, so that no home is needed and nothing is left behind.
            .env("KUBECACHEDIR", self.folder.path().join("kubectl-cache"))
            .stdin(std::process::Stdio::null());
        command
    }

    /// The ends of all logs, for a test that failed.
    pub(crate) fn logs(&self) -> String {
        let controllers = self.controllers.as_ref().map(Process::log_tail).unwrap_or_default();
        let kwok = self.kwok.as_ref().map(Process::log_tail).unwrap_or_default();
        format!("{}\n{}\n{controllers}\n{kwok}", self.etcd.log_tail(), self.apiserver.log_tail())
    }
}

/// rustls takes one provider per process; the second call changes nothing.
pub(super) fn install_tls_provider() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn path(assets: &Assets, program: Program) -> Result<&Path, StartError> {
    assets.path(program).ok_or(StartError::NotAsked(program.name()))
}

/// Starts etcd and returns it with its URL. It forgets everything in a crash (`--unsafe-no-fsync`), which is all a test needs.
fn start_etcd(assets: &Assets, folder: &Path) -> Result<(Process, String), StartError> {
    let url = format!("http://127.0.0.1:{}", free_port()?);
    let peer_url = format!("http://127.0.0.1:{}", free_port()?);
    let arguments = [
        format!("--data-dir={}", folder.join("etcd").display()),
        format!("--listen-client-urls={url}"),
        format!("--advertise-client-urls={url}"),
        format!("--listen-peer-urls={peer_url}"),
        format!("--initial-advertise-peer-urls={peer_url}"),
        format!("--initial-cluster=default={peer_url}"),
        "--unsafe-no-fsync".to_owned(),
        "--log-level=warn".to_owned(),
    ];
    Ok((Process::start(path(assets, Program::Etcd)?, &arguments, &[], folder)?, url))
}

/// Writes the token file, and the key that signs service-account tokens, and returns the command line.
fn apiserver_arguments(folder: &Path, etcd_url: &str, port: u16) -> io::Result<Vec<String>> {
    let certificates = folder.join("certs");
    std::fs::create_dir_all(&certificates)?;
    let tokens = folder.join("tokens.csv");
    std::fs::write(&tokens, format!("{ADMIN_TOKEN},admin,admin,\"system:masters\"\n"))?;
    // The server makes this key for its own certificate before it reads the ones for tokens.
    let key = certificates.join("apiserver.key");
    Ok(vec![
        format!("--etcd-servers={etcd_url}"),
        format!("--cert-dir={}", certificates.display()),
        "--bind-address=127.0.0.1".to_owned(),
        "--advertise-address=127.0.0.1".to_owned(),
        "--endpoint-reconciler-type=none".to_owned(),
        format!("--secure-port={port}"),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        format!("--service-account-key-file={}", key.display()),
        format!("--service-account-signing-key-file={}", key.display()),
        format!("--token-auth-file={}", tokens.display()),
        "--authorization-mode=RBAC".to_owned(),
        "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
    ])
}
