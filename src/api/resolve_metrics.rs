//! `spec.metrics` into what the engine decides by and what is asked for it: HPA's types with HPA's precedence, and Prometheus.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::metrics::{
    ContainerResourceMetric, ExternalMetric, MAX_QUERY_LENGTH, MAX_SAMPLE_AGE_SECONDS, MetricIdentifier, MetricKind,
    MetricSpec, MetricTarget, ObjectMetric, PodsMetric, PrometheusMetric, ResourceMetric, SeriesSpec, SourceKindSpec,
    SourceReference, TargetKind,
};
use super::quantity::Quantity;
use super::query::{
    DescribedObject, MetricQuery, MetricRequest, NamedMetric, PodUsage, SeriesRule, SourceKind, SourceRef,
};
use super::resolve::Problems;
use super::resolve_missing::on_missing;
use super::resolve_query::{Subject, fill};
use super::spec::MAX_METRICS;
use crate::engine::{self, Metric, Milli, Target};

/// Percent of the requested cpu that a policy without metrics aims at (HPA default).
const DEFAULT_CPU_UTILIZATION_PERCENT: i32 = 80;

/// One metric as the engine sees it, and what to ask for it.
type Asked = (engine::MetricKind, Target, MetricRequest);

/// The metrics of a policy and what to ask for each. Where nothing was wrong, the two are of one length and order.
pub(super) fn metrics(
    specs: &[MetricSpec],
    subject: Subject<'_>,
    has_fallback: bool,
    problems: &mut Problems,
) -> (Vec<Metric>, Vec<MetricRequest>) {
    if specs.is_empty() {
        let (kind, request) = usage("cpu", None);
        let target = Target::Utilization(DEFAULT_CPU_UTILIZATION_PERCENT);
        let on_missing = on_missing(None, has_fallback, ("", problems));
        return (vec![Metric { name: "cpu".into(), kind, target, on_missing }], vec![request]);
    }
    if specs.len() > MAX_METRICS {
        problems.invalid("spec.metrics", specs.len(), format!("metrics are too many: keep at most {MAX_METRICS}"));
    }
    let mut first_use: BTreeMap<String, usize> = BTreeMap::new();
    let (mut metrics, mut requests) = (Vec::new(), Vec::new());
    for (index, spec) in specs.iter().enumerate().take(MAX_METRICS) {
        let path = format!("spec.metrics[{index}]");
        let name = metric_name(spec, index);
        if let Some(other) = first_use.get(&name) {
            let fix = format!("is also the name of spec.metrics[{other}]: rename one of the two");
            problems.invalid(&format!("{path}.name"), &name, fix);
        } else if name.is_empty() {
            problems.invalid(&format!("{path}.name"), "", "is empty: write a name, or leave the field out");
        }
        if let Some((kind, target, request)) = metric(spec, subject, &path, problems) {
            let said = spec.prometheus.as_ref().and_then(|prometheus| prometheus.on_missing);
            let on_missing = on_missing(said, has_fallback, (&format!("{path}.prometheus"), problems));
            metrics.push(Metric { name: name.as_str().into(), kind, target, on_missing });
            requests.push(request);
        }
        first_use.entry(name).or_insert(index);
    }
    (metrics, requests)
}

/// The name of the metric at `index`: its own, or its type and position.
fn metric_name(spec: &MetricSpec, index: usize) -> String {
    spec.name.clone().unwrap_or_else(|| format!("{}-{index}", spec.kind.block()))
}

fn metric(spec: &MetricSpec, subject: Subject<'_>, path: &str, problems: &mut Problems) -> Option<Asked> {
    let path = &format!("{path}.{}", if spec.kind == MetricKind::Unknown { "type" } else { spec.kind.block() });
    match spec.kind {
        MetricKind::Resource => resource(block(spec, spec.resource.as_ref(), (path, problems))?, path, problems),
        MetricKind::ContainerResource => {
            container(block(spec, spec.container_resource.as_ref(), (path, problems))?, path, problems)
        }
        MetricKind::Pods => pods(block(spec, spec.pods.as_ref(), (path, problems))?, path, problems),
        MetricKind::Object => object(block(spec, spec.object.as_ref(), (path, problems))?, path, problems),
        MetricKind::External => external(block(spec, spec.external.as_ref(), (path, problems))?, path, problems),
        MetricKind::Prometheus => {
            prometheus(block(spec, spec.prometheus.as_ref(), (path, problems))?, subject, path, problems)
        }
        MetricKind::Unknown => {
            let fix = "is a word that this Flyball does not know: write Resource, ContainerResource, Pods, Object, External or Prometheus";
            problems.unsupported(path, "", fix);
            None
        }
    }
}

