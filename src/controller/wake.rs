//! Wakes policies that failed for want of a source as soon as it is ready, rather than when their turn comes.

use std::collections::BTreeSet;

use super::Controller;
use super::registry::Subject;
use crate::api::query::{MetricRequest, SourceRef};
use crate::api::source::SourceKey;
use crate::clock::Clock;
use crate::sources::MetricSource;
use crate::sources::registry::Ready;

impl<M: MetricSource, C: Clock> Controller<M, C> {
    /// Looks at policies that failed again as soon as `ready` tells of a source that they ask.
    #[must_use]
    pub fn with_ready(mut self, ready: Ready) -> Self {
        self.ready = ready;
        self
    }

    /// These sources have become ready. Policies that do well stay in their slots.
    pub(super) fn wake(&mut self, sources: &BTreeSet<SourceKey>) {
        let now = self.now();
        for (id, entry) in self.registry.failing().filter(|(_, entry)| asks(&entry.subject, sources)) {
            let rhythm = (entry.subject.uid.as_str(), entry.subject.period_millis());
            self.schedule.upsert(id, rhythm, now);
        }
    }
}

/// Whether the policy asks one of `sources`.
fn asks(subject: &Subject, sources: &BTreeSet<SourceKey>) -> bool {
    let Ok(resolved) = &subject.resolved else { return false };
    let is_among = |source: &SourceRef| sources.contains(&SourceKey::of(source, &subject.key.namespace));
    resolved.requests.iter().any(|request| match request {
        MetricRequest::Prometheus(query) => is_among(&query.source),
        MetricRequest::PodUsage(_) => is_among(&SourceRef::default()),
        MetricRequest::PodMetric(_) | MetricRequest::Object(..) | MetricRequest::External(_) => false,
    })
}
