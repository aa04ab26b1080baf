//! What one answer says of every container, to be looked up by namespace and pod. Owns the compact shape: 150,000 pods of two
//! containers take about 20 MB. Pure; must not know which pods are meant.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::query::LABELS;
use crate::engine::Timestamp;
use crate::sources::prometheus::decode::{Answer, DecodeError, Point, decode_each};

/// The containers of one answer.
#[derive(Debug, Default)]
pub(super) struct UsageIndex {
    /// Names of pods, end to end.
    pods: String,
    /// By name, what rows say for it.
    namespaces: BTreeMap<Box<str>, u32>,
    /// By what rows say for it. The first is empty: a series without the label.
    containers: Vec<Arc<str>>,
    /// Sorted by namespace, pod and container.
    rows: Vec<Row>,
    /// Series without a namespace or a pod.
    pub(super) unlabelled: usize,
}

/// One series.
#[derive(Debug, Clone, Copy)]
struct Row {
    namespace: u32,
    pod: (u32, u32),
    container: u32,
    value: f64,
    at: Timestamp,
}

/// What one series says of a container.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ContainerValue {
    /// Empty for a series of the whole pod.
    pub(super) container: Arc<str>,
    /// As the server holds it; may be NaN, infinite or negative.
    pub(super) value: f64,
    /// The instant it stands for.
    pub(super) at: Timestamp,
}

impl UsageIndex {
    /// Takes an answer apart; the answer that comes back beside the index is without points.
    pub(super) fn read(body: &[u8], max_series: usize) -> Result<(Self, Answer), DecodeError> {
        let mut building = Building::default();
        let answer = decode_each((body, max_series), &LABELS, |labels, point| {
            let [namespace, pod, container] = labels else { return };
            building.add([namespace, pod, container].map(|label| label.as_deref().unwrap_or_default()), point);
        })?;
        Ok((building.finish(), answer))
    }

    /// How many series were understood.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// What is said of a pod's containers, by their order in the index, which is the same for every pod.
    pub(super) fn pod<'a>(&'a self, namespace: &str, pod: &'a str) -> impl Iterator<Item = ContainerValue> + 'a {
        // An id that no row has, where nobody knows the namespace.
        let namespace = self.namespaces.get(namespace).copied().unwrap_or(u32::MAX);
        let start = self.rows.partition_point(|row| (row.namespace, self.name(*row)) < (namespace, pod));
        let rest = self.rows.get(start..).unwrap_or_default().iter();
        rest.take_while(move |row| row.namespace == namespace && self.name(**row) == pod).map(|row| ContainerValue {
            container: self.container(row.container),
            value: row.value,
            at: row.at,
        })
    }

    fn name(&self, row: Row) -> &str {
        text(&self.pods, row.pod)
    }

    fn container(&self, id: u32) -> Arc<str> {
        let name = usize::try_from(id).ok().and_then(|id| self.containers.get(id));
        name.map_or_else(|| Arc::from(""), Arc::clone)
    }
}

fn text(all: &str, (start, end): (u32, u32)) -> &str {
    let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
    range.and_then(|(start, end)| all.get(start..end)).unwrap_or_default()
}

/// An index that still grows.
#[derive(Default)]
struct Building {
    index: UsageIndex,
    containers: BTreeMap<Box<str>, u32>,
}

impl Building {
    fn add(&mut self, [namespace, pod, container]: [&str; 3], point: Point) {
        if namespace.is_empty() || pod.is_empty() {
            self.index.unlabelled += 1;
            return;
        }
        let namespace = id_of(&mut self.index.namespaces, namespace);
        let known = self.containers.len();
        let id = id_of(&mut self.containers, container);
        if self.containers.len() > known {
            self.index.containers.push(container.into());
        }
        // The containers of a pod often stand together; its name is then kept once.
        let last = self.index.rows.last().map(|row| row.pod).filter(|last| text(&self.index.pods, *last) == pod);
        let start = self.index.pods.len();
        let Some(place) = last.or_else(|| Some((u32::try_from(start).ok()?, u32::try_from(start + pod.len()).ok()?)))
        else {
            return; // 4 GB of names, which no body within its limit holds; what is left out counts as missing
        };
        if last.is_none() {
            self.index.pods.push_str(pod);
        }
        self.index.rows.push(Row { namespace, pod: place, container: id, value: point.value, at: point.at });
    }

