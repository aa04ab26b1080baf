//! Runs the API suite twice, one test a case: against the sandbox, and against the real kube-apiserver, so that the sandbox cannot
//! drift from it.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod api_suite;
mod control_plane;

use std::sync::Arc;

use control_plane::{Options, Shared, availability, trial};
use libtest_mimic::{Arguments, Trial};

fn main() {
    let arguments = Arguments::from_args();
    // No controllers: nothing but a case itself changes what it made.
    let shared = Shared::new(Options::default()).expect("a runtime starts");
    let trials = on_the_server(&shared).into_iter();
    #[cfg(feature = "sandbox")]
    let trials = sandbox::trials().into_iter().chain(trials);
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    // `exit` runs no destructors.
    drop(shared);
    conclusion.exit();
}

fn on_the_server(shared: &Arc<Shared>) -> Vec<Trial> {
    let plane = availability(&Options::default().programs());
    let case = |case: api_suite::Case| {
        let shared = Arc::clone(shared);
        trial(&format!("server::{}", case.name), &plane, move |assets| {
            let plane = shared.plane_with_definitions(assets)?;
            shared.block_on(async {
                (case.run)(plane.client().await?).await;
                Ok(())
            })
        })
    };
    api_suite::cases().into_iter().map(case).collect()
}

#[cfg(feature = "sandbox")]
mod sandbox {
    use flyball::sandbox::{Kubernetes, SimClock};
    use libtest_mimic::{Failed, Trial};

    use crate::api_suite::{self, Case};

    pub(crate) fn trials() -> Vec<Trial> {
        let trial = |case: Case| Trial::test(format!("sandbox::{}", case.name), move || run(&case));
        api_suite::cases().into_iter().map(trial).collect()
    }

    /// Paused time: a case that waits a minute takes none.
    fn run(case: &Case) -> Result<(), Failed> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
        runtime.block_on(async {
            let kubernetes = Kubernetes::new(SimClock::new(), 7);
            (case.run)(kubernetes.client("default")).await;
        });
        Ok(())
    }
}
