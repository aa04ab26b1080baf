//! `spec.behavior` into the engine's rules. Part of `resolve`: owns the path and the value of a mistake; what is filled in and what is
//! refused is `engine::behavior`'s.

use crate::engine::behavior::{BehaviorDraft, FieldName, Invalid, PolicyDraft, RulesDraft, Word, complete};
use crate::engine::{Behavior, Direction, RateKind, Select};

use super::behavior::{BehaviorSpec, MAX_RATE_POLICIES, RateKindSpec, RulesSpec, SelectPolicy};
use super::resolve::Problems;

/// Both directions, completed and checked; `None` where something is wrong, which is then among `problems`.
pub(super) fn behavior(spec: &BehaviorSpec, problems: &mut Problems) -> Option<Behavior> {
    let mut draft_of = |rules: &Option<RulesSpec>, path: &str| {
        rules.as_ref().map(|rules| draft(rules, &format!("spec.behavior.{path}"), problems))
    };
    let draft =
        BehaviorDraft { up: draft_of(&spec.scale_up, "scaleUp"), down: draft_of(&spec.scale_down, "scaleDown") };
    match complete(draft) {
        Ok(behavior) => Some(behavior),
        Err(found) => {
            for invalid in found {
                let path = format!("spec.behavior.{}", invalid.field);
                problems.invalid(&path, value(spec, &invalid), invalid.problem.to_string());
            }
            None
        }
    }
}

fn draft(spec: &RulesSpec, path: &str, problems: &mut Problems) -> RulesDraft {
    if let Some(count) = spec.policies.as_ref().map(Vec::len).filter(|count| *count > MAX_RATE_POLICIES) {
        let fix = format!("policies are too many: keep at most {MAX_RATE_POLICIES}");
        problems.invalid(&format!("{path}.policies"), count, fix);
    }
    let tolerance = spec.tolerance.as_ref().and_then(|quantity| {
        let tolerance = quantity.to_f64();
        tolerance.map_err(|error| problems.invalid(&format!("{path}.tolerance"), &quantity.0, error.to_string())).ok()
    });
    let policy = |policy: &super::behavior::RatePolicySpec| PolicyDraft {
        kind: match policy.kind {
            RateKindSpec::Pods => Word::Known(RateKind::Pods),
            RateKindSpec::Percent => Word::Known(RateKind::Percent),
            RateKindSpec::Unknown => Word::Unknown,
        },
        value: policy.value,
        period_seconds: policy.period_seconds,
    };
    RulesDraft {
        window_seconds: spec.stabilization_window_seconds,
        select: spec.select_policy.map(|select| match select {
            SelectPolicy::Max => Word::Known(Select::Max),
            SelectPolicy::Min => Word::Known(Select::Min),
            SelectPolicy::Disabled => Word::Known(Select::Disabled),
            SelectPolicy::Unknown => Word::Unknown,
        }),
        policies: spec.policies.as_ref().map(|all| all.iter().take(MAX_RATE_POLICIES).map(policy).collect()),
        tolerance,
    }
}

/// What stands in the refused field; empty where nothing does, or where it was a known word.
fn value(spec: &BehaviorSpec, invalid: &Invalid) -> String {
    let rules = match invalid.field.direction {
        Direction::Up => &spec.scale_up,
        Direction::Down => &spec.scale_down,
    };
    let Some(rules) = rules else { return String::new() };
    let policy = rules.policies.as_ref().zip(invalid.field.policy).and_then(|(all, index)| all.get(index));
    let value = match invalid.field.name {
        FieldName::Window => rules.stabilization_window_seconds.map(|seconds| seconds.to_string()),
        FieldName::Tolerance => rules.tolerance.as_ref().map(|quantity| quantity.0.clone()),
        FieldName::Value => policy.map(|policy| policy.value.to_string()),
        FieldName::Period => policy.map(|policy| policy.period_seconds.to_string()),
        FieldName::Select | FieldName::Policies | FieldName::Kind => None,
    };
    value.unwrap_or_default()
}
