//! Who is served next. A pure structure: one line per namespace, served in turn, bounded together; nobody waits here.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Those who wait. A namespace with a thousand questions delays another by one, not by a thousand.
#[derive(Debug)]
pub(super) struct Queue<T> {
    lines: BTreeMap<Arc<str>, VecDeque<T>>,
    /// The namespaces that have somebody waiting, the next one first.
    turns: VecDeque<Arc<str>>,
    len: usize,
    limit: usize,
}

impl<T> Queue<T> {
    /// An empty queue with room for `limit`, all lines together.
    #[must_use]
    pub(super) const fn new(limit: usize) -> Self {
        Self { lines: BTreeMap::new(), turns: VecDeque::new(), len: 0, limit }
    }

    /// Lines `item` up for `namespace`. Answers with whoever has no place: where the queue is full, that is the last of the longest line,
    /// so that one namespace cannot fill it against the others.
    pub(super) fn push(&mut self, namespace: &Arc<str>, item: T) -> Option<T> {
        let displaced = if self.len < self.limit {
            None
        } else {
            let own = self.waiting(namespace);
            let longest =
                self.lines.iter().max_by_key(|(_, line)| line.len()).map(|(name, line)| (name.clone(), line.len()));
            match longest {
                // Not for a place that would only be swapped between the two from then on.
                Some((longest, length)) if length > own + 1 => self.take_last(&longest),
                _ => return Some(item),
            }
        };
        let line = self.lines.entry(namespace.clone()).or_default();
        if line.is_empty() {
            self.turns.push_back(namespace.clone());
        }
        line.push_back(item);
        self.len += 1;
        displaced
    }

    /// The next one: the first of the line whose turn it is.
    pub(super) fn pop(&mut self) -> Option<T> {
        let namespace = self.turns.pop_front()?;
        let line = self.lines.get_mut(&namespace)?;
        let item = line.pop_front();
        if line.is_empty() {
            self.lines.remove(&namespace);
        } else {
            self.turns.push_back(namespace);
        }
        self.len -= usize::from(item.is_some());
        item
    }

    /// Sends those away for whom `keep` says no.
    pub(super) fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        self.lines.retain(|_, line| {
            line.retain(&keep);
            !line.is_empty()
        });
        self.turns.retain(|namespace| self.lines.contains_key(namespace));
        self.len = self.lines.values().map(VecDeque::len).sum();
    }

    /// How many of `namespace` wait.
    #[must_use]
    pub(super) fn waiting(&self, namespace: &str) -> usize {
        self.lines.get(namespace).map_or(0, VecDeque::len)
    }

    /// How many wait.
    #[must_use]
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Nobody waits.
    #[must_use]
    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// There is no place left.
    #[must_use]
    pub(super) const fn is_full(&self) -> bool {
        self.len >= self.limit
    }

    /// Of a line of two or more, so that none ends here.
    fn take_last(&mut self, namespace: &Arc<str>) -> Option<T> {
        let item = self.lines.get_mut(namespace)?.pop_back()?;
        self.len -= 1;
        Some(item)
    }
}

#[cfg(test)]
mod tests;
