//! The last decision of each policy as metrics, drawn from its trace when Prometheus scrapes. Keeps one entry per policy, so that its
//! series vanish with it; computes nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::api::{ScalingPolicyStatus, TargetRef};
use crate::engine::{LimitReason, Mode, Policy, Timestamp, Trace};

/// Namespace and name of a policy. Ordered, so that scrapes are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyKey {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

/// What a scrape may tell of one policy.
#[derive(Debug, Clone)]
pub struct PolicyReport {
    /// The workload.
    pub target: TargetRef,
    /// The resolved policy that decided.
    pub policy: Arc<Policy>,
    /// Its last decision.
    pub trace: Arc<Trace>,
    /// The status that was last published.
    pub status: Arc<ScalingPolicyStatus>,
    /// Ready replicas at that time, where known.
    pub ready_replicas: Option<i32>,
    /// The last change of size, if there was one.
    pub last_scale: Option<Timestamp>,
    /// For each Prometheus metric its name, and a word that is the same wherever a request is shared.
    pub requests: Arc<[(Arc<str>, String)]>,
}

/// The reports of all policies. Written at the end of each pass, read by scrapes and by the demo's screen.
#[derive(Debug, Default)]
pub struct PolicyReports {
    reports: Mutex<BTreeMap<PolicyKey, Arc<PolicyReport>>>,
    /// The status of every policy, those without a decision among them: alerts read conditions, and those matter most.
    statuses: Mutex<BTreeMap<PolicyKey, Arc<ScalingPolicyStatus>>>,
}

impl PolicyReports {
    /// Replaces the report of `key`.
    pub fn publish(&self, key: &PolicyKey, report: Arc<PolicyReport>) {
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        match reports.get_mut(key) {
            Some(entry) => *entry = report,
            None => {
                reports.insert(key.clone(), report);
            }
        }
    }

    /// Replaces the status of `key`, whatever its last decision was.
    pub fn publish_status(&self, key: &PolicyKey, status: Arc<ScalingPolicyStatus>) {
        self.statuses.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), status);
    }

    /// Forgets `key`; its series end with the next scrape.
    pub fn forget(&self, key: &PolicyKey) {
        self.statuses.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    /// The report of `key`.
    #[must_use]
    pub fn get(&self, key: &PolicyKey) -> Option<Arc<PolicyReport>> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    fn snapshot(&self) -> Vec<(PolicyKey, Arc<PolicyReport>)> {
        let reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        reports.iter().map(|(key, report)| (key.clone(), report.clone())).collect()
    }
}

/// A gauge of one number per policy; `None` leaves the policy out.
type PolicyGauge = (&'static str, &'static str, fn(&PolicyReport) -> Option<f64>);

/// The gauges that are one number per policy.
const GAUGES: [PolicyGauge; 11] = [
    ("replicas_current", "Replicas that the workload was asked to have when last looked at", |r| {
        Some(f64::from(r.trace.current_replicas))
    }),
    ("replicas_recommended", "Replicas that the metrics ask for, before windows and limits", |r| {
        r.trace.recommended_replicas.map(f64::from)
    }),
    ("replicas_stabilized", "Replicas after the stabilization windows", |r| {
        r.trace.stabilization.map(|s| f64::from(s.replicas))
    }),
    ("replicas_desired", "Replicas decided on", |r| Some(f64::from(r.trace.desired_replicas))),
    ("replicas_ready", "Replicas that are ready, where the workload tells", |r| r.ready_replicas.map(f64::from)),
    ("replicas_min", "Lower bound", |r| Some(f64::from(r.trace.min_replicas))),
    ("replicas_max", "Upper bound", |r| Some(f64::from(r.trace.max_replicas))),
    ("paused", "1 while the policy is paused", |r| Some(flag(matches!(r.trace.mode, Mode::Paused { .. })))),
    ("dry_run", "1 while the policy decides without writing", |r| Some(flag(r.trace.mode == Mode::DryRun))),
    ("last_decision_timestamp_seconds", "When the policy last decided, in Unix time", |r| Some(seconds(r.trace.at))),
    ("last_scale_timestamp_seconds", "When the size was last changed, in Unix time", |r| r.last_scale.map(seconds)),
];

/// Every word that `flyball_limited` may carry; one of them is 1 while a limit binds, none while the number lies within all.
const LIMITS: [LimitReason; 4] =
    [LimitReason::TooFewReplicas, LimitReason::TooManyReplicas, LimitReason::ScaleUpLimit, LimitReason::ScaleDownLimit];

