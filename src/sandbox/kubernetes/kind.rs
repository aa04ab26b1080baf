//! The kinds that the sandbox serves, as data. Must not know objects.

/// One kind of the API and what its storage does with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// Version.
    pub version: &'static str,
    /// Name in URLs.
    pub plural: &'static str,
    /// Singular name, as discovery says it.
    pub singular: &'static str,
    /// Name in objects.
    pub kind: &'static str,
    /// Short names, as discovery says them.
    pub short_names: &'static [&'static str],
    /// Lives in a namespace.
    pub namespaced: bool,
    /// Has `/status`.
    pub status: bool,
    /// Has `/scale`.
    pub scale: bool,
    /// Counts changes of its spec in `metadata.generation`.
    pub generation: bool,
    /// An update may leave `metadata.resourceVersion` out.
    pub unconditional: bool,
    /// A custom resource: items of a list carry their own apiVersion and kind.
    pub custom: bool,
}

const PLAIN: Kind = Kind {
    group: "",
    version: "v1",
    plural: "",
    singular: "",
    kind: "",
    short_names: &[],
    namespaced: true,
    status: false,
    scale: false,
    generation: false,
    unconditional: true,
    custom: false,
};

const WORKLOAD: Kind = Kind { group: "apps", status: true, scale: true, generation: true, ..PLAIN };

const OURS: Kind = Kind {
    group: "flyball.dev",
    version: "v1alpha1",
    status: true,
    generation: true,
    unconditional: false,
    custom: true,
    ..PLAIN
};

/// All kinds, sorted by group, then by plural, as discovery lists them.
pub const KINDS: &[Kind] = &[
    Kind { plural: "configmaps", singular: "configmap", kind: "ConfigMap", short_names: &["cm"], ..PLAIN },
    Kind { plural: "events", singular: "event", kind: "Event", short_names: &["ev"], ..PLAIN },
    Kind {
        plural: "namespaces",
        singular: "namespace",
        kind: "Namespace",
        short_names: &["ns"],
        namespaced: false,
        status: true,
        ..PLAIN
    },
    Kind {
        plural: "pods",
        singular: "pod",
        kind: "Pod",
        short_names: &["po"],
        status: true,
        generation: true,
        ..PLAIN
    },
    Kind { plural: "secrets", singular: "secret", kind: "Secret", ..PLAIN },
    Kind { plural: "deployments", singular: "deployment", kind: "Deployment", short_names: &["deploy"], ..WORKLOAD },
    Kind { plural: "replicasets", singular: "replicaset", kind: "ReplicaSet", short_names: &["rs"], ..WORKLOAD },
    Kind { plural: "statefulsets", singular: "statefulset", kind: "StatefulSet", short_names: &["sts"], ..WORKLOAD },
    Kind {
        group: "autoscaling",
        version: "v2",
        plural: "horizontalpodautoscalers",
        singular: "horizontalpodautoscaler",
        kind: "HorizontalPodAutoscaler",
        short_names: &["hpa"],
        status: true,
        ..PLAIN
    },
    Kind {
        group: "coordination.k8s.io",
        plural: "leases",
        singular: "lease",
        kind: "Lease",
        unconditional: false,
        ..PLAIN
    },
    Kind { group: "events.k8s.io", plural: "events", singular: "event", kind: "Event", short_names: &["ev"], ..PLAIN },
    Kind {
        plural: "clusterprometheussources",
        singular: "clusterprometheussource",
        kind: "ClusterPrometheusSource",
        short_names: &["clusterpromsource"],
        namespaced: false,
        ..OURS
    },
    Kind {
        plural: "prometheussources",
        singular: "prometheussource",
        kind: "PrometheusSource",
        short_names: &["promsource"],
        ..OURS
    },
    Kind { plural: "scalingpolicies", singular: "scalingpolicy", kind: "ScalingPolicy", short_names: &["scp"], ..OURS },
];

/// What can be done with an object.
const VERBS: &[&str] = &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
/// What can be done with a subresource.
const SUBRESOURCE_VERBS: &[&str] = &["get", "patch", "update"];

impl Kind {
    /// The kind that a URL names.
    #[must_use]
    pub fn find(group: &str, version: &str, plural: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.group == group && kind.version == version && kind.plural == plural)
    }

    /// The kind that an object names.
    #[must_use]
    pub fn of(api_version: &str, name: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.api_version() == api_version && kind.kind == name)
    }

    /// `v1` or `apps/v1`.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// `pods` or `deployments.apps`, as messages name it.
    #[must_use]
    pub fn resource(&self) -> String {
        if self.group.is_empty() { self.plural.to_owned() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// Where its objects are stored: group and plural. The two Event kinds are one.
    #[must_use]
    pub const fn table(&self) -> (&'static str, &'static str) {
        if self.is_core_event() { ("events.k8s.io", "events") } else { (self.group, self.plural) }
    }

    /// Whether it is the older of the two forms of Event.
    #[must_use]
    pub const fn is_core_event(&self) -> bool {
        self.group.is_empty() && matches!(self.plural.as_bytes(), b"events")
    }

    /// Verbs of the kind, or of its subresources.
    #[must_use]
    pub const fn verbs(subresource: bool) -> &'static [&'static str] {
        if subresource { SUBRESOURCE_VERBS } else { VERBS }
    }
}
