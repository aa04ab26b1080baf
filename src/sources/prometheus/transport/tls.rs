//! Speaks TLS: whom we trust, what we show, and what is said when it fails. TLS 1.2 is the least, ring the one provider. No message
//! shows a certificate's content beyond its names, or any of a key.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use super::super::connection::Tls;
use super::super::text::one_line;
use super::cause::MAX_CAUSE_CHARS;
use super::invalid::Problem;

/// Certificates in one PEM text. The system's own bundle has about 140.
const MAX_CERTIFICATES: usize = 512;
/// Names of a certificate that are shown when none of them fits.
const SHOWN_NAMES: usize = 3;

/// Makes ring the process' TLS provider unless there is one already. `main` calls it first of all; [`super::HttpTransport::new`]
/// calls it too, because the HTTP client panics without a provider, even for plain http.
pub fn install_tls_provider() {
    if CryptoProvider::get_default().is_none() {
        // An error means that another thread was faster, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

/// How the client speaks TLS. Where `needed` is false nothing is trusted, so that an image without CA certificates is no obstacle.
/// The second value tells whether the server asked for a client certificate.
pub(super) fn client_config(tls: &Tls, needed: bool) -> Result<(ClientConfig, Arc<Asked>), Problem> {
    let asked = Arc::<Asked>::default();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| Problem::Client(said(&error)))?;
    if !needed {
        return Ok((builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth(), asked));
    }
    let own = tls.identity_pem.as_ref().map(|pem| own_certificate(pem.expose(), &provider)).transpose()?;
    let shown = ClientCertificate { own, asked: Arc::clone(&asked) };
    let verifier = Verifier { chain: chain(tls, &provider)?, name: server_name(tls)?, provider };
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = builder.with_client_cert_resolver(Arc::new(shown));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((config, asked))
}

fn own_certificate(pem: &str, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, Problem> {
    let certificates = certificates(pem, "the client certificate")?;
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes())
        .map_err(|_| Problem::Tls("the client certificate comes without a private key in PEM".to_owned()))?;
    let own = CertifiedKey::from_der(certificates, key, provider).map_err(|error| {
        let why = match error {
            Error::InconsistentKeys(_) => "the private key does not belong to the client certificate",
            _ => "the client certificate or its private key is of an unsupported kind",
        };
        Problem::Tls(why.to_owned())
    })?;
    Ok(Arc::new(own))
}

/// Whether the latest handshake asked for a client certificate, and nothing was answered since. With TLS 1.3 a server refuses a
/// certificate only after the handshake, and over HTTP/2 the client then says no more than that the connection is gone.
#[derive(Debug, Default)]
pub(super) struct Asked(AtomicBool);

impl Asked {
    /// An answer came: whatever was shown was good enough.
    pub(super) fn answered(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// What a connection that was closed without an answer means.
    pub(super) fn explain(&self, shown: bool) -> Option<String> {
        let what = if shown { "after ours was shown" } else { "when none was shown; give one" };
        let asked = self.0.load(Ordering::Relaxed);
        asked.then(|| format!("it asks for a client certificate, and closed the connection {what}"))
    }
}

/// Shows our certificate, if there is one, and remembers that it was asked for.
#[derive(Debug)]
struct ClientCertificate {
    own: Option<Arc<CertifiedKey>>,
    asked: Arc<Asked>,
}

impl ResolvesClientCert for ClientCertificate {
    fn resolve(&self, _issuers: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.0.store(true, Ordering::Relaxed);
        self.own.clone()
    }

    fn has_certs(&self) -> bool {
        self.own.is_some()
    }
}

fn server_name(tls: &Tls) -> Result<Option<ServerName<'static>>, Problem> {
    let Some(name) = &tls.server_name else { return Ok(None) };
    let parsed = ServerName::try_from(name.clone());
    parsed.map(Some).map_err(|_| Problem::Tls("the server name is neither a DNS name nor an IP address".to_owned()))
}

/// What checks the server's certificate; `None` takes any.
fn chain(tls: &Tls, provider: &Arc<CryptoProvider>) -> Result<Option<Arc<dyn ServerCertVerifier>>, Problem> {
    if tls.insecure_skip_verify {
        return Ok(None);
    }
    let Some(pem) = &tls.ca_pem else {
        let system = rustls_platform_verifier::Verifier::new(Arc::clone(provider))
            .map_err(|error| Problem::Client(format!("the system's CA certificates are unusable: {}", said(&error))))?;
        return Ok(Some(Arc::new(system)));
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem, "the CA")? {
        roots.add(certificate).map_err(|_| Problem::Tls("the CA holds a certificate that is malformed".to_owned()))?;
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|_| Problem::Tls("the CA cannot be used".to_owned()))?;
    Ok(Some(verifier))
}

/// The certificates of a PEM text that `what` holds. What the parser says of it stays here: it repeats lines.
fn certificates(pem: &str, what: &str) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).take(MAX_CERTIFICATES + 1).collect();
    let found = found.map_err(|_| Problem::Tls(format!("{what} is not in PEM")))?;
    match found.len() {
        0 => Err(Problem::Tls(format!("{what} holds no certificate in PEM"))),
        1..=MAX_CERTIFICATES => Ok(found),
        _ => Err(Problem::Tls(format!("{what} holds more than {MAX_CERTIFICATES} certificates"))),
    }
}

