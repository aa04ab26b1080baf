//! Where the programs are. Looks, and never builds unless it was asked to.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::build;

/// The variable that turns "ignored where missing" into "built where missing, else failed".
const MODE_VARIABLE: &str = "FLYBALL_CONTROL_PLANE";
/// The one command that brings what is missing.
pub(crate) const COMMAND: &str = "FLYBALL_CONTROL_PLANE=required cargo test";

/// A program that a test may need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Program {
    /// The store behind kube-apiserver.
    Etcd,
    /// The Kubernetes API.
    KubeApiserver,
    /// What users type.
    Kubectl,
    /// Deployments and ReplicaSets come alive with it.
    KubeControllerManager,
    /// Makes pods run and get ready where no kubelet is.
    Kwok,
    /// Scrapes and answers PromQL; Debian's package `prometheus`.
    Prometheus,
}

impl Program {
    /// What a Kubernetes API with its command line needs, and what users of envtest have in `KUBEBUILDER_ASSETS`.
    pub(crate) const API: [Self; 3] = [Self::Etcd, Self::KubeApiserver, Self::Kubectl];

    /// The file name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::KubeApiserver => "kube-apiserver",
            Self::Kubectl => "kubectl",
            Self::KubeControllerManager => "kube-controller-manager",
            Self::Kwok => "kwok",
            Self::Prometheus => "prometheus",
        }
    }
}

/// The programs that were asked for, each at its path.
#[derive(Debug, Clone, Default)]
pub(crate) struct Assets {
    programs: BTreeMap<Program, PathBuf>,
}

impl Assets {
    /// Where `program` is, if it was asked for.
    pub(crate) fn path(&self, program: Program) -> Option<&Path> {
        self.programs.get(&program).map(PathBuf::as_path)
    }
}

/// Why a test cannot run here.
#[derive(Debug, Clone)]
pub(crate) struct Unavailable {
    /// One sentence.
    pub(crate) reason: String,
    /// The command that brings it.
    pub(crate) command: &'static str,
    /// Whether the caller demanded it: then the test fails instead of being ignored.
    pub(crate) required: bool,
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

/// The programs in `needs`, from `KUBEBUILDER_ASSETS`, else the cache, else `PATH` (Prometheus only).
///
/// # Errors
/// When one is missing and was not asked to be built, or could not be built.
pub(crate) fn availability(needs: &[Program]) -> Result<Assets, Unavailable> {
    let required = std::env::var(MODE_VARIABLE).is_ok_and(|mode| mode == "required");
    let unavailable = |reason| Unavailable { reason, command: COMMAND, required };
    let mut assets = Assets::default();
    for &program in needs {
        let path = match find(program) {
            Some(path) => path,
            None if required => build::provide(program).map_err(unavailable)?,
            None => return Err(unavailable(missing(program))),
        };
        assets.programs.insert(program, path);
    }
    Ok(assets)
}

/// Why `program` is not there; short, since the test runner prints it beside each test.
fn missing(program: Program) -> String {
    let place = if program == Program::Prometheus { "PATH" } else { "KUBEBUILDER_ASSETS or the cache" };
    format!("no {} in {place}", program.name())
}

/// The path of `program`, where it is of use.
pub(crate) fn find(program: Program) -> Option<PathBuf> {
    if program == Program::Prometheus {
        return in_path(program.name());
    }
    if let Some(assets) = std::env::var_os("KUBEBUILDER_ASSETS").filter(|folder| !folder.is_empty()) {
        let path = PathBuf::from(assets).join(program.name());
        if path.is_file() {
            return Some(path);
        }
    }
    let path = cache_directory()?.join(program.name());
    (path.is_file() && build::is_pinned_version(program, &path)).then_some(path)
}

/// The first `name` in `PATH`.
pub(crate) fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Where built programs are kept between runs: the user's cache, so that every checkout shares it.
pub(crate) fn cache_directory() -> Option<PathBuf> {
    let non_empty = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = non_empty("XDG_CACHE_HOME").or_else(|| non_empty("HOME").map(|home| home.join(".cache")))?;
    Some(cache.join("flyball").join("control-plane"))
}
