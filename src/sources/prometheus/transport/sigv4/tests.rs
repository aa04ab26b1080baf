use super::*;

/// 2015-08-30T12:36:00Z, the time of AWS' test suite.
const AT: Timestamp = Timestamp::from_millis(1_440_938_160_000);
/// The session token of AWS' test suite.
const TOKEN: &str = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";

fn signer(region: &str, service: &str, token: Option<&str>) -> Signer {
    Signer {
        region: region.to_owned(),
        service: service.to_owned(),
        access_key_id: Secret::new("AKIDEXAMPLE"),
        secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
        session_token: token.map(Secret::new),
    }
}

fn authorization(signer: &Signer, request: Signed<'_>) -> String {
    let headers = signer.sign(request, AT).unwrap();
    let [(name, authorization), (date_name, date), rest @ ..] = headers.as_slice() else { panic!("{headers:?}") };
    assert_eq!(
        (name.as_str(), date_name.as_str(), date.as_bytes()),
        ("authorization", "x-amz-date", &b"20150830T123600Z"[..])
    );
    assert_eq!(rest.len(), usize::from(signer.session_token.is_some()));
    assert!(!format!("{headers:?} {signer:?}").contains("EXAMPLE"), "nothing is shown");
    authorization.to_str().unwrap().to_owned()
}

/// Vectors that AWS published: `aws-sig-v4-test-suite`, and the example of its documentation (`iam`).
#[test]
fn the_published_vectors_come_out() {
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let form_utf8 = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
    for (name, service, token, request, names, signature) in [
        (
            "get-vanilla",
            "service",
            None,
            ("GET", "https://example.amazonaws.com/", &[][..], ""),
            "host;x-amz-date",
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        (
            "post-vanilla",
            "service",
            None,
            ("POST", "https://example.amazonaws.com/", &[], ""),
            "host;x-amz-date",
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ),
        (
            "get-vanilla-query-order-key-case",
            "service",
            None,
            ("GET", "https://example.amazonaws.com/?Param2=value2&Param1=value1", &[], ""),
            "host;x-amz-date",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            "get-vanilla-utf8-query",
            "service",
            None,
            ("GET", "https://example.amazonaws.com/?\u{1234}=bar", &[], ""),
            "host;x-amz-date",
            "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
        ),
        (
            "post-x-www-form-urlencoded",
            "service",
            None,
            ("POST", "https://example.amazonaws.com/", &form, "Param1=value1"),
            "content-type;host;x-amz-date",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
        (
            "post-sts-header-before",
            "service",
            Some(TOKEN),
            ("POST", "https://example.amazonaws.com/", &[], ""),
            "host;x-amz-date;x-amz-security-token",
            "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
        ),
        (
            "iam",
            "iam",
            None,
            ("GET", "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08", &form_utf8, ""),
            "content-type;host;x-amz-date",
            "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
        ),
    ] {
        let (method, url, headers, body) = request;
        let url = Url::parse(url).unwrap();
        let signed = Signed { method, url: &url, headers, body: body.as_bytes() };
        let want = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/{service}/aws4_request, \
             SignedHeaders={names}, Signature={signature}"
        );
        assert_eq!(authorization(&signer("us-east-1", service, token), signed), want, "{name}");
    }
}

#[test]
fn everything_that_is_sent_counts() {
    let url = Url::parse("https://aps.example:8443/workspaces/ws-1/api/v1/query").unwrap();
    let signer = signer("eu-central-1", "aps", None);
    let base = Signed { method: "POST", url: &url, headers: &[], body: b"query=up" };
    let first = authorization(&signer, base);
    assert!(first.contains("/20150830/eu-central-1/aps/aws4_request"), "{first}");
    let others =
        ["https://aps.example:8443/workspaces/ws-2/api/v1/query", "https://aps.example/workspaces/ws-1/api/v1/query"];
    for other in others {
        let url = Url::parse(other).unwrap();
        assert_ne!(authorization(&signer, Signed { url: &url, ..base }), first, "{other}");
    }
    assert_ne!(authorization(&signer, Signed { body: b"query=down", ..base }), first);
    assert_ne!(authorization(&signer, Signed { method: "GET", ..base }), first);
    assert!(signer.sign(base, Timestamp::from_millis(i64::MAX)).is_err(), "no panic at the end of time");
}
