use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::json;

use super::*;

/// Keeps the datum `k`.
fn apply(store: &mut Store<String>, event: watcher::Event<ConfigMap>) {
    store.apply(event, &mut |_, map| map.data?.remove("k"));
}

fn map(name: &str, value: &str) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": name, "namespace": "shop"}, "data": {"k": value}})).unwrap()
}

fn seen(store: &Store<String>) -> Vec<String> {
    let objects = store.believed("maps").unwrap();
    objects.within("shop").map(|(name, value)| format!("{name}={value}")).collect()
}

#[test]
fn nothing_is_known_before_the_first_list_is_whole() {
    let mut store = Store::default();
    apply(&mut store, watcher::Event::Init);
    apply(&mut store, watcher::Event::InitApply(map("a", "1")));
    let unknown = store.believed("maps").unwrap_err();
    assert_eq!(unknown.to_string(), "the API server has not listed the maps yet; this is tried again in the next pass");
    apply(&mut store, watcher::Event::InitDone);
    assert_eq!(seen(&store), ["a=1"]);
    assert_eq!(store.believed("maps").unwrap().get("shop", "a").unwrap(), "1");
    assert!(store.believed("maps").unwrap().get("shop", "b").is_none());
}

#[test]
fn objects_come_change_and_go() {
    let mut store = Store::default();
    apply(&mut store, watcher::Event::InitDone);
    for (name, value) in [("b", "1"), ("a", "1"), ("a", "2")] {
        apply(&mut store, watcher::Event::Apply(map(name, value)));
    }
    assert_eq!(seen(&store), ["a=2", "b=1"]);
    apply(&mut store, watcher::Event::Delete(map("b", "1")));
    assert_eq!(seen(&store), ["a=2"]);
    let emptied = ConfigMap { data: None, ..map("a", "") };
    apply(&mut store, watcher::Event::Apply(emptied));
    assert!(store.objects.by_namespace.is_empty(), "what says nothing any more is not kept as it was");
}

#[test]
fn a_list_replaces_everything_once_it_is_whole() {
    let mut store = Store::default();
    apply(&mut store, watcher::Event::InitDone);
    apply(&mut store, watcher::Event::Apply(map("a", "1")));
    apply(&mut store, watcher::Event::Init);
    apply(&mut store, watcher::Event::InitApply(map("b", "1")));
    assert_eq!(seen(&store), ["a=1"]);
    // A list that was given up leaves nothing behind.
    apply(&mut store, watcher::Event::Init);
    apply(&mut store, watcher::Event::InitApply(map("c", "1")));
    apply(&mut store, watcher::Event::InitDone);
    assert_eq!(seen(&store), ["c=1"]);
}

#[test]
fn objects_of_the_cluster_have_no_namespace() {
    let mut store = Store::default();
    apply(&mut store, watcher::Event::InitDone);
    let mut object = map("a", "1");
    object.metadata.namespace = None;
    apply(&mut store, watcher::Event::Apply(object));
    assert_eq!(store.believed("maps").unwrap().get("", "a").unwrap(), "1");
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_fails_is_believed_for_a_minute() {
    let mut store = Store::default();
    store.fail("maps is forbidden".into());
    assert!(store.believed("maps").is_err(), "what was never seen is not believed at all");
    apply(&mut store, watcher::Event::InitDone);
    apply(&mut store, watcher::Event::Apply(map("a", "1")));
    store.fail("no route".into());
    tokio::time::advance(BELIEVED_FOR).await;
    apply(&mut store, watcher::Event::Init);
    store.fail("maps is forbidden".into());
    assert_eq!(seen(&store), ["a=1"]);
    tokio::time::advance(Duration::from_millis(1)).await;
    let unknown = store.believed("maps").unwrap_err();
    assert_eq!(unknown.to_string(), "maps cannot be watched: maps is forbidden", "a new attempt is no new beginning");
    apply(&mut store, watcher::Event::Apply(map("a", "2")));
    assert_eq!(seen(&store), ["a=2"]);
}
