//! What only the sandbox can show: determinism, compaction, faults, the log. What the real server does too is in `tests/api_suite`.

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ListParams, PostParams, WatchEvent, WatchParams};
use serde_json::json;

use super::*;
use crate::sandbox::SimClock;

fn config_map(name: &str) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": name}})).unwrap()
}

/// All that a client sees of a little life.
async fn life(seed: u64) -> Vec<String> {
    let kubernetes = Kubernetes::new(SimClock::new(), seed);
    let api: Api<ConfigMap> = Api::default_namespaced(kubernetes.client("default"));
    let generated: ConfigMap = serde_json::from_value(json!({"metadata": {"generateName": "a-"}})).unwrap();
    for _ in 0..3 {
        api.create(&PostParams::default(), &generated).await.unwrap();
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    let seen = api.watch(&WatchParams::default().timeout(200), "0").await.unwrap();
    seen.map_ok(|event| serde_json::to_string(&event).unwrap()).try_collect().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_shows_the_same() {
    let first = life(7).await;
    assert_eq!(first, life(7).await);
    assert_ne!(first, life(8).await);
    assert!(first[0].contains("a-00001") && first[0].contains("2026-01-01T00:00:00Z"), "{}", first[0]);
    assert!(first[1].contains("2026-01-01T00:00:05Z"), "{}", first[1]);
    assert_eq!(
        first.iter().filter(|line| line.contains("BOOKMARK")).count(),
        4,
        "one a minute and one at the end: {first:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_version_is_gone() {
    let kubernetes = Kubernetes::new(SimClock::new(), 1);
    let api: Api<ConfigMap> = Api::default_namespaced(kubernetes.client("default"));
    api.create(&PostParams::default(), &config_map("a")).await.unwrap();
    api.create(&PostParams::default(), &config_map("b")).await.unwrap();
    let page = api.list(&ListParams::default().limit(1)).await.unwrap();
    let mut reflected = page.metadata.resource_version.clone().unwrap();
    api.create(&PostParams::default(), &config_map("c")).await.unwrap();
    kubernetes.compact();
    let events: Vec<WatchEvent<ConfigMap>> =
        api.watch(&WatchParams::default(), &reflected).await.unwrap().try_collect().await.unwrap();
    assert!(matches!(&events[..], [WatchEvent::Error(status)] if status.code == 410), "{events:?}");
    let token = page.metadata.continue_.unwrap();
    let error = api.list(&ListParams::default().limit(1).continue_token(&token)).await.unwrap_err();
    assert!(matches!(error, kube::Error::Api(status) if status.code == 410));
    reflected = api.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    let params = WatchParams::default().timeout(1);
    let events: Vec<WatchEvent<ConfigMap>> = api.watch(&params, &reflected).await.unwrap().try_collect().await.unwrap();
    assert!(!events.iter().any(|event| matches!(event, WatchEvent::Error(_))), "{events:?}");
}

#[tokio::test(start_paused = true)]
async fn history_is_bounded() {
    let kubernetes = Kubernetes::new(SimClock::new(), 1);
    let object = |value: usize| {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"selector": {"matchLabels": {}}, "template": {}}, "status": {"replicas": value}})
    };
    kubernetes.create(object(0)).unwrap();
    for value in 1..store::HISTORY_CHANGES + 10 {
        kubernetes.set_status(&object(value), json!({"replicas": value})).unwrap();
    }
    assert_eq!(kubernetes.inner.store().changes_after(4).err().map(|failure| failure.code), Some(410));
    let version = kubernetes.inner.store().version();
    assert_eq!(kubernetes.inner.store().changes_after(version - 5).unwrap().count(), 5);
}

