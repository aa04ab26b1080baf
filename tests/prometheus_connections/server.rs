//! A server that answers every request alike and remembers what it was asked, over TCP or TLS.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::certificates::Pair;

/// One number, at the epoch.
pub(crate) const ANSWER: &str = r#"{"status":"success","data":{"resultType":"scalar","result":[1700000000.25,"42"]}}"#;

/// A server that lives as long as this value.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Writes the answer to a request, given with the number of requests before it.
type Answer = Arc<dyn Fn(usize, &str) -> String + Send + Sync>;

/// A whole HTTP answer after which the connection ends.
pub(crate) fn http(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n{body}", body.len())
}

impl Server {
    pub(crate) async fn plain(answer: impl Fn(usize, &str) -> String + Send + Sync + 'static) -> Self {
        Self::start(None, Arc::new(answer)).await
    }

    pub(crate) async fn tls(config: ServerConfig) -> Self {
        Self::start(Some(TlsAcceptor::from(Arc::new(config))), Arc::new(|_, _| http("200 OK", "", ANSWER))).await
    }

    async fn start(acceptor: Option<TlsAcceptor>, answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, answer, kept) = (acceptor.clone(), Arc::clone(&answer), Arc::clone(&kept));
                tokio::spawn(async move {
                    match acceptor {
                        None => serve(stream, &kept, &answer).await,
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                serve(stream, &kept, &answer).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, requests, task }
    }

    /// All requests so far, head and body.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, kept: &Mutex<Vec<String>>, answer: &Answer) {
    let request = read(&mut stream).await;
    if request.is_empty() {
        return;
    }
    let before = {
        let mut kept = kept.lock().unwrap();
        kept.push(request.clone());
        kept.len() - 1
    };
    let _ = stream.write_all(answer(before, &request).as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// Reads the head and as much body as it announces.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).await.unwrap_or(0);
        request.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&request);
        let whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
            body.len() >= header(head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0)
        });
        // No HTTP begins so: it is TLS, and a server without it says at once that this is a bad request.
        let garbage = request.first().is_some_and(|byte| !byte.is_ascii_uppercase());
        if count == 0 || whole || garbage {
            return text.into_owned();
        }
    }
}

/// The value of a header of a request.
pub(crate) fn header(request: &str, name: &str) -> Option<String> {
    let head = request.split("\r\n\r\n").next().unwrap_or_default();
    let line = head.lines().find(|line| line.split(':').next().is_some_and(|key| key.eq_ignore_ascii_case(name)))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// How a server of `pair` speaks TLS; with `clients` it takes only those whose certificate that CA signed.
pub(crate) fn tls_config(
    pair: &Pair,
    clients: Option<&str>,
    versions: &[&'static SupportedProtocolVersion],
) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(versions).unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(ca) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        }
    };
    let certificate = CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap();
    builder.with_single_cert(vec![certificate], PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap()).unwrap()
}
