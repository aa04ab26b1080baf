//! Runs the API suite against the sandbox: one test a case. The real kube-apiserver joins beside it, with the same cases.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod api_suite;

use api_suite::Case;
use flyball::sandbox::{Kubernetes, SimClock};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let arguments = Arguments::from_args();
    let trials = api_suite::cases().into_iter().map(|case| {
        let name = format!("sandbox::{}", case.name);
        Trial::test(name, move || in_sandbox(&case))
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}

/// Paused time: a case that waits a minute takes none.
fn in_sandbox(case: &Case) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
    runtime.block_on(async {
        let kubernetes = Kubernetes::new(SimClock::new(), 7);
        (case.run)(kubernetes.client("default")).await;
    });
    Ok(())
}
