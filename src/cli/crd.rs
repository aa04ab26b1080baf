//! `flyball crd`: prints the CustomResourceDefinitions, so that `flyball crd | kubectl apply --server-side -f -` installs it.

use std::io::Write as _;

/// Writes the definitions to standard output.
///
/// # Errors
/// If standard output is closed.
pub fn run() -> anyhow::Result<()> {
    let yaml = crate::api::crd::yaml()?;
    std::io::stdout().lock().write_all(yaml.as_bytes())?;
    Ok(())
}
