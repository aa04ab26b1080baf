//! `spec.behavior`: what is filled in where a field was left out, and what is refused. Both are HPA rules.
//! Must not know how the fields were written down; a word that nobody knows arrives here as [`Word::Unknown`].

use super::policy::{Behavior, Direction, RateKind, RatePolicy, Rules, Select};

/// Longest stabilization window in seconds (HPA rule).
pub const MAX_WINDOW_SECONDS: i32 = 3600;
/// Longest period of a rate policy in seconds (HPA rule).
pub const MAX_PERIOD_SECONDS: i32 = 1800;

/// What growing may do where no policy is named (HPA default).
const DEFAULT_UP: [RatePolicy; 2] = [
    RatePolicy { kind: RateKind::Pods, value: 4, period_seconds: 15 },
    RatePolicy { kind: RateKind::Percent, value: 100, period_seconds: 15 },
];
/// What shrinking may do where no policy is named (HPA default).
const DEFAULT_DOWN: [RatePolicy; 1] = [RatePolicy { kind: RateKind::Percent, value: 100, period_seconds: 15 }];

/// `spec.behavior` as a user wrote it: every field may be missing, any number may be wrong.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BehaviorDraft {
    /// Rules of growing.
    pub up: Option<RulesDraft>,
    /// Rules of shrinking.
    pub down: Option<RulesDraft>,
}

/// The rules of one direction as a user wrote them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RulesDraft {
    /// Seconds to look back over recommendations.
    pub window_seconds: Option<i32>,
    /// Which of the policies counts.
    pub select: Option<Word<Select>>,
    /// The policies; `None` takes the default, an empty list is kept and then refused (HPA rule).
    pub policies: Option<Vec<PolicyDraft>>,
    /// Tolerance as a fraction; never filled in (HPA rule).
    pub tolerance: Option<f64>,
}

/// One rate policy as a user wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyDraft {
    /// The unit of `value`.
    pub kind: Word<RateKind>,
    /// Pods or percent.
    pub value: i32,
    /// The period in seconds.
    pub period_seconds: i32,
}

/// A word out of a fixed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word<T> {
    /// One of the list.
    Known(T),
    /// None of the list.
    Unknown,
}

/// A field that is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field} {problem}")]
pub struct Invalid {
    /// Where.
    pub field: Field,
    /// What is wrong with it.
    pub problem: Problem,
}

/// The place of a field within `behavior`. Its text is the path in a manifest: `scaleUp.policies[0].periodSeconds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Rules of which direction.
    pub direction: Direction,
    /// The index in `policies`, where the field is one of a policy.
    pub policy: Option<usize>,
    /// The field itself.
    pub name: FieldName,
}

/// The fields that can be refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldName {
    /// `stabilizationWindowSeconds`.
    Window,
    /// `selectPolicy`.
    Select,
    /// `policies` as a whole.
    Policies,
    /// `tolerance`.
    Tolerance,
    /// `policies[].type`.
    Kind,
    /// `policies[].value`.
    Value,
    /// `policies[].periodSeconds`.
    Period,
}

/// What is wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// It must be there.
    Required,
    /// It is below the least value allowed.
    TooSmall {
        /// The least value allowed.
        least: i32,
    },
    /// It is above the greatest value allowed.
    TooLarge {
        /// The greatest value allowed.
        most: i32,
    },
    /// It is none of the words allowed.
    Unsupported {
        /// The words, for a human.
        allowed: &'static str,
    },
}

impl Invalid {
    /// The CamelCase word for conditions, events and metric labels.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        "InvalidBehavior"
    }
}

impl FieldName {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Window => "stabilizationWindowSeconds",
            Self::Select => "selectPolicy",
            Self::Policies => "policies",
            Self::Tolerance => "tolerance",
            Self::Kind => "type",
            Self::Value => "value",
            Self::Period => "periodSeconds",
        }
    }
}

