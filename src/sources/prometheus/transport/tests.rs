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

/// Each way to be refused before anything is sent, with its reason and words, and no secret in either form.
#[test]
fn connections_that_cannot_be_made_are_refused() {
    let secret = || Secret::new("hunter2");
    let basic = || Identity::Basic { username: secret(), password: secret() };
    let with_identity = |identity| Connection { identity, ..to("https://p.example") };
    let with_headers = |headers: &[(&str, &str)]| Connection {
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value))).collect(),
        ..to("http://p.example")
    };
    let with_parameter =
        |name: &str| Connection { parameters: vec![(name.to_owned(), "hunter2".to_owned())], ..to("http://p.example") };
    let with_tls = |tls| Connection { tls, ..to("https://p.example") };
    let with_proxy = |proxy: &str| Connection { proxy: Some(Url::parse(proxy).unwrap()), ..to("http://p.example") };
    let sigv4 = |region: &str, key: &str| Identity::SigV4 {
        region: region.to_owned(),
        service: "aps".to_owned(),
        access_key_id: Secret::new(key),
        secret_access_key: secret(),
        session_token: None,
    };
    let only = |hosts: &[&str]| Reach {
        loopback: false,
        allowed_hosts: Some(hosts.iter().map(|host| (*host).to_owned()).collect()),
    };
    let key = "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n";
    let (ca_garbage, identity_garbage) = (
        Tls { ca_pem: Some("hunter2".into()), ..Tls::default() },
        Tls { ca_pem: None, identity_pem: Some(Secret::new(key)), ..Tls::default() },
    );
    for (connection, reason, words) in [
        (to("http://127.0.0.1:9090"), "AddressForbidden", "loopback"),
        (to("http://2130706433"), "AddressForbidden", "127.0.0.1 is a loopback"),
        (to("http://0x7f.1:80"), "AddressForbidden", "127.0.0.1 is a loopback"),
        (to("http://169.254.169.254/latest"), "AddressForbidden", "link-local"),
        (to("http://[::ffff:169.254.169.254]"), "AddressForbidden", "link-local"),
        (to("http://[fd00:ec2::254]"), "AddressForbidden", "metadata"),
        (
            Connection { reach: only(&["p.example"]), ..to("http://q.example") },
            "AddressForbidden",
            "q.example is not among",
        ),
        (with_proxy("http://169.254.1.1:3128"), "AddressForbidden", "the proxy must not be reached"),
        (
            Connection { reach: only(&["p.example"]), ..with_proxy("http://proxy.example") },
            "AddressForbidden",
            "proxy.example",
        ),
        (with_proxy("socks5://h:1"), "InvalidProxy", "scheme"),
        (
            Connection { tls: Tls { insecure_skip_verify: true, ..Tls::default() }, ..with_proxy("https://h:1") },
            "InvalidProxy",
            "https",
        ),
        (
            Connection { identity: basic(), ..to("http://u:hunter2@h") },
            "InvalidCredentials",
            "beside other credentials",
        ),
        (
            with_identity(Identity::Basic { username: Secret::new("a:hunter2"), password: secret() }),
            "InvalidCredentials",
            "`:`",
        ),
        (with_identity(Identity::Bearer(Secret::new(" \n"))), "InvalidCredentials", "empty"),
        (with_identity(Identity::Bearer(Secret::new("hunter2 x"))), "InvalidCredentials", "spaces"),
        (with_identity(Identity::Bearer(Secret::new("hunter2\r\nHost: x"))), "InvalidCredentials", "line breaks"),
        (with_identity(sigv4("eu/hunter2", "AKID")), "InvalidCredentials", "region"),
        (with_identity(sigv4("eu-central-1", "hunter2\n")), "InvalidCredentials", "AWS key"),
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
        (with_parameter("query"), "InvalidParameter", "`query` is set by Flyball"),
        (with_parameter("time"), "InvalidParameter", "`time`"),
        (with_parameter("timeout"), "InvalidParameter", "`timeout`"),
        (with_parameter("limit"), "InvalidParameter", "`limit`"),
        (with_parameter(""), "InvalidParameter", "1 to 64"),
        (with_parameter(&"x".repeat(65)), "InvalidParameter", "1 to 64"),
        (with_tls(ca_garbage), "InvalidCertificate", "the CA holds no certificate"),
        (with_tls(identity_garbage), "InvalidCertificate", "client certificate"),
        (with_tls(Tls { server_name: Some("a b".to_owned()), ..Tls::default() }), "InvalidCertificate", "server name"),
    ] {
        let error = refused(&connection);
        assert_eq!(error.reason(), reason, "{error}");
        assert!(error.to_string().contains(words), "{error} lacks {words}");
        assert!(error.to_string().starts_with("PrometheusSource shop/own: "), "{error}");
        for text in [error.to_string(), format!("{error:?}"), format!("{connection:?}")] {
            let shown = text.replace("eu/hunter2", "");
            assert!(!shown.contains("hunter2"), "{text}");
        }
    }
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
