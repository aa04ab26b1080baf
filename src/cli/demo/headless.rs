//! The story on the simulated clock, as text. Everything runs in one thread whose time moves on whenever all have nothing to do, so
//! that a minute takes no minute, and equal seeds print equal bytes.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::record::{COLUMNS, Record};
use super::stage::{self, Operator, POLICY, QUERY, WORKLOAD};
use super::story::{self, Script};
use crate::clock::Clock as _;
use crate::cluster::client::Clients;
use crate::sandbox::SimClock;
use crate::sources::prometheus::{Limits, PrometheusSource};
use crate::telemetry::Metrics;
use crate::view::History;

/// How often the transcript looks for a new decision; far more often than any is made.
const LOOK: Duration = Duration::from_millis(100);

/// A story that was told.
pub(super) struct Told {
    /// The transcript.
    pub(super) text: String,
    /// What was decided in it.
    pub(super) record: Record,
    /// How long it took, which is no part of the transcript since it differs from run to run.
    pub(super) wall_time: String,
}

/// Tells `length` of the story.
///
/// # Errors
/// Where the controller ends before.
pub(super) fn tell(length: Duration, seed: u64) -> anyhow::Result<Told> {
    #[allow(clippy::disallowed_methods)]
    // the one question about real time here, and its answer stays out of the transcript
    let began = std::time::Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
    let (text, record) = runtime.block_on(transcript(length, seed))?;
    let wall_time = format!("{} s of story in {:.2} s", length.as_secs(), began.elapsed().as_secs_f64());
    Ok(Told { text, record, wall_time })
}

async fn transcript(length: Duration, seed: u64) -> anyhow::Result<(String, Record)> {
    let clock = SimClock::new();
    let world = stage::world(clock, seed)?;
    let cancel = CancellationToken::new();
    let living = tokio::spawn({
        let (world, cancel) = (world.clone(), cancel.clone());
        async move { world.run(clock, cancel).await }
    });
    let clients = Clients::same(world.kubernetes.client(WORKLOAD.0));
    let source = PrometheusSource::new(world.prometheus.clone(), Limits::default());
    let operator = Operator::start((clients, source, clock), Arc::new(Metrics::new()), cancel.clone());

    let start = clock.now();
    let mut record = Record::new(start, History::MOST);
    let mut script = Script::starting_at(start);
    let mut text = header(length, seed);
    let mut looks = tokio::time::interval(LOOK);
    loop {
        looks.tick().await;
        let now = clock.now();
        while let Some(beat) = script.due(now) {
            story::play(&world, beat.turn, now);
            record.tell(now, beat.caption);
            let _ = writeln!(text, "{:>6.1}  ── {} ──", record.seconds(now), beat.caption);
        }
        let decided = operator.report().and_then(|report| record.take_in(&report, world.load(WORKLOAD.0, WORKLOAD.1)));
        if let Some(line) = decided {
            let _ = writeln!(text, "{line}");
        }
        if now.millis_since(start) >= i64::try_from(length.as_millis()).unwrap_or(i64::MAX) || operator.has_ended() {
            break;
        }
    }
    cancel.cancel();
    operator.ended().await?;
    living.await?;
    let _ = write!(text, "\n{}", record.table(&world));
    Ok((text, record))
}

fn header(length: Duration, seed: u64) -> String {
    format!(
        "flyball demo: the controller of `flyball run` on an embedded Kubernetes API, Prometheus and workload\n\
         simulated clock, {} s, seed {seed}\n\
         {POLICY}\n  {QUERY}\n\n\
         short for the demo         here               default\n\
         \x20 pollingPeriodSeconds        2                    15\n\
         \x20 scaleDown window         10 s                 300 s\n\
         \x20 scaleUp policy      2 Pods/1 s  4 Pods or 100 %/15 s\n\
         \x20 scaleDown policy    2 Pods/1 s            100 %/15 s\n\n{COLUMNS}\n",
        length.as_secs()
    )
}
