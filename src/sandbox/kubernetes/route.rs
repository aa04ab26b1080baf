//! From an HTTP request to what it means. Must not touch objects.

use std::time::Duration;

use http::Method;
use http::request::Parts;

use super::failure::Failure;
use super::kind::Kind;
use super::select::Selector;

/// What a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// `/api`, `/apis`: in the aggregated form where the client accepts it.
    Groups { core: bool, aggregated: bool },
    /// `/apis/GROUP`.
    Group(String),
    /// `/api/v1`, `/apis/GROUP/VERSION`.
    Resources { group: String, version: String },
    /// `/version`.
    Version,
    /// `/healthz`, `/livez`, `/readyz`.
    Health,
    /// Objects of a kind.
    Objects { kind: &'static Kind, namespace: Option<String>, name: Option<String>, subresource: &'static str },
}

impl Route {
    /// What `parts` asks about.
    ///
    /// # Errors
    /// 404 for a path that is not served.
    pub(super) fn of(parts: &Parts) -> Result<Self, Failure> {
        let path: Vec<&str> = parts.uri.path().split('/').filter(|step| !step.is_empty()).collect();
        let aggregated = accept(parts).contains("g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
        match path[..] {
            ["api"] => Ok(Self::Groups { core: true, aggregated }),
            ["apis"] => Ok(Self::Groups { core: false, aggregated }),
            ["apis", group] => Ok(Self::Group(group.to_owned())),
            ["version"] => Ok(Self::Version),
            ["healthz" | "livez" | "readyz", ..] => Ok(Self::Health),
            ["api", version] => Ok(Self::Resources { group: String::new(), version: version.to_owned() }),
            ["apis", group, version] => Ok(Self::Resources { group: group.to_owned(), version: version.to_owned() }),
            ["api", version, ref rest @ ..] => objects("", version, rest),
            ["apis", group, version, ref rest @ ..] => objects(group, version, rest),
            _ => Err(Failure::no_resource()),
        }
    }
}

fn objects(group: &str, version: &str, rest: &[&str]) -> Result<Route, Failure> {
    let (namespace, rest) = match rest {
        // A namespace itself, its status, or what is in it.
        ["namespaces"] | ["namespaces", _] | ["namespaces", _, "status" | "finalize"] => (None, rest),
        ["namespaces", namespace, inner @ ..] => (Some((*namespace).to_owned()), inner),
        _ => (None, rest),
    };
    let (plural, name, subresource) = match rest {
        [plural] => (plural, None, ""),
        [plural, name] => (plural, Some((*name).to_owned()), ""),
        [plural, name, "status"] => (plural, Some((*name).to_owned()), "status"),
        [plural, name, "scale"] => (plural, Some((*name).to_owned()), "scale"),
        _ => return Err(Failure::no_resource()),
    };
    let kind = Kind::find(group, version, plural).ok_or_else(Failure::no_resource)?;
    let served = match subresource {
        "status" => kind.status,
        "scale" => kind.scale,
        _ => true,
    };
    let placed =
        if name.is_some() { namespace.is_some() == kind.namespaced } else { namespace.is_none() || kind.namespaced };
    if !served || !placed {
        return Err(Failure::no_resource());
    }
    Ok(Route::Objects { kind, namespace, name, subresource })
}

/// The Accept header.
pub(super) fn accept(parts: &Parts) -> &str {
    parts.headers.get(http::header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// What stands after the `?`.
#[derive(Debug, Clone, Default)]
pub(super) struct Query {
    pub(super) watch: bool,
    pub(super) selector: Selector,
    /// Where the client wants to start; `None` or `Some(0)` is "whatever is there".
    pub(super) resource_version: Option<u64>,
    pub(super) exact: bool,
    pub(super) limit: usize,
    pub(super) continue_token: String,
    pub(super) bookmarks: bool,
    pub(super) initial_events: bool,
    pub(super) timeout: Option<Duration>,
    pub(super) field_manager: Option<String>,
    pub(super) force: bool,
    pub(super) dry_run: bool,
}

impl Query {
    /// Reads the query string.
    ///
    /// # Errors
    /// 400 for numbers that are none and for unreadable selectors.
    pub(super) fn of(parts: &Parts) -> Result<Self, Failure> {
        let mut query = Self::default();
        let (mut labels, mut fields) = (String::new(), String::new());
        for (key, value) in url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()) {
            let on = matches!(value.as_ref(), "true" | "1");
            match key.as_ref() {
                "watch" => query.watch = on,
                "labelSelector" => labels = value.into_owned(),
                "fieldSelector" => fields = value.into_owned(),
                "resourceVersion" if !value.is_empty() => query.resource_version = Some(number(&key, &value)?),
                "resourceVersionMatch" => query.exact = value == "Exact",
                "limit" => query.limit = usize::try_from(number(&key, &value)?).unwrap_or(usize::MAX),
                "continue" => query.continue_token = value.into_owned(),
                "allowWatchBookmarks" => query.bookmarks = on,
                "sendInitialEvents" => query.initial_events = on,
                "timeoutSeconds" => query.timeout = Some(Duration::from_secs(number(&key, &value)?)),
                "fieldManager" => query.field_manager = Some(value.into_owned()),
                "force" => query.force = on,
                "dryRun" => query.dry_run = value == "All",
                _ => {}
            }
        }
        query.selector = Selector::parse(&labels, &fields)?;
        Ok(query)
    }
}

fn number(key: &str, value: &str) -> Result<u64, Failure> {
    value.parse().map_err(|_| Failure::bad_request(format!("{key}: invalid value {value:?}: must be a number")))
}

/// The verb of RBAC that a request is.
pub(super) fn verb(method: &Method, named: bool, watch: bool) -> Option<&'static str> {
    Some(match (method.as_str(), named) {
        ("GET", true) => "get",
        ("GET", false) if watch => "watch",
        ("GET", false) => "list",
        ("POST", false) => "create",
        ("PUT", true) => "update",
        ("PATCH", true) => "patch",
        ("DELETE", true) => "delete",
        ("DELETE", false) => "deletecollection",
        _ => return None,
    })
}
