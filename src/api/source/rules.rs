//! What the API server itself refuses of a source, each with a message that names the mend.

use kube::core::Rule;

pub(super) fn url_has_scheme() -> Rule {
    Rule::new("self.startsWith('http://') || self.startsWith('https://')")
        .message("must begin with http:// or https://, for example http://prometheus.monitoring.svc:9090")
}

pub(super) fn url_has_host() -> Rule {
    Rule::new("isURL(self) && url(self).getHostname() != ''")
        .message("must be a URL with a host, for example http://prometheus.monitoring.svc:9090")
}

pub(super) fn url_has_no_user() -> Rule {
    Rule::new("!self.contains('@')")
        .message("must hold no user and no password: keep them in a Secret and name it under `auth.basic`")
}

pub(super) fn url_has_no_query() -> Rule {
    Rule::new("!self.contains('?') && !self.contains('#')")
        .message("must hold no `?` and no `#`: write parameters under `queryParameters`")
}

pub(super) fn url_is_the_base() -> Rule {
    Rule::new("!self.matches('/api/v1(/|$)')").message("must be the base address: leave out `/api/v1` and what follows")
}

pub(super) fn tls_only_over_https() -> Rule {
    Rule::new("!has(self.tls) || self.url.startsWith('https://')")
        .message("`tls` needs an https address: write `url: https://…`, or leave `tls` out")
        .field_path(".tls")
}

pub(super) fn one_auth() -> Rule {
    Rule::new("(has(self.basic) ? 1 : 0) + (has(self.bearer) ? 1 : 0) + (has(self.sigv4) ? 1 : 0) <= 1")
        .message("at most one of `basic`, `bearer` and `sigv4` may be set: keep one")
}

/// Rewritten for the namespaced kind, which has no `tokenFile`.
pub(super) fn one_token() -> Rule {
    Rule::new("has(self.secretKeyRef) != has(self.tokenFile)")
        .message("exactly one of `secretKeyRef` and `tokenFile` must be set")
}

pub(super) fn token_file_is_projected() -> Rule {
    Rule::new("self.startsWith('/var/run/secrets/') && !self.contains('..')")
        .message("must lie below /var/run/secrets/ and hold no `..`: mount the token there, as projected volumes are")
}

pub(super) fn one_ca() -> Rule {
    Rule::new("has(self.secretKeyRef) != has(self.configMapKeyRef)")
        .message("exactly one of `secretKeyRef` and `configMapKeyRef` must be set")
}

pub(super) fn value_or_value_from() -> Rule {
    Rule::new("has(self.value) != has(self.valueFrom)").message("exactly one of `value` and `valueFrom` must be set")
}

/// Headers that authentication or HTTP itself sets, in small letters.
pub(crate) const TAKEN_HEADERS: [&str; 16] = [
    "authorization",
    "proxy-authorization",
    "host",
    "content-length",
    "content-type",
    "content-encoding",
    "transfer-encoding",
    "accept-encoding",
    "connection",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "range",
    "user-agent",
    "keep-alive",
];

pub(super) fn header_is_free() -> Rule {
    let taken = TAKEN_HEADERS.map(|name| format!("'{name}'")).join(", ");
    Rule::new(format!("!(self.lowerAscii() in [{taken}])"))
        .message("must be no header that HTTP or authentication sets: write credentials under `auth`")
}

/// Parameters that Flyball sets itself.
pub(crate) const TAKEN_PARAMETERS: [&str; 4] = ["query", "time", "timeout", "limit"];

pub(super) fn parameter_is_free() -> Rule {
    let taken = TAKEN_PARAMETERS.map(|name| format!("'{name}'")).join(", ");
    Rule::new(format!("!(self in [{taken}])")).message(
        "must be none that Flyball sets itself (query, time, timeout, limit): for the timeout, write `timeoutSeconds`",
    )
}

pub(super) fn names_exactly_for_names() -> Rule {
    Rule::new("(self.from == 'Names') == has(self.names)")
        .message("`names` must be set exactly when `from` is Names: add the list, or choose another `from`")
}

pub(super) fn selector_exactly_for_selector() -> Rule {
    Rule::new("(self.from == 'Selector') == has(self.selector)")
        .message("`selector` must be set exactly when `from` is Selector: add it, or choose another `from`")
}
