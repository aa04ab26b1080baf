//! `flyball import` as users run it: manifests in, policies with comments out, and what cannot be expressed told by field.
//!
//! `tests/import/*.{yaml,json}` are the manifests, `tests/import/expected/` what is printed for them (`.out`, `.err`). Renew with
//! `FLYBALL_REGENERATE=1 cargo test --test import`, and read the difference.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use flyball::api::{ScalingPolicy, resolve};
use flyball::import::{Outcome, Problem, import, objects};
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import")
}

/// The names of all manifests.
fn manifests() -> Vec<String> {
    let entries = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut names: Vec<String> = entries
        .filter(|path| path.is_file())
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert!(names.len() >= 8, "{names:?}");
    names
}

fn flyball(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flyball"));
    command.arg("import").args(arguments).current_dir(folder()).env("KUBECONFIG", "/nowhere");
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The policies that are made of a manifest.
fn policies(name: &str) -> Vec<Value> {
    let found = objects(&fs::read_to_string(folder().join(name)).unwrap()).unwrap();
    let made = found.iter().map(|object| import(object, None));
    made.filter_map(|outcome| if let Outcome::Policy(draft) = outcome { Some(draft.object) } else { None }).collect()
}

#[test]
fn each_manifest_becomes_what_was_read_and_found_good() {
    for name in manifests() {
        let printed = flyball(&[&name]).output().unwrap();
        let refused = text(&printed.stderr).contains("error: ");
        assert_eq!(printed.status.code(), Some(i32::from(refused)), "{name}");
        same_as_stored(&name, &printed);
    }
}

/// Compares with `expected/NAME.out` and `.err`, or renews them.
fn same_as_stored(name: &str, printed: &Output) {
    for (extension, printed) in [("out", text(&printed.stdout)), ("err", text(&printed.stderr))] {
        let path = folder().join("expected").join(format!("{name}.{extension}"));
        if std::env::var_os("FLYBALL_REGENERATE").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &printed).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap_or_default(), printed, "{}", path.display());
    }
}

#[test]
fn every_policy_resolves_up_to_what_is_not_supported_yet() {
    let mut resolved = 0;
    for name in manifests() {
        for object in policies(&name) {
            let policy: ScalingPolicy =
                serde_json::from_value(object.clone()).unwrap_or_else(|e| panic!("{name}: {e}"));
            match resolve(&policy) {
                Ok(_) => resolved += 1,
                Err(invalid) => assert!(invalid.problems.iter().all(Problem::is_unsupported), "{name}: {invalid}"),
            }
        }
    }
    assert!(resolved > 0, "no policy of the folder can be acted on");
}

#[test]
fn comments_change_nothing() {
    for name in manifests() {
        let printed = text(&flyball(&[&name]).output().unwrap().stdout);
        let read: Vec<Value> = serde_saphyr::from_multiple(&printed).unwrap();
        assert_eq!(read, policies(&name), "{name}");
    }
}

#[test]
fn json_is_the_same_policies_with_the_comments_beside_it() {
    for name in manifests() {
        let Output { stdout, stderr, .. } = flyball(&[&name, "-o", "json"]).output().unwrap();
        let expected = policies(&name);
        let actual = match serde_json::from_slice::<Value>(&stdout) {
            Ok(list) if list["kind"] == "List" => list["items"].as_array().unwrap().clone(),
            Ok(one) => vec![one],
            Err(_) => Vec::new(),
        };
        assert_eq!(actual, expected, "{name}");
        assert!(expected.is_empty() || text(&stderr).contains("note: ScalingPolicy "), "{name}");
    }
}

#[test]
fn several_files_and_standard_input_are_read() {
    let mut child = flyball(&["v1.yaml", "-", "hpa.json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let input = fs::read(folder().join("walkthrough.yaml")).unwrap();
    child.stdin.take().unwrap().write_all(&input).unwrap();
    let Output { stdout, status, .. } = child.wait_with_output().unwrap();
    assert!(status.success());
    let read: Vec<Value> = serde_saphyr::from_multiple(&text(&stdout)).unwrap();
    let names: Vec<&str> = read.iter().map(|object| object["metadata"]["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["legacy", "legacy-default", "php-apache", "a", "b"]);
}

#[test]
fn rules_of_prometheus_adapter_become_queries() {
    let made = flyball(&["adapter/hpa.yaml", "--adapter-rules", "adapter/rules.yaml"]).output().unwrap();
    assert_eq!(made.status.code(), Some(1), "one HPA of the two cannot be expressed");
    same_as_stored("adapter", &made);
    let policy: ScalingPolicy = serde_saphyr::from_str(&text(&made.stdout)).unwrap();
    resolve(&policy).unwrap();
}

#[test]
fn what_cannot_be_read_is_one_sentence() {
    let broken = tempfile::NamedTempFile::new().unwrap();
    fs::write(broken.path(), "spec: {{ .Values.spec }}\n").unwrap();
    let nothing = tempfile::NamedTempFile::new().unwrap();
    fs::write(nothing.path(), "apiVersion: v1\nkind: Service\nmetadata: {name: x}\n").unwrap();
    let (broken, nothing) = (broken.path().to_str().unwrap(), nothing.path().to_str().unwrap());
    let cases = [
        (vec!["missing.yaml"], 1, "error: cannot read missing.yaml: No such file"),
        (vec![broken], 1, "a template has to be rendered first"),
        (vec![nothing], 1, "error: there is no HorizontalPodAutoscaler and no ScaledObject to import"),
        (vec!["hpa"], 2, "error: hpa names no object: write hpa/NAME, or hpa --all or hpa -A"),
        (vec![], 2, "required arguments were not provided"),
    ];
    for (arguments, code, words) in cases {
        let Output { stdout, stderr, status } = flyball(&arguments).output().unwrap();
        assert_eq!((status.code(), text(&stdout).as_str()), (Some(code), ""), "{arguments:?}");
        assert!(text(&stderr).contains(words), "{arguments:?}: {}", text(&stderr));
    }
}
