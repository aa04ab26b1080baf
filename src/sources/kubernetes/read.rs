//! From an answer of a metrics API to a reading. Pure: bytes in, samples or their absence with a sentence out. Owns the rules on what
//! counts as whole and fresh; knows no network.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::jiff;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::MAX_SAMPLE_AGE_SECONDS;
use crate::api::quantity::Quantity;
use crate::api::query::PodUsage;
use crate::engine::samples::DEFAULT_WINDOW_SECONDS;
use crate::engine::{Absence, Absent, ContainerUsages, Milli, PodSample, PodSamples, Reading, Sample, Timestamp};

#[derive(Deserialize)]
struct List<T> {
    items: Option<Vec<T>>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

/// An item of `metrics.k8s.io`.
#[derive(Deserialize)]
struct PodMetrics {
    metadata: Named,
    timestamp: Option<jiff::Timestamp>,
    window: Option<String>,
    containers: Option<Vec<ContainerMetrics>>,
}

#[derive(Deserialize)]
struct ContainerMetrics {
    name: String,
    #[serde(default)]
    usage: BTreeMap<String, Quantity>,
}

/// An item of `custom.metrics.k8s.io` of either version, and of `external.metrics.k8s.io`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MetricValue {
    described_object: Option<Described>,
    timestamp: Option<jiff::Timestamp>,
    window_seconds: Option<i64>,
    value: Quantity,
}

#[derive(Deserialize)]
struct Described {
    name: Option<String>,
}

/// What each pod uses.
pub(super) fn pod_usage(body: &[u8], usage: &PodUsage, at: Timestamp) -> Result<Reading, Absent> {
    let items: Vec<PodMetrics> = items(body)?;
    let sample = |item: PodMetrics| {
        let of = |container: ContainerMetrics| {
            // An amount that cannot be read is as good as none: the pod then counts as one without a sample.
            let amount = container.usage.get(&*usage.resource).and_then(|amount| amount.to_milli().ok());
            (Arc::from(container.name), amount)
        };
        let usages = ContainerUsages {
            pod: item.metadata.name.into(),
            containers: item.containers.into_iter().flatten().map(of).collect(),
            at: item.timestamp.map_or(at, instant),
            window_seconds: item.window.as_deref().and_then(whole_seconds).unwrap_or(DEFAULT_WINDOW_SECONDS),
        };
        usages.sample(usage.container.as_deref())
    };
    let none = format!(
        "metrics.k8s.io has no {} of the workload's pods yet; new pods take a minute to appear there",
        usage.resource
    );
    per_pod(items.into_iter().map(sample), &none, at)
}

/// A metric of each pod.
pub(super) fn pod_metric(body: &[u8], at: Timestamp) -> Result<Reading, Absent> {
    let items: Vec<MetricValue> = items(body)?;
    let sample = |item: MetricValue| {
        let window = item.window_seconds.and_then(|seconds| i32::try_from(seconds).ok());
        Some(PodSample {
            pod: item.described_object?.name?.into(),
            value: item.value.to_milli().ok()?,
            at: item.timestamp.map_or(at, instant),
            window_seconds: window.filter(|seconds| *seconds >= 0).unwrap_or(DEFAULT_WINDOW_SECONDS),
        })
    };
    per_pod(items.into_iter().map(sample), "custom.metrics.k8s.io has no value for the workload's pods", at)
}

/// A metric of one object: exactly one value.
pub(super) fn object_metric(body: &[u8], at: Timestamp) -> Result<Reading, Absent> {
    let items: Vec<MetricValue> = items(body)?;
    if items.len() > 1 {
        let message = format!("custom.metrics.k8s.io gave {} values for one object where one is wanted", items.len());
        return Err(absent(Absence::TooManySeries, message));
    }
    summed(&items, "custom.metrics.k8s.io has no value for the object", at)
}

/// A metric from outside, summed over its series.
pub(super) fn external_metric(body: &[u8], at: Timestamp) -> Result<Reading, Absent> {
    summed(&items(body)?, "external.metrics.k8s.io has no value for the metric; check its name and selector", at)
}

