//! One look at one source: read what it names, connect where that has changed, probe where that is due, and publish what is new.

use std::sync::Arc;

use futures::future::join_all;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Resource;
use tokio::time::Instant;

use super::{Keeping, PROBE_EVERY};
use crate::api::conditions::READY;
use crate::api::query::{MetricQuery, SeriesRule, SourceKind, SourceRef};
use crate::api::source::status::TOLERATED_SKEW_SECONDS;
use crate::api::source::{Documents, SourceFinding, SourceObject, SourceStatus, source_status};
use crate::api::{ClusterPrometheusSource, PrometheusSource};
use crate::clock::Clock;
use crate::cluster::ClusterError;
use crate::cluster::documents::read_document;
use crate::cluster::events::Notice;
use crate::cluster::status::write_source_status;
use crate::engine::{Reading, Timestamp};
use crate::sources::Ask;
use crate::sources::prometheus::{Connection, Limits};
use crate::sources::recipe;
use crate::sources::registry::{Connect, Identification};

/// The query of a probe: every server answers it, and none has to look anything up.
const PROBE_QUERY: &str = "1";

/// What is remembered of a source between looks.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory {
    /// What it is asked through.
    connected: Option<(Connection, Limits)>,
    /// When it was last probed.
    probed: Option<Instant>,
    /// What the last look came to.
    finding: Option<SourceFinding>,
    /// What the API server holds.
    status: SourceStatus,
}

impl Memory {
    /// Of a source that was never looked at, with what an earlier process published.
    pub(super) fn of(status: &SourceStatus) -> Self {
        Self { status: status.clone(), ..Self::default() }
    }

    /// For a new state of the object: connected and probed anew.
    pub(super) fn renewed(self) -> Self {
        Self { connected: None, probed: None, finding: None, ..self }
    }
}

/// Looks at `object`; answers with the memory for the next look.
pub(super) async fn look<K: Connect, C: Clock>(
    keeping: Arc<Keeping<K, C>>,
    (object, revision): (Arc<SourceObject>, u64),
    mut memory: Memory,
) -> Memory {
    let subject = (&*object, revision);
    match documents(&keeping, &object).await {
        Ok(documents) => {
            if let Err(finding) = connect(&keeping, subject, &documents, &mut memory) {
                memory.connected = None;
                memory.finding = Some(finding);
            } else {
                probe_if_due(&keeping, &object, &mut memory).await;
            }
        }
        // What is already connected goes on: an API server that does not answer must not take a source away.
        Err(_) if memory.connected.is_some() => probe_if_due(&keeping, &object, &mut memory).await,
        Err(error) => {
            let message = format!("What it names cannot be read: {error}; this is tried again.");
            keeping.registry.disconnect((&object.key, revision), &message);
            memory.finding = Some(fault("SecretUnreadable", message, false));
        }
    }
    publish(&keeping, &object, &mut memory).await;
    memory
}

/// Reads all that the source names. Nothing of it is kept beyond the connection.
async fn documents<K: Connect, C>(keeping: &Keeping<K, C>, object: &SourceObject) -> Result<Documents, ClusterError> {
    let wanted = recipe::documents(&object.key, &object.spec);
    let read = join_all(wanted.into_iter().map(|reference| async {
        let document = read_document(&keeping.client, &reference).await?;
        Ok((reference, document))
    }));
    read.await.into_iter().collect()
}

fn fault(reason: &str, message: String, stalled: bool) -> SourceFinding {
    SourceFinding {
        ready: false,
        reason: reason.to_owned(),
        message,
        stalled,
        build_info: None,
        clock_skew_seconds: None,
    }
}

/// Connects where the connection is another than before.
fn connect<K: Connect, C>(
    keeping: &Keeping<K, C>,
    (object, revision): (&SourceObject, u64),
    documents: &Documents,
    memory: &mut Memory,
) -> Result<(), SourceFinding> {
    let key = &object.key;
    let limits = recipe::limits(&object.spec);
    let connection = match recipe::connection(key, &object.spec, documents, &keeping.allowance) {
        Ok(connection) => connection,
        Err(faults) => {
            let message = faults.to_string();
            keeping.registry.disconnect((key, revision), &message);
            return Err(fault(faults.reason(), message, faults.stalled()));
        }
    };
    let same = memory.connected.as_ref().is_some_and(|known| *known == (connection.clone(), limits));
    if same && keeping.registry.is_connected(key) {
        return Ok(());
    }
    memory.probed = None;
    let connected = keeping.registry.connect((key, revision), connection.clone(), limits);
    connected.map_err(|error| fault(error.reason, error.message, error.stalled))?;
    memory.connected = Some((connection, limits));
    Ok(())
}

