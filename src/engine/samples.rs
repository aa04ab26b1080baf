//! What a source said of each pod, and how containers' usage becomes a pod's. Must not know pods' states or requests, and judges
//! nothing.

use std::sync::Arc;

use super::milli::Milli;
use super::observation::Absent;
use super::time::Timestamp;

/// Window in seconds of a sample whose source tells none (HPA rule for custom metrics).
pub const DEFAULT_WINDOW_SECONDS: i32 = 60;

/// One pod's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodSample {
    /// The pod's name.
    pub pod: Arc<str>,
    /// Usage of a resource (cores or bytes) or the value of a metric, in thousandths.
    pub value: Milli,
    /// When the sample was taken.
    pub at: Timestamp,
    /// Seconds before `at` over which the value was measured.
    pub window_seconds: i32,
}

/// What a source said of all pods of a workload: sorted by name, each pod once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PodSamples {
    samples: Vec<PodSample>,
    /// The answer is known to have parts missing, beyond pods without a sample: may raise, never lower.
    partial: Option<Absent>,
}

/// What a source said of one pod's containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerUsages {
    /// The pod's name.
    pub pod: Arc<str>,
    /// Each container that was listed, with its usage in thousandths; `None` where the container was listed without the resource.
    pub containers: Vec<(Arc<str>, Option<Milli>)>,
    /// When the sample was taken.
    pub at: Timestamp,
    /// Seconds before `at` over which the usage was measured.
    pub window_seconds: i32,
}

impl PodSamples {
    /// Samples in any order. Of several with one name the highest counts: too much load is the safe mistake.
    #[must_use]
    pub fn new(mut samples: Vec<PodSample>, partial: Option<Absent>) -> Self {
        samples.sort_unstable_by(|a, b| a.pod.cmp(&b.pod).then(b.value.cmp(&a.value)).then(b.at.cmp(&a.at)));
        samples.dedup_by(|later, kept| later.pod == kept.pod);
        Self { samples, partial }
    }

    /// The sample of a pod.
    #[must_use]
    pub fn get(&self, pod: &str) -> Option<&PodSample> {
        let index = self.samples.binary_search_by(|sample| (*sample.pod).cmp(pod)).ok()?;
        self.samples.get(index)
    }

    /// All samples, sorted by the pods' names.
    #[must_use]
    pub fn as_slice(&self) -> &[PodSample] {
        &self.samples
    }

    /// Why the answer is not whole, beyond pods without a sample.
    #[must_use]
    pub const fn partial(&self) -> Option<&Absent> {
        self.partial.as_ref()
    }
}

impl ContainerUsages {
    /// The pod's sample (HPA rule). Without `container` the sum over all containers, and none at all where a container lacks the
    /// resource or no container is listed; with it that container's usage, if it is listed.
    #[must_use]
    pub fn sample(&self, container: Option<&str>) -> Option<PodSample> {
        let value = match container {
            Some(named) => self.containers.iter().find(|(name, _)| &**name == named)?.1?,
            None if self.containers.is_empty() => return None,
            None => {
                let mut sum = Milli::default();
                for (_, usage) in &self.containers {
                    sum = sum.saturating_add((*usage)?);
                }
                sum
            }
        };
        Some(PodSample { pod: Arc::clone(&self.pod), value, at: self.at, window_seconds: self.window_seconds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tests_support::{at, usage};

    fn of(containers: &[(&str, Option<i64>)]) -> ContainerUsages {
        let one = |(name, milli): &(&str, Option<i64>)| ((*name).into(), milli.map(Milli::new));
        let containers = containers.iter().map(one).collect();
        ContainerUsages { pod: "web".into(), containers, at: at(0), window_seconds: 15 }
    }

    #[test]
    fn a_pod_is_the_sum_of_containers_that_all_report() {
        let value = |containers: &[_], named| of(containers).sample(named).map(|sample| sample.value.get());
        let both = [("app", Some(100)), ("log", Some(50))];
        let one = [("app", Some(100)), ("log", None)];
        assert_eq!(value(&both, None), Some(150));
        assert_eq!(value(&both, Some("log")), Some(50));
        assert_eq!(value(&both, Some("other")), None);
        assert_eq!(value(&one, None), None, "a part of a pod would pass for less load than there is");
        assert_eq!(value(&one, Some("app")), Some(100));
        assert_eq!(value(&one, Some("log")), None);
        assert_eq!(value(&[], None), None);
        assert_eq!(value(&[("app", Some(i64::MAX)), ("log", Some(1))], None), Some(i64::MAX));
        assert_eq!(of(&both).sample(None).map(|sample| (sample.at, sample.window_seconds)), Some((at(0), 15)));
    }

    #[test]
    fn each_pod_is_there_once_with_its_highest_value() {
        let samples = PodSamples::new(vec![usage("b", 1), usage("a", 2), usage("b", 7), usage("b", 3)], None);
        assert_eq!(samples.as_slice(), [usage("a", 2), usage("b", 7)]);
        assert_eq!(samples.get("b"), Some(&usage("b", 7)));
        assert_eq!(samples.get("c"), None);
        assert_eq!(samples.partial(), None);
    }
}
