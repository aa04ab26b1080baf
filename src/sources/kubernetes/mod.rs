//! Asks Kubernetes' metrics APIs: `metrics.k8s.io`, `custom.metrics.k8s.io` and `external.metrics.k8s.io`, whoever serves them. Owns the
//! deadline, the limits and the words for what is missing; must not decide anything, and never fails: whatever goes wrong is a reading
//! that says what.
//!
//! `transport` carries, `read` judges what came; this file knows the paths.

mod read;
mod transport;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kube::{Client, discovery};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use crate::api::query::{DescribedObject, NamedMetric, PodUsage};
use crate::engine::{Absence, Absent, Reading, Timestamp};
use transport::{Path, Refusal};

/// Time for one reading, the wait for a free slot included: as for Prometheus.
pub const DEADLINE: Duration = Duration::from_secs(5);
/// Requests in flight: the aggregation layer and what stands behind it serve others too.
pub const CONCURRENCY: usize = 32;
/// Size of a body after decompression. 5,000 pods of two containers are about 3 MB.
pub const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;
/// Age in seconds beyond which a sample is stale, as Prometheus' own lookback: metrics-server and adapters renew theirs every minute.
pub const MAX_SAMPLE_AGE_SECONDS: i64 = 300;
/// How long the path of a kind is believed: kinds hardly ever change.
const KIND_KNOWN_FOR: Duration = Duration::from_secs(600);
/// Most kinds remembered, so that hostile policies cannot fill memory.
const MAX_KINDS: usize = 1_000;

/// What serves usage, and how to mend it where nothing does.
const RESOURCE_API: Api =
    Api { group: "metrics.k8s.io", mend: "install metrics-server, or use a metric of type Prometheus" };
/// What serves metrics of pods and objects.
const CUSTOM_API: Api = Api {
    group: "custom.metrics.k8s.io",
    mend: "install an adapter such as prometheus-adapter, or use a metric of type Prometheus",
};
/// What serves metrics from outside.
const EXTERNAL_API: Api = Api {
    group: "external.metrics.k8s.io",
    mend: "install an adapter such as KEDA or prometheus-adapter, or use a metric of type Prometheus",
};

/// One of the metrics APIs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Api {
    group: &'static str,
    mend: &'static str,
}

/// Whose pods are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PodScope<'a> {
    /// Their namespace.
    pub namespace: &'a str,
    /// The label selector that finds them, in Kubernetes' notation.
    pub selector: &'a str,
}

/// The metrics APIs of one cluster.
pub struct MetricsApis {
    client: Client,
    permits: Semaphore,
    /// The adapter of custom metrics serves only the older of the two versions.
    custom_is_old: AtomicBool,
    /// The resource by `apiVersion` and kind, as `deployments.apps`.
    kinds: Mutex<BTreeMap<(String, String), (Instant, String)>>,
}

impl MetricsApis {
    /// Over this client. It should not repeat requests by itself: the next pass does, and until then the reading is missing.
    #[must_use]
    pub const fn new(client: Client) -> Self {
        Self {
            client,
            permits: Semaphore::const_new(CONCURRENCY),
            custom_is_old: AtomicBool::new(false),
            kinds: Mutex::new(BTreeMap::new()),
        }
    }

    /// What each pod uses of a resource (`metrics.k8s.io`).
    pub async fn pod_usage(&self, usage: &PodUsage, scope: PodScope<'_>, at: Timestamp) -> Reading {
        within(async {
            let path = Path::of(RESOURCE_API.group, "v1beta1")
                .below(&["namespaces", scope.namespace, "pods"])
                .with("labelSelector", scope.selector);
            let body = self.get(&path).await.map_err(|refusal| refusal.absent(RESOURCE_API))?;
            read::pod_usage(&body, usage, at)
        })
        .await
    }

    /// A metric of each pod (`custom.metrics.k8s.io`).
    pub async fn pod_metric(&self, metric: &NamedMetric, scope: PodScope<'_>, at: Timestamp) -> Reading {
        within(async {
            let steps = ["namespaces", scope.namespace, "pods", "*", &metric.name];
            let query = [("labelSelector", scope.selector), ("metricLabelSelector", &metric.selector)];
            read::pod_metric(&self.get_custom(&steps, &query).await?, at)
        })
        .await
    }

