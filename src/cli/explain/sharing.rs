//! With which other policies a policy shares its requests to Prometheus: lists the policies, and has it planned from what they ask.
//! Whatever goes wrong is a sentence; an explanation never fails for it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::{Api, Client, ResourceExt};
use serde::Serialize;

use crate::api::query::MetricRequest;
use crate::api::{Resolved, ScalingPolicy, resolve};
use crate::cluster::error::with_causes;
use crate::controller::schedule::phase;
use crate::engine::Mode;
use crate::sources::prometheus::sharing::{Asking, Company, Sharing, sharing};
use crate::view::text::{safe, sentence, shorten, wrap};
use crate::view::waterfall::WIDTH;

/// Policies that are looked at: one page of a list, about 8 MB with their status.
const MAX_LISTED: u32 = 2_000;
/// Longest that an explanation waits for the list.
const LIST_DEADLINE: Duration = Duration::from_secs(10);
/// Policies that a line of text names; the other forms name more.
const MAX_IN_LINE: usize = 2;
/// How much of a shape a line shows, in characters: two lines of a terminal.
const MAX_SHAPE_CHARS: usize = 160;

/// What is known of the requests of one policy; also its part of `-o json`.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SharedRequests {
    /// The metrics that ask a Prometheus.
    metrics: Vec<Metric>,
    /// What was not looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    remark: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Metric {
    name: String,
    #[serde(flatten)]
    sharing: Sharing,
}

/// The policies that were found, and a sentence on those that were not.
type Listed = (Vec<DynamicObject>, Option<String>);

/// What `object` shares with others; `None` where it asks no Prometheus.
pub(super) async fn of(client: &Client, kind: &ApiResource, object: &DynamicObject) -> Option<SharedRequests> {
    let (_, own) = askings(object)?;
    if own.is_empty() {
        return None;
    }
    let namespace = object.namespace().unwrap_or_default();
    let listed = tokio::time::timeout(LIST_DEADLINE, list(client, kind, &namespace)).await;
    let (objects, remark) = match listed {
        Ok(Ok(listed)) => listed,
        Ok(Err(why)) => return Some(unknown(&why)),
        Err(_) => {
            return Some(unknown(&format!("the API server did not list them within {} s", LIST_DEADLINE.as_secs())));
        }
    };
    let others =
        objects.iter().filter(|other| other.name_any() != object.name_any() || other.namespace() != object.namespace());
    let all: Vec<Asking> = others.filter_map(askings).flat_map(|(_, askings)| askings).chain(own).collect();
    // Others wrote these queries: whatever they do to the parser, this policy is explained.
    let planned = catch_unwind(AssertUnwindSafe(|| plan(object, &all)));
    Some(planned.map_or_else(
        |_| unknown("the queries could not be planned; this is a bug"),
        |metrics| SharedRequests { metrics, remark },
    ))
}

fn unknown(why: &str) -> SharedRequests {
    let remark = format!("Which policies share its requests is not known: {}", sentence(why));
    SharedRequests { metrics: Vec::new(), remark: Some(remark) }
}

/// One page of all policies, or of those in the namespace where no more may be listed; `Err` says why there is none.
async fn list(client: &Client, kind: &ApiResource, namespace: &str) -> Result<Listed, String> {
    let page = ListParams::default().limit(MAX_LISTED);
    let everywhere: Api<DynamicObject> = Api::all_with(client.clone(), kind);
    let (found, only) = match everywhere.list(&page).await {
        Err(kube::Error::Api(status)) if status.code == 403 => {
            let here: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, kind);
            let only = format!(
                "Only policies in namespace {namespace:?} are looked at: the cluster does not let you list those of others."
            );
            (here.list(&page).await, Some(only))
        }
        found => (found, None),
    };
    match found {
        Ok(list) => {
            let rest = list.metadata.continue_.as_deref().is_some_and(|rest| !rest.is_empty());
            let more = rest.then(|| format!("Only the first {MAX_LISTED} policies are looked at; there are more."));
            let remarks: Vec<String> = only.into_iter().chain(more).collect();
            Ok((list.items, (!remarks.is_empty()).then(|| remarks.join(" "))))
        }
        Err(kube::Error::Api(status)) if status.code == 403 => {
            Err(format!("the cluster does not let you list ScalingPolicies: {}", status.message))
        }
        Err(kube::Error::Api(status)) => Err(format!("the API server refused to list them: {}", status.message)),
        Err(other) => Err(format!("they could not be listed: {}", with_causes(&other))),
    }
}

