//! What Flyball relies on in the Kubernetes API, case by case, over any `kube::Client`: the sandbox and the real kube-apiserver
//! pass the same ones, so the sandbox cannot drift. Each case works in a namespace of its own and needs the CRD of ScalingPolicy.
//! No controllers are assumed: nothing but the case itself changes what it made.

/// One case out of an async function.
macro_rules! case {
    ($name:literal, $run:path) => {
        super::Case { name: $name, run: |client| Box::pin($run(client)) }
    };
}

mod discovery;
mod objects;
mod subresources;
mod watches;

use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, PostParams};
use kube::core::Status;
use serde_json::{Value, json};

/// One behaviour.
pub(crate) struct Case {
    /// What holds, as the report names it.
    pub(crate) name: &'static str,
    /// Panics where it does not hold.
    pub(crate) run: fn(Client) -> BoxFuture<'static, ()>,
}

/// All cases.
pub(crate) fn cases() -> Vec<Case> {
    [objects::cases(), subresources::cases(), watches::cases(), discovery::cases()].into_iter().flatten().collect()
}

/// A namespace of its own for a case; its name is the server's to choose.
async fn namespace(client: &Client) -> String {
    let wanted: Namespace = serde_json::from_value(json!({"metadata": {"generateName": "suite-"}})).unwrap();
    let made = Api::all(client.clone()).create(&PostParams::default(), &wanted).await.unwrap();
    made.metadata.name.unwrap()
}

fn resource(group: &str, version: &str, kind: &str, plural: &str) -> ApiResource {
    let api_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    ApiResource { group: group.into(), version: version.into(), api_version, kind: kind.into(), plural: plural.into() }
}

fn deployments(client: &Client, namespace: &str) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), namespace, &resource("apps", "v1", "Deployment", "deployments"))
}

fn policies(client: &Client, namespace: &str) -> Api<DynamicObject> {
    let policy = resource("flyball.dev", "v1alpha1", "ScalingPolicy", "scalingpolicies");
    Api::namespaced_with(client.clone(), namespace, &policy)
}

fn config_maps(client: &Client, namespace: &str) -> Api<ConfigMap> {
    Api::namespaced(client.clone(), namespace)
}

fn object(value: Value) -> DynamicObject {
    serde_json::from_value(value).unwrap()
}

fn deployment(name: &str, replicas: i32) -> DynamicObject {
    object(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": {"suite": "yes"}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name, "tier": "front"}},
            "template": {
                "metadata": {"labels": {"app": name, "tier": "front"}},
                "spec": {"containers": [{"name": "main", "image": "example.com/app:1"}]},
            },
        },
    }))
}

fn policy(name: &str) -> DynamicObject {
    object(json!({
        "apiVersion": "flyball.dev/v1alpha1", "kind": "ScalingPolicy", "metadata": {"name": name},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "maxReplicas": 10,
            "metrics": [{
                "type": "Prometheus",
                "prometheus": {"query": "sum(rate(m[1m]))", "target": {"type": "AverageValue", "averageValue": "100"}},
            }],
        },
    }))
}

fn config_map(name: &str, data: &Value) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": name}, "data": data})).unwrap()
}

fn version(object: &DynamicObject) -> String {
    object.metadata.resource_version.clone().unwrap()
}

/// The `Status` that a refused request was answered with.
fn refusal<T: std::fmt::Debug>(result: Result<T, kube::Error>) -> Status {
    match result {
        Err(kube::Error::Api(status)) => *status,
        other => panic!("expected a Status, got {other:?}"),
    }
}
