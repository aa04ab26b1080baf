//! What was seen at one instant. Absence is a value here, never a missing entry and never zero.

use std::sync::Arc;

use super::milli::Milli;
use super::pods::Pod;
use super::samples::PodSamples;
use super::time::Timestamp;

/// Everything a decision looks at, taken at one instant.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// When it was taken.
    pub now: Timestamp,
    /// The size of the workload.
    pub replicas: Replicas,
    /// All pods that the workload's selector matches, in any order; `None` where nobody looked, or where the list is not whole: half of
    /// the pods would pass for half of the load. Only metrics with a value per pod, and Value targets, look at them.
    pub pods: Option<Arc<[Pod]>>,
    /// One reading per metric of the policy, in its order. A policy's metric beyond the end counts as [`Absence::NotAsked`].
    pub readings: Vec<Reading>,
}

/// The size of a workload as the API server tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replicas {
    /// `scale.spec.replicas`: what was asked for, 0 or more.
    pub spec: i32,
    /// Pods that are Running and Ready where that is known. `None` makes targets of type Value count `spec` instead. Not looked at
    /// where the pods themselves are there.
    pub ready: Option<i32>,
}

/// What one metric said.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading {
    /// A whole and fresh answer: may move replicas either way.
    Complete(Sample),
    /// An answer per pod, for metrics of that kind. Pods without a sample are filled in as HPA does.
    PerPod(Arc<PodSamples>),
    /// An answer with parts missing: may raise, never lower.
    Partial(Sample, Absent),
    /// No answer to act on: moves nothing, and keeps the other metrics from lowering.
    Missing(Absent),
}

/// A number that came from a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// The value, summed over all series.
    pub value: Milli,
    /// How many series were summed, 1 or more.
    pub series: u32,
    /// Milliseconds between the sample and the observation, where the source tells it.
    pub age_millis: Option<i64>,
}

/// Why there is nothing, or not everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absent {
    /// The class, for conditions, events and metrics.
    pub absence: Absence,
    /// One sentence for a human: what was wrong and, where known, the mend. Never holds a credential or a body beyond its first words.
    pub message: Arc<str>,
}

/// The classes of absence. Bounded: each is a label value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Absence {
    /// The answer held no series.
    Empty,
    /// NaN or an infinity.
    NotFinite,
    /// The newest sample is older than allowed.
    Stale,
    /// The source has not seen the whole window of the query: it was started a short while ago.
    WindowTooYoung,
    /// More series than the policy or the limit allows.
    TooManySeries,
    /// The answer carries warnings: some of the data is missing.
    Warnings,
    /// Histograms, strings or matrices where a number was needed.
    WrongType,
    /// The source refused the query: it does not parse, or does not run.
    BadQuery,
    /// The source refused the caller.
    Unauthorized,
    /// The source is overloaded, broken, or said so (429, 5xx).
    Unavailable,
    /// No connection.
    Unreachable,
    /// The source's name leads to an address that must not be reached.
    AddressForbidden,
    /// No answer within the deadline.
    Timeout,
    /// The answer is larger than the limit.
    TooLarge,
    /// The answer is not what the protocol promises.
    Malformed,
    /// This type of metric is not supported yet.
    Unsupported,
    /// Nobody asked: the policy names more metrics than there are readings.
    NotAsked,
    /// No pod was seen that could be counted.
    NoPods,
    /// Samples came, but none of a pod that counts.
    NoUsableSamples,
    /// A pod has no request for the resource, so there is nothing that 100 % could be.
    RequestMissing,
    /// A pod has no container of the name that the metric gives.
    ContainerMissing,
    /// No sample belongs to a pod that requests anything.
    NoSampleMatches,
    /// The workload tells no selector, or none that can be read: its pods are not known.
    InvalidSelector,
    /// There is no source of that name.
    SourceNotFound,
    /// The source does not let this namespace use it.
    SourceNotAllowed,
    /// The source cannot be asked yet, for want of a credential for example.
    SourceNotReady,
}

