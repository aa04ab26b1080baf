//! The source over a transport that answers in process, on paused time.

use std::future::pending;
use std::sync::atomic::AtomicUsize;

use bytes::Bytes;

use super::*;

/// Answers after a while, and counts how many wait at once.
struct Slow {
    delay: Option<Duration>,
    answer: Result<RawAnswer, TransportError>,
    running: AtomicUsize,
    most: AtomicUsize,
    forms: Mutex<Vec<QueryForm>>,
}

impl Slow {
    fn new(delay: Option<Duration>, answer: Result<RawAnswer, TransportError>) -> Self {
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
    MetricQuery {
        source: crate::sources::SourceRef::default(),
        promql: "up".into(),
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
    let source = Arc::new(PrometheusSource::new(Slow::new(Some(Duration::from_millis(100)), seven()), limits));
    let start = Instant::now();
    let readings = futures::future::join_all((0..9).map(|_| {
        let source = Arc::clone(&source);
        async move { source.read(ask(&query())).await }
    }))
    .await;
    assert!(readings.iter().all(|reading| matches!(reading, Reading::Complete(_))));
    assert_eq!(source.transport.most.load(Ordering::SeqCst), 3);
    assert_eq!(start.elapsed(), Duration::from_millis(300));
    assert_eq!((source.requests_total(), source.incomplete_total()), (9, 0));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_holds_and_includes_the_wait() {
    let limits = Limits { concurrency: 1, ..Limits::default() };
    let source = PrometheusSource::new(Slow::new(None, seven()), limits);
    let (query, at, start) = (query(), Timestamp::default(), Instant::now());
    let (first, second) = tokio::join!(source.read(Ask { at, ..ask(&query) }), source.read(Ask { at, ..ask(&query) }));
    assert_eq!(start.elapsed(), limits.deadline);
    assert_eq!((absence(&first), absence(&second)), (Some(Absence::Timeout), Some(Absence::Timeout)));
    assert!(first.absent().unwrap().message.starts_with("Prometheus did not answer"));
    // The permit came back with the first one's end, too late for the second.
    assert_eq!(source.permits.available_permits(), 1);
    assert_eq!(source.incomplete_total(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_server_is_told_what_time_is_left() {
    let limits = Limits { concurrency: 1, ..Limits::default() };
    let source = PrometheusSource::new(Slow::new(Some(Duration::from_secs(2)), seven()), limits);
    let (query, at) = (query(), Timestamp::from_millis(1_234));
    let (first, second) = tokio::join!(source.read(Ask { at, ..ask(&query) }), source.read(Ask { at, ..ask(&query) }));
    assert_eq!((absence(&first), absence(&second)), (None, None));
    let forms = source.transport.forms.lock().unwrap();
    let sent: Vec<_> = forms.iter().map(|form| (form.time_param(), form.timeout_param())).collect();
    let want = [("1.234", "5000ms"), ("1.234", "3000ms")].map(|(time, timeout)| (time.to_owned(), timeout.to_owned()));
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