async fn probe_if_due<K: Connect, C: Clock>(keeping: &Keeping<K, C>, object: &SourceObject, memory: &mut Memory) {
    let is_ready = memory.finding.as_ref().is_some_and(|finding| finding.ready);
    if is_ready && memory.probed.is_some_and(|probed| probed.elapsed() < PROBE_EVERY) {
        return;
    }
    let query = MetricQuery {
        source: SourceRef { kind: object.key.kind, name: Arc::clone(&object.key.name) },
        promql: PROBE_QUERY.into(),
        series: SeriesRule::ExactlyOne,
        max_sample_age_seconds: None,
    };
    let ask = Ask { query: &query, namespace: &object.key.namespace, at: keeping.clock.now() };
    let Some((reading, identification)) = keeping.registry.probe(&object.key, ask).await else { return };
    memory.probed = Some(Instant::now());
    memory.finding = Some(finding(&reading, identification, keeping.clock.now()));
}

/// What a probe came to.
fn finding(reading: &Reading, identification: Option<Identification>, now: Timestamp) -> SourceFinding {
    if let Reading::Missing(absent) = reading {
        return fault(absent.absence.reason(), absent.message.to_string(), false);
    }
    let Identification { build_info, now: theirs } =
        identification.unwrap_or(Identification { build_info: None, now: None });
    let skew = theirs.map(|theirs| i32::try_from(theirs.millis_since(now) / 1000).unwrap_or(i32::MAX));
    let who = build_info.as_ref().map_or_else(|| "It".to_owned(), |info| format!("{} {}", info.flavour, info.version));
    let clock = match skew {
        Some(skew) if skew.saturating_abs() > TOLERATED_SKEW_SECONDS => {
            let way = if skew > 0 { "ahead of" } else { "behind" };
            format!(" Its clock is {way} Flyball's: compare both with a time server.")
        }
        _ => String::new(),
    };
    SourceFinding {
        ready: true,
        reason: "Connected".to_owned(),
        message: format!("{who} answers.{clock}"),
        stalled: false,
        build_info,
        clock_skew_seconds: skew,
    }
}

/// Writes the status where it says something new, and an event where Ready does.
async fn publish<K: Connect, C: Clock>(keeping: &Keeping<K, C>, object: &SourceObject, memory: &mut Memory) {
    let Some(finding) = &memory.finding else { return };
    let status = source_status(&memory.status, object.generation, finding, keeping.clock.now());
    if status == memory.status {
        return;
    }
    tell(keeping, object, &memory.status, &status);
    match write_source_status(&keeping.client, &object.key, &status).await {
        Ok(()) => memory.status = status,
        Err(ClusterError::NotFound { .. }) => {} // deleted meanwhile
        Err(error) => {
            // The old status stays in memory, so the next look tries again.
            tracing::warn!(source = %object.key, %error, "The status of a source could not be written");
        }
    }
}

fn tell<K: Connect, C>(keeping: &Keeping<K, C>, object: &SourceObject, before: &SourceStatus, after: &SourceStatus) {
    let ready = |status: &SourceStatus| status.conditions.iter().find(|condition| condition.type_ == READY).cloned();
    let (before, Some(after)) = (ready(before), ready(after)) else { return };
    let same = |known: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition| {
        known.status == after.status && known.reason == after.reason
    };
    if before.as_ref().is_some_and(same) {
        return;
    }
    let is_ready = after.status == "True";
    let namespace = &*object.key.namespace;
    if is_ready {
        tracing::info!(source = %object.key, namespace, "{}", after.message);
    } else {
        tracing::warn!(source = %object.key, namespace, reason = after.reason, "{}", after.message);
    }
    let regarding = reference(object);
    keeping.events.tell(Notice { regarding, reason: after.reason, note: after.message, warning: !is_ready });
}

fn reference(object: &SourceObject) -> ObjectReference {
    let (api_version, kind) = match object.key.kind {
        SourceKind::Cluster => (ClusterPrometheusSource::api_version(&()), ClusterPrometheusSource::kind(&())),
        SourceKind::Namespaced => (PrometheusSource::api_version(&()), PrometheusSource::kind(&())),
    };
    ObjectReference {
        api_version: Some(api_version.into_owned()),
        kind: Some(kind.into_owned()),
        name: Some(object.key.name.to_string()),
        namespace: (object.key.kind == SourceKind::Namespaced).then(|| object.key.namespace.to_string()),
        uid: Some(object.uid.clone()),
        ..ObjectReference::default()
    }
}
