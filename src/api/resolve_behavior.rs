//! `spec.behavior` into the engine's rules. Part of `resolve`.

use crate::engine::{Behavior, RateKind, RatePolicy, Rules, Select};

use super::behavior::{
    BehaviorSpec, MAX_PERIOD_SECONDS, MAX_RATE_POLICIES, MAX_WINDOW_SECONDS, RateKindSpec, RulesSpec, SelectPolicy,
};
use super::resolve::Problems;

/// HPA's policies of growing where none are named.
const DEFAULT_UP: [RatePolicy; 2] = [
    RatePolicy { kind: RateKind::Pods, value: 4, period_seconds: 15 },
    RatePolicy { kind: RateKind::Percent, value: 100, period_seconds: 15 },
];
/// HPA's policy of shrinking where none is named.
const DEFAULT_DOWN: [RatePolicy; 1] = [RatePolicy { kind: RateKind::Percent, value: 100, period_seconds: 15 }];

/// Both directions, each completed field by field once `behavior` is there at all (HPA rule).
pub(super) fn behavior(spec: &BehaviorSpec, problems: &mut Problems) -> Behavior {
    let up = spec.scale_up.clone().unwrap_or_default();
    let down = spec.scale_down.clone().unwrap_or_default();
    let mut up = rules(&up, "spec.behavior.scaleUp", &DEFAULT_UP, problems);
    up.window_seconds = up.window_seconds.or(Some(0));
    let down = rules(&down, "spec.behavior.scaleDown", &DEFAULT_DOWN, problems);
    Behavior { up, down }
}

fn rules(spec: &RulesSpec, path: &str, default: &[RatePolicy], problems: &mut Problems) -> Rules {
    if let Some(seconds) = spec.stabilization_window_seconds {
        problems.range(&format!("{path}.stabilizationWindowSeconds"), seconds, 0..=MAX_WINDOW_SECONDS);
    }
    let select = match spec.select_policy {
        None | Some(SelectPolicy::Max) => Select::Max,
        Some(SelectPolicy::Min) => Select::Min,
        Some(SelectPolicy::Disabled) => Select::Disabled,
    };
    let mut policies = Vec::new();
    for (index, policy) in spec.policies.iter().flatten().enumerate().take(MAX_RATE_POLICIES) {
        let path = format!("{path}.policies[{index}]");
        problems.range(&format!("{path}.value"), policy.value, 1..=i32::MAX);
        problems.range(&format!("{path}.periodSeconds"), policy.period_seconds, 1..=MAX_PERIOD_SECONDS);
        let kind = match policy.kind {
            RateKindSpec::Pods => RateKind::Pods,
            RateKindSpec::Percent => RateKind::Percent,
        };
        policies.push(RatePolicy { kind, value: policy.value, period_seconds: policy.period_seconds });
    }
    match &spec.policies {
        None => policies = default.to_vec(),
        Some(given) if given.is_empty() && select != Select::Disabled => {
            let fix = "is empty: add a policy, leave the field out for the default, or set selectPolicy: Disabled";
            problems.invalid(&format!("{path}.policies"), "", fix);
        }
        Some(given) if given.len() > MAX_RATE_POLICIES => {
            let fix = format!("policies are too many: keep at most {MAX_RATE_POLICIES}");
            problems.invalid(&format!("{path}.policies"), given.len(), fix);
        }
        Some(_) => {}
    }
    let tolerance = spec.tolerance.as_ref().and_then(|quantity| {
        let path = format!("{path}.tolerance");
        match quantity.to_f64() {
            Ok(tolerance) if tolerance >= 0.0 => return Some(tolerance),
            Ok(_) => problems.invalid(&path, &quantity.0, "is negative: write 0 or more, for example 0.1 for 10 %"),
            Err(error) => problems.invalid(&path, &quantity.0, error.to_string()),
        }
        None
    });
    Rules { window_seconds: spec.stabilization_window_seconds, select, policies, tolerance }
}
