//! Gathers what is asked of one source within a moment, and asks each thing once: identical questions share an answer, queries that can
//! be asked together become one request. Owns who waits for which answer; must not judge an answer, nor decide whether the source may be
//! asked at all.
//!
//! How a group is asked, and what is done about one that fails, is `apart`'s.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use super::Transport;
use super::decode::Answer;
use super::line::Line;
use super::plan::{Joint, Planner};
use super::quarantine::{Alone, Company, Quarantine};
use crate::engine::{Absence, Absent, Timestamp};

/// How long the first question of a batch waits for company. All passes of a slot begin within a millisecond or two of each other; a
/// decision comes later by at most this.
pub const GATHER_WINDOW: Duration = Duration::from_millis(5);
/// Questions of one batch: more than the most passes at once with several metrics each could ask, and 10 MB.
const MAX_GATHERED: usize = 65_536;

/// What an answer is to all who asked for it.
#[derive(Debug)]
pub(super) struct Heard {
    /// The answer, or why there is none.
    pub(super) answer: Result<Answer, Absent>,
    /// The instant that was asked about.
    pub(super) time: Timestamp,
}

/// The desk of one source.
pub(super) struct Desk<T> {
    pub(super) line: Arc<Line<T>>,
    pub(super) planner: Box<dyn Planner>,
    started: Instant,
    /// Questions of the batch that is being gathered; its task exists while there are any.
    gathering: Mutex<Vec<Question>>,
    /// Who waits for an answer that was asked for and has not come.
    awaited: Awaited,
    quarantine: Mutex<Quarantine>,
    pub(super) tally: Tally,
}

/// What was asked, and how much of it together.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) questions: AtomicU64,
    pub(super) joints: AtomicU64,
    pub(super) joint_members: AtomicU64,
    pub(super) fallbacks: AtomicU64,
}

type Reply = oneshot::Sender<Arc<Heard>>;
type Key = (Arc<str>, Timestamp);
type Awaited = Arc<Mutex<BTreeMap<Key, Vec<Reply>>>>;

struct Question {
    promql: Arc<str>,
    namespace: Arc<str>,
    at: Timestamp,
    end: Instant,
    reply: Reply,
}

/// One query of a batch and the namespaces that asked it.
pub(super) struct Wanted {
    pub(super) flight: Flight,
    pub(super) namespaces: Vec<Arc<str>>,
}

/// Those who wait for one answer. Where it is dropped without one, because its task panicked, they are told that there is none.
pub(super) struct Flight {
    pub(super) key: Key,
    awaited: Awaited,
    delivered: bool,
}

/// When and about which instant a batch asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) time: Timestamp,
    pub(super) end: Instant,
}

impl<T: Transport> Desk<T> {
    pub(super) fn new(line: Line<T>, planner: Box<dyn Planner>) -> Self {
        Self {
            line: Arc::new(line),
            planner,
            started: Instant::now(),
            gathering: Mutex::default(),
            awaited: Awaited::default(),
            quarantine: Mutex::default(),
            tally: Tally::default(),
        }
    }

    /// The answer to `promql`, asked by a policy in `namespace` at `at`, within the deadline of the source.
    pub(super) async fn ask(self: &Arc<Self>, (promql, namespace): (&Arc<str>, &str), at: Timestamp) -> Arc<Heard> {
        let end = Instant::now() + self.line.limits.deadline;
        let (reply, answer) = oneshot::channel();
        let question = Question { promql: promql.clone(), namespace: namespace.into(), at, end, reply };
        self.tally.questions.fetch_add(1, Ordering::Relaxed);
        self.gather(question);
        // Everything on the way to an answer ends by `end`, so there is no second clock here to race with it.
        answer.await.unwrap_or_else(|_| {
            let message = "The answer could not be made sense of; this is a bug, see the log.".into();
            Arc::new(Heard { answer: Err(Absent { absence: Absence::Malformed, message }), time: at })
        })
    }

    fn gather(self: &Arc<Self>, question: Question) {
        let mut gathering = lock(&self.gathering);
        if gathering.len() >= MAX_GATHERED {
            let message = format!("{MAX_GATHERED} questions to the source wait already, which is the limit.").into();
            let answer = Err(Absent { absence: Absence::Unavailable, message });
            // Whoever asked may have gone away.
            let _ = question.reply.send(Arc::new(Heard { answer, time: question.at }));
            return;
        }
        gathering.push(question);
        if gathering.len() == 1 {
            let desk = self.clone();
            tokio::spawn(async move {
                sleep(GATHER_WINDOW).await;
                let batch = std::mem::take(&mut *lock(&desk.gathering));
                desk.serve(batch);
            });
        }
    }

