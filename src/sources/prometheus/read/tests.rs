use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::sources::prometheus::decode::Notes;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn query() -> MetricQuery {
    MetricQuery {
        source: crate::sources::SourceRef::default(),
        promql: "up".into(),
        series: SeriesRule::Sum,
        max_sample_age_seconds: None,
    }
}

fn aged(seconds: i32) -> MetricQuery {
    MetricQuery { max_sample_age_seconds: Some(seconds), ..query() }
}

/// An answer of (value, age in seconds).
fn answer(points: &[(f64, i64)]) -> Answer {
    let points = points.iter().map(|&(value, age)| Point { value, at: NOW.plus_seconds(-age) }).collect();
    Answer { points, ..Answer::default() }
}

fn warned(warnings: &[&str]) -> Answer {
    let texts = warnings.iter().map(ToString::to_string).collect();
    Answer { warnings: Notes { texts, omitted: 0 }, ..answer(&[(3.0, 0)]) }
}

fn absence(reading: &Reading) -> Option<Absence> {
    reading.absent().map(|absent| absent.absence)
}

fn value(reading: &Reading) -> Option<i64> {
    reading.sample().map(|sample| sample.value.get())
}

#[test]
fn numbers_become_readings() {
    let (max, nan) = (f64::MAX, f64::NAN);
    for (points, want, why) in [
        (vec![], None, Some(Absence::Empty)),
        (vec![(1.5, 0)], Some(1500), None),
        (vec![(0.0, 0)], Some(0), None),
        (vec![(-1.0, 0), (3.0, 0), (0.0001, 0)], Some(2001), None),
        (vec![(max, 0), (max, 0)], Some(i64::MAX), None),
        (vec![(-max, 0), (-max, 0)], Some(i64::MIN), None),
        (vec![(max, 0), (-max, 0)], Some(-1), None),
        (vec![(nan, 0)], None, Some(Absence::NotFinite)),
        (vec![(1.0, 0), (f64::INFINITY, 0)], None, Some(Absence::NotFinite)),
        (vec![(1.0, 0), (f64::NEG_INFINITY, 0)], None, Some(Absence::NotFinite)),
    ] {
        let reading = read_answer(&answer(&points), &query(), NOW);
        assert_eq!((value(&reading), absence(&reading)), (want, why), "{points:?}: {reading:?}");
    }
    let hundred = read_answer(&answer(&[(1.0, 0); 100]), &query(), NOW);
    assert_eq!(hundred, Reading::Complete(Sample { value: Milli::new(100_000), series: 100, age_millis: Some(0) }));
}

#[test]
fn exactly_one_refuses_two() {
    let one = MetricQuery { series: SeriesRule::ExactlyOne, ..query() };
    assert_eq!(absence(&read_answer(&answer(&[(1.0, 0)]), &one, NOW)), None);
    let two = read_answer(&answer(&[(1.0, 0), (2.0, 0)]), &one, NOW);
    assert_eq!((value(&two), absence(&two)), (None, Some(Absence::TooManySeries)));
    assert!(two.absent().unwrap().message.contains("2 series"));
    assert_eq!(absence(&read_answer(&answer(&[]), &one, NOW)), Some(Absence::Empty));
}

