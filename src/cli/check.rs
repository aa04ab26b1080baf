//! `flyball check`: what can be said of policies without a cluster. Reads files or standard input, prints findings, and ends with 1
//! where one of them is an error. The rules are `check`'s.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::{Args, ValueEnum};
use promql_parser::util::parse_duration;
use serde_json::{Value, json};

use super::import::bounded;
use crate::check::{Assumptions, Level, Report, check, is_policy, json, text};
use crate::import::{objects, title};
use crate::view::text::safe;

/// What to check, what to assume, and how to print it.
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// Manifests to check; - is standard input, and a file may hold several documents
    #[arg(short, long = "filename", required = true, num_args = 1.., value_name = "FILE")]
    pub filenames: Vec<PathBuf>,
    /// Time between two scrapes of what the queries look at, as 30s or 1m
    #[arg(long, value_parser = interval, default_value = "30s", value_name = "DURATION")]
    pub scrape_interval: Duration,
    /// Namespace of policies that name none
    #[arg(short, long, default_value = "default")]
    pub namespace: String,
    /// Say also of each query whether it can share requests with others
    #[arg(short, long)]
    pub verbose: bool,
    /// Form of the findings
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// The form of the findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Output {
    /// A paragraph each.
    #[default]
    Text,
    /// One object with a list.
    Json,
}

fn interval(text: &str) -> Result<Duration, String> {
    match parse_duration(text) {
        Ok(interval) if !interval.is_zero() => Ok(interval),
        _ => Err("write a duration such as 30s or 1m".to_owned()),
    }
}

/// Prints what there is to say about all policies.
///
/// # Errors
/// If a finding is an error, a file cannot be read, or there is no policy in any.
pub fn run(args: CheckArgs) -> anyhow::Result<()> {
    let CheckArgs { filenames, scrape_interval, namespace, verbose, output } = args;
    let assumptions = Assumptions { scrape_interval, namespace, sharing: verbose };
    let mut reports = Vec::new();
    for path in &filenames {
        let (name, objects) = read(path)?;
        for object in objects {
            let (file, title) = (name.clone(), title(&object));
            if is_policy(&object) {
                reports.push(Report { file, title, findings: check(&object, &assumptions) });
            } else {
                eprintln!("note: {}", safe(&format!("{file}: {title} is no ScalingPolicy and was not looked at")));
            }
        }
    }
    if reports.is_empty() {
        bail!("there is no ScalingPolicy to check");
    }
    std::io::stdout().lock().write_all(printed(&reports, output).as_bytes())?;
    match counted(&reports) {
        (0, _) => Ok(()),
        (_, told) => bail!(told),
    }
}

/// What goes to standard output.
fn printed(reports: &[Report], output: Output) -> String {
    match output {
        Output::Text => {
            let mut out = String::new();
            for line in
                reports.iter().flat_map(|report| text(report, Level::Note).lines().map(safe).collect::<Vec<_>>())
            {
                out.push_str(&line);
                out.push('\n');
            }
            let (errors, told) = counted(reports);
            if errors == 0 { format!("{out}{told}\n") } else { out }
        }
        Output::Json => {
            let findings: Vec<Value> = reports.iter().flat_map(|report| json(report, Level::Note)).collect();
            format!("{:#}\n", json!({"policies": reports.len(), "findings": findings}))
        }
    }
}

fn read(path: &PathBuf) -> anyhow::Result<(String, Vec<Value>)> {
    let (name, text) = if path.as_os_str() == "-" {
        ("standard input".to_owned(), bounded("standard input", std::io::stdin().lock())?)
    } else {
        let name = path.display().to_string();
        let file = std::fs::File::open(path).with_context(|| format!("cannot read {name}"))?;
        let text = bounded(&name, file)?;
        (name, text)
    };
    let found = objects(&text).map_err(|error| anyhow!("{name} {error}"))?;
    Ok((name, found))
}

/// How many errors there are, and all counts for people.
fn counted(reports: &[Report]) -> (usize, String) {
    let count = |level: Level| {
        reports.iter().flat_map(|report| &report.findings).filter(|finding| finding.level == level).count()
    };
    let told = |number: usize, word: &str| format!("{number} {word}{}", if number == 1 { "" } else { "s" });
    let counts = [Level::Error, Level::Warning, Level::Note].map(|level| told(count(level), level.as_str())).join(", ");
    let policies = if reports.len() == 1 { "1 policy".to_owned() } else { format!("{} policies", reports.len()) };
    (count(Level::Error), format!("{policies}: {counts}"))
}