    fn finish(self) -> UsageIndex {
        let mut index = self.index;
        let pods = &index.pods;
        let key = |row: &Row| (row.namespace, text(pods, row.pod), row.container);
        index.rows.sort_unstable_by(|a, b| key(a).cmp(&key(b)).then(b.value.total_cmp(&a.value)).then(a.at.cmp(&b.at)));
        index.rows.shrink_to_fit();
        index.pods.shrink_to_fit();
        index
    }
}

fn id_of(ids: &mut BTreeMap<Box<str>, u32>, name: &str) -> u32 {
    if let Some(id) = ids.get(name) {
        return *id;
    }
    // Fewer names than series, and fewer series than this holds.
    let id = u32::try_from(ids.len()).unwrap_or(u32::MAX);
    ids.insert(name.into(), id);
    id
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn body(series: &[(&str, &str, &str, &str)]) -> String {
        let one = |(namespace, pod, container, value): &(&str, &str, &str, &str)| {
            format!(
                r#"{{"metric":{{"container":"{container}","namespace":"{namespace}","pod":"{pod}"}},"value":[7,"{value}"]}}"#
            )
        };
        let series: Vec<String> = series.iter().map(one).collect();
        format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{}]}}}}"#, series.join(","))
    }

    fn read(series: &[(&str, &str, &str, &str)]) -> UsageIndex {
        UsageIndex::read(body(series).as_bytes(), 100).unwrap().0
    }

    fn pod(index: &UsageIndex, namespace: &str, pod: &str) -> Vec<String> {
        index.pod(namespace, pod).map(|one| format!("{}={}", one.container, one.value)).collect()
    }

    #[test]
    fn pods_are_found_by_namespace_and_name() {
        let index = read(&[
            ("shop", "web-1", "app", "3"),
            ("shop", "web-0", "app", "1"),
            ("prod", "web-0", "app", "9"),
            ("shop", "web-0", "log", "2"),
            ("shop", "web-00", "app", "4"),
            ("", "web-0", "app", "5"),
            ("shop", "", "app", "6"),
            ("prod", "db-0", "", "8"),
        ]);
        assert_eq!((index.len(), index.unlabelled), (6, 2));
        assert_eq!(pod(&index, "shop", "web-0"), ["app=1", "log=2"]);
        assert_eq!(pod(&index, "shop", "web-1"), ["app=3"]);
        assert_eq!(pod(&index, "prod", "web-0"), ["app=9"]);
        assert_eq!(pod(&index, "prod", "db-0"), ["=8"]);
        for (namespace, name) in [("shop", "web"), ("shop", "web-2"), ("shop", ""), ("test", "web-0"), ("", "web-0")] {
            assert_eq!(pod(&index, namespace, name), [""; 0], "{namespace}/{name}");
        }
        assert_eq!(index.pod("shop", "web-1").next().unwrap().at, Timestamp::from_millis(7000));
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        assert!(UsageIndex::read(b"<html>", 1).is_err());
        let two = body(&[("a", "b", "c", "1"), ("a", "b", "d", "1")]);
        assert_eq!(UsageIndex::read(two.as_bytes(), 1).unwrap_err(), DecodeError::TooManySeries { limit: 1 });
        assert_eq!(read(&[]).len(), 0);
    }

    proptest! {
        #[test]
        fn every_series_is_found_again(series in prop::collection::vec(("[ab]{1,2}", "[ab]{1,3}", "[ab]{0,1}", 0_u8..9), 0..40)) {
            let texts: Vec<String> = series.iter().map(|one| one.3.to_string()).collect();
            let rows: Vec<_> = series.iter().zip(&texts).map(|((n, p, c, _), v)| (&**n, &**p, &**c, &**v)).collect();
            let index = read(&rows);
            prop_assert_eq!(index.len(), rows.len());
            for (namespace, name, ..) in &rows {
                let mut want: Vec<String> =
                    rows.iter().filter(|row| (row.0, row.1) == (*namespace, *name)).map(|row| format!("{}={}", row.2, row.3)).collect();
                let mut found = pod(&index, namespace, name);
                want.sort();
                found.sort();
                prop_assert_eq!(found, want);
            }
        }
    }
}
