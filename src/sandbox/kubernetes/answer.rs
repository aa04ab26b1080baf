//! One request to one answer: reads, creation, replacement, deletion, and the form in which objects are shown.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use futures::StreamExt;
use http::request::Parts;
use http::{Method, Response};
use serde_json::{Value, json};

use super::failure::Failure;
use super::fields::Manager;
use super::kind::Kind;
use super::patch::with_scale;
use super::route::{self, Query, Route};
use super::store::{Key, Place};
use super::watch::{self, Span, Wanted};
use super::{Call, Kubernetes, discovery, event, rules};

/// The form in which a client wants to see objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Whole.
    Full,
    /// Metadata only (`PartialObjectMetadata`).
    Metadata,
}

impl Form {
    fn of(parts: &Parts) -> Self {
        let accept = route::accept(parts);
        if accept.contains("as=PartialObjectMetadata") { Self::Metadata } else { Self::Full }
    }

    pub(super) fn show(self, kind: &Kind, object: &Value) -> Value {
        match self {
            Self::Full if kind.is_core_event() => event::to_core(object),
            Self::Full => object.clone(),
            Self::Metadata => json!({
                "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"],
            }),
        }
    }
}

/// What a request is, where it is about objects.
pub(super) fn call_of(parts: &Parts) -> Option<Call> {
    let Ok(Route::Objects { kind, namespace, name, subresource }) = Route::of(parts) else { return None };
    let watch = Query::of(parts).is_ok_and(|query| query.watch);
    let verb = route::verb(&parts.method, name.is_some(), watch)?;
    let separator = if subresource.is_empty() { "" } else { "/" };
    Some(Call { verb, resource: format!("{}{separator}{subresource}", kind.plural), namespace, name })
}

/// The answer that carries a failure.
pub(super) fn failure(failure: &Failure) -> Response<Body> {
    json_answer(failure.code, &failure.status())
}

pub(super) fn json_answer(code: u16, value: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(value.to_string()));
    *response.status_mut() = http::StatusCode::from_u16(code).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}

/// Answers `parts` with `body`.
pub(super) fn answer(kubernetes: &Kubernetes, parts: &Parts, body: &[u8]) -> Result<Response<Body>, Failure> {
    let document = match Route::of(parts)? {
        Route::Objects { kind, namespace, name, subresource } => {
            let subject = Subject { kubernetes, kind, namespace, subresource, parts, body, query: Query::of(parts)? };
            return match name {
                None => subject.collection(),
                Some(name) => subject.named(&name),
            };
        }
        Route::Health => return Ok(Response::new(Body::from("ok"))),
        Route::Groups { core, aggregated: true } => {
            let mut response = json_answer(200, &discovery::aggregated(core));
            let form = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
            response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(form));
            return Ok(response);
        }
        Route::Groups { core: true, .. } => Some(discovery::core_versions()),
        Route::Groups { core: false, .. } => Some(kubernetes.group_list()),
        Route::Group(name) => discovery::group(&name),
        Route::Resources { group, version } => discovery::resource_list(&group, &version),
        Route::Version => Some(json!({"major": "1", "minor": "36", "gitVersion": "v1.36.3+flyball-sandbox"})),
    };
    let document = document.ok_or_else(Failure::no_resource)?;
    if parts.method == Method::GET { Ok(json_answer(200, &document)) } else { Err(Failure::method_not_allowed()) }
}

/// A request about objects of one kind.
pub(super) struct Subject<'a> {
    pub(super) kubernetes: &'a Kubernetes,
    pub(super) kind: &'static Kind,
    pub(super) namespace: Option<String>,
    pub(super) subresource: &'static str,
    pub(super) parts: &'a Parts,
    pub(super) body: &'a [u8],
    pub(super) query: Query,
}

