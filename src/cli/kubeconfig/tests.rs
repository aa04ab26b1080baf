use serde_json::json;

use super::*;

#[tokio::test]
async fn a_named_file_and_context_are_used_or_refused() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = |name: &str| json!({"name": name, "cluster": {"server": format!("https://{name}.example")}});
    let context = |name: &str| json!({"name": name, "context": {"cluster": name, "user": "u", "namespace": name}});
    let good = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "a", "users": [{"name": "u", "user": {}}],
        "clusters": [cluster("a"), cluster("b")], "contexts": [context("a"), context("b")],
    });
    for (name, text) in [
        ("good", good.to_string()),
        ("broken", "a: [".into()),
        ("empty", r#"{"apiVersion": "v1", "kind": "Config"}"#.into()),
    ] {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let found = async |file: &str, context: Option<&str>| {
        let path = dir.path().join(file);
        let error = |error: anyhow::Error| error.to_string().replace(dir.path().to_str().unwrap(), "DIR");
        configuration(Some(&path), context).await.map(|config| config.cluster_url.to_string()).map_err(error)
    };
    assert_eq!(found("good", None).await.as_deref(), Ok("https://a.example/"));
    assert_eq!(found("good", Some("b")).await.as_deref(), Ok("https://b.example/"));
    for (file, context, expected) in [
        ("good", Some("c\u{1b}"), "kubeconfig has no usable context `c`; see `kubectl config get-contexts`"),
        ("broken", None, "cannot read kubeconfig DIR/broken"),
        ("missing", Some("a"), "cannot read kubeconfig DIR/missing"),
        ("empty", None, "the kubeconfig is not usable; see `kubectl config view`"),
    ] {
        assert_eq!(found(file, context).await, Err(expected.to_owned()), "{file}");
    }
}
