//! `{{name}}` and `{{namespace}}` in queries: one text for many policies, each asks for its own, and they share requests.

use flyball::api::query::MetricRequest;
use flyball::api::{ScalingPolicy, resolve};
use flyball::sources::prometheus::fuse::Template;

use crate::scene::{NAMESPACE, PERIOD, Scene, policy, query, with};

const QUERY: &str = "/spec/metrics/0/prometheus/query";
const WORDS: &str = r#"load{app="{{name}}"}"#;

#[tokio::test(start_paused = true)]
async fn policies_of_one_text_each_follow_their_own_load() {
    let scene = Scene::new().await;
    for (name, load) in [("web", 700.0), ("api", 300.0)] {
        scene.deploy(name, 2);
        scene.set(name, load);
        scene.apply(with(policy(name), QUERY, WORDS));
    }
    scene.pass(2 * PERIOD).await;
    assert_eq!((scene.replicas("web"), scene.replicas("api")), (7, 3));
    let asked: Vec<_> = scene.probe.all_asked().into_keys().map(|query| query.to_string()).collect();
    assert_eq!(asked, [query("api"), query("web")], "what is asked is what somebody would write by hand");
}

/// What the controller asks for a policy of this name.
fn asked(name: &str, words: &str) -> String {
    let policy: ScalingPolicy = serde_json::from_value(with(policy(name), QUERY, words)).unwrap();
    let MetricRequest::Prometheus(query) = resolve(&policy).unwrap().requests.remove(0) else {
        unreachable!("it is a query to Prometheus")
    };
    query.promql.to_string()
}

#[test]
fn policies_of_one_text_are_of_one_shape() {
    let words = r#"sum(rate(hits_total{namespace="{{namespace}}", app="{{name}}", code!~"5.."}[2m]))"#;
    let templates = ["web", "api"].map(|name| Template::of(&asked(name, words)).unwrap());
    assert_eq!(templates[0].shape(), templates[1].shape());
    assert_eq!(templates[0].values(), ["web", NAMESPACE]);
    assert_eq!(templates[1].values(), ["api", NAMESPACE]);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_word_is_named_and_nothing_is_asked() {
    let scene = Scene::new().await;
    scene.deploy("web", 3);
    scene.set("web", 900.0);
    scene.apply(with(policy("web"), QUERY, r#"load{app="{{nmae}}"}"#));
    scene.pass(2 * PERIOD).await;
    let said = scene.expect("web", ("Ready", "False", "InvalidSpec"));
    for words in ["spec.metrics[0].prometheus.query", "{{nmae}}", "{{namespace}} and {{name}}"] {
        assert!(said.contains(words), "{said}");
    }
    assert_eq!((scene.replicas("web"), scene.probe.all_asked().len()), (3, 0));
    scene
        .edit("web", serde_json::json!({"spec": {"metrics": with(policy("web"), QUERY, WORDS)["spec"]["metrics"]}}))
        .await;
    scene.pass(4 * PERIOD).await;
    assert_eq!(scene.replicas("web"), 9, "the mended policy follows");
}
