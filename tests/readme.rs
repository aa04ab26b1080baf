//! What the README says is true: its policy is the example, its excerpts are printed, its links lead somewhere.

#![allow(clippy::unwrap_used)] // helpers of tests may panic as tests may

use std::path::Path;

use flyball::api::{ScalingPolicy, resolve};

fn read(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The fenced blocks of the README in this language.
fn blocks(language: &str) -> Vec<String> {
    let readme = read("README.md");
    let opened = readme.split("```").skip(1).step_by(2);
    opened.filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n')).map(str::to_owned).collect()
}

#[test]
fn the_first_policy_is_the_example_and_can_be_used() {
    let example = read("examples/first-policy.yaml");
    assert!(blocks("yaml").contains(&example), "README.md does not show examples/first-policy.yaml as it is");
    let lines = example.lines().count();
    assert!((12..=20).contains(&lines), "{lines} lines");
    let policy: ScalingPolicy = serde_saphyr::from_str(&example).unwrap();
    let resolved = resolve(&policy).unwrap();
    assert_eq!((resolved.policy.min_replicas, resolved.policy.max_replicas), (2, 10));
    assert_eq!(resolved.requests.len(), 1);
}

#[cfg(feature = "sandbox")]
#[test]
fn the_excerpt_of_the_demo_is_printed_by_the_demo() {
    let output =
        std::process::Command::new(env!("CARGO_BIN_EXE_flyball")).args(["demo", "--headless"]).output().unwrap();
    let story = String::from_utf8(output.stdout).unwrap();
    let excerpt = blocks("text").into_iter().find(|block| block.contains("── A sale begins")).unwrap();
    let mut told = story.lines();
    for line in excerpt.lines().filter(|line| !line.is_empty() && *line != "  ...") {
        assert!(told.any(|told| told == line), "the demo does not print this, or not in this place: {line:?}\n{story}");
    }
}

#[test]
fn every_relative_link_leads_somewhere() {
    let readme = read("README.md");
    let targets = readme.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    let quoted = ["src=\"", "srcset=\""].into_iter().flat_map(|word| readme.split(word).skip(1));
    let pictures = quoted.filter_map(|rest| rest.split_once('"'));
    let mut links = 0;
    for (target, _) in targets.chain(pictures).filter(|(target, _)| !target.contains("://") && !target.starts_with('#'))
    {
        links += 1;
        let file = target.split('#').next().unwrap();
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(file).exists(), "README.md links to {target}");
    }
    assert!(links >= 5, "{links} links");
}

#[test]
fn every_test_that_it_names_exists() {
    let readme = read("README.md");
    let named: Vec<&str> =
        readme.split("--test ").skip(1).filter_map(|rest| rest.split([' ', '`', '\n']).next()).collect();
    assert!(named.len() >= 5, "{named:?}");
    for name in named {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(format!("{name}.rs"));
        assert!(file.exists(), "README.md names the test {name}");
    }
}

/// The page on HPA explains each deliberate deviation, and names none that is not there.
#[test]
fn every_deviation_is_explained() {
    let page = read("docs/coming-from-hpa.md");
    let listed: toml::Table = read("tests/conformance/deviations.toml").parse().unwrap();
    let cases: Vec<&str> =
        listed["deviation"].as_array().unwrap().iter().map(|entry| entry["case"].as_str().unwrap()).collect();
    let explained: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split_once(" | "))
        .map(|(case, _)| case)
        .filter(|case| ["edge-", "own-", "sync-"].iter().any(|kind| case.starts_with(kind)))
        .collect();
    assert_eq!(cases, explained);
}
