//! What a server says of itself at `/api/v1/status/buildinfo`. Reading only; a server that says nothing is as good as any.

use serde::Deserialize;

use super::{PrometheusSource, Transport};
use crate::api::source::BuildInfo;
use crate::sources::registry::Identification;

/// Longest version that is taken over, in characters.
const MAX_VERSION_CHARS: usize = 64;

impl<T: Transport> PrometheusSource<T> {
    /// Who answers, and what its clock shows; `None` where it does not answer at all.
    pub async fn identify(&self) -> Option<Identification> {
        let raw = self.desk.line.transport.build_info().await.ok()?;
        // A restart so short that no query failed is noticed here.
        self.start.ask(&self.desk.line.transport).await;
        let build_info = if (200..300).contains(&raw.status) { build_info(&raw.body) } else { None };
        Some(Identification { build_info, now: raw.date })
    }
}

#[derive(Deserialize)]
struct Answer {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    version: String,
    #[serde(default)]
    application: String,
    #[serde(default)]
    revision: Option<String>,
}

/// The build that `body` tells. The servers are told apart by what they say: Mimir and Cortex name themselves, `VictoriaMetrics` tells a
/// version and nothing else, Thanos has never left version 0, where Prometheus has not been since 2016.
fn build_info(body: &[u8]) -> Option<BuildInfo> {
    let Answer { data } = serde_json::from_slice(body).ok()?;
    let version: String = data.version.chars().filter(char::is_ascii_graphic).take(MAX_VERSION_CHARS).collect();
    let flavour = if data.application.contains("Mimir") {
        "Mimir"
    } else if data.application.contains("Cortex") {
        "Cortex"
    } else if data.revision.is_none() {
        "VictoriaMetrics"
    } else if version.trim_start_matches('v').starts_with("0.") {
        "Thanos"
    } else {
        "Prometheus"
    };
    (!version.is_empty()).then(|| BuildInfo { version, flavour: flavour.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_told_apart_by_what_they_say() {
        for (body, expected) in [
            (
                r#"{"status":"success","data":{"version":"3.5.0","revision":"8be3","branch":"HEAD","goVersion":"go1.24"}}"#,
                Some(("3.5.0", "Prometheus")),
            ),
            (
                r#"{"status":"success","data":{"version":"0.39.2","revision":"8be3","branch":"HEAD","goVersion":"go1.24"}}"#,
                Some(("0.39.2", "Thanos")),
            ),
            (
                r#"{"status":"success","data":{"application":"Grafana Mimir","version":"2.16.0","revision":"1","features":{}}}"#,
                Some(("2.16.0", "Mimir")),
            ),
            (r#"{"status":"success","data":{"version":"2.24.0"}}"#, Some(("2.24.0", "VictoriaMetrics"))),
            (r#"{"status":"success","data":{"version":""}}"#, None),
            (r#"{"status":"success","data":{}}"#, None),
            ("<html>", None),
        ] {
            let found = build_info(body.as_bytes());
            let found = found.as_ref().map(|info| (info.version.as_str(), info.flavour.as_str()));
            assert_eq!(found, expected, "{body}");
        }
        let long = format!(r#"{{"data":{{"version":"{}"}}}}"#, "9".repeat(1000));
        assert_eq!(build_info(long.as_bytes()).unwrap().version.len(), MAX_VERSION_CHARS);
    }
}