#[test]
fn age_counts_from_the_sample() {
    for (points, max, want, age, why) in [
        // At the limit is not beyond it.
        (vec![(1.0, 60)], 60, Some(1000), Some(60_000), None),
        (vec![(1.0, 61)], 60, None, None, Some(Absence::Stale)),
        // A timestamp of the future is age 0.
        (vec![(1.0, -3600)], 60, Some(1000), Some(0), None),
        (vec![(1.0, 0)], 0, Some(1000), Some(0), None),
        (vec![(1.0, 1)], -5, None, None, Some(Absence::Stale)),
        // The fresh part may raise and must not lower.
        (vec![(1.0, 0), (2.0, 10), (4.0, 100)], 60, Some(3000), Some(10_000), Some(Absence::Stale)),
    ] {
        let reading = read_answer(&answer(&points), &aged(max), NOW);
        let sample_age = reading.sample().and_then(|sample| sample.age_millis);
        assert_eq!((value(&reading), sample_age, absence(&reading)), (want, age, why), "{points:?} {max}");
    }
    let mixed = read_answer(&answer(&[(1.0, 0), (4.0, 100)]), &aged(60), NOW);
    assert!(matches!(mixed, Reading::Partial(..)));
    let message = &mixed.absent().unwrap().message;
    assert_eq!(
        &**message,
        "1 of 2 samples are older than the 60 s that maxSampleAgeSeconds allows (the oldest: 100 s)."
    );
    // Without a limit of ours, age is told and nothing more.
    assert_eq!(absence(&read_answer(&answer(&[(1.0, 9000)]), &query(), NOW)), None);
    let extreme =
        Answer { points: vec![Point { value: 1.0, at: Timestamp::from_millis(i64::MIN) }], ..Answer::default() };
    assert_eq!(absence(&read_answer(&extreme, &aged(i32::MAX), NOW)), Some(Absence::Stale));
}

#[test]
fn warnings_make_data_partial_unless_they_speak_of_the_query() {
    for (warning, partial) in [
        ("No StoreAPIs matched for this query", true),
        ("", true),
        ("promql warning: quantile value should be between 0 and 1, got 2", true),
        (" PromQL info: metric might not be a counter", true),
        ("PromQL infos: x", true),
        // PromQL's own, yet they tell of series that were left out.
        ("PromQL warning: range too short; does not contain enough samples to extrapolate rate (1:5)", true),
        ("PromQL warning: encountered a mix of histograms and floats for metric name \"m\" (1:5)", true),
        ("PromQL warning: bucket label \"le\" is missing or has a malformed value of \"x\" (1:5)", true),
        ("3 more warning annotations omitted", true),
        ("PromQL warning: of a release to come", true),
        ("PromQL warning: quantile value should be between 0 and 1, got 2 (1:10)", false),
        ("PromQL warning: ratio value should be between -1 and 1, got 2, capping to 1 (1:10)", false),
        (
            "PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"m\" (1:6)",
            false,
        ),
    ] {
        let reading = read_answer(&warned(&[warning]), &query(), NOW);
        assert_eq!(absence(&reading), partial.then_some(Absence::Warnings), "{warning}");
        assert_eq!(value(&reading), Some(3000), "{warning}");
    }
    let several = read_answer(&warned(&["PromQL info: x", "store\u{20}gone", "store b gone"]), &query(), NOW);
    let message = &several.absent().unwrap().message;
    assert_eq!(&**message, "The answer may be incomplete, Prometheus warns: store gone (and 1 more)");
}

#[test]
fn what_was_not_read_counts_as_missing() {
    let mut flood = warned(&["PromQL info: x"]);
    flood.warnings.omitted = 1;
    assert_eq!(absence(&read_answer(&flood, &query(), NOW)), Some(Absence::Warnings));
    let declared = Answer { declared_partial: true, ..answer(&[(1.0, 0)]) };
    assert!(matches!(read_answer(&declared, &query(), NOW), Reading::Partial(..)));
    let empty = Answer { points: vec![], ..warned(&["store gone"]) };
    let reading = read_answer(&empty, &query(), NOW);
    assert_eq!(absence(&reading), Some(Absence::Warnings), "not merely empty: nobody may take it for zero");
    assert!(reading.absent().unwrap().message.contains("store gone"));
}

#[test]
fn infos_and_remarks_stay_visible() {
    let body = r#"{"status":"success","data":{"resultType":"scalar","result":[1700000000,"2"]},
        "warnings":["PromQL warning: quantile value should be between 0 and 1, got 2"],"infos":["anything"]}"#;
    let raw = RawAnswer::new(200, Bytes::from(body));
    let noted = read(&raw, &query(), NOW, 10);
    assert_eq!(noted.reading, Reading::Complete(Sample { value: Milli::new(2000), series: 1, age_millis: Some(0) }));
    assert_eq!(noted.remarks, ["PromQL warning: quantile value should be between 0 and 1, got 2", "anything"]);
}

