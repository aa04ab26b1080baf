//! What a connection carries, where it may lead and whom it trusts: on real sockets, against servers of the test's own. No message
//! and no `Debug` shows a secret: each test hands in `hunter2` and looks for it.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "secured/certificates.rs"]
mod certificates;
#[path = "prometheus_connections/server.rs"]
mod server;

use std::sync::Arc;
use std::time::Duration;

use certificates::Ca;
use flyball::engine::{Absence, Timestamp};
use flyball::sources::prometheus::connection::{Connection, Identity, Reach, Secret, Tls};
use flyball::sources::prometheus::{HttpTransport, Limits, QueryForm, RawAnswer, Transport, TransportError};
use rustls::version::{TLS12, TLS13};
use server::{ANSWER, Server, header, http, tls_config};
use url::Url;

const LABEL: &str = "PrometheusSource shop/own";
const SECRET: &str = "hunter2";

/// A connection to this machine's own server.
fn to(address: &str) -> Connection {
    let reach = Reach { loopback: true, allowed_hosts: None };
    Connection { reach, ..Connection::to(Url::parse(address).unwrap()) }
}

fn plain(server: &Server) -> Connection {
    to(&format!("http://{}", server.address))
}

fn form() -> QueryForm {
    let time = Timestamp::from_millis(1_700_000_000_250);
    QueryForm { promql: "sum(rate(m{a=\"ü&=+\"}[2m]))".into(), time, timeout: Duration::from_secs(5) }
}

fn transport(connection: &Connection) -> HttpTransport {
    HttpTransport::new(connection, LABEL, Limits { deadline: Duration::from_secs(20), ..Limits::default() }).unwrap()
}

/// Asks, and looks for the secret in all that can be printed.
async fn ask(connection: &Connection) -> Result<RawAnswer, TransportError> {
    let transport = transport(connection);
    let answer = transport.post(form()).await;
    let mut shown = format!("{connection:?} {transport:?} {answer:?}");
    if let Err(error) = &answer {
        shown.push_str(&error.to_string());
        println!("{}: {error}", error.reason());
    }
    assert!(!shown.contains(SECRET), "{shown}");
    answer
}

#[tokio::test]
async fn identities_headers_and_parameters_arrive() {
    let server = Server::plain(|_, _| http("200 OK", "", ANSWER)).await;
    let secret = || Secret::new(SECRET);
    for (identity, want) in [
        (Identity::Anonymous, None),
        // user:hunter2
        (Identity::Basic { username: Secret::new("user"), password: secret() }, Some("Basic dXNlcjpodW50ZXIy")),
        (Identity::Bearer(secret()), Some("Bearer hunter2")),
    ] {
        let connection = Connection {
            identity,
            headers: vec![("X-Scope-OrgID".to_owned(), Secret::new("hunter2|b"))],
            parameters: vec![("dedup".to_owned(), "true".to_owned()), ("extra_label".to_owned(), "a=b&c".to_owned())],
            ..plain(&server)
        };
        let raw = ask(&connection).await.unwrap();
        assert_eq!((raw.status, raw.label.as_deref()), (200, Some(LABEL)));
        let request = server.requests().pop().unwrap();
        assert_eq!(header(&request, "authorization").as_deref(), want);
        assert_eq!(header(&request, "x-scope-orgid").as_deref(), Some("hunter2|b"));
        let body = request.split_once("\r\n\r\n").unwrap().1;
        let pairs: Vec<(String, String)> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        let names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["query", "time", "timeout", "dedup", "extra_label"]);
        assert_eq!((pairs[0].1.as_str(), pairs[4].1.as_str()), (form().promql.as_ref(), "a=b&c"));
    }
    // A path of the address stays, and a password in it goes where it belongs.
    let address = format!("http://user:hunter2@{}/prom/", server.address);
    ask(&to(&address)).await.unwrap();
    let request = server.requests().pop().unwrap();
    assert!(request.starts_with("POST /prom/api/v1/query HTTP/1.1\r\n"), "{request}");
    assert_eq!(header(&request, "authorization").as_deref(), Some("Basic dXNlcjpodW50ZXIy"));
}

