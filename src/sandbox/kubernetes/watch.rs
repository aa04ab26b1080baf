//! Watches: the changes of a kind from a version on, as lines of JSON, until the timeout. Waits on tokio's clock only.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use super::kind::Kind;
use super::select::Selector;
use super::store::{Change, Store};
use super::{Form, Inner};

/// How long a watch lives that does not say; the real server takes 30 to 60 minutes.
const DEFAULT_TIMEOUT: Duration = Duration::from_mins(30);
/// How often a quiet watch is told the version it has reached; the real server's interval.
const BOOKMARK_PERIOD: Duration = Duration::from_mins(1);

/// What a watch wants to see.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) kind: &'static Kind,
    pub(super) namespace: Option<String>,
    pub(super) selector: Selector,
    pub(super) form: Form,
}

impl Wanted {
    fn sees(&self, namespace: &str, object: &Value) -> bool {
        self.namespace.as_deref().is_none_or(|wanted| wanted == namespace) && self.selector.matches(object)
    }

    /// The event that this watch sees of a change: leaving the selection is a deletion, entering it an addition.
    fn event(&self, change: &Change) -> Option<Bytes> {
        if change.table != self.kind.table() {
            return None;
        }
        let seen = |object: &Option<Arc<Value>>| object.as_ref().is_some_and(|object| self.sees(&change.key.0, object));
        let name = match (seen(&change.before), seen(&change.after)) {
            (false, true) => "ADDED",
            (true, true) => "MODIFIED",
            (true, false) => "DELETED",
            (false, false) => return None,
        };
        Some(line(name, &self.form.show(self.kind, &change.shown)))
    }

    /// One ADDED for each object that is there.
    fn present(&self, store: &Store) -> VecDeque<Bytes> {
        let objects = store.snapshot(self.kind, store.version()).unwrap_or_default();
        objects
            .iter()
            .filter(|(key, object)| self.sees(&key.0, object))
            .map(|(_, object)| line("ADDED", &self.form.show(self.kind, object)))
            .collect()
    }

    fn bookmark(&self, version: u64, initial_end: bool) -> Bytes {
        let mut metadata = json!({"resourceVersion": version.to_string(), "creationTimestamp": null});
        if initial_end {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let object = json!({"kind": self.kind.kind, "apiVersion": self.kind.api_version(), "metadata": metadata});
        line("BOOKMARK", &self.form.show(self.kind, &object))
    }
}

fn line(name: &str, object: &Value) -> Bytes {
    Bytes::from(format!("{}\n", json!({"type": name, "object": object})))
}

/// Where a watch starts and how long it lives.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    /// The version after which changes are wanted; `None` or 0 begins with what is there.
    pub(super) from: Option<u64>,
    /// Begin with what is there and mark its end, as `sendInitialEvents` asks.
    pub(super) initial_events: bool,
    pub(super) bookmarks: bool,
    pub(super) timeout: Option<Duration>,
}

struct State {
    inner: Arc<Inner>,
    wanted: Wanted,
    changed: watch::Receiver<u64>,
    position: u64,
    pending: VecDeque<Bytes>,
    bookmarks: bool,
    next_bookmark: Instant,
    deadline: Instant,
    ended: bool,
}

/// The lines of a watch.
pub(super) fn stream(inner: &Arc<Inner>, wanted: Wanted, span: Span) -> impl Stream<Item = Bytes> + Send + use<> {
    let changed = inner.changed.subscribe();
    let now = Instant::now();
    let mut state = State {
        inner: inner.clone(),
        changed,
        position: 0,
        pending: VecDeque::new(),
        bookmarks: span.bookmarks,
        next_bookmark: now + BOOKMARK_PERIOD,
        deadline: now + span.timeout.unwrap_or(DEFAULT_TIMEOUT),
        ended: false,
        wanted,
    };
    {
        let store = inner.store();
        let from = span.from.filter(|version| *version > 0 && !span.initial_events);
        if from.is_none() {
            state.pending = state.wanted.present(&store);
            if span.initial_events {
                state.pending.push_back(state.wanted.bookmark(store.version(), true));
            }
        }
        state.position = from.unwrap_or_else(|| store.version());
    }
    futures::stream::unfold(state, |mut state| async move { state.next().await.map(|line| (line, state)) })
}

impl State {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(line) = self.pending.pop_front() {
                return Some(line);
            }
            if self.ended {
                return None;
            }
            self.changed.mark_unchanged();
            self.take_changes();
            if self.pending.is_empty() {
                self.wait().await;
            }
        }
    }

    fn take_changes(&mut self) {
        let store = self.inner.store();
        match store.changes_after(self.position) {
            Ok(changes) => self.pending.extend(changes.filter_map(|change| self.wanted.event(change))),
            Err(expired) => {
                self.pending.push_back(line("ERROR", &expired.status()));
                self.ended = true;
            }
        }
        self.position = self.position.max(store.version());
    }

    async fn wait(&mut self) {
        let wake = if self.bookmarks { self.next_bookmark.min(self.deadline) } else { self.deadline };
        tokio::select! {
            biased;
            result = self.changed.changed() => self.ended = result.is_err(),
            () = tokio::time::sleep_until(wake) => {
                self.ended = Instant::now() >= self.deadline;
                if self.bookmarks {
                    self.next_bookmark = Instant::now() + BOOKMARK_PERIOD;
                    self.pending.push_back(self.wanted.bookmark(self.position, false));
                }
            }
        }
    }
}
