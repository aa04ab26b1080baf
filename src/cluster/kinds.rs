//! Which kinds can be scaled, and under which path: discovery with a memory. Never guesses a plural.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kube::Client;
use kube::api::ApiResource;
use kube::discovery::{self, ApiCapabilities, Scope};
use kube::error::DiscoveryError;
use tokio::time::Instant;

use super::{ClusterError, REQUEST_DEADLINE};
use crate::api::TargetRef;

/// How long a found kind is believed: kinds hardly ever change.
const FOUND_FOR: Duration = Duration::from_secs(600);
/// How long a missing kind is believed: somebody may be installing it right now.
const MISSING_FOR: Duration = Duration::from_secs(30);
/// Most kinds remembered. A cluster has a few hundred; the bound keeps hostile policies from filling memory.
const MAX_KINDS: usize = 1_000;

/// Finds the resource behind `apiVersion` and `kind`, and remembers it.
pub struct Kinds {
    client: Client,
    known: Mutex<HashMap<(String, String), Arc<Known>>>,
}

/// What is known of one kind, and until when. Locked over the request on purpose: a thousand policies of one new kind ask once, and
/// those of other kinds wait for nobody.
type Known = tokio::sync::Mutex<Option<(Instant, Result<ApiResource, ClusterError>)>>;

impl Kinds {
    /// An empty memory over `client`.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client, known: Mutex::new(HashMap::new()) }
    }

    /// The namespaced resource with a `scale` subresource that `target` names.
    ///
    /// # Errors
    /// [`ClusterError::InvalidApiVersion`], [`ClusterError::UnknownKind`], [`ClusterError::NotScalable`], or what kept the API server from answering.
    pub async fn scalable(&self, target: &TargetRef) -> Result<ApiResource, ClusterError> {
        let known = self.known(target);
        let timeout = || ClusterError::Timeout { seconds: REQUEST_DEADLINE.as_secs() };
        let mut known = tokio::time::timeout(REQUEST_DEADLINE, known.lock()).await.map_err(|_| timeout())?;
        if let Some((until, answer)) = &*known
            && *until > Instant::now()
        {
            return answer.clone();
        }
        let looked = tokio::time::timeout(REQUEST_DEADLINE, self.discover(target)).await;
        let answer = match (looked.unwrap_or_else(|_| Err(timeout())), known.take()) {
            // What was found before is a better guess than nothing: a broken discovery must not keep a workload from growing.
            (Err(error), Some((_, Ok(found)))) if Self::believed_for(&Err(error.clone())).is_none() => {
                *known = Some((Instant::now() + MISSING_FOR, Ok(found.clone())));
                return Ok(found);
            }
            (answer, _) => answer,
        };
        *known = Self::believed_for(&answer).map(|time| (Instant::now() + time, answer.clone()));
        answer
    }

    fn known(&self, target: &TargetRef) -> Arc<Known> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (target.api_version.clone(), target.kind.clone());
        if known.len() >= MAX_KINDS && !known.contains_key(&key) {
            known.clear();
        }
        known.entry(key).or_default().clone()
    }

    const fn believed_for(answer: &Result<ApiResource, ClusterError>) -> Option<Duration> {
        match answer {
            Ok(_) => Some(FOUND_FOR),
            Err(ClusterError::UnknownKind { .. } | ClusterError::NotScalable { .. }) => Some(MISSING_FOR),
            Err(_) => None,
        }
    }

    async fn discover(&self, target: &TargetRef) -> Result<ApiResource, ClusterError> {
        let unknown =
            || ClusterError::UnknownKind { api_version: target.api_version.clone(), kind: target.kind.clone() };
        let version = target
            .api_version
            .parse()
            .map_err(|_| ClusterError::InvalidApiVersion { api_version: target.api_version.clone() })?;
        let group = match discovery::pinned_group(&self.client, &version).await {
            Ok(group) => group,
            Err(kube::Error::Discovery(DiscoveryError::MissingApiGroup(_))) => return Err(unknown()),
            Err(kube::Error::Api(status)) if status.code == 404 => return Err(unknown()),
            Err(error) => return Err(ClusterError::from(error)),
        };
        let (resource, capabilities) = group
            .versioned_resources(&version.version)
            .into_iter()
            .find(|(resource, _)| resource.kind == target.kind)
            .ok_or_else(unknown)?;
        if scales(&capabilities) {
            Ok(resource)
        } else {
            Err(ClusterError::NotScalable { api_version: target.api_version.clone(), kind: target.kind.clone() })
        }
    }
}

fn scales(capabilities: &ApiCapabilities) -> bool {
    capabilities.scope == Scope::Namespaced && capabilities.subresources.iter().any(|(sub, _)| sub.plural == "scale")
}
