//! A Prometheus that misbehaves in every way we could think of, on a real socket. Each answer ends within its deadline and
//! limits as the right reading. Real sockets need real time, so deadlines are short; nothing here sleeps to make a test pass.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use flyball::engine::{Absence, Milli, Reading, Sample, Timestamp};
use flyball::sources::prometheus::{Limits, PrometheusSource};
use flyball::sources::{Ask, MetricQuery, MetricSource, SeriesRule, SourceRef};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::Instant;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_250);
/// What a reading may take beyond its deadline on a machine that is busy with other tests.
const SLACK: Duration = Duration::from_secs(3);
const MEGABYTE: usize = 1024 * 1024;

/// What the server does with a request once it has read it.
#[derive(Clone)]
enum Conduct {
    /// Writes these bytes and closes.
    Write(Vec<u8>),
    /// Writes the head, then so many bytes of the same.
    Flood { head: String, bytes: usize },
    /// Writes the head, then one byte every 20 ms, for ever.
    Drip(String),
    /// Writes the head, then these bytes again and again, until nobody reads them.
    Repeat { head: Vec<u8>, more: Vec<u8> },
    /// Says nothing, for ever.
    Silence,
}

/// A server that lives as long as this value.
struct Hostile {
    address: SocketAddr,
    served: Arc<AtomicUsize>,
    sent: Arc<AtomicUsize>,
    request: Arc<std::sync::Mutex<String>>,
    task: JoinHandle<()>,
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Hostile {
    async fn start(conduct: Conduct) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (served, sent) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let request = Arc::<std::sync::Mutex<String>>::default();
        let (served_too, sent_too, request_too) = (Arc::clone(&served), Arc::clone(&sent), Arc::clone(&request));
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let text = read_request(&mut stream).await;
                if text.starts_with("GET ") {
                    // Questions about the server itself, not about a metric.
                    let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await;
                    continue;
                }
                *request_too.lock().unwrap() = text;
                served_too.fetch_add(1, Ordering::SeqCst);
                let (conduct, sent) = (conduct.clone(), Arc::clone(&sent_too));
                tokio::spawn(async move { behave(&mut stream, conduct, &sent).await });
            }
        });
        Self { address, served, sent, request, task }
    }

    fn source(&self, limits: Limits) -> PrometheusSource<impl flyball::sources::prometheus::Transport> {
        PrometheusSource::connect(&format!("http://user:hunter2@{}", self.address), limits).unwrap()
    }
}

/// Reads the head and as much body as it announces.
async fn read_request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).await.unwrap_or(0);
        request.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&request);
        let whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
            let length = head
                .lines()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned));
            body.len() >= length.and_then(|length| length.parse().ok()).unwrap_or(0)
        });
        if count == 0 || whole {
            return text.into_owned();
        }
    }
}

async fn behave(stream: &mut TcpStream, conduct: Conduct, sent: &AtomicUsize) {
    match conduct {
        Conduct::Write(bytes) => {
            let _ = stream.write_all(&bytes).await;
        }
        Conduct::Flood { head, bytes } => {
            let _ = stream.write_all(head.as_bytes()).await;
            let part = [b' '; 64 * 1024];
            for _ in 0..bytes / part.len() {
                if stream.write_all(&part).await.is_err() {
                    return;
                }
                sent.fetch_add(part.len(), Ordering::SeqCst);
            }
        }
        Conduct::Drip(head) => {
            let _ = stream.write_all(head.as_bytes()).await;
            while stream.write_all(b" ").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Conduct::Repeat { head, more } => {
            let _ = stream.write_all(&head).await;
            while stream.write_all(&more).await.is_ok() {
                sent.fetch_add(more.len(), Ordering::SeqCst);
            }
        }
        Conduct::Silence => std::future::pending().await,
    }
    let _ = stream.shutdown().await;
}

/// A whole HTTP answer.
fn http(status: &str, headers: &str, body: &[u8]) -> Conduct {
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n", body.len());
    Conduct::Write([head.as_bytes(), body].concat())
}

fn json(status: &str, body: &str) -> Conduct {
    http(status, "content-type: application/json\r\n", body.as_bytes())
}

fn vector(result: &str) -> Conduct {
    json("200 OK", &format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{result}]}}}}"#))
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn short() -> Limits {
    Limits { deadline: Duration::from_millis(800), connect_timeout: Duration::from_millis(400), ..Limits::default() }
}

