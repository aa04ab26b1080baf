//! The breaker over tables and random histories; time is a value.

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn ill() -> Sign {
    Sign::Ill { why: "connection refused".into(), retry_after: None }
}

fn wait(seconds: u64) -> Sign {
    Sign::Ill { why: "too many requests".into(), retry_after: Some(Duration::from_secs(seconds)) }
}

fn heard(breaker: &mut Breaker, sign: &Sign, seconds: u32) -> bool {
    breaker.heard(sign, (SECOND * seconds, Timestamp::from_millis(i64::from(seconds) * 1000)))
}

fn opened_at(seconds: u32) -> Breaker {
    let mut breaker = Breaker::default();
    for _ in 1..FAILURES_TO_OPEN {
        assert!(!heard(&mut breaker, &ill(), seconds));
    }
    assert!(heard(&mut breaker, &ill(), seconds));
    breaker
}

#[test]
fn failures_in_a_row_open_it_and_any_success_begins_anew() {
    let mut breaker = Breaker::default();
    for _ in 0..10 {
        for _ in 1..FAILURES_TO_OPEN {
            assert!(!heard(&mut breaker, &ill(), 1));
        }
        assert!(!heard(&mut breaker, &Sign::Well, 1));
    }
    assert_eq!((breaker.state(), breaker.most_in_flight(16)), (BreakerState::Closed, 16));
    let opened = opened_at(7);
    assert_eq!((opened.state(), opened.most_in_flight(16)), (BreakerState::Open, 0));
    let outage = Outage { since: Timestamp::from_millis(7_000), why: "connection refused".into() };
    assert_eq!(opened.outage(), Some(&outage));
}

#[test]
fn a_query_that_ran_out_of_time_says_nothing() {
    let mut breaker = Breaker::default();
    for _ in 0..3 * FAILURES_TO_OPEN {
        assert!(!heard(&mut breaker, &Sign::Neither, 1));
    }
    assert_eq!(breaker.state(), BreakerState::Closed);
    for _ in 1..FAILURES_TO_OPEN {
        heard(&mut breaker, &ill(), 1);
        heard(&mut breaker, &Sign::Neither, 1);
    }
    assert!(heard(&mut breaker, &ill(), 1), "nor does it end a row of failures");
}

#[test]
fn a_probe_that_is_answered_lets_one_query_try_and_that_one_decides() {
    let mut breaker = opened_at(0);
    assert!(!breaker.begin_probe(SECOND * 4));
    assert!(breaker.begin_probe(SECOND * 5));
    assert!(!breaker.begin_probe(SECOND * 5), "one at a time");
    assert_eq!(breaker.next_probe(), None);
    breaker.probed(&ill(), SECOND * 6);
    assert_eq!(breaker.next_probe(), Some(SECOND * 10));
    assert!(breaker.begin_probe(SECOND * 10));
    breaker.probed(&Sign::Well, SECOND * 10);
    assert_eq!((breaker.state(), breaker.most_in_flight(16)), (BreakerState::Trial, 1));
    assert!(!heard(&mut breaker, &Sign::Neither, 11));
    assert_eq!(breaker.state(), BreakerState::Trial, "a slow query decides nothing");
    assert!(heard(&mut breaker, &ill(), 12), "one failure is enough now");
    assert_eq!(breaker.next_probe(), Some(SECOND * 17));
    assert!(breaker.begin_probe(SECOND * 17));
    breaker.probed(&Sign::Well, SECOND * 17);
    assert!(!heard(&mut breaker, &Sign::Well, 18));
    assert_eq!((breaker.state(), breaker.most_in_flight(16)), (BreakerState::Closed, 16));
    assert!(!heard(&mut breaker, &ill(), 19), "all is forgotten");
}

#[test]
fn a_wish_for_a_pause_is_granted_at_once_and_within_bounds() {
    for (asked, granted) in [(0, 5), (3, 5), (30, 30), (60, 60), (86_400, 60)] {
        let mut breaker = Breaker::default();
        assert!(heard(&mut breaker, &wait(asked), 100));
        assert_eq!(breaker.next_probe(), Some(SECOND * (100 + granted)), "Retry-After: {asked}");
    }
    let mut late = opened_at(0);
    assert!(!heard(&mut late, &wait(40), 2), "an answer to a query that was sent before");
    assert_eq!(late.next_probe(), Some(SECOND * 42));
    assert!(late.begin_probe(SECOND * 42));
    late.probed(&wait(20), SECOND * 43);
    assert_eq!(late.next_probe(), Some(SECOND * 63));
}

#[test]
fn an_answer_to_an_earlier_query_closes_it() {
    let mut breaker = opened_at(0);
    assert!(breaker.begin_probe(SECOND * 5));
    heard(&mut breaker, &Sign::Well, 6);
    assert_eq!(breaker.state(), BreakerState::Closed);
    breaker.probed(&ill(), SECOND * 7);
    assert_eq!(breaker.state(), BreakerState::Closed, "the probe's own end comes too late");
}

#[derive(Debug, Clone)]
enum Event {
    Heard(Sign),
    Probe,
    Probed(Sign),
}

fn sign() -> impl Strategy<Value = Sign> {
    prop_oneof![
        1 => Just(Sign::Well),
        1 => Just(Sign::Neither),
        4 => Just(ill()),
        1 => (0_u64..200).prop_map(wait),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![1 => sign().prop_map(Event::Heard), 2 => Just(Event::Probe), 1 => sign().prop_map(Event::Probed)]
}

proptest! {
    /// Whatever happens in whatever order, probes are at least 5 s apart, and while it is open nothing else may go.
    #[test]
    fn probes_keep_their_distance_in_any_history(
        history in proptest::collection::vec((event(), 0_u64..3_000), 0..200),
    ) {
        let mut breaker = Breaker::default();
        let (mut now, mut last): (Duration, Option<Duration>) = (Duration::ZERO, None);
        for (event, millis) in history {
            now += Duration::from_millis(millis);
            match event {
                Event::Heard(sign) => { breaker.heard(&sign, (now, Timestamp::default())); }
                Event::Probed(sign) => breaker.probed(&sign, now),
                Event::Probe => if breaker.begin_probe(now) {
                    prop_assert!(last.is_none_or(|last| now - last >= PROBE_EVERY));
                    last = Some(now);
                }
            }
            prop_assert_eq!(breaker.outage().is_some(), breaker.most_in_flight(16) == 0);
            if let Some(next) = breaker.next_probe() {
                prop_assert!(next <= now + MAX_RETRY_AFTER, "an outage's end is looked for within a minute");
            }
        }
    }
}
