//! Sets up the log of the process: text for people, JSON for collectors. Must be called once.

use std::io::IsTerminal as _;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The shape of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One readable line per entry.
    Text,
    /// One JSON object per line.
    Json,
}

/// The level and filter were not understood.
#[derive(Debug, thiserror::Error)]
#[error("--log-level {level:?} is not a level such as info, nor a filter such as info,kube=warn: {why}")]
pub struct InvalidLogLevel {
    level: String,
    why: String,
}

/// Starts logging to standard error. `level` is a level (`info`) or a filter (`info,kube=warn`).
///
/// # Errors
/// [`InvalidLogLevel`] where `level` does not parse.
pub fn start(level: &str, format: LogFormat) -> Result<(), InvalidLogLevel> {
    let filter = EnvFilter::try_new(level)
        .map_err(|error| InvalidLogLevel { level: level.to_owned(), why: error.to_string() })?;
    let registry = tracing_subscriber::registry().with(filter);
    // A second start, as in tests, keeps the first subscriber.
    let _already_set = match format {
        LogFormat::Text => registry
            .with(
                tracing_subscriber::fmt::layer()
                    .with_writer(std::io::stderr)
                    .with_ansi(std::io::stderr().is_terminal())
                    .with_target(false),
            )
            .try_init(),
        LogFormat::Json => registry
            .with(tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(std::io::stderr))
            .try_init(),
    };
    Ok(())
}
