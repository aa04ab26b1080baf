//! In which of four groups a pod counts for a metric with a value per pod (HPA rule). Owns the doubt about young pods' cpu; must not know
//! what a group is worth.

use super::pods::{Pod, ReadyStatus};
use super::policy::WarmUp;
use super::samples::PodSample;
use super::time::Timestamp;

/// The resource whose samples of young pods are doubted; no other is (HPA rule).
pub const CPU: &str = "cpu";

/// How a pod counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Group {
    /// Going or gone: neither the pod nor its sample counts.
    Ignored,
    /// Not taking load yet: counts as idle, and only when growing.
    Unready,
    /// Ought to have a sample and has none: counts against any change.
    Missing,
    /// Counts with its sample.
    Ready,
}

/// What decides the group beside the pod itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupRule {
    /// The instant of the observation.
    pub now: Timestamp,
    /// How young a pod has to be for its sample to be doubted; `None` where the metric is not cpu and no sample is.
    pub warm_up: Option<WarmUp>,
}

impl GroupRule {
    /// The rule for a resource, or for a metric that is none.
    #[must_use]
    pub fn new(resource: Option<&str>, warm_up: WarmUp, now: Timestamp) -> Self {
        Self { now, warm_up: (resource == Some(CPU)).then_some(warm_up) }
    }

    /// The group of a pod with this sample. A pod that ended well is nothing special here (HPA rule): without a sample it is missing.
    #[must_use]
    pub fn group(&self, pod: &Pod, sample: Option<&PodSample>) -> Group {
        use super::pods::Phase;
        if pod.deleting || pod.phase == Phase::Failed {
            return Group::Ignored;
        }
        if pod.phase == Phase::Pending {
            return Group::Unready;
        }
        let Some(sample) = sample else { return Group::Missing };
        match self.warm_up {
            Some(warm_up) if is_doubtful(pod, sample, (warm_up, self.now)) => Group::Unready,
            _ => Group::Ready,
        }
    }
}

/// Whether the cpu usage of a pod may come from its start rather than from load.
fn is_doubtful(pod: &Pod, sample: &PodSample, (warm_up, now): (WarmUp, Timestamp)) -> bool {
    let (Some(ready), Some(started)) = (pod.ready, pod.started) else { return true };
    let is_not_ready = ready.status == ReadyStatus::False;
    if started.plus_seconds(warm_up.cpu_initialization_period_seconds.into()) > now {
        // Young: the sample's window has to lie wholly after the pod became ready.
        is_not_ready || sample.at < ready.changed.plus_seconds(sample.window_seconds.into())
    } else {
        // Old: a pod that was never ready, or lost it right after its start, does not count. One that lost it later does: losing
        // readiness under load is no reason to forget the load.
        is_not_ready && started.plus_seconds(warm_up.initial_readiness_delay_seconds.into()) > ready.changed
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::engine::tests_support::at;
    use crate::engine::{Milli, Phase, Readiness};

    fn pod(phase: Phase, ready: Option<(ReadyStatus, i64)>, started: Option<i64>) -> Pod {
        Pod {
            name: "p".into(),
            phase,
            deleting: false,
            ready: ready.map(|(status, age)| Readiness { status, changed: at(-age) }),
            started: started.map(|age| at(-age)),
            resources: Arc::default(),
        }
    }

    fn sample(age: i64) -> PodSample {
        PodSample { pod: "p".into(), value: Milli::new(1), at: at(-age), window_seconds: 30 }
    }

    #[test]
    fn the_order_of_the_rules() {
        use Phase::{Failed, Pending, Running, Succeeded};
        use ReadyStatus::{False, True, Unknown};
        let table = [
            ("failed", pod(Failed, Some((True, 900)), Some(900)), Some(0), Group::Ignored),
            ("pending with a sample", pod(Pending, Some((True, 900)), Some(900)), Some(0), Group::Unready),
            ("no sample", pod(Running, Some((True, 900)), Some(900)), None, Group::Missing),
            ("ended well, no sample", pod(Succeeded, Some((False, 900)), Some(900)), None, Group::Missing),
            ("no condition", pod(Running, None, Some(900)), Some(0), Group::Unready),
            ("not started", pod(Running, Some((True, 900)), None), Some(0), Group::Unready),
            ("young, window over", pod(Running, Some((True, 30)), Some(60)), Some(0), Group::Ready),
            ("young, window reaches back", pod(Running, Some((True, 29)), Some(60)), Some(0), Group::Unready),
            ("young, not ready", pod(Running, Some((False, 100)), Some(100)), Some(0), Group::Unready),
            ("young, unknown counts as ready", pod(Running, Some((Unknown, 90)), Some(100)), Some(0), Group::Ready),
            ("as old as the period", pod(Running, Some((True, 1)), Some(300)), Some(0), Group::Ready),
            ("old, never ready", pod(Running, Some((False, 571)), Some(600)), Some(0), Group::Unready),
            ("old, lost it at the delay's end", pod(Running, Some((False, 570)), Some(600)), Some(0), Group::Ready),
            ("old, lost it later", pod(Running, Some((False, 10)), Some(600)), Some(0), Group::Ready),
        ];
        let cpu = GroupRule::new(Some(CPU), WarmUp::default(), at(0));
        for (name, pod, age, expected) in table {
            assert_eq!(cpu.group(&pod, age.map(sample).as_ref()), expected, "{name}");
        }
    }

    #[test]
    fn going_comes_first_and_other_resources_are_not_doubted() {
        let memory = GroupRule::new(Some("memory"), WarmUp::default(), at(0));
        let fresh = pod(Phase::Running, None, None);
        assert_eq!(memory.group(&fresh, Some(&sample(0))), Group::Ready);
        let going = Pod { deleting: true, phase: Phase::Pending, ..fresh };
        assert_eq!(memory.group(&going, None), Group::Ignored);
    }

    #[test]
    fn instants_at_the_end_of_time_do_not_overflow() {
        let mut pod = pod(Phase::Running, Some((ReadyStatus::False, 0)), Some(0));
        pod.started = Some(Timestamp::from_millis(i64::MAX));
        let warm_up = WarmUp { cpu_initialization_period_seconds: i32::MAX, initial_readiness_delay_seconds: i32::MIN };
        let rule = GroupRule::new(Some(CPU), warm_up, Timestamp::from_millis(i64::MIN));
        assert_eq!(rule.group(&pod, Some(&sample(0))), Group::Unready);
    }
}