#[tokio::test]
async fn a_token_that_rotates_is_read_again_after_a_refusal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "hunter2-old").unwrap();
    let server = Server::plain(|_, request| match header(request, "authorization").as_deref() {
        Some("Bearer hunter2-new") => http("200 OK", "", ANSWER),
        _ => http("401 Unauthorized", "", "hunter2 is not welcome"),
    })
    .await;
    let connection = Connection { identity: Identity::BearerFile(path.clone()), ..plain(&server) };
    let transport = transport(&connection);
    assert_eq!(transport.post(form()).await.unwrap().status, 401);
    assert_eq!(server.requests().len(), 1, "the same token is not tried twice");
    std::fs::write(&path, "hunter2-new").unwrap();
    assert_eq!(transport.post(form()).await.unwrap().status, 200);
    assert_eq!(server.requests().len(), 3);

    std::fs::remove_file(&path).unwrap();
    let error = ask(&connection).await.unwrap_err();
    assert_eq!(error.absence(), Absence::Unauthorized);
    assert!(error.to_string().contains(LABEL) && error.to_string().contains("token file"), "{error}");
}

#[tokio::test]
async fn credentials_never_follow_a_redirect() {
    let elsewhere = Server::plain(|_, _| http("200 OK", "", ANSWER)).await;
    for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let location = format!("location: http://{}/api/v1/query\r\n", elsewhere.address);
        let server = Server::plain(move |_, _| http(status, &location, "")).await;
        let connection = Connection {
            identity: Identity::Bearer(Secret::new(SECRET)),
            headers: vec![("X-Api-Key".to_owned(), Secret::new(SECRET))],
            ..plain(&server)
        };
        let raw = ask(&connection).await.unwrap();
        assert_eq!(raw.status.to_string(), status[..3]);
        assert_eq!(transport(&connection).build_info().await.unwrap().status, raw.status);
        assert_eq!(server.requests().len(), 2, "{status}");
    }
    assert!(elsewhere.requests().is_empty(), "{:?}", elsewhere.requests());
}

#[tokio::test]
async fn what_the_server_says_of_time_reaches_the_caller() {
    let date = "date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    for (status, headers, want) in [
        ("429 Too Many", "retry-after: 7\r\n", Some(7)),
        ("503 Busy", "retry-after: Sun, 06 Nov 1994 08:50:07 GMT\r\n", Some(30)),
        ("503 Busy", "", None),
        ("200 OK", "retry-after: 7\r\n", None),
    ] {
        let headers = format!("{date}{headers}");
        let server = Server::plain(move |_, _| http(status, &headers, ANSWER)).await;
        let raw = ask(&plain(&server)).await.unwrap();
        assert_eq!(raw.retry_after, want.map(Duration::from_secs), "{status}");
        assert_eq!(raw.date, Some(Timestamp::from_millis(784_111_777_000)));
    }
    let server = Server::plain(|_, _| http("200 OK", "date: yesterday\r\n", ANSWER)).await;
    assert_eq!(ask(&plain(&server)).await.unwrap().date, None);
}

#[tokio::test]
async fn build_info_is_asked_like_a_query() {
    let body = r#"{"status":"success","data":{"version":"2.42.0"}}"#;
    let server = Server::plain(move |_, _| http("200 OK", "", body)).await;
    let connection = Connection {
        identity: Identity::Bearer(Secret::new(SECRET)),
        headers: vec![("X-Scope-OrgID".to_owned(), Secret::new("a"))],
        ..to(&format!("http://{}/prom", server.address))
    };
    let raw = transport(&connection).build_info().await.unwrap();
    assert_eq!((raw.status, raw.body.as_ref()), (200, body.as_bytes()));
    let request = server.requests().pop().unwrap();
    assert!(request.starts_with("GET /prom/api/v1/status/buildinfo HTTP/1.1\r\n"), "{request}");
    assert_eq!(header(&request, "authorization").as_deref(), Some("Bearer hunter2"));
    assert_eq!(header(&request, "x-scope-orgid").as_deref(), Some("a"));
    // The same limits.
    let large = Server::plain(|_, _| http("200 OK", "", &" ".repeat(2000))).await;
    let limits = Limits { body_bytes: 1000, ..Limits::default() };
    let small = HttpTransport::new(&plain(&large), LABEL, limits).unwrap();
    assert!(matches!(small.build_info().await, Err(TransportError::TooLarge { limit_bytes: 1000, .. })));
}

