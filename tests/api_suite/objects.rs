//! Objects: create, read, list, update, patch, delete.

use k8s_openapi::api::core::v1::{ConfigMap, Event};
use kube::Client;
use kube::api::{
    Api, DeleteParams, DynamicObject, ListParams, PartialObjectMeta, Patch, PatchParams, PostParams, Preconditions,
};
use serde_json::json;

use super::{
    Case, config_map, config_maps, deployment, deployments, namespace, object, policies, policy, refusal, resource,
    version,
};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case!("created_object_has_identity", created_object_has_identity),
        case!("missing_object_is_404_with_details", missing_object_is_404_with_details),
        case!("taken_name_is_409_already_exists", taken_name_is_409_already_exists),
        case!("missing_namespace_is_404", missing_namespace_is_404),
        case!("bad_names_and_values_are_422", bad_names_and_values_are_422),
        case!("generated_names_differ", generated_names_differ),
        case!("list_pages_show_one_version", list_pages_show_one_version),
        case!("lists_take_selectors", lists_take_selectors),
        case!("what_is_no_selector_is_400", what_is_no_selector_is_400),
        case!("put_with_old_version_is_409", put_with_old_version_is_409),
        case!("put_of_policy_needs_a_version", put_of_policy_needs_a_version),
        case!("same_again_keeps_the_version", same_again_keeps_the_version),
        case!("merge_patch_merges_and_removes", merge_patch_merges_and_removes),
        case!("merge_patch_with_old_version_is_409", merge_patch_with_old_version_is_409),
        case!("apply_owns_what_it_sets", apply_owns_what_it_sets),
        case!("apply_needs_force_against_others", apply_needs_force_against_others),
        case!("delete_honours_preconditions", delete_honours_preconditions),
        case!("dry_run_changes_nothing", dry_run_changes_nothing),
        case!("metadata_can_be_had_alone", metadata_can_be_had_alone),
        case!("events_can_be_created", events_can_be_created),
        case!("unknown_kind_is_404", unknown_kind_is_404),
    ]
}

async fn created_object_has_identity(client: Client) {
    let namespace = namespace(&client).await;
    let api = deployments(&client, &namespace);
    let made = api.create(&PostParams::default(), &deployment("web", 2)).await.unwrap();
    assert!(made.metadata.uid.as_ref().is_some_and(|uid| uid.len() == 36));
    assert!(made.metadata.creation_timestamp.is_some());
    assert_eq!(made.metadata.generation, Some(1));
    assert_eq!(made.metadata.namespace.as_ref(), Some(&namespace));
    let read = api.get("web").await.unwrap();
    assert_eq!(version(&read), version(&made));
    assert_eq!(read.data["spec"]["replicas"], 2);
    let config =
        config_maps(&client, &namespace).create(&PostParams::default(), &config_map("c", &json!({}))).await.unwrap();
    assert_eq!(config.metadata.generation, None, "only kinds with a spec count generations");
}

async fn missing_object_is_404_with_details(client: Client) {
    let namespace = namespace(&client).await;
    let status = refusal(deployments(&client, &namespace).get("nope").await);
    assert_eq!((status.code, status.reason.as_str()), (404, "NotFound"));
    assert_eq!(status.message, "deployments.apps \"nope\" not found");
    let details = status.details.unwrap();
    assert_eq!((details.name.as_str(), details.group.as_str(), details.kind.as_str()), ("nope", "apps", "deployments"));
    let status = refusal(config_maps(&client, &namespace).get("nope").await);
    assert_eq!(status.message, "configmaps \"nope\" not found");
    assert_eq!(deployments(&client, &namespace).get_opt("nope").await.unwrap(), None);
    assert_eq!(refusal(deployments(&client, &namespace).delete("nope", &DeleteParams::default()).await).code, 404);
    let patch = json!({"spec": {"replicas": 1}});
    let patched = deployments(&client, &namespace).patch("nope", &PatchParams::default(), &Patch::Merge(&patch)).await;
    assert_eq!(refusal(patched).code, 404);
}

