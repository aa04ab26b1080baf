//! What each Prometheus was asked, as metrics, read from the sources when Prometheus scrapes. Keeps no numbers of its own.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::sources::prometheus::Activity;
use crate::sources::prometheus::breaker::BreakerState;

/// Tells what a source did so far.
type Read = Box<dyn Fn() -> Activity + Send + Sync>;

/// Tells what many sources did so far, by name.
type ReadAll = Box<dyn Fn() -> BTreeMap<Arc<str>, Activity> + Send + Sync>;

/// The sources that there are, by name. Ordered, so that scrapes are.
#[derive(Default)]
pub struct SourceReports {
    sources: Mutex<BTreeMap<Arc<str>, Read>>,
    /// Who knows of more, that come and go.
    all: Mutex<Option<ReadAll>>,
}

impl fmt::Debug for SourceReports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceReports").finish_non_exhaustive()
    }
}

impl SourceReports {
    /// Shows the source of this name from now on, as `read` tells it; in place of an earlier one of the same name.
    pub fn watch(&self, name: impl Into<Arc<str>>, read: impl Fn() -> Activity + Send + Sync + 'static) {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner).insert(name.into(), Box::new(read));
    }

    /// Shows what `read` tells of, too, whichever there are at the time; in place of an earlier such.
    pub fn watch_all(&self, read: impl Fn() -> BTreeMap<Arc<str>, Activity> + Send + Sync + 'static) {
        *self.all.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(read));
    }

    /// The source of this name is gone, and its series with it.
    pub fn forget(&self, name: &str) {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    fn snapshot(&self) -> Vec<(Arc<str>, Activity)> {
        let mut known =
            self.all.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map_or_else(BTreeMap::new, |all| all());
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(sources.iter().map(|(name, read)| (name.clone(), read())));
        known.into_iter().collect()
    }
}

/// Name, help and value of a number of each source.
type Number = (&'static str, &'static str, fn(&Activity) -> u64);

/// Numbers that only grow.
const COUNTERS: [Number; 5] = [
    ("source_questions", "Questions of policies to a source; more of them than requests are shared", |a| a.questions),
    ("source_probes", "Probes of a source that is not asked because it failed", |a| a.probes),
    ("source_shared_requests", "Requests that asked several different queries at once", |a| a.joint_requests),
    ("source_shared_queries", "Queries that shared requests asked", |a| a.joint_members),
    ("source_shared_fallbacks", "Shared requests whose queries had to be asked apart after all", |a| a.fallbacks),
];

/// Numbers of this moment.
const GAUGES: [Number; 2] = [
    ("source_requests_waiting", "Requests that wait for their turn at a source", |a| count(a.waiting)),
    ("source_requests_running", "Requests in flight to a source", |a| count(a.in_flight)),
];

const STATES: [(BreakerState, &str); 3] =
    [(BreakerState::Closed, "closed"), (BreakerState::Open, "open"), (BreakerState::Trial, "trial")];

impl Collector for SourceReports {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let sources = self.snapshot();
        if sources.is_empty() {
            return Ok(());
        }
        for (name, help, value) in COUNTERS {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (source, activity) in &sources {
                let labels = [("source", &**source)];
                ConstCounter::new(value(activity)).encode(family.encode_family(&labels)?)?;
            }
        }
        for (name, help, value) in GAUGES {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (source, activity) in &sources {
                let labels = [("source", &**source)];
                let value = i64::try_from(value(activity)).unwrap_or(i64::MAX);
                ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
            }
        }
        if sources.iter().any(|(_, activity)| !activity.requests.is_empty()) {
            let help = "Requests to a source that have ended, by outcome: Answered, or the reason why not";
            let mut family = encoder.encode_descriptor("source_requests", help, None, MetricType::Counter)?;
            for (source, activity) in &sources {
                for (outcome, requests) in &activity.requests {
                    let labels = [("source", &**source), ("outcome", outcome)];
                    ConstCounter::new(*requests).encode(family.encode_family(&labels)?)?;
                }
            }
        }
        let help =
            "1 for the state of a source's breaker: closed, open (only probes are sent), or trial (one at a time)";
        let mut family = encoder.encode_descriptor("source_breaker", help, None, MetricType::Gauge)?;
        for (source, activity) in &sources {
            for (state, word) in STATES {
                let labels = [("source", &**source), ("state", word)];
                ConstGauge::new(i64::from(activity.breaker == state)).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Metrics;

    #[test]
    fn each_source_shows_what_it_was_asked_until_it_is_forgotten() {
        let metrics = Metrics::new();
        let activity = Activity {
            questions: 100,
            requests: BTreeMap::from([("Answered", 2), ("Timeout", 1)]),
            joint_requests: 1,
            joint_members: 99,
            breaker: BreakerState::Open,
            ..Activity::default()
        };
        metrics.sources.watch("default", move || activity.clone());
        metrics.sources.watch("shop/thanos", Activity::default);
        let text = metrics.render().unwrap();
        for line in [
            "flyball_source_questions_total{source=\"default\"} 100",
            "flyball_source_shared_queries_total{source=\"default\"} 99",
            "flyball_source_requests_total{source=\"default\",outcome=\"Timeout\"} 1",
            "flyball_source_requests_waiting{source=\"shop/thanos\"} 0",
            "flyball_source_breaker{source=\"default\",state=\"open\"} 1",
            "flyball_source_breaker{source=\"default\",state=\"closed\"} 0",
            "flyball_source_breaker{source=\"shop/thanos\",state=\"closed\"} 1",
        ] {
            assert!(text.lines().any(|is| is == line), "{line} is not in\n{text}");
        }
        metrics.sources.forget("default");
        assert!(!metrics.render().unwrap().contains("source=\"default\""));
    }
}
