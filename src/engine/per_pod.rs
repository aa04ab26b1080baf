//! From what the pods of a workload use to the replicas that they ask for (HPA rules for Resource, ContainerResource and Pods metrics).
//! Owns the fills for pods without a sample, and the order of floating-point operations; must not know other metrics, windows or limits.

use std::cmp::Ordering;

use super::grouping::{Group, GroupRule};
use super::milli::Milli;
use super::observation::{Absence, Absent};
use super::pods::Pod;
use super::propose::Tolerances;
use super::requests::request_of;
use super::samples::PodSamples;
use super::trace::PerPod;

/// What the usage of pods is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal<'a> {
    /// Percent of what the pods request, above 0.
    Utilization {
        /// The target.
        percent: i32,
        /// The resource.
        resource: &'a str,
        /// Only this container's request counts; `None` counts the whole pod's.
        container: Option<&'a str>,
    },
    /// An average per pod, above 0.
    Average(Milli),
}

/// Which pods and samples may count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Census {
    /// As HPA counts: pods that ended well are missing, samples of unknown pods count, and every listed pod needs a request.
    Hpa,
    /// Only pods that live: what has ended, is being deleted or is not listed is left out with its samples and requests.
    Living,
}

/// The pods, what they use, and how they count.
#[derive(Debug, Clone, Copy)]
pub struct SeenPods<'a> {
    /// The pods that the workload's selector matches.
    pub pods: &'a [Pod],
    /// Their samples.
    pub samples: &'a PodSamples,
    /// In which group a pod counts.
    pub rule: GroupRule,
    /// Which of them may count.
    pub census: Census,
}

/// What the present size is held against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Asked<'a> {
    /// The target.
    pub goal: Goal<'a>,
    /// What is near enough.
    pub tolerances: Tolerances,
    /// The present size.
    pub current: i32,
}

/// What the pods ask for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PodsAnswer {
    /// Replicas; negative where the usage is.
    pub replicas: i32,
    /// Usage per counted pod, before any fill.
    pub average: Milli,
    /// Usage over target, before any fill.
    pub ratio: f64,
    /// The ratio, after fills where there are any, lies within the tolerance.
    pub within_tolerance: bool,
    /// How the pods counted.
    pub counts: PerPod,
}

/// Usage of several pods, and what they request. Exact: no sum of `i64` overflows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// The sum of the samples.
    used: i128,
    /// The sum of the requests that they are held against.
    requested: i128,
    /// How many samples were summed.
    count: u32,
}

/// Usage as a share of its goal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// Whole percent or whole thousandths over the target.
    pub ratio: f64,
    /// Usage over requests in whole percent, for that goal.
    pub percent: Option<i32>,
    /// Usage per sample.
    pub average: Milli,
}

impl Usage {
    /// Counts one more pod.
    pub fn add(&mut self, used: Milli, requested: Milli) {
        *self = self.and((i128::from(used.get()), i128::from(requested.get())), 1);
    }

    /// With `count` more pods that use and request so much together.
    const fn and(self, (used, requested): (i128, i128), count: u32) -> Self {
        Self {
            used: self.used.saturating_add(used),
            requested: self.requested.saturating_add(requested),
            count: self.count.saturating_add(count),
        }
    }

    /// The share of `goal`: cut to whole percent, or to a whole thousandth per pod, before it is divided (HPA rule). `None` where there
    /// is nothing to divide by.
    #[must_use]
    pub fn against(self, goal: Goal<'_>) -> Option<Share> {
        let average = whole(self.used.checked_div(i128::from(self.count))?);
        Some(match goal {
            Goal::Utilization { percent: target, .. } => {
                let percent = self.used.saturating_mul(100).checked_div(self.requested)?;
                let percent = i32::try_from(percent).unwrap_or(if percent < 0 { i32::MIN } else { i32::MAX });
                Share { ratio: f64::from(percent) / f64::from(target), percent: Some(percent), average }
            }
            Goal::Average(target) => Share { ratio: float(average) / float(target), percent: None, average },
        })
    }
}

/// All pods, counted once.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    /// Pods with a sample that counts, and for averages the samples of unknown pods.
    usage: Usage,
    /// Samples of pods that are not listed.
    strays: u32,
    ready: u32,
    unready: u32,
    unready_requested: i128,
    missing: u32,
    missing_requested: i128,
    /// What missing pods are taken to use where the others ask for less.
    missing_fill: i128,
    ignored: u32,
}