impl std::fmt::Display for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rules = match self.direction {
            Direction::Up => "scaleUp",
            Direction::Down => "scaleDown",
        };
        match self.policy {
            Some(index) => write!(f, "{rules}.policies[{index}].{}", self.name.as_str()),
            None => write!(f, "{rules}.{}", self.name.as_str()),
        }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Required => f.write_str("is empty: name at least one policy, or leave the field out for the default"),
            Self::TooSmall { least } => write!(f, "is too small: give {least} or more"),
            Self::TooLarge { most } => write!(f, "is too large: give {most} or less"),
            Self::Unsupported { allowed } => write!(f, "is none of {allowed}: give one of these"),
        }
    }
}

/// Fills in what one direction leaves out, field by field (HPA rule). The window of shrinking stays open: it means the policy's
/// `downscale_window_seconds`.
#[must_use]
pub fn default_rules(direction: Direction, rules: Option<RulesDraft>) -> RulesDraft {
    let rules = rules.unwrap_or_default();
    let (window_seconds, policies): (_, &[RatePolicy]) = match direction {
        Direction::Up => (Some(0), &DEFAULT_UP),
        Direction::Down => (None, &DEFAULT_DOWN),
    };
    let draft = |policy: &RatePolicy| PolicyDraft {
        kind: Word::Known(policy.kind),
        value: policy.value,
        period_seconds: policy.period_seconds,
    };
    RulesDraft {
        window_seconds: rules.window_seconds.or(window_seconds),
        select: rules.select.or(Some(Word::Known(Select::Max))),
        policies: rules.policies.or_else(|| Some(policies.iter().map(draft).collect())),
        tolerance: rules.tolerance,
    }
}

/// Fills in what `behavior` leaves out: once it is there at all, both directions are completed. Leaving `behavior` out altogether is
/// another path of the engine, so that is the caller's `None` (HPA rule).
#[must_use]
pub fn default_behavior(draft: BehaviorDraft) -> BehaviorDraft {
    BehaviorDraft {
        up: Some(default_rules(Direction::Up, draft.up)),
        down: Some(default_rules(Direction::Down, draft.down)),
    }
}

/// The first thing wrong with a behavior whose defaults are filled in, in HPA's order; `Ok` where there is none.
///
/// # Errors
/// The first refused field.
pub fn validate(draft: &BehaviorDraft) -> Result<(), Invalid> {
    validate_all(draft).into_iter().next().map_or(Ok(()), Err)
}

/// Everything wrong with a behavior whose defaults are filled in, in HPA's order.
#[must_use]
pub fn validate_all(draft: &BehaviorDraft) -> Vec<Invalid> {
    let mut found = Vec::new();
    for (direction, rules) in [(Direction::Up, &draft.up), (Direction::Down, &draft.down)] {
        if let Some(rules) = rules {
            validate_rules(direction, rules, &mut found);
        }
    }
    found
}

fn validate_rules(direction: Direction, rules: &RulesDraft, found: &mut Vec<Invalid>) {
    let mut refuse = |policy, name, problem| found.push(Invalid { field: Field { direction, policy, name }, problem });
    if let Some(problem) = rules.window_seconds.and_then(|seconds| outside(seconds, 0, MAX_WINDOW_SECONDS)) {
        refuse(None, FieldName::Window, problem);
    }
    if rules.select == Some(Word::Unknown) {
        refuse(None, FieldName::Select, Problem::Unsupported { allowed: "Max, Min, Disabled" });
    }
    let policies = rules.policies.as_deref().unwrap_or_default();
    if policies.is_empty() {
        refuse(None, FieldName::Policies, Problem::Required);
    }
    for (index, policy) in policies.iter().enumerate() {
        if policy.kind == Word::Unknown {
            refuse(Some(index), FieldName::Kind, Problem::Unsupported { allowed: "Pods, Percent" });
        }
        if let Some(problem) = outside(policy.value, 1, i32::MAX) {
            refuse(Some(index), FieldName::Value, problem);
        }
        if let Some(problem) = outside(policy.period_seconds, 1, MAX_PERIOD_SECONDS) {
            refuse(Some(index), FieldName::Period, problem);
        }
    }
    // NaN is no tolerance either; a quantity cannot hold it, other callers might.
    if rules.tolerance.is_some_and(|tolerance| tolerance.is_nan() || tolerance < 0.0) {
        refuse(None, FieldName::Tolerance, Problem::TooSmall { least: 0 });
    }
}

