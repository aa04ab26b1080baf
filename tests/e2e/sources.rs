//! Sources on a real API server: the manifests of the page about them are accepted, mistakes are refused with the mend, columns read well.

use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use crate::control_plane::{ControlPlane, Controllers, Options, Shared, availability, trial};
use crate::support::{apply, eventually, refused, succeed};

/// All trials of this file.
pub(crate) fn trials(shared: &Arc<Shared>) -> Vec<Trial> {
    let plane = availability(&Options { controllers: Controllers::Workloads }.programs());
    let with_crd = |name: &str, test: fn(&ControlPlane) -> Result<(), Failed>| {
        let shared = Arc::clone(shared);
        trial(name, &plane, move |assets| test(shared.plane_with_definitions(assets)?))
    };
    vec![
        with_crd("sources::each_manifest_of_the_page_is_accepted", each_manifest_of_the_page_is_accepted),
        with_crd("sources::a_mistake_is_refused_with_its_path_and_mend", a_mistake_is_refused_with_its_path_and_mend),
        with_crd("sources::columns_read_well", columns_read_well),
        with_crd("sources::explain_tells_every_field", explain_tells_every_field),
    ]
}

/// The yaml blocks of docs/sources.md.
fn blocks() -> Vec<String> {
    let page = include_str!("../../docs/sources.md");
    let mut parts = page.split("```yaml\n");
    parts.next();
    parts.map(|part| part.split("```").next().unwrap_or_default().to_owned()).collect()
}

fn each_manifest_of_the_page_is_accepted(plane: &ControlPlane) -> Result<(), Failed> {
    for namespace in ["shop", "flyball-system"] {
        apply(plane, &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}))?;
    }
    let blocks = blocks();
    assert!(blocks.len() >= 12, "{} manifests", blocks.len());
    for block in &blocks {
        let said = succeed(plane.kubectl_with_input(&["apply", "--validate=strict", "-f", "-"], block)?)
            .map_err(|error| format!("{}\n{block}", error.message().unwrap_or_default()))?;
        assert!(!said.contains("Warning"), "{said}");
    }
    // Each way to say who we are is shown.
    let page = blocks.concat();
    for word in ["basic:", "bearer:", "tokenFile:", "clientCertificate:", "ca:", "sigv4:", "X-Scope-OrgID", "proxyUrl:"]
    {
        assert!(page.contains(word), "no manifest shows {word}");
    }
    // As a newcomer finds them.
    let sources = succeed(plane.kubectl(&["get", "promsource,clusterpromsource", "-n", "shop", "-o", "name"])?)?;
    assert!(sources.contains("prometheussource.flyball.dev/team"), "{sources}");
    assert!(sources.contains("clusterprometheussource.flyball.dev/default"), "{sources}");
    let kept = plane.kubectl(&["get", "clusterpromsource", "default", "-o", "json"])?;
    let kept: Value = serde_json::from_str(&succeed(kept)?)?;
    assert_eq!((&kept["spec"]["timeoutSeconds"], &kept["spec"]["maxSeries"]), (&json!(5), &json!(10_000)), "{kept}");
    assert_eq!(kept["status"]["observedGeneration"], -1, "{kept}");
    Ok(())
}

fn source(kind: &str) -> Value {
    let mut source = json!({
        "apiVersion": "flyball.dev/v1alpha1", "kind": kind, "metadata": {"name": "mistake", "namespace": "default"},
        "spec": {"url": "https://prometheus.monitoring.svc:9090"},
    });
    if kind == "ClusterPrometheusSource" {
        source["spec"]["allowedNamespaces"] = json!({"from": "All"});
        source["metadata"].as_object_mut().unwrap().remove("namespace");
    }
    source
}

/// The kind, the field of the spec that is set, the path that is to be named, and words of the message.
type Mistake = (&'static str, &'static str, Value, &'static str, &'static str);

