//! APIs that something else than the API server itself serves, such as `metrics.k8s.io`: who answers for a group, and what discovery says
//! of it. Must not know what is served.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Method;
use http::request::Parts;
use serde_json::{Value, json};

use super::failure::Failure;
use super::select::Selector;

/// A GET that an aggregated API is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// The steps of the path behind group and version, as `["namespaces", "shop", "pods"]`.
    pub steps: Vec<String>,
    /// What stands after the `?`, decoded.
    pub query: BTreeMap<String, String>,
}

impl Asked {
    /// Whether the selector in the query's `labelSelector` selects `object`.
    #[must_use]
    pub fn selects(&self, object: &Value) -> bool {
        let labels = self.query.get("labelSelector").map_or("", String::as_str);
        Selector::parse(labels, "").is_ok_and(|selector| selector.matches(object))
    }
}

/// Answers for an API: an object, or why not.
pub type Handler = Arc<dyn Fn(&Asked) -> Result<Value, Failure> + Send + Sync>;

/// The APIs by group, each of one version.
#[derive(Default)]
pub(super) struct Aggregated(BTreeMap<String, (String, Handler)>);

impl Aggregated {
    pub(super) fn serve(&mut self, (group, version): (&str, &str), handler: Option<Handler>) {
        match handler {
            Some(handler) => self.0.insert(group.to_owned(), (version.to_owned(), handler)),
            None => self.0.remove(group),
        };
    }

    /// Who answers `parts`, and what is asked; `None` where no such API is served.
    pub(super) fn find(&self, parts: &Parts) -> Option<(String, Handler, Asked)> {
        let path = url::Url::parse("http://api/").ok()?.join(parts.uri.path_and_query()?.as_str()).ok()?;
        let decode = |step: &str| percent_decoded(step);
        let mut steps = path.path_segments()?.map(decode);
        let (apis, group, version) = (steps.next()?, steps.next()?, steps.next()?);
        let (served, handler) = self.0.get(&group)?;
        let steps: Vec<String> = steps.collect();
        let query = path.query_pairs().map(|(key, value)| (key.into_owned(), value.into_owned())).collect();
        let fits = apis == "apis" && *served == version && !steps.is_empty() && parts.method == Method::GET;
        fits.then(|| (group, handler.clone(), Asked { steps, query }))
    }

    /// The groups as the list of groups names them.
    pub(super) fn groups(&self) -> impl Iterator<Item = Value> {
        self.0.iter().map(|(group, (version, _))| {
            let version = json!({"groupVersion": format!("{group}/{version}"), "version": version});
            json!({"name": group, "versions": [version], "preferredVersion": version})
        })
    }
}

fn percent_decoded(step: &str) -> String {
    // A query of one key without a value decodes the same signs, except for the plus.
    let step = step.replace('+', "%2B").replace(['&', '='], "");
    url::form_urlencoded::parse(step.as_bytes()).next().map_or_else(String::new, |(key, _)| key.into_owned())
}