/// HPA's proposal for a metric with a value per pod.
///
/// # Errors
/// With the reason where there is no pod, no sample of a pod that counts, or no request to hold it against.
pub fn by_pods(asked: Asked<'_>, seen: SeenPods<'_>) -> Result<PodsAnswer, Absent> {
    let absent = |absence, message: &str| Absent { absence, message: message.into() };
    if seen.pods.is_empty() {
        return Err(absent(Absence::NoPods, "the workload's selector matches no pod"));
    }
    let (count, no_request) = Count::of(asked.goal, seen);
    if count.ready == 0 && count.strays == 0 {
        let message = format!(
            "no pod that counts has a sample: {} not ready, {} without a sample, {} ending",
            count.unready, count.missing, count.ignored
        );
        return Err(absent(Absence::NoUsableSamples, &message));
    }
    if let Some(absent) = no_request {
        return Err(absent);
    }
    let share = count.usage.against(asked.goal).ok_or_else(|| {
        absent(Absence::NoSampleMatches, "no sample belongs to a pod that requests anything of the resource")
    })?;
    let ratio = share.ratio;
    let mut answer = PodsAnswer {
        replicas: asked.current,
        average: share.average,
        ratio,
        within_tolerance: false,
        counts: PerPod {
            ready: count.ready,
            unready: count.unready,
            missing: count.missing,
            ignored: count.ignored,
            utilization_percent: share.percent,
            filled_ratio: None,
        },
    };
    let grows_with_unready = count.unready > 0 && ratio > 1.0;
    if !grows_with_unready && count.missing == 0 {
        answer.within_tolerance = asked.tolerances.contain(ratio);
        if !answer.within_tolerance {
            answer.replicas = times(ratio, count.ready);
        }
        return Ok(answer);
    }
    let (filled, held) = count.fill(ratio, grows_with_unready);
    let filled_ratio = filled.against(asked.goal).map_or(ratio, |share| share.ratio);
    answer.counts.filled_ratio = Some(filled_ratio);
    answer.within_tolerance = asked.tolerances.contain(filled_ratio);
    let turns = (ratio < 1.0 && filled_ratio > 1.0) || (ratio > 1.0 && filled_ratio < 1.0);
    let replicas = times(filled_ratio, held);
    let contradicts =
        (filled_ratio < 1.0 && replicas > asked.current) || (filled_ratio > 1.0 && replicas < asked.current);
    if !answer.within_tolerance && !turns && !contradicts {
        answer.replicas = replicas;
    }
    Ok(answer)
}

impl Count {
    /// Also says which pod lacks a request, if one does.
    fn of(goal: Goal<'_>, seen: SeenPods<'_>) -> (Self, Option<Absent>) {
        let (mut count, mut no_request) = (Self::default(), None);
        // Samples that belong to no listed pod are what is left when those of the listed ones are taken away.
        let all = seen.samples.as_slice();
        let mut strays = all.iter().fold(Usage::default(), |sum, sample| sum.and((sample.value.get().into(), 0), 1));
        for pod in seen.pods {
            let sample = seen.samples.get(&pod.name);
            if let Some(sample) = sample {
                strays.used -= i128::from(sample.value.get());
                strays.count = strays.count.saturating_sub(1);
            }
            let gone = seen.census == Census::Living && (pod.deleting || pod.is_terminal());
            let group = if gone { Group::Ignored } else { seen.rule.group(pod, sample) };
            let requested = match goal {
                Goal::Utilization { resource, container, .. } if !gone => request_of(pod, resource, container)
                    .unwrap_or_else(|missing| {
                        no_request.get_or_insert_with(|| missing.absent(pod, resource, container));
                        Milli::default()
                    }),
                Goal::Utilization { .. } | Goal::Average(_) => Milli::default(),
            };
            let used = sample.map_or_else(Milli::default, |sample| sample.value);
            count.add(group, (used, requested), goal);
        }
        if seen.census == Census::Hpa {
            count.strays = strays.count;
            if let Goal::Average(_) = goal {
                count.usage = count.usage.and((strays.used, 0), strays.count);
            }
        }
        (count, no_request)
    }

    fn add(&mut self, group: Group, (used, requested): (Milli, Milli), goal: Goal<'_>) {
        let wide = i128::from(requested.get());
        match group {
            Group::Ignored => self.ignored += 1,
            Group::Unready => {
                self.unready += 1;
                self.unready_requested = self.unready_requested.saturating_add(wide);
            }
            Group::Missing => {
                self.missing += 1;
                self.missing_requested = self.missing_requested.saturating_add(wide);
                // At least all that they request, and at least their target: what is not known is no reason to shrink (HPA rule).
                let fill = match goal {
                    Goal::Utilization { percent, .. } => wide.saturating_mul(i128::from(percent.max(100))) / 100,
                    Goal::Average(target) => i128::from(target.get()),
                };
                self.missing_fill = self.missing_fill.saturating_add(fill);
            }
            Group::Ready => {
                self.ready += 1;
                self.usage.add(used, requested);
            }
        }
    }

    /// The usage with pods that have no sample filled in against the direction of `ratio`, and the number of samples then held.
    fn fill(&self, ratio: f64, grows_with_unready: bool) -> (Usage, u32) {
        let mut filled = self.usage;
        let mut held = self.ready.saturating_add(self.strays);
        // Exactly on the target there is no direction to fill against (HPA rule).
        let used = match ratio.partial_cmp(&1.0) {
            Some(Ordering::Less) => Some(self.missing_fill),
            Some(Ordering::Greater) => Some(0),
            Some(Ordering::Equal) | None => None,
        };
        if let Some(used) = used {
            filled = filled.and((used, self.missing_requested), self.missing);
            held = held.saturating_add(self.missing);
        }
        if grows_with_unready {
            filled = filled.and((0, self.unready_requested), self.unready);
            held = held.saturating_add(self.unready);
        }
        (filled, held)
    }
}

#[allow(clippy::cast_possible_truncation)] // saturates, and NaN becomes 0
fn times(ratio: f64, count: u32) -> i32 {
    (ratio * f64::from(count)).ceil() as i32
}

fn whole(value: i128) -> Milli {
    Milli::new(i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX }))
}

#[allow(clippy::cast_precision_loss)] // HPA computes with doubles as well
const fn float(value: Milli) -> f64 {
    value.get() as f64
}

#[cfg(test)]
mod tests;