    /// Asks what a batch asks, each thing once.
    fn serve(self: &Arc<Self>, batch: Vec<Question>) {
        let (Some(time), Some(end)) = (batch.iter().map(|q| q.at).max(), batch.iter().map(|q| q.end).min()) else {
            return;
        };
        // One instant for all of them, so that the same question has the same answer; it lies in nobody's future.
        let moment = Moment { time, end };
        let now = self.started.elapsed();
        let mut companies: BTreeMap<Company, Vec<Wanted>> = BTreeMap::new();
        for wanted in self.register(batch, time) {
            let company = lock(&self.quarantine).company(wanted.promql(), now);
            companies.entry(company).or_default().push(wanted);
        }
        for (company, wanted) in companies {
            let (joints, single) = self.plan(company, wanted);
            for (joint, members) in joints {
                tokio::spawn(self.clone().serve_joint(joint, members, (moment, company)));
            }
            for wanted in single {
                tokio::spawn(self.clone().serve_single(wanted, moment));
            }
        }
    }

    /// Lines the questions up behind what is asked; yields what nobody has asked yet, in the order of the questions.
    fn register(&self, batch: Vec<Question>, time: Timestamp) -> Vec<Wanted> {
        let mut new: Vec<Wanted> = Vec::new();
        let mut index_of: BTreeMap<Arc<str>, usize> = BTreeMap::new();
        let mut awaited = lock(&self.awaited);
        for Question { promql, namespace, reply, .. } in batch {
            let index = index_of.get(&promql).copied();
            match awaited.entry((promql.clone(), time)) {
                // Asked in this batch, or in an earlier one about the same instant.
                Entry::Occupied(mut replies) => replies.get_mut().push(reply),
                Entry::Vacant(place) => {
                    place.insert(vec![reply]);
                    index_of.insert(promql.clone(), new.len());
                    let flight = Flight { key: (promql, time), awaited: self.awaited.clone(), delivered: false };
                    new.push(Wanted { flight, namespaces: vec![namespace] });
                    continue;
                }
            }
            if let Some(wanted) = index.and_then(|index| new.get_mut(index))
                && !wanted.namespaces.contains(&namespace)
            {
                wanted.namespaces.push(namespace);
            }
        }
        new
    }

    /// Keeps in mind how the members of a group fared that failed.
    pub(super) fn learn(&self, mut fared: Vec<(Arc<str>, Alone)>) {
        // In the order of the text, whatever the order of the answers was.
        fared.sort_by(|one, other| one.0.cmp(&other.0));
        lock(&self.quarantine).learn(&fared, self.started.elapsed());
    }

    /// What is asked together, and what alone.
    fn plan(&self, company: Company, wanted: Vec<Wanted>) -> (Vec<(Joint, Vec<Wanted>)>, Vec<Wanted>) {
        if company.most < 2 || wanted.len() < 2 {
            return (Vec::new(), wanted);
        }
        let queries: Vec<&Arc<str>> = wanted.iter().map(Wanted::promql).collect();
        // Whatever a query does to the planner, it must not take the others' answers away.
        let planned = catch_unwind(AssertUnwindSafe(|| self.planner.join(&queries, company.most)));
        let planned = planned.unwrap_or_else(|_| {
            tracing::error!("Queries could not be planned and are asked one by one; this is a bug");
            Vec::new()
        });
        let mut wanted: Vec<Option<Wanted>> = wanted.into_iter().map(Some).collect();
        let mut joints = Vec::new();
        for joint in planned {
            let sound = joint.members.iter().all(|index| wanted.get(*index).is_some_and(Option::is_some));
            if sound {
                let members: Vec<Wanted> =
                    joint.members.iter().filter_map(|index| wanted.get_mut(*index).and_then(Option::take)).collect();
                joints.push((joint, members));
            }
        }
        (joints, wanted.into_iter().flatten().collect())
    }
}

impl Wanted {
    pub(super) const fn promql(&self) -> &Arc<str> {
        &self.flight.key.0
    }
}

impl Flight {
    /// Tells everybody who waits. Nobody can join any more once this has begun.
    pub(super) fn deliver(mut self, (answer, time): (Result<Answer, Absent>, Timestamp)) {
        let replies = lock(&self.awaited).remove(&self.key).unwrap_or_default();
        self.delivered = true;
        let heard = Arc::new(Heard { answer, time });
        for reply in replies {
            // Whoever asked may have gone away.
            let _ = reply.send(heard.clone());
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        // After a delivery the same may be asked again already.
        if !self.delivered {
            lock(&self.awaited).remove(&self.key);
        }
    }
}

impl Tally {
    pub(super) fn joint(&self, members: usize) {
        self.joints.fetch_add(1, Ordering::Relaxed);
        self.joint_members.fetch_add(u64::try_from(members).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

fn lock<V>(mutex: &Mutex<V>) -> MutexGuard<'_, V> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