impl Absence {
    /// The CamelCase word for conditions, events and metric labels.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Empty => "EmptyResult",
            Self::NotFinite => "NotFinite",
            Self::Stale => "StaleSample",
            Self::WindowTooYoung => "WindowTooYoung",
            Self::TooManySeries => "TooManySeries",
            Self::Warnings => "PartialData",
            Self::WrongType => "WrongResultType",
            Self::BadQuery => "BadQuery",
            Self::Unauthorized => "Unauthorized",
            Self::Unavailable => "SourceUnavailable",
            Self::Unreachable => "SourceUnreachable",
            Self::AddressForbidden => "AddressForbidden",
            Self::Timeout => "Timeout",
            Self::TooLarge => "AnswerTooLarge",
            Self::Malformed => "MalformedAnswer",
            Self::Unsupported => "UnsupportedMetricType",
            Self::NotAsked => "NotAsked",
            Self::NoPods => "NoPods",
            Self::NoUsableSamples => "NoUsableSamples",
            Self::RequestMissing => "RequestMissing",
            Self::ContainerMissing => "ContainerMissing",
            Self::NoSampleMatches => "NoSampleMatchesAPod",
            Self::InvalidSelector => "InvalidSelector",
            Self::SourceNotFound => "SourceNotFound",
            Self::SourceNotAllowed => "SourceNotAllowed",
            Self::SourceNotReady => "SourceNotReady",
        }
    }
}

impl Reading {
    /// A reading without a number.
    #[must_use]
    pub fn missing(absence: Absence, message: impl Into<Arc<str>>) -> Self {
        Self::Missing(Absent { absence, message: message.into() })
    }

    /// The number of the whole workload, if there is one.
    #[must_use]
    pub const fn sample(&self) -> Option<Sample> {
        match self {
            Self::Complete(sample) | Self::Partial(sample, _) => Some(*sample),
            Self::PerPod(_) | Self::Missing(_) => None,
        }
    }

    /// There is something, and known to be not everything.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        !matches!(self, Self::Missing(_)) && self.absent().is_some()
    }

    /// Why there is nothing, or not everything.
    #[must_use]
    pub fn absent(&self) -> Option<&Absent> {
        match self {
            Self::Complete(_) => None,
            Self::PerPod(samples) => samples.partial(),
            Self::Partial(_, absent) | Self::Missing(absent) => Some(absent),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_absence_has_a_word_of_its_own() {
        use Absence as A;
        let all = [
            A::Empty,
            A::NotFinite,
            A::Stale,
            A::WindowTooYoung,
            A::TooManySeries,
            A::Warnings,
            A::WrongType,
            A::BadQuery,
            A::Unauthorized,
            A::Unavailable,
            A::Unreachable,
            A::Timeout,
            A::TooLarge,
            A::Malformed,
            A::Unsupported,
            A::NotAsked,
            A::NoPods,
            A::NoUsableSamples,
            A::RequestMissing,
            A::ContainerMissing,
            A::NoSampleMatches,
            A::InvalidSelector,
        ];
        let words: BTreeSet<&str> = all.iter().map(|absence| absence.reason()).collect();
        assert_eq!(words.len(), all.len(), "{words:?}");
        for word in words {
            let camel =
                word.starts_with(|c: char| c.is_ascii_uppercase()) && word.chars().all(|c| c.is_ascii_alphanumeric());
            assert!(camel && word.len() > 5, "{word:?} goes into conditions and labels");
        }
    }

    #[test]
    fn what_a_reading_holds() {
        let sample = Sample { value: Milli::new(5), series: 1, age_millis: None };
        let absent = Absent { absence: Absence::Warnings, message: "half".into() };
        for (reading, holds, partial) in [
            (Reading::Complete(sample), true, false),
            (Reading::Partial(sample, absent), true, true),
            (Reading::missing(Absence::Timeout, "late"), false, false),
        ] {
            assert_eq!(reading.sample(), holds.then_some(sample), "{reading:?}");
            assert_eq!(reading.is_partial(), partial, "{reading:?}");
        }
    }
}
