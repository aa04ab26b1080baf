//! What Flyball says of a source: whether it answers, who it is, and how its clock goes; and the one function that makes it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::conditions::{Draft, READY, STALLED, time};
use crate::api::status::{MAX_WORD_LENGTH, conditions_schema};
use crate::engine::Timestamp;

/// Clocks that differ by less count as one: answers take a while, and the header of a date has whole seconds.
pub const TOLERATED_SKEW_SECONDS: i32 = 2;

/// What Flyball last saw of the source.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceStatus {
    /// The generation of the spec that this status speaks of; -1 until Flyball has seen the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The state in the words of kstatus: Ready, and Stalled where only a human can mend it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions_schema")]
    pub conditions: Vec<Condition>,
    /// Who answers; absent where it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_info: Option<BuildInfo>,
    /// Seconds that the source's clock is ahead of Flyball's, below 0 where it is behind; 0 within 2 seconds, absent where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_skew_seconds: Option<i32>,
}

/// Who answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BuildInfo {
    /// The version that it tells; VictoriaMetrics tells that of the Prometheus whose API it speaks.
    #[schemars(length(max = MAX_WORD_LENGTH))]
    pub version: String,
    /// Prometheus, Thanos, Mimir, Cortex or VictoriaMetrics, as far as its answer tells them apart.
    #[schemars(length(max = MAX_WORD_LENGTH))]
    pub flavour: String,
}

/// What a look at a source came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFinding {
    /// Whether it answers.
    pub ready: bool,
    /// The CamelCase word.
    pub reason: String,
    /// One sentence; never holds a credential.
    pub message: String,
    /// Only a human can mend it.
    pub stalled: bool,
    /// Who answers, where that is known.
    pub build_info: Option<BuildInfo>,
    /// Seconds that its clock is ahead, where that is known.
    pub clock_skew_seconds: Option<i32>,
}

/// The status after a look. `lastTransitionTime` moves only where a condition's status changes.
#[must_use]
pub fn source_status(before: &SourceStatus, generation: i64, finding: &SourceFinding, now: Timestamp) -> SourceStatus {
    let status = if finding.ready { "True" } else { "False" };
    let mut drafts = vec![(READY, status)];
    if finding.stalled {
        drafts.push((STALLED, "True"));
    }
    let condition = |(kind, status): (&'static str, &str)| {
        let known = before.conditions.iter().find(|known| known.type_ == kind && known.status == status);
        let draft = Draft::yes(kind, &finding.reason, finding.message.as_str()); // cuts what is too long
        Condition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: draft.reason,
            message: draft.message,
            last_transition_time: known.map_or_else(|| time(now), |known| known.last_transition_time.clone()),
            observed_generation: Some(generation),
        }
    };
    SourceStatus {
        observed_generation: Some(generation),
        conditions: drafts.into_iter().map(condition).collect(),
        build_info: finding.build_info.clone().or_else(|| before.build_info.clone().filter(|_| !finding.ready)),
        clock_skew_seconds: finding.clock_skew_seconds.map(|skew| steadied(before.clock_skew_seconds, skew)),
    }
}

/// A skew that does not flicker: 0 for what is tolerated, and what was published where it differs by no more than that.
fn steadied(before: Option<i32>, skew: i32) -> i32 {
    if skew.saturating_abs() <= TOLERATED_SKEW_SECONDS {
        return 0;
    }
    before
        .filter(|before| *before != 0 && before.saturating_sub(skew).saturating_abs() <= TOLERATED_SKEW_SECONDS)
        .unwrap_or(skew)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(ready: bool, reason: &str) -> SourceFinding {
        SourceFinding {
            ready,
            reason: reason.into(),
            message: "why".into(),
            stalled: false,
            build_info: None,
            clock_skew_seconds: None,
        }
    }

    #[test]
    fn transition_time_moves_only_with_the_status() {
        let at = |seconds| Timestamp::default().plus_seconds(seconds);
        let first = source_status(&SourceStatus::default(), 1, &finding(false, "SecretNotFound"), at(10));
        let second = source_status(&first, 2, &finding(false, "Unauthorized"), at(20));
        assert_eq!(second.conditions[0].last_transition_time, time(at(10)));
        assert_eq!((second.conditions[0].reason.as_str(), second.observed_generation), ("Unauthorized", Some(2)));
        let third = source_status(&second, 2, &finding(true, "Connected"), at(30));
        assert_eq!(third.conditions[0].last_transition_time, time(at(30)));
        let again = source_status(&third, 2, &finding(true, "Connected"), at(40));
        assert_eq!(third, again, "what says the same is the same");
    }

    #[test]
    fn stalled_is_there_only_while_it_holds() {
        let stalled = SourceFinding { stalled: true, ..finding(false, "InvalidSpec") };
        let first = source_status(&SourceStatus::default(), 1, &stalled, Timestamp::default());
        let kinds = |status: &SourceStatus| status.conditions.iter().map(|c| c.type_.clone()).collect::<Vec<_>>();
        assert_eq!(kinds(&first), [READY, STALLED]);
        let second = source_status(&first, 2, &finding(true, "Connected"), Timestamp::default());
        assert_eq!(kinds(&second), [READY]);
    }

    #[test]
    fn skew_does_not_flicker() {
        for (before, seen, expected) in [
            (None, 1, 0),
            (None, -2, 0),
            (None, 40, 40),
            (Some(40), 41, 40),
            (Some(40), 38, 40),
            (Some(40), 43, 43),
            (Some(0), 3, 3),
            (Some(3), 2, 0),
            (Some(-5), i32::MIN, i32::MIN),
        ] {
            assert_eq!(steadied(before, seen), expected, "{before:?} {seen}");
        }
    }
}
