//! An in-memory Kubernetes API behind `kube::Client`, and over HTTP on loopback. Its behaviour is pinned by the suite in
//! `tests/api_suite`, which the real kube-apiserver passes too. Schema and CEL checks of custom resources are not its business.
//!
//! Not modelled: `metadata.managedFields` is kept inside and not shown, finalizers, owner references and their garbage collection,
//! strategic merge (a strategic patch is taken as a merge patch), JSON patches.

mod aggregated;
mod answer;
mod discovery;
mod event;
mod failure;
mod fields;
mod kind;
mod patch;
mod route;
mod rules;
mod select;
mod store;
mod watch;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::future::IntoFuture;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};

pub use aggregated::{Asked, Handler};
use answer::Form;
pub use failure::Failure;
use fields::Manager;
pub use kind::{KINDS, Kind};
use store::{Place, Store, Write};

use crate::clock::Clock;
use crate::engine::Timestamp;

/// Largest body of a request; the real server's limit.
pub const MAX_BODY_BYTES: usize = 3 * 1024 * 1024;

/// An in-memory Kubernetes API. Clones share the same objects.
#[derive(Clone)]
pub struct Kubernetes {
    inner: Arc<Inner>,
}

impl fmt::Debug for Kubernetes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kubernetes").field("version", &self.inner.store().version()).finish_non_exhaustive()
    }
}

struct Inner {
    store: Mutex<Store>,
    now: Box<dyn Fn() -> Timestamp + Send + Sync>,
    changed: tokio::sync::watch::Sender<u64>,
    requests: Mutex<BTreeMap<(String, String), u64>>,
    interceptor: Mutex<Option<Interceptor>>,
    aggregated: Mutex<aggregated::Aggregated>,
}

impl Inner {
    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a request is, as the log and an [`Interceptor`] see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Verb of RBAC: get, list, watch, create, update, patch, delete, deletecollection.
    pub verb: &'static str,
    /// Plural, with `/scale` or `/status` where it is one.
    pub resource: String,
    /// Namespace, where one is named.
    pub namespace: Option<String>,
    /// Name, where one is named.
    pub name: Option<String>,
}

/// What may befall a request before it is looked at.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The server refuses.
    Refuse(Failure),
    /// The answer takes that long.
    Delay(Duration),
    /// The connection breaks.
    Disconnect,
}

/// Decides what befalls a request; `None` lets it pass.
pub type Interceptor = Box<dyn FnMut(&Call) -> Option<Fault> + Send>;

/// The connection broke, as a [`Fault::Disconnect`] asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("connection reset by peer (a fault of the sandbox)")]
pub struct Disconnected;

