//! Discovery: which kinds there are, and which of them can be scaled.

use kube::Client;
use kube::core::GroupVersionKind;
use kube::discovery::{self, Discovery, Scope, verbs};

use super::Case;

pub(super) fn cases() -> Vec<Case> {
    vec![
        case!("discovery_finds_a_kind_and_its_scale", discovery_finds_a_kind_and_its_scale),
        case!("discovery_of_an_unknown_kind_fails", discovery_of_an_unknown_kind_fails),
        case!("both_forms_of_discovery_agree", both_forms_of_discovery_agree),
    ]
}

const KINDS: [(&str, &str, &str, &str, bool); 6] = [
    ("apps", "v1", "Deployment", "deployments", true),
    ("apps", "v1", "StatefulSet", "statefulsets", true),
    ("apps", "v1", "ReplicaSet", "replicasets", true),
    ("", "v1", "ConfigMap", "configmaps", false),
    ("coordination.k8s.io", "v1", "Lease", "leases", false),
    ("flyball.dev", "v1alpha1", "ScalingPolicy", "scalingpolicies", false),
];

async fn discovery_finds_a_kind_and_its_scale(client: Client) {
    for (group, version, kind, plural, scalable) in KINDS {
        let wanted = GroupVersionKind::gvk(group, version, kind);
        let (resource, capabilities) = discovery::pinned_kind(&client, &wanted).await.unwrap();
        assert_eq!(resource.plural, plural);
        assert_eq!(capabilities.scope, Scope::Namespaced, "{kind}");
        assert!(capabilities.supports_operation(verbs::WATCH), "{kind}");
        let scale = capabilities.subresources.iter().find(|(resource, _)| resource.plural == "scale");
        assert_eq!(scale.is_some(), scalable, "{kind}");
        if let Some((_, scale)) = scale {
            assert!(scale.supports_operation(verbs::GET) && scale.supports_operation(verbs::UPDATE), "{kind}");
        }
    }
}

async fn discovery_of_an_unknown_kind_fails(client: Client) {
    let unknown = GroupVersionKind::gvk("apps", "v1", "Nothing");
    assert!(matches!(discovery::pinned_kind(&client, &unknown).await, Err(kube::Error::Discovery(_))));
    let unknown = GroupVersionKind::gvk("nowhere.dev", "v1", "Thing");
    assert!(
        matches!(discovery::pinned_kind(&client, &unknown).await, Err(kube::Error::Api(status)) if status.code == 404)
    );
}

async fn both_forms_of_discovery_agree(client: Client) {
    let one_by_one = Discovery::new(client.clone()).run().await.unwrap();
    let aggregated = Discovery::new(client).run_aggregated().await.unwrap();
    for (group, version, kind, plural, scalable) in KINDS {
        let wanted = GroupVersionKind::gvk(group, version, kind);
        for discovery in [&one_by_one, &aggregated] {
            let (resource, capabilities) = discovery.resolve_gvk(&wanted).unwrap();
            assert_eq!((resource.plural.as_str(), &capabilities.scope), (plural, &Scope::Namespaced), "{kind}");
            let scale = capabilities.subresources.iter().any(|(resource, _)| resource.plural == "scale");
            assert_eq!(scale, scalable, "{kind}");
        }
    }
}
