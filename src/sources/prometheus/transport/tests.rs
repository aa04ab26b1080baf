use url::Url;

use super::client::is_loopback;
use super::invalid::base_url;
use super::*;
use crate::sources::prometheus::Limits;
use crate::sources::prometheus::connection::{Connection, Identity, Reach, Secret, Tls};

#[test]
fn addresses_are_checked_and_brought_into_form() {
    for (address, want) in [
        ("http://prometheus:9090", "http://prometheus:9090/"),
        (" http://prometheus:9090/ ", "http://prometheus:9090/"),
        ("https://example.com/prom/", "https://example.com/prom"),
        ("http://example.com/a//", "http://example.com/a"),
        ("http://[::1]:9090", "http://[::1]:9090/"),
        ("http://example.com/my/api/v1x", "http://example.com/my/api/v1x"),
    ] {
        assert_eq!(parse_address(address).unwrap().as_str(), want);
    }
    for (address, want) in [
        ("", "not a URL"),
        ("prometheus", "not a URL"),
        ("prometheus:9090", "scheme `prometheus`"),
        ("file:///etc/passwd", "scheme `file`"),
        ("ftp://u:hunter2@h/", "scheme `ftp`"),
        ("http://", "not a URL"),
        ("http://u:hunter2@h:99999", "not a URL"),
        ("http://u:hunter2@h/?x=hunter2", "`?` or `#`"),
        ("http://h/#hunter2", "`?` or `#`"),
        ("http://h/api/v1", "leave out /api/v1"),
        ("http://h/prom/api/v1/query/", "leave out /api/v1"),
    ] {
        let error = parse_address(address).unwrap_err().of("--prometheus-url");
        assert!(error.to_string().contains(want), "{address}: {error}");
        assert!(error.to_string().starts_with("--prometheus-url: "), "{error}");
        assert!(!error.to_string().contains("hunter2") && !format!("{error:?}").contains("hunter2"), "{error}");
        assert_eq!(error.reason(), "InvalidUrl");
    }
    assert!(base_url(Url::parse("http://h/?q").unwrap()).is_err(), "an address that was parsed elsewhere as well");
}

#[test]
fn only_host_and_port_are_shown() {
    for (address, host) in [
        ("http://user:hunter2@example.com/x", "example.com:80"),
        ("http://example.com:9090", "example.com:9090"),
        ("http://[::1]", "[::1]:80"),
    ] {
        let connection = Connection::of_flag(address).unwrap();
        let transport = HttpTransport::new(&connection, "--prometheus-url", Limits::default()).unwrap();
        assert_eq!(transport.host(), host);
        assert!(!format!("{transport:?} {connection:?}").contains("hunter2"));
    }
}

#[test]
fn loopback_is_known() {
    for (address, want) in [
        ("http://127.0.0.1:1", true),
        ("http://127.9.9.9", true),
        ("http://[::1]", true),
        ("http://localhost", true),
        ("http://10.0.0.1", false),
        ("http://localhost.example.com", false),
    ] {
        assert_eq!(is_loopback(&Url::parse(address).unwrap()), want, "{address}");
    }
}

#[test]
fn the_form_speaks_milliseconds() {
    for (millis, want) in [
        (0, "0.000"),
        (1_700_000_000_007, "1700000000.007"),
        (-1, "-0.001"),
        (-1_500, "-1.500"),
        (i64::MIN, "-9223372036854775.808"),
    ] {
        let form = QueryForm { promql: "up".into(), time: Timestamp::from_millis(millis), timeout: Duration::ZERO };
        assert_eq!((form.time_param().as_str(), form.timeout_param().as_str()), (want, "1ms"));
    }
    let form = QueryForm { promql: "up".into(), time: Timestamp::default(), timeout: Duration::from_millis(4_999) };
    assert_eq!(form.timeout_param(), "4999ms");
}

fn to(address: &str) -> Connection {
    Connection::to(Url::parse(address).unwrap())
}

fn refused(connection: &Connection) -> InvalidConnection {
    HttpTransport::new(connection, "PrometheusSource shop/own", Limits::default()).unwrap_err()
}

fn secret() -> Secret {
    Secret::new("hunter2")
}

fn basic() -> Identity {
    Identity::Basic { username: secret(), password: secret() }
}

fn sigv4(region: &str, key: &str) -> Identity {
    Identity::SigV4 {
        region: region.to_owned(),
        service: "aps".to_owned(),
        access_key_id: Secret::new(key),
        secret_access_key: secret(),
        session_token: None,
    }
}

fn with_headers(headers: &[(&str, &str)]) -> Connection {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value))).collect();
    Connection { headers, ..to("http://p.example") }
}