#[test]
fn failures_have_one_clear_sentence() {
    let refused = |kind: &str| format!(r#"{{"status":"error","errorType":"{kind}","error":"the reason"}}"#);
    let html = || "<html>hunter2</html>".to_owned();
    for (status, body, want) in [
        (301, html(), Absence::Malformed),
        (307, String::new(), Absence::Malformed),
        (400, refused("bad_data"), Absence::BadQuery),
        (400, html(), Absence::BadQuery),
        (422, refused("execution"), Absence::BadQuery),
        (422, refused("422"), Absence::BadQuery),
        (401, html(), Absence::Unauthorized),
        (403, String::new(), Absence::Unauthorized),
        (404, html(), Absence::Malformed),
        (404, refused("not_found"), Absence::Malformed),
        (405, html(), Absence::Malformed),
        (408, html(), Absence::Timeout),
        (429, refused("too_many_requests"), Absence::Unavailable),
        (500, refused("internal"), Absence::Unavailable),
        (502, html(), Absence::Unavailable),
        (503, refused("unavailable"), Absence::Unavailable),
        (503, refused("timeout"), Absence::Timeout),
        (504, html(), Absence::Timeout),
        (199, html(), Absence::Malformed),
        (0, html(), Absence::Malformed),
        (999, html(), Absence::Malformed),
        (204, String::new(), Absence::Malformed),
        (200, html(), Absence::Malformed),
        (200, refused("execution"), Absence::BadQuery),
    ] {
        let raw = RawAnswer::new(status, body.clone());
        let Noted { reading, .. } = read(&raw, &query(), NOW, 10);
        assert_eq!((value(&reading), absence(&reading)), (None, Some(want)), "{status} {body}");
        let message = &reading.absent().unwrap().message;
        assert!(!message.contains("hunter2") && message.len() < 300, "{message}");
        // Prometheus' own sentence is passed on wherever it matters.
        assert!(
            status == 401 || status == 403 || body.contains("the reason") == message.contains("the reason"),
            "{message}"
        );
    }
}

proptest! {
    #[test]
    fn a_sum_is_the_sum_whatever_the_order(values in prop::collection::vec(-1e14_f64..1e14, 1..50), turn in any::<prop::sample::Index>()) {
        let mut points: Vec<_> = values.iter().map(|&value| (value, 0)).collect();
        let reading = read_answer(&answer(&points), &query(), NOW);
        let want: i64 = values.iter().filter_map(|&value| Milli::from_f64(value)).map(Milli::get).sum();
        prop_assert_eq!(value(&reading), Some(want));
        points.rotate_left(turn.index(values.len()));
        prop_assert_eq!(read_answer(&answer(&points), &query(), NOW), reading);
    }

    #[test]
    fn any_answer_is_survived(
        points in prop::collection::vec((any::<f64>(), any::<i64>()), 0..20),
        max_age in any::<Option<i32>>(),
        now in any::<i64>(),
    ) {
        let list: Vec<_> = points.iter().map(|&(value, at)| Point { value, at: Timestamp::from_millis(at) }).collect();
        let asked = MetricQuery { max_sample_age_seconds: max_age, ..query() };
        let reading = read_answer(&Answer { points: list, ..Answer::default() }, &asked, Timestamp::from_millis(now));
        prop_assert!(points.iter().all(|(value, _)| value.is_finite()) || reading.sample().is_none());
        prop_assert!(reading.sample().is_none_or(|sample| sample.series > 0 && sample.age_millis >= Some(0)));
    }

    #[test]
    fn any_status_and_body_are_survived(status in any::<u16>(), body in prop::collection::vec(any::<u8>(), 0..100)) {
        let raw = RawAnswer::new(status, body);
        prop_assert!(read(&raw, &query(), NOW, 10).reading.absent().is_some());
    }
}
