//! What a source costs when many policies ask at once: requests per round and CPU per query, for queries of one shape and for distinct
//! ones. In process, over a server that answers at once, so that nothing but the asking is measured. Counts are exact; times are this
//! machine's.
//!
//! `cargo bench --bench sharing`
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark may fail by panicking")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flyball::engine::{Reading, Timestamp};
use flyball::sources::prometheus::{Limits, PrometheusSource, QueryForm, RawAnswer, Transport, TransportError};
use flyball::sources::{Ask, MetricQuery, MetricSource, SeriesRule, SourceRef};
use tokio::time::Instant;

const POLICIES: usize = 1_000;
/// Slots of a period: so many batches make a round.
const SLOTS: usize = 10;
const ROUNDS: u32 = 20;

/// Answers whatever it is asked with one series for each name between quotes, as Prometheus would.
struct Immediate;

impl Transport for Immediate {
    async fn post(&self, form: QueryForm) -> Result<RawAnswer, TransportError> {
        // What is escaped in a regular expression is the character itself.
        let promql = form.promql.replace('\\', "");
        let names = promql.split_once("app=").map_or("", |(_, rest)| rest.split('"').nth(1).unwrap_or_default());
        let series: Vec<String> = names
            .split('|')
            .map(|name| format!(r#"{{"metric":{{"app":"{name}"}},"value":[1767225600,"12.5"]}}"#))
            .collect();
        let result = series.join(",");
        let body = format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{result}]}}}}"#);
        Ok(RawAnswer::new(200, Bytes::from(body)))
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let one_shape = |index: usize| format!("sum(rate(requests_total{{app=\"web-{index}\"}}[2m]))");
    // A number of its own keeps each from sharing with another.
    let distinct = |index: usize| format!("sum(rate(requests_total{{app=\"web-{index}\"}}[2m])) + {index}");
    runtime.block_on(async {
        measure("queries of one shape", one_shape).await;
        measure("distinct queries", distinct).await;
        measure("one query", |_| one_shape(0)).await;
    });
}

async fn measure(name: &str, query: impl Fn(usize) -> String) {
    let source = PrometheusSource::new(Immediate, Limits::default());
    let queries: Vec<MetricQuery> = (0..POLICIES)
        .map(|index| MetricQuery {
            source: SourceRef::default(),
            promql: query(index).into(),
            series: SeriesRule::Sum,
            max_sample_age_seconds: None,
        })
        .collect();
    let queries = Arc::new(queries);
    // Reads every query for the first time.
    round(&source, &queries, 0).await;
    let (before, started, cpu) = (source.requests_total(), Instant::now(), cpu_time());
    for number in 1..=ROUNDS {
        round(&source, &queries, i64::from(number)).await;
    }
    let (wall, cpu) = (started.elapsed() / ROUNDS, cpu_time().saturating_sub(cpu) / ROUNDS);
    let requests = (source.requests_total() - before) / u64::from(ROUNDS);
    let each = cpu / u32::try_from(POLICIES).unwrap();
    println!("{POLICIES} policies, {name}: {requests} requests a round, CPU {each:?} a query, {wall:.1?} a round");
}

async fn round(source: &PrometheusSource<Immediate>, queries: &Arc<Vec<MetricQuery>>, number: i64) {
    for slot in 0..SLOTS {
        let mut passes = tokio::task::JoinSet::new();
        for index in (slot..POLICIES).step_by(SLOTS) {
            let (source, queries) = (source.clone(), queries.clone());
            passes.spawn(async move {
                let at = Timestamp::from_millis(1_767_225_600_000 + number * 15_000);
                let reading = source.read(Ask { query: &queries[index], namespace: "shop", at }).await;
                assert!(matches!(reading, Reading::Complete(_)), "{reading:?}");
            });
        }
        passes.join_all().await;
    }
}

/// CPU of this process, from the kernel's own count; nothing where it tells none.
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanos = text.split_whitespace().next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}
