//! The policies that exist, resolved once per change, and what each remembers. Fed by the watch; must not do IO.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kube::ResourceExt;

use super::claims::{Claim, Claims};
use super::schedule::{PolicyId, phase};
use crate::api::publish;
use crate::api::query::{MetricQuery, MetricRequest};
use crate::api::spec::{DEFAULT_POLLING_PERIOD_SECONDS, PAUSED_ANNOTATION, PAUSED_REPLICAS_ANNOTATION};
use crate::api::{self, InvalidSpec, Resolved, ScalingPolicy, ScalingPolicyStatus};
use crate::cluster::SeenScale;
use crate::cluster::rivals::WorkloadKey;
use crate::engine::recollection::patience_millis;
use crate::engine::{Mode, Policy, Rescale, Standing, State, Timestamp};
use crate::sources::prometheus::sharing::Asking;
use crate::telemetry::PolicyKey;

/// One policy as a pass sees it: shared, never changed in place.
#[derive(Debug)]
pub struct Subject {
    /// Namespace and name.
    pub key: PolicyKey,
    /// The object's uid.
    pub uid: String,
    /// `metadata.generation`: what status speaks of.
    pub generation: i64,
    /// When the object was created.
    pub created: Timestamp,
    /// The policy, or everything that is wrong with it.
    pub resolved: Result<Resolved, InvalidSpec>,
    /// The resolved policy again, for reports that outlive this subject.
    pub policy: Option<Arc<Policy>>,
    /// For each Prometheus metric its name, and a word that is the same wherever a request is shared.
    pub requests: Arc<[(Arc<str>, String)]>,
    /// The object has changed or is gone since. Set by the loop alone.
    superseded: AtomicBool,
}

/// What is remembered of a policy from one pass to the next.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    /// The engine's memory.
    pub state: State,
    /// The status that the API server holds, as last written by us, or as found at the start.
    pub status: Option<Arc<ScalingPolicyStatus>>,
    /// The decision that `status` tells, where it tells one without a write.
    pub told: Option<publish::Told>,
    /// What `status` tells of the recommendations before this process has been taken in, once, at the first size that was seen.
    pub recalled: bool,
    /// The last change of size.
    pub last_scale: Option<Timestamp>,
    /// A write whose answer never came.
    pub unconfirmed: Option<Unconfirmed>,
    /// Passes that failed in a row.
    pub failures: u32,
}

/// A write whose answer never came: it counts as done once the size is seen to be what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unconfirmed {
    /// What was asked for.
    pub rescale: Rescale,
    /// The version that it was asked of: while the workload still has it, the write may yet land, and afterwards no more.
    pub resource_version: String,
}

impl Memory {
    /// Takes in what the size that is seen says of a write whose answer never came.
    pub fn confirm(&mut self, policy: &Policy, seen: &SeenScale) {
        let landed = |unconfirmed: &Unconfirmed| {
            let changed = seen.resource_version != unconfirmed.resource_version;
            changed.then_some(seen.replicas.spec == unconfirmed.rescale.to)
        };
        if let Some(unconfirmed) = self.unconfirmed.take_if(|unconfirmed| landed(unconfirmed).is_some())
            && landed(&unconfirmed) == Some(true)
        {
            self.record(policy, unconfirmed.rescale);
        }
    }

    /// Takes in, at the first size that is seen, what the status tells of the recommendations before this process; later, that nobody
    /// looked for a while.
    pub fn recall(&mut self, subject: &Subject, resolved: &Resolved, (current, now): (i32, Timestamp)) {
        let (policy, period_seconds) = (&resolved.policy, resolved.polling_period_seconds);
        let standing = Standing { policy, current, now };
        if std::mem::replace(&mut self.recalled, true) {
            self.state.notice_absence(standing, patience_millis(policy, period_seconds));
        } else if let Some(status) = &self.status {
            let rhythm = (standing, subject.generation, period_seconds);
            publish::recall(&mut self.state, status, rhythm);
        }
    }

    /// Takes in a change of size that is known to be done.
    pub fn record(&mut self, policy: &Policy, rescale: Rescale) {
        self.state.record_rescale(policy, rescale);
        self.last_scale = Some(rescale.at);
        self.unconfirmed = None;
    }
}

