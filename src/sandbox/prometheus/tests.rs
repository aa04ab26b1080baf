use super::*;
use crate::engine::{Absence, Reading};
use crate::sandbox::SimClock;
use crate::sources::prometheus::{Limits, PrometheusSource};
use crate::sources::{Ask, MetricQuery, MetricSource, SeriesRule, SourceRef};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_767_225_600_000).plus_seconds(seconds)
}

/// Two counters that grow by 10 and by 30 a second for 120 s, and a gauge.
fn filled() -> Prometheus {
    let prometheus = Prometheus::new(SimClock::new());
    for second in 0..=120_i32 {
        for (app, slope) in [("web", 10.0), ("api", 30.0)] {
            let sample = (f64::from(second) * slope, at(second.into()));
            prometheus.record("http_requests_total", &[("app", app), ("namespace", "shop")], sample);
        }
    }
    prometheus.record("queue_length", &[("app", "web")], (12.5, at(100)));
    prometheus
}

async fn ask(prometheus: &Prometheus, query: &str, seconds: i64) -> (u16, String) {
    let (status, body) = prometheus.answer(query, at(seconds)).await;
    (status, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test(start_paused = true)]
async fn answers_are_bodies_of_prometheus() {
    let prometheus = filled();
    for (query, result) in [
        (
            "http_requests_total{app=\"web\"}",
            r#"{"resultType":"vector","result":[{"metric":{"__name__":"http_requests_total","app":"web","namespace":"shop"},"value":[1767225720,"1200"]}]}"#,
        ),
        (
            "max(timestamp(queue_length))",
            r#"{"resultType":"vector","result":[{"metric":{},"value":[1767225720,"1767225700"]}]}"#,
        ),
        (
            "sum(rate(http_requests_total[1m]))",
            r#"{"resultType":"vector","result":[{"metric":{},"value":[1767225720,"40"]}]}"#,
        ),
        (
            "sum by (app) (rate(http_requests_total{app=~\"web|api\"}[1m]))",
            r#"{"resultType":"vector","result":[{"metric":{"app":"api"},"value":[1767225720,"30"]},{"metric":{"app":"web"},"value":[1767225720,"10"]}]}"#,
        ),
        (
            "avg(rate(http_requests_total[1m])) * 2 - max(queue_length) / 5",
            r#"{"resultType":"vector","result":[{"metric":{},"value":[1767225720,"37.5"]}]}"#,
        ),
        (
            "max by (app) (irate(http_requests_total{app=~\"web|\"}[1m]))",
            r#"{"resultType":"vector","result":[{"metric":{"app":"web"},"value":[1767225720,"10"]}]}"#,
        ),
        (
            "sum(queue_length{app=~\"we\\\\.b|web\"}) or (sum by (app) (queue_length)) or vector(1)",
            r#"{"resultType":"vector","result":[{"metric":{},"value":[1767225720,"12.5"]},{"metric":{"app":"web"},"value":[1767225720,"12.5"]}]}"#,
        ),
        ("1 + 2 * 3", r#"{"resultType":"scalar","result":[1767225720,"7"]}"#),
        ("vector(1) / 0", r#"{"resultType":"vector","result":[{"metric":{},"value":[1767225720,"+Inf"]}]}"#),
        ("nothing{app='web'}", r#"{"resultType":"vector","result":[]}"#),
        ("http_requests_total{app!~\".+\"}", r#"{"resultType":"vector","result":[]}"#),
    ] {
        let (status, body) = ask(&prometheus, query, 120).await;
        assert_eq!((status, body), (200, format!(r#"{{"status":"success","data":{result}}}"#)), "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn samples_are_found_for_five_minutes() {
    let prometheus = filled();
    assert!(ask(&prometheus, "queue_length", 99).await.1.contains(r#""result":[]"#));
    assert!(ask(&prometheus, "queue_length", 399).await.1.contains("\"12.5\""));
    assert!(ask(&prometheus, "queue_length", 400).await.1.contains(r#""result":[]"#));
}

#[tokio::test(start_paused = true)]
async fn a_reset_of_a_counter_is_no_fall() {
    let prometheus = Prometheus::new(SimClock::new());
    for (second, value) in [(0, 100.0), (10, 200.0), (20, 50.0), (30, 150.0)] {
        prometheus.record("c", &[], (value, at(second)));
    }
    // 100 + 50 + 100 within 30 s, stretched to the window of 40 s: 10 s at the start, which has no sample in sight but is near.
    let (_, body) = ask(&prometheus, "increase(c[40s])", 30).await;
    let value: Value = serde_json::from_str(&body).unwrap();
    let value: f64 = value["data"]["result"][0]["value"][1].as_str().unwrap().parse().unwrap();
    assert!((value - 250.0 * 40.0 / 30.0).abs() < 1e-9, "{value}");
    // Between the last two samples: 50 from zero within 10 s.
    assert!(ask(&prometheus, "irate(c[40s])", 20).await.1.contains("\"5\""));
    assert!(ask(&prometheus, "irate(c[40s])", 9).await.1.contains(r#""result":[]"#));
}

#[tokio::test(start_paused = true)]
async fn what_it_cannot_read_is_bad_data() {
    let prometheus = filled();
    for query in [
        "",
        "sum(",
        "sum(rate(x[1m])",
        "rate(x)",
        "rate(x[1y])",
        "rate(x[0s])",
        "x{",
        "x{a}",
        "x{a=\"b}",
        "x{a=~\"b.*c\"}",
        "histogram_quantile(0.9, x)",
        "x > 1",
        "sum(1)",
        "1 1",
        "{a=\"b\"}",
        "x[1m]",
        "1..2",
        "sum without (a) (x)",
        "é",
    ] {
        let (status, body) = ask(&prometheus, query, 120).await;
        assert_eq!(status, 400, "{query}: {body}");
        assert!(body.contains("\"errorType\":\"bad_data\"") && body.contains("invalid parameter"), "{query}: {body}");
    }
    for deep in ["(".repeat(5000), "-".repeat(5000), "sum(".repeat(5000), "1+".repeat(40_000)] {
        assert_eq!(ask(&prometheus, &deep, 120).await.0, 400);
    }
}

#[tokio::test(start_paused = true)]
async fn faults_reach_the_source_as_absences() {
    let prometheus = filled();
    let source = PrometheusSource::new(prometheus.clone(), Limits::default());
    let query = MetricQuery {
        source: SourceRef::default(),
        promql: "sum(rate(http_requests_total[1m]))".into(),
        series: SeriesRule::Sum,
        max_sample_age_seconds: None,
    };
    for (fault, absence) in [
        (Fault::None, None),
        (Fault::Off, Some(Absence::Unreachable)),
        (Fault::Slow(Duration::from_secs(60)), Some(Absence::Timeout)),
        (Fault::Empty, Some(Absence::Empty)),
        (Fault::NotANumber, Some(Absence::NotFinite)),
        (Fault::Slow(Duration::from_secs(1)), None),
    ] {
        prometheus.set_fault(fault);
        let reading = source.read(Ask { query: &query, namespace: "shop", at: at(120) }).await;
        let found = match &reading {
            Reading::Missing(absent) => Some(absent.absence),
            _ => None,
        };
        assert_eq!(found, absence, "{fault:?}: {reading:?}");
    }
    prometheus.set_fault(Fault::Unavailable);
    assert!(matches!(source.read(Ask { query: &query, namespace: "shop", at: at(120) }).await, Reading::Missing(_)));
    assert_eq!(prometheus.queries(), 7);
}

#[tokio::test]
async fn over_http_it_answers_and_goes_away() {
    use crate::sources::prometheus::{Connection, HttpTransport};
    let prometheus = filled();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let cancel = CancellationToken::new();
    let serving = tokio::spawn({
        let (prometheus, cancel) = (prometheus.clone(), cancel.clone());
        async move { prometheus.serve(listener, cancel).await }
    });
    let connection = Connection::of_flag(&address).unwrap();
    let connect = || HttpTransport::new(&connection, "test", Limits::default()).unwrap();
    let transport = connect();
    let form = QueryForm { promql: "queue_length".into(), time: at(120), timeout: Duration::from_secs(5) };
    let over_http = transport.post(form.clone()).await.unwrap();
    let in_process = prometheus.post(form.clone()).await.unwrap();
    assert_eq!(
        (over_http.status, &over_http.body),
        (in_process.status, &in_process.body),
        "the same raw body both ways"
    );
    prometheus.set_fault(Fault::Off);
    let errors = [transport.post(form.clone()).await, connect().post(form.clone()).await];
    assert!(errors.iter().all(Result::is_err), "{errors:?}");
    assert!(matches!(errors[1], Err(TransportError::Unreachable { .. })), "{errors:?}");
    prometheus.set_fault(Fault::None);
    let mut healed = transport.post(form.clone()).await;
    for _ in 0..100 {
        if healed.is_ok() {
            break;
        }
        tokio::task::yield_now().await;
        healed = transport.post(form.clone()).await;
    }
    assert_eq!(healed.unwrap().body, over_http.body);
    cancel.cancel();
    serving.await.unwrap().unwrap();
}

/// What a real Prometheus (2.42) says of the samples that [`golden`] makes: instant, query and body.
const GOLDEN: &str = include_str!("golden.tsv");

/// Counters of several slopes and gaps, one with a reset, one that ends early.
fn golden() -> Prometheus {
    let prometheus = Prometheus::new(SimClock::new());
    for (app, slope, every, end, reset) in
        [("web", 10.0, 1, 300, -1), ("api", 7.5, 1, 300, 63), ("slow", 0.01, 7, 300, -1), ("gone", 1.0, 1, 40, -1)]
    {
        let mut value = 3.25;
        for second in (0..end).step_by(every) {
            if second == reset {
                value = 0.0;
            }
            value += slope * f64::from((second * 7919) % 13);
            let sample = (value, Timestamp::from_millis(at(second.into()).as_millis() + 500));
            prometheus.record("golden_total", &[("app", app), ("namespace", "shop")], sample);
        }
    }
    prometheus
}

/// Metric and value of each result, sorted: the order within a vector is not promised.
fn results(body: &str) -> Vec<(String, f64)> {
    let answer: Value = serde_json::from_str(body).unwrap();
    let value = |value: &Value| value[1].as_str().unwrap().replace("Inf", "inf").parse().unwrap();
    match answer["data"]["result"].as_array().unwrap() {
        items if answer["data"]["resultType"] == "vector" => {
            let mut found: Vec<_> =
                items.iter().map(|item| (item["metric"].to_string(), value(&item["value"]))).collect();
            found.sort_by(|left, right| left.0.cmp(&right.0));
            found
        }
        _ => vec![("scalar".to_owned(), value(&answer["data"]["result"]))],
    }
}

#[tokio::test(start_paused = true)]
async fn values_are_those_of_a_real_prometheus() {
    let prometheus = golden();
    let mut compared = 0;
    for line in GOLDEN.lines() {
        let [seconds, query, expected] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let (status, body) = prometheus.answer(query, from_seconds(seconds.parse().unwrap())).await;
        let body = String::from_utf8_lossy(&body).into_owned();
        assert_eq!(status, 200, "{line}: {body}");
        let (found, wanted) = (results(&body), results(expected));
        assert_eq!(found.len(), wanted.len(), "{line}: {body}");
        for (found, wanted) in found.iter().zip(&wanted) {
            let close = (found.1 - wanted.1).abs() <= 1e-12 * wanted.1.abs() || found.1.to_bits() == wanted.1.to_bits();
            assert!(found.0 == wanted.0 && (close || found.1.is_nan() && wanted.1.is_nan()), "{line}: {body}");
        }
        let head = |body: &str| body.split_once("\"result\"").unwrap().0.to_owned();
        assert_eq!(head(&body), head(expected));
        compared += wanted.len();
    }
    assert!(compared > 60, "{compared}");
}
