//! Builds what is missing into the cache with Go, from the pinned modules in `tools/control-plane/`. No container engine is needed.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::assets::{Program, cache_directory, find, in_path};

/// The Kubernetes release; the same as in `tools/control-plane/kubernetes/go.mod`.
const KUBERNETES_VERSION: &str = "v1.36.3";
/// The etcd release; the same as in `tools/control-plane/etcd/go.mod`.
const ETCD_VERSION: &str = "v3.6.5";

/// The kwok release; the same as in `tools/control-plane/kwok/go.mod`.
const KWOK_VERSION: &str = "v0.8.0";

/// What to compile for one program.
struct Recipe {
    /// The folder under `tools/control-plane/` whose go.mod and go.sum pin every dependency.
    module: &'static str,
    /// The main package.
    package: &'static str,
    /// What `go install` names the result, where it is not the program's name.
    installed_as: &'static str,
    /// The version that the result is.
    version: &'static str,
}

fn recipe(program: Program) -> Option<Recipe> {
    let kubernetes =
        |package, installed_as| Recipe { module: "kubernetes", package, installed_as, version: KUBERNETES_VERSION };
    match program {
        Program::Etcd => Some(Recipe {
            module: "etcd",
            package: "go.etcd.io/etcd/server/v3",
            installed_as: "server",
            version: ETCD_VERSION,
        }),
        Program::KubeApiserver => Some(kubernetes("k8s.io/kubernetes/cmd/kube-apiserver", "kube-apiserver")),
        Program::Kubectl => Some(kubernetes("k8s.io/kubernetes/cmd/kubectl", "kubectl")),
        Program::KubeControllerManager => {
            Some(kubernetes("k8s.io/kubernetes/cmd/kube-controller-manager", "kube-controller-manager"))
        }
        Program::Kwok => Some(Recipe {
            module: "kwok",
            package: "sigs.k8s.io/kwok/cmd/kwok",
            installed_as: "kwok",
            version: KWOK_VERSION,
        }),
        Program::Prometheus => None,
    }
}

/// Whether the file in the cache is of the pinned version. A file without a note beside it was put there by hand and is taken as it is.
pub(crate) fn is_pinned_version(program: Program, path: &Path) -> bool {
    let Some(recipe) = recipe(program) else { return true };
    fs::read_to_string(path.with_extension("version")).map_or(true, |noted| noted.trim() == recipe.version)
}

/// Builds `program` into the cache and returns its path. Several test binaries may ask at once: the first builds, the others wait.
///
/// # Errors
/// One sentence: what is missing, or that the build failed (whose own words went to stderr).
pub(crate) fn provide(program: Program) -> Result<PathBuf, String> {
    let name = program.name();
    let Some(recipe) = recipe(program) else {
        return Err(format!("{name} is required and not in PATH; on Debian: apt-get install prometheus"));
    };
    let cache =
        cache_directory().ok_or("neither XDG_CACHE_HOME nor HOME is set, so there is no cache to build into")?;
    let failed = |what: &str, error: std::io::Error| format!("{what} in {}: {error}", cache.display());
    fs::create_dir_all(&cache).map_err(|error| failed("cannot make the cache", error))?;
    let lock = File::create(cache.join("lock")).map_err(|error| failed("cannot make the lock", error))?;
    lock.lock().map_err(|error| failed("cannot take the lock", error))?;
    if let Some(path) = find(program) {
        return Ok(path);
    }
    let go = go().ok_or_else(|| {
        format!("building {name} {} needs Go 1.26 or newer in PATH: see https://go.dev/doc/install", recipe.version)
    })?;
    let staging = tempfile::tempdir_in(&cache).map_err(|error| failed("cannot make a folder", error))?;
    compile(&go, &recipe, staging.path(), name)?;
    let path = cache.join(name);
    fs::write(path.with_extension("version"), recipe.version)
        .map_err(|error| failed("cannot note the version", error))?;
    fs::rename(staging.path().join(recipe.installed_as), &path)
        .map_err(|error| failed("cannot keep the program", error))?;
    eprintln!("flyball: {name} {} is now in {}", recipe.version, cache.display());
    Ok(path)
}

/// Go from `PATH`, else where its installer puts it.
fn go() -> Option<PathBuf> {
    in_path("go").or_else(|| Some(PathBuf::from("/usr/local/go/bin/go")).filter(|go| go.is_file()))
}

/// Runs `go install` for one package, its progress going to stderr.
fn compile(go: &Path, recipe: &Recipe, into: &Path, name: &str) -> Result<(), String> {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/control-plane").join(recipe.module);
    eprintln!(
        "flyball: building {name} {} with Go; the first build downloads its modules and takes minutes",
        recipe.version
    );
    let status = Command::new(go)
        .args(["install", "-v", "-mod=readonly", "-buildvcs=false", "-ldflags", &linker_flags(recipe), recipe.package])
        .current_dir(&module)
        .env("CGO_ENABLED", "0")
        .env("GOBIN", OsStr::new(into))
        .env_remove("GOFLAGS")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .map_err(|error| format!("cannot run {}: {error}", go.display()))?;
    if status.success() {
        return Ok(());
    }
    Err(format!("building {name} {} failed ({status}); Go's own words are above", recipe.version))
}

/// Strips symbols, and tells Kubernetes its version: without it the server says v0.0.0 and clients refuse features.
fn linker_flags(recipe: &Recipe) -> String {
    let version = recipe.version;
    if recipe.module != "kubernetes" {
        return "-s -w".to_owned();
    }
    let mut parts = version.trim_start_matches('v').split('.');
    let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let variable = "-X k8s.io/component-base/version";
    format!("-s -w {variable}.gitVersion={version} {variable}.gitMajor={major} {variable}.gitMinor={minor}")
}
