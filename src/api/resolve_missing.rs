//! `onMissing` and `fallback` into what the engine decides by.

use super::fallback::{FallbackSpec, FloorSpec, MAX_AFTER_FAILURES, OnMissingSpec};
use super::resolve::Problems;
use super::spec::MAX_REPLICAS;
use crate::engine::{Fallback, FloorKind, OnMissing};

/// The floor of `spec.fallback`.
pub(super) fn fallback(spec: &FallbackSpec, max_replicas: i32, problems: &mut Problems) -> Fallback {
    problems.range("spec.fallback.afterFailures", spec.after_failures, 1..=MAX_AFTER_FAILURES);
    let kind = match spec.policy {
        FloorSpec::Static => FloorKind::Static,
        FloorSpec::AtLeast => FloorKind::AtLeast,
        FloorSpec::Current => FloorKind::Current,
        FloorSpec::Unknown => {
            let fix = "is a word that this Flyball does not know: write Static, AtLeast or Current";
            problems.invalid("spec.fallback.policy", "", fix);
            FloorKind::Static
        }
    };
    match spec.replicas {
        Some(replicas) if replicas > max_replicas => {
            let fix = format!("is more than maxReplicas {max_replicas}: lower it, or raise maxReplicas");
            problems.invalid("spec.fallback.replicas", replicas, fix);
        }
        Some(replicas) => problems.range("spec.fallback.replicas", replicas, 0..=MAX_REPLICAS),
        None if kind == FloorKind::Current => {}
        None => {
            let fix = "is missing: write the replicas to keep while a metric fails, or set policy: Current";
            problems.invalid("spec.fallback.replicas", "", fix);
        }
    }
    let after_failures = u32::try_from(spec.after_failures).unwrap_or(1);
    Fallback { after_failures, replicas: spec.replicas.unwrap_or(0), kind }
}

/// What a metric counts as while it has no whole answer: what it says itself, else the policy's fallback where there is one.
pub(super) fn on_missing(
    spec: Option<OnMissingSpec>,
    has_fallback: bool,
    (path, problems): (&str, &mut Problems),
) -> OnMissing {
    match spec {
        None if has_fallback => OnMissing::Fallback,
        None | Some(OnMissingSpec::Hold) => OnMissing::Hold,
        Some(OnMissingSpec::Zero) => OnMissing::Zero,
        Some(OnMissingSpec::Ignore) => OnMissing::Ignore,
        Some(OnMissingSpec::Fallback) => {
            if !has_fallback {
                let fix = "needs spec.fallback: write it, or another word here";
                problems.invalid(&format!("{path}.onMissing"), "Fallback", fix);
            }
            OnMissing::Fallback
        }
        Some(OnMissingSpec::Unknown) => {
            let fix = "is a word that this Flyball does not know: write Hold, Zero, Ignore or Fallback";
            problems.invalid(&format!("{path}.onMissing"), "", fix);
            OnMissing::Hold
        }
    }
}