impl Collector for PolicyReports {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let reports = self.snapshot();
        let count = ConstGauge::new(i64::try_from(reports.len()).unwrap_or(i64::MAX));
        let family = encoder.encode_descriptor("policies", "Policies that have decided", None, MetricType::Gauge)?;
        count.encode(family)?;
        for (name, help, value) in GAUGES {
            let rows = reports.iter().filter_map(|(key, report)| Some((key.labels(), value(report)?)));
            encode_gauge(&mut encoder, (name, help), rows)?;
        }
        let info = reports.iter().map(|(key, report)| {
            let target = [("target_kind", report.target.kind.as_str()), ("target_name", report.target.name.as_str())];
            ([key.labels().as_slice(), &target].concat(), 1.0)
        });
        encode_gauge(&mut encoder, ("policy_info", "The workload of a policy, always 1"), info)?;
        encode_metrics(&mut encoder, &reports)?;
        let requests = reports.iter().flat_map(|(key, report)| {
            let row = |(metric, word): &'_ (Arc<str>, String)| (metric.clone(), word.clone());
            report.requests.iter().map(row).map(move |(metric, word)| (key, metric, word)).collect::<Vec<_>>()
        });
        let requests: Vec<_> = requests.collect();
        let rows = requests.iter().map(|(key, metric, word)| {
            ([key.labels().as_slice(), &[("metric", &**metric), ("request", word.as_str())]].concat(), 1.0)
        });
        let help = "Always 1; metrics with the same `request` are asked in one request, up to its limits";
        encode_gauge(&mut encoder, ("metric_request", help), rows)?;
        let limited =
            reports.iter().filter_map(|(key, report)| Some((key, report.trace.limit?))).flat_map(|(key, limit)| {
                LIMITS.map(|reason| {
                    ([key.labels().as_slice(), &[("reason", reason.reason())]].concat(), flag(limit.reason == reason))
                })
            });
        encode_gauge(&mut encoder, ("limited", "1 for the limit that changed the last decision"), limited)?;
        let statuses = self.statuses.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let conditions = statuses.iter().flat_map(|(key, status)| {
            status.conditions.iter().map(|condition| {
                let labels = [("type", condition.type_.as_str()), ("status", condition.status.as_str())];
                ([key.labels().as_slice(), &labels].concat(), 1.0)
            })
        });
        encode_gauge(&mut encoder, ("condition", "1 for the status that a condition has"), conditions)
    }
}

/// Value and target of each metric, in units.
fn encode_metrics(
    encoder: &mut DescriptorEncoder,
    reports: &[(PolicyKey, Arc<PolicyReport>)],
) -> Result<(), std::fmt::Error> {
    let named = |pick: fn(&crate::engine::Proposal) -> Option<f64>| {
        reports.iter().flat_map(move |(key, report)| {
            report.policy.metrics.iter().zip(&report.trace.proposals).filter_map(move |(metric, proposal)| {
                Some(([key.labels().as_slice(), &[("metric", &*metric.name)]].concat(), pick(proposal)?))
            })
        })
    };
    encode_gauge(
        encoder,
        ("metric_value", "Value of a metric at the last decision, in the target's form; absent while there is none"),
        named(|proposal| proposal.measured().map(crate::engine::Milli::to_f64)),
    )?;
    encode_gauge(
        encoder,
        ("metric_target", "Target of a metric"),
        named(|proposal| Some(proposal.target.amount().to_f64())),
    )
}

fn encode_gauge<'a>(
    encoder: &mut DescriptorEncoder,
    (name, help): (&str, &str),
    rows: impl Iterator<Item = (impl AsRef<[(&'a str, &'a str)]>, f64)>,
) -> Result<(), std::fmt::Error> {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return Ok(());
    }
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in rows {
        ConstGauge::new(value).encode(family.encode_family(&labels.as_ref())?)?;
    }
    Ok(())
}

impl PolicyKey {
    fn labels(&self) -> [(&str, &str); 2] {
        [("namespace", &self.namespace), ("name", &self.name)]
    }
}

impl std::fmt::Display for PolicyKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

const fn flag(on: bool) -> f64 {
    if on { 1.0 } else { 0.0 }
}

#[allow(clippy::cast_precision_loss)] // milliseconds of this era fit 53 bits
fn seconds(at: Timestamp) -> f64 {
    at.as_millis() as f64 / 1000.0
}

#[cfg(test)]
mod tests;