/// One policy and its memory.
#[derive(Debug)]
pub struct Entry {
    /// The policy.
    pub subject: Arc<Subject>,
    /// What the last pass left.
    pub memory: Memory,
    /// What of the object a pass depends on; a change of anything else, such as our own status, is no reason to decide.
    fingerprint: Fingerprint,
}

#[derive(Debug, PartialEq, Eq)]
struct Fingerprint {
    generation: i64,
    annotations: BTreeMap<String, String>,
}

/// What the watch told that the schedule has to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A policy to look at now.
    Due(PolicyId),
    /// A policy that is gone.
    Gone(PolicyId),
}

/// All policies.
#[derive(Debug, Default)]
pub struct Registry {
    entries: HashMap<PolicyId, Entry>,
    by_key: BTreeMap<PolicyKey, PolicyId>,
    next_id: u64,
    /// Policies seen by the list that is running; `None` outside of one.
    listed: Option<Vec<PolicyKey>>,
}

impl Registry {
    /// The entry of `id`, while it exists.
    pub fn get_mut(&mut self, id: PolicyId) -> Option<&mut Entry> {
        self.entries.get_mut(&id)
    }

    /// The policies whose last pass failed, in no order.
    pub fn failing(&self) -> impl Iterator<Item = (PolicyId, &Entry)> {
        self.entries.iter().filter(|(_, entry)| entry.memory.failures > 0).map(|(id, entry)| (*id, entry))
    }

    /// There is a policy of `key`.
    #[must_use]
    pub fn contains(&self, key: &PolicyKey) -> bool {
        self.by_key.contains_key(key)
    }

    /// A whole list of policies begins.
    pub fn begin_list(&mut self) {
        self.listed = Some(Vec::new());
    }

    /// The list is whole: what it did not name is gone.
    pub fn end_list(&mut self) -> Vec<(PolicyKey, PolicyId)> {
        let mut listed = self.listed.take().unwrap_or_default();
        listed.sort();
        let gone: Vec<PolicyKey> =
            self.by_key.keys().filter(|key| listed.binary_search(key).is_err()).cloned().collect();
        gone.into_iter().filter_map(|key| self.remove(&key).map(|id| (key, id))).collect()
    }

    /// Takes in an object. Answers with what changed; nothing where only status or foreign metadata did.
    pub fn apply(&mut self, object: &ScalingPolicy) -> Vec<Change> {
        let key = key_of(object);
        if let Some(listed) = &mut self.listed {
            listed.push(key.clone());
        }
        let fingerprint = Fingerprint {
            generation: object.metadata.generation.unwrap_or(0),
            annotations: object
                .annotations()
                .iter()
                .filter(|(name, _)| [PAUSED_ANNOTATION, PAUSED_REPLICAS_ANNOTATION].contains(&name.as_str()))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        };
        let uid = object.uid().unwrap_or_default();
        let known = self.by_key.get(&key).and_then(|id| Some((*id, self.entries.get_mut(id)?)));
        match known {
            Some((id, entry)) if entry.subject.uid == uid => {
                if entry.fingerprint == fingerprint {
                    return Vec::new();
                }
                entry.fingerprint = fingerprint;
                entry.subject.supersede();
                entry.subject = Arc::new(Subject::new(key, object));
                // A changed policy is a new chance: its failures were the old one's.
                entry.memory.failures = 0;
                vec![Change::Due(id)]
            }
            Some((old, _)) => {
                // Deleted and created again under the same name: nothing of the old one's memory belongs to it.
                self.remove(&key);
                vec![Change::Gone(old), Change::Due(self.insert(key, object, fingerprint))]
            }
            None => vec![Change::Due(self.insert(key, object, fingerprint))],
        }
    }

    /// Forgets the policy of `key`.
    pub fn remove(&mut self, key: &PolicyKey) -> Option<PolicyId> {
        let id = self.by_key.remove(key)?;
        if let Some(entry) = self.entries.remove(&id) {
            entry.subject.supersede();
        }
        Some(id)
    }

