//! The demo as a user gets it: the story is whole, the same for the same seed, and the picture in `docs/` is what it tells now.

#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used)] // helpers of tests may panic as tests may

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn flyball(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flyball"));
    // No cluster, proxy or Prometheus of the environment may matter.
    command.env_clear().stdin(Stdio::null()).args(args);
    command.output().unwrap()
}

fn told(args: &[&str]) -> String {
    let output = flyball(args);
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{:?}: {complaint}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// The lines of decisions that changed the size: seconds, from, to, and the whole line.
fn rescales(story: &str) -> Vec<(f64, u32, u32, &str)> {
    fn rescale(line: &str) -> Option<(f64, u32, u32, &str)> {
        let mut words = line.split_whitespace();
        let seconds = words.next()?.parse().ok()?;
        let from = words.next()?.parse().ok()?;
        (words.next()? == "→").then_some(())?;
        Some((seconds, from, words.next()?.parse().ok()?, line))
    }
    story.lines().filter_map(rescale).collect()
}

#[test]
fn the_same_seed_prints_the_same_bytes() {
    let first = told(&["demo", "--headless", "--for", "60s", "--seed", "7"]);
    assert_eq!(first, told(&["demo", "--headless", "--for", "60s", "--seed", "7"]));
    assert_eq!(first, told(&["demo"]), "these are the defaults, and without a terminal it is headless");
    assert_ne!(first, told(&["demo", "--headless", "--seed", "8"]));
}

#[test]
fn the_story_is_told_whole_within_a_minute() {
    let story = told(&["demo", "--headless", "--for", "60s", "--seed", "7"]);
    let beats = [
        "pollingPeriodSeconds        2                    15",
        "scaleDown window         10 s                 300 s",
        "── Calm",
        "── A sale begins",
        "scaleUp policy: at most 4",
        "8 → 10",
        "at max: 10 by maxReplicas",
        "── Prometheus is taken away",
        "metric missing: SourceUnreachable, nothing is lowered",
        "── Prometheus is back",
        "── The sale is over",
        "window holds",
        "scaleDown policy: at least",
        "4 → 2",
        "at min: 2 by minReplicas",
        "\ndecisions ",
        "\nhighest                     10 replicas",
        "\nheld without data           4 s",
        "\nwrong scale-downs           0\n",
        "\nrequests to Prometheus ",
    ];
    let mut rest = story.as_str();
    for beat in beats {
        let Some(at) = rest.find(beat) else { panic!("{beat:?} is missing, or not in its place, in\n{story}") };
        rest = &rest[at..];
    }
}

#[test]
fn whatever_the_seed_it_reaches_the_top_and_never_shrinks_wrongly() {
    for seed in 0..10 {
        let story = told(&["demo", "--headless", "--seed", &seed.to_string()]);
        let rescales = rescales(&story);
        let (first, last) = (rescales.first().unwrap(), rescales.last().unwrap());
        assert!(first.0 < 10.0 && first.1 == 2, "the first rescale is late: {}", first.3);
        assert_eq!(last.2, 2, "seed {seed}:\n{story}");
        assert!(rescales.iter().any(|rescale| rescale.2 == 10), "seed {seed}:\n{story}");
        // Traffic falls at 34 s and the window is 10 s: whatever shrinks before 42 s has not waited.
        let early = rescales.iter().find(|rescale| rescale.2 < rescale.1 && rescale.0 < 42.0);
        assert!(early.is_none(), "seed {seed}: {early:?}");
        assert!(story.contains("\nwrong scale-downs           0\n"), "seed {seed}:\n{story}");
    }
}

#[test]
fn the_length_is_as_asked_for() {
    let short = told(&["demo", "--headless", "--for", "10s"]);
    assert!(short.contains("── A sale begins") && !short.contains("── Prometheus is taken away"), "{short}");
    let twice = told(&["demo", "--headless", "--for", "2m"]);
    assert_eq!(twice.matches("── A sale begins").count(), 2, "the story begins again:\n{twice}");
    assert!(twice.contains("\nwrong scale-downs           0\n"), "{twice}");
    let refused = flyball(&["demo", "--for", "soon"]);
    assert_eq!(refused.status.code(), Some(2));
    let complaint = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(complaint.contains("such as 60s or 2m"), "{complaint}");
}

/// Renew with `FLYBALL_REGENERATE=1 cargo test --test demo`, or with `cargo run -- demo --record docs/demo.svg`.
#[test]
fn the_pictures_are_fresh() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let scratch = tempfile::tempdir().unwrap();
    let folder = if std::env::var_os("FLYBALL_REGENERATE").is_some() { docs.clone() } else { scratch.path().into() };
    told(&["demo", "--record", &folder.join("demo.svg").to_string_lossy()]);
    for name in ["demo.svg", "demo-still.svg"] {
        let read = |path: PathBuf| std::fs::read_to_string(path).unwrap_or_default();
        let (stored, recorded) = (read(docs.join(name)), read(folder.join(name)));
        assert!(recorded.starts_with("<svg") && recorded.len() < 300_000, "{name}: {} bytes", recorded.len());
        assert!(stored == recorded, "docs/{name} is not fresh: run `FLYBALL_REGENERATE=1 cargo test --test demo`");
    }
}
