use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::engine::{Container, Phase, PodResources};
use crate::sources::prometheus::RawAnswer;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn raw(status: u16, body: impl Into<String>) -> RawAnswer {
    RawAnswer::new(status, body.into())
}

/// A Prometheus that takes its time, counts, and answers every question alike.
#[derive(Clone)]
struct Canned {
    answer: Arc<Mutex<Result<RawAnswer, TransportError>>>,
    takes: Duration,
    asked: Arc<AtomicUsize>,
}

impl Canned {
    fn new(body: impl Into<String>) -> Self {
        let answer = Ok(raw(200, body));
        Self { answer: Arc::new(Mutex::new(answer)), takes: Duration::ZERO, asked: Arc::default() }
    }

    fn then(&self, answer: Result<RawAnswer, TransportError>) {
        *self.answer.lock().unwrap() = answer;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    fn usages(&self) -> PodUsages {
        PodUsages::new(self.clone(), UsageQuery::cpu(None), UsageQuery::memory(None))
    }
}

impl Transport for Canned {
    async fn post(&self, form: QueryForm) -> Result<RawAnswer, TransportError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        assert_eq!((form.time, form.timeout), (NOW, DEADLINE));
        tokio::time::sleep(self.takes).await;
        self.answer.lock().unwrap().clone()
    }
}

/// One series: namespace, pod, container (none if empty), value, age in seconds.
type Row<'a> = (&'a str, &'a str, &'a str, &'a str, i64);

/// Name, series, pods, the one container that is asked for, and what the reading says.
type Case<'a> = (&'a str, &'a [Row<'a>], Vec<Pod>, Option<&'a str>, &'a str);