/// The block that the type names.
fn block<'a, T>(spec: &MetricSpec, block: Option<&'a T>, (path, problems): (&str, &mut Problems)) -> Option<&'a T> {
    if block.is_none() {
        problems.invalid(path, "", format!("is missing: type {} needs it", spec.kind.as_str()));
    }
    block
}

fn usage(resource: &str, container: Option<&str>) -> (engine::MetricKind, MetricRequest) {
    let (resource, container): (Arc<str>, Option<Arc<str>>) = (resource.into(), container.map(Into::into));
    let kind = engine::MetricKind::Resource { resource: resource.clone(), container: container.clone() };
    (kind, MetricRequest::PodUsage(PodUsage { resource, container }))
}

fn resource(spec: &ResourceMetric, path: &str, problems: &mut Problems) -> Option<Asked> {
    if spec.name.is_empty() {
        problems.invalid(&format!("{path}.name"), "", "is empty: write cpu, memory or another resource");
    }
    let (kind, request) = usage(&spec.name, None);
    Some((kind, usage_target(&spec.target, &format!("{path}.target"), problems)?, request))
}

fn container(spec: &ContainerResourceMetric, path: &str, problems: &mut Problems) -> Option<Asked> {
    for (field, value) in [("name", &spec.name), ("container", &spec.container)] {
        if value.is_empty() {
            problems.invalid(&format!("{path}.{field}"), "", "is empty: write the name");
        }
    }
    let (kind, request) = usage(&spec.name, Some(&spec.container));
    Some((kind, usage_target(&spec.target, &format!("{path}.target"), problems)?, request))
}

fn pods(spec: &PodsMetric, path: &str, problems: &mut Problems) -> Option<Asked> {
    let metric = named(&spec.metric, &format!("{path}.metric"), problems)?;
    let target = average(&spec.target, &format!("{path}.target"), problems)?;
    Some((engine::MetricKind::Pods, target, MetricRequest::PodMetric(metric)))
}

fn object(spec: &ObjectMetric, path: &str, problems: &mut Problems) -> Option<Asked> {
    let described = &spec.described_object;
    let object = DescribedObject {
        api_version: described.api_version.as_deref().unwrap_or("v1").into(),
        kind: described.kind.as_str().into(),
        name: segment(&described.name, &format!("{path}.describedObject.name"), problems)?,
    };
    let metric = named(&spec.metric, &format!("{path}.metric"), problems)?;
    let path = format!("{path}.target");
    // Of all types this one alone follows the word of its target (HPA).
    let target = match spec.target.kind {
        TargetKind::Value => value(&spec.target, &path, problems)?,
        TargetKind::AverageValue => average(&spec.target, &path, problems)?,
        TargetKind::Utilization | TargetKind::Unknown => {
            problems.invalid(&format!("{path}.type"), field_type(spec.target.kind), "must be Value or AverageValue");
            return None;
        }
    };
    Some((engine::MetricKind::Object, target, MetricRequest::Object(object, metric)))
}

fn external(spec: &ExternalMetric, path: &str, problems: &mut Problems) -> Option<Asked> {
    let metric = named(&spec.metric, &format!("{path}.metric"), problems)?;
    let path = format!("{path}.target");
    let target = match (&spec.target.average_value, &spec.target.value) {
        (None, Some(_)) => value(&spec.target, &path, problems)?,
        _ => average(&spec.target, &path, problems)?,
    };
    Some((engine::MetricKind::External, target, MetricRequest::External(metric)))
}

fn prometheus(spec: &PrometheusMetric, subject: Subject<'_>, path: &str, problems: &mut Problems) -> Option<Asked> {
    let target = prometheus_target(&spec.target, &format!("{path}.target"), problems);
    let query = query(spec, subject, path, problems);
    Some((engine::MetricKind::Prometheus, target?, MetricRequest::Prometheus(query)))
}

/// Of usage: the average value where there is one, else the utilization (HPA's precedence).
fn usage_target(spec: &MetricTarget, path: &str, problems: &mut Problems) -> Option<Target> {
    if spec.average_value.is_some() {
        return average(spec, path, problems);
    }
    let path = format!("{path}.averageUtilization");
    match spec.average_utilization {
        Some(percent) if percent > 0 => Some(Target::Utilization(percent)),
        Some(percent) => {
            problems.invalid(&path, percent, "must be 1 or more: percent of what the pods request");
            None
        }
        None => {
            problems.invalid(&path, "", "is missing: write it, or averageValue");
            None
        }
    }
}

fn average(spec: &MetricTarget, path: &str, problems: &mut Problems) -> Option<Target> {
    let field = ("averageValue", spec.average_value.as_ref());
    amount(field, TargetKind::AverageValue, (path, problems)).map(Target::AverageValue)
}

fn value(spec: &MetricTarget, path: &str, problems: &mut Problems) -> Option<Target> {
    amount(("value", spec.value.as_ref()), TargetKind::Value, (path, problems)).map(Target::Value)
}

