//! A test that needs real programs, as the test runner shows it: run, ignored with the reason, or failed where it was required.

use libtest_mimic::{Failed, Trial};

use super::assets::{Assets, Unavailable};

/// The trial `name`, which runs `test` with the programs when they are there.
pub(crate) fn trial<F>(name: &str, availability: &Result<Assets, Unavailable>, test: F) -> Trial
where
    F: FnOnce(&Assets) -> Result<(), Failed> + Send + 'static,
{
    match availability {
        Ok(assets) => {
            let assets = assets.clone();
            Trial::test(name, move || test(&assets))
        }
        Err(missing) => {
            let missing = missing.clone();
            let kind = if missing.required {
                "control plane required".to_owned()
            } else {
                format!("{}: {}", missing.reason, missing.command)
            };
            let ignored = !missing.required;
            Trial::test(name, move || Err(missing.reason.into())).with_kind(kind).with_ignored_flag(ignored)
        }
    }
}
