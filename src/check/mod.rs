//! What can be said of a policy without a cluster: its shape, what resolving it refuses, and its PromQL, read but never asked.
//! Owns the rules, their codes and sentences, and where in a query they point; must not do IO, and decides nothing: a policy with
//! findings runs as well as it can.
//!
//! `shape` holds the manifest against the definition, `query` and `walk` go through the PromQL, `meaning` says what its value is,
//! `words` and `broken` find places in its text, `render` writes findings down.

mod broken;
mod finding;
mod meaning;
mod query;
mod render;
mod shape;
mod walk;
mod words;

use std::time::Duration;

use serde_json::Value;

pub use finding::{Finding, Level, Place};
pub use render::{Report, json, text};

use self::query::Question;
use crate::api::metrics::MetricKind;
use crate::api::query::MetricRequest;
use crate::api::spec::MAX_METRICS;
use crate::api::{GROUP, ScalingPolicy, VERSION, resolve};

/// Seconds between two scrapes where nobody says otherwise: twice Prometheus' most common setting, so that what is fine here is fine
/// with most.
pub const DEFAULT_SCRAPE_INTERVAL: Duration = Duration::from_secs(30);
/// The kind that is checked.
const KIND: &str = "ScalingPolicy";

/// What a manifest does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assumptions {
    /// Time between two scrapes of what the queries look at.
    pub scrape_interval: Duration,
    /// The namespace of policies that name none.
    pub namespace: String,
    /// Whether to say of each query if it can share requests.
    pub sharing: bool,
}

impl Default for Assumptions {
    fn default() -> Self {
        Self { scrape_interval: DEFAULT_SCRAPE_INTERVAL, namespace: "default".to_owned(), sharing: false }
    }
}

/// Whether `object` is a policy, of whatever version.
#[must_use]
pub fn is_policy(object: &Value) -> bool {
    let group = object["apiVersion"].as_str().and_then(|version| version.split_once('/')).map(|(group, _)| group);
    object["kind"] == KIND && group == Some(GROUP)
}

/// Everything that there is to say about a policy, in the order of its fields as far as they have one.
#[must_use]
pub fn check(object: &Value, assumptions: &Assumptions) -> Vec<Finding> {
    let version = format!("{GROUP}/{VERSION}");
    if object["apiVersion"] != version.as_str() {
        let message = format!("{} is not a version that this Flyball knows", object["apiVersion"]);
        return vec![Finding::error("unknown-version", "apiVersion", message, format!("Write {version}."))];
    }
    let mut findings = shape::check(object);
    let policy: ScalingPolicy = match serde_json::from_value(object.clone()) {
        Ok(policy) => policy,
        Err(error) => {
            if findings.iter().all(|finding| finding.level != Level::Error) {
                let mend = "Hold it against `kubectl explain scalingpolicy --recursive`.".to_owned();
                findings.push(Finding::error("wrong-shape", "spec", error.to_string(), mend));
            }
            return findings;
        }
    };
    of_policy(policy, assumptions, &mut findings);
    findings
}

fn of_policy(mut policy: ScalingPolicy, assumptions: &Assumptions, findings: &mut Vec<Finding>) {
    policy.metadata.namespace.get_or_insert_with(|| assumptions.namespace.clone());
    let resolved = resolve(&policy);
    if let Err(invalid) = &resolved {
        for problem in &invalid.problems {
            // The shape has already said it, with the word that stands there.
            if !findings.iter().any(|finding| finding.field == problem.field) {
                findings.push(Finding::of_problem(problem));
            }
        }
    }
    let requests = resolved.map(|resolved| resolved.requests).unwrap_or_default();
    for (index, spec) in policy.spec.metrics.iter().enumerate().take(MAX_METRICS) {
        let Some(metric) = spec.prometheus.as_ref().filter(|_| spec.kind == MetricKind::Prometheus) else { continue };
        let promql = match requests.get(index) {
            Some(MetricRequest::Prometheus(query)) => query.promql.as_ref(),
            // Something else is wrong. What is to be filled in cannot be read, everything else can.
            None if !metric.query.contains("{{") => metric.query.as_str(),
            _ => continue,
        };
        let field = format!("spec.metrics[{index}].prometheus");
        if !promql.trim().is_empty() {
            query::check(&Question { metric, promql, field }, assumptions, findings);
        }
    }
}

#[cfg(test)]
mod tests;
