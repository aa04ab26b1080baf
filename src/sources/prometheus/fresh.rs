//! Whether an answer may be believed downwards: how old the samples under it are, and whether the server has seen the whole window that
//! the query looks back over. Owns these two rules; must not ask anybody. Neither rule ever makes a reading say more than it did.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::decode::Answer;
use super::desk::Heard;
use super::fuse::Horizon;
use crate::engine::{Absence, Absent, Reading, Sample, Timestamp};

/// How long after its window a server that was started again is doubted: targets are scraped within a minute nearly everywhere, and until
/// each was, sums lack some of them.
pub const SCRAPE_GRACE: Duration = Duration::from_secs(60);
/// How far back a query is taken to look that is not understood.
const UNKNOWN_LOOKS_BACK: Duration = Duration::from_secs(300);
/// Queries whose horizon is kept: about 500 bytes each. Beyond it all are read anew.
const MAX_HORIZONS: usize = 10_000;

/// What is known of the queries that are asked.
#[derive(Debug, Default)]
pub(super) struct Horizons(Mutex<BTreeMap<Arc<str>, Option<Arc<Horizon>>>>);

impl Horizons {
    /// The horizon of a query; `None` where it is not understood.
    pub(super) fn of(&self, promql: &Arc<str>) -> Option<Arc<Horizon>> {
        if let Some(known) = self.lock().get(promql) {
            return known.clone();
        }
        let horizon = Horizon::of(promql).ok().map(Arc::new);
        let mut known = self.lock();
        if known.len() >= MAX_HORIZONS {
            known.clear();
        }
        known.insert(promql.clone(), horizon.clone());
        horizon
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Arc<str>, Option<Arc<Horizon>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `reading` as far as its samples are fresh: `newest` are the answers to the queries of the horizon, `None` where there could be none.
pub(super) fn within_age(reading: Reading, (allowed_seconds, newest): (i32, Option<&[Arc<Heard>]>)) -> Reading {
    let (Reading::Complete(sample) | Reading::Partial(sample, _)) = &reading else { return reading };
    let mut sample = *sample;
    let Some(newest) = newest else {
        let message = "The age of the samples cannot be seen, because a selector does not name its metric or the query is not understood; leave maxSampleAgeSeconds out, or simplify the query.";
        return doubted(reading, Absence::Stale, message.into());
    };
    for heard in newest {
        let age = match heard.answer.as_ref().map(|answer| age_millis(answer, heard.time)) {
            Ok(Some(age)) => age,
            Ok(None) => {
                return stale("No sample of one of the query's selectors came within Prometheus' lookback.".into());
            }
            Err(absent) => {
                let message = format!("The age of the samples could not be read: {}", absent.message);
                return doubted(reading, absent.absence, message);
            }
        };
        if age > i64::from(allowed_seconds).saturating_mul(1000) {
            let age = age / 1000;
            return stale(format!(
                "The newest sample is {age} s old, older than the {allowed_seconds} s that maxSampleAgeSeconds allows."
            ));
        }
        sample.age_millis = Some(sample.age_millis.unwrap_or(0).max(age));
    }
    with_sample(reading, sample)
}

/// `reading` as far as the server that was started at `started` can have seen the whole window of the query by `at`.
pub(super) fn within_window(
    reading: Reading,
    horizon: Option<&Horizon>,
    (started, at): (Option<Timestamp>, Timestamp),
) -> Reading {
    let Some(started) = started else { return reading };
    let window = horizon.map_or(UNKNOWN_LOOKS_BACK, |horizon| horizon.looks_back);
    let wanted = i64::try_from(window.saturating_add(SCRAPE_GRACE).as_millis()).unwrap_or(i64::MAX);
    let up = at.millis_since(started);
    if !(0..wanted).contains(&up) {
        return reading;
    }
    let message = format!(
        "Prometheus was started {} s ago, and the query looks back {} s: its window may be half filled.",
        up / 1000,
        window.as_secs()
    );
    match reading {
        // Nothing there yet is not nothing.
        Reading::Missing(absent) if absent.absence == Absence::Empty => {
            Reading::missing(Absence::WindowTooYoung, format!("{} {message}", absent.message))
        }
        Reading::Missing(_) => reading,
        reading => doubted(reading, Absence::WindowTooYoung, message),
    }
}

/// Milliseconds from the newest sample to `at`; `None` where there is none.
fn age_millis(answer: &Answer, at: Timestamp) -> Option<i64> {
    let newest =
        answer.points.iter().map(|point| point.value).filter(|seconds| seconds.is_finite()).reduce(f64::max)?;
    #[allow(clippy::cast_possible_truncation)] // saturates
    let newest = Timestamp::from_millis((newest * 1000.0) as i64);
    Some(at.millis_since(newest).max(0))
}

fn stale(message: String) -> Reading {
    Reading::missing(Absence::Stale, message)
}

/// A reading that may raise and not lower. What was doubted before keeps its first reason.
fn doubted(reading: Reading, absence: Absence, message: String) -> Reading {
    match reading {
        Reading::Complete(sample) => Reading::Partial(sample, Absent { absence, message: message.into() }),
        other => other,
    }
}

fn with_sample(reading: Reading, sample: Sample) -> Reading {
    match reading {
        Reading::Complete(_) => Reading::Complete(sample),
        Reading::Partial(_, absent) => Reading::Partial(sample, absent),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::super::decode::Point;
    use super::*;
    use crate::engine::Milli;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn whole() -> Reading {
        Reading::Complete(Sample { value: Milli::new(5000), series: 1, age_millis: Some(0) })
    }

    fn newest(values: &[f64]) -> Arc<Heard> {
        let points = values.iter().map(|value| Point { at: NOW, value: *value }).collect();
        Arc::new(Heard { answer: Ok(Answer { points, ..Answer::default() }), time: NOW })
    }

    fn failed() -> Arc<Heard> {
        let absent = Absent { absence: Absence::Timeout, message: "no answer".into() };
        Arc::new(Heard { answer: Err(absent), time: NOW })
    }

    fn absence(reading: &Reading) -> Option<(bool, Absence)> {
        reading.absent().map(|absent| (matches!(reading, Reading::Missing(_)), absent.absence))
    }

    #[test]
    fn old_samples_are_missing_and_unknown_ages_are_doubted() {
        let fresh = || newest(&[1_799_999_990.0]);
        let table = [
            (Some(vec![]), None),
            (Some(vec![fresh()]), None),
            (Some(vec![newest(&[1_799_990_000.0, 1_799_999_990.5])]), None),
            (Some(vec![newest(&[1_800_000_500.0])]), None),
            (Some(vec![fresh(), newest(&[1_799_999_939.0])]), Some((true, Absence::Stale))),
            (Some(vec![fresh(), newest(&[])]), Some((true, Absence::Stale))),
            (Some(vec![newest(&[f64::NAN])]), Some((true, Absence::Stale))),
            (Some(vec![failed()]), Some((false, Absence::Timeout))),
            (None, Some((false, Absence::Stale))),
        ];
        for (index, (newest, expected)) in table.into_iter().enumerate() {
            let reading = within_age(whole(), (60, newest.as_deref()));
            assert_eq!(absence(&reading), expected, "case {index}");
        }
        let told = within_age(whole(), (60, Some(&[fresh()])));
        assert_eq!(told.sample().and_then(|sample| sample.age_millis), Some(10_000));
    }

    #[test]
    fn a_server_that_just_started_is_not_believed_downwards() {
        let horizon = Horizon { looks_back: Duration::from_secs(120), newest_sample_queries: None };
        let ago = |seconds: i64| Some(NOW.plus_seconds(-seconds));
        let empty = || Reading::missing(Absence::Empty, "No series.");
        let young = Absence::WindowTooYoung;
        for (reading, started, expected) in [
            (whole(), None, None),
            (whole(), ago(0), Some((false, young))),
            (whole(), ago(179), Some((false, young))),
            (whole(), ago(180), None),
            (whole(), ago(-30), None), // its clock is ahead of ours
            (empty(), ago(30), Some((true, young))),
            (empty(), ago(300), Some((true, Absence::Empty))),
            (Reading::missing(Absence::Timeout, "late"), ago(30), Some((true, Absence::Timeout))),
        ] {
            let judged = within_window(reading.clone(), Some(&horizon), (started, NOW));
            assert_eq!(absence(&judged), expected, "{reading:?} {started:?}");
        }
        assert_eq!(absence(&within_window(whole(), None, (ago(359), NOW))), Some((false, young)), "not understood");
    }
}
