//! From one metric's value to the replicas that it asks for. Owns the floating-point order of operations, which is HPA's to the last
//! bit; must not know other metrics, windows or limits.

use super::grouping::GroupRule;
use super::milli::Milli;
use super::missing::{OnMissing, counts_as_zero};
use super::observation::{Absence, Absent, Observation, Reading};
use super::per_pod::{Asked, Census, Goal, SeenPods, by_pods};
use super::pods::running_and_ready;
use super::policy::{DEFAULT_TOLERANCE, Direction, Metric, MetricKind, Policy, Target};
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

/// What the metric at `index` of a policy asks for: HPA's rules, with its traps closed. Never negative.
///
/// Where HPA's answer harms, this one differs. Averages are held against the replicas that were asked for, not against those that happen
/// to exist, so that a rollout's surge does not become the size. Of the pods only those that live count, so that one that ended long ago
/// neither pins the size nor fails the metric. Where no pod is ready, Value targets count the replicas that were asked for. No answer
/// goes against the direction of its own ratio: above the target nothing is taken away, below it nothing is added. Everything saturates.
#[must_use]
pub fn propose(policy: &Policy, observation: &Observation, (index, metric): (usize, &Metric)) -> Proposal {
    let reading = observation.readings.get(index).cloned().unwrap_or_else(|| {
        Reading::missing(Absence::NotAsked, "nobody asked for this metric: there are more metrics than readings")
    });
    let tolerances = Tolerances::of(policy);
    let mut proposal = Proposal {
        reading,
        target: metric.target,
        ratio: None,
        tolerance: tolerances.up,
        within_tolerance: false,
        reported: None,
        replicas: None,
        per_pod: None,
        taken_for: OnMissing::Hold,
        failing: None,
    };
    if counts_as_zero(metric, &proposal.reading) {
        proposal.taken_for = OnMissing::Zero;
    }
    let answer = if metric.target.amount() <= Milli::default() {
        Ok(None)
    } else if metric.kind.is_per_pod() {
        of_pods(policy, observation, (metric, &mut proposal))
    } else {
        of_workload(tolerances, observation, (metric, &proposal))
    };
    match answer {
        Ok(None) => {}
        Err(absent) => proposal.reading = Reading::Missing(absent),
        Ok(Some(answer)) => {
            let spec = observation.replicas.spec.max(0);
            let by_zero = spec == 0 && matches!(metric.target, Target::AverageValue(_)) && !metric.kind.is_per_pod();
            proposal.ratio = Some(answer.ratio).filter(|ratio| ratio.is_finite());
            proposal.tolerance = tolerances.side(answer.ratio);
            proposal.within_tolerance = answer.within_tolerance;
            proposal.reported = Some(answer.reported).filter(|_| !by_zero);
            proposal.replicas = Some(towards(answer, spec));
        }
    }
    if metric.on_missing == OnMissing::Ignore && !proposal.is_whole() {
        proposal.taken_for = OnMissing::Ignore;
    }
    proposal
}

/// For metrics with one value for the whole workload. `None` where the reading holds none.
fn of_workload(
    tolerances: Tolerances,
    observation: &Observation,
    (metric, proposal): (&Metric, &Proposal),
) -> Result<Option<Answer>, Absent> {
    let value = match &proposal.reading {
        Reading::Complete(sample) | Reading::Partial(sample, _) => sample.value,
        Reading::PerPod(_) => return Err(misread("one value for the workload", "values per pod")),
        Reading::Missing(_) if proposal.taken_for == OnMissing::Zero => Milli::default(),
        Reading::Missing(_) => return Ok(None),
    };
    let spec = observation.replicas.spec.max(0);
    let asked = Comparison { value, target: metric.target.amount(), tolerances };
    Ok(match metric.target {
        Target::Value(_) | Target::Utilization(_) => {
            let ready = observation.pods.as_deref().map(running_and_ready).or(observation.replicas.ready);
            by_value(asked, spec, Some(ready.filter(|ready| *ready > 0).unwrap_or(spec)))
        }
        Target::AverageValue(_) => Some(by_average(asked, spec)),
    })
}

/// For metrics with a value per pod; tells how the pods counted. `None` where the reading holds no values.
fn of_pods(
    policy: &Policy,
    observation: &Observation,
    (metric, proposal): (&Metric, &mut Proposal),
) -> Result<Option<Answer>, Absent> {
    let samples = match &proposal.reading {
        Reading::PerPod(samples) => samples,
        Reading::Complete(_) | Reading::Partial(..) => {
            return Err(misread("a value per pod", "one value for the workload"));
        }
        Reading::Missing(_) => return Ok(None),
    };
    let resource = match &metric.kind {
        MetricKind::Resource { resource, container } => Some((&**resource, container.as_deref())),
        _ => None,
    };
    let goal = match (metric.target, resource) {
        (Target::Utilization(percent), Some((resource, container))) => {
            Goal::Utilization { percent, resource, container }
        }
        (Target::AverageValue(target), _) => Goal::Average(target),
        // Refused where policies are written: a value per pod has no whole, and pods request nothing of a metric that is no resource.
        (Target::Value(_), _) | (Target::Utilization(_), None) => return Ok(None),
    };
    let rule = GroupRule::new(resource.map(|(name, _)| name), policy.settings.warm_up, observation.now);
    let unseen = || Absent { absence: Absence::NoPods, message: "the pods of the workload were not looked at".into() };
    let pods = observation.pods.as_deref().ok_or_else(unseen)?;
    let seen = SeenPods { pods, samples, rule, census: Census::Living };
    let asked = Asked { goal, tolerances: Tolerances::of(policy), current: observation.replicas.spec.max(0) };
    let answer = by_pods(asked, seen)?;
    proposal.per_pod = Some(answer.counts);
    Ok(Some(Answer {
        replicas: answer.replicas,
        reported: answer.average,
        ratio: answer.ratio,
        within_tolerance: answer.within_tolerance,
    }))
}

fn misread(wanted: &str, found: &str) -> Absent {
    let message =
        format!("the source gave {found} where {wanted} is needed: this is a fault of Flyball, please report it");
    Absent { absence: Absence::Malformed, message: message.into() }
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
mod tests;
