//! What a hostile Prometheus can make Flyball allocate: every answer stays within a small multiple of the limit on its body. One test,
//! because the count is of the whole process.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use flyball::engine::{Reading, Timestamp};
use flyball::sources::prometheus::{Limits, PrometheusSource};
use flyball::sources::{Ask, MetricQuery, MetricSource, SeriesRule, SourceRef};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const MEGABYTE: usize = 1024 * 1024;
/// The limit on a body in this test.
const BODY_BYTES: usize = MEGABYTE;
/// What one answer may hold at its peak: the body and the buffer that it grows out of (three limits), and what the HTTP client takes
/// whatever is sent, of which a head that is refused at 400 kB is most.
const MOST_BYTES: usize = 3 * BODY_BYTES + MEGABYTE;

/// The bytes to write, and whether to write them for ever.
type Script = (&'static str, Vec<u8>, bool);

fn scripts() -> Vec<Script> {
    let head = |headers: &str| format!("HTTP/1.1 200 OK\r\nconnection: close\r\n{headers}\r\n").into_bytes();
    let vector = |points: String| {
        format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{points}]}}}}"#).into_bytes()
    };
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..200 {
        bomb.write_all(&vec![b' '; MEGABYTE]).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    let many = vector(vec![r#"{"value":[1,"1"]}"#; 100_000].join(","));
    let dense = vector(vec![r#"{"value":[1,"1"]}"#; BODY_BYTES / 20].join(","));
    vec![
        ("a flood", [head(""), vec![b' '; MEGABYTE]].concat(), true),
        ("a gzip bomb", [head("content-encoding: gzip\r\n"), bomb].concat(), false),
        ("100,000 series", [head(""), many].concat(), false),
        ("as many series as fit", [head(""), dense].concat(), false),
        ("deep JSON", [head(""), b"{\"data\":".to_vec(), vec![b'['; BODY_BYTES / 2]].concat(), false),
        ("a head without end", [b"HTTP/1.1 200 OK\r\nx: ".to_vec(), vec![b'x'; MEGABYTE]].concat(), true),
    ]
}

#[tokio::test]
async fn memory_stays_bounded_whatever_is_answered() {
    let query = MetricQuery {
        source: SourceRef::default(),
        promql: "up".into(),
        series: SeriesRule::Sum,
        max_sample_age_seconds: None,
    };
    let limits = Limits { body_bytes: BODY_BYTES, deadline: Duration::from_secs(20), ..Limits::default() };
    for (name, bytes, endless) in scripts() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let bytes = Arc::new(bytes);
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            while stream.write_all(&bytes).await.is_ok() && endless {}
            let _ = stream.shutdown().await;
        });
        let source = PrometheusSource::connect(&address, limits).unwrap();
        let profiler = dhat::Profiler::builder().testing().build();
        let reading = source.read(Ask { query: &query, namespace: "shop", at: Timestamp::from_millis(1_000) }).await;
        let most = dhat::HeapStats::get().max_bytes;
        drop(profiler);
        server.abort();
        println!("{name}: {most} bytes at most: {reading:?}");
        assert!(most <= MOST_BYTES, "{name}: {most} bytes");
        let Reading::Missing(absent) = reading else { panic!("{name}: {reading:?}") };
        assert!(absent.message.len() < 400, "{name}: {}", absent.message);
    }
}
