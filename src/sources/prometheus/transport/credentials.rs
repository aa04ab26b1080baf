//! Says who we are in the headers of a request. Owns the file of a rotating token and how often it is read; shows no credential to
//! anybody but the request.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::header::{self, HeaderName, HeaderValue};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::super::connection::{Identity, Secret};
use super::invalid::Problem;
use super::sigv4::{Signed, Signer};
use crate::engine::Timestamp;

/// How old a token may be that was read from a file. Kubernetes writes a projected token anew minutes before the old one ends, so
/// this is often enough; a refusal has it read at once.
const TOKEN_AGE: Duration = Duration::from_secs(30);
/// Size of a token file. A service account token has about 1 kB; headers beyond 8 kB are refused by most servers.
const MAX_TOKEN_BYTES: u64 = 16 * 1024;

/// Makes the headers of one identity.
#[derive(Debug)]
pub(super) enum Credentials {
    /// None, or those in the address.
    None,
    /// The same for every request.
    Fixed(HeaderValue),
    /// From a file.
    File(TokenFile),
    /// A signature of each request.
    SigV4(Signer),
}

/// A header.
pub(super) type Header = (HeaderName, HeaderValue);

impl Credentials {
    pub(super) fn new(identity: &Identity) -> Result<Self, Problem> {
        let refuse = |why| Err(Problem::Credentials(why));
        Ok(match identity {
            Identity::Anonymous => Self::None,
            Identity::Basic { username, .. } if username.expose().contains(':') => {
                return refuse("the user of basic authentication holds a `:`, which cannot be sent");
            }
            Identity::Basic { username, password } => {
                let both = format!("{}:{}", username.expose(), password.expose());
                let value = format!("Basic {}", BASE64.encode(both));
                Self::Fixed(sensitive(&value).map_err(Problem::Credentials)?)
            }
            Identity::Bearer(token) => Self::Fixed(bearer(token.expose()).map_err(Problem::Credentials)?),
            Identity::BearerFile(path) => Self::File(TokenFile { path: path.clone(), state: Mutex::default() }),
            Identity::SigV4 { region, service, access_key_id, secret_access_key, session_token } => {
                let plain =
                    |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
                if !plain(region) || !plain(service) {
                    return refuse("the region and the service of AWS are words of letters, digits and `-`");
                }
                let visible = |secret: &Secret| {
                    !secret.expose().is_empty() && secret.expose().bytes().all(|b| b.is_ascii_graphic())
                };
                let token_fits = session_token.as_ref().is_none_or(visible);
                if !visible(access_key_id) || !visible(secret_access_key) || !token_fits {
                    return refuse(
                        "an AWS key is empty or holds spaces, line breaks or other characters that no key has",
                    );
                }
                Self::SigV4(Signer {
                    region: region.clone(),
                    service: service.clone(),
                    access_key_id: access_key_id.clone(),
                    secret_access_key: secret_access_key.clone(),
                    session_token: session_token.clone(),
                })
            }
        })
    }

    /// The headers of `request` at `now`.
    ///
    /// # Errors
    /// What is wrong, as the end of a sentence that shows no credential.
    pub(super) async fn headers(&self, request: Signed<'_>, now: Timestamp) -> Result<Vec<Header>, String> {
        match self {
            Self::None => Ok(Vec::new()),
            Self::Fixed(value) => Ok(vec![(header::AUTHORIZATION, value.clone())]),
            Self::File(file) => Ok(vec![(header::AUTHORIZATION, file.token().await?)]),
            Self::SigV4(signer) => signer.sign(request, now).map_err(str::to_owned),
        }
    }

    /// After a refusal: whether the credentials of the next attempt differ from `sent`.
    pub(super) async fn renewed(&self, sent: &[Header]) -> bool {
        let Self::File(file) = self else { return false };
        let sent = sent.iter().find(|(name, _)| *name == header::AUTHORIZATION).map(|(_, value)| value);
        match file.read_again().await {
            Ok(token) => Some(&token) != sent,
            Err(_) => false,
        }
    }
}

/// A token in a file that changes.
#[derive(Debug)]
pub(super) struct TokenFile {
    path: PathBuf,
    state: Mutex<Option<Kept>>,
}

#[derive(Debug, Clone)]
struct Kept {
    token: HeaderValue,
    read_at: Instant,
}

impl TokenFile {
    /// The token, read again where it is old. While the file cannot be read, the last token stays in use.
    async fn token(&self) -> Result<HeaderValue, String> {
        let mut state = self.state.lock().await;
        match &mut *state {
            Some(kept) if kept.read_at.elapsed() < TOKEN_AGE => Ok(kept.token.clone()),
            Some(kept) => {
                match self.read().await {
                    Ok(token) => kept.token = token,
                    Err(error) => {
                        tracing::warn!(path = %self.path.display(), error, "the token file cannot be read again");
                    }
                }
                kept.read_at = Instant::now();
                Ok(kept.token.clone())
            }
            None => {
                let token = self.read().await?;
                *state = Some(Kept { token: token.clone(), read_at: Instant::now() });
                Ok(token)
            }
        }
    }

    async fn read_again(&self) -> Result<HeaderValue, String> {
        let mut state = self.state.lock().await;
        let token = self.read().await?;
        *state = Some(Kept { token: token.clone(), read_at: Instant::now() });
        Ok(token)
    }

    async fn read(&self) -> Result<HeaderValue, String> {
        let path = self.path.clone();
        let text = tokio::task::spawn_blocking(move || read_small(&path))
            .await
            .map_err(|_| "reading the token file was interrupted".to_owned())??;
        bearer(&text).map_err(str::to_owned)
    }
}

/// The whole of a small file. Anything but a regular file is refused before it is opened: a pipe would block for ever.
fn read_small(path: &Path) -> Result<String, String> {
    let cannot = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => "the token file cannot be read: there is no such file".to_owned(),
        kind => format!("the token file cannot be read: {kind}"),
    };
    if !std::fs::metadata(path).map_err(cannot)?.is_file() {
        return Err("the token file is not a regular file".to_owned());
    }
    let mut text = Vec::new();
    File::open(path).and_then(|file| file.take(MAX_TOKEN_BYTES + 1).read_to_end(&mut text)).map_err(cannot)?;
    if text.len() as u64 > MAX_TOKEN_BYTES {
        return Err(format!("the token file is larger than {MAX_TOKEN_BYTES} bytes"));
    }
    String::from_utf8(text).map_err(|_| "the token file holds no text".to_owned())
}

fn bearer(token: &str) -> Result<HeaderValue, &'static str> {
    let token = token.trim();
    if token.is_empty() {
        return Err("the bearer token is empty");
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("the bearer token holds spaces, line breaks or other characters that no token has");
    }
    sensitive(&format!("Bearer {token}"))
}

fn sensitive(text: &str) -> Result<HeaderValue, &'static str> {
    let mut value =
        HeaderValue::from_str(text).map_err(|_| "the credentials hold characters that no header may carry")?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests;
