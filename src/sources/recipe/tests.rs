use serde_json::{Value, json};

use super::*;
use crate::api::source::Document;

fn namespaced() -> SourceKey {
    SourceKey { kind: SourceKind::Namespaced, namespace: "shop".into(), name: "team".into() }
}

fn cluster() -> SourceKey {
    SourceKey { kind: SourceKind::Cluster, namespace: "".into(), name: "default".into() }
}

fn spec(extra: &Value) -> SourceSpec {
    let mut spec = json!({"url": "https://prometheus.monitoring.svc:9090"});
    for (field, value) in extra.as_object().unwrap() {
        spec[field] = value.clone();
    }
    serde_json::from_value(spec).unwrap()
}

fn secret(namespace: &str, values: &[(&str, &str)]) -> Documents {
    let values = values.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()));
    let reference = DocumentRef { kind: DocumentKind::Secret, namespace: namespace.into(), name: "login".into() };
    Documents::from([(reference, Ok(Document::new(values)))])
}

fn faults(key: &SourceKey, extra: &Value, documents: &Documents) -> (&'static str, String) {
    let faults = connection(key, &spec(extra), documents, &Allowance::default()).unwrap_err();
    (faults.reason(), faults.to_string())
}

fn reference(key: &str) -> Value {
    json!({"secretKeyRef": {"name": "login", "key": key}})
}

#[test]
fn each_kind_of_authentication_reaches_the_connection() {
    let documents = secret("shop", &[("user", "flyball\n"), ("word", "s3same"), ("token", "abc\r\n")]);
    let text = |text: &str| Secret::new(text);
    for (auth, expected) in [
        (json!({}), Identity::Anonymous),
        (
            json!({"basic": {"username": reference("user"), "password": reference("word")}}),
            Identity::Basic { username: text("flyball"), password: text("s3same") },
        ),
        (json!({"bearer": reference("token")}), Identity::Bearer(text("abc"))),
        (
            json!({"sigv4": {"region": "eu-central-1", "accessKeyId": reference("user"), "secretAccessKey": reference("word")}}),
            Identity::SigV4 {
                region: "eu-central-1".into(),
                service: "aps".into(),
                access_key_id: text("flyball"),
                secret_access_key: text("s3same"),
                session_token: None,
            },
        ),
    ] {
        let spec = spec(&json!({"auth": auth}));
        let made = connection(&namespaced(), &spec, &documents, &Allowance::default()).unwrap();
        assert_eq!(made.identity, expected);
        assert!(!format!("{made:?}").contains("s3same"), "{made:?}");
        let wanted: Vec<_> = super::documents(&namespaced(), &spec).into_iter().collect();
        assert_eq!(wanted.is_empty(), expected == Identity::Anonymous);
        assert!(wanted.iter().all(|document| documents.contains_key(document)), "{wanted:?}");
    }
}

#[test]
fn tls_headers_and_parameters_reach_the_connection() {
    let pem = "-----BEGIN CERTIFICATE-----";
    let documents =
        secret("vault", &[("ca", pem), ("tls.crt", pem), ("tls.key", "-----BEGIN KEY"), ("tenant", "team-a")]);
    let at = |key: &str| json!({"secretKeyRef": {"namespace": "vault", "name": "login", "key": key}});
    let spec = spec(&json!({
        "tls": {"ca": at("ca"), "clientCertificate": {"namespace": "vault", "secretName": "login"}, "serverName": "prometheus"},
        "headers": [{"name": "X-Scope-OrgID", "valueFrom": at("tenant")}, {"name": "X-Team", "value": "b"}],
        "queryParameters": [{"name": "dedup", "value": "true"}],
        "proxyUrl": "http://proxy:3128",
        "timeoutSeconds": 7, "maxConcurrency": 3, "maxSeries": 9, "maxResponseBytes": 65_536,
        "maxRequestsPerSecond": 4,
    }));
    let made = connection(&cluster(), &spec, &documents, &Allowance::default()).unwrap();
    assert_eq!(made.tls.ca_pem.as_deref(), Some(pem));
    assert_eq!(made.tls.identity_pem, Some(Secret::new(format!("{pem}\n-----BEGIN KEY"))));
    assert_eq!(made.tls.server_name.as_deref(), Some("prometheus"));
    let headers = [("X-Scope-OrgID".to_owned(), Secret::new("team-a")), ("X-Team".to_owned(), Secret::new("b"))];
    assert_eq!(made.headers, headers);
    assert_eq!(made.parameters, [("dedup".to_owned(), "true".to_owned())]);
    assert_eq!(made.proxy.as_ref().map(Url::as_str), Some("http://proxy:3128/"));
    let limits = limits(&spec);
    assert_eq!((limits.deadline.as_secs(), limits.concurrency, limits.series, limits.body_bytes), (7, 3, 9, 65_536));
    assert_eq!(limits.requests_per_second, Some(4));
}

