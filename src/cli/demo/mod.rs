//! `flyball demo`: the controller of `flyball run`, unchanged, on the embedded world. Owns the arguments and the choice between the
//! live screen and the transcript; must not decide anything: whatever is shown was decided by the controller.

mod headless;
mod live;
mod record;
mod servers;
mod stage;
mod story;

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;

use crate::view::chart;

/// The length of the transcript where none is asked for: one telling of the story.
const DEFAULT_LENGTH: Duration = Duration::from_secs(60);
/// Longest run that can be asked for. A day, which is also what the longest history holds at production's polling period.
const MAX_LENGTH: Duration = Duration::from_secs(24 * 60 * 60);
/// The seed where none is given.
const DEFAULT_SEED: u64 = 7;

/// Arguments of `flyball demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Print the story on a simulated clock instead of showing it live; so it is without a terminal
    #[arg(long)]
    headless: bool,
    /// How long to run, such as 60s or 2m [default: 60s headless, until q on a terminal]
    #[arg(long = "for", value_name = "TIME", value_parser = length)]
    length: Option<Duration>,
    /// Seed of the traffic's noise; equal seeds print equal stories
    #[arg(long, value_name = "N", default_value_t = DEFAULT_SEED)]
    seed: u64,
    /// Write the story as an animated picture to FILE.svg, and a still one to FILE-still.svg
    #[arg(long, value_name = "FILE.svg")]
    record: Option<PathBuf>,
}

/// Shows the demo.
///
/// # Errors
/// Where the terminal, a loopback socket or a file cannot be used.
pub fn run(args: DemoArgs) -> anyhow::Result<()> {
    let DemoArgs { headless, length, seed, record } = args;
    let terminal = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    if terminal && !headless && record.is_none() {
        return super::blocking(live::run(length, seed));
    }
    let told = headless::tell(length.unwrap_or(DEFAULT_LENGTH), seed)?;
    if let Some(file) = record {
        return write_pictures(&told.record, &file);
    }
    print(&told.text)?;
    eprintln!("{}", told.wall_time);
    Ok(())
}

/// Prints to standard output. A reader that has seen enough, such as `head`, is no failure.
fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

fn write_pictures(record: &record::Record, file: &Path) -> anyhow::Result<()> {
    let frame = record.frame();
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let still = file.with_file_name(format!("{stem}-still.svg"));
    let pictures =
        [(file, chart::animated(record.history(), &frame)), (&still, chart::still(record.history(), &frame))];
    for (path, svg) in pictures {
        std::fs::write(path, svg).with_context(|| format!("--record: {} cannot be written", path.display()))?;
        eprintln!("wrote {}", path.display());
    }
    Ok(())
}

/// `60s`, `2m`, `1h`, or a number of seconds.
fn length(text: &str) -> Result<Duration, String> {
    let (number, unit_seconds) = match text.trim_end_matches(|c: char| c.is_ascii_alphabetic()) {
        number if text.len() == number.len() || text.ends_with('s') && text.len() == number.len() + 1 => (number, 1),
        number if text.ends_with('m') && text.len() == number.len() + 1 => (number, 60),
        number if text.ends_with('h') && text.len() == number.len() + 1 => (number, 3600),
        _ => ("", 0),
    };
    let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit_seconds));
    match seconds.map(Duration::from_secs) {
        Some(length) if !length.is_zero() && length <= MAX_LENGTH => Ok(length),
        _ => Err("expected a time from 1s to 24h, such as 60s or 2m".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_as_people_write_them() {
        for (text, seconds) in [("60s", Some(60)), ("2m", Some(120)), ("24h", Some(86_400)), ("90", Some(90))] {
            assert_eq!(length(text).ok().map(|length| length.as_secs()), seconds, "{text}");
        }
        for text in ["", "s", "0s", "25h", "-1s", "1.5s", "5ms", "1d", "99999999999999999999s", "2 m"] {
            assert!(length(text).is_err(), "{text}");
        }
    }
}