/// Each way to be refused before anything is sent, with its reason and words, and no secret in either form.
fn check_refused(cases: &[(Connection, &str, &str)]) {
    for (connection, reason, words) in cases {
        let error = refused(connection);
        assert_eq!(error.reason(), *reason, "{error}");
        assert!(error.to_string().contains(words), "{error} lacks {words}");
        assert!(error.to_string().starts_with("PrometheusSource shop/own: "), "{error}");
        for text in [error.to_string(), format!("{error:?}"), format!("{connection:?}")] {
            assert!(!text.contains("hunter2"), "{text}");
        }
    }
}

#[test]
fn addresses_that_must_not_be_reached_are_refused() {
    let with_proxy = |proxy: &str| Connection { proxy: Some(Url::parse(proxy).unwrap()), ..to("http://p.example") };
    let only = |host: &str| Reach { loopback: false, allowed_hosts: Some([host.to_owned()].into()) };
    let unchecked = Tls { insecure_skip_verify: true, ..Tls::default() };
    check_refused(&[
        (to("http://127.0.0.1:9090"), "AddressForbidden", "loopback"),
        (to("http://2130706433"), "AddressForbidden", "127.0.0.1 is a loopback"),
        (to("http://0x7f.1:80"), "AddressForbidden", "127.0.0.1 is a loopback"),
        (to("http://169.254.169.254/latest"), "AddressForbidden", "link-local"),
        (to("http://[::ffff:169.254.169.254]"), "AddressForbidden", "link-local"),
        (to("http://[fd00:ec2::254]"), "AddressForbidden", "metadata"),
        (
            Connection { reach: only("p.example"), ..to("http://q.example") },
            "AddressForbidden",
            "q.example is not among",
        ),
        (with_proxy("http://169.254.1.1:3128"), "AddressForbidden", "the proxy must not be reached"),
        (Connection { reach: only("p.example"), ..with_proxy("http://x.example") }, "AddressForbidden", "x.example"),
        (with_proxy("socks5://u:hunter2@h:1"), "InvalidProxy", "scheme"),
        (Connection { tls: unchecked, ..with_proxy("https://h:1") }, "InvalidProxy", "https"),
    ]);
}

#[test]
fn credentials_that_cannot_be_sent_are_refused() {
    let with = |identity| Connection { identity, ..to("https://p.example") };
    let bearer = |token: &str| with(Identity::Bearer(Secret::new(token)));
    let colon = Identity::Basic { username: Secret::new("a:hunter2"), password: secret() };
    let key = "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n";
    let tls = |tls| Connection { tls, ..to("https://p.example") };
    check_refused(&[
        (
            Connection { identity: basic(), ..to("http://u:hunter2@h") },
            "InvalidCredentials",
            "beside other credentials",
        ),
        (with(colon), "InvalidCredentials", "`:`"),
        (bearer(" \n"), "InvalidCredentials", "empty"),
        (bearer("hunter2 x"), "InvalidCredentials", "spaces"),
        (bearer("hunter2\r\nHost: x"), "InvalidCredentials", "line breaks"),
        (with(sigv4("eu/west", "AKID")), "InvalidCredentials", "region"),
        (with(sigv4("eu-central-1", "hunter2\n")), "InvalidCredentials", "AWS key"),
        (tls(Tls { ca_pem: Some("hunter2".into()), ..Tls::default() }), "InvalidCertificate", "the CA holds no"),
        (
            tls(Tls { identity_pem: Some(Secret::new(key)), ..Tls::default() }),
            "InvalidCertificate",
            "client certificate",
        ),
        (tls(Tls { server_name: Some("a b".to_owned()), ..Tls::default() }), "InvalidCertificate", "server name"),
    ]);
}

#[test]
fn headers_and_parameters_that_are_not_the_users_are_refused() {
    let named =
        |name: &str| Connection { parameters: vec![(name.to_owned(), "hunter2".to_owned())], ..to("http://p.example") };
    let many = vec![("a".to_owned(), "hunter2".to_owned()); 33];
    check_refused(&[
        (with_headers(&[("Host", "hunter2")]), "InvalidHeader", "`Host` is set by Flyball"),
        (with_headers(&[("a b", "hunter2")]), "InvalidHeader", "`a b` is not"),
        (with_headers(&[("X-Scope-OrgID", "hunter2\r\nX: y")]), "InvalidHeader", "characters"),
        (with_headers(&[("X-A", "hunter2"), ("x-a", "hunter2")]), "InvalidHeader", "twice"),
        (
            Connection { identity: basic(), ..with_headers(&[("authorization", "hunter2")]) },
            "InvalidHeader",
            "other credentials",
        ),
        (
            Connection { identity: sigv4("eu-central-1", "AKID"), ..with_headers(&[("x-amz-date", "hunter2")]) },
            "InvalidHeader",
            "signature",
        ),
        (named("query"), "InvalidParameter", "`query` is set by Flyball"),
        (named("time"), "InvalidParameter", "`time`"),
        (named("timeout"), "InvalidParameter", "`timeout`"),
        (named("limit"), "InvalidParameter", "`limit`"),
        (named(""), "InvalidParameter", "1 to 64"),
        (named(&"x".repeat(65)), "InvalidParameter", "1 to 64"),
        (Connection { parameters: many, ..to("http://p.example") }, "InvalidParameter", "at most 32"),
    ]);
    let fits = with_headers(&[("Authorization", "hunter2"), ("X-Scope-OrgID", "a")]);
    assert!(HttpTransport::new(&fits, "x", Limits::default()).is_ok(), "without an identity it may be a header");
}

