//! From one metric's value to the replicas that it asks for. Owns the floating-point order of operations, which is HPA's to the last
//! bit; must not know other metrics, windows or limits.

use super::milli::Milli;
use super::observation::{Absence, Reading, Replicas};
use super::policy::{DEFAULT_TOLERANCE, Direction, Metric, Policy, Target};
use super::trace::Proposal;

/// Relative distances from the target that are left alone, as fractions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerances {
    /// Below the target.
    pub down: f64,
    /// Above the target.
    pub up: f64,
}

/// One value and what it is held against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// The value, summed over all series.
    pub value: Milli,
    /// The target: of the whole workload, or of one replica.
    pub target: Milli,
    /// What is near enough.
    pub tolerances: Tolerances,
}

/// What a comparison asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Answer {
    /// Replicas; negative where the value is.
    pub replicas: i32,
    /// What HPA reports as current: the value, or the value per replica rounded up.
    pub reported: Milli,
    /// Value over target. Not finite where it was divided by zero replicas.
    pub ratio: f64,
    /// The ratio lies within the tolerance.
    pub within_tolerance: bool,
}

impl Tolerances {
    /// Those of a policy. A NaN, an infinity or a negative number is no tolerance: the default takes its place.
    #[must_use]
    pub fn of(policy: &Policy) -> Self {
        let sane = |tolerance: f64| {
            if tolerance.is_finite() && tolerance >= 0.0 { tolerance } else { DEFAULT_TOLERANCE }
        };
        Self { down: sane(policy.tolerance(Direction::Down)), up: sane(policy.tolerance(Direction::Up)) }
    }

    /// Whether `ratio` is near enough to 1: a closed interval (HPA rule).
    #[must_use]
    pub fn contain(self, ratio: f64) -> bool {
        (1.0 - self.down) <= ratio && ratio <= (1.0 + self.up)
    }

    /// The tolerance of the side that `ratio` is on.
    fn side(self, ratio: f64) -> f64 {
        if ratio < 1.0 { self.down } else { self.up }
    }
}

/// The sum of the series of an HPA External metric with a Value target; stops at the first overflow upwards (HPA rule), saturates
/// downwards where HPA wraps.
#[must_use]
pub fn sum_for_value(values: &[i64]) -> Milli {
    let mut sum: i64 = 0;
    for value in values {
        match sum.checked_add(*value) {
            Some(next) => sum = next,
            None if *value > 0 => return Milli::MAX,
            None => sum = i64::MIN,
        }
    }
    Milli::new(sum)
}

/// The sum of the series of an HPA External metric with an AverageValue target. HPA stops at the first overflow, takes a running sum
/// below zero for one, and then counts the largest number there is. Only for what claims to be HPA's External type: [`super::decide()`]
/// takes negative values for what they are.
#[must_use]
pub fn sum_for_average(values: &[i64]) -> Milli {
    let mut sum: i64 = 0;
    for value in values {
        match sum.checked_add(*value) {
            Some(next) if next >= 0 => sum = next,
            _ => return Milli::MAX,
        }
    }
    Milli::new(sum)
}

/// HPA's proposal for a Value target of an Object or External metric. `ready` are the pods that are Running and Ready, `None` where
/// no pod was listed. `None` where the size has to change and there is no pod to count.
#[must_use]
pub fn by_value(asked: Comparison, current: i32, ready: Option<i32>) -> Option<Answer> {
    let ratio = float(asked.value) / float(asked.target);
    let within_tolerance = current != 0 && asked.tolerances.contain(ratio);
    let replicas = if current == 0 {
        // From zero any load at all is a reason to start: no tolerance (HPA rule).
        count(ratio.ceil())
    } else if within_tolerance {
        current
    } else {
        count((ratio * f64::from(ready?)).ceil())
    };
    Some(Answer { replicas, reported: asked.value, ratio, within_tolerance })
}

/// HPA's proposal for an AverageValue target of an Object or External metric, held against `replicas`.
#[must_use]
pub fn by_average(asked: Comparison, replicas: i32) -> Answer {
    let held_against = f64::from(replicas);
    let ratio = float(asked.value) / (float(asked.target) * held_against);
    let within_tolerance = asked.tolerances.contain(ratio);
    let proposed = if within_tolerance { replicas } else { count((float(asked.value) / float(asked.target)).ceil()) };
    // A value that reached the limit says only "very much"; its share would pretend to know more (HPA rule).
    let reported = if float(asked.value) >= float(Milli::MAX) {
        Milli::MAX
    } else {
        thousandths(float(asked.value) / held_against)
    };
    Answer { replicas: proposed, reported, ratio, within_tolerance }
}

