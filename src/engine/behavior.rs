//! Completing and checking `behavior` as HPA's admission does. Owns the defaults and the bounds; must not know the wire format.

use std::fmt;

use super::policy::{Behavior, Direction, RateKind, RatePolicy, Rules, Select};

/// Longest stabilization window in seconds (HPA rule).
pub const MAX_WINDOW_SECONDS: i32 = 3600;
/// Longest period of a rate policy in seconds (HPA rule).
pub const MAX_PERIOD_SECONDS: i32 = 1800;

/// `behavior` as somebody wrote it: anything may be missing, words may be wrong.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BehaviorDraft {
    /// Rules of growing.
    pub up: Option<RulesDraft>,
    /// Rules of shrinking.
    pub down: Option<RulesDraft>,
}

/// The rules of one direction as somebody wrote them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RulesDraft {
    /// See [`Rules::window_seconds`].
    pub window_seconds: Option<i32>,
    /// `Max`, `Min` or `Disabled`.
    pub select: Option<String>,
    /// See [`Rules::policies`]; an empty list is kept, and refused by [`check`].
    pub policies: Option<Vec<RatePolicyDraft>>,
    /// See [`Rules::tolerance`].
    pub tolerance: Option<f64>,
}

/// A rate policy as somebody wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RatePolicyDraft {
    /// `Pods` or `Percent`.
    pub kind: String,
    /// See [`RatePolicy::value`].
    pub value: i32,
    /// See [`RatePolicy::period_seconds`].
    pub period_seconds: i32,
}

/// One thing that is wrong with a draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The direction it stands in.
    pub direction: Direction,
    /// The field.
    pub field: FaultField,
    /// What is wrong with it.
    pub why: FaultKind,
    /// The value as written, empty where there is none.
    pub value: String,
}

/// The field that a fault is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultField {
    /// The stabilization window.
    Window,
    /// The choice among policies.
    Select,
    /// The list of policies.
    Policies,
    /// The type of the policy at this index.
    PolicyKind(usize),
    /// The value of the policy at this index.
    PolicyValue(usize),
    /// The period of the policy at this index.
    PolicyPeriod(usize),
    /// The tolerance.
    Tolerance,
}

/// What is wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// It must be given.
    Required,
    /// Below its least value.
    TooSmall,
    /// Above its greatest value.
    TooLarge,
    /// Not one of the known words.
    Unsupported,
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Required => "required",
            Self::TooSmall => "too_small",
            Self::TooLarge => "too_large",
            Self::Unsupported => "unsupported",
        })
    }
}

/// Fills in what is missing, field by field (HPA `GenerateHPAScaleUpRules` and `…DownRules`). The window of shrinking stays unset: its
/// default belongs to the policy. Tolerance is never filled in.
#[must_use]
pub fn complete(draft: BehaviorDraft) -> BehaviorDraft {
    BehaviorDraft {
        up: Some(complete_rules(Direction::Up, draft.up.unwrap_or_default())),
        down: Some(complete_rules(Direction::Down, draft.down.unwrap_or_default())),
    }
}

/// [`complete`] for one direction.
#[must_use]
pub fn complete_rules(direction: Direction, draft: RulesDraft) -> RulesDraft {
    let percent = RatePolicyDraft { kind: "Percent".into(), value: 100, period_seconds: 15 };
    let (window, policies) = match direction {
        Direction::Up => {
            (Some(0), vec![RatePolicyDraft { kind: "Pods".into(), value: 4, period_seconds: 15 }, percent])
        }
        Direction::Down => (None, vec![percent]),
    };
    RulesDraft {
        window_seconds: draft.window_seconds.or(window),
        select: draft.select.or_else(|| Some("Max".into())),
        policies: draft.policies.or(Some(policies)),
        tolerance: draft.tolerance,
    }
}

/// Turns a completed draft into rules to decide by.
///
/// # Errors
/// Everything that HPA's validation refuses, in the order in which it looks.
pub fn check(draft: &BehaviorDraft) -> Result<Behavior, Vec<Fault>> {
    let mut faults = Vec::new();
    let up = check_rules(Direction::Up, draft.up.as_ref(), &mut faults);
    let down = check_rules(Direction::Down, draft.down.as_ref(), &mut faults);
    if faults.is_empty() { Ok(Behavior { up, down }) } else { Err(faults) }
}

fn check_rules(direction: Direction, draft: Option<&RulesDraft>, faults: &mut Vec<Fault>) -> Rules {
    let mut rules = Rules { window_seconds: None, select: Select::Max, policies: Vec::new(), tolerance: None };
    // HPA's validation passes over a direction that is absent; completing has made both present before.
    let Some(draft) = draft else { return rules };
    let mut fault = |field, why, value: String| faults.push(Fault { direction, field, why, value });
    rules.window_seconds = draft.window_seconds;
    match draft.window_seconds {
        Some(window) if window < 0 => fault(FaultField::Window, FaultKind::TooSmall, window.to_string()),
        Some(window) if window > MAX_WINDOW_SECONDS => {
            fault(FaultField::Window, FaultKind::TooLarge, window.to_string());
        }
        _ => {}
    }
    match draft.select.as_deref() {
        None | Some("Max") => {}
        Some("Min") => rules.select = Select::Min,
        Some("Disabled") => rules.select = Select::Disabled,
        Some(other) => fault(FaultField::Select, FaultKind::Unsupported, other.to_owned()),
    }
    let policies = draft.policies.as_deref().unwrap_or_default();
    if policies.is_empty() {
        fault(FaultField::Policies, FaultKind::Required, String::new());
    }
    for (index, policy) in policies.iter().enumerate() {
        rules.policies.push(check_policy(index, policy, &mut fault));
    }
    rules.tolerance = draft.tolerance;
    if let Some(tolerance) = draft.tolerance
        && (tolerance.is_nan() || tolerance < 0.0)
    {
        fault(FaultField::Tolerance, FaultKind::TooSmall, tolerance.to_string());
    }
    rules
}

fn check_policy(
    index: usize,
    draft: &RatePolicyDraft,
    fault: &mut impl FnMut(FaultField, FaultKind, String),
) -> RatePolicy {
    let kind = match draft.kind.as_str() {
        "Pods" => RateKind::Pods,
        "Percent" => RateKind::Percent,
        other => {
            fault(FaultField::PolicyKind(index), FaultKind::Unsupported, other.to_owned());
            RateKind::Pods
        }
    };
    if draft.value <= 0 {
        fault(FaultField::PolicyValue(index), FaultKind::TooSmall, draft.value.to_string());
    }
    if draft.period_seconds <= 0 {
        fault(FaultField::PolicyPeriod(index), FaultKind::TooSmall, draft.period_seconds.to_string());
    } else if draft.period_seconds > MAX_PERIOD_SECONDS {
        fault(FaultField::PolicyPeriod(index), FaultKind::TooLarge, draft.period_seconds.to_string());
    }
    RatePolicy { kind, value: draft.value, period_seconds: draft.period_seconds }
}
