//! One control plane for all tests of a binary, started by the first that needs it.

use std::sync::{Arc, OnceLock};

use libtest_mimic::Failed;
use tokio::runtime::Runtime;

use super::assets::Assets;
use super::launch::{ControlPlane, Options};

/// Drop the last handle before the process exits: then the programs end in their proper order.
#[derive(Debug)]
pub(crate) struct Shared {
    options: Options,
    plane: OnceLock<Result<ControlPlane, String>>,
    definitions: OnceLock<Result<(), String>>,
    // Declared last, so dropped last: what runs on it is gone by then.
    runtime: Runtime,
}

impl Shared {
    /// Starts nothing yet.
    pub(crate) fn new(options: Options) -> std::io::Result<Arc<Self>> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        Ok(Arc::new(Self { options, plane: OnceLock::new(), definitions: OnceLock::new(), runtime }))
    }

    /// The control plane. Where it did not start, every test that needs it fails with the reason.
    pub(crate) fn plane(&self, assets: &Assets) -> Result<&ControlPlane, Failed> {
        let start = || {
            let plane = self.runtime.block_on(ControlPlane::start(assets, self.options));
            plane.map_err(|error| error.to_string())
        };
        self.plane.get_or_init(start).as_ref().map_err(Failed::from)
    }

    /// The control plane with `crds/` installed, as a user does it.
    pub(crate) fn plane_with_definitions(&self, assets: &Assets) -> Result<&ControlPlane, Failed> {
        let plane = self.plane(assets)?;
        self.definitions.get_or_init(|| install_definitions(plane)).as_ref().map_err(Failed::from)?;
        Ok(plane)
    }

    /// Runs a test's asynchronous part.
    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }
}

fn install_definitions(plane: &ControlPlane) -> Result<(), String> {
    let apply = ["apply", "-f", concat!(env!("CARGO_MANIFEST_DIR"), "/crds")];
    let wait = ["wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"];
    for arguments in [&apply[..], &wait[..]] {
        let output = plane.kubectl(arguments).map_err(|error| format!("cannot run kubectl: {error}"))?;
        if !output.status.success() {
            return Err(format!("kubectl {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr)));
        }
    }
    Ok(())
}