/// For answers that are decided by their content: the deadline must not be what ends them.
fn patient() -> Limits {
    Limits { deadline: Duration::from_secs(20), ..Limits::default() }
}

fn query() -> MetricQuery {
    MetricQuery {
        source: SourceRef::default(),
        promql: "sum(rate(m{a=\"ü&=\"}[2m]))".into(),
        series: SeriesRule::Sum,
        max_sample_age_seconds: None,
    }
}

async fn ask(conduct: Conduct, limits: Limits) -> Reading {
    let server = Hostile::start(conduct).await;
    ask_server(&server, limits).await
}

async fn ask_server(server: &Hostile, limits: Limits) -> Reading {
    let start = Instant::now();
    let reading = server.source(limits).read(Ask { query: &query(), namespace: "shop", at: NOW }).await;
    let took = start.elapsed();
    assert!(took < limits.deadline + SLACK, "took {took:?}: {reading:?}");
    if let Some(absent) = reading.absent() {
        assert!(!absent.message.contains("hunter2"), "{}", absent.message);
        assert!(absent.message.len() < 400, "{}", absent.message);
    }
    reading
}

/// The reading has no number, for this reason, and its sentence contains `words`.
fn check_missing(name: &str, reading: &Reading, want: Absence, words: &str) {
    let Reading::Missing(absent) = reading else { panic!("{name}: {reading:?}") };
    assert_eq!(absent.absence, want, "{name}: {}", absent.message);
    assert!(absent.message.contains(words), "{name}: {} lacks {words}", absent.message);
    println!("{name}: {}: {}", absent.absence.reason(), absent.message);
}

fn complete(milli: i64, series: u32, age_millis: i64) -> Reading {
    Reading::Complete(Sample { value: Milli::new(milli), series, age_millis: Some(age_millis) })
}

#[tokio::test]
async fn numbers_arrive() {
    let one = r#"{"metric":{"a":"b"},"value":[1700000000,"1.5"]}"#;
    assert_eq!(ask(vector(one), patient()).await, complete(1_500, 1, 250));
    assert_eq!(ask(vector(&vec![one; 100].join(",")), patient()).await, complete(150_000, 100, 250));
    let scalar = r#"{"status":"success","data":{"resultType":"scalar","result":[1700000000.25,"42"]},"infos":["PromQL info: x"]}"#;
    assert_eq!(ask(json("200 OK", scalar), patient()).await, complete(42_000, 1, 0));
    let zipped = http("200 OK", "content-encoding: gzip\r\n", &gzip(scalar.as_bytes()));
    assert_eq!(ask(zipped, patient()).await, complete(42_000, 1, 0));
    let body = format!("{:x}\r\n{scalar}\r\n0\r\n\r\n", scalar.len());
    let chunked = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n{body}");
    assert_eq!(ask(Conduct::Write(chunked.into_bytes()), patient()).await, complete(42_000, 1, 0));
}

#[tokio::test]
async fn the_request_is_what_prometheus_expects() {
    let server = Hostile::start(vector("")).await;
    ask_server(&server, patient()).await;
    let request = server.request.lock().unwrap().clone();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /api/v1/query HTTP/1.1\r\n"), "{head}");
    assert!(head.to_ascii_lowercase().contains("user-agent: flyball/"), "{head}");
    assert!(head.to_ascii_lowercase().contains("content-type: application/x-www-form-urlencoded"), "{head}");
    // user:hunter2 went into the header where it belongs.
    assert!(head.to_ascii_lowercase().contains("authorization: basic "), "{head}");
    let form: Vec<(String, String)> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    assert_eq!(field("query"), Some(&*query().promql));
    assert_eq!(field("time"), Some("1700000000.250"));
    let timeout: u64 = field("timeout").unwrap().strip_suffix("ms").unwrap().parse().unwrap();
    assert!((1..=20_000).contains(&timeout), "{timeout}");
}