    /// A metric of one object in `namespace` (`custom.metrics.k8s.io`).
    pub async fn object_metric(
        &self,
        (object, metric): (&DescribedObject, &NamedMetric),
        namespace: &str,
        at: Timestamp,
    ) -> Reading {
        within(async {
            let query = [("metricLabelSelector", &*metric.selector)];
            // A namespace describes itself, and its metrics stand beside its objects.
            let body = if &*object.kind == "Namespace" && &*object.api_version == "v1" {
                self.get_custom(&["namespaces", &object.name, "metrics", &metric.name], &query).await?
            } else {
                let resource = self.resource(object).await?;
                let steps = ["namespaces", namespace, &resource, &object.name, &metric.name];
                self.get_custom(&steps, &query).await?
            };
            read::object_metric(&body, at)
        })
        .await
    }

    /// A metric from outside the cluster, summed over its series (`external.metrics.k8s.io`).
    pub async fn external_metric(&self, metric: &NamedMetric, namespace: &str, at: Timestamp) -> Reading {
        within(async {
            let path = Path::of(EXTERNAL_API.group, "v1beta1")
                .below(&["namespaces", namespace, &metric.name])
                .with("labelSelector", &metric.selector);
            let body = self.get(&path).await.map_err(|refusal| refusal.absent(EXTERNAL_API))?;
            read::external_metric(&body, at)
        })
        .await
    }

    /// Asks in the version that answered last, and in the other where that one is not served.
    async fn get_custom(&self, steps: &[&str], query: &[(&str, &str)]) -> Result<bytes::Bytes, Absent> {
        let is_old = self.custom_is_old.load(Ordering::Relaxed);
        let ask = async |old: bool| {
            let mut path = Path::of(CUSTOM_API.group, if old { "v1beta1" } else { "v1beta2" }).below(steps);
            for (key, value) in query {
                path = path.with(key, value);
            }
            self.get(&path).await
        };
        let answer = match ask(is_old).await {
            Err(refusal) if refusal.is_unserved() => {
                let other = ask(!is_old).await;
                if other.as_ref().is_ok() || other.as_ref().is_err_and(|refusal| !refusal.is_unserved()) {
                    self.custom_is_old.store(!is_old, Ordering::Relaxed);
                }
                other
            }
            answer => answer,
        };
        answer.map_err(|refusal| refusal.absent(CUSTOM_API))
    }

    async fn get(&self, path: &Path) -> Result<bytes::Bytes, Refusal> {
        let Ok(_permit) = self.permits.acquire().await else {
            return Err(Refusal::Unreachable("the client was shut down".into()));
        };
        transport::get(&self.client, path).await
    }

    /// The resource of the object's kind, as paths of custom metrics name it.
    async fn resource(&self, object: &DescribedObject) -> Result<String, Absent> {
        let key = (object.api_version.to_string(), object.kind.to_string());
        {
            let kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((_, resource)) = kinds.get(&key).filter(|(until, _)| *until > Instant::now()) {
                return Ok(resource.clone());
            }
        }
        let unknown = || Absent {
            absence: Absence::BadQuery,
            message: format!(
                "the API server knows no kind {:?} in {:?}; check describedObject (kubectl api-resources lists them)",
                object.kind, object.api_version
            )
            .into(),
        };
        let version = object.api_version.parse().map_err(|_| unknown())?;
        let group = match discovery::pinned_group(&self.client, &version).await {
            Ok(group) => group,
            Err(kube::Error::Api(status)) if status.code != 404 => return Err(Refusal::of(&status).absent(CUSTOM_API)),
            Err(kube::Error::Api(_) | kube::Error::Discovery(_)) => return Err(unknown()),
            Err(error) => return Err(Refusal::Unreachable(error.to_string()).absent(CUSTOM_API)),
        };
        let resources = group.versioned_resources(&version.version);
        let (resource, _) =
            resources.into_iter().find(|(resource, _)| resource.kind == *object.kind).ok_or_else(unknown)?;
        let name = match resource.group.as_str() {
            "" => resource.plural,
            group => format!("{}.{group}", resource.plural),
        };
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        if kinds.len() >= MAX_KINDS {
            kinds.clear();
        }
        kinds.insert(key, (Instant::now() + KIND_KNOWN_FOR, name.clone()));
        Ok(name)
    }
}

/// A reading within the deadline.
async fn within(reading: impl Future<Output = Result<Reading, Absent>>) -> Reading {
    match timeout_at(Instant::now() + DEADLINE, reading).await {
        Ok(Ok(reading)) => reading,
        Ok(Err(absent)) => Reading::Missing(absent),
        Err(_) => {
            Reading::missing(Absence::Timeout, format!("the API server gave no metric within {} s", DEADLINE.as_secs()))
        }
    }
}
