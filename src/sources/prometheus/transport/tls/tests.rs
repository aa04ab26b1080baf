use rcgen::{CertificateParams, KeyPair};

use super::super::super::connection::Secret;
use super::*;

/// A certificate and its key.
fn pair() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["p.example".to_owned()]).unwrap().self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}

#[test]
fn configurations_are_made_or_refused_with_the_reason() {
    let (certificate, key) = pair();
    let (_, other_key) = pair();
    let identity = |pem: &str| Tls { identity_pem: Some(Secret::new(pem)), ..with_ca(&certificate) };
    for (name, tls, want) in [
        ("CA", with_ca(&certificate), None),
        ("two CAs", with_ca(&format!("{certificate}{certificate}")), None),
        ("identity", identity(&format!("{certificate}{key}")), None),
        ("key first", identity(&format!("{key}{certificate}")), None),
        ("no CA", with_ca(""), Some("the CA holds no certificate")),
        ("broken CA", with_ca(&certificate.replacen("MII", "!!!", 1)), Some("the CA is not in PEM")),
        ("a key as CA", with_ca(&key), Some("the CA holds no certificate")),
        ("too many", with_ca(&certificate.repeat(MAX_CERTIFICATES + 1)), Some("more than 512")),
        ("no key", identity(&certificate), Some("without a private key")),
        ("no certificate", identity(&key), Some("holds no certificate")),
        ("another's key", identity(&format!("{certificate}{other_key}")), Some("does not belong")),
    ] {
        match (client_config(&tls, true), want) {
            (Ok((config, _)), None) => assert_eq!(config.alpn_protocols.len(), 2, "{name}"),
            (Err(error), Some(want)) => assert!(error.to_string().contains(want), "{name}: {error}"),
            (got, want) => panic!("{name}: {:?}, not {want:?}", got.map(|_| "made")),
        }
    }
    assert!(client_config(&with_ca("nonsense"), false).is_ok(), "plain http needs none of it");
}

fn with_ca(pem: &str) -> Tls {
    Tls { ca_pem: Some(pem.into()), ..Tls::default() }
}

#[test]
fn failures_are_told_in_our_words() {
    let alert = Error::AlertReceived;
    let bad = Error::InvalidCertificate;
    let names: Vec<String> =
        ["DnsName(\"a.example\")", "IpAddress(10.0.0.1)", "c.example", "d.example"].map(str::to_owned).into();
    let expected = ServerName::try_from("p.example").unwrap();
    let wrong_name = CertificateError::NotValidForNameContext { expected: expected.clone(), presented: names };
    let nameless = CertificateError::NotValidForNameContext { expected, presented: Vec::new() };
    for (error, words, ours) in [
        (bad(wrong_name), "is for a.example, 10.0.0.1, c.example, others, not for p.example", false),
        (bad(nameless), "is for no name at all, not for p.example", false),
        (bad(CertificateError::UnknownIssuer), "a CA that is not trusted here", false),
        (bad(CertificateError::Expired), "has expired", false),
        (bad(CertificateError::NotValidYet), "not valid yet", false),
        (bad(CertificateError::BadSignature), "signature", false),
        (alert(AlertDescription::CertificateRequired), "wants a client certificate", true),
        (alert(AlertDescription::BadCertificate), "refuses our client certificate", true),
        (alert(AlertDescription::UnknownCA), "does not trust the CA of our client certificate", true),
        (alert(AlertDescription::CertificateExpired), "our client certificate has expired", true),
        (alert(AlertDescription::ProtocolVersion), "1.2 is the least", false),
        (alert(AlertDescription::HandshakeFailure), "broke the handshake off", false),
        (Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType), "perhaps its address is http", false),
        (Error::General("x\ny".to_owned()), "x y", false),
    ] {
        let (text, whose) = explain(&error);
        assert!(text.contains(words) && text.chars().count() <= MAX_CAUSE_CHARS, "{error:?}: {text}");
        assert!(!text.ends_with('.') && !text.contains('\n'), "{text}");
        assert_eq!(whose, ours, "{text}");
    }
}
