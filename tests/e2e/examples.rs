//! The files in `examples/` on a real API server: accepted as they are, since that is how users begin.

use std::path::Path;
use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use serde_json::json;

use crate::control_plane::{ControlPlane, Controllers, Options, Shared, availability, trial};
use crate::support::{apply, succeed};

/// All trials of this file.
pub(crate) fn trials(shared: &Arc<Shared>) -> Vec<Trial> {
    let plane = availability(&Options { controllers: Controllers::Workloads }.programs());
    let shared = Arc::clone(shared);
    vec![trial("examples::each_is_accepted_as_it_is", &plane, move |assets| {
        each_is_accepted_as_it_is(shared.plane_with_definitions(assets)?)
    })]
}

fn each_is_accepted_as_it_is(plane: &ControlPlane) -> Result<(), Failed> {
    apply(plane, &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}))?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut examples = 0;
    for entry in std::fs::read_dir(&folder).map_err(|error| error.to_string())? {
        let file = entry.map_err(|error| error.to_string())?.path().to_string_lossy().into_owned();
        if file.ends_with(".yaml") {
            let said = succeed(plane.kubectl(&["apply", "-f", &file])?)?;
            // Manifests of other trials on the same server may have taken the name already.
            let accepted = said.contains("created") || said.contains("configured");
            assert!(accepted && !said.contains("Warning"), "{file}: {said}");
            examples += 1;
        }
    }
    assert!(examples > 0, "no example in {}", folder.display());
    Ok(())
}
