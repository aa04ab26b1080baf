//! Small words that the end-to-end tests share.

use std::process::Output;
use std::time::Duration;

use libtest_mimic::Failed;
use serde_json::Value;

use crate::control_plane::ControlPlane;

/// How long a condition may take on a busy machine.
const EVENTUALLY: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(200);

/// What the command printed; its own words where it failed.
pub(crate) fn succeed(output: Output) -> Result<String, Failed> {
    let Output { status, stdout, stderr } = output;
    let text = String::from_utf8_lossy(&stdout).into_owned();
    if status.success() {
        return Ok(text);
    }
    Err(format!("{status}: {text}{}", String::from_utf8_lossy(&stderr)).into())
}

/// What the command said when it was refused.
pub(crate) fn refused(output: Output) -> Result<String, Failed> {
    let Output { status, stdout, stderr } = output;
    if status.success() {
        return Err(format!("accepted, though it should be refused: {}", String::from_utf8_lossy(&stdout)).into());
    }
    Ok(String::from_utf8_lossy(&stderr).into_owned())
}

/// Applies `manifest` and returns it as the server keeps it.
pub(crate) fn apply(plane: &ControlPlane, manifest: &Value) -> Result<Value, Failed> {
    let output = plane.kubectl_with_input(&["apply", "-f", "-", "-o", "json"], &manifest.to_string())?;
    Ok(serde_json::from_str(&succeed(output)?)?)
}

/// Waits until `condition` holds; an error in it counts as "not yet" and is shown if the time runs out.
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> Result<bool, Failed>) -> Result<(), Failed> {
    let rounds = EVENTUALLY.as_millis() / POLL.as_millis();
    let mut last = None;
    for _ in 0..rounds {
        match condition() {
            Ok(true) => return Ok(()),
            Ok(false) => last = None,
            Err(error) => last = error.message().map(str::to_owned),
        }
        std::thread::sleep(POLL);
    }
    Err(format!("not within {} s: {what}; last error: {last:?}", EVENTUALLY.as_secs()).into())
}