async fn taken_name_is_409_already_exists(client: Client) {
    let api = deployments(&client, &namespace(&client).await);
    api.create(&PostParams::default(), &deployment("web", 1)).await.unwrap();
    let status = refusal(api.create(&PostParams::default(), &deployment("web", 1)).await);
    assert_eq!((status.code, status.reason.as_str()), (409, "AlreadyExists"));
    assert_eq!(status.message, "deployments.apps \"web\" already exists");
}

async fn missing_namespace_is_404(client: Client) {
    let api = config_maps(&client, "no-such-namespace");
    let status = refusal(api.create(&PostParams::default(), &config_map("c", &json!({}))).await);
    assert_eq!((status.code, status.message.as_str()), (404, "namespaces \"no-such-namespace\" not found"));
    assert_eq!(api.list(&ListParams::default()).await.unwrap().items.len(), 0, "but reading it finds nothing");
}

async fn bad_names_and_values_are_422(client: Client) {
    let namespace = namespace(&client).await;
    let status =
        refusal(config_maps(&client, &namespace).create(&PostParams::default(), &config_map("A_", &json!({}))).await);
    assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"));
    assert_eq!(status.details.unwrap().causes[0].field, "metadata.name");
    let api = deployments(&client, &namespace);
    let status = refusal(api.create(&PostParams::default(), &deployment("web", -1)).await);
    assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"));
    assert_eq!(status.details.unwrap().causes[0].field, "spec.replicas");
}

async fn generated_names_differ(client: Client) {
    let api = config_maps(&client, &namespace(&client).await);
    let wanted: ConfigMap = serde_json::from_value(json!({"metadata": {"generateName": "made-"}})).unwrap();
    let mut names = Vec::new();
    for _ in 0..2 {
        names.push(api.create(&PostParams::default(), &wanted).await.unwrap().metadata.name.unwrap());
    }
    assert_ne!(names[0], names[1]);
    assert!(names.iter().all(|name| name.starts_with("made-") && name.len() == "made-".len() + 5), "{names:?}");
}

async fn list_pages_show_one_version(client: Client) {
    let api = config_maps(&client, &namespace(&client).await);
    for name in ["b", "a", "d", "c", "e"] {
        api.create(&PostParams::default(), &config_map(name, &json!({"k": name}))).await.unwrap();
    }
    let first = api.list(&ListParams::default().limit(2)).await.unwrap();
    let names = |items: &[ConfigMap]| items.iter().filter_map(|item| item.metadata.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&first.items), ["a", "b"]);
    assert_eq!(first.metadata.remaining_item_count, Some(3));
    // What is deleted or added between pages does not show: pages continue at the version of the first.
    api.delete("d", &DeleteParams::default()).await.unwrap();
    api.create(&PostParams::default(), &config_map("cc", &json!({}))).await.unwrap();
    let token = first.metadata.continue_.clone().unwrap();
    let second = api.list(&ListParams::default().limit(2).continue_token(&token)).await.unwrap();
    assert_eq!(names(&second.items), ["c", "d"]);
    assert_eq!(second.metadata.resource_version, first.metadata.resource_version);
    let token = second.metadata.continue_.clone().unwrap();
    let third = api.list(&ListParams::default().limit(2).continue_token(&token)).await.unwrap();
    assert_eq!(names(&third.items), ["e"]);
    assert!(third.metadata.continue_.as_deref().unwrap_or_default().is_empty());
    let now = api.list(&ListParams::default()).await.unwrap();
    assert_eq!(names(&now.items), ["a", "b", "c", "cc", "e"]);
}