#[tokio::test(start_paused = true)]
async fn faults_befall_requests_and_the_log_counts_them() {
    let kubernetes = Kubernetes::new(SimClock::new(), 1);
    let api: Api<ConfigMap> = Api::default_namespaced(kubernetes.client("default"));
    let mut turn = 0;
    kubernetes.intercept(Some(Box::new(move |call: &Call| {
        assert_eq!((call.verb, call.resource.as_str(), call.name.as_deref()), ("get", "configmaps", Some("a")));
        turn += 1;
        match turn {
            1 => Some(Fault::Refuse(Failure::new(429, "TooManyRequests", "slow down"))),
            2 => Some(Fault::Disconnect),
            3 => Some(Fault::Delay(Duration::from_secs(30))),
            _ => None,
        }
    })));
    assert!(matches!(api.get("a").await, Err(kube::Error::Api(status)) if status.code == 429));
    assert!(matches!(api.get("a").await, Err(kube::Error::Service(_))));
    let started = tokio::time::Instant::now();
    assert!(matches!(api.get("a").await, Err(kube::Error::Api(status)) if status.code == 404));
    assert_eq!(started.elapsed(), Duration::from_secs(30));
    kubernetes.intercept(None);
    api.create(&PostParams::default(), &config_map("a")).await.unwrap();
    let expected = [(("create", "configmaps"), 1), (("get", "configmaps"), 3)];
    let found = kubernetes.requests();
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for ((verb, resource), count) in expected {
        assert_eq!(found[&(verb.to_owned(), resource.to_owned())], count);
    }
}

#[tokio::test(start_paused = true)]
async fn a_namespace_takes_its_objects_along() {
    let kubernetes = Kubernetes::new(SimClock::new(), 1);
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}});
    kubernetes.create(namespace.clone()).unwrap();
    let inside = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "shop"}});
    kubernetes.create(inside).unwrap();
    kubernetes.delete(&namespace).unwrap();
    assert_eq!(kubernetes.object(("", "configmaps"), "shop", "a"), None);
}

#[tokio::test]
async fn it_serves_over_http() {
    let kubernetes = Kubernetes::new(SimClock::new(), 1);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let cancel = tokio_util::sync::CancellationToken::new();
    let serving = tokio::spawn({
        let (kubernetes, cancel) = (kubernetes.clone(), cancel.clone());
        async move { kubernetes.serve(listener, cancel).await }
    });
    crate::sources::prometheus::install_tls_provider();
    let config = kube::Config::new(format!("http://{address}").parse().unwrap());
    let api: Api<ConfigMap> = Api::default_namespaced(kube::Client::try_from(config).unwrap());
    api.create(&PostParams::default(), &config_map("a")).await.unwrap();
    assert!(kubernetes.object(("", "configmaps"), "default", "a").is_some());
    let seen: Vec<WatchEvent<ConfigMap>> =
        api.watch(&WatchParams::default().timeout(1), "0").await.unwrap().try_collect().await.unwrap();
    assert!(matches!(&seen[0], WatchEvent::Added(_)), "{seen:?}");
    cancel.cancel();
    serving.await.unwrap().unwrap();
}

/// kube-runtime's own watcher, as the operator uses it, sees all through lists, watches and a compaction.
async fn watched(streaming: bool) {
    use kube::runtime::{WatchStreamExt, watcher};
    let kubernetes = Kubernetes::new(SimClock::new(), 1);
    let api: Api<ConfigMap> = Api::default_namespaced(kubernetes.client("default"));
    for name in ["a", "b", "c"] {
        api.create(&PostParams::default(), &config_map(name)).await.unwrap();
    }
    let config = watcher::Config::default();
    let config = if streaming { config.streaming_lists() } else { config.page_size(2) };
    let mut stream = std::pin::pin!(watcher(api.clone(), config).default_backoff().applied_objects());
    let mut names = Vec::new();
    for round in 0..3 {
        while names.len() < 3 + round {
            names.push(stream.try_next().await.unwrap().unwrap().metadata.name.unwrap());
        }
        // Long enough for the watch to end and begin again several times.
        let quiet = tokio::time::timeout(Duration::from_secs(1000), stream.next()).await;
        assert!(quiet.is_err(), "{quiet:?}");
        api.create(&PostParams::default(), &config_map(&format!("d{round}"))).await.unwrap();
    }
    assert_eq!(names, ["a", "b", "c", "d0", "d1"]);
}

#[tokio::test(start_paused = true)]
async fn kube_runtime_watches_by_lists() {
    watched(false).await;
}

#[tokio::test(start_paused = true)]
async fn kube_runtime_watches_by_streaming_lists() {
    watched(true).await;
}
