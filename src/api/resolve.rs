//! From what a user wrote to what the engine decides by: the one conversion, with every default filled in and all mistakes told at once.
//! Must not rely on the API server's checks: objects may be older than the rules, or come from elsewhere.

use std::fmt;

use crate::engine::policy::DEFAULT_DOWNSCALE_WINDOW_SECONDS;
use crate::engine::{Mode, Policy, Settings};

use super::query::MetricRequest;
use super::resolve_behavior::behavior;
use super::resolve_metrics::metrics;
use super::resolve_missing::fallback;
use super::resolve_query::Subject;
use super::spec::{
    MAX_POLLING_PERIOD_SECONDS, MAX_REPLICAS, ModeSpec, PAUSED_ANNOTATION, PAUSED_REPLICAS_ANNOTATION, ScaleTargetRef,
    ScalingPolicy,
};

/// A policy ready to be acted on.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// What the engine decides by.
    pub policy: Policy,
    /// What to ask, one request per metric of `policy`, in its order.
    pub requests: Vec<MetricRequest>,
    /// What to scale.
    pub target: TargetRef,
    /// Seconds between two decisions, 1 to 3600.
    pub polling_period_seconds: i32,
}

/// The workload to scale, in the namespace of the policy.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TargetRef {
    /// API group and version, as `apps/v1`.
    pub api_version: String,
    /// Kind, as `Deployment`.
    pub kind: String,
    /// Name.
    pub name: String,
}

/// Everything that is wrong with a policy; never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct InvalidSpec {
    /// The mistakes, in the order of the fields.
    pub problems: Vec<Problem>,
}

/// One mistake of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Path of the field, as `spec.metrics[1].type`.
    pub field: String,
    /// What stands there, shortened; empty where nothing does.
    pub value: String,
    /// What is wrong and how to mend it, without the field and the value.
    pub fix: String,
    /// The CamelCase word: `InvalidSpec` or `UnsupportedMetricType`.
    pub reason: &'static str,
}

/// The field holds what it must not.
const INVALID: &str = "InvalidSpec";
/// The field asks for what does not work yet.
const UNSUPPORTED: &str = "UnsupportedMetricType";
/// Longest value that a message repeats, in characters.
const MAX_QUOTED_CHARS: usize = 64;

impl InvalidSpec {
    /// The CamelCase word for conditions, events and metrics: `UnsupportedMetricType` where that is all, else `InvalidSpec`.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        if self.problems.iter().all(|problem| problem.reason == UNSUPPORTED) { UNSUPPORTED } else { INVALID }
    }
}

impl Problem {
    /// Whether the field asks for what a later release may do, rather than for what makes no sense.
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        self.reason == UNSUPPORTED
    }
}

impl fmt::Display for InvalidSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.value.is_empty() {
            write!(f, "{}: {}", self.field, self.fix)
        } else {
            write!(f, "{}: {} {}", self.field, self.value, self.fix)
        }
    }
}

/// Collects mistakes, so that a user sees them all at once.
#[derive(Debug, Default)]
pub(super) struct Problems(pub(super) Vec<Problem>);

impl Problems {
    pub(super) fn invalid(&mut self, field: &str, value: impl fmt::Display, fix: impl Into<String>) {
        self.0.push(Problem { field: field.to_owned(), value: quoted(&value), fix: fix.into(), reason: INVALID });
    }

    pub(super) fn unsupported(&mut self, field: &str, value: impl fmt::Display, fix: impl Into<String>) {
        self.0.push(Problem { field: field.to_owned(), value: quoted(&value), fix: fix.into(), reason: UNSUPPORTED });
    }

    pub(super) fn range(&mut self, field: &str, value: i32, bounds: std::ops::RangeInclusive<i32>) {
        if !bounds.contains(&value) {
            self.invalid(
                field,
                value,
                format!("is not within {} to {}: choose a number within", bounds.start(), bounds.end()),
            );
        }
    }
}

