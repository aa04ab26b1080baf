//! `flyball import` on a real API server: every policy that it prints is accepted as it is, and HPAs are read from the cluster.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use crate::control_plane::{ControlPlane, Controllers, Options, Shared, availability, trial};
use crate::support::succeed;

/// All trials of this file.
pub(crate) fn trials(shared: &Arc<Shared>) -> Vec<Trial> {
    let plane = availability(&Options { controllers: Controllers::Workloads }.programs());
    let with_crd = |name: &str, test: fn(&ControlPlane) -> Result<(), Failed>| {
        let shared = Arc::clone(shared);
        trial(name, &plane, move |assets| test(shared.plane_with_definitions(assets)?))
    };
    vec![
        with_crd("import::every_policy_that_is_printed_is_accepted", every_policy_that_is_printed_is_accepted),
        with_crd("import::hpas_are_read_from_the_cluster", hpas_are_read_from_the_cluster),
    ]
}

fn import(plane: &ControlPlane, arguments: &[&str]) -> std::io::Result<Output> {
    Command::new(env!("CARGO_BIN_EXE_flyball"))
        .arg("import")
        .args(arguments)
        .env("KUBECONFIG", plane.kubeconfig())
        .output()
}

fn make_namespace(plane: &ControlPlane, name: &str) -> Result<(), Failed> {
    let manifest = format!(r#"{{"apiVersion": "v1", "kind": "Namespace", "metadata": {{"name": "{name}"}}}}"#);
    succeed(plane.kubectl_with_input(&["apply", "-f", "-"], &manifest)?).map(drop)
}

fn every_policy_that_is_printed_is_accepted(plane: &ControlPlane) -> Result<(), Failed> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import");
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let mut commands = vec![vec![path("adapter/hpa.yaml"), "--adapter-rules".to_owned(), path("adapter/rules.yaml")]];
    for entry in std::fs::read_dir(&folder)? {
        let path = entry?.path();
        if path.is_file() {
            commands.push(vec![path.to_string_lossy().into_owned()]);
        }
    }
    let mut accepted = 0;
    for command in &commands {
        let name = &command[0];
        let printed =
            String::from_utf8(import(plane, &command.iter().map(String::as_str).collect::<Vec<_>>())?.stdout)?;
        let policies: Vec<Value> = serde_saphyr::from_multiple(&printed)?;
        for namespace in policies.iter().filter_map(|policy| policy["metadata"]["namespace"].as_str()) {
            make_namespace(plane, namespace)?;
        }
        if policies.is_empty() {
            continue;
        }
        let apply = ["apply", "--dry-run=server", "-o", "name", "-f", "-"];
        let names = succeed(plane.kubectl_with_input(&apply, &printed)?)
            .map_err(|error| format!("{name}: {}\n{printed}", error.message().unwrap_or_default()))?;
        assert_eq!(names.lines().count(), policies.len(), "{name}: {names}");
        accepted += policies.len();
    }
    assert!(accepted >= 10, "{accepted} policies");
    Ok(())
}

fn hpas_are_read_from_the_cluster(plane: &ControlPlane) -> Result<(), Failed> {
    make_namespace(plane, "imported")?;
    let walkthrough = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/import/walkthrough.yaml");
    succeed(plane.kubectl(&["apply", "-n", "imported", "-f", walkthrough])?)?;
    let one = succeed(import(plane, &["hpa/php-apache", "-n", "imported"])?)?;
    succeed(plane.kubectl_with_input(&["apply", "-f", "-"], &one)?)?;
    let policy: Value = serde_saphyr::from_str(&one)?;
    assert_eq!(policy["metadata"], serde_json::json!({"name": "php-apache", "namespace": "imported"}), "{one}");
    assert_eq!(policy["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 70, "{one}");
    assert_eq!(
        policy["spec"]["behavior"]["scaleDown"]["tolerance"], "50m",
        "HPA keeps quantities in its own form: {one}"
    );
    let namespaced = succeed(import(plane, &["hpa", "--all", "-n", "imported"])?)?;
    assert_eq!(namespaced, one);
    let everywhere = succeed(import(plane, &["hpa", "-A"])?)?;
    assert!(everywhere.contains(&one), "{everywhere}");

    let missing = import(plane, &["hpa/nobody", "-n", "imported"])?;
    let said = String::from_utf8(missing.stderr)?;
    assert!(!missing.status.success() && said.contains("\"nobody\" not found"), "{said}");
    let unknown = import(plane, &["scaledobject/nobody", "-n", "imported"])?;
    assert_eq!(unknown.status.code(), Some(1), "{}", String::from_utf8_lossy(&unknown.stderr));
    Ok(())
}
