use std::fs;

use url::Url;

use super::*;

fn url() -> Url {
    Url::parse("https://p.example/api/v1/query").unwrap()
}

async fn headers(credentials: &Credentials) -> Result<Vec<Header>, String> {
    let url = url();
    let request = Signed { method: "POST", url: &url, headers: &[], body: b"query=up" };
    credentials.headers(request, Timestamp::from_millis(0)).await
}

async fn authorization(credentials: &Credentials) -> Result<String, String> {
    let headers = headers(credentials).await?;
    assert!(headers.iter().all(|(_, value)| value.is_sensitive()), "{headers:?}");
    Ok(headers.first().map(|(_, value)| value.to_str().unwrap().to_owned()).unwrap_or_default())
}

#[tokio::test]
async fn each_identity_says_who_we_are() {
    let basic =
        |user: &str, password: &str| Identity::Basic { username: Secret::new(user), password: Secret::new(password) };
    for (identity, want) in [
        (Identity::Anonymous, ""),
        // The example of RFC 7617.
        (basic("Aladdin", "open sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        (basic("", ""), "Basic Og=="),
        (basic("ü", "a:b"), "Basic w7w6YTpi"),
        (Identity::Bearer(Secret::new(" token\n")), "Bearer token"),
    ] {
        let credentials = Credentials::new(&identity).unwrap();
        assert_eq!(authorization(&credentials).await.unwrap(), want);
        for part in want.split(' ').filter(|part| part.len() > 4 && !matches!(*part, "Basic" | "Bearer")) {
            assert!(!format!("{credentials:?}{identity:?}").contains(part), "{credentials:?}");
        }
        assert!(!credentials.renewed(&[]).await, "these do not change");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_file_is_read_again_as_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let credentials = Credentials::new(&Identity::BearerFile(path.clone())).unwrap();
    let missing = authorization(&credentials).await.unwrap_err();
    assert!(missing.contains("cannot be read"), "{missing}");

    fs::write(&path, "first\n").unwrap();
    assert_eq!(authorization(&credentials).await.unwrap(), "Bearer first", "a failure is not kept");
    fs::write(&path, "second\n").unwrap();
    tokio::time::advance(TOKEN_AGE / 2).await;
    assert_eq!(authorization(&credentials).await.unwrap(), "Bearer first", "not at every request");
    tokio::time::advance(TOKEN_AGE).await;
    assert_eq!(authorization(&credentials).await.unwrap(), "Bearer second");

    // After a refusal at once; nothing is sent again that was refused.
    let sent = headers(&credentials).await.unwrap();
    assert!(!credentials.renewed(&sent).await, "it is the same");
    fs::write(&path, "third").unwrap();
    assert!(credentials.renewed(&sent).await);
    assert_eq!(authorization(&credentials).await.unwrap(), "Bearer third");

    // What cannot be read again stays in use.
    fs::remove_file(&path).unwrap();
    tokio::time::advance(TOKEN_AGE * 2).await;
    assert_eq!(authorization(&credentials).await.unwrap(), "Bearer third");
    assert!(!credentials.renewed(&sent).await);
    assert!(!format!("{credentials:?}").contains("third"), "{credentials:?}");
}

#[tokio::test]
async fn files_that_hold_no_token_are_refused_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let large = "hunter2".repeat(4096);
    for (name, content, words) in [
        ("empty", &b" \n"[..], "is empty"),
        ("two lines", b"hunter2\nhunter2", "line breaks"),
        ("binary", &[b'h', 0xff, b'u'], "no text"),
        ("large", large.as_bytes(), "larger than 16384 bytes"),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        let error = authorization(&Credentials::new(&Identity::BearerFile(path)).unwrap()).await.unwrap_err();
        assert!(error.contains(words), "{name}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    let directory = Credentials::new(&Identity::BearerFile(folder.path().to_owned())).unwrap();
    assert!(authorization(&directory).await.unwrap_err().contains("not a regular file"));
    // It never ends, so it must not be opened.
    let endless = Credentials::new(&Identity::BearerFile("/dev/zero".into())).unwrap();
    assert!(authorization(&endless).await.unwrap_err().contains("not a regular file"));
}