fn body_with(rows: &[Row<'_>], extra: &str) -> String {
    let one = |(namespace, pod, container, value, age): &Row<'_>| {
        let seconds = NOW.as_millis() / 1000 - age;
        let label =
            |name: &str, value: &str| if value.is_empty() { vec![] } else { vec![format!("{name:?}:{value:?}")] };
        let labels =
            [label("namespace", namespace), label("pod", pod), label("container", container)].concat().join(",");
        format!(r#"{{"metric":{{{labels}}},"value":[{seconds},"{value}"]}}"#)
    };
    let rows: Vec<String> = rows.iter().map(one).collect();
    format!(r#"{{"status":"success",{extra}"data":{{"resultType":"vector","result":[{}]}}}}"#, rows.join(","))
}

fn body(rows: &[Row<'_>]) -> String {
    body_with(rows, "")
}

fn container(name: &str, restart_always: bool) -> Container {
    Container { name: name.into(), requests: crate::engine::Requests::default(), restart_always }
}

/// A pod with these containers, `+` before the name of a sidecar and `!` before that of an init container.
fn pod(name: &str, containers: &[&str]) -> Pod {
    let mut resources = PodResources::default();
    for one in containers {
        match one.split_at(1) {
            ("+", name) => resources.init_containers.push(container(name, true)),
            ("!", name) => resources.init_containers.push(container(name, false)),
            _ => resources.containers.push(container(one, false)),
        }
    }
    Pod {
        name: name.into(),
        phase: Phase::Running,
        deleting: false,
        ready: None,
        started: None,
        resources: resources.into(),
    }
}

fn cpu(container: Option<&str>) -> PodUsage {
    PodUsage { resource: "cpu".into(), container: container.map(Into::into) }
}

/// What the reading says, in short.
fn shown(reading: &Reading) -> String {
    match reading {
        Reading::PerPod(samples) => {
            let one = |sample: &crate::engine::PodSample| format!("{}={}", sample.pod, sample.value.get());
            let all: Vec<String> = samples.as_slice().iter().map(one).collect();
            format!("{}{}", all.join(" "), samples.partial().map_or("", |_| " (partial)"))
        }
        Reading::Missing(absent) => absent.absence.reason().to_owned(),
        other => format!("{other:?}"),
    }
}

async fn told(body: &str, usage: &PodUsage, pods: &[Pod]) -> String {
    shown(&Canned::new(body).usages().read(usage, ("shop", pods), NOW).await.unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_pod_is_measured_when_all_its_containers_are() {
    let one = [("shop", "web-0", "app", "0.25", 0)];
    let both = [one[0], ("shop", "web-0", "log", "0.5", 0)];
    let app = || vec![pod("web-0", &["app"])];
    let app_log = || vec![pod("web-0", &["app", "log"])];
    let table: &[Case<'_>] = &[
        ("one container", &one, app(), None, "web-0=250"),
        ("both", &both, app_log(), None, "web-0=750"),
        ("one of two lacks a series", &one, app_log(), None, "EmptyResult"),
        ("the named one has its series", &one, app_log(), Some("app"), "web-0=250"),
        ("the named one lacks it", &one, app_log(), Some("log"), "EmptyResult"),
        ("a sidecar lacks it", &one, vec![pod("web-0", &["app", "+mesh"])], None, "EmptyResult"),
        ("an init container lacks it", &one, vec![pod("web-0", &["app", "!setup"])], None, "web-0=250"),
        ("an init container's leftover", &both, vec![pod("web-0", &["app", "!log"])], None, "web-0=250"),
        ("one that the spec does not name", &both, app(), None, "web-0=750"),
        ("the whole pod", &[("shop", "web-0", "", "2", 0)], app_log(), None, "web-0=2000"),
        ("the whole pod has no containers", &[("shop", "web-0", "", "2", 0)], app_log(), Some("app"), "EmptyResult"),
        (
            "the whole pod beside its containers",
            &[both[0], both[1], ("shop", "web-0", "", "2", 0)],
            app_log(),
            None,
            "web-0=750",
        ),
        ("the whole pod beside one of two", &[one[0], ("shop", "web-0", "", "2", 0)], app_log(), None, "EmptyResult"),
        ("two series of one container", &[one[0], ("shop", "web-0", "app", "3", 0)], app(), None, "web-0=3000"),
        ("one of them is no number", &[one[0], ("shop", "web-0", "app", "NaN", 0)], app(), None, "EmptyResult"),
        ("infinite", &[("shop", "web-0", "app", "+Inf", 0)], app(), None, "EmptyResult"),
        ("less than nothing", &[("shop", "web-0", "app", "-1", 0)], app(), None, "EmptyResult"),
        ("idle", &[("shop", "web-0", "app", "0", 0)], app(), None, "web-0=0"),
        ("another namespace", &[("prod", "web-0", "app", "1", 0)], app(), None, "EmptyResult"),
        ("a pod that is gone", &[one[0], ("shop", "web-9", "app", "9", 0)], app(), None, "web-0=250"),
        ("one of two pods", &one, vec![pod("web-0", &["app"]), pod("web-1", &["app"])], None, "web-0=250"),
        ("too old", &[("shop", "web-0", "app", "1", 301)], app(), None, "StaleSample"),
        ("old enough", &[("shop", "web-0", "app", "1", 300)], app(), None, "web-0=1000"),
        ("of the future", &[("shop", "web-0", "app", "1", -30)], app(), None, "web-0=1000"),
        ("one container too old", &[one[0], ("shop", "web-0", "log", "1", 400)], app_log(), None, "StaleSample"),
        ("no series", &[], app(), None, "EmptyResult"),
        ("no labels", &[("", "web-0", "app", "1", 0)], app(), None, "BadQuery"),
        ("no pods", &one, vec![], None, "EmptyResult"),
    ];
    for (name, rows, pods, container, want) in table {
        assert_eq!(told(&body(rows), &cpu(*container), pods).await, *want, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sample_tells_its_time_and_window() {
    let canned = Canned::new(body(&[("shop", "web-0", "app", "1", 40), ("shop", "web-0", "log", "1", 20)]));
    let pods = [pod("web-0", &["app", "log"])];
    let sample = async |resource: &str| {
        let usage = PodUsage { resource: resource.into(), container: None };
        let Some(Reading::PerPod(samples)) = canned.usages().read(&usage, ("shop", &pods), NOW).await else {
            panic!("no samples of {resource}")
        };
        let sample = samples.get("web-0").unwrap();
        (NOW.millis_since(sample.at), sample.window_seconds)
    };
    assert_eq!(sample("cpu").await, (40_000, 120), "the older of the two, over the window of the query");
    assert_eq!(sample("memory").await.0, 40_000);
    let other = PodUsage { resource: "ephemeral-storage".into(), container: None };
    assert_eq!(canned.usages().read(&other, ("shop", &pods), NOW).await, None);
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_not_whole_or_none() {
    let pods = [pod("web-0", &["app"])];
    let row = [("shop", "web-0", "app", "1", 0)];
    let warned = r#""warnings":["a store did not answer"],"#;
    for (body, want) in [
        (body_with(&row, warned), "web-0=1000 (partial)"),
        (body_with(&row, r#""isPartial":true,"#), "web-0=1000 (partial)"),
        (body_with(&row, r#""infos":["PromQL info: metric might not be a counter"],"#), "web-0=1000"),
        (body_with(&[], warned), "EmptyResult"),
        ("<html>".to_owned(), "MalformedAnswer"),
        (body(&row)[..60].to_owned(), "MalformedAnswer"),
    ] {
        assert_eq!(told(&body, &cpu(None), &pods).await, want, "{body}");
    }
    let answered = |status, body: &str| Ok(raw(status, body));
    let host = || "prometheus:9090".to_owned();
    for (answer, reason, words) in [
        (answered(503, ""), "SourceUnavailable", "asked for the cpu of pods (--pod-cpu-query): The server is not able"),
        (answered(400, r#"{"status":"error","errorType":"bad_data","error":"no"}"#), "BadQuery", "(HTTP 400): no"),
        (Err(TransportError::Unreachable { host: host(), cause: "refused".into() }), "SourceUnreachable", "refused"),
        (Err(TransportError::TooLarge { host: host(), limit_bytes: 7 }), "AnswerTooLarge", "450000 series"),
    ] {
        let canned = Canned::new("");
        canned.then(answer);
        let reading = canned.usages().read(&cpu(None), ("shop", &pods), NOW).await.unwrap();
        let absent = reading.absent().unwrap();
        assert_eq!(absent.absence.reason(), reason);
        assert!(absent.message.contains(words), "{}", absent.message);
    }
    let slow = Canned { takes: Duration::from_secs(60), ..Canned::new(body(&row)) };
    assert_eq!(shown(&slow.usages().read(&cpu(None), ("shop", &pods), NOW).await.unwrap()), "Timeout");
}

#[tokio::test(start_paused = true)]
async fn all_who_ask_within_a_while_share_one_answer() {
    let canned = Canned { takes: Duration::from_secs(2), ..Canned::new(body(&[("shop", "web-0", "app", "1", 0)])) };
    let usages = canned.usages();
    let pods = [pod("web-0", &["app"])];
    let usage = cpu(None);
    let ask = || usages.read(&usage, ("shop", &pods), NOW);
    let all = futures::future::join_all((0..1_000).map(|_| ask())).await;
    assert!(all.iter().all(|reading| shown(reading.as_ref().unwrap()) == "web-0=1000"));
    assert_eq!(canned.asked(), 1);
    tokio::time::sleep(Duration::from_millis(2_999)).await;
    ask().await;
    assert_eq!(canned.asked(), 1, "5 s have not passed since it was asked");
    // Who gives up takes nothing from the others.
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(tokio::time::timeout(Duration::from_secs(1), ask()).await.is_err());
    canned.then(Ok(raw(500, "")));
    assert_eq!(shown(&ask().await.unwrap()), "SourceUnavailable", "a failure is shared as well");
    assert_eq!(shown(&ask().await.unwrap()), "SourceUnavailable");
    assert_eq!(canned.asked(), 2);
    tokio::time::sleep(SHARED_FOR).await;
    canned.then(Ok(raw(200, body(&[]))));
    assert_eq!(shown(&ask().await.unwrap()), "EmptyResult");
    let memory = PodUsage { resource: "memory".into(), container: None };
    usages.read(&memory, ("shop", &pods), NOW).await;
    assert_eq!(canned.asked(), 4, "each resource has its own");
}

#[tokio::test(start_paused = true)]
async fn another_way_has_answers_of_its_own_and_no_way_is_an_absence() {
    let [first, second] = ["1", "2"].map(|value| Canned::new(body(&[("shop", "web-0", "app", value, 0)])));
    let ways = Arc::new(Mutex::new(Ok(Way::through(first.clone()))));
    let chosen = Arc::clone(&ways);
    let choose = move |_: &str| chosen.lock().unwrap().clone();
    let usages = PodUsages::choosing(choose, UsageQuery::cpu(None), UsageQuery::memory(None));
    let (usage, pods) = (cpu(None), [pod("web-0", &["app"])]);
    let ask = || async { usages.read(&usage, ("shop", &pods), NOW).await.unwrap() };
    assert_eq!(shown(&ask().await), "web-0=1000");
    *ways.lock().unwrap() = Ok(Way::through(second.clone()));
    assert_eq!(shown(&ask().await), "web-0=2000", "what the first said counts no more, however young");
    *ways.lock().unwrap() = Err(Absent { absence: Absence::SourceNotReady, message: "no Secret".into() });
    let reading = ask().await;
    assert_eq!(shown(&reading), "SourceNotReady");
    assert_eq!(&*reading.absent().unwrap().message, "asked for the cpu of pods (--pod-cpu-query): no Secret");
    assert_eq!((first.asked(), second.asked()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn failures_name_the_owner_who_hears_of_refusals() {
    let refusals = Arc::new(AtomicUsize::new(0));
    let canned = Canned::new("");
    let counted = Arc::clone(&refusals);
    let way = Way::through(canned.clone()).of("Source x", move || {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    let choose = move |_: &str| Ok(way.clone());
    let usages = PodUsages::choosing(choose, UsageQuery::cpu(None), UsageQuery::memory(None));
    let unreachable = TransportError::Unreachable { host: "a:1".to_owned(), cause: "refused".to_owned() };
    let cause = "no file".to_owned();
    let credentials = TransportError::Credentials { label: "x".into(), cause };
    for (answer, refused) in
        [(Err(unreachable), 0), (Ok(raw(503, "")), 0), (Ok(raw(401, "")), 1), (Err(credentials), 2)]
    {
        canned.then(answer.clone());
        let reading = usages.read(&cpu(None), ("shop", &[]), NOW).await.unwrap();
        let message = &reading.absent().unwrap().message;
        assert!(answer.is_ok() || message.contains("Source x: "), "{message}");
        assert_eq!(refusals.load(Ordering::Relaxed), refused, "{message}");
        tokio::time::sleep(SHARED_FOR).await;
    }
}

/// Whoever panics on the way harms nobody else.
struct Falls;

impl Transport for Falls {
    async fn post(&self, _: QueryForm) -> Result<RawAnswer, TransportError> {
        panic!("fell")
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_an_absence_and_is_asked_again() {
    let usages = PodUsages::new(Falls, UsageQuery::cpu(None), UsageQuery::memory(None));
    for _ in 0..2 {
        assert_eq!(shown(&usages.read(&cpu(None), ("shop", &[]), NOW).await.unwrap()), "MalformedAnswer");
    }
}

#[tokio::test]
async fn a_large_answer_is_taken_apart_elsewhere() {
    let names: Vec<String> = (0..5_000).map(|index| format!("web-{index}")).collect();
    let rows: Vec<Row<'_>> = names.iter().map(|name| ("shop", name.as_str(), "app", "1", 0)).collect();
    let body = body(&rows);
    assert!(body.len() > LARGE_BODY_BYTES);
    let pods = [pod("web-4999", &["app"]), pod("web-5000", &["app"])];
    assert_eq!(told(&body, &cpu(None), &pods).await, "web-4999=1000");
    assert_eq!(told(&body[..body.len() - 9], &cpu(None), &pods).await, "MalformedAnswer");
}
