//! Which policies would write to which workload. Two that would write to one are not let fight: the elder drives, the younger holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use crate::cluster::rivals::WorkloadKey;
use crate::engine::Timestamp;
use crate::telemetry::PolicyKey;

/// One policy's claim to a workload. Ordered by age; the name decides between policies of one second, the finest that the API server tells.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// When the policy was created.
    pub created: Timestamp,
    /// The policy.
    pub policy: PolicyKey,
}

/// All claims. Written by the loop alone, read by passes.
#[derive(Debug, Default)]
pub struct Claims {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    by_workload: BTreeMap<WorkloadKey, BTreeSet<Claim>>,
    by_policy: BTreeMap<PolicyKey, (WorkloadKey, Claim)>,
}

impl Claims {
    /// The policy claims `workload`, and nothing else any more.
    pub fn claim(&self, workload: WorkloadKey, claim: Claim) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.release(&claim.policy);
        inner.by_workload.entry(workload.clone()).or_default().insert(claim.clone());
        inner.by_policy.insert(claim.policy.clone(), (workload, claim));
    }

    /// The policy claims nothing any more.
    pub fn release(&self, policy: &PolicyKey) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).release(policy);
    }

    /// The elder policy that drives what `policy` claims.
    #[must_use]
    pub fn elder(&self, policy: &PolicyKey) -> Option<PolicyKey> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let (workload, claim) = inner.by_policy.get(policy)?;
        let eldest = inner.by_workload.get(workload)?.first()?;
        (eldest != claim).then(|| eldest.policy.clone())
    }
}

impl Inner {
    fn release(&mut self, policy: &PolicyKey) {
        let Some((workload, claim)) = self.by_policy.remove(policy) else { return };
        if let Some(claims) = self.by_workload.get_mut(&workload) {
            claims.remove(&claim);
            if claims.is_empty() {
                self.by_workload.remove(&workload);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::TargetRef;

    fn workload(name: &str, version: &str) -> WorkloadKey {
        let api_version = format!("apps/{version}");
        WorkloadKey::new("shop", &TargetRef { api_version, kind: "Deployment".into(), name: name.into() })
    }

    fn key(name: &str) -> PolicyKey {
        PolicyKey { namespace: "shop".into(), name: name.into() }
    }

    fn claim(claims: &Claims, name: &str, created_seconds: i64, workload: WorkloadKey) {
        claims.claim(workload, Claim { created: Timestamp::from_millis(created_seconds * 1000), policy: key(name) });
    }

    #[test]
    fn the_elder_drives_and_the_next_follows_when_it_goes() {
        let claims = Claims::default();
        claim(&claims, "young", 20, workload("web", "v1"));
        claim(&claims, "old", 10, workload("web", "v1beta2"));
        claim(&claims, "other", 5, workload("api", "v1"));
        assert_eq!(claims.elder(&key("young")), Some(key("old")), "whatever version names the workload");
        assert_eq!(claims.elder(&key("old")), None);
        assert_eq!(claims.elder(&key("other")), None);
        claims.release(&key("old"));
        assert_eq!(claims.elder(&key("young")), None);
    }

    #[test]
    fn a_policy_that_turns_to_another_workload_leaves_the_first() {
        let claims = Claims::default();
        claim(&claims, "a", 10, workload("web", "v1"));
        claim(&claims, "b", 20, workload("web", "v1"));
        claim(&claims, "a", 10, workload("api", "v1"));
        assert_eq!(claims.elder(&key("b")), None);
    }

    #[test]
    fn policies_of_one_second_are_told_apart_by_name() {
        let claims = Claims::default();
        claim(&claims, "b", 10, workload("web", "v1"));
        claim(&claims, "a", 10, workload("web", "v1"));
        assert_eq!(claims.elder(&key("b")), Some(key("a")));
        assert_eq!(claims.elder(&key("a")), None);
    }
}
