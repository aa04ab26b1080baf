//! What the API server itself refuses: the CEL rules of the custom resource, each with a message that names the field and the mend, and
//! JSON schema for what CEL cannot see.
//! They stand here and not in a webhook, so that they hold while Flyball is down. Must not check what only a running cluster can tell.

use kube::core::Rule;
use serde_json::{Value, json};

/// `minReplicas` is at most `maxReplicas`.
pub(super) fn min_at_most_max() -> Rule {
    Rule::new("!has(self.minReplicas) || self.minReplicas <= self.maxReplicas")
        .message(
            "`minReplicas` must be less than or equal to `maxReplicas`: lower `minReplicas`, or raise `maxReplicas`",
        )
        .field_path(".minReplicas")
}

/// A floor with replicas has them, unless it is the present size.
pub(super) fn floor_has_replicas() -> Rule {
    Rule::new("has(self.replicas) || (has(self.policy) && self.policy == 'Current')")
        .message("`replicas` must be set unless `policy` is Current: write the replicas to keep while a metric fails")
        .field_path(".replicas")
}

/// A floor is at most `maxReplicas`.
pub(super) fn floor_at_most_max() -> Rule {
    Rule::new("!has(self.fallback) || !has(self.fallback.replicas) || self.fallback.replicas <= self.maxReplicas")
        .message("`fallback.replicas` must be less than or equal to `maxReplicas`: lower it, or raise `maxReplicas`")
        .field_path(".fallback.replicas")
}

/// A metric that names the fallback has one.
pub(super) fn fallback_is_there() -> Rule {
    Rule::new("has(self.fallback) || !has(self.metrics) || !self.metrics.exists(m, has(m.prometheus) && has(m.prometheus.onMissing) && m.prometheus.onMissing == 'Fallback')")
        .message("`onMissing: Fallback` needs `fallback`: write it, or another word in `onMissing`")
        .field_path(".metrics")
}

/// Names of metrics are unique: traces, metrics and formulas refer to them.
pub(super) fn metric_names_unique() -> Rule {
    Rule::new("self.all(m, !has(m.name) || self.exists_one(n, has(n.name) && n.name == m.name))")
        .message("each `name` must be unique within `metrics`: rename one of the two, or leave it out")
}

/// Exactly the block that `type` names is there (HPA rule).
pub(super) fn block_matches_type() -> Rule {
    let blocks = [
        ("Resource", "resource"),
        ("ContainerResource", "containerResource"),
        ("Pods", "pods"),
        ("Object", "object"),
        ("External", "external"),
        ("Prometheus", "prometheus"),
    ];
    let rule = blocks.map(|(kind, block)| format!("(self.type == '{kind}') == has(self.{block})")).join(" && ");
    Rule::new(rule)
        .message("exactly the block that `type` names must be set: `prometheus` for Prometheus, `resource` for Resource, and so on")
        .field_path(".type")
}

/// Which fields the target of each block of a metric holds, as JSON schema: CEL cannot see `value` and `averageValue`, which have no
/// type so that they may be any number.
pub(super) fn target_fields() -> [(&'static str, Value); 6] {
    let needs = |field: &str| json!({"required": [field]});
    let one_of = |fields: [&str; 2]| json!({"oneOf": fields.map(needs)});
    let mut of_usage = one_of(["averageUtilization", "averageValue"]);
    of_usage["not"] = needs("value");
    let fields = [("Value", "value"), ("AverageValue", "averageValue"), ("Utilization", "averageUtilization")];
    let of_prometheus = fields.map(|(kind, field)| {
        let others: Vec<Value> =
            fields.iter().filter(|(_, other)| *other != field).map(|(_, other)| needs(other)).collect();
        json!({"properties": {"type": {"enum": [kind]}}, "required": [field], "not": {"anyOf": others}})
    });
    [
        ("resource", of_usage.clone()),
        ("containerResource", of_usage),
        ("pods", json!({"allOf": [needs("averageValue")]})),
        ("object", json!({"anyOf": (["value", "averageValue"].map(needs))})),
        ("external", one_of(["value", "averageValue"])),
        ("prometheus", json!({"oneOf": of_prometheus})),
    ]
}

/// A list of rate policies is not empty, even where the direction is off (HPA rule).
pub(super) fn policies_not_empty() -> Rule {
    Rule::new("!has(self.policies) || size(self.policies) > 0")
        .message("`policies` must hold at least one policy: add one, or leave the field out for the default; to switch a direction off, set `selectPolicy: Disabled`")
        .field_path(".policies")
}

/// Only ReplicationController has a scale in the core group (HPA rule).
pub(super) fn target_names_group() -> Rule {
    Rule::new("(has(self.apiVersion) && self.apiVersion.contains('/')) || self.kind == 'ReplicationController'")
        .message("`apiVersion` must name the API group and version of the target, for example `apps/v1`")
        .field_path(".apiVersion")
}
