//! Reads what the headers of an answer say of time. Owns `Retry-After` and `Date`; reads no clock.

use std::time::Duration;

use http::header::{self, HeaderMap};

use crate::engine::Timestamp;

/// The longest `Retry-After` that is taken at its word: a server that wants more is asked again after an hour.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);
/// Bytes of a header that are looked at; a date has 29.
const MAX_VALUE_BYTES: usize = 64;

/// The server's time.
pub(super) fn date(headers: &HeaderMap) -> Option<Timestamp> {
    http_date(value(headers, &header::DATE)?)
}

/// How long the server asks us to stay away, where `status` is one at which that means anything. A date counts from the server's own
/// `Date`, so that no clock of ours comes into it; without one it says nothing.
pub(super) fn retry_after(status: u16, headers: &HeaderMap) -> Option<Duration> {
    if !matches!(status, 429 | 503) {
        return None;
    }
    let text = value(headers, &header::RETRY_AFTER)?;
    let wait = if text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a u64 holds are more than an hour.
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        let millis = http_date(text)?.millis_since(date(headers)?);
        Duration::from_millis(u64::try_from(millis).unwrap_or(0))
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

fn value<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    let text = headers.get(name)?.to_str().ok()?.trim();
    (!text.is_empty() && text.len() <= MAX_VALUE_BYTES).then_some(text)
}

/// The one form of a date that HTTP allows to be sent (RFC 9110, IMF-fixdate).
fn http_date(text: &str) -> Option<Timestamp> {
    if !text.ends_with(" GMT") {
        return None;
    }
    let time = jiff::fmt::rfc2822::DateTimeParser::new().relaxed_weekday(true).parse_timestamp(text).ok()?;
    Some(Timestamp::from_millis(time.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn dates_are_read() {
        for (text, want) in [
            (SENT, Some(784_111_777_000)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", None),
            ("Sun Nov  6 08:49:37 1994", None),
            ("Sun, 06 Nov 1994 08:49:37 +0000", None),
            ("", None),
            ("now GMT", None),
        ] {
            let got = date(&headers(&[(header::DATE, text)])).map(Timestamp::as_millis);
            assert_eq!(got, want, "{text}");
        }
        assert_eq!(date(&HeaderMap::new()), None);
    }

    #[test]
    fn both_forms_of_retry_after_are_read() {
        for (status, text, want) in [
            (429, "7", Some(7)),
            (503, " 0 ", Some(0)),
            (503, "120", Some(120)),
            (503, "99999999999999999999999", Some(3600)),
            (503, "Sun, 06 Nov 1994 08:50:07 GMT", Some(30)),
            (503, "Sun, 06 Nov 1994 08:40:00 GMT", Some(0)),
            (503, "Sun, 06 Nov 2094 08:40:00 GMT", Some(3600)),
            (503, "-1", None),
            (503, "1.5", None),
            (503, "soon", None),
            (503, "", None),
            (200, "7", None),
            (500, "7", None),
        ] {
            let headers = headers(&[(header::DATE, SENT), (header::RETRY_AFTER, text)]);
            assert_eq!(retry_after(status, &headers).map(|wait| wait.as_secs()), want, "{status} {text}");
        }
        let undated = headers(&[(header::RETRY_AFTER, "Sun, 06 Nov 1994 08:50:07 GMT")]);
        assert_eq!(retry_after(503, &undated), None, "there is nothing to count from");
    }
}