#[tokio::test]
async fn a_proxy_gets_the_request_and_only_where_it_was_given() {
    let proxy = Server::plain(|_, _| http("200 OK", "", ANSWER)).await;
    let connection = Connection {
        identity: Identity::Bearer(Secret::new(SECRET)),
        proxy: Some(Url::parse(&format!("http://p:hunter2@{}", proxy.address)).unwrap()),
        ..to("http://prometheus.invalid:9090/prom")
    };
    ask(&connection).await.unwrap();
    let request = proxy.requests().pop().unwrap();
    assert!(request.starts_with("POST http://prometheus.invalid:9090/prom/api/v1/query HTTP/1.1"), "{request}");
    assert_eq!(header(&request, "proxy-authorization").as_deref(), Some("Basic cDpodW50ZXIy"));

    // The proxy's name is resolved here, so its address is checked here.
    let named = format!("http://localhost:{}", proxy.address.port());
    let strict = Connection {
        reach: Reach::default(),
        proxy: Some(Url::parse(&named).unwrap()),
        ..to("http://prometheus.invalid:9090")
    };
    let error = ask(&strict).await.unwrap_err();
    assert_eq!(error.reason(), "AddressForbidden", "{error}");
    assert!(error.to_string().contains("to the proxy of prometheus.invalid:9090: 127.0.0.1 is a loopback"), "{error}");
    assert_eq!(proxy.requests().len(), 1);
}

#[tokio::test]
async fn names_are_checked_by_what_they_resolve_to() {
    let server = Server::plain(|_, _| http("200 OK", "", ANSWER)).await;
    let local = |reach| {
        let url = Url::parse(&format!("http://localhost:{}", server.address.port())).unwrap();
        Connection { reach, ..Connection::to(url) }
    };
    let error = ask(&local(Reach::default())).await.unwrap_err();
    assert_eq!((error.reason(), error.absence()), ("AddressForbidden", Absence::AddressForbidden));
    assert!(error.to_string().contains("is a loopback address"), "{error}");
    assert!(server.requests().is_empty());
    let list = |hosts: &[&str]| Some(hosts.iter().map(|host| (*host).to_owned()).collect::<Arc<[String]>>());
    let listed = Reach { loopback: true, allowed_hosts: list(&["localhost"]) };
    assert_eq!(ask(&local(listed)).await.unwrap().status, 200);
    let other = Reach { loopback: true, allowed_hosts: list(&["*.monitoring.svc"]) };
    let error = HttpTransport::new(&local(other), LABEL, Limits::default()).unwrap_err();
    assert!(error.to_string().contains("localhost is not among the hosts that may be asked"), "{error}");
}

fn https(server: &Server, host: &str, tls: Tls) -> Connection {
    Connection {
        tls,
        identity: Identity::Bearer(Secret::new(SECRET)),
        ..to(&format!("https://{host}:{}", server.address.port()))
    }
}

/// The error, checked to be one of TLS with these words, and that the server got no request.
async fn tls_error(server: &Server, connection: &Connection, words: &str) -> TransportError {
    let error = ask(connection).await.unwrap_err();
    assert!(matches!(error, TransportError::Tls { .. }), "{error:?}");
    assert!(error.to_string().contains(words), "{error} lacks {words}");
    assert!(server.requests().is_empty(), "nothing was sent to whom we do not trust");
    error
}

