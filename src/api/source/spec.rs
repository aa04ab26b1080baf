//! What both kinds of source say of a Prometheus: address, identity, limits.
#![allow(unreachable_pub)] // KubeSchema copies each struct into a function body, where `pub` reaches nobody
#![allow(rustdoc::bare_urls)] // these comments are the descriptions that `kubectl explain` prints

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::auth::{Auth, HeaderSource, TlsSpec};
use super::rules;

/// Longest address, in characters: what browsers and proxies take as well.
pub const MAX_URL_LENGTH: usize = 2048;
/// Most headers, and most parameters, of a source: tenants and options, not data.
pub const MAX_EXTRAS: usize = 16;
/// Longest name of a header or parameter, in characters.
pub const MAX_EXTRA_NAME_LENGTH: usize = 64;
/// Longest value of a header or parameter, in characters: servers take 8 KiB of headers in all.
pub const MAX_EXTRA_VALUE_LENGTH: usize = 4096;
/// Seconds that one query may take where the source does not say: a third of the default polling period.
pub const DEFAULT_TIMEOUT_SECONDS: i32 = 5;
/// Most seconds that one query may take: beyond a minute no answer is about now any more.
pub const MAX_TIMEOUT_SECONDS: i32 = 60;
/// Queries in flight where the source does not say: Prometheus runs 20 at a time, and some are left to people.
pub const DEFAULT_MAX_CONCURRENCY: i32 = 16;
/// Most queries in flight to one source.
pub const MAX_MAX_CONCURRENCY: i32 = 256;
/// Most requests a second that can be asked for.
pub const MAX_MAX_REQUESTS_PER_SECOND: i32 = 10_000;
/// Bytes of an answer where the source does not say: 5,000 series are about 1.1 MB.
pub const DEFAULT_MAX_RESPONSE_BYTES: i64 = 8 * 1024 * 1024;
/// Fewest bytes of an answer: below it not even an error fits.
pub const MIN_MAX_RESPONSE_BYTES: i64 = 64 * 1024;
/// Most bytes of an answer: the operator's memory is shared by all.
pub const MAX_MAX_RESPONSE_BYTES: i64 = 64 * 1024 * 1024;
/// Series of an answer where the source does not say.
pub const DEFAULT_MAX_SERIES: i32 = 10_000;
/// Most series of an answer.
pub const MAX_MAX_SERIES: i32 = 100_000;

/// Where a Prometheus is and how it is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceSpec {
    /// Base address of a Prometheus API, such as https://prometheus.monitoring.svc:9090 or https://mimir.example.com/prometheus. No default; http or https, without user, query and /api/v1.
    #[schemars(length(min = 1, max = MAX_URL_LENGTH))]
    #[x_kube(
        validation = rules::url_has_scheme(),
        validation = rules::url_has_host(),
        validation = rules::url_has_no_user(),
        validation = rules::url_has_no_query(),
        validation = rules::url_is_the_base(),
    )]
    pub url: String,
    /// How Flyball says who it is. Default: not at all; at most one way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rules::one_auth())]
    pub auth: Option<Auth>,
    /// How TLS is spoken. Default: the system's certificate authorities, no certificate of our own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsSpec>,
    /// Headers of every request, such as the tenant's X-Scope-OrgID. Default: none; at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_EXTRAS))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_string()]))]
    pub headers: Vec<Header>,
    /// Parameters of every query, such as dedup=true of Thanos. Default: none; at most 16, and none that Flyball sets itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_EXTRAS))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_string()]))]
    pub query_parameters: Vec<Parameter>,
    /// The HTTP proxy to go through. Default: none, and none from the environment; http or https, without user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = MAX_URL_LENGTH))]
    #[x_kube(
        validation = rules::url_has_scheme(),
        validation = rules::url_has_host(),
        validation = rules::url_has_no_user(),
        validation = rules::url_has_no_query(),
    )]
    pub proxy_url: Option<String>,
    /// Time for one query, the wait for its turn included. Default: 5 seconds; 1 to 60.
    #[serde(default = "default_timeout_seconds")]
    #[schemars(range(min = 1, max = MAX_TIMEOUT_SECONDS))]
    pub timeout_seconds: i32,
    /// Queries in flight at once. Default: 16; 1 to 256.
    #[serde(default = "default_max_concurrency")]
    #[schemars(range(min = 1, max = MAX_MAX_CONCURRENCY))]
    pub max_concurrency: i32,
    /// Requests a second. Default: no bound but the concurrency; 1 to 10000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = MAX_MAX_REQUESTS_PER_SECOND))]
    pub max_requests_per_second: Option<i32>,
    /// Size of an answer after decompression, in bytes. Default: 8388608; 65536 to 67108864.
    #[serde(default = "default_max_response_bytes")]
    #[schemars(range(min = MIN_MAX_RESPONSE_BYTES, max = MAX_MAX_RESPONSE_BYTES))]
    pub max_response_bytes: i64,
    /// Series in one answer. Default: 10000; 1 to 100000.
    #[serde(default = "default_max_series")]
    #[schemars(range(min = 1, max = MAX_MAX_SERIES))]
    pub max_series: i32,
}

/// A header of every request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::value_or_value_from())]
pub struct Header {
    /// Name of the header. No default; none that authentication or HTTP itself sets.
    #[schemars(length(min = 1, max = MAX_EXTRA_NAME_LENGTH), regex(pattern = "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"))]
    #[x_kube(validation = rules::header_is_free())]
    pub name: String,
    /// Its value, for everybody to read. Set exactly when valueFrom is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = MAX_EXTRA_VALUE_LENGTH), regex(pattern = "^[ -~]*$"))]
    pub value: Option<String>,
    /// Where its value is kept. Set exactly when value is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<HeaderSource>,
}

/// A parameter of every query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameter {
    /// Name of the parameter. No default; none that Flyball sets itself: query, time, timeout and limit.
    #[schemars(length(min = 1, max = MAX_EXTRA_NAME_LENGTH))]
    #[x_kube(validation = rules::parameter_is_free())]
    pub name: String,
    /// Its value. No default.
    #[schemars(length(max = MAX_EXTRA_VALUE_LENGTH))]
    pub value: String,
}

const fn default_timeout_seconds() -> i32 {
    DEFAULT_TIMEOUT_SECONDS
}

const fn default_max_concurrency() -> i32 {
    DEFAULT_MAX_CONCURRENCY
}

const fn default_max_response_bytes() -> i64 {
    DEFAULT_MAX_RESPONSE_BYTES
}

const fn default_max_series() -> i32 {
    DEFAULT_MAX_SERIES
}