/// The policy as the operator resolves it, and what it asks of a Prometheus at each of its ticks: nothing while it is paused. `None` for
/// one that the operator could not act on.
fn askings(object: &DynamicObject) -> Option<(Resolved, Vec<Asking>)> {
    let mut object = object.clone();
    // The status may be of another version, and is of no concern here.
    if let Some(fields) = object.data.as_object_mut() {
        fields.remove("status");
    }
    let policy: ScalingPolicy = object.try_parse().ok()?;
    let resolved = resolve(&policy).ok()?;
    let period_millis = u64::try_from(resolved.polling_period_seconds).ok()? * 1000;
    let rhythm = (period_millis, phase(&policy.uid().unwrap_or_default(), period_millis));
    let (namespace, name) = (policy.namespace().unwrap_or_default(), policy.name_any());
    let paused = matches!(resolved.policy.mode, Mode::Paused { .. });
    let queries = resolved.requests.iter().filter(|_| !paused).filter_map(|request| match request {
        MetricRequest::Prometheus(query) => Some(query.clone()),
        _ => None,
    });
    let asking = |query| Asking { namespace: namespace.as_str().into(), policy: name.as_str().into(), query, rhythm };
    let askings = queries.map(asking).collect();
    Some((resolved, askings))
}

fn plan(object: &DynamicObject, all: &[Asking]) -> Vec<Metric> {
    let Some((resolved, own)) = askings(object) else { return Vec::new() };
    let asks = |request: &&MetricRequest| matches!(request, MetricRequest::Prometheus(_));
    let names = resolved.policy.metrics.iter().zip(&resolved.requests).filter(|(_, request)| asks(request));
    let named =
        names.zip(&own).map(|((metric, _), own)| Metric { name: metric.name.to_string(), sharing: sharing(own, all) });
    named.collect()
}

/// `shared` for people, in whole lines.
pub(super) fn text(shared: &SharedRequests) -> String {
    let planned = if shared.metrics.is_empty() { "" } else { ", as planned from the policies that you may list" };
    let mut out = format!("Requests to Prometheus{planned}:\n");
    let lines = shared.metrics.iter().map(|metric| format!("{}: {}", safe(&metric.name), told(&metric.sharing)));
    for line in lines.chain(shared.remark.as_deref().map(safe)) {
        for (index, part) in wrap(&line, WIDTH - 4).into_iter().enumerate() {
            let indent = if index == 0 { "  " } else { "    " };
            out.push_str(&format!("{indent}{part}\n"));
        }
    }
    out
}

fn told(sharing: &Sharing) -> String {
    let mut parts = Vec::new();
    if sharing.same_query.total > 0 {
        parts.push(format!("the same query as {}", names(&sharing.same_query)));
    }
    match (sharing.same_request.total, &sharing.alone_because) {
        (0, Some(why)) => {
            let why = safe(why);
            let mut letters = why.trim_end_matches('.').chars();
            let first = letters.next().map(|letter| letter.to_ascii_lowercase());
            let so = if parts.is_empty() { "asked alone" } else { "shared with no other" };
            parts.push(format!("{so}: {}{}", first.map(String::from).unwrap_or_default(), letters.as_str()));
        }
        (0, None) if parts.is_empty() => {
            let shape = shorten(&safe(sharing.shape.as_deref().unwrap_or_default()), MAX_SHAPE_CHARS);
            parts.push(format!("asked alone: no other policy asks for the shape {shape} at the same instants"));
        }
        (0, None) => {}
        (total, _) => {
            let shape = shorten(&safe(sharing.shape.as_deref().unwrap_or_default()), MAX_SHAPE_CHARS);
            let others = if total == 1 { "other" } else { "others" };
            parts.push(format!(
                "asked together with {total} {others} of the shape {shape}: {}",
                names(&sharing.same_request)
            ));
        }
    }
    parts.join("; ")
}

/// `shop/cart, shop/search and 39 more`.
fn names(company: &Company) -> String {
    let named: Vec<String> = company.policies.iter().take(MAX_IN_LINE).map(|name| safe(name)).collect();
    match company.total.saturating_sub(named.len()) {
        0 => named.join(" and "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

#[cfg(test)]
mod tests;
