//! `/status` and `/scale`.

use k8s_openapi::api::autoscaling::v1::Scale;
use kube::Client;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::{Case, config_maps, deployment, deployments, namespace, policies, policy, refusal, version};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case!("new_policy_has_defaults_and_unobserved_status", new_policy_has_defaults_and_unobserved_status),
        case!("status_and_spec_are_written_apart", status_and_spec_are_written_apart),
        case!("applied_conditions_merge_by_type", applied_conditions_merge_by_type),
        case!("applied_status_follows_its_manager", applied_status_follows_its_manager),
        case!("status_of_missing_object_is_404", status_of_missing_object_is_404),
        case!("generation_counts_spec_only", generation_counts_spec_only),
        case!("scale_shows_its_workload", scale_shows_its_workload),
        case!("scale_put_changes_the_workload", scale_put_changes_the_workload),
        case!("scale_put_with_old_version_is_409", scale_put_with_old_version_is_409),
        case!("scale_patch_changes_the_workload", scale_patch_changes_the_workload),
        case!("scale_to_zero_and_below", scale_to_zero_and_below),
        case!("kind_without_scale_is_404", kind_without_scale_is_404),
    ]
}

async fn new_policy_has_defaults_and_unobserved_status(client: Client) {
    let api = policies(&client, &namespace(&client).await);
    let mut wanted = policy("web");
    wanted.data["status"] = json!({"observedGeneration": 5});
    let made = api.create(&PostParams::default(), &wanted).await.unwrap();
    assert_eq!(made.data["status"], json!({"observedGeneration": -1}), "status is not the creator's to set");
    assert_eq!(made.data["spec"]["minReplicas"], 1);
    assert_eq!(made.data["spec"]["pollingPeriodSeconds"], 15);
    assert_eq!(made.data["spec"]["mode"], "Auto");
    assert_eq!(made.data["spec"]["metrics"][0]["prometheus"]["series"], "Sum");
}

async fn status_and_spec_are_written_apart(client: Client) {
    let api = policies(&client, &namespace(&client).await);
    api.create(&PostParams::default(), &policy("web")).await.unwrap();
    let both = json!({"spec": {"maxReplicas": 20}, "status": {"observedGeneration": 7, "currentReplicas": 3}});
    let patched = api.patch("web", &PatchParams::default(), &Patch::Merge(&both)).await.unwrap();
    assert_eq!(patched.data["spec"]["maxReplicas"], 20);
    assert_eq!(patched.data["status"], json!({"observedGeneration": -1}), "the object's own path leaves status alone");
    assert_eq!(patched.metadata.generation, Some(2));
    let both = json!({"spec": {"maxReplicas": 30}, "status": {"observedGeneration": 2, "currentReplicas": 3}});
    let patched = api.patch_status("web", &PatchParams::default(), &Patch::Merge(&both)).await.unwrap();
    assert_eq!(patched.data["spec"]["maxReplicas"], 20, "the status path leaves spec alone");
    assert_eq!(patched.data["status"]["currentReplicas"], 3);
    assert_eq!(patched.metadata.generation, Some(2));
    let mut stale = patched.clone();
    stale.data["status"]["currentReplicas"] = 4.into();
    let replaced = api.replace_status("web", &PostParams::default(), &stale).await.unwrap();
    assert_eq!(replaced.data["status"]["currentReplicas"], 4);
    assert_eq!(refusal(api.replace_status("web", &PostParams::default(), &stale).await).reason, "Conflict");
}

fn applied_status(conditions: &[(&str, &str)], rest: Value) -> Patch<Value> {
    let conditions: Vec<Value> = conditions
        .iter()
        .map(|(kind, status)| {
            json!({
                "type": kind, "status": status, "reason": "Suite", "message": "as the suite says",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            })
        })
        .collect();
    let mut status = rest;
    status["conditions"] = conditions.into();
    Patch::Apply(json!({
        "apiVersion": "flyball.dev/v1alpha1", "kind": "ScalingPolicy", "metadata": {"name": "web"}, "status": status,
    }))
}

fn condition_states(status: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    conditions.iter().map(|condition| (text(&condition["type"]), text(&condition["status"]))).collect()
}

