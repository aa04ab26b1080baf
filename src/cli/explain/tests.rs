//! `explain` against an API server that answers by hand.

use http::{Request, Response};
use kube::client::Body;
use serde_json::json;

use super::*;

/// A client whose every request is answered with `code` and `body`.
fn answering(code: u16, body: impl Into<String>) -> Client {
    let body: String = body.into();
    let service = tower::service_fn(move |request: Request<Body>| {
        assert_eq!(request.uri().path(), "/apis/flyball.dev/v1alpha1/namespaces/shop/scalingpolicies/web");
        let body = body.clone();
        async move {
            Ok::<_, std::convert::Infallible>(
                Response::builder().status(code).body(Body::from(body.into_bytes())).unwrap(),
            )
        }
    });
    Client::new(service, "default")
}

fn policy(status: &Value) -> Value {
    json!({
        "apiVersion": "flyball.dev/v1alpha1",
        "kind": "ScalingPolicy",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "maxReplicas": 8},
        "status": status,
    })
}

fn decided() -> Value {
    json!({
        "conditions": [
            condition("Ready", "True", "Decided", "fine"),
            condition("ScalingLimited", "True", "TooManyReplicas", "the desired count is more than the maximum\u{1b}[2J"),
        ],
        "lastDecision": {
            "time": "2026-03-01T14:02:10Z", "direction": "Up", "message": "6 to 8",
            "currentReplicas": 6, "minReplicas": 2, "maxReplicas": 8, "recommendedReplicas": 13, "stabilizedReplicas": 13,
            "desiredReplicas": 8, "metricName": "http_rps", "limitedBy": ["MaxReplicas"],
            "proposals": [{"name": "http_rps", "targetType": "AverageValue", "target": "100", "value": "1224", "replicas": 13}],
        },
    })
}

fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": "2026-03-01T14:00:00Z"})
}

async fn explained(status: Value, output: Output) -> anyhow::Result<String> {
    let explanation = read(answering(200, policy(&status).to_string()), "web", "shop").await?;
    render(&explanation, output, Style::default())
}

#[tokio::test]
async fn conditions_that_are_not_good_come_before_the_waterfall() {
    let text = explained(decided(), Output::Text).await.unwrap();
    assert!(
        text.starts_with(
            "! ScalingLimited=True TooManyReplicas: the desired count is more than the maximum[2J.\n\nshop/web  "
        ),
        "{text}"
    );
    assert!(text.contains("applied to Deployment/web"), "{text}");
    assert!(text.ends_with("To lift: raise maxReplicas above 8 (13 now).\n"), "{text}");
    assert!(!text.contains("Ready"), "{text}");
}

#[test]
fn the_kind_may_stand_before_the_name() {
    for (written, name) in [("web", "web"), ("scp/web", "web"), ("scalingpolicies/web", "web"), ("pod/web", "pod/web")]
    {
        assert_eq!(bare(written), name);
    }
}

#[test]
fn shared_requests_come_last() {
    let object = serde_json::from_value(policy(&decided())).unwrap();
    let shared = sharing::SharedRequests::default();
    let explanation = Explanation { shared_requests: Some(shared), ..explanation(&object, "shop") };
    let told = text(&explanation, Style::default()).unwrap();
    assert!(told.ends_with("(13 now).\n\nRequests to Prometheus:\n"), "{told}");
}

#[tokio::test]
async fn json_and_yaml_hold_the_decision_without_control_characters() {
    let json: Value = serde_json::from_str(&explained(decided(), Output::Json).await.unwrap()).unwrap();
    assert_eq!(json.pointer("/lastDecision/desiredReplicas"), Some(&json!(8)));
    assert_eq!(json.pointer("/conditions/1/message"), Some(&json!("the desired count is more than the maximum[2J")));
    let yaml = explained(decided(), Output::Yaml).await.unwrap();
    assert!(yaml.contains("desiredReplicas: 8") && !yaml.contains('\u{1b}'), "{yaml}");
}

#[tokio::test]
async fn without_a_decision_the_condition_says_why() {
    let status =
        json!({"conditions": [condition("Ready", "False", "TargetNotFound", "there is no Deployment web in shop")]});
    let error = explained(status, Output::Text).await.unwrap_err().to_string();
    assert_eq!(error, "shop/web has no decision yet: there is no Deployment web in shop. (TargetNotFound)");
    let error = explained(json!({"observedGeneration": -1}), Output::Text).await.unwrap_err().to_string();
    assert!(error.contains("Is the operator running"), "{error}");
    let error = explained(Value::Null, Output::Text).await.unwrap_err().to_string();
    assert!(error.contains("Is the operator running"), "{error}");
}

#[tokio::test]
async fn a_status_of_another_version_is_read_as_far_as_it_goes() {
    let mut status = decided();
    status["currentReplicas"] = json!("six");
    assert!(explained(status, Output::Text).await.unwrap().contains("applied to Deployment/web"));
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    let status = |code: u16, message: &str| {
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "x", "message": message, "code": code}).to_string()
    };
    let cases = [
        (
            404,
            status(404, "scalingpolicies.flyball.dev \"web\" not found"),
            "no ScalingPolicy \"web\" in namespace \"shop\"; name its namespace with -n",
        ),
        (404, "404 page not found\n".to_owned(), "flyball crd | kubectl apply -f -"),
        (
            403,
            status(403, "User \"x\" cannot get resource\u{1b}[31m"),
            "does not let you read ScalingPolicies in namespace \"shop\": User \"x\" cannot get resource[31m.",
        ),
        (500, status(500, "etcd is gone"), "the API server refused: etcd is gone."),
        (200, "<html>".to_owned(), "the API server could not be asked: "),
    ];
    for (code, body, wanted) in cases {
        let error = read(answering(code, body), "web", "shop").await.unwrap_err().to_string();
        assert!(error.contains(wanted), "{code}: {error}");
        assert!(!error.chars().any(char::is_control), "{error:?}");
    }
}

#[tokio::test]
async fn a_kubeconfig_that_is_not_there_is_named() {
    let args = ExplainArgs {
        name: "web".into(),
        namespace: None,
        output: Output::Text,
        context: None,
        kubeconfig: Some("/nowhere/config".into()),
    };
    assert_eq!(run(args).await.unwrap_err().to_string(), "cannot read kubeconfig /nowhere/config");
}

#[tokio::test]
async fn a_cluster_that_does_not_answer_and_a_context_that_is_not_there_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config");
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "a",
        // Port 1 of the loopback refuses at once.
        "clusters": [{"name": "a", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "a", "user": {}}],
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a", "namespace": "shop"}}],
    });
    std::fs::write(&path, config.to_string()).unwrap();
    let mut args = ExplainArgs {
        name: "web".into(),
        namespace: None,
        output: Output::Text,
        context: None,
        kubeconfig: Some(path),
    };
    let error = run(args.clone()).await.unwrap_err().to_string();
    assert!(error.starts_with("the API server could not be asked: ") && error.contains("refused"), "{error}");
    args.context = Some("b".into());
    let error = run(args).await.unwrap_err().to_string();
    assert_eq!(error, "kubeconfig has no usable context `b`; see `kubectl config get-contexts`");
}
