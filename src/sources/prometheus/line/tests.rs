//! What each outcome means for the query and for the server.

use super::*;

fn answer(status: u16, body: &'static str) -> Result<RawAnswer, TransportError> {
    Ok(RawAnswer::new(status, body))
}

fn host() -> String {
    "prometheus:9090".into()
}

const TIMEOUT: &str = r#"{"status":"error","errorType":"timeout","error":"query timed out in expression evaluation"}"#;
const QUEUE: &str = r#"{"status":"error","errorType":"timeout","error":"query timed out in query queue"}"#;
const BAD: &str = r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#;
const EXECUTION: &str = r#"{"status":"error","errorType":"execution","error":"many-to-many matching"}"#;

#[test]
fn outcomes_tell_a_poison_query_from_an_ill_server() {
    let unreachable = TransportError::Unreachable { host: host(), cause: "refused".into() };
    let timeout = TransportError::Timeout { host: host(), deadline: Duration::from_secs(5) };
    let large = TransportError::TooLarge { host: host(), limit_bytes: 8 };
    let broken = TransportError::Broken { host: host(), cause: "cut".into() };
    for (outcome, about_query, health) in [
        (answer(400, BAD), true, "well"),
        (answer(422, EXECUTION), true, "well"),
        (answer(503, TIMEOUT), true, "neither"),
        (answer(503, QUEUE), false, "ill"),
        (answer(503, "Service Unavailable"), false, "ill"),
        (answer(500, ""), false, "ill"),
        (answer(502, "<html>"), false, "ill"),
        (answer(504, TIMEOUT), false, "ill"),
        (answer(408, ""), false, "ill"),
        (answer(429, ""), false, "ill"),
        (answer(413, ""), true, "well"),
        (answer(414, ""), true, "well"),
        (answer(401, ""), false, "well"),
        (answer(404, "404 page not found"), false, "well"),
        (answer(302, ""), false, "well"),
        (Err(unreachable), false, "ill"),
        (Err(timeout), false, "ill"),
        (Err(broken), false, "ill"),
        (Err(large), true, "well"),
    ] {
        let shown = format!("{outcome:?}");
        let (judged, sign) = judge(outcome);
        let is = match sign {
            Sign::Well => "well",
            Sign::Neither => "neither",
            Sign::Ill { .. } => "ill",
        };
        assert_eq!((judged.unwrap_err().about_query, is), (about_query, health), "{shown}");
    }
    let busy = answer(429, "").map(|raw| RawAnswer { retry_after: Some(Duration::from_secs(30)), ..raw });
    let (_, sign) = judge(busy);
    assert!(matches!(sign, Sign::Ill { retry_after: Some(pause), .. } if pause.as_secs() == 30), "{sign:?}");
    let (judged, sign) = judge(answer(200, "anything"));
    assert_eq!((judged.is_ok(), sign), (true, Sign::Well));
}

#[test]
fn an_outage_is_told_with_its_beginning_and_its_cause() {
    let line =
        Arc::new(Line::new(crate::sources::prometheus::tests::Slow::new(None, answer(200, "")), Limits::default()));
    let outage = super::super::breaker::Outage {
        since: Timestamp::from_millis(1_767_225_615_999),
        why: "Cannot reach prometheus:9090: connection refused.".into(),
    };
    let failure = line.refused(&Refusal::Outage(outage));
    assert_eq!((failure.absent.absence.reason(), failure.about_query), ("SourceUnavailable", false));
    assert_eq!(
        &*failure.absent.message,
        "The source is not asked since 2026-01-01T00:00:15Z, because it failed again and again; it is probed every 5 s \
         until it answers. Its last words: Cannot reach prometheus:9090: connection refused."
    );
}