/// What one metric of a policy asks for: HPA's rules, with its traps closed. Never negative.
///
/// - An average is held against `spec` replicas, not against a count that a rollout inflates.
/// - Where no pod is ready, `spec` counts: a workload that fails its probes must not shrink for it.
/// - The direction is the ratio's: above the target never asks for fewer than `spec`, below never for more.
/// - A target that is not above zero has no answer.
#[must_use]
pub fn propose(metric: &Metric, tolerances: Tolerances, replicas: Replicas, reading: Option<&Reading>) -> Proposal {
    let reading = reading.cloned().unwrap_or_else(|| {
        Reading::missing(Absence::NotAsked, "nobody asked for this metric: there are more metrics than readings")
    });
    let target = match metric.target {
        Target::Value(target) | Target::AverageValue(target) => target,
    };
    let sample = reading.sample().filter(|_| target > Milli::default());
    let mut proposal = Proposal {
        reading,
        target: metric.target,
        ratio: None,
        tolerance: tolerances.up,
        within_tolerance: false,
        reported: None,
        replicas: None,
    };
    let Some(sample) = sample else { return proposal };
    let spec = replicas.spec.max(0);
    let asked = Comparison { value: sample.value, target, tolerances };
    let answer = match metric.target {
        Target::Value(_) => by_value(asked, spec, Some(replicas.ready.filter(|ready| *ready > 0).unwrap_or(spec))),
        Target::AverageValue(_) => Some(by_average(asked, spec)),
    };
    let Some(answer) = answer else { return proposal };
    let by_zero = spec == 0 && matches!(metric.target, Target::AverageValue(_));
    proposal.ratio = Some(answer.ratio).filter(|ratio| ratio.is_finite());
    proposal.tolerance = tolerances.side(answer.ratio);
    proposal.within_tolerance = answer.within_tolerance;
    proposal.reported = Some(answer.reported).filter(|_| !by_zero);
    proposal.replicas = Some(towards(answer, spec));
    proposal
}

/// The answer, never against the direction of its ratio and never below zero.
fn towards(answer: Answer, spec: i32) -> i32 {
    let replicas = answer.replicas.max(0);
    if answer.within_tolerance || spec == 0 {
        replicas
    } else if answer.ratio > 1.0 {
        replicas.max(spec)
    } else {
        replicas.min(spec)
    }
}

#[allow(clippy::cast_precision_loss)] // HPA computes with doubles as well
const fn float(value: Milli) -> f64 {
    value.get() as f64
}

#[allow(clippy::cast_possible_truncation)] // saturates, and NaN becomes 0
const fn count(replicas: f64) -> i32 {
    replicas as i32
}

#[allow(clippy::cast_possible_truncation)] // saturates, and NaN becomes 0
fn thousandths(value: f64) -> Milli {
    Milli::new(value.ceil() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Absent, Sample};

    const TEN_PERCENT: Tolerances = Tolerances { down: 0.1, up: 0.1 };

    fn proposed(target: Target, value: i64, replicas: Replicas) -> Proposal {
        let reading = Reading::Complete(Sample { value: Milli::new(value), series: 1, age_millis: None });
        propose(&Metric { name: "m".into(), target }, TEN_PERCENT, replicas, Some(&reading))
    }

    #[test]
    fn each_rule_of_a_proposal() {
        let (value, average) = (Target::Value(Milli::new(1000)), Target::AverageValue(Milli::new(1000)));
        let table = [
            ("value doubles", value, 2000, 4, None, Some(8)),
            ("value counts ready pods", value, 2000, 4, Some(3), Some(6)),
            ("above the target never fewer", value, 2000, 4, Some(1), Some(4)),
            ("below the target never more", value, 850, 4, Some(10), Some(4)),
            ("no pod is ready", value, 500, 4, Some(0), Some(2)),
            ("within, at the edge", value, 1100, 4, None, Some(4)),
            ("above the edge", value, 1101, 4, None, Some(5)),
            ("negative is none", value, -5000, 4, None, Some(0)),
            ("from zero without tolerance", value, 10, 0, None, Some(1)),
            ("average", average, 9001, 4, Some(1), Some(10)),
            ("average within", average, 4400, 4, None, Some(4)),
            ("average negative", average, -1, 4, None, Some(0)),
            ("average from zero", average, 1001, 0, None, Some(2)),
            ("saturates", average, i64::MAX, 4, None, Some(i32::MAX)),
            ("a target of zero says nothing", Target::Value(Milli::new(0)), 5, 4, None, None),
            ("a negative target says nothing", Target::AverageValue(Milli::new(-1)), 5, 4, None, None),
        ];
        for (name, target, milli, spec, ready, expected) in table {
            assert_eq!(proposed(target, milli, Replicas { spec, ready }).replicas, expected, "{name}");
        }
    }

    #[test]
    fn sums_stop_where_hpa_stops() {
        let table: [(&[i64], i64, i64); 7] = [
            (&[], 0, 0),
            (&[1, 2, 3], 6, 6),
            (&[-5000], -5000, i64::MAX),
            (&[10, -20, 30], 20, i64::MAX),
            (&[i64::MAX, 1, -100], i64::MAX, i64::MAX),
            (&[i64::MIN, -1, 5], i64::MIN + 5, i64::MAX),
            (&[20, -10], 10, 10),
        ];
        for (values, value, average) in table {
            assert_eq!(sum_for_value(values), Milli::new(value), "{values:?}");
            assert_eq!(sum_for_average(values), Milli::new(average), "{values:?}");
        }
    }

    #[test]
    fn the_trace_of_an_average_per_replica() {
        let proposal = proposed(Target::AverageValue(Milli::new(1000)), 9001, Replicas { spec: 5, ready: None });
        assert_eq!(proposal.reported, Some(Milli::new(1801)));
        assert_eq!(proposal.ratio, Some(9001.0 / (1000.0 * 5.0)));
        let at_zero = proposed(Target::AverageValue(Milli::new(1000)), 9001, Replicas { spec: 0, ready: None });
        assert_eq!((at_zero.reported, at_zero.ratio), (None, None));
    }

    #[test]
    fn no_reading_is_not_asked_and_proposes_nothing() {
        let metric = Metric { name: "m".into(), target: Target::Value(Milli::new(1)) };
        let proposal = propose(&metric, TEN_PERCENT, Replicas { spec: 3, ready: None }, None);
        assert_eq!(proposal.reading.absent().map(|absent: &Absent| absent.absence), Some(Absence::NotAsked));
        assert_eq!(proposal.replicas, None);
    }
}
