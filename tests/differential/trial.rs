//! What all comparisons do: start Flyball's own binary, play the behaviors side by side, print the table, fail for what differs.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use futures::future::join_all;
use libtest_mimic::Failed;
use tempfile::TempDir;

use crate::Side;
use crate::behaviors::Behavior;
use crate::control_plane::{ControlPlane, Process};
use crate::feeds::Feeds;
use crate::pair::{Pair, Verdict};
use crate::twins::Twins;

/// Flyball's own binary, with its log.
pub(crate) struct Operator {
    process: Process,
    _folder: TempDir,
}

impl Operator {
    /// Starts it; Prometheus answers on `prometheus_port` of loopback, and what pods use is asked where HPA asks.
    pub(crate) fn start(plane: &ControlPlane, prometheus_port: u16) -> std::io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let arguments = [
            "run".to_owned(),
            format!("--prometheus-url=http://127.0.0.1:{prometheus_port}"),
            "--metrics-bind-address=0".to_owned(),
            "--health-probe-bind-address=0".to_owned(),
        ];
        let environment = [
            ("KUBECONFIG", OsString::from(plane.kubeconfig())),
            ("FLYBALL_POD_METRICS_FROM", OsString::from("metrics-api")),
        ];
        let program = Path::new(env!("CARGO_BIN_EXE_flyball"));
        let process = Process::start(program, &arguments, &environment, folder.path())?;
        Ok(Self { process, _folder: folder })
    }

    /// The end of its log and of those of the control plane.
    pub(crate) fn logs(&self, plane: &ControlPlane) -> String {
        format!("{}\n{}", self.process.log_tail(), plane.logs())
    }
}

/// Plays all `behaviors` at once, the first under the number `from`.
pub(crate) async fn play(behaviors: &[Behavior], from: usize, (twins, feeds): (&Twins, &Arc<Feeds>)) -> Vec<Verdict> {
    let numbered = (from..).zip(behaviors.iter().cloned());
    join_all(numbered.map(|behavior| Pair::new(behavior, twins, feeds).run())).await
}

/// Prints what came out, and fails where a behavior came out differently or too little was seen to prove anything.
pub(crate) fn judge(verdicts: &[Verdict], least_syncs: usize) -> Result<(), Failed> {
    let header =
        format!("{:<52} {:>9} {:>13} {:>8}  {}", "behavior", "HPA syncs", "Flyball syncs", "rescales", "equal");
    println!("{header}");
    verdicts.iter().for_each(|verdict| println!("{}", verdict.line()));
    let problems: Vec<String> = verdicts.iter().filter_map(Verdict::problem).collect();
    if !problems.is_empty() {
        return Err(problems.join("\n").into());
    }
    for side in Side::BOTH {
        let syncs: usize = verdicts.iter().map(|verdict| verdict.syncs(side)).sum();
        if syncs < least_syncs {
            return Err(format!("only {syncs} syncs of {side:?} prove nothing").into());
        }
    }
    Ok(())
}
