//! What is told of shared requests, against an API server that answers by hand.

use http::{Request, Response};
use kube::api::GroupVersionKind;
use kube::client::Body;
use serde_json::{Value, json};

use super::*;

const EVERYWHERE: &str = "/apis/flyball.dev/v1alpha1/scalingpolicies";
const IN_SHOP: &str = "/apis/flyball.dev/v1alpha1/namespaces/shop/scalingpolicies";

fn kind() -> ApiResource {
    ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk("flyball.dev", "v1alpha1", "ScalingPolicy"),
        "scalingpolicies",
    )
}

/// A client whose lists are answered with what stands beside their path, and refused where there is none.
fn listing(answers: &[(&'static str, Value)]) -> Client {
    let answers = answers.to_vec();
    let service = tower::service_fn(move |request: Request<Body>| {
        assert_eq!(request.uri().query(), Some("&limit=2000"), "one page");
        let path = request.uri().path().to_owned();
        let found = answers.iter().find(|(known, _)| *known == path).map(|(_, body)| body.clone());
        let refused = json!({
            "kind": "Status", "status": "Failure", "reason": "Forbidden", "code": 403,
            "message": "User \"x\" cannot list\u{1b}[31m",
        });
        let code = if found.is_some() { 200 } else { 403 };
        let body = found.unwrap_or(refused).to_string();
        async move {
            Ok::<_, std::convert::Infallible>(
                Response::builder().status(code).body(Body::from(body.into_bytes())).unwrap(),
            )
        }
    });
    Client::new(service, "default")
}

fn policies(items: &[Value]) -> Value {
    json!({"apiVersion": "flyball.dev/v1alpha1", "kind": "ScalingPolicyList", "metadata": {}, "items": items})
}

/// All of one uid, so of one slot.
fn policy(name: &str, queries: &[&str]) -> Value {
    let metrics: Vec<Value> = queries
        .iter()
        .enumerate()
        .map(|(index, query)| {
            let prometheus = json!({"query": query, "target": {"type": "AverageValue", "averageValue": "100"}});
            json!({"type": "Prometheus", "name": format!("m{index}"), "prometheus": prometheus})
        })
        .collect();
    json!({
        "apiVersion": "flyball.dev/v1alpha1", "kind": "ScalingPolicy",
        "metadata": {"name": name, "namespace": "shop", "uid": "u"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "maxReplicas": 8, "metrics": metrics,
        },
        "status": {"conditions": "of another version"},
    })
}

fn with(mut policy: Value, place: &str, value: Value) -> Value {
    let (parent, field) = place.rsplit_once('/').unwrap();
    policy.pointer_mut(parent).unwrap()[field] = value;
    policy
}

async fn shared(answers: &[(&'static str, Value)], own: &Value) -> Option<SharedRequests> {
    of(&listing(answers), &kind(), &serde_json::from_value(own.clone()).unwrap()).await
}

/// The lines under the heading, unwrapped.
async fn told_of(own: &Value, others: &[Value]) -> Vec<String> {
    let answer = policies(&[std::slice::from_ref(own), others].concat());
    let shared = shared(&[(EVERYWHERE, answer)], own).await.unwrap();
    let text = text(&shared);
    assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
    text.replace("\n    ", " ").lines().skip(1).map(|line| line.trim().to_owned()).collect()
}

const WEB: &str = r#"load{app="web"}"#;
const CART: &str = r#"load{app="cart"}"#;

#[tokio::test]
async fn each_case_has_its_sentence() {
    let web = policy("web", &[WEB]);
    let replaced = r#"label_replace(load{app="web"}, "a", "b", "c", "d")"#;
    let apps = |count: usize| -> Vec<Value> {
        (0..count).map(|app| policy(&format!("app-{app}"), &[&format!(r#"load{{app="{app}"}}"#)])).collect()
    };
    let lonely = r#"m0: asked alone: no other policy asks for the shape load{app="?"} at the same instants"#;
    let cases = [
        ("nobody else", web.clone(), vec![], lonely),
        (
            "one of the shape",
            web.clone(),
            apps(1),
            r#"m0: asked together with 1 other of the shape load{app="?"}: shop/app-0"#,
        ),
        (
            "two of the shape",
            web.clone(),
            apps(2),
            r#"m0: asked together with 2 others of the shape load{app="?"}: shop/app-0 and shop/app-1"#,
        ),
        (
            "many of the shape",
            web.clone(),
            apps(41),
            r#"m0: asked together with 41 others of the shape load{app="?"}: shop/app-0, shop/app-1 and 39 more"#,
        ),
        ("the same query", web.clone(), vec![policy("canary", &[WEB])], "m0: the same query as shop/canary"),
        (
            "both",
            web.clone(),
            vec![policy("canary", &[WEB]), policy("cart", &[CART])],
            r#"m0: the same query as shop/canary; asked together with 1 other of the shape load{app="?"}: shop/cart"#,
        ),
        (
            "never shared",
            policy("web", &[replaced]),
            apps(1),
            "m0: asked alone: the function label_replace() is not known to yield the same in a shared request",
        ),
        (
            "never shared, but with its equal",
            policy("web", &["up"]),
            vec![policy("canary", &["up"])],
            "m0: the same query as shop/canary; shared with no other: no label is demanded, with = and the same value, by every selector",
        ),
        ("paused", web.clone(), vec![with(policy("cart", &[CART]), "/spec/mode", json!("Paused"))], lonely),
        ("invalid", web.clone(), vec![with(policy("cart", &[CART]), "/spec/minReplicas", json!(9))], lonely),
        ("unreadable", web.clone(), vec![with(policy("cart", &[CART]), "/spec/maxReplicas", json!("x"))], lonely),
        ("another period", web, vec![with(policy("cart", &[CART]), "/spec/pollingPeriodSeconds", json!(30))], lonely),
    ];
    for (case, own, others, wanted) in cases {
        assert_eq!(told_of(&own, &others).await, [wanted], "{case}");
    }
}

#[tokio::test]
async fn each_metric_that_asks_a_prometheus_has_its_line() {
    let mut own = policy("web", &[WEB, "up"]);
    let cpu = json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}});
    own.pointer_mut("/spec/metrics").unwrap().as_array_mut().unwrap().insert(1, cpu);
    let lines = told_of(&own, &[policy("cart", &[CART])]).await;
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("m0: asked together with 1 other"), "{lines:?}");
    assert_eq!(lines[1], "m1: asked alone: no label is demanded, with = and the same value, by every selector");
}

#[tokio::test]
async fn who_asks_no_prometheus_is_told_nothing() {
    assert_eq!(shared(&[], &policy("web", &[])).await, None);
    assert_eq!(shared(&[], &with(policy("web", &[WEB]), "/spec/mode", json!("Paused"))).await, None);
    assert_eq!(shared(&[], &with(policy("web", &[WEB]), "/spec/maxReplicas", json!(0))).await, None);
}

#[tokio::test]
async fn what_cannot_be_listed_is_said_and_fails_nothing() {
    let own = policy("web", &[WEB]);
    let page = policies(&[policy("cart", &[CART])]);
    let told = |shared: Option<SharedRequests>| {
        let shared = shared.unwrap();
        (shared.metrics.iter().map(|metric| metric.sharing.same_request.total).collect::<Vec<_>>(), shared.remark)
    };
    let (totals, remark) = told(shared(&[(IN_SHOP, page.clone())], &own).await);
    assert_eq!(totals, [1]);
    assert_eq!(
        remark.as_deref(),
        Some("Only policies in namespace \"shop\" are looked at: the cluster does not let you list those of others.")
    );
    let more = with(page, "/metadata/continue", json!("token"));
    let (totals, remark) = told(shared(&[(EVERYWHERE, more)], &own).await);
    assert_eq!(totals, [1]);
    assert_eq!(remark.as_deref(), Some("Only the first 2000 policies are looked at; there are more."));
    let (totals, remark) = told(shared(&[], &own).await);
    assert_eq!(totals, [0; 0]);
    let wanted = "Which policies share its requests is not known: the cluster does not let you list ScalingPolicies: User \"x\" cannot list[31m.";
    assert_eq!(remark.as_deref(), Some(wanted));
    let (_, remark) = told(shared(&[(EVERYWHERE, json!("nonsense"))], &own).await);
    assert!(remark.unwrap().contains("is not known: they could not be listed: "));
}

#[tokio::test(start_paused = true)]
async fn a_list_that_does_not_come_is_not_waited_for() {
    let service =
        tower::service_fn(|_: Request<Body>| std::future::pending::<Result<Response<Body>, std::io::Error>>());
    let object = serde_json::from_value(policy("web", &[WEB])).unwrap();
    let shared = of(&Client::new(service, "default"), &kind(), &object).await.unwrap();
    assert!(shared.remark.unwrap().contains("the API server did not list them within 10 s"));
}

#[tokio::test]
async fn the_json_names_the_policies() {
    let own = policy("web", &[WEB]);
    let page = policies(&[policy("cart", &[CART]), policy("canary", &[WEB])]);
    let shared = serde_json::to_value(shared(&[(EVERYWHERE, page)], &own).await).unwrap();
    let wanted = json!({"metrics": [{
        "name": "m0",
        "sameQuery": {"total": 1, "policies": ["shop/canary"]},
        "sameRequest": {"total": 1, "policies": ["shop/cart"]},
        "shape": r#"load{app="?"}"#,
    }]});
    assert_eq!(shared, wanted);
}