/// The controller reads selectors of workloads by the code that the sandbox reads these by, so it refuses what the server refuses.
async fn what_is_no_selector_is_400(client: Client) {
    let api = config_maps(&client, &namespace(&client).await);
    let long = |length: usize| format!("a={}", "x".repeat(length));
    for taken in ["a", "!a", "a=", "a==b", "a!=b", "a in (b, c)", "a notin (b)", "a in ()", "x.y/a_b=C.d,e", &long(63)]
    {
        assert!(api.list(&ListParams::default().labels(taken)).await.is_ok(), "{taken}");
    }
    for refused in [
        "a b",
        "a=b,",
        "a in b)",
        "a near (b)",
        "=x",
        "a=b c",
        "a in (b",
        "ä=b",
        "-a",
        "a=-b",
        "/a=b",
        "A/a",
        "a/b/c",
        &long(64),
    ] {
        let answer = api.list(&ListParams::default().labels(refused)).await;
        assert!(answer.is_err(), "{refused} is taken");
        assert_eq!(refusal(answer).code, 400, "{refused}");
    }
}

async fn lists_take_selectors(client: Client) {
    let api = config_maps(&client, &namespace(&client).await);
    for (name, app) in [("a", "web"), ("b", "api"), ("c", "web")] {
        let wanted = serde_json::from_value(json!({"metadata": {"name": name, "labels": {"app": app}}})).unwrap();
        api.create(&PostParams::default(), &wanted).await.unwrap();
    }
    for (labels, fields, expected) in [
        ("app=web", "", vec!["a", "c"]),
        ("app!=web", "", vec!["b"]),
        ("app in (web,api)", "metadata.name=b", vec!["b"]),
        ("app notin (api)", "metadata.name!=a", vec!["c"]),
        ("!app", "", vec![]),
    ] {
        let params = ListParams::default().labels(labels).fields(fields);
        let found = api.list(&params).await.unwrap();
        let names: Vec<_> = found.items.into_iter().filter_map(|item| item.metadata.name).collect();
        assert_eq!(names, expected, "{labels} {fields}");
    }
}

async fn put_with_old_version_is_409(client: Client) {
    let api = deployments(&client, &namespace(&client).await);
    let first = api.create(&PostParams::default(), &deployment("web", 1)).await.unwrap();
    let mut next = first.clone();
    next.data["spec"]["replicas"] = 2.into();
    let second = api.replace("web", &PostParams::default(), &next).await.unwrap();
    assert_ne!(version(&second), version(&first));
    assert_eq!(second.metadata.generation, Some(2));
    next.data["spec"]["replicas"] = 3.into();
    let status = refusal(api.replace("web", &PostParams::default(), &next).await);
    assert_eq!((status.code, status.reason.as_str()), (409, "Conflict"));
    assert!(status.message.contains("the object has been modified"), "{}", status.message);
    assert_eq!(version(&api.get("web").await.unwrap()), version(&second));
    next.metadata.resource_version = None;
    let third = api.replace("web", &PostParams::default(), &next).await.unwrap();
    assert_eq!(third.data["spec"]["replicas"], 3, "without a version the last writer wins");
}

async fn put_of_policy_needs_a_version(client: Client) {
    let api = policies(&client, &namespace(&client).await);
    let made = api.create(&PostParams::default(), &policy("web")).await.unwrap();
    assert_eq!(made.metadata.generation, Some(1));
    let mut next = made.clone();
    next.metadata.resource_version = None;
    let status = refusal(api.replace("web", &PostParams::default(), &next).await);
    assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"));
    assert!(status.message.contains("metadata.resourceVersion"), "{}", status.message);
}

async fn same_again_keeps_the_version(client: Client) {
    let namespace = namespace(&client).await;
    let api = deployments(&client, &namespace);
    let made = api.create(&PostParams::default(), &deployment("web", 1)).await.unwrap();
    let again = api.replace("web", &PostParams::default(), &made).await.unwrap();
    assert_eq!(version(&again), version(&made), "the same PUT");
    let patch = Patch::Merge(json!({"spec": {"replicas": 1}}));
    let again = api.patch("web", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(version(&again), version(&made), "a merge patch of what is there");
    let apply = Patch::Apply(json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"k": "v"},
    }));
    let api = config_maps(&client, &namespace);
    let first = api.patch("c", &PatchParams::apply("suite"), &apply).await.unwrap();
    let second = api.patch("c", &PatchParams::apply("suite"), &apply).await.unwrap();
    assert_eq!(second.metadata.resource_version, first.metadata.resource_version, "the same apply");
}