impl Subject<'_> {
    fn collection(&self) -> Result<Response<Body>, Failure> {
        match route::verb(&self.parts.method, false, self.query.watch) {
            Some("list") => Ok(json_answer(200, &self.list()?)),
            Some("watch") => Ok(self.watch()),
            Some("create") if self.namespace.is_some() == self.kind.namespaced => self.create(),
            Some("deletecollection") if self.namespace.is_some() == self.kind.namespaced => self.delete_collection(),
            _ => Err(Failure::method_not_allowed()),
        }
    }

    fn named(&self, name: &str) -> Result<Response<Body>, Failure> {
        let namespace = self.namespace.clone().unwrap_or_default();
        let place = Place { kind: self.kind, namespace, name: name.to_owned() };
        match route::verb(&self.parts.method, true, false) {
            Some("get") => {
                let object = self.kubernetes.inner.store().get(&place)?;
                Ok(json_answer(200, &self.show(&object)))
            }
            Some("update") => self.replace(&place),
            Some("patch") => self.patch(&place),
            Some("delete") if self.subresource.is_empty() => self.delete(&place),
            _ => Err(Failure::method_not_allowed()),
        }
    }

    pub(super) fn show(&self, object: &Value) -> Value {
        if self.subresource == "scale" {
            return rules::scale_of(object);
        }
        Form::of(self.parts).show(self.kind, object)
    }

    fn list(&self) -> Result<Value, Failure> {
        let store = self.kubernetes.inner.store();
        let (version, after) = match page_token(&self.query.continue_token)? {
            Some((version, after)) => (version, Some(after)),
            None if self.query.exact => (self.query.resource_version.unwrap_or_else(|| store.version()), None),
            None => (store.version(), None),
        };
        let objects = store.snapshot(self.kind, version)?;
        let selected: Vec<(&Key, &Arc<Value>)> = objects
            .iter()
            .filter(|(key, _)| self.namespace.as_ref().is_none_or(|namespace| *namespace == key.0))
            .filter(|(key, _)| after.as_ref().is_none_or(|after| *key > after))
            .filter(|(_, object)| self.query.selector.matches(object))
            .collect();
        let limit = if self.query.limit == 0 { usize::MAX } else { self.query.limit };
        let mut metadata = json!({"resourceVersion": version.to_string()});
        if let Some((last, _)) = selected.get(limit.wrapping_sub(1)).filter(|_| selected.len() > limit) {
            metadata["continue"] = format!("{version}/{}/{}", last.0, last.1).into();
            if self.query.selector.is_empty() {
                metadata["remainingItemCount"] = (selected.len() - limit).into();
            }
        }
        let form = Form::of(self.parts);
        let items = selected.into_iter().take(limit).map(|(_, object)| self.item(form, object)).collect::<Vec<_>>();
        Ok(match form {
            Form::Full => json!({
                "kind": format!("{}List", self.kind.kind), "apiVersion": self.kind.api_version(),
                "metadata": metadata, "items": items,
            }),
            Form::Metadata => json!({
                "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "items": items,
            }),
        })
    }

    /// An item of a list; like the real server's, those of built-in kinds do not repeat their kind.
    fn item(&self, form: Form, object: &Value) -> Value {
        let mut item = form.show(self.kind, object);
        if form == Form::Full && !self.kind.custom {
            rules::set(&mut item, "kind", None);
            rules::set(&mut item, "apiVersion", None);
        }
        item
    }

    fn watch(&self) -> Response<Body> {
        let wanted = Wanted {
            kind: self.kind,
            namespace: self.namespace.clone(),
            selector: self.query.selector.clone(),
            form: Form::of(self.parts),
        };
        let span = Span {
            from: self.query.resource_version,
            initial_events: self.query.initial_events,
            bookmarks: self.query.bookmarks,
            timeout: self.query.timeout,
        };
        let lines = watch::stream(&self.kubernetes.inner, wanted, span).map(Ok::<_, Infallible>);
        let mut response = Response::new(Body::from_stream(lines));
        response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        response
    }

    pub(super) fn manager(&self, applies: bool) -> Manager {
        let agent = self.parts.headers.get(http::header::USER_AGENT).and_then(|value| value.to_str().ok());
        let agent = agent.and_then(|agent| agent.split('/').next()).filter(|agent| !agent.is_empty());
        let name = self.query.field_manager.clone().unwrap_or_else(|| agent.unwrap_or("unknown").to_owned());
        let subresource = if self.subresource == "status" { "status" } else { "" };
        Manager { name, applies, subresource }
    }

    pub(super) fn json_body(&self) -> Result<Value, Failure> {
        let parsed: Value = serde_json::from_slice(self.body)
            .map_err(|error| Failure::bad_request(format!("the object provided is unrecognized: {error}")))?;
        if parsed.is_object() { Ok(parsed) } else { Err(Failure::bad_request("the body is not an object")) }
    }

    /// Refuses a body that speaks of another object than the URL.
    pub(super) fn check_identity(&self, place: &Place, body: &Value) -> Result<(), Failure> {
        let scale = self.subresource == "scale";
        let kind = if scale { "Scale" } else { self.kind.kind };
        let api_version = if scale { "autoscaling/v1".to_owned() } else { self.kind.api_version() };
        let differs =
            |value: &Value, wanted: &str| value.as_str().is_some_and(|text| !text.is_empty() && text != wanted);
        let metadata = &body["metadata"];
        if differs(&body["kind"], kind) || differs(&body["apiVersion"], &api_version) {
            return Err(Failure::bad_request(format!(
                "the API version or kind in the data does not match the expected {api_version}, Kind={kind}"
            )));
        }
        if place.kind.namespaced && differs(&metadata["namespace"], &place.namespace) {
            return Err(Failure::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
        if !place.name.is_empty() && differs(&metadata["name"], &place.name) {
            return Err(Failure::bad_request(format!(
                "the name of the object ({}) does not match the name on the URL ({})",
                metadata["name"].as_str().unwrap_or_default(),
                place.name
            )));
        }
        Ok(())
    }

    fn create(&self) -> Result<Response<Body>, Failure> {
        let body = self.json_body()?;
        let namespace = self.namespace.clone().unwrap_or_default();
        let place = Place { kind: self.kind, namespace, name: String::new() };
        self.check_identity(&place, &body)?;
        let body = if self.kind.is_core_event() { event::from_core(&body) } else { body };
        let write = self.kubernetes.write(self.manager(false), self.query.dry_run);
        let created = self.kubernetes.inner.store().create(&place, body, &write)?;
        self.kubernetes.announce();
        Ok(json_answer(201, &self.show(&created)))
    }

    fn replace(&self, place: &Place) -> Result<Response<Body>, Failure> {
        let body = self.json_body()?;
        self.check_identity(place, &body)?;
        if body["metadata"]["name"].as_str().is_none_or(str::is_empty) {
            return Err(Failure::bad_request("name must be provided"));
        }
        self.update(
            place,
            |present| if self.subresource == "scale" { with_scale(place, present, &body) } else { Ok(body) },
        )
    }

    pub(super) fn update(
        &self,
        place: &Place,
        edit: impl FnOnce(&Value) -> Result<Value, Failure>,
    ) -> Result<Response<Body>, Failure> {
        let write = self.kubernetes.write(self.manager(false), self.query.dry_run);
        let updated = self.kubernetes.inner.store().update(place, &write, |present, _| {
            if self.kind.is_core_event() {
                edit(&event::to_core(present)).map(|event| event::from_core(&event))
            } else {
                edit(present)
            }
        })?;
        self.kubernetes.announce();
        Ok(json_answer(200, &self.show(&updated)))
    }

    fn delete(&self, place: &Place) -> Result<Response<Body>, Failure> {
        let options = if self.body.is_empty() { json!({}) } else { self.json_body()? };
        let dry_run = self.query.dry_run || options["dryRun"].as_array().is_some_and(|values| !values.is_empty());
        let deleted = self.kubernetes.inner.store().delete(place, &options["preconditions"], dry_run)?;
        self.kubernetes.announce();
        let mut details = json!({"name": place.name, "kind": self.kind.plural, "uid": deleted["metadata"]["uid"]});
        if !self.kind.group.is_empty() {
            details["group"] = self.kind.group.into();
        }
        Ok(json_answer(
            200,
            &json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details,
            }),
        ))
    }

    fn delete_collection(&self) -> Result<Response<Body>, Failure> {
        let list = self.list()?;
        let mut store = self.kubernetes.inner.store();
        for item in list["items"].as_array().into_iter().flatten() {
            let name = item["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            let place = Place { kind: self.kind, namespace: self.namespace.clone().unwrap_or_default(), name };
            store.delete(&place, &json!({}), self.query.dry_run)?;
        }
        drop(store);
        self.kubernetes.announce();
        Ok(json_answer(200, &list))
    }
}

/// Version and last key of the page before; tokens are `VERSION/NAMESPACE/NAME`.
fn page_token(token: &str) -> Result<Option<(u64, Key)>, Failure> {
    if token.is_empty() {
        return Ok(None);
    }
    let mut parts = token.splitn(3, '/');
    let parsed = (|| Some((parts.next()?.parse().ok()?, (parts.next()?.to_owned(), parts.next()?.to_owned()))))();
    parsed.map(Some).ok_or_else(|| Failure::bad_request("continue key is not valid"))
}