/// `value` as a message repeats it.
fn quoted(value: &dyn fmt::Display) -> String {
    let mut text = value.to_string();
    if let Some((end, _)) = text.char_indices().nth(MAX_QUOTED_CHARS) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Converts a policy, or tells everything that keeps it from being one.
///
/// # Errors
/// [`InvalidSpec`] with every mistake in spec and annotations.
pub fn resolve(policy: &ScalingPolicy) -> Result<Resolved, InvalidSpec> {
    let spec = &policy.spec;
    let mut problems = Problems::default();
    let target = target_ref(&spec.scale_target_ref, &mut problems);
    bounds(policy, &mut problems);
    let fallback = spec.fallback.as_ref().map(|floor| fallback(floor, spec.max_replicas, &mut problems));
    let subject = Subject { namespace: policy.metadata.namespace.as_deref(), name: &target.name };
    let (metrics, requests) = metrics(&spec.metrics, subject, fallback.is_some(), &mut problems);
    let behavior = spec.behavior.as_ref().and_then(|spec| behavior(spec, &mut problems));
    problems.range("spec.pollingPeriodSeconds", spec.polling_period_seconds, 1..=MAX_POLLING_PERIOD_SECONDS);
    let mode = mode(policy, &mut problems);
    if !problems.0.is_empty() {
        return Err(InvalidSpec { problems: problems.0 });
    }
    let policy = Policy {
        min_replicas: spec.min_replicas,
        max_replicas: spec.max_replicas,
        metrics,
        behavior,
        fallback,
        downscale_window_seconds: DEFAULT_DOWNSCALE_WINDOW_SECONDS,
        mode,
        settings: Settings::default(),
    };
    Ok(Resolved { policy, requests, target, polling_period_seconds: spec.polling_period_seconds })
}

fn target_ref(spec: &ScaleTargetRef, problems: &mut Problems) -> TargetRef {
    let is_controller = spec.kind == "ReplicationController";
    let api_version =
        spec.api_version.clone().unwrap_or_else(|| if is_controller { "v1".into() } else { String::new() });
    if !is_controller && !api_version.contains('/') {
        let fix = "must name the API group and version of the target: for a Deployment write apps/v1";
        problems.invalid("spec.scaleTargetRef.apiVersion", &api_version, fix);
    }
    if spec.kind.is_empty() {
        problems.invalid("spec.scaleTargetRef.kind", "", "must be set: for example Deployment");
    }
    if spec.name.is_empty() || spec.name.contains(['/', '%']) || spec.name == "." || spec.name == ".." {
        problems.invalid(
            "spec.scaleTargetRef.name",
            &spec.name,
            "must be the name of the workload: write it without / and %",
        );
    }
    TargetRef { api_version, kind: spec.kind.clone(), name: spec.name.clone() }
}

fn bounds(policy: &ScalingPolicy, problems: &mut Problems) {
    let spec = &policy.spec;
    problems.range("spec.maxReplicas", spec.max_replicas, 1..=MAX_REPLICAS);
    if spec.min_replicas == 0 {
        problems.invalid(
            "spec.minReplicas",
            0,
            "asks for scaling to zero, which is not supported yet: write 1 or more",
        );
    } else if spec.min_replicas < 0 {
        problems.invalid("spec.minReplicas", spec.min_replicas, "is negative: write 1 or more");
    } else if spec.min_replicas > spec.max_replicas {
        let fix = format!("is more than maxReplicas {}: lower minReplicas, or raise maxReplicas", spec.max_replicas);
        problems.invalid("spec.minReplicas", spec.min_replicas, fix);
    }
}

/// The mode of the spec, unless an annotation pauses the policy. `paused-replicas` pauses by itself.
fn mode(policy: &ScalingPolicy, problems: &mut Problems) -> Mode {
    let annotation = |name: &str| policy.metadata.annotations.as_ref().and_then(|all| all.get(name));
    let paused = match annotation(PAUSED_ANNOTATION).map(String::as_str) {
        None | Some("false") => policy.spec.mode == ModeSpec::Paused,
        Some("true") => true,
        Some(other) => {
            problems.invalid(&field_of(PAUSED_ANNOTATION), format!("{other:?}"), "must be \"true\" or \"false\"");
            true
        }
    };
    let replicas = annotation(PAUSED_REPLICAS_ANNOTATION).and_then(|text| {
        let replicas = text.parse::<i32>().ok().filter(|replicas| (0..=MAX_REPLICAS).contains(replicas));
        if replicas.is_none() {
            let fix = format!("must be a whole number from 0 to {MAX_REPLICAS} in quotes, for example \"4\"");
            problems.invalid(&field_of(PAUSED_REPLICAS_ANNOTATION), format!("{text:?}"), fix);
        }
        replicas
    });
    match policy.spec.mode {
        _ if paused || replicas.is_some() => Mode::Paused { replicas },
        ModeSpec::DryRun => Mode::DryRun,
        ModeSpec::Unknown => {
            problems.invalid(
                "spec.mode",
                "",
                "is a word that this Flyball does not know: write Auto, DryRun or Paused",
            );
            Mode::DryRun // never reaches anybody, and would write nothing if it did
        }
        ModeSpec::Auto | ModeSpec::Paused => Mode::Auto,
    }
}

fn field_of(annotation: &str) -> String {
    format!("metadata.annotations[{annotation}]")
}

#[cfg(test)]
mod tests;
