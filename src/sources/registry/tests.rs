use url::Url;

use super::*;
use crate::engine::Timestamp;
use crate::sources::prometheus::usage::Way;
use crate::sources::prometheus::{QueryForm, RawAnswer, Transport, TransportError};
use crate::sources::{MetricQuery, SeriesRule};

/// Every client answers with the same reading.
struct Same(Reading);

struct Parrot(Reading);

impl MetricSource for Parrot {
    async fn read(&self, _ask: Ask<'_>) -> Reading {
        self.0.clone()
    }
}

/// Lets nobody in.
struct Shut;

impl Transport for Shut {
    async fn post(&self, _: QueryForm) -> Result<RawAnswer, TransportError> {
        Ok(RawAnswer::new(401, "Unauthorized"))
    }
}

impl Connect for Same {
    type Source = Parrot;

    fn connect(&self, connection: &Connection, _limits: Limits) -> Result<Parrot, NotConnected> {
        if connection.url.path() == "/refused" {
            return Err(NotConnected { reason: "InvalidUrl", message: "no".to_owned(), stalled: true });
        }
        Ok(Parrot(self.0.clone()))
    }

    fn pod_usage(&self, _connection: &Connection) -> Result<Way, NotConnected> {
        Ok(Way::through(Shut))
    }

    async fn identify(&self, _source: &Parrot) -> Option<Identification> {
        None
    }

    fn activity(&self, _source: &Parrot) -> Activity {
        Activity { questions: 7, ..Activity::default() }
    }
}

fn registry(absence: Absence, message: &str) -> (Registry<Same>, mpsc::Receiver<SourceKey>) {
    Registry::new(Same(Reading::missing(absence, message)), None)
}

fn to(path: &str) -> Connection {
    Connection::to(Url::parse(&format!("http://prometheus{path}")).unwrap())
}

fn key(kind: SourceKind) -> SourceKey {
    let namespace = if kind == SourceKind::Namespaced { "shop" } else { "" };
    SourceKey { kind, namespace: namespace.into(), name: "team".into() }
}

async fn ask(registry: &Registry<Same>, kind: SourceKind, namespace: &str) -> Absent {
    let query = MetricQuery {
        source: SourceRef { kind, name: "team".into() },
        promql: "up".into(),
        series: SeriesRule::Sum,
        max_sample_age_seconds: None,
    };
    let reading = registry.read(Ask { query: &query, namespace, at: Timestamp::default() }).await;
    reading.absent().unwrap().clone()
}

#[tokio::test]
async fn a_source_becomes_usable_step_by_step() {
    let (registry, _refusals) = registry(Absence::Empty, "nothing");
    let key = key(SourceKind::Namespaced);
    let asked = || ask(&registry, SourceKind::Namespaced, "shop");
    assert_eq!(asked().await.absence, Absence::SourceNotReady, "not listed");
    registry.set_listed(SourceKind::Namespaced);
    let absent = asked().await;
    assert_eq!(absent.absence, Absence::SourceNotFound);
    assert!(absent.message.contains("There is no PrometheusSource \"team\" in namespace \"shop\""), "{absent:?}");
    registry.admit(&key, 1, Audience::All);
    assert_eq!(asked().await.absence, Absence::SourceNotReady, "pending");
    registry.disconnect((&key, 1), "the Secret is missing.");
    assert_eq!(&*asked().await.message, "PrometheusSource \"team\": the Secret is missing.");
    registry.connect((&key, 1), to("/"), Limits::default()).unwrap();
    assert_eq!(asked().await.absence, Absence::Empty, "the server's own answer");
    assert_eq!(
        ask(&registry, SourceKind::Namespaced, "depot").await.absence,
        Absence::SourceNotFound,
        "of a neighbour"
    );
    registry.remove(&key);
    assert_eq!(asked().await.absence, Absence::SourceNotFound);
    registry.connect((&key, 1), to("/"), Limits::default()).unwrap();
    assert_eq!(asked().await.absence, Absence::SourceNotFound, "what is gone does not come back by a late look");
}

#[tokio::test]
async fn what_was_found_for_an_older_object_does_not_count() {
    let (registry, _refusals) = registry(Absence::Empty, "nothing");
    let key = key(SourceKind::Cluster);
    registry.set_listed(SourceKind::Cluster);
    registry.admit(&key, 1, Audience::Names(["shop".to_owned()].into()));
    registry.connect((&key, 1), to("/"), Limits::default()).unwrap();
    registry.admit(&key, 2, Audience::All);
    registry.connect((&key, 1), to("/"), Limits::default()).unwrap();
    let absent = ask(&registry, SourceKind::Cluster, "depot").await;
    assert_eq!(absent.absence, Absence::SourceNotReady, "who may ask now must not be led to where others were");
    registry.connect((&key, 2), to("/"), Limits::default()).unwrap();
    assert_eq!(ask(&registry, SourceKind::Cluster, "depot").await.absence, Absence::Empty);
    let activities: Vec<_> = registry.activities().into_iter().map(|(name, did)| (name, did.questions)).collect();
    assert_eq!(activities, [("team".into(), 7)]);
}