const fn outside(value: i32, least: i32, most: i32) -> Option<Problem> {
    if value < least {
        Some(Problem::TooSmall { least })
    } else if value > most {
        Some(Problem::TooLarge { most })
    } else {
        None
    }
}

/// A behavior ready for decisions: defaults filled in, checked, every word known.
///
/// # Errors
/// Everything that is wrong, in HPA's order; never empty.
pub fn complete(draft: BehaviorDraft) -> Result<Behavior, Vec<Invalid>> {
    let draft = default_behavior(draft);
    let found = validate_all(&draft);
    if !found.is_empty() {
        return Err(found);
    }
    Ok(Behavior { up: known(draft.up), down: known(draft.down) })
}

/// The rules of a draft that was completed and found valid.
fn known(draft: Option<RulesDraft>) -> Rules {
    let draft = draft.unwrap_or_default();
    let policy = |policy: &PolicyDraft| match policy.kind {
        Word::Known(kind) => Some(RatePolicy { kind, value: policy.value, period_seconds: policy.period_seconds }),
        Word::Unknown => None,
    };
    Rules {
        window_seconds: draft.window_seconds,
        select: match draft.select {
            Some(Word::Known(select)) => select,
            Some(Word::Unknown) | None => Select::Max,
        },
        policies: draft.policies.iter().flatten().filter_map(policy).collect(),
        tolerance: draft.tolerance,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_behavior_gets_the_defaults_of_both_directions() {
        let behavior = complete(BehaviorDraft::default()).unwrap();
        assert_eq!(behavior.up.window_seconds, Some(0));
        assert_eq!(behavior.up.policies, DEFAULT_UP);
        assert_eq!(behavior.down.window_seconds, None);
        assert_eq!(behavior.down.policies, DEFAULT_DOWN);
        assert_eq!((behavior.up.select, behavior.down.select), (Select::Max, Select::Max));
        assert_eq!((behavior.up.tolerance, behavior.down.tolerance), (None, None));
    }

    #[test]
    fn a_tolerance_of_nothing_is_one_and_nan_is_none() {
        let with = |tolerance| {
            let rules = RulesDraft { tolerance: Some(tolerance), ..RulesDraft::default() };
            complete(BehaviorDraft { up: Some(rules), down: None })
        };
        assert_eq!(with(0.0).unwrap().up.tolerance, Some(0.0));
        for tolerance in [-0.001, f64::NAN] {
            let refused = with(tolerance).unwrap_err();
            assert_eq!(refused.iter().map(Invalid::reason).collect::<Vec<_>>(), ["InvalidBehavior"], "{tolerance}");
        }
    }

    #[test]
    fn all_that_is_wrong_is_found_in_order_and_told_in_one_sentence_each() {
        let policy = PolicyDraft { kind: Word::Unknown, value: 0, period_seconds: 1801 };
        let up = RulesDraft {
            window_seconds: Some(3601),
            select: Some(Word::Unknown),
            policies: Some(vec![policy]),
            tolerance: Some(-0.1),
        };
        let down = RulesDraft { window_seconds: Some(-1), policies: Some(vec![]), ..RulesDraft::default() };
        let draft = BehaviorDraft { up: Some(up), down: Some(down) };
        let told: Vec<String> = complete(draft.clone()).unwrap_err().iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "scaleUp.stabilizationWindowSeconds is too large: give 3600 or less",
                "scaleUp.selectPolicy is none of Max, Min, Disabled: give one of these",
                "scaleUp.policies[0].type is none of Pods, Percent: give one of these",
                "scaleUp.policies[0].value is too small: give 1 or more",
                "scaleUp.policies[0].periodSeconds is too large: give 1800 or less",
                "scaleUp.tolerance is too small: give 0 or more",
                "scaleDown.stabilizationWindowSeconds is too small: give 0 or more",
                "scaleDown.policies is empty: name at least one policy, or leave the field out for the default",
            ]
        );
        assert_eq!(validate(&draft).unwrap_err().field.name, FieldName::Window);
    }
}
