use serde_json::{Value, json};

use kube::runtime::watcher;

use super::super::informer::Store;
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

/// The pods that a watch has told of, without the watch.
#[derive(Default)]
struct Told {
    store: Store<Entry>,
    templates: Templates,
}

impl Told {
    fn apply(&mut self, event: watcher::Event<ThinPod>) {
        let Self { store, templates } = self;
        store.apply(event, &mut |name, pod| Some(templates.entry(name, pod)));
    }

    fn select(&self, selector: &str) -> Selected {
        select(self.store.believed("pods").unwrap(), "shop", &LabelTest::parse(selector).unwrap())
    }

    fn names(&self, selector: &str) -> Vec<String> {
        self.select(selector).pods.iter().map(|pod| pod.name.to_string()).collect()
    }
}

#[test]
fn a_pod_is_reduced_to_what_counts() {
    let (labels, pod) = thin("web-1", "a", &running()).into_parts(&"web-1".into());
    assert_eq!((labels.get("tier"), labels.get("x")), (Some("front"), None));
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
    let (_, fresh) = thin("web-2", "a", &json!({})).into_parts(&"web-2".into());
    assert_eq!((fresh.phase, fresh.ready, fresh.started), (Phase::Pending, None, None));
}

#[test]
fn pods_come_go_and_share_their_template() {
    let mut told = Told::default();
    told.apply(watcher::Event::InitDone);
    for (name, owner) in [("b", "one"), ("a", "one"), ("c", "two")] {
        told.apply(watcher::Event::Apply(thin(name, owner, &running())));
    }
    assert_eq!(told.names("app in (web)"), ["a", "b", "c"]);
    assert_eq!(told.names("app=api"), [""; 0]);
    let Selected { pods, labels } = told.select("app");
    assert_eq!(labels.len(), 2, "once for each template");
    assert!(Arc::ptr_eq(&pods[0].resources, &pods[1].resources));
    assert!(!Arc::ptr_eq(&pods[0].resources, &pods[2].resources));
    told.apply(watcher::Event::Delete(thin("b", "one", &running())));
    assert_eq!(told.names("app"), ["a", "c"]);
}