fn items<T: DeserializeOwned>(body: &[u8]) -> Result<Vec<T>, Absent> {
    let list: List<T> = serde_json::from_slice(body).map_err(|error| {
        absent(Absence::Malformed, format!("the answer of the metrics API cannot be read: {error}"))
    })?;
    Ok(list.items.unwrap_or_default())
}

/// Samples that are too old are left out, so that their pods count as missing, which never lowers anything.
fn per_pod(samples: impl Iterator<Item = Option<PodSample>>, none: &str, at: Timestamp) -> Result<Reading, Absent> {
    let samples: Vec<PodSample> = samples.flatten().collect();
    if samples.is_empty() {
        return Err(absent(Absence::Empty, none.to_owned()));
    }
    let count = samples.len();
    let fresh: Vec<PodSample> = samples.into_iter().filter(|sample| is_fresh(sample.at, at)).collect();
    if fresh.is_empty() {
        let message = format!(
            "all {count} samples are older than {MAX_SAMPLE_AGE_SECONDS} s: what measures the pods has stopped"
        );
        return Err(absent(Absence::Stale, message));
    }
    Ok(Reading::PerPod(Arc::new(PodSamples::new(fresh, None))))
}

/// The sum of all values. An old one may show that more is needed; that less would do, it cannot show.
fn summed(items: &[MetricValue], none: &str, at: Timestamp) -> Result<Reading, Absent> {
    if items.is_empty() {
        return Err(absent(Absence::Empty, none.to_owned()));
    }
    let (mut total, mut oldest) = (0_i128, None);
    for item in items {
        let value = item.value.to_milli().map_err(|error| {
            absent(Absence::Malformed, format!("the value {:?} of the metrics API {error}", item.value.0))
        })?;
        total += i128::from(value.get());
        let age = item.timestamp.map(|taken| at.millis_since(instant(taken)).max(0));
        oldest = oldest.max(age);
    }
    let total = i64::try_from(total).unwrap_or(if total < 0 { i64::MIN } else { i64::MAX });
    let series = u32::try_from(items.len()).unwrap_or(u32::MAX);
    let sample = Sample { value: Milli::new(total), series, age_millis: oldest };
    Ok(match oldest.filter(|age| *age > MAX_SAMPLE_AGE_SECONDS * 1000) {
        None => Reading::Complete(sample),
        Some(age) => {
            let message =
                format!("the oldest value is {} s old, and {MAX_SAMPLE_AGE_SECONDS} s are allowed", age / 1000);
            Reading::Partial(sample, absent(Absence::Stale, message))
        }
    })
}

/// An instant of the future (clocks differ) is as fresh as can be.
const fn is_fresh(taken: Timestamp, at: Timestamp) -> bool {
    at.millis_since(taken) <= MAX_SAMPLE_AGE_SECONDS * 1000
}

fn instant(time: jiff::Timestamp) -> Timestamp {
    Timestamp::from_millis(time.as_millisecond())
}

fn absent(absence: Absence, message: String) -> Absent {
    Absent { absence, message: message.into() }
}

/// Go's notation of a duration (`30s`, `1m10.5s`) in seconds, a part of one counting whole: a window that seems longer doubts more.
fn whole_seconds(text: &str) -> Option<i32> {
    const UNITS: [(&str, f64); 6] = [("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9), ("h", 3600.0), ("m", 60.0), ("s", 1.0)];
    let (mut rest, mut seconds) = (text, 0.0);
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(end);
        let (unit, scale) = UNITS.into_iter().find(|(unit, _)| tail.starts_with(unit))?;
        seconds += number.parse::<f64>().ok()? * scale;
        rest = tail.strip_prefix(unit)?;
    }
    #[allow(clippy::cast_possible_truncation)] // saturates
    let whole = seconds.ceil() as i32;
    Some(whole)
}

#[cfg(test)]
mod tests;
