//! The source over a transport that answers in process, on paused time.

use std::future::pending;
use std::sync::atomic::AtomicUsize;

use bytes::Bytes;
use tokio::time::Instant;

use super::*;
use crate::engine::{Absence, Timestamp};

/// Answers after a while, and counts how many wait at once.
pub(super) struct Slow {
    delay: Option<Duration>,
    answer: Result<RawAnswer, TransportError>,
    running: AtomicUsize,
    most: AtomicUsize,
    forms: Mutex<Vec<QueryForm>>,
}

impl Slow {
    pub(super) fn new(delay: Option<Duration>, answer: Result<RawAnswer, TransportError>) -> Self {
        Self { delay, answer, running: AtomicUsize::new(0), most: AtomicUsize::new(0), forms: Mutex::default() }
    }
}

impl Transport for Slow {
    async fn post(&self, form: QueryForm) -> Result<RawAnswer, TransportError> {
        self.forms.lock().unwrap().push(form);
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(running, Ordering::SeqCst);
        match self.delay {
            Some(delay) => tokio::time::sleep(delay).await,
            None => pending().await,
        }
        self.running.fetch_sub(1, Ordering::SeqCst);
        self.answer.clone()
    }
}

fn seven() -> Result<RawAnswer, TransportError> {
    let body = r#"{"status":"success","data":{"resultType":"scalar","result":[0,"7"]}}"#;
    Ok(RawAnswer::new(200, Bytes::from(body)))
}

fn query() -> MetricQuery {
    numbered(0)
}

fn numbered(number: usize) -> MetricQuery {
    // Of a shape of its own, so that none shares a request.
    let promql = format!("up + {number}").into();
    MetricQuery {
        source: crate::sources::SourceRef::default(),
        promql,
        series: super::super::SeriesRule::Sum,
        max_sample_age_seconds: None,
    }
}

fn ask(query: &MetricQuery) -> Ask<'_> {
    Ask { query, namespace: "shop", at: Timestamp::default() }
}

fn absence(reading: &Reading) -> Option<Absence> {
    reading.absent().map(|absent| absent.absence)
}

#[tokio::test(start_paused = true)]
async fn queries_are_bounded_and_all_answered() {
    let limits = Limits { concurrency: 3, ..Limits::default() };
    let source = PrometheusSource::new(Slow::new(Some(Duration::from_millis(100)), seven()), limits);
    let start = Instant::now();
    let readings = futures::future::join_all((0..9).map(|number| {
        let source = source.clone();
        async move { source.read(ask(&numbered(number))).await }
    }))
    .await;
    assert!(readings.iter().all(|reading| matches!(reading, Reading::Complete(_))));
    assert_eq!(source.desk.line.transport.most.load(Ordering::SeqCst), 3);
    assert_eq!(start.elapsed(), Duration::from_millis(300) + GATHER_WINDOW);
    assert_eq!((source.requests_total(), source.incomplete_total()), (9, 0));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_holds_and_includes_the_wait() {
    let limits = Limits { concurrency: 1, ..Limits::default() };
    let source = PrometheusSource::new(Slow::new(None, seven()), limits);
    let (one, other, start) = (numbered(1), numbered(2), Instant::now());
    let (first, second) = tokio::join!(source.read(ask(&one)), source.read(ask(&other)));
    assert_eq!(start.elapsed(), limits.deadline);
    assert_eq!((absence(&first), absence(&second)), (Some(Absence::Timeout), Some(Absence::Timeout)));
    assert!(first.absent().unwrap().message.starts_with("Prometheus did not answer"));
    assert_eq!(source.activity().in_flight, 0, "the slot came back with the first one's end");
    assert_eq!(source.incomplete_total(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_server_is_told_what_time_is_left_for_its_own_answer() {
    let limits = Limits { concurrency: 1, ..Limits::default() };
    let source = PrometheusSource::new(Slow::new(Some(Duration::from_secs(2)), seven()), limits);
    let (one, other, at) = (numbered(1), numbered(2), Timestamp::from_millis(1_234));
    let (first, second) = tokio::join!(source.read(Ask { at, ..ask(&one) }), source.read(Ask { at, ..ask(&other) }));
    assert_eq!((absence(&first), absence(&second)), (None, None));
    let forms = source.desk.line.transport.forms.lock().unwrap();
    let sent: Vec<_> = forms.iter().map(|form| (form.time_param(), form.timeout_param())).collect();
    let want = [("1.234", "4495ms"), ("1.234", "2695ms")].map(|(time, timeout)| (time.to_owned(), timeout.to_owned()));
    assert_eq!(sent, want);
}

#[tokio::test(start_paused = true)]
async fn odd_limits_are_survived() {
    let limits = Limits { concurrency: 0, deadline: Duration::MAX, ..Limits::default() };
    let source = PrometheusSource::new(Slow::new(Some(Duration::ZERO), seven()), limits);
    assert_eq!(absence(&source.read(ask(&query())).await), None);
}

#[tokio::test]
async fn transport_errors_become_readings() {
    let host = || "prometheus:9090".to_owned();
    for (error, want) in [
        (TransportError::Unreachable { host: host(), cause: "refused".to_owned() }, Absence::Unreachable),
        (TransportError::Timeout { host: host(), deadline: Duration::from_secs(5) }, Absence::Timeout),
        (TransportError::TooLarge { host: host(), limit_bytes: 8 }, Absence::TooLarge),
        (TransportError::Broken { host: host(), cause: "cut".to_owned() }, Absence::Malformed),
    ] {
        let source = PrometheusSource::new(Slow::new(Some(Duration::ZERO), Err(error.clone())), Limits::default());
        let reading = source.read(ask(&query())).await;
        assert_eq!(absence(&reading), Some(want));
        assert_eq!((error.reason(), source.incomplete_total()), (want.reason(), 1));
        assert!(reading.absent().unwrap().message.contains("prometheus:9090"));
    }
}

#[tokio::test]
async fn remarks_are_remembered_up_to_a_bound() {
    let source = PrometheusSource::new(Slow::new(Some(Duration::ZERO), seven()), Limits::default());
    for number in 0..2 * MAX_REMEMBERED_REMARKS {
        source.log_remarks(&query(), &[number.to_string(), number.to_string()]);
    }
    assert_eq!(source.logged_remarks.lock().unwrap().len(), MAX_REMEMBERED_REMARKS);
}
