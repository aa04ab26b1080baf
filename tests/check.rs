//! `flyball check` as users run it, and the examples, which it finds nothing wrong with.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use flyball::api::{ScalingPolicy, resolve};
use flyball::check::{Assumptions, Level, check, is_policy};
use flyball::import::objects;
use serde_json::Value;

const GOOD: &str = r#"
apiVersion: flyball.dev/v1alpha1
kind: ScalingPolicy
metadata: {name: web, namespace: shop}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  maxReplicas: 10
  metrics:
    - type: Prometheus
      prometheus:
        query: sum(rate(http_requests_total{namespace="{{namespace}}", app="{{name}}"}[2m]))
        target: {type: AverageValue, averageValue: "100"}
"#;

/// `GOOD` with one text for another.
fn changed(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    GOOD.replace(from, to)
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Runs `flyball check` with this on standard input.
fn run(arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_flyball"))
        .arg("check")
        .args(arguments)
        .env("KUBECONFIG", "/nowhere")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Who ends over its arguments reads nothing.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn a_good_policy_is_one_line() {
    assert_eq!(run(&["-f", "-"], GOOD), (Some(0), "1 policy: 0 errors, 0 warnings, 0 notes\n".into(), String::new()));
}

#[test]
fn a_finding_shows_its_rule_its_place_and_its_mend() {
    let input = changed("http_requests_total", "queue_depth");
    let (code, out, err) = run(&["-f", "-"], &input);
    let expected = r#"warning[rate-of-gauge]: rate() is over queue_depth, which by its name is no counter: each time it falls counts as a restart
  --> standard input: ScalingPolicy shop/web: spec.metrics[0].prometheus.query, line 1, column 5
  1 | sum(rate(queue_depth{namespace="{{namespace}}", app="{{name}}"}[2m]))
    |     ^^^^
  Ask for the value itself, or use deriv() or delta() for how it changes.

1 policy: 0 errors, 1 warning, 0 notes
"#;
    assert_eq!((code, out.as_str(), err.as_str()), (Some(0), expected, ""));
}

#[test]
fn errors_end_with_1_and_usage_with_2() {
    let broken = changed("[2m]))", "[2m])");
    let (code, out, err) = run(&["-f", "-"], &broken);
    assert!(out.starts_with("error[parse-error]: ") && out.contains("\n    |    ^\n"), "{out}");
    assert_eq!((code, err.as_str()), (Some(1), "error: 1 policy: 1 error, 0 warnings, 0 notes\n"));
    let cases: Vec<(Vec<&str>, &str, i32, &str)> = vec![
        (vec![], "", 2, "required arguments were not provided"),
        (vec!["-f", "-", "--scrape-interval", "fast"], "", 2, "write a duration such as 30s or 1m"),
        (vec!["-f", "-", "--scrape-interval", "0s"], "", 2, "write a duration such as 30s or 1m"),
        (vec!["-f", "-", "-o", "xml"], "", 2, "possible values: text, json"),
        (vec!["-f", "missing.yaml"], "", 1, "error: cannot read missing.yaml: No such file"),
        (vec!["-f", "-"], "a: [1", 1, "error: standard input is no YAML: "),
        (vec!["-f", "-"], "", 1, "error: there is no ScalingPolicy to check"),
        (
            vec!["-f", "-"],
            "{apiVersion: v1, kind: Service}",
            1,
            "Service without a name is no ScalingPolicy and was not",
        ),
    ];
    for (arguments, input, code, words) in cases {
        let (ended, out, err) = run(&arguments, input);
        assert_eq!((ended, out.as_str()), (Some(code), ""), "{arguments:?} {input}: {err}");
        assert!(err.contains(words), "{arguments:?} {input}: {err}");
    }
}

#[test]
fn several_files_and_documents_are_read_and_json_names_them() {
    let first = folder("examples/first-policy.yaml");
    let two = format!("{}---\n{}", changed("[2m]", "[20s]"), changed("name: web, namespace: shop", "name: api"));
    let (code, out, err) =
        run(&["-f", first.to_str().unwrap(), "-", "-o", "json", "--scrape-interval", "15s", "-v"], &two);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(told["policies"], 3);
    let findings = told["findings"].as_array().unwrap();
    let codes: Vec<&str> = findings.iter().map(|finding| finding["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["sharing", "window-too-short", "sharing", "sharing"]);
    assert_eq!(findings[1]["file"], "standard input");
    assert_eq!(findings[1]["object"], "ScalingPolicy shop/web");
    assert_eq!(findings[1]["field"], "spec.metrics[0].prometheus.query");
    assert_eq!(findings[1]["place"]["column"], 72);
    assert!(findings[1]["message"].as_str().unwrap().contains("one scrape every 15s (--scrape-interval)"), "{out}");
    assert_eq!(findings[3]["object"], "ScalingPolicy api");
}

#[test]
fn what_stood_in_the_manifest_cannot_move_the_cursor() {
    let query = r#"query: "sum(a_total{b='\e[31m\u202e'})" # sum("#;
    let (_, out, _) = run(&["-f", "-"], &changed("query: sum(", query));
    assert!(!out.contains(['\u{1b}', '\u{202e}']), "{out:?}");
    assert!(out.contains("sum(a_total{b='[31m'})"), "{out:?}");
}

/// The examples, by file.
fn examples() -> Vec<(String, Vec<Value>)> {
    let paths = fs::read_dir(folder("examples")).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, objects(&fs::read_to_string(&path).unwrap()).unwrap())
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(found.len() >= 6, "{found:?}");
    found
}

#[test]
fn examples_resolve_and_nothing_is_wrong_with_them() {
    for (name, manifests) in examples() {
        assert!(!manifests.is_empty(), "{name}");
        for object in manifests {
            assert!(is_policy(&object), "{name}");
            let policy: ScalingPolicy =
                serde_json::from_value(object.clone()).unwrap_or_else(|e| panic!("{name}: {e}"));
            resolve(&policy).unwrap_or_else(|invalid| panic!("{name}: {invalid}"));
            let findings = check(&object, &Assumptions::default());
            let bad: Vec<_> = findings.iter().filter(|finding| finding.level > Level::Note).collect();
            assert!(bad.is_empty(), "{name}: {bad:#?}");
        }
    }
}

#[test]
fn every_example_has_a_row_in_the_table() {
    let readme = fs::read_to_string(folder("examples/README.md")).unwrap();
    for (name, _) in examples() {
        assert!(readme.contains(&format!("| [{name}]({name}) |")), "examples/README.md has no row for {name}");
    }
}

/// The page names every rule, and none that is not there.
#[test]
fn every_rule_is_on_the_page() {
    let page = fs::read_to_string(folder("docs/check.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let mut listed: Vec<String> = rows.map(|(code, _)| code.to_owned()).collect();
    listed.sort();
    let mut written: Vec<String> = Vec::new();
    for file in ["mod", "finding", "query", "shape", "walk"] {
        let source = fs::read_to_string(folder(&format!("src/check/{file}.rs"))).unwrap();
        // A rule's code is a string of small letters with a dash, or one of the two without.
        let quoted = source.split('"').skip(1).step_by(2).filter(|text| {
            text.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
                && text.contains('-')
                && !text.starts_with(['-', 'x'])
                || ["sharing", "unsupported"].contains(text)
        });
        written.extend(quoted.map(str::to_owned));
    }
    written.sort();
    written.dedup();
    assert_eq!(listed, written);
}