    fn insert(&mut self, key: PolicyKey, object: &ScalingPolicy, fingerprint: Fingerprint) -> PolicyId {
        let id = PolicyId(self.next_id);
        self.next_id += 1;
        let status = object.status.clone();
        let last_scale = status
            .as_ref()
            .and_then(|status| status.last_scale_time.as_ref())
            .map(|time| Timestamp::from_millis(time.0.as_millisecond()));
        let subject = Arc::new(Subject::new(key.clone(), object));
        let state = match (&subject.policy, &status) {
            (Some(policy), Some(status)) => publish::restored(policy, status),
            _ => State::default(),
        };
        let memory = Memory { state, status: status.map(Arc::new), last_scale, ..Memory::default() };
        self.by_key.insert(key, id);
        self.entries.insert(id, Entry { subject, memory, fingerprint });
        id
    }
}

/// The words of the requests that a policy's metrics are asked in.
fn requests(key: &PolicyKey, (resolved, uid): (&Resolved, &str)) -> Arc<[(Arc<str>, String)]> {
    let period_millis = u64::try_from(resolved.polling_period_seconds).unwrap_or(1) * 1000;
    let (namespace, policy): (Arc<str>, Arc<str>) = (key.namespace.as_str().into(), key.name.as_str().into());
    let word = |query: &MetricQuery| {
        let rhythm = (period_millis, phase(uid, period_millis));
        Asking { namespace: namespace.clone(), policy: policy.clone(), query: query.clone(), rhythm }.request_word()
    };
    let metrics = resolved.policy.metrics.iter().zip(&resolved.requests);
    metrics
        .filter_map(|(metric, request)| match request {
            MetricRequest::Prometheus(query) => Some((metric.name.clone(), word(query))),
            _ => None,
        })
        .collect()
}

impl Subject {
    fn new(key: PolicyKey, object: &ScalingPolicy) -> Self {
        let resolved = api::resolve(object);
        let uid = object.uid().unwrap_or_default();
        let requests = resolved.as_ref().map(|resolved| requests(&key, (resolved, &uid))).unwrap_or_default();
        Self {
            key,
            uid,
            requests,
            generation: object.metadata.generation.unwrap_or(0),
            created: created(object),
            policy: resolved.as_ref().ok().map(|resolved| Arc::new(resolved.policy.clone())),
            resolved,
            superseded: AtomicBool::new(false),
        }
    }

    /// The object has changed or is gone since: what was decided by this subject must not be written any more.
    #[must_use]
    pub fn is_superseded(&self) -> bool {
        self.superseded.load(Ordering::Acquire)
    }

    /// This policy may write to its workload.
    #[must_use]
    pub fn writes(&self) -> bool {
        self.resolved.as_ref().is_ok_and(|resolved| match resolved.policy.mode {
            Mode::Auto | Mode::Paused { replicas: Some(_) } => true,
            Mode::DryRun | Mode::Paused { replicas: None } => false,
        })
    }

    /// Some metric of this policy has a value per pod. Nothing is watched, and nothing can overlap, for policies that need no pods.
    #[must_use]
    pub fn needs_pods(&self) -> bool {
        self.policy.as_ref().is_some_and(|policy| policy.metrics.iter().any(|metric| metric.kind.is_per_pod()))
    }

    /// Claims the workload that this policy would write to. One that only watches, or is invalid, claims none.
    pub fn claim(&self, claims: &Claims) {
        match self.resolved.as_ref().ok().filter(|_| self.writes()) {
            Some(resolved) => {
                let workload = WorkloadKey::new(&self.key.namespace, &resolved.target);
                claims.claim(workload, Claim { created: self.created, policy: self.key.clone() });
            }
            None => claims.release(&self.key),
        }
    }

    fn supersede(&self) {
        self.superseded.store(true, Ordering::Release);
    }

    /// The polling period in milliseconds; the default where the spec is invalid.
    #[must_use]
    pub fn period_millis(&self) -> u64 {
        let seconds = self.resolved.as_ref().map_or(DEFAULT_POLLING_PERIOD_SECONDS, |r| r.polling_period_seconds);
        u64::try_from(seconds).unwrap_or(1).max(1) * 1000
    }
}

fn created(object: &ScalingPolicy) -> Timestamp {
    let created = object.creation_timestamp().map_or(0, |time| time.0.as_millisecond());
    Timestamp::from_millis(created)
}

/// Namespace and name of an object.
#[must_use]
pub fn key_of(object: &impl ResourceExt) -> PolicyKey {
    PolicyKey { namespace: object.namespace().unwrap_or_default(), name: object.name_any() }
}