/// Checks a certificate against another name than the address', or takes any. Signatures are checked in each case.
#[derive(Debug)]
struct Verifier {
    chain: Option<Arc<dyn ServerCertVerifier>>,
    name: Option<ServerName<'static>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let name = self.name.as_ref().unwrap_or(server_name);
        match &self.chain {
            Some(chain) => chain.verify_server_cert(end_entity, intermediates, name, ocsp_response, now),
            None => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// What is wrong, and whether it is our own certificate.
pub(super) fn explain(error: &Error) -> (String, bool) {
    let theirs = |text: &str| (text.to_owned(), false);
    let ours = |text: &str| (text.to_owned(), true);
    match error {
        Error::InvalidCertificate(why) => (explain_certificate(why), false),
        Error::NoCertificatesPresented => theirs("it shows no certificate"),
        Error::InvalidMessage(_) => theirs("it does not answer in TLS; perhaps its address is http"),
        Error::PeerIncompatible(_) => theirs("it speaks no TLS that is new enough; 1.2 is the least"),
        Error::AlertReceived(alert) => match alert {
            AlertDescription::CertificateRequired => ours("it wants a client certificate; give one"),
            AlertDescription::UnknownCA => ours("it does not trust the CA of our client certificate"),
            AlertDescription::CertificateExpired => ours("our client certificate has expired"),
            AlertDescription::CertificateRevoked => ours("our client certificate was revoked"),
            AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::AccessDenied => ours("it refuses our client certificate, or wants one and got none"),
            AlertDescription::HandshakeFailure => {
                theirs("it broke the handshake off; it may want a client certificate, or other ciphers")
            }
            AlertDescription::ProtocolVersion => theirs("it speaks no TLS that is new enough; 1.2 is the least"),
            AlertDescription::UnrecognisedName => theirs("it serves no such name"),
            _ => (said(error), false),
        },
        _ => (said(error), false),
    }
}

fn explain_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::NotValidForNameContext { expected, presented } => {
            let mut names: Vec<&str> = presented.iter().take(SHOWN_NAMES).map(|name| bare(name)).collect();
            if presented.len() > SHOWN_NAMES {
                names.push("others");
            }
            let names = if names.is_empty() { "no name at all".to_owned() } else { names.join(", ") };
            let text = format!("its certificate is for {names}, not for {}", expected.to_str());
            one_line(&text, MAX_CAUSE_CHARS)
        }
        CertificateError::NotValidForName => "its certificate is for another name".to_owned(),
        CertificateError::UnknownIssuer => {
            "its certificate comes from a CA that is not trusted here; give that CA's certificate".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "its certificate has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet; one of the two clocks may be wrong".to_owned()
        }
        CertificateError::Revoked => "its certificate was revoked".to_owned(),
        CertificateError::BadSignature => {
            "the signature of its certificate is wrong; the CA may be another of the same name".to_owned()
        }
        other => one_line(&format!("its certificate is refused: {other}"), MAX_CAUSE_CHARS),
    }
}

/// The name itself of `DnsName("p.example")`, as the TLS library writes it.
fn bare(name: &str) -> &str {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(name).trim_matches('"')
}

fn said(error: &Error) -> String {
    one_line(error.to_string().trim_end_matches('.'), MAX_CAUSE_CHARS)
}

#[cfg(test)]
mod tests;
