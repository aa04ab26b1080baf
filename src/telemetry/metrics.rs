//! Own metrics of the process: counters and histograms of the loop. What a policy decided is drawn by `policies` from its trace.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::policies::PolicyReports;
use super::process::Process;
use super::sources::SourceReports;
use crate::engine::Direction;

/// A label value that is one of a fixed set of words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Word(pub &'static str);

impl EncodeLabelValue for Word {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> Result<(), std::fmt::Error> {
        self.0.encode(encoder)
    }
}

/// `{reason}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReasonLabel {
    reason: Word,
}

/// `{direction}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct DirectionLabel {
    direction: Word,
}

/// `{method}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct MethodLabel {
    method: Word,
}

/// The metrics of one process and the registry that they live in.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// What each policy decided last.
    pub policies: Arc<PolicyReports>,
    /// What each Prometheus was asked.
    pub sources: Arc<SourceReports>,
    syncs: Counter,
    sync_seconds: Histogram,
    sync_errors: Family<ReasonLabel, Counter>,
    panics: Counter,
    rescales: Family<DirectionLabel, Counter>,
    status_writes: Counter,
    query_seconds: Histogram,
    query_errors: Family<ReasonLabel, Counter>,
    lateness_seconds: Histogram,
    api_requests: Family<MethodLabel, Counter>,
    running: Gauge,
    events_dropped: Gauge<u64, AtomicU64>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All metrics at zero, registered under the prefix `flyball`.
    #[must_use]
    pub fn new() -> Self {
        // 1 ms to 16 s, as HPA's own histograms.
        let seconds = || Histogram::new(exponential_buckets(0.001, 2.0, 15));
        let mut metrics = Self {
            registry: Registry::default(),
            policies: Arc::default(),
            sources: Arc::default(),
            syncs: Counter::default(),
            sync_seconds: seconds(),
            sync_errors: Family::default(),
            panics: Counter::default(),
            rescales: Family::default(),
            status_writes: Counter::default(),
            query_seconds: seconds(),
            query_errors: Family::default(),
            lateness_seconds: seconds(),
            api_requests: Family::default(),
            running: Gauge::default(),
            events_dropped: Gauge::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        self.registry.register_collector(Box::new(Process));
        let registry = self.registry.sub_registry_with_prefix("flyball");
        registry.register("build", "Version of this process", build);
        registry.register("syncs", "Passes over a policy that ended", self.syncs.clone());
        registry.register("sync_duration_seconds", "Duration of a pass", self.sync_seconds.clone());
        registry.register("sync_errors", "Passes that ended without a decision", self.sync_errors.clone());
        registry.register("sync_panics", "Passes that panicked; each is a bug", self.panics.clone());
        registry.register("rescales", "Changes of size that were written", self.rescales.clone());
        registry.register("status_writes", "Writes of a policy's status", self.status_writes.clone());
        registry.register("query_duration_seconds", "Duration of a metric query", self.query_seconds.clone());
        registry.register("query_errors", "Queries without a usable value", self.query_errors.clone());
        registry.register("schedule_lateness_seconds", "Due time to start of a pass", self.lateness_seconds.clone());
        registry.register("api_requests", "Requests to the API server", self.api_requests.clone());
        registry.register("syncs_running", "Passes running now", self.running.clone());
        registry.register("events_dropped", "Events that found the queue full", self.events_dropped.clone());
        registry.register_collector(Box::new(self.policies.clone()));
        registry.register_collector(Box::new(self.sources.clone()));
    }

    /// A pass ended after `seconds`.
    pub fn synced(&self, seconds: f64) {
        self.syncs.inc();
        self.sync_seconds.observe(seconds);
    }

    /// A pass ended without a decision.
    pub fn sync_failed(&self, reason: &'static str) {
        self.sync_errors.get_or_create(&ReasonLabel { reason: Word(reason) }).inc();
    }

    /// A pass panicked.
    pub fn panicked(&self) {
        self.panics.inc();
    }

    /// A change of size was written.
    pub fn rescaled(&self, direction: Direction) {
        let word = match direction {
            Direction::Up => "up",
            Direction::Down => "down",
        };
        self.rescales.get_or_create(&DirectionLabel { direction: Word(word) }).inc();
    }

    /// A status was written.
    pub fn status_written(&self) {
        self.status_writes.inc();
    }

    /// A query took `seconds`, and failed for `reason` if there is one.
    pub fn queried(&self, seconds: f64, failed: Option<&'static str>) {
        self.query_seconds.observe(seconds);
        if let Some(reason) = failed {
            self.query_errors.get_or_create(&ReasonLabel { reason: Word(reason) }).inc();
        }
    }

    /// A pass started `seconds` after it was due.
    pub fn started_late(&self, seconds: f64) {
        self.lateness_seconds.observe(seconds);
    }

    /// A request left for the API server.
    pub fn api_requested(&self, method: &http::Method) {
        let word = match *method {
            http::Method::GET => "GET",
            http::Method::PUT => "PUT",
            http::Method::POST => "POST",
            http::Method::PATCH => "PATCH",
            http::Method::DELETE => "DELETE",
            _ => "other",
        };
        self.api_requests.get_or_create(&MethodLabel { method: Word(word) }).inc();
    }

    /// This many passes are running.
    pub fn running(&self, passes: usize) {
        self.running.set(i64::try_from(passes).unwrap_or(i64::MAX));
    }

    /// So many events found the queue full.
    pub fn events_dropped(&self, total: u64) {
        self.events_dropped.set(total);
    }

    /// Passes so far.
    #[must_use]
    pub fn syncs_total(&self) -> u64 {
        self.syncs.get()
    }

    /// Everything in the Prometheus text format 0.0.4.
    ///
    /// # Errors
    /// Never in practice: writing to a string does not fail.
    pub fn render(&self) -> Result<String, std::fmt::Error> {
        let mut open_metrics = String::new();
        prometheus_client::encoding::text::encode(&mut open_metrics, &self.registry)?;
        Ok(as_text_format(&open_metrics))
    }
}

/// OpenMetrics, as the library writes it, in the older text format that every scraper and `promtool check metrics` reads: the family of a
/// counter carries `_total`, the family of an info `_info`, and neither units nor the end mark exist.
fn as_text_format(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    // HELP comes before TYPE, and the name in it depends on the type: keep it until the type is known.
    let mut help: Option<(&str, &str)> = None;
    for line in open_metrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                other => ("", other),
            };
            if let Some((_, words)) = help.take() {
                text.push_str(&format!("# HELP {name}{suffix} {words}\n"));
            }
            text.push_str(&format!("# TYPE {name}{suffix} {kind}\n"));
        } else if !line.starts_with('#') {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_and_infos_carry_their_suffix_in_the_older_format() {
        let metrics = Metrics::new();
        metrics.synced(0.002);
        let text = metrics.render().unwrap();
        assert!(text.contains("# HELP flyball_syncs_total Passes over a policy that ended"), "{text}");
        assert!(text.contains("# TYPE flyball_syncs_total counter\nflyball_syncs_total 1\n"), "{text}");
        assert!(text.contains("# TYPE flyball_build_info gauge\nflyball_build_info{version="), "{text}");
        assert!(text.contains("flyball_sync_duration_seconds_bucket{le=\"0.002\"} 1"), "{text}");
        assert!(!text.contains("# EOF") && !text.contains("# UNIT"), "{text}");
    }
}