async fn merge_patch_merges_and_removes(client: Client) {
    let api = config_maps(&client, &namespace(&client).await);
    api.create(&PostParams::default(), &config_map("c", &json!({"a": "1", "b": "2"}))).await.unwrap();
    let patch = Patch::Merge(json!({"data": {"a": null, "c": "3"}, "metadata": {"labels": {"x": "y"}}}));
    let patched = api.patch("c", &PatchParams::default(), &patch).await.unwrap();
    let data: Vec<_> = patched.data.unwrap().into_iter().collect();
    assert_eq!(data, [("b".to_owned(), "2".to_owned()), ("c".to_owned(), "3".to_owned())]);
    assert_eq!(patched.metadata.labels.unwrap()["x"], "y");
}

async fn merge_patch_with_old_version_is_409(client: Client) {
    let api = deployments(&client, &namespace(&client).await);
    let made = api.create(&PostParams::default(), &deployment("web", 1)).await.unwrap();
    let patch = |replicas: i32| {
        Patch::Merge(json!({"metadata": {"resourceVersion": version(&made)}, "spec": {"replicas": replicas}}))
    };
    let patched = api.patch("web", &PatchParams::default(), &patch(2)).await.unwrap();
    assert_eq!(patched.metadata.generation, Some(2));
    let status = refusal(api.patch("web", &PatchParams::default(), &patch(3)).await);
    assert_eq!((status.code, status.reason.as_str()), (409, "Conflict"));
}

async fn apply_owns_what_it_sets(client: Client) {
    let api = config_maps(&client, &namespace(&client).await);
    let apply = |data: serde_json::Value| {
        Patch::Apply(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data}))
    };
    let one = PatchParams::apply("one");
    let made = api.patch("c", &one, &apply(json!({"a": "1", "shared": "s"}))).await.unwrap();
    assert!(made.metadata.uid.is_some(), "apply creates what is not there");
    api.patch("c", &PatchParams::apply("two"), &apply(json!({"b": "2", "shared": "s"}))).await.unwrap();
    let left = api.patch("c", &one, &apply(json!({"a": "1"}))).await.unwrap().data.unwrap();
    assert_eq!(left.keys().collect::<Vec<_>>(), ["a", "b", "shared"], "what another owns too stays");
    let left = api.patch("c", &one, &apply(json!({"z": "9"}))).await.unwrap().data.unwrap();
    assert_eq!(left.keys().collect::<Vec<_>>(), ["b", "shared", "z"], "what nobody applies any more goes");
    let status = refusal(api.patch("c", &PatchParams::default(), &apply(json!({}))).await);
    assert_eq!(status.code, 422, "apply without a field manager");
}

async fn apply_needs_force_against_others(client: Client) {
    let api = deployments(&client, &namespace(&client).await);
    api.create(&PostParams { field_manager: Some("human".into()), ..PostParams::default() }, &deployment("web", 1))
        .await
        .unwrap();
    let apply = Patch::Apply(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 4},
    }));
    let status = refusal(api.patch("web", &PatchParams::apply("robot"), &apply).await);
    assert_eq!((status.code, status.reason.as_str()), (409, "Conflict"));
    assert_eq!(status.details.unwrap().causes[0].field, ".spec.replicas");
    let taken = api.patch("web", &PatchParams::apply("robot").force(), &apply).await.unwrap();
    assert_eq!(taken.data["spec"]["replicas"], 4);
    assert_eq!(taken.metadata.generation, Some(2));
}