const TEAM: &str = "PrometheusSource";
const CLUSTER: &str = "ClusterPrometheusSource";

fn mistakes() -> Vec<Mistake> {
    let key = json!({"name": "login", "key": "token"});
    let secret = json!({"secretKeyRef": key});
    let elsewhere = json!({"secretKeyRef": {"namespace": "vault", "name": "login", "key": "token"}});
    let url = |url: &str, words| -> Mistake { (TEAM, "url", json!(url), "spec.url", words) };
    let header = |header: Value, path, words| -> Mistake { (TEAM, "headers", json!([header]), path, words) };
    let allowed =
        |value: Value, words| -> Mistake { (CLUSTER, "allowedNamespaces", value, "spec.allowedNamespaces", words) };
    vec![
        url("prometheus:9090", "must begin with http:// or https://"),
        url("ftp://prometheus", "must begin with http:// or https://"),
        url("https://", "must be a URL with a host"),
        url("https://me:secret@prometheus", "keep them in a Secret and name it under `auth.basic`"),
        url("https://prometheus?tenant=a", "write parameters under `queryParameters`"),
        url("https://prometheus/#a", "write parameters under `queryParameters`"),
        url("https://prometheus/api/v1", "leave out `/api/v1`"),
        (
            TEAM,
            "auth",
            json!({"basic": {"username": secret, "password": secret}, "bearer": secret}),
            "spec.auth",
            "at most one of `basic`, `bearer` and `sigv4`",
        ),
        // What a namespace's object does not have, it cannot say.
        (TEAM, "auth", json!({"bearer": {"tokenFile": "/var/run/secrets/x"}}), "tokenFile", "unknown field"),
        (TEAM, "auth", json!({"bearer": elsewhere}), "namespace", "unknown field"),
        (TEAM, "tls", json!({"insecureSkipVerify": true}), "insecureSkipVerify", "unknown field"),
        (TEAM, "allowedNamespaces", json!({"from": "All"}), "allowedNamespaces", "unknown field"),
        (TEAM, "auth", json!({"bearer": {}}), "spec.auth.bearer.secretKeyRef", "Required value"),
        (TEAM, "tls", json!({"ca": {}}), "spec.tls.ca", "exactly one of `secretKeyRef` and `configMapKeyRef`"),
        header(
            json!({"name": "Authorization", "value": "x"}),
            "spec.headers[0].name",
            "write credentials under `auth`",
        ),
        header(json!({"name": "A"}), "spec.headers[0]", "exactly one of `value` and `valueFrom`"),
        header(json!({"name": "A", "value": "a\nb"}), "spec.headers[0].value", "should match"),
        header(json!({"name": "A b", "value": "x"}), "spec.headers[0].name", "should match"),
        (
            TEAM,
            "queryParameters",
            json!([{"name": "timeout", "value": "1s"}]),
            "spec.queryParameters[0].name",
            "`timeoutSeconds`",
        ),
        (TEAM, "proxyUrl", json!("socks5://proxy"), "spec.proxyUrl", "must begin with http:// or https://"),
        (TEAM, "timeoutSeconds", json!(0), "spec.timeoutSeconds", "greater than or equal to 1"),
        (TEAM, "maxConcurrency", json!(1000), "spec.maxConcurrency", "less than or equal to 256"),
        (TEAM, "maxResponseBytes", json!(1), "spec.maxResponseBytes", "greater than or equal to 65536"),
        (CLUSTER, "allowedNamespaces", Value::Null, "spec.allowedNamespaces", "Required value"),
        allowed(json!({"from": "Names"}), "`names` must be set exactly when `from` is Names"),
        allowed(json!({"from": "All", "names": ["a"]}), "`names` must be set exactly when `from` is Names"),
        allowed(json!({"from": "Selector"}), "`selector` must be set exactly when `from` is Selector"),
        (CLUSTER, "auth", json!({"bearer": secret}), "spec.auth.bearer.secretKeyRef.namespace", "Required value"),
        (CLUSTER, "auth", json!({"bearer": {}}), "spec.auth.bearer", "exactly one of `secretKeyRef` and `tokenFile`"),
        (
            CLUSTER,
            "auth",
            json!({"bearer": {"tokenFile": "/etc/passwd"}}),
            "spec.auth.bearer.tokenFile",
            "must lie below /var/run/secrets/",
        ),
        (
            CLUSTER,
            "auth",
            json!({"bearer": {"tokenFile": "/var/run/secrets/../../etc/passwd"}}),
            "spec.auth.bearer.tokenFile",
            "hold no `..`",
        ),
    ]
}