/// Every error a transport can give, in both forms: a reason, one sentence, nothing else.
#[test]
fn errors_have_reasons_and_sentences() {
    let (host, cause) = (|| "p.example:443".to_owned(), || "it is so".to_owned());
    for (error, reason) in [
        (TransportError::Unreachable { host: host(), cause: cause() }, "SourceUnreachable"),
        (TransportError::Tls { host: host(), cause: cause(), ours: false }, "SourceUnreachable"),
        (TransportError::Tls { host: host(), cause: cause(), ours: true }, "Unauthorized"),
        (TransportError::Forbidden { host: host(), cause: cause() }, "AddressForbidden"),
        (TransportError::Credentials { label: "x".into(), cause: cause() }, "Unauthorized"),
        (TransportError::Timeout { host: host(), deadline: Duration::from_secs(5) }, "Timeout"),
        (TransportError::TooLarge { host: host(), limit_bytes: 8 }, "AnswerTooLarge"),
        (TransportError::Broken { host: host(), cause: cause() }, "MalformedAnswer"),
    ] {
        assert_eq!(error.reason(), reason);
        assert!(error.to_string().ends_with('.') && error.to_string().lines().count() == 1, "{error}");
    }
}

#[derive(Clone)]
struct At(Timestamp);

impl crate::clock::Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// What is signed is what is sent, byte by byte: the receiver comes to the same signature.
#[tokio::test]
async fn the_signature_fits_what_arrives() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/workspaces/ws-1", listener.local_addr().unwrap());
    let identity = Identity::SigV4 {
        region: "eu-central-1".to_owned(),
        service: "aps".to_owned(),
        access_key_id: Secret::new("AKIDEXAMPLE"),
        secret_access_key: Secret::new("hunter2"),
        session_token: Some(Secret::new("session")),
    };
    let parameters = vec![("dedup".to_owned(), "ü &=+*~".to_owned())];
    let connection = Connection { identity, parameters, ..Connection::of_flag(&address).unwrap() };
    let clock = At(Timestamp::from_millis(1_440_938_160_000));
    let transport = HttpTransport::new(&connection, "test", Limits::default()).unwrap().with_clock(clock.clone());
    let form = QueryForm { promql: "sum(m{a=\"ü &=+*~'()\"})".into(), time: clock.0, timeout: Duration::from_secs(1) };
    let server = async {
        let mut requests = Vec::new();
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 16 * 1024];
            let mut length = 0;
            loop {
                length += stream.read(&mut request[length..]).await.unwrap();
                let text = String::from_utf8_lossy(&request[..length]).into_owned();
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                let announced = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                if body.len() >= announced.map_or(0, |length| length.parse().unwrap()) {
                    requests.push((head.to_owned(), body.to_owned()));
                    break;
                }
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await.unwrap();
        }
        requests
    };
    let asking = async {
        transport.post(form).await.unwrap();
        transport.build_info().await.unwrap();
    };
    let (requests, ()) = tokio::join!(server, asking);
    let signer = sigv4::Signer {
        region: "eu-central-1".to_owned(),
        service: "aps".to_owned(),
        access_key_id: Secret::new("AKIDEXAMPLE"),
        secret_access_key: Secret::new("hunter2"),
        session_token: Some(Secret::new("session")),
    };
    for ((head, body), method) in requests.iter().zip(["POST", "GET"]) {
        let value = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let path = head.split(' ').nth(1).unwrap();
        let url = Url::parse(&format!("http://{}{path}", value("host").unwrap())).unwrap();
        let signed = sigv4::Signed { method, url: &url, headers: &[], body: body.as_bytes() };
        let want = signer.sign(signed, clock.0).unwrap();
        assert_eq!(want.len(), 3);
        for (name, want) in want {
            assert_eq!(value(name.as_str()), Some(want.to_str().unwrap()), "{name} of {method}");
        }
        assert!(!head.contains("hunter2"), "{head}");
    }
}