async fn delete_honours_preconditions(client: Client) {
    let api = deployments(&client, &namespace(&client).await);
    let made = api.create(&PostParams::default(), &deployment("web", 1)).await.unwrap();
    let only = |uid: &str| DeleteParams {
        preconditions: Some(Preconditions { uid: Some(uid.to_owned()), resource_version: None }),
        ..DeleteParams::default()
    };
    let status = refusal(api.delete("web", &only("00000000-0000-4000-8000-000000000000")).await);
    assert_eq!((status.code, status.reason.as_str()), (409, "Conflict"));
    let done = api.delete("web", &only(made.metadata.uid.as_deref().unwrap())).await.unwrap();
    assert!(done.right().is_some_and(|status| status.is_success()));
    assert_eq!(refusal(api.get("web").await).code, 404);
    let again = api.create(&PostParams::default(), &deployment("web", 1)).await.unwrap();
    assert_ne!(again.metadata.uid, made.metadata.uid, "a new object, not the old one");
}

async fn dry_run_changes_nothing(client: Client) {
    let api = deployments(&client, &namespace(&client).await);
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    api.create(&dry, &deployment("web", 1)).await.unwrap();
    assert_eq!(refusal(api.get("web").await).code, 404);
    let made = api.create(&PostParams::default(), &deployment("web", 1)).await.unwrap();
    let patch = Patch::Merge(json!({"spec": {"replicas": 5}}));
    let shown = api.patch("web", &PatchParams { dry_run: true, ..PatchParams::default() }, &patch).await.unwrap();
    assert_eq!(shown.data["spec"]["replicas"], 5);
    assert_eq!(version(&api.get("web").await.unwrap()), version(&made));
}

async fn metadata_can_be_had_alone(client: Client) {
    let api = deployments(&client, &namespace(&client).await);
    api.create(&PostParams::default(), &deployment("web", 1)).await.unwrap();
    let meta: PartialObjectMeta<DynamicObject> = api.get_metadata("web").await.unwrap();
    assert_eq!(meta.metadata.name.as_deref(), Some("web"));
    let types = meta.types.unwrap();
    assert_eq!((types.kind.as_str(), types.api_version.as_str()), ("PartialObjectMetadata", "meta.k8s.io/v1"));
    assert_eq!(api.list_metadata(&ListParams::default()).await.unwrap().items.len(), 1);
}

async fn events_can_be_created(client: Client) {
    let namespace = namespace(&client).await;
    let api = Api::<k8s_openapi::api::events::v1::Event>::namespaced(client.clone(), &namespace);
    let event = |prefix: &str| {
        serde_json::from_value(json!({
        "metadata": {"generateName": prefix},
        "eventTime": "2026-01-01T00:00:00.000000Z", "type": "Normal", "reason": "SuccessfulRescale", "action": "Rescale",
        "note": "New size: 3", "reportingController": "flyball.dev/suite", "reportingInstance": "suite-0",
        "regarding": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "namespace": namespace},
    })).unwrap()
    };
    let status = refusal(api.create(&PostParams::default(), &event("web.")).await);
    assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"), "a prefix must itself be a name");
    let made = api.create(&PostParams::default(), &event("web-")).await.unwrap();
    assert_eq!(made.note.as_deref(), Some("New size: 3"));
    let old = Api::<Event>::namespaced(client, &namespace);
    let seen = old.get(made.metadata.name.as_deref().unwrap()).await.unwrap();
    assert_eq!(seen.message.as_deref(), Some("New size: 3"), "the core group shows the same event");
    assert_eq!(seen.involved_object.name.as_deref(), Some("web"));
}

async fn unknown_kind_is_404(client: Client) {
    let namespace = namespace(&client).await;
    for unknown in [resource("apps", "v1", "Nothing", "nothings"), resource("nowhere.dev", "v1", "Thing", "things")] {
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, &unknown);
        assert_eq!(refusal(api.get("x").await).code, 404);
    }
    let wrong = object(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}}));
    assert_eq!(refusal(deployments(&client, &namespace).create(&PostParams::default(), &wrong).await).code, 400);
}