async fn applied_conditions_merge_by_type(client: Client) {
    let api = policies(&client, &namespace(&client).await);
    api.create(&PostParams::default(), &policy("web")).await.unwrap();
    let one = PatchParams::apply("one").force();
    let pair = |kind: &str, status: &str| (kind.to_owned(), status.to_owned());
    api.patch_status("web", &one, &applied_status(&[("Ready", "True"), ("Stalled", "False")], json!({})))
        .await
        .unwrap();
    let other = applied_status(&[("Audited", "True")], json!({}));
    let seen = api.patch_status("web", &PatchParams::apply("two").force(), &other).await.unwrap();
    assert_eq!(
        condition_states(&seen.data["status"]),
        [pair("Ready", "True"), pair("Stalled", "False"), pair("Audited", "True")]
    );
    let seen = api.patch_status("web", &one, &applied_status(&[("Ready", "False")], json!({}))).await.unwrap();
    assert_eq!(
        condition_states(&seen.data["status"]),
        [pair("Ready", "False"), pair("Audited", "True")],
        "what its manager no longer applies goes, what another applies stays"
    );
}

async fn applied_status_follows_its_manager(client: Client) {
    let api = policies(&client, &namespace(&client).await);
    let made = api.create(&PostParams::default(), &policy("web")).await.unwrap();
    let manager = PatchParams::apply("flyball").force();
    let full = applied_status(
        &[("Ready", "True")],
        json!({"observedGeneration": 1, "currentReplicas": 2, "desiredReplicas": 3}),
    );
    let first = api.patch_status("web", &manager, &full).await.unwrap();
    assert_ne!(version(&first), version(&made));
    assert_eq!(first.metadata.generation, Some(1));
    assert_eq!(first.data["status"]["observedGeneration"], 1);
    let again = api.patch_status("web", &manager, &full).await.unwrap();
    assert_eq!(version(&again), version(&first), "the same status again writes nothing");
    let less = applied_status(&[("Ready", "True")], json!({"observedGeneration": 1, "currentReplicas": 2}));
    let second = api.patch_status("web", &manager, &less).await.unwrap();
    assert_eq!(second.data["status"].get("desiredReplicas"), None, "a field left out is taken back");
    assert_eq!(second.data["status"]["currentReplicas"], 2);
    assert_eq!(second.data["spec"], made.data["spec"]);
}

async fn status_of_missing_object_is_404(client: Client) {
    let api = policies(&client, &namespace(&client).await);
    let apply = applied_status(&[("Ready", "True")], json!({}));
    let status = refusal(api.patch_status("web", &PatchParams::apply("flyball").force(), &apply).await);
    assert_eq!((status.code, status.reason.as_str()), (404, "NotFound"), "applying status does not create");
}

async fn generation_counts_spec_only(client: Client) {
    let namespace = namespace(&client).await;
    let api = policies(&client, &namespace);
    api.create(&PostParams::default(), &policy("web")).await.unwrap();
    let annotate = Patch::Merge(json!({"metadata": {"annotations": {"flyball.dev/paused": "true"}}}));
    let noted = api.patch("web", &PatchParams::default(), &annotate).await.unwrap();
    assert_eq!(noted.metadata.generation, Some(1), "an annotation of a policy is no new generation");
    let api = deployments(&client, &namespace);
    api.create(&PostParams::default(), &deployment("web", 1)).await.unwrap();
    let label = Patch::Merge(json!({"metadata": {"labels": {"x": "y"}}}));
    assert_eq!(api.patch("web", &PatchParams::default(), &label).await.unwrap().metadata.generation, Some(1));
    let status = Patch::Merge(json!({"status": {"replicas": 1, "readyReplicas": 1, "availableReplicas": 1}}));
    let seen = api.patch_status("web", &PatchParams::default(), &status).await.unwrap();
    assert_eq!(seen.metadata.generation, Some(1));
    assert_eq!(seen.data["status"]["readyReplicas"], 1);
    let spec = Patch::Merge(json!({"spec": {"paused": true}}));
    assert_eq!(api.patch("web", &PatchParams::default(), &spec).await.unwrap().metadata.generation, Some(2));
}

async fn scale_shows_its_workload(client: Client) {
    let api = deployments(&client, &namespace(&client).await);
    let made = api.create(&PostParams::default(), &deployment("web", 3)).await.unwrap();
    let status = Patch::Merge(json!({"status": {"replicas": 2}}));
    let made = api.patch_status("web", &PatchParams::default(), &status).await.unwrap_or(made);
    let scale = api.get_scale("web").await.unwrap();
    assert_eq!(scale.metadata.resource_version.as_ref(), Some(&version(&made)));
    assert_eq!(scale.metadata.uid, made.metadata.uid);
    assert_eq!(scale.spec.unwrap().replicas, Some(3));
    let status = scale.status.unwrap();
    assert_eq!((status.replicas, status.selector.as_deref()), (2, Some("app=web,tier=front")));
    assert_eq!(refusal(api.get_scale("nope").await).message, "deployments.apps \"nope\" not found");
}

