use super::*;

fn guard(loopback: bool, allowed: Option<&[&str]>) -> Guard {
    let allowed_hosts = allowed.map(|hosts| hosts.iter().map(|host| (*host).to_owned()).collect());
    Guard::new(&Reach { loopback, allowed_hosts })
}

#[test]
fn addresses_are_refused_by_their_kind() {
    let (usual, own) = (guard(false, None), guard(true, None));
    for (address, want) in [
        ("10.0.0.1", None),
        ("8.8.8.8", None),
        ("172.16.0.1", None),
        ("100.64.0.1", None),
        ("192.168.1.1", None),
        ("fd00::1", None),
        ("2001:db8::1", None),
        ("169.254.169.254", Some(Kind::LinkLocal)),
        ("169.254.0.1", Some(Kind::LinkLocal)),
        ("169.253.255.255", None),
        ("fe80::1", Some(Kind::LinkLocal)),
        ("febf:ffff::1", Some(Kind::LinkLocal)),
        ("100.100.100.200", Some(Kind::Metadata)),
        ("168.63.129.16", Some(Kind::Metadata)),
        ("192.0.0.192", Some(Kind::Metadata)),
        ("fd00:ec2::254", Some(Kind::Metadata)),
        ("fd00:ec2::23", Some(Kind::Metadata)),
        ("fd20:ce::254", Some(Kind::Metadata)),
        ("224.0.0.1", Some(Kind::Multicast)),
        ("239.255.255.255", Some(Kind::Multicast)),
        ("ff02::1", Some(Kind::Multicast)),
        ("0.0.0.0", Some(Kind::Unspecified)),
        ("0.1.2.3", Some(Kind::Unspecified)),
        ("::", Some(Kind::Unspecified)),
        ("255.255.255.255", Some(Kind::Reserved)),
        ("240.0.0.1", Some(Kind::Reserved)),
        // Embedded in IPv6.
        ("::ffff:10.0.0.1", None),
        ("::ffff:169.254.169.254", Some(Kind::LinkLocal)),
        ("::ffff:0:169.254.169.254", Some(Kind::LinkLocal)),
        ("::169.254.169.254", Some(Kind::LinkLocal)),
        ("64:ff9b::169.254.169.254", Some(Kind::LinkLocal)),
        ("64:ff9b::10.0.0.1", None),
        ("64:ff9b:1::169.254.169.254", Some(Kind::LinkLocal)),
        ("2002:a9fe:a9fe::1", Some(Kind::LinkLocal)),
        ("2002:0a00:0001::1", None),
        ("2001:0:a9fe:a9fe::", Some(Kind::LinkLocal)),
        ("2001:0:808:808:0:0:5601:5601", Some(Kind::LinkLocal)),
        ("2001:db8::5efe:169.254.169.254", Some(Kind::LinkLocal)),
        ("2001:db8::200:5efe:169.254.169.254", Some(Kind::LinkLocal)),
        ("::ffff:0.0.0.0", Some(Kind::Unspecified)),
        ("::ffff:224.0.0.1", Some(Kind::Multicast)),
    ] {
        let address: IpAddr = address.parse().unwrap();
        let wanted = want.map_or(Ok(()), |kind| Err(Refused::Address { address, kind }));
        assert_eq!(usual.check(address), wanted, "{address}");
        assert_eq!(own.check(address), wanted, "{address}, where loopback is allowed");
    }
    for address in ["127.0.0.1", "127.255.0.1", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"] {
        let address: IpAddr = address.parse().unwrap();
        assert_eq!(usual.check(address), Err(Refused::Address { address, kind: Kind::Loopback }), "{address}");
        assert_eq!(own.check(address), Ok(()), "{address}, where loopback is allowed");
    }
}

#[test]
fn hosts_are_matched_whole_or_by_suffix() {
    for (pattern, host, want) in [
        ("prometheus.monitoring.svc", "prometheus.monitoring.svc", true),
        ("Prometheus.Monitoring.svc.", "prometheus.monitoring.svc", true),
        ("prometheus.monitoring.svc", "prometheus.monitoring.svc.", true),
        ("prometheus.monitoring.svc", "x.prometheus.monitoring.svc", false),
        ("prometheus.monitoring.svc", "prometheus.monitoring.svc.evil.example", false),
        ("*.example.com", "a.example.com", true),
        ("*.example.com", "a.b.example.com", true),
        ("*.example.com", "example.com", false),
        ("*.example.com", "badexample.com", false),
        ("*.example.com", ".example.com", false),
        ("*.example.com", "a.example.com.evil.example", false),
        ("*", "a.example.com", false),
        ("", "a.example.com", false),
        ("10.0.0.1", "10.0.0.1", true),
        ("fd00::1", "[fd00::1]", true),
        ("[fd00::1]", "[fd00::1]", true),
    ] {
        assert_eq!(matches(pattern, host), want, "{pattern} against {host}");
    }
}

#[test]
fn urls_are_checked_by_name_and_literal() {
    let check = |guard: &Guard, url: &str| guard.check_url(&Url::parse(url).unwrap()).map_err(|why| why.to_string());
    let any = guard(false, None);
    assert_eq!(check(&any, "http://prometheus:9090"), Ok(()));
    for literal in
        ["http://127.1", "http://0x7f000001", "http://017700000001", "http://[::ffff:7f00:1]", "http://127.0.0.1."]
    {
        assert!(check(&any, literal).unwrap_err().contains("loopback"), "{literal}");
    }
    let some = guard(false, Some(&["*.svc", "169.254.169.254"]));
    assert_eq!(check(&some, "http://p.monitoring.svc"), Ok(()));
    assert!(check(&some, "http://p.example").unwrap_err().contains("not among the hosts"));
    assert!(check(&some, "http://169.254.169.254").is_err(), "a list does not allow what is never reached");
    assert!(check(&guard(false, Some(&[])), "http://p").is_err(), "an empty list allows nobody");
    assert_eq!(check(&any, "data:x"), Err("it names no host".to_owned()));
}

#[test]
fn of_resolved_addresses_only_the_permitted_are_given_out() {
    let all = |texts: &[&str]| -> Vec<SocketAddr> { texts.iter().map(|text| text.parse().unwrap()).collect() };
    let usual = guard(false, None);
    let mixed = all(&["127.0.0.1:0", "10.0.0.1:0", "169.254.169.254:0", "[fd00::1]:0"]);
    assert_eq!(usual.permit(mixed.into_iter()), Ok(all(&["10.0.0.1:0", "[fd00::1]:0"])));
    let none = all(&["127.0.0.1:0", "[fe80::1]:0"]);
    assert!(matches!(usual.permit(none.into_iter()), Err(Refused::Address { kind: Kind::Loopback, .. })));
    assert_eq!(usual.permit(std::iter::empty()), Ok(Vec::new()), "the connector says that there is none");
}
