//! Watches.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::{Client, ResourceExt};
use serde_json::json;

use super::{Case, config_map, config_maps, namespace, policies};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case!("watch_tells_all_after_its_version", watch_tells_all_after_its_version),
        case!("watch_from_zero_begins_with_what_is_there", watch_from_zero_begins_with_what_is_there),
        case!("watch_sees_objects_enter_and_leave_its_selection", watch_sees_objects_enter_and_leave_its_selection),
        case!("watch_goes_on_live", watch_goes_on_live),
        case!("watch_ends_at_its_timeout", watch_ends_at_its_timeout),
        case!("watch_from_before_the_history_is_gone", watch_from_before_the_history_is_gone),
        case!("watch_list_marks_the_end_of_the_beginning", watch_list_marks_the_end_of_the_beginning),
    ]
}

/// Longer than any of these watches should need; with paused time it costs nothing.
const PATIENCE: Duration = Duration::from_secs(20);

/// The first `count` events, bookmarks aside, as `NAME object`.
async fn events(api: &Api<ConfigMap>, params: &WatchParams, from: &str, count: usize) -> Vec<String> {
    let stream = api.watch(params, from).await.unwrap();
    let wanted = stream.try_filter_map(|event| async move { Ok(describe(event)) }).take(count).try_collect();
    tokio::time::timeout(PATIENCE, wanted).await.unwrap().unwrap()
}

fn describe(event: WatchEvent<ConfigMap>) -> Option<String> {
    match event {
        WatchEvent::Added(object) => Some(format!("ADDED {}", object.name_any())),
        WatchEvent::Modified(object) => Some(format!("MODIFIED {}", object.name_any())),
        WatchEvent::Deleted(object) => Some(format!("DELETED {}", object.name_any())),
        WatchEvent::Error(error) => Some(format!("ERROR {}", error.code)),
        WatchEvent::Bookmark(_) => None,
    }
}

async fn set(api: &Api<ConfigMap>, name: &str, value: &str) {
    let patch = Patch::Merge(json!({"data": {"k": value}}));
    api.patch(name, &PatchParams::default(), &patch).await.unwrap();
}

async fn watch_tells_all_after_its_version(client: Client) {
    let api = config_maps(&client, &namespace(&client).await);
    api.create(&PostParams::default(), &config_map("before", &json!({}))).await.unwrap();
    let from = api.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    api.create(&PostParams::default(), &config_map("a", &json!({}))).await.unwrap();
    set(&api, "a", "1").await;
    set(&api, "a", "1").await;
    api.delete("before", &DeleteParams::default()).await.unwrap();
    api.delete("a", &DeleteParams::default()).await.unwrap();
    let seen = events(&api, &WatchParams::default(), &from, 4).await;
    assert_eq!(seen, ["ADDED a", "MODIFIED a", "DELETED before", "DELETED a"], "and nothing for a write of the same");
}

async fn watch_from_zero_begins_with_what_is_there(client: Client) {
    let api = config_maps(&client, &namespace(&client).await);
    for name in ["b", "a"] {
        api.create(&PostParams::default(), &config_map(name, &json!({}))).await.unwrap();
    }
    let mut seen = events(&api, &WatchParams::default(), "0", 2).await;
    seen.sort();
    assert_eq!(seen, ["ADDED a", "ADDED b"]);
}

async fn watch_sees_objects_enter_and_leave_its_selection(client: Client) {
    let api = config_maps(&client, &namespace(&client).await);
    let from = api.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    api.create(&PostParams::default(), &config_map("a", &json!({}))).await.unwrap();
    for label in [Some("1"), Some("2"), None] {
        let patch = Patch::Merge(json!({"metadata": {"labels": {"on": label}}}));
        api.patch("a", &PatchParams::default(), &patch).await.unwrap();
    }
    let seen = events(&api, &WatchParams::default().labels("on"), &from, 3).await;
    assert_eq!(seen, ["ADDED a", "MODIFIED a", "DELETED a"]);
}

async fn watch_goes_on_live(client: Client) {
    let api = config_maps(&client, &namespace(&client).await);
    let from = api.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    let params = WatchParams::default();
    let watch = events(&api, &params, &from, 2);
    let write = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        api.create(&PostParams::default(), &config_map("a", &json!({}))).await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        set(&api, "a", "1").await;
    };
    let (seen, ()) = futures::join!(watch, write);
    assert_eq!(seen, ["ADDED a", "MODIFIED a"]);
}

async fn watch_ends_at_its_timeout(client: Client) {
    let api = config_maps(&client, &namespace(&client).await);
    let from = api.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    let started = tokio::time::Instant::now();
    let seen = events(&api, &WatchParams::default().timeout(1), &from, 1).await;
    assert_eq!(seen, [""; 0]);
    let elapsed = started.elapsed();
    assert!(elapsed >= Duration::from_millis(900) && elapsed < Duration::from_secs(5), "{elapsed:?}");
}

async fn watch_from_before_the_history_is_gone(client: Client) {
    let api = policies(&client, &namespace(&client).await);
    let stream = api.watch(&WatchParams::default().timeout(5), "1").await.unwrap();
    let seen: Vec<_> = tokio::time::timeout(PATIENCE, stream.try_collect()).await.unwrap().unwrap();
    let [WatchEvent::Error(status)] = &seen[..] else { panic!("expected one error: {seen:?}") };
    assert_eq!((status.code, status.reason.as_str()), (410, "Expired"));
}

async fn watch_list_marks_the_end_of_the_beginning(client: Client) {
    let api = config_maps(&client, &namespace(&client).await);
    api.create(&PostParams::default(), &config_map("a", &json!({}))).await.unwrap();
    let stream =
        api.watch(&WatchParams::default().initial_events(), "0").await.unwrap().take(2).try_collect::<Vec<_>>();
    let seen = tokio::time::timeout(PATIENCE, stream).await.unwrap().unwrap();
    assert!(matches!(&seen[0], WatchEvent::Added(object) if object.name_any() == "a"), "{seen:?}");
    let WatchEvent::Bookmark(bookmark) = &seen[1] else { panic!("no bookmark: {seen:?}") };
    assert_eq!(bookmark.metadata.annotations["k8s.io/initial-events-end"], "true");
    assert!(bookmark.metadata.resource_version.parse::<u64>().unwrap() > 0);
}
