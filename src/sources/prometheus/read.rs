//! From an answer to a reading. Pure: the server's words in, one value or its absence with a sentence out. Owns the rules on
//! what counts as whole, fresh and finite; knows no network and asks nobody.

use super::decode::{Answer, DecodeError, MAX_ERROR_CHARS, Point, decode, decode_error};
use super::text::one_line;
use super::transport::RawAnswer;
use crate::engine::{Absence, Absent, Milli, Reading, Sample, Timestamp};
use crate::sources::{MetricQuery, SeriesRule};

/// Annotations of PromQL that speak of the query's wording while its result is whole, in either list. Only these exact beginnings
/// count, and not every `PromQL warning:`: others, such as "range too short" or "encountered a mix of histograms and floats",
/// are how Prometheus says that it left series out, and so does "N more warning annotations omitted".
/// Source: Prometheus' list of annotations; before release 3 infos were sent among the warnings.
const ABOUT_THE_QUERY: [&str; 5] = [
    "PromQL info: ",
    "PromQL warning: quantile value should be between 0 and 1",
    "PromQL warning: ratio value should be between -1 and 1",
    "PromQL warning: this native histogram metric is not a counter",
    "PromQL warning: this native histogram metric is not a gauge",
];

/// A reading, and what the server remarked without taking anything away from it.
#[derive(Debug, Clone, PartialEq)]
pub struct Noted {
    /// What the decision sees.
    pub reading: Reading,
    /// Remarks to show to the author of the query; bounded as [`Notes`](super::decode::Notes) are.
    pub remarks: Vec<String>,
}

impl From<Reading> for Noted {
    fn from(reading: Reading) -> Self {
        Self { reading, remarks: Vec::new() }
    }
}

/// What `raw` says to `query`, asked at `at`; an answer of more than `max_series` series is refused.
#[must_use]
pub fn read(raw: &RawAnswer, query: &MetricQuery, at: Timestamp, max_series: usize) -> Noted {
    if !(200..300).contains(&raw.status) {
        return Reading::Missing(refusal(raw)).into();
    }
    match decode(&raw.body, max_series) {
        Ok(answer) => Noted { reading: read_answer(&answer, query, at), remarks: remarks(&answer) },
        Err(error) => Reading::missing(error.absence(), error.to_string()).into(),
    }
}

/// The reading of a decoded answer.
///
/// The age is that of the sample's own timestamp. For nearly every expression Prometheus stamps an instant vector with the time
/// of evaluation, so the age is 0 and only Prometheus' lookback (5 minutes) hides stale series; an age shows where the
/// answer carries real timestamps (some stores and caches do). Seeing the age of the raw samples takes a second query.
#[must_use]
pub fn read_answer(answer: &Answer, query: &MetricQuery, at: Timestamp) -> Reading {
    let points = &answer.points;
    let partial = why_partial(answer);
    if points.is_empty() {
        if let Some(why) = partial {
            // Not merely empty: what is missing may be what was asked for, so nobody may take it for zero.
            let message = format!("The query returned no series. {}", why.message);
            return Reading::missing(why.absence, message);
        }
        let message = "The query returned no series; check its metric names and label matchers, and that its targets are scraped.".to_owned();
        return Reading::missing(Absence::Empty, message);
    }
    if query.series == SeriesRule::ExactlyOne && points.len() > 1 {
        let count = points.len();
        let message = format!(
            "The query returned {count} series where exactly one is wanted; aggregate it, for example with sum()."
        );
        return Reading::missing(Absence::TooManySeries, message);
    }
    if let Some(bad) = points.iter().find(|point| !point.value.is_finite()) {
        return Reading::missing(Absence::NotFinite, not_finite(bad.value, points.len()));
    }
    let (fresh, stale) = split_by_age(points, query.max_sample_age_seconds, at);
    let Some(sample) = sum(&fresh, at) else {
        return Reading::missing(Absence::Stale, why_stale(&stale, points.len(), query, at));
    };
    match partial {
        Some(why) => Reading::Partial(sample, why),
        None if stale.is_empty() => Reading::Complete(sample),
        // The fresh ones alone may show that more is needed; that less would do, they cannot show.
        None => {
            let message = why_stale(&stale, points.len(), query, at).into();
            Reading::Partial(sample, Absent { absence: Absence::Stale, message })
        }
    }
}

/// Why the answer is not whole, if it is not.
pub(super) fn why_partial(answer: &Answer) -> Option<Absent> {
    let says_missing = |text: &&String| !ABOUT_THE_QUERY.iter().any(|known| text.starts_with(known));
    let warnings = &answer.warnings;
    let message = if let Some(first) = warnings.texts.iter().find(says_missing) {
        let others = warnings.texts.iter().filter(says_missing).count() + warnings.omitted - 1;
        let more = if others == 0 { String::new() } else { format!(" (and {others} more)") };
        format!("The answer may be incomplete, Prometheus warns: {}{more}", one_line(first, MAX_ERROR_CHARS))
    } else if answer.declared_partial {
        "The answer is incomplete: the server marks it as partial because some of its storage did not answer."
            .to_owned()
    } else if warnings.omitted > 0 {
        format!("The answer may be incomplete: it carries {} warnings more than are read.", warnings.omitted)
    } else {
        return None;
    };
    Some(Absent { absence: Absence::Warnings, message: message.into() })
}

