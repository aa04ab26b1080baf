//! Which policies measure which pods, by the selectors of their workloads. Where two workloads select one pod, each one's metrics count
//! what the other's pods do; HPA stops there (`AmbiguousSelector`). Finds the others; must not decide what follows from it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use super::registry::Subject;
use crate::api::TargetRef;
use crate::api::selector::{InvalidSelector, LabelTest};
use crate::cluster::pods::Labels;
use crate::cluster::rivals::WorkloadKey;
use crate::telemetry::PolicyKey;

/// Others that are looked for: as many names as a sentence can hold, and a bound for what a pass may cost where everything overlaps.
pub(super) const MOST_OTHERS: usize = 4;

/// The selector of each policy whose metrics need pods. As in HPA it is known from the first pass that asked for pods until the policy
/// is gone.
#[derive(Debug, Default)]
pub(crate) struct Selectors {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    by_policy: BTreeMap<PolicyKey, Held>,
    by_namespace: BTreeMap<String, Namespace>,
}

/// One policy's selector.
#[derive(Debug)]
struct Held {
    /// The generation of the policy that it was taken in for: a newer one may name another workload.
    generation: i64,
    text: Arc<str>,
    workload: WorkloadKey,
    test: Arc<LabelTest>,
    /// The requirement by which it is found.
    found_by: Option<(String, Vec<String>)>,
}

/// The policies of one namespace by a label that each pod they select has, so that a pass looks at few of the others.
#[derive(Debug, Default)]
struct Namespace {
    by_label: BTreeMap<String, BTreeMap<String, BTreeSet<PolicyKey>>>,
    /// Those that require no value of any label.
    others: BTreeSet<PolicyKey>,
}

impl Selectors {
    /// Takes in the selector of a policy's workload; answers with its test, read once per change.
    ///
    /// # Errors
    /// Where it is empty or cannot be read. The policy then selects nothing.
    pub(super) fn hold(
        &self,
        subject: &Subject,
        (target, text): (&TargetRef, &str),
    ) -> Result<Arc<LabelTest>, InvalidSelector> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = inner.by_policy.get(&subject.key)
            && held.generation == subject.generation
            && *held.text == *text
        {
            return Ok(held.test.clone());
        }
        inner.release(&subject.key);
        let test = Arc::new(LabelTest::parse(text)?);
        // The loop marks a policy before it releases it, so what is put down under this lock is taken up again.
        if !subject.is_superseded() {
            let workload = WorkloadKey::new(&subject.key.namespace, target);
            let text = text.into();
            let held = Held { generation: subject.generation, text, workload, test: test.clone(), found_by: None };
            inner.hold(&subject.key, held);
        }
        Ok(test)
    }

    /// The policy selects nothing any more.
    pub(super) fn release(&self, policy: &PolicyKey) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).release(policy);
    }

    /// Policies of other workloads that select one of the pods with these labels, sorted, [`MOST_OTHERS`] at most. Two policies of one
    /// workload are not meant: one of them watches, or yields.
    pub(super) fn others(&self, policy: &PolicyKey, pods: &[Arc<Labels>]) -> BTreeSet<PolicyKey> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = BTreeSet::new();
        let Some(own) = inner.by_policy.get(policy) else { return found };
        let Some(namespace) = inner.by_namespace.get(&policy.namespace) else { return found };
        for labels in pods {
            let by_label = labels.iter().filter_map(|(key, value)| namespace.by_label.get(key)?.get(value)).flatten();
            for other in by_label.chain(&namespace.others) {
                let selects = |held: &Held| held.workload != own.workload && held.test.passes(|key| labels.get(key));
                if inner.by_policy.get(other).is_some_and(selects) {
                    found.insert(other.clone());
                }
                if found.len() == MOST_OTHERS {
                    return found;
                }
            }
        }
        found
    }
}

impl Inner {
    fn hold(&mut self, policy: &PolicyKey, mut held: Held) {
        let namespace = self.by_namespace.entry(policy.namespace.clone()).or_default();
        // By the requirement that the fewest others are found by: a label that all workloads of a namespace share finds nobody.
        let found_by = held.test.required().min_by_key(|(key, values)| namespace.found_by(key, values));
        held.found_by = found_by.map(|(key, values)| (key.to_owned(), values.to_vec()));
        match &held.found_by {
            Some((key, values)) => {
                let by_value = namespace.by_label.entry(key.clone()).or_default();
                for value in values {
                    by_value.entry(value.clone()).or_default().insert(policy.clone());
                }
            }
            None => {
                namespace.others.insert(policy.clone());
            }
        }
        self.by_policy.insert(policy.clone(), held);
    }

    fn release(&mut self, policy: &PolicyKey) {
        let Some(held) = self.by_policy.remove(policy) else { return };
        let Some(namespace) = self.by_namespace.get_mut(&policy.namespace) else { return };
        namespace.others.remove(policy);
        if let Some((key, values)) = &held.found_by
            && let Some(by_value) = namespace.by_label.get_mut(key)
        {
            for value in values {
                if by_value.get_mut(value).is_some_and(|policies| policies.remove(policy) && policies.is_empty()) {
                    by_value.remove(value);
                }
            }
            if by_value.is_empty() {
                namespace.by_label.remove(key);
            }
        }
        if namespace.others.is_empty() && namespace.by_label.is_empty() {
            self.by_namespace.remove(&policy.namespace);
        }
    }
}

impl Namespace {
    /// How many policies are found by one of these values.
    fn found_by(&self, key: &str, values: &[String]) -> usize {
        let by_value = self.by_label.get(key);
        values.iter().filter_map(|value| by_value?.get(value)).map(BTreeSet::len).sum()
    }
}

#[cfg(test)]
mod tests;
