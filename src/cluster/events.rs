//! Kubernetes events on policies and their workloads. Owns a bounded queue and one writer, so that events can neither delay a
//! decision nor flood the API server; what does not fit is dropped and counted.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::within_deadline;
use crate::api::FIELD_MANAGER;
use crate::clock::Clock;

/// Events waiting to be written. At 1 KiB each this bounds the queue to 1 MiB.
const MAX_QUEUED: usize = 1_000;
/// The same warning about the same object is not written again within this time: a broken Prometheus must not write 10,000 events a poll.
/// What was done is told each time: two equal changes of size are two.
const REPEAT_AFTER: Duration = Duration::from_secs(300);
/// How many recent events are remembered for that.
const MAX_REMEMBERED: usize = 4_096;
/// Longest note that the API server takes, in bytes.
const MAX_NOTE_BYTES: usize = 1_024;

/// One thing to tell.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// The object that it is about.
    pub regarding: ObjectReference,
    /// CamelCase word, such as `SuccessfulRescale`.
    pub reason: String,
    /// One sentence.
    pub note: String,
    /// Warning, else Normal.
    pub warning: bool,
}

/// Takes notices without waiting.
#[derive(Debug, Clone)]
pub struct Events {
    queue: mpsc::Sender<Notice>,
    dropped: Arc<AtomicU64>,
}

impl Events {
    /// A queue and the task that empties it into the API server. The task ends when the last sender is dropped.
    #[must_use]
    pub fn start<C: Clock>(client: Client, clock: C, instance: String) -> (Self, tokio::task::JoinHandle<()>) {
        let (queue, notices) = mpsc::channel(MAX_QUEUED);
        let writer = Writer { client, clock, instance, recent: VecDeque::new(), serial: 0 };
        (Self { queue, dropped: Arc::default() }, tokio::spawn(writer.run(notices)))
    }

    /// Queues `notice`; drops and counts it where the queue is full.
    pub fn tell(&self, notice: Notice) {
        if self.queue.try_send(notice).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Notices dropped so far because the queue was full.
    #[must_use]
    pub fn dropped_total(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

struct Writer<C> {
    client: Client,
    clock: C,
    instance: String,
    recent: VecDeque<(Instant, Notice)>,
    serial: u64,
}

impl<C: Clock> Writer<C> {
    async fn run(mut self, mut notices: mpsc::Receiver<Notice>) {
        while let Some(notice) = notices.recv().await {
            if notice.warning && self.repeats(&notice) {
                continue;
            }
            let event = self.event(&notice);
            let namespace = event.metadata.namespace.clone().unwrap_or_default();
            let api: Api<Event> = Api::namespaced(self.client.clone(), &namespace);
            if let Err(error) = within_deadline(api.create(&PostParams::default(), &event)).await {
                // An event is a courtesy: a namespace that is going away, or a full etcd, must not disturb anything.
                tracing::debug!(%error, reason = notice.reason, "An event could not be written");
            }
        }
    }

    fn repeats(&mut self, notice: &Notice) -> bool {
        let now = Instant::now();
        while self.recent.front().is_some_and(|(at, _)| now.duration_since(*at) > REPEAT_AFTER)
            || self.recent.len() > MAX_REMEMBERED
        {
            self.recent.pop_front();
        }
        if self.recent.iter().any(|(_, seen)| seen == notice) {
            return true;
        }
        self.recent.push_back((now, notice.clone()));
        false
    }

    fn event(&mut self, notice: &Notice) -> Event {
        self.serial += 1;
        let now_millis = self.clock.now().as_millis();
        let now = jiff::Timestamp::from_millisecond(now_millis).unwrap_or_default();
        let regarding = notice.regarding.name.clone().unwrap_or_default();
        let mut note = notice.note.clone();
        while note.len() > MAX_NOTE_BYTES {
            note.pop();
        }
        Event {
            metadata: ObjectMeta {
                // The same shape as client-go's names: object, dot, a number that does not repeat.
                name: Some(format!("{}.{:x}{:04x}", regarding, now_millis, self.serial & 0xffff)),
                // Events on cluster-scoped objects live in the namespace default, as client-go's do.
                namespace: Some(notice.regarding.namespace.clone().unwrap_or_else(|| "default".to_owned())),
                ..ObjectMeta::default()
            },
            event_time: Some(MicroTime(now)),
            reporting_controller: Some(format!("flyball.dev/{FIELD_MANAGER}")),
            reporting_instance: Some(self.instance.clone()),
            action: Some(if notice.reason == "SuccessfulRescale" { "Rescale" } else { "Evaluate" }.to_owned()),
            reason: Some(notice.reason.clone()),
            note: Some(note),
            type_: Some(if notice.warning { "Warning" } else { "Normal" }.to_owned()),
            regarding: Some(notice.regarding.clone()),
            ..Event::default()
        }
    }
}