fn a_mistake_is_refused_with_its_path_and_mend(plane: &ControlPlane) -> Result<(), Failed> {
    let mut wrong = Vec::new();
    for (kind, field, value, path, words) in mistakes() {
        let mut manifest = source(kind);
        manifest["spec"][field] = value.clone();
        let create = ["create", "--dry-run=server", "--validate=strict", "-f", "-"];
        match refused(plane.kubectl_with_input(&create, &manifest.to_string())?) {
            Ok(said) if said.contains(path) && said.contains(words) => {}
            Ok(said) => wrong.push(format!("{kind} {field} = {value}: no `{path}` with `{words}` in: {said}")),
            Err(error) => wrong.push(format!("{kind} {field} = {value}: {}", error.message().unwrap_or_default())),
        }
    }
    let mut over_http = source(TEAM);
    over_http["spec"]["url"] = json!("http://prometheus");
    over_http["spec"]["tls"] = json!({"serverName": "x"});
    let said = refused(plane.kubectl_with_input(&["create", "--dry-run=server", "-f", "-"], &over_http.to_string())?)?;
    assert!(said.contains("`tls` needs an https address"), "{said}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

fn columns_read_well(plane: &ControlPlane) -> Result<(), Failed> {
    let mut manifest = source(TEAM);
    manifest["metadata"]["name"] = json!("columns");
    apply(plane, &manifest)?;
    let condition = json!({"type": "Ready", "status": "True", "reason": "Connected", "message": "It answers.",
        "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let status = json!({"status": {"observedGeneration": 1, "conditions": [condition], "clockSkewSeconds": 0,
        "buildInfo": {"version": "3.5.0", "flavour": "Prometheus"}}});
    let status = status.to_string();
    succeed(plane.kubectl(&[
        "patch",
        "promsource",
        "columns",
        "--subresource=status",
        "--type=merge",
        "-p",
        &status,
    ])?)?;
    eventually("columns", || {
        let table = succeed(plane.kubectl(&["get", "promsource", "columns", "-o", "wide"])?)?;
        let cells =
            |n: usize| table.lines().nth(n).unwrap_or_default().split_whitespace().collect::<Vec<_>>().join("|");
        assert_eq!(cells(0), "NAME|READY|URL|AGE|REASON|FLAVOUR|VERSION");
        assert!(cells(1).starts_with("columns|True|https://prometheus.monitoring.svc:9090|"), "{table}");
        assert!(cells(1).ends_with("|Connected|Prometheus|3.5.0"), "{table}");
        Ok(true)
    })
}

fn explain_tells_every_field(plane: &ControlPlane) -> Result<(), Failed> {
    for kind in ["promsource", "clusterpromsource"] {
        let spec = succeed(plane.kubectl(&["explain", &format!("{kind}.spec")])?)?;
        for field in ["url", "auth", "tls", "headers", "queryParameters", "proxyUrl", "timeoutSeconds", "maxSeries"] {
            assert!(spec.contains(&format!("  {field}\t<")), "`kubectl explain {kind}.spec` lacks {field}:\n{spec}");
        }
        assert!(!spec.contains("<no description>"), "{spec}");
    }
    Ok(())
}
