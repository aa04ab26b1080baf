//! What an answer costs once its bytes are here: decoding and judging, for one series and for a shared query's thousands.
#![allow(missing_docs, clippy::unwrap_used)]

use std::fmt::Write as _;
use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use flyball::engine::Timestamp;
use flyball::sources::prometheus::{DEFAULT_SERIES, RawAnswer, decode, decode_labelled, read};
use flyball::sources::{MetricQuery, SeriesRule, SourceRef};

/// A body as Prometheus writes it, with labels of a usual length.
fn body(series: usize) -> Bytes {
    let mut body = r#"{"status":"success","data":{"resultType":"vector","result":["#.to_owned();
    for index in 0..series {
        let comma = if index == 0 { "" } else { "," };
        write!(
            body,
            r#"{comma}{{"metric":{{"__name__":"http_requests_total","app":"web","instance":"10.0.{}.{}:8080","job":"kubernetes-pods","namespace":"shop","pod":"web-7d4b9c6f5-{index:05}"}},"value":[1700000000.123,"{}.5"]}}"#,
            index / 256, index % 256, index
        )
        .unwrap();
    }
    body.push_str("]}}");
    body.into()
}

fn answers(criterion: &mut Criterion) {
    let query = MetricQuery {
        source: SourceRef::default(),
        promql: "x".into(),
        series: SeriesRule::Sum,
        max_sample_age_seconds: Some(60),
    };
    let at = Timestamp::from_millis(1_700_000_000_123);
    for series in [1, 5_000] {
        let raw = RawAnswer::new(200, body(series));
        let mut group = criterion.benchmark_group(format!("{series}_series"));
        group.throughput(Throughput::Bytes(raw.body.len() as u64));
        group.bench_function("decode", |bencher| {
            bencher.iter(|| decode(black_box(&raw.body), DEFAULT_SERIES).unwrap());
        });
        group.bench_function("decode_labelled", |bencher| {
            bencher.iter(|| decode_labelled(black_box(&raw.body), DEFAULT_SERIES, &["namespace", "pod"]).unwrap());
        });
        group.bench_function("read", |bencher| {
            bencher.iter(|| read(black_box(&raw), &query, at, DEFAULT_SERIES));
        });
        group.finish();
    }
}

criterion_group!(benches, answers);
criterion_main!(benches);
