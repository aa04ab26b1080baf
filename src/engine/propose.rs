//! Propose: what one metric alone asks for. Ratio and replica arithmetic are IEEE doubles in HPA's order of operations, since that order
//! decides (11 ready pods at a ratio of 25/11 are 26, not 25). Conversions saturate where HPA's wrap.

use std::cmp::Ordering;

use super::milli::Milli;
use super::observation::{Absence, Observation, Reading, Replicas};
use super::policy::{Direction, Policy, Target};
use super::trace::Proposal;

/// The band around a target that is left alone, as fractions of it; closed at both ends (HPA).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    /// Below the target.
    pub down: f64,
    /// Above the target.
    pub up: f64,
}

impl Tolerance {
    /// The ratio is near enough to 1 to be left alone. False for NaN and the infinities.
    #[must_use]
    pub fn holds(&self, ratio: f64) -> bool {
        1.0 - self.down <= ratio && ratio <= 1.0 + self.up
    }
}

/// What the arithmetic of one target came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Answer {
    /// Value over target; not finite where the size was 0.
    pub ratio: f64,
    /// The ratio lies within the tolerance.
    pub within_tolerance: bool,
    /// The proposal; `None` where it would count pods and there is none to count. May be negative for a negative value.
    pub replicas: Option<i32>,
    /// What HPA reports as the current value.
    pub reported: Milli,
}

/// A target of type Value: the ratio times the pods that are ready (HPA Object and External `Value`). From 0 replicas the ratio itself is
/// the proposal. `ready` is `None` where no pod is known at all.
#[must_use]
pub fn for_value(
    (value, target): (Milli, Milli),
    (current, ready): (i32, Option<i32>),
    tolerance: Tolerance,
) -> Answer {
    let ratio = as_f64(value) / as_f64(target);
    let (within_tolerance, replicas) = if current == 0 {
        (false, Some(ceil_to_i32(ratio)))
    } else if tolerance.holds(ratio) {
        (true, Some(current))
    } else {
        (false, ready.map(|ready| ceil_to_i32(ratio * f64::from(ready))))
    };
    Answer { ratio, within_tolerance, replicas, reported: value }
}

/// A target of type AverageValue: the value divided by the target (HPA Object and External `AverageValue`). Within the tolerance the
/// answer is `count`, the number of replicas that the value was averaged over.
#[must_use]
pub fn for_average((value, target): (Milli, Milli), count: i32, tolerance: Tolerance) -> Answer {
    let ratio = as_f64(value) / (as_f64(target) * f64::from(count));
    let within_tolerance = tolerance.holds(ratio);
    let replicas = if within_tolerance { count } else { ceil_to_i32(as_f64(value) / as_f64(target)) };
    let reported = Milli::new(ceil_to_i64(as_f64(value) / f64::from(count)));
    Answer { ratio, within_tolerance, replicas: Some(replicas), reported }
}

/// [`for_average`] for External metrics: what is at the limit of numbers is reported as it is, since an overflow divided by a number of
/// replicas would look like a measurement (HPA, which does so for External only).
#[must_use]
pub fn for_external_average((value, target): (Milli, Milli), count: i32, tolerance: Tolerance) -> Answer {
    let mut answer = for_average((value, target), count, tolerance);
    if as_f64(value) >= as_f64(Milli::MAX) {
        answer.reported = Milli::MAX;
    }
    answer
}

/// The sum that HPA takes of an External metric's series for a Value target: it stops at the first overflow upwards.
#[must_use]
pub fn sum_of_external_value(values: &[Milli]) -> Milli {
    let mut sum = Milli::new(0);
    for value in values {
        if value.get() > 0 && sum.get() > i64::MAX - value.get() {
            return Milli::MAX;
        }
        sum = sum.saturating_add(*value);
    }
    sum
}

/// The sum that HPA takes of an External metric's series for an AverageValue target: it stops at the first overflow, and takes a
/// running sum below zero for one.
#[must_use]
pub fn sum_of_external_average(values: &[Milli]) -> Milli {
    let mut sum = 0_i64;
    for value in values {
        match sum.checked_add(value.get()) {
            Some(next) if next >= 0 => sum = next,
            _ => return Milli::MAX,
        }
    }
    Milli::new(sum)
}

/// The proposals of all metrics of `policy`, in its order.
#[must_use]
pub fn propose(policy: &Policy, observation: &Observation) -> Vec<Proposal> {
    let mut proposals = Vec::with_capacity(policy.metrics.len());
    for (index, metric) in policy.metrics.iter().enumerate() {
        let reading = observation
            .readings
            .get(index)
            .cloned()
            .unwrap_or_else(|| Reading::missing(Absence::NotAsked, "the metric was not asked"));
        proposals.push(propose_one(policy, metric.target, observation.replicas, reading));
    }
    proposals
}

fn propose_one(policy: &Policy, target: Target, replicas: Replicas, reading: Reading) -> Proposal {
    let tolerance = Tolerance { down: policy.tolerance(Direction::Down), up: policy.tolerance(Direction::Up) };
    let answer = reading.sample().map(|sample| match target {
        Target::Value(target) => for_value((sample.value, target), (replicas.spec, Some(counted(replicas))), tolerance),
        // HPA counts status replicas here, so that a surge leaks into the answer; the size that was asked for does not surge.
        Target::AverageValue(target) => for_external_average((sample.value, target), replicas.spec, tolerance),
    });
    let above = answer.is_some_and(|answer| answer.ratio > 1.0);
    Proposal {
        reading,
        target,
        ratio: answer.map(|answer| answer.ratio),
        tolerance: if above { tolerance.up } else { tolerance.down },
        within_tolerance: answer.is_some_and(|answer| answer.within_tolerance),
        reported: answer.map(|answer| answer.reported),
        replicas: answer.and_then(|answer| along_the_ratio(answer, replicas.spec)),
    }
}

/// The pods that a Value target multiplies. HPA takes the ready ones even if there is none, and then proposes 0 for a workload whose pods
/// fail their probes under load; no ready pod at all tells nothing about how many are needed, so the size asked for stands in.
fn counted(replicas: Replicas) -> i32 {
    replicas.ready.filter(|ready| *ready > 0).unwrap_or(replicas.spec)
}

/// The answer's replicas, unless they lie on the other side of the present size than the value lies of its target: then the present size.
/// HPA holds Resource and Pods metrics to that but not Value targets, so that a workload at 1.5 times its target shrinks from 10 to 6
/// while only 4 of its pods are ready. From 0 there is no side.
fn along_the_ratio(answer: Answer, current: i32) -> Option<i32> {
    let replicas = answer.replicas?;
    Some(match answer.ratio.partial_cmp(&1.0) {
        _ if current == 0 => replicas,
        Some(Ordering::Greater) => replicas.max(current),
        Some(Ordering::Less) => replicas.min(current),
        Some(Ordering::Equal) | None => current,
    })
}

#[allow(clippy::cast_precision_loss)] // HPA's own conversion, float64(int64)
fn as_f64(value: Milli) -> f64 {
    value.get() as f64
}

#[allow(clippy::cast_possible_truncation)] // the cast saturates; NaN becomes 0
fn ceil_to_i32(value: f64) -> i32 {
    value.ceil() as i32
}

#[allow(clippy::cast_possible_truncation)] // the cast saturates; NaN becomes 0
fn ceil_to_i64(value: f64) -> i64 {
    value.ceil() as i64
}

#[cfg(test)]
mod tests;
