//! The changes of size that still count against rate policies, into status and back: what a restart must not forget.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, MicroTime};
use k8s_openapi::jiff;

use crate::api::conditions::SCALED_TO_ZERO;
use crate::api::status::{MAX_RECENT_RESCALES, RescaleRecord, ScalingPolicyStatus};
use crate::engine::{Policy, Rescale, State, Timestamp};

/// The changes that `state` remembers and that some rate policy may still count, oldest first.
#[must_use]
pub fn recent_rescales(state: &State) -> Vec<RescaleRecord> {
    let up = state.up_events.iter().filter(|event| !event.outdated).map(|event| (event.at, event.change));
    let down = state.down_events.iter().filter(|event| !event.outdated).map(|event| (event.at, -event.change));
    let mut changes: Vec<(Timestamp, i32)> = up.chain(down).collect();
    changes.sort();
    let surplus = changes.len().saturating_sub(MAX_RECENT_RESCALES);
    // The oldest are told as if they had been made with the oldest that is kept of their direction: then they count longer.
    for index in 0..surplus {
        let (_, change) = changes[index];
        if let Some(kept) = changes[surplus..].iter_mut().find(|(_, kept)| (*kept > 0) == (change > 0)) {
            kept.1 = kept.1.saturating_add(change);
        }
    }
    changes[surplus..].iter().map(|&(at, change)| RescaleRecord { time: micro_time(at), change }).collect()
}

/// The memory of `policy` that its status tells: the changes of size, and whether a size of zero is the policy's own. Recommendations
/// are recalled when the size is seen; see [`recall`](super::recall).
#[must_use]
pub fn restored(policy: &Policy, status: &ScalingPolicyStatus) -> State {
    let mut state = State::default();
    // Status may have been written by anybody: what is beyond the bound is not looked at.
    for record in status.recent_rescales.iter().take(MAX_RECENT_RESCALES) {
        let at = Timestamp::from_millis(record.time.0.as_millisecond());
        // Only the change counts. It is put upon one replica, so that none of these looks like a way to zero.
        let from = record.change.saturating_neg().max(0).saturating_add(1);
        let to = record.change.max(0).saturating_add(1);
        state.record_rescale(policy, Rescale { from, to, at });
    }
    // The records tell changes and no sizes. Whose zero it is stands in the condition (HPA).
    let is_own = |condition: &Condition| condition.type_ == SCALED_TO_ZERO && condition.status == "True";
    state.scaled_to_zero = status.conditions.iter().any(is_own);
    state
}

pub(super) fn micro_time(at: Timestamp) -> MicroTime {
    MicroTime(jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{
        Behavior, Metric, MetricKind, Milli, Mode, RateKind, RatePolicy, Rules, ScaleEvent, Select, Settings, Target,
    };

    fn policy() -> Policy {
        let rules = Rules {
            window_seconds: Some(0),
            select: Select::Max,
            policies: vec![RatePolicy { kind: RateKind::Pods, value: 4, period_seconds: 600 }],
            tolerance: None,
        };
        Policy {
            min_replicas: 1,
            max_replicas: 100,
            metrics: Vec::new(),
            behavior: Some(Behavior { up: rules.clone(), down: rules }),
            downscale_window_seconds: 300,
            mode: Mode::Auto,
            settings: Settings::default(),
            fallback: None,
        }
    }

    fn event(change: i32, at_millis: i64) -> ScaleEvent {
        ScaleEvent { change, at: Timestamp::from_millis(at_millis), outdated: false }
    }

    #[test]
    fn what_is_written_comes_back_the_same() {
        let state = State {
            up_events: vec![event(3, 1_700_000_000_123), event(1, 1_700_000_009_000)],
            down_events: vec![event(2, 1_700_000_005_500)],
            ..State::default()
        };
        let status = ScalingPolicyStatus { recent_rescales: recent_rescales(&state), ..ScalingPolicyStatus::default() };
        assert_eq!(status.recent_rescales.iter().map(|record| record.change).collect::<Vec<_>>(), [3, -2, 1]);
        let json = serde_json::to_value(&status).unwrap();
        let status: ScalingPolicyStatus = serde_json::from_value(json).unwrap();
        assert_eq!(restored(&policy(), &status), state);
    }

    #[test]
    fn outdated_changes_are_not_told() {
        let old = ScaleEvent { outdated: true, ..event(5, 0) };
        let state = State { up_events: vec![old, event(1, 10)], ..State::default() };
        assert_eq!(recent_rescales(&state).len(), 1);
    }

    #[test]
    fn what_does_not_fit_counts_longer_not_shorter() {
        let up_events = (0..40).map(|index| event(1, index * 1000)).collect();
        let records = recent_rescales(&State { up_events, ..State::default() });
        assert_eq!(records.len(), MAX_RECENT_RESCALES);
        assert_eq!(records.iter().map(|record| record.change).sum::<i32>(), 40);
        assert_eq!(records[0].change, 9, "the oldest that is kept carries the eight before it");
    }

    #[test]
    fn nonsense_in_status_does_not_panic() {
        let record = |change| RescaleRecord { time: MicroTime(jiff::Timestamp::MAX), change };
        let recent_rescales = vec![record(i32::MIN), record(i32::MAX), record(0)];
        let status = ScalingPolicyStatus { recent_rescales, ..ScalingPolicyStatus::default() };
        let state = restored(&policy(), &status);
        assert_eq!((state.up_events.len(), state.down_events.len()), (1, 1));
    }

    #[test]
    fn only_the_condition_tells_whose_zero_it_is() {
        let metric = Metric {
            name: "m".into(),
            kind: MetricKind::External,
            target: Target::Value(Milli::new(1)),
            on_missing: crate::engine::OnMissing::Hold,
        };
        let mut policy = Policy { min_replicas: 0, metrics: vec![metric], ..policy() };
        policy.settings.scale_to_zero = true;
        let shrunk = State { down_events: vec![event(3, 1_700_000_000_000)], ..State::default() };
        let mut status = ScalingPolicyStatus { recent_rescales: recent_rescales(&shrunk), ..Default::default() };
        assert!(!restored(&policy, &status).scaled_to_zero, "three fewer is not zero");
        for (word, own) in [("True", true), ("False", false)] {
            status.conditions = vec![Condition {
                type_: SCALED_TO_ZERO.to_owned(),
                status: word.to_owned(),
                reason: "ScaledToZero".to_owned(),
                message: String::new(),
                last_transition_time: crate::api::conditions::time(Timestamp::default()),
                observed_generation: None,
            }];
            assert_eq!(restored(&policy, &status).scaled_to_zero, own);
        }
    }
}