/// Nobody reaches further than the owner of the object may.
#[test]
fn only_a_clusters_source_reaches_beyond_a_namespace() {
    let documents = secret("vault", &[("token", "abc")]);
    let elsewhere = json!({"secretKeyRef": {"namespace": "vault", "name": "login", "key": "token"}});
    for extra in [
        json!({"auth": {"bearer": elsewhere}}),
        json!({"auth": {"bearer": {"tokenFile": "/var/run/secrets/token"}}}),
        json!({"tls": {"insecureSkipVerify": true}}),
    ] {
        let (reason, message) = faults(&namespaced(), &extra, &documents);
        assert_eq!(reason, "InvalidSpec", "{message}");
        assert!(message.contains("ClusterPrometheusSource"), "{message}");
        assert!(super::documents(&namespaced(), &spec(&extra)).is_empty(), "what is not allowed is not even read");
        assert!(connection(&cluster(), &spec(&extra), &documents, &Allowance::default()).is_ok(), "{extra}");
    }
    let allowance = Allowance { hosts: Some(["*.example.com".to_owned()].into()) };
    let of_namespace = connection(&namespaced(), &spec(&json!({})), &Documents::new(), &allowance).unwrap();
    assert_eq!(of_namespace.reach, Reach { loopback: false, allowed_hosts: allowance.hosts.clone() });
    let of_cluster = connection(&cluster(), &spec(&json!({})), &Documents::new(), &allowance).unwrap();
    assert_eq!(of_cluster.reach, Reach { loopback: true, allowed_hosts: None });
    assert!(!of_namespace.proxy_from_environment && !of_cluster.proxy_from_environment);
}

#[test]
fn each_fault_names_the_field_and_the_mend() {
    let documents = secret("shop", &[("empty", ""), ("broken", "a\nb"), ("token", "hunter2")]);
    let bearer = |key: &str| json!({"auth": {"bearer": reference(key)}});
    let other = |kind: &str| json!({"tls": {"ca": {kind: {"name": "other", "key": "ca"}}}});
    for (extra, expected, words) in [
        (bearer("nope"), "SecretKeyMissing", "Secret shop/login, which spec.auth.bearer names, has no key \"nope\""),
        (bearer("empty"), "CredentialUnusable", "is empty"),
        (bearer("broken"), "CredentialUnusable", "line breaks"),
        (json!({"tls": {"ca": reference("token")}}), "CredentialUnusable", "PEM"),
        (other("secretKeyRef"), "SecretNotFound", "Secret shop/other, which spec.tls.ca names, does not exist"),
        (other("configMapKeyRef"), "ConfigMapNotFound", "ConfigMap shop/other"),
        (json!({"url": "ftp://a"}), "InvalidSpec", "http"),
        (json!({"url": "https://me:hunter2@a"}), "InvalidSpec", "spec.auth.basic"),
        (json!({"url": "https://a?token=hunter2"}), "InvalidSpec", "spec.queryParameters"),
        (json!({"url": "nonsense"}), "InvalidSpec", "is no URL"),
        (json!({"proxyUrl": "socks5://a"}), "InvalidSpec", "spec.proxyUrl"),
        (json!({"headers": [{"name": "Authorization", "value": "x"}]}), "InvalidSpec", "spec.auth"),
        (json!({"headers": [{"name": "a b", "value": "x"}]}), "InvalidSpec", "spec.headers[0]"),
        (
            json!({"headers": [{"name": "A", "value": "x"}, {"name": "a", "value": "y"}]}),
            "InvalidSpec",
            "spec.headers[1]",
        ),
        (json!({"headers": [{"name": "A", "value": "x\ny"}]}), "InvalidSpec", "characters"),
        (json!({"headers": [{"name": "A"}]}), "InvalidSpec", "exactly one"),
        (json!({"queryParameters": [{"name": "query", "value": "up"}]}), "InvalidSpec", "spec.queryParameters[0]"),
        (json!({"auth": {"bearer": {}}}), "InvalidSpec", "exactly one"),
    ] {
        let (reason, message) = faults(&namespaced(), &extra, &documents);
        assert_eq!(reason, expected, "{message}");
        assert!(message.contains(words), "{message}");
        assert!(!message.contains("hunter2"), "{message}");
    }
    let forbidden = DocumentRef { kind: DocumentKind::Secret, namespace: "shop".into(), name: "login".into() };
    let documents = Documents::from([(forbidden, Err(Unread::Forbidden))]);
    let (reason, message) = faults(&namespaced(), &bearer("token"), &documents);
    assert_eq!(reason, "SecretForbidden");
    assert!(message.contains("get it by name"), "{message}");
}

#[test]
fn limits_stay_within_the_bounds_whatever_the_object_says() {
    let wild =
        spec(&json!({"timeoutSeconds": 0, "maxConcurrency": -5, "maxSeries": i32::MAX, "maxResponseBytes": i64::MAX}));
    let limits = limits(&wild);
    assert_eq!((limits.deadline.as_secs(), limits.concurrency, limits.series), (1, 1, 100_000));
    assert_eq!(limits.body_bytes, 64 * 1024 * 1024);
}