#[tokio::test]
async fn messages_name_the_object_where_the_source_is_at_fault() {
    for (absence, message, expected) in [
        (Absence::Unreachable, "Cannot reach a:1.", "ClusterPrometheusSource \"team\": Cannot reach a:1."),
        (
            Absence::Malformed,
            "check the address of \u{2039}source\u{203a}.",
            "check the address of ClusterPrometheusSource \"team\".",
        ),
        (Absence::Empty, "The query returned no series.", "The query returned no series."),
        (Absence::BadQuery, "parse error", "parse error"),
    ] {
        let (registry, mut refusals) = registry(absence, message);
        registry.set_listed(SourceKind::Cluster);
        registry.admit(&key(SourceKind::Cluster), 1, Audience::All);
        registry.connect((&key(SourceKind::Cluster), 1), to("/"), Limits::default()).unwrap();
        assert_eq!(&*ask(&registry, SourceKind::Cluster, "shop").await.message, expected);
        assert!(refusals.try_recv().is_err(), "nobody was refused");
    }
}

#[tokio::test]
async fn a_refusal_is_told_and_a_full_queue_does_no_harm() {
    let (registry, mut refusals) = registry(Absence::Unauthorized, "no");
    registry.set_listed(SourceKind::Cluster);
    registry.admit(&key(SourceKind::Cluster), 1, Audience::All);
    registry.connect((&key(SourceKind::Cluster), 1), to("/"), Limits::default()).unwrap();
    for _ in 0..2 * MAX_WAITING_REFUSALS {
        assert_eq!(ask(&registry, SourceKind::Cluster, "shop").await.absence, Absence::Unauthorized);
    }
    assert_eq!(refusals.try_recv(), Ok(key(SourceKind::Cluster)));
}

#[tokio::test(start_paused = true)]
async fn settling_waits_for_lists_secrets_and_labels_and_not_for_ever() {
    let (registry, _refusals) = registry(Absence::Empty, "nothing");
    let start = tokio::time::Instant::now();
    registry.settle().await;
    assert_eq!(start.elapsed(), SETTLE_DEADLINE, "nothing is listed");
    let key = key(SourceKind::Cluster);
    let labels = crate::api::selector::LabelTest::parse("a=b").unwrap();
    registry.admit(&key, 1, Audience::Labels(labels));
    registry.set_listed(SourceKind::Cluster);
    registry.set_listed(SourceKind::Namespaced);
    let other = registry.clone();
    let settled = tokio::spawn(async move { other.settle().await });
    tokio::task::yield_now().await;
    assert!(registry.connect((&key, 1), to("/refused"), Limits::default()).is_err());
    tokio::task::yield_now().await;
    assert!(!settled.is_finished(), "labels are missing");
    assert_eq!(ask(&registry, SourceKind::Cluster, "shop").await.absence, Absence::SourceNotReady);
    registry.set_labels([("shop".to_owned(), [("a".to_owned(), "b".to_owned())].into())].into());
    settled.await.unwrap();
    assert_eq!(&*ask(&registry, SourceKind::Cluster, "shop").await.message, "ClusterPrometheusSource \"team\": no");
    assert_eq!(ask(&registry, SourceKind::Cluster, "depot").await.absence, Absence::SourceNotAllowed);
}

#[tokio::test]
async fn usage_of_pods_goes_to_the_default_and_else_to_the_flag() {
    let (registry, mut refusals) = registry(Absence::Empty, "nothing");
    let flag = Way::through(Shut);
    let absence = |registry: &Registry<Same>, namespace: &str, flag: Option<&Way>| {
        registry.pod_usage(namespace, flag).map(|way| way.is(flag.unwrap_or(&way))).map_err(|absent| absent.absence)
    };
    assert_eq!(absence(&registry, "shop", Some(&flag)), Err(Absence::SourceNotReady), "an object may yet be to come");
    registry.set_listed(SourceKind::Cluster);
    let absent = registry.pod_usage("shop", None).unwrap_err();
    assert_eq!(absent.absence, Absence::SourceNotFound);
    assert!(absent.message.contains("or run Flyball with --pod-metrics-from metrics-api"), "{absent:?}");

    let key = SourceKey::of(&SourceRef::default(), "");
    registry.admit(&key, 1, Audience::Names(["shop".to_owned()].into()));
    assert_eq!(absence(&registry, "shop", Some(&flag)), Err(Absence::SourceNotReady), "the flag does not stand in");
    registry.connect((&key, 1), to("/a"), Limits::default()).unwrap();
    assert_eq!(absence(&registry, "depot", Some(&flag)), Err(Absence::SourceNotAllowed));
    assert_eq!(absence(&registry, "shop", Some(&flag)), Ok(false), "the object's");
    let way = registry.pod_usage("shop", None).unwrap();
    assert!(way.is(&registry.pod_usage("shop", None).unwrap()), "one client, one way");
    registry.connect((&key, 1), to("/b"), Limits::default()).unwrap();
    let next = registry.pod_usage("shop", None).unwrap();
    assert!(!way.is(&next), "another connection, another way");
    let (promql, time) = ("up".into(), Timestamp::default());
    let form = crate::sources::prometheus::QueryForm { promql, time, timeout: Duration::from_secs(1) };
    next.ask(form).await.unwrap();
    assert_eq!(refusals.try_recv(), Ok(key), "a refusal is told");
}

#[tokio::test]
async fn usage_of_pods_is_asked_at_the_flag_where_there_is_no_object() {
    let flag = Way::through(Shut);
    let fallback = Parrot(Reading::missing(Absence::Empty, "nothing"));
    let (registry, _refusals) = Registry::new(Same(Reading::missing(Absence::Empty, "nothing")), Some(fallback));
    registry.set_listed(SourceKind::Cluster);
    assert!(registry.pod_usage("shop", Some(&flag)).unwrap().is(&flag));
}
