use super::*;

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
        assert_eq!(base_url(address).unwrap().as_str(), want);
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
        let error = base_url(address).unwrap_err();
        assert!(error.to_string().contains(want), "{address}: {error}");
        assert!(!error.to_string().contains("hunter2") && !format!("{error:?}").contains("hunter2"), "{error}");
        assert_eq!(error.reason(), "InvalidUrl");
    }
}

#[test]
fn only_host_and_port_are_shown() {
    for (address, host) in [
        ("http://user:hunter2@example.com/x", "example.com:80"),
        ("http://example.com:9090", "example.com:9090"),
        ("http://[::1]", "[::1]:80"),
    ] {
        let transport = HttpTransport::new(address, Limits::default()).unwrap();
        assert_eq!(transport.host(), host);
        assert!(!format!("{transport:?}").contains("hunter2"));
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
