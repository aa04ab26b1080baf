use serde_json::{Value, json};

use super::*;
use crate::engine::{Milli, Phase, ReadyStatus, Timestamp};

fn thin(name: &str, owner: &str, status: &Value) -> ThinPod {
    serde_json::from_value(json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "namespace": "shop", "labels": {"app": "web", "tier": "front"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "rs", "uid": owner, "controller": true}],
        },
        "spec": {
            "nodeName": "n", "volumes": [{"name": "v"}], "overhead": {"cpu": "5m"},
            "containers": [{"name": "main", "image": "i", "resources": {"requests": {"cpu": "100m", "memory": "1Ki"}}}],
            "initContainers": [{"name": "log", "restartPolicy": "Always", "resources": {"requests": {"cpu": "0.05"}}}],
        },
        "status": status,
    }))
    .unwrap()
}

fn running() -> Value {
    json!({
        "phase": "Running", "startTime": "2026-01-01T00:00:00Z", "podIP": "10.0.0.1",
        "conditions": [
            {"type": "Initialized", "status": "True"},
            {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:30Z"},
        ],
    })
}

fn select(index: &Index, selector: &str) -> Vec<String> {
    let pods = index.select("shop", &LabelTest::parse(selector).unwrap()).unwrap().pods;
    pods.iter().map(|pod| pod.name.to_string()).collect()
}

#[test]
fn a_pod_is_reduced_to_what_counts() {
    let (namespace, labels, pod) = thin("web-1", "a", &running()).into_parts().unwrap();
    assert_eq!((namespace.as_str(), labels.get("tier"), labels.get("x")), ("shop", Some("front"), None));
    assert_eq!((&*pod.name, pod.phase, pod.deleting), ("web-1", Phase::Running, false));
    let started = Timestamp::from_millis(1_767_225_600_000);
    assert_eq!(pod.started, Some(started));
    let ready = pod.ready.unwrap();
    assert_eq!((ready.status, ready.changed), (ReadyStatus::True, started.plus_seconds(30)));
    let resources = &pod.resources;
    assert_eq!(resources.containers[0].requests.get("cpu"), Some(Milli::new(100)));
    assert_eq!(resources.containers[0].requests.get("memory"), Some(Milli::new(1_024_000)));
    assert!(resources.init_containers[0].restart_always && resources.pod_requests.is_empty());
    assert_eq!(resources.overhead.get("cpu"), Some(Milli::new(5)));
    let (_, _, fresh) = thin("web-2", "a", &json!({})).into_parts().unwrap();
    assert_eq!((fresh.phase, fresh.ready, fresh.started), (Phase::Pending, None, None));
}

#[test]
fn nothing_is_known_before_the_first_list_is_whole() {
    let mut index = Index::default();
    let test = LabelTest::parse("app=web").unwrap();
    index.apply(watcher::Event::Init);
    index.apply(watcher::Event::InitApply(thin("web-1", "a", &running())));
    assert_eq!(index.select("shop", &test).unwrap_err().absence, Absence::Unavailable);
    index.apply(watcher::Event::InitDone);
    assert_eq!(select(&index, "app=web"), ["web-1"]);
    assert_eq!(select(&index, "app=api"), [""; 0]);
}

#[test]
fn pods_come_go_and_share_their_template() {
    let mut index = Index::default();
    index.apply(watcher::Event::InitDone);
    for (name, owner) in [("b", "one"), ("a", "one"), ("c", "two")] {
        index.apply(watcher::Event::Apply(thin(name, owner, &running())));
    }
    assert_eq!(select(&index, "app in (web)"), ["a", "b", "c"]);
    let Selected { pods, labels } = index.select("shop", &LabelTest::parse("app").unwrap()).unwrap();
    assert_eq!(labels.len(), 2, "once for each template");
    assert!(Arc::ptr_eq(&pods[0].resources, &pods[1].resources));
    assert!(!Arc::ptr_eq(&pods[0].resources, &pods[2].resources));
    index.apply(watcher::Event::Delete(thin("b", "one", &running())));
    assert_eq!(select(&index, "app"), ["a", "c"]);
    // A new list replaces what it does not name.
    index.apply(watcher::Event::Init);
    index.apply(watcher::Event::InitApply(thin("d", "two", &running())));
    assert_eq!(select(&index, "app"), ["a", "c"], "the old list holds until the new one is whole");
    index.apply(watcher::Event::InitDone);
    assert_eq!(select(&index, "app"), ["d"]);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_fails_is_believed_for_a_minute() {
    let mut index = Index::default();
    index.apply(watcher::Event::InitDone);
    index.apply(watcher::Event::Apply(thin("a", "one", &running())));
    index.failing = Some((Instant::now(), "pods is forbidden".into()));
    tokio::time::advance(BELIEVED_FOR).await;
    assert_eq!(select(&index, "app"), ["a"]);
    tokio::time::advance(Duration::from_millis(1)).await;
    let absent = index.select("shop", &LabelTest::parse("app").unwrap()).unwrap_err();
    assert_eq!(&*absent.message, "pods cannot be watched: pods is forbidden");
}