impl Kubernetes {
    /// An empty cluster with the namespaces `default` and `kube-system`. Time comes from `clock`, uids from `seed`.
    #[must_use]
    pub fn new(clock: impl Clock, seed: u64) -> Self {
        let store = Store::new(seed);
        let kubernetes = Self {
            inner: Arc::new(Inner {
                changed: tokio::sync::watch::Sender::new(store.version()),
                store: Mutex::new(store),
                now: Box::new(move || clock.now()),
                requests: Mutex::new(BTreeMap::new()),
                interceptor: Mutex::new(None),
                aggregated: Mutex::default(),
            }),
        };
        for name in ["default", "kube-system"] {
            // An empty store has no reason to refuse these two.
            drop(kubernetes.create(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})));
        }
        // Like a real server that has been up for a while, it no longer knows its first versions.
        kubernetes.compact();
        kubernetes
    }

    /// A client of this API that makes no connections.
    #[must_use]
    pub fn client(&self, default_namespace: &str) -> kube::Client {
        let kubernetes = self.clone();
        let service = tower::service_fn(move |request: Request<kube::client::Body>| {
            let kubernetes = kubernetes.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect_bytes().await?;
                let answer = kubernetes.call(Request::from_parts(parts, body)).await?;
                Ok::<_, tower::BoxError>(answer)
            }
        });
        kube::Client::new(service, default_namespace)
    }

    /// Serves this API over HTTP on `listener` until `cancel`.
    ///
    /// # Errors
    /// What accepting connections fails with.
    pub async fn serve(
        &self,
        listener: tokio::net::TcpListener,
        cancel: tokio_util::sync::CancellationToken,
    ) -> std::io::Result<()> {
        let kubernetes = self.clone();
        let router = axum::Router::new().fallback(move |request: Request<Body>| {
            let kubernetes = kubernetes.clone();
            async move { kubernetes.call_http(request).await }
        });
        // Watches live long, so serving ends with the token and not with the last connection.
        tokio::select! {
            result = axum::serve(listener, router).into_future() => result,
            () = cancel.cancelled() => Ok(()),
        }
    }

    async fn call_http(&self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let Ok(body) = axum::body::to_bytes(body, MAX_BODY_BYTES).await else {
            let text = format!("Request entity too large: limit is {MAX_BODY_BYTES}");
            return answer::failure(&Failure::new(413, "RequestEntityTooLarge", text));
        };
        match self.call(Request::from_parts(parts, body)).await {
            Ok(answer) => answer,
            Err(Disconnected) => answer::failure(&Failure::new(502, "BadGateway", Disconnected.to_string())),
        }
    }

    /// Answers one request.
    ///
    /// # Errors
    /// Only where an [`Interceptor`] breaks the connection.
    pub async fn call(&self, request: Request<Bytes>) -> Result<Response<Body>, Disconnected> {
        let (parts, body) = request.into_parts();
        let found = self.inner.aggregated.lock().unwrap_or_else(PoisonError::into_inner).find(&parts);
        let call = match &found {
            Some((group, _, asked)) => Some(aggregated_call(group, asked)),
            None => answer::call_of(&parts),
        };
        if let Some(call) = call {
            self.count(&call);
            match self.fault(&call) {
                None => {}
                Some(Fault::Refuse(refusal)) => return Ok(answer::failure(&refusal)),
                Some(Fault::Delay(duration)) => tokio::time::sleep(duration).await,
                Some(Fault::Disconnect) => return Err(Disconnected),
            }
        }
        if let Some((_, handler, asked)) = found {
            let answer = handler(&asked);
            return Ok(answer.map_or_else(|refusal| answer::failure(&refusal), |body| answer::json_answer(200, &body)));
        }
        Ok(answer::answer(self, &parts, &body).unwrap_or_else(|refusal| answer::failure(&refusal)))
    }

    fn group_list(&self) -> Value {
        let aggregated = self.inner.aggregated.lock().unwrap_or_else(PoisonError::into_inner);
        discovery::group_list(aggregated.groups())
    }

    fn count(&self, call: &Call) {
        let mut requests = self.inner.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry((call.verb.to_owned(), call.resource.clone())).or_default() += 1;
    }

    fn fault(&self, call: &Call) -> Option<Fault> {
        let mut interceptor = self.inner.interceptor.lock().unwrap_or_else(PoisonError::into_inner);
        interceptor.as_mut().and_then(|intercept| intercept(call))
    }

    /// How many requests came for each (verb, resource), such as `("update", "deployments/scale")`. Discovery is not counted.
    #[must_use]
    pub fn requests(&self) -> BTreeMap<(String, String), u64> {
        self.inner.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets `interceptor` see each request from now on; `None` takes it away.
    pub fn intercept(&self, interceptor: Option<Interceptor>) {
        *self.inner.interceptor.lock().unwrap_or_else(PoisonError::into_inner) = interceptor;
    }

    /// Lets `handler` answer for an API such as `("metrics.k8s.io", "v1beta1")`; `None` takes it away.
    pub fn aggregate(&self, api: (&str, &str), handler: Option<Handler>) {
        self.inner.aggregated.lock().unwrap_or_else(PoisonError::into_inner).serve(api, handler);
    }

    /// Forgets the history, so that watches from before it get 410 Gone.
    pub fn compact(&self) {
        self.inner.store().compact();
        // Open watches are woken, so that those which are behind notice.
        self.announce();
    }

    fn announce(&self) {
        let version = self.inner.store().version();
        self.inner.changed.send_replace(version);
    }

    fn write(&self, manager: Manager, dry_run: bool) -> Write {
        Write { manager, dry_run, now: (self.inner.now)() }
    }

    /// Creates an object that names its own kind, as a controller inside the cluster would. Not counted as a request.
    ///
    /// # Errors
    /// As the API: unknown kind, taken name, missing namespace, invalid object.
    pub fn create(&self, object: Value) -> Result<Arc<Value>, Failure> {
        let place = place_of(&object)?;
        let write = self.write(sandbox_manager(""), false);
        let created = self.inner.store().create(&place, object, &write);
        self.announce();
        created
    }

    /// The object of a kind, such as `("apps", "deployments")`. Not counted as a request.
    #[must_use]
    pub fn object(&self, (group, plural): (&str, &str), namespace: &str, name: &str) -> Option<Arc<Value>> {
        let kind = KINDS.iter().find(|kind| kind.group == group && kind.plural == plural)?;
        let place = Place { kind, namespace: namespace.to_owned(), name: name.to_owned() };
        self.inner.store().get(&place).ok()
    }

    /// Writes the status of `object`'s namesake, as a controller inside the cluster would. Not counted as a request.
    ///
    /// # Errors
    /// As the API: unknown kind, no such object.
    pub fn set_status(&self, object: &Value, status: Value) -> Result<Arc<Value>, Failure> {
        let place = place_of(object)?;
        let write = self.write(sandbox_manager("status"), false);
        let written = self.inner.store().update(&place, &write, |present, _| {
            let mut next = present.clone();
            rules::set(&mut next, "status", Some(status));
            Ok(next)
        });
        self.announce();
        written
    }

    /// Deletes `object`'s namesake. Not counted as a request.
    ///
    /// # Errors
    /// As the API: unknown kind, no such object.
    pub fn delete(&self, object: &Value) -> Result<(), Failure> {
        let place = place_of(object)?;
        let deleted = self.inner.store().delete(&place, &json!({}), false);
        self.announce();
        deleted.map(|_| ())
    }
}

fn aggregated_call(group: &str, asked: &Asked) -> Call {
    let namespace = match &asked.steps[..] {
        [first, namespace, ..] if first == "namespaces" => Some(namespace.clone()),
        _ => None,
    };
    Call { verb: "get", resource: group.to_owned(), namespace, name: None }
}

fn sandbox_manager(subresource: &'static str) -> Manager {
    Manager { name: "sandbox".to_owned(), applies: false, subresource }
}

fn place_of(object: &Value) -> Result<Place, Failure> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let kind = Kind::of(&text(&object["apiVersion"]), &text(&object["kind"])).ok_or_else(Failure::no_resource)?;
    let namespace = match object["metadata"]["namespace"].as_str() {
        _ if !kind.namespaced => String::new(),
        None | Some("") => "default".to_owned(),
        Some(namespace) => namespace.to_owned(),
    };
    Ok(Place { kind, namespace, name: text(&object["metadata"]["name"]) })
}
