//! The gate under paused time: how many at once, how fast, and who is let go when.

use super::*;

fn gate(limits: Limits) -> Arc<Gate> {
    Arc::new(Gate::new(&limits))
}

fn end() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

fn ill() -> Sign {
    Sign::Ill { why: "connection refused".into(), retry_after: None }
}

#[tokio::test(start_paused = true)]
async fn requests_a_second_are_kept_even_where_many_wait() {
    let gate = gate(Limits { requests_per_second: Some(4), ..Limits::default() });
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let gate = gate.clone();
        tasks.spawn(async move {
            let pass = gate.enter(&["shop".into()], end()).await.unwrap();
            let passed = begun.elapsed().as_millis();
            drop(pass);
            passed
        });
    }
    let mut passed = tasks.join_all().await;
    passed.sort_unstable();
    // The timer counts whole milliseconds, and never fires early.
    assert!(passed.iter().zip(0_u128..).all(|(at, turn)| (250 * turn..=250 * turn + turn).contains(at)), "{passed:?}");
}

#[tokio::test(start_paused = true)]
async fn when_the_breaker_opens_all_who_wait_are_told_at_once() {
    let gate = gate(Limits { concurrency: 1, ..Limits::default() });
    for _ in 1..super::super::breaker::FAILURES_TO_OPEN {
        gate.enter(&[], end()).await.unwrap().finish(&ill(), Timestamp::default());
    }
    let last = gate.enter(&[], end()).await.unwrap();
    let waiting = tokio::spawn({
        let gate = gate.clone();
        async move { (gate.enter(&["shop".into()], end()).await.map(drop), Instant::now()) }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(gate.view(), View { state: BreakerState::Closed, waiting: 1, in_flight: 1 });
    let told = Instant::now();
    assert!(last.finish(&ill(), Timestamp::from_millis(7)));
    let outage = Outage { since: Timestamp::from_millis(7), why: "connection refused".into() };
    assert_eq!(waiting.await.unwrap(), (Err(Refusal::Outage(outage.clone())), told));
    assert_eq!(gate.enter(&[], end()).await.map(drop), Err(Refusal::Outage(outage)));
    assert_eq!(gate.view(), View { state: BreakerState::Open, waiting: 0, in_flight: 0 });
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_and_those_who_gave_up_make_room() {
    let gate = gate(Limits { concurrency: 1, waiting: 2, ..Limits::default() });
    let held = gate.enter(&[], end()).await.unwrap();
    let (a, b): ([Arc<str>; 1], [Arc<str>; 1]) = (["a".into()], ["b".into()]);
    let soon = Instant::now() + Duration::from_secs(1);
    let (first, second, third) = tokio::join!(gate.enter(&a, soon), gate.enter(&a, soon), gate.enter(&a, soon));
    let refusals = [first, second, third].map(|answer| answer.map(drop).unwrap_err());
    assert_eq!(refusals, [Refusal::Late, Refusal::Late, Refusal::Full]);
    let (next, ()) = tokio::join!(gate.enter(&b, end()), async { drop(held) });
    assert!(next.is_ok(), "the two who gave up are gone");
}

#[tokio::test(start_paused = true)]
async fn a_request_for_several_namespaces_waits_in_the_shortest_line() {
    let gate = gate(Limits { concurrency: 1, ..Limits::default() });
    let held = gate.enter(&[], end()).await.unwrap();
    let served = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = tokio::task::JoinSet::new();
    for (index, namespaces) in [vec!["busy"], vec!["busy"], vec!["busy"], vec!["busy", "calm"]].into_iter().enumerate()
    {
        let (gate, served) = (gate.clone(), served.clone());
        tasks.spawn(async move {
            let namespaces: Vec<Arc<str>> = namespaces.into_iter().map(Arc::from).collect();
            let pass = gate.enter(&namespaces, end()).await.unwrap();
            served.lock().unwrap().push(index);
            drop(pass);
        });
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
    drop(held);
    tasks.join_all().await;
    assert_eq!(*served.lock().unwrap(), [0, 3, 1, 2]);
}