fn with_replicas(mut scale: Scale, replicas: i32) -> Scale {
    scale.spec.get_or_insert_default().replicas = Some(replicas);
    scale
}

async fn scale_put_changes_the_workload(client: Client) {
    let api = deployments(&client, &namespace(&client).await);
    api.create(&PostParams::default(), &deployment("web", 3)).await.unwrap();
    let seen = api.get_scale("web").await.unwrap();
    let written = api.replace_scale("web", &PostParams::default(), &with_replicas(seen.clone(), 5)).await.unwrap();
    assert_eq!(written.spec.as_ref().unwrap().replicas, Some(5));
    assert_ne!(written.metadata.resource_version, seen.metadata.resource_version);
    let workload = api.get("web").await.unwrap();
    assert_eq!(workload.data["spec"]["replicas"], 5);
    assert_eq!(workload.metadata.generation, Some(2));
    assert_eq!(workload.metadata.resource_version, written.metadata.resource_version, "one version for both");
    let again = api.replace_scale("web", &PostParams::default(), &written).await.unwrap();
    assert_eq!(again.metadata.resource_version, written.metadata.resource_version, "the same size writes nothing");
}

async fn scale_put_with_old_version_is_409(client: Client) {
    let api = deployments(&client, &namespace(&client).await);
    api.create(&PostParams::default(), &deployment("web", 3)).await.unwrap();
    let seen = api.get_scale("web").await.unwrap();
    let label = Patch::Merge(json!({"metadata": {"labels": {"x": "y"}}}));
    api.patch("web", &PatchParams::default(), &label).await.unwrap();
    let stale = with_replicas(seen, 9);
    let status = refusal(api.replace_scale("web", &PostParams::default(), &stale).await);
    assert_eq!((status.code, status.reason.as_str()), (409, "Conflict"));
    assert!(
        status.message.starts_with("Operation cannot be fulfilled on deployments.apps \"web\""),
        "{}",
        status.message
    );
    assert_eq!(api.get("web").await.unwrap().data["spec"]["replicas"], 3);
}

async fn scale_patch_changes_the_workload(client: Client) {
    let api = deployments(&client, &namespace(&client).await);
    let made = api.create(&PostParams::default(), &deployment("web", 3)).await.unwrap();
    let patch = Patch::Merge(json!({"metadata": {"resourceVersion": version(&made)}, "spec": {"replicas": 4}}));
    let written = api.patch_scale("web", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(written.spec.unwrap().replicas, Some(4));
    assert_eq!(refusal(api.patch_scale("web", &PatchParams::default(), &patch).await).reason, "Conflict");
    assert_eq!(api.get("web").await.unwrap().data["spec"]["replicas"], 4);
}

async fn scale_to_zero_and_below(client: Client) {
    let api = deployments(&client, &namespace(&client).await);
    api.create(&PostParams::default(), &deployment("web", 3)).await.unwrap();
    let seen = api.get_scale("web").await.unwrap();
    let status = refusal(api.replace_scale("web", &PostParams::default(), &with_replicas(seen.clone(), -1)).await);
    assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"));
    let written = api.replace_scale("web", &PostParams::default(), &with_replicas(seen, 0)).await.unwrap();
    assert_eq!(written.spec.unwrap_or_default().replicas, None, "a size of zero is left out of the answer");
    assert_eq!(api.get("web").await.unwrap().data["spec"]["replicas"], 0);
}

async fn kind_without_scale_is_404(client: Client) {
    let namespace = namespace(&client).await;
    let api = config_maps(&client, &namespace);
    api.create(&PostParams::default(), &super::config_map("c", &json!({}))).await.unwrap();
    let path = format!("/api/v1/namespaces/{namespace}/configmaps/c/scale");
    let request = http::Request::get(path).body(Vec::new()).unwrap();
    let status = refusal(client.request::<Scale>(request).await);
    assert_eq!((status.code, status.message.as_str()), (404, "the server could not find the requested resource"));
}
