//! Signs requests with AWS Signature Version 4, as Amazon Managed Service for Prometheus wants it. Pure: the time comes in.
//! Source: AWS' documentation of the signing process, "Create a signed AWS API request".

use std::fmt::Write as _;

use http::header::{self, HeaderName, HeaderValue};
use ring::{digest, hmac};
use url::Url;

use super::super::connection::Secret;
use crate::engine::Timestamp;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const X_AMZ_DATE: &str = "x-amz-date";
const X_AMZ_SECURITY_TOKEN: &str = "x-amz-security-token";

/// Keys and what they are for. Its `Debug` shows no key.
#[derive(Debug)]
pub(super) struct Signer {
    pub(super) region: String,
    pub(super) service: String,
    pub(super) access_key_id: Secret,
    pub(super) secret_access_key: Secret,
    pub(super) session_token: Option<Secret>,
}

/// What of a request is signed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signed<'a> {
    /// `GET` or `POST`.
    pub(super) method: &'a str,
    /// The whole address, with its query string.
    pub(super) url: &'a Url,
    /// Headers to sign beside `host` and our own, in small letters.
    pub(super) headers: &'a [(&'a str, &'a str)],
    /// The body as it is sent.
    pub(super) body: &'a [u8],
}

impl Signer {
    /// The headers that carry the signature of `request` at `now`.
    ///
    /// # Errors
    /// What makes it impossible, as the end of a sentence.
    pub(super) fn sign(
        &self,
        request: Signed<'_>,
        now: Timestamp,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, &'static str> {
        let now = jiff::Timestamp::from_millisecond(now.as_millis()).map_err(|_| "the clock is out of range")?;
        let time = now.strftime("%Y%m%dT%H%M%SZ").to_string();
        let day = now.strftime("%Y%m%d").to_string();
        let mut signed = vec![("host", host(request.url)), (X_AMZ_DATE, time.clone())];
        if let Some(token) = &self.session_token {
            signed.push((X_AMZ_SECURITY_TOKEN, token.expose().to_owned()));
        }
        signed.extend(request.headers.iter().map(|(name, value)| (*name, collapse(value))));
        signed.sort();
        let names = signed.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let scope = format!("{day}/{}/{}/aws4_request", self.region, self.service);
        let canonical = canonical(request, &signed, &names);
        let to_sign = format!("{ALGORITHM}\n{time}\n{scope}\n{}", sha256(canonical.as_bytes()));
        let signature = hex(hmac::sign(&self.key(&day), to_sign.as_bytes()).as_ref());
        let id = self.access_key_id.expose();
        let authorization =
            format!("{ALGORITHM} Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}");
        let mut headers = vec![
            (header::AUTHORIZATION, sensitive(&authorization)?),
            (HeaderName::from_static(X_AMZ_DATE), sensitive(&time)?),
        ];
        if let Some(token) = &self.session_token {
            headers.push((HeaderName::from_static(X_AMZ_SECURITY_TOKEN), sensitive(token.expose())?));
        }
        Ok(headers)
    }

    /// The key of one day, region and service.
    fn key(&self, day: &str) -> hmac::Key {
        let start = format!("AWS4{}", self.secret_access_key.expose());
        let key = hmac::Key::new(hmac::HMAC_SHA256, start.as_bytes());
        [day, &self.region, &self.service, "aws4_request"]
            .into_iter()
            .fold(key, |key, part| hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref()))
    }
}

/// The request in the one form that both sides hash.
fn canonical(request: Signed<'_>, headers: &[(&str, String)], names: &str) -> String {
    let mut pairs: Vec<(String, String)> =
        request.url.query_pairs().map(|(name, value)| (encode(&name), encode(&value))).collect();
    pairs.sort();
    let query: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    // The path is encoded once more than it is sent; only S3 wants it as it is.
    let path: Vec<String> = request.url.path().split('/').map(encode).collect();
    let mut text = format!("{}\n{}\n{}\n", request.method, path.join("/"), query.join("&"));
    for (name, value) in headers {
        let _ = writeln!(text, "{name}:{value}");
    }
    let _ = write!(text, "\n{names}\n{}", sha256(request.body));
    text
}

/// The `Host` header as HTTP sends it: the port only where it is not the scheme's own.
fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn collapse(value: &str) -> String {
    value.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Everything but letters, digits and `-._~` becomes `%XX`.
fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn sensitive(text: &str) -> Result<HeaderValue, &'static str> {
    let mut value = HeaderValue::from_str(text).map_err(|_| "the AWS keys hold characters that no header may carry")?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests;