#[tokio::test]
async fn contents_that_are_no_number() {
    let point = |value: &str| format!(r#"{{"metric":{{}},"value":[1700000000,"{value}"]}}"#);
    let typed = |kind: &str, result: &str| {
        json("200 OK", &format!(r#"{{"status":"success","data":{{"resultType":"{kind}","result":{result}}}}}"#))
    };
    let deep = format!("{{\"status\":\"success\",\"data\":{}", "[".repeat(MEGABYTE));
    let histogram = r#"{"metric":{},"histogram":[1700000000,{"count":"1","sum":"1","buckets":[]}]}"#;
    let many = vec![point("1"); 100_000].join(",");
    let nested = format!(
        "{{\"status\":\"success\",\"data\":{{\"resultType\":\"vector\",\"result\":{}1{}}}}}",
        "[".repeat(MEGABYTE),
        "]".repeat(MEGABYTE)
    );
    for (name, conduct, want, words) in [
        ("empty vector", vector(""), Absence::Empty, "no series"),
        ("NaN", vector(&point("NaN")), Absence::NotFinite, "NaN"),
        ("infinity among numbers", vector(&[point("1"), point("+Inf")].join(",")), Absence::NotFinite, "+Inf"),
        ("100,000 series", vector(&many), Absence::TooManySeries, "10000"),
        ("histogram", vector(histogram), Absence::WrongType, "native histogram"),
        ("matrix", typed("matrix", "[]"), Absence::WrongType, "range vector"),
        ("string", typed("string", r#"[1,"x"]"#), Absence::WrongType, "string"),
        ("wrong types", typed("vector", r#"[{"value":{"a":1}}]"#), Absence::Malformed, "API"),
        ("deep JSON", json("200 OK", &deep), Absence::Malformed, "ends in the middle"),
        ("deep JSON that ends", json("200 OK", &nested), Absence::Malformed, ""),
        ("empty body", json("200 OK", ""), Absence::Malformed, "empty body"),
        ("204", Conduct::Write(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()), Absence::Malformed, "empty body"),
        ("HTML", http("200 OK", "content-type: text/html\r\n", b"<!DOCTYPE html><p>"), Absence::Malformed, "HTML page"),
        ("binary", http("200 OK", "", &[0xff, 0, 0x80]), Absence::Malformed, "not a JSON object"),
        ("corrupt gzip", http("200 OK", "content-encoding: gzip\r\n", b"no gzip"), Absence::Malformed, "corrupt"),
    ] {
        check_missing(name, &ask(conduct, patient()).await, want, words);
    }
}

#[tokio::test]
async fn samples_that_are_too_old() {
    let limited = MetricQuery { max_sample_age_seconds: Some(60), ..query() };
    // By its own timestamp, as some stores send it; and by when the newest sample under the query was taken, which is asked for as well.
    for (answer, words) in [
        (r#"{"value":[1600000000,"1"]}"#, "older than the 60 s"),
        (r#"{"value":[1700000000.25,"1699999900"]}"#, "The newest sample is 100 s old"),
    ] {
        let server = Hostile::start(vector(answer)).await;
        let reading = server.source(patient()).read(Ask { query: &limited, namespace: "shop", at: NOW }).await;
        check_missing(answer, &reading, Absence::Stale, words);
    }
}

#[tokio::test]
async fn statuses_that_are_no_success() {
    let refused = |kind: &str| format!(r#"{{"status":"error","errorType":"{kind}","error":"said so"}}"#);
    let to_elsewhere = "location: http://127.0.0.1:1/\r\n";
    for (name, conduct, want, words) in [
        ("302", http("302 Found", to_elsewhere, b""), Absence::Malformed, "redirects are not followed"),
        ("308", http("308 Permanent Redirect", to_elsewhere, b""), Absence::Malformed, "redirects are not followed"),
        ("400", json("400 Bad Request", &refused("bad_data")), Absence::BadQuery, "said so"),
        ("422", json("422 Unprocessable Entity", &refused("execution")), Absence::BadQuery, "said so"),
        ("401", http("401 Unauthorized", "www-authenticate: Basic\r\n", b"no"), Absence::Unauthorized, "401"),
        ("403", http("403 Forbidden", "", b"no"), Absence::Unauthorized, "403"),
        (
            "404",
            http("404 Not Found", "", b"404 page not found"),
            Absence::Malformed,
            "check the address of --prometheus-url",
        ),
        ("429", json("429 Too Many Requests", &refused("too_many_requests")), Absence::Unavailable, "said so"),
        ("500", json("500 Internal Server Error", &refused("internal")), Absence::Unavailable, "said so"),
        ("503", http("503 Service Unavailable", "", b"no healthy upstream"), Absence::Unavailable, "503"),
        ("503 timeout", json("503 Service Unavailable", &refused("timeout")), Absence::Timeout, "said so"),
    ] {
        check_missing(name, &ask(conduct, patient()).await, want, words);
    }
    // The status counts even where its page is endless, broken or larger than anything allowed.
    let head = "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\n\r\n".to_owned();
    let flood = Conduct::Flood { head, bytes: 50 * MEGABYTE };
    check_missing("503 of 50 MB", &ask(flood, patient()).await, Absence::Unavailable, "503");
    let cut = Conduct::Write(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 100\r\n\r\nhalf".to_vec());
    check_missing("half a 503", &ask(cut, patient()).await, Absence::Unavailable, "503");
}

#[tokio::test]
async fn warnings_make_it_partial() {
    let body = r#"{"status":"success","data":{"resultType":"vector","result":[{"value":[1700000000.25,"3"]}]},
        "warnings":["store 10.0.0.7 did not answer\n"]}"#;
    let Reading::Partial(sample, absent) = ask(json("200 OK", body), patient()).await else { panic!("not partial") };
    assert_eq!((sample.value, absent.absence), (Milli::new(3_000), Absence::Warnings));
    assert!(absent.message.contains("store 10.0.0.7 did not answer"), "{}", absent.message);
}

#[tokio::test]
async fn floods_are_stopped_at_the_limit() {
    // With its size announced, nothing of it is read; without, no more than the limit and what the sockets hold.
    for (name, size) in
        [("announced", format!("content-length: {}\r\n", 50 * MEGABYTE)), ("not announced", String::new())]
    {
        let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n{size}\r\n");
        let server = Hostile::start(Conduct::Flood { head, bytes: 50 * MEGABYTE }).await;
        check_missing(name, &ask_server(&server, patient()).await, Absence::TooLarge, "8388608 bytes");
        assert!(server.sent.load(Ordering::SeqCst) < 25 * MEGABYTE, "{name}");
    }
}

#[tokio::test]
async fn gzip_bombs_are_stopped_at_the_limit() {
    let bomb = gzip(&vec![b' '; 200 * MEGABYTE]);
    assert!(bomb.len() < MEGABYTE, "{}", bomb.len());
    let reading = ask(http("200 OK", "content-encoding: gzip\r\n", &bomb), patient()).await;
    check_missing("gzip bomb", &reading, Absence::TooLarge, "8388608 bytes");
}

#[tokio::test]
async fn heads_without_end_are_stopped() {
    let line = |text: &str| text.as_bytes().to_vec();
    for (name, head, more) in [
        ("many headers", "HTTP/1.1 200 OK\r\n", line("x-a: b\r\n")),
        ("one long header", "HTTP/1.1 200 OK\r\nx-a: ", vec![b'b'; 64 * 1024]),
        ("interim answers", "", line("HTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\n")),
        ("one long status line", "HTTP/1.1 200 ", vec![b'o'; 64 * 1024]),
        ("chunks of nothing", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;", vec![b'x'; 64 * 1024]),
    ] {
        let server = Hostile::start(Conduct::Repeat { head: head.as_bytes().to_vec(), more }).await;
        let reading = ask_server(&server, short()).await;
        let Reading::Missing(absent) = reading else { panic!("{name}: {reading:?}") };
        assert!(matches!(absent.absence, Absence::Malformed | Absence::Timeout), "{name}: {}", absent.message);
        println!(
            "{name}: {}: {} ({} bytes)",
            absent.absence.reason(),
            absent.message,
            server.sent.load(Ordering::SeqCst)
        );
    }
}

#[tokio::test]
async fn slowness_ends_at_the_deadline() {
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\n".to_owned();
    for (name, conduct) in [
        ("silence", Conduct::Silence),
        ("head without end", Conduct::Drip(format!("{head}x-slow: "))),
        ("body without end", Conduct::Drip(format!("{head}\r\n{{"))),
        ("error body without end", Conduct::Drip("HTTP/1.1 503 Slow\r\n\r\n".to_owned())),
    ] {
        let start = Instant::now();
        let reading = ask(conduct, short()).await;
        let took = start.elapsed();
        // An error page that never ends is a 503 or a timeout; both hold.
        match name {
            "error body without end" => assert!(matches!(reading, Reading::Missing(_)), "{reading:?}"),
            _ => check_missing(name, &reading, Absence::Timeout, "800ms"),
        }
        assert!(took >= short().deadline - Duration::from_millis(50), "{name} ended after {took:?}");
    }
}

#[tokio::test]
async fn broken_connections() {
    for (name, bytes, want) in [
        ("half a body", &b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"status\":\"succ"[..], Absence::Malformed),
        ("half a chunk", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nff\r\n{\"stat", Absence::Malformed),
        ("no length", b"HTTP/1.1 200 OK\r\n\r\n{\"status\":\"success\",\"data\":{\"resul", Absence::Malformed),
        ("half a head", b"HTTP/1.1 200 OK\r\ncontent-le", Absence::Malformed),
        ("no HTTP", b"SSH-2.0-OpenSSH_9.2\r\n", Absence::Malformed),
        ("nothing", b"", Absence::Malformed),
    ] {
        let reading = ask(Conduct::Write(bytes.to_vec()), patient()).await;
        check_missing(name, &reading, want, "");
    }
}

#[tokio::test]
async fn nobody_there() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let source = PrometheusSource::connect(&format!("http://user:hunter2@{address}"), patient()).unwrap();
    let reading = source.read(Ask { query: &query(), namespace: "shop", at: NOW }).await;
    check_missing("refused", &reading, Absence::Unreachable, &format!("{address}: connection refused"));
    assert!(!format!("{reading:?}").contains("hunter2"));

    // What a resolver or a proxy makes of this name is the machine's business; a number it is not, and the password stays here.
    let source = PrometheusSource::connect("http://user:hunter2@prometheus.invalid:9090", short()).unwrap();
    let reading = source.read(Ask { query: &query(), namespace: "shop", at: NOW }).await;
    assert!(matches!(reading, Reading::Missing(_)), "{reading:?}");
    assert!(!format!("{reading:?}").contains("hunter2"));

    // TLS to a server that speaks none.
    let server = Hostile::start(json("200 OK", "{}")).await;
    if let Ok(source) = PrometheusSource::connect(&format!("https://{}", server.address), short()) {
        let reading = source.read(Ask { query: &query(), namespace: "shop", at: NOW }).await;
        assert!(matches!(reading, Reading::Missing(_)), "{reading:?}");
    }
}

#[tokio::test]
async fn connections_are_kept_and_queries_counted() {
    // One connection that answers twice: a second accept would show as a second request on a new stream.
    let body = r#"{"status":"success","data":{"resultType":"scalar","result":[1700000000.25,"1"]}}"#;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepted = Arc::new(AtomicUsize::new(0));
    let accepted_too = Arc::clone(&accepted);
    let task = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            accepted_too.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                loop {
                    let request = read_request(&mut stream).await;
                    if request.is_empty() {
                        return;
                    }
                    let body = if request.starts_with("GET ") { "{}" } else { body };
                    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    });
    let source = PrometheusSource::connect(&format!("http://{address}"), patient()).unwrap();
    for _ in 0..5 {
        assert_eq!(source.read(Ask { query: &query(), namespace: "shop", at: NOW }).await, complete(1_000, 1, 0));
    }
    assert_eq!((source.requests_total(), source.incomplete_total(), accepted.load(Ordering::SeqCst)), (5, 0, 1));
    task.abort();
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Hostile::start(vector("")).await;
    let location = format!("location: http://{}/api/v1/query\r\n", elsewhere.address);
    let reading = ask(http("307 Temporary Redirect", &location, b""), patient()).await;
    check_missing("307", &reading, Absence::Malformed, "redirects are not followed");
    assert_eq!(elsewhere.served.load(Ordering::SeqCst), 0);
}
