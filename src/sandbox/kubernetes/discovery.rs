//! The discovery documents, in the one-by-one and in the aggregated form, from the table of kinds.

use serde_json::{Value, json};

use super::kind::{KINDS, Kind};

/// Groups with their version, in the order of the table; the core group (empty) among them.
fn groups() -> Vec<(&'static str, &'static str)> {
    let mut groups: Vec<_> = KINDS.iter().map(|kind| (kind.group, kind.version)).collect();
    groups.dedup();
    groups
}

fn subresources(kind: &Kind) -> Vec<&'static str> {
    let mut names = Vec::new();
    if kind.scale {
        names.push("scale");
    }
    if kind.status {
        names.push("status");
    }
    names
}

/// `/api`: the versions of the core group.
pub(super) fn core_versions() -> Value {
    json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})
}

/// `/apis`: the named groups, and those that others serve.
pub(super) fn group_list(aggregated: impl Iterator<Item = Value>) -> Value {
    let own = groups().into_iter().filter(|(group, _)| !group.is_empty()).map(group_entry);
    let groups: Vec<Value> = own.chain(aggregated).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

fn group_entry((group, version): (&str, &str)) -> Value {
    let version = json!({"groupVersion": format!("{group}/{version}"), "version": version});
    json!({"name": group, "versions": [version], "preferredVersion": version})
}

/// `/apis/GROUP`, where there is such a group.
pub(super) fn group(name: &str) -> Option<Value> {
    let found = groups().into_iter().find(|(group, _)| *group == name && !name.is_empty())?;
    let mut entry = group_entry(found);
    entry["kind"] = "APIGroup".into();
    entry["apiVersion"] = "v1".into();
    Some(entry)
}

/// `/api/v1` or `/apis/GROUP/VERSION`, where there is such a version.
pub(super) fn resource_list(group: &str, version: &str) -> Option<Value> {
    let mut resources = Vec::new();
    for kind in KINDS.iter().filter(|kind| kind.group == group && kind.version == version) {
        resources.push(json!({
            "name": kind.plural, "singularName": kind.singular, "namespaced": kind.namespaced, "kind": kind.kind,
            "verbs": Kind::verbs(false), "shortNames": kind.short_names,
        }));
        for name in subresources(kind) {
            let mut entry = json!({
                "name": format!("{}/{name}", kind.plural), "singularName": "", "namespaced": kind.namespaced,
                "kind": kind.kind, "verbs": Kind::verbs(true),
            });
            if name == "scale" {
                entry["group"] = "autoscaling".into();
                entry["version"] = "v1".into();
                entry["kind"] = "Scale".into();
            }
            resources.push(entry);
        }
    }
    let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    (!resources.is_empty()).then(|| {
        json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources})
    })
}

/// `/api` or `/apis` in the aggregated form.
pub(super) fn aggregated(core: bool) -> Value {
    let items: Vec<Value> = groups()
        .into_iter()
        .filter(|(group, _)| group.is_empty() == core)
        .map(|(group, version)| {
            let resources: Vec<Value> =
                KINDS.iter().filter(|kind| kind.group == group && kind.version == version).map(aggregated_kind).collect();
            let metadata = if core { json!({}) } else { json!({"name": group}) };
            json!({"metadata": metadata, "versions": [{"version": version, "resources": resources, "freshness": "Current"}]})
        })
        .collect();
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items})
}

fn aggregated_kind(kind: &Kind) -> Value {
    let subresources: Vec<Value> = subresources(kind)
        .into_iter()
        .map(|name| {
            let response = match name {
                "scale" => json!({"group": "autoscaling", "version": "v1", "kind": "Scale"}),
                _ => json!({"group": "", "version": "", "kind": kind.kind}),
            };
            json!({"subresource": name, "responseKind": response, "verbs": Kind::verbs(true)})
        })
        .collect();
    json!({
        "resource": kind.plural, "responseKind": {"group": "", "version": "", "kind": kind.kind},
        "scope": if kind.namespaced { "Namespaced" } else { "Cluster" }, "singularResource": kind.singular,
        "verbs": Kind::verbs(false), "shortNames": kind.short_names, "subresources": subresources,
    })
}