/// Everything the server remarked; what makes a reading partial stands in the reading as well.
pub(super) fn remarks(answer: &Answer) -> Vec<String> {
    [answer.warnings.texts.as_slice(), answer.infos.texts.as_slice()].concat()
}

fn not_finite(value: f64, count: usize) -> String {
    let value = if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "+Inf"
    } else {
        "-Inf"
    };
    let of = if count == 1 { String::new() } else { format!(" in one of its {count} series") };
    format!("The query yields {value}{of}, which is no number to scale by; a division by zero is the usual cause.")
}

/// Milliseconds from the point to `at`. A point of the future (clocks differ) is as fresh as can be.
fn age_millis(point: &Point, at: Timestamp) -> i64 {
    at.millis_since(point.at).max(0)
}

fn split_by_age(points: &[Point], max_age_seconds: Option<i32>, at: Timestamp) -> (Vec<Point>, Vec<Point>) {
    let max_age = max_age_seconds.map_or(i64::MAX, |seconds| i64::from(seconds.max(0)) * 1000);
    points.iter().copied().partition(|point| age_millis(point, at) <= max_age)
}

fn why_stale(stale: &[Point], count: usize, query: &MetricQuery, at: Timestamp) -> String {
    let oldest = stale.iter().map(|point| age_millis(point, at)).max().unwrap_or_default() / 1000;
    let allowed = query.max_sample_age_seconds.unwrap_or_default();
    let stale = stale.len();
    format!(
        "{stale} of {count} samples are older than the {allowed} s that maxSampleAgeSeconds allows (the oldest: {oldest} s)."
    )
}

/// The sum of finite points and the age of the oldest; `None` without points. Summed in 128 bits and cut once at the end, so that
/// the order of the series, which a server may change from answer to answer, cannot change the sum.
fn sum(points: &[Point], at: Timestamp) -> Option<Sample> {
    let age_millis = points.iter().map(|point| age_millis(point, at)).max()?;
    let mut total: i128 = 0;
    for point in points {
        total += i128::from(Milli::from_f64(point.value)?.get());
    }
    let total = total.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
    Some(Sample {
        value: Milli::new(i64::try_from(total).unwrap_or(i64::MAX)),
        series: u32::try_from(points.len()).unwrap_or(u32::MAX),
        age_millis: Some(age_millis),
    })
}

/// Why there is nothing in an answer whose HTTP status is not a success.
#[must_use]
pub fn refusal(raw: &RawAnswer) -> Absent {
    let status = raw.status;
    let refused = decode_error(&raw.body);
    let owner = raw.label.as_deref().unwrap_or("the source");
    let address = format!("the address of {owner}");
    // Prometheus' own sentence where it sent one.
    let says = match &refused {
        Some(DecodeError::Refused { message, .. }) => format!(": {message}"),
        _ => ".".to_owned(),
    };
    let out_of_time = refused.as_ref().is_some_and(|error| error.absence() == Absence::Timeout);
    let (absence, sentence) = match status {
        300..=399 => {
            let mend = format!("redirects are not followed; set {address} to the final one.");
            (Absence::Malformed, format!("The server answered with a redirect (HTTP {status}), and {mend}"))
        }
        400 | 422 if refused.is_some() => {
            (Absence::BadQuery, format!("Prometheus refused the query (HTTP {status}){says}"))
        }
        400 | 422 => {
            let mend = format!("check the query and {address}.");
            (Absence::BadQuery, format!("The server refused the query (HTTP {status}) without saying why; {mend}"))
        }
        401 | 403 => {
            let mend = format!("check the credentials of {owner}.");
            (Absence::Unauthorized, format!("The server refused the caller (HTTP {status}); {mend}"))
        }
        408 | 504 => (Absence::Timeout, format!("The server gave up waiting (HTTP {status}){says}")),
        429 => (Absence::Unavailable, format!("The server refuses so many queries (HTTP {status}){says}")),
        500..=599 if out_of_time => {
            (Absence::Timeout, format!("The query ran out of time on the server (HTTP {status}){says}"))
        }
        500..=599 => (Absence::Unavailable, format!("The server is not able to answer (HTTP {status}){says}")),
        _ if refused.is_some() => (Absence::Malformed, format!("The server answered with HTTP {status}{says}")),
        _ => {
            let mend = format!("where the Prometheus API was expected; check {address}.");
            (Absence::Malformed, format!("The server answered with HTTP {status} {mend}"))
        }
    };
    Absent { absence, message: sentence.into() }
}

#[cfg(test)]
mod tests;
