//! From what one answer says of every container to a reading for one workload. Pure. Owns when a pod counts as measured; what a pod
//! without a sample means is the engine's.

use super::Subject;
use super::index::{ContainerValue, UsageIndex};
use crate::api::query::PodUsage;
use crate::engine::{
    Absence, Absent, Container, ContainerUsages, Milli, Pod, PodSample, PodSamples, Reading, Timestamp,
};

/// Age in seconds beyond which a value is stale, as Prometheus' own lookback; only caches and stores that answer with timestamps of
/// their own can bring such values.
pub(super) const MAX_SAMPLE_AGE_SECONDS: i64 = 300;

/// What was told, and how to speak of it.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) index: UsageIndex,
    /// Why the answer is not whole, if it is not.
    pub(super) partial: Option<Absent>,
    /// Seconds over which the query measures.
    pub(super) window_seconds: i32,
    /// How messages speak of it.
    pub(super) subject: Subject,
}

impl Told {
    /// What the pods of a workload use, seen at `now`.
    pub(super) fn reading(&self, usage: &PodUsage, (namespace, pods): (&str, &[Pod]), now: Timestamp) -> Reading {
        if self.index.len() == 0 {
            return Reading::Missing(self.nothing());
        }
        let container = usage.container.as_deref();
        let sample = |pod: &Pod| self.usages(namespace, pod, container).sample(container);
        let samples: Vec<PodSample> = pods.iter().filter_map(sample).collect();
        let measured = samples.len();
        let fresh: Vec<PodSample> = samples.into_iter().filter(|sample| is_fresh(sample.at, now)).collect();
        if fresh.is_empty() {
            return Reading::Missing(self.no_pod(usage, measured));
        }
        Reading::PerPod(PodSamples::new(fresh, self.partial.clone()).into())
    }

    /// What is said of a pod, with a place for every container that its spec names: one without a series must not pass for idle.
    fn usages(&self, namespace: &str, pod: &Pod, wanted: Option<&str>) -> ContainerUsages {
        let mut all: Vec<ContainerValue> = self.index.pod(namespace, &pod.name).collect();
        let named = all.iter().any(|one| !one.container.is_empty());
        if named {
            // A series of the whole pod beside those of its containers would count them twice.
            all.retain(|one| !one.container.is_empty());
        }
        // What a pod did before its containers started says nothing of its load.
        let ended =
            |name: &str| pod.resources.init_containers.iter().any(|one| *one.name == *name && !one.restart_always);
        all.retain(|one| wanted == Some(&*one.container) || !ended(&one.container));
        let at = all.iter().map(|one| one.at).min().unwrap_or(Timestamp::from_millis(i64::MIN));
        let mut containers: Vec<_> = Vec::with_capacity(all.len());
        for one in all {
            match containers.last_mut() {
                // Several series of one container: the highest counts, which comes first. One that is no number spoils it.
                Some((name, highest)) if *name == one.container => {
                    if usable(one.value).is_none() {
                        *highest = None;
                    }
                }
                _ => containers.push((one.container, usable(one.value))),
            }
        }
        if named || wanted.is_some() {
            for Container { name, .. } in lasting(pod) {
                if !containers.iter().any(|(known, _)| known == name) {
                    containers.push((name.clone(), None));
                }
            }
        }
        ContainerUsages { pod: pod.name.clone(), containers, at, window_seconds: self.window_seconds }
    }

    /// Why there is nothing of any pod.
    fn nothing(&self) -> Absent {
        let Subject { resource, flag } = self.subject;
        if let Some(partial) = &self.partial {
            let message = format!("Prometheus has no {resource} of any pod. {}", partial.message);
            return Absent { absence: Absence::Empty, message: message.into() };
        }
        if self.index.unlabelled > 0 {
            let message = format!(
                "none of the {} series that Prometheus has for the {resource} of pods carries the labels namespace and pod; \
                 set {flag} to a query that yields them",
                self.index.unlabelled
            );
            return Absent { absence: Absence::BadQuery, message: message.into() };
        }
        let message = format!(
            "Prometheus has no {resource} of any pod; let it scrape the kubelets' /metrics/cadvisor, set {flag}, \
             or run Flyball with --pod-metrics-from metrics-api"
        );
        Absent { absence: Absence::Empty, message: message.into() }
    }

    /// Why there is nothing of this workload's pods, of which so many had values that are too old.
    fn no_pod(&self, usage: &PodUsage, stale: usize) -> Absent {
        let resource = self.subject.resource;
        if stale > 0 {
            let message = format!(
                "all {stale} values that Prometheus has for the {resource} of the workload's pods are older than \
                 {MAX_SAMPLE_AGE_SECONDS} s: what measures the pods has stopped"
            );
            return Absent { absence: Absence::Stale, message: message.into() };
        }
        let of = usage.container.as_ref().map_or_else(String::new, |name| format!(" of container {name:?}"));
        let message = format!(
            "Prometheus has no {resource}{of} of the workload's pods, but of others; new pods take two scrapes to appear there"
        );
        Absent { absence: Absence::Empty, message: message.into() }
    }
}

/// The containers that run as long as the pod does.
fn lasting(pod: &Pod) -> impl Iterator<Item = &Container> {
    let sidecars = pod.resources.init_containers.iter().filter(|container| container.restart_always);
    pod.resources.containers.iter().chain(sidecars)
}

/// A number that a container can use. Less than nothing is a fault of the query or of a counter.
fn usable(value: f64) -> Option<Milli> {
    Milli::from_f64(value).filter(|value| value.get() >= 0)
}

/// An instant of the future (clocks differ) is as fresh as can be.
const fn is_fresh(taken: Timestamp, now: Timestamp) -> bool {
    now.millis_since(taken) <= MAX_SAMPLE_AGE_SECONDS * 1000
}