#[tokio::test]
async fn servers_are_trusted_by_ca_and_name() {
    let (ca, other) = (Ca::new("ca"), Ca::new("other"));
    let by = |ca: &Ca| Tls { ca_pem: Some(ca.pem.as_str().into()), ..Tls::default() };
    for version in [&TLS12, &TLS13] {
        let server = Server::tls(tls_config(&ca.server(&["localhost", "prometheus.example"]), None, &[version])).await;
        for (host, tls, words) in [
            ("localhost", by(&other), "a CA that is not trusted here"),
            ("localhost", Tls::default(), "a CA that is not trusted here"),
            ("127.0.0.1", by(&ca), "is for localhost, prometheus.example, not for"),
            ("127.0.0.1", by(&ca), "not for 127.0.0.1"),
            ("localhost", Tls { server_name: Some("wrong.example".to_owned()), ..by(&ca) }, "not for wrong.example"),
        ] {
            let error = tls_error(&server, &https(&server, host, tls), words).await;
            assert_eq!(error.absence(), Absence::Unreachable);
        }
        for (host, tls) in [
            ("localhost", by(&ca)),
            ("localhost", Tls { ca_pem: Some(format!("{}{}", other.pem, ca.pem).into()), ..Tls::default() }),
            ("127.0.0.1", Tls { server_name: Some("prometheus.example".to_owned()), ..by(&ca) }),
            ("127.0.0.1", Tls { insecure_skip_verify: true, ..Tls::default() }),
        ] {
            assert_eq!(ask(&https(&server, host, tls)).await.unwrap().status, 200);
        }
        assert_eq!(server.requests().len(), 4);
    }
    let old = Server::tls(tls_config(&ca.expired(&["localhost"]), None, &[&TLS13])).await;
    tls_error(&old, &https(&old, "localhost", by(&ca)), "its certificate has expired").await;
}

#[tokio::test]
async fn servers_may_want_a_client_certificate() {
    let (ca, clients, other) = (Ca::new("ca"), Ca::new("clients"), Ca::new("other"));
    let with = |identity: Option<&certificates::Pair>| Tls {
        ca_pem: Some(ca.pem.as_str().into()),
        identity_pem: identity.map(|pair| Secret::new(pair.both())),
        ..Tls::default()
    };
    for version in [&TLS12, &TLS13] {
        let server = Server::tls(tls_config(&ca.server(&["localhost"]), Some(&clients.pem), &[version])).await;
        let without = tls_error(&server, &https(&server, "localhost", with(None)), "client certificate").await;
        let wrong = https(&server, "localhost", with(Some(&other.client())));
        let wrong = ask(&wrong).await.unwrap_err();
        assert!(matches!(wrong, TransportError::Tls { .. }), "{wrong}");
        if version.version == TLS13.version {
            assert_eq!(without.absence(), Absence::Unauthorized, "{without}");
        }
        let right = https(&server, "localhost", with(Some(&clients.client())));
        assert_eq!(ask(&right).await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn https_to_a_server_without_it_is_told_so() {
    let server = Server::plain(|_, _| http("200 OK", "", ANSWER)).await;
    let ca = Ca::new("ca");
    let tls = Tls { ca_pem: Some(ca.pem.as_str().into()), ..Tls::default() };
    let error = ask(&https(&server, "localhost", tls)).await.unwrap_err();
    assert!(error.to_string().contains("perhaps its address is http"), "{error}");
}

/// Set for the child process: whether its connection takes a proxy from the environment.
const CHILD: &str = "FLYBALL_TEST_PROXY_FROM_ENVIRONMENT";

/// The environment of a process cannot be changed in a test, so a child of its own has it.
#[tokio::test]
async fn a_proxy_of_the_environment_is_taken_only_where_the_flag_says_so() {
    let proxy = Server::plain(|_, _| http("200 OK", "", ANSWER)).await;
    for (from_environment, want) in [("false", 0), ("true", 1)] {
        let ran = tokio::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_asks_with_proxies_in_its_environment", "--ignored", "--nocapture"])
            .env(CHILD, from_environment)
            .env("HTTP_PROXY", format!("http://{}", proxy.address))
            .env("http_proxy", format!("http://{}", proxy.address))
            .env("ALL_PROXY", format!("http://{}", proxy.address))
            .env_remove("NO_PROXY")
            .env_remove("no_proxy")
            .env_remove("REQUEST_METHOD")
            .output()
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success() && said.contains("1 passed"), "{said}");
        assert_eq!(proxy.requests().len(), want, "proxy_from_environment: {from_environment}");
    }
}

#[tokio::test]
#[ignore = "the child of another test, which gives it its environment"]
async fn child_asks_with_proxies_in_its_environment() {
    let Ok(from_environment) = std::env::var(CHILD) else { return };
    let proxy_from_environment = from_environment == "true";
    let connection = Connection { proxy_from_environment, ..to("http://prometheus.invalid:9090") };
    assert_eq!(ask(&connection).await.is_ok(), proxy_from_environment);
}
