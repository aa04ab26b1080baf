//! Finds what lies at the bottom of the HTTP client's errors, and words it. Its outer layers repeat the address, with its password if
//! it has one; the innermost speaks of sockets, names and certificates only.

use std::error::Error as StdError;
use std::io;

use super::super::text::one_line;
use super::reach::Refused;

/// Characters kept of what the operating system or TLS says of a failed connection.
pub(super) const MAX_CAUSE_CHARS: usize = 160;
/// Layers of an error that are looked through.
const MAX_LAYERS: usize = 32;

/// Why an exchange failed.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cause {
    /// The address must not be reached.
    Refused(Refused),
    /// TLS.
    Tls(rustls::Error),
    /// Anything else, in words.
    Other(String),
}

/// The cause of `error`.
pub(super) fn cause(error: &reqwest::Error) -> Cause {
    let Some(mut layer) = error.source() else { return Cause::Other("the HTTP client gave no cause".to_owned()) };
    let mut kind = None;
    for _ in 0..MAX_LAYERS {
        if let Some(refused) = layer.downcast_ref::<Refused>() {
            return Cause::Refused(refused.clone());
        }
        if let Some(tls) = layer.downcast_ref::<rustls::Error>() {
            return Cause::Tls(tls.clone());
        }
        let mut deeper = layer.source();
        if let Some(error) = layer.downcast_ref::<io::Error>() {
            kind = Some(error.kind());
            // Its source is that of what it wraps, not what it wraps.
            deeper = error.get_ref().map(|inner| inner as &(dyn StdError + 'static)).or(deeper);
        }
        match deeper {
            Some(deeper) => layer = deeper,
            None => break,
        }
    }
    let said = layer.to_string();
    Cause::Other(match kind {
        Some(io::ErrorKind::ConnectionRefused) => "connection refused".to_owned(),
        Some(io::ErrorKind::ConnectionReset) => "connection reset".to_owned(),
        Some(io::ErrorKind::UnexpectedEof) => "the connection was closed too early".to_owned(),
        // The HTTP client's word for a connection that ended before the request was through.
        None if said == "channel closed" => "the connection was closed before an answer".to_owned(),
        _ => one_line(said.trim_end_matches('.'), MAX_CAUSE_CHARS),
    })
}