fn amount(
    (field, quantity): (&str, Option<&Quantity>),
    kind: TargetKind,
    (path, problems): (&str, &mut Problems),
) -> Option<Milli> {
    let path = format!("{path}.{field}");
    if quantity.is_none() {
        problems.invalid(&path, "", format!("is missing: target type {} needs it", field_type(kind)));
    }
    above_zero(quantity?, &path, problems)
}

fn named(spec: &MetricIdentifier, path: &str, problems: &mut Problems) -> Option<NamedMetric> {
    let name = segment(&spec.name, &format!("{path}.name"), problems)?;
    let selector = spec.selector.clone().unwrap_or_default().to_notation();
    match selector {
        Ok(selector) => Some(NamedMetric { name, selector }),
        Err(error) => {
            problems.invalid(&format!("{path}.selector"), "", error.to_string());
            None
        }
    }
}

/// A name that can stand in a path (HPA rule).
fn segment(name: &str, path: &str, problems: &mut Problems) -> Option<Arc<str>> {
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '%']) {
        problems.invalid(path, name, "cannot stand in a path: write a name without / and %");
        return None;
    }
    Some(name.into())
}

fn query(spec: &PrometheusMetric, subject: Subject<'_>, path: &str, problems: &mut Problems) -> MetricQuery {
    let promql = fill(&spec.query, subject, &mut |word, fix| problems.invalid(&format!("{path}.query"), word, fix));
    if promql.trim().is_empty() {
        problems.invalid(&format!("{path}.query"), "", "is empty: write a PromQL query");
    } else if promql.chars().count() > MAX_QUERY_LENGTH {
        let fix = format!("is longer than {MAX_QUERY_LENGTH} characters: move it into a recording rule and query that");
        problems.invalid(&format!("{path}.query"), &spec.query, fix);
    }
    if spec.series == SeriesSpec::Unknown {
        problems.invalid(
            &format!("{path}.series"),
            "",
            "is a word that this Flyball does not know: write Sum or ExactlyOne",
        );
    }
    if let Some(seconds) = spec.max_sample_age_seconds {
        problems.range(&format!("{path}.maxSampleAgeSeconds"), seconds, 1..=MAX_SAMPLE_AGE_SECONDS);
    }
    MetricQuery {
        source: spec.source_ref.as_ref().map(|spec| source(spec, path, problems)).unwrap_or_default(),
        promql: Arc::from(promql),
        series: match spec.series {
            SeriesSpec::Sum | SeriesSpec::Unknown => SeriesRule::Sum,
            SeriesSpec::ExactlyOne => SeriesRule::ExactlyOne,
        },
        max_sample_age_seconds: spec.max_sample_age_seconds,
    }
}

fn source(spec: &SourceReference, path: &str, problems: &mut Problems) -> SourceRef {
    let kind = match spec.kind {
        SourceKindSpec::ClusterPrometheusSource => SourceKind::Cluster,
        SourceKindSpec::PrometheusSource => SourceKind::Namespaced,
        SourceKindSpec::Unknown => {
            let fix = "is a word that this Flyball does not know: write PrometheusSource or ClusterPrometheusSource";
            problems.invalid(&format!("{path}.sourceRef.kind"), "", fix);
            SourceKind::Namespaced // never asked
        }
    };
    let name = segment(&spec.name, &format!("{path}.sourceRef.name"), problems);
    SourceRef { kind, name: name.unwrap_or_default() }
}

fn prometheus_target(spec: &MetricTarget, path: &str, problems: &mut Problems) -> Option<Target> {
    match spec.kind {
        TargetKind::Value => value(spec, path, problems),
        TargetKind::AverageValue => average(spec, path, problems),
        TargetKind::Utilization => {
            let fix = "is not supported for Prometheus yet: use Value with a query that yields the percentage, or AverageValue";
            problems.unsupported(&format!("{path}.type"), "Utilization", fix);
            None
        }
        TargetKind::Unknown => {
            let fix = "is a word that this Flyball does not know: write Value or AverageValue";
            problems.invalid(&format!("{path}.type"), "", fix);
            None
        }
    }
}

const fn field_type(kind: TargetKind) -> &'static str {
    match kind {
        TargetKind::Utilization => "Utilization",
        TargetKind::Value => "Value",
        TargetKind::AverageValue => "AverageValue",
        TargetKind::Unknown => "Unknown",
    }
}

fn above_zero(quantity: &Quantity, path: &str, problems: &mut Problems) -> Option<Milli> {
    match quantity.to_milli() {
        Ok(value) if value.get() > 0 => Some(value),
        Ok(_) => {
            problems.invalid(path, &quantity.0, "must be greater than 0: for example 100 or 500m");
            None
        }
        Err(error) => {
            problems.invalid(path, &quantity.0, error.to_string());
            None
        }
    }
}
