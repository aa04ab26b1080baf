//! What the API server itself refuses: the CEL rules of the custom resource, each with a message that names the field and the mend.
//! They stand here and not in a webhook, so that they hold while Flyball is down. Must not check what only a running cluster can tell.

use kube::core::Rule;

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

/// A Prometheus target has exactly the field its type names.
pub(super) fn target_matches_type() -> Rule {
    let fields = [("Value", "value"), ("AverageValue", "averageValue"), ("Utilization", "averageUtilization")];
    let rule = fields.map(|(kind, field)| format!("(self.type == '{kind}') == has(self.{field})")).join(" && ");
    Rule::new(rule)
        .message(
            "exactly the field that `type` names must be set: `value` for Value, `averageValue` for AverageValue, `averageUtilization` for Utilization",
        )
        .field_path(".type")
}

/// Resource and ContainerResource targets hold one of two fields (HPA rule).
pub(super) fn target_of_resource() -> Rule {
    Rule::new("has(self.averageUtilization) != has(self.averageValue) && !has(self.value)")
        .message("exactly one of `averageUtilization` and `averageValue` must be set")
}

/// Pods targets hold an average value (HPA rule).
pub(super) fn target_of_pods() -> Rule {
    Rule::new("has(self.averageValue)").message("`averageValue` must be set")
}

/// Object targets hold a value or an average value (HPA rule).
pub(super) fn target_of_object() -> Rule {
    Rule::new("has(self.value) || has(self.averageValue)").message("`value` or `averageValue` must be set")
}

/// External targets hold one of two fields (HPA rule).
pub(super) fn target_of_external() -> Rule {
    Rule::new("has(self.value) != has(self.averageValue)")
        .message("exactly one of `value` and `averageValue` must be set")
}

/// A quantity above 0. The field may hold an integer or a string, so both are asked; what is no
/// quantity the pattern refuses, with its own message.
pub(super) fn quantity_above_zero() -> Rule {
    Rule::new("type(self) == int ? self > 0 : !isQuantity(string(self)) || quantity(string(self)).isGreaterThan(quantity('0'))")
        .message("must be greater than 0, for example `100` or `500m`")
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
