//! The desk under paused time, over a server that answers by a table and a planner that joins `add` queries: what is asked once, what is
//! asked together, and what a group that fails costs.

use futures::future::join_all;

use super::*;
use crate::sources::prometheus::{Limits, QueryForm, RawAnswer, TransportError, decode};

/// What the server does to a query that holds a word.
type Rule = (&'static str, Does);

#[derive(Clone, Copy)]
enum Does {
    Refuse,
    Warn,
    RunOutOfTime,
    Unreachable,
    Busy,
    PanicOnce,
}

/// Answers a query with its length, and a joint with that of each member.
struct Server {
    rules: Mutex<Vec<Rule>>,
    sent: Mutex<Vec<QueryForm>>,
    delay: Duration,
}

impl Transport for Arc<Server> {
    async fn post(&self, form: QueryForm) -> Result<RawAnswer, TransportError> {
        lock(&self.sent).push(form.clone());
        tokio::time::sleep(self.delay).await;
        let rule = lock(&self.rules).iter().find(|(word, _)| form.promql.contains(word)).copied();
        let values: Vec<String> = form.promql.split(" & ").map(|member| member.len().to_string()).collect();
        let (status, body) = match rule.map(|(_, does)| does) {
            Some(Does::Unreachable) => {
                return Err(TransportError::Unreachable { host: "p:9090".into(), cause: "refused".into() });
            }
            Some(Does::PanicOnce) => {
                lock(&self.rules).clear();
                panic!("the transport falls over, as the test wants it");
            }
            Some(Does::Refuse) => (422, r#"{"status":"error","errorType":"execution","error":"no"}"#.into()),
            Some(Does::RunOutOfTime) => {
                tokio::time::sleep(form.timeout).await;
                (
                    503,
                    r#"{"status":"error","errorType":"timeout","error":"query timed out in expression evaluation"}"#
                        .into(),
                )
            }
            Some(Does::Busy) => (503, String::new()),
            Some(Does::Warn) => (200, success(&values, "a store did not answer")),
            None => (200, success(&values, "")),
        };
        Ok(RawAnswer::new(status, body))
    }
}

fn success(values: &[String], warning: &str) -> String {
    let series: Vec<String> =
        values.iter().map(|value| format!(r#"{{"metric":{{}},"value":[0,"{value}"]}}"#)).collect();
    let warnings = if warning.is_empty() { String::new() } else { format!(r#""warnings":["{warning}"],"#) };
    let result = series.join(",");
    format!(r#"{{"status":"success",{warnings}"data":{{"resultType":"vector","result":[{result}]}}}}"#)
}

/// Joins queries that begin with `add`; falls over at `dizzy`.
struct Adder;

impl Planner for Adder {
    fn join(&self, queries: &[&Arc<str>], most: usize) -> Vec<Joint> {
        assert!(
            !queries.iter().any(|query| query.contains("dizzy")),
            "a planner that falls over, as the test wants it"
        );
        let members: Vec<usize> = (0..queries.len()).filter(|index| queries[*index].starts_with("add")).collect();
        let joint = |members: &[usize]| {
            let texts: Vec<&str> = members.iter().map(|index| &**queries[*index]).collect();
            let split = |body: &[u8], max_series: usize| -> Option<Vec<Answer>> {
                let whole = decode(body, max_series).ok()?;
                let one = |point| Answer { points: vec![point], warnings: whole.warnings.clone(), ..Answer::default() };
                Some(whole.points.iter().copied().map(one).collect())
            };
            Joint { promql: texts.join(" & ").into(), members: members.to_vec(), split: Box::new(split) }
        };
        members.chunks(most.min(1_000)).filter(|chunk| chunk.len() > 1).map(joint).collect()
    }
}

struct Scene {
    server: Arc<Server>,
    desk: Arc<Desk<Arc<Server>>>,
}

impl Scene {
    fn new(rules: &[Rule]) -> Self {
        Self::with(rules, Duration::from_millis(20), Limits::default())
    }

    fn with(rules: &[Rule], delay: Duration, limits: Limits) -> Self {
        let server = Arc::new(Server { rules: Mutex::new(rules.to_vec()), sent: Mutex::default(), delay });
        let desk = Arc::new(Desk::new(Line::new(server.clone(), limits), Box::new(Adder)));
        Self { server, desk }
    }

    /// Asks all at once; the value of each, or the reason why there is none.
    async fn ask(&self, queries: &[&str]) -> Vec<Result<f64, &'static str>> {
        self.ask_at(&queries.iter().map(|query| (*query, 0)).collect::<Vec<_>>()).await
    }

    async fn ask_at(&self, queries: &[(&str, i64)]) -> Vec<Result<f64, &'static str>> {
        let asks = queries.iter().enumerate().map(|(index, (query, at))| {
            let (promql, namespace, at) = (Arc::from(*query), format!("ns-{}", index % 3), Timestamp::from_millis(*at));
            async move {
                let heard = self.desk.ask((&promql, &namespace), at).await;
                heard.answer.as_ref().map(|answer| answer.points[0].value).map_err(|absent| absent.absence.reason())
            }
        });
        join_all(asks).await
    }

    /// What was sent since the last call.
    fn sent(&self) -> Vec<String> {
        let mut sent: Vec<String> =
            std::mem::take(&mut *lock(&self.server.sent)).iter().map(|f| f.promql.to_string()).collect();
        sent.sort();
        sent
    }
}

#[tokio::test(start_paused = true)]
async fn what_many_ask_within_a_moment_is_asked_once_about_the_latest_instant() {
    let scene = Scene::new(&[]);
    let begun = Instant::now();
    let asked = scene.ask_at(&[("up", 1_000), ("load", 1_002), ("up", 1_003), ("up", 1_001)]).await;
    assert_eq!(asked, [Ok(2.0), Ok(4.0), Ok(2.0), Ok(2.0)]);
    assert_eq!(begun.elapsed(), GATHER_WINDOW + Duration::from_millis(20));
    assert!(lock(&scene.server.sent).iter().all(|form| form.time.as_millis() == 1_003));
    assert_eq!(scene.sent(), ["load", "up"]);
    assert_eq!(scene.desk.tally.questions.load(Ordering::Relaxed), 4);
}

#[tokio::test(start_paused = true)]
async fn a_question_about_the_same_instant_joins_one_that_is_on_its_way() {
    let scene = Scene::new(&[]);
    let later = |at| async move {
        tokio::time::sleep(Duration::from_millis(10)).await;
        at
    };
    let (first, same, other) = tokio::join!(
        scene.ask_at(&[("up", 1_000)]),
        async { scene.ask_at(&[("up", later(1_000).await)]).await },
        async {
            tokio::time::sleep(Duration::from_millis(8)).await;
            scene.ask_at(&[("up", later(1_010).await)]).await
        },
    );
    assert_eq!([first, same, other].concat(), [Ok(2.0), Ok(2.0), Ok(2.0)]);
    assert_eq!(scene.sent(), ["up", "up"], "another instant is another question");
    assert!(lock(&scene.desk.awaited).is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_can_be_asked_together_is_one_request() {
    let scene = Scene::new(&[]);
    let asked = scene.ask(&["add a", "up", "add bb", "add a", "add ccc"]).await;
    assert_eq!(asked, [Ok(5.0), Ok(2.0), Ok(6.0), Ok(5.0), Ok(7.0)]);
    assert_eq!(scene.sent(), ["add a & add bb & add ccc", "up"]);
    let tally = &scene.desk.tally;
    assert_eq!((tally.joints.load(Ordering::Relaxed), tally.joint_members.load(Ordering::Relaxed)), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn a_poison_query_hurts_only_itself_and_is_kept_apart_for_a_while() {
    for does in [Does::Refuse, Does::RunOutOfTime] {
        let scene = Scene::new(&[("poison", does)]);
        let queries = ["add a", "add poison", "add bb", "add ccc"];
        let reason = if matches!(does, Does::Refuse) { "BadQuery" } else { "Timeout" };
        let fared = [Ok(5.0), Err(reason), Ok(6.0), Ok(7.0)];
        assert_eq!(scene.ask(&queries).await, fared);
        let halves =
            ["add a", "add a & add poison", "add a & add poison & add bb & add ccc", "add bb & add ccc", "add poison"];
        assert_eq!(scene.sent(), halves);
        assert_eq!(scene.ask(&queries).await, fared);
        assert_eq!(scene.sent(), ["add a & add bb & add ccc", "add poison"]);
        tokio::time::sleep(Duration::from_secs(400)).await;
        assert_eq!(scene.ask(&queries).await, fared);
        assert_eq!(scene.sent(), halves, "after a while it gets another chance");
        assert_eq!(scene.desk.tally.fallbacks.load(Ordering::Relaxed), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn finding_one_poison_query_among_many_costs_a_few_requests() {
    let scene = Scene::new(&[("poison", Does::Refuse)]);
    let mut queries: Vec<String> = (0..128).map(|index| format!("add {index}")).collect();
    queries[77] = "add poison".into();
    let queries: Vec<&str> = queries.iter().map(String::as_str).collect();
    let fared = scene.ask(&queries).await;
    assert_eq!(fared.iter().filter(|fared| fared.is_err()).count(), 1);
    assert_eq!(scene.sent().len(), 1 + 2 * 7);
}

/// A thousand more questions would not make a slow server faster.
#[tokio::test(start_paused = true)]
async fn a_server_that_is_slow_for_all_is_asked_for_less_and_not_for_more() {
    let scene = Scene::new(&[("add", Does::RunOutOfTime)]);
    let queries: Vec<String> = (0..64).map(|index| format!("add {index}")).collect();
    let queries: Vec<&str> = queries.iter().map(String::as_str).collect();
    for requests in [3, 6, 12] {
        let begun = Instant::now();
        assert!(scene.ask(&queries).await.iter().all(|fared| *fared == Err("Timeout")));
        assert!(begun.elapsed() <= Limits::default().deadline);
        assert_eq!(scene.sent().len(), requests);
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_warned_keeps_to_its_like() {
    let scene = Scene::new(&[("partial", Does::Warn)]);
    let queries = ["add a", "add partial", "add bb", "add partial too"];
    let fared = [Ok(5.0), Ok(11.0), Ok(6.0), Ok(15.0)];
    assert_eq!(scene.ask(&queries).await, fared);
    assert_eq!(scene.sent().len(), 5);
    for _ in 0..3 {
        assert_eq!(scene.ask(&queries).await, fared);
        assert_eq!(scene.sent(), ["add a & add bb", "add partial & add partial too"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_that_fails_through_nobodys_fault_is_halved() {
    let scene = Scene::new(&[(" & add d", Does::Refuse)]);
    let queries = ["add a", "add b", "add c", "add d"];
    let fared = [Ok(5.0); 4];
    assert_eq!(scene.ask(&queries).await, fared);
    assert_eq!(scene.sent(), ["add a & add b", "add a & add b & add c & add d", "add c", "add c & add d", "add d"]);
    assert_eq!(scene.ask(&queries).await, fared);
    assert_eq!(scene.sent(), ["add a & add b", "add c", "add c & add d", "add d"]);
    assert_eq!(scene.ask(&queries).await, fared);
    assert_eq!(scene.sent(), ["add a & add b", "add c", "add d"]);
}

#[tokio::test(start_paused = true)]
async fn an_ill_server_is_not_asked_for_each_member() {
    for (does, reason) in [(Does::Unreachable, "SourceUnreachable"), (Does::Busy, "SourceUnavailable")] {
        let scene = Scene::new(&[("add", does)]);
        let queries: Vec<String> = (0..100).map(|index| format!("add {index}")).collect();
        let queries: Vec<&str> = queries.iter().map(String::as_str).collect();
        assert!(scene.ask(&queries).await.iter().all(|fared| *fared == Err(reason)));
        assert_eq!(scene.sent().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_planner_that_panics_costs_the_batch_its_sharing_only() {
    let scene = Scene::new(&[]);
    assert_eq!(scene.ask(&["add a", "dizzy", "add bb"]).await, [Ok(5.0), Ok(5.0), Ok(6.0)]);
    assert_eq!(scene.sent(), ["add a", "add bb", "dizzy"]);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_panics_ends_alone_and_is_told() {
    let scene = Scene::new(&[("fall over", Does::PanicOnce)]);
    assert_eq!(scene.ask(&["up", "fall over"]).await, [Ok(2.0), Err("MalformedAnswer")]);
    assert!(lock(&scene.desk.awaited).is_empty());
    assert_eq!(scene.ask(&["up", "fall over"]).await, [Ok(2.0), Ok(9.0)]);
    assert_eq!(scene.desk.line.gate.view().in_flight, 0, "its slot came back");
}

#[tokio::test(start_paused = true)]
async fn a_dead_server_is_probed_and_found_again() {
    let scene = Scene::new(&[("", Does::Unreachable)]);
    let queries: Vec<String> = (0..40).map(|index| format!("up{index}")).collect();
    let queries: Vec<&str> = queries.iter().map(String::as_str).collect();
    assert!(
        scene.ask(&queries).await.iter().all(|fared| matches!(fared, Err("SourceUnreachable" | "SourceUnavailable")))
    );
    // Those that were on their way, and one more for each failure before the last that it takes.
    assert_eq!(scene.sent().len(), Limits::default().concurrency + 4);
    for _ in 0..600 {
        assert!(scene.ask(&queries).await.iter().all(|fared| *fared == Err("SourceUnavailable")));
        tokio::time::sleep(Duration::from_millis(995)).await;
    }
    // No probe is on its way now.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let probes = scene.sent();
    assert!((100..=120).contains(&probes.len()), "{} probes in 10 minutes", probes.len());
    assert!(probes.iter().all(|probe| probe == "vector(1)"));
    lock(&scene.server.rules).clear();
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(scene.sent(), ["vector(1)"]);
    assert!(scene.ask(&queries).await.iter().all(Result::is_ok), "all are served at once");
    assert_eq!(scene.sent().len(), 40, "each once");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(scene.sent().is_empty(), "nobody probes any more");
}
