//! When a server was started, as it says at `/api/v1/status/runtimeinfo`. Owns when it is asked: once, and again after every failure
//! that a restart could explain. Must not judge readings: that is `fresh`'s.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::Transport;
use crate::engine::{Absence, Timestamp};

/// Time for the question: a page that costs the server nothing. The reading waits for it.
const DEADLINE: Duration = Duration::from_secs(1);
/// A server that did not answer it is not asked again sooner.
const ASK_EVERY: Duration = Duration::from_secs(5);

/// No instant that a server could be started at.
const NOT_KNOWN: i64 = i64::MIN;

/// What is known of a server's start.
#[derive(Debug)]
pub(super) struct Start {
    millis: AtomicI64,
    /// It may have been started again since.
    doubted: AtomicBool,
    /// One question at a time, and when the last was put; the others wait for its answer.
    asking: Mutex<Option<Instant>>,
}

impl Default for Start {
    fn default() -> Self {
        Self { millis: AtomicI64::new(NOT_KNOWN), doubted: AtomicBool::new(true), asking: Mutex::default() }
    }
}

impl Start {
    /// A reading failed so. What a restart could explain leaves the start in doubt.
    pub(super) fn failed(&self, absence: Absence) {
        let restart =
            matches!(absence, Absence::Unreachable | Absence::Unavailable | Absence::Timeout | Absence::Malformed);
        if restart {
            self.doubted.store(true, Ordering::Release);
        }
    }

    /// When the server was started; asks it where that is in doubt. `None` where it does not say: servers that are spread over several
    /// processes have no such page.
    pub(super) async fn known(&self, transport: &impl Transport) -> Option<Timestamp> {
        if self.doubted.load(Ordering::Acquire) {
            let mut last = self.asking.lock().await;
            if self.doubted.load(Ordering::Acquire) && last.is_none_or(|last| last.elapsed() >= ASK_EVERY) {
                *last = Some(Instant::now());
                self.ask(transport).await;
            }
        }
        let millis = self.millis.load(Ordering::Relaxed);
        (millis != NOT_KNOWN).then(|| Timestamp::from_millis(millis))
    }

    /// A server that cannot be asked stays in doubt, with what was known before.
    pub(super) async fn ask(&self, transport: &impl Transport) {
        let Ok(Ok(raw)) = timeout(DEADLINE, transport.runtime_info()).await else { return };
        if (500..600).contains(&raw.status) || raw.status == 429 {
            return;
        }
        let started = if (200..300).contains(&raw.status) { started(&raw.body) } else { None };
        self.millis.store(started.map_or(NOT_KNOWN, Timestamp::as_millis), Ordering::Relaxed);
        self.doubted.store(false, Ordering::Release);
    }
}

#[derive(Deserialize)]
struct Page {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "startTime")]
    start_time: jiff::Timestamp,
}

fn started(body: &[u8]) -> Option<Timestamp> {
    let page: Page = serde_json::from_slice(body).ok()?;
    Some(Timestamp::from_millis(page.data.start_time.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_prometheus_says_of_its_start() {
        let body =
            br#"{"status":"success","data":{"startTime":"2026-11-23T22:01:05.25Z","CWD":"/","goroutineCount":48}}"#;
        assert_eq!(started(body), Some(Timestamp::from_millis(1_795_471_265_250)));
        for body in [&br#"{"data":{"startTime":"yesterday"}}"#[..], b"{}", b"<html>", b"404 page not found"] {
            assert_eq!(started(body), None);
        }
    }
}
