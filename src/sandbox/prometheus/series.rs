//! The samples. Bounded; knows no PromQL.

use std::collections::{BTreeMap, VecDeque};

/// Samples that each series keeps: an hour at one a second, more than any window that the demo asks for.
const MAX_SAMPLES_PER_SERIES: usize = 3600;
/// Most series; further ones are not kept.
const MAX_SERIES: usize = 100_000;

/// Labels of a series, `__name__` among them.
pub(super) type Labels = BTreeMap<String, String>;
/// Milliseconds since the epoch, and the value.
pub(super) type Sample = (i64, f64);

/// All series, by their labels.
#[derive(Debug, Default)]
pub(super) struct Series {
    by_name: BTreeMap<String, BTreeMap<Labels, VecDeque<Sample>>>,
    count: usize,
}

impl Series {
    /// Keeps a sample; one that is not newer than the last of its series is dropped, as Prometheus does.
    pub(super) fn record(&mut self, name: &str, labels: &[(&str, &str)], sample: Sample) {
        let mut key: Labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        key.insert("__name__".to_owned(), name.to_owned());
        let series = self.by_name.entry(name.to_owned()).or_default();
        if !series.contains_key(&key) {
            if self.count >= MAX_SERIES {
                return;
            }
            self.count += 1;
        }
        let samples = series.entry(key).or_default();
        if samples.back().is_some_and(|last| last.0 >= sample.0) {
            return;
        }
        samples.push_back(sample);
        if samples.len() > MAX_SAMPLES_PER_SERIES {
            samples.pop_front();
        }
    }

    /// The series of a name, by their labels.
    pub(super) fn named(&self, name: &str) -> impl Iterator<Item = (&Labels, &VecDeque<Sample>)> {
        self.by_name.get(name).into_iter().flatten()
    }
}
