//! Patches: merge and server-side apply, of objects, their status and their scale.

use axum::body::Body;
use http::Response;
use serde_json::Value;

use super::answer::{Subject, json_answer};
use super::failure::Failure;
use super::store::Place;
use super::{fields, rules};

impl Subject<'_> {
    pub(super) fn patch(&self, place: &Place) -> Result<Response<Body>, Failure> {
        let form = self.parts.headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        match form.unwrap_or_default().split(';').next().unwrap_or_default() {
            "application/merge-patch+json" | "application/strategic-merge-patch+json" => {
                let patch = self.json_body()?;
                self.update(place, |present| self.patched(place, present, &patch))
            }
            "application/apply-patch+yaml" => self.apply(place),
            other => Err(Failure::new(
                415,
                "UnsupportedMediaType",
                format!(
                    "the body of the request was in an unknown format - the sandbox accepts merge and apply patches, not {other:?}"
                ),
            )),
        }
    }

    fn patched(&self, place: &Place, present: &Value, patch: &Value) -> Result<Value, Failure> {
        if self.subresource == "scale" {
            let mut scale = rules::scale_of(present);
            fields::merge_patch(&mut scale, patch);
            return with_scale(place, present, &scale);
        }
        let mut next = present.clone();
        fields::merge_patch(&mut next, patch);
        self.check_identity(place, &next)?;
        Ok(next)
    }

    fn apply(&self, place: &Place) -> Result<Response<Body>, Failure> {
        if self.query.field_manager.as_ref().is_none_or(String::is_empty) {
            let problem = ("FieldValueRequired", "Required value: is required for apply patch");
            return Err(Failure::invalid(("meta.k8s.io", "PatchOptions"), "", "fieldManager", problem));
        }
        let mut body = self.applied_body()?;
        self.check_identity(place, &body)?;
        if self.subresource == "scale" {
            return self.update(place, |present| self.patched(place, present, &body));
        }
        if body["kind"].as_str().is_none() || body["apiVersion"].as_str().is_none() {
            return Err(Failure::bad_request("the body of an apply patch must have apiVersion and kind"));
        }
        if body["metadata"].get("managedFields").is_some_and(|fields| !fields.is_null()) {
            return Err(Failure::bad_request("metadata.managedFields must be nil"));
        }
        let manager = self.manager(true);
        let write = self.kubernetes.write(manager.clone(), self.query.dry_run);
        let mut store = self.kubernetes.inner.store();
        if self.subresource.is_empty() && store.get(place).is_err() {
            body["metadata"]["name"] = place.name.clone().into();
            let created = store.create(place, body, &write)?;
            drop(store);
            self.kubernetes.announce();
            return Ok(json_answer(201, &self.show(&created)));
        }
        let config = rules::ownable(&body, manager.subresource);
        let updated = store.update(place, &write, |present, owners| {
            let live = rules::ownable(present, manager.subresource);
            let merged = fields::apply((&live, owners), &config, &manager, self.query.force)
                .map_err(|conflicts| Failure::apply_conflict(&conflicts))?;
            Ok(with_part(present, &merged, &body, manager.subresource))
        })?;
        drop(store);
        self.kubernetes.announce();
        Ok(json_answer(200, &self.show(&updated)))
    }

    /// The body of an apply patch: JSON, or else YAML.
    fn applied_body(&self) -> Result<Value, Failure> {
        if let Ok(body) = self.json_body() {
            return Ok(body);
        }
        let text = std::str::from_utf8(self.body).map_err(|error| Failure::bad_request(error.to_string()))?;
        let body: Value = serde_saphyr::from_str(text)
            .map_err(|error| Failure::bad_request(format!("error decoding YAML: {error}")))?;
        if body.is_object() { Ok(body) } else { Err(Failure::bad_request("the body is not an object")) }
    }
}

/// `present` with the merged half of it; the version and uid that the applier names stay in, as preconditions.
fn with_part(present: &Value, merged: &Value, body: &Value, subresource: &str) -> Value {
    let mut next = present.clone();
    if subresource == "status" {
        rules::set(&mut next, "status", merged.get("status").cloned());
    } else {
        for field in present.as_object().into_iter().flatten().map(|(field, _)| field) {
            if !matches!(field.as_str(), "apiVersion" | "kind" | "metadata" | "status") {
                rules::set(&mut next, field, None);
            }
        }
        for (field, value) in merged.as_object().into_iter().flatten().filter(|(field, _)| *field != "metadata") {
            rules::set(&mut next, field, Some(value.clone()));
        }
        for field in ["labels", "annotations", "finalizers", "ownerReferences"] {
            let value = merged.get("metadata").and_then(|metadata| metadata.get(field)).cloned();
            rules::set(&mut next["metadata"], field, value);
        }
    }
    for field in ["resourceVersion", "uid"] {
        if let Some(named) = body["metadata"].get(field) {
            next["metadata"][field] = named.clone();
        }
    }
    next
}

/// The workload with the replicas of `scale`, and the version that it names as a precondition.
pub(super) fn with_scale(place: &Place, present: &Value, scale: &Value) -> Result<Value, Failure> {
    let replicas = scale["spec"]["replicas"].as_i64().unwrap_or_default();
    if replicas < 0 {
        let text = format!("Invalid value: {replicas}: must be greater than or equal to 0");
        return Err(Failure::invalid(
            ("autoscaling", "Scale"),
            &place.name,
            "spec.replicas",
            ("FieldValueInvalid", &text),
        ));
    }
    let mut next = present.clone();
    next["spec"]["replicas"] = replicas.into();
    if let Some(version) = scale["metadata"]["resourceVersion"].as_str().filter(|version| !version.is_empty()) {
        next["metadata"]["resourceVersion"] = version.into();
    }
    if let Some(uid) = scale["metadata"]["uid"].as_str().filter(|uid| !uid.is_empty()) {
        next["metadata"]["uid"] = uid.into();
    }
    Ok(next)
}
